"""Programs on meshes of one and of three axes, and with axes that types know."""

from __future__ import annotations

from typing import Any

from tests.support.bare_sharding import ShardedCase
from tests.support.sharded_programs.making import BOTH, COLUMNS, DOWN, ROWS, UP, case

_LINE = {"devices": 8}
_CUBE = {"replica": 2, "data": 2, "model": 2}
_MLP = "jax.nn.relu(x @ w1) @ w2"

AUTO = [
    case(
        "line rows",
        "x @ w",
        mesh=_LINE,
        x=("ones((8, 16))", "P('devices')"),
        w=("ones((16, 4))", ""),
    ),
    case(
        "line contracting",
        "x @ w",
        mesh=_LINE,
        x=("ones((8, 16))", "P(None, 'devices')"),
        w=("ones((16, 4))", "P('devices')"),
    ),
    case(
        "line mlp",
        _MLP,
        mesh=_LINE,
        x=("ones((8, 16))", ""),
        w1=("ones((16, 32))", "P(None, 'devices')"),
        w2=("ones((32, 16))", "P('devices')"),
    ),
    case("line transposed", "x.T @ x", mesh=_LINE, x=("ones((8, 16))", "P('devices')")),
    case(
        "cube mlp",
        _MLP,
        mesh=_CUBE,
        x=("ones((8, 16))", "P(('replica', 'data'))"),
        w1=("ones((16, 32))", "P('data', 'model')"),
        w2=("ones((32, 16))", "P('model', 'data')"),
    ),
    case(
        "cube gradient",
        "jax.grad(lambda w: jnp.sum((x @ w) ** 2))(w)",
        mesh=_CUBE,
        x=("ones((8, 16))", "P(('replica', 'data'))"),
        w=("ones((16, 32))", "P('data', 'model')"),
    ),
    case("cube sum", "x.sum()", mesh=_CUBE, x=("ones((8, 4, 6))", "P('replica', 'data', 'model')")),
    case(
        "cube all of one",
        "x.sum(0)",
        mesh=_CUBE,
        x=("ones((16, 4))", "P(('replica', 'data', 'model'))"),
    ),
    case(
        "cube einsum",
        "jnp.einsum('bsd,dh->bsh', x, w)",
        mesh=_CUBE,
        x=("ones((8, 4, 16))", "P('replica', 'data', 'model')"),
        w=("ones((16, 6))", "P('model')"),
    ),
    case(
        "cube split",
        "x.reshape(4, 4, 4)",
        mesh=_CUBE,
        x=("ones((16, 4))", "P(('replica', 'data'), 'model')"),
    ),
    case(
        "tall",
        "x @ w",
        mesh={"data": 2, "model": 4},
        x=("ones((8, 16))", "P('data', 'model')"),
        w=("ones((16, 8))", "P('model')"),
    ),
    case("part of the devices", "x @ x.T", mesh={"data": 2, "model": 2}, x=ROWS),
]


def _explicit(name: str, body: str, *auto: str, **arguments: tuple[str, str]) -> ShardedCase:
    types = {axis: "auto" if axis in auto else "explicit" for axis in ("data", "model")}
    settings: dict[str, Any] = {"axis_types": types, "in_context": True}
    if "reshard" in body or "out_sharding" in body:
        settings["since"] = (0, 7)
    return case(f"explicit {name}", body, settings=settings, **arguments)


EXPLICIT = [
    _explicit("mm", "x @ w", x=ROWS, w=UP),
    _explicit(
        "mlp",
        "jnp.einsum('bh,hd->bd', jax.nn.relu(x @ w1), w2, out_sharding=P('data'))",
        x=ROWS,
        w1=UP,
        w2=DOWN,
    ),
    _explicit("elementwise", "jnp.sin(x) * 2 + x", x=BOTH),
    _explicit("sum", "x.sum(0)", x=BOTH),
    _explicit("mean", "(x - x.mean(1, keepdims=True)) ** 2", x=BOTH),
    _explicit("transpose", "x.T", x=BOTH),
    _explicit("reshard", "jax.sharding.reshard(x, P(None, 'data')) + 1", x=ROWS),
    _explicit("reshard whole", "jax.sharding.reshard(x, P()) * 2", x=BOTH),
    _explicit(
        "contracting",
        "jnp.matmul(x, w, out_sharding=P())",
        x=COLUMNS,
        w=("ones((16, 32))", "P('model', None)"),
    ),
    _explicit(
        "batched",
        "jnp.einsum('bij,bjk->bik', a, b)",
        a=("ones((8, 4, 16))", "P('data')"),
        b=("ones((8, 16, 6))", "P('data', None, 'model')"),
    ),
    _explicit("softmax", "jax.nn.softmax(x)", x=ROWS),
    _explicit("gradient", "jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w) ** 2))(w)", x=ROWS, w=UP),
    _explicit(
        "scan",
        "jax.lax.scan(lambda c, v: (c + v, c.sum()), x, y)",
        x=ROWS,
        y=("ones((3, 8, 16))", "P(None, 'data')"),
    ),
    _explicit("vmap", "jax.vmap(lambda v: v @ w)(x)", x=ROWS, w=UP),
    _explicit("broadcast", "x + v", x=BOTH, v=("ones(16)", "P('model')")),
    _explicit("where", "jnp.where(x > 0, x, 0.)", x=BOTH),
    _explicit("concat", "jnp.concatenate([x, x], 1)", x=ROWS),
    _explicit("one axis", "jnp.sin(x @ w)", "model", x=ROWS, w=UP),
    _explicit("one axis mlp", _MLP, "model", x=ROWS, w1=UP, w2=DOWN),
    _explicit("one axis sum", "x.sum()", "data", x=BOTH),
    _explicit(
        "one axis gradient", "jax.grad(lambda w: jnp.sum((x @ w) ** 2))(w)", "model", x=ROWS, w=UP
    ),
]

PROGRAMS = [*AUTO, *EXPLICIT]
