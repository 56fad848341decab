"""The figures of a program are those that bare JAX and XLA have of it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxtui.changes.engine.figures import figures
from jaxtui.session.layers import AnyLayer, Jit, ShardMap, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition


def _composition(source: str, *layers: AnyLayer, x: str = "jnp.ones((8, 64))") -> Composition:
    arguments = [Argument(name="x", value=x)]
    return Composition(program=Program(source=source, arguments=arguments, layers=list(layers)))


def test_the_figures_are_those_of_bare_jax() -> None:
    found = figures(_composition("def f(x):\n    return jnp.tanh(x @ x.T).sum()", Jit()))

    def f(x: jax.Array) -> jax.Array:
        return jnp.tanh(x @ x.T).sum()

    compiled = jax.jit(f).lower(jax.ShapeDtypeStruct((8, 64), "float32")).compile()
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    assert (found.flops, found.bytes_accessed) == (cost["flops"], cost["bytes accessed"])
    assert found.arguments == memory.argument_size_in_bytes
    assert found.outputs == memory.output_size_in_bytes
    assert found.temporaries == memory.temp_size_in_bytes
    assert found.together == 8 * 64 * 4 + 4 + memory.temp_size_in_bytes
    assert found.collectives == []
    assert found.primitives is not None
    counted = {name: found.primitives[name] for name in ("dot_general", "tanh", "reduce_sum")}
    assert counted == {"dot_general": 1, "tanh": 1, "reduce_sum": 1}


def test_operations_inside_others_count_once_each() -> None:
    loop = "def f(x):\n    return lax.scan(lambda c, r: (jnp.sin(c) + r, None), x[0], x)[0]"
    found = figures(_composition(loop))
    assert found.primitives is not None
    assert (found.primitives["scan"], found.primitives["sin"]) == (1, 1)


def test_collectives_have_their_number_and_bytes() -> None:
    specs = {"in_specs": "P('devices')", "out_specs": "P()"}
    source = "def f(x):\n    return lax.psum(x, 'devices')"
    found = figures(_composition(source, ShardMap(**specs), Jit()))
    mesh = Mesh(np.array(jax.devices()), ("devices",))
    bare = jax.jit(
        jax.shard_map(
            lambda x: jax.lax.psum(x, "devices"),
            mesh=mesh,
            in_specs=PartitionSpec("devices"),
            out_specs=PartitionSpec(),
        )
    )
    text = bare.lower(jax.ShapeDtypeStruct((8, 64), "float32")).compile().as_text()
    assert text.count(" all-reduce(") + text.count(" all-reduce-start(") == 1
    (sent,) = found.collectives
    rows = 8 // len(jax.devices())
    assert (sent.kind, sent.count, sent.bytes) == ("all-reduce", 1, rows * 64 * 4)


def test_what_only_a_run_can_trace_has_no_figures_and_says_so() -> None:
    source = "def f(x):\n    return x if float(x.sum()) > 0 else -x"
    found = figures(_composition(source))
    assert found.primitives is None
    assert found.failure


def test_nothing_is_computed_for_them() -> None:
    huge = "jax.ShapeDtypeStruct((100_000, 100_000), jnp.float32)"
    found = figures(_composition("def f(x):\n    return jnp.sin(x)", Vmap(), Jit(), x=huge))
    assert found.arguments == found.outputs == 100_000 * 100_000 * 4
