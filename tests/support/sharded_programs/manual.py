"""`shard_map` inside a program: each collective, nested in what the compiler partitions."""

from __future__ import annotations

from tests.support.bare_sharding import ShardedCase
from tests.support.sharded_programs.making import BOTH, COLUMNS, ROWS, case

_LINE = {"data": 8}


def _mapped(
    name: str, body: str, specs: tuple[str, str], options: str = "", **arguments: tuple[str, str]
) -> ShardedCase:
    """A program that maps a block's expression over the devices."""
    names = ", ".join(arguments)
    source = (
        f"def f({names}):\n"
        f"    def block({names}):\n"
        f"        return {body}\n"
        f"    return jax.shard_map(block, mesh=mesh, in_specs={specs[0]}, out_specs={specs[1]}"
        f"{options})({names})\n"
    )
    return case(name, source, **arguments)


PROGRAMS = [
    _mapped("shard_map", "jax.lax.psum(x.sum(0), 'data')", ("P('data')", "P()"), x=ROWS),
    _mapped("manual pmean", "jax.lax.pmean(x, 'data')", ("P('data')", "P()"), x=ROWS),
    _mapped("manual pmax", "jax.lax.pmax(x, 'model')", ("P('data', 'model')", "P('data')"), x=BOTH),
    _mapped(
        "manual pmin both",
        "jax.lax.pmin(x.min(), ('data', 'model'))",
        ("P('data', 'model')", "P()"),
        x=BOTH,
    ),
    _mapped(
        "manual all_gather",
        "jax.lax.all_gather(x, 'data')",
        ("P('data')", "P(None, 'data')"),
        x=ROWS,
    ),
    _mapped(
        "manual all_gather tiled",
        "jax.lax.all_gather(x, 'data', axis=1, tiled=True)",
        ("P('data')", "P('data')"),
        x=ROWS,
    ),
    _mapped(
        "manual psum_scatter",
        "jax.lax.psum_scatter(x, 'model', scatter_dimension=1, tiled=True)",
        ("P('data')", "P('data', 'model')"),
        x=ROWS,
    ),
    _mapped(
        "manual all_to_all",
        "jax.lax.all_to_all(x, 'data', 1, 0, tiled=True)",
        ("P('data')", "P(None, 'data')"),
        x=ROWS,
    ),
    _mapped(
        "manual ppermute",
        "jax.lax.ppermute(x, 'data', [(i, (i + 1) % 4) for i in range(4)])",
        ("P('data')", "P('data')"),
        x=ROWS,
    ),
    _mapped(
        "manual axis_index", "x + jax.lax.axis_index('data')", ("P('data')", "P('data')"), x=ROWS
    ),
    _mapped("manual axis_size", "x * jax.lax.psum(1, 'model')", ("P('data')", "P('data')"), x=ROWS),
    _mapped("manual from other specs", "x * 2", ("P(None, 'data')", "P(None, 'data')"), x=ROWS),
    _mapped(
        "manual partly",
        "jax.lax.psum(x.sum(0), 'data')",
        ("P('data')", "P()"),
        ", axis_names={'data'}",
        x=BOTH,
    ),
    _mapped(
        "manual partly with a product",
        "x @ w",
        ("(P('data'), P())", "P('data')"),
        ", axis_names={'data'}",
        x=ROWS,
        w=("ones((16, 32))", "P(None, 'model')"),
    ),
    _mapped(
        "manual unchecked",
        "jax.lax.psum(x, 'data')",
        ("P('data')", "P()"),
        ", check_vma=False",
        x=ROWS,
    ),
    _mapped(
        "manual product",
        "jax.lax.psum(x @ w, 'model')",
        ("(P('data', 'model'), P('model', None))", "P('data')"),
        x=BOTH,
        w=("ones((16, 32))", "P('model', None)"),
    ),
    case(
        "manual between constraints",
        "def f(x):\n"
        "    y = jnp.sin(x)\n"
        "    z = jax.shard_map(lambda b: b - jax.lax.pmax(b, 'data'), mesh=mesh,"
        " in_specs=P('data'), out_specs=P('data'))(y)\n"
        "    return z.sum(0)\n",
        x=ROWS,
    ),
    case(
        "manual in a scan",
        "def f(x):\n"
        "    step = jax.shard_map(lambda b: jax.lax.ppermute(b, 'data',"
        " [(i, (i + 1) % 4) for i in range(4)]), mesh=mesh, in_specs=P('data'),"
        " out_specs=P('data'))\n"
        "    return jax.lax.fori_loop(0, 3, lambda i, c: step(c), x)\n",
        x=ROWS,
    ),
    case(
        "a scan in manual",
        "def f(x):\n"
        "    def block(b):\n"
        "        def turn(c, _):\n"
        "            return jax.lax.ppermute(c, 'data', [(i, (i + 1) % 4) for i in range(4)]),"
        " c.sum()\n"
        "        return jax.lax.scan(turn, b, None, length=4)[0]\n"
        "    return jax.shard_map(block, mesh=mesh, in_specs=P('data'), out_specs=P('data'))(x)\n",
        x=ROWS,
    ),
    case(
        "grad of manual",
        "def f(x, w):\n"
        "    def block(x, w):\n"
        "        return jax.lax.pmean((jnp.tanh(x @ w) ** 2).sum(), 'data')\n"
        "    loss = jax.shard_map(block, mesh=mesh, in_specs=(P('data'), P()), out_specs=P())\n"
        "    return jax.grad(lambda w: loss(x, w))(w)\n",
        x=ROWS,
        w=("ones((16, 4))", ""),
    ),
    case(
        "manual data parallel step",
        "def f(w, x, y):\n"
        "    def block(w, x, y):\n"
        "        loss, grad = jax.value_and_grad(lambda w: ((x @ w - y) ** 2).mean())(w)\n"
        "        return jax.lax.pmean(loss, 'data'), w - 0.1 * jax.lax.pmean(grad, 'data')\n"
        "    return jax.shard_map(block, mesh=mesh, in_specs=(P(), P('data'), P('data')),"
        " out_specs=(P(), P()), check_vma=False)(w, x, y)\n",
        w=("ones((16, 4))", ""),
        x=ROWS,
        y=("ones((8, 4))", "P('data')"),
    ),
    case(
        "ring attention",
        "def f(q, k, v):\n"
        "    def block(q, k, v):\n"
        "        def turn(carry, _):\n"
        "            k, v, top, bottom, most = carry\n"
        "            s = q @ k.T / 4.\n"
        "            now = jnp.maximum(most, s.max(-1, keepdims=True))\n"
        "            p, scale = jnp.exp(s - now), jnp.exp(most - now)\n"
        "            top, bottom = top * scale + p @ v, bottom * scale + p.sum(-1, keepdims=True)\n"
        "            ring = [(i, (i + 1) % 8) for i in range(8)]\n"
        "            k, v = jax.lax.ppermute((k, v), 'data', ring)\n"
        "            return (k, v, top, bottom, now), None\n"
        "        start = (k, v, q * 0, q[:, :1] * 0, q[:, :1] * 0 - 1e9)\n"
        "        top, bottom = jax.lax.scan(turn, start, None, length=8)[0][2:4]\n"
        "        return top / bottom\n"
        "    specs = P('data')\n"
        "    return jax.shard_map(block, mesh=mesh, in_specs=(specs,) * 3, out_specs=specs)"
        "(q, k, v)\n",
        mesh=_LINE,
        q=("ones((32, 16))", "P('data')"),
        k=("ones((32, 16))", "P('data')"),
        v=("ones((32, 16))", "P('data')"),
    ),
    case(
        "manual expert exchange",
        "def f(x, w):\n"
        "    def block(x, w):\n"
        "        sent = jax.lax.all_to_all(x.reshape(4, -1, 16), 'data', 0, 0)\n"
        "        made = jax.nn.relu(sent @ w[0])\n"
        "        return jax.lax.all_to_all(made, 'data', 0, 0).reshape(-1, 16)\n"
        "    return jax.shard_map(block, mesh=mesh, in_specs=(P('data'), P('data')),"
        " out_specs=P('data'))(x, w)\n",
        x=("ones((32, 16))", "P('data')"),
        w=("ones((4, 16, 16))", "P('data')"),
    ),
    _mapped(
        "manual columns summed", "jax.lax.psum(x, 'model')", ("P(None, 'model')", "P()"), x=COLUMNS
    ),
]
