"""A session captured from a real script computes what the call returned, to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.export import script as exported
from jaxtui.session.session import Argument, Program, Session, loads
from jaxtui.wire.base import Composition
from tests.support.asking import exists

# Without the number of devices that other tests of this process set.
ENVIRONMENT = {key: text for key, text in os.environ.items() if key != "XLA_FLAGS"}
START = """
import os
import sys
import dataclasses
from functools import partial
from typing import NamedTuple
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
def save(result):
    np.savez("result.npz", *map(np.asarray, jax.tree.leaves(result)))
"""


class Script(NamedTuple):
    """A script that saves what the captured call returns, and files that it imports."""

    source: str
    target: str = "script.py:f"
    call: int = 1
    file: str = "arrays.npz"
    arguments: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    in_text: tuple[str, ...] = ()


SCRIPTS = {
    "a jitted function": Script(
        """
@jax.jit
def f(x, y):
    return jnp.tanh(x @ y), x.sum()
if __name__ == "__main__":
    x = jax.random.normal(jax.random.key(1), (7, 5))
    save(f(x, jnp.linspace(0, 1, 15, dtype=jnp.float32).reshape(5, 3)))
""",
        in_text=('function = "script.py:f"', "load('arrays.npz')['x']"),
    ),
    "a plain function of NumPy and JAX arrays": Script(
        """
def f(x, y, *, scale, name="none", more=None):
    assert name == "some" and more == [1, (2.5, None)]
    return {"a": x.at[0].set(3) * scale, "b": y * 2, "c": y.sum()}
if __name__ == "__main__":
    save(f(jnp.arange(5.0), np.linspace(0, 1, 4), scale=1.5, name="some", more=[1, (2.5, None)]))
""",
        in_text=("value = \"'some'\"", "[1, (2.5, None)]"),
    ),
    "static arguments and defaults that are skipped": Script(
        """
@partial(jax.jit, static_argnums=1, static_argnames=("mode",))
def f(x, n=2, bias=0.5, *, mode="add"):
    y = x.reshape(n, -1)
    return y + bias if mode == "add" else y * bias
if __name__ == "__main__":
    save(f(jnp.arange(12.0), bias=0.25, mode="times"))
""",
        in_text=('name = "n"\nvalue = "2"', "'times'"),
    ),
    "the n-th call of a training loop with a dataclass": Script(
        """
@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    params: dict
    momentum: dict
    step: jax.Array
    rate: float = dataclasses.field(metadata=dict(static=True), default=0.1)

@partial(jax.jit, donate_argnums=0)
def f(state, batch):
    def loss(params):
        return jnp.mean((jnp.tanh(batch["x"] @ params["w"]) @ params["v"] - batch["y"]) ** 2)
    grads = jax.grad(loss)(state.params)
    momentum = jax.tree.map(lambda m, g: 0.9 * m + g, state.momentum, grads)
    params = jax.tree.map(lambda p, m: p - state.rate * m, state.params, momentum)
    return State(params, momentum, state.step + 1, state.rate), loss(params)

def main(steps):
    keys = jax.random.split(jax.random.key(0), 3)
    params = {"w": jax.random.normal(keys[0], (4, 8)), "v": jax.random.normal(keys[1], (8,))}
    state = State(params, jax.tree.map(jnp.zeros_like, params), jnp.int32(0), rate=0.05)
    for i in range(steps):
        x = jax.random.normal(jax.random.fold_in(keys[2], i), (16, 4))
        state, loss = f(state, {"x": x, "y": x.sum(1)})
        print("loss", float(loss))
        if i == 3:
            save((state, loss))
if __name__ == "__main__":
    main(int(sys.argv[1]))
""",
        call=4,
        arguments=("6",),
        in_text=("script.State(params=", "rate=0.05"),
    ),
    "a method of a class": Script(
        """
class Model:
    def __init__(self, width, *, scale=2.0):
        self.width = width
        self.scale = scale
    @partial(jax.jit, static_argnums=0)
    def apply(self, params, x):
        return (x @ params)[:, : self.width] * self.scale
if __name__ == "__main__":
    model = Model(2, scale=1.25)
    save(model.apply(jnp.arange(12.0).reshape(3, 4), jnp.ones((2, 3))))
""",
        target="script.py:Model.apply",
        in_text=("script.Model(width=2, scale=1.25)",),
    ),
    "a function of a module that the script imports": Script(
        """
from package.layers import Pair, run
if __name__ == "__main__":
    save(run(jnp.ones((2, 3))))
""",
        target="script.py:package.layers:inner",
        files=(
            ("package/__init__.py", ""),
            (
                "package/layers.py",
                (
                    "import jax, jax.numpy as jnp\nfrom typing import NamedTuple\n"
                    "class Pair(NamedTuple):\n    a: object\n    b: object\n"
                    "def inner(pair, n):\n    return pair.a * n + pair.b\n"
                    "inner = jax.jit(inner, static_argnums=1)\n"
                    "def run(x):\n    return inner(Pair(x, x * 0.1), 3)\n"
                ),
            ),
        ),
        in_text=('function = "package.layers:inner"', "package.layers.Pair(a="),
    ),
    "arrays over a mesh of eight devices": Script(
        """
@jax.jit
def f(params, x):
    return jax.nn.relu(x @ params["w"]) + params["b"], x.sum()
if __name__ == "__main__":
    mesh = Mesh(np.asarray(jax.devices()).reshape(4, 2), ("data", "model"))
    def put(x, *spec):
        return jax.device_put(x, NamedSharding(mesh, P(*spec)))
    w = put(jnp.linspace(-1, 1, 128).reshape(16, 8), None, "model")
    params = {"w": w, "b": put(jnp.ones(8))}
    x = jax.random.normal(jax.random.key(0), (32, 16))
    save(f(params, put(x, "data")))
""",
        in_text=("data = 4\nmodel = 2", "{'w': P(None, 'model'), 'b': P()}", "P('data')"),
    ),
    "explicit axes, and devices in another order": Script(
        """
@jax.jit
def f(x, y):
    return x * 2 + y, jnp.cos(x)
if __name__ == "__main__":
    kinds = (jax.sharding.AxisType.Explicit,)
    mesh = Mesh(np.asarray(jax.devices()[::-1]), ("x",), axis_types=kinds)
    put = lambda a: jax.device_put(a, NamedSharding(mesh, P("x")))
    save(f(put(jnp.arange(16.0)), put(jnp.ones(16))))
""",
        in_text=("order = [", 'x = "explicit"'),
    ),
    "dtypes that NumPy has not, weak types and keys": Script(
        """
@jax.jit
def f(x, key, weak, eight):
    noise = jax.random.normal(key, x.shape, x.dtype)
    return x * weak + noise, eight.astype(jnp.float32) * weak, x.astype(jnp.bfloat16) * weak
if __name__ == "__main__":
    x = jnp.linspace(0, 3, 12, dtype=jnp.bfloat16).reshape(3, 4)
    save(f(x, jax.random.key(7), jnp.asarray(1.5), jnp.arange(4).astype(jnp.float8_e4m3fn)))
""",
        in_text=("wrap_key_data", ".view(jnp.bfloat16)", ".item())"),
    ),
    "arrays in a safetensors file": Script(
        """
class Pair(NamedTuple):
    a: object
    b: object
@jax.jit
def f(pair, flags):
    return jnp.where(flags, pair.a.astype(jnp.float32), pair.b)
if __name__ == "__main__":
    pair = Pair(jnp.linspace(0, 1, 5, dtype=jnp.bfloat16), np.arange(5, dtype=np.float32))
    save(f(pair, jnp.array([True, False, True, True, False])))
""",
        file="arrays.safetensors",
        in_text=("load('arrays.safetensors')['pair/a']",),
    ),
    "an optimizer by its name": Script(
        """
class Transformation(NamedTuple):
    init: object
    update: object
def sgd(rate):
    return Transformation(lambda p: (jnp.zeros(()),), lambda g, s: (rate * g, (s[0] + 1,)))
optimizer = sgd(0.1)
@partial(jax.jit, static_argnames="tx")
def f(params, state, tx):
    update, state = tx.update(params * 2, state)
    return params - update, state
if __name__ == "__main__":
    params = jnp.arange(3.0)
    save(f(params, optimizer.init(params), tx=optimizer))
""",
        in_text=("script.optimizer",),
    ),
    "several arguments in *args and **options": Script(
        """
def f(x, *rest):
    return sum(rest, x * 2)
def g(x, **options):
    return f(x, *options.values())
if __name__ == "__main__":
    save(f(jnp.ones(3), jnp.arange(3.0), jnp.arange(3.0) ** 2))
""",
        in_text=('name = "rest_0"', 'name = "rest_1"'),
    ),
    "64-bit numbers": Script(
        """
@jax.jit
def f(x, n):
    return x / 3 + n
if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    save(f(jnp.linspace(0, 1, 5), np.arange(5)))
""",
        in_text=("jax_enable_x64",),
    ),
}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**ENVIRONMENT, "XDG_DATA_HOME": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def captured(folder: Path, made: Script, *options: str) -> str:
    """The text of the session that `jaxtui capture` writes."""
    for name, text in [("script.py", START + made.source), *made.files]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    target = [made.target, "--call", str(made.call), "-o", "captured.toml", *options]
    done = run(folder, "-m", "jaxtui", "capture", *target, "--", *made.arguments)
    assert done.returncode == 0, done.stderr
    return (folder / "captured.toml").read_text()


def leaves(session: Session, folder: Path) -> list[np.ndarray]:
    composition = Composition.of(session, str(folder))
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    return [np.asarray(leaf) for _, leaf in ran.leaves]


@pytest.mark.long
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_captured_session_gives_what_the_call_returned_to_the_last_bit(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    made = SCRIPTS[name]
    # Modules of another test have the same names.
    for module in [m for m in sys.modules if m.partition(".")[0] in ("package", "script")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    request.addfinalizer(lambda: jax.config.update("jax_enable_x64", False))
    text = captured(tmp_path, made, "--values", made.file)
    for part in made.in_text:
        assert part in text
    done = run(tmp_path, "script.py", *made.arguments)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "result.npz") as saved:
        expected = [saved[key] for key in saved.files]
    found = leaves(loads(text), tmp_path)
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert got.shape == want.shape
        assert got.tobytes() == want.tobytes()
    shapes = loads(captured(tmp_path, made))
    traced = evaluation.trace(Composition.of(shapes, str(tmp_path)))
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.abstract
    assert traced.flow is not None
    outputs = traced.flow.levels[0].outputs or []
    assert [leaf.shape for leaf in outputs] == [list(x.shape) for x in expected]


ARRAY_SCRIPT = """
@jax.jit
def f(x):
    return x * 2
"""


def capture(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(source)
    return run(folder, "-m", "jaxtui", "capture", *options)


def test_a_session_is_written_beside_the_script_and_never_over_another(tmp_path: Path) -> None:
    main = "if __name__ == '__main__':\n    print('prints')\n    f(jnp.ones(3))\n"
    source = START + ARRAY_SCRIPT + main
    done = capture(tmp_path, source, "script.py:f")
    assert (done.returncode, done.stdout) == (0, "f.toml: call 1 of f, 1 argument\n"), done.stderr
    assert done.stderr == "prints\n"
    made = loads((tmp_path / "f.toml").read_text())
    assert made.program.arguments[0].value == "struct((3,), f32)"
    assert made.devices.count == 8
    assert "script.py" in made.notes
    again = capture(tmp_path, source, "script.py:f")
    assert again.returncode == 2
    assert "f.toml is there already" in again.stderr


@pytest.mark.long
def test_a_module_is_run_as_by_python_m(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("")
    (tmp_path / "program" / "train.py").write_text(
        f"{START}from . import train as again\nclass Pair(NamedTuple):\n    a: object\n"
        f"{ARRAY_SCRIPT}if __name__ == '__main__':\n    f(Pair(jnp.ones(int(sys.argv[1]))))\n"
    )
    done = run(tmp_path, "-m", "jaxtui", "capture", "--module", "program.train:f", "--", "5")
    assert done.returncode == 0, done.stderr
    made = loads((tmp_path / "f.toml").read_text())
    assert made.program.function == "program.train:f"
    assert made.program.arguments[0].value == "program.train.Pair(a=struct((5,), f32))"


@pytest.mark.long
def test_a_call_under_a_transformation_has_the_shapes_that_are_seen_there(tmp_path: Path) -> None:
    main = "if __name__ == '__main__':\n    jax.vmap(f)(jnp.ones((4, 3)))\n"
    source = START + ARRAY_SCRIPT + main
    done = capture(tmp_path, source, "script.py:f")
    assert done.returncode == 0, done.stderr
    assert "note: The call was made while JAX traced: x are what" in done.stderr
    made = loads((tmp_path / "f.toml").read_text())
    assert made.program.arguments[0].value == "struct((3,), f32)"
    assert "while JAX traced" in made.notes
    done = capture(tmp_path, source, "script.py:f", "--values", "x.npz", "-o", "g.toml")
    assert done.returncode == 1
    assert "x had shapes, and no values to save" in done.stderr
    assert not (tmp_path / "g.toml").exists()


@pytest.mark.long
def test_what_cannot_be_written_is_named_and_what_works_on_import_is_noted(tmp_path: Path) -> None:
    source = f"{START}{ARRAY_SCRIPT}print('works')\nf.lower\nf(jnp.ones(3))\n"
    done = capture(tmp_path, source, "script.py:f")
    assert "does its work when it is imported" in done.stderr
    source = f"{START}def f(x, state):\n    pass\nf(1, {{'tx': [lambda x: x]}})\n"
    done = capture(tmp_path, source, "script.py:f", "-o", "g.toml")
    assert done.returncode == 1
    assert "state['tx'][0] is the function <lambda>" in done.stderr
    assert not (tmp_path / "g.toml").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["script.py"], "names no function"),
        (["script.py:f", "--call", "0"], "is no number of calls"),
        ([], "required: SCRIPT.py:FUNCTION"),
        (["nowhere.py:f"], "there is no script nowhere.py"),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, options: list[str], words: str) -> None:
    done = capture(tmp_path, "def f(x): pass\n", *options)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.long
def test_a_captured_session_of_shapes_is_exported_as_a_script_that_runs(tmp_path: Path) -> None:
    source = f"{START}{ARRAY_SCRIPT}class Pair(NamedTuple):\n    a: object\n"
    (tmp_path / "script.py").write_text(source)
    made = Session(
        program=Program(
            function="script.py:f",
            arguments=[Argument(name="x", value="script.Pair(struct((3, 2), bf16)).a")],
        )
    )
    (tmp_path / "exported.py").write_text(exported(made))
    done = run(tmp_path, "exported.py")
    assert done.returncode == 0, done.stderr
    assert "ShapeDtypeStruct(shape=(3, 2), dtype=bfloat16)" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_the_script(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "script.py").write_text(
        "import os, time\ndef f(x): pass\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "jaxtui", "capture", "script.py:f"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with command:
        assert command.stderr is not None
        script = int(command.stderr.readline())
        command.send_signal(number)
        assert command.wait(20) == 128 + number
    deadline = time.monotonic() + 20
    while exists(script) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(script)
    assert not (tmp_path / "f.toml").exists()
