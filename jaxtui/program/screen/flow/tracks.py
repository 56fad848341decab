"""The leaves of a shape flow followed through its levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from jaxtui.program.screen.flow.cells import kind_of
from jaxtui.wire.report import FlowLeaf, Level

OUTPUTS = "out"  # what the paths of outputs begin with

Kind = Literal["input", "rule", "output"]
Track = tuple[FlowLeaf | None, ...]  # a leaf at every level, None where it does not appear


def path_of(kind: Kind, group: str, track: Track) -> str:
    """The path of a leaf, which begins with the name of its argument or of all outputs."""
    path = next(leaf.path for leaf in track if leaf is not None)
    return group + path if kind == "output" else path


def _derivatives(outer: Level, inner: Level) -> range:
    """Return which output leaves of `outer` are derivatives made by the layer between the levels.

    They replace the differentiated outputs and precede the auxiliary ones; if the layer keeps the
    value, they follow all outputs of the function, or those that it differentiates.
    """
    kind, outputs, returned = kind_of(inner), outer.outputs or (), inner.outputs or ()
    if not kind.differentiates:
        return range(0)
    if kind.keeps_value:
        last = inner.auxiliary if kind.auxiliary_last else 0
        return range(len(returned) - last, len(outputs) - last)
    return range(max(0, len(outputs) - inner.auxiliary))


def gradients(outer: Level, inner: Level) -> set[int]:
    """Return the ids of the output leaves that are derivatives."""
    outputs = outer.outputs or []
    return {id(outputs[index]) for index in _derivatives(outer, inner)}


def input_tracks(levels: Sequence[Level]) -> list[tuple[str, Track]]:
    """Follow each input leaf through the levels, by its path; what is applied may give others."""
    found: dict[tuple[str, int], list[FlowLeaf | None]] = {}
    for at, level in enumerate(levels):
        times: Counter[str] = Counter()  # two arguments may have one name
        for leaf in level.inputs or ():
            place = (leaf.path, times[leaf.path])
            times[leaf.path] += 1
            found.setdefault(place, [None] * len(levels))[at] = leaf
    return [(path, tuple(track)) for (path, _), track in found.items()]


def output_tracks(levels: Sequence[Level]) -> list[Track]:
    """Follow each output leaf of the outermost level reached inward through the levels."""
    start = next((at for at, level in enumerate(levels) if level.outputs is not None), len(levels))
    if start == len(levels):
        return []
    outputs = levels[start].outputs or []
    places: list[int | None] = list(range(len(outputs)))
    columns: list[list[FlowLeaf | None]] = [[None] * len(outputs) for _ in range(start)]
    columns.append(list(outputs))
    for outer, level in pairwise(levels[start:]):
        inner = level.outputs or []
        places = [_inner_place(place, outer, level) for place in places]
        columns.append([None if place is None else inner[place] for place in places])
    return list(zip(*columns, strict=True))


def _inner_place(place: int | None, outer: Level, inner: Level) -> int | None:
    """Return the index, one level further in, of what output leaf `place` comes from."""
    if place is None:
        return None
    made, returned = _derivatives(outer, inner), len(inner.outputs or ())
    if kind_of(inner).auxiliary_last:
        # The outputs stand around their derivatives.
        place = (
            place if place < made.start else place - len(made) if place >= made.stop else returned
        )
        return place if place < returned else None
    differentiated = returned - inner.auxiliary
    if made.start == 0 and made and differentiated > 0:
        # A differentiated value is beside the first of its derivatives.
        each = max(1, len(made) // differentiated)
        if place in made and place % each:
            return None
        place = place // each if place in made else place - len(made) + differentiated
    return place if place < returned else None
