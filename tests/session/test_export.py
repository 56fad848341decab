"""A session exported as a script computes what the session computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import msgspec
import numpy as np
import pytest

from jaxtui import lessons
from jaxtui.program.engine.evaluation import run
from jaxtui.session.export import ExportError, script
from jaxtui.session.layers import (
    Apply,
    Checkpoint,
    Grad,
    Hessian,
    Jacfwd,
    Jacrev,
    Jit,
    Jvp,
    Linearize,
    Map,
    Pmap,
    Scan,
    ShardMap,
    Vectorize,
    Vjp,
    Vmap,
)
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Composition
from tests.support.scripts import names_of
from tests.support.tables import one_in
from tests.support.wrong import trace


def program(source: str, values: dict[str, str], *layers: Any) -> Program:
    arguments = [Argument(name=name, value=value) for name, value in values.items()]
    return Program(source=source, arguments=arguments, layers=list(layers))


DOUBLE = "def double(x):\n    return x * 2\n"

SESSIONS = {
    "names that only values know": Session(
        parameters={"n": 3},
        program=program(
            "W = 2.0\ndef f(x, y):\n    return x @ y * W\n",
            {"x": "ones((n, 4)) * sum(i for i in range(3))", "y": "normal(4) + W"},
            Vmap(in_axes="(0, None)"),
        ),
    ),
    "a derivative made after its function": Session(
        program=program(
            "def f(x):\n    return (x**3).sum()\nhessian = jax.hessian(f)\nkey = 3\n",
            {"x": "arange(6.0).reshape(2, 3)"},
            Vmap(),
        )
    ),
    "classes of shardings by their own names": Session(
        devices=Devices(mesh={"i": 8}),
        program=program(
            "over = NamedSharding(mesh, PartitionSpec('i'))\n"
            "other = Mesh(np.array(jax.devices()), ('o',))\n"
            "def f(x):\n    return lax.with_sharding_constraint(x * 2, over) + other.size\n",
            {"x": "jax.device_put(arange(8.), NamedSharding(mesh, PartitionSpec()))"},
            Jit(out_shardings="PartitionSpec('i')"),
        ),
    ),
    "a spec by its own name": Session(
        devices=Devices(mesh={"i": 8}),
        program=program(
            DOUBLE,
            {"x": "arange(8.0)"},
            ShardMap(in_specs="jax.sharding.PartitionSpec('i')", out_specs="PartitionSpec('i')"),
        ),
    ),
    "a named axis": Session(
        program=program(
            "def f(x):\n    return x / lax.psum(x, 'i')\n",
            {"x": "arange(devices * 2.0).reshape(devices, 2)"},
            Pmap(axis_name="i"),
        )
    ),
    "an argument that only **options has a place for": Session(
        program=program(
            "def f(x, **options):\n    return x * options['y']\n",
            {"x": "arange(3.0)", "y": "arange(3.0)"},
            Vmap(),
        )
    ),
    "two layers": Session(
        program=program(DOUBLE, {"x": "arange(8 * 3.0).reshape(8, 3)"}, Vmap(), Pmap(), Jit())
    ),
    "a chosen order of devices": Session(
        devices=Devices(order=[3, 2, 1, 0]),
        program=program(DOUBLE, {"x": "arange(6.0).reshape(3, 2)"}, Pmap()),
    ),
    "a mesh of two axes": Session(
        devices=Devices(mesh={"x": 4, "y": 2}),
        program=program(
            "def f(a):\n    return lax.psum(a, 'y')\n",
            {"a": "arange(32.0).reshape(8, 4)"},
            ShardMap(in_specs="P('x', 'y')", out_specs="P('x', None)"),
        ),
    ),
    "a mesh whose axes have types": Session(
        devices=Devices(mesh={"x": 4, "y": 2}, axis_types={"y": "explicit"}),
        program=Program(
            source=DOUBLE,
            arguments=[Argument(name="x", value="arange(16.0)", sharding="P('y')")],
        ),
    ),
    "a sharded argument": Session(
        program=Program(
            source=DOUBLE,
            arguments=[Argument(name="x", value="arange(16.0)", sharding="P('devices')")],
        )
    ),
    "a gradient by name": Session(
        program=program(
            "def loss(w, *, x):\n    return jnp.sum((x @ w) ** 2)\n",
            {"w": "ones(3)", "x": "uniform(5, 3)"},
            Grad(),
        )
    ),
    "a Jacobian in two arguments on each device": Session(
        program=program(
            "def f(x, y):\n    return {'a': x * y, 'b': (x ** 2).sum()}\n",
            {"x": "arange(8 * 3.0).reshape(8, 3)", "y": "ones((8, 3))"},
            Jacfwd(argnums="(0, 1)"),
            Pmap(),
        )
    ),
    "a Jacobian with auxiliary outputs": Session(
        program=program(
            "def f(x):\n    return x ** 2, x.sum()\n", {"x": "arange(3.0)"}, Jacrev(has_aux="True")
        )
    ),
    "the second derivatives of each example": Session(
        program=program(
            "def loss(x):\n    return jnp.sum(x ** 3)\n",
            {"x": "normal(4, 3)"},
            Hessian(),
            Vmap(),
            Jit(),
        )
    ),
    "a policy by name": Session(
        program=program(
            "def loss(x):\n    return jnp.sum(jnp.sin(x) ** 2)\n",
            {"x": "arange(3.0)"},
            Checkpoint(policy="dots_saveable", prevent_cse="False"),
            Grad(),
        )
    ),
    "policies of names, and of one's own": Session(
        program=program(
            "def mine(primitive, *avals, **params):\n    return False\n"
            "def loss(x):\n    return jnp.sum(jnp.sin(x) ** 2)\n",
            {"x": "arange(3.0)"},
            Checkpoint(policy="save_from_both_policies(mine, save_only_these_names(str('a')))"),
            Checkpoint(policy="None"),
            Grad(),
        )
    ),
    "a jvp along what only values know": Session(
        parameters={"n": 3},
        program=program(
            "def f(x, k):\n    return jnp.sin(x) * k\n",
            {"x": "arange(3.0)", "k": "2"},
            Jvp(tangents="(normal(n, seed=2), np.zeros((), jax.dtypes.float0))"),
            Jit(),
        ),
    ),
    "a vjp and a linearize": Session(
        program=program(
            "def f(x):\n    return jnp.sin(x), x.sum()\n",
            {"x": "arange(3.0)"},
            Linearize(tangents="ones(3)"),
            Vjp(cotangents="((ones(3), 1.), (zeros(3), 2.))"),
        )
    ),
    "a scan in a map": Session(
        program=program(
            "def f(c, x, *, k):\n    return c + x * k, {'c': c}\n",
            {"c": "zeros(4)", "x": "arange(12.0).reshape(4, 3)", "k": "arange(4)"},
            Scan(reverse="True", unroll="2"),
            Map(batch_size="3"),
        )
    ),
    "a vectorize with and without quotes": Session(
        program=program(
            "def f(x, n):\n    return x.sum() * len(n)\n",
            {"x": "arange(24.0).reshape(2, 3, 4)", "n": "'ab'"},
            Vectorize(signature="(n)->()", excluded="1"),
            Vectorize(signature="'(m,n)->(m)'", excluded="{1}"),
        )
    ),
    "what is applied": Session(
        program=program(
            "def f(x, y):\n    return x * y\n",
            {"x": "arange(3.0)"},
            Apply(function="lambda g: functools.partial(g, y=2.0)"),
            Apply(function="functools.partial(jax.vmap, in_axes=0)"),
        )
    ),
    "an argument named as a builtin": Session(
        program=program(
            "def f(input, f):\n    return input + f\n", {"input": "ones(2)", "f": "2.0"}
        )
    ),
}


@pytest.mark.parametrize("name", one_in(2, SESSIONS))
def test_the_script_gives_the_same_result(name: str) -> None:
    session = SESSIONS[name]
    scope = names_of(script(session))
    evaluated = run(
        Composition(
            program=session.program, parameters=session.parameters, devices=session.devices
        ),
        lambda stage: None,
        lambda: False,
    )
    expected = jax.tree_util.tree_leaves(scope["result"])
    assert len(expected) == len(evaluated.leaves)
    for (_, ours), bare in zip(evaluated.leaves, expected, strict=True):
        assert ours.dtype == bare.dtype
        assert ours.sharding == bare.sharding
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(bare))


@pytest.mark.long
@pytest.mark.parametrize("name", lessons.NAMES)
def test_every_lesson_is_a_script_that_runs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(script(lessons.load(name)))
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_reference_to_a_file_is_loaded_from_it(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def triple(x):\n    return 3 * x\n")
    session = Session(
        program=Program(
            function=f"{file}:triple", arguments=[Argument(name="x", value="arange(3)")]
        )
    )
    scope = names_of(script(session))
    assert scope["result"].tolist() == [0, 3, 6]


FILES = {
    "state_file.py": """
import dataclasses, jax, jax.numpy as jnp
@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    w: jax.Array
W = jnp.arange(3.0)
ones = lambda n: jnp.full(n, 7.0)
def f(state, x, *, scale=1): return state.w * x * scale
class Model:
    def __init__(self, n): self.n = n
    def apply(self, x): return x * self.n
def make(n=2): return Model(n)
""",
    "helper.py": "N = 5\n",
    "pkg/__init__.py": "",
    "pkg/base.py": "N = 4\n",
    "pkg/mod.py": "from .base import N\nimport beside\ndef f(x): return x * N + beside.ONE\n",
    "pkg/beside.py": "ONE = 1\n",
    "random.py": "def f(x): return x * 2\n",
    "my-model.py": "def f(x): return x * 3\n",
}
X = {"x": "arange(3.0)"}
LONG = pytest.mark.long
OF_FILES = {
    "names of the file": (
        "", "state_file.py:f", {"state": "State(W)", "x": "ones(3)", "scale": "2.0"}, (),
    ),
    "a layer that knows them": (
        "", "state_file.py:f", {"state": "State(W)", "x": "2.0"}, Vmap(in_axes="(State(0), None)"),
    ),
    "the source's own first": ("W = 3.0", "state_file.py:f", {"state": "State(W)", "x": "W"}, ()),
    "one module": (
        "import state_file", "state_file.py:f", {"state": "state_file.State(W)", "x": "W"}, (),
    ),
    "a name that the source has": ("state_file = 3", "state_file.py:make(3).apply", X, ()),
    "a method": ("", "state_file.py:make(n=3).apply", X, ()),
    "a module": ("", "state_file:make(n=3).apply", X, ()),
    "a package": ("", "pkg/mod.py:f", X, ()),
    "a name of Python's": ("import random\nrandom.random()", "random.py:f", X, ()),
    "no name": ("", "my-model.py:f", X, ()),
    "an import of the source": ("import helper\ndef f(x): return x * helper.N", "", X, ()),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name in ("names of the file", "no name") else pytest.mark.long
        )
        for name in OF_FILES
    ],
)
def test_a_script_finds_the_files_of_its_session_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, function, values, layers = OF_FILES[name]
    folder, scripts = tmp_path / "session", tmp_path / "scripts"
    elsewhere = tmp_path / "elsewhere"
    for made in (folder / "pkg", scripts, elsewhere):
        made.mkdir(parents=True)
    for file, text in FILES.items():
        (folder / file).write_text(text)
    arguments = [Argument(name=n, value=v) for n, v in values.items()]
    stack = [layers] if layers else []
    given = Session(
        program=Program(source=source, function=function, arguments=arguments, layers=stack)
    )
    monkeypatch.chdir(elsewhere)
    text = script(given, str(folder), str(scripts))
    assert str(tmp_path) not in text
    (folder.parent / "scripts" / "run.py").write_text(text)
    tmp_path.joinpath("moved").mkdir()
    for part in ("session", "scripts"):
        (tmp_path / part).rename(tmp_path / "moved" / part)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "moved" / "scripts" / "run.py")],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    composition = Composition.of(given, str(tmp_path / "moved" / "session"))
    ran = run(composition, lambda stage: None, lambda: False)
    assert done.stdout.strip() == str(ran.leaves[0][1])


@pytest.mark.parametrize("value", ['load("x.npy")', 'load("x.npz")["x"]'])
def test_a_script_finds_the_data_of_its_session_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    folder, scripts = tmp_path / "session", tmp_path / "scripts"
    folder.mkdir()
    scripts.mkdir()
    np.save(folder / "x.npy", np.arange(3))
    np.savez(folder / "x.npz", x=np.arange(3))
    given = Session(program=program("def f(x): return 2 * x", {"x": value}))
    monkeypatch.chdir(tmp_path)
    text = script(given, str(folder), str(scripts))
    assert str(tmp_path) not in text
    found: dict[str, Any] = {"__file__": str(scripts / "run.py")}
    exec(text, found)
    assert found["result"].tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("session", "field"),
    [
        (Session(), "program"),
        (Session(program=program("import math\n", {})), "program.source"),
        (Session(program=program("def f(:\n", {})), "program.source"),
        (Session(program=program(DOUBLE, {"x": "ones("})), "program.arguments.0.value"),
    ],
)
def test_what_cannot_be_a_script_says_which_field(session: Session, field: str) -> None:
    with pytest.raises(ExportError) as raised:
        script(session)
    assert raised.value.field == field


def test_the_type_of_an_axis_that_the_mesh_does_not_have_cannot_be_exported():
    session = Session(
        devices=Devices(mesh={"x": 8}, axis_types={"y": "explicit"}),
        program=Program(source="def f():\n    return mesh.size\n"),
    )
    with pytest.raises(ExportError) as caught:
        script(session)
    assert caught.value.field == "devices.axis_types"


SHAPES = {
    "a dtype by a short name": ("double", {"x": "struct((2, 3), bf16)"}, ()),
    "a dtype as text": ("double", {"x": "struct((2, 3), 'u8')"}, ()),
    "a key": ("jax.random.split", {"x": "struct((), 'key<fry>')"}, ()),
    "under layers": ("double", {"x": "struct([4, 3], f32)"}, (Vmap(), Jit())),
    "of an init function": ("double", {"x": "jax.eval_shape(double, struct(3))"}, ()),
    "of a tree with arrays and numbers": (
        "lambda tree: tree['a'] * tree['b'] * tree['c']",
        {"x": "{'a': struct(3), 'b': ones(3), 'c': 2}"},
        (),
    ),
    "of more than any memory": ("double", {"x": "jax.ShapeDtypeStruct((10**7, 10**7), bf16)"}, ()),
}


@pytest.mark.parametrize("name", SHAPES)
def test_of_shapes_the_script_gives_the_shapes_that_jax_finds(name: str) -> None:
    function, values, layers = SHAPES[name]
    source = f"def double(x):\n    return x * 2\nf = {function}\n"
    made = Session(program=program(source, values, *layers))
    made = msgspec.structs.replace(
        made, program=msgspec.structs.replace(made.program, function="f")
    )
    names = names_of(script(made))
    traced = trace(made)
    assert traced.flow is not None
    expected = [(leaf.shape, leaf.dtype) for leaf in traced.flow.levels[0].outputs or []]
    got = jax.tree.leaves(names["result"])
    assert [(list(leaf.shape), str(leaf.dtype)) for leaf in got] == expected
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in got)


def test_a_script_that_may_have_shapes_runs_what_has_none() -> None:
    value = "jax.tree.map(zeros_like, jax.eval_shape(lambda: ones(3)))"
    names = names_of(script(Session(program=program(DOUBLE, {"x": value}))))
    assert names["result"].tolist() == [0.0, 0.0, 0.0]


def test_a_sharding_stays_with_a_shape_in_the_script() -> None:
    argument = Argument(
        name="x", value="{'a': struct((8, 2)), 'b': ones(8)}", sharding="{'a': P('x'), 'b': None}"
    )
    made = Session(
        devices=Devices(mesh={"x": 8}), program=Program(source=DOUBLE_TREE, arguments=[argument])
    )
    names = names_of(script(made))
    assert names["x"]["a"].sharding.spec == jax.sharding.PartitionSpec("x")
    assert names["result"]["a"].shape == (8, 2)


DOUBLE_TREE = "def double(x):\n    return jax.tree.map(lambda a: a * 2, x)\n"


@pytest.mark.parametrize(
    ("value", "save"),
    [
        ("load('x.npz')['a/b']", np.savez),
        ("load('x.npz', nested=True)['a']['b']", np.savez_compressed),
    ],
)
def test_a_script_reads_the_files_that_values_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, save: Any
) -> None:
    save(tmp_path / "x.npz", **{"a/b": np.arange(3.0)})
    monkeypatch.chdir(tmp_path)
    names = names_of(script(Session(program=program(DOUBLE, {"x": value}))))
    assert names["result"].tolist() == [0.0, 2.0, 4.0]
