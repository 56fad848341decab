"""The discussion of a benchmark's figures: the user's own, where a book would have its author's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtui.benchmark.screen.work import BenchmarkWork


def discussed(work: BenchmarkWork) -> list[str]:
    return []
