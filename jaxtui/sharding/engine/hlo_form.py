"""A lowered module in the form in which XLA hands it to Shardy.

XLA goes through HLO first, which has no calls left and writes some operations in another way.
"""

from __future__ import annotations

import collections
import math
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import sdy, stablehlo

from jaxtui.sharding.engine import marks, shardy


def prepared(module: Any) -> Any:
    """A lowered module, which is changed, in the form in which XLA hands it to Shardy.

    XLA goes through HLO first, which writes some operations in another way. It depends on that who
    wins where two shardings ask for the same axis.
    """
    with module.context:
        inline_calls(module)
        found: dict[str, list[Any]] = {}
        for op in shardy.operations(shardy.main_of(module)):
            found.setdefault(op.name, []).append(op)
        _lower_top_k(found.pop("chlo.top_k", []))
        for name in [name for name in found if name.startswith("chlo.")]:
            _stand_in_for_chlo(found[name])
        _broadcast_as_xla(found.get("stablehlo.broadcast_in_dim", []))
        _open_what_loops_read(found.get("stablehlo.while", []))
        marks.settle(shardy.operations(shardy.main_of(module)))
    return module


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
    calls = {name: _calls(function) for name, function in functions.items()}
    left = collections.Counter(name for found in calls.values() for _, name in found)
    done: set[str] = set()

    def inline_in(name: str) -> None:
        done.add(name)
        for call, callee in calls[name]:
            if callee not in done:
                inline_in(callee)
            left[callee] -= 1
            _inline(call, functions[callee], is_last=not left[callee])

    inline_in("main")
    for name, function in functions.items():
        if name != "main":
            function.erase()


def _calls(function: Any) -> list[tuple[Any, str]]:
    """The calls in a function, each with the name of what it calls."""
    return [
        (op, ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        for op in shardy.operations(function)
        if op.name == "func.call"
    ]


def _lower_top_k(found: list[Any]) -> None:
    """Write each `top_k` as the custom call that XLA makes of it, which Shardy has a rule for."""
    for op in found:
        with ir.InsertionPoint(op), op.location:
            call = stablehlo.CustomCallOp(
                [result.type for result in op.results],
                list(op.operands),
                call_target_name=ir.StringAttr.get("mhlo.topk"),
            )
        for old, new in zip(op.results, call.results, strict=True):
            old.replace_all_uses_with(new)
        op.erase()


def _stand_in_for_chlo(found: list[Any]) -> None:
    """Put elementwise operations in the place of those of the dialect CHLO (`erf`, `square`, ...).

    XLA writes them out before it propagates, and Shardy has rules for few of them. What is computed
    does not matter here, only that each element depends on those in its place.
    """
    for op in found:
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


def _broadcast_as_xla(found: list[Any]) -> None:
    """Reshape where XLA does so for a broadcast, since Shardy passes on through reshapes first.

    XLA drops a dimension of size 1 before it broadcasts along it, and reshapes where a broadcast
    only adds such dimensions.
    """
    for op in found:
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


def _open_what_loops_read(loops: list[Any]) -> None:
    """Let a loop divide further what it only reads, such as the stack that a scan runs over.

    XLA captures what a loop carries unchanged, and puts an open constraint in front of the loop for
    each value that it captures which has a sharding of its own, before it propagates.
    """
    for loop in loops:
        read = _carried_unchanged(loop)
        operations = shardy.operations(loop)
        inside = {loop, *operations}
        opened: dict[Any, Any] = {}
        for op in operations:
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
    sharding = shardy.sharding_of(value)
    if sharding is None:
        return value
    dimensions = [
        sdy.DimensionShardingAttr.get([], is_closed=False) for _ in sharding.dimension_shardings
    ]
    with ir.InsertionPoint(before), before.location:
        open_sharding = sdy.TensorShardingAttr.get(sharding.mesh_or_ref, dimensions)
        return sdy.ShardingConstraintOp(value, open_sharding).result


def _inline(call: Any, function: Any, *, is_last: bool) -> None:
    """Put the body of a function in the place of a call, itself if it is the last one."""
    block = function.regions[0].blocks[0]
    results = (_moved if is_last else _copied)(block, call)
    for result, value in zip(call.results, results, strict=True):
        result.replace_all_uses_with(value)
    call.erase()


def _moved(block: Any, call: Any) -> list[Any]:
    """Move a function's body in front of a call; what it returns."""
    for argument, operand in zip(block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    *body, end = list(block.operations)
    for op in body:
        op.operation.move_before(call)
    return list(end.operation.operands)


def _copied(block: Any, call: Any) -> list[Any]:
    """Copy a function's body in front of a call; what it returns."""
    now: dict[Any, Any] = dict(zip(block.arguments, call.operands, strict=True))
    *body, end = list(block.operations)
    place = ir.InsertionPoint(call)
    for op in body:
        copy = op.operation.clone(place)
        for changed in (copy, *shardy.operations(copy)) if len(copy.regions) else (copy,):
            for index, operand in enumerate(changed.operands):
                if operand in now:
                    changed.operands[index] = now[operand]
        now.update(zip(op.operation.results, copy.results, strict=True))
    return [now.get(value, value) for value in end.operation.operands]
