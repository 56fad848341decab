"""The collectives that a planned module takes: Shardy's reshardings, and XLA's own ways."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from jaxlib.mlir.passmanager import PassManager

from jaxtui.sharding.blocks import axis_of, size_of
from jaxtui.sharding.engine import marks, shardy, xla_ways
from jaxtui.sharding.engine.equality import Equal
from jaxtui.wire.sharding import CollectiveKind

_TO_COLLECTIVES = (
    "builtin.module("
    "func.func(sdy-insert-explicit-reshards{}),func.func(sdy-reshard-to-collectives))"
)
_RESHARDED: dict[str, CollectiveKind] = {
    "sdy.all_reduce": "all_reduce",
    "sdy.all_gather": "all_gather",
    "sdy.reduce_scatter": "reduce_scatter",
    "sdy.all_to_all": "all_to_all",
    "sdy.collective_permute": "collective_permute",
}
_MANUAL: dict[str, CollectiveKind] = {
    "stablehlo.all_reduce": "all_reduce",
    "stablehlo.all_gather": "all_gather",
    "stablehlo.reduce_scatter": "reduce_scatter",
    "stablehlo.all_to_all": "all_to_all",
    "stablehlo.collective_permute": "collective_permute",
    "stablehlo.collective_broadcast": "collective_permute",
}
# Their bodies say what becomes of two elements.
_OF_ELEMENTS = frozenset(
    f"stablehlo.{name}"
    for name in ("reduce", "scatter", "sort", "map", "reduce_window", "select_and_scatter")
)
# What XLA sends something for that Shardy's own resharding does not tell.
_SENT_BY_XLA = xla_ways.SHIFTING | {
    f"stablehlo.{name}" for name in ("gather", "scatter", "reduce", "reshape")
}
# In the text of an attribute: "data", or a part of it, "data":(2)2.
_AXIS = re.compile(r'"([^"]+)"(?::\((\d+)\)(\d+))?')


@dataclass(frozen=True)
class Resharding:
    """A collective in a planned module.

    `block` is the shape of its operand on one device, and `element` its dtype's size in bits.
    `value` is the number of the value that is made next, None in front of what its function (or, in
    a loop, its body) returns, where `body_of` is the number of the loop's first value. `axes` is
    None for one of the user's own, whose equation knows them.
    """

    kind: CollectiveKind
    axes: tuple[str, ...] | None
    block: tuple[int, ...]
    element: int
    value: int | None = None
    body_of: int | None = None


def insert_collectives(module: Any) -> None:
    """Replace each change of sharding in a propagated module by collectives, in place."""
    with module.context:
        operations = shardy.operations(shardy.main_of(module))
        marks.separate(operations)
        xla_ways.reshard_as_xla(operations)
    options = "{enable-full-version=true}" if _full_version() else ""
    shardy.run(_TO_COLLECTIVES.format(options), module)
    with module.context:
        _sum_once(module)


def _sum_once(module: Any) -> None:
    """Take away each sum over axes over which its operand has just been summed.

    Shardy sums what a program says is yet to be summed while it propagates, and does not know its
    own all_reduce for one when it inserts what is missing.
    """
    for op in shardy.operations(shardy.main_of(module)):
        if op.name != "sdy.all_reduce":
            continue
        operand, axes = op.operands[0], op.attributes["reduction_axes"]
        maker = operand.owner
        summed = not isinstance(maker, ir.Block) and maker.name == op.name
        if summed and maker.attributes["reduction_axes"] == axes:
            op.results[0].replace_all_uses_with(operand)
            op.erase()


@functools.cache
def _full_version() -> bool:
    """Whether Shardy also tells the sums behind gathers and scatters, which JAX 0.6's does not."""
    with ir.Context():
        try:
            PassManager.parse(_TO_COLLECTIVES.format("{enable-full-version=true}"))
        except ValueError:
            return False
    return True


def collectives(module: Any, mesh: Mapping[str, int]) -> list[Resharding]:
    """The collectives of a module after `insert_collectives`, in the order of the text.

    Those whose results nothing reads are left out, and equal ones of equal operands count once, as
    XLA computes what is equal once.
    """
    found: list[Resharding] = []
    _collect(shardy.main_of(module), mesh, None, Equal(), found)
    return found


def _collect(
    operation: Any,
    mesh: Mapping[str, int],
    body_of: int | None,
    equal: Equal,
    found: list[Resharding],
) -> None:
    for region in operation.regions:
        for block in region.blocks:
            seen: dict[int, list[Any]] = {}
            every = [op.operation for op in block.operations]
            for place, op in enumerate(every):
                name = op.name
                sent: list[Resharding] = []
                if name in _RESHARDED or name in _MANUAL:
                    if (name in _MANUAL or _is_read(op)) and equal.is_new(op, seen):
                        sent += _sent_by(op, mesh)
                elif len(op.regions) and name not in _OF_ELEMENTS:
                    value = _made_next(every, place)
                    _collect(op, mesh, body_of if value is None else value, equal, found)
                if name in _SENT_BY_XLA:
                    sent += _by_xla(op, mesh)
                if sent:
                    value = _made_next(every, place)
                    found += [replace(one, value=value, body_of=body_of) for one in sent]


def _is_read(op: Any) -> bool:
    """Whether anything but marks reads what a collective makes, or what it makes it of."""
    return _of_several(op) or any(not marks.is_mark(use.owner) for use in op.results[0].uses)


def _of_several(op: Any) -> bool:
    """Whether an all_reduce is of one of several arrays that are reduced together, as by `argmax`.

    No all_reduce can do that: XLA gathers what each device has reduced, and reduces it again.
    """
    if op.name != "sdy.all_reduce" or isinstance(op.operands[0].owner, ir.Block):
        return False
    maker = op.operands[0].owner
    return bool(maker.name == "stablehlo.reduce" and len(maker.results) > 1)


def _reduced_together(op: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The results, with the axes to gather them over, of several arrays that are reduced together.

    From JAX 0.12 on Shardy leaves all of that to XLA; before, it writes an all_reduce for each.
    """
    if op.name != "stablehlo.reduce" or len(op.results) < 2:
        return
    for result in op.results:
        if any(use.owner.name == "sdy.all_reduce" for use in result.uses):
            return
    axes = tuple(axis for made in _summed_axes(op) for axis in made)
    if axes:
        yield from ((result, axes) for result in op.results)


def _by_xla(op: Any, mesh: Mapping[str, int]) -> Iterator[Resharding]:
    """What XLA sends for an operation that Shardy's own resharding does not tell."""
    if not _full_version() and (axes := xla_ways.summed_axes(op)):
        shaped = ir.RankedTensorType(op.results[0].type)
        shape = tuple(shaped.shape)
        spec = shardy.sharded(shardy.sharding_of(op.results[0]), len(shape)).spec
        block, element = shardy.block_shape(shape, spec, mesh), _bits(shaped.element_type)
        yield Resharding("all_reduce", tuple(axes), block, element)
    if axes := xla_ways.dropped_axes(op):
        kind = ir.RankedTensorType(op.operands[0].type)
        spec = shardy.sharded(shardy.sharding_of(op.operands[0]), len(kind.shape)).spec
        block = shardy.block_shape(tuple(kind.shape), spec, mesh)
        yield Resharding("all_reduce", tuple(axes), block, _bits(kind.element_type))
    for result, over in _reduced_together(op):
        kind = ir.RankedTensorType(result.type)
        spec = shardy.sharded(shardy.sharding_of(result), len(kind.shape)).spec
        block = shardy.block_shape(tuple(kind.shape), spec, mesh)
        yield Resharding("all_gather", over, block, _bits(kind.element_type))
    for shift in xla_ways.shifts(op, mesh):
        element = _bits(ir.RankedTensorType(op.operands[0].type).element_type)
        yield Resharding("collective_permute", shift.axes, shift.block, element)


def _made_next(operations: Sequence[Any], place: int) -> int | None:
    """The number of the value that an operation of a block helps to make, or None.

    That is the first of the next mark from there on, or of the next that makes marked values.
    """
    for op in itertools.islice(operations, place, None):
        if makes := marks.made(op):
            return min(makes)[0]
        if marks.is_mark(op):
            return min(marks.numbers(op))
    return None


def _sent_by(op: Any, mesh: Mapping[str, int]) -> Iterator[Resharding]:
    """The collectives of an operation: over several dimensions, XLA makes one for each."""
    kind = _RESHARDED.get(op.name)
    shaped = ir.RankedTensorType(op.operands[0].type)
    shape = tuple(shaped.shape)
    held = shardy.sharding_of(op.operands[0])
    if held is None and kind == "all_reduce":
        held = shardy.sharding_of(op.results[0])
    block = list(shardy.block_shape(shape, shardy.sharded(held, len(shape)).spec, mesh))
    parts: list[tuple[str, ...] | None] = [None]
    if kind is not None:
        parts = list(_axes_by_dimension(op, kind, held))
    for axes in parts:
        if axes == ():
            continue
        made: CollectiveKind = "all_gather" if _of_several(op) else kind or _MANUAL[op.name]
        if kind == "all_gather" and axes is not None and shape[_gathered(op).index(axes)] == 1:
            made = "all_reduce"  # of what one device has, and the zeros of the others
        yield Resharding(
            kind=made,
            axes=axes,
            block=tuple(block),
            element=_bits(shaped.element_type),
        )
        if kind == "all_gather" and axes is not None:
            # What one has gathered the next one sends.
            dimension = _gathered(op).index(axes)
            block[dimension] *= math.prod(size_of(axis, mesh) for axis in axes)


def _axes_by_dimension(op: Any, kind: CollectiveKind, held: Any) -> Iterator[tuple[str, ...]]:
    """The axes of each collective that XLA makes of one, the last dimension first."""
    if kind == "all_gather":
        yield from reversed(_gathered(op))
    elif kind == "all_reduce":
        axes = _axes_in(str(op.attributes["reduction_axes"]))
        maker = op.operands[0].owner
        by_dimension = [] if isinstance(maker, ir.Block) else _summed_axes(maker)
        summed = [tuple(a for a in axes if a in made) for made in by_dimension]
        rest = tuple(a for a in axes if not any(a in made for made in summed))
        yield from (part for part in [*reversed(summed), rest] if part)
    elif kind == "collective_permute":
        yield _moved_axes(op, held)
    else:
        name = "params" if kind == "all_to_all" else "reduce_scatter_axes"
        yield _axes_in(str(op.attributes[name]))


def _gathered(op: Any) -> list[tuple[str, ...]]:
    """The axes that an all_gather gathers, by dimension."""
    text = str(op.attributes["gathering_axes"])
    return [_axes_in(part) for part in re.findall(r"\{([^}]*)\}", text)]


def _summed_axes(maker: Any) -> list[list[str]]:
    """The axes of each dimension that an operation sums over."""
    dimensions: list[int] = []
    if maker.name == "stablehlo.reduce":
        dimensions = list(ir.DenseI64ArrayAttr(maker.attributes["dimensions"]))
    elif maker.name == "stablehlo.dot_general":
        numbers = stablehlo.DotDimensionNumbers(maker.attributes["dot_dimension_numbers"])
        dimensions = list(numbers.lhs_contracting_dimensions)
    if not dimensions:
        return []
    summed = maker.operands[0]
    spec = shardy.sharded(
        shardy.sharding_of(summed), len(ir.RankedTensorType(summed.type).shape)
    ).spec
    return [spec[dimension] for dimension in dimensions]


def _bits(element: Any) -> int:
    if isinstance(element, ir.ComplexType):
        return 2 * _bits(ir.ComplexType(element).element_type)
    return int(getattr(element, "width", 8))


def _moved_axes(op: Any, held: Any) -> tuple[str, ...]:
    """The axes of a permutation, which names none: those whose places differ."""
    rank = len(ir.RankedTensorType(op.operands[0].type).shape)
    was = shardy.sharded(held, rank).spec
    now = shardy.sharded(shardy.sharding_of(op.results[0]), rank).spec
    moved = [a for w, n in zip(was, now, strict=True) if w != n for a in [*w, *n]]
    every = [a for axes in [*was, *now] for a in axes]
    return tuple(dict.fromkeys(axis_of(a) for a in moved or every))


def _axes_in(text: str) -> tuple[str, ...]:
    axes = (
        name if not size else f"{name}:({before}){size}"
        for name, before, size in _AXIS.findall(text)
    )
    return tuple(dict.fromkeys(axes))
