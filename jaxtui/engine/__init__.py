"""The engine: everything that imports JAX. It runs as a process of its own."""
