"""The shape flow as text: what each program looks like, and that every line keeps its columns."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from jaxtui.program.screen import layer_colours
from jaxtui.program.screen.flow.layout import FlowPicture, layout
from jaxtui.screen.cells import text_of, width_of
from jaxtui.screen.field import summary
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.signs import in_ascii
from jaxtui.wire.report import Flow, FlowLeaf, Level
from tests.support.made_flows import leaf, level, nested

BODY = "return jnp.dot(matrix, vector)"


def static(path: str, value: str, dtype: str) -> FlowLeaf:
    return FlowLeaf(path=path, shape=[], dtype=dtype, value=value)


def one_layer(label: str, outer: list[FlowLeaf], inner: list[FlowLeaf], **outputs: Any) -> Flow:
    return Flow(
        function="f",
        levels=[
            level("given", outer, outputs.get("out")),
            level(label, inner, outputs.get("inside"), 0),
        ],
    )


def stopped(flow: Flow, inputs: int, outputs: int | None = None) -> Flow:
    """`flow` as far as tracing got: `inputs` levels inward, back out to level `outputs`."""
    levels = [
        Level(
            layer=old.layer,
            transform=old.transform,
            label=old.label,
            size=old.size,
            inputs=old.inputs if at < inputs else None,
            outputs=old.outputs if outputs is not None and at >= outputs else None,
        )
        for at, old in enumerate(flow.levels)
    ]
    return Flow(function=flow.function, levels=levels)


def fault(field: str, message: str = "it does not fit", **rest: Any) -> Diagnosis:
    return Diagnosis(kind=rest.pop("kind", "axes"), field=FieldPath(field), message=message, **rest)


def shows(picture: FlowPicture, expected: str) -> None:
    block = [line.removeprefix(" " * 8) for line in expected.strip("\n").splitlines()[:-1]]
    assert picture.text.rstrip().splitlines() == block


# -------------------------------------------------------------------------------- what is drawn


def test_an_axis_is_marked_where_a_layer_takes_it_and_where_it_comes_back() -> None:
    shows(
        layout(nested(), width=110, source_line=BODY),
        """
                  given                 ● pmap devices·8     ◆ vmap batch·4    matrix_vector_product
          matrix  f32[‹8›, 4, 2, 2]  →  f32[‹4›, 2, 2]    →  f32[2, 2]      ┐
          scale   f32[]              =  f32[]             =  f32[]          ├→ return jnp.dot(matrix, vector)
          vector  f32[‹8›, 4, 2]     →  f32[‹4›, 2]       →  f32[2]         ┘
         ────────────────────────────────────────────────────────────────────────────────────────────────────
          out     f32[‹8›, 4, 2]     ←  f32[‹4›, 2]       ←  f32[2]         ←  returned
          ‹n› axis that the next layer maps   = passed on whole
        """,  # noqa: E501
    )


def test_ascii_needs_no_other_character() -> None:
    picture = layout(nested(), width=110, source_line=BODY)
    plain = in_ascii(picture.text)
    assert "* vmap batch.4" in plain
    assert "matrix  f32[<8>, 4, 2, 2]  >  f32[<4>, 2, 2]    >  f32[2, 2]      +" in plain
    assert "scale   f32[]              =  f32[]             =  f32[]          +> return" in plain
    assert "out     f32[<8>, 4, 2]     <  f32[<4>, 2]       <  f32[2]         <  ret" in plain
    assert "<n> axis that the next layer maps   = passed on whole" in plain
    assert plain.isascii()
    assert [*map(len, plain.split("\n"))] == [*map(len, picture.text.split("\n"))]


def test_an_axis_in_the_middle_is_marked_where_it_is() -> None:
    flow = one_layer("vmap of 4", [leaf("x", 2, 4, 3, marks=(1,))], [leaf("x", 2, 3)])
    assert "x    f32[2, ‹4›, 3]  →  f32[2, 3]" in layout(flow).text


def test_shard_map_divides_dimensions_and_leaves_them_in_place() -> None:
    flow = one_layer(
        "shard_map x·4 y·2",
        [leaf("x", 8, 6, marks=(0, 1)), leaf("w", 6)],
        [leaf("x", 2, 3), leaf("w", 6)],
        out=[leaf("", 8, 6, marks=(0, 1))],
        inside=[leaf("", 2, 3)],
    )
    shows(
        layout(flow, width=70),
        """
               given             ◆ shard_map x·4 y·2    f
          x    f32[‹8›, ‹6›]  →  f32[2, 3]           ┐
          w    f32[6]         =  f32[6]              ┘→
         ────────────────────────────────────────────────
          out  f32[‹8›, ‹6›]  ←  f32[2, 3]           ←  returned
          ‹n› axis that the next layer divides   = passed on whole
        """,
    )


def test_the_divided_sizes_have_the_colour_of_their_shard_map() -> None:
    flow = one_layer("shard_map x·4", [leaf("x", 8, 6, marks=(0,))], [leaf("x", 2, 6)])
    coloured = [s.text for s in layout(flow).line(0) if s.style == layer_colours.component(0)]
    assert coloured == ["‹8›", "→", "2"]


def test_a_mark_has_the_colour_of_the_layer_that_takes_the_axis() -> None:
    picture = layout(nested(), width=110)
    styles = {s.text: s.style for s in picture.line(0)}
    assert styles["‹8›"] == layer_colours.component(1)
    assert styles["‹4›"] == layer_colours.component(0)
    headings = {s.text.strip(): s.style for s in picture.heading}
    assert headings["● pmap devices·8"] == layer_colours.component(1)
    assert headings["◆ vmap batch·4"] == layer_colours.component(0)


def test_a_sharding_stands_in_the_type_in_the_colour_of_its_axis() -> None:
    spec = [["data"], [], ["data", "model"]]
    given = msgspec.structs.replace(leaf("x", 8, 16, 32, marks=(0,)), spec=spec[:1])
    inner = msgspec.structs.replace(leaf("x", 8, 16, 32), spec=spec)
    flow = one_layer("vmap of 8", [given], [inner])
    flow = msgspec.structs.replace(flow, axes=["data", "model"])
    picture = layout(flow, width=120)
    assert "f32[‹8›@data, 16, 32]" in picture.text
    assert "f32[8@data, 16, 32@(data,model)]" in picture.text
    styles = {segment.text: segment.style for segment in picture.line(0)}
    assert styles["data"] == layer_colours.component(0)
    assert styles["model"] == layer_colours.component(1)


def test_a_static_argument_is_its_value() -> None:
    n = static("n", "3", "int")
    flow = one_layer("pmap of 8", [leaf("x", 8, 3, marks=(0,)), n], [leaf("x", 3), n])
    assert "n    3 static     =  3 static" in layout(flow).text


def test_a_number_that_a_layer_makes_an_array_of_is_not_called_static() -> None:
    flow = one_layer("jit", [static("n", "3.0", "float")], [leaf("n")])
    assert "n    3.0 float  →  f32[]" in layout(flow).text


def test_gradients_are_told_from_what_the_function_returned() -> None:
    inputs = [leaf("w", 3), leaf("x", 3)]
    flow = one_layer(
        "value_and_grad",
        inputs,
        inputs,
        out=[leaf("[0]"), leaf("[1]", 3)],
        inside=[leaf("")],
    )
    shows(
        layout(flow, width=70),
        """
                  given      ◆ value_and_grad    f
          w       f32[3]  →  f32[3]           ┐
          x       f32[3]  →  f32[3]           ┘→
         ─────────────────────────────────────────
          out[0]  f32[]   ←  f32[]            ←  returned
          out[1]  f32[3]  ∂
          ∂ derivative
        """,
    )


def test_auxiliary_outputs_stand_beside_where_they_come_from() -> None:
    inputs = [leaf("w", 3), leaf("b", 2), leaf("x", 5)]
    flow = one_layer(
        "grad",
        inputs,
        inputs,
        out=[leaf("[0][0]", 3), leaf("[0][1]", 2), leaf("[1]", 5)],
        inside=[leaf("[0]"), leaf("[1]", 5)],
    )
    flow.levels[1] = replace(flow.levels[1], auxiliary=1)
    outputs = layout(flow).text.splitlines()[5:8]
    assert outputs == [
        "  out[0][0]  f32[3]  ∂  f32[]  ←  returned",
        "  out[0][1]  f32[2]  ∂",
        "  out[1]     f32[5]  ←  f32[5]",
    ]


def test_a_program_without_arguments_still_flows() -> None:
    flow = Flow(function="f", levels=[level("given", [], [leaf("", 2)])])
    lines = layout(flow, source_line="return ones(2)").text.splitlines()
    assert lines[1] == "  no arguments         ─→ return ones(2)"
    assert lines[3] == "  out           f32[2] ←  returned"


def test_an_argument_without_leaves_has_its_row() -> None:
    flow = one_layer("jit", [leaf("x", 2)], [leaf("x", 2)])
    lines = layout(flow, arguments=["nothing", "x"]).text.splitlines()
    assert lines[1].startswith("  nothing  no leaves     no leaves")


def test_without_a_flow_there_is_a_word_for_it() -> None:
    assert layout(None).text.strip() == "Shapes appear here as you type."


def test_a_key_is_called_that_whatever_its_kind() -> None:
    assert [short_dtype(name) for name in ("key<fry>", "float32", "str")] == ["key", "f32", "str"]


# ----------------------------------------------------------------------------------- long pytrees


def network(leaves: int) -> Flow:
    params = [leaf(f"params[{at}]['w']", 16, 16) for at in range(leaves)]
    return one_layer(
        "vmap of 32",
        [*params, leaf("x", 32, 16, marks=(0,))],
        [*params, leaf("x", 16)],
        out=[leaf(f"[{at}]['w']", 32, 16, 16, marks=(0,)) for at in range(leaves)],
        inside=[leaf(f"[{at}]['w']", 16, 16) for at in range(leaves)],
    )


def test_a_long_pytree_folds_into_one_row() -> None:
    shows(
        layout(network(14), width=80),
        """
                   given              ◆ vmap of 32    f
         ▸ params  14 leaves       =  14 leaves    ┐
           x       f32[‹32›, 16]   →  f32[16]      ┘→
         ──────────────────────────────────────────────
         ▸ out     14 leaves ‹32›  ←  14 leaves    ←  returned
          ‹n› axis that the next layer maps   = passed on whole   ▸ enter unfolds
        """,
    )


def test_a_short_pytree_shows_all_its_leaves() -> None:
    rows = layout(network(6)).rows
    assert [row.name for row in rows[:6]] == [f"params[{at}]['w']" for at in range(6)]
    assert not any(row.group for row in rows)


def test_unfolding_shows_the_leaves_by_path() -> None:
    picture = layout(network(7), folds={"input:params": False}, width=90)
    assert [row.name for row in picture.rows[:9]] == [
        "params",
        *(f"  [{at}]['w']" for at in range(7)),
        "x",
    ]
    assert text_of(picture.line(0)).startswith(" ▾ params      7 leaves")
    assert text_of(picture.line(1)).startswith("     [0]['w']  f32[16, 16]")


def model(layers: int) -> Flow:
    """A tree of layers with two blocks each, of which one has three arrays and one a single one."""
    names = ["['attn']['q']", "['attn']['k']", "['attn']['v']", "['mlp']['up']"]
    paths = ["['embed']", *(f"['layers'][{at}]{name}" for at in range(layers) for name in names)]
    params = [leaf(f"params{path}", 16, 16) for path in paths]
    return one_layer("jit", params, params)


def names(flow: Flow, **folds: bool) -> list[str]:
    picture = layout(flow, folds={key.replace("__", ":"): fold for key, fold in folds.items()})
    rows = picture.rows[: picture.table.inputs] if picture.table is not None else ()
    marks = (f"{'▾' if row.open else '▸'}" if row.first else " " for row in rows)
    return [f"{mark}{row.name}" for mark, row in zip(marks, rows, strict=True)]


def test_a_small_tree_unfolds_by_path_at_once() -> None:
    assert names(model(2), input__params=False) == [
        "▾params",
        "   ['embed']",
        "▾  ['layers']",
        "▾    [0]",
        "▾      ['attn']",
        "         ['q']",
        "         ['k']",
        "         ['v']",
        "       ['mlp']['up']",
        "▾    [1]",
        "▾      ['attn']",
        "         ['q']",
        "         ['k']",
        "         ['v']",
        "       ['mlp']['up']",
    ]


def test_a_large_tree_unfolds_level_by_level() -> None:
    assert names(model(12)) == ["▸params"]
    assert names(model(12), input__params=False) == ["▾params", "   ['embed']", "▸  ['layers']"]
    both = {"input__params": False, "input__params['layers']": False}
    assert names(model(12), **both)[2:5] == ["▾  ['layers']", "▸    [0]", "▸    [1]"]


def test_the_row_at_the_cursor_is_told_whole_and_a_group_with_all_that_is_in_it() -> None:
    picture = layout(model(12), folds={"input:params": False}, width=90)

    def told(row: int) -> str:
        return text_of(picture.foot(cursor=row)[0]).strip()

    assert told(0) == "params   49 leaves, 12,544 numbers, 49 KiB"
    assert told(1) == "params['embed']"
    assert told(2) == "params['layers']   48 leaves, 12,288 numbers, 48 KiB"


def test_an_error_in_a_folded_branch_shows_on_its_row() -> None:
    flow = stopped(model(12), 1)
    diagnosis = fault("program.layers.0.static_argnums", "params['layers'][3]['mlp']['up'] is odd")
    picture = layout(flow, diagnosis, folds={"input:params": False}, width=90)
    marked = [row.name for row in picture.rows if any("✗" in text_of(c) for c in row.cells)]
    assert marked == ["  ['layers']"]


def test_a_fold_says_in_how_many_leaves_an_axis_is_mapped() -> None:
    leaves = [leaf(f"p[{at}]", 4, 2, marks=(0,) if at < 3 else ()) for at in range(8)]
    flow = one_layer("vmap of 4", leaves, leaves)
    assert "8 leaves ‹4› in 3" in layout(flow).text


# ----------------------------------------------------------------------------------------- errors


def test_an_error_stands_in_the_column_of_its_layer_and_the_row_of_its_leaf() -> None:
    diagnosis = fault(
        "program.layers.0.in_axes",
        "vector float32[4, 2] has no axis 3: it has axes 0 to 1",
        fixes=[
            Fix(label="in_axes (0, 0)", field=FieldPath(""), text=""),
            Fix(label="in_axes (None, 0)", field=FieldPath(""), text=""),
        ],
    )
    shows(
        layout(stopped(nested(), 2), diagnosis, width=90, source_line=BODY),
        """
                  given                 ● pmap devices·8     ✗ vmap batch·4    matrix_vector_prod…
          matrix  f32[‹8›, 4, 2, 2]  →  f32[‹4›, 2, 2]       …
          scale   f32[]              =  f32[]                …
          vector  f32[‹8›, 4, 2]     →  f32[‹4›, 2]          ✗ in_axes
         ────────────────────────────────────────────────────────────────────────────────────────
          out     …                     …                    …
         ✗ vector float32[4, 2] has no axis 3: it has axes 0 to 1
         f  in_axes (0, 0)  or  in_axes (None, 0)
        """,
    )


def test_an_error_moves_no_row_and_no_column() -> None:
    flow = nested()
    good = layout(flow, width=90)
    bad = layout(flow, fault("program.layers.0.in_axes", "vector is odd"), width=90)
    assert len(bad.lines) == len(good.lines)
    assert bad.text.splitlines()[1] == good.text.splitlines()[1]
    assert text_of(bad.line(2)).index("✗") == text_of(good.line(2)).index("f32[2]")


def test_an_article_is_not_taken_for_the_argument_a() -> None:
    flow = one_layer("vmap of 4", [leaf("a", 4), leaf("x")], [leaf("a"), leaf("x")])
    diagnosis = fault("program.layers.0.in_axes", "x is a single value: it has no axis 0 to map")
    lines = layout(stopped(flow, 1), diagnosis).text.splitlines()
    assert "…" in lines[1]
    assert "✗ in_axes" in lines[2]


def test_an_error_of_no_known_leaf_stands_in_the_first_row() -> None:
    lines = layout(
        stopped(nested(), 2), fault("program.layers.0.in_axes", "3 entries for 2 arguments")
    ).text.splitlines()
    assert "✗ in_axes" in lines[1]
    assert "✗" not in lines[2] + lines[3]


def test_an_error_in_a_folded_pytree_shows_on_its_fold() -> None:
    flow = stopped(network(9), 1)
    diagnosis = fault("program.layers.0.in_axes", "params[3]['w'] has no axis 5")
    assert "▸ params  9 leaves          ✗ in_axes" in layout(flow, diagnosis).text


def test_an_argument_that_cannot_be_made_is_marked_at_its_value() -> None:
    diagnosis = fault("program.arguments.1.value", "name 'onse' is not defined", kind="value")
    lines = layout(nested(), diagnosis, width=110, stale=True).text.splitlines()
    assert lines[2].startswith("  scale   ✗ value            =  f32[]")
    assert lines[6].strip() == "✗ name 'onse' is not defined"
    assert lines[7].endswith("of the program before")


def test_an_argument_that_the_flow_does_not_know_has_its_row() -> None:
    flow = one_layer("vmap of 4", [leaf("x", 4)], [leaf("x")])
    diagnosis = fault("program.arguments.1.value", "no value", kind="value")
    lines = layout(stopped(flow, 1), diagnosis, arguments=["x", "y"]).text.splitlines()
    assert lines[2].startswith("  y    ✗ value")


def test_an_output_axis_that_does_not_fit_is_marked_on_the_way_out() -> None:
    flow = stopped(nested(), 3, outputs=2)
    lines = layout(flow, fault("program.layers.0.out_axes"), width=110).text.splitlines()
    assert "✗ vmap batch·4" in lines[0]
    assert lines[5].startswith(
        "  out     …                     ✗ out_axes           f32[2]         ←  returned"
    )


def test_what_the_function_raised_stands_at_the_function() -> None:
    diagnosis = fault("program.source", "TypeError: no", kind="function", line=2)
    lines = layout(stopped(nested(), 3), diagnosis, width=110, source_line=BODY).text.splitlines()
    assert lines[2].endswith("├→ ✗ raised an error")
    assert lines[6] == " ✗ line 2: TypeError: no"


def test_a_line_that_the_message_names_is_not_named_twice() -> None:
    diagnosis = fault("program.source", "line 2: TypeError: no", kind="function", line=2)
    assert layout(None, diagnosis).text.count("line 2") == 1


def test_an_error_narrower_than_the_cell_that_it_replaces_moves_no_column() -> None:
    flow = one_layer(
        "vmap of 2",
        [leaf("matrix", 2, 20, 200, marks=(0,)), leaf("v", 2, marks=(0,))],
        [leaf("matrix", 20, 200), leaf("v")],
    )
    wrong = fault("program.arguments.0.value", kind="value")
    before, after = (
        layout(flow, diagnosis, width=110, arguments=["matrix", "v"]) for diagnosis in (None, wrong)
    )
    assert "✗ value" in after.text
    assert text_of(after.heading).rstrip() == text_of(before.heading).rstrip()


@pytest.mark.parametrize(
    ("message", "line", "shown"),
    [
        ("bad (line 3, column 18)", 3, "bad (line 3, column 18)"),
        ("bad (column 18)", 1, "bad (column 18)"),
        ("bad (column 18)", 2, "line 2: bad (column 18)"),
        ("bad", 3, "line 3, column 18: bad"),
    ],
)
def test_a_place_is_said_once(message: str, line: int, shown: str) -> None:
    diagnosis = fault("program.source", message, kind="syntax", line=line, column=18)
    assert layout(None, diagnosis).foot()[0][1].text == shown
    assert summary(diagnosis) == f"! {shown}"


def test_a_long_message_is_wrapped_and_then_elided() -> None:
    diagnosis = fault(
        "program.source", "word " * 60, fixes=[Fix(label="a", field=FieldPath(""), text="")]
    )
    foot = [text_of(line) for line in layout(None, diagnosis, width=40).foot(3)]
    assert len(foot) == 3
    assert foot[1].endswith("…")
    assert foot[2].strip() == "f  a"


def test_at_most_three_fixes_are_offered() -> None:
    fixes = [Fix(label=f"fix{at}", field=FieldPath(""), text="") for at in range(5)]
    foot = layout(None, fault("program.source", fixes=fixes)).foot()
    assert text_of(foot[-1]).strip() == "f  fix0  or  fix1  or  fix2"


def test_text_of_the_user_moves_no_cursor() -> None:
    diagnosis = fault("program.source", "a\x1b[31m\nb\u202e")
    flow = one_layer("jit", [static("x", "'\x07'", "str")], [static("x", "'\x07'", "str")])
    shown = layout(flow, diagnosis, source_line="return '\t\x1b'").text
    assert not any(ord(c) < 32 and c != "\n" for c in shown)
    assert "\u202e" not in shown


# ------------------------------------------------------------------------------- room and scrolling


def test_spaces_go_before_anything_is_hidden() -> None:
    wide, snug, tight = (layout(nested(), width=w).text.splitlines()[1] for w in (110, 74, 70))
    assert "f32[‹8›, 4, 2, 2]  →  f32[‹4›, 2, 2]" in wide
    assert "f32[‹8›, 4, 2, 2] → f32[‹4›, 2, 2]" in snug
    assert "f32[‹8›,4,2,2] → f32[‹4›,2,2]" in tight


def test_a_stack_too_wide_scrolls_under_its_pinned_names() -> None:
    picture = layout(nested(), width=44)
    assert picture.max_x > 0
    assert text_of(picture.heading).endswith("▸")
    scrolled = picture.scrolled(picture.stops[1])
    assert text_of(scrolled.line(0)).startswith("  matrix  f32[‹4›,2,2]")
    assert "◂" in text_of(scrolled.heading)
    last = picture.scrolled(10_000)
    assert last.x == picture.max_x == picture.stops[-1]
    assert text_of(last.heading).rstrip().endswith("matrix_vector_product")


_names = st.text("abcxyz_ж日", min_size=1, max_size=12)
_leaf_lists = st.lists(
    st.tuples(
        _names,
        st.sampled_from(["", "['w']", "[0].b", "['日本']"]),
        st.lists(st.integers(0, 10**7), max_size=4),
        st.sampled_from(["float32", "bfloat16", "key<fry>", "bool"]),
        st.sampled_from(["", "", "'text'", "x" * 50]),
    ),
    max_size=12,
)


@st.composite
def _flows(draw: st.DrawFn) -> Flow:
    levels = []
    named = draw(_leaf_lists)
    count = draw(st.integers(1, 4))
    for at in range(count):
        leaves = [
            FlowLeaf(
                path=name + path,
                shape=[] if value else shape[at:],
                dtype=dtype,
                marks=[0] if shape[at:] and not value and draw(st.booleans()) else [],
                value=value,
            )
            for name, path, shape, dtype, value in named
        ]
        transform = draw(st.sampled_from(["vmap", "pmap", "shard_map", "jit", "grad"]))
        levels.append(
            Level(
                layer=count - at - 1 if at else -1,
                transform=transform if at else "",
                label=f"{transform} {draw(_names)}·{at}" if at else "given",
                size=None,
                inputs=draw(st.sampled_from([leaves, leaves, leaves, None])),
                outputs=draw(st.sampled_from([leaves[:at], leaves, None])),
            )
        )
    return Flow(function=draw(_names), levels=levels)


_diagnoses = st.none() | st.builds(
    lambda field, message, fixes: Diagnosis(
        kind="axes", field=FieldPath(field), message=message, fixes=fixes
    ),
    st.sampled_from(
        [
            "program.source",
            "program.arguments.0.value",
            "program.arguments.7.value",
            "program.layers.0.in_axes",
            "program.layers.1.out_axes",
            "program.layers.9.in_axes",
            "devices.count",
            "",
        ]
    ),
    st.text(max_size=200),
    st.lists(st.builds(Fix, label=_names, field=st.just(""), text=st.just("")), max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(
    flow=_flows(),
    diagnosis=_diagnoses,
    width=st.integers(0, 130),
    x=st.integers(0, 200),
    stale=st.booleans(),
    source=st.text(max_size=60),
)
def test_no_line_is_ever_wider_than_its_room(
    flow: Flow,
    diagnosis: Diagnosis | None,
    width: int,
    x: int,
    stale: bool,
    source: str,
) -> None:
    picture = layout(
        flow, diagnosis, {}, width, stale=stale, source_line=source, arguments=["abc"], x=x
    )
    for line in picture.lines:
        assert width_of(line) <= width
        assert all("\n" not in segment.text for segment in line)


@settings(max_examples=100, deadline=None)
@given(flow=_flows(), diagnosis=_diagnoses)
def test_every_row_keeps_the_columns(flow: Flow, diagnosis: Diagnosis | None) -> None:
    picture = layout(flow, diagnosis, width=2000)
    measures, table = picture.measures, picture.table
    assert measures is not None
    assert table is not None
    starts = [measures.pinned + start for start in measures.starts[:-1]]
    for index, row in enumerate(table.rows):
        if row.kind == "rule":
            continue
        line = text_of(picture.line(index))
        for start, cell in zip(starts, row.cells, strict=True):
            assert _from(line, start).startswith(text_of(cell))
    for start, heading in zip(starts, table.headings, strict=True):
        assert _from(text_of(picture.heading), start).startswith(text_of(heading))


def _from(text: str, cell: int) -> str:
    """`text` from the given cell on."""
    at = 0
    for index, character in enumerate(text):
        if at == cell:
            return text[index:]
        at += cell_len(character)
    return ""
