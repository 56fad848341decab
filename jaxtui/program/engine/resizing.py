"""Values cut or filled up to a size that divides evenly, as texts that say what they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from jaxtui.text.quantities import counted


def nearest(size: int, parts: int) -> tuple[int, int]:
    """The nearest multiples of `parts` below and above `size`, which is none."""
    return size - size % parts, size + parts - size % parts


def would_do(size: int, parts: int) -> str:
    """Which sizes would divide evenly, in words: `16 or 24 would do`."""
    below, above = nearest(size, parts)
    return f"{below} or {above} would do" if below else f"{above} would do"


def resized(
    text: str, shape: Sequence[int], dtype: Any, dimension: int, parts: int
) -> Iterator[tuple[str, str]]:
    """A label and the text of an array cut, or filled up with zeros, to divide into `parts`.

    `text` is the array's own text, `dimension` the one of `shape` that does not divide.
    """
    size = shape[dimension]
    below, above = nearest(size, parts)
    if below:
        cut = ", ".join([":"] * dimension + [f":{below}"])
        left = counted(size - below, "row" if not dimension else "column")
        verb = "is" if size - below == 1 else "are"
        yield f"keep the first {below}: {left} {verb} left out", f"({text})[{cut}]"
    if jnp.issubdtype(dtype, jnp.number) or dtype == jnp.bool_:
        widths = [(0, above - size if i == dimension else 0) for i in range(len(shape))]
        more = counted(above - size, "row" if not dimension else "column")
        label = f"fill up to {above}: {more} of zeros, which the result has too"
        yield label, f"jnp.pad({text}, {tuple(widths)})"
