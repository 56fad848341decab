"""A benchmark plans before it runs, runs what is right, and keeps what there is."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.benchmark.engine import comparison, operations, peaks, preparing, turns
from jaxtui.benchmark.engine import plan as benchmark_plan
from jaxtui.benchmark.engine import run as benchmark
from jaxtui.benchmark.engine.strategies.table import DEFAULT, TABLE
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, Vmap
from jaxtui.session.session import Argument, Benchmark, Devices, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import (
    Bench,
    BenchFinished,
    BenchGap,
    BenchPeaks,
    BenchPlanned,
    BenchPoint,
    BenchPrepared,
    BenchProgram,
    BenchRound,
    BenchSample,
    BenchStage,
    BenchStarted,
    PlanBench,
)
from jaxtui.wire.benchmark_report import PlannedArm

pytestmark = pytest.mark.long

MEASURED = peaks.measured
FAST = Method(sample_seconds=1e-5, warm_calls=2, warm_seconds=0.0, warm_most=0.01)
TASK = """
@jax.jit
def task(matrix):
    res = matrix
    for _ in range(3):
        res = jnp.tanh(jnp.dot(res, matrix))
    return jnp.sum(res)
"""


def composed(
    source: str = TASK,
    layers: tuple[AnyLayer, ...] = (Vmap(),),
    parameters: dict[str, int] | None = None,
    **values: str,
) -> Composition:
    values = values or {"matrix": "normal(batch, n, n)"}
    return Composition(
        program=Program(
            source=source,
            arguments=[Argument(name=name, value=value) for name, value in values.items()],
            layers=list(layers),
        ),
        parameters={"batch": 8, "n": 4} if parameters is None else parameters,
    )


def planned(composition: Composition, **asked: Any) -> BenchPlanned:
    return benchmark_plan.plan(
        PlanBench(id=7, composition=composition, benchmark=Benchmark(**asked))
    )


def arms(plan: BenchPlanned, point: int = 0) -> dict[tuple[str, int], PlannedArm]:
    return {
        (arm.strategy, arm.devices): arm for arm in plan.points[point].arms if arm.role != "control"
    }


def ran(composition: Composition, *, paced: bool = False, **asked: Any) -> list[Any]:
    request = Bench(id=9, composition=composition, benchmark=Benchmark(**asked), paced=paced)
    events = benchmark.events(request, Turns(), Pace(), FAST)
    return [event for event in events if event is not None]


def only(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(autouse=True)
def _no_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "measured", lambda *_, **__: iter(()))


# -------------------------------------------------------------------------- the same computation


def test_the_tutorials_pmap_is_refused_with_its_195_fold_operations_and_what_is_meant() -> None:
    plan = planned(
        composed(parameters={"batch": 64, "n": 256}),
        strategies=["jit(vmap)", "pmap", "pmap-without-vmap"],
        devices=[8],
    )
    found = arms(plan)
    wrong = found["pmap-without-vmap", 8]
    assert wrong.skipped is not None
    assert "195 × the operations" in wrong.skipped
    assert "pmap(vmap(f)) is meant" in wrong.skipped
    assert wrong.operations == pytest.approx(194.87, abs=0.01)
    # Its third product alone is 1 GiB on each of the eight devices.
    assert wrong.memory is not None
    assert wrong.memory > 8 * 2**30
    assert found["pmap", 8].skipped is None
    assert found["pmap", 8].operations == 1.0


def test_without_a_choice_every_strategy_is_planned_on_1_2_4_and_8_devices() -> None:
    found = arms(planned(composed()))
    for name in DEFAULT:
        counts = [devices for strategy, devices in found if strategy == name]
        assert counts == ([1, 2, 4, 8] if TABLE[name].multi else [1])
    assert all(arm.skipped is None and arm.python for arm in found.values())
    assert {arm.operations for arm in found.values()} == {1.0}


def test_the_baseline_is_planned_twice() -> None:
    point = planned(composed(), strategies=["loop", "jit(vmap)"]).points[0]
    assert [(arm.strategy, arm.role) for arm in point.arms] == [
        ("loop", "strategy"),
        ("jit(vmap)", "baseline"),
        ("jit(vmap)", "control"),
    ]
    assert [arm.arm for arm in point.arms] == [0, 1, 2]
    other = planned(composed(), strategies=["loop", "jit(vmap)"], baseline="loop").points[0]
    assert [arm.role for arm in other.arms] == ["baseline", "strategy", "control"]


def test_a_batch_that_the_devices_do_not_divide_says_which_sizes_they_do() -> None:
    odd = composed(parameters={"batch": 6, "n": 4})
    arm = arms(planned(odd, strategies=["jit(vmap)", "pmap"], devices=[4]))["pmap", 4]
    assert arm.skipped is not None
    assert "4 and 8 do" in arm.skipped
    assert arm.fixes[0].field == "benchmark.pad"
    padded = arms(planned(odd, strategies=["jit(vmap)", "pmap"], devices=[4], pad=True))["pmap", 4]
    assert (padded.skipped, padded.padded, padded.operations) == (None, 2, 1.0)


def test_what_does_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_plan, "available_memory", lambda: 1_000_000)
    large = composed(parameters={"batch": 64, "n": 64})
    (arm,) = arms(planned(large, strategies=["jit(vmap)"])).values()
    assert arm.skipped is not None
    assert "does not fit" in arm.skipped
    monkeypatch.setattr(benchmark_plan, "available_memory", lambda: 5_000_000)
    (arm,) = arms(planned(large, strategies=["jit(vmap)"])).values()
    assert arm.skipped is None
    assert arm.warning is not None


def test_what_is_the_same_for_every_example_may_be_done_anew_for_each_but_is_told() -> None:
    composition = composed(
        "def f(x, w): return x @ (w @ w)",
        (Vmap(in_axes="(0, None)"),),
        {},
        x="ones((8, 4))",
        w="ones((4, 4))",
    )
    found = arms(planned(composition, strategies=["loop", "jit(vmap)", "pmap"], devices=[4]))
    assert [arm.skipped for arm in found.values()] == [None] * 3
    assert found["loop", 1].operations == pytest.approx(8 * 160 / (8 * 32 + 128))
    assert "done anew for each" in str(found["loop", 1].warning)
    assert found["pmap", 4].operations == pytest.approx((8 * 32 + 4 * 128) / (8 * 32 + 128))


@pytest.mark.parametrize(
    ("source", "value", "floating", "other"),
    [
        ("lambda x: x @ x", "(3, 4, 4)", 3 * 2 * 4**3, 0),
        ("lambda x: jnp.sin(x) + 1", "(3, 4)", 2 * 12, 0),
        ("lambda x: x", "(3, 4)", 0, 0),
        ("jax.jit(lambda x: x.T)", "(3, 4, 4)", 0, 0),
        ("lambda x: jnp.sum(x)", "(3, 4)", 12, 0),
        ("lambda x: lax.fori_loop(0, 5, lambda i, y: y * 2.0, x)", "(3,)", 15, None),
        ("lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x)[0]", "(3, 7)", 21, 0),
    ],
)
def test_operations_count_loops_with_their_lengths(
    source: str, value: str, floating: int, other: int | None
) -> None:
    function = eval(source, {"jax": jax, "jnp": jnp, "lax": lax})
    x = jax.ShapeDtypeStruct(eval(value), jnp.float32)
    done = operations.work(jax.make_jaxpr(jax.vmap(function))(x).jaxpr)
    assert done.floating == floating
    assert other is None or done.other == other


def test_live_bytes_hold_what_is_still_needed_and_no_more() -> None:
    def chain(x: Any) -> Any:
        for _ in range(10):
            x = jnp.sin(x)
        return x

    x = jax.ShapeDtypeStruct((256,), jnp.float32)
    assert operations.peak_bytes(jax.make_jaxpr(chain)(x).jaxpr) == 3 * 1024
    both = jax.make_jaxpr(lambda x: jnp.cos(x) + jnp.sin(x) * jnp.tan(x))(x)
    assert operations.peak_bytes(both.jaxpr) == 5 * 1024


# ------------------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("layers", "field", "said"),
    [
        ((), "program.layers", "no layer says"),
        ((Jit(),), "program.layers", "no layer says"),
        ((Vmap(), Grad()), "program.layers.1", "outside"),
        ((Pmap(), Vmap(in_axes="0")), "program.layers.0", "pmap"),
        ((Vmap(out_axes="-1"),), "program.layers.0.out_axes", "out_axes 0"),
        ((Vmap(spmd_axis_name="x"),), "program.layers.0.spmd_axis_name", "spmd_axis_name"),
    ],
)
def test_a_program_that_does_not_say_what_is_mapped_is_an_error_at_its_field(
    layers: tuple[AnyLayer, ...], field: str, said: str
) -> None:
    source = "def f(x):\n    return (x * x).sum(keepdims=x.ndim > 0)\n"
    if layers and isinstance(layers[-1], Grad):
        source = "def f(x):\n    return (x * x)\n"
    plan = planned(composed(source, layers, {}, x="ones((4, 4, 4))"))
    failure = plan.points[0].error
    assert failure is not None
    assert said in failure.message or failure.field == "program.layers.1"
    assert failure.field.startswith(field.rpartition(".")[0] if "layers.1" in field else field)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"strategies": ["vmpa"]}, "benchmark.strategies.0"),
        ({"baseline": "lop"}, "benchmark.baseline"),
        ({"strategies": ["loop"], "baseline": "pmap"}, "benchmark.baseline"),
        ({"sweep": {"bacth": [1, 2]}}, "benchmark.sweep.bacth"),
        ({"sweep": {"batch": []}}, "benchmark.sweep.batch"),
        ({"sweep": {"devices": [1]}}, "benchmark.sweep.devices"),
        ({"rounds": 0}, "benchmark.rounds"),
        ({"budget": -1.0}, "benchmark.budget"),
    ],
)
def test_a_wrong_field_of_the_benchmark_is_named(asked: dict[str, Any], field: str) -> None:
    failure = planned(composed(), **asked).diagnosis
    assert failure is not None
    assert failure.field == field
    with pytest.raises(Diagnosed):
        ran(composed(), **asked)


def test_more_devices_than_there_are_is_an_error_at_its_field() -> None:
    failure = planned(composed(), devices=[2, 16]).points[0].error
    assert failure is not None
    assert failure.field == "benchmark.devices.1"


def test_a_misspelt_strategy_comes_with_its_likely_spelling() -> None:
    failure = planned(composed(), strategies=["loop", "shardmap"]).diagnosis
    assert failure is not None
    assert next(fix.text for fix in failure.fixes) == "shard_map"


# --------------------------------------------------------------------------------------- the run


@pytest.fixture(scope="module")
def whole() -> list[Any]:
    """One run of several strategies over a sweep, on 1 and 2 devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, "SIDE", 8)
        patch.setattr(peaks, "TRIAD_BYTES", 1024)
        patch.setattr(peaks, "measured", partial(MEASURED, seconds=0.0))
        return ran(
            composed(),
            strategies=["loop", "vmap", "jit(vmap)", "pmap"],
            sweep={"batch": [2, 4]},
            devices=[1, 2],
            rounds=3,
            seed=5,
        )


def test_the_events_come_in_their_order(whole: list[Any]) -> None:
    assert isinstance(whole[0], BenchStarted)
    assert whole[0].points == [{"batch": 2}, {"batch": 4}]
    assert isinstance(whole[-1], BenchFinished)
    assert not whole[-1].stopped
    assert isinstance(whole[-2], BenchPeaks)
    assert len(only(whole, BenchProgram)) == 1
    for point in (0, 1):
        mine = [e for e in whole if getattr(e, "point", None) == point]
        kinds = [type(e) for e in mine]
        assert kinds.index(BenchPrepared) < kinds.index(BenchSample)
        assert kinds[-1] is not BenchSample


def test_every_round_has_every_arm_once_in_an_order_of_its_own(whole: list[Any]) -> None:
    (plan,) = {len(e.point.arms) for e in only(whole, BenchPoint)}
    samples = only(whole, BenchSample)
    counted = Counter((s.point, s.round) for s in samples)
    assert set(counted) == {(point, number) for point in (0, 1) for number in range(3)}
    assert set(counted.values()) == {plan}
    orders = {tuple(s.arm for s in samples if (s.point, s.round) == key) for key in counted}
    assert len(orders) > 1
    assert all(sorted(order) == list(range(plan)) for order in orders)
    assert all(s.seconds > 0 for s in samples)


def test_every_arm_is_right_and_knows_its_stages(whole: list[Any]) -> None:
    arms = {a.arm: a for a in only(whole, BenchPoint)[-1].point.arms}
    last = {(e.point, e.arm): e for e in only(whole, BenchPrepared)}
    for prepared in last.values():
        assert prepared.skipped is None
        arm = arms[prepared.arm]
        if arm.role == "control":
            continue
        assert prepared.correct.wrong == 0
        assert prepared.stages.place is not None
        assert prepared.stages.first is not None
        compiled = prepared.stages.compile is not None
        assert compiled == (arm.strategy != "vmap")
        assert (prepared.stablehlo is not None) == compiled


def test_an_arm_is_told_when_it_is_compiled_and_again_when_it_is_warm(whole: list[Any]) -> None:
    mine = [e for e in whole if getattr(e, "point", None) == 0]
    planned = only(whole, BenchPoint)[0].point.arms
    baseline = next(arm.arm for arm in planned if arm.role == "baseline")
    compiled, warm = (e for e in mine if isinstance(e, BenchPrepared) and e.arm == baseline)
    assert compiled.stages == warm.stages
    assert compiled.correct is None
    assert warm.correct is not None
    stages = [e.stage for e in mine if isinstance(e, BenchStage) and e.arm == baseline]
    assert stages[-3:] == ["comparing", "warming", "calibrating"]


def test_all_rows_are_prepared_then_compared_then_warmed_from_the_first_to_the_last(
    whole: list[Any],
) -> None:
    # A screen shows how far a run is from this alone.
    passes = {"comparing": 1, "warming": 2, "calibrating": 2}
    for point in (0, 1):
        stages = [e for e in only(whole, BenchStage) if e.point == point and e.arm is not None]
        steps = [(passes.get(e.stage, 0), e.arm) for e in stages]
        assert steps == sorted(steps)
        last = max(arm for _, arm in steps)
        # The control is made ready as all others are, and needs no comparing.
        assert {step for step, arm in steps if arm == last} == {0, 2}


def test_a_long_round_has_gaps_in_which_a_screen_can_be_painted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(turns, "SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr(turns, "PAINT_SECONDS", 0.0)
    asked = {"strategies": ["loop", "jit(vmap)"], "rounds": 2}
    assert not only(ran(composed(), **asked), BenchGap)
    events = ran(composed(), paced=True, **asked)
    kinds = [type(e) for e in events if isinstance(e, BenchSample | BenchGap | BenchRound)]
    one = [BenchSample, BenchGap, BenchSample, BenchGap, BenchSample, BenchRound]
    assert kinds[kinds.index(BenchSample) :] == [*one, BenchGap, *one, BenchGap]


def test_the_last_statistics_are_of_all_samples(whole: list[Any]) -> None:
    last = [e for e in only(whole, BenchRound) if e.point == 0][-1]
    assert (last.round, last.rounds, last.seconds_left) == (2, 3, 0.0)
    samples = [e for e in only(whole, BenchSample) if e.point == 0]
    for found in last.statistics:
        mine = [s.seconds for s in samples if s.arm == found.arm]
        assert found.n == 3
        assert found.median == np.median(mine)
        assert found.min == min(mine)
    baseline = [found for found in last.statistics if found.speedup is None]
    assert len(baseline) == 1
    assert all(f.speedup.against == "jit(vmap)" for f in last.statistics if f.speedup is not None)
    assert len(last.flags) == 3


def test_the_program_is_reported_with_the_baselines_values(whole: list[Any]) -> None:
    (program,) = only(whole, BenchProgram)
    assert program.report.inputs[0].shape == [2, 4, 4]
    assert program.report.layers[0].axis_size == 2
    (output,) = program.report.outputs
    x = jax.random.normal(jax.random.key(0), (2, 4, 4))
    res = x
    for _ in range(3):
        res = jnp.tanh(res @ x)
    assert output.values == pytest.approx(np.asarray(res.sum((1, 2))).tolist(), rel=1e-5)


def test_the_peaks_are_of_the_device_counts_that_were_used(whole: list[Any]) -> None:
    (found,) = only(whole, BenchPeaks)
    assert [peak.devices for peak in found.peaks] == [1, 2]
    assert all(peak.flops > 0 and peak.bytes > 0 for peak in found.peaks)


def test_the_seed_gives_the_same_orders_again() -> None:
    def orders() -> list[int]:
        events = ran(composed(), strategies=["loop", "jit(vmap)"], rounds=4, seed=11)
        return [sample.arm for sample in only(events, BenchSample)]

    assert orders() == orders()


SOME = ["loop", "lax.map", "jit(vmap)", "pmap", "shard_map"]
FUNCTIONS = {
    "integers": ("def f(x): return x * x + 2", "arange(8)"),
    "keys": ("def f(key): return jax.random.uniform(key, (3,))", "keys(8)"),
    "half precision": (
        "def f(x): return jnp.tanh(x @ x)",
        "normal(8, 4, 4).astype(jnp.bfloat16)",
    ),
    "not a number": ("def f(x): return jnp.log(x)", "arange(8.0) - 3"),
    "a tree": (
        "def f(x): return {'a': x['a'] + 1, 'b': x['b'].sum()}",
        "{'a': arange(8), 'b': ones((8, 3))}",
    ),
    "a loop": (
        "def f(x): return lax.while_loop(lambda v: v < 9, lambda v: v + 2.0, x)",
        "arange(8.0)",
    ),
    "a branch": ("def f(x): return lax.cond(x > 3, jnp.sin, jnp.cos, x)", "arange(8.0)"),
    "complex": ("def f(x): return x * 1j + x", "arange(8.0)"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_strategy_agrees_for(name: str) -> None:
    source, value = FUNCTIONS[name]
    parameter = source[source.index("(") + 1 : source.index(")")]
    composition = composed(source, (Vmap(),), {}, **{parameter: value})
    events = ran(composition, strategies=SOME, rounds=1, devices=[4])
    wrong = {e.arm: e.skipped for e in only(events, BenchPrepared) if e.skipped}
    plan = only(events, BenchPoint)[-1].point.arms
    assert wrong == {}
    assert [arm.skipped for arm in plan if arm.skipped] == []


def test_axes_keywords_and_inner_layers_are_followed() -> None:
    source = "def f(x, w, *, scale): return jnp.sum(jnp.tanh(x @ w)) * scale\n"
    composition = composed(
        source,
        (Grad(), Vmap(in_axes="(1, None)"), Jit()),
        {},
        x="normal(4, 8)",
        w="normal(4, 4)",
        scale="arange(8.0)",
    )
    events = ran(composition, strategies=SOME, rounds=1, devices=[2])
    (program,) = only(events, BenchProgram)
    assert program.report.outputs[0].shape == [8, 4]
    point = only(events, BenchPoint)[-1].point
    assert [arm.skipped for arm in point.arms if arm.skipped] == []
    assert "jax.grad(f)" in point.arms[0].python


def test_a_padded_batch_gives_the_same_values() -> None:
    events = ran(
        composed(parameters={"batch": 6, "n": 4}),
        strategies=["jit(vmap)", "pmap", "shard_map"],
        devices=[4],
        rounds=1,
        pad=True,
    )
    assert [e.skipped for e in only(events, BenchPrepared) if e.skipped] == []
    assert sum(arm.padded > 0 for arm in only(events, BenchPoint)[-1].point.arms) == 2


def test_a_device_set_in_another_order_is_used_in_that_order() -> None:
    composition = Composition(
        program=composed().program, parameters={"batch": 8, "n": 4}, devices=Devices(order=[5, 3])
    )
    events = ran(composition, strategies=["jit(vmap)", "pmap"], rounds=1)
    (program,) = only(events, BenchProgram)
    assert [shard.device for shard in program.report.outputs[0].shards] == [5]
    assert [a.devices for a in only(events, BenchPoint)[-1].point.arms] == [1, 1, 2, 1]


# --------------------------------------------------------------------------------------- faults


def test_a_strategy_that_fails_is_a_row_with_its_reason_and_the_others_go_on() -> None:
    source = "def f(x): return lax.psum(x, 'batch') + x\n"
    composition = composed(source, (Vmap(axis_name="batch"),), {}, x="arange(8.0)")
    asked = ["loop", "jit(vmap)", "sharding"]
    events = ran(composition, strategies=asked, rounds=1, devices=[2])
    found = {a.strategy: a.skipped for a in only(events, BenchPoint)[-1].point.arms}
    assert found["loop"] is not None
    assert "speaks to the other examples" in found["loop"]
    assert found["jit(vmap)"] is None
    assert found["sharding"] is None
    assert {s.arm for s in only(events, BenchSample)} == {
        a.arm for a in only(events, BenchPoint)[-1].point.arms if a.skipped is None
    }


def test_a_strategy_that_fails_only_when_it_runs_is_a_row_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def place(*_: Any) -> Any:
        raise RuntimeError("no room on purpose")

    broken = dataclasses.replace(
        TABLE["lax.map"], layout=dataclasses.replace(TABLE["lax.map"].layout, place=place, name="x")
    )
    monkeypatch.setitem(TABLE, "lax.map", broken)
    events = ran(composed(), strategies=["jit(vmap)", "lax.map", "loop"], rounds=1)
    (out,) = [e for e in only(events, BenchPrepared) if e.skipped]
    assert "no room on purpose" in out.skipped
    assert only(events, BenchPoint)[-1].point.arms[1].skipped == out.skipped
    assert len({s.arm for s in only(events, BenchSample)}) == 3


def test_a_baseline_that_falls_out_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(*_: Any) -> Any:
        raise RuntimeError("no room on purpose")

    layout = dataclasses.replace(TABLE["jit(vmap)"].layout, place=place, name="x")
    monkeypatch.setitem(TABLE, "jit(vmap)", dataclasses.replace(TABLE["jit(vmap)"], layout=layout))
    events = ran(composed(), strategies=["loop", "jit(vmap)", "vmap"], rounds=1)
    roles = {a.strategy: a.role for a in only(events, BenchPoint)[-1].point.arms[:-1]}
    assert roles == {"loop": "strategy", "jit(vmap)": "strategy", "vmap": "baseline"}
    assert only(events, BenchPoint)[-1].point.arms[-1].strategy == "vmap"


class Counted:
    """A strategy whose building is counted, and fails at the times in `failing`."""

    def __init__(self, name: str, failing: Sequence[int] = ()) -> None:
        self.right = TABLE[name]
        self.failing = failing
        self.built = 0

    def __call__(self, setup: Any) -> Any:
        self.built += 1
        if self.built in self.failing:
            raise RuntimeError(f"not {self.built} times")
        return self.right.build(setup)

    def into_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        strategy = dataclasses.replace(self.right, build=self)
        monkeypatch.setitem(TABLE, self.right.name, strategy)


TWO = ["jit(vmap)", "lax.map"]


@pytest.fixture
def _time_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every arm be compiled as often as it is on a machine that does nothing else."""
    monkeypatch.setattr(preparing, "COMPILING_SECONDS", 60.0)


@pytest.mark.usefixtures("_time_to_compile")
def test_every_program_is_compiled_five_times_and_each_is_timed_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted("jit(vmap)")
    counted.into_table(monkeypatch)
    events = ran(composed(), strategies=[*TWO, "vmap"], rounds=10)
    times = {e.arm: e.compilations for e in only(events, BenchPrepared)}
    # The last is the control, compiled on its own; nothing but JAX compiles a bare vmap.
    assert times == {0: 5, 1: 5, 2: 1, 3: 5}
    assert counted.built == 1 + 5 + 5  # once to see what it computes
    for arm, compilations in times.items():
        taken = Counter(s.compilation for s in only(events, BenchSample) if s.arm == arm)
        assert taken == dict.fromkeys(range(compilations), 10 // compilations)


def test_what_takes_long_to_compile_or_holds_much_is_compiled_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, least in (("COMPILING_SECONDS", 0.0), ("LARGEST_PROGRAM", 10)):
        with monkeypatch.context() as patched:
            patched.setattr(preparing, name, least)
            events = ran(composed(), strategies=TWO, rounds=25)
        assert {e.compilations for e in only(events, BenchPrepared)} == {1}
        assert {s.compilation for s in only(events, BenchSample)} == {0}
        # A difference that one compilation may make is none that can be seen.
        last = only(events, BenchRound)[-1].statistics
        assert all(found.seen >= 0.05 for found in last if found.speedup is not None)


@pytest.mark.usefixtures("_time_to_compile")
@pytest.mark.parametrize("failing", [3, 6, 7, 11])
def test_a_baseline_that_cannot_be_compiled_again_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    Counted("jit(vmap)", [failing]).into_table(monkeypatch)
    events = ran(composed(), strategies=TWO, rounds=1)
    arms = only(events, BenchPoint)[-1].point.arms
    assert [(a.strategy, a.role) for a in arms] == [
        ("jit(vmap)", "strategy"),
        ("lax.map", "baseline"),
        ("lax.map", "control"),
    ]
    assert arms[0].skipped == f"RuntimeError: not {failing} times"
    last = {e.arm: e for e in only(events, BenchPrepared)}
    assert {arm: e.skipped for arm, e in last.items()} == {0: arms[0].skipped, 1: None, 2: None}
    assert {s.arm for s in only(events, BenchSample)} == {1, 2}


@pytest.mark.usefixtures("_time_to_compile")
def test_when_no_arm_can_be_compiled_again_nothing_is_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Counted("jit(vmap)", [7]).into_table(monkeypatch)
    events = ran(composed(), strategies=["jit(vmap)"], rounds=1)
    (arm,) = only(events, BenchPoint)[-1].point.arms
    assert arm.skipped == "RuntimeError: not 7 times"
    assert not only(events, BenchSample)
    assert isinstance(events[-1], BenchFinished)


def test_a_strategy_that_gives_wrong_values_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = TABLE["lax.map"]

    def build(setup: Any) -> Any:
        built = right.build(setup)
        step = jax.jit(lambda *args: built.step(*args) * 1.01)
        return dataclasses.replace(built, call=step, step=step)

    monkeypatch.setitem(TABLE, "lax.map", dataclasses.replace(right, build=build))
    composition = composed(parameters={"batch": 4, "n": 16})
    events = ran(composition, strategies=["jit(vmap)", "lax.map"], rounds=1)
    (out,) = [e for e in only(events, BenchPrepared) if e.skipped]
    assert "wrong values: 4 of 4" in out.skipped
    assert out.correct.wrong == 4
    assert len({s.arm for s in only(events, BenchSample)}) == 2


def test_a_point_of_the_sweep_that_cannot_be_is_told_and_the_others_go_on() -> None:
    events = ran(
        composed("def f(x): return x", (Vmap(),), {"batch": 4}, x="ones(batch)"),
        sweep={"batch": [0, 3]},
        strategies=["jit(vmap)"],
        rounds=1,
    )
    first, *rest = [e.point for e in only(events, BenchPoint)]
    assert first.error is not None
    assert rest[-1].error is None
    assert {s.point for s in only(events, BenchSample)} == {1}


def test_a_dtype_can_be_swept() -> None:
    composition = composed("def f(x): return x * 2", (Vmap(),), {}, x="ones((4, 2), dtype=dtype)")
    events = ran(
        composition, sweep={"dtype": ["float32", "bfloat16"]}, strategies=["jit(vmap)"], rounds=1
    )
    moved = [e.point.arms[0].bytes for e in only(events, BenchPoint)[::2]]
    assert moved == [64, 32]


@pytest.mark.parametrize("after", ["BenchStarted", "BenchPrepared", "BenchSample", "BenchRound"])
def test_given_up_it_ends_at_the_next_gap_with_what_it_has(after: str) -> None:
    request = Bench(
        id=1,
        composition=composed(),
        benchmark=Benchmark(strategies=["loop", "jit(vmap)"], rounds=50),
    )
    events = benchmark.events(request, Turns(), Pace(), FAST)
    seen = []
    for event in events:
        seen.append(event)
        if type(event).__name__ == after:
            break
    seen.append(events.throw(GivenUp()))
    rest = list(events)
    seen += rest
    finished = seen[-1]
    assert isinstance(finished, BenchFinished)
    assert finished.stopped
    assert len(only(seen, BenchSample)) < 6
    if after == "BenchRound":
        assert only(seen, BenchRound)[-1].statistics[0].n == 1


def test_nothing_of_jax_is_changed_between_two_steps() -> None:
    request = Bench(
        id=1,
        composition=Composition(
            program=composed().program,
            parameters={"batch": 4, "n": 2},
            devices=Devices(order=[3, 2]),
        ),
        benchmark=Benchmark(strategies=["loop", "pmap"], rounds=2),
    )
    for _ in benchmark.events(request, Turns(), Pace(), FAST):
        assert jax.config.jax_default_device is None
        assert {device.id for device in jnp.zeros(1).devices()} == {0}


# ---------------------------------------------------------------------------------- correctness


def leaves(*arrays: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(array) for array in arrays]


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1.0, 2.0], [1.0, 2.0 + 1e-6], 0),
        ([1.0, 2.0], [1.0, 2.1], 1),
        ([np.nan, 1.0], [np.nan, 1.0], 0),
        ([np.nan, 1.0], [1.0, 1.0], 1),
        ([np.inf, 1.0], [np.inf, 1.0], 0),
        ([np.inf, 1.0], [-np.inf, 1.0], 1),
        ([0.0, 0.0], [0.0, 1e-30], 1),
    ],
)
def test_floats_may_differ_by_rounding_only(
    expected: list[float], found: list[float], wrong: int
) -> None:
    result = comparison.compared(
        leaves(np.float32(expected)),
        leaves(np.float32(found)),
        longest=4,
        exact=False,
        epsilon=0.0,
    )
    assert (result.wrong, result.count) == (wrong, 2)


def test_integers_and_moved_data_must_be_the_same() -> None:
    close = leaves(np.float32([1.0, 2.0])), leaves(np.float32([1.0, np.nextafter(2.0, 3)]))
    tiny = leaves(np.float32([1.0, 2.0])), leaves(np.float32([1.0, 2.0000002]))
    assert comparison.compared(*close, longest=1, exact=True, epsilon=0.0).wrong == 0
    assert comparison.compared(*tiny, longest=1, exact=True, epsilon=0.0).wrong == 1
    whole = leaves(np.int32([1, 2])), leaves(np.int32([1, 3]))
    found = comparison.compared(*whole, longest=1, exact=False, epsilon=0.0)
    assert (found.wrong, found.max_ulp) == (1, None)


def test_a_longer_sum_may_differ_more_and_a_coarser_type_too() -> None:
    pair = leaves(np.float32([1.0])), leaves(np.float32([1.0 + 1e-5]))
    assert comparison.compared(*pair, longest=1, exact=False, epsilon=0.0).wrong == 1
    assert comparison.compared(*pair, longest=100, exact=False, epsilon=0.0).wrong == 0
    assert comparison.compared(*pair, longest=1, exact=False, epsilon=2.0**-7).wrong == 0
