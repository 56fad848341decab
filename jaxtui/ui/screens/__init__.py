"""Screens: each lays out widgets and binds them to the state of the app."""
