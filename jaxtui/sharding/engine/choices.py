"""The ways to shard an argument that a search tries, and how they are written in a session."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.program.engine import spec_trees
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.sharding.words import spec_text
from jaxtui.wire.sharding import Spec


@dataclass(frozen=True)
class Choice:
    """A way to shard one argument: as typed, and the spec of each of its arrays by number."""

    argument: int
    text: str
    specs: tuple[tuple[int, tuple[tuple[str, ...], ...]], ...]

    def by_array(self) -> dict[int, Spec]:
        return {number: [list(axes) for axes in spec] for number, spec in self.specs}


def choices(program: LoweredProgram, argument: int) -> list[Choice]:
    """The ways to shard an argument whose axes divide it, the undivided one first.

    A single array gets every way to put axes on dimensions. The arrays of a tree are divided alike:
    each along its longest dimension by one axis or several, and by another axis along the next.
    """
    numbers = [n for n, given in enumerate(program.arrays) if given.argument == argument]
    shapes = {n: tuple(int(s) for s in program.arrays[n].leaf.shape) for n in numbers}
    if len(numbers) == 1 and program.trees[argument] is program.arrays[numbers[0]].leaf:
        number = numbers[0]
        return [
            Choice(argument, spec_text([list(axes) for axes in spec]), ((number, spec),))
            for spec in array_specs(shapes[number], program.mesh)
        ]
    return list(_tree_choices(program, argument, numbers, shapes)) if numbers else []


def array_specs(
    shape: Sequence[int], mesh: Mapping[str, int]
) -> Iterator[tuple[tuple[str, ...], ...]]:
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


def _tree_choices(
    program: LoweredProgram, argument: int, numbers: list[int], shapes: dict[int, tuple[int, ...]]
) -> Iterator[Choice]:
    axes = [axis for axis, size in program.mesh.items() if size > 1]
    groups: list[tuple[tuple[str, ...], ...]] = [()]
    groups += [((axis,),) for axis in axes]
    groups += [(tuple(axes),)] if len(axes) > 1 else []
    groups += [((a,), (b,)) for a, b in itertools.permutations(axes, 2)]
    for group in groups:
        specs = {n: _along_longest(shapes[n], group, program.mesh) for n in numbers}
        text = _tree_text(program.trees[argument], [specs[n] for n in numbers])
        if text is not None:
            yield Choice(argument, text, tuple(specs.items()))


def _along_longest(
    shape: tuple[int, ...], group: Sequence[tuple[str, ...]], mesh: Mapping[str, int]
) -> tuple[tuple[str, ...], ...]:
    """A spec with each of `group` on the longest dimension that is left and that it divides."""
    spec: list[tuple[str, ...]] = [() for _ in shape]
    for axes in group:
        parts = math.prod(mesh[axis] for axis in axes)
        free = [d for d, size in enumerate(shape) if not spec[d] and size % parts == 0 and size]
        if free:
            spec[max(free, key=lambda dimension: shape[dimension])] = axes
    return tuple(spec)


def _tree_text(tree: Any, specs: Sequence[tuple[tuple[str, ...], ...]]) -> str | None:
    """The specs of a tree's arrays as one types them, or None for a tree that cannot be typed."""
    if not any(any(spec) for spec in specs):
        return "P()"
    written = (PartitionSpec(*(axes or None for axes in spec)) for spec in specs)
    return spec_trees.text_of(
        tree_util.tree_map(
            lambda leaf: next(written) if isinstance(leaf, jax.ShapeDtypeStruct) else None, tree
        )
    )
