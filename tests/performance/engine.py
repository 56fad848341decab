"""The engine: the overhead of a request over the same call in process, and large results."""

from __future__ import annotations

import os
import queue
import statistics
import time
from collections.abc import Callable

from jaxtui import lessons
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition, Failed, Gone, Ready
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.results import ReadWindow, WindowRead
from tests.performance.table import Row

WAIT = 120.0  # seconds


class Engine:
    """An engine that is sent one request at a time."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.events: queue.SimpleQueue[AnyEvent] = queue.SimpleQueue()
        self.client = EngineClient(settings or EngineSettings(platform="cpu", count=8))
        self.client.start()
        self.client.listen(self.events.put)
        self.until(Ready)

    def until(self, kind: type[AnyEvent]) -> AnyEvent:
        """Return the next event of `kind`."""
        while True:
            event = self.events.get(timeout=WAIT)
            if isinstance(event, kind):
                return event
            if isinstance(event, Failed | Gone):
                raise RuntimeError(f"{event}")

    def ask(self, request: AnyRequest, kind: type[AnyEvent]) -> AnyEvent:
        """Send `request` and wait for the answer of `kind`."""
        self.client.send(request)
        return self.until(kind)


def rows(repeats: int) -> list[Row]:
    """Return the figures of the engine."""
    engine = Engine()
    try:
        return [_trip(engine, repeats * 40), *_large(engine, repeats)]
    finally:
        engine.client.close()


def _trip(engine: Engine, repeats: int) -> Row:
    """Compare a Trace of the first example through the engine with one in this process."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    jax.config.update("jax_num_cpu_devices", 8)
    from jaxtui.program.engine.evaluation import trace

    session = lessons.load(lessons.FIRST)
    composition = Composition(program=session.program, parameters=session.parameters)

    def through_the_engine() -> None:
        engine.ask(Trace(id=engine.client.next_id(), composition=composition), Traced)

    def in_process() -> None:
        trace(composition)

    pairs = [(timed(through_the_engine), timed(in_process)) for _ in range(repeats)]
    asked, called = (statistics.median(side) for side in zip(*pairs[repeats // 4 :], strict=True))
    detail = f"{asked * 1e3:.2f} ms and {called * 1e3:.2f} ms"
    return Row("a request's trip over the call in process", (asked - called) * 1e3, "ms", 1, detail)


def _large(engine: Engine, repeats: int) -> list[Row]:
    """Compare opening and paging 10⁹ elements with 10³."""
    opened: list[tuple[float, float]] = []
    paged: list[tuple[float, float]] = []
    grown = 0.0
    for _ in range(repeats):
        figures = []
        for size in (1000, 10):
            before = _resident_bytes()
            figures.append(_open_and_page(engine, size))
            grown = max(grown, (_resident_bytes() - before) / 1e6)
        (open_large, page_large), (open_small, page_small) = figures
        opened.append((open_large, open_small))
        paged.append((page_large, page_small))
    return [
        _ratio("first window of 10⁹ elements ÷ of 10³", opened),
        _ratio("a page of 10⁹ elements ÷ of 10³", paged),
        Row("growth of the asking process by 10⁹ elements", grown, "MB", 10, ""),
    ]


def _open_and_page(engine: Engine, size: int) -> tuple[float, float]:
    """Return the seconds for the first window of a result of size³, and for the median later one.

    As on a screen, the first is requested a moment after the result is there: right after it, the
    processor's caches are still full of what was computed.
    """
    program = Program(
        source="def f(x):\n    return x\n",
        arguments=[Argument(name="x", value=f"zeros(({size}, {size}, {size}), 'int8')")],
    )
    request = Run(id=engine.client.next_id(), composition=Composition(program=program))
    result = engine.ask(request, Ran).id

    def window(first: int) -> Callable[[], None]:
        start = first % max(size - 10, 1)

        def ask() -> None:
            engine.ask(
                ReadWindow(
                    id=engine.client.next_id(),
                    result=result,
                    leaf=0,
                    rows=1,
                    columns=2,
                    index=[[size // 2, size // 2 + 1], [start, start + 10], [start, start + 10]],
                ),
                WindowRead,
            )

        return ask

    time.sleep(0.05)
    return timed(window(0)), statistics.median(timed(window(7 * i)) for i in range(1, 60))


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _ratio(name: str, pairs: list[tuple[float, float]]) -> Row:
    large, small = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(name, large / small, "×", 1.5, f"{large * 1e3:.2f} ms and {small * 1e3:.2f} ms")


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
