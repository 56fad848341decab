"""What a dimension's sharding comes from is what the session lacks without it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.layers import ShardMap
from jaxtui.session.session import Sharding
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.engine.why import explained
from jaxtui.wire.base import Composition
from tests.sharding.engine.test_search import composed

CONSTRAINED = """
def f(x, w):
    both = jax.sharding.NamedSharding(mesh, P('data', 'model'))
    h = jax.lax.with_sharding_constraint(x @ w, both)
    return (h * 2).sum(1)
"""
ARGUMENTS = {"x": ("ones((8, 16))", ""), "w": ("ones((16, 32))", "")}


def number_of(composition: Composition, name: str) -> int:
    values = plan_of(composition, Sharding()).values
    return max(n for n, value in enumerate(values) if value.name == name)


def without_sharding(composition: Composition, index: int) -> Composition:
    arguments = list(composition.program.arguments)
    arguments[index] = replace(arguments[index], sharding="")
    return replace(composition, program=replace(composition.program, arguments=arguments))


def test_the_batch_comes_from_the_argument_that_is_divided() -> None:
    composition = composed()
    number = number_of(composition, "h")
    found = explained(composition, Sharding(), number, 0)
    assert found.axes == ["data"]
    (origin,) = found.origins
    assert origin.field == "program.arguments.0.sharding"
    mended = plan_of(without_sharding(composition, 0), Sharding())
    assert mended.values[number].spec[0] == origin.without == []


def test_where_two_ask_for_the_same_axis_both_are_told() -> None:
    composition = composed()
    number = number_of(composition, "h")
    found = explained(composition, Sharding(), number, 1)
    assert found.axes == ["model"]
    assert [origin.field for origin in found.origins] == [
        "program.arguments.1.sharding",
        "program.arguments.2.sharding",
    ]
    for index, origin in ((1, found.origins[0]), (2, found.origins[1])):
        assert origin.without == ["model"]
        alone = plan_of(without_sharding(composition, index), Sharding())
        assert alone.values[number].spec[1] == ["model"]


def test_a_constraint_is_told_with_its_line() -> None:
    composition = composed(CONSTRAINED, ARGUMENTS)
    found = explained(composition, Sharding(), number_of(composition, "h"), 1)
    (origin,) = found.origins
    assert (origin.line, origin.without) == (4, [])


def test_an_axis_that_is_gone_is_told_with_where_it_was_lost() -> None:
    composition = composed()
    last = len(plan_of(composition, Sharding()).values) - 1
    found = explained(composition, Sharding(), last, 1)
    assert found.axes == []
    assert found.lost == ["model divides h, and is lost at line 4, dot_general"]


def test_an_input_is_asked_about_by_a_negative_number() -> None:
    found = explained(composed(), Sharding(), -1, 0)
    assert [origin.label for origin in found.origins] == ["the sharding of x"]


@pytest.mark.parametrize(("value", "dimension"), [(99, 0), (0, 5), (-9, 0)])
def test_what_is_not_there_any_more_is_said(value: int, dimension: int) -> None:
    with pytest.raises(Diagnosed, match="no such dimension"):
        explained(composed(), Sharding(), value, dimension)


def test_an_input_of_a_shard_map_comes_from_its_specs() -> None:
    in_source = (
        "def f(x, w):\n"
        "    g = jax.shard_map(lambda x: x * 2, mesh=mesh, in_specs=P('data'), "
        "out_specs=P('data'))\n"
        "    return g(x) @ w\n"
    )
    planned = Sharding(mesh={"data": 8, "model": 4})
    found = explained(composed(in_source, ARGUMENTS), planned, -1, 0)
    assert found.axes == ["data"]
    assert [origin.label for origin in found.origins] == ["the shard_map in line 3"]
    layer = ShardMap(in_specs="(P('data'), P())", out_specs="P('data')")
    under = composed("def f(x, w):\n    return x @ w\n", ARGUMENTS, layers=(layer,))
    found = explained(under, Sharding(), -1, 0)
    assert [origin.field for origin in found.origins] == ["program.layers.0.in_specs"]


def test_a_call_is_told_by_its_function() -> None:
    source = "def f(x, w):\n    return jnp.take(x, jnp.array([0, 1]), 0) @ w\n"
    composition = composed(source, {**ARGUMENTS, "x": ("ones((8, 16))", "P('data')")})
    called = [value.called for value in plan_of(composition, Sharding()).values if value.called]
    assert called == ["_where", "_take"]
