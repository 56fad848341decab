"""One colour a strategy, the same in the table, the bars, the chart and the samples."""

from __future__ import annotations

import zlib

from jaxtui.screen.themes import STRATEGIES

# Relatives have one hue in two shades; any other strategy has a colour by its name.
_PAIRS = (
    ("loop", "loop-and-stack"),
    ("lax.map", "lax.map-batched"),
    ("jit(vmap)", "vmap"),
    ("pmap", "pmap-without-vmap"),
    ("shard_map", "sharding"),
)
_PLACES = {name: place for place, name in enumerate(name for pair in _PAIRS for name in pair)}


def style(strategy: str) -> str:
    """The style of a strategy in `PaintedLines`, such as "strategy-4"."""
    place = _PLACES.get(strategy)
    if place is None:
        place = zlib.crc32(strategy.encode())
    return f"strategy-{place % STRATEGIES}"
