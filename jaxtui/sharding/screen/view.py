"""The texts of the Sharding screen's panes, and the collective that a row opens, as plain data."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.session import Collective, Session
from jaxtui.sharding import blocks, differences, words
from jaxtui.sharding.costs import Links
from jaxtui.sharding.flow import Flow, Line, Row, ScopeGroup
from jaxtui.sharding.words import AnyArray, Part, Parts, text_of
from jaxtui.text import quantities
from jaxtui.text.signs import DOT, ELLIPSIS
from jaxtui.wire.sharding import (
    Advice,
    CompiledSharding,
    FoundSharding,
    SearchedGroup,
    SentCollective,
    ShardingExplained,
    ShardingPlan,
)

STAR = "★"
OPERATION_OF = {
    "all_reduce": "psum",
    "all_gather": "all_gather",
    "reduce_scatter": "psum_scatter",
    "all_to_all": "all_to_all",
    "collective_permute": "ppermute",
}
LARGEST = 4 * 2**20  # bytes of a block that is opened in Collectives, which runs it by itself
ITEM = 4  # bytes of a float32
MOST_LINES = 3  # about what a search divides in a tree
LONG = 24  # cells of a sharding; one that is longer and stays is not written out


# ------------------------------------------------------------------------------------ the flow


def array_of(plan: ShardingPlan, row: Row) -> AnyArray | None:
    """The array that a row is of, or the first of a line, scope or argument; None if none is."""
    at = row.at
    if row.kind in ("input", "argument"):
        return plan.inputs[at]
    if row.kind in ("output", "results"):
        return plan.outputs[at]
    if row.kind == "collective":
        at = min(plan.before[at], len(plan.values)) - 1
    if row.kind == "scope" and isinstance(row.part, ScopeGroup):
        at = plan.scopes.index(row.at) if row.at in plan.scopes else -1
    return plan.values[at] if 0 <= at < len(plan.values) else None


def is_own(flow: Flow, row: Row) -> bool:
    """Whether the array of a row is a block of each device's own, in manual code."""
    array = array_of(flow.plan, row)
    values = flow.plan.values
    return any(value is array and flow.manual(number) for number, value in enumerate(values))


def explained_place(row: Row) -> int | None:
    """The value that a row asks about: an index into the plan's, or -1, -2, ... for inputs."""
    if row.kind in ("input", "argument"):
        return -1 - row.at
    if row.kind == "value":
        return row.at
    if row.kind == "line" and isinstance(row.part, Line) and row.at >= 0:
        return row.at
    return None


def cost(plan: ShardingPlan, links: Links) -> list[tuple[str, str]]:
    """What the plan costs, as clauses of (text, role), and the links by which it is timed."""
    memory = links.memory
    clauses = [(clause, "") for clause in words.footing(plan)]
    if memory is not None:
        fits = plan.memory.peak <= memory
        size = quantities.size(memory)
        clauses.insert(
            1, (f"fits in {size}", "quiet") if fits else (f"does not fit in {size}", "wrong")
        )
    if plan.collectives:
        clauses.append((timed(plan, links), "quiet"))
    return clauses


def timed(plan: ShardingPlan, links: Links) -> str:
    """The model's figures: `1 µs a step, 10.0 GB/s`, for each axis if they differ."""
    figures = [
        (
            links.latency.get(axis, links.default_latency),
            links.bandwidth.get(axis, links.default_bandwidth),
        )
        for axis in plan.mesh
    ]
    told = [
        f"{quantities.seconds(latency, 2)} a step, {quantities.prefixed(bandwidth)}B/s"
        for latency, bandwidth in figures
    ]
    if len(set(told)) == 1:
        return f"timed by {told[0]}"
    return "; ".join(f"{axis} {text}" for axis, text in zip(plan.mesh, told, strict=True))


def flowed(clauses: Sequence[tuple[str, str]], width: int) -> list[Parts]:
    """Clauses of (text, role) with dots between them, broken between clauses where needed."""
    lines: list[list[Part]] = [[]]
    for text, role in clauses:
        used = sum(len(part.text) for part in lines[-1])
        if lines[-1] and used + len(text) + 3 > width:
            lines.append([])
        elif lines[-1]:
            lines[-1].append(Part(f" {DOT} ", "quiet"))
        lines[-1].append(Part(text if len(text) <= width else text[: width - 1] + ELLIPSIS, role))
    return [tuple(line) for line in lines if line]


def wrapped(text: str, width: int, role: str = "", indent: str = "") -> list[Parts]:
    """A text over as many lines as it takes."""
    found = textwrap.wrap(
        text, max(16, width), initial_indent=indent, subsequent_indent=" " * len(indent)
    )
    return [(Part(line, role),) for line in found]


# ------------------------------------------------------------------------------------------ why


def why(
    plan: ShardingPlan,
    array: AnyArray,
    explained: Sequence[ShardingExplained | Diagnosis | None],
    width: int,
) -> list[Parts]:
    """Where each dimension's axes come from, or were lost; None is what is still awaited."""
    lines: list[Parts] = []
    if not array.shape:
        return [(Part("A scalar has no dimension to divide.", "quiet"),)]
    for number, size in enumerate(array.shape):
        axes = array.spec[number] if number < len(array.spec) else []
        held: list[Part] = [Part(f"dimension {number}", "heading"), Part(f", size {size:,}: ")]
        if axes:
            for place, axis in enumerate(axes):
                held += [Part(", ")] if place else [Part("over ")]
                held.append(Part(axis, words.axis_role(axis, plan.mesh)))
        else:
            held.append(Part("whole", "quiet"))
        lines.append(tuple(held))
        known = explained[number] if number < len(explained) else None
        if known is None:
            lines.append((Part(f"   asking {ELLIPSIS}", "quiet"),))
        elif isinstance(known, Diagnosis):
            lines += wrapped(known.message, width - 3, "wrong", "   ")
        else:
            lines += _reasons(known, width)
    return lines


def _reasons(known: ShardingExplained, width: int) -> list[Parts]:
    lines: list[Parts] = []
    for origin in known.origins:
        line = f" (line {origin.line})" if origin.line is not None else ""
        without = ", ".join(origin.without)
        if origin.without == known.axes:
            then = ", too; without it the same"
        else:
            then = f"; without it: over {without}" if without else "; without it: whole"
        lines += wrapped(f"from {origin.label}{line}{then}", width - 3, "", "   ")
    for lost in known.lost:
        lines += wrapped(f"lost: {lost}", width - 3, "note", "   ")
    if not lines:
        said = "no single annotation decides it" if known.axes else "nothing asks for it"
        lines.append((Part(f"   {said}", "quiet"),))
    return lines


# ----------------------------------------------------------------------------------- compilation


def compiled(plan: ShardingPlan, made: CompiledSharding, width: int) -> list[Parts]:
    """The collectives that XLA compiled beside those planned, and its memory."""
    compared = differences.with_compiled(plan, made.collectives)
    lines: list[Parts] = []
    names = [f"{kind} over {', '.join(axes) or 'groups'}" for (kind, axes), *_ in compared]
    room = max(map(len, names), default=0)
    for name, one in zip(names, compared, strict=True):
        planned = f"planned {_often(one.planned, one.sent_planned)}"
        there = f"compiled {_often(one.compiled, one.sent_compiled)}"
        lines.append(
            (
                Part("  " if one.agrees else "≠ ", "mark"),
                Part(f"{name:{room}}", "sent"),
                Part(f"  {planned:20} {there}", "" if one.agrees else "mark"),
            )
        )
    if not compared:
        lines.append((Part("  no collective, neither planned nor compiled", "quiet"),))
    wrong = sum(not one.agrees for one in compared)
    if wrong:
        said = (
            f"{wrong} of {len(compared)} kinds differ: what runs is what was compiled. XLA joins "
            "several that can go together, and divides some operations its own way."
        )
        lines += wrapped(said, width, "note", "  ")
    elif compared:
        lines.append((Part("  compiled as planned", "agrees"),))
    memory = made.memory
    clauses = [
        (f"arguments {quantities.size(memory.arguments)}", ""),
        (f"outputs {quantities.size(memory.outputs)}", ""),
        (f"temporaries {quantities.size(memory.temporaries)}", ""),
        (f"planned peak {quantities.size(plan.memory.peak)}", "quiet"),
    ]
    return [*lines, *((Part("  "), *line) for line in flowed(clauses, width - 2))]


def _often(count: int, size: int) -> str:
    """`2: 128 B`, or 0."""
    return f"{count}: {quantities.size(size)}" if count else "0"


# ---------------------------------------------------------------------------------------- advice


class AdviceRow(NamedTuple):
    """A line of an advice, and the fix that it applies, None if it has none."""

    parts: Parts
    fix: Fix | None


def advice_rows(advice: Sequence[Advice], width: int) -> list[AdviceRow]:
    """Each advice with its fixes, as lines."""
    rows: list[AdviceRow] = []
    for one in advice:
        first = one.fixes[0] if one.fixes else None
        where = f"line {one.line}  " if one.line is not None else ""
        cost = f"{quantities.size(one.bytes)}  " if one.bytes else ""
        message = wrapped(f"{where}{cost}{one.message}", width - 2)
        rows += [AdviceRow(parts, first) for parts in message]
        for fix in one.fixes:
            # The label says what changes in a text of several lines, such as the source.
            told = fix.text in fix.label or "\n" in fix.text.strip()
            label = fix.label if told else f"{fix.label}:  {fix.text}"
            rows += [AdviceRow(parts, fix) for parts in wrapped(label, width - 2, "agrees", "  → ")]
    return rows


# ---------------------------------------------------------------------------------------- search


def search_heading(width: int) -> Parts:
    """The names of the columns of `search_row`."""
    titles = [*(title.rjust(size) for title, size in _COLUMNS), "arguments"]
    return (Part("  " + "  ".join(titles)[: width - 2], "quiet"),)


def search_groups(groups: Sequence[SearchedGroup], width: int) -> list[Parts]:
    """What a search divides alike: the patterns of each tree, with how many arrays and ways."""
    named: dict[str, list[SearchedGroup]] = {}
    for group in groups:
        if group.pattern:
            named.setdefault(group.argument, []).append(group)
    lines: list[Parts] = []
    for name, own in named.items():
        told = ", ".join(
            f"{group.pattern} {quantities.counted(group.ways, 'way')}"
            + (f" ({group.arrays} alike)" if group.arrays > 1 else "")
            for group in own
        )
        text = f"{name} in {quantities.counted(len(own), 'group')}: {told}"
        shown = wrapped(text, width, "quiet")
        if len(shown) > MOST_LINES:
            kept = text_of(shown[MOST_LINES - 1])[: max(0, width - 2)]
            shown[MOST_LINES - 1 :] = [(Part(f"{kept} {ELLIPSIS}", "quiet"),)]
        lines += shown
    return lines


_COLUMNS = (("sent", 9), ("time", 8), ("peak", 9))


def search_row(found: FoundSharding, session: Session) -> Parts:
    """`★ 128 B  1.1 µs  2,432 B  x P('data')`, what differs from the session first."""
    typed = {argument.name: argument.sharding for argument in session.program.arguments}
    figures = (
        quantities.size(found.sent),
        quantities.seconds(found.seconds),
        quantities.size(found.memory),
    )
    parts = [Part(f"{STAR} " if found.best else "  ", "note")]
    for text, (_, size) in zip(figures, _COLUMNS, strict=True):
        parts.append(Part(f"{text.rjust(size)}  ", "" if found.fits else "wrong"))
    if not found.fits:
        parts.append(Part("does not fit  ", "wrong"))
    same = {name for name, spec in found.specs.items() if _bare(typed.get(name, "")) == _bare(spec)}
    if len(same) == len(found.specs):
        return (*parts, Part("as they are now", "quiet"))
    for name, spec in sorted(found.specs.items(), key=lambda item: item[0] in same):
        role = "quiet" if name in same else "new"
        text = words.way(spec, found.chosen.get(name, ""), found.changed.get(name, {}))
        told = "as now" if name in same and len(text) > LONG else text
        parts += [Part(f"{name} ", "name"), Part(f"{told}  ", role)]
    return tuple(parts)


def _bare(spec: str) -> str:
    """A spec without spaces and without the `None`s at its end, which mean nothing."""
    bare = "".join(spec.split())
    return re.sub(r"(?<=[(,])(None,?)+\)$|,(None,?)*\)$", ")", bare).replace(",)", ")")


# ----------------------------------------------------------------------------------- collectives


def as_collective(
    sent: SentCollective, plan: ShardingPlan, session: Session, devices: int
) -> tuple[Collective, str]:
    """The collective to open in Collectives on the devices that are here, and what differs there.

    Kind, axes and block size are the row's. The axes are those of the device set's mesh if it has
    them; otherwise one axis of that name goes over all devices.
    """
    name = OPERATION_OF[sent.kind]
    mesh = session.devices.mesh or {}
    there = bool(sent.axes) and all(axis in mesh for axis in sent.axes)
    ranks = devices
    if there:
        ranks = blocks.device_count({axis: mesh[axis] for axis in sent.axes})
    axis = ", ".join(sent.axes) if there else "_".join(filter(str.isidentifier, sent.axes))
    size = min(sent.bytes, LARGEST)
    count = max(1, size // ITEM)
    options = {"axis_name": axis} if axis else {}
    known = OPERATIONS[name]
    shape = f"{count}"
    if known.names("split"):
        shape = f"{ranks}, {max(1, count // ranks)}"
        options |= known.given
    if known.names("pairs"):
        options["perm"] = f"[(i, (i + 1) % {ranks}) for i in range({ranks})]"
    value = f"ones((devices, {shape}))"
    said: list[str] = []
    if not there:
        said.append(f"over all {devices} devices here, not over {group(sent, plan)}")
    if size < sent.bytes:
        said.append(f"with blocks of {quantities.size(size)}, not {quantities.size(sent.bytes)}")
    via = "shard_map" if there else "pmap"
    return Collective(operation=name, via=via, value=value, options=options), "; ".join(said)


def group(sent: SentCollective, plan: ShardingPlan) -> str:
    """The devices that take part together, in words."""
    over: Iterable[str] = sent.axes
    axes = ", ".join(over)
    return f"{words.group_size(sent, plan.mesh):,} of {axes}" if axes else "its own groups"
