"""The engine's side of a program's memory."""
