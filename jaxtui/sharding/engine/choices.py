"""The ways to shard arguments that a search tries: groups of their arrays, and specs for each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax
from jax import tree_util

from jaxtui.program.engine.path_patterns import components
from jaxtui.program.path_matching import ANY
from jaxtui.sharding.engine import roles
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.sharding.engine.roles import Path, Role

MOST_GROUPS = 24  # of one argument, those with the most bytes
MOST_SPECS = 16  # for a group of a tree

Laid = tuple[tuple[str, ...], ...]
"""For each dimension the axes that divide it."""


@dataclass(frozen=True)
class Tree:
    """An argument's leaves: their paths and roles, and of those that are arrays their numbers among
    the program's arrays, by the leaf."""

    argument: int
    paths: list[Path]
    roles: list[Role]
    numbers: dict[int, int]

    @property
    def alone(self) -> bool:
        """Whether the argument is one leaf and nothing more."""
        return self.paths == [()]


@dataclass(frozen=True)
class Group:
    """Arrays of an argument that are divided alike, and the `specs` that they may have.

    `pattern` is that of their paths, "" for an argument that is one array. Groups of the same `kin`
    are the parameters of a model and what an optimizer keeps for them.
    """

    argument: int
    pattern: str
    numbers: tuple[int, ...]
    shape: tuple[int, ...]
    bytes: int
    kin: Hashable
    specs: tuple[Laid, ...]


def trees(program: LoweredProgram) -> list[Tree]:
    """The arguments' leaves, by the arguments' places in the session."""
    leaves = [tree_util.tree_flatten_with_path(tree)[0] for tree in program.trees]
    paths = [[components(path) for path, _ in known] for known in leaves]
    shapes = [[str(getattr(leaf, "shape", None)) for _, leaf in known] for known in leaves]
    nodes = [roles.tree(*pair) for pair in zip(paths, shapes, strict=True)]
    whole = {node.signature for node in nodes if len(node.children) > 1}
    arrays: list[list[int]] = [[] for _ in leaves]
    for number, given in enumerate(program.arrays):
        arrays[given.argument].append(number)
    found = []
    for argument, known in enumerate(leaves):
        own = iter(arrays[argument])
        is_array = [isinstance(leaf, jax.ShapeDtypeStruct) for _, leaf in known]
        numbers = {leaf: next(own) for leaf, given in enumerate(is_array) if given}
        named = roles.roles(nodes[argument], whole)
        found.append(Tree(argument, paths[argument], named, numbers))
    return found


def groups(program: LoweredProgram, tree: Tree) -> list[Group]:
    """The groups of an argument's arrays, those with the most bytes first and alone if many."""
    members: dict[Hashable, list[int]] = {}
    for leaf, number in tree.numbers.items():
        aval = program.arrays[number].leaf
        members.setdefault((tree.roles[leaf], aval.shape, str(aval.dtype)), []).append(leaf)
    found = [_group(program, tree, leaves) for leaves in members.values()]
    return sorted(found, key=lambda group: -group.bytes)[:MOST_GROUPS]


def _group(program: LoweredProgram, tree: Tree, leaves: list[int]) -> Group:
    role = tree.roles[leaves[0]]
    aval = program.arrays[tree.numbers[leaves[0]]].leaf
    shape = tuple(int(size) for size in aval.shape)
    specs = list(array_specs(shape, program.mesh))
    pattern = ""
    if not tree.alone:
        pattern = roles.pattern(role, set(leaves), tree.paths) or "/".join(role)
        specs = _first_specs(specs, shape)
    return Group(
        argument=tree.argument,
        pattern=pattern,
        numbers=tuple(tree.numbers[leaf] for leaf in leaves),
        shape=shape,
        bytes=len(leaves) * math.prod(shape) * int(getattr(aval.dtype, "itemsize", 0)),
        kin=(role[1:] if role[:1] == (ANY,) else role, shape) if role else tree.argument,
        specs=tuple(specs),
    )


def _first_specs(specs: list[Laid], shape: Sequence[int]) -> list[Laid]:
    """The undivided spec, then those of the fewest axes along the longest dimensions."""

    def order(spec: Laid) -> tuple[int, int]:
        divided = [(len(axes), size) for axes, size in zip(spec, shape, strict=True) if axes]
        return sum(count for count, _ in divided), -sum(size for _, size in divided)

    return sorted(specs, key=order)[:MOST_SPECS]


def array_specs(shape: Sequence[int], mesh: Mapping[str, int]) -> Iterator[Laid]:
    """Every spec with each axis on one dimension or none, whose axes divide the dimensions."""
    places = [None, *range(len(shape))]
    axes = [axis for axis, size in mesh.items() if size > 1]
    for where in itertools.product(places, repeat=len(axes)):
        spec = tuple(
            tuple(axis for axis, place in zip(axes, where, strict=True) if place == dimension)
            for dimension in range(len(shape))
        )
        if _divides(spec, shape, mesh):
            yield spec


def _divides(spec: Sequence[Sequence[str]], shape: Sequence[int], mesh: Mapping[str, int]) -> bool:
    return all(
        size % math.prod(mesh[axis] for axis in axes) == 0
        for size, axes in zip(shape, spec, strict=True)
    )


def alike(mesh: Mapping[str, int]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The axes with which all arrays of a tree are divided: by none, by one or by all along the
    longest dimension, by two along the two longest."""
    axes = [axis for axis, size in mesh.items() if size > 1]
    yield ()
    yield from (((axis,),) for axis in axes)
    if len(axes) > 1:
        yield (tuple(axes),)
    yield from (((a,), (b,)) for a, b in itertools.permutations(axes, 2))


def along_longest(
    shape: Sequence[int], group: Sequence[tuple[str, ...]], mesh: Mapping[str, int]
) -> Laid:
    """A spec with each of `group` on the longest dimension that is left and that it divides."""
    spec: list[tuple[str, ...]] = [() for _ in shape]
    for axes in group:
        parts = math.prod(mesh[axis] for axis in axes)
        free = [d for d, size in enumerate(shape) if not spec[d] and size % parts == 0 and size]
        if free:
            spec[max(free, key=lambda dimension: shape[dimension])] = axes
    return tuple(spec)
