"""The lines beneath the shape flow: the error and its fixes, or else a legend."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from jaxtui.program.screen.flow import stacks as flow_stacks
from jaxtui.program.screen.flow.rows import Row
from jaxtui.program.screen.flow.table import Table
from jaxtui.program.trees import Held
from jaxtui.screen.cells import Line, Segment, crop, fit, pad, pieces, width_of, wrap
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text import signs
from jaxtui.text.diagnosis import place
from jaxtui.text.printable import clean
from jaxtui.text.quantities import size

FOOT = 2  # the least number of lines, so that an error moves nothing
FIXES = 3
STALE = "of the program before"


def foot(
    table: Table | None,
    diagnosis: Diagnosis | None,
    stale: bool,
    width: int,
    lines: int,
    row: Row | None = None,
) -> tuple[Line, ...]:
    """Return the error and its fixes, or else the path of `row` if it is part of a tree and a
    legend; cut long messages to fit `lines`."""
    if diagnosis is not None:
        last = bool(diagnosis.fixes) or stale
        shown = _message(diagnosis, width, max(1, lines - last))
        if diagnosis.fixes:
            shown.append(_fixes(diagnosis, width))
    elif row is not None and row.group:
        parts = held_parts(row.held) if row.held is not None else []
        shown = whereabouts(row.path, parts, width, max(1, lines))
        if len(shown) < FOOT:
            shown.append(_legend(table, width))
    else:
        shown = [_legend(table, width)]
        # They stand where the lines would be empty, and an error may take their place.
        stacks = table.stacks if table is not None and not stale else ()
        room = max(0, lines - FOOT - 1)
        shown += [flow_stacks.line(stack, width) for stack in stacks[:room]]
    shown += [()] * (FOOT - len(shown))
    if stale:
        if diagnosis is not None and not diagnosis.fixes and width_of(shown[-1]):
            shown.append(())
        shown[-1] = _with_note(shown[-1], width)
    return tuple(crop(line, 0, max(0, width)) for line in shown)


def _message(diagnosis: Diagnosis, width: int, lines: int) -> list[Line]:
    text = clean(place(diagnosis) + diagnosis.message)
    indent = 3
    texts = wrap(text, max(1, width - indent), lines)
    return [
        (
            Segment(f" {signs.CROSS} " if at == 0 else " " * indent, "error"),
            Segment(text, "message"),
        )
        for at, text in enumerate(texts)
    ]


def _fixes(diagnosis: Diagnosis, width: int) -> Line:
    labels = [clean(fix.label) for fix in diagnosis.fixes[:FIXES]]
    line = [Segment(" f ", "key"), Segment(" ")]
    for at, label in enumerate(labels):
        if at:
            line.append(Segment("  or  ", "quiet"))
        line.append(Segment(label, "fix"))
    whole = tuple(line)
    if width_of(whole) > width:
        return (*crop(whole, 0, max(0, width - 1)), Segment(signs.ELLIPSIS))
    return whole


def whereabouts(path: str, parts: Sequence[str], width: int, lines: int) -> list[Line]:
    """The whole path of a row of a tree, in at most `lines` lines, and behind it as many as there
    is room for of the `parts` of what is there, such as `held_parts`."""
    *before, last = pieces(path, max(8, width - 2), lines)
    told = (f"   {', '.join(parts[:n])}" for n in range(len(parts), 0, -1))
    room = width - 2 - cell_len(last)
    fitting = next((text for text in told if cell_len(text) <= room), "")
    found = [(Segment("  "), Segment(piece, "name")) for piece in before]
    return [*found, (Segment("  "), Segment(last, "name"), Segment(fitting, "quiet"))]


def leaves_text(number: int) -> str:
    """`1 leaf`, `12,000 leaves`."""
    return f"{number:,} {'leaf' if number == 1 else 'leaves'}"


def held_parts(held: Held) -> list[str]:
    """`12 leaves`, `3,072 numbers`, `12 KiB`."""
    parts = [leaves_text(held.leaves), f"{held.numbers:,} number{'s' * (held.numbers != 1)}"]
    return [*parts, size(held.bytes)] if held.bytes is not None else parts


def _legend(table: Table | None, width: int) -> Line:
    """Explain the signs in use, as far as there is room."""
    if table is None:
        return (Segment(fit(" Shapes appear here as you type.", width), "quiet"),)
    parts: list[Line] = []
    verbs = " or ".join(verb for verb in ("maps", "divides", "goes through") if verb in table.signs)
    if verbs:
        mark = Segment(f"{signs.OPEN}n{signs.CLOSE}", "legend-sign")
        parts.append((mark, Segment(f" axis that the next layer {verbs}", "quiet")))
    if "whole" in table.signs:
        parts.append((Segment(signs.WHOLE, "legend-sign"), Segment(" passed on whole", "quiet")))
    if "gradient" in table.signs:
        parts.append((Segment(signs.GRADIENT, "legend-sign"), Segment(" derivative", "quiet")))
    if table.folded:
        parts.append((Segment(signs.FOLDED, "legend-sign"), Segment(" enter unfolds", "quiet")))
    line: Line = ()
    for part in parts:
        longer = (*line, Segment("   " if line else "  "), *part)
        if width_of(longer) > width:
            break
        line = longer
    return line


def _with_note(line: Line, width: int) -> Line:
    """Add a note at the right end that the picture is of an older program."""
    note = fit(STALE, max(0, width - 1))
    room = width - cell_len(note) - 1
    if width_of(line) > room - 2:
        cut = crop(line, 0, max(0, room - 2 - 1))
        line = (*cut, Segment(signs.ELLIPSIS)) if cut else ()
    return (*pad(line, room), Segment(note, "stale-note"))
