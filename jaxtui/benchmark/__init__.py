"""Benchmarks: the ways to run a function over a batch, timed against each other."""
