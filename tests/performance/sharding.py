"""Sharding: what a plan costs over bare JAX's own tracing and lowering, and on large meshes."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.performance.table import Row

LAYER = """
def norm(x, scale):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def layer(x, p):
    h = norm(x, p["ln1"])
    q, k, v = (jnp.einsum("bsd,dhk->bshk", h, p[n]) for n in ("q", "k", "v"))
    s = jnp.einsum("bqhk,bshk->bhqs", q, k) / 2.0
    a = jnp.einsum("bhqs,bshk->bqhk", jax.nn.softmax(s), v)
    x = x + jnp.einsum("bqhk,hkd->bqd", a, p["o"])
    h = norm(x, p["ln2"])
    return x + jax.nn.gelu(h @ p["up"]) @ p["down"]

"""
PARAMETERS = (
    "{{'ln1': ones({n}(64,)), 'ln2': ones({n}(64,)), 'q': ones({n}(64, 4, 16)),"
    " 'k': ones({n}(64, 4, 16)), 'v': ones({n}(64, 4, 16)), 'o': ones({n}(4, 16, 64)),"
    " 'up': ones({n}(64, 256)), 'down': ones({n}(256, 64))}}"
)
SCANNED = """
def f(x, p):
    def loss(p):
        return jax.lax.scan(lambda c, q: (jax.checkpoint(layer)(c, q), None), x, p)[0].sum()
    return jax.tree.map(lambda p, g: p - 0.1 * g, p, jax.grad(loss)(p))
"""
UNROLLED = """
def f(x, p):
    def loss(p):
        c = x
        for n in range(24):
            c = layer(c, jax.tree.map(lambda w: w[n], p))
        return c.sum()
    return jax.tree.map(lambda p, g: p - 0.1 * g, p, jax.grad(loss)(p))
"""
TOKENS = ("ones((64, 32, 64))", "P('data')")
STACK = (PARAMETERS.format(n="(24,) + "), "P()")
PROGRAMS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "an MLP": (
        "def f(x, w1, w2):\n    return jax.nn.relu(x @ w1) @ w2\n",
        {
            "x": ("ones((64, 1024))", "P('data')"),
            "w1": ("ones((1024, 4096))", "P(None, 'model')"),
            "w2": ("ones((4096, 1024))", "P('model')"),
        },
    ),
    "a transformer layer": (
        f"{LAYER}\ndef f(x, p):\n    return layer(x, p)\n",
        {"x": TOKENS, "p": (PARAMETERS.format(n="() + "), "P()")},
    ),
    "24 layers trained, scanned": (LAYER + SCANNED, {"x": TOKENS, "p": STACK}),
    "24 layers trained, unrolled": (LAYER + UNROLLED, {"x": TOKENS, "p": STACK}),
}
OVER_JAX = 1.3
OVER_EIGHT = 1.2


def rows(repeats: int) -> list[Row]:
    """Return the figures of planning."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax

    jax.config.update("jax_num_cpu_devices", 8)
    return [
        *(row for name in PROGRAMS for row in _over_jax(name, repeats)),
        *(_over_eight(name, repeats) for name in ("an MLP", "24 layers trained, scanned")),
    ]


def _over_jax(name: str, repeats: int) -> Iterator[Row]:
    """Compare a plan with what bare JAX does for the same function with the same shapes.

    JAX lowers without propagating shardings, which it leaves to the compiler. So a plan is also
    compared with a lowering that Shardy's own pipeline is then run on, as anyone would run it.
    """
    bare = _lowering(name)
    sides = (_planning(name, {"data": 4, "model": 2}), bare, lambda: _propagated(bare()))
    rounds = _rounds(sides, repeats)
    planned = statistics.median(times[0] for times in rounds)
    floors = {1: "JAX's trace and lower", 2: "JAX's trace, lower and propagation"}
    for side, words in floors.items():
        median = statistics.median(times[side] for times in rounds)
        ratio = statistics.median(times[0] / times[side] for times in rounds)
        detail = f"{planned * 1e3:.1f} ms and {median * 1e3:.1f} ms"
        yield Row(f"the plan of {name} ÷ {words}", ratio, "×", OVER_JAX, detail)


def _over_eight(name: str, repeats: int) -> Row:
    """Compare a plan on 65,536 devices with one on 8."""
    large = _planning(name, {"data": 64, "model": 1024})
    small = _planning(name, {"data": 4, "model": 2})
    pairs = _rounds((large, small), repeats)
    many, few = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(big / little for big, little in pairs)
    detail = f"{many * 1e3:.1f} ms and {few * 1e3:.1f} ms"
    return Row(f"the plan of {name} on 65,536 devices ÷ on 8", ratio, "×", OVER_EIGHT, detail)


def _planning(name: str, mesh: dict[str, int]) -> Callable[[], object]:
    from jaxtui.session.session import Argument, Program, Sharding
    from jaxtui.sharding.engine.plan import plan_of
    from jaxtui.wire.base import Composition

    source, given = PROGRAMS[name]
    arguments = [
        Argument(name=argument, value=value, sharding=spec)
        for argument, (value, spec) in given.items()
    ]
    program = Program(source=source, function="f", arguments=arguments)

    def plan() -> object:
        return plan_of(Composition(program=program), Sharding(mesh=mesh))

    return plan


def _lowering(name: str) -> Callable[[], Any]:
    """A trace and lowering in bare JAX, of a function that JAX has not seen yet."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import AbstractMesh, NamedSharding, PartitionSpec

    source, given = PROGRAMS[name]
    mesh = AbstractMesh((4, 2), ("data", "model"))
    code = compile(source, "<bare>", "exec")
    structs = []
    for value, spec in given.values():
        tree = jax.eval_shape(lambda value=value: eval(value, {"ones": jnp.ones}))
        sharding = NamedSharding(mesh, eval(spec, {"P": PartitionSpec}))
        structs.append(
            jax.tree.map(
                lambda leaf, sharding=sharding: jax.ShapeDtypeStruct(
                    leaf.shape, leaf.dtype, sharding=sharding
                ),
                tree,
            )
        )

    def lower() -> Any:
        names: dict[str, Any] = {"jax": jax, "jnp": jnp}
        exec(code, names)
        return jax.jit(names["f"]).trace(*structs).lower(lowering_platforms=("cpu",))

    return lower


def _propagated(lowered: Any) -> object:
    """The lowered module behind Shardy's propagation."""
    from jaxlib.mlir.passmanager import PassManager

    module = lowered.compiler_ir("stablehlo")
    with module.context:
        PassManager.parse("builtin.module(sdy-propagation-pipeline)").run(module.operation)
    return module


def _rounds(sides: Sequence[Callable[[], object]], repeats: int) -> list[tuple[float, ...]]:
    """The seconds of each side, by turns, after a first of each that is not counted."""
    for side in sides:
        side()
    return [tuple(_timed(side) for side in sides) for _ in range(repeats)]


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
