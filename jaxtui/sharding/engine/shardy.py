"""Shardy's passes on a lowered module: where each value lies, and the collectives that it takes.

jaxlib carries the passes that XLA itself partitions with, and runs them without devices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy, stablehlo
from jaxlib.mlir.passmanager import PassManager

from jaxtui.sharding.engine import marking
from jaxtui.wire.sharding import CollectiveKind, Spec

_PROPAGATE = "builtin.module(sdy-propagation-pipeline)"
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
_MAKES = "jaxtui.makes"
# In the text of an attribute: "data", or a part of it, "data":(2)2.
_AXIS = re.compile(r'"([^"]+)"(?::\((\d+)\)(\d+))?')


@dataclass(frozen=True)
class Sharded:
    """How a value lies: the axes of each dimension, and those over which it is yet to be summed."""

    spec: Spec
    unreduced: tuple[str, ...] = ()


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
    value: int | None
    body_of: int | None


def prepared(module: Any) -> Any:
    """A lowered module, which is changed, in the form in which XLA hands it to Shardy.

    XLA goes through HLO first, which writes some operations in another way. It depends on that who
    wins where two shardings ask for the same axis.
    """
    with module.context:
        inline_calls(module)
        _lower_top_k(module)
        _stand_in_for_chlo(module)
        _broadcast_as_xla(module)
        _open_what_loops_read(module)
        _name_makers(module)
    return module


def propagate(module: Any) -> None:
    """Give each value of a prepared module its sharding, in place. Raises ir.MLIRError."""
    with module.context:
        PassManager.parse(_PROPAGATE).run(module.operation)


def insert_collectives(module: Any) -> None:
    """Replace each change of sharding in a propagated module by collectives, in place."""
    with module.context:
        try:
            passes = PassManager.parse(_TO_COLLECTIVES.format("{enable-full-version=true}"))
        except ValueError:  # JAX 0.6 has no such option
            passes = PassManager.parse(_TO_COLLECTIVES.format(""))
        passes.run(module.operation)


def operations(operation: Any) -> Iterator[Any]:
    """Every operation inside `operation`, in the order of the text."""
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from operations(inner.operation)


# ----------------------------------------------------------------------------------------- calls


def inline_calls(module: Any) -> None:
    """Put the bodies of functions in the place of their calls.

    Propagation does not pass through a call before JAX 0.8, and jaxlib's inliner knows no calls of
    the dialect `func`.
    """
    functions = {
        ir.StringAttr(op.attributes["sym_name"]).value: op.operation
        for op in module.body.operations
        if op.operation.name == "func.func"
    }
    done: set[str] = set()

    def inline_in(function: Any) -> None:
        calls = [op for op in operations(function) if op.name == "func.call"]
        for call in calls:
            name = ir.FlatSymbolRefAttr(call.attributes["callee"]).value
            if name not in done:
                done.add(name)
                inline_in(functions[name])
            _inline(call, functions[name])

    inline_in(functions["main"])
    for name, function in functions.items():
        if name != "main":
            function.erase()


def _lower_top_k(module: Any) -> None:
    """Write each `top_k` as the custom call that XLA makes of it, which Shardy has a rule for."""
    for op in [op for op in operations(main_of(module)) if op.name == "chlo.top_k"]:
        with ir.InsertionPoint(op), op.location:
            call = stablehlo.CustomCallOp(
                [result.type for result in op.results],
                list(op.operands),
                call_target_name=ir.StringAttr.get("mhlo.topk"),
            )
        for old, new in zip(op.results, call.results, strict=True):
            old.replace_all_uses_with(new)
        op.erase()


def _stand_in_for_chlo(module: Any) -> None:
    """Put elementwise operations in the place of those of the dialect CHLO (`erf`, `square`, ...).

    XLA writes them out before it propagates, and Shardy has rules for few of them. What is computed
    does not matter here, only that each element depends on those in its place.
    """
    for op in [op for op in operations(main_of(module)) if op.name.startswith("chlo.")]:
        shapes = {tuple(ir.RankedTensorType(v.type).shape) for v in (*op.operands, *op.results)}
        if len(op.results) != 1 or not op.operands or len(shapes) != 1:
            continue
        kind = op.results[0].type
        with ir.InsertionPoint(op), op.location:
            made = [stablehlo.ConvertOp(kind, operand).result for operand in op.operands]
            while len(made) > 1:
                made[:2] = [stablehlo.MaxOp(made[0], made[1]).result]
        op.results[0].replace_all_uses_with(made[0])
        op.erase()


def _broadcast_as_xla(module: Any) -> None:
    """Reshape where XLA does so for a broadcast, since Shardy passes on through reshapes first.

    XLA drops a dimension of size 1 before it broadcasts along it, and reshapes where a broadcast
    only adds such dimensions.
    """
    for op in [op for op in operations(main_of(module)) if op.name == "stablehlo.broadcast_in_dim"]:
        given = ir.RankedTensorType(op.operands[0].type)
        made = ir.RankedTensorType(op.results[0].type)
        places = list(ir.DenseI64ArrayAttr(op.attributes["broadcast_dimensions"]))
        adds = math.prod(given.shape) == math.prod(made.shape) and places == sorted(places)
        kept = [n for n, size in enumerate(given.shape) if size == made.shape[places[n]]]
        if not adds and len(kept) == len(places):
            continue
        with ir.InsertionPoint(op), op.location:
            if adds:
                result = stablehlo.ReshapeOp(made, op.operands[0]).result
            else:
                shape = [given.shape[n] for n in kept]
                dropped = ir.RankedTensorType.get(shape, given.element_type)
                smaller = stablehlo.ReshapeOp(dropped, op.operands[0]).result
                remaining = ir.DenseI64ArrayAttr.get([places[n] for n in kept])
                result = stablehlo.BroadcastInDimOp(made, smaller, remaining).result
        op.results[0].replace_all_uses_with(result)
        op.erase()


def _open_what_loops_read(module: Any) -> None:
    """Let a loop divide further what it only reads, such as the stack that a scan runs over.

    XLA captures what a loop carries unchanged, and puts an open constraint in front of the loop for
    each value that it captures which has a sharding of its own, before it propagates.
    """
    for loop in [op for op in operations(main_of(module)) if op.name == "stablehlo.while"]:
        read = _carried_unchanged(loop)
        inside = {loop, *operations(loop)}
        opened: dict[Any, Any] = {}
        for op in operations(loop):
            if op.name == "stablehlo.return" and op.parent == loop:
                continue
            for index, operand in enumerate(op.operands):
                value = read.get(operand, operand)
                if _maker(value) in inside:
                    continue
                if value not in opened:
                    opened[value] = _open(value, loop)
                if opened[value] != operand:
                    op.operands[index] = opened[value]


def _carried_unchanged(loop: Any) -> dict[Any, Any]:
    """The operand of a loop for each argument of its bodies that every turn hands on as it is."""
    condition, body = (region.blocks[0] for region in loop.regions)
    returned = list(body.operations)[-1].operation.operands
    read: dict[Any, Any] = {}
    for number, operand in enumerate(loop.operands):
        if returned[number] == body.arguments[number]:
            read[body.arguments[number]] = read[condition.arguments[number]] = operand
            loop.results[number].replace_all_uses_with(operand)
    return read


def _maker(value: Any) -> Any:
    """The operation that makes a value, or in whose body it is an argument."""
    owner = value.owner
    return owner.owner.operation if isinstance(owner, ir.Block) else owner


def _open(value: Any, before: Any) -> Any:
    sharding = sharding_of(value)
    if sharding is None:
        return value
    dimensions = [
        sdy.DimensionShardingAttr.get([], is_closed=False) for _ in sharding.dimension_shardings
    ]
    with ir.InsertionPoint(before), before.location:
        open_sharding = sdy.TensorShardingAttr.get(sharding.mesh_or_ref, dimensions)
        return sdy.ShardingConstraintOp(value, open_sharding).result


def _inline(call: Any, function: Any) -> None:
    block = function.regions[0].blocks[0]
    now: dict[Any, Any] = dict(zip(block.arguments, call.operands, strict=True))
    for op in block.operations:
        if op.operation.name == "func.return":
            for result, value in zip(call.results, op.operation.operands, strict=True):
                result.replace_all_uses_with(now.get(value, value))
            continue
        copy = op.operation.clone(ir.InsertionPoint(call))
        for changed in (copy, *operations(copy)):
            for index, operand in enumerate(changed.operands):
                if operand in now:
                    changed.operands[index] = now[operand]
        now.update(zip(op.operation.results, copy.results, strict=True))
    call.erase()


# ------------------------------------------------------------------------------------- shardings


def sharding_of(value: Any) -> Any:
    """The sharding attribute of an MLIR value, or None if it lies whole on every device."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return _of_argument(value, owner.owner.operation)
    attributes = owner.attributes
    if "sdy.sharding" in attributes:
        result = ir.OpResult(value).result_number
        return _per_value(attributes["sdy.sharding"])[result]
    if "out_sharding" in attributes:  # a collective
        return sdy.TensorShardingAttr(attributes["out_sharding"])
    if owner.name == "sdy.sharding_constraint" or owner.name == "sdy.reshard":
        return sdy.TensorShardingAttr(attributes["sharding"])
    if owner.name == "sdy.manual_computation":
        return _per_value(attributes["out_shardings"])[ir.OpResult(value).result_number]
    return None


def _of_argument(value: Any, owner: Any) -> Any:
    number = ir.BlockArgument(value).arg_number
    if owner.name == "func.func":
        return _attribute_of(owner, "arg_attrs", number)
    if owner.name == "stablehlo.while":
        return sharding_of(owner.results[number])
    return None


def attribute_of(operation: Any, name: str) -> Any:
    """An attribute of an operation, or None."""
    attributes = operation.attributes  # which has no `get` before JAX 0.7
    return attributes[name] if name in attributes else None  # noqa: SIM401


def _attribute_of(function: Any, name: str, number: int) -> Any:
    known = attribute_of(function, name)
    if known is None:
        return None
    attributes = ir.DictAttr(ir.ArrayAttr(known)[number])
    if "sdy.sharding" not in attributes:
        return None
    return sdy.TensorShardingAttr(attributes["sdy.sharding"])


def _per_value(attribute: Any) -> list[Any]:
    shardings = sdy.TensorShardingPerValueAttr(attribute).shardings
    return [sdy.TensorShardingAttr(s) for s in shardings]


def sharded(attribute: Any, rank: int) -> Sharded:
    """A sharding attribute as axes of each of `rank` dimensions."""
    if attribute is None:
        return Sharded([[] for _ in range(rank)])
    spec = [
        [_axis_text(sdy.AxisRefAttr(axis)) for axis in sdy.DimensionShardingAttr(dimension).axes]
        for dimension in attribute.dimension_shardings
    ]
    # The key of an array of PRNG keys has dimensions of its own behind the array's.
    unreduced = getattr(attribute, "unreduced_axes", ())
    return Sharded(spec[:rank], tuple(_axis_text(sdy.AxisRefAttr(axis)) for axis in unreduced))


def _axis_text(axis: Any) -> str:
    part = axis.sub_axis_info
    if part is None:
        return str(axis.name)
    part = sdy.SubAxisInfoAttr(part)
    return f"{axis.name}:({part.pre_size}){part.size}"


def inputs(module: Any) -> list[Any]:
    """The sharding attribute of each argument of the main function."""
    main = main_of(module)
    count = len(main.regions[0].blocks[0].arguments)
    return [_attribute_of(main, "arg_attrs", n) for n in range(count)]


def outputs(module: Any) -> list[Any]:
    """The sharding attribute of each result of the main function."""
    main = main_of(module)
    returned = list(main.regions[0].blocks[0].operations)[-1].operation.operands
    return [
        _attribute_of(main, "res_attrs", n) or sharding_of(value)
        for n, value in enumerate(returned)
    ]


def main_of(module: Any) -> Any:
    """The main function of a module."""
    for op in module.body.operations:
        named = op.operation.name == "func.func" and op.attributes["sym_name"]
        if named and ir.StringAttr(named).value == "main":
            return op.operation
    raise ValueError("the module has no main function")


def _name_makers(module: Any) -> None:
    """Write the numbers of marked values also into an attribute of the operation that makes them.

    Shardy gives each user of a constant its own copy, with all that is computed from it. The copy
    behind a mark has no other user, and lies whole; the copies that are used have the attribute.
    """
    for op in list(operations(main_of(module))):
        number = marking.number_of(op)
        if number is None or isinstance(op.operands[0].owner, ir.Block):
            continue
        maker = op.operands[0].owner
        result = ir.OpResult(op.operands[0]).result_number
        known = ir.StringAttr(maker.attributes[_MAKES]).value if _MAKES in maker.attributes else ""
        maker.attributes[_MAKES] = ir.StringAttr.get(f"{known} {number}:{result}")


def marked_values(module: Any) -> dict[int, Any]:
    """The sharding attribute of each marked value of a propagated module, by its number."""
    found: dict[int, Any] = {}
    for op in operations(main_of(module)):
        number = marking.number_of(op)
        if number is not None:
            found[number] = sharding_of(op.operands[0])
        elif _MAKES in op.attributes:
            for pair in ir.StringAttr(op.attributes[_MAKES]).value.split():
                makes, _, result = pair.partition(":")
                found[int(makes)] = found.get(int(makes)) or sharding_of(op.results[int(result)])
    return found


def axis_size(axis: str, mesh: Mapping[str, int]) -> int:
    """How many parts an axis, or a part of one as in a Spec, makes."""
    name, part, rest = axis.partition(":")
    return int(rest.partition(")")[2]) if part else mesh[name]


def block_shape(shape: Sequence[int], spec: Spec, mesh: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of the largest block that a device holds of an array."""
    counts = [math.prod(axis_size(axis, mesh) for axis in axes) for axes in spec]
    counts += [1] * (len(shape) - len(counts))
    return tuple(-(-size // count) for size, count in zip(shape, counts, strict=True))


# ----------------------------------------------------------------------------------- collectives


def collectives(module: Any, mesh: Mapping[str, int]) -> list[Resharding]:
    """The collectives of a module after `insert_collectives`, in the order of the text.

    Equal ones of equal operands count once, as XLA computes what is equal once.
    """
    found: list[Resharding] = []
    _collect(main_of(module), mesh, None, _Equal(), found)
    return found


class _Equal:
    """Tells which operations compute the same from the same, and in one block."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._of: dict[Any, int] = {}

    def number(self, op: Any) -> int:
        """A number that only equal operations share."""
        waiting = [op]
        while waiting:
            last = waiting[-1]
            makers = [v.owner for v in last.operands if not isinstance(v.owner, ir.Block)]
            unknown = [maker for maker in makers if maker not in self._of]
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            if last not in self._of:
                key = self._key(last)
                self._of[last] = self._numbers.setdefault(key, len(self._numbers))
        return self._of[op]

    def _key(self, op: Any) -> tuple[Any, ...]:
        inner = tuple((o.name, _attributes(o)) for o in operations(op))
        operands = tuple(self._operand(operand) for operand in op.operands)
        return (op.name, _attributes(op), inner, operands, op.parent)

    def _operand(self, value: Any) -> Any:
        if isinstance(value.owner, ir.Block):
            return value
        return self._of[value.owner], ir.OpResult(value).result_number


def _attributes(op: Any) -> Any:
    """The attributes of an operation that say what it does; equal ones are one in their context."""
    if op.name.endswith(".constant") and _is_complex(op.results[0]):
        # jaxlib cannot read such a value: it raises, and JAX 0.6 ends the process.
        return op.get_asm().partition("=")[2]
    names = [getattr(named, "name", named) for named in op.attributes]
    return tuple((name, op.attributes[name]) for name in names if name != _MAKES)


def _is_complex(value: Any) -> bool:
    return isinstance(ir.RankedTensorType(value.type).element_type, ir.ComplexType)


def _collect(
    operation: Any,
    mesh: Mapping[str, int],
    body_of: int | None,
    equal: _Equal,
    found: list[Resharding],
) -> None:
    for region in operation.regions:
        for block in region.blocks:
            seen: set[int] = set()
            every = [op.operation for op in block.operations]
            for op, value in zip(every, _next_marks(block), strict=True):
                if op.name in _RESHARDED or op.name in _MANUAL:
                    number = equal.number(op)
                    if number not in seen:
                        found += _sent_by(op, mesh, value, body_of)
                    seen.add(number)
                elif len(op.regions):
                    _collect(op, mesh, value if value is not None else body_of, equal, found)


def _next_marks(block: Any) -> list[int | None]:
    """For each operation of a block, the number of the next mark behind it, or None."""
    marks: list[int | None] = []
    following = None
    for op in reversed(list(block.operations)):
        number = marking.number_of(op.operation)
        following = following if number is None else number
        marks.append(following)
    return marks[::-1]


def _sent_by(
    op: Any, mesh: Mapping[str, int], value: int | None, body_of: int | None
) -> Iterator[Resharding]:
    """The collectives of an operation: over several dimensions, XLA makes one for each."""
    kind = _RESHARDED.get(op.name)
    shaped = ir.RankedTensorType(op.operands[0].type)
    shape = tuple(shaped.shape)
    held = sharding_of(op.operands[0])
    if held is None and kind == "all_reduce":
        held = sharding_of(op.results[0])
    block = list(block_shape(shape, sharded(held, len(shape)).spec, mesh))
    parts: list[tuple[str, ...] | None] = [None]
    if kind is not None:
        parts = list(_axes_by_dimension(op, kind, held))
    for axes in parts:
        if axes == ():
            continue
        yield Resharding(
            kind=kind or _MANUAL[op.name],
            axes=axes,
            block=tuple(block),
            element=_bits(shaped.element_type),
            value=value,
            body_of=body_of,
        )
        if kind == "all_gather" and axes is not None:
            # What one has gathered the next one sends.
            dimension = _gathered(op).index(axes)
            block[dimension] *= math.prod(axis_size(axis, mesh) for axis in axes)


def _axes_by_dimension(op: Any, kind: CollectiveKind, held: Any) -> Iterator[tuple[str, ...]]:
    """The axes of each collective that XLA makes of one, the last dimension first."""
    if kind == "all_gather":
        yield from reversed(_gathered(op))
    elif kind == "all_reduce":
        axes = _axes_in(str(op.attributes["reduction_axes"]))
        summed = [tuple(a for a in axes if a in made) for made in _summed_axes(op.operands[0])]
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


def _summed_axes(operand: Any) -> list[list[str]]:
    """The axes of each dimension over which the operand of an all_reduce was summed."""
    if isinstance(operand.owner, ir.Block):
        return []
    maker = operand.owner
    dimensions: list[int] = []
    if maker.name == "stablehlo.reduce":
        dimensions = list(ir.DenseI64ArrayAttr(maker.attributes["dimensions"]))
    elif maker.name == "stablehlo.dot_general":
        numbers = stablehlo.DotDimensionNumbers(maker.attributes["dot_dimension_numbers"])
        dimensions = list(numbers.lhs_contracting_dimensions)
    if not dimensions:
        return []
    summed = maker.operands[0]
    spec = sharded(sharding_of(summed), len(ir.RankedTensorType(summed.type).shape)).spec
    return [spec[dimension] for dimension in dimensions]


def _bits(element: Any) -> int:
    if isinstance(element, ir.ComplexType):
        return 2 * _bits(ir.ComplexType(element).element_type)
    return int(getattr(element, "width", 8))


def _moved_axes(op: Any, held: Any) -> tuple[str, ...]:
    """The axes of a permutation, which names none: those whose places differ."""
    rank = len(ir.RankedTensorType(op.operands[0].type).shape)
    was = sharded(held, rank).spec
    now = sharded(sharding_of(op.results[0]), rank).spec
    moved = [a for w, n in zip(was, now, strict=True) if w != n for a in [*w, *n]]
    every = [a for axes in [*was, *now] for a in axes]
    return tuple(dict.fromkeys(a.partition(":")[0] for a in moved or every))


def _axes_in(text: str) -> tuple[str, ...]:
    axes = (
        name if not size else f"{name}:({before}){size}"
        for name, before, size in _AXIS.findall(text)
    )
    return tuple(dict.fromkeys(axes))
