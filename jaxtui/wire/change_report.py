"""What is reported of two runs that are held against each other.

These Structs are parts of messages and, unchanged, of the output of `jaxtui run --against --json`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Verdict = Literal[
    "same",  # bit for bit, every NaN counted as the same
    "rounding",  # as far apart as the same operations in another order may be
    "enlarged",  # further, but the program makes as much of rounding
    "differs",
    "other",  # another shape or dtype
    "added",
    "removed",
    "unknown",  # its values are gone, or lie in other processes
]


class SentFigure(Struct, frozen=True, kw_only=True):
    """The collectives of one kind, by XLA's name: how many, and the bytes of their operands on a
    device, each counted once."""

    kind: str
    count: int
    bytes: int


class Figures(Struct, frozen=True, kw_only=True):
    """What a program computes, sends and needs on one device, as JAX traces and XLA compiles it.

    `primitives` counts the operations of the jaxpr and of all jaxprs inside it, each once, and is
    None if only a run can tell. The rest is None if it was not compiled, for `failure`, or if this
    backend does not tell. Sizes are in bytes.
    """

    primitives: dict[str, int] | None
    flops: float | None = None
    bytes_accessed: float | None = None
    arguments: int | None = None
    outputs: int | None = None
    temporaries: int | None = None
    donated: int | None = None
    collectives: list[SentFigure] = []
    failure: str = ""

    @property
    def together(self) -> int | None:
        """The memory that it needs in all."""
        sizes = (self.arguments, self.outputs, self.temporaries, self.donated)
        known = [size for size in sizes if size is not None]
        return sum(known) - 2 * known[-1] if len(known) == len(sizes) else None


class LeafType(Struct, frozen=True):
    """The dtype and the shape of a leaf."""

    dtype: str
    shape: list[int]


class LeafChange(Struct, frozen=True, kw_only=True):
    """A leaf of the results, before and now.

    Of `count` elements `differing` are not the same. `distance` is the largest between two of them,
    "inf" where one is finite and the other not, and `at` is where, with the elements there;
    `relative` is the largest distance as a share of the element before. `bound` is the distance
    that rounding may make. `why` says more about the verdict.
    """

    path: str
    before: LeafType | None
    now: LeafType | None
    verdict: Verdict
    count: int = 0
    differing: int = 0
    distance: float | str | None = None
    relative: float | None = None
    at: list[int] | None = None
    value_before: Any = None
    value_now: Any = None
    nan_before: int = 0
    nan_now: int = 0
    bound: float | None = None
    why: str = ""


class FieldChange(Struct, frozen=True, kw_only=True):
    """A field of what is composed, as text, "" where it has none; `name` is what it is called."""

    field: str
    name: str
    before: str
    now: str


class Changes(Struct, frozen=True, kw_only=True):
    """Two runs held against each other. `against` names the one before.

    `values` says why the values are not compared, "" if they are. `seconds` are of one run each,
    compiling included.
    """

    against: str
    fields: list[FieldChange]
    outputs: list[LeafChange]
    before: Figures | None
    now: Figures | None
    seconds_before: float
    seconds: float
    values: str = ""
