"""The words of a flow: types as JAX writes them, what is sent, sizes, hints."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import msgspec
import pytest
from jax.sharding import PartitionSpec

from jaxtui.collectives.travel import model as travel
from jaxtui.sharding import words
from jaxtui.sharding.screen.view import OPERATION_OF
from jaxtui.wire.sharding import Scope, SentCollective, ShardedArray, Spec
from tests.support import made_plans as made

MESH = {"data": 4, "model": 2}


@pytest.mark.parametrize(
    ("spec", "written"),
    [
        ([[], []], "f32[8, 16]"),
        ([["data"], []], "f32[8@data, 16]"),
        ([["data", "model"], []], "f32[8@(data,model), 16]"),
        ([[], ["model"]], "f32[8, 16@model]"),
        ([["data"]], "f32[8@data, 16]"),
    ],
)
def test_a_type_is_written_as_jax_does(spec: Spec, written: str) -> None:
    array = made.array("x", [8, 16], spec)
    assert words.text_of(words.typed(array, MESH)) == written


@pytest.mark.skipif(not hasattr(jax, "typeof"), reason="jax.typeof is newer")
def test_the_type_of_an_explicit_array_is_that_of_jax() -> None:
    kinds = (jax.sharding.AxisType.Explicit,) * 2
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=kinds)
    sharding = jax.sharding.NamedSharding(mesh, PartitionSpec("data", "model"))
    placed = jax.device_put(jnp.ones((8, 16)), sharding)
    ours = words.text_of(words.typed(made.array("x", [8, 16], [["data"], ["model"]]), MESH))
    assert ours.replace(" ", "") == jax.typeof(placed).str_short(short_dtypes=True)


def test_axes_wear_their_own_role_and_their_name() -> None:
    parts = words.typed(made.array("x", [8, 16], [["data"], ["model"]]), MESH)
    roles = {part.text: part.role for part in parts}
    assert roles["@data"] == "axis-0"
    assert roles["@model"] == "axis-1"
    assert words.axis_role("x:(2)4", {"y": 2, "x": 8}) == "axis-1"
    assert words.axis_role("nowhere", MESH) == ""


def test_what_varies_and_what_is_not_summed_yet_stands_behind_the_type() -> None:
    value = made.value("v", "psum", 1, [2], [[]], varying=["data"], unreduced=["model"])
    assert words.text_of(words.typed(value, MESH)) == "f32[2]{V:data}{U:model}"


RINGS = [
    ("all_reduce", ["data"], 1200, 1800),
    ("all_gather", ["data"], 1200, 3600),
    ("reduce_scatter", ["data"], 1200, 900),
    ("all_to_all", ["data"], 1200, 900),
    ("collective_permute", ["data"], 1200, 1200),
    ("all_reduce", ["data", "model"], 1200, 2100),
    ("all_reduce", ["data:(2)2"], 1200, 1200),
]


@pytest.mark.parametrize(("kind", "axes", "size", "sent"), RINGS)
def test_what_is_sent_is_what_goes_round_a_ring(
    kind: str, axes: list[str], size: int, sent: int
) -> None:
    assert words.sent(made.sent(kind, axes, 1, size), MESH) == sent


@pytest.mark.parametrize("kind", ["all_reduce", "all_gather", "reduce_scatter", "all_to_all"])
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_it_is_what_collectives_travel_sends(kind: str, ranks: int) -> None:
    """The busiest row of the ring that Collectives draws sends as much."""
    operation = OPERATION_OF[kind]
    ring = travel.algorithms(operation)[0].name
    square = kind in ("reduce_scatter", "all_to_all")
    shape = [ranks, ranks, 2] if square else [ranks, 2 * ranks]
    values = jnp.zeros(shape).tolist()
    options = {
        "reduce_scatter": {"scatter_dimension": 0},
        "all_to_all": {"split_axis": 0, "concat_axis": 0},
    }.get(kind, {})
    made_travel = travel.follow(
        ring, operation, values, shape, "float32", [list(range(ranks))], options
    )
    loads = [0] * ranks
    for step in made_travel.steps:
        for send in step.sends:
            loads[send.source] += send.bytes
    size = 4 * 2 * ranks
    assert max(loads) == words.sent(made.sent(kind, ["x"], 1, size), {"x": ranks})


def test_groups_are_counted_over_the_whole_mesh() -> None:
    def groups(*axes: str) -> str:
        return words.groups(made.sent("all_reduce", list(axes), 1, 4), MESH)

    assert groups("model") == "2 devices in 4 groups"
    assert groups("data", "model") == "all 8 devices"
    assert groups() == ""


def test_arguments_that_lie_whole_on_every_device_are_named() -> None:
    assert words.whole_words(made.whole_batch()) == (
        "1 of 3 arguments whole on all 8 devices (x): 512 B each"
    )
    assert words.whole_words(made.mlp()) == "every argument is divided"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ([["data"], []], "P('data')"),
        ([[], ["model"]], "P(None, 'model')"),
        ([["data", "model"]], "P(('data', 'model'))"),
        ([[], []], "P()"),
    ],
)
def test_a_spec_is_written_as_one_types_it(spec: Spec, text: str) -> None:
    assert words.spec_text(spec) == text
    entries = list(eval(text, {"P": PartitionSpec}))
    entries += [None] * (len(spec) - len(entries))
    assert [list(e) if isinstance(e, tuple) else [e] if e else [] for e in entries] == spec


def test_it_says_what_to_type_to_see_something() -> None:
    alone = made.mlp(mesh={"data": 1, "model": 1})
    assert "data = 4, model = 2" in words.nothing_yet(alone, arguments=True)
    bare: list[ShardedArray] = [made.array("x", [8, 16], [[], []])]
    assert "P('data')" in words.nothing_yet(made.mlp(inputs=bare), arguments=False)
    one = made.mlp(inputs=[made.array("x", [8], [["data"]])])
    one = msgspec.structs.replace(one, mesh={"data": 8})
    assert words.nothing_yet(one, arguments=True) == ""
    assert words.nothing_yet(made.mlp(), arguments=True) == ""


def test_a_collective_of_no_axes_says_so() -> None:
    sent: SentCollective = made.sent("all_reduce", [], 1, 4)
    assert words.text_of(words.collective(sent, MESH)) == "all_reduce over groups that are no axes"


# ------------------------------------------------------------------------- what is told of a plan


@pytest.mark.parametrize(
    ("part", "size", "told"),
    [
        ("data:(1)2", 4, "data:(1)2 is a part of data: the first factor of its 4 = 2 × 2 devices"),
        ("data:(2)2", 4, "data:(2)2 is a part of data: the last factor of its 4 = 2 × 2 devices"),
        (
            "data:(2)4",
            24,
            "data:(2)4 is a part of data: the middle factor of its 24 = 2 × 4 × 3 devices",
        ),
    ],
)
def test_a_part_of_an_axis_is_explained_once(part: str, size: int, told: str) -> None:
    mesh = {"data": size, "model": 2}
    array = made.array("x", [48], [[part]])
    plan = msgspec.structs.replace(made.mlp(), mesh=mesh, inputs=[array, array])
    assert words.parts_of_axes(plan) == [told]


def test_whole_axes_need_no_explanation() -> None:
    assert words.parts_of_axes(made.mlp()) == []


def test_code_of_each_devices_own_is_called_manual() -> None:
    scope = Scope(label="shard_map", parent=-1, turns=1, manual=True)
    inner = Scope(label="relu", parent=0, turns=1)
    plan = made.mlp(scope_list=[scope, inner], scopes=[0, 1, -1, 0])
    assert words.axis_types(made.mlp()) == "auto"
    assert words.axis_types(plan) == "manual"  # the third value is the call's own
    mixed = msgspec.structs.replace(plan, scopes=[-1, 1, -1, 0])
    assert words.axis_types(mixed) == "auto, in part manual"


def test_a_call_is_named_by_its_function() -> None:
    call = made.value("", "jit", 2, [8], [[]], called="relu")
    assert words.made_by(call) == "relu"
    assert words.made_by(made.value("", "jit", 2, [8], [[]])) == "jit"
