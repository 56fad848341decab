"""A session exported as a script computes what the session computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
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


@pytest.mark.parametrize("name", SESSIONS)
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
