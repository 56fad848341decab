"""An engine far away: what a key costs, what goes over the line, what keeping the line costs."""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from jaxtui import lessons
from jaxtui.app import trust
from jaxtui.session import session
from jaxtui.session.session import Argument, Benchmark, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import Bench, BenchFinished
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.results import ReadWindow, WindowRead
from tests.performance.engine import Engine, timed
from tests.performance.keystroke import SMALL, focus_the_value
from tests.performance.slow_line import KEY
from tests.performance.table import Row
from tests.support.far_line import FarLine
from tests.support.terminal import BACKSPACE, END, EXPLORER, Terminal

ENGINE = (sys.executable, "-m", "jaxtui.engine")
ROUND_TRIPS = (0.1, 0.3)  # seconds
PAGE = 30  # rows and columns of a page
KEEP = 60.0


def rows(repeats: int) -> list[Row]:
    """Return the figures of an engine at the end of a line."""
    return [*_keys(repeats), *_bytes(), *_layer(repeats)]


@contextmanager
def _line(round_trip: float = 0.0) -> Iterator[FarLine]:
    with tempfile.TemporaryDirectory(prefix="far") as folder:
        yield FarLine(Path(folder) / "line", round_trip=round_trip)


# ----------------------------------------------------------------------------------------- keys


def _keys(repeats: int) -> list[Row]:
    """Compare keys with an engine far away and keys with one over a line of no length."""
    echoes, painted, flows = {}, {}, {}
    for round_trip in (0.0, *ROUND_TRIPS):
        with _line(round_trip) as line:
            command = " ".join(line.command(*ENGINE))
            options = ("--engine", command, "--keep", f"{KEEP:.0f}")
            echoes[round_trip], painted[round_trip] = _echo(repeats * 10, *options)
            flows[round_trip] = _flow(repeats * 4, *options)
    found = []
    for there in ROUND_TRIPS:
        ms = f"{1e3 * there:.0f} ms"
        detail = f"{1e3 * echoes[there]:.1f} and {1e3 * echoes[0.0]:.1f} ms"
        name = f"a key to its own repaint, {ms} away ÷ at home"
        found.append(Row(name, echoes[there] / echoes[0.0], "times", 2, detail))
        name = f"bytes of a key to the terminal, {ms} away"
        found.append(Row(name, painted[there], "B", KEY, f"at home {painted[0.0]:.0f} B"))
        detail = f"{1e3 * flows[there]:.0f} and {1e3 * flows[0.0]:.0f} ms"
        name = f"a key to the shapes, {ms} away, over one at home and one round trip"
        found.append(Row(name, flows[there] / (flows[0.0] + there), "times", 1.3, detail))
    return found


def _flow(count: int, *options: str) -> float:
    """Return the median of the seconds from a key in a value to the shapes on the screen."""
    with _explorer(*options) as terminal:
        focus_the_value(terminal)
        seconds = []
        for _ in range(count):
            for key, shown in (("0", "‹40›"), (BACKSPACE, "‹4›")):
                terminal.type(key)
                began = time.perf_counter()
                terminal.wait(shown)
                seconds.append(time.perf_counter() - began)
                terminal.settle(1.2, most=3.0)
        return statistics.median(seconds)


@contextmanager
def _explorer(*options: str) -> Iterator[Terminal]:
    """An explorer of SMALL with a result, whose files are its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "far.toml"
        # What is typed here is in no file, and must be offered to nobody.
        own = {f"XDG_{kind}_HOME": f"{folder}/{kind}" for kind in ("DATA", "CONFIG", "STATE")}
        with mock.patch.dict(os.environ, own):
            trust.sign(session.save(SMALL, file))
        with Terminal([*EXPLORER, *options, str(file)], environment=own) as terminal:
            terminal.wait(lambda text: "batch·4" in text and "ran " in text)
            yield terminal


def _echo(count: int, *options: str) -> tuple[float, float]:
    """Return the medians of a letter typed into the source: seconds to its repaint, and bytes."""
    with _explorer(*options) as terminal:
        terminal.press("w", END)
        terminal.type("  # ")
        terminal.settle(0.6, most=2.0)
        seconds, sent = [], []
        for number in range(count):
            letter, before = "abcdefghij"[number % 10], len(terminal.raw)
            terminal.type(letter)
            seconds.append(terminal.painted(re.compile(letter)))
            terminal.settle(0.6, most=2.0)
            sent.append(len(terminal.raw) - before)
        return statistics.median(seconds), statistics.median(sent)


# ---------------------------------------------------------------------------------------- bytes


def _bytes() -> list[Row]:
    """Return the bytes in both directions for a key, a page of a large result, a benchmark."""
    first = lessons.load(lessons.FIRST)
    composition = Composition(program=first.program, parameters=first.parameters)
    large = Program(
        source="def f(x):\n    return jnp.sin(x)\n",
        arguments=[Argument(name="x", value="arange(1e6).reshape(1000, 1000)")],
    )
    with _line() as line:
        command = tuple(line.command(*ENGINE))
        engine = Engine(EngineSettings(platform="cpu", count=8, command=command, keep=KEEP))
        id = engine.client.next_id
        try:
            number = id()
            engine.ask(Run(id=number, composition=Composition(program=large)), Ran)
            window = [[100, 100 + PAGE], [100, 100 + PAGE]]
            bench = Benchmark(strategies=["loop", "jit(vmap)"], rounds=25)
            costs = {
                "a key": lambda: engine.ask(Trace(id=id(), composition=composition), Traced),
                f"a page of {PAGE}×{PAGE} elements": lambda: engine.ask(
                    ReadWindow(id=id(), result=number, leaf=0, rows=0, columns=1, index=window),
                    WindowRead,
                ),
                "a benchmark of two strategies": lambda: engine.ask(
                    Bench(id=id(), composition=composition, benchmark=bench), BenchFinished
                ),
            }
            bounds = (4000, 20_000, 60_000)
            return [
                _cost(line, name, call, bound)
                for (name, call), bound in zip(costs.items(), bounds, strict=True)
            ]
        finally:
            engine.client.close()


def _cost(line: FarLine, name: str, call: Callable[[], object], bound: float) -> Row:
    before = _settled(line)
    call()
    after = _settled(line)
    there, back = (new - old for new, old in zip(after, before, strict=True))
    detail = f"{there} there, {back} back"
    return Row(f"bytes over the line for {name}", there + back, "B", bound, detail)


def _settled(line: FarLine) -> tuple[int, int]:
    """The bytes that have passed, once the line is quiet but for its signs of life."""
    time.sleep(0.3)
    return line.bytes


# ---------------------------------------------------------------------------------------- layer


def _layer(repeats: int) -> list[Row]:
    """Compare an engine whose line is kept with one behind a plain pipe."""
    engines = [
        Engine(EngineSettings(platform="cpu", count=8, command=ENGINE, keep=keep))
        for keep in (KEEP, 0.0)
    ]
    first = lessons.load(lessons.FIRST)
    composition = Composition(program=first.program, parameters=first.parameters)
    large = Program(
        source="def f(x):\n    return jnp.sin(x)\n",
        arguments=[Argument(name="x", value="arange(1e6).reshape(1000, 1000)")],
    )
    try:
        results = []
        for engine in engines:
            results.append(engine.client.next_id())
            engine.ask(Run(id=results[-1], composition=Composition(program=large)), Ran)
        trips: list[list[float]] = [[], []]
        windows: list[list[float]] = [[], []]
        for _ in range(repeats * 20):
            for side, engine in enumerate(engines):
                trips[side].append(timed(partial(_trace, engine, composition)))
        for _ in range(repeats):
            for side, engine in enumerate(engines):
                windows[side].append(timed(partial(_read_all, engine, results[side])))
    finally:
        for engine in engines:
            engine.client.close()
    kept, plain = (1e3 * statistics.median(side[repeats * 5 :]) for side in trips)
    slow, fast = (statistics.median(side) for side in windows)
    detail = f"{kept:.2f} and {plain:.2f} ms"
    return [
        Row("what a kept line adds to a request", kept - plain, "ms", 2, detail),
        Row(
            "10⁶ elements through a kept line ÷ through a pipe",
            slow / fast,
            "times",
            1.5,
            f"{slow:.2f} and {fast:.2f} s, 9 MB",
        ),
    ]


def _trace(engine: Engine, composition: Composition) -> None:
    engine.ask(Trace(id=engine.client.next_id(), composition=composition), Traced)


def _read_all(engine: Engine, result: int) -> None:
    window = [[0, 1000], [0, 1000]]
    engine.ask(
        ReadWindow(
            id=engine.client.next_id(), result=result, leaf=0, rows=0, columns=1, index=window
        ),
        WindowRead,
    )
