"""The texts of the Collectives screen, and the edits that its keys make, as plain data."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from jaxtui.collectives.screen.blocks import Holding
from jaxtui.session.collective_catalogue import OPERATIONS, Operation
from jaxtui.session.collective_program import DEFAULT_AXIS, VIAS, own_functions
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import COLLECTIVE, OPTIONS, FieldPath
from jaxtui.session.session import Collective, Session
from jaxtui.text import quantities
from jaxtui.wire.collectives import CollectiveRan, ProvenanceFound
from jaxtui.wire.report import Environment

ABOUT_VIA = {
    "pmap": "a block on each device; inside, the devices' axis is gone",
    "shard_map": "a block on each device of the mesh; inside, the divided axis has size 1",
    "vmap": "all blocks on one device: the same program, and nothing travels",
}
LITERAL_LIMIT = 512  # elements beyond which a value is better written as an expression
DEFAULT_DTYPES = frozenset({"float32", "int32", "bool", "complex64"})


class OptionRow(Struct, frozen=True):
    """An option of the operation; `placeholder` is its default, `words` explain it.

    A `wide` option needs a line of its own.
    """

    name: str
    text: str
    placeholder: str
    words: str
    wide: bool = False


class EditRefused(Exception):
    """An element cannot be edited in place; the message says what to do instead."""


# ------------------------------------------------------------------------------------ operations


def known_operation(collective: Collective) -> Operation | None:
    """The catalogue entry of the operation, None if `jax.lax` has no such collective."""
    return OPERATIONS.get(collective.operation.strip())


def meaning(session: Session, available: Mapping[str, Sequence[str]] | None, room: int) -> str:
    """What the operation does, in a line: `each device gets …`; its needs too if both fit into
    `room` cells."""
    assert session.collective is not None
    name = session.collective.operation.strip()
    if name in own_functions(session.program.source):
        return f"{name} is a function of your own, which each device calls with its block"
    operation = OPERATIONS.get(name)
    if operation is None:
        return "p picks an operation"
    if available is not None and name not in available:
        return f"the installed JAX has no {name}"
    words = f"each device gets {operation.does}"
    if len(words) > room:
        words = f"each gets {operation.does}"
    both = f"{words} (needs: {operation.needs})"
    return both if operation.needs and len(both) <= room else words


def choices(
    session: Session, available: Mapping[str, Sequence[str]] | None
) -> list[tuple[str, str]]:
    """The operations to choose from, as (name, label)."""
    own = [
        (name, f"{name:18} a function of your own")
        for name in own_functions(session.program.source)
        if any(operation in session.program.source for operation in OPERATIONS)
    ]
    known = [
        (name, f"{name:18} {operation.does}")
        for name, operation in OPERATIONS.items()
        if available is None or name in available
    ]
    return [*known, *own]


def with_operation(collective: Collective, name: str) -> Collective:
    """The collective with another operation, and options and a value that suit it.

    A value is kept unless it is the example of the previous operation.
    """
    before, after = known_operation(collective), OPERATIONS.get(name)
    if after is None:
        kept = {k: v for k, v in collective.options.items() if k == "axis_name"}
        return msgspec.structs.replace(collective, operation=name, options=kept)
    shared = {o.name for o in after.options} & {"axis_name", "axis_index_groups"}
    options = {k: v for k, v in collective.options.items() if k in shared and v.strip()}
    example = before.value if before is not None else ""
    value = collective.value
    if not value.strip() or value.strip() == example:
        value = after.value
    options = {**after.given, **options}
    return msgspec.structs.replace(collective, operation=name, options=options, value=value)


def next_via(via: str) -> str:
    """The transformation after `via`, cyclically."""
    return VIAS[(VIAS.index(via) + 1) % len(VIAS)] if via in VIAS else VIAS[0]


def option_rows(
    collective: Collective, available: Mapping[str, Sequence[str]] | None
) -> list[OptionRow]:
    """The options of the operation, then any given options that it does not have."""
    operation, given = known_operation(collective), collective.options
    axis, rows = DEFAULT_AXIS, []
    if operation is None:
        other = f"a parameter of {collective.operation}"
        rows.append(
            OptionRow("axis_name", given.get("axis_name", ""), axis, "the name of the axis")
        )
    else:
        other = f"{collective.operation} has no such option"
        has = available.get(operation.name) if available is not None else None
        for option in operation.options:
            name = option.name
            if has is not None and name not in has and name != "axis_name":
                continue
            wide = option.kind in ("pairs", "permutation", "operand")
            default = axis if name == "axis_name" else option.default or "needed"
            rows.append(OptionRow(name, given.get(name, ""), default, option.words, wide))
    named = {row.name for row in rows}
    rows += [OptionRow(name, text, "", other) for name, text in given.items() if name not in named]
    return rows


def with_field(collective: Collective, field: FieldPath, text: str) -> Collective:
    """The collective with `text` in one of its fields; an empty text removes an option."""
    name = field.name
    if not field.under(OPTIONS):
        return msgspec.structs.replace(collective, **{name: text})
    # In the place where it was, so that the file reads as before.
    options = collective.options | {name: text}
    if not text:
        del options[name]
    return msgspec.structs.replace(collective, options=options)


def fault_of(diagnosis: Diagnosis | None, shown: Sequence[str]) -> str:
    """The field of the form that a diagnosis concerns, "" if none of them."""
    if diagnosis is None:
        return ""
    field = ".".join(diagnosis.field.under(COLLECTIVE) or ())
    known = {"operation", "via", "value", *(f"options.{name}" for name in shown)}
    return field if field in known else ""


# ------------------------------------------------------------------------------------------ rows


def labels(
    held: Holding, environment: Environment | None, mesh: Mapping[str, int] | None
) -> tuple[str, list[str]]:
    """The heading of the row labels, and the labels: each device's id, coordinates and kind."""
    kinds = {d.id: d.kind for d in environment.devices} if environment is not None else {}
    ids = held.devices
    placed = len(set(ids)) == len(ids) and None not in ids
    axes = dict(mesh) if mesh is not None and len(mesh) > 1 else {}
    found = []
    for row, device in enumerate(ids):
        kind = "elsewhere" if device is None else kinds.get(device, "")
        if placed and device == row:
            text = f"{row:<2} {_coordinates(row, axes)}{kind}"
        else:
            text = f"{row:<2} on {device} {kind}" if device is not None else f"{row:<2} {kind}"
        found.append(text.rstrip())
    return ("device" if placed and list(ids) == list(range(len(ids))) else "row"), found


def _coordinates(row: int, axes: Mapping[str, int]) -> str:
    parts = []
    for name, size in reversed(list(axes.items())):
        row, at = divmod(row, size)
        parts.append(f"{name}{at}")
    return " ".join(reversed(parts)) + (" " if parts else "")


def verdict(ran: CollectiveRan | None, *, stale: bool, ascii: bool) -> str:
    """The outcome of the check against NumPy, for the title."""
    if ran is None:
        return ""
    checked = ran.report.checked
    if checked:
        words = "checked against NumPy: agrees" if ascii else "checked against NumPy ✓"
    elif checked is None:
        words = ran.note or "not checked"
    else:
        words = f"DIFFERS from NumPy: {ran.note}"
    return f"of the collective before · {words}" if stale else words


def took(seconds: float) -> str:
    """The run time: `ran 0.4 ms`."""
    return f"ran {quantities.elapsed(seconds)}"


def leaf_name(path: str, count: int) -> str:
    """The name of one of `count` arrays, "" for a single one."""
    return path.strip("[]'\"") if count > 1 else ""


def before_words(held: Holding, row: int, element: int, written: str) -> str:
    """An element of the input: `device 3 [1] = 7.`."""
    index = ", ".join(map(str, held.index(element)))
    where = f" [{index}]" if held.shape else ""
    devices = held.devices
    device = devices[row]
    who = f"device {device}" if device is not None and devices.count(device) == 1 else f"row {row}"
    return f"before: {who}{where} = {written.strip()}"


def found_words(found: ProvenanceFound, written: str, before: Holding, shown: int) -> str:
    """The sources of an element, and in a second line their values."""
    place, _, source = found.words.partition(" ← ")
    words = f"{place} = {written.strip()} ← {source}"
    if not before.cells or not found.sources[shown]:
        return words
    size = max(1, before.size)
    cells = [divmod(flat, size) for flat in found.sources[shown][:SPELT]]
    spelt = [before.format.text(before.cells[row][at]).strip() for row, at in cells]
    more = "" if len(found.sources[shown]) <= SPELT else " …"
    joiner = " + " if source.startswith("sum over") else ", "
    if len(spelt) == 1:
        return words
    return f"{words}\n{'= ' if joiner == ' + ' else 'of '}{joiner.join(spelt)}{more}"


SPELT = 16  # elements that are written out


# ------------------------------------------------------------------------- editing one element


def field_of_input(collective: Collective, path: str) -> FieldPath:
    """The session's field that defines an array of the input. Raises EditRefused."""
    operation = known_operation(collective)
    name = path.strip("[]'\"")
    if operation is not None and operation.names("operand"):
        return COLLECTIVE / "value" if name == "x" else OPTIONS / name
    if path:
        raise EditRefused("the value is a pytree: edit its text")
    return COLLECTIVE / "value"


def with_element(held: Holding, row: int, element: int, text: str) -> str:
    """The whole input as an array literal, with `text` in place of one element.

    Raises EditRefused if `text` is not Python, or the input cannot be written as a literal.
    """
    text = text.strip()
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise EditRefused(f"{text!r} is not Python" if text else "a number is needed") from None
    if held.cells is None or held.rows * held.size > LITERAL_LIMIT:
        raise EditRefused("too many elements to write one by one: edit the value's text")
    if any(isinstance(cell, str) and cell not in NUMBERS for cells in held.cells for cell in cells):
        raise EditRefused(f"elements of {held.dtype} have no literal: edit the value's text")
    rows = [[literal(cell) for cell in cells] for cells in held.cells]
    rows[row][element] = text
    body = ", ".join(_nested(cells, held.shape) for cells in rows)
    dtype = "" if held.dtype in DEFAULT_DTYPES else f", {held.dtype}"
    return f"array([{body}]{dtype})"


NUMBERS = {"nan": "nan", "inf": "inf", "-inf": "-inf"}


def literal(cell: Any) -> str:
    """An element as a Python literal."""
    if isinstance(cell, list | tuple):
        real, imaginary = (literal(part) for part in cell)
        return f"complex({real}, {imaginary})"
    if isinstance(cell, float):
        text = repr(cell)
        return text[:-1] if text.endswith(".0") else text
    return str(cell)


def _nested(cells: Sequence[str], shape: Sequence[int]) -> str:
    if not shape:
        return cells[0]
    step = len(cells) // shape[0]
    parts = [_nested(cells[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
    return f"[{', '.join(parts)}]"
