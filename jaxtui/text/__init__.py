"""Numbers, names and signs as text, alike on the command line and on the screens."""
