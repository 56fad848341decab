"""Bandwidth sweeps: a collective timed over message sizes."""
