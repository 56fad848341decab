"""Which operations of a module compute the same from the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxlib.mlir import ir

from jaxtui.sharding.engine import marks, shardy


class Equal:
    """Tells which operations compute the same from the same.

    Attributes are looked at only where two operations differ in nothing else, which is rare.
    """

    def __init__(self) -> None:
        self._roughly = _Numbering(lambda op: (op.name, op.parent))
        self._exactly = _Numbering(_all_of)

    def is_new(self, op: Any, seen: dict[int, list[Any]]) -> bool:
        """Whether no operation of the same block was equal to this one; `seen` has those."""
        alike = seen.setdefault(self._roughly.number(op), [])
        if any(self._is_equal(op, other) for other in alike):
            return False
        alike.append(op)
        return True

    def _is_equal(self, op: Any, other: Any) -> bool:
        if list(op.operands) == list(other.operands):
            return _all_of(op) == _all_of(other)
        return self._exactly.number(op) == self._exactly.number(other)


class _Numbering:
    """Numbers for operations, which those share that have the same key and the same operands."""

    def __init__(self, key: Callable[[Any], Any]) -> None:
        self._key = key
        self._numbers: dict[Any, int] = {}
        self._of: dict[Any, int] = {}

    def number(self, op: Any) -> int:
        waiting = [op]
        while waiting:
            last = waiting[-1]
            operands, unknown = self._operands(last) if last not in self._of else ([], [])
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            if last not in self._of:
                key = (self._key(last), *operands)
                self._of[last] = self._numbers.setdefault(key, len(self._numbers))
        return self._of[op]

    def _operands(self, op: Any) -> tuple[list[Any], list[Any]]:
        """What an operation reads, in terms of numbers, and the makers that have none yet."""
        found: list[Any] = []
        unknown: list[Any] = []
        for value in op.operands:
            maker = value.owner
            number = self._of.get(maker)
            if number is not None:
                is_one = len(maker.results) == 1
                found.append(number if is_one else (number, ir.OpResult(value).result_number))
            elif isinstance(maker, ir.Block):
                found.append(value)
            else:
                unknown.append(maker)
        return found, unknown


def _all_of(op: Any) -> tuple[Any, ...]:
    """What an operation is but for its operands."""
    inner = tuple((o.name, _attributes(o)) for o in shardy.operations(op))
    return op.name, op.parent, _attributes(op), inner


def _attributes(op: Any) -> Any:
    """The attributes of an operation that say what it does; equal ones are one in their context."""
    if op.name.endswith(".constant") and _is_complex(op.results[0]):
        # jaxlib cannot read such a value: it raises, and JAX 0.6 ends the process.
        return op.get_asm().partition("=")[2]
    names = [getattr(named, "name", named) for named in op.attributes]
    return tuple((name, op.attributes[name]) for name in names if name != marks.MAKES)


def _is_complex(value: Any) -> bool:
    return isinstance(ir.RankedTensorType(value.type).element_type, ir.ComplexType)
