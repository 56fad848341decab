"""What the screen costs a benchmark, and what a benchmark costs someone who types meanwhile."""

from __future__ import annotations

import os
import random
import re
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from jaxtui import lessons
from jaxtui.app import trust
from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.engine.sampling_statistics import P99_FROM, paired_ratio
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Benchmark, Devices, Program, Session
from jaxtui.wire.benchmark_report import BenchmarkReport
from tests.performance.machine import load
from tests.performance.own_folders import own_folders
from tests.performance.table import Row
from tests.performance.timed_loop import SOURCE, VALUE, turns_in_another_process
from tests.support.terminal import BACKSPACE, END, EXPLORER, F5, Terminal

ROUNDS = 350  # with the baseline twice in each 700 samples
KEYS = 40  # for each repeat, on each screen
LONG = 100_000  # rounds: more than the keys take
LEFT = "\x1b[D"


def rows(repeats: int) -> list[Row]:
    """Return the slowest samples with and without a screen, and the seconds of a key meanwhile."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return [_slowest(repeats), *_keys(repeats * KEYS)]


# ------------------------------------------------------------------------------------- the samples


def _slowest(pairs: int) -> Row:
    """Compare the p99 of 700 samples taken by the screen with that of 700 taken without one."""
    composed = Session(
        title="beside the screen",
        devices=Devices(platform="cpu"),
        parameters={"turns": turns_in_another_process(1e-3)},
        program=Program(
            source=SOURCE, arguments=[Argument(name="x", value=VALUE)], layers=[Vmap()]
        ),
        benchmark=Benchmark(strategies=["jit(vmap)"], rounds=ROUNDS),
    )
    order = random.Random(0)
    bare: list[float] = []
    again: list[float] = []
    screen: list[float] = []
    three: list[Callable[[], None]] = [
        lambda: bare.append(_p99(_headless, composed)),
        lambda: again.append(_p99(_headless, composed)),
        lambda: screen.append(_p99(_on_screen, composed)),
    ]
    for _ in range(pairs):
        for measure in order.sample(three, len(three)):
            measure()
    ratio = paired_ratio(screen, bare, seed=0, resamples=9999)
    control = paired_ratio(again, bare, seed=0, resamples=9999)
    return Row(
        "p99 with the screen ÷ without",
        ratio.value,
        "×",
        1.10,
        f"{pairs} pairs of {2 * ROUNDS} samples of 1 ms calls: [{ratio.low:.2f}, {ratio.high:.2f}],"
        f" control without / without {control.value:.2f} [{control.low:.2f}, {control.high:.2f}]; "
        f"{1e3 * statistics.median(screen):.3g} ms, {load()}",
    )


def _p99(timed: Callable[[Path], None], composed: Session) -> float:
    """Return the 99th percentile, in seconds, of the samples of a run and its control."""
    with own_folders() as folder:
        file = folder / "timed.toml"
        trust.sign(session.save(composed, file))
        timed(file)
        samples = _samples(_kept_run())
    if len(samples) < P99_FROM:
        raise RuntimeError(f"{len(samples)} samples have no 99th percentile")
    return statistics.quantiles(samples, n=100)[-1]


def _samples(report: BenchmarkReport) -> list[float]:
    (point,) = report.points
    assert point.control is not None
    return [sample.seconds for sample in (*point.strategies[0].samples, *point.control.samples)]


def _headless(file: Path) -> None:
    command = [*EXPLORER, "bench", str(file), "-o", str(file.with_suffix(".json"))]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def _on_screen(file: Path) -> None:
    with Terminal([*EXPLORER, str(file)]) as terminal:
        _open(terminal)
        terminal.type(F5)
        terminal.discard(until=lambda: bool(bench_runs.kept()))


def _open(terminal: Terminal) -> None:
    """Open the Benchmark screen and wait for its plan."""
    terminal.wait(lambda text: "ready" in text.partition("\n")[0])
    terminal.type("4")
    terminal.wait(lambda text: "F5 times" in text)


def _kept_run() -> BenchmarkReport:
    (run,) = bench_runs.kept()
    return bench_runs.read(run.path)


# ---------------------------------------------------------------------------------------- the keys


def _keys(count: int) -> list[Row]:
    """Measure the time from a key to its change on screen while the tutorial's benchmark runs."""
    composed = lessons.load("benchmark")
    (matrix,) = composed.program.arguments
    matrix = replace(matrix, value="normal(8, n, n)")
    composed = replace(
        composed,
        program=replace(composed.program, arguments=[matrix]),
        benchmark=Benchmark(strategies=["jit(vmap)", "pmap"], devices=[8], rounds=LONG),
    )
    pause = random.Random(0)
    with own_folders() as folder:
        file = folder / "keys.toml"
        trust.sign(session.save(composed, file))
        with Terminal([*EXPLORER, str(file)]) as terminal:
            _open(terminal)
            _focus(terminal, "batch = 16, 64, 256")
            terminal.type("zq = 1")
            terminal.wait(lambda text: "zq = 1" in text)
            idle = [_typed(terminal, "zq = 1", pause) for _ in range(count // 2)]
            terminal.type(8 * BACKSPACE)
            terminal.wait(lambda text: "F5 times" in text or "batch = 16, 64, 256" in text)
            terminal.listen(1.0)
            terminal.type(F5)
            _wait_for_a_round(terminal)
            terminal.type("zq = 1")
            terminal.listen(0.5)
            typed = [_typed(terminal, "zq = 1", pause) for _ in range(count // 2)]
            _wait_for_a_round(terminal)
            _leave_the_field(terminal)
            terminal.type("1")
            terminal.wait(lambda text: "normal(8, n, n)" in text)
            _focus(terminal, "normal(8, n, n)")
            terminal.type(END + 7 * LEFT)
            terminal.listen(0.5)
            mapped = [_typed(terminal, r"normal\(8", pause) for _ in range(count // 2)]
            shapes = [_typed(terminal, "‹8", pause) for _ in range(count // 2)]
            _wait_for_a_round(terminal)
    return [
        _key_row("a key in a field of Benchmark while it runs, p99", typed, 50),
        _key_row("a key in a value on the Map meanwhile, p99", mapped, 50),
        _key_row("the shapes after it, once a sample is over, p99", shapes, None),
        _key_row("control: a key in the field while nothing runs, p99", idle, None),
    ]


def _wait_for_a_round(terminal: Terminal) -> None:
    """Wait until one more round is over."""

    def number(text: str) -> int:
        found = re.search(rf"(?:round|benchmark) (\d+)/{LONG}", text)
        return int(found[1]) if found else 0

    terminal.wait(lambda text: number(text) > 0)
    now = number(terminal.text)
    terminal.wait(lambda text: number(text) > now)


def _focus(terminal: Terminal, content: str) -> None:
    """Press tab until the cursor is in the field with `content`."""
    for _ in range(12):
        terminal.type("\t")
        terminal.listen(0.3)
        row, column = terminal.cursor
        start = terminal.text.splitlines()[row].find(content)
        if 0 <= start <= column <= start + len(content) + 1:
            return
    raise RuntimeError(f"{content} cannot be reached by tab:\n{terminal.text}")


def _leave_the_field(terminal: Terminal) -> None:
    terminal.type("\x1b")
    terminal.listen(0.5)


def _typed(terminal: Terminal, before: str, pause: random.Random) -> tuple[float, float]:
    """Return the seconds to paint a 0 typed after `before`, and a backspace that removes it."""
    seconds = []
    for key, after in (("0", "0"), (BACKSPACE, r"(?!0)")):
        terminal.listen(pause.uniform(0.05, 0.25))  # at a random moment of a round
        terminal.type(key)
        seconds.append(terminal.painted(re.compile(before + after)))
    return seconds[0], seconds[1]


def _key_row(name: str, pairs: list[tuple[float, float]], bound: float | None) -> Row:
    milliseconds = [1e3 * each for pair in pairs for each in pair]
    p99 = statistics.quantiles(milliseconds, n=100)[-1]
    median = statistics.median(milliseconds)
    detail = f"{len(milliseconds)} keys, median {median:.1f} ms, {load()}"
    return Row(name, p99, "ms", bound, detail)
