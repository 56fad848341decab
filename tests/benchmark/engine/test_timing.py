"""The clock counts calls and waits for them; noise is compared with the other rounds'."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import jax.numpy as jnp
import pytest

from jaxtui.benchmark.engine import timing, turns
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.wire.benchmark_report import Noise


class Counted:
    """A call that counts, whose results know whether they were waited for."""

    def __init__(self) -> None:
        self.calls = 0
        self.collecting: list[bool] = []

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        self.collecting.append(gc.isenabled())
        return x + 1


@pytest.mark.parametrize("throughput", [False, True])
@pytest.mark.parametrize("tree", [False, True])
def test_a_sample_makes_as_many_calls_as_it_is_told(throughput: bool, tree: bool) -> None:
    counted = Counted()
    call = (lambda x: {"out": counted(x)}) if tree else counted
    x = jnp.arange(3.0)
    sample = timing.sampler(call, (x,), call(x), throughput=throughput)
    assert sample(4) > 0
    assert counted.calls == 5
    assert counted.collecting[1:] == [False] * 4
    assert gc.isenabled()


def test_the_collector_is_on_again_after_a_call_that_raises() -> None:
    def call() -> Any:
        raise RuntimeError("on purpose")

    sample = timing.sampler(call, (), jnp.zeros(()), throughput=False)
    with pytest.raises(RuntimeError):
        sample(1)
    assert gc.isenabled()


class FakeSampler:
    """Seconds per call from a list, the last one for ever."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.asked: list[int] = []

    def __call__(self, calls: int) -> float:
        self.asked.append(calls)
        return self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]


def test_calls_double_until_a_sample_is_long_enough() -> None:
    sample = FakeSampler(0.003)
    assert list(timing.calibrated(sample, Method(sample_seconds=0.01))) == [1, 2, 4]
    assert list(timing.calibrated(FakeSampler(1.0), Method())) == [1]


def test_calibration_ends_for_calls_that_take_no_time() -> None:
    counts = list(timing.calibrated(FakeSampler(0.0), Method()))
    assert counts[-1] == timing.MOST_CALLS


def test_several_samplers_take_turns_round_and_round() -> None:
    sample = timing.in_turn([lambda calls: 1.0 * calls, lambda calls: 2.0 * calls])
    assert [sample(1), sample(3), sample(1)] == [1.0, 6.0, 1.0]


def test_warming_goes_on_until_both_halves_agree() -> None:
    method = Method(warm_calls=3, warm_seconds=0.0, warm_most=60.0)
    falling = FakeSampler(9.0, 8.0, 5.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    taken = list(timing.warm(falling, method))
    assert timing.steady(taken)
    assert not any(timing.steady(taken[:n]) for n in range(3, len(taken)))
    assert len(list(timing.warm(FakeSampler(1.0), method))) == 3


def test_warming_ends_for_calls_that_never_agree() -> None:
    method = Method(warm_calls=3, warm_seconds=0.0, warm_most=0.01)
    growing = iter(range(1, 10**9))
    taken = list(timing.warm(lambda calls: float(next(growing)), method))
    assert len(taken) >= 3


def quiet(**changes: Any) -> Noise:
    given = {"seconds": 0.2, "switches": 3, "waited": 0.01, "stolen": 0.0, "cpu": 1.9, **changes}
    return Noise(**given)


def test_what_stands_out_is_marked_and_what_all_rounds_have_is_not() -> None:
    busy = [quiet(switches=400, waited=0.3) for _ in range(9)]
    assert timing.flags(busy, [False] * 9) == [[]] * 9
    rounds = [quiet() for _ in range(8)]
    rounds += [
        quiet(switches=90),
        quiet(waited=0.1),
        quiet(stolen=0.01),
        quiet(cpu=1.2),
        quiet(),
    ]
    marked = timing.flags(rounds, [False] * 12 + [True])
    assert marked[:8] == [[]] * 8
    assert marked[8:] == [
        ["switched out"],
        ["waited to run"],
        ["stolen"],
        ["less CPU"],
        ["disturbed"],
    ]


def test_where_the_system_tells_nothing_nothing_is_marked() -> None:
    silent = [quiet(switches=None, waited=None, stolen=None, cpu=None) for _ in range(3)]
    assert timing.flags(silent, [False] * 3) == [[], [], []]


def test_meters_count_what_this_process_did() -> None:
    before = timing.read_meters()
    end = time.perf_counter() + 0.05
    while time.perf_counter() < end:
        pass
    found = timing.noise(before, timing.read_meters())
    assert found.seconds >= 0.05
    assert found.cpu is not None
    assert found.cpu > 0
    assert found.switches is not None
    assert found.waited is None or found.waited >= 0


def test_a_light_request_and_a_sample_never_overlap() -> None:
    turns = Turns()
    inside: list[str] = []
    overlaps: list[str] = []

    def work(kind: str, turn: Any) -> None:
        for _ in range(50):
            with turn():
                if inside and (kind == "sample" or "sample" in inside):
                    overlaps.append(kind)
                inside.append(kind)
                time.sleep(0.0002)
                inside.remove(kind)

    threads = [
        threading.Thread(target=work, args=args)
        for args in (("sample", turns.sample), ("light", turns.light), ("light", turns.light))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not overlaps
    assert turns.disturbances() == 100


def test_a_screen_that_says_so_lets_the_run_go_on() -> None:
    pace = Pace()
    gap = pace.gap("round")
    assert next(gap) == "round"
    pace.go()
    assert list(gap) == []
    silent = list(pace.gap("round"))
    assert len(silent) > 1  # and one that says nothing does not hold it for ever
    assert set(silent[1:]) == {None}


def test_a_gap_is_due_once_nothing_was_painted_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAINT_SECONDS", 0.0)
    pace = Pace()
    assert not pace.due(0.03)
    time.sleep(0.04)
    assert pace.due(0.03)
    list(pace.gap("round"))
    assert not pace.due(0.03)


def test_the_noise_of_a_round_with_a_gap_is_that_of_its_parts() -> None:
    parts = [
        Noise(seconds=1.0, switches=2, waited=0.1, stolen=None, cpu=1.0),
        Noise(seconds=3.0, switches=5, waited=0.2, stolen=0.0, cpu=2.0),
    ]
    whole = timing.together(parts)
    assert (whole.seconds, whole.switches, whole.stolen) == (4.0, 7, None)
    assert whole.waited == pytest.approx(0.3)
    assert whole.cpu == pytest.approx(7.0 / 4.0)


class Waited:
    """A result that counts how often it is waited for."""

    count = 0

    def block_until_ready(self) -> Waited:
        Waited.count += 1
        return self


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize(("throughput", "waits"), [(False, 5), (True, 1)])
def test_every_call_is_waited_for_or_in_throughput_the_last(
    throughput: bool, waits: int, tree: bool
) -> None:
    output = {"out": jnp.zeros(())} if tree else jnp.zeros(())
    call = (lambda: {"out": Waited()}) if tree else Waited
    Waited.count = 0
    timing.sampler(call, (), output, throughput=throughput)(5)
    assert Waited.count == waits
