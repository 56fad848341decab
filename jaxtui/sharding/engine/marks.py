"""Marks in a module: which MLIR value holds which value of the program.

What an equation became cannot be told from lowered text: one equation gives several operations, or
none. So the end of each body in the marked program has a mark, an operation without results whose
operands are the values of that body. Before the module is propagated, their numbers are written
into an attribute of the operations that make them. A mark remains only for values that would be
lost otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir

TARGET = "jaxtui_mark"
MAKES = "jaxtui.makes"
"""The attribute that says which marked values an operation makes: "number:result number:result"."""


def add(values: Sequence[Any], numbers: Sequence[int], **place: Any) -> Any:
    """Add a mark with these operands and the number of each, at an MLIR `loc` and `ip`."""
    attributes = {
        "call_target_name": ir.StringAttr.get(TARGET),
        "has_side_effect": ir.BoolAttr.get(True),
        "backend_config": ir.StringAttr.get(" ".join(map(str, numbers))),
    }
    return ir.Operation.create(
        "stablehlo.custom_call", operands=values, attributes=attributes, **place
    )


def is_mark(operation: Any) -> bool:
    """Whether an operation is a mark."""
    if operation.name != "stablehlo.custom_call":
        return False
    return bool(ir.StringAttr(operation.attributes["call_target_name"]).value == TARGET)


def numbers(mark: Any) -> list[int]:
    """The number of each operand of a mark."""
    return [int(n) for n in ir.StringAttr(mark.attributes["backend_config"]).value.split()]


def made(operation: Any) -> tuple[tuple[int, int], ...]:
    """The marked values that an operation makes: the number of each, and which result it is."""
    attributes = operation.attributes
    return _made(ir.StringAttr(attributes[MAKES]).value) if MAKES in attributes else ()


@functools.lru_cache(maxsize=65536)
def _made(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (pair.partition(":") for pair in text.split())
    return tuple((int(number), int(result)) for number, _, result in pairs)


def settle(operations: Sequence[Any]) -> None:
    """Write the numbers of marked values into the operations that make them.

    A mark keeps the arguments of blocks, what nothing else reads and would be dropped, what Shardy
    replaces or reshards where it is made, and what it copies for each user.
    """
    copied = _copied(operations)
    for mark in [operation for operation in operations if is_mark(operation)]:
        _settle(mark, copied)


def _settle(mark: Any, copied: set[Any]) -> None:
    makers: dict[Any, list[str]] = {}
    kept: list[tuple[Any, int]] = []
    for value, number in zip(mark.operands, numbers(mark), strict=True):
        maker = value.owner
        if isinstance(maker, ir.Block) or not _keeps_its_result(maker.name):
            kept.append((value, number))
            continue
        makers.setdefault(maker, []).append(f"{number}:{ir.OpResult(value).result_number}")
        if maker in copied or all(use.owner == mark for use in value.uses):
            kept.append((value, number))
    for maker, entries in makers.items():
        known = [ir.StringAttr(maker.attributes[MAKES]).value] if MAKES in maker.attributes else []
        maker.attributes[MAKES] = ir.StringAttr.get(" ".join([*known, *entries]))
    if kept:
        values, theirs = zip(*kept, strict=True)
        add(values, theirs, loc=mark.location, ip=ir.InsertionPoint(mark))
    mark.erase()


def _keeps_its_result(name: str) -> bool:
    """Whether what an operation makes is what its users read, once it has been propagated.

    Shardy replaces operations of its own, and computes a concatenation of uneven parts in another
    sharding than its result has, with a reshard behind it.
    """
    return name.startswith("stablehlo.") and name != "stablehlo.concatenate"


def _copied(operations: Sequence[Any]) -> set[Any]:
    """What Shardy copies for each user: constants, what is computed of them alone, and scalars that
    are broadcast."""
    found: set[Any] = set()
    for operation in operations:
        for value in operation.operands:
            if value.owner not in found:
                is_scalar = not ir.RankedTensorType(value.type).rank
                if is_scalar and operation.name == "stablehlo.broadcast_in_dim":
                    found.add(operation)
                break
        else:
            found.add(operation)
    return found


def separate(operations: Sequence[Any]) -> None:
    """Put a mark behind each operation that makes marked values.

    A collective in front of it then belongs to that operation, one behind it to the next.
    """
    for operation in operations:
        results = made(operation)
        if results:
            _put_behind(operation, [(operation.results[r], n) for n, r in results])
        elif is_mark(operation):
            for number, value in zip(numbers(operation), operation.operands, strict=True):
                if not isinstance(value.owner, ir.Block) and not made(value.owner):
                    _put_behind(value.owner, [(value, number)])


def _put_behind(operation: Any, values: Sequence[tuple[Any, int]]) -> None:
    mark = add(
        [value for value, _ in values],
        [number for _, number in values],
        loc=operation.location,
        ip=ir.InsertionPoint(operation),
    )
    mark.move_after(operation)
