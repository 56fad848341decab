"""Helpers for walking over jaxprs: the jaxprs inside an equation, and the sizes of its operands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def bodies(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the open jaxprs in an equation's parameters that running the equation evaluates.

    A custom derivative's rules are left out.
    """
    for key, value in params.items():
        if key in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"):
            continue
        for item in value if isinstance(value, tuple | list) else (value,):
            body = getattr(item, "jaxpr", item)
            if hasattr(body, "eqns"):
                yield body


def size(aval: Any) -> int:
    """The number of elements of an array of `aval`'s shape; 1 for a token, which has no shape."""
    return math.prod(int(n) for n in getattr(aval, "shape", ()))
