"""The measurements as a table: what was measured, the figure, its bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: `value` in `unit`, at most `bound`; `detail` says what it was computed from."""

    name: str
    value: float
    unit: str
    bound: float | None
    detail: str

    @property
    def met(self) -> bool:
        """Whether the figure is within its bound."""
        return self.bound is None or self.value <= self.bound


def table(rows: Iterable[Row]) -> str:
    """Return the rows as an aligned table."""
    lines = [("", "measured", "at most", "", "")]
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:.4g} {row.unit}"
        said = "" if row.bound is None else "ok" if row.met else "OVER"
        lines.append((row.name, f"{row.value:.3g} {row.unit}", bound, said, row.detail))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join(
        f"{line[0]:{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  "
        f"{line[3]:{widths[3]}}  {line[4]}".rstrip()
        for line in lines
    )
