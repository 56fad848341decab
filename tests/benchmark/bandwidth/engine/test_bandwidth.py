"""Bandwidth sweeps: what is sent, that it is checked, how it is timed, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.benchmark.bandwidth.engine import measured as one_size
from jaxtui.benchmark.bandwidth.engine import messages as bandwidth_messages
from jaxtui.benchmark.bandwidth.engine import sweep as bandwidth
from jaxtui.benchmark.bandwidth.engine.messages import (
    SweptCollective,
    data,
    subject_of,
    wrong_elements,
)
from jaxtui.benchmark.engine.timed_run import QUICK_ROUNDS
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.collectives.engine.support import takes_negative_dimensions
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark, Collective, Devices, Program, Session
from jaxtui.wire.bandwidth import (
    BandwidthMeasured,
    BandwidthStarted,
    SizeReport,
    SweepBandwidth,
    SweepPlan,
)
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import BenchFinished, BenchStage
from jaxtui.wire.protocol import AnyEvent

pytestmark = pytest.mark.long

FAST = Method(sample_seconds=1e-4, warm_calls=1, warm_seconds=0.0, warm_most=0.0)
CPU = Devices(platform="cpu")
ON_CPU = [n for n, o in OPERATIONS.items() if o.convention and n != "pbroadcast"]
HALVES = "[[0, 1, 2, 3], [4, 5, 6, 7]]"


def made(operation: str, via: str = "pmap", value: str = "", **options: str) -> Collective:
    """The collective with options and a value that fit it, unless others are given."""
    known = OPERATIONS[operation]
    options = {**known.given, **options}
    return Collective(operation=operation, via=via, value=value or known.value, options=options)


def subject(collective: Collective, devices: Devices = CPU) -> SweptCollective:
    return subject_of(Session(devices=devices, collective=collective), "")


def sweep(
    collective: Collective,
    sizes: list[Any] | None,
    *,
    devices: Devices = CPU,
    source: str = "",
    **asked: Any,
) -> Iterator[AnyEvent | None]:
    request = SweepBandwidth(
        id=7,
        composition=Composition(program=Program(source=source), devices=devices),
        collective=collective,
        benchmark=Benchmark(
            sweep={} if sizes is None else {"bytes": sizes}, **{"rounds": 2, **asked}
        ),
    )
    return bandwidth.events(request, Turns(), Pace(), FAST)


def swept(*arguments: Any, **options: Any) -> tuple[SweepPlan, list[SizeReport]]:
    events = [event for event in sweep(*arguments, **options) if event is not None]
    assert isinstance(events[-1], BenchFinished)
    assert not events[-1].stopped
    (plan,) = [event.plan for event in events if isinstance(event, BandwidthStarted)]
    sizes = [event for event in events if isinstance(event, BandwidthMeasured)]
    assert [event.point for event in sizes] == list(range(len(sizes)))
    return plan, [event.size for event in sizes]


def refusal(*arguments: Any, **options: Any) -> Diagnosis:
    with pytest.raises(Diagnosed) as caught:
        list(sweep(*arguments, **options))
    return caught.value.diagnosis


# ------------------------------------------------------------------------------- what is measured


@pytest.mark.parametrize("via", ["pmap", "shard_map"])
@pytest.mark.parametrize("operation", ON_CPU)
def test_every_collective_is_timed_and_every_element_is_right(operation: str, via: str) -> None:
    plan, sizes = swept(made(operation, via), [256, 4096])
    convention = OPERATIONS[operation].convention
    assert convention is not None
    assert (plan.ranks, plan.devices, plan.family) == (8, 8, convention.family)
    for size, wanted in zip(sizes, (256, 4096), strict=True):
        assert size.bytes == wanted
        assert size.count * convention.blocks(8) * 4 == wanted
        assert size.wrong == 0
        assert size.n == len(size.samples) == len(size.rounds) == 2
        assert size.time_us == pytest.approx(1e6 * sum(size.samples) / 2)
        assert size.algbw == pytest.approx(size.bytes / (size.time_us * 1e-6) / 1e9)
        assert size.busbw == pytest.approx(plan.factor * size.algbw)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("operation", ["psum", "all_to_all", "all_gather"])
def test_any_number_of_devices_can_be_swept(operation: str, count: int) -> None:
    devices = Devices(platform="cpu", order=list(range(count)))
    plan, sizes = swept(made(operation, "shard_map"), ["1K"], devices=devices)
    assert plan.ranks == plan.devices == count
    assert plan.factor == pytest.approx((2 if operation == "psum" else 1) * (count - 1) / count)
    # As many bytes as divide among the ranks, and no more than were asked for.
    unit = 4 * (1 if operation == "psum" else count)
    assert [size.bytes for size in sizes] == [1024 // unit * unit]
    assert sizes[0].wrong == 0
    assert ("one rank: nothing is sent" in plan.notes) is (count == 1)


def test_ranks_are_those_of_one_group() -> None:
    plan, sizes = swept(made("psum_scatter", axis_index_groups=HALVES, value="ones((8, 4))"), [512])
    assert (plan.ranks, plan.devices) == (4, 8)
    assert plan.factor == 0.75
    assert sizes[0].block == [4, 32]
    uneven = "[[0, 1, 2], [3, 4, 5, 6, 7]]"
    plan, sizes = swept(made("psum", axis_index_groups=uneven), [512])
    assert (plan.ranks, sizes[0].wrong) == (5, 0)
    assert "groups differ in size; n is the largest, 5" in plan.notes


def test_along_one_axis_of_a_mesh_its_length_counts() -> None:
    devices = Devices(platform="cpu", mesh={"x": 4, "y": 2})
    collective = made("all_gather", "shard_map", axis_name="x")
    plan, sizes = swept(collective, [1024], devices=devices)
    assert (plan.ranks, plan.devices, len(plan.groups)) == (4, 8, 2)
    assert (sizes[0].count, sizes[0].wrong) == (64, 0)


def test_fewer_rows_than_devices_are_as_many_ranks() -> None:
    plan, sizes = swept(made("psum", value="ones((3, 5))"), [64])
    assert (plan.ranks, sizes[0].wrong) == (3, 0)


@pytest.mark.parametrize(
    ("operation", "dtype"),
    [
        *(("psum", d) for d in ("bool", "int8", "uint16", "bfloat16", "float16", "complex64")),
        *(("pmean", d) for d in ("int32", "float16")),
        *(("all_to_all", d) for d in ("bool", "bfloat16")),
    ],
)
def test_messages_have_the_dtype_of_the_sessions_value(operation: str, dtype: str) -> None:
    collective = made(operation, value=f"zeros((8, 8), '{dtype}')")
    plan, sizes = swept(collective, [1024])
    assert plan.dtype == sizes[0].dtype == dtype
    assert sizes[0].bytes == 1024
    assert sizes[0].wrong == 0


@pytest.mark.parametrize(
    ("collective", "block"),
    [
        (made("psum", value="ones((8, 3, 5))"), [256]),
        (made("psum", value="ones(8)"), [256]),
        (made("all_gather", value="ones((8, 3))", axis="1"), [1, 32]),
        (made("all_gather", value="ones((8, 3))", axis="-1"), [1, 32]),
        (made("all_gather", value="ones((8, 3))", tiled="True"), [1, 32]),
        (made("all_to_all", value="ones((8, 3, 8))", split_axis="1"), [1, 8, 32]),
        (made("all_to_all", value="ones((8, 16))", tiled="True"), [8, 32]),
        (
            made("all_to_all", value="ones((8, 8, 2))", concat_axis="1", tiled="True"),
            [8, 1, 32],
        ),
        (made("psum_scatter", value="ones((8, 24))", tiled="True"), [8, 32]),
        (made("psum_scatter", value="ones((8, 2, 8))", scatter_dimension="1"), [1, 8, 32]),
        (made("pswapaxes", value="ones((8, 2, 8))", axis="1"), [1, 8, 32]),
    ],
)
def test_options_keep_their_meaning_in_the_smallest_block_that_has_them(
    collective: Collective, block: list[int]
) -> None:
    plan, sizes = swept(collective, [1024])
    assert plan.options == collective.options
    assert (sizes[0].block, sizes[0].wrong) == (block, 0)


@pytest.mark.skipif(not takes_negative_dimensions(), reason="this JAX takes none")
def test_dimensions_may_be_counted_from_the_end() -> None:
    collective = made("all_to_all", value="ones((8, 2, 8))", split_axis="-1", concat_axis="-2")
    _, sizes = swept(collective, [1024])
    assert (sizes[0].block, sizes[0].wrong) == ([1, 8, 32], 0)


def test_throughput_waits_for_the_last_call_only() -> None:
    plan, sizes = swept(made("ppermute"), ["4K"], mode="throughput")
    assert plan.mode == "throughput"
    assert sizes[0].time_us


def test_sizes_are_measured_once_each_and_in_order() -> None:
    _, sizes = swept(made("all_gather"), [8192, "1K..4K", 1, 5])
    # What is smaller than an element from each rank becomes one.
    assert [size.bytes for size in sizes] == [32, 1024, 2048, 4096, 8192]


def test_without_rounds_a_size_ends_with_its_budget() -> None:
    _, sizes = swept(made("psum"), [64], rounds=None, budget=1e-9)
    assert sizes[0].n == bandwidth.FEWEST
    _, sizes = swept(made("psum"), [64], rounds=None, quick=True)
    assert sizes[0].n == QUICK_ROUNDS


# ---------------------------------------------------------------------------------- the check


@pytest.mark.parametrize("operation", ON_CPU)
def test_one_wrong_element_on_one_device_is_counted(operation: str) -> None:
    made_of = subject(made(operation))
    host = data(made_of, 32, seed=1)
    result = made_of.call()(made_of.placed(host))
    assert sum(wrong for wrong, _ in wrong_elements(made_of, host, result)) == 0
    spoilt = np.asarray(result).copy()
    spoilt[5].flat[-1] += 1
    assert sum(wrong for wrong, _ in wrong_elements(made_of, host, made_of.placed(spoilt))) == 1


def test_the_parts_of_a_check_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made_of = subject(made("all_gather", axis="1"))
    host = data(made_of, 33, seed=1)
    result = np.asarray(made_of.call()(made_of.placed(host))).copy()
    result[..., 0] += 1
    result[..., 32] += 1
    placed = made_of.placed(result)
    whole = sum(wrong for wrong, _ in wrong_elements(made_of, host, placed))
    monkeypatch.setattr(bandwidth_messages, "CHECKED_AT_ONCE", 8 * 8 * 5)
    parts = [wrong for wrong, _ in wrong_elements(made_of, host, placed)]
    assert len(parts) > 5
    assert sum(parts) == whole == 2 * 8 * 8


def test_a_result_on_too_few_devices_is_wrong_as_a_whole() -> None:
    made_of = subject(made("psum"))
    host = data(made_of, 4, seed=1)
    few = subject(made("psum", value="ones((2, 4))"))
    result = few.placed(host[:2])
    assert sum(wrong for wrong, _ in wrong_elements(made_of, host, result)) == result.size


def test_a_collective_that_errs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    right = subject(made("psum"))

    def forgetful(x: Any) -> Any:
        return lax.psum(jnp.where(lax.axis_index("devices") == 3, 0, x), "devices")

    spoilt = dataclasses.replace(right, function=forgetful)
    monkeypatch.setattr(bandwidth_messages, "subject_of", lambda *_: spoilt)
    _, sizes = swept(made("psum"), [256])
    assert sizes[0].wrong == 8 * 64
    assert sizes[0].time_us


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "bfloat16", "complex64"])
def test_the_data_differs_from_device_to_device_and_is_made_again_from_its_seed(dtype: str) -> None:
    made_of = subject(made("all_gather", value=f"zeros((8, 4), '{dtype}')"))
    rows = data(made_of, 64, seed=3)
    assert rows.dtype == dtype
    assert len({row.tobytes() for row in rows}) == 8
    assert data(made_of, 64, seed=3).tobytes() == rows.tobytes()
    assert data(made_of, 64, seed=4).tobytes() != rows.tobytes()


# -------------------------------------------------------------------------------- ending early


def test_cancel_keeps_what_is_there() -> None:
    events: Any = sweep(made("psum"), [64, 128, 256], rounds=20)
    told = []
    for event in events:
        told.append(event)
        if isinstance(event, BenchStage) and (event.point, event.stage) == (1, "timing"):
            break
    next(events)  # one sample
    told += [events.throw(GivenUp()), *events]
    sizes = [event.size for event in told if isinstance(event, BandwidthMeasured)]
    assert [(size.bytes, size.n) for size in sizes] == [(64, 20), (128, 1)]
    assert isinstance(told[-1], BenchFinished)
    assert told[-1].stopped


def test_a_size_without_a_sample_is_not_told_of() -> None:
    events: Any = sweep(made("psum"), [64])
    while not isinstance(event := next(events), BenchStage) or event.stage != "warming":
        pass
    assert [type(event) for event in (events.throw(GivenUp()), *events)] == [BenchFinished]


def test_what_does_not_fit_is_left_out_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_size, "available_memory", lambda: 2**20)
    _, (small, large) = swept(made("psum"), ["1K", "1M"])
    assert small.wrong == 0
    assert large.time_us is large.wrong is None
    assert large.skipped == "does not fit: needs 40 MiB; 1 MiB is free"


def test_the_sizes_of_a_sweep_that_names_none_fit_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bandwidth, "available_memory", lambda: 2**20)
    plan, sizes = swept(made("psum"), None)
    assert plan.bytes == [1024, 2048, 4096, 8192]
    assert [size.bytes for size in sizes] == plan.bytes
    assert not any(size.skipped for size in sizes)
    monkeypatch.setattr(bandwidth, "available_memory", lambda: None)
    events = sweep(made("psum"), None)
    plan = next(event.plan for event in events if isinstance(event, BandwidthStarted))
    assert (plan.bytes[0], plan.bytes[-1]) == (1024, 16 * 2**20)
    assert all(math.isclose(b, 2 * a) for a, b in zip(plan.bytes, plan.bytes[1:], strict=False))


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("collective", "sizes", "field", "words"),
    [
        (made("psum", "vmap"), [64], "collective.via", "nothing is sent"),
        (made("axis_index"), [64], "collective.operation", "sends nothing"),
        (made("pbroadcast"), [64], "collective.operation", "not implemented on cpu"),
        (made("ragged_all_to_all"), [64], "collective.operation", "not implemented on cpu"),
        (made("psum", value="ones((9, 2))"), [64], "collective.value", "9 blocks"),
        (made("all_gather", value="keys(8)"), [64], "collective.value", "keys"),
        (made("all_gather", value="zeros((8, 2), 'int4')"), [64], "collective.value", "byte"),
        (made("psum"), [], "benchmark.sweep.bytes", "no size"),
        (made("psum"), [64, "many"], "benchmark.sweep.bytes.1", "'many' is no size"),
        (made("psum"), ["4K..1K"], "benchmark.sweep.bytes.0", "goes down"),
    ],
)
def test_what_has_no_bandwidth_is_refused_at_its_field(
    collective: Collective, sizes: list[Any], field: str, words: str
) -> None:
    found = refusal(collective, sizes)
    assert found.field == field
    assert words in found.message


def test_a_function_of_ones_own_has_no_message_size() -> None:
    own = Collective(operation="turn", value="ones((8, 2))")
    source = "def turn(x):\n    return lax.psum(x, 'devices')\n"
    found = refusal(own, [64], source=source)
    assert (found.field, "of your own" in found.message) == ("collective.operation", True)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"rounds": 0}, "benchmark.rounds"),
        ({"budget": 0.0}, "benchmark.budget"),
        ({"sweep": {"batch": [1]}}, "benchmark.sweep.batch"),
    ],
)
def test_a_benchmark_that_a_sweep_cannot_follow_is_refused(
    asked: dict[str, Any], field: str
) -> None:
    request = SweepBandwidth(
        id=1,
        composition=Composition(program=Program()),
        collective=made("psum"),
        benchmark=Benchmark(**asked),
    )
    with pytest.raises(Diagnosed) as caught:
        list(bandwidth.events(request, Turns(), Pace(), FAST))
    assert caught.value.diagnosis.field == field
