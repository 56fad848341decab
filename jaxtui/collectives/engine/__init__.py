"""Collectives in the engine: run, checked against NumPy, traced to their sources."""
