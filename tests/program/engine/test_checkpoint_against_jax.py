"""Checkpoint: the values and shapes of bare JAX, and the policy saves what it saves there."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxtui.program.engine import evaluation
from jaxtui.program.engine.inspection import inspect
from jaxtui.session.layers import Checkpoint, Grad, Jit, Pmap, ShardMap, ValueAndGrad, Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.support.bare import Case, case, check
from tests.support.wrong import Wrong, composition, wrong
from tests.support.wrong import check as check_wrong

VECTOR = "x = arange(1., 4.)"
ROWS = "x = arange(16.).reshape(8, 2)"
DIVIDED = "P('devices')"
LOSS = "x: jnp.sum(jnp.sin(x) ** 2)"
NAMED = """
from jax.ad_checkpoint import checkpoint_name
def f(x):
    return jnp.sum(jnp.sin(checkpoint_name(jnp.cos(x), 'a')))
"""
MINE = """
def nothing(primitive, *avals, **params):
    return False
def f(x):
    return jnp.sum(jnp.sin(x) ** 2)
"""
HIDING = """
def dots_saveable(primitive, *avals, **params):
    return True
def f(x):
    return jnp.sum(jnp.sin(x) ** 2)
"""
BY_NAME = "def f(x, *, y):\n    return x * y\n"
STATIC = "x, n: x * len(n)"
SPECS = "in_specs=P('devices'), out_specs=P('devices')"

# fmt: off
CASES = [
    case("on its own", "x: (x ** 2, x.sum())", VECTOR, Checkpoint(), "jax.checkpoint(f)(x)",
        (None,)),
    case("a gradient", LOSS, VECTOR, (Checkpoint(), Grad()), "jax.grad(jax.checkpoint(f))(x)",
        (None, None)),
    case("a tree and its gradient", "p: (p['w'] * p['b']).sum()", "p = {'w': ones(3), 'b': 2.}",
        (Checkpoint(), ValueAndGrad()), "jax.value_and_grad(jax.checkpoint(f))(p)", (None, None)),
    case("an argument by name", BY_NAME, f"{VECTOR}\ny = 2.", Checkpoint(),
        "jax.checkpoint(f)(x, y=y)", (None,)),
    case("a static argument", STATIC, f"{VECTOR}\nn = 'ab'", Checkpoint(static_argnums="1"),
        "jax.checkpoint(f, static_argnums=1)(x, n)", (None,)),
    case("a static argument from the end", STATIC, f"{VECTOR}\nn = 'ab'",
        Checkpoint(static_argnums="(-1,)"), "jax.checkpoint(f, static_argnums=(-1,))(x, n)",
        (None,)),
    case("a policy by name", LOSS, VECTOR, (Checkpoint(policy="dots_saveable"), Grad()),
        "jax.grad(jax.checkpoint(f, policy=jax.checkpoint_policies.dots_saveable))(x)",
        (None, None)),
    case("no policy", LOSS, VECTOR, (Checkpoint(policy="None"), Grad()),
        "jax.grad(jax.checkpoint(f, policy=None))(x)", (None, None)),
    case("a policy of names", NAMED, VECTOR,
        (Checkpoint(policy="save_only_these_names('a')"), Grad()),
        "jax.grad(jax.checkpoint(f, policy=jax.checkpoint_policies.save_only_these_names('a')))(x)",
        (None, None)),
    case("a policy in full", NAMED, VECTOR,
        (Checkpoint(policy="jax.checkpoint_policies.save_only_these_names('a')"), Grad()),
        "jax.grad(jax.checkpoint(f, policy=jax.checkpoint_policies.save_only_these_names('a')))(x)",
        (None, None)),
    case("a policy of one's own", MINE, VECTOR, (Checkpoint(policy="nothing"), Grad()),
        "jax.grad(jax.checkpoint(f, policy=nothing))(x)", (None, None)),
    case("several checkpoints", LOSS, VECTOR,
        (Checkpoint(), Checkpoint(prevent_cse="False"), Grad()),
        "jax.grad(jax.checkpoint(jax.checkpoint(f), prevent_cse=False))(x)", (None, None, None)),
    case("under vmap and jit", LOSS, ROWS, (Checkpoint(), Grad(), Vmap(), Jit()),
        "jax.jit(jax.vmap(jax.grad(jax.checkpoint(f))))(x)", (None, 8, None, None)),
    case("around vmap", "x: jnp.sin(x)", VECTOR, (Vmap(), Checkpoint()),
        "jax.checkpoint(jax.vmap(f))(x)", (None, 3)),
    case("around jit", LOSS, VECTOR, (Jit(), Checkpoint(), Grad()),
        "jax.grad(jax.checkpoint(jax.jit(f)))(x)", (None, None, None)),
    case("on each device", LOSS, ROWS, (Checkpoint(), Grad(), Pmap()),
        "jax.pmap(jax.grad(jax.checkpoint(f)))(x)", (8, None, None)),
    case("inside shard_map", "x: jnp.sin(x)", ROWS,
        (Checkpoint(), ShardMap(in_specs=DIVIDED, out_specs=DIVIDED)),
        f"jax.shard_map(jax.checkpoint(f), mesh=mesh, {SPECS})(x)", (8, None)),
    case("around shard_map under jit", "x: jnp.sin(x)", ROWS,
        (ShardMap(in_specs=DIVIDED, out_specs=DIVIDED), Checkpoint(), Jit()),
        f"jax.jit(jax.checkpoint(jax.shard_map(f, mesh=mesh, {SPECS})))(x)", (None, None, 8)),
]

WRONG = [
    wrong("no such policy", LOSS, VECTOR, Checkpoint(policy="dots_savable"), "value", "0.policy",
        "'dots_savable' is not defined", 1),
    wrong("a policy in quotes", LOSS, VECTOR, Checkpoint(policy="'dots_saveable'"), "value",
        "0.policy", "a function is wanted.*checkpoint_policies; this is a str", 1),
    wrong("a policy that is a number", LOSS, VECTOR, Checkpoint(policy="3"), "value", "0.policy",
        "a function is wanted.*; this is a int"),
    wrong("a policy that is no Python", LOSS, VECTOR, Checkpoint(policy="dots_saveable("),
        "syntax", "0.policy", "never closed"),
    wrong("no such static argument", STATIC, f"{VECTOR}\nn = 'ab'", Checkpoint(static_argnums="2"),
        "axes", "0.static_argnums", "there is no argument 2"),
    wrong("static_argnums is no number", STATIC, f"{VECTOR}\nn = 'ab'",
        Checkpoint(static_argnums="'n'"), "axes", "0.static_argnums", "an int or a tuple of ints"),
    wrong("a text", STATIC, f"{VECTOR}\nn = 'ab'", Checkpoint(), "axes", "0.static_argnums",
        "n is a str: checkpoint takes it only as a static argument", 1),
    wrong("a branch on a value", "x: x if x[0] > 0 else -x", VECTOR, Checkpoint(), "function",
        "program.source", "boolean conversion"),
    wrong("a text leaves it", "x: ('a', x)", VECTOR, Checkpoint(), "axes", "program.layers.0",
        "not a valid JAX type"),
    wrong("copies that differ", "x: x * 2", "x = arange(8.)",
        (ShardMap(in_specs=DIVIDED, out_specs="P()", check_vma="False"), Checkpoint()), "axes",
        "0.out_specs", "declared the same on every device", only_run=True),
]
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_is_that_of_bare_jax(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_where_it_is(case: Wrong) -> None:
    check_wrong(case)


def jaxpr(source: str, policy: str) -> str:
    program = Program(
        source=source,
        arguments=[Argument(name="x", value="arange(1., 4.)")],
        layers=[Checkpoint(policy=policy), Grad()],
    )
    return inspect(composition(Session(program=program)), "jaxpr")


@pytest.mark.parametrize("policy", ["nothing_saveable", "everything_saveable", "dots_saveable"])
def test_the_policy_decides_what_is_computed_again(policy: str) -> None:
    function = jax.checkpoint(
        lambda x: jnp.sum(jnp.sin(x) ** 2), policy=getattr(jax.checkpoint_policies, policy)
    )
    bare = str(jax.make_jaxpr(jax.grad(function))(jnp.arange(1.0, 4.0)))
    ours = jaxpr("f = lambda x: jnp.sum(jnp.sin(x) ** 2)", policy)
    assert [ours.count(f" {name} ") for name in ("sin", "cos")] == [
        bare.count(f" {name} ") for name in ("sin", "cos")
    ]


def test_a_policy_that_the_source_defines_hides_one_of_jax() -> None:
    saving = jaxpr(HIDING, "dots_saveable")
    assert saving.count(" sin ") < jaxpr(MINE, "dots_saveable").count(" sin ")


def test_the_function_runs_as_soon_as_it_is_traced() -> None:
    stages: list[str] = []
    program = Program(
        source="f = lambda x: x * 2",
        arguments=[Argument(name="x", value="arange(3.)")],
        layers=[Checkpoint()],
    )
    evaluation.run(composition(Session(program=program)), stages.append, lambda: False)
    assert "compiling" not in stages
    assert stages[-1] == "running"
