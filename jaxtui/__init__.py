"""jaxtui: a terminal explorer for JAX's batching and parallelism."""

__version__ = "0.1.0"
