"""The checks on an accelerator, through the command line, a terminal and an engine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxtui import lessons
from jaxtui.session.session import Argument, Collective, Devices, Program, Session, save
from jaxtui.session.session import Benchmark as Timing
from jaxtui.wire.base import Composition, Describe
from jaxtui.wire.process import EngineSettings
from jaxtui.wire.program import Ran, Run
from tests.accelerator import programs
from tests.support.asking import Asker
from tests.support.terminal import Terminal, explorer

JAXTUI = [sys.executable, "-m", "jaxtui"]
MIB = 2**20


@dataclass(frozen=True)
class Check:
    """What was found: `good` is None if it cannot be told here, and `figure` what was measured."""

    name: str
    good: bool | None
    figure: str
    detail: str = ""


@dataclass(frozen=True)
class Place:
    """Where the checks run: a platform and, on the CPU, how many virtual devices."""

    platform: str
    count: int | None
    environment: dict[str, Any]

    @property
    def options(self) -> list[str]:
        virtual = [] if self.count is None else ["--devices", str(self.count)]
        return ["--platform", self.platform, *virtual]

    @property
    def devices(self) -> int:
        return int(self.environment["device_count"])

    @property
    def set(self) -> Devices:
        return Devices(platform=self.platform, count=self.count)


def command(*words: str, seconds: float = 240.0) -> str:
    """The standard output of `jaxtui WORDS`, whatever its exit status."""
    done = subprocess.run(
        [*JAXTUI, *words], capture_output=True, text=True, timeout=seconds, check=False
    )
    if not done.stdout:
        raise RuntimeError(f"jaxtui {words[0]}: {done.stderr.strip()[-400:]}")
    return done.stdout


def find(platform: str, count: int | None) -> Place:
    """The place, as JAX sees it. Raises RuntimeError if there is no such platform."""
    place = Place(platform, count, {})
    environment = json.loads(command("devices", "--json", *place.options))
    return Place(environment["platform"], count, environment)


@contextmanager
def _engine(place: Place) -> Iterator[Asker]:
    asker = Asker(EngineSettings(platform=place.platform, count=place.count))
    try:
        yield asker
    finally:
        asker.client.close()


def _memory(engine: Asker) -> list[tuple[int | None, int | None]]:
    """Bytes used and bytes there are, of each device."""
    answer, _ = engine.ask(Describe(id=engine.next_id()))
    return [(d.memory_used, d.memory_limit) for d in answer.environment.devices]  # type: ignore[union-attr]


def _run(engine: Asker, session: Session, seconds: float = 120.0) -> Any:
    composition = Composition.of(session, "")
    request = Run(id=engine.next_id(), composition=composition, values=4)
    return engine.ask(request, seconds)[0]


# ------------------------------------------------------------------------------------ the checks


def values(place: Place, folder: Path) -> Iterator[Check]:
    """Programs give bit for bit what their exported scripts give in plain JAX."""
    paths = list(programs.written(folder, place.platform, place.count, place.devices))
    reports = [json.loads(line) for line in command("run", "--json", *map(str, paths)).splitlines()]
    scripts = []
    for path in paths:
        script = path.with_suffix(".py")
        script.write_text(command("export", str(path)))
        scripts.append(str(script))
    bare = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("script_results.py")), *scripts],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    expected = [json.loads(line) for line in bare.stdout.splitlines()]
    wrong = [
        f"{path.stem}: {problem}"
        for path, report, script in zip(paths, reports, expected, strict=True)
        if (problem := _difference(report, script))
    ]
    right = len(paths) - len(wrong)
    yield Check("values against plain JAX", not wrong, f"{right} of {len(paths)}", "; ".join(wrong))


def _difference(report: dict[str, Any], script: dict[str, Any]) -> str:
    if not report["ok"] or "error" in script:
        return f"{(report['error'] or {}).get('message')} | {script.get('error')}"
    outputs = report["program"]["outputs"]
    kept = ("path", "dtype", "shape", "values")
    found = [{key: output[key] for key in kept} for output in outputs]
    return "" if found == script["leaves"] else "values differ"


def lessons_run(place: Place, folder: Path) -> Iterator[Check]:
    """Each lesson runs on these devices, or says that it needs others."""
    files = [str(path) for path in lessons_files(folder)]
    lines = command("run", "--json", *files, *place.options, seconds=300).splitlines()
    reports = [json.loads(line) for line in lines]
    ran = [report for report in reports if report["ok"]]
    needs = [r for r in reports if not r["ok"] and r["error"]["kind"] == "devices"]
    other = [r for r in reports if not r["ok"] and r not in needs]
    figure = f"{len(ran)} run, {len(needs)} need other devices"
    detail = "; ".join(f"{Path(r['session']).stem}: {r['error']['message']}" for r in other)
    yield Check("lessons", not other, figure, detail)


def lessons_files(folder: Path) -> Iterator[Path]:
    for name in lessons.NAMES:
        path = folder / f"{name}.toml"
        path.write_text(lessons.text(name))
        yield path


def sharding(place: Place, folder: Path) -> Iterator[Check]:
    """What is planned is what is compiled."""
    if place.devices < 2:
        yield Check("sharding planned and compiled", None, "one device")
        return
    path = folder / "split.toml"
    program = Program(
        source="def f(x, w):\n    return jax.nn.relu(x @ w)",
        arguments=[
            Argument(name="x", value=f"ones((64, {16 * place.devices}))", sharding="P(None, 'd')"),
            Argument(name="w", value=f"ones(({16 * place.devices}, 32))", sharding="P('d')"),
        ],
    )
    mesh = Devices(platform=place.platform, count=place.count, mesh={"d": place.devices})
    save(Session(devices=mesh, program=program), path)
    plan = json.loads(command("shard", "--json", str(path)))
    kinds = [c["kind"] for c in plan["collectives"]]
    compiled = [c["kind"] for c in (plan["compiled"] or {}).get("collectives", [])]
    good = kinds == compiled == ["all_reduce"]
    yield Check("sharding planned and compiled", good, f"{kinds} and {compiled}")


def benchmark(place: Place, folder: Path) -> Iterator[Check]:
    """The ways to map a product over a batch, each with its verdict."""
    path = folder / "bench.toml"
    program = Program(
        source="def f(x, w):\n    return jnp.tanh(x @ w)",
        arguments=[
            Argument(name="x", value="ones((batch, 256, 256))"),
            Argument(name="w", value="ones((256, 256))"),
        ],
        layers=list(programs.shared_second()),
    )
    timing = Timing(strategies=["loop", "vmap", "jit(vmap)", "pmap"], quick=True, budget=6.0)
    batch = 8 * place.devices
    session = Session(
        devices=place.set, parameters={"batch": batch}, program=program, benchmark=timing
    )
    save(session, path)
    text = command("bench", "--json", "--quick", str(path))
    report = json.loads(text)
    yield Check("benchmark", bool(report["ok"]), f"{report['seconds']:.1f} s", _verdicts(path))


def _verdicts(path: Path) -> str:
    table = command("bench", "--markdown", "--quick", str(path))
    return " / ".join(line for line in table.splitlines() if line.startswith("|"))


def bandwidth(place: Place, folder: Path) -> Iterator[Check]:
    """All-reduce over message sizes, each element compared with NumPy."""
    if place.devices < 2:
        yield Check("bandwidth of psum", None, "one device")
        return
    path = folder / "sweep.toml"
    collective = Collective(operation="psum", value="ones((devices, 4))")
    timing = Timing(sweep={"bytes": ["64K", "1M", "16M"]}, quick=True)
    save(Session(devices=place.set, collective=collective, benchmark=timing), path)
    lines = [x for x in command("bench", "--markdown", str(path)).splitlines() if x[:1] == "|"]
    yield Check("bandwidth of psum", len(lines) >= 5, f"{len(lines) - 2} sizes", " / ".join(lines))


def memory(place: Place, _: Path) -> Iterator[Check]:
    """A result of 256 MiB is seen in the memory of its device."""
    with _engine(place) as engine:
        before, limit = _memory(engine)[0]
        if before is None:
            yield Check("memory of the devices", None, "not told on this platform")
            return
        source = Program(
            source="def f():\n    return jnp.ones(64 * 2**20, jnp.float32)", arguments=[]
        )
        answer = _run(engine, Session(devices=place.set, program=source))
        after = _memory(engine)[0][0]
        grown = (after or 0) - before
        good = isinstance(answer, Ran) and 256 * MIB <= grown < 384 * MIB
        figure = f"{before / MIB:.0f} MiB, then {grown / MIB:.0f} MiB more"
        yield Check("memory of the devices", good, figure, f"of {(limit or 0) / MIB:.0f} MiB")


def out_of_memory(place: Place, _: Path) -> Iterator[Check]:
    """More than there is, known before or only as it runs, is said, and the engine goes on.

    The second fills the memory of the devices, which on the CPU is everyone's.
    """
    small = Session(devices=place.set, program=Program(source="def f():\n    return jnp.ones(4)"))
    known = Program(source="def f():\n    return jnp.ones((2**40,), jnp.float32)")
    hoard = "kept = [jnp.ones(2**28, jnp.float32) + n for n in range(2000)]\ndef f():\n    return 0"
    cases = {"known before": known}
    if place.platform != "cpu":
        cases["as it runs"] = Program(source=hoard)
    with _engine(place) as engine:
        for name, program in cases.items():
            answer = _run(engine, Session(devices=place.set, program=program))
            said = getattr(answer, "diagnosis", None)
            after = _run(engine, small)
            good = said is not None and said.kind == "memory" and isinstance(after, Ran)
            message = said.message if said is not None else type(answer).__name__
            yield Check(f"out of memory, {name}", good, message[:120])


def two_explorers(place: Place, folder: Path) -> Iterator[Check]:
    """Two explorers share the devices."""
    began = time.monotonic()
    folders = [folder / name for name in ("first", "second")]
    terminals: list[Terminal] = []
    try:
        for own in folders:
            own.mkdir()
            terminals.append(explorer(own, *place.options))
        for terminal in terminals:
            terminal.wait("ran ", 120)
        good, figure = True, f"both show their result after {time.monotonic() - began:.1f} s"
    except TimeoutError as error:
        good, figure = False, str(error)[:600]
    finally:
        for terminal in terminals:
            terminal.close()
    yield Check("two explorers at once", good, figure)


CHECKS: dict[str, Callable[[Place, Path], Iterator[Check]]] = {
    "values": values,
    "lessons": lessons_run,
    "memory": memory,
    "out of memory": out_of_memory,
    "two explorers": two_explorers,
    "sharding": sharding,
    "bandwidth": bandwidth,
    "benchmark": benchmark,
}


def run(place: Place, seconds: float, tell: Callable[[str, Check], None]) -> list[dict[str, Any]]:
    """Run all checks, none of which is begun after `seconds`; tell and return what they found."""
    end = time.monotonic() + seconds
    found = []
    for name, check in CHECKS.items():
        began = time.monotonic()
        for result in _results(name, check, place, in_time=began < end):
            tell(name, result)
            found.append({"check": name, **asdict(result), "seconds": time.monotonic() - began})
    return found


def _results(
    name: str, check: Callable[[Place, Path], Iterator[Check]], place: Place, *, in_time: bool
) -> Iterator[Check]:
    if not in_time:
        yield Check(name, None, "no time left")
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield from check(place, Path(folder))
        except Exception as error:  # one check that fails must not take the others along
            yield Check(name, False, f"{type(error).__name__}: {error}"[:600])
