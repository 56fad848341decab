"""Where XLA's partitioner goes another way than Shardy's own resharding does.

Shardy decides where arrays lie. What is sent for that is decided by the partitioner, which knows
some operations less well (and gathers what they read), and others better (and sends only what lies
beyond the edge of a block).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy, stablehlo

from jaxtui.sharding.blocks import size_of
from jaxtui.sharding.engine import marks, shardy
from jaxtui.wire.sharding import Spec

# ------------------------------------------------------------------------------ what is gathered


_READ_WHOLE = frozenset(
    f"stablehlo.{name}" for name in ("fft", "custom_call", "reduce_window", "dynamic_slice")
)


def reshard_as_xla(operations: Sequence[Any]) -> None:
    """Reshard what XLA gathers, and what it sums before it slices, in a propagated module."""
    for op in operations:
        name = op.name
        if name == "stablehlo.dot_general":
            product = _product(op)
            if product is not None:
                _sum_before_slicing(op, product)
                for number, dimension in _contracted_unlike(product):
                    _gather(op, number, [dimension])
        elif name in _READ_WHOLE:
            for number, dimensions in _gathered(op):
                _gather(op, number, dimensions)


def _gathered(op: Any) -> Iterator[tuple[int, Sequence[int]]]:
    """The operands of an operation that XLA gathers, each with the dimensions along which."""
    if op.name == "stablehlo.fft" and _gathers_for_fft():
        yield 0, range(len(_shape(op.operands[0])))
    elif op.name == "stablehlo.custom_call" and not marks.is_mark(op):
        first = _batch_dimensions(op)
        for number, operand in enumerate(op.operands):
            yield number, range(first, len(_shape(operand)))
    elif op.name == "stablehlo.reduce_window":
        window = list(ir.DenseI64ArrayAttr(op.attributes["window_dimensions"]))
        whole = [n for n, size in enumerate(_shape(op.operands[0])) if 1 < size <= window[n]]
        for number in range(len(op.results)):
            yield number, whole
    elif op.name == "stablehlo.dynamic_slice":
        made = _shape(op.results[0])
        yield 0, [n for n, size in enumerate(_shape(op.operands[0])) if size != made[n]]


def _gathers_for_fft() -> bool:
    """Whether XLA gathers a batch for a Fourier transform, as it did up to JAX 0.10."""
    return bool(jax.__version_info__ < (0, 11))


class _Product(NamedTuple):
    """The specs of a product's operands, and the pairs of dimensions that it contracts."""

    left: Spec
    right: Spec
    contracted: list[tuple[int, int]]


def _product(op: Any) -> _Product | None:
    """What is known of a product; None if neither operand is divided."""
    left, right = (_spec(operand) for operand in op.operands)
    if not any(left) and not any(right):
        return None
    numbers = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    contracted = [numbers.lhs_contracting_dimensions, numbers.rhs_contracting_dimensions]
    return _Product(left, right, list(zip(*contracted, strict=True)))


def _contracted_unlike(product: _Product) -> Iterator[tuple[int, int]]:
    """The operands of a product that are not divided alike where they are contracted, with that
    dimension.

    An operand that is whole there, and undivided by the other's axes, is sliced instead if it is
    the left one, which sends nothing.
    """
    left, right = product.left, product.right
    for one, other in product.contracted:
        if left[one] == right[other]:
            continue
        if left[one]:
            yield 0, one
        used = {axis for axes in left for axis in axes}
        if right[other] and (left[one] or used & set(right[other])):
            yield 1, other


def _sum_before_slicing(op: Any, product: _Product) -> None:
    """Let a product be summed over the axes of what both operands contract.

    Its result may be divided by the same axes in another dimension, as the gradient of a parameter
    that is divided as the batch is. Shardy would rather move an operand.
    """
    pairs = [(product.left[one], product.right[other]) for one, other in product.contracted]
    summed = {axis for one, other in pairs if one == other for axis in one}
    held = shardy.sharding_of(op.results[0]) if summed else None
    if held is None:
        return
    divided = [n for n, axes in enumerate(_spec(op.results[0])) if summed & set(axes)]
    if not divided:
        return
    undivided = sdy.TensorShardingPerValueAttr.get([_without(held, divided)])
    op.attributes["sdy.sharding"] = undivided
    users = [(use.owner, use.operand_number) for use in op.results[0].uses]
    with ir.InsertionPoint(op), op.location:
        sliced = sdy.ReshardOp(op.results[0], held)
    sliced.operation.move_after(op)
    for user, number in users:
        user.operands[number] = sliced.result


def _without(sharding: Any, dimensions: Sequence[int]) -> Any:
    """A sharding in which some dimensions are whole."""
    whole = sdy.DimensionShardingAttr.get([], is_closed=True)
    wanted = [
        whole if n in dimensions else attribute
        for n, attribute in enumerate(sharding.dimension_shardings)
    ]
    return sdy.TensorShardingAttr.get(sharding.mesh_or_ref, wanted)


def _batch_dimensions(op: Any) -> int:
    """How many leading dimensions of a foreign call are those of a batch, as JAX tells XLA."""
    told = shardy.attribute_of(op, "mhlo.frontend_attributes")
    if told is None or "num_batch_dims" not in ir.DictAttr(told):
        return 0
    return int(ir.StringAttr(ir.DictAttr(told)["num_batch_dims"]).value)


def _gather(op: Any, number: int, dimensions: Sequence[int]) -> None:
    operand = op.operands[number]
    sharding = shardy.sharding_of(operand)
    if sharding is None or not any(_spec(operand)[n] for n in dimensions):
        return
    with ir.InsertionPoint(op), op.location:
        op.operands[number] = sdy.ReshardOp(operand, _without(sharding, dimensions)).result


# --------------------------------------------------------------------------------- what is summed


def summed_axes(op: Any) -> list[str]:
    """The axes over which what an operation picks from, or adds to, a divided array is summed.

    Each device picks, by a gather, what its block has, and adds, by a scatter, what its updates
    have.
    """
    if op.name == "stablehlo.gather":
        numbers = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
        spec = _spec(op.operands[0])
        return [axis for n in numbers.collapsed_slice_dims for axis in spec[n]]
    if op.name == "stablehlo.scatter" and len(op.results) == 1:
        scattered = stablehlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
        spec = _spec(op.operands[2])
        windows = list(scattered.update_window_dims)
        return [axis for n, axes in enumerate(spec) if n not in windows for axis in axes]
    return []


def dropped_axes(op: Any) -> list[str]:
    """The axes of dimensions of size 1 that a reshape drops, as behind `x[0]` of divided rows.

    One device has what there is: XLA sums it with the zeros of the others.
    """
    if op.name != "stablehlo.reshape":
        return []
    given, shape = _spec(op.operands[0]), _shape(op.operands[0])
    kept = {axis for axes in _spec(op.results[0]) for axis in axes}
    dropped = [axes for size, axes in zip(shape, given, strict=True) if size == 1]
    return [axis for axes in dropped for axis in axes if axis not in kept]


# --------------------------------------------------------------------------------- what is shifted


SHIFTING = frozenset(f"stablehlo.{name}" for name in ("slice", "pad", "convolution", "concatenate"))
"""The operations that read beyond the edges of their blocks."""


@dataclass(frozen=True)
class Shift:
    """A permutation along `axes`; `block` is the shape of what each device sends."""

    axes: tuple[str, ...]
    block: tuple[int, ...]


@dataclass(frozen=True)
class _Reads:
    """Output `j` of a dimension reads the inputs from `step * j + first` on, `more` of them."""

    step: int
    first: int
    more: int = 0


def shifts(op: Any, mesh: Mapping[str, int]) -> list[Shift]:
    """The permutations for what an operation reads beyond the edges of its blocks."""
    if op.name == "stablehlo.concatenate":
        return _rotation(op, mesh)
    given = _spec(op.operands[0])
    if not any(given) or (op.name == "stablehlo.slice" and _is_rotated(op)):
        return []
    made = _spec(op.results[0])
    return [
        shift
        for place, reads in _reads(op)
        if given[place[0]] and given[place[0]] == made[place[1]]
        for shift in _over_edges(op, place, reads, mesh)
    ]


def _reads(op: Any) -> Iterator[tuple[tuple[int, int], _Reads]]:
    """What each dimension of an operation reads: (of its operand, of its result), and how."""
    if op.name == "stablehlo.slice":
        starts, strides = _numbers(op, "start_indices"), _numbers(op, "strides")
        for n, (start, stride) in enumerate(zip(starts, strides, strict=True)):
            yield (n, n), _Reads(stride, start)
    elif op.name == "stablehlo.pad":
        lows, inner = _numbers(op, "edge_padding_low"), _numbers(op, "interior_padding")
        for n, low in enumerate(lows):
            if not inner[n]:
                yield (n, n), _Reads(1, -low)
    elif op.name == "stablehlo.convolution":
        numbers = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
        kernel = _shape(op.operands[1])
        steps, lows = _windows(op, len(numbers.input_spatial_dimensions))
        places = zip(
            numbers.input_spatial_dimensions,
            numbers.output_spatial_dimensions,
            numbers.kernel_spatial_dimensions,
            strict=True,
        )
        for n, (given, made, own) in enumerate(places):
            yield (given, made), _Reads(steps[n], -lows[n], kernel[own] - 1)


def _windows(op: Any, count: int) -> tuple[list[int], list[int]]:
    """The stride and the padding in front of each spatial dimension of a convolution."""
    strides = shardy.attribute_of(op, "window_strides")
    padding = shardy.attribute_of(op, "padding")
    steps = [1] * count if strides is None else list(ir.DenseI64ArrayAttr(strides))
    if padding is None:
        return steps, [0] * count
    pairs = ir.DenseIntElementsAttr(padding)
    return steps, [int(pairs[2 * n]) for n in range(count)]


def _over_edges(
    op: Any, place: tuple[int, int], reads: _Reads, mesh: Mapping[str, int]
) -> Iterator[Shift]:
    """The permutations along a dimension that is divided alike in the operand and the result."""
    given, made = place
    axes = _spec(op.operands[0])[given]
    parts = math.prod(size_of(axis, mesh) for axis in axes)
    block = list(_block(op.operands[0], mesh))
    own, whole = block[given], _shape(op.results[0])[made]
    size = -(-whole // parts)
    if op.name == "stablehlo.slice" and whole == 1:
        # The first device has the result, and takes it from the one that holds it.
        if parts > 1 and reads.first >= own:
            block[given] = 1
            yield Shift(tuple(axes), tuple(block))
        return
    filled = min(parts, whole)  # the devices that have a part of the result
    before = [part * own - (reads.step * part * size + reads.first) for part in range(1, filled)]
    behind = [
        reads.step * ((part + 1) * size - 1) + reads.first + reads.more - ((part + 1) * own - 1)
        for part in range(min(filled, parts - 1))
    ]
    for wanted in (max(before, default=0), max(behind, default=0)):
        for passed in range(0, wanted, own):
            block[given] = min(own, wanted - passed)
            yield Shift(tuple(axes), tuple(block))


def _rotation(op: Any, mesh: Mapping[str, int]) -> list[Shift]:
    """The permutations of a `roll`, the two parts of an array joined the other way around."""
    if not _rotates(op):
        return []
    dimension = _dimension(op)
    axes = _spec(op.results[0])[dimension]
    parts = math.prod(size_of(axis, mesh) for axis in axes)
    if parts == 1:
        return []
    block = list(_block(op.results[0], mesh))
    own = block[dimension]
    whole, rest = divmod(_shape(op.operands[0])[dimension], own)
    sent = [own - rest] if whole % parts else []
    sent += [rest] if rest and (whole + 1) % parts else []
    return [
        Shift(tuple(axes), tuple(n if d == dimension else size for d, size in enumerate(block)))
        for n in sent
    ]


def _rotates(op: Any) -> bool:
    """Whether a concatenation joins two slices that make up one array, the last one first."""
    makers = [operand.owner for operand in op.operands]
    if len(makers) != 2 or any(isinstance(maker, ir.Block) for maker in makers):
        return False
    if any(maker.name != "stablehlo.slice" for maker in makers):
        return False
    last, first = makers
    dimension = _dimension(op)
    end = _numbers(first, "limit_indices")[dimension]
    return (
        last.operands[0] == first.operands[0]
        and _shape(op.results[0]) == _shape(last.operands[0])
        and _numbers(first, "start_indices")[dimension] == 0
        and _numbers(last, "start_indices")[dimension] == end
    )


def _is_rotated(op: Any) -> bool:
    """Whether a slice is read by rotations only."""
    users = [use.owner for use in op.results[0].uses]
    users = [user for user in users if not marks.is_mark(user)]
    return bool(users) and all(
        user.name == "stablehlo.concatenate" and _rotates(user) for user in users
    )


# ------------------------------------------------------------------------------------------ values


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(ir.RankedTensorType(value.type).shape)


def _spec(value: Any) -> list[list[str]]:
    return shardy.sharded(shardy.sharding_of(value), len(_shape(value))).spec


def _block(value: Any, mesh: Mapping[str, int]) -> tuple[int, ...]:
    return shardy.block_shape(_shape(value), _spec(value), mesh)


def _numbers(op: Any, name: str) -> list[int]:
    return list(ir.DenseI64ArrayAttr(op.attributes[name]))


def _dimension(op: Any) -> int:
    return int(ir.IntegerAttr(op.attributes["dimension"]).value)
