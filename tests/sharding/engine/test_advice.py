"""Advice gains what it says, and there is none where nothing is gained."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import AnyLayer, Jit
from jaxtui.session.session import Argument, Devices, Program, Session, Sharding, with_field
from jaxtui.sharding.engine.advice import advised
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import ShardingPlan

MESH = {"data": 4, "model": 2}


def session(
    source: str, given: dict[str, tuple[str, str]], layers: tuple[AnyLayer, ...] = ()
) -> Session:
    arguments = [Argument(name=n, value=v, sharding=s) for n, (v, s) in given.items()]
    return Session(
        program=Program(source=source, arguments=arguments, layers=list(layers)),
        devices=Devices(mesh=MESH),
    )


def planned(made: Session) -> ShardingPlan:
    return plan_of(Composition.of(made, ""), Sharding())


def seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)


WASTEFUL = {
    "an argument that lies whole": session(
        "def f(x, w):\n    return jax.nn.relu(x @ w)\n",
        {"x": ("ones((512, 128))", "P('data')"), "w": ("ones((128, 4096))", "")},
    ),
    "a batch that moved": session(
        "def f(table, tokens, w):\n"
        "    x = table[tokens]\n"
        "    h = jnp.tanh(x @ w)\n"
        "    return h @ w.T\n",
        {
            "table": ("ones((256, 64))", "P(None, 'data')"),
            "tokens": ("zeros((64, 32), int)", "P('data')"),
            "w": ("ones((64, 256))", "P(None, 'model')"),
        },
    ),
    "a gather in each turn": session(
        "def f(x, w):\n"
        "    def turn(c, _):\n"
        "        return jnp.tanh(c @ jax.lax.with_sharding_constraint(w, P())), None\n"
        "    y, _ = jax.lax.scan(turn, x, length=10)\n"
        "    return y\n",
        {"x": ("ones((64, 128))", "P('data')"), "w": ("ones((128, 128))", "P('model')")},
    ),
    "what is not donated": session(
        "def f(w, g):\n    return w - 0.1 * g\n",
        {
            "w": ("ones((512, 512))", "P('data', 'model')"),
            "g": ("ones((512, 512))", "P('data', 'model')"),
        },
        (Jit(),),
    ),
}


@pytest.mark.parametrize("name", WASTEFUL)
def test_each_remedy_is_cheaper_once_it_is_applied(name: str) -> None:
    made = WASTEFUL[name]
    plan = planned(made)
    advice = advised(Composition.of(made, ""), Sharding())
    assert advice
    for one in advice:
        assert one.message
        for fix in one.fixes:
            after = planned(with_field(made, fix.field, fix.text))
            less_time = seconds(after) < seconds(plan)
            less_memory = after.memory.peak < plan.memory.peak and seconds(after) <= seconds(plan)
            assert less_time or less_memory


def test_a_donation_halves_what_an_update_takes() -> None:
    made = WASTEFUL["what is not donated"]
    (advice,) = advised(Composition.of(made, ""), Sharding())
    (fix,) = advice.fixes
    assert (fix.field, fix.text) == ("program.layers.0.donate_argnums", "0")


def test_the_line_that_lost_the_batch_is_named() -> None:
    advice = advised(Composition.of(WASTEFUL["a batch that moved"], ""), Sharding())
    assert any(one.line == 2 and "x" in one.message for one in advice)


def test_a_program_that_wastes_nothing_gets_no_advice() -> None:
    made = session(
        "def f(x, w1, w2):\n    return jax.nn.relu(x @ w1) @ w2\n",
        {
            "x": ("ones((8, 16))", "P('data', None)"),
            "w1": ("ones((16, 32))", "P(None, 'model')"),
            "w2": ("ones((32, 16))", "P('model', None)"),
        },
    )
    assert not advised(Composition.of(made, ""), Sharding())
