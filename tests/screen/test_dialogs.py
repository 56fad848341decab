"""The dialogs: their answers stay on view, and the keys that close them do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import OptionList

from jaxtui.app.help import HelpDialog
from jaxtui.screen.dialogs import ChoiceDialog
from jaxtui.screen.text_dialogs import TrustDialog
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import load, save
from tests.support import made_events as made
from tests.support.fake_client import Bench


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12)])
async def test_the_choices_of_a_long_untrusted_file_are_on_view_and_its_source_scrolls(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    file = tmp_path / "theirs.toml"
    body = "".join(f"    x{i} = matrix + {i}\n" for i in range(40))
    source = f"def f(matrix, vector):\n{body}    return x39\n"
    session = made.session()
    save(replace(session, program=replace(session.program, source=source)), file)
    async with Bench(load(file), path=str(file), trusted=False).open(size) as bench:
        await bench.hear(made.ready())
        dialog = bench.app.screen
        assert isinstance(dialog, TrustDialog)
        assert "Leave it" in bench.text
        assert "Run it: I trust this file" in bench.text
        source_box, choices = dialog.query_one(".source"), dialog.query_one(OptionList)
        assert source_box.region.height >= 3
        assert choices.size.height >= 2
        assert not source_box.region.overlaps(choices.region)
        assert "x39" not in bench.text
        await bench.press("shift+tab", "end")
        await bench.until(lambda: source_box.scroll_offset.y == source_box.max_scroll_y > 0)
        await bench.press("tab", "down", "enter")
        assert not isinstance(bench.app.screen, TrustDialog)


@pytest.mark.parametrize("key", ["escape", "q", "question_mark"])
async def test_help_is_closed_by_the_keys_that_it_names(key: str) -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press("question_mark")
        assert isinstance(bench.app.screen, HelpDialog)
        await bench.press(key)
        assert not isinstance(bench.app.screen, HelpDialog)
        assert bench.app.is_running


async def test_a_fix_is_said_once_in_the_choice_among_several() -> None:
    wrong = Diagnosis(
        kind="axes",
        field=FieldPath("program.layers.0.in_axes"),
        message="vector has no axis 3",
        fixes=[
            Fix(label="in_axes (0, 0)", field=FieldPath("program.layers.0.in_axes"), text="(0, 0)"),
            Fix(
                label="leave vector whole",
                field=FieldPath("program.layers.0.in_axes"),
                text="(0, None)",
            ),
        ],
    )
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.layers.0.in_axes"), "(0, 3)")
        await bench.trace_answered(diagnosis=wrong, signature=None)
        await bench.press("f")
        assert isinstance(bench.app.screen, ChoiceDialog)
        shown = [str(option.prompt) for option in bench.app.screen.query_one(OptionList).options]
        assert shown == ["in_axes (0, 0)", "leave vector whole:  (0, None)"]
        await bench.press("down", "enter")
        assert bench.session.program.layers[0].in_axes == "(0, None)"


async def test_in_a_narrow_terminal_what_a_key_does_goes_on_under_itself() -> None:
    async with Bench().open((44, 20)) as bench:
        await bench.settled()
        await bench.press("question_mark")
        await bench.until(lambda: "Edit the function in" in bench.text)
        lines = bench.text.splitlines()
        first = next(i for i, line in enumerate(lines) if "Edit the function in" in line)
        assert lines[first + 1].index("$EDITOR") == lines[first].index("Edit the function")


async def test_help_begins_with_the_pane_in_focus_and_has_two_columns_where_there_is_room() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        screen = bench.app.map_screen
        results = screen.results.array_view
        assert results is not None
        for widget, title in (
            (screen.editor.area, "In the editor"),
            (screen.arguments._rows[0].value_input, "In a field"),
            (screen.layer_list, "In the list of layers"),
            (results, "In a result"),
            (screen.flow_view, "In the shapes"),
        ):
            widget.focus()
            await bench.press("f1")
            await bench.until(lambda: title in bench.text)  # noqa: B023  # called at once
            top = next(line for line in bench.text.splitlines() if title in line)
            assert top.index(title) < 10
            assert "On the Map screen" in top  # beside it
            await bench.press("escape")
        assert "full_stop" not in bench.text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_slash_filters_the_help(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        await bench.press("question_mark", "slash", *"heat q")
        await bench.until(lambda: "nothing has this" in bench.text)
        assert isinstance(bench.app.screen, HelpDialog)
        await bench.press("backspace", "backspace")
        await bench.until(lambda: "> heat_  2" in bench.text)
        assert "Show the result as a heat" in bench.text
        assert "Run the program" not in bench.text
        await bench.press("escape")
        assert not isinstance(bench.app.screen, HelpDialog)
