"""Which dimensions `jax.numpy.vectorize` loops over, by its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax import tree_util

from jaxtui.engine_base.arrays import is_array


def core_ranks(settings: Mapping[str, Any], side: int = 0) -> list[int] | None:
    """How many dimensions of each argument the function takes (of each output with side 1).

    None without a signature, where it takes single values, and for a signature that is none.
    """
    signature = settings.get("signature")
    if not isinstance(signature, str) or signature.count("->") != 1:
        return None
    parts = re.findall(r"\(([^()]*)\)", signature.split("->")[side])
    return [len(part.split(",")) if part.strip() else 0 for part in parts]


def excluded_places(settings: Mapping[str, Any]) -> set[int]:
    """The positions of the arguments that are passed on as they are."""
    return {place for place in settings.get("excluded", ()) if isinstance(place, int)}


def looped(settings: Mapping[str, Any], args: Sequence[Any]) -> list[tuple[int, int]]:
    """Each argument that is broadcast, by its position, with how many dimensions it loops over."""
    excluded = excluded_places(settings)
    places = [i for i, arg in enumerate(args) if i not in excluded]
    ranks = core_ranks(settings) or [0] * len(places)
    pairs = zip(places, ranks, strict=False)
    return [(i, max(0, _rank(args[i]) - rank)) for i, rank in pairs if args[i] is not None]


def _rank(arg: Any) -> int:
    return len(arg.shape) if is_array(arg) else np.ndim(arg)


def input_loops(settings: Mapping[str, Any], args: Sequence[Any]) -> list[range | None]:
    """The dimensions that every leaf of `args` loses; None for what is passed on as it is."""
    dimensions = dict(looped(settings, args))
    return [
        range(dimensions[i]) if i in dimensions else None
        for i, arg in enumerate(args)
        for _ in tree_util.tree_leaves(arg)
    ]


def loop_shape(settings: Mapping[str, Any], args: Sequence[Any]) -> tuple[int, ...]:
    """The shape that the loop dimensions broadcast to. Raises ValueError if they do not."""
    shapes = [
        tuple(args[i].shape if is_array(args[i]) else np.shape(args[i]))[:count]
        for i, count in looped(settings, args)
    ]
    return np.broadcast_shapes(*shapes)


def loop_size(settings: Mapping[str, Any], args: Sequence[Any]) -> int | None:
    """How many times the function is called; None if nothing is looped over."""
    try:
        shape = loop_shape(settings, args)
    except (ValueError, TypeError):
        return None  # the failure that follows explains it
    return math.prod(shape) if shape else None
