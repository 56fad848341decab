"""The leaves of a shape flow by argument, and what sorts of leaves there are."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

from jaxtui.program.screen.flow.cells import kind_of
from jaxtui.program.screen.flow.fault import argument_of
from jaxtui.program.screen.flow.tracks import (
    OUTPUTS,
    Kind,
    Track,
    gradients,
    input_tracks,
    output_tracks,
    path_of,
)
from jaxtui.text.branches import Branch, branches
from jaxtui.wire.report import Flow, FlowLeaf

FOLD_ABOVE = 6  # leaves of one argument; more of them fold into one row


class Group:
    """The leaves of one argument, or of the outputs, and the sorts that they are of."""

    def __init__(self, kind: Kind, name: str, tracks: list[Track], made: list[set[int]]) -> None:
        """`made` are the ids of the leaves at each level that are derivatives."""
        self.kind, self.name, self.tracks = kind, name, tracks
        self.key = f"{kind}:{name}"
        self.paths = tuple(path_of(kind, name, track) for track in tracks)
        self.samples: list[Track] = []
        self.sorts: list[int] = []
        numbers: dict[tuple[Any, ...], int] = {}
        for track in tracks:
            sort: tuple[Any, ...] = tuple(None if leaf is None else _sort(leaf) for leaf in track)
            if any(made):
                sort = (*sort, *(id(leaf) in ids for leaf, ids in zip(track, made, strict=False)))
            number = numbers.setdefault(sort, len(self.samples))
            if number == len(self.samples):
                self.samples.append(track)
            self.sorts.append(number)

    @property
    def folds(self) -> bool:
        return len(self.tracks) > FOLD_ABOVE


def _sort(leaf: FlowLeaf) -> tuple[Any, ...]:
    spec = tuple(map(tuple, leaf.spec)) if leaf.spec else ()
    return (leaf.dtype, *leaf.shape, "marks", *leaf.marks, leaf.value, spec)


class Leaves:
    """The leaves of a flow by argument, which do not depend on how it is laid out."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        made = [gradients(outer, inner) for outer, inner in pairwise(flow.levels)]
        self.gradients = made
        tracks: dict[str, list[Track]] = {}
        for path, track in input_tracks(flow.levels):
            tracks.setdefault(argument_of(path), []).append(track)
        self.inputs = {name: Group("input", name, each, []) for name, each in tracks.items()}
        outputs = output_tracks(flow.levels)
        self.outputs = Group("output", OUTPUTS, outputs, made) if outputs else None
        self.signs = frozenset(_marking(flow))


def _marking(flow: Flow) -> list[str]:
    """What the layers do to the axes that are marked."""
    found = []
    for outer, inner in pairwise(flow.levels):
        if any(leaf.marks for leaf in (*(outer.inputs or ()), *(outer.outputs or ()))):
            kind = kind_of(inner)
            steps = kind.fixed_in_axes is not None and not kind.of_examples
            found.append("divides" if kind.divides else "goes through" if steps else "maps")
    return found


@lru_cache(maxsize=16)
def branches_of(paths: tuple[str, ...]) -> list[int | Branch]:
    """What leaves with these paths are parts of, as indices and branches."""
    # Most keystrokes leave the paths of a tree as they are.
    return branches(paths, range(len(paths)))
