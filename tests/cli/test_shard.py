"""`jaxtui shard`: the flow as text and as JSON, on meshes with and without their devices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MLP = """\
title = "An MLP"
[devices]
mesh = { data = 4, model = 2 }
[program]
source = '''
def mlp(x, w1, w2):
    h = jax.nn.relu(x @ w1)
    return h @ w2
'''
[[program.arguments]]
name = "x"
value = "ones((8, 16))"
sharding = "P('data', None)"
[[program.arguments]]
name = "w1"
value = "ones((16, 32))"
sharding = "P(None, 'model')"
[[program.arguments]]
name = "w2"
value = "ones((32, 16))"
sharding = "P('model', None)"
"""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "mlp.toml"
    path.write_text(MLP)
    return path


def shard(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jaxtui", "shard", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def report(*arguments: str | Path) -> dict[str, Any]:
    done = shard(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_report_of_an_mlp_whose_mesh_is_there(session: Path) -> None:
    found = report(session, "--devices", "8")
    values = found.pop("values")
    assert [(v["name"], v["op"], v["line"]) for v in values if v["op"] != "jit"] == [
        ("", "dot_general", 2),
        ("h", "max", 2),
        ("h", "custom_jvp_call", 2),
        ("", "dot_general", 3),
    ]
    assert values[0] == {
        "name": "",
        "op": "dot_general",
        "line": 2,
        "shape": [8, 32],
        "dtype": "float32",
        "spec": [["data"], ["model"]],
        "unreduced": [],
        "varying": [],
        "per_device": [2, 16],
        "bytes": 128,
        "times": 1,
    }
    reduced = {"kind": "all_reduce", "axes": ["model"], "line": 3, "bytes": 128, "times": 1}
    seconds = pytest.approx(2 * (1e-6 + 64 / 10e9))  # a ring of two, α = 1 µs, β = 10 GB/s
    assert found == {
        "session": str(session),
        "ok": True,
        "mesh": {"data": 4, "model": 2},
        "axis_types": {"data": "auto", "model": "auto"},
        "inputs": [
            given("x", [8, 16], [["data"], []], [2, 16]),
            given("w1", [16, 32], [[], ["model"]], [16, 16]),
            given("w2", [32, 16], [["model"], []], [16, 16]),
        ],
        "collectives": [{**reduced, "seconds": seconds}],
        "outputs": [
            {
                "path": "",
                "shape": [8, 16],
                "dtype": "float32",
                "spec": [["data"], []],
                "per_device": [2, 16],
                "bytes": 128,
            }
        ],
        "memory": {"arguments": 2176, "outputs": 128, "peak": 2432},
        "compiled": {
            "collectives": [{**reduced, "seconds": seconds}],
            "memory": {"arguments": 2176, "outputs": 128, "temporaries": 128},
        },
        "advice": [],
        "error": None,
    }


def given(name: str, shape: list[int], spec: list[list[str]], block: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "path": "",
        "shape": shape,
        "dtype": "float32",
        "spec": spec,
        "per_device": block,
        "bytes": 4 * block[0] * block[1],
    }


def test_a_mesh_that_is_not_there_is_planned_and_nothing_is_compiled(session: Path) -> None:
    found = report(session, "--mesh", "data=8,model=16")
    assert found["mesh"] == {"data": 8, "model": 16}
    assert found["compiled"] is None
    assert [one["axes"] for one in found["collectives"]] == [["model"]]
    assert found["inputs"][1]["per_device"] == [16, 2]


def test_the_session_s_own_mesh_needs_no_devices_either(session: Path) -> None:
    found = report(session, "--devices", "1")
    assert found["mesh"] == {"data": 4, "model": 2}
    assert found["compiled"] is None


def test_a_search_finds_ways_that_send_nothing(session: Path) -> None:
    found = report(session, "--mesh", "data=8,model=4", "--search")["search"]
    assert found[0]["sent"] == 0
    assert found[0]["best"]
    assert {"x", "w1", "w2"} == set(found[0]["specs"])
    costs = [(one["seconds"], one["memory"]) for one in found]
    assert costs == sorted(costs)


def test_the_flow_as_text(session: Path) -> None:
    done = shard(session, "--devices", "8")
    lines = done.stdout.splitlines()
    assert "data 4 × model 2 = 8 cpu devices" in lines[1]
    assert any("⇄ all_reduce over model" in line for line in lines)
    assert any("f32[8@data, 32@model]" in line for line in lines)
    assert any(line.startswith("peak 2,432 B on each device") for line in lines)
    assert shard(session, "--devices", "8", "--ascii").stdout.isascii()


def test_an_axis_that_cannot_divide_is_an_error_at_its_field(session: Path) -> None:
    done = shard(session, "--mesh", "data=3", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert found["error"]["field"] == "program.arguments.0.sharding"
    assert found["error"]["fixes"]


def test_a_mesh_that_cannot_be_read_is_a_wrong_command_line(session: Path) -> None:
    done = shard(session, "--mesh", "data:4")
    assert done.returncode == 2
    assert "--mesh" in done.stderr
