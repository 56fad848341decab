"""A step of a communication algorithm as a picture: messages sent, and blocks then held."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtui.collectives.screen.travel_wires import (
    HEAD,
    LANE,
    LANES_MOST,
    Wire,
    lanes_of,
    row_of,
    wires_of,
)
from jaxtui.collectives.travel.model import Chunk, Step, Travel
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, crop, join, pad, width_of
from jaxtui.text import numbers, signs
from jaxtui.text.dtypes import family
from jaxtui.text.number_formats import Format, number

LIMIT = 4096  # elements of the input up to which its way is shown
FEW = 2
CELL_LEAST = 3  # cells of a block beside the wires
AGREES = 1e-3  # how far, relatively, sums in another order may lie apart in narrow dtypes


@dataclass(frozen=True)
class TravelPicture:
    """All steps of an algorithm; step 0 is the state before the first."""

    travel: Travel
    dtype: str
    labels: tuple[str, ...]
    combines: str  # what blocks are made into on their way ("sum"), "" when they only move

    @property
    def last(self) -> int:
        return len(self.travel.steps)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps by number; in step 0 nothing is sent."""
        return (Step((), self.travel.begin, 0), *self.travel.steps)

    @cached_property
    def _rows(self) -> list[tuple[Chunk, ...]]:
        """The blocks of every row at every step."""
        return [row for step in self.steps for row in step.holds]

    @cached_property
    def format(self) -> Format:
        """The common format of all values at all steps, so that columns stay put."""
        cells = [value for row in self._rows for block in row for value in block.values]
        extent = numbers.extent_of(cells, self.dtype, complete=True)
        return numbers.choose(self.dtype, extent, numbers.Style())

    @cached_property
    def by_number(self) -> bool:
        """Whether each block number has a column.

        Otherwise blocks are listed in order: if numbers repeat, or devices hold at most `FEW`.
        """
        distinct = all(len({block.number for block in row}) == len(row) for row in self._rows)
        return distinct and max(map(len, self._rows), default=0) > FEW

    @cached_property
    def columns(self) -> list[int]:
        """Block numbers, those of empty blocks left out; or positions in the lists."""
        if not self.by_number:
            return list(range(max(map(len, self._rows), default=0)))
        return sorted({block.number for row in self._rows for block in row if block.values})

    @cached_property
    def length(self) -> int:
        """Elements of the longest block."""
        return max((len(block.values) for row in self._rows for block in row), default=0)

    @cached_property
    def empty(self) -> int:
        """Number of empty blocks; there are some if elements are fewer than devices."""
        return sum(not block.values for block in self.travel.begin[0]) if self.travel.begin else 0

    @cached_property
    def _whole(self) -> bool:
        """Whether every device has a single block, which then needs no number."""
        return all(len(row) <= 1 for row in self.travel.begin) and not self.by_number

    @cached_property
    def _sums(self) -> bool:
        return any(len(block.rows) > 1 for row in self._rows for block in row)

    @cached_property
    def lanes(self) -> list[list[list[Wire]]]:
        """The wires of every step, in lanes."""
        return [lanes_of(wires_of(step.sends)) for step in self.steps]

    @cached_property
    def wire_width(self) -> int:
        """Cells for the wires, the same at every step; 0 where there are too many to follow."""
        most = max(map(len, self.lanes), default=0)
        return LANE * most + 2 if 0 < most <= LANES_MOST else 0

    def _widths(self, width: int) -> tuple[int, int, int]:
        """Cells for the labels and for what is sent, and those left of `width`."""
        sends = max(map(len, [*self._all_sends(), "sends"])) + 2
        labels = max(map(len, [*self.labels, "device"])) + 2
        return labels, sends, width - labels - sends - 2

    def _wired(self, width: int) -> int:
        """Cells for the wires in a picture of `width`; 0 where blocks would have no room."""
        least = len(self.columns) * (min(self._cell_width(), CELL_LEAST) + 2)
        return self.wire_width if least <= self._widths(width)[2] - self.wire_width else 0

    def _wires(self, row: int, step: int, width: int) -> list[Segment]:
        drawn = row_of(self.lanes[step], row) if width else ()
        return [*drawn, Segment(" " * (width - width_of(drawn)))]

    def _cell_width(self) -> int:
        values = self.length * (self.format.width + 1) - 1 if self.length else 1
        return values + (self._count_width if self._sums else 0)

    @property
    def _count_width(self) -> int:
        return len(f" ({len(self.labels)})")

    def story(self, step: int, most: int, width: int) -> list[Line]:
        """The tables of up to `most` steps below each other, `step` and as many before as after."""
        first = max(0, min(step - (most - 1) // 2, self.last + 1 - most))
        story: list[Line] = []
        for shown in range(first, min(first + most, self.last + 1)):
            here = shown == step
            mark = Segment(signs.FOLDED if here else " ", "strong")
            named = f" step {shown}" if shown else " before"
            heading, *rows = self.lines(shown, width)
            rest = crop(heading, 1 + len(named), width)
            story += [(mark, Segment(named, "strong" if here else "label"), *rest), *rows, ()]
        return story[:-1]

    def lines(self, step: int, width: int) -> list[Line]:
        """The table of a step: a heading, and a line per device."""
        sends = [self._sends_of(row, step) for row in range(len(self.labels))]
        label_width, send_width, room = self._widths(width)
        wired = self._wired(width)
        room -= wired
        full = self._cell_width()
        fits = len(self.columns) * (full + 2) <= room
        cell = full if fits else max(2, min(full, room // max(1, len(self.columns)) - 2))
        heading: list[Segment] = [
            Segment("  " + "device".ljust(label_width), "quiet"),
            Segment(" " * wired),
            Segment(("sends" if step else "").ljust(send_width), "quiet"),
        ]
        for column in self.columns:
            name = f"block {column}" if fits and cell > len(f"block {column}") - 1 else str(column)
            heading.append(Segment(" " + (name if self.by_number else "").ljust(cell + 1), "quiet"))
        lines = [pad(join(heading), width)]
        for row, label in enumerate(self.labels):
            line = [
                Segment("  " + label.ljust(label_width), device_colours.style(row)),
                *self._wires(row, step, wired),
                Segment(sends[row].ljust(send_width), "send"),
            ]
            new = self._new(row, step)
            for column in self.columns:
                line += self._cell(self._block(row, column, step), new, cell, fits)
            lines.append(pad(join(line), width))
        return lines

    def _block(self, row: int, column: int, step: int) -> Chunk | None:
        held = self.steps[step].holds[row]
        if not self.by_number:
            return held[column] if column < len(held) else None
        return next((block for block in held if block.number == column), None)

    def _new(self, row: int, step: int) -> set[tuple[int, tuple[int, ...]]]:
        """(number, rows) of the blocks that a row received or combined in a step."""
        now = self.steps[step]
        got = {send.block.number for send in now.sends if send.target == row}
        before = {(b.number, b.rows) for b in self.steps[max(0, step - 1)].holds[row]}
        after = {(b.number, b.rows) for b in now.holds[row]}
        return {key for key in after - before if key[0] in got}

    def _cell(
        self,
        block: Chunk | None,
        new: set[tuple[int, tuple[int, ...]]],
        width: int,
        fits: bool,
    ) -> list[Segment]:
        if block is None:
            return [Segment(" " + "·".center(width) + " ", "quiet")]
        text = self._text(block, width, fits)
        if (block.number, block.rows) in new:
            return [Segment(f"[{text}]", "lit")]
        return [Segment(f" {text} ", "cell")]

    def _text(self, block: Chunk, width: int, fits: bool) -> str:
        if not fits:
            return (str(len(block.rows)) if self._sums else "■").center(width)
        values = " ".join(self.format.text(value) for value in block.values)
        if self._sums:
            count = len(block.rows)
            values += (f" ({count})" if count > 1 else "").ljust(self._count_width)
        return values.ljust(width)

    def _sends_of(self, row: int, step: int) -> str:
        targets: dict[int, list[int]] = {}
        for send in self.steps[step].sends:
            if send.source == row and send.bytes:
                targets.setdefault(send.target, []).append(send.block.number)
        return "  ".join(
            f"→ {self.labels[target].split()[0]}{self._blocks(numbered)}"
            for target, numbered in targets.items()
        )

    def _blocks(self, numbered: Sequence[int]) -> str:
        if self._whole:
            return ""
        if len(numbered) == 1:
            return f" block {numbered[0]}"
        first, last = min(numbered), max(numbered)
        return f" blocks {first}-{last}" if len(numbered) == last - first + 1 else " blocks"

    def _all_sends(self) -> list[str]:
        return [
            self._sends_of(row, step)
            for step in range(1, self.last + 1)
            for row in range(len(self.labels))
        ]

    def legend(self, width: int) -> str:
        """The meaning of the signs in the table."""
        parts = ["[…] came in this step"]
        if self._sums:
            made = self.combines or "made"
            parts.append(f"(3) the {made} of 3 devices so far")
        if len(self.columns) * (self._cell_width() + 2) > width - 30:
            parts.append("a number is of how many devices" if self._sums else "■ a block")
        if self._wired(width):
            parts.append(f"{HEAD} receives")
        return " · ".join(parts)

    def agrees(self, values: Any) -> bool:
        """Whether the last step gives the measured result, up to rounding."""
        return _close(self.travel.result, values, family(self.dtype) in ("float", "complex"))


def _close(left: Any, right: Any, rounding: bool) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            _close(a, b, rounding) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, list) or isinstance(right, list):
        return False
    try:
        a, b = number(left), number(right)
    except ValueError:
        return bool(left == right)
    if rounding:
        return math.isclose(a, b, rel_tol=AGREES, abs_tol=AGREES) or (a != a and b != b)
    return a == b


def positive(text: str) -> float | None:
    """Parse a positive finite number; None if `text` is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
