"""Fixes that work: settings tried by tracing, the ones nearest to what was typed first."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import jax
import msgspec
from jax import tree_util

from jaxtui.engine_base.arrays import shape_of
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder, over_arrays
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import DEVICES, SOURCE
from jaxtui.session.session import Session, with_fix
from jaxtui.wire.base import Composition

BUDGET = 0.5  # seconds for all attempts of one failure; a function usually traces in a few ms
MOST_ATTEMPTS = 64
MOST_FIXES = 3
MOST_EDITS = 4


def working_axes(layer: BuiltLayer, recorder: Recorder, name: str) -> list[Fix]:
    """Values of the setting `name` (in_axes or out_axes) with which the rest traces, as fixes.

    Of in_axes, those that change no more entries than they need to.
    """
    if not (layer.kind.maps or layer.kind.in_mesh):
        return []
    level = recorder.level_of(layer)
    args = recorder.recordings[level].args
    if args is None:
        return []
    if name == "in_axes":
        tried = _input_axes(layer, args)
    else:
        tried = _output_axes(layer.settings.get(name), recorder, level)
    fixes: list[Fix] = []
    needed: int | None = None
    deadline = time.monotonic() + BUDGET
    for changed, axes in itertools.islice(tried, MOST_ATTEMPTS):
        if len(fixes) == MOST_FIXES or time.monotonic() > deadline:
            break
        if needed is not None and changed > needed:
            break
        if _same(axes, layer.settings.get(name, None if layer.kind.in_mesh else 0)):
            continue
        if traces(layer, recorder, **{name: axes}):
            fixes.append(layer.fix(name, repr(axes)))
            needed = changed
    return fixes


@rehearsal()
def right_fixes(
    found: Diagnosis, composition: Composition, diagnose: Callable[[Composition], Diagnosis | None]
) -> list[Fix]:
    """The fixes of `found` that lead to no failure, or to one that is neither at its field nor at
    the fix's own. Other devices take another engine, so a failure at their field says nothing here.
    A change of the source is only offered if it was tried, and at most MOST_EDITS of them.
    """
    session = Session(
        program=composition.program,
        parameters=composition.parameters,
        devices=composition.devices,
    )
    right: list[Fix] = []
    deadline = time.monotonic() + BUDGET
    for fix in found.fixes:
        edits = fix.field == SOURCE
        if edits and sum(found.field == SOURCE for found in right) >= MOST_EDITS:
            continue
        if any(found.label == fix.label for found in right):
            continue  # another way to write it
        if time.monotonic() > deadline:
            right += [] if edits else [fix]
            continue
        changed = with_fix(session, fix)
        after = diagnose(
            msgspec.structs.replace(composition, program=changed.program, devices=changed.devices)
        )
        untried = fix.field.under(DEVICES) is not None
        if fix.also and after is not None and not untried:
            continue
        if after is None or after.field not in (found.field, *([] if untried else [fix.field])):
            right.append(fix)
    return right


@rehearsal()
def traces(layer: BuiltLayer, recorder: Recorder, **changed: Any) -> bool:
    """Whether the program from `layer` inward traces, with the settings `changed`."""
    tried = replace(layer, settings={**layer.settings, **changed})
    inner = [*recorder.layers[: layer.index], tried]
    seen = recorder.recordings[recorder.level_of(layer)]
    attempt = Recorder(recorder.function, inner, recorder.names)
    try:
        call, structs = over_arrays(attempt.program, seen.args or (), seen.kwargs)
        jax.eval_shape(call, *structs)
    except BaseException:  # whatever the user's function raises when it is tried
        return False
    return True


def _input_axes(layer: BuiltLayer, args: tuple[Any, ...]) -> Iterable[tuple[int, Any]]:
    """How many entries are changed, and values of in_axes with an entry for each argument.

    Those with the fewest changes come first.
    """
    now = entries(layer.settings.get("in_axes", 0), len(args))
    choices = [_choices(arg, current) for arg, current in zip(args, now, strict=True)]
    # More than this many combinations are not worth sorting: only the nearest are tried.
    combinations = itertools.islice(itertools.product(*choices), 4096)
    nearest = sorted(combinations, key=lambda axes: _distance(axes, now))
    return [
        (_distance(axes, now)[0], unpacked(axes))
        for axes in nearest
        if any(a is not None for a in axes)
    ]


def unpacked(entries: Sequence[Any]) -> Any:
    """A single entry by itself, several as a tuple, as one types axes and argument numbers."""
    return entries[0] if len(entries) == 1 else tuple(entries)


def unpacked_text(texts: Sequence[str]) -> str:
    """The text of the entries `texts`: of a single int or None by itself, else of their tuple.

    Equal ints are one for all arguments.
    """
    if len(set(texts)) == 1 and (texts[0].lstrip("-").isdigit() or texts[0] == "None"):
        return texts[0]
    return f"({', '.join(texts)},)" if len(texts) == 1 else f"({', '.join(texts)})"


def entries(in_axes: Any, count: int) -> list[Any]:
    """in_axes as a list with an entry for each argument; missing entries are 0."""
    if isinstance(in_axes, list | tuple):
        return [*in_axes, *([0] * count)][:count]
    return [in_axes] * count


def _choices(arg: Any, current: Any) -> list[Any]:
    """The axes one argument can be mapped over (int or None), the current one first."""
    axes: list[Any] = [*range(_lowest_rank(arg)), None]
    leaves = tree_util.tree_leaves(arg)
    tree = not tree_util.treedef_is_leaf(tree_util.tree_structure(arg))
    if tree and type(current) is int and any(shape_of(leaf)[current:] for leaf in leaves):
        # Another axis, or none, for all leaves of a tree is not what a few wrong ones ask for.
        return [current]
    if type(current) is not int and isinstance(current, tuple | list | dict):
        return [current, *([] if tree else axes)]
    if type(current) is int and -_lowest_rank(arg) <= current < 0:
        axes.insert(0, current)
    return sorted(axes, key=lambda axis: not _same(axis, current))


def _distance(axes: tuple[Any, ...], now: list[Any]) -> tuple[int, int, int]:
    changed = sum(not _same(a, b) for a, b in zip(axes, now, strict=True))
    unmapped = sum(a is None for a in axes)
    return changed, unmapped, sum(a for a in axes if isinstance(a, int))


def _same(one: Any, other: Any) -> bool:
    """Whether two axes are equal; an array or a bool that was typed instead equals no axis."""
    return type(one) is type(other) and bool(one == other)


def _output_axes(given: Any, recorder: Recorder, level: int) -> Iterable[tuple[int, Any]]:
    """One axis for all outputs; before that, an entry for each where their number is another.

    A result has no name by which its entry could follow it without being asked, as an argument's
    entry of in_axes does: those that are there stay in their places.
    """
    output = recorder.recordings[level + 1].output
    tried: list[tuple[int, Any]] = [(1, axis) for axis in range(_lowest_rank(output) + 1)]
    both = isinstance(given, tuple) and isinstance(output, tuple)
    if both and len(given) != len(output) > 0:
        entries = given[: len(output)] + (0,) * (len(output) - len(given))
        tried.insert(0, (1, entries))
    return tried


def _lowest_rank(tree: Any) -> int:
    return min((len(shape_of(leaf)) for leaf in tree_util.tree_leaves(tree)), default=0)
