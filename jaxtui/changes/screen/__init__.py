"""The screen's side of comparing two runs."""
