"""What a compiled program takes of memory, line by line.

These Structs are parts of messages and, unchanged, of the output of `jaxtui run --memory --json`.
"""

from __future__ import annotations

from msgspec import Struct


class MemoryRow(Struct, frozen=True, kw_only=True):
    """`count` intermediates of one shape that one line makes, `at_peak` of which live at the peak.

    `bytes` is the size of each. `line` is None for what does not come from the user's code; `file`
    is "" for the source, `code` the text of the line.
    """

    shape: str
    bytes: int
    count: int
    at_peak: int
    file: str
    line: int | None
    code: str


class MemoryBudget(Struct, frozen=True, kw_only=True):
    """So many bytes may be taken, and in words whose they are; `shared` by all devices together."""

    bytes: int
    words: str
    shared: bool


class MemoryBatches(Struct, frozen=True, kw_only=True):
    """What a map over batches of `size` of the `of` examples takes in place of the vmap."""

    size: int
    of: int
    bytes: int


class Uncounted(Struct, frozen=True, kw_only=True):
    """`count` fusions that libraries compute, and the bytes of the largest value inside of one."""

    libraries: tuple[str, ...]
    count: int
    largest: int


class MemoryReport(Struct, frozen=True, kw_only=True):
    """Bytes on each of `devices`: of arguments, outputs and temporaries, less what is donated.

    `compiles` is whether the outermost layer does; else the program is compiled under a jit.
    `intermediates` are the largest, and `more` those beside them with the bytes of all; they are a
    model where the backend does not tell its buffers (`modelled`). `fits` is None without a
    `budget`. `reasons` say why no batches are offered.
    """

    devices: int
    together: int
    arguments: int
    outputs: int
    temporaries: int
    donated: int
    compiles: bool
    modelled: bool
    budget: MemoryBudget | None
    fits: bool | None
    intermediates: list[MemoryRow]
    more: int = 0
    more_bytes: int = 0
    batches: MemoryBatches | None = None
    reasons: list[str] = []
    uncounted: Uncounted | None = None
