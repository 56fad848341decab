"""The public names of JAX's and NumPy's modules, with their signatures."""

from __future__ import annotations

import functools
import inspect
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtui.wire.names import Name

MOST = 70  # characters of a signature
ROOTS: dict[str, ModuleType] = {"jax": jax, "jnp": jnp, "lax": lax, "np": np}


@functools.cache
def names_of(module: str) -> tuple[Name, ...]:
    """The public names of a module by its dotted name, () if it is none that sources know."""
    found = _module(module)
    if found is None:
        return ()
    # What is there already: a deprecated name warns, and a lazy one imports, when it is asked for.
    public = {name: value for name, value in vars(found).items() if not name.startswith("_")}
    return tuple(Name(name, _signature(public[name])) for name in sorted(public, key=str.lower))


def _module(dotted: str) -> ModuleType | None:
    root, *rest = dotted.split(".")
    found = ROOTS.get(root)
    for name in rest:
        inner = vars(found).get(name) if found is not None else None
        found = inner if isinstance(inner, ModuleType) else None
    return found


def _signature(value: Any) -> str:
    """The parameters of a function, without annotations, cut to MOST characters."""
    if isinstance(value, ModuleType) or not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(…)"
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    try:
        text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    except Exception:  # the repr of a default may be anything's
        return "(…)"
    return text if len(text) <= MOST else text[: MOST - 1].rpartition(",")[0] + ", …)"
