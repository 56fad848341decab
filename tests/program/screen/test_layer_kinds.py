"""Every kind of layer on the Map screen: offered, added, edited in its form, drawn in the flow."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList, Static

from jaxtui.program.screen.flow.layout import layout
from jaxtui.program.screen.flow.tracks import output_tracks
from jaxtui.program.screen.layer_list import LayerForm, layer_summary
from jaxtui.screen.field import FieldInput
from jaxtui.session.layers import LAYER_KINDS, AnyLayer, Vmap
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.report import Flow
from tests.support.fake_client import Bench
from tests.support.wrong import trace

VECTOR = {"x": "arange(3.)"}
TREE = {"p": "{'w': ones((2, 3)), 'b': ones(2)}", "x": "ones(3)"}
LOSSES = "def f(p, x):\n    h = p['w'] @ x + p['b']\n    return {'h': h, 'sum': h.sum()}\n"
AUXILIARY = "def f(x):\n    return {'a': x, 'b': x.sum()}, (x, x)\n"
# One argument, two, a tree, and what is not differentiated.
DERIVATIVES = [
    ("def f(x):\n    return x ** 2\n", VECTOR, {}),
    ("def f(x):\n    return x, x.sum()\n", VECTOR, {}),
    (LOSSES, TREE, {}),
    (LOSSES, TREE, {"argnums": "(0, 1)"}),
    (AUXILIARY, VECTOR, {"has_aux": "True"}),
]
LINEAR = [kind for kind in LAYER_KINDS.values() if kind.auxiliary_last]
JACOBIANS = [
    kind
    for kind in LAYER_KINDS.values()
    if kind.differentiates and not (kind.of_scalar or kind.keeps_value)
]


def traced(source: str, values: dict[str, str], *layers: AnyLayer) -> Flow:
    arguments = [Argument(name=name, value=value) for name, value in values.items()]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    found = trace(Session(program=program))
    assert found.diagnosis is None, found.diagnosis
    assert found.flow is not None
    return found.flow


@pytest.mark.parametrize(
    "name",
    [pytest.param(k, marks=[pytest.mark.long] if n % 6 else []) for n, k in enumerate(LAYER_KINDS)],
)
async def test_a_kind_is_chosen_by_its_sentence_and_its_fields_are_edited(name: str) -> None:
    kind = LAYER_KINDS[name]
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.layer_list.focus()
        await bench.press("a")
        options = bench.app.screen.query_one(OptionList)
        place = list(LAYER_KINDS).index(name)
        assert f"{name:16} {kind.about}" in str(options.get_option_at_index(place).prompt)
        options.highlighted = place
        await bench.press("enter")
        assert bench.session.program.layers[1] == kind()
        await bench.press("enter")
        form = bench.app.map_screen.query_one(LayerForm)
        await bench.until(lambda: bench.app.focused is form.first)
        labels = [str(label.content) for label in form.query("Static.label").results(Static)]
        assert labels == list(kind.fields())
        shown = [field.placeholder for field in form.query(FieldInput)]
        assert shown == [f"{field.default} (default)" for field in kind.fields().values()]
        await bench.press("1")
        assert getattr(bench.session.program.layers[1], labels[0]) == "1"
        # A long one is cut where the column ends.
        assert layer_summary(bench.session.program.layers[1])[:24] in bench.text


@pytest.mark.parametrize("kind", JACOBIANS)
@pytest.mark.parametrize(("source", "values", "settings"), DERIVATIVES)
def test_each_output_stands_beside_the_first_of_its_derivatives(
    kind: type[AnyLayer], source: str, values: dict[str, str], settings: dict[str, str]
) -> None:
    flow = traced(source, values, kind(**settings))
    tracks = output_tracks(flow.levels)
    outer, inner = flow.levels[0].outputs or [], flow.levels[1].outputs or []
    assert [track[0] for track in tracks] == outer
    assert [track[1] for track in tracks if track[1]] == inner
    beside = None
    for given, found in tracks:
        assert given is not None
        beside = found or beside
        # The path of a derivative goes on from the path of what it is the derivative of.
        assert beside is not None
        assert given.path.startswith(beside.path)


@pytest.mark.parametrize("kind", JACOBIANS)
def test_derivatives_are_marked_and_what_is_auxiliary_is_not(kind: type[AnyLayer]) -> None:
    flow = traced(AUXILIARY, VECTOR, kind(has_aux="True"), Vmap(in_axes="None", axis_size="2"))
    lines = layout(flow, width=100).text.splitlines()
    rows = [line for line in lines if line.lstrip().startswith("out")]
    assert [row.count("∂") for row in rows] == [1, 1, 0, 0]
    assert "derivative" in lines[-1]


@pytest.mark.parametrize("kind", LINEAR)
def test_what_is_auxiliary_follows_the_derivatives(kind: type[AnyLayer]) -> None:
    flow = traced(AUXILIARY, VECTOR, kind(has_aux="True"))
    outputs, returned = flow.levels[0].outputs or [], flow.levels[1].outputs or []
    # Two outputs, their derivatives (of a vjp one, of the argument), and two that are passed on.
    derivatives = len(outputs) - len(returned)
    tracks = output_tracks(flow.levels)
    inside = [*returned[:2], *[None] * derivatives, *returned[2:]]
    assert [track[1] for track in tracks] == inside
    lines = layout(flow, width=100).text.splitlines()
    rows = [line for line in lines if line.lstrip().startswith("out")]
    assert [row.count("∂") for row in rows] == [0, 0, *[1] * derivatives, 0, 0]


def test_a_scan_goes_through_the_axis_of_its_slices_and_hands_its_carry_on_whole() -> None:
    flow = traced(
        "def f(c, x):\n    return c + x, c\n", {"c": "0.", "x": "arange(3.)"}, LAYER_KINDS["scan"]()
    )
    assert layout(flow, width=100).text.rstrip("\n").splitlines() == [
        "          given         ◆ scan of 3    f",
        "  c       0.0 float  =  f32[]       ┐",
        "  x       f32[‹3›]   →  f32[]       ┘→",
        " ───────────────────────────────────────",
        "  out[0]  f32[]      =  f32[]       ←  returned",
        "  out[1]  f32[‹3›]   ←  f32[]",
        "  ‹n› axis that the next layer goes through   = passed on whole",
    ]


def test_a_vectorize_marks_every_dimension_that_it_loops_over() -> None:
    flow = traced(
        "def f(x, y):\n    return x * y\n",
        {"x": "ones((2, 1, 4))", "y": "ones((2, 3))"},
        LAYER_KINDS["vectorize"](signature="(n),()->(n)"),
    )
    marks = [
        leaf.marks for leaf in (*(flow.levels[0].inputs or ()), *(flow.levels[0].outputs or ()))
    ]
    assert marks == [[0, 1], [0, 1], [0, 1]]
    assert flow.levels[1].size == 6


def test_an_argument_that_an_apply_binds_has_a_row_where_it_begins() -> None:
    flow = traced(
        "def f(x, y):\n    return x * y\n",
        {"x": "arange(3.)"},
        LAYER_KINDS["apply"](function="lambda g: lambda x: g(x, 2.)"),
        Vmap(),
    )
    assert layout(flow, width=100).text.rstrip("\n").splitlines() == [
        "       given        ● vmap of 3     ◆ apply      f",
        "  x    f32[‹3›]  →  f32[]        →  f32[]     ┐",
        "  y                                 2.0 float ┘→",
        " ─────────────────────────────────────────────────",
        "  out  f32[‹3›]  ←  f32[]        ←  f32[]     ←  returned",
        "  ‹n› axis that the next layer maps",
    ]
