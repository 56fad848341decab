"""A mesh as a grid of devices: which block of an array each one holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jaxtui.sharding import blocks, words
from jaxtui.sharding.blocks import Block
from jaxtui.sharding.words import Part, Parts
from jaxtui.text.signs import DOT
from jaxtui.wire.sharding import Spec

HEADING = 1
"""Lines above the grid, with the places along the axis of the columns."""


class Grid:
    """The devices of a mesh in rows, the last axis across; each cell names its device's block.

    A block is named by its number in row-major order. `shape`, `spec` and `per_device` are those of
    the array.
    """

    def __init__(
        self,
        mesh: Mapping[str, int],
        shape: Sequence[int],
        spec: Spec,
        per_device: Sequence[int],
        width: int,
    ) -> None:
        self.mesh, self.width = dict(mesh), width
        self.shape, self.spec, self.per_device = list(shape), spec, list(per_device)
        self.devices = blocks.device_count(mesh)
        axes = list(mesh)
        self.across = axes[-1] if axes else ""
        self.down = axes[:-1]
        self.columns = mesh[self.across] if axes else 1
        self.rows = max(1, self.devices // max(1, self.columns))
        self._counts = [math.prod(blocks.size_of(p, mesh) for p in parts) for parts in spec]
        largest = max(1, math.prod(self._counts), self.columns) - 1
        self._digits = len(str(largest))
        self._cell = self._digits + 3  # with the brackets of the cursor and a space
        names = [self._row_name(0), self._row_name(self.rows - 1)] if self.down else [self.across]
        self._label = max(map(len, names)) + 2

    @property
    def shown(self) -> int:
        """How many columns fit."""
        return max(1, min(self.columns, (self.width - self._label) // self._cell))

    def block(self, device: int) -> Block:
        """The block that a device holds."""
        return blocks.block_of(device, self.spec, self.mesh)

    def number(self, device: int) -> int:
        """The row-major number of the block that a device holds."""
        number = 0
        for position, count in zip(self.block(device), self._counts, strict=True):
            number = number * count + position
        return number

    def moved(self, device: int, down: int, across: int) -> int:
        """The device so many rows and columns on; it stops at the edges."""
        row, column = divmod(device, self.columns)
        row = max(0, min(row + down, self.rows - 1))
        column = max(0, min(column + across, self.columns - 1))
        return row * self.columns + column

    def device_at(self, line: int, x: int, first: int) -> int | None:
        """The device at cell `x` of `line` of the grid, whose first column shown is `first`."""
        column = first + (x - self._label) // self._cell
        if not (0 <= line < self.rows and x >= self._label and column < self.columns):
            return None
        return line * self.columns + column

    def first_column(self, device: int) -> int:
        """The first column to show so that a device is among those that fit."""
        column = device % self.columns
        return max(0, min(column - self.shown // 2, self.columns - self.shown))

    def heading(self, first: int) -> Parts:
        """The name of the axis across, and the places along it."""
        name = words.Part(self.across, words.axis_role(self.across, self.mesh))
        numbers = [f" {column:>{self._digits}}  " for column in range(first, first + self.shown)]
        if len(self.across) < self._label:
            label: Parts = (Part(" " * (self._label - len(self.across) - 1)), name, Part(" "))
        else:
            label = (Part(self.across[: self._label - 1] + " ", name.role),)
        return (*label, Part("".join(numbers), "quiet"))

    def line(self, row: int, cursor: int, first: int) -> Parts:
        """A row of devices: that of the cursor in brackets, those with the same block lit."""
        held = self.number(cursor)
        parts: list[Part] = list(self._row_label(row))
        for column in range(first, first + self.shown):
            device = row * self.columns + column
            number = self.number(device)
            text = f"{number:>{self._digits}}"
            if device == cursor:
                parts += [Part(f"[{text}]", "lit cursor"), Part(" ")]
            else:
                parts.append(Part(f" {text}  ", "lit" if number == held else ""))
        return tuple(parts)

    def told(self, device: int) -> list[str]:
        """What a device holds, in lines."""
        at = blocks.coordinates(device, self.mesh)
        where = ", ".join(f"{axis} {at[axis]}" for axis in self.mesh)
        block = blocks.words(self.block(device), self.shape, self.per_device)
        others = blocks.copies(self.spec, self.mesh) - 1
        copied = (
            "no other device holds it"
            if not others
            else f"{others:,} other{'s' if others > 1 else ''} hold{'s' if others == 1 else ''} it"
        )
        count = blocks.block_count(self.spec, self.mesh)
        number = f"block {self.number(device)} of {count:,}: {block}"
        return [f"device {device:,} at {where}" if where else f"device {device}", number, copied]

    def _row_name(self, row: int) -> str:
        at = blocks.coordinates(row * self.columns, self.mesh)
        return ", ".join(f"{axis} {at[axis]}" for axis in self.down)

    def _row_label(self, row: int) -> Parts:
        at = blocks.coordinates(row * self.columns, self.mesh)
        parts: list[Part] = []
        for number, axis in enumerate(self.down):
            parts += [Part(", ", "quiet")] if number else []
            parts += [Part(axis, words.axis_role(axis, self.mesh)), Part(f" {at[axis]}", "quiet")]
        missing = self._label - len(words.text_of(parts))
        return (*parts, Part(" " * missing))


def summary(told: Sequence[str]) -> str:
    """The lines of `Grid.told` in one."""
    return f" {DOT} ".join(told)
