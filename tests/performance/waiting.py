"""Waits that should be short: a refusal, an engine that never reads, closing, a frame."""

from __future__ import annotations

import asyncio
import math
import statistics
import sys

from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.program import Ran, Run, Trace
from tests.performance.engine import Engine, timed
from tests.performance.table import Row
from tests.support.array_host import ArrayHost, bounds, output

NEVER_READS = EngineSettings(command=(sys.executable, "-c", "import time; time.sleep(60)"))
MEGABYTE = Composition(program=Program(source="x" * 1_000_000))


def rows(repeats: int) -> list[Row]:
    """Return the figures of waiting, mostly the slowest of `repeats`, as a machine may be busy."""
    return [
        Row("a run that no memory holds, refused", _refusal(repeats), "ms", 200, ""),
        Row("20 MB sent to an engine that never reads", _sending(repeats), "ms", 500, ""),
        Row("closing a client whose engine never reads", _closing(repeats), "ms", 1000, ""),
        Row("what 20,000 printed lines add to a run", _flood(repeats), "ms", 2000, ""),
        _frame(repeats),
    ]


def _refusal(repeats: int) -> float:
    """Return the milliseconds from a request for 4 TB to the answer."""
    from jaxtui.wire.base import Failed

    engine = Engine()
    arguments = [Argument(name="x", value="ones((10**6, 10**6))")]
    program = Program(source="def f(x):\n    return x.sum()\n", arguments=arguments)

    def ask() -> None:
        number = engine.client.next_id()
        engine.client.send(Run(id=number, composition=Composition(program=program)))
        while not isinstance(event := engine.events.get(timeout=60), Failed) or event.id != number:
            pass

    try:
        return max(timed(ask) for _ in range(repeats)) * 1e3
    finally:
        engine.client.close()


def _sending(repeats: int) -> float:
    """Return the milliseconds to send 20 requests of a megabyte each."""
    client = EngineClient(NEVER_READS)
    client.start()

    def send() -> None:
        for _ in range(20):
            client.send(Trace(id=client.next_id(), composition=MEGABYTE))

    try:
        return max(timed(send) for _ in range(repeats)) * 1e3
    finally:
        client.close()


def _closing(repeats: int) -> float:
    """Return the milliseconds to close a client whose engine never reads."""
    figures = []
    for _ in range(repeats):
        client = EngineClient(NEVER_READS)
        client.start()
        client.send(Trace(id=client.next_id(), composition=MEGABYTE))
        figures.append(timed(client.close))
    return max(figures) * 1e3


def _flood(repeats: int) -> float:
    """Return the milliseconds that a run takes longer if it prints far more than is shown."""
    engine = Engine()
    added = []
    try:
        for _ in range(repeats):
            seconds = []
            for lines in (20_000, 0):
                source = (
                    "def f(x):\n    if not isinstance(x, jax.core.Tracer):\n"
                    f"        for _ in range({lines}): print('0123456789' * 10)\n    return x\n"
                )
                program = Program(source=source, arguments=[Argument(name="x", value="1.0")])
                request = Run(id=engine.client.next_id(), composition=Composition(program=program))
                seconds.append(timed(lambda request=request: engine.ask(request, Ran)))
            added.append(seconds[0] - seconds[1])
    finally:
        engine.client.close()
    return statistics.median(added) * 1e3


def _frame(repeats: int) -> Row:
    """Compare painting a screenful of 10¹⁵ elements with one of 10⁶."""
    seconds = {}
    for shape in ((10**3, 10**3), (10**9, 10**6)):
        seconds[shape] = min(asyncio.run(_frames(shape, repeats)))
    small, large = seconds.values()
    detail = f"{large * 1e3:.2f} ms and {small * 1e3:.2f} ms"
    return Row("a frame of 10¹⁵ elements ÷ of 10⁶", large / small, "×", 1.5, detail)


async def _frames(shape: tuple[int, int], repeats: int) -> list[float]:
    def element(*index: int) -> float:
        return round(math.sin(sum(index) / 5), 6)

    host = ArrayHost(element, output(shape, summary=bounds(-1.0, 1.0, math.prod(shape))))
    async with host.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.5)
        view = host.view
        height = view.scrollable_content_region.height
        return [timed(lambda: [view.render_line(y) for y in range(height)]) for _ in range(repeats)]
