"""Every field of jit gives what bare JAX gives, shardings of the results included."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation
from jaxtui.session import export
from jaxtui.session.layers import Jit, Vmap
from jaxtui.session.session import Session, SessionError, loads
from tests.support.bare import Case, case, check
from tests.support.scripts import names_of

MESH = {"data": 4, "model": 2}
X = "x = arange(32.).reshape(8, 4)"

# fmt: off
CASES = [
    case("static by name", "def f(x, mode):\n    return x if mode == 'id' else -x",
        "x = arange(4.)\nmode = 'neg'", Jit(static_argnames="'mode'"),
        "jax.jit(f, static_argnames='mode')(x, mode)", None),
    case("two static by name", "def f(x, n, k):\n    return x * n + k",
        "x = arange(4.)\nn = 2\nk = 3", Jit(static_argnames="('n', 'k')"),
        "jax.jit(f, static_argnames=('n', 'k'))(x, n, k)", None),
    case("static by name under a vmap", "def f(x, n):\n    return x ** n",
        "x = arange(4.)\nn = 2", (Vmap(in_axes="(0, None)"), Jit(static_argnames="'n'")),
        "jax.jit(jax.vmap(f, in_axes=(0, None)), static_argnames='n')(x, n)", (None, 4)),
    case("donated by name", "def f(x, y):\n    return x + y", "x = arange(4.)\ny = ones(4)",
        Jit(donate_argnames="'x'"), "jax.jit(f, donate_argnames='x')(x, y)", None),
    case("unused arguments kept", "x, y: x + 1", "x = arange(4.)\ny = ones(2)",
        Jit(keep_unused="True"), "jax.jit(f, keep_unused=True)(x, y)", None),
    case("inline", "x: x + 1", X, Jit(inline="True"), "jax.jit(f, inline=True)(x)", None),
    case("the result divided", "x: x * 2", X, Jit(out_shardings="P('data')"),
        "jax.jit(f, out_shardings=jax.sharding.NamedSharding(mesh, P('data')))(x)", None,
        mesh=MESH),
    case("argument and result divided", "x: x.T", X,
        Jit(in_shardings="P('data', 'model')", out_shardings="P(None, 'data')"),
        "jax.jit(f, in_shardings=jax.sharding.NamedSharding(mesh, P('data', 'model')), "
        "out_shardings=jax.sharding.NamedSharding(mesh, P(None, 'data')))(x)", None, mesh=MESH),
    case("a tree of results", "x: {'a': x, 'b': (x.sum(0), x + 1)}", X,
        Jit(out_shardings="{'a': P('data'), 'b': (P(), None)}"),
        "jax.jit(f, out_shardings={'a': jax.sharding.NamedSharding(mesh, P('data')), "
        "'b': (jax.sharding.NamedSharding(mesh, P()), None)})(x)", None, mesh=MESH),
    case("the mesh by its name", "x: lax.with_sharding_constraint(x * 2, "
        "jax.sharding.NamedSharding(mesh, P('data')))", X, Jit(),
        "jax.jit(f)(x)", None, mesh=MESH),
]
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_each_field_gives_what_bare_jax_gives(case: Case) -> None:
    if "mesh" in case.source:
        pytest.skip("bare JAX has no `mesh`; see below")
    check(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.values[0].mesh])
def test_the_results_lie_where_they_were_asked_to(case: Case) -> None:
    ran = evaluation.run(case.composition, lambda stage: None, lambda: False)
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), tuple(MESH))
    wanted = {
        "['a']": PartitionSpec("data"),
        "['b'][0]": PartitionSpec(),
        "": PartitionSpec(None, "data") if ".T" in case.source else PartitionSpec("data"),
    }
    for path, leaf in ran.leaves:
        if path in wanted:
            sharding = NamedSharding(mesh, wanted[path])
            assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim), path


@pytest.mark.parametrize("case", CASES)
def test_each_field_is_exported_as_a_script_that_gives_the_same(case: Case) -> None:
    made = case.composition
    session = Session(program=made.program, parameters=made.parameters, devices=made.devices)
    names = names_of(export.script(session))
    ran = evaluation.run(made, lambda stage: None, lambda: False)
    wanted = jax.tree.leaves(names["result"])
    for (path, leaf), other in zip(ran.leaves, wanted, strict=True):
        assert np.array_equal(leaf, other), path
        assert leaf.sharding.is_equivalent_to(other.sharding, leaf.ndim), path


def test_a_spec_over_no_axis_of_the_mesh_is_said_at_its_field() -> None:
    made = case("", "x: x", X, Jit(out_shardings="P('nowhere')"), "", None, mesh=MESH).values[0]
    with pytest.raises(Diagnosed) as raised:
        evaluation.run(made.composition, lambda stage: None, lambda: False)
    assert raised.value.diagnosis.field == "program.layers.0.out_shardings"


def test_a_field_that_jit_lacks_is_told_with_those_that_it_has() -> None:
    text = "[[program.layers]]\ntransform = 'jit'\nstatic = '1'\n"
    with pytest.raises(SessionError, match="there is static_argnums, static_argnames"):
        loads(text)
