"""Gathers for less, what is sent there and back, and padding are told where a remedy gains."""

from __future__ import annotations

import pytest

from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import SOURCE
from jaxtui.session.session import Argument, Devices, Program, Session, Sharding, with_field
from jaxtui.sharding.engine.advice import Gain, advised, told_of
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.engine.remedies import Suspicion
from jaxtui.sharding.engine.source_edits import Edits
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import Advice, ShardingPlan
from tests.support.tables import one_in

MESH = {"data": 4, "model": 2}
CONSTRAIN = "jax.lax.with_sharding_constraint"


def session(*lines: str, **given: tuple[str, str]) -> Session:
    source = f"def f({', '.join(given)}):\n" + "".join(f"    {line}\n" for line in lines)
    arguments = [Argument(name=n, value=v, sharding=s) for n, (v, s) in given.items()]
    return Session(program=Program(source=source, arguments=arguments), devices=Devices(mesh=MESH))


def planned(made: Session) -> ShardingPlan:
    return plan_of(Composition.of(made, ""), Sharding())


def seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)


TALL = ("ones((4096, 64))", "P('data')")
SQUARE = ("ones((512, 512))", "P('data')")
# fmt: off
SPEAKS = {
    "a gather that a constraint asks for before a sum": (
        session(f"h = {CONSTRAIN}(x, P())", "m = h.sum(0)", "return m", x=TALL),
        "x is gathered over data to 1 MiB on each device, for m of 256 B",
        "without the constraint in line 2"),
    "a gather before a product that is small": (
        session("h = jnp.tanh(x)", f"g = {CONSTRAIN}(h, P())", "m = g.T @ v", "return m",
                x=TALL, v=("ones((4096, 2))", "P('data')")),
        "x is gathered over data to 1 MiB on each device, for what transpose makes of 256 KiB",
        "without the constraint in line 3"),
    "a gather along the dimension of a running sum": (
        session("c = jnp.cumsum(x, axis=0)", "return c.max(0)", x=TALL),
        "x is gathered over data to 1 MiB on each device, for c of 256 KiB",
        "x as P(None, 'data')"),
    "there and back by two constraints": (
        session(f"a = {CONSTRAIN}(x, P(None, 'data'))", "b = jnp.tanh(a)",
                f"return {CONSTRAIN}(b, P('data'))", x=SQUARE),
        "x goes there and back: all_to_all over data in line 2 and back in line 3, 384 KiB sent",
        "without the constraint in line 2"),
    "there for one line, and back for what is added": (
        session("h = jnp.sin(x)", f"a = {CONSTRAIN}(h * 2, P(None, 'data'))", "b = jnp.tanh(a)",
                f"c = {CONSTRAIN}(b, P('data')) + h", "return c", x=SQUARE),
        "goes there and back: all_to_all over data in line 3 and back in line 4",
        "without the constraint in line 3"),
    "there and back of three dimensions": (
        session(f"a = {CONSTRAIN}(x, P(None, None, 'data'))", "b = a * a",
                f"c = {CONSTRAIN}(b, P(None, 'data'))", "return jnp.exp(c)",
                x=("ones((4, 128, 512))", "P(None, 'data')")),
        "x goes there and back: all_to_all over data in line 2 and back in line 3",
        "without the constraint in line 2"),
    "padding behind a concatenation": (
        session("h = jnp.concatenate([c, x], 1)", "g = jnp.tanh(h) * 2", "return g.sum(1)",
                x=("ones((64, 8, 128))", "P(None, 'data')"), c=("ones((64, 1, 128))", "")),
        "dimension 1 of h is 9, which data cannot divide into 4 equal parts: 24 KiB of the 96 KiB "
        "on each device are padding; 8 and 12 can be divided",
        "h as P('data')"),
    "padding behind a slice": (
        session("h = x[:-3] * 2", "g = jnp.tanh(h)", "return g",
                x=("ones((8, 4096))", "P('data')")),
        "dimension 0 of h is 5, which data cannot divide into 4 equal parts: 12 KiB of the 32 KiB "
        "on each device are padding; 4 and 8 can be divided",
        "h as P(None, 'data')"),
    "padding of columns": (
        session("h = x[:, :5] * 2", "return jnp.exp(h)", x=("ones((4096, 8))", "P(None, 'data')")),
        "dimension 1 of h is 5, which data cannot divide into 4 equal parts",
        "h as P('data')"),
}
SILENT = {
    "a gather of weights for more": (
        session("h = x @ w", "return h", x=("ones((4096, 128))", "P('data')"),
                w=("ones((128, 512))", "P('data')")), "is gathered"),
    "a gather that nothing saves": (
        session("v, i = jax.lax.top_k(x @ w, 4)", "return v", x=("ones((64, 128))", ""),
                w=("ones((128, 4096))", "P(None, 'data')")), "is gathered"),
    "a gather of little": (
        session("b = jnp.cumsum(v)", "return x * b.max()", x=SQUARE,
                v=("ones(64)", "P('data')")), "is gathered"),
    "one way only": (
        session("h = jnp.tanh(x + y)", "return h * y", x=SQUARE,
                y=("ones((512, 512))", "P(None, 'data')")), "there and back"),
    "there and back for what needs it": (
        session(f"a = {CONSTRAIN}(x, P('data'))", "b = jnp.cumsum(a, 1)",
                f"return {CONSTRAIN}(b, P(None, 'data'))",
                x=("ones((512, 512))", "P(None, 'data')")), "there and back"),
    "sent on to another dimension": (
        session(f"a = {CONSTRAIN}(x, P(None, 'data'))", "b = jnp.tanh(a)",
                f"return {CONSTRAIN}(b, P(None, None, 'data'))",
                x=("ones((64, 64, 64))", "P('data')")), "there and back"),
    "even parts": (
        session("h = jnp.concatenate([c, x], 1)", "return jnp.tanh(h).sum(1)",
                x=("ones((64, 8, 128))", "P(None, 'data')"), c=("ones((64, 4, 128))", "")),
        "padding"),
    "padding of little": (
        session("h = x[:-1] * 2", "return jnp.tanh(h)", x=("ones((4096, 64))", "P('data')")),
        "padding"),
    "a small array": (
        session("h = v[:-3] * 2", "return x * h.sum()", x=SQUARE, v=("ones(8)", "P('data')")),
        "padding"),
}
# fmt: on


def advice_of(made: Session) -> list[Advice]:
    return advised(Composition.of(made, ""), Sharding())


@pytest.mark.parametrize("name", one_in(2, SPEAKS))
def test_it_is_told_with_its_lines_and_a_remedy_that_gains(name: str) -> None:
    made, message, remedy = SPEAKS[name]
    told = [one for one in advice_of(made) if message in one.message]
    assert told, [one.message for one in advice_of(made)]
    (advice,) = told
    assert any(fix.label.startswith(f"{remedy}: ") for fix in advice.fixes), advice.fixes
    plan = planned(made)
    for fix in advice.fixes:
        after = planned(with_field(made, fix.field, fix.text))
        assert seconds(after) < seconds(plan) or after.memory.peak < plan.memory.peak


@pytest.mark.parametrize("name", SILENT)
def test_it_is_not_told_where_there_is_none_or_nothing_is_gained(name: str) -> None:
    made, words = SILENT[name]
    assert not any(words in one.message for one in advice_of(made))


@pytest.mark.parametrize("name", one_in(3, [*SPEAKS, *SILENT]))
def test_only_what_has_less_sent_speaks_of_what_is_sent(name: str) -> None:
    made = (SPEAKS | SILENT)[name][0]
    plan = planned(made)
    for one in advice_of(made):
        if "sent by each device" in one.message or "gathered" in one.message:
            for fix in one.fixes:
                after = planned(with_field(made, fix.field, fix.text))
                assert seconds(after) < seconds(plan)
                assert "of sending becomes" in fix.label


def test_a_remedy_that_lowers_memory_alone_speaks_of_memory() -> None:
    plan = planned(SPEAKS["there and back by two constraints"][0])
    was, peak = seconds(plan), plan.memory.peak
    fixes = [
        (Gain(was / 2, peak), Fix(label="faster", field=SOURCE, text="")),
        (Gain(was, peak // 2), Fix(label="smaller", field=SOURCE, text="")),
    ]
    suspicion = Suspicion(2, "all_to_all over data: 9 B sent by each device", 9, [], sends=True)
    both = told_of(suspicion, fixes, plan)
    assert (both.message, [fix.label for fix in both.fixes]) == (suspicion.message, ["faster"])
    memory = told_of(suspicion, fixes[1:], plan)
    assert memory.message == "the peak of 768 KiB on each device could be 384 KiB lower"
    assert (memory.bytes, [fix.label for fix in memory.fixes]) == (peak - peak // 2, ["smaller"])


EDITED = [
    ("y = with_sharding_constraint(x + 1, P())\n", 1, "y = (x + 1)\n"),
    (f"y = 2 * {CONSTRAIN}(\n    x,\n    P(),\n)  # here\n", 2, "y = 2 * x  # here\n"),
    ("y = x + 1\n", 1, None),
    ("y = wsc(x, P())\n", 1, None),
    (f"y = {CONSTRAIN}({CONSTRAIN}(x, P()), P())\n", 1, None),
]


@pytest.mark.parametrize(("source", "line", "wanted"), EDITED)
def test_a_constraint_is_taken_out_of_a_source(source: str, line: int, wanted: str | None) -> None:
    assert Edits(Program(source=source)).unconstrained(line) == wanted
