"""What a pmap with more elements than devices can do instead, as fixes that say what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from jax import tree_util

from jaxtui.engine_base.arrays import is_array
from jaxtui.program.engine import suggestions
from jaxtui.program.engine.diagnosis.calls import Call
from jaxtui.session.diagnosis import Edit, Fix
from jaxtui.session.field_path import ARGUMENTS, LAYERS
from jaxtui.session.layers import AxisMap, Vmap

# The name of each mapped leaf, the position of its argument (-1 for a keyword), its size, its axis.
Sizes = Sequence[tuple[str, int, int, int]]


def fixes(call: Call, sizes: Sizes, count: int) -> Iterator[Fix]:
    """What to do with the mapped axis, which is longer than the `count` of devices."""
    if not call.outermost or any(axis < 0 for *_, axis in sizes):
        return
    folded = _folded(call, sizes, count)
    if folded is not None:
        yield folded
    lost = sizes[0][2] - count
    label = f"keep the first {count}: the other {lost:,} {'is' if lost == 1 else 'are'} left out"
    if edits := _edits(
        call, sizes, lambda axis, text: f"[{', '.join([':'] * axis + [f':{count}'])}]"
    ):
        yield _fix(label, edits)


def _folded(call: Call, sizes: Sizes, count: int) -> Fix | None:
    """Several elements to each device, over which a vmap inside maps the function.

    Only where each element is computed as before: a function that speaks over the mapped axis would
    speak over a part of it.
    """
    size = sizes[0][2]
    used = max(n for n in range(1, count + 1) if size % n == 0)
    each = size // used

    def folded(axis: int, shape: Sequence[int] | None) -> str:
        if shape is not None:
            return f".reshape{(*shape[:axis], used, each, *shape[axis + 1 :])}"
        before = f"*a.shape[:{axis}], " if axis else ""
        return f".reshape({before}{used}, {each}, *a.shape[{axis + 1}:])"

    inner = _vmap_inside(call) if used > 1 or count == 1 else None
    edits = _edits(call, sizes, folded) if inner is not None else []
    if not edits:
        return None
    layers = list(call.prepared.composition.program.layers)
    at = call.layer.index
    text = msgspec.json.encode([*layers[:at], inner, *layers[at:]]).decode()
    who = f"each of the {used} devices" if used == count else f"{used} of the {count} devices"
    who = "the device" if count == 1 else who
    return _fix(
        f"give {who} {each}: reshape to ({used}, {each}), and map them by a vmap inside",
        [*edits, Edit(LAYERS, text)],
    )


def _vmap_inside(call: Call) -> Vmap | None:
    """A vmap with the axes of the pmap; None if what it maps uses the axis by its name."""
    kind = call.layer.kind
    assert isinstance(kind, AxisMap)
    inner = Vmap(in_axes=kind.in_axes, out_axes=kind.out_axes)
    settings = {name: call.layer.settings[name] for name in inner.typed()}
    by_itself = replace(call.layer, kind=inner, settings=settings)
    return inner if suggestions.traces(by_itself, call.recorder) else None


def _fix(label: str, edits: Sequence[Edit]) -> Fix:
    return Fix(label, edits[0].field, edits[0].text, tuple(edits[1:]))


def _edits(
    call: Call, sizes: Sizes, change: Callable[[int, Sequence[int] | None], str]
) -> list[Edit]:
    """An edit of each mapped argument's value; empty where one of them has none.

    `change(axis, shape)` is what follows the text of an array to change it. The shape is None for
    the leaves of a tree, all of which are called `a`.
    """
    edits: dict[int, Edit] = {}
    given = call.prepared
    for name, position, _, axis in sizes:
        index = given.positional[position] if position >= 0 else given.keywords.get(name)
        if index is None:
            return []
        tree = call.args[position] if position >= 0 else call.kwargs[name]
        text = given.composition.program.arguments[index].value.strip()
        if is_array(tree):
            changed = f"({text}){change(axis, tree.shape)}"
        elif _all_mapped(tree, [a for _, at, _, a in sizes if at == position]):
            changed = f"jax.tree.map(lambda a: a{change(axis, None)}, {text})"
        else:
            return []
        edits[index] = Edit(ARGUMENTS / index / "value", changed)
    return list(edits.values())


def _all_mapped(tree: Any, axes: Sequence[int]) -> bool:
    """Whether all leaves of `tree` are mapped, over the same of `axes`."""
    return len(axes) == len(tree_util.tree_leaves(tree)) and len(set(axes)) == 1
