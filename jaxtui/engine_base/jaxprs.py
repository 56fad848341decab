"""Walking over jaxprs: the bodies inside an equation, and how large its operands are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def bodies(params: dict[str, Any]) -> Iterator[Any]:
    """The open jaxprs among an equation's parameters; a custom derivative's rules are not run."""
    for key, value in params.items():
        if key in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"):
            continue
        for item in value if isinstance(value, tuple | list) else (value,):
            body = getattr(item, "jaxpr", item)
            if hasattr(body, "eqns"):
                yield body


def size(aval: Any) -> int:
    """How many elements an array of `aval`'s shape has; 1 of what has none, such as a token."""
    return math.prod(int(n) for n in getattr(aval, "shape", ()))
