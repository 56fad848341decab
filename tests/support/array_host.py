"""A small app around an array view, with a source of cells that needs no engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from textual.app import ComposeResult

from jaxtui.results.screen.reading import summarize
from jaxtui.results.screen.view import ArrayView
from jaxtui.screen.ascii_filter import PlainText
from jaxtui.screen.themes import ThemedApp
from jaxtui.wire.report import Output, Shard, Summary
from jaxtui.wire.results import WindowRead

Element = Callable[..., Any]


def output(
    shape: Sequence[int],
    dtype: str = "float32",
    shards: Sequence[Shard] = (),
    summary: Summary | None = None,
    values: Any = None,
    path: str = "",
) -> Output:
    return Output(
        path=path,
        shape=list(shape),
        dtype=dtype,
        values=values,
        summary=summary,
        shards=list(shards),
    )


def rows_over(devices: int, shape: Sequence[int]) -> list[Shard]:
    """Return the shards of an array whose first dimension is divided over `devices`."""
    size = shape[0] // devices
    whole = [[0, length] for length in shape[1:]]
    return [
        Shard(device=device, index=[[device * size, (device + 1) * size], *whole])
        for device in range(devices)
    ]


def nested(element: Element, shape: Sequence[int], index: tuple[int, ...] = ()) -> Any:
    """All elements as nested lists."""
    if len(index) == len(shape):
        return element(*index)
    return [nested(element, shape, (*index, at)) for at in range(shape[len(index)])]


def bounds(low: float, high: float, count: int, exact: bool = True) -> Summary:
    return Summary(
        minimum=low,
        maximum=high,
        mean=(low + high) / 2,
        std=1.0,
        non_finite=0,
        count=count,
        exact=exact,
    )


class ArrayHost(ThemedApp):
    """Answers the view's requests after `delay` seconds, and records them."""

    CSS = "Screen { layout: vertical; }"

    def __init__(
        self, element: Element, shown: Output, delay: float = 0.0, ascii_only: bool = False
    ) -> None:
        super().__init__()
        self.element = element
        self.shown = shown
        self.delay = delay
        self.ascii = ascii_only
        if ascii_only:
            self._filters.append(PlainText())
        self.asked: list[ArrayView.WindowWanted] = []
        self.summaries_asked: list[int | None] = []
        self.waiting = 0
        self.most_waiting = 0

    def compose(self) -> ComposeResult:
        yield ArrayView()

    @property
    def view(self) -> ArrayView:
        return self.query_one(ArrayView)

    def on_mount(self) -> None:
        self.show(1, self.shown)
        self.view.focus()

    def show(self, result: int, shown: Output) -> None:
        self.shown = shown
        self.view.show(
            result, 0, shown, {shard.device: f"cpu:{shard.device}" for shard in shown.shards}
        )

    def start_of(self, device: int | None) -> list[int]:
        for shard in self.shown.shards:
            if shard.device == device:
                return [start for start, _ in shard.index]
        return [0] * len(self.shown.shape)

    def read(self, asked: ArrayView.WindowWanted) -> WindowRead:
        starts = self.start_of(asked.device)

        def cell(row: int, column: int) -> Any:
            index = [start for start, _ in asked.index]
            if asked.rows is not None:
                index[asked.rows] = row
            if asked.columns is not None:
                index[asked.columns] = column
            return self.element(*(start + at for start, at in zip(starts, index, strict=True)))

        rows = (0, 1) if asked.rows is None else asked.index[asked.rows]
        columns = (0, 1) if asked.columns is None else asked.index[asked.columns]
        return WindowRead(
            id=0,
            result=asked.result,
            leaf=asked.leaf,
            device=asked.device,
            rows=asked.rows,
            columns=asked.columns,
            index=asked.index,
            cells=[[cell(row, column) for column in range(*columns)] for row in range(*rows)],
        )

    def on_array_view_window_wanted(self, asked: ArrayView.WindowWanted) -> None:
        self.asked.append(asked)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        answer = self.read(asked)

        def arrive() -> None:
            self.waiting -= 1
            self.view.put(answer)

        if self.delay:
            self.set_timer(self.delay, arrive)
        else:
            arrive()

    def on_array_view_summary_wanted(self, asked: ArrayView.SummaryWanted) -> None:
        self.summaries_asked.append(asked.device)
        starts = self.start_of(asked.device)
        sizes = self.shown.shape
        for shard in self.shown.shards:
            if shard.device == asked.device:
                sizes = [stop - start for start, stop in shard.index]
        if math.prod(sizes) > 10_000:
            return
        ranges = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
        cells = [self.element(*index) for index in product(*ranges)]
        self.view.put_summary(summarize(cells, self.shown.dtype), asked.device)
