"""Capturing the arguments that a script calls a function with, as a session."""
