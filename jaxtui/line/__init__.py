"""A line to an engine on another host that may break and is taken up again.

`local` runs on the screen's host in place of the engine, `keeper` and `kept_program` on the other
one. Between them go frames; those that carry the engine's bytes are numbered, and kept until they
have arrived. Nothing here imports JAX, Textual or a package that is not Python's own.
"""
