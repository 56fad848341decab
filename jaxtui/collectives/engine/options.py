"""Checks the options of a collective: their types, and that groups and permutations are valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.failures import safe_repr
from jaxtui.session.collective_catalogue import Operation, Option
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import OPTIONS, FieldPath


def fitting(option: Option, value: Any, field: FieldPath) -> Any:
    """Convert an option's value to what JAX takes. Raises Diagnosed if it is of another kind."""
    value = _plain(value)
    fits, form = _FORMS[option.kind]
    if not fits(value):
        form = form.format(choices=", ".join(option.choices))
        raise diagnosed("collective", field, f"{safe_repr(value, 80)} does not fit: it is {form}")
    return value


def _plain(value: Any) -> Any:
    """Convert arrays, sequences and NumPy's numbers to lists and Python's numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return list(value) if isinstance(value, range) else value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _are_integers(value: Any) -> bool:
    return _is_list(value) and all(map(_is_integer, value))


def _are_groups(value: Any) -> bool:
    return _is_list(value) and len(value) > 0 and all(map(_are_integers, value))


def _are_pairs(value: Any) -> bool:
    return _is_list(value) and all(_are_integers(p) and len(p) == 2 for p in value)


_DIMENSION = (_is_integer, "an integer, the number of a dimension")
_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "split": _DIMENSION,
    "concat": _DIMENSION,
    "position": (_is_integer, "an integer, a position along the axis"),
    "flag": (lambda x: isinstance(x, bool), "True or False"),
    "word": (lambda x: isinstance(x, str), "one of {choices}"),
    "permutation": (_are_integers, "a list of positions, such as [1, 2, 0]"),
    "pairs": (_are_pairs, "a list of pairs (source, target), such as [(0, 1), (1, 0)]"),
    "groups": (_are_groups, "a list of lists of positions, such as [[0, 1], [2, 3]]"),
}


def check_groups(groups: Sequence[Sequence[int]], length: int, operation: Operation) -> None:
    """Raise Diagnosed unless the groups hold every position once and their sizes are allowed.

    XLA's verifier fails if a device is left out, and pmean divides by the size of the first group.
    """
    name = operation.name
    field = OPTIONS / "axis_index_groups"
    members = [position for group in groups for position in group]
    fixes = _even_groups(length, field)
    if any(not group for group in groups):
        raise diagnosed("collective", field, "a group without devices", fixes)
    check_positions(members, length, field, fixes)
    twice = sorted({p for p in members if members.count(p) > 1})
    if twice:
        message = f"groups overlap: {_positions(twice)} in more than one place"
        raise diagnosed("collective", field, message, fixes)
    missing = sorted(set(range(length)) - set(members))
    if missing:
        message = f"{_positions(missing)} in no group: every device has to be in one"
        raise diagnosed("collective", field, message, fixes)
    sizes = [len(group) for group in groups]
    same_shape = operation.family == "all-reduce"  # of the result, whatever the group's size
    if len(set(sizes)) > 1 and not (same_shape and operation.made != "mean"):
        why = (
            f"{name} would divide every group by the size of the first"
            if operation.made == "mean"
            else f"{name} gives every device a result of one shape"
        )
        message = f"groups of {', '.join(map(str, sizes))} devices differ in size: {why}"
        raise diagnosed("collective", field, message, fixes)


def check_positions(
    positions: Sequence[int], length: int, field: FieldPath, fixes: list[Fix] | None = None
) -> None:
    """Raise Diagnosed unless all positions are on an axis of this length."""
    outside = [position for position in positions if not 0 <= position < length]
    if outside:
        message = f"there is no position {outside[0]} on an axis of {length}"
        raise diagnosed("collective", field, message, fixes)


def _even_groups(length: int, field: FieldPath) -> list[Fix]:
    half = length // 2
    if length < 2 or length % 2:
        return []
    text = str([list(range(half)), list(range(half, length))])
    return [Fix(label="two halves", field=field, text=text)]


def check_pairs(perm: Sequence[Sequence[int]], length: int, field: FieldPath) -> None:
    """Raise Diagnosed unless the positions exist, and each sends and receives at most once.

    JAX accepts a negative position, and silently sends to no device.
    """
    ring = "[(i, (i + 1) % devices) for i in range(devices)]"
    fixes = [Fix(label="each to the next", field=field, text=ring)]
    check_positions([p for pair in perm for p in pair], length, field, fixes)
    for side, words in ((0, "sends twice"), (1, "receives twice")):
        positions = [pair[side] for pair in perm]
        twice = [p for p in positions if positions.count(p) > 1]
        if twice:
            message = f"position {twice[0]} {words}: a permutation has each source and target once"
            raise diagnosed("collective", field, message, fixes)


def check_permutation(perm: Sequence[int], length: int, field: FieldPath) -> None:
    """Raise Diagnosed unless `perm` holds every position once."""
    if sorted(perm) == list(range(length)):
        return
    fixes = [Fix("from the next", field, "[(i + 1) % devices for i in range(devices)]")]
    message = f"{list(perm)} is no permutation of the {length} positions 0 to {length - 1}"
    missing = sorted(set(range(length)) - set(perm))
    if missing:
        message += f": {_positions(missing)} missing"
    raise diagnosed("collective", field, message, fixes)


def _positions(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"position {numbers[0]} is"
    return f"positions {', '.join(map(str, numbers))} are"
