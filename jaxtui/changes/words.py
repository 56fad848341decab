"""What changed between two runs, in words: alike on the command line and on the screen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from jaxtui.text import quantities
from jaxtui.text.difference import difference
from jaxtui.text.plain import shape as shape_text
from jaxtui.text.signs import ARROW_IN
from jaxtui.wire.change_report import Changes, FieldChange, Figures, LeafChange, LeafType

Style = Literal["", "quiet", "removed", "added", "wrong"]
SOURCE_LINES = 8  # of the changed lines of a source that are told
MOST_LEAVES, MOST_FIELDS, MOST_OPERATIONS = 50, 20, 12
LONGEST = 60  # characters of a field's text
NOTHING = "nothing"
COMPARING = "comparing …"


class Row(NamedTuple):
    """A line: a label, "" if it is that of the line above, and the text with its style."""

    label: str
    text: str
    style: Style = ""


def rows(changes: Changes, waiting: str = "") -> list[Row]:
    """The report, line by line; `waiting` is told in place of figures that are not there."""
    return [
        *_labelled("composed", _fields(changes)),
        *_labelled("values", _leaves(changes)),
        *_figures(changes.before, changes.now, waiting),
        Row("time", _time(changes)),
    ]


def text(changes: Changes) -> str:
    """The report as plain text."""
    head = f"against {changes.against}"
    found = rows(changes)
    width = max(len(row.label) for row in found)
    return "\n".join([head, *(f"  {row.label:{width}}  {row.text}".rstrip() for row in found)])


def _labelled(label: str, lines: Iterator[tuple[str, Style]]) -> Iterator[Row]:
    for number, (line, style) in enumerate(lines):
        yield Row("" if number else label, line, style)


# ------------------------------------------------------------------------------------- composed


def _fields(changes: Changes) -> Iterator[tuple[str, Style]]:
    if not changes.fields:
        yield f"{NOTHING}: both are composed alike", "quiet"
    for change in changes.fields[:MOST_FIELDS]:
        if change.field == "program.source":
            yield from _source(change)
        else:
            yield f"{change.name}  {_short(change.before)} {ARROW_IN} {_short(change.now)}", ""
    if len(changes.fields) > MOST_FIELDS:
        yield f"… and {len(changes.fields) - MOST_FIELDS} more fields", "quiet"


def _source(change: FieldChange) -> Iterator[tuple[str, Style]]:
    lines = [
        line
        for line in difference(change.before, change.now).splitlines()
        if line[:1] in ("-", "+")
    ]
    if not lines:
        yield "the white space of the source", "quiet"
    for line in lines[:SOURCE_LINES]:
        yield f"{line[0]} {line[1:].strip()}", "removed" if line.startswith("-") else "added"
    if len(lines) > SOURCE_LINES:
        yield f"… and {len(lines) - SOURCE_LINES} more lines of the source", "quiet"


def _short(text: str) -> str:
    one = " ".join(text.split())
    return (one if len(one) <= LONGEST else f"{one[: LONGEST - 1]}…") or "–"


# --------------------------------------------------------------------------------------- values


def _leaves(changes: Changes) -> Iterator[tuple[str, Style]]:
    leaves = changes.outputs
    alike = [leaf for leaf in leaves if leaf.verdict == "same"]
    if not leaves:
        yield changes.values or NOTHING, "quiet"
    elif len(alike) == len(leaves):
        noun = "the one leaf is" if len(leaves) == 1 else f"all {len(leaves):,} leaves are"
        yield f"{noun} the same, bit for bit{_nan(leaves[0]) if len(leaves) == 1 else ''}", "quiet"
    elif changes.values and all(leaf.verdict == "unknown" for leaf in leaves):
        yield f"of the same shapes and dtypes; {changes.values}", "quiet"
    else:
        told = [leaf for leaf in leaves if leaf.verdict != "same"]
        for leaf in told[:MOST_LEAVES]:
            yield _leaf(leaf)
        if len(told) > MOST_LEAVES:
            yield f"… and {len(told) - MOST_LEAVES:,} more leaves that differ", "quiet"
        if alike:
            more = quantities.counted(len(alike), "other leaf").replace("leafs", "leaves")
            yield f"{more} the same, bit for bit", "quiet"


def _leaf(leaf: LeafChange) -> tuple[str, Style]:
    name = f"out{leaf.path}"
    one = leaf.now or leaf.before
    if leaf.verdict == "added":
        return f"{name}  {_type(leaf.now)} is new", "added"
    if leaf.verdict == "removed":
        return f"{name}  {_type(leaf.before)} is gone", "removed"
    if leaf.verdict == "other":
        said = f"{name}  {_type(leaf.before)} {ARROW_IN} {_type(leaf.now)}"
        if leaf.before is not None and leaf.now is not None and leaf.before.shape == leaf.now.shape:
            said += f": {_apart(leaf)}" if leaf.differing else ""
        return said, "wrong"
    if leaf.verdict == "unknown":
        return f"{name}  {_type(one)}: {leaf.why}", "quiet"
    if leaf.verdict == "rounding":
        return f"{name}  {_type(one)} the same but for rounding: {_apart(leaf)}", ""
    if leaf.verdict == "enlarged":
        words = f"the same but for rounding, which the function enlarges ({leaf.why})"
        return f"{name}  {_type(one)} {words}: {_apart(leaf)}", ""
    beyond = " (rounding makes " + _number(leaf.bound) + ")" if leaf.bound else ""
    return f"{name}  {_type(one)} differs: {_apart(leaf)}{beyond}", "wrong"


def _apart(leaf: LeafChange) -> str:
    """How many elements differ, how far, and where most."""
    said = f"{leaf.differing:,} of {leaf.count:,}"
    if leaf.distance == "inf":
        said += ", finite here and not there"
    elif leaf.distance is not None:
        said += f", by up to {_number(leaf.distance)}{_share(leaf.relative)}"
    where = f"at {leaf.at}, " if leaf.at else ""
    digits = 9  # as many as tell a float32 from the next
    before, now = (_number(value, digits) for value in (leaf.value_before, leaf.value_now))
    return f"{said}; {where}{before} {ARROW_IN} {now}{_nan(leaf)}"


def _share(relative: float | None) -> str:
    """The largest distance as a share of the element before, where that is worth telling."""
    return f" ({quantities.percent(relative)})" if relative and relative >= 1e-3 else ""


def _nan(leaf: LeafChange) -> str:
    before, now = leaf.nan_before, leaf.nan_now
    if before == now:
        return f"; {now:,} NaN in both" if now else ""
    return f"; NaN {before:,} {ARROW_IN} {now:,}"


def _type(leaf: LeafType | None) -> str:
    return shape_text(leaf.dtype, leaf.shape) if leaf is not None else "–"


def _number(value: Any, digits: int = 3) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, list) and len(value) == 2:  # a complex number
        real, imaginary = (_number(part, digits) for part in value)
        return f"{real} + {imaginary}i"
    return "–" if value is None else str(value)


# --------------------------------------------------------------------------------------- figures


def _figures(before: Figures | None, now: Figures | None, waiting: str) -> Iterator[Row]:
    if before is None or now is None:
        yield Row("compiled", waiting or "not known", "quiet")
        return
    yield from _labelled("operations", _operations(before, now))
    for name, one in (("before", before), ("now", now)):
        if one.failure:
            yield Row("compiled", f"not {name}: {one.failure}", "quiet")
    if before.failure or now.failure:
        return
    yield Row("collectives", *_collectives(before, now))
    for label, old, new, words in (
        ("FLOPs", before.flops, now.flops, _count),
        ("bytes accessed", before.bytes_accessed, now.bytes_accessed, _size),
        ("memory", before.together, now.together, _size),
        ("temporaries", before.temporaries, now.temporaries, _size),
    ):
        if old is not None and new is not None:
            yield Row(label, *_change(old, new, words))


def _operations(before: Figures, now: Figures) -> Iterator[tuple[str, Style]]:
    old, new = before.primitives, now.primitives
    if old is None or new is None:
        yield "not known: only a run can trace it", "quiet"
        return
    changed = [name for name in sorted(old | new) if old.get(name, 0) != new.get(name, 0)]
    if not changed:
        yield f"the same {sum(new.values()):,} in the jaxpr", "quiet"
        return
    parts = [f"{name} {old.get(name, 0):,} {ARROW_IN} {new.get(name, 0):,}" for name in changed]
    more = len(parts) - MOST_OPERATIONS
    yield ", ".join(parts[:MOST_OPERATIONS]) + (f" and {more} more" if more > 0 else ""), ""
    yield f"{sum(old.values()):,} {ARROW_IN} {sum(new.values()):,} in the jaxpr", "quiet"


def _collectives(before: Figures, now: Figures) -> tuple[str, Style]:
    old, new = ({one.kind: one for one in figures.collectives} for figures in (before, now))
    if not old and not new:
        return "none in either", "quiet"
    parts = []
    for kind in dict.fromkeys([*old, *new]):
        first, second = old.get(kind), new.get(kind)
        counts = (first.count if first else 0, second.count if second else 0)
        sizes = (first.bytes if first else 0, second.bytes if second else 0)
        if (counts, sizes) == ((counts[1],) * 2, (sizes[1],) * 2):
            parts.append(f"{kind} {counts[0]}, {_size(sizes[0])}, as before")
            continue
        parts.append(
            f"{kind} {counts[0]} {ARROW_IN} {counts[1]}, "
            f"{_size(sizes[0])} {ARROW_IN} {_size(sizes[1])} a device"
        )
    same = all(part.endswith("as before") for part in parts)
    return "; ".join(parts), "quiet" if same else ""


def _change(before: float, now: float, words: Any) -> tuple[str, Style]:
    if before == now:
        return f"{words(now)}, as before", "quiet"
    share = ""
    if before > 0 and math.isfinite(now):
        ratio = now / before
        share = f"   ×{ratio:.3g}" if ratio >= 2 else f"   {ratio - 1:+.1%}".replace("%", " %")
    return f"{words(before)} {ARROW_IN} {words(now)}{share}", ""


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _size(number: float) -> str:
    return quantities.size(max(0, int(number)))


def _time(changes: Changes) -> str:
    before, now = (quantities.elapsed(s) for s in (changes.seconds_before, changes.seconds))
    return f"{before} {ARROW_IN} {now}: one run each, compiling included, so no measurement"
