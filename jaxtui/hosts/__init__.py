"""Engines on several hosts: starts one on each, sees that they can meet, and says which fails.

`python -m jaxtui.hosts` runs beside the screen, as any command that starts an engine; on each host
it starts `python -m jaxtui.hosts --member`, the keeper of the engine's process there.
"""
