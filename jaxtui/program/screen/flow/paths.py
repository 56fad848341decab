"""All that a shape flow can show, folded or not, by path: what a search goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxtui.program.screen.flow.leaves import Group, branches_of
from jaxtui.program.screen.flow.table import leaves_of
from jaxtui.program.screen.flow.tracks import Kind
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
    leaves = leaves_of(flow)
    groups = [*leaves.inputs.values(), *([leaves.outputs] if leaves.outputs else [])]
    return [place for group in groups for place in _group(group)]


def _group(group: Group) -> Iterator[Place]:
    kind, name, paths = group.kind, group.name, group.paths
    if not group.folds:
        for path in paths:
            yield Place(kind, path, path, ())
        return
    yield Place(kind, name, name, ())
    yield from _parts(kind, paths, branches_of(paths), name, (group.key,))


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
