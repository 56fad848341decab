"""The mesh of a device set: where each device lies, and a grid of their ids.

x ↓  y →   0   1
0          0   1
1          2   3
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, fit, width_of
from jaxtui.screen.themes import MESH_AXES
from jaxtui.text.signs import ARROW_DOWN, ARROW_IN, ELLIPSIS

ROWS_MOST = 12


@dataclass(frozen=True)
class MeshPlaces:
    """A mesh over devices: the sizes of its axes by name, and the ids in row-major order."""

    axes: Mapping[str, int]
    ids: tuple[int, ...]

    @classmethod
    def over(
        cls, ids: Sequence[int], order: Sequence[int] | None, axes: Mapping[str, int] | None
    ) -> MeshPlaces | None:
        """The mesh of a device set over `ids`; None if its axes do not fit the devices."""
        used = tuple(order or ids)
        sizes = dict(axes) if axes else {"devices": len(used)}
        if not used or math.prod(sizes.values()) != len(used):
            return None
        return cls(sizes, used)

    def coordinates(self, device: int) -> dict[str, int]:
        """Where a device lies along each axis; {} for one that is not in the mesh."""
        if device not in self.ids:
            return {}
        at, found = self.ids.index(device), {}
        for name, size in reversed(list(self.axes.items())):
            at, found[name] = divmod(at, size)
        return {name: found[name] for name in self.axes}

    def words(self, device: int) -> str:
        """`x=1 y=0`."""
        return " ".join(f"{name}={at}" for name, at in self.coordinates(device).items())


def axis_style(mesh: MeshPlaces, name: str) -> str:
    """The style of a mesh axis, the same for its place on every screen."""
    return f"mesh-{list(mesh.axes).index(name) % MESH_AXES}"


def axes_css(prefix: str) -> str:
    """The rules of the axes' styles, for a widget with this prefix."""
    rules = (
        f".{prefix}mesh-{n} {{ color: $mesh-{n}; text-style: bold; }}" for n in range(MESH_AXES)
    )
    return "\n".join(rules)


def lines(mesh: MeshPlaces, width: int) -> list[Line]:
    """The devices' ids in a grid, the last axis across; what has no room is counted."""
    *down, across = mesh.axes
    columns = mesh.axes[across]
    places = list(itertools.product(*(range(mesh.axes[name]) for name in down)))
    names = [" ".join(map(str, place)) for place in places]
    label = "  ".join(f"{name} {ARROW_DOWN}" for name in down)
    margin = max(len(label), *map(len, names)) + 2 if down else 0
    cell = max(len(str(max(mesh.ids))), len(str(columns - 1))) + 3
    head_width = len(across) + 3
    shown = max(1, min(columns, (width - margin - head_width) // cell))
    head = [Segment(f"{name} {ARROW_DOWN}  ", axis_style(mesh, name)) for name in down]
    head = [
        *head,
        Segment(" " * max(0, margin - width_of(head))),
        Segment(f"{across} {ARROW_IN} ", axis_style(mesh, across)),
    ]
    indent = " " * (margin + head_width)
    head += [Segment(f" {at:<{cell - 1}}", "quiet") for at in range(shown)]
    left = f"{ELLIPSIS} {columns - shown} more" if shown < columns else ""
    found: list[Line] = [(*head, Segment(left, "quiet"))]
    for row, name in enumerate(names[:ROWS_MOST]):
        line = [Segment(fit(name, max(0, margin - 1)).ljust(margin) + indent[margin:], "quiet")]
        for at in range(shown):
            number = row * columns + at
            device = str(mesh.ids[number])
            line += [
                Segment(f" {device} ", device_colours.style(number, "block")),
                Segment(" " * (cell - len(device) - 2)),
            ]
        found.append(tuple(line))
    if len(names) > ROWS_MOST:
        found.append((Segment(f"{ELLIPSIS} {len(names) - ROWS_MOST} more rows", "quiet"),))
    return found
