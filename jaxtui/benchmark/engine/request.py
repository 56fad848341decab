"""Validates what a `[benchmark]` table asks for: strategies, sweep, rounds, device counts."""

from __future__ import annotations

import difflib
import itertools
import re

from jaxtui.benchmark.engine.strategies.table import DEFAULT, TABLE
from jaxtui.engine_base import processes
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import BENCHMARK, FieldPath
from jaxtui.session.session import Benchmark
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark_report import Parameter


def check(benchmark: Benchmark, composition: Composition) -> None:
    """Raise Diagnosed at the first invalid field of `benchmark`."""
    for index, name in enumerate(benchmark.strategies):
        if name not in TABLE:
            raise _unknown_strategy(name, BENCHMARK / "strategies" / index)
    if benchmark.baseline and benchmark.baseline not in (benchmark.strategies or DEFAULT):
        if benchmark.baseline not in TABLE:
            raise _unknown_strategy(benchmark.baseline, BENCHMARK / "baseline")
        message = f"{benchmark.baseline} is not among the strategies that are timed"
        raise diagnosed("session", BENCHMARK / "baseline", message)
    check_extent(benchmark)
    _check_sweep(benchmark, composition)


def check_extent(benchmark: Benchmark) -> None:
    """Raise Diagnosed if `rounds` or `budget` is not positive."""
    if benchmark.rounds is not None and benchmark.rounds < 1:
        raise diagnosed("session", BENCHMARK / "rounds", "at least one round is needed")
    if benchmark.budget is not None and not 0 < benchmark.budget < float("inf"):
        raise diagnosed("session", BENCHMARK / "budget", "a budget is a number of seconds above 0")


def _unknown_strategy(name: str, field: FieldPath) -> Diagnosed:
    close = difflib.get_close_matches(name, TABLE, n=3, cutoff=0.5)
    fixes = [Fix(label=f"{name} → {right}", field=field, text=right) for right in close]
    message = f"there is no strategy {name!r}; there is {', '.join(TABLE)}"
    return diagnosed("session", field, message, fixes)


def _check_sweep(benchmark: Benchmark, composition: Composition) -> None:
    program = composition.program
    texts = [program.source, *(argument.value for argument in program.arguments)]
    texts += [text for layer in program.layers for text in layer.typed().values()]
    for name, values in benchmark.sweep.items():
        field = BENCHMARK / "sweep" / name
        if name == "devices":
            message = "numbers of devices are given in benchmark.devices"
            raise diagnosed("session", field, message)
        if not name.isidentifier():
            raise diagnosed("session", field, f"{name!r} cannot be a name")
        if not values:
            raise diagnosed("session", field, f"no value of {name} is given")
        if not any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts):
            message = f"neither the source nor an argument's value says {name}"
            raise diagnosed("session", field, message)


def sweep(benchmark: Benchmark) -> list[dict[str, Parameter]]:
    """The parameters of every point: the Cartesian product of the swept values."""
    names = list(benchmark.sweep)
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*benchmark.sweep.values())
    ]


def notes(composition: Composition) -> list[str]:
    """What the benchmark ignores of the program, and which processes count, in words."""
    found = [
        f"the sharding of {argument.name} is left aside: a strategy places its own inputs"
        for argument in composition.program.arguments
        if argument.sharding.strip()
    ]
    if processes.several():
        found.append(
            "over several processes the slowest counts; what is on devices of process 0 alone runs "
            "there, while the others wait"
        )
    return found


def device_counts(benchmark: Benchmark, available: int) -> list[int]:
    """The device counts for strategies that divide the batch. Raises Diagnosed."""
    if not benchmark.devices:
        powers = itertools.takewhile(lambda n: n < available, (2**k for k in itertools.count()))
        return [*powers, available]
    for index, count in enumerate(benchmark.devices):
        if not 1 <= count <= available:
            field = BENCHMARK / "devices" / index
            fix = Fix(label=f"all {available}", field=field, text=str(available))
            there = "there is 1 device" if available == 1 else f"there are {available} devices"
            raise diagnosed("devices", field, f"{there}, not {count}", [fix])
    return list(dict.fromkeys(benchmark.devices))
