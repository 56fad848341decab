"""The engine's side of comparing two runs."""
