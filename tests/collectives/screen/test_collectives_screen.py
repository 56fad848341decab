"""The Collectives screen: what each device holds, where it comes from, how it travels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from jaxtui.collectives.screen.device_rows import CellEditor
from jaxtui.collectives.screen.rows import ElementPlace
from jaxtui.collectives.screen.screen import CollectivesScreen
from jaxtui.collectives.screen.work import DRAFT
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import COLLECTIVE, FieldPath
from jaxtui.session.session import Collective, Devices, Session
from jaxtui.wire.base import Failed, Stage
from jaxtui.wire.collectives import (
    CollectiveRan,
    DescribeCollectives,
    FindProvenance,
    RunCollective,
)
from tests.support import made_collectives as made
from tests.support import made_events
from tests.support.fake_client import Bench
from tests.support.tables import one_in

Answer = Callable[[int], CollectiveRan]
SIZES = [(80, 24), (120, 40)]
SUM = "device 3 [1] ← sum over devices 0–7 [1]"
WRONG = Diagnosis(
    kind="collective",
    field=FieldPath("collective.options.perm"),
    message="position 3 sends twice",
    fixes=[Fix(label="a ring", field=FieldPath("collective.options.perm"), text="[(0, 1)]")],
)
PPERMUTE = Collective(
    operation="ppermute",
    value="arange(16.0).reshape(8, 2)",
    options={"perm": "[(i, (i + 1) % devices) for i in range(devices)]"},
)
GATHER = Collective(operation="all_gather", value="arange(16.0).reshape(8, 2)")
SQUARE = Collective(
    operation="all_to_all",
    value="arange(64.0).reshape(8, 8)",
    options={"split_axis": "0", "concat_axis": "0"},
)


def screen(bench: Bench) -> CollectivesScreen:
    shown = bench.app.screen
    assert isinstance(shown, CollectivesScreen)
    return shown


def runs(bench: Bench) -> list[RunCollective]:
    return bench.client.asked(RunCollective)


async def settled(bench: Bench, answer: Answer = made.psum) -> None:
    """The collective on screen has run, and its sources are known."""
    (described,) = bench.client.take(DescribeCollectives)
    await bench.hear(made.described(described.id), answer(runs(bench)[-1].id))
    await find(bench)


async def find(bench: Bench) -> None:
    """Answer what is asked about sources."""
    for request in bench.client.take(FindProvenance):
        row, *index = request.element
        ran = bench.explorer.collective.ran_of
        assert ran is not None
        sources, said = made.sources_of(ran.collective.operation, row, index)
        words = f"device {row} {index} ← {said}"
        found = made.sources(request.id, request.result, request.element, sources, words)
        await bench.hear(found)


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (120, 40),
    answer: Answer = made.psum,
    collective: Collective = DRAFT,
    **options: Any,
) -> AsyncIterator[Bench]:
    """The explorer on a session that is a collective only."""
    bench = Bench(with_collective(collective), **options)
    async with bench.app.run_test(size=size) as bench.pilot:
        await started(bench, answer)
        yield bench


@asynccontextmanager
async def opened_beside_map() -> AsyncIterator[Bench]:
    """The explorer on a program, turned to the Collectives screen."""
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("3")
        await settled(bench)
        yield bench


async def started(bench: Bench, answer: Answer) -> None:
    while not bench.app.begun:
        await bench.settle()
    # There is no program besides the collective.
    nothing = Diagnosis(
        kind="function", field=FieldPath("program"), message="there is no function yet"
    )
    trace = bench.client.trace.id
    await bench.hear(made_events.ready(), Failed(id=trace, diagnosis=nothing))
    await settled(bench, answer)


def with_collective(collective: Collective) -> Session:
    return Session(devices=Devices(platform="cpu", count=8), collective=collective)


# ------------------------------------------------------------------------------ what is seen


async def test_the_tutorials_psum_is_there_without_typing_and_says_it_was_checked() -> None:
    async with opened_beside_map() as bench:
        assert "each device gets the sum of all devices' blocks" in bench.text
        assert "checked against NumPy ✓" in bench.text
        assert "56." in bench.text
        assert runs(bench)[0].collective.operation == "psum"
        assert not bench.explorer.files.changed


async def test_the_sources_of_the_element_at_the_cursor_are_lit_and_said() -> None:
    async with opened() as bench:
        screen(bench).rows.go_to(ElementPlace("after", 3, 1))
        await bench.settle()
        await find(bench)
        assert "device 3 [1] = 64. ← sum over devices 0–7 [1]" in bench.text
        assert "= 1. + 3. + 5. + 7. + 9. + 11. + 13. + 15." in bench.text
        assert bench.text.count("]") >= 8
        assert "[ 7.]" in bench.text
        assert "[ 6.]" not in bench.text


async def test_moving_the_cursor_asks_for_the_sources_of_the_new_element() -> None:
    async with opened() as bench:
        await bench.press("j", "l")
        assert bench.client.asked(FindProvenance)[-1].element == [1, 1]


async def test_an_element_of_before_says_what_it_is_and_lights_nothing() -> None:
    async with opened() as bench:
        await bench.press("h")
        assert "before: device 0 [1] = 1." in bench.text
        assert "[ 1.]" not in bench.text


async def test_a_difference_from_numpy_is_said_in_the_title() -> None:
    def wrong(id: int) -> CollectiveRan:
        return made.psum(id, checked=False, note="2 elements differ")

    async with opened(answer=wrong) as bench:
        assert "DIFFERS from NumPy: 2 elements differ" in bench.text


@pytest.mark.long
async def test_the_old_result_stays_and_says_that_it_is_old() -> None:
    async with opened() as bench:
        screen(bench).form.input_of("value").focus()
        await bench.press("end", "+", "1")
        assert "of the collective before" in bench.text
        assert "56." in bench.text


# -------------------------------------------------------------------------------- composing


async def test_typing_a_value_runs_it_once_typing_rests() -> None:
    async with opened() as bench:
        screen(bench).form.input_of("value").focus()
        await bench.press("end", "*", "2")
        await bench.rest(REST)
        assert runs(bench)[-1].collective.value.endswith("*2")


async def test_a_late_answer_replaces_nothing_that_was_typed() -> None:
    async with opened() as bench:
        field = screen(bench).form.input_of("value")
        field.focus()
        await bench.press("end", "+")
        await bench.hear(made.psum(runs(bench)[-1].id))
        assert field.value.endswith("+")
        assert bench.app.focused is field


async def test_picking_an_operation_brings_its_options_and_an_input_that_fits() -> None:
    async with opened() as bench:
        await bench.press("p")
        listed = bench.app.screen.query_one(OptionList)
        names = [str(listed.get_option_at_index(i).prompt) for i in range(listed.option_count)]
        listed.highlighted = next(i for i, n in enumerate(names) if n.startswith("all_to_all"))
        await bench.press("enter")
        assert bench.session.collective.operation == "all_to_all"
        assert screen(bench).form.input_of("options.split_axis") is not None
        assert screen(bench).form.input_of("options.concat_axis").value == "0"


async def test_the_field_with_the_focus_says_what_it_is_for() -> None:
    async with opened() as bench:
        screen(bench).form.input_of("options.axis_index_groups").focus()
        await bench.settle()
        assert "groups of positions, each a collective of its own" in bench.text


async def test_w_goes_through_the_transformations() -> None:
    async with opened() as bench:
        await bench.press("w")
        assert bench.session.collective.via == "shard_map"


async def test_an_error_stands_at_its_field_and_f_fixes_it() -> None:
    async with opened(collective=PPERMUTE, answer=made.ppermute) as bench:
        field = screen(bench).form.input_of("options.perm")
        field.focus()
        await bench.press("end", " ")
        await bench.rest(REST)
        await bench.hear(Failed(id=runs(bench)[-1].id, diagnosis=WRONG))
        assert "! position 3 sends twice" in bench.text
        assert field.has_class("-faulty")
        await bench.press("f2")
        assert bench.session.collective.options["perm"] == "[(0, 1)]"
        assert field.value == "[(0, 1)]"
        assert "position 3 sends twice" not in bench.text


async def test_an_unknown_operation_is_told_without_the_engine() -> None:
    async with opened() as bench:
        screen(bench).form.input_of("operation").focus()
        await bench.press("end", "m")
        assert "'psumm' is no collective of jax.lax" in bench.text
        await bench.press("f2")
        assert bench.session.collective.operation == "psum"


async def test_enter_in_a_field_runs() -> None:
    async with opened() as bench:
        before = len(runs(bench))
        screen(bench).form.input_of("value").focus()
        await bench.press("enter")
        assert len(runs(bench)) == before + 1


async def test_tab_goes_through_the_panes_in_reading_order() -> None:
    async with opened() as bench:
        screen(bench).form.input_of("operation").focus()
        await bench.settle()
        seen = [bench.app.focused]
        for _ in range(8):
            await bench.press("tab")
            seen.append(bench.app.focused)
        tops = [(widget.region.y, widget.region.x) for widget in seen]
        assert tops == sorted(tops)


# -------------------------------------------------------------------- editing where it stands


async def test_an_element_of_before_is_edited_where_it_stands() -> None:
    async with opened() as bench:
        rows = screen(bench).rows
        rows.go_to(ElementPlace("before", 3, 1))
        await bench.press("enter")
        editor = bench.app.focused
        assert isinstance(editor, CellEditor)
        y, _ = rows.laid_out.locate(ElementPlace("before", 3, 1))
        assert editor.region.y == rows.content_region.y + 1 + y
        await bench.press("4", "2", "enter")
        assert "[6., 42]" in bench.session.collective.value
        assert bench.app.focused is rows
        assert rows.cursor == ElementPlace("before", 3, 1)


async def test_escape_leaves_an_element_as_it_was() -> None:
    async with opened() as bench:
        await bench.press("h", "enter", "9", "escape")
        assert bench.session.collective == DRAFT
        assert bench.app.focused is screen(bench).rows


async def test_what_is_no_python_is_said_and_can_be_corrected() -> None:
    async with opened() as bench:
        await bench.press("h", "enter", "(", "enter")
        assert "is not Python" in bench.text
        assert isinstance(bench.app.focused, CellEditor)


async def test_after_cannot_be_edited_and_says_so() -> None:
    async with opened() as bench:
        await bench.press("enter")
        assert "after is what comes out" in bench.text


# ------------------------------------------------------------------------------- the model


async def test_brackets_step_through_the_algorithm_to_the_result() -> None:
    async with opened() as bench:
        assert "How it travels · recursive doubling (a model" in bench.text
        await bench.press("]")
        assert "step 1 of 3 · 8 messages at once · 64 B of 192 B sent" in bench.text
        assert "→ 1" in bench.text
        await bench.press("]", "]", "]")
        assert "step 3 of 3" in bench.text
        assert "this is the result ✓" in bench.text
        await bench.press("[")
        assert "step 2 of 3" in bench.text


async def test_a_takes_another_algorithm() -> None:
    async with opened() as bench:
        await bench.press("a")
        assert "How it travels · ring all-reduce (a model" in bench.text
        assert "0 of 14" in bench.text or "before the first step" in bench.text


async def test_in_a_narrow_terminal_what_there_is_no_room_for_is_left_out_whole() -> None:
    async with opened(size=(80, 24)) as bench:
        await bench.press("v")
        assert (
            "before the first step · pairs at distance 1, 2, 4, … exchange their sums" in bench.text
        )
        assert "a number is of how many devices" not in bench.text
        await bench.press("]")
        assert "step 1 of 3 · 8 messages at once · 64 B of 192 B sent" in bench.text
        _, head, _, legend, *_ = bench.text.partition("How it travels")[2].splitlines()
        assert not head.rstrip().endswith("…")
        assert not legend.rstrip().endswith("…")


async def test_where_there_is_room_all_steps_stand_beside_and_the_call_below_as_python() -> None:
    async with opened(size=(200, 60)) as bench:
        assert screen(bench).travel_pane.region.x > screen(bench).rows.region.right
        assert "▸ before" in bench.text
        assert all(f"  step {number}     " in bench.text for number in (1, 2, 3))
        assert 'return lax.psum(x, "devices")' in bench.text
        await bench.press("]")
        assert "▸ step 1" in bench.text
        bench.explorer.edit(COLLECTIVE / "operation", "pmax")
        await bench.settle()
        assert 'return lax.pmax(x, "devices")' in bench.text
        bench.explorer.edit(COLLECTIVE / "value", "arange(")
        await bench.settle()
        assert "# no Python" in bench.text
        await bench.resize(120, 40)
        assert "As Python" not in bench.text
        assert screen(bench).travel_pane.region.x == screen(bench).holdings.region.x
        assert "  step 2     " not in bench.text


async def test_the_script_has_not_the_title_of_another_program() -> None:
    async with opened_beside_map() as bench:
        assert bench.session.title
        assert bench.explorer.collective.alone.title == ""


async def test_the_cost_follows_latency_and_bandwidth() -> None:
    async with opened() as bench:
        pane = screen(bench).travel_pane
        assert "3.002 µs = " in bench.text
        pane.query_one("#travel-latency").focus()
        await bench.press("end", "0")
        assert "30.00 µs = " in bench.text
        await bench.press("x")
        assert "! a positive number is needed" in bench.text


async def test_an_edited_value_keeps_the_step() -> None:
    async with opened() as bench:
        await bench.press("]", "]")
        bench.explorer.edit(
            FieldPath("collective"), Collective(operation="psum", value="zeros((8, 2))")
        )
        await bench.rest(REST)
        await bench.hear(made.psum(runs(bench)[-1].id))
        assert "step 2 of 3" in bench.text


async def test_at_24_lines_a_step_opens_the_way_of_the_data_in_place_of_the_form() -> None:
    async with opened((80, 24)) as bench:
        assert "How it travels" not in bench.text
        await bench.press("]")
        assert "step 1 of 3" in bench.text
        assert "operation" not in bench.text
        held = bench.text.partition("How it travels")[0].rstrip("─\n")
        assert held.splitlines()[-1].startswith("   6  cpu")
        assert "↓ 1 more" in held.splitlines()[-1]
        await bench.press("v")
        assert "operation" in bench.text


# ------------------------------------------------------------------------- programs, scripts


async def test_m_opens_the_collective_as_a_program_in_the_map_screen() -> None:
    async with opened() as bench:
        await bench.press("m")
        assert bench.app.current_mode == "map"
        assert 'lax.psum(x, "devices")' in bench.session.program.source
        assert bench.session.program.layers[0].transform == "pmap"


@pytest.mark.long
async def test_m_asks_before_it_replaces_a_program_that_is_in_no_file() -> None:
    async with opened_beside_map() as bench:
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "ones((2, 2, 2))")
        await bench.press("m")
        assert bench.app.current_mode == "collectives"
        assert "in no file" in bench.text
        await bench.press("escape")
        assert bench.session.program.arguments[0].value == "ones((2, 2, 2))"


@pytest.mark.long
async def test_x_copies_the_script() -> None:
    async with opened() as bench:
        await bench.press("x", "enter")
        assert "jax.lax" in bench.app.clipboard or "lax.psum" in bench.app.clipboard
        compile(bench.app.clipboard, "script", "exec")


async def test_x_writes_the_script_into_a_file_but_over_none(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    async with opened() as bench:
        await bench.press("x", "down", "enter", *str(file), "enter")
        assert "lax.psum" in file.read_text()
        file.write_text("mine")
        await bench.press("x", "down", "enter", *str(file), "enter")
        assert file.read_text() == "mine"
        assert "is there already" in bench.text


async def test_what_is_written_elsewhere_finds_the_files_of_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(home)
    reads = Collective(operation="psum", via="pmap", value='load("x.npy")')
    async with opened(collective=reads) as bench:
        for downs, name in ((1, "it.py"), (2, "it.ipynb")):
            await bench.press("x", *["down"] * downs, "enter", "ctrl+a")
            await bench.paste(str(elsewhere / name))
            await bench.press("enter")
            assert "../home" in (elsewhere / name).read_text(), name


# ------------------------------------------------------------------------------------ hangs


@pytest.mark.long
async def test_a_collective_that_hangs_is_named_and_ended_and_the_next_one_runs() -> None:
    async with opened() as bench:
        bench.explorer.edit(
            FieldPath("collective"), Collective(operation="psum", value="zeros((8, 2))")
        )
        await bench.rest(REST)
        await bench.hear(Stage(id=runs(bench)[-1].id, stage="running"))
        await bench.rest(3)
        assert "running psum 3 s · ctrl+c ends it" in bench.text
        assert "lax.cond" in bench.text
        await bench.press("ctrl+c")
        assert bench.client.restarts == [None]
        assert "You ended the engine (running psum 3 s)" in bench.text
        assert bench.session.collective.value == "zeros((8, 2))"
        await bench.hear(made_events.ready())
        before = len(runs(bench))
        bench.explorer.edit(
            FieldPath("collective"), Collective(operation="psum", value="ones((8, 2))")
        )
        await bench.rest(REST)
        assert len(runs(bench)) == before + 1
        await bench.hear(made.psum(runs(bench)[-1].id))
        assert "You ended the engine" not in bench.text
        assert "checked against NumPy" in bench.text


async def test_the_map_screen_goes_on_beside_a_collective() -> None:
    async with opened_beside_map() as bench:
        await bench.press("1")
        assert "53." in bench.text


# ------------------------------------------------------------------------------- everywhere


async def test_ascii_has_nothing_else() -> None:
    async with opened(ascii=True) as bench:
        await bench.press("]")
        assert "checked against NumPy: agrees" in bench.text
        odd = {character for character in bench.text if not character.isascii()}
        assert odd == set()


@pytest.mark.parametrize("answer", one_in(2, [made.all_gather, made.all_to_all]))
async def test_every_size_shows_the_rows_the_words_and_the_keys(answer: Answer) -> None:
    collective = GATHER if answer is made.all_gather else SQUARE
    async with opened((120, 40), answer, collective) as bench:
        for size in [(80, 24), (60, 20), (100, 30), (200, 60)]:
            await bench.pilot.resize_terminal(*size)
            await bench.settle()
            lines = bench.text.split("\n")
            assert {len(line) for line in lines} == {size[0]}
            assert "What each device holds" in bench.text
            assert any("before" in line and "after" in line for line in lines)
            assert "← device" in bench.text
            assert "arrows" in lines[-1]


# -------------------------------------------------------------------------------- pictures


def look(
    collective: Collective, answer: Answer, *keys: str, **options: Any
) -> tuple[Bench, Callable[[Pilot[None]], Awaitable[None]]]:
    """A bench, and what brings its screen to where the picture is taken."""
    bench = Bench(with_collective(collective), **options)

    async def fill(bench: Bench) -> None:
        await started(bench, answer)
        await bench.press(*keys)
        await find(bench)

    return bench, bench.pictured(fill)


@pytest.fixture
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("collective", "answer"),
    [
        (DRAFT, made.psum),
        pytest.param(GATHER, made.all_gather, marks=pytest.mark.long),
        (PPERMUTE, made.ppermute),
        pytest.param(SQUARE, made.all_to_all, marks=pytest.mark.long),
    ],
    ids=["psum", "all_gather", "ppermute", "all_to_all"],
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    size: tuple[int, int],
    collective: Collective,
    answer: Answer,
) -> None:
    bench, prepare = look(collective, answer, "down")
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.parametrize("size", SIZES)
def test_a_step_looks_as_it_did(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    bench, prepare = look(GATHER, made.all_gather, "]", "]")
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.usefixtures("_plain_terminal")
def test_ascii_looks_as_it_did(snap_compare: Callable[..., bool]) -> None:
    bench, prepare = look(DRAFT, made.psum, "down", ascii=True)
    assert snap_compare(bench.app, terminal_size=(80, 24), run_before=prepare)
