"""What runs, but may not be what one expects, has a note; what is as one expects has none."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui import lessons
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation, notes
from jaxtui.program.engine.prepared import prepare
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, ValueAndGrad
from jaxtui.session.session import Argument, Devices, Program, Session, with_fix
from tests.support.bare_sharding import ShardedCase
from tests.support.sharded_programs import parameters
from tests.support.tables import one_in
from tests.support.wrong import composition, trace

LINE = {"i": 8}
ON_I = ShardMap(in_specs="(P(), P('i'))", out_specs="P()")
UNCHECKED = ShardMap(in_specs="(P(), P('i'))", out_specs="P()", check_vma="False")
LOSS = "def loss(w, x):\n    return jnp.mean((x @ w) ** 2)\n"
WEIGHTS = {"w": "ones(3)", "x": "arange(48.0).reshape(16, 3) / 10"}
STEP = LOSS + "def step(w, x):\n    g = jax.grad(loss)(w, x)\n    return w - 0.1 * lax.{}(g, 'i')\n"


def made(
    source: str, given: dict[str, str], *layers: AnyLayer, mesh: dict[str, int] | None = None
) -> Session:
    arguments = [Argument(name=name, value=value) for name, value in given.items()]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    return Session(devices=Devices(mesh=mesh), program=program)


def ran(session: Session) -> evaluation.Evaluated:
    return evaluation.run(composition(session), lambda stage: None, lambda: False)


def loss(w: Any, x: Any) -> Any:
    return jnp.mean((x @ w) ** 2)


def parts() -> Any:
    """The gradient of the loss of each device's rows, for 8 devices."""
    x = (jnp.arange(48.0) / 10).reshape(8, 2, 3)
    return jax.vmap(lambda rows: jax.grad(loss)(jnp.ones(3), rows))(x)


@pytest.mark.long
@pytest.mark.parametrize(("called", "factor"), [("pmean", 1), ("psum", 8)])
def test_a_gradient_that_is_summed_already_is_said_to_be(called: str, factor: int) -> None:
    session = made(STEP.format(called), WEIGHTS, ON_I, mesh=LINE)
    found = ran(session)
    (note,) = found.notes
    assert (note.kind, note.field) == ("note", "program.source")
    assert re.search(
        rf"line 5: .*lax\.{called}.*already is the sum over 'i'.*8 times", note.message
    )
    # What is said is so: JAX's value, and that without the check.
    step = np.ones(3) - 0.1 * parts().sum(0) * factor
    np.testing.assert_allclose(found.leaves[0][1], step, rtol=1e-5)
    unchecked = ran(made(STEP.format(called), WEIGHTS, UNCHECKED, mesh=LINE))
    assert unchecked.notes == []
    plain = parts().mean(0) if called == "pmean" else parts().sum(0)
    np.testing.assert_allclose(unchecked.leaves[0][1], np.ones(3) - 0.1 * plain, rtol=1e-5)


@pytest.mark.long
def test_the_cast_that_the_note_names_gives_what_pmap_gives() -> None:
    cast = "lax.pcast(w, 'i', to='varying')" if hasattr(jax.lax, "pcast") else "lax.pvary(w, 'i')"
    source = STEP.format("pmean").replace("(loss)(w, x)", f"(loss)({cast}, x)")
    found = ran(made(source, WEIGHTS, ON_I, mesh=LINE))
    assert found.notes == []
    step = np.ones(3) - 0.1 * parts().mean(0)
    np.testing.assert_allclose(found.leaves[0][1], step, rtol=1e-5)


OF_PSUM = """
def gradient(w, data):
    def total(w):
        return lax.psum(w * data, 'i')
    return jax.grad(total)(w)
"""
EIGHTS = {"w": "ones(8)", "data": "arange(8.0)"}


def test_the_gradient_of_a_psum_under_pmap_is_said_to_be_a_sum() -> None:
    found = ran(made(OF_PSUM, EIGHTS, Pmap(axis_name="i")))
    (note,) = found.notes
    assert re.search(r"line 4: .*under pmap.*is a psum.*8 times that of one loss", note.message)
    np.testing.assert_allclose(found.leaves[0][1], 8 * np.arange(8.0))


def test_the_gradient_of_a_psum_is_no_sum_where_a_shard_map_checks() -> None:
    both = ShardMap(in_specs="P('i')", out_specs="P('i')")
    source = OF_PSUM.replace("lax.psum(w * data, 'i')", "lax.psum((w * data).sum(), 'i')")
    found = ran(made(source, EIGHTS, both, mesh=LINE))
    assert found.notes == []
    np.testing.assert_allclose(found.leaves[0][1], np.arange(8.0))
    unchecked = ShardMap(in_specs="P('i')", out_specs="P('i')", check_vma="False")
    found = ran(made(source, EIGHTS, unchecked, mesh=LINE))
    assert len(found.notes) == 1
    np.testing.assert_allclose(found.leaves[0][1], 8 * np.arange(8.0))


SCANNED = (
    LOSS
    + """
def train(w, x):
    def step(w, rows):
        g = jax.grad(loss)(w, rows[None])
        return w - 0.01 * lax.pmean(g, 'i'), None
    return lax.scan(step, w, x)[0]
"""
)
JITTED = (
    LOSS
    + """
def step(w, x):
    value, g = jax.jit(jax.value_and_grad(loss))(w, x)
    g = jax.tree.map(lambda v: v + 0.01 * w, g)
    return lax.psum(g, 'i')
"""
)
NOTED = {
    "in a scan": made(SCANNED, WEIGHTS, ON_I, mesh=LINE),
    "within a jit, with decay": made(JITTED, WEIGHTS, ON_I, mesh=LINE),
    "under a jit": made(STEP.format("pmean"), WEIGHTS, ON_I, Jit(), mesh=LINE),
    "a loss over weights, under pmap": made(
        "def f(w, x):\n    total = lambda w: lax.psum(w * x, 'i') / lax.psum(x, 'i')\n"
        "    return jax.value_and_grad(total)(w)\n",
        {"w": "1.0", "x": "arange(8.)"},
        Pmap(axis_name="i", in_axes="(None, 0)"),
    ),
}
SILENT = {
    "the mean of the losses": made(
        LOSS + "def f(w, x):\n    return jax.grad(lambda w: lax.pmean(loss(w, x), 'i'))(w)\n",
        WEIGHTS, ON_I, mesh=LINE,
    ),
    "divided by the number of devices": made(
        LOSS + "def f(w, x):\n    return jax.grad(loss)(w, x) / 8\n", WEIGHTS, ON_I, mesh=LINE
    ),
    "the usual step under pmap": made(
        STEP.format("pmean"), {"w": "ones(3)", "x": "ones((8, 2, 3))"},
        Pmap(axis_name="i", in_axes="(None, 0)"),
    ),
    "a mean under the gradient of a pmap": made(
        OF_PSUM.replace("psum", "pmean"), EIGHTS, Pmap(axis_name="i")
    ),
    "statistics over the devices, under pmap": made(
        "def f(x):\n    return jax.grad(lambda x: (x - lax.psum(x, 'i')) ** 2)(x)\n",
        {"x": "arange(8.)"}, Pmap(axis_name="i"),
    ),
    "a metric next to a gradient": made(
        LOSS + "def f(w, x):\n    g = jax.grad(loss)(w, x)\n"
        "    return g, lax.pmean(loss(w, x), 'i')\n", WEIGHTS, ON_I, mesh=LINE,
    ),
    "a sum of what is the same": made(
        "def f(w, x):\n    return lax.psum(w, 'i') + lax.psum(x.sum(0), 'i')\n", WEIGHTS, ON_I,
        mesh=LINE,
    ),
    "a gradient around the devices": made(
        "def f(x):\n    return lax.psum(x * x, 'i')\n", {"x": "arange(8.)"},
        ShardMap(in_specs="P('i')", out_specs="P('i')", check_vma="False"), mesh=LINE,
    ),
    "a gradient without devices": made("def f(x):\n    return x ** 2\n", {"x": "2."}, Grad()),
    "a value and a gradient": made(
        LOSS, {"w": "ones(3)", "x": "ones((2, 3))"}, ValueAndGrad(), Jit()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_it_is_seen_wherever_the_gradient_is_taken(name: str) -> None:
    assert trace(NOTED[name]).diagnosis is None
    (note,) = ran(NOTED[name]).notes
    assert "8 times" in note.message


@pytest.mark.parametrize("name", one_in(2, SILENT))
def test_what_is_as_one_expects_has_no_note(name: str) -> None:
    assert trace(SILENT[name]).diagnosis is None
    assert ran(SILENT[name]).notes == []


@pytest.mark.long
def test_no_lesson_has_a_note_but_those_about_it() -> None:
    noted = {"gradient-psum-pmap", "vmap-axis-name"}
    for name in noted:
        assert len(ran(lessons.load(name)).notes) == 1
    for name in set(lessons.NAMES) - noted:
        session = lessons.load(name)
        if trace(session).diagnosis is None:
            assert ran(session).notes == [], name


@pytest.mark.parametrize("case", parameters())
def test_no_kept_program_has_a_note(case: ShardedCase) -> None:
    with contextlib.suppress(Diagnosed):
        prepared = prepare(case.composition)
        shapes = evaluation.trace_prepared(prepared)
        assert notes.of_program(prepared, shapes.jaxpr) == []


DONATED = [
    ("def f(x):\n    return x.sum()\n", Jit(donate_argnums="0"), ["no output has its shape"]),
    ("def f(x):\n    return x.sum()\n", Jit(donate_argnames="'x'"), ["no output has its shape"]),
    ("def f(x):\n    return x * 2\n", Jit(donate_argnums="0"), []),
    ("def f(x):\n    return x * 2\n", Jit(donate_argnames="['x']"), []),
    ("def f(x):\n    return x.sum()\n", Jit(), []),
    (
        "def f(p):\n    return p['a'] + 1\n",
        Jit(donate_argnums="(0,)"),
        [r"p\['b'\] float32\[3\]. no output"],
    ),
]


@pytest.mark.filterwarnings("ignore:Some donated buffers")
@pytest.mark.parametrize(("source", "layer", "said"), DONATED)
def test_what_is_donated_in_vain_is_said(source: str, layer: Jit, said: list[str]) -> None:
    given = {"p": "{'a': ones(8), 'b': ones(3)}"} if "p['a']" in source else {"x": "ones((8, 4))"}
    session = made(source, given, layer)
    for _ in range(2):  # compiled, and once more as it is kept
        found = ran(session).notes
        assert len(found) == len(said)
        for note, words in zip(found, said, strict=True):
            assert note.field.startswith("program.layers.0.donate_arg")
            assert re.search(f"donated, and not used: .*{words}", note.message, re.I)


SETS = [
    ("os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count={}'", True),
    ("os.environ.setdefault('XLA_FLAGS', '--xla_force_host_platform_device_count={}')", True),
    ("os.environ.update({{'XLA_FLAGS': '--xla_force_host_platform_device_count={}'}})", True),
    ("os.putenv('JAX_PLATFORMS', 'cpu')", False),
]


@pytest.mark.parametrize(("statement", "counted"), SETS)
def test_what_is_set_too_late_is_said_to_have_no_effect(statement: str, counted: bool) -> None:
    source = f"import os\nif False:\n    {statement.format(4)}\ndef f(x):\n    return x\n"
    (note,) = ran(made(source, {"x": "1.0"})).notes
    assert re.search("line 3: .* has no effect here: JAX reads it when it starts", note.message)
    fixes = [(fix.label, fix.field, fix.text) for fix in note.fixes]
    assert fixes == ([("4 virtual devices", "devices.count", "4")] if counted else [])
    same = made(source.replace("=4", "=8"), {"x": "1.0"})
    assert len(ran(same).notes) == (0 if counted else 1)


@pytest.mark.parametrize("indented", [False, True])
def test_a_count_in_the_source_is_one_of_the_device_set(indented: bool) -> None:
    line = "jax.config.update('jax_num_cpu_devices', 6)\n"
    before = "import jax\n" + (f"if True:\n    {line}" if indented else line)
    session = made(before + "def f(x): return x * 2\n", {"x": "arange(3.)"})
    found = trace(session).diagnosis
    assert found is not None
    assert "JAX has started before the source runs" in found.message
    (fix,) = found.fixes
    assert fix.label.startswith("6 devices")
    mended = with_fix(session, fix)
    assert mended.devices.count == 6
    assert "jax_num_cpu_devices" not in mended.program.source
    here = Session(program=mended.program)
    np.testing.assert_allclose(ran(here).leaves[0][1], 2 * np.arange(3.0))
