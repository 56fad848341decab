"""What is taken from a source as layers gives what the source gave by itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, tree_util
from jax.sharding import PartitionSpec

from jaxtui.program.engine import evaluation
from jaxtui.program.written import written
from jaxtui.session.session import Devices, Program
from jaxtui.wire.base import Composition
from tests.support.bare import assert_same_leaves

LOSS = "def loss(w, x, y):\n    return jnp.mean((x @ w - y) ** 2)\n"
DATA = "w = jnp.ones(3)\nx = jnp.arange(12.).reshape(4, 3)\ny = jnp.arange(4.)\n"
PLAIN = {"jax": jax, "jnp": jnp, "np": np, "lax": lax, "P": PartitionSpec}


@pytest.mark.parametrize(
    "source",
    [
        f"{LOSS}{DATA}result = jax.vmap(loss, in_axes=(None, 0, 0))(w, x, y)\n",
        f"{LOSS}{DATA}each = jax.vmap(jax.grad(loss), (None, 0, 0), 1)\nresult = each(w, x, y)\n",
        "def f(x):\n    return x / lax.psum(x, 'i')\n"
        "result = jax.pmap(f, axis_name='i')(jnp.arange(1., 1 + jax.device_count()))\n",
        "from functools import partial\n@jax.jit\n@partial(jax.vmap, out_axes=1)\n"
        "def f(x):\n    return x * 2\nresult = f(jnp.arange(6).reshape(2, 3))\n",
        "result = jax.vmap(lambda a, b: {'sum': a + b}, in_axes=(1, None))(jnp.ones((2, 3)), 1.)\n",
        "mesh = jax.sharding.Mesh(np.array(jax.devices()), ('i',))\n"
        "def f(x):\n    return lax.psum(x, 'i')\n"
        "result = jax.shard_map(f, mesh=mesh, in_specs=P('i'), out_specs=P())(jnp.arange(16.))\n",
    ],
)  # fmt: skip
def test_the_result_is_that_of_the_lines(source: str) -> None:
    known: dict[str, Any] = dict(PLAIN)
    exec(source, known)
    found = written(Program(source=source), Devices(count=len(jax.devices())))
    assert found is not None
    assert "result" not in found.program.source
    assert not found.left_out
    composition = Composition(program=found.program, devices=found.devices)
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    leaves = tree_util.tree_flatten_with_path(known["result"])[0]
    assert_same_leaves(ran.leaves, known["result"])
    assert len(ran.leaves) == len(leaves)
