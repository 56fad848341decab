"""All that a shape flow can show, folded or not, by path: what a search goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxtui.program.screen.flow_fault import argument_of
from jaxtui.program.screen.flow_table import (
    FOLD_ABOVE,
    OUTPUTS,
    Kind,
    branches_of,
    input_tracks,
    output_tracks,
    path_of,
)
from jaxtui.text.branches import Branch
from jaxtui.wire.report import Flow


class Place(NamedTuple):
    """A row that there can be: its path, the end of it that the rows above do not have, and the
    groups that must be unfolded for it, the outermost first."""

    kind: Kind
    path: str
    key: str
    groups: tuple[str, ...]


def places(flow: Flow) -> list[Place]:
    """Every place of a flow, in the order of the rows when all is unfolded."""
    inputs: dict[str, list[str]] = {}
    for path, _ in input_tracks(flow.levels):
        inputs.setdefault(argument_of(path), []).append(path)
    outputs = [path_of("output", OUTPUTS, track) for track in output_tracks(flow.levels)]
    found = [place for name, paths in inputs.items() for place in _group("input", name, paths)]
    return [*found, *_group("output", OUTPUTS, outputs)]


def _group(kind: Kind, name: str, paths: Sequence[str]) -> Iterator[Place]:
    if len(paths) <= FOLD_ABOVE:
        for path in paths:
            yield Place(kind, path, path, ())
        return
    yield Place(kind, name, name, ())
    yield from _parts(kind, paths, branches_of(tuple(paths)), name, (f"{kind}:{name}",))


def _parts(
    kind: Kind,
    paths: Sequence[str],
    parts: Sequence[int | Branch],
    above: str,
    groups: tuple[str, ...],
) -> Iterator[Place]:
    for part in parts:
        path = paths[part] if isinstance(part, int) else part.path
        yield Place(kind, path, path.removeprefix(above), groups)
        if not isinstance(part, int):
            yield from _parts(kind, paths, part.parts, path, (*groups, f"{kind}:{path}"))
