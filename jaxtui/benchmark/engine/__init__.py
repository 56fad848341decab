"""Benchmarks in the engine: planned, prepared, timed and judged."""
