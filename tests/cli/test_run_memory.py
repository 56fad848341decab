"""`jaxtui run --memory`: what a program takes, compiled and not run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

SOURCE = """
[devices]
platform = "cpu"
count = 2

[program]
source = '''
def table(x, y):
    return jnp.exp(x[:, None] * y[None, :]).sum()
'''

[[program.arguments]]
name = "x"
value = "{x}"

[[program.arguments]]
name = "y"
value = "ones(300)"

[[program.layers]]
transform = "jit"
"""
LIMITED = '\n[sharding]\nmemory = "1 KiB"\n'


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Three sessions in one run: of values, of shapes only, and one that is wrong."""
    folder = tmp_path_factory.mktemp("memory")
    files = {
        "good": SOURCE.replace("{x}", "ones(400)"),
        "shapes": SOURCE.replace("{x}", "struct(400, f32)") + LIMITED,
        "wrong": SOURCE.replace("{x}", "nothing"),
    }
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    paths = [str(folder / f"{name}.toml") for name in files]
    return subprocess.run(
        [sys.executable, "-m", "jaxtui", "run", "--memory", "--json", *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def objects(told: subprocess.CompletedProcess[str]) -> dict[str, dict]:
    found = [json.loads(line) for line in told.stdout.splitlines()]
    return {Path(one["session"]).stem: one for one in found}


def test_the_figures_are_those_of_the_compiled_program(
    told: subprocess.CompletedProcess[str],
) -> None:
    x, y = jax.ShapeDtypeStruct((400,), "float32"), jax.ShapeDtypeStruct((300,), "float32")
    table = jax.jit(lambda x, y: jnp.exp(x[:, None] * y[None, :]).sum())
    expected = table.lower(x, y).compile().memory_analysis()
    found = objects(told)["good"]
    assert found["ok"]
    assert found["program"] is None
    memory = found["memory"]
    assert memory["arguments"] == expected.argument_size_in_bytes
    assert memory["outputs"] == expected.output_size_in_bytes
    assert memory["temporaries"] == expected.temp_size_in_bytes
    assert memory["fits"] is True
    assert memory["compiles"] is True


def test_what_is_given_as_shapes_needs_no_run_and_may_not_fit(
    told: subprocess.CompletedProcess[str],
) -> None:
    found = objects(told)["shapes"]
    assert found["ok"]
    assert found["memory"]["fits"] is False
    assert found["memory"]["budget"] == {"bytes": 1024, "words": "typed", "shared": False}


def test_a_session_that_is_wrong_has_its_error_and_no_memory(
    told: subprocess.CompletedProcess[str],
) -> None:
    found = objects(told)["wrong"]
    assert found["error"]["field"] == "program.arguments.0.value"
    assert "memory" not in found
    assert told.returncode == 1
