"""How the data of a collective travels between devices, on plain numbers."""
