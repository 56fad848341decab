"""Where in a program a value that is no number first comes from."""
