"""A program that makes its own mesh is planned and compiled on that one, as JAX runs it."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.layers import Pmap
from jaxtui.session.session import Argument, Program, Sharding
from jaxtui.sharding import differences, words
from jaxtui.sharding.engine.compiled import compiled_of
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.engine.search import search
from jaxtui.sharding.engine.why import explained
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import SearchShardings
from tests.support.bare_sharding import partitioned_by_shardy

SOURCE = """
def mean(x, w):
    return jax.lax.pmean(x @ w, "rows")
"""


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="there a pmap is on no mesh")
@pytest.mark.parametrize("mesh", [None, {"data": 256, "model": 16}])
def test_a_pmap_is_on_the_mesh_that_jax_makes_for_it(mesh: dict[str, int] | None) -> None:
    plan = plan_of(composition(), Sharding(mesh=mesh))
    assert plan.mesh == {"rows": 8}
    assert [array.spec for array in plan.inputs] == [[["rows"], [], []], [[], []]]
    (sent,) = plan.collectives
    assert (sent.kind, sent.axes) == ("all_reduce", ["rows"])
    assert words.sent(sent, plan.mesh) == 2 * 7 * sent.bytes // 8
    assert "1 of 2 arguments whole on all 8 devices (w)" in words.whole_words(plan)


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="there a pmap is on no mesh")
def test_what_is_compiled_is_told_by_the_same_axes() -> None:
    plan, made = plan_of(composition(), Sharding()), compiled_of(composition(), Sharding())
    compared = differences.with_compiled(plan, made.collectives)
    assert [(one.agrees, one.planned, one.compiled) for one in compared] == [(True, 1, 1)]


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="there a pmap is on no mesh")
def test_a_pmap_is_manual_and_its_in_axes_divide_its_inputs() -> None:
    assert words.axis_types(plan_of(composition(), Sharding())) == "manual"
    found = explained(composition(), Sharding(), -1, 0)
    assert found.axes == ["rows"]
    (origin,) = found.origins
    assert (origin.field, origin.without) == ("program.layers.0.in_axes", [])
    assert not explained(composition(), Sharding(), -2, 0).origins


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="there a pmap is on no mesh")
def test_a_search_over_a_mesh_that_the_program_is_not_on_says_so() -> None:
    request = SearchShardings(
        id=1, composition=composition(), sharding=Sharding(mesh={"data": 4, "model": 2}), fixed=[]
    )
    (found,) = search(request, lambda: False)
    assert (found.found, found.done) == ([], True)
    assert "a mesh of its own, rows 8" in found.refused
    assert "over data, model" in found.refused


@pytest.mark.skipif(jax.__version_info__ >= (0, 8), reason="there a pmap is a shard_map")
def test_a_pmap_on_no_mesh_is_refused_in_plain_words() -> None:
    with pytest.raises(Diagnosed) as raised:
        plan_of(composition(), Sharding())
    assert "a pmap cannot be planned" in raised.value.diagnosis.message


def composition() -> Composition:
    program = Program(
        source=SOURCE,
        function="mean",
        arguments=[
            Argument(name="x", value="ones((8, 16, 32))"),
            Argument(name="w", value="ones((32, 32))"),
        ],
        layers=[Pmap(in_axes="(0, None)", axis_name="rows")],
    )
    return Composition(program=program)
