"""`jaxtui run` and `jaxtui devices`, as another program would call them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jaxtui.cli.run import finite_or_text

JAXTUI = [sys.executable, "-m", "jaxtui"]
GOOD = """
[program]
source = "def double(x): return x * 2"
arguments = [{ name = "x", value = "arange(3)" }]
"""


# Without the number of devices that other tests of this process set.
ENVIRONMENT = {key: text for key, text in os.environ.items() if key != "XLA_FLAGS"}


def jaxtui(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JAXTUI, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def session(source: str, value: str = "arange(3)", devices: str = "", more: str = "") -> str:
    return (
        f"[devices]\n{devices}\n[program]\nsource = '''\n{source}\n'''\n"
        f"arguments = [{{ name = 'x', value = '''{value}''' }}]\n{more}"
    )


def objects(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One run over good sessions and every kind of bad one."""
    folder = tmp_path_factory.mktemp("mixed")
    files = {
        "good.toml": GOOD,
        "wrong-axis.toml": session(
            "def f(x): return x", more='layers = [{ transform = "vmap", in_axes = "3" }]'
        ),
        "raises.toml": session("def f(x):\n    raise RuntimeError('on purpose')"),
        "no-toml.toml": "title = ",
        "no-such-field.toml": "[program]\nsauce = 'x'",
        "no-program.toml": "title = 'nothing'",
        "collective.toml": "[collective]\noperation = 'psum'\nvalue = 'arange(devices + 1.0)'\n",
        "dies.toml": session("def f(x):\n    import os\n    os._exit(7)"),
        "beside.toml": "[program]\nfunction = 'mine.py:triple'\n"
        "arguments = [{ name = 'x', value = 'load(\"x.npy\")' }]",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "mine.py").write_text("def triple(x):\n    return 3 * x\n")
    import numpy as np

    np.save(folder / "x.npy", np.arange(2, dtype=np.int32))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    paths = [os.path.relpath(folder / name, elsewhere) for name in files]
    return jaxtui("run", "--json", *paths, "missing.toml", cwd=elsewhere)


def by_name(ran: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {Path(found["session"]).stem: found for found in objects(ran)}


def test_every_session_is_one_object_on_one_line_in_order(
    mixed: subprocess.CompletedProcess[str],
) -> None:
    assert [Path(found["session"]).stem for found in objects(mixed)] == [
        "good",
        "wrong-axis",
        "raises",
        "no-toml",
        "no-such-field",
        "no-program",
        "collective",
        "dies",
        "beside",
        "missing",
    ]
    for found in objects(mixed):
        assert list(found) == ["session", "ok", "environment", "program", "collective", "error"]
        assert found["ok"] == (found["error"] is None) == (found["program"] is not None)
    assert mixed.returncode == 1


def test_a_good_session_has_inputs_layers_and_outputs(
    mixed: subprocess.CompletedProcess[str],
) -> None:
    good = by_name(mixed)["good"]
    assert good["environment"]["platform"]
    x = {"name": "x", "path": "", "shape": [3], "dtype": "int32"}
    x |= {"placed": "given", "shards": [{"device": 0, "index": [[0, 3]]}]}
    assert good["program"]["inputs"] == [x]
    (output,) = good["program"]["outputs"]
    assert output["values"] == [0, 2, 4]
    assert output["summary"] is None


@pytest.mark.parametrize(
    ("name", "kind", "field", "said"),
    [
        ("wrong-axis", "axes", "program.layers.0.in_axes", "axis 3"),
        ("raises", "function", "program.source", "on purpose"),
        ("no-toml", "session", "", "not TOML"),
        ("no-such-field", "session", "program", "unknown field `sauce`"),
        ("no-program", "session", "program", "no function"),
        ("collective", "collective", "collective.value", "2 blocks, but 1 device"),
        ("dies", "engine", "", "7"),
        ("missing", "session", "", "No such file"),
    ],
)
def test_a_failure_has_its_kind_and_its_field(
    name: str, kind: str, field: str, said: str, mixed: subprocess.CompletedProcess[str]
) -> None:
    error = by_name(mixed)[name]["error"]
    assert (error["kind"], error["field"]) == (kind, field)
    assert said in error["message"]
    assert isinstance(error["fixes"], list)


def test_after_a_death_the_next_session_has_a_fresh_engine_and_its_own_folder(
    mixed: subprocess.CompletedProcess[str],
) -> None:
    beside = by_name(mixed)["beside"]
    assert beside["program"]["outputs"][0]["values"] == [0, 3]


@pytest.mark.long
def test_sessions_share_an_engine_as_long_as_their_device_sets_agree(tmp_path: Path) -> None:
    source = "import os\nprint('engine', os.getpid(), flush=True)\ndef f(x): return x"
    for name, count in (("a", 2), ("b", 2), ("c", 3)):
        text = session(source, devices=f"platform = 'cpu'\ncount = {count}")
        (tmp_path / name).write_text(text)
    ran = jaxtui("run", "--json", "a", "b", "c", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    processes = [line.split()[1] for line in ran.stderr.splitlines() if line.startswith("engine")]
    kept = list(dict.fromkeys(processes))
    assert len(kept) == 2
    assert processes[-1] == kept[1]
    assert [found["environment"]["device_count"] for found in objects(ran)] == [2, 2, 3]


def test_values_that_json_lacks_and_values_that_are_too_many(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        session(
            "def f(x):\n"
            "    return {'floats': jnp.array([0.25, jnp.nan, jnp.inf, -jnp.inf]),\n"
            "            'complex': jnp.array([1 + 2j, jnp.nan]),\n"
            "            'bools': jnp.array([True, False]),\n"
            "            'most': jnp.ones((100, 100)),\n"
            "            'many': jnp.arange(10_001.0).at[0].set(jnp.nan)}"
        )
    )
    ran = jaxtui("run", "--json", "a", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = {output["path"]: output for output in objects(ran)[0]["program"]["outputs"]}
    assert found["['floats']"]["values"] == [0.25, "nan", "inf", "-inf"]
    assert found["['complex']"]["values"][0] == [1.0, 2.0]
    assert found["['complex']"]["values"][1][0] == "nan"
    assert found["['bools']"]["values"] == [True, False]
    assert found["['most']"]["values"] == [[1.0] * 100] * 100
    many = found["['many']"]
    assert many["values"] is None
    assert many["summary"]["min"] == 1.0
    assert many["summary"]["max"] == 10_000.0
    assert many["summary"]["non_finite"] == 1
    assert many["summary"]["mean"] == pytest.approx(5000.5)
    assert many["summary"]["std"] == pytest.approx(2886.75, rel=1e-4)


def test_without_json_results_go_to_stdout_and_all_else_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(
        session("def f(x):\n    print('from the function')\n    return x", more="")
    )
    (tmp_path / "bad").write_text(
        session("def f(x):\n    return (", more='layers = [{ transform = "vmap" }]')
    )
    ran = jaxtui("run", "--platform", "cpu", "--devices", "2", "good", "bad", cwd=tmp_path)
    assert ran.returncode == 1
    assert "[0 1 2]" in ran.stdout
    assert "cpu × 2" in ran.stdout
    assert "from the function" in ran.stderr
    assert "from the function" not in ran.stdout
    assert "bad: program.source: '(' was never closed (line 2, column 12)" in ran.stderr
    assert "bad" not in ran.stdout


def test_devices_lists_what_jax_sees(tmp_path: Path) -> None:
    ran = jaxtui("devices", "--json", "--platform", "cpu", "--devices", "4", cwd=tmp_path)
    (seen,) = objects(ran)
    assert (seen["platform"], seen["device_count"]) == ("cpu", 4)
    assert [device["id"] for device in seen["devices"]] == [0, 1, 2, 3]
    assert ran.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("devices", "--engine", "/no/such/engine"),
        ("devices", "--engine", "sh -c 'exit 5'"),
        ("devices", "--platform", "no_such_platform"),
        ("run", "good", "--engine", "sh -c 'exit 5'"),
    ],
)
def test_an_engine_that_cannot_start_is_status_3_with_the_reason(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "good").write_text(GOOD)
    ran = jaxtui(*arguments, cwd=tmp_path)
    assert ran.returncode == 3
    assert ran.stdout == ""
    assert any(word in ran.stderr for word in ("No such file", "status 5", "no_such_platform"))
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_the_run_and_leaves_no_process(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "endless").write_text(
        session(
            "import os\nprint('engine', os.getpid(), flush=True)\ndef f(x):\n    while True: pass"
        )
    )
    process = subprocess.Popen(
        [*JAXTUI, "run", "endless"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if line.startswith("engine"))
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert gone(int(line.split()[1]))


def gone(process: int) -> bool:
    """Whether the process ends soon; on a busy machine that takes longer."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(GOOD)
    process = subprocess.Popen(
        [*JAXTUI, "run", "--json", "good", "good"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_floats_that_json_lacks_become_texts_and_others_stay() -> None:
    values = [1.5, float("nan"), [float("inf"), float("-inf")], True, "key", None, 3]
    assert finite_or_text(values) == [1.5, "nan", ["inf", "-inf"], True, "key", None, 3]


FUNCTION = "def f(x):\n    return jnp.sin(x) * x[0]\n"
SCALAR = "def f(x):\n    return jnp.sum(jnp.sin(x) ** 3)\n"
DERIVED = {
    "jacfwd": (FUNCTION, '[{ transform = "jacfwd" }]'),
    "jacrev": (FUNCTION, '[{ transform = "jacrev", argnums = 0 }, { transform = "jit" }]'),
    "hessian": (SCALAR, '[{ transform = "hessian" }]'),
    "checkpoint": (
        SCALAR,
        '[{ transform = "checkpoint", policy = "dots_saveable" }, { transform = "grad" }]',
    ),
}


@pytest.mark.long
def test_the_derivatives_of_a_session_are_those_of_bare_jax(tmp_path: Path) -> None:
    import jax
    import jax.numpy as jnp

    for name, (source, layers) in DERIVED.items():
        text = session(source, "arange(1., 4.)", more=f"layers = {layers}")
        (tmp_path / f"{name}.toml").write_text(text)
    ran = objects(jaxtui("run", "--json", *(f"{name}.toml" for name in DERIVED), cwd=tmp_path))
    bare = {
        "jacfwd": jax.jacfwd,
        "jacrev": lambda f: jax.jit(jax.jacrev(f)),
        "hessian": jax.hessian,
        "checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
    }
    for name, report in zip(DERIVED, ran, strict=True):
        assert report["ok"], report["error"]
        known: dict[str, Any] = {"jnp": jnp}
        exec(DERIVED[name][0], known)
        expected = bare[name](known["f"])(jnp.arange(1.0, 4.0))
        [output] = report["program"]["outputs"]
        assert output["shape"] == list(expected.shape)
        assert output["values"] == expected.tolist()


def test_a_session_of_shapes_is_planned_and_says_at_the_argument_that_a_run_needs_values(
    tmp_path: Path,
) -> None:
    text = session("def f(x): return x * 2", "struct((8, 2), bf16)", devices="count = 8")
    (tmp_path / "a.toml").write_text(text)
    ran = jaxtui("run", "a.toml", "--json", cwd=tmp_path)
    (report,) = objects(ran)
    assert ran.returncode == 1
    assert not report["ok"]
    assert report["error"]["kind"] == "value"
    assert report["error"]["field"] == "program.arguments.0.value"
    assert [fix["text"] for fix in report["error"]["fixes"]] == [
        "zeros((8, 2), bf16)",
        "normal(8, 2, dtype=bf16)",
    ]
    planned = jaxtui("shard", "a.toml", "--json", cwd=tmp_path)
    assert planned.returncode == 0
    assert objects(planned)[0]["ok"]
