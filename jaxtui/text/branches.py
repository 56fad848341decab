"""The arrays of a tree grouped by their paths, level by level, as a flow folds them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

DEEPEST = 16  # levels; what lies deeper is listed with its whole path

# As in jax.tree_util.keystr: ['a key'], [0], .attribute, and what a node of one's own writes.
_COMPONENT = re.compile(
    r"""\[(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\]]*)\]|\.[^.\[]+|[^.\[]+|.""", re.DOTALL
)


@dataclass
class Branch:
    """The arrays whose paths begin with `path`: their `indices` in the plan, and the `parts` of it,
    which are arrays or branches again."""

    path: str
    indices: list[int]
    parts: list[int | Branch] = field(default_factory=list)


def components(path: str) -> list[str]:
    """The keys of a path as from `jax.tree_util.keystr`, which give it again in a row."""
    return _COMPONENT.findall(path)


def first_component(path: str) -> str:
    """The first of the keys of a path, "" if it has none."""
    found = _COMPONENT.match(path)
    return found[0] if found is not None else ""


def branches(paths: Sequence[str], indices: Sequence[int]) -> list[int | Branch]:
    """What the arrays of these paths are parts of, in order; a branch has two arrays or more."""
    keys = {index: components(path) for index, path in zip(indices, paths, strict=True)}
    return _parts(keys, list(indices), len(_common(list(keys.values()))), 0)


def _common(paths: Sequence[list[str]]) -> list[str]:
    """The keys that all paths begin with."""
    alike = itertools.takewhile(lambda keys: len(set(keys)) == 1, zip(*paths, strict=False))
    return [keys[0] for keys in alike]


def _parts(
    keys: dict[int, list[str]], indices: list[int], level: int, depth: int
) -> list[int | Branch]:
    groups: dict[str, list[int]] = {}
    for index in indices:
        own = keys[index]
        groups.setdefault(own[level] if level < len(own) else f"{index}", []).append(index)
    if depth == DEEPEST or len(groups) == len(indices):
        return list(indices)
    found: list[int | Branch] = []
    for members in groups.values():
        if len(members) == 1:
            found.append(members[0])
            continue
        # Levels with nothing beside them are one.
        common = _common([keys[index] for index in members])
        branch = Branch("".join(common), members)
        branch.parts = _parts(keys, members, len(common), depth + 1)
        found.append(branch)
    return found
