"""The lessons give the values, shapes and dtypes that the tutorial printed, on 8 CPU devices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxtui.lessons
from jaxtui import lessons
from jaxtui.session.session import Sharding, dumps, loads, with_field
from jaxtui.sharding.engine.advice import advised
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import BenchPlanned, PlanBench
from jaxtui.wire.sharding import ShardingPlan
from tests.support.asking import Asker

TUTORIAL: dict[str, tuple[str, list[int], Any]] = {
    "one-value": ("float32", [], 11.0),
    "vmap": ("float32", [4], [3.0, 6.0, 11.0, 18.0]),
    "broadcast": ("float32", [2, 2], [[1.0, 8.0], [27.0, 64.0]]),
    "matrix-vector": ("float32", [2, 2], [[5.0, 11.0], [39.0, 53.0]]),
    "two-arguments": ("int32", [3], [11, 22, 33]),
    "out-axes-0": ("int32", [3, 2], [[1, 2], [3, 4], [5, 6]]),
    "out-axes-1": ("int32", [2, 3], [[1, 3, 5], [2, 4, 6]]),
    "in-axes-1": ("int32", [2, 3], [[1, 3, 5], [2, 4, 6]]),
    "pmap": (
        "int32",
        [8, 4],
        [
            [0, 2, 4, 6],
            [8, 10, 12, 14],
            [16, 18, 20, 22],
            [24, 26, 28, 30],
            [32, 34, 36, 38],
            [40, 42, 44, 46],
            [48, 50, 52, 54],
            [56, 58, 60, 62],
        ],
    ),
    "pmap-broadcast": (
        "float32",
        [8, 2],
        [
            [100.0, 101.0],
            [102.0, 103.0],
            [104.0, 105.0],
            [106.0, 107.0],
            [108.0, 109.0],
            [110.0, 111.0],
            [112.0, 113.0],
            [114.0, 115.0],
        ],
    ),
}


# What each device held after the collective, as the tutorial printed it: to eight decimals.
COLLECTIVE: dict[str, tuple[list[int], Any]] = {
    "psum": ([8], [28.0] * 8),
    "normalize": (
        [8, 2],
        [
            [0.00735294, 0.01470588],
            [0.02205882, 0.02941176],
            [0.03676471, 0.04411765],
            [0.05147059, 0.05882353],
            [0.06617647, 0.07352941],
            [0.08088236, 0.0882353],
            [0.09558824, 0.10294118],
            [0.11029412, 0.11764706],
        ],
    ),
}

# The tutorial printed only times for these.
TIMED = {"benchmark", "benchmark-mistake"}

# What comes after the tutorial: where arrays lie, by the shapes of the results.
SHARDED: dict[str, list[list[int]]] = {
    "tensor-parallel": [[64, 128]],
    "batch-lost": [
        [256, 64],
        [4, 256, 64],
        [4, 64, 4, 16],
        [4, 4, 16, 64],
        [4, 64, 4, 16],
        [4, 64, 256],
        [4, 64, 4, 16],
        [],
    ],
    "fsdp": [*[[4, 512, 128], [4, 128, 512]] * 3, []],
}


RUN = (*TUTORIAL, *COLLECTIVE, *sorted(TIMED), *SHARDED)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one `jaxtui run --json` of the tutorial's lessons prints, by lesson."""
    folder = tmp_path_factory.mktemp("lessons")
    for name in RUN:
        (folder / f"{name}.toml").write_text(lessons.text(name))
    files = [f"{name}.toml" for name in RUN]
    command = [sys.executable, "-m", "jaxtui", "run", "--json", *files]
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    objects = [json.loads(line) for line in ran.stdout.splitlines()]
    return {Path(found["session"]).stem: found for found in objects}


@pytest.mark.parametrize("name", TUTORIAL)
def test_the_lesson_gives_what_the_tutorial_printed(
    name: str, printed: dict[str, dict[str, Any]]
) -> None:
    dtype, shape, values = TUTORIAL[name]
    (output,) = printed[name]["program"]["outputs"]
    assert (output["dtype"], output["shape"]) == (dtype, shape)
    assert output["values"] == values
    assert printed[name]["environment"]["device_count"] == 8


@pytest.mark.parametrize(
    ("name", "given", "inside"),
    [
        ("matrix-vector", [[2, 2, 2], [2, 2]], [[2, 2], [2]]),
        ("broadcast", [[2, 2], []], [[2], []]),
        ("in-axes-1", [[3, 2]], [[3]]),
        ("pmap", [[8, 4]], [[4]]),
    ],
)
def test_the_function_sees_one_example(
    name: str,
    given: list[list[int]],
    inside: list[list[int]],
    printed: dict[str, dict[str, Any]],
) -> None:
    program = printed[name]["program"]
    assert [leaf["shape"] for leaf in program["inputs"]] == given
    assert [leaf["shape"] for leaf in program["layers"][0]["inside"]] == inside


def test_pmap_leaves_one_row_on_each_device(printed: dict[str, dict[str, Any]]) -> None:
    (output,) = printed["pmap"]["program"]["outputs"]
    assert [shard["index"] for shard in output["shards"]] == [
        [[row, row + 1], [0, 4]] for row in range(8)
    ]
    assert len({shard["device"] for shard in output["shards"]}) == 8


def test_the_index_names_every_lesson_once_and_the_first_is_one_of_them() -> None:
    folder = Path(jaxtui.lessons.__file__).parent
    assert sorted(lessons.NAMES) == sorted(path.stem for path in folder.glob("*.toml"))
    assert lessons.FIRST in lessons.NAMES
    assert {*TUTORIAL, *COLLECTIVE, *TIMED, *SHARDED} <= set(lessons.NAMES)
    exercises = (folder / "exercises").glob("*.toml")
    assert sorted(lessons.EXERCISES) == sorted(path.stem for path in exercises)


@pytest.mark.parametrize("name", COLLECTIVE)
def test_the_collective_gives_each_device_what_the_tutorial_printed(
    name: str, printed: dict[str, dict[str, Any]]
) -> None:
    shape, values = COLLECTIVE[name]
    (after,) = printed[name]["collective"]["after"]
    assert (after["dtype"], after["shape"]) == ("float32", shape)
    np.testing.assert_allclose(after["values"], values, rtol=0, atol=1e-8)
    assert [shard["device"] for shard in after["shards"]] == list(range(8))


def test_psum_is_checked_and_the_normalised_matrix_sums_to_one(
    printed: dict[str, dict[str, Any]],
) -> None:
    assert printed["psum"]["collective"]["checked"] is True
    (after,) = printed["normalize"]["collective"]["after"]
    assert sum(after["values"][0]) == pytest.approx(0.022058824077248573, abs=1e-9)
    assert sum(map(sum, after["values"])) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(TIMED))
def test_the_benchmarks_sum_each_of_64_matrices(
    name: str, printed: dict[str, dict[str, Any]]
) -> None:
    assert lessons.load(name).benchmark is not None
    program = printed[name]["program"]
    assert program["inputs"][0]["shape"] == [64, 256, 256]
    assert program["layers"][0]["inside"][0]["shape"] == [256, 256]
    assert (program["outputs"][0]["dtype"], program["outputs"][0]["shape"]) == ("float32", [64])


def test_the_mistake_is_refused_before_it_is_run_and_says_what_is_meant(engine: Asker) -> None:
    session = lessons.load("benchmark-mistake")
    assert session.benchmark is not None
    composition = Composition(
        program=session.program, parameters=session.parameters, devices=session.devices
    )
    id = engine.next_id()
    engine.client.send(PlanBench(id=id, composition=composition, benchmark=session.benchmark))
    plan = engine.heard.next(BenchPlanned)
    skipped = {arm.strategy: arm.skipped for arm in plan.points[0].arms}
    assert skipped["jit(vmap)"] is None
    assert skipped["pmap"] is None
    assert "195 × the operations" in skipped["pmap-without-vmap"]
    assert "pmap(vmap(f)) is meant" in skipped["pmap-without-vmap"]


@pytest.mark.parametrize("name", SHARDED)
def test_a_lesson_on_sharding_runs_over_eight_devices(
    name: str, printed: dict[str, dict[str, Any]]
) -> None:
    outputs = printed[name]["program"]["outputs"]
    assert [output["shape"] for output in outputs] == SHARDED[name]
    assert all(len({shard["device"] for shard in o["shards"]}) == 8 for o in outputs)


def planned(name: str) -> ShardingPlan:
    return plan_of(Composition.of(lessons.load(name), ""), Sharding())


def test_tensor_parallel_takes_one_sum_over_the_model_axis() -> None:
    (sent,) = planned("tensor-parallel").collectives
    assert (sent.kind, sent.axes, sent.line) == ("all_reduce", ["model"], 3)


def test_fsdp_gathers_both_matrices_in_each_of_four_turns() -> None:
    gathers = [one for one in planned("fsdp").collectives if one.kind == "all_gather"]
    assert [(one.axes, one.times) for one in gathers] == [(["data"], 4)] * 2


@pytest.mark.long
def test_the_first_advice_finds_the_batch_that_was_lost() -> None:
    session = lessons.load("batch-lost")
    composition = Composition.of(session, "")
    plan = plan_of(composition, Sharding())
    looked_up = next(value for value in plan.values if value.name == "x")
    assert looked_up.spec == [[], [], ["data"]]
    first = advised(composition, Sharding())[0]
    assert "data divides x no longer along its first dimension" in first.message
    assert first.line == looked_up.line
    fix = first.fixes[0]
    mended = plan_of(Composition.of(with_field(session, fix.field, fix.text), ""), Sharding())
    assert seconds(mended) < 0.4 * seconds(plan)
    assert mended.memory.peak < 0.7 * plan.memory.peak


def seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)


@pytest.mark.parametrize("name", lessons.NAMES)
def test_every_lesson_has_a_title_and_text_and_survives_saving(name: str) -> None:
    session = lessons.load(name)
    assert session.title
    assert "Try" in session.notes
    assert loads(dumps(session)) == session


def test_a_lesson_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        lessons.text("../pyproject")
