"""What differs between two compositions, and between the types of two results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jaxtui.session.field_path import (
    ARGUMENTS,
    DEVICES,
    FUNCTION,
    LAYERS,
    PARAMETERS,
    SOURCE,
    FieldPath,
)
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import FieldChange, LeafChange, LeafType, Verdict
from jaxtui.wire.report import Output


def field_changes(before: Composition, now: Composition) -> list[FieldChange]:
    """The fields that differ, in the order of a session."""
    return [
        FieldChange(field=field, name=name, before=old, now=new)
        for field, name, old, new in _pairs(before, now)
        if old != new
    ]


Pair = tuple[str, str, str, str]  # the path of a field, its name, its text before, and now


def _pairs(before: Composition, now: Composition) -> Iterator[Pair]:
    yield str(SOURCE), "source", before.program.source, now.program.source
    yield str(FUNCTION), "function", before.program.function, now.program.function
    yield from _arguments(before.program.arguments, now.program.arguments)
    yield from _layers(before.program.layers, now.program.layers)
    yield from _mappings(PARAMETERS, before.parameters, now.parameters)
    for name in now.devices.__struct_fields__:
        old, new = (_text(getattr(one.devices, name)) for one in (before, now))
        yield str(DEVICES / name), f"devices {name}", old, new
    yield "folder", "folder", before.folder, now.folder


def _arguments(before: Sequence[Argument], now: Sequence[Argument]) -> Iterator[Pair]:
    """The arguments by name, as their values and shardings; their names where these differ."""
    names, names_now = ([one.name for one in given] for given in (before, now))
    if names == names_now:
        pairs = list(zip(before, now, strict=True))
    else:
        yield str(ARGUMENTS), "arguments", ", ".join(names), ", ".join(names_now)
        old, new = ({one.name: one for one in given} for given in (before, now))
        pairs = [
            (old.get(name, Argument(name=name)), new.get(name, Argument(name=name)))
            for name in dict.fromkeys([*old, *new])
        ]
    for first, second in pairs:
        path, name = f"{ARGUMENTS}.{first.name}", first.name
        yield path, f"argument {name}", first.value, second.value
        yield f"{path}.sharding", f"sharding of {name}", first.sharding, second.sharding


def _layers(before: Sequence[AnyLayer], now: Sequence[AnyLayer]) -> Iterator[Pair]:
    """Field by field where the layers are of the same kinds, else the layers as a whole."""
    if [one.transform for one in before] != [one.transform for one in now]:
        yield str(LAYERS), "layers", layers_text(before), layers_text(now)
        return
    for number, (old, new) in enumerate(zip(before, now, strict=True)):
        first, second = old.typed(), new.typed()
        for name in old.fields():
            title = f"{old.transform} {name}"
            yield str(LAYERS / number / name), title, first.get(name, ""), second.get(name, "")


def layers_text(layers: Sequence[AnyLayer]) -> str:
    """The layers from outside in: `jit of vmap[in_axes=(0, None)]`, "none" without any."""
    if not layers:
        return "none"
    parts = []
    for layer in reversed(layers):
        given = ", ".join(f"{name}={text}" for name, text in layer.typed().items())
        parts.append(f"{layer.transform}[{given}]" if given else layer.transform)
    return " of ".join(parts)


def _mappings(
    field: FieldPath, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Pair]:
    for name in dict.fromkeys([*before, *now]):
        yield str(field / name), f"parameter {name}", _text(before.get(name)), _text(now.get(name))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def leaf_types(before: Sequence[Output], now: Sequence[Output], why: str) -> list[LeafChange]:
    """The leaves of two results whose values cannot be compared, for the reason `why`."""
    old, new = ({one.path: one for one in outputs} for outputs in (before, now))
    return [_leaf(path, old.get(path), new.get(path), why) for path in dict.fromkeys([*old, *new])]


def _leaf(path: str, before: Output | None, now: Output | None, why: str) -> LeafChange:
    first, second = (
        None if one is None else LeafType(one.dtype, one.shape) for one in (before, now)
    )
    if first is None or second is None:
        verdict: Verdict = "added" if first is None else "removed"
        return LeafChange(path=path, before=first, now=second, verdict=verdict)
    if first != second:
        return LeafChange(path=path, before=first, now=second, verdict="other")
    return LeafChange(path=path, before=first, now=second, verdict="unknown", why=why)
