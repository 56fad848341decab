"""Bandwidth sweeps in the engine."""
