"""From the first screen to one's own function: the start page, new, and what goes with a lesson."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from jaxtui import lessons
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import Pmap
from jaxtui.session.session import Program
from jaxtui.wire.report import Parameter
from tests.support import made_events as made
from tests.support.fake_client import Bench

SOURCE = FieldPath("program.source")
OWN = "def scalar_func(x):\n    return x * x + 2\n"


async def test_the_start_page_stands_in_the_free_half_until_the_first_change() -> None:
    async with Bench(greets=True).open() as bench:
        await bench.settled()
        assert "w      write your own    ctrl+n start empty" in bench.text
        first = [line.rstrip() for line in bench.text.splitlines()]
        await bench.press("w")
        assert "write your own" in bench.text
        await bench.press("x")
        assert "write your own" not in bench.text
        now = [line.rstrip() for line in bench.text.splitlines()]
        assert now.index(next(n for n in now if "─Arguments" in n)) == first.index(
            next(n for n in first if "─Arguments" in n)
        )
        await bench.press("ctrl+z")
        assert bench.session.program.source == made.SOURCE
        assert "write your own" not in bench.text


async def test_without_room_the_title_says_how_to_begin() -> None:
    async with Bench(greets=True).open((80, 24)) as bench:
        assert "Function · w: write your own, ctrl+n: start empty" in bench.text
        await bench.press("w", "x")
        assert "─Function─" in bench.text


async def test_only_the_first_session_has_a_start_page() -> None:
    async with Bench().open() as bench:
        assert "write your own" not in bench.text


@pytest.mark.parametrize("key", ["ctrl+a", "f7"])
async def test_all_of_the_editor_is_selected_and_typing_replaces_it(key: str) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.editor.area.focus()
        await bench.press(key, "y")
        assert bench.session.program.source == "y"


async def test_write_replaces_the_function_and_its_axes_follow() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("w")
        await bench.paste(OWN)
        assert bench.session.program.source == OWN
        signature = [Parameter(name="x", kind="positional")]
        await bench.hear(made.traced(bench.client.trace.id, signature=signature))
        program = bench.session.program
        assert [argument.name for argument in program.arguments] == ["x"]
        assert [layer.in_axes for layer in program.layers] == ["0"]


async def test_new_empties_the_editor_on_the_same_devices_and_goes_to_it() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        devices = bench.session.devices
        await bench.press("4", "ctrl+n", "d", "e", "f")
        assert bench.session.program.source == "def"
        assert not bench.session.program.layers
        assert bench.session.devices == devices
        assert not bench.session.title


async def test_new_asks_before_it_drops_changes() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(SOURCE, OWN)
        await bench.press("ctrl+n")
        assert "Not saved" in bench.text
        await bench.press("escape")
        assert bench.session.program.source == OWN


async def test_title_and_notes_of_a_lesson_are_left_behind_with_its_function() -> None:
    lesson = lessons.load("vmap")
    async with Bench(lesson).open() as bench:
        bench.explorer.edit(SOURCE, lesson.program.source.replace("return", "return 1 + "))
        assert (bench.session.title, bench.session.notes) == (lesson.title, lesson.notes)
        bench.explorer.edit(SOURCE, "def sum_across(x):\n    return x\n")
        assert (bench.session.title, bench.session.notes) == ("", "")
        bench.explorer.edit(SOURCE, lesson.program.source)
        assert bench.session == lesson
        bench.explorer.edit(SOURCE, OWN)
        bench.explorer.undo()
        assert bench.session == lesson


async def test_a_title_of_ones_own_stays() -> None:
    lesson = lessons.load("vmap")
    async with Bench(lesson).open() as bench:
        bench.explorer.edit(FieldPath("title"), "mine")
        bench.explorer.edit(SOURCE, OWN)
        assert bench.session.title == "mine"


async def test_a_files_title_and_notes_stay(tmp_path: object) -> None:
    lesson = lessons.load("vmap")
    async with Bench(lesson, path=f"{tmp_path}/a.toml").open() as bench:
        bench.explorer.edit(SOURCE, OWN)
        assert bench.session.title == lesson.title


async def test_an_axis_is_replaced_by_what_is_typed_into_its_cell() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.arguments._rows[1].axis_input.focus()
        await bench.press(*"None")
        assert bench.session.program.layers[0].in_axes == "(0, None)"


async def test_a_value_that_does_not_fit_shows_its_beginning_with_a_mark() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        long = "arange(1, 9).reshape(2, 2, 2) * linspace(0, 1, 8).reshape(2, 2, 2)"
        field = FieldPath("program.arguments.0.value")
        bench.explorer.edit(field, long)
        await bench.settle()
        assert re.search(r"matrix arange\(1, 9\)[^│]*…", bench.text)
        bench.app.map_screen.arguments._rows[0].value_input.focus()
        await bench.press("end")
        assert "reshape(2, 2, 2) " in bench.text
        assert "matrix arange" not in bench.text
        await bench.press("escape")
        assert re.search(r"matrix arange\(1, 9\)[^│]*…", bench.text)


async def test_the_editor_shows_the_beginning_of_its_lines_once_it_is_left() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(SOURCE, f"def f(x):\n    return {'x + ' * 40}1\n")
        area = bench.app.map_screen.editor.area
        area.focus()
        await bench.press("down", "end")
        assert area.scroll_x > 0
        await bench.press("escape")
        assert area.scroll_x == 0
        assert "def f(x):" in bench.text


PASTED = """import jax

def power_scale(x, y):
    return x ** y

xs = jnp.arange(4.)
y = 2.
print(jax.vmap(power_scale, in_axes=(0, None))(xs, y))
"""


async def test_pasted_lines_are_taken_as_layers_and_values_by_one_key_and_one_undo() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        before = bench.session
        await bench.press("w")
        await bench.paste(PASTED)
        signature = [Parameter(name=name, kind="positional") for name in ("x", "y")]
        await bench.hear(made.traced(bench.client.trace.id, signature=signature))
        assert "these lines apply vmap themselves" in bench.text
        pasted = bench.session
        await bench.press("escape", "f")
        program = bench.session.program
        assert program.source == PASTED.partition("print")[0]
        assert [(a.name, a.value) for a in program.arguments] == [("x", "xs"), ("y", "y")]
        assert [layer.in_axes for layer in program.layers] == ["(0, None)"]
        assert "these lines apply" not in bench.text
        bench.explorer.undo()
        assert bench.session == pasted
        bench.explorer.undo()
        assert bench.session == before


async def test_an_error_in_what_was_pasted_is_told_with_the_offer() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("w")
        await bench.paste(PASTED)
        wrong = Diagnosis(kind="function", field=SOURCE, message="no such thing")
        await bench.trace_answered(diagnosis=wrong)
        assert "! no such thing" in bench.text
        assert "f  take vmap as a layer, with xs, y" in bench.text


async def test_nothing_is_offered_for_a_source_as_it_was_opened() -> None:
    session = made.session(program=Program(source=PASTED))
    async with Bench(session).open() as bench:
        await bench.settled()
        assert "these lines apply" not in bench.text


async def test_of_several_layers_the_column_says_whose_axes_it_has() -> None:
    program = made.session().program
    layers = [*program.layers, Pmap(axis_name="y")]
    async with Bench(made.session(program=replace(program, layers=layers))).open() as bench:
        await bench.settled()
        assert "in_axes of pmap y" in bench.text
        bench.app.map_screen.layer_list.focus()
        await bench.press("down")
        assert "in_axes of vmap batch" in bench.text
        await bench.press("x")
        assert "in_axes of" not in bench.text
