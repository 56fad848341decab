"""The terminal user interface, on Textual. It never imports JAX or NumPy."""
