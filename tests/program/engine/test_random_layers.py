"""Random stacks of layers give what bare JAX gives, or refuse what it refuses, at a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax, tree_util

from jaxtui.program.engine import evaluation
from jaxtui.session.export import script
from jaxtui.session.layers import (
    AnyLayer,
    Apply,
    Checkpoint,
    Grad,
    Jit,
    Jvp,
    Linearize,
    Map,
    Scan,
    ValueAndGrad,
    Vectorize,
    Vjp,
    Vmap,
)
from jaxtui.session.session import Argument, Program, Session
from tests.support.bare import assert_same_leaves
from tests.support.scripts import names_of
from tests.support.wrong import assert_plain, composition, run_failure, trace

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
SOURCE = "def f(x):\n    return jnp.sin(x) * 2\n"
TOTAL = "lambda g: lambda x: sum(map(jnp.sum, jax.tree.leaves(g(x))), jnp.zeros(()))"
CARRIED = "lambda g: lambda c, x: (c + 1, g(x))"
STARTED = "lambda g: lambda x: g(jnp.zeros(()), x)"


def ones(tree: Any) -> Any:
    return jax.tree.map(jnp.ones_like, tree)


def vjp(g: Callable[..., Any]) -> Callable[..., Any]:
    def pulled(x: Any) -> Any:
        out, pull = jax.vjp(g, x)
        return out, pull(ones(out))

    return pulled


def linearize(g: Callable[..., Any]) -> Callable[..., Any]:
    def pushed(x: Any) -> Any:
        out, push = jax.linearize(g, x)
        return out, push(ones(x))

    return pushed


def scan(g: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: lax.scan(lambda c, x: (c + 1, g(x)), jnp.zeros(()), x)


# Layers that go together, and the same in bare JAX.
CHOICES: dict[str, tuple[tuple[AnyLayer, ...], Wrap]] = {
    "vmap": ((Vmap(),), jax.vmap),
    "map": ((Map(),), lambda g: lambda x: lax.map(g, x)),
    "map by two": ((Map(batch_size="2"),), lambda g: lambda x: lax.map(g, x, batch_size=2)),
    "scan": ((Apply(function=CARRIED), Scan(), Apply(function=STARTED)), scan),
    "jvp": ((Jvp(),), lambda g: lambda x: jax.jvp(g, (x,), (jnp.ones_like(x),))),
    "jvp along 2": (
        (Jvp(tangents="full((2,), 2.)"),),
        lambda g: lambda x: jax.jvp(g, (x,), (jnp.full((2,), 2.0),)),
    ),
    "vjp": ((Vjp(),), vjp),
    "linearize": ((Linearize(),), linearize),
    "single values": ((Vectorize(),), jnp.vectorize),
    "vectors": (
        (Vectorize(signature="(n)->(n)"),),
        lambda g: jnp.vectorize(g, signature="(n)->(n)"),
    ),
    "sums": (
        (Vectorize(signature="(n)->()"),),
        lambda g: jnp.vectorize(g, signature="(n)->()"),
    ),
    "total": ((Apply(function=TOTAL),), eval(TOTAL, {"jax": jax, "jnp": jnp})),
    "grad": ((Grad(),), jax.grad),
    "value_and_grad": ((ValueAndGrad(),), jax.value_and_grad),
    "checkpoint": ((Checkpoint(),), jax.checkpoint),
    "jit": ((Jit(),), jax.jit),
}
VALUES = ["arange(2.)", "ones((2, 3))", "arange(8.).reshape(2, 2, 2)", "0.5", "zeros((0, 2))"]


@pytest.mark.long
@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(sorted(CHOICES)), min_size=1, max_size=4), st.sampled_from(VALUES))
def test_a_random_stack_gives_or_refuses_what_bare_jax_does(names: list[str], value: str) -> None:
    layers = [layer for name in names for layer in CHOICES[name][0]]
    arguments = [Argument(name="x", value=value)]
    session = Session(program=Program(source=SOURCE, arguments=arguments, layers=layers))
    function: Callable[..., Any] = lambda x: jnp.sin(x) * 2  # noqa: E731  # as in the source
    for name in names:
        function = CHOICES[name][1](function)
    known = {name: made for name, made in vars(jnp).items() if not name.startswith("_")}
    try:
        expected = function(eval(value, known))
    except Exception:
        traced = trace(session)
        # vectorize asks NumPy for the shape of a tuple, which makes it an array: only a run can.
        found = [run_failure(session), *([] if traced.deferred else [traced.diagnosis])]
        for diagnosis in found:
            assert diagnosis is not None, names
            assert diagnosis.field.startswith("program."), diagnosis
            assert_plain(diagnosis)
        return
    traced = trace(session)
    assert traced.diagnosis is None, traced.diagnosis
    ran = evaluation.run(composition(session), lambda stage: None, lambda: False)
    assert_same_leaves(ran.leaves, expected)
    result = names_of(script(session))["result"]
    leaves = [(tree_util.keystr(p), x) for p, x in tree_util.tree_flatten_with_path(result)[0]]
    assert_same_leaves(leaves, expected)
