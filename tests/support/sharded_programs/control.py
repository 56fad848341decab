"""Loops, branches, calls, constraints and derivatives."""

from __future__ import annotations

from typing import Any

from jaxtui.session.layers import AnyLayer, Checkpoint, Grad, Jit, ValueAndGrad, Vmap
from tests.support.sharded_programs.making import BOTH, COLUMNS, DOWN, ROWS, UP, case

_STACK = ("ones((3, 16, 16))", "P(None, None, 'model')")
_LOSS = "jnp.sum(jnp.tanh(x @ w) ** 2)"


def _around(bare: str, *layers: AnyLayer) -> dict[str, Any]:
    """Layers of a session, and the same around `f` in bare JAX."""
    return {"layers": layers, "bare_layers": bare, "in_context": "P(" in bare}


LOOPS = [
    case(
        "scan",
        "def f(x, w):\n"
        "    def body(c, w):\n"
        "        return jnp.tanh(c @ w), c.sum()\n"
        "    return jax.lax.scan(body, x, w)\n",
        x=ROWS,
        w=_STACK,
    ),
    case(
        "scan over the batch",
        "def f(x):\n    return jax.lax.scan(lambda c, v: (c + v, c * v), jnp.zeros(16), x)\n",
        x=COLUMNS,
    ),
    case(
        "scan reversed",
        "def f(x, w):\n"
        "    return jax.lax.scan(lambda c, w: (c @ w, None), x, w, reverse=True)[0]\n",
        x=ROWS,
        w=_STACK,
    ),
    case(
        "scan in a scan",
        "def f(x, w):\n"
        "    def body(c, w):\n"
        "        return jax.lax.fori_loop(0, 2, lambda i, c: jnp.sin(c @ w), c), None\n"
        "    return jax.lax.scan(body, x, w)[0]\n",
        x=ROWS,
        w=_STACK,
    ),
    case(
        "recurrent cell",
        "def f(x, h, wx, wh):\n"
        "    def step(h, v):\n"
        "        h = jnp.tanh(v @ wx + h @ wh)\n"
        "        return h, h\n"
        "    return jax.lax.scan(step, h, x)\n",
        x=("ones((5, 8, 16))", "P(None, 'data')"),
        h=("ones((8, 16))", "P('data', 'model')"),
        wx=("ones((16, 16))", "P(None, 'model')"),
        wh=("ones((16, 16))", "P(None, 'model')"),
    ),
    case("fori", "jax.lax.fori_loop(0, 4, lambda i, c: c * 2 + i, x)", x=BOTH),
    case(
        "while",
        "def f(x):\n"
        "    def body(c):\n"
        "        return c[0] * 2, c[1] + 1\n"
        "    return jax.lax.while_loop(lambda c: c[1] < 3, body, (x, 0))[0]\n",
        x=ROWS,
    ),
    case(
        "while on a sum",
        "def f(x):\n    return jax.lax.while_loop(lambda c: c.sum() < 3000., lambda c: c * 2, x)\n",
        x=ROWS,
    ),
    case("map", "jax.lax.map(lambda v: v @ w, x)", x=("ones((4, 8, 16))", "P(None, 'data')"), w=UP),
    case("associative scan", "jax.lax.associative_scan(jnp.add, x, axis=1)", x=ROWS),
    case(
        "cond",
        "def f(x):\n"
        "    return jax.lax.cond(x.sum() > 0, lambda a: a @ a.T, lambda a: a @ a.T * 2, x)\n",
        x=ROWS,
    ),
    case(
        "cond on an argument",
        "jax.lax.cond(p, lambda a: a + 1, lambda a: a * 2, x)",
        p=("jnp.array(True)", ""),
        x=BOTH,
    ),
    case(
        "switch",
        "jax.lax.switch(i, [jnp.sin, jnp.cos, lambda a: a * 2], x)",
        i=("jnp.int32(1)", ""),
        x=BOTH,
    ),
    case(
        "power iteration",
        "def f(a, v):\n"
        "    def step(v, _):\n"
        "        u = a @ v\n"
        "        return u / jnp.linalg.norm(u), None\n"
        "    return jax.lax.scan(step, v, None, length=5)[0]\n",
        a=("ones((16, 16))", "P('data')"),
        v=("ones(16)", ""),
    ),
]

CALLS = [
    case("inner jit", "jax.jit(lambda a: a @ a.T)(x) + 1", x=ROWS),
    case(
        "inner jit twice",
        "def f(x, w):\n"
        "    layer = jax.jit(lambda a: jnp.tanh(a @ w))\n"
        "    return layer(layer(x))\n",
        x=ROWS,
        w=("ones((16, 16))", "P(None, 'model')"),
    ),
    case(
        "inner jit with shardings",
        "def f(x):\n"
        "    here = NamedSharding(mesh, P(None, 'data'))\n"
        "    return jax.jit(lambda a: a * 2, in_shardings=here, out_shardings=here)(x) + 1\n",
        x=ROWS,
    ),
    case(
        "inner jit with results whole",
        "def f(x):\n"
        "    return jax.jit(lambda a: a * 2, out_shardings=NamedSharding(mesh, P()))(x)\n",
        x=ROWS,
    ),
    case(
        "constraint",
        "jax.lax.with_sharding_constraint(x @ w, NamedSharding(mesh, P('data', None)))",
        x=ROWS,
        w=UP,
    ),
    case(
        "constraint gather",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P()))",
        x=BOTH,
    ),
    case(
        "a2a",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P(None, 'data')))",
        x=ROWS,
    ),
    case(
        "constraint by a spec",
        "jax.lax.with_sharding_constraint(x @ w, P('data'))",
        x=ROWS,
        w=UP,
    ),
    case(
        "constraint by a spec of unconstrained",
        "jax.lax.with_sharding_constraint(x @ w, P(P.UNCONSTRAINED, 'model'))",
        x=ROWS,
        w=("ones((16, 32))", ""),
    ),
    case(
        "constraint to slice",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P('data', 'model')))",
        x=ROWS,
    ),
    case(
        "constraint to swap",
        "jax.lax.with_sharding_constraint(x * 2, NamedSharding(mesh, P('model', 'data')))",
        x=BOTH,
    ),
    case(
        "constraint in a loop",
        "def f(x):\n"
        "    def body(c, _):\n"
        "        c = jax.lax.with_sharding_constraint(c * 2, NamedSharding(mesh, P('data')))\n"
        "        return c, None\n"
        "    return jax.lax.scan(body, x, None, length=3)[0]\n",
        x=("ones((8, 16))", ""),
    ),
    case(
        "reduce scatter",
        "jax.lax.with_sharding_constraint(x @ w, NamedSharding(mesh, P('model')))",
        x=COLUMNS,
        w=("ones((16, 32))", "P('model', None)"),
    ),
    case("jit layer", "x * 2", x=ROWS, settings=_around("jax.jit(f)", Jit())),
    case(
        "jit layer donating",
        "x + 1",
        x=BOTH,
        settings=_around("jax.jit(f, donate_argnums=0)", Jit(donate_argnums="0")),
    ),
    case(
        "jit layer with in_shardings",
        "x @ x.T",
        x=("ones((8, 16))", ""),
        settings=_around(
            "jax.jit(f, in_shardings=NamedSharding(mesh, P('data')))", Jit(in_shardings="P('data')")
        ),
    ),
    case(
        "jit layer with out_shardings",
        "x * 2",
        x=ROWS,
        settings=_around(
            "jax.jit(f, out_shardings=NamedSharding(mesh, P(None, 'data')))",
            Jit(out_shardings="P(None, 'data')"),
        ),
    ),
    case("vmap", "jax.vmap(lambda v: v @ w)(x)", x=ROWS, w=UP),
    case(
        "vmap layer",
        "def f(v, w):\n    return jnp.tanh(v @ w)\n",
        x=ROWS,
        w=UP,
        settings=_around("jax.vmap(f, in_axes=(0, None))", Vmap(in_axes="(0, None)")),
    ),
    case(
        "vmap with an axis name",
        "jax.vmap(lambda v: v - jax.lax.pmean(v, 'i'), axis_name='i')(x)",
        x=ROWS,
    ),
    case(
        "vmap over spmd axis",
        "def f(x):\n"
        "    def row(v):\n"
        "        return jax.lax.with_sharding_constraint(v * 2, NamedSharding(mesh, P('model')))\n"
        "    return jax.vmap(row, spmd_axis_name='data')(x)\n",
        x=("ones((8, 16))", ""),
    ),
    case(
        "vmap of vmap",
        "jax.vmap(jax.vmap(jnp.dot, (0, None)), (None, 0))(x, y)",
        x=ROWS,
        y=("ones((6, 16))", "P('model')"),
    ),
]

DERIVATIVES = [
    case("grad", f"jax.grad(lambda w: {_LOSS})(w)", x=ROWS, w=UP),
    case("grad of both", f"jax.grad(lambda x, w: {_LOSS}, (0, 1))(x, w)", x=ROWS, w=UP),
    case(
        "grad layer",
        f"def f(w, x):\n    return {_LOSS}\n",
        w=UP,
        x=ROWS,
        settings=_around("jax.grad(f)", Grad()),
    ),
    case(
        "value_and_grad layer",
        f"def f(w, x):\n    return {_LOSS}\n",
        w=UP,
        x=ROWS,
        settings=_around("jax.jit(jax.value_and_grad(f))", ValueAndGrad(), Jit()),
    ),
    case(
        "value_and_grad",
        "jax.value_and_grad(lambda w: jnp.mean((x @ w - 1) ** 2))(w)",
        x=ROWS,
        w=("ones((16, 4))", ""),
    ),
    case(
        "grad of a scan",
        "def f(x, w):\n"
        "    def loss(w):\n"
        "        return jax.lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, w)[0].sum()\n"
        "    return jax.grad(loss)(w)\n",
        x=ROWS,
        w=_STACK,
    ),
    case("jvp", "jax.jvp(lambda x: jnp.tanh(x @ w), (x,), (x,))", x=ROWS, w=UP),
    case(
        "vjp",
        "def f(x, w):\n"
        "    out, back = jax.vjp(lambda x, w: jnp.sin(x @ w), x, w)\n"
        "    return back(out)\n",
        x=ROWS,
        w=UP,
    ),
    case("linearize", "jax.linearize(jnp.tanh, x)[1](x)", x=BOTH),
    case("hessian", "jax.hessian(lambda v: jnp.sum(v ** 3))(x)", x=("ones(8)", "P('data')")),
    case(
        "jacfwd",
        "jax.jacfwd(lambda v: jnp.tanh(w @ v))(v)",
        v=("ones(4)", ""),
        w=("ones((8, 4))", "P('data')"),
    ),
    case(
        "jacrev",
        "jax.jacrev(lambda v: jnp.tanh(w @ v))(v)",
        v=("ones(4)", ""),
        w=("ones((8, 4))", "P('data')"),
    ),
    case(
        "per example gradients",
        "jax.vmap(jax.grad(lambda w, v: jnp.sum(jnp.tanh(v @ w))), (None, 0))(w, x)",
        x=ROWS,
        w=("ones((16, 4))", ""),
    ),
    case(
        "remat",
        "jax.grad(lambda x: jax.checkpoint(lambda v: jnp.sin(jnp.sin(v)))(x).sum())(x)",
        x=ROWS,
    ),
    case(
        "remat saving products",
        "def f(x, w1, w2):\n"
        "    def mlp(w1, w2):\n"
        "        return jnp.sin(jnp.sin(x @ w1) @ w2).sum()\n"
        "    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable\n"
        "    mlp = jax.checkpoint(mlp, policy=policy)\n"
        "    return jax.grad(mlp, (0, 1))(w1, w2)\n",
        x=ROWS,
        w1=UP,
        w2=DOWN,
    ),
    case(
        "remat saving nothing in a scan",
        "def f(x, w):\n"
        "    @jax.checkpoint\n"
        "    def body(c, w):\n"
        "        return jnp.tanh(c @ w), None\n"
        "    return jax.grad(lambda w: jax.lax.scan(body, x, w)[0].sum())(w)\n",
        x=ROWS,
        w=_STACK,
    ),
    case(
        "checkpoint layer",
        "def f(x, w):\n    return jnp.sin(x @ w).sum()\n",
        x=ROWS,
        w=UP,
        settings=_around("jax.grad(jax.checkpoint(f))", Checkpoint(), Grad()),
    ),
    case(
        "custom_vjp",
        "def f(x):\n"
        "    @jax.custom_vjp\n"
        "    def clipped(v):\n"
        "        return v * 2\n"
        "    clipped.defvjp(lambda v: (v * 2, v), lambda v, g: (jnp.clip(g, -1, 1) * v,))\n"
        "    return jax.value_and_grad(lambda v: clipped(v).sum())(x)\n",
        x=BOTH,
    ),
    case(
        "custom_vjp forward",
        "def f(x, w):\n"
        "    @jax.custom_vjp\n"
        "    def product(a, b):\n"
        "        return a @ b\n"
        "    product.defvjp(lambda a, b: (a @ b, (a, b)), lambda r, g: (g @ r[1].T, r[0].T @ g))\n"
        "    return product(x, w)\n",
        x=ROWS,
        w=UP,
    ),
    case(
        "custom_jvp",
        "def f(x):\n"
        "    @jax.custom_jvp\n"
        "    def softplus(v):\n"
        "        return jnp.log1p(jnp.exp(v))\n"
        "    softplus.defjvps(lambda t, y, v: t * jax.nn.sigmoid(v))\n"
        "    return jax.grad(lambda v: softplus(v).sum())(x) + softplus(x)\n",
        x=BOTH,
    ),
    case("stop_gradient", "jax.grad(lambda v: (jax.lax.stop_gradient(v) * v).sum())(x)", x=BOTH),
    case("grad of softmax", "jax.grad(lambda v: jax.nn.softmax(v)[:, 0].sum())(x)", x=ROWS),
    case(
        "grad of an embedding",
        "jax.grad(lambda e: jnp.sum(e[i] ** 2))(e)",
        e=("ones((64, 16))", ""),
        i=("jnp.zeros((8, 4), int)", "P('data')"),
    ),
    case(
        "grad of a convolution",
        "jax.grad(lambda k: jax.lax.conv(x, k, (1, 1), 'SAME').sum())(k)",
        x=("ones((8, 3, 8, 8))", "P('data')"),
        k=("ones((4, 3, 3, 3))", ""),
    ),
    case("grad of max", "jax.grad(lambda v: v.max(1).sum())(x)", x=ROWS),
]

TREES = [
    case(
        "dicts",
        "{'out': p['w'] * 2, 'sum': {'b': p['b'].sum()}}",
        p=("{'w': ones((8, 16)), 'b': ones(16)}", "{'w': P('data'), 'b': P('model')}"),
    ),
    case(
        "a tree with one spec",
        "jax.tree.map(lambda a: a + 1, p)",
        p=("{'a': ones((8, 2)), 'b': [ones(4), ones((16, 3))]}", "P('data')"),
    ),
    case("tuples", "(x, (y, x @ y.T), None)", x=ROWS, y=ROWS),
    case("an argument returned", "x", x=BOTH),
    case("an unused argument", "x + 1", x=ROWS, y=COLUMNS),
    case("a constant returned", "jnp.arange(8), x + 1", x=ROWS),
]

PROGRAMS = [*LOOPS, *CALLS, *DERIVATIVES, *TREES]
