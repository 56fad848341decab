"""Helpers for walking over jaxprs: the jaxprs inside an equation, and the sizes of its operands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def bodies(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the open jaxprs in an equation's parameters that running the equation evaluates.

    A custom derivative's rules are left out.
    """
    for item in _evaluated(params):
        yield getattr(item, "jaxpr", item)


def _evaluated(params: dict[str, Any]) -> Iterator[Any]:
    """Yield the jaxprs of `bodies`, closed where they are closed."""
    for key, value in params.items():
        if key in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"):
            continue
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(getattr(item, "jaxpr", item), "eqns"):
                yield item


def walk(jaxpr: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield the equations and the constants of `jaxpr`, open or closed, and of all inside it."""
    equations = getattr(jaxpr, "jaxpr", jaxpr).eqns
    yield equations, getattr(jaxpr, "consts", [])
    for equation in equations:
        for inner in _evaluated(equation.params):
            yield from walk(inner)


def size(aval: Any) -> int:
    """The number of elements of an array of `aval`'s shape; 1 for a token, which has no shape."""
    return math.prod(int(n) for n in getattr(aval, "shape", ()))
