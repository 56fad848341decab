"""Programs that people write and that run, with the values that they mean."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxtui.engine_base import meshes
from jaxtui.session.layers import AnyLayer, Jit, ShardMap
from jaxtui.session.session import Argument, Devices, Program, Session
from tests.support.mended import value
from tests.support.wrong import trace

LINE = {"i": 8}
EXPLICIT = """
jax.set_mesh(jax.make_mesh((4, 2), ('X', 'Y')))
@jax.shard_map(out_specs=P('X', None))
def f(x, y):
    assert x.shape == (8, 1), x.shape
    return lax.psum_scatter(x @ y, 'X', tiled=True)
"""
TWO = {
    "x": "jax.device_put(jnp.arange(32.).reshape(8, 4), P(None, 'X'))",
    "y": "jax.device_put(jnp.arange(64.).reshape(4, 16), P('X', None))",
}


def made(
    source: str,
    given: dict[str, str],
    layer: AnyLayer | None = None,
    shardings: dict[str, str] | None = None,
    **devices: Any,
) -> Session:
    arguments = [
        Argument(name=name, value=text, sharding=(shardings or {}).get(name, ""))
        for name, text in given.items()
    ]
    program = Program(source=source, arguments=arguments, layers=[layer] if layer else [])
    return Session(devices=Devices(**devices), program=program)


CONSTRAINED = "def f(x):\n    return lax.with_sharding_constraint(x * 2, {})\n"
MODE = "def f(x, mode):\n    return x if mode == 'id' else -x\n"
RUNS = {
    "the mesh by its name": (
        made(
            CONSTRAINED.format("jax.sharding.NamedSharding(mesh, P('i'))"),
            {"x": "arange(8.)"},
            Jit(),
            mesh=LINE,
        ),
        2 * np.arange(8.0),
    ),
    "a constraint by a spec": (
        made(CONSTRAINED.format("P('i')"), {"x": "arange(8.)"}, Jit(), mesh=LINE),
        2 * np.arange(8.0),
    ),
    "a static argument by its name": (
        made(MODE, {"x": "arange(4.)", "mode": "'neg'"}, Jit(static_argnames="'mode'")),
        -np.arange(4.0),
    ),
    "a static argument among names": (
        made(MODE, {"x": "arange(4.)", "mode": "'id'"}, Jit(static_argnames="('mode',)")),
        np.arange(4.0),
    ),
    "devices in another order": (
        made(
            "def add(x, y):\n    return x + y\n",
            {"x": "ones(4)", "y": "arange(4.0)"},
            Jit(),
            {"x": "P('x')", "y": "P()"},
            order=[3, 2, 1, 0],
            mesh={"x": 4},
        ),
        1 + np.arange(4.0),
    ),
    "a spec by its own name": (
        made(
            "def f(x):\n    return x * 2\n",
            {"x": "arange(8.)"},
            ShardMap(in_specs="jax.sharding.PartitionSpec('i')", out_specs="PartitionSpec('i')"),
            mesh=LINE,
        ),
        2 * np.arange(8.0),
    ),
    "a mesh of its own": (
        made(
            "own = Mesh(np.array(jax.devices()[:2]), ('a',))\n"
            "def f(x):\n    return jax.device_put(x, NamedSharding(own, PartitionSpec('a')))\n",
            {"x": "arange(4.)"},
        ),
        np.arange(4.0),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_and_gives_what_is_meant(name: str) -> None:
    session, meant = RUNS[name]
    assert trace(session).diagnosis is None
    np.testing.assert_allclose(value(session)[0], meant)


def test_a_shard_map_over_the_explicit_axes_of_the_source_shows_its_shapes() -> None:
    if not hasattr(jax, "set_mesh"):
        pytest.skip("this JAX has no jax.set_mesh")
    session = made(EXPLICIT, TWO)
    meant = np.arange(32.0).reshape(8, 4) @ np.arange(64.0).reshape(4, 16)
    try:
        traced = trace(session)
        assert traced.diagnosis is None, traced.diagnosis
        assert traced.flow is not None
        assert [leaf.shape for leaf in traced.flow.levels[0].outputs or []] == [[8, 16]]
        np.testing.assert_allclose(value(session)[0], meant)
    finally:
        meshes.leave_context()  # which the source has entered
