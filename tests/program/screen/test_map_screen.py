"""The Map screen: composing, and what is shown of it."""

from __future__ import annotations

import msgspec
import pytest
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import OptionList

from jaxtui.program.screen.layer_list import LayerForm, layer_summary
from jaxtui.program.screen.tab_line import VALUES
from jaxtui.screen.field import FieldInput
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import SOURCE, FieldPath
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session, Sharding
from jaxtui.wire.base import Failed, Printed
from jaxtui.wire.program import Inspect, Inspected, Run, Trace
from jaxtui.wire.report import Parameter, Summary
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.tables import one_in

AXIS_FIX = Fix(label="map axis 1", field=FieldPath("program.layers.0.in_axes"), text="(1, 0)")
AXIS_WRONG = Diagnosis(
    kind="axes", field=FieldPath("program.layers.0.in_axes"), message="no axis 3", fixes=[AXIS_FIX]
)


def value_input(bench: Bench, row: int) -> FieldInput:
    return bench.app.map_screen.arguments._rows[row].value_input


def axis_input(bench: Bench, row: int) -> FieldInput:
    return bench.app.map_screen.arguments._rows[row].axis_input


async def type_at_end(bench: Bench, field: FieldInput, *keys: str) -> None:
    field.focus()
    await bench.press("end", *keys)


# ---------------------------------------------------------------------------------- results


async def test_the_example_shows_its_shapes_and_its_result_without_a_key() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        assert "i32[‹2›, 2, 2]" in bench.text
        assert "53." in bench.text
        assert "ran 0.4 ms" in bench.text


async def test_a_result_of_several_leaves_is_leafed_through() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id, paths=("['a']", "['b']")))
        assert "output 1 of 2" in bench.text
        await bench.press("o")
        assert "output 2 of 2" in bench.text
        assert "out['b']" in bench.text


async def test_the_old_result_stays_and_says_that_it_is_old() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await type_at_end(bench, value_input(bench, 0), "(")
        await bench.answer_windows()
        await bench.rest(REST)
        assert "of the program before" in bench.text
        assert "53." in bench.text


async def test_what_the_function_printed_is_counted_and_shown() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("f5")
        await bench.hear(Printed(id=bench.client.run.id, stream="stdout", text="hello\nthere\n"))
        assert "Output 2" in bench.text
        await bench.press("s", "s")
        assert "hello" in bench.text


async def test_f5_turns_to_the_page_of_results_where_there_is_no_room_for_both() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        assert "Results" not in bench.text
        await bench.press("f5")
        await bench.hear(made.ran(bench.client.run.id))
        await bench.answer_windows()
        assert "Results" in bench.text
        assert "53." in bench.text
        await bench.press("f5")
        assert "Results" in bench.text
        await bench.press("v")
        assert "Layers, the outermost first" in bench.text


async def test_what_is_typed_never_goes_into_a_field_of_the_page_that_is_turned() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        source = bench.session.program.source
        bench.app.screen.editor.area.focus()
        # The editor's own meaning of F6 is to select the line.
        await bench.press("f6")
        assert "Results" in bench.text
        await bench.press("s")
        assert bench.app.screen.results.tab != VALUES
        assert bench.session.program.source == source
        await bench.press("f6", "#")
        assert bench.session.program.source == f"#{source}"


async def test_f5_stays_where_the_mistake_is() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "(")
        wrong = Diagnosis(
            kind="value", field=FieldPath("program.arguments.0.value"), message="no such value"
        )
        await bench.trace_answered(diagnosis=wrong)
        await bench.press("f5")
        assert "! no such value" in bench.text
        assert "Results" not in bench.text


async def test_what_a_program_before_printed_is_called_old_and_gives_way_to_the_new_ones() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("f5")
        await bench.hear(Printed(id=bench.client.run.id, stream="stdout", text="hello\n"))
        await bench.hear(made.ran(bench.client.run.id))
        await bench.press("s", "s")
        assert "Results · of the program before" not in bench.text
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "(")
        wrong = Diagnosis(kind="value", field=FieldPath("program.arguments.0.value"), message="no")
        await bench.trace_answered(diagnosis=wrong)
        await bench.rest(REST)
        assert "Results · of the program before" in bench.text
        assert "hello" in bench.text
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "((")
        trace = bench.client.trace.id
        await bench.hear(Printed(id=trace, stream="stdout", text="traced\n"))
        await bench.trace_answered(diagnosis=wrong)
        await bench.rest(REST)
        assert "while tracing:" in bench.text
        assert "traced" in bench.text
        assert "hello" not in bench.text


async def test_an_answer_never_moves_the_focus() -> None:
    async with Bench().open() as bench:
        field = value_input(bench, 1)
        field.focus()
        await bench.settled()
        assert bench.app.focused is field


# ---------------------------------------------------------------------------------- values


async def test_each_keystroke_in_a_value_is_traced() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        before = len(bench.client.asked(Trace))
        await type_at_end(bench, value_input(bench, 1), "+", "1")
        traces = bench.client.asked(Trace)[before:]
        values = [t.composition.program.arguments[1].value for t in traces]
        assert values[-1] == "arange(1.0, 5.0).reshape(2, 2)+1"
        assert len(values) == 2


async def test_an_answer_on_its_way_does_not_overwrite_what_is_typed() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        field = value_input(bench, 1)
        field.value = "ones"  # its Changed is still on its way
        bench.explorer.show_work()
        assert field.value == "ones"
        await bench.settle()
        assert bench.session.program.arguments[1].value == "ones"


async def test_a_small_program_runs_when_typing_rests() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        runs = len(bench.client.asked(Run))
        await type_at_end(bench, value_input(bench, 1), " ")
        await bench.trace_answered()
        await bench.rest(REST)
        assert len(bench.client.asked(Run)) == runs + 1


async def test_enter_in_a_field_runs() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        runs = len(bench.client.asked(Run))
        value_input(bench, 0).focus()
        await bench.press("enter")
        assert len(bench.client.asked(Run)) == runs + 1


@pytest.mark.parametrize("key", ["f5", "ctrl+j"])
async def test_the_run_keys_run_out_of_the_editor_too(key: str) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        runs = len(bench.client.asked(Run))
        bench.app.map_screen.editor.area.focus()
        await bench.press(key)
        assert len(bench.client.asked(Run)) == runs + 1


async def test_parameters_are_taken_once_they_can_be_read() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        field = bench.app.map_screen.query_one("#parameters", FieldInput)
        field.focus()
        await bench.press(*"n=")
        assert bench.session.parameters == {}
        assert "is not of the form" in bench.text
        await bench.press("4")
        assert bench.session.parameters == {"n": 4}
        assert field.value == "n=4"
        assert "is not of the form" not in bench.text


# ---------------------------------------------------------------------------------- arguments


async def test_the_rows_follow_the_signature() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        signature = [*made.PARAMETERS, Parameter(name="scale", kind="positional")]
        bench.explorer.edit(
            FieldPath("program.source"), made.SOURCE.replace("vector):", "vector, scale):")
        )
        await bench.trace_answered(signature=signature)
        assert [a.name for a in bench.session.program.arguments] == ["matrix", "vector", "scale"]
        await type_at_end(bench, value_input(bench, 2), "2")
        bench.explorer.edit(FieldPath("program.source"), made.SOURCE)
        await bench.trace_answered()
        assert len(bench.app.map_screen.arguments._rows) == 2
        bench.explorer.edit(
            FieldPath("program.source"), made.SOURCE.replace("vector):", "vector, scale):")
        )
        await bench.trace_answered(signature=signature)
        assert value_input(bench, 2).value == "2"


async def test_an_error_stands_at_its_argument() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        wrong = Diagnosis(
            kind="value", field=FieldPath("program.arguments.1.value"), message="no such name"
        )
        await type_at_end(bench, value_input(bench, 1), "x")
        await bench.trace_answered(diagnosis=wrong, signature=None)
        assert value_input(bench, 1).has_class("-faulty")
        assert not value_input(bench, 0).has_class("-faulty")
        line = next(line for line in bench.text.splitlines() if "! no such name" in line)
        assert line.index("!") < 10


# ---------------------------------------------------------------------------------- shardings


def sharding_input(bench: Bench, row: int) -> FieldInput:
    return bench.app.map_screen.arguments._rows[row].sharding_input


def sharded(mesh: dict[str, int] | None, sharding: str = "") -> Session:
    session = made.session()
    first, *others = session.program.arguments
    arguments = [msgspec.structs.replace(first, sharding=sharding), *others]
    program = msgspec.structs.replace(session.program, arguments=arguments)
    return made.session(program=program, devices=Devices(mesh=mesh))


@pytest.mark.parametrize(
    ("session", "shown"),
    [
        (made.session(), False),
        (sharded({"data": 8}), False),
        (sharded({"data": 4, "model": 2}), True),
        (sharded(None, "P('devices')"), True),
        (made.session(sharding=Sharding(mesh={"data": 64, "model": 8})), True),
    ],
)
async def test_shardings_have_a_column_where_they_matter(session: Session, shown: bool) -> None:
    async with Bench(session).open() as bench:
        await bench.settled()
        assert sharding_input(bench, 0).display == shown
        heading = next(line for line in bench.text.splitlines() if "in_axes" in line)
        assert ("sharding" in heading) == shown
        assert sharding_input(bench, 0).value == session.program.arguments[0].sharding


async def test_on_a_tall_screen_the_arguments_follow_the_code() -> None:
    async with Bench().open((200, 60)) as bench:
        await bench.settled()
        editor, arguments = bench.app.map_screen.editor, bench.app.map_screen.arguments
        before = arguments.region.y
        assert before == editor.region.bottom <= 20
        source = bench.session.program.source
        bench.explorer.edit(SOURCE, source + "# a line")
        await bench.settle()
        assert arguments.region.y == before
        bench.explorer.edit(SOURCE, source + 30 * "# a line\n")
        await bench.settle()
        assert before < arguments.region.y <= 60


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_sharding_is_typed_into_its_cell(size: tuple[int, int]) -> None:
    async with Bench(sharded({"data": 4, "model": 2})).open(size) as bench:
        await bench.settled()
        await type_at_end(bench, sharding_input(bench, 1), *"P('data')")
        assert [a.sharding for a in bench.session.program.arguments] == ["", "P('data')"]
        assert bench.client.asked(Trace)[-1].composition.program.arguments[1].sharding
        row = next(line for line in bench.text.splitlines() if "P('data')" in line)
        assert "vector" in row
        assert value_input(bench, 1).size.width >= 10


async def test_an_error_stands_at_its_sharding() -> None:
    async with Bench(sharded({"data": 4, "model": 2})).open() as bench:
        await bench.settled()
        wrong = Diagnosis(
            kind="axes",
            field=FieldPath("program.arguments.0.sharding"),
            message="the mesh has no axis",
        )
        await type_at_end(bench, sharding_input(bench, 0), *"P('z')")
        await bench.trace_answered(diagnosis=wrong)
        assert sharding_input(bench, 0).has_class("-faulty")
        assert not value_input(bench, 0).has_class("-faulty")
        assert "! the mesh has no axis" in bench.text


async def test_the_column_stays_while_its_only_sharding_is_typed_anew() -> None:
    async with Bench(sharded(None, "P")).open() as bench:
        await bench.settled()
        field = sharding_input(bench, 0)
        await type_at_end(bench, field, "backspace")
        assert bench.session.program.arguments[0].sharding == ""
        assert field.display
        await bench.press(*"P()")
        assert bench.session.program.arguments[0].sharding == "P()"


# ---------------------------------------------------------------------------------- axes


async def test_an_axis_is_edited_in_its_own_cell() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await type_at_end(bench, axis_input(bench, 1), "backspace", *"None")
        assert bench.session.program.layers[0].in_axes == "(0, None)"
        assert axis_input(bench, 0).value == "0"


async def test_a_half_typed_axis_stays_and_can_be_finished() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await type_at_end(bench, axis_input(bench, 0), "backspace", "{")
        assert bench.session.program.layers[0].in_axes == "({, 0)"
        assert not axis_input(bench, 0).disabled
        await bench.press(*"'w':1}")
        assert bench.session.program.layers[0].in_axes == "({'w':1}, 0)"


async def test_a_cell_that_is_no_entry_says_so_at_its_argument() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await type_at_end(bench, axis_input(bench, 1), "backspace", *")x(")
        field = FieldPath("program.layers.0.in_axes")
        wrong = Diagnosis(kind="syntax", field=field, message="invalid syntax (column 6)")
        await bench.trace_answered(diagnosis=wrong, signature=None)
        assert axis_input(bench, 1).has_class("-faulty")
        assert not axis_input(bench, 0).has_class("-faulty")
        assert not value_input(bench, 1).has_class("-faulty")
        assert "in_axes: unmatched ')' (column 1)" in bench.text


async def test_axes_that_cannot_be_taken_apart_are_not_editable_by_cell() -> None:
    program = Program(
        source=made.SOURCE,
        arguments=made.session().program.arguments,
        layers=[Vmap(in_axes="(0,) * 2")],
    )
    async with Bench(made.session(program=program)).open() as bench:
        await bench.settled()
        assert axis_input(bench, 0).disabled
        assert axis_input(bench, 0).value == "…"


@pytest.mark.parametrize(
    ("layer", "said"), [(Vmap(), "0, by name"), (ShardMap(), ""), (Grad(), "")]
)
async def test_the_axis_of_an_argument_by_name_is_shown_and_cannot_be_changed(
    layer: AnyLayer, said: str
) -> None:
    program = Program(
        source="def f(x, *, k):\n    return x * k\n",
        arguments=[Argument(name="x", value="ones(3)"), Argument(name="k", value="ones(3)")],
        layers=[layer],
    )
    async with Bench(made.session(program=program)).open() as bench:
        signature = [
            Parameter(name="x", kind="positional"),
            Parameter(name="k", kind="keyword"),
        ]
        await bench.hear(made.ready())
        await bench.trace_answered(signature=signature)
        assert axis_input(bench, 1).disabled
        assert axis_input(bench, 1).value == ""
        assert axis_input(bench, 1).placeholder == said
        assert said in bench.text


# ---------------------------------------------------------------------------------- layers


async def test_a_layer_is_added_around_all() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.layer_list.focus()
        await bench.press("a")
        bench.app.screen.query_one(OptionList).highlighted = 1
        await bench.press("enter")
        assert bench.session.program.layers[1] == Pmap()
        assert bench.app.map_screen.layer_list.selected == 1
        assert bench.app.focused is bench.app.map_screen.layer_list


async def test_layers_move_and_go() -> None:
    program = Program(
        source=made.SOURCE,
        arguments=made.session().program.arguments,
        layers=[Vmap(), Jit()],
    )
    async with Bench(made.session(program=program)).open() as bench:
        await bench.settled()
        bench.app.map_screen.layer_list.focus()
        await bench.press("J")
        assert bench.session.program.layers == [Jit(), Vmap()]
        await bench.press("x")
        assert bench.session.program.layers == [Vmap()]
        await bench.press("x")
        assert bench.session.program.layers == []
        await bench.press("x", "J", "K", "up", "down")
        assert bench.session.program.layers == []


async def test_a_layers_fields_are_edited_under_the_list_and_followed_at_once() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.layer_list.focus()
        await bench.press("enter")
        form = bench.app.map_screen.query_one(LayerForm)
        await bench.until(lambda: bench.app.focused is form.first)
        await bench.press("end", "backspace", "backspace", *"1)")
        assert bench.session.program.layers[0].in_axes == "(0, 1)"
        assert axis_input(bench, 1).value == "1"
        await bench.press("escape")
        assert not bench.app.map_screen.query(LayerForm)
        assert bench.app.focused is bench.app.map_screen.layer_list


async def test_a_form_that_does_not_fit_is_scrolled_to() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        bench.app.map_screen.layer_list.focus()
        await bench.press("enter")
        form = bench.app.map_screen.query_one(LayerForm)
        await bench.until(lambda: bench.app.map_screen.can_view_entire(form))
        assert bench.app.focused is form.first


async def test_a_layer_in_a_line_names_what_was_typed() -> None:
    layer = Vmap(in_axes="(0, None)", axis_name="batch")
    assert layer_summary(layer) == "in (0, None)  out 0  name batch"


# ---------------------------------------------------------------------------------- fixes


async def test_f_applies_the_only_fix() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.layers.0.in_axes"), "(3, 0)")
        await bench.trace_answered(diagnosis=AXIS_WRONG, signature=None)
        assert "f fix" in bench.text
        await bench.press("f")
        assert bench.session.program.layers[0].in_axes == "(1, 0)"
        assert axis_input(bench, 0).value == "1"


async def test_f_asks_which_of_several_fixes() -> None:
    other = Fix(label="map nothing", field=FieldPath("program.layers.0.in_axes"), text="(None, 0)")
    wrong = Diagnosis(
        kind="axes", field=FieldPath(AXIS_FIX.field), message="no axis 3", fixes=[AXIS_FIX, other]
    )
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.layers.0.in_axes"), "(3, 0)")
        await bench.trace_answered(diagnosis=wrong, signature=None)
        await bench.press("f", "down", "enter")
        assert bench.session.program.layers[0].in_axes == "(None, 0)"


async def test_a_failed_run_is_shown_with_the_users_own_lines() -> None:
    wrong = Diagnosis(
        kind="function",
        field=FieldPath("program.source"),
        message="ValueError: no",
        line=2,
        frames=["line 2, in f: raise ValueError('no')"],
    )
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(Failed(id=bench.client.run.id, diagnosis=wrong))
        assert "! line 2: ValueError: no" in bench.text
        await bench.press("s")
        assert "line 2, in f: raise ValueError('no')" in bench.text


# ---------------------------------------------------------------------------------- pages


async def test_a_narrow_screen_has_two_pages_that_share_the_shapes() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        assert "Shapes" in bench.text
        assert "Arguments" in bench.text
        assert "Results" not in bench.text
        assert "v results" in bench.text
        await bench.press("v")
        assert "Shapes" in bench.text
        assert "Arguments" not in bench.text
        assert "53." in bench.text
        assert "v compose" in bench.text
        await bench.pilot.resize_terminal(120, 40)
        await bench.settle()
        assert "Arguments" in bench.text
        assert "53." in bench.text


@pytest.mark.parametrize("size", one_in(2, [(80, 24), (120, 40)]))
async def test_every_pane_is_reached_by_tab_in_reading_order(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        screen = bench.app.map_screen
        if size[0] < 100:
            await bench.press("v")
        expected = [screen.flow_view, screen.results.tab_line, screen.results.array_view]
        reached = []
        for _ in range(20):
            await bench.press("tab")
            reached.append(bench.app.focused)
        if size[0] >= 100:
            expected = [
                screen.editor.name_line,
                screen.editor.area,
                value_input(bench, 0),
                axis_input(bench, 0),
                value_input(bench, 1),
                axis_input(bench, 1),
                screen.query_one("#parameters"),
                screen.layer_list,
                *expected,
            ]
        places = [reached.index(widget) for widget in expected]
        assert places == sorted(places)


async def test_escape_leaves_a_field_and_tab_returns_to_it() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        field = value_input(bench, 1)
        field.focus()
        await bench.press("escape")
        assert bench.app.focused is None
        await bench.press("tab")
        assert bench.app.focused is field


async def test_a_new_line_is_indented() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        area = bench.app.map_screen.editor.area
        area.focus()
        await bench.press("down", "end", "enter", *"if x:", "enter", "y")
        assert bench.session.program.source.splitlines()[2:4] == ["    if x:", "        y"]


# ------------------------------------------------------------------------- compiler's views


async def test_a_compilers_view_is_asked_for_when_its_tab_is_shown() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        assert not bench.client.asked(Inspect)
        await bench.press("s", "s", "s", "s")
        asked = bench.client.asked(Inspect)[-1]
        assert asked.view == "jaxpr"
        await bench.hear(Inspected(id=asked.id, view="jaxpr", text="{ lambda ; a:i32[2] }"))
        assert "{ lambda ; a:i32[2] }" in bench.text
        await bench.press("s")
        assert bench.client.asked(Inspect)[-1].view == "stablehlo"


async def test_the_python_tab_shows_the_program_as_a_script() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("S")
        assert "import jax.numpy as jnp" in bench.text
        await bench.press("y")
        assert "sent to the terminal's clipboard" in bench.text


@pytest.mark.long
async def test_an_error_leaves_the_widths_and_the_places_as_they_are() -> None:
    for size in ((80, 24), (120, 40)):
        async with Bench().open(size) as bench:
            await bench.settled()
            screen = bench.app.map_screen
            table = screen.arguments
            before = (table.region.width, table.region.x, screen.editor.region.height)
            wrong = Diagnosis(
                kind="value",
                field=FieldPath("program.arguments.1.value"),
                message="no such name " * 12,
            )
            bench.explorer.edit(FieldPath("program.arguments.1.value"), "nothing")
            await bench.trace_answered(diagnosis=wrong)
            assert "no such name" in bench.text
            after = (table.region.width, table.region.x, screen.editor.region.height)
            assert after[:2] == before[:2]
            if size[0] >= 100:
                assert after == before


async def test_a_terminal_of_twelve_rows_shows_shapes_and_results() -> None:
    async with Bench().open((40, 12)) as bench:
        await bench.settled()
        await bench.press("v")
        assert "matrix" in bench.text
        assert bench.app.map_screen.results.region.height >= 5


async def test_the_editor_gets_the_lines_that_the_rest_of_its_column_leaves() -> None:
    async with Bench().open((120, 40)) as bench:
        await bench.settled()
        screen = bench.app.map_screen
        assert screen.editor.region.height >= 20
        await bench.pilot.resize_terminal(120, 24)
        await bench.until(lambda: screen.editor.region.height < 12)
        await bench.pilot.resize_terminal(80, 24)
        await bench.until(lambda: screen.editor.styles.height.is_fraction)


async def test_the_number_of_printed_lines_has_its_unit_where_there_is_room() -> None:
    for zoomed, shown in ((["z"], "Output 1,093 lines  Equ"), ([], "Output 1,093 Equiv ")):
        async with Bench().open((128, 30)) as bench:
            await bench.settled()
            await bench.press(*zoomed)
            run = bench.client.run.id
            await bench.hear(Printed(id=run, stream="stdout", text="a line\n" * 1093))
            assert shown in bench.text
            lines = bench.text.splitlines()
            y = next(at for at, line in enumerate(lines) if shown in line)
            await bench.pilot.click(offset=(lines[y].index("Jaxpr"), y))
            await bench.until(lambda: bench.app.map_screen.results.tab == "Jaxpr")


async def test_the_notes_of_a_session_stand_beside_its_program() -> None:
    noted = made.session(notes="Try **two** things:\n\n- one\n- another\n")
    async with Bench(noted).open() as bench:
        await bench.settled()
        await bench.press("S")
        assert bench.app.map_screen.results.tab == "Notes"
        assert "Try two things:" in bench.text
        assert "• another" in bench.text
        bench.explorer.open(made.session())
        await bench.settle()
        assert "Notes" not in bench.text
        assert bench.app.map_screen.results.tab == "Result"


async def test_equivalents_say_what_they_wait_for_and_then_what_was_found() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press(*["s"] * 3)
        assert bench.app.map_screen.results.tab == "Equivalents"
        [asked] = bench.client.asked(Inspect)
        assert "Results · asking JAX" in bench.text
        await bench.hear(Inspected(id=asked.id, view="equivalents", text="loop  the same"))
        assert "loop  the same" in bench.text
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "ones((2000, 1000, 2))")
        await bench.rest(REST)
        assert "of the program before" in bench.text
        assert bench.client.asked(Inspect) == [asked]


async def test_where_nan_comes_from_has_a_tab_once_the_result_is_known_to_have_some() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        assert "NaN" not in bench.text
        ran = bench.explorer.work.ran
        assert ran is not None
        counted = Summary(minimum=1.0, maximum=1.0, mean=1.0, std=0.0, non_finite=3, count=4)
        bench.explorer.work.note_summary(ran.result, counted)
        bench.explorer.show_work()
        await bench.settle()
        assert "Output NaN" in bench.text
        await bench.press(*["s"] * 3)
        assert bench.app.map_screen.results.tab == "NaN"
        [asked] = bench.client.asked(Inspect)
        assert asked.view == "origins"
        await bench.hear(Inspected(id=asked.id, view="origins", text="line 2  y = jnp.log(x)"))
        assert "line 2  y = jnp.log(x)" in bench.text


async def test_the_tab_on_show_is_in_sight_where_they_do_not_all_fit() -> None:
    async with Bench().open((101, 24)) as bench:
        await bench.settled()
        assert "Result Shards" in bench.text
        assert "Python" not in bench.text
        await bench.press("S")
        assert bench.app.map_screen.results.tab == "Python"
        line = next(line for line in bench.text.splitlines() if "StableHLO" in line)
        assert line.rstrip().endswith("Python")
        assert "Shards" not in line
        await bench.press("s")
        assert "Result Shards" in bench.text


async def test_a_state_that_is_shown_already_paints_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.answer_windows()
        await bench.settle()
        painted: list[Widget] = []
        original = Widget.refresh

        def noted(self: Widget, *regions: Region, **options: bool) -> Widget:
            painted.append(self)
            return original(self, *regions, **options)

        monkeypatch.setattr(Widget, "refresh", noted)
        bench.explorer.show_work()
        assert painted == []


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("", "function", "no function yet"),
        ("def (x):", "syntax", "no function: the source has an error"),
        ("a = 1", "function", "the source makes no function"),
    ],
)
async def test_without_a_name_of_the_function_it_says_why(
    source: str, kind: Kind, words: str
) -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        bench.explorer.edit(SOURCE, source)
        wrong = Diagnosis(kind=kind, field=SOURCE, message="something is wrong")
        answer = made.traced(bench.client.trace.id, signature=None, diagnosis=wrong)
        await bench.hear(msgspec.structs.replace(answer, function=""))
        assert bench.app.map_screen.editor.name_line.render().plain.split("  ")[0] == words


@pytest.mark.parametrize("keys", [[], ["tab"], ["v"], ["v", "tab", "tab"]])
async def test_the_key_that_the_layers_name_puts_one_around_from_wherever_one_is(
    keys: list[str],
) -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press(*keys, "a")
        assert "Put a layer around the program" in bench.text
        await bench.press("down", "enter")
        assert len(bench.session.program.layers) == 2
