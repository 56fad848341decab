"""Which leaves of a tree play the same role: every layer's kernel, its moments in an optimizer."""

from __future__ import annotations

import re
from collections.abc import Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from jaxtui.program.path_matching import ANY, matches

Path = tuple[str, ...]
Role = Path
"""A path with `*` for the number of a layer, or `**` for what is in front of a copy of another
argument's tree."""

_NUMBER = re.compile(r"\d+")


@dataclass
class Node:
    """A node of a tree by the names of its children, and the leaves whose path ends there: several
    if keys with slashes give them the same one."""

    leaves: list[int] = field(default_factory=list)
    shapes: list[Hashable] = field(default_factory=list)
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def signature(self) -> Hashable:
        """The same for trees of the same names and shapes."""
        below = ((name, child.signature) for name, child in self.children.items())
        return (*self.shapes, *below)


def tree(paths: Sequence[Path], shapes: Sequence[Hashable]) -> Node:
    """The tree of leaves with these paths and shapes, numbered in order."""
    root = Node()
    for leaf, (path, shape) in enumerate(zip(paths, shapes, strict=True)):
        node = root
        for name in path:
            node = node.children.setdefault(name, Node())
        node.leaves.append(leaf)
        node.shapes.append(shape)
    return root


def roles(root: Node, copied: Container[Hashable] = ()) -> list[Role]:
    """The role of each leaf. `copied` are the signatures of other trees that may be in this one."""
    found = dict(_roles(root, (), copied, numbered=False))
    return [found[leaf] for leaf in sorted(found)]


def _roles(
    node: Node, path: Role, copied: Container[Hashable], *, numbered: bool
) -> Iterator[tuple[int, Role]]:
    yield from ((leaf, path) for leaf in node.leaves)
    if path and path[0] != ANY and len(node.children) > 1 and node.signature in copied:
        path = (ANY,)
    alike: dict[Hashable, int] = {}
    kinds = {
        name: (_NUMBER.sub("*", name), node.children[name].signature) for name in node.children
    }
    for kind in kinds.values():
        alike[kind] = alike.get(kind, 0) + 1
    for name, child in node.children.items():
        kind = kinds[name]
        # Only the outermost numbers are those of layers: within one, Dense_0 and Dense_1 differ.
        many = not numbered and alike[kind] > 1 and kind[0] != name
        below = (*path, kind[0] if many else name)
        yield from _roles(child, below, copied, numbered=numbered or many)


def pattern(role: Role, wanted: Container[int], paths: Sequence[Path]) -> str | None:
    """The shortest pattern for a role that matches only the `wanted` of these paths, and one of
    them at least; None if there is none."""
    known = role[1:] if role[:1] == (ANY,) else role
    whole = "/".join(role)
    ends = ["/".join((ANY, *known[-count:])) for count in range(1, len(known) + 1)]
    for one in (*ends[:-1], whole, *ends[-1:]) if known else (ANY,):
        found = [number for number, path in enumerate(paths) if matches(one, path)]
        if found and all(number in wanted for number in found):
            return one
    return None
