"""A search tells of each way to shard what the plan of the edited session tells."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from jaxtui.engine_base.errors import GivenUp
from jaxtui.session.layers import AnyLayer, Jit
from jaxtui.session.session import Argument, AxisTypeName, Devices, Program, Sharding
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.engine.search import search
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import (
    FoundSharding,
    SearchedGroup,
    SearchShardings,
    ShardingPlan,
    ShardingsFound,
)
from tests.support.stacks import PATTERNS, training

MESH = {"data": 4, "model": 2}
MLP = """
def mlp(x, w1, w2):
    h = jax.nn.relu(x @ w1)
    return h @ w2
"""
GIVEN = {
    "x": ("ones((8, 16))", "P('data', None)"),
    "w1": ("ones((16, 32))", "P(None, 'model')"),
    "w2": ("ones((32, 16))", "P('model', None)"),
}


def composed(
    source: str = MLP,
    given: dict[str, tuple[str, str]] = GIVEN,
    types: dict[str, AxisTypeName] | None = None,
    layers: tuple[AnyLayer, ...] = (),
) -> Composition:
    arguments = [Argument(name=n, value=v, sharding=s) for n, (v, s) in given.items()]
    return Composition(
        program=Program(source=source, arguments=arguments, layers=list(layers)),
        devices=Devices(mesh=MESH, axis_types=types),
    )


def searched(
    composition: Composition,
    sharding: Sharding | None = None,
    fixed: tuple[str, ...] = (),
    limit: int = 40,
) -> list[FoundSharding]:
    return last_of(composition, sharding, fixed, limit).found


def last_of(
    composition: Composition,
    sharding: Sharding | None = None,
    fixed: tuple[str, ...] = (),
    limit: int = 40,
) -> ShardingsFound:
    request = SearchShardings(
        id=1,
        composition=composition,
        sharding=sharding or Sharding(),
        fixed=list(fixed),
        limit=limit,
    )
    *_, last = search(request, lambda: False)
    assert last.done
    assert len(last.found) <= last.tried <= limit
    return last


def applied(composition: Composition, specs: dict[str, str]) -> Composition:
    arguments = [
        replace(argument, sharding=specs.get(argument.name, argument.sharding))
        for argument in composition.program.arguments
    ]
    return replace(composition, program=replace(composition.program, arguments=arguments))


def seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)


@pytest.mark.parametrize("mode", ["auto", "explicit", "not there", "donated"])
def test_each_way_costs_what_its_plan_costs(mode: str) -> None:
    types: dict[str, AxisTypeName] | None = None
    if mode == "explicit":
        types = {"data": "explicit", "model": "explicit"}
    composition = composed(types=types)
    if mode == "donated":
        composition = composed(layers=(Jit(donate_argnums="(0, 1)"),))
    sharding = Sharding(mesh={"data": 8, "model": 4}) if mode == "not there" else Sharding()
    found = searched(composition, sharding)
    assert len(found) == 40
    assert len({str(one.specs) for one in found}) == 40
    for one in found[::3]:
        plan = plan_of(applied(composition, one.specs), sharding)
        assert seconds(plan) == pytest.approx(one.seconds)
        assert plan.memory.peak == one.memory


def test_the_cheapest_come_first_and_the_best_are_beaten_by_none() -> None:
    found = searched(composed(), limit=100)
    costs = [(one.seconds, one.memory) for one in found]
    assert costs == sorted(costs)
    for one in found:
        beaten = any(
            other.seconds <= one.seconds
            and other.memory <= one.memory
            and (other.seconds, other.memory) != (one.seconds, one.memory)
            for other in found
        )
        assert not (one.best and beaten)
    assert found[0].sent == 0


def test_an_argument_that_is_held_keeps_its_sharding() -> None:
    assert all(set(one.specs) == {"x", "w2"} for one in searched(composed(), fixed=("w1",)))


def test_what_one_device_cannot_hold_does_not_fit() -> None:
    found = searched(composed(), Sharding(memory="3 KB"))
    assert {one.fits for one in found} == {True, False}
    assert all(one.fits == (one.memory <= 3000) for one in found)


def test_a_tree_is_divided_alike_and_typed_as_a_tree() -> None:
    source = "def f(params, x):\n    return x @ params['w'] + params['b']\n"
    given = {
        "params": ("{'w': ones((16, 32)), 'b': ones((32,))}", ""),
        "x": ("ones((8, 16))", "P('data')"),
    }
    composition = composed(source, given)
    found = searched(composition, limit=80)
    texts = {one.specs["params"] for one in found}
    assert "" in texts
    assert {one.chosen.get("params") for one in found if not one.specs["params"]} == {"P()"}
    assert "{'b': P('model'), 'w': P(None, 'model')}" in texts
    for text in texts - {""}:
        plan_of(applied(composition, {"params": text}), Sharding())


def test_a_program_that_jax_refuses_as_it_is_is_searched_from_whole_arguments() -> None:
    given = {
        **GIVEN,
        "x": ("ones((8, 16))", "P(None, 'data')"),
        "w1": ("ones((16, 32))", "P('data')"),
    }
    composition = composed(given=given, types={"data": "explicit", "model": "explicit"})
    assert searched(composition, limit=10)


def test_a_search_can_be_given_up() -> None:
    request = SearchShardings(id=1, composition=composed(), fixed=[])
    with pytest.raises(GivenUp):
        list(search(request, lambda: True))


# ----------------------------------------------------------------------------------- trees by role


def group(argument: str, pattern: str, arrays: int, bytes: int, ways: int) -> SearchedGroup:
    return SearchedGroup(argument=argument, pattern=pattern, arrays=arrays, bytes=bytes, ways=ways)


def test_the_arrays_of_a_tree_are_divided_by_role_the_largest_first() -> None:
    groups = last_of(Composition.of(training({}), ""), limit=1).groups
    assert list(groups) == [
        group("params", "**/down/kernel", 3, 3 * 4096, 9),
        group("params", "**/up/kernel", 3, 3 * 4096, 9),
        group("params", "**/bias", 3, 3 * 256, 4),
        group("params", "head", 1, 512, 9),
        group("opt", "**/down/kernel", 3, 3 * 4096, 9),
        group("opt", "**/up/kernel", 3, 3 * 4096, 9),
        group("opt", "**/bias", 3, 3 * 256, 4),
        group("opt", "**/head", 1, 512, 9),
        group("opt", "1", 1, 4, 1),
        group("x", "", 1, 512, 9),
    ]


def test_a_search_starts_from_patterns_and_keeps_what_it_does_not_change() -> None:
    composition = Composition.of(training(PATTERNS), "")
    found = searched(composition, limit=30)
    assert any(one.specs["params"] == PATTERNS["params"] for one in found)
    sent = {one.sent for one in found}
    assert len(sent) > 3
    for one in found[::7]:
        plan = plan_of(applied(composition, one.specs), Sharding())
        assert seconds(plan) == pytest.approx(one.seconds)
        assert plan.memory.peak == one.memory


def test_parameters_and_their_moments_are_divided_together() -> None:
    session = training({"params": "P()", "opt": "P()"})
    found = searched(Composition.of(session, ""), limit=60)
    together = "by_path({'**/down/kernel': P('model'), '**': P()})"
    (one,) = [one for one in found if one.specs["params"] == one.specs["opt"] == together]
    changed = {"**/down/kernel": "P('model')"}
    assert one.changed == {"params": changed, "opt": changed}


def test_a_way_left_to_jax_says_what_it_chooses_and_is_listed_once() -> None:
    given = {**GIVEN, "w2": ("ones((32, 16))", "")}
    found = searched(composed(given=given), limit=60)
    (first,) = [
        one for one in found if one.specs == {"x": GIVEN["x"][1], "w1": GIVEN["w1"][1], "w2": ""}
    ]
    plan = plan_of(composed(given=given), Sharding())
    assert plan.inputs[2].spec == [["model"], []]
    assert first.chosen == {"w2": "P('model')"}
    places = [(one.specs["x"], one.specs["w1"], one.specs["w2"]) for one in found]
    # What JAX chooses by itself is not listed once more as it is typed.
    assert ("P('data', None)", "P(None, 'model')", "P('model')") not in places
    assert ("P('data', None)", "P(None, 'model')", "P()") in places
