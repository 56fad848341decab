"""The session: all that a user composes, as plain data, and what can be said of it without JAX."""
