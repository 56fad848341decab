"""What the table of arguments shows, as plain data: its rows, the column of axes, the widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtui.program.screen.axes import Cells
from jaxtui.program.screen.signature import ArgumentRow
from jaxtui.program.trees import Branches
from jaxtui.session.diagnosis import Diagnosis

NAME_WIDTHS, AXIS_WIDTHS, SHARDING_WIDTHS = (5, 14), (5, 14), (10, 20)  # least, most, in cells
MARK = 2  # cells before the names, where there are fold signs


@dataclass(frozen=True)
class AxisColumn:
    """What the axis fields edit: `field`, such as "in_axes", of layer `index`; "" if no layer maps.

    `cells` is None if the text of the field cannot be split into cells. `by_name` is what stands at
    an argument by name, which the field says nothing of: "" if the layer takes none apart. `layer`
    says which of several layers that map it is.
    """

    transform: str = ""
    index: int = -1
    field: str = ""
    default: str = ""
    cells: Cells | None = None
    by_name: str = ""
    layer: str = ""

    @property
    def heading(self) -> str:
        return f"{self.field} of {self.layer}" if self.layer else self.field


@dataclass(frozen=True)
class TableRow:
    """A row of the table, and the error in it.

    `branches` are what it unfolds to, None where there is no tree to unfold; `donated` says whether
    a layer donates it, "" where none can.
    """

    row: ArgumentRow
    diagnosis: Diagnosis | None = None
    # The part of the argument that the diagnosis is about: value, name, sharding; or "axis".
    faulty: str = ""
    branches: Branches | None = None
    donated: str = ""


@dataclass(frozen=True)
class Widths:
    """The widths of the columns in cells, gaps included; the value takes the rest.

    `sharding` is 0 where that column is not shown. With `marks` some names have a fold sign.
    """

    name: int
    axis: int
    sharding: int
    marks: bool = False


def widths_of(rows: Sequence[TableRow], column: AxisColumn, shards: bool) -> Widths:
    """The widths that the columns need, with that of shardings if it `shards`."""
    shardings = [row.row.sharding for row in rows]
    axes = [column.field, *(column.cells.texts if column.cells is not None else ())]
    axes += [column.by_name for row in rows if row.row.place is None]
    marks = MARK if any(row.branches is not None for row in rows) else 0
    return Widths(
        name=_fitted([row.row.name for row in rows], NAME_WIDTHS) + 1 + marks,
        axis=_fitted(axes, AXIS_WIDTHS) + 2,
        sharding=_fitted(shardings, SHARDING_WIDTHS) + 2 if shards else 0,
        marks=bool(marks),
    )


def _fitted(texts: Sequence[str], limits: tuple[int, int]) -> int:
    return min(limits[1], max(limits[0], *map(len, texts), 0))
