"""Jacobians and Hessians: values, trees and shapes at every level are those of bare JAX."""

from __future__ import annotations

from typing import Any

import jax
import pytest

from jaxtui.session.layer_kind import Layer, name_of
from jaxtui.session.layers import LAYER_KINDS, Jit, Pmap, ShardMap, Vmap
from tests.support.bare import Case, bare_result, case, check

BEFORE_0_7 = tuple(int(part) for part in jax.__version__.split(".")[:2]) < (0, 7)
KINDS = [LAYER_KINDS[name] for name in ("jacfwd", "jacrev", "hessian")]
VECTOR = "x = arange(1., 4.)"
TWO = "x = arange(1., 4.)\ny = arange(2., 5.)"
TREE = "p = {'w': arange(6.).reshape(2, 3), 'b': ones(2)}\nx = arange(1., 4.)"
ROWS = "x = arange(16.).reshape(8, 2)"
DIVIDED = "P('devices')"
LOSSES = """
def f(p, x):
    h = jnp.tanh(p['w'] @ x + p['b'])
    return {'h': h, 'sum': (h ** 3).sum()}
"""
AUXILIARY = """
def f(x):
    return {'a': x ** 3, 'b': (x ** 2).sum()}, {'doubled': 2 * x, 'count': x.size}
"""
WIDE = "def f(*args):\n    return jnp.concatenate(args) ** 2 @ jnp.ones((6, 4))\n"
BY_NAME = "def f(x, *, y):\n    return x ** 2 * y\n"
CUSTOM = """
@jax.custom_jvp
def clipped(x):
    return jnp.clip(x, 0., 2.)
@clipped.defjvp
def rule(primals, tangents):
    return clipped(*primals), 2 * tangents[0]
def f(x):
    return lax.fori_loop(0, 3, lambda i, y: jnp.sin(y) * 2, clipped(x))
"""
LOOKS = "def f(x):\n    return x ** 3 if x[0] < 2 else -x\n"


# fmt: off
def cases(kind: type[Layer]) -> list[Any]:
    """Functions, trees, several argnums, and other layers around and inside."""
    name = name_of(kind)
    bare = f"jax.{name}"
    custom = [] if name == "hessian" else [case("a rule of one's own", CUSTOM, VECTOR, kind(),
        f"{bare}(f)(x)", (None,))]
    return [
        case("a vector of a vector", "x: x ** 3 + x[0]", VECTOR, kind(), f"{bare}(f)(x)", (None,)),
        case("a scalar", "x: (x ** 3).sum()", VECTOR, kind(), f"{bare}(f)(x)", (None,)),
        case("of a scalar", "x: jnp.stack([x, x ** 2])", "x = 3.", kind(), f"{bare}(f)(x)",
            (None,)),
        case("a matrix of a matrix", "x: x @ x.T", "x = arange(6.).reshape(2, 3)", kind(),
            f"{bare}(f)(x)", (None,)),
        case("nothing to differentiate with respect to", "x: x ** 2", "x = ones((0,))", kind(),
            f"{bare}(f)(x)", (None,)),
        case("trees of trees", LOSSES, TREE, kind(), f"{bare}(f)(p, x)", (None,)),
        case("the second argument", "x, y: x * y ** 2", TWO, kind(argnums="1"),
            f"{bare}(f, argnums=1)(x, y)", (None,)),
        case("the last argument", "x, y: x * y ** 2", TWO, kind(argnums="-1"),
            f"{bare}(f, argnums=-1)(x, y)", (None,)),
        case("both arguments", "x, y: x * y ** 2", TWO, kind(argnums="(0, 1)"),
            f"{bare}(f, argnums=(0, 1))(x, y)", (None,)),
        case("both arguments, one a tree", LOSSES, TREE, kind(argnums="(1, 0)"),
            f"{bare}(f, argnums=(1, 0))(p, x)", (None,)),
        case("any number of arguments", WIDE, TWO, kind(argnums="(0, 1)"),
            f"{bare}(f, argnums=(0, 1))(x, y)", (None,)),
        case("an argument by name", BY_NAME, TWO, kind(), f"{bare}(f)(x, y=y)", (None,)),
        case("auxiliary outputs", AUXILIARY, VECTOR, kind(has_aux="True"),
            f"{bare}(f, has_aux=True)(x)", (None,)),
        case("a function that looks at a value", LOOKS, VECTOR, kind(), f"{bare}(f)(x)", (None,)),
        case("holomorphic", "x: x ** 3", "x = arange(3.) + 1j", kind(holomorphic="True"),
            f"{bare}(f, holomorphic=True)(x)", (None,)),
        case("under vmap", "x: jnp.sin(x)", "x = arange(6.).reshape(2, 3)", (kind(), Vmap()),
            f"jax.vmap({bare}(f))(x)", (2, None)),
        case("under vmap, out axis last", "x, y: x * y", "x = ones((2, 3))\ny = arange(3.)",
            (kind(argnums="(0, 1)"), Vmap(in_axes="(0, None)", out_axes="-1")),
            f"jax.vmap({bare}(f, argnums=(0, 1)), in_axes=(0, None), out_axes=-1)(x, y)",
            (2, None)),
        case("around vmap", "x: x ** 2", VECTOR, (Vmap(), kind()), f"{bare}(jax.vmap(f))(x)",
            (None, 3)),
        case("under jit", "x: x ** 3", VECTOR, (kind(), Jit()), f"jax.jit({bare}(f))(x)",
            (None, None)),
        case("around jit", "x: x ** 3", VECTOR, (Jit(), kind()), f"{bare}(jax.jit(f))(x)",
            (None, None)),
        case("on each device", "x: x ** 3", ROWS, (kind(), Pmap()), f"jax.pmap({bare}(f))(x)",
            (8, None)),
        case("inside shard_map", "x: x ** 3", ROWS,
            (kind(), ShardMap(in_specs=DIVIDED, out_specs=DIVIDED)),
            f"jax.shard_map({bare}(f), mesh=mesh, in_specs=P('devices'), "
            "out_specs=P('devices'))(x)", (8, None)),
        case("inside an unchecked shard_map", "x: x ** 3", ROWS,
            (kind(), ShardMap(in_specs=DIVIDED, out_specs=DIVIDED, check_vma="False")),
            f"jax.shard_map({bare}(f), mesh=mesh, in_specs=P('devices'), "
            "out_specs=P('devices'), check_vma=False)(x)", (8, None),
            marks=() if name == "jacrev" else pytest.mark.long),
        case("vmap, jit and shard_map", "x: jnp.cos(x)", ROWS,
            (kind(), Vmap(), ShardMap(in_specs=DIVIDED, out_specs=DIVIDED), Jit()),
            f"jax.jit(jax.shard_map(jax.vmap({bare}(f)), mesh=mesh, in_specs=P('devices'), "
            "out_specs=P('devices')))(x)", (None, 8, 1, None)),
        *custom,
    ]


# fmt: on
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            made.values[0],
            id=f"{name_of(kind)}: {made.id}",
            # Over devices they compile for seconds, and of the others each fourth is looked at.
            marks=[pytest.mark.long] if "shard_map" in str(made.id) or number % 4 else [],
        )
        for kind in KINDS
        for number, made in enumerate(cases(kind))
    ],
)
def test_derivatives_are_those_of_bare_jax(case: Case) -> None:
    try:
        bare_result(case)
    except ValueError as error:
        # Releases of JAX before 0.7 take no derivative in reverse inside a checked shard_map.
        if BEFORE_0_7 and "shard_map" in case.bare:
            pytest.skip(f"bare JAX refuses it: {error}")
        raise
    check(case)


@pytest.mark.parametrize("kind", KINDS)
def test_twice_is_the_derivative_of_the_derivative(kind: type[Layer]) -> None:
    name = name_of(kind)
    check(
        case(
            "twice",
            "x: jnp.sin(x).sum()",
            VECTOR,
            (kind(), kind()),
            f"jax.{name}(jax.{name}(f))(x)",
            (None, None),
        ).values[0]
    )
