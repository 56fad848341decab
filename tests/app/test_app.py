"""The explorer as a whole: engines that end, files, dialogs, keys that work everywhere."""

from __future__ import annotations

import contextlib
import html
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType
from textual import events
from textual.screen import Screen

from jaxtui.app import trust
from jaxtui.app.covered import covered
from jaxtui.app.help import HelpDialog
from jaxtui.app.joined_events import joined
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.command_table import COMMANDS
from jaxtui.screen.dialogs import ConfirmDialog
from jaxtui.screen.field import FieldInput
from jaxtui.screen.filter_list import Choice, found
from jaxtui.screen.path_dialog import PathDialog
from jaxtui.screen.text_dialogs import TrustDialog
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Devices, Program, Session, load, loads, save
from jaxtui.wire.base import Gone, Log, Printed, Spoiled, Stage
from jaxtui.wire.program import Run, Trace
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.tables import one_in


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


# ---------------------------------------------------------------------------------- engines


async def test_the_status_is_true_from_the_start() -> None:
    async with Bench().open() as bench:
        assert "starting JAX" in bench.text
        await bench.hear(made.ready())
        assert "cpu × 8 · JAX 0.10.2 · ready" in bench.text


async def test_ctrl_c_ends_an_endless_trace_and_the_next_key_works() -> None:
    async with Bench().open() as bench:
        bench.clock.hold()
        await bench.settled()
        bench.explorer.edit(FieldPath("program.source"), "while True: pass")
        bench.clock.go_on(3)
        await bench.until(lambda: "tracing your function for 3 s · ctrl+c ends it" in bench.text)
        bench.app.map_screen.editor.area.focus()
        await bench.press("ctrl+c")
        assert bench.client.restarts == [None]
        assert "You ended the engine" in bench.text
        assert bench.session.program.source == "while True: pass"
        bench.explorer.edit(FieldPath("program.source"), made.SOURCE)
        await bench.hear(made.ready())
        await bench.trace_answered()
        assert "You ended the engine" not in bench.text


async def test_ctrl_c_pressed_again_leaves_the_fresh_engine_alone() -> None:
    async with Bench().open() as bench:
        bench.clock.hold()
        await bench.settled()
        bench.explorer.edit(FieldPath("program.source"), "while True: pass")
        bench.clock.go_on(3)
        for _ in range(5):
            await bench.press("ctrl+c")
            bench.clock.go_on(0.5)
        assert bench.client.restarts == [None]
        assert bench.client.kills == 0
        assert "stopped; a fresh engine is starting" in bench.text
        bench.clock.go_on(0.6)
        await bench.press("ctrl+c")
        assert bench.client.kills == 1


async def test_ctrl_c_without_work_says_how_to_quit() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+c")
        assert bench.client.restarts == []
        assert "nothing is running; q or ctrl+q quits" in bench.text


async def test_ctrl_c_without_work_copies_what_is_selected() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        area = bench.app.map_screen.editor.area
        area.focus()
        await bench.press("shift+end", "ctrl+c")
        assert bench.app.clipboard == "def matrix_vector_product(matrix, vector):"
        assert "sent to the terminal's clipboard" in bench.text


async def test_a_dead_engine_is_explained_and_started_by_a_key() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        tail = ["last words", "Fatal Python error: Aborted", "", "Thread 0x7f", "  File x"]
        gone = Gone(reason="it was aborted", status=-6, wanted=False, tail=tail)
        await bench.hear(Log(line="last words"), gone)
        assert "engine gone · R restarts it" in bench.text
        assert "it was aborted" in bench.text
        assert "last words" in bench.text
        assert "File x" not in bench.text
        assert "53." in bench.text
        await bench.press("R")
        assert len(bench.client.restarts) == 1
        assert "starting JAX" in bench.text


async def test_an_answer_that_cannot_be_handled_ends_its_engine_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("out of range")

    async with Bench().open() as bench:
        await bench.settled()
        with monkeypatch.context() as patched:
            patched.setattr(ProgramWork, "_on_printed", fail)
            await bench.hear(Printed(stream="stdout", text="x"), made.ready())
        assert bench.client.kills == 1
        assert "answer makes no sense: Printed: IndexError" in bench.text
        assert "R restarts it" in bench.text
        await bench.press("R")
        await bench.settled()
        assert "ready" in bench.text


async def test_a_dead_engine_is_started_by_the_next_edit() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.hear(Gone(reason="it was aborted", status=-6, wanted=False))
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "1")
        assert len(bench.client.restarts) == 1
        assert bench.client.trace.composition.program.arguments[0].value == "1"


async def test_a_program_that_kills_its_engine_runs_again_only_by_key() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(Gone(reason="it was aborted", status=-6, wanted=False))
        await bench.press("R")
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.pilot.pause(0.5)
        assert len(bench.client.asked(Run)) == 1
        assert "runs again only by F5" in bench.text
        await bench.press("f5")
        assert len(bench.client.asked(Run)) == 2


async def test_a_flood_of_events_is_taken_in_without_losing_one() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.hear(*(Log(line=f"line {i}") for i in range(400)))
        assert list(bench.explorer.open_session.log) == [f"line {i}" for i in range(400)]


# ------------------------------------------------------------------------------------ files


async def test_an_engine_that_user_code_has_spoiled_is_replaced_by_the_next_change() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.hear(Spoiled(what="your code has replaced jax.vmap"))
        assert "your code has replaced jax.vmap" in bench.text
        assert bench.client.restarts == []
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "1")
        assert len(bench.client.restarts) == 1
        await bench.settled()
        await bench.hear(Spoiled(what="your code has replaced jax.vmap"))
        await bench.press("f5")
        assert len(bench.client.restarts) == 2
        assert isinstance(bench.client.requests[-1], Run)


async def test_keys_are_answered_while_events_arrive_without_end() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        for number in range(30_000):
            bench.client.say(Printed(id=number % 2, stream="stdout", text="x"))
        taken = len(bench.explorer._inbox)
        await bench.pilot.press("5")
        assert bench.app.current_mode != "map"
        assert taken == 30_000
        await bench.until(lambda: not bench.explorer._inbox)


def test_events_of_one_kind_are_joined() -> None:
    def printed(text: str, id: int = 1) -> Printed:
        return Printed(id=id, stream="stdout", text=text)

    ready, stages = made.ready(), [Stage(id=1, stage="tracing"), Stage(id=1, stage="compiling")]
    events = [ready, ready, printed("a"), printed("b"), printed("c", 2), *stages, printed("d")]
    expected = [ready, printed("ab"), printed("c", 2), stages[1], printed("d")]
    assert joined(events) == expected


async def test_saving_asks_for_a_name_once_and_is_trusted(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+s")
        assert isinstance(bench.app.screen, PathDialog)
        await bench.paste(str(file))
        await bench.press("enter")
        written = tmp_path / "mine.toml"
        assert load(written) == bench.session
        assert trust.is_trusted(written.read_text())
        bench.explorer.edit(FieldPath("title"), "another")
        await bench.press("ctrl+s")
        assert load(written).title == "another"


async def test_saving_without_a_change_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    text = "# my own words\n" + save(made.session(), file)
    file.write_text(text)
    async with Bench(load(file), path=str(file)).open() as bench:
        await bench.settled()
        await bench.press("ctrl+s")
        assert file.read_text() == text
        assert "nothing changed since" in bench.text
        file.unlink()
        await bench.press("ctrl+s")
        assert load(file) == bench.session


async def test_saving_over_another_file_is_asked_about(tmp_path: Path) -> None:
    there = tmp_path / "there.toml"
    there.write_text("title = 'there'\n")
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+s")
        await bench.paste(str(there))
        await bench.press("enter")
        assert isinstance(bench.app.screen, ConfirmDialog)
        await bench.press("enter")
        assert load(there).title == "there"


async def test_an_untrusted_file_runs_nothing_until_the_user_says_so(tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    save(made.session(title="theirs"), file)
    async with Bench(load(file), path=str(file), trusted=False).open() as bench:
        await bench.hear(made.ready())
        assert isinstance(bench.app.screen, TrustDialog)
        assert "matrix_vector_product" in bench.text
        await bench.press("escape")
        assert bench.client.asked(Trace) == []
        assert "Shapes · none yet: F5 asks whether this file may run" in bench.text
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "1")
        await bench.press("f5")
        assert bench.client.asked(Trace) == []
        assert isinstance(bench.app.screen, TrustDialog)
        await bench.press("down", "enter")
        assert len(bench.client.asked(Trace)) == 1


@pytest.mark.long
async def test_opening_asks_before_it_runs_and_keeps_unsaved_changes(tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    save(made.session(title="theirs"), file)
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "changed")
        await bench.press("ctrl+o")
        assert isinstance(bench.app.screen, ConfirmDialog)
        await bench.press("enter")
        assert bench.session.title == "changed"
        await bench.press("ctrl+o", "down", "down", "enter")
        assert isinstance(bench.app.screen, PathDialog)
        await bench.paste(str(file))
        await bench.press("enter")
        assert bench.session.title == "theirs"
        assert isinstance(bench.app.screen, TrustDialog)
        traces = len(bench.client.asked(Trace))
        await bench.press("down", "enter")
        assert len(bench.client.asked(Trace)) == traces + 1


async def test_a_file_that_is_no_session_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[program]\nlayers = 3\n")
    async with Bench().open() as bench:
        await bench.settled()
        before = bench.session
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert bench.session == before
        assert "program.layers" in bench.text


async def test_another_device_set_in_a_file_starts_another_engine(tmp_path: Path) -> None:
    file = tmp_path / "four.toml"
    text = save(made.session(devices=Devices(platform="cpu", count=4)), file)
    trust.sign(text)
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert bench.client.settings.count == 4
        assert len(bench.client.restarts) == 1


@pytest.mark.parametrize("tabs", [[], ["s"]])
async def test_an_opened_session_shows_nothing_of_the_one_before(
    tabs: list[str], tmp_path: Path
) -> None:
    other = made.session(parameters={"n": 1})
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press(*tabs)
        assert ("53." in bench.text) or tabs
        assert "i32[‹2›, 2, 2]" in bench.text
        bench.explorer.open(other)
        await bench.settle()
        assert "53." not in bench.text
        assert "[0:2" not in bench.text
        assert "i32[‹2›, 2, 2]" not in bench.text
        assert "no result yet · waiting for the engine" in bench.text
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id))
        assert "ran 0.4 ms" in bench.text
        assert ("53." in bench.text) or tabs


# ------------------------------------------------------------------------------------- keys


async def test_q_quits_but_not_while_typing() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.editor.area.focus()
        await bench.press("q")
        assert "q" in bench.session.program.source.splitlines()[0]
        assert bench.app.is_running
        await bench.press("backspace", "escape", "q")
        await bench.settle()
        assert not bench.app.is_running


async def test_quitting_asks_about_changes_and_whoever_insists_leaves() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "changed")
        await bench.press("ctrl+q")
        assert isinstance(bench.app.screen, ConfirmDialog)
        await bench.press("ctrl+q")
        await bench.settle()
        assert not bench.app.is_running


@pytest.mark.parametrize("dialog", one_in(2, ["f1", "ctrl+o", "ctrl+s", "ctrl+p", "p"]))
async def test_quitting_from_a_dialog_asks_about_changes_too(dialog: str) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        if dialog != "ctrl+o":  # it asks first
            bench.explorer.edit(FieldPath("title"), "changed")
        await bench.press(dialog)
        assert bench.app.screen.is_modal
        bench.explorer.edit(FieldPath("title"), "changed")
        await bench.press("ctrl+q")
        await bench.until(lambda: isinstance(bench.app.screen, ConfirmDialog))
        assert bench.app.is_running
        assert len(bench.app.screen_stack) == 2
        assert "changes that are in no file" in bench.text
        await bench.press("ctrl+q")
        await bench.settle()
        assert not bench.app.is_running


async def test_quitting_from_a_dialog_without_changes_quits() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("f1", "ctrl+q")
        await bench.settle()
        assert not bench.app.is_running


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_names_every_key(key: str) -> None:
    async with Bench().open((120, 100)) as bench:
        await bench.settled()
        await bench.press(key)
        assert isinstance(bench.app.screen, HelpDialog)
        shown = "\n".join(line.plain for line in bench.app.screen._lines(72))
        for command in COMMANDS:
            if command.keys:
                assert command.help in shown
                assert commands.key_names(command) in shown


async def test_help_begins_with_the_screen_that_it_was_asked_for_on() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press("2", "question_mark")
        assert isinstance(bench.app.screen, HelpDialog)
        await bench.until(lambda: "On the Sharding screen" in bench.text)
        titles = [line.plain for line in bench.app.screen._lines(72) if line.plain[:1].strip()]
        assert titles[:3] == [
            "In the sharding flow",
            "On the Sharding screen",
            "In the device map",
        ]
        assert titles[3] == "On the Map screen"
        assert len(titles) == len(set(titles))


async def test_the_palette_finds_a_command_and_runs_it() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        runs = len(bench.client.asked(Run))
        await bench.press("ctrl+p", *"run the program", "enter")
        assert len(bench.client.asked(Run)) == runs + 1


@pytest.mark.long
async def test_in_ascii_nothing_else_is_painted() -> None:
    async with Bench(ascii=True).open() as bench:
        await bench.settled()
        for keys in (
            (),
            ("s",),
            ("question_mark",),
            ("escape", "ctrl+p"),
            ("escape", "6"),
            ("5",),
            ("2",),
        ):
            await bench.press(*keys)
            painted = bench.app.export_screenshot()
            shown = re.findall(r"<text[^>]*>([^<]*)</text>", painted)
            text = html.unescape("".join(shown)).replace("\xa0", " ")
            assert text.isascii(), sorted({sign for sign in text if not sign.isascii()})


@pytest.mark.parametrize(
    ("program", "typed"),
    [
        (
            Program(source="# größe α → β · 2 µs ±\ndef f(x):\n    return x\n"),
            "# größe α → β · 2 µs ±",
        ),
        (Program(function="mine:α·β…"), "mine:α·β…"),
    ],
)
async def test_in_ascii_what_is_typed_stays_as_it_is(program: Program, typed: str) -> None:
    async with Bench(Session(program=program), ascii=True).open() as bench:
        assert typed in bench.text
        shown = {sign for sign in bench.text.replace(typed, "") if not sign.isascii()}
        assert all(sign.isalpha() for sign in shown)


async def test_the_source_is_edited_in_the_users_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor.py"
    script.write_text("import sys; open(sys.argv[1], 'a').write('# seen\\n')")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    async with Bench().open() as bench:
        await bench.settled()
        monkeypatch.setattr(bench.app, "suspend", contextlib.nullcontext)
        await bench.press("e")
        assert bench.session.program.source == made.SOURCE + "# seen\n"
        assert bench.app.map_screen.editor.area.text == bench.session.program.source
        monkeypatch.setenv("VISUAL", "false")
        await bench.press("e")
        assert "nothing was taken from it" in bench.text
        monkeypatch.setenv("VISUAL", "/no/such/editor")
        await bench.press("e")
        assert "cannot start /no/such/editor" in bench.text


@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ('vi "x', "$VISUAL cannot be read: No closing quotation"),
        ("  ", "set $VISUAL"),
        ("no-such-editor -w", "cannot start no-such-editor: not found; set $VISUAL"),
        ("BROKEN", "Exec format error; set $VISUAL"),
    ],
)
async def test_an_editor_that_cannot_start_is_named_and_the_terminal_comes_back(
    editor: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("neither a program nor a script")
    broken.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(broken) if editor == "BROKEN" else editor)
    lent = []

    @contextlib.contextmanager
    def suspend() -> Iterator[None]:
        # As Textual's: what is behind the yield does not happen after an exception.
        lent.append(True)
        yield
        lent.pop()

    async with Bench().open((200, 40)) as bench:
        await bench.settled()
        monkeypatch.setattr(bench.app, "suspend", suspend)
        await bench.press("e")
        assert not lent
        assert said in bench.text
        assert bench.session.program.source == made.SOURCE


async def test_the_function_is_picked_from_a_module_or_an_example() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("p", "down", "enter", *"os:getcwd")
        assert bench.session.program.function == "os:getcwd"
        assert bench.client.trace.composition.program.function == "os:getcwd"
        await bench.press("escape", "p", "enter")
        assert bench.session.program.function == ""
        assert bench.session.program.source == made.SOURCE


async def test_every_other_function_of_a_source_or_file_is_picked() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.source"), made.SOURCE + "g = jax.jit(f)\n")
        await bench.trace_answered(choices=["f", "mine.py:h", "g"])
        await bench.press("escape", "p")
        assert "f of this source" in bench.text
        assert "h of mine.py" in bench.text
        assert "g of this source" not in bench.text  # which it is already
        await bench.press("enter")
        assert bench.session.program.function == "f"
        await bench.trace_answered(choices=["f", "mine.py:h", "g"])
        assert "g = jax.jit(f)" in bench.text  # the source is still what is shown
        await bench.press("p", "down", "enter")
        assert bench.session.program.function == "g"


async def test_a_theme_that_does_not_exist_is_named_and_the_screen_works() -> None:
    async with Bench(theme="no-such").open() as bench:
        await bench.settled()
        assert "there is no theme no-such" in bench.text


def test_no_key_needs_what_a_terminal_cannot_tell_apart() -> None:
    keys = {key for command in COMMANDS for key in command.keys.split(",")}
    assert not keys & {"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+enter", "ctrl+space"}


def test_no_key_means_two_things_in_one_place() -> None:
    scopes = {command.scope for command in COMMANDS}
    for scope in scopes:
        taken: dict[str, str] = {}
        for place in {scope, "app"}:
            for command in commands.in_scopes(place):
                for key in filter(None, command.keys.split(",")):
                    assert taken.setdefault(key, command.action) == command.action, key


async def test_copying_says_where_it_went() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("y")
        assert bench.app.clipboard == "5.0"
        assert "sent to the terminal's clipboard: 5.0" in bench.text


async def test_all_that_can_be_pressed_in_a_dialog_leaves_the_program_alone() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        requests = len(bench.client.requests)
        await bench.press("f5", "ctrl+j", "ctrl+s", "f1", "f2", "f6")
        assert isinstance(bench.app.screen, PathDialog)
        assert len(bench.client.requests) == requests


async def test_a_function_of_the_source_is_not_said_to_lie_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "session.toml"
    file.write_text('[program]\nsource = "f = abs"\nfunction = "f"\n')
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert isinstance(bench.app.screen, TrustDialog)
        assert "It also runs" not in " ".join(bench.text.split())


async def test_a_session_whose_function_lies_in_a_file_names_it_before_it_runs(
    tmp_path: Path,
) -> None:
    file = tmp_path / "session.toml"
    text = save(Session(program=Program(function="model.py:f")), file)
    trust.sign(text)  # as it was without a file beside it
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert isinstance(bench.app.screen, TrustDialog)
        assert "It also runs model.py:f" in " ".join(bench.text.split())
        await bench.press("down", "enter")
        assert bench.explorer.work.trusted
        assert trust.is_trusted(text, covered(loads(text), str(tmp_path)))


# ------------------------------------------------------------------------------------ the start


async def test_keys_before_there_is_work_are_acted_on_once_there_is() -> None:
    bench = Bench()
    async with bench.app.run_test(size=(120, 40)) as bench.pilot:
        assert not bench.app.begun
        bench.app.post_message(events.Key("6", "6"))
        bench.app.post_message(events.Key("tab", None))
        assert not bench.app.begun
        await bench.until(lambda: bench.app.current_mode == "devices")
        assert bench.app.begun
        await bench.until(lambda: isinstance(bench.app.focused, FieldInput))


async def test_the_first_frame_shows_the_program_that_comes() -> None:
    frames: list[str] = []
    bench = Bench()
    begin = bench.app.begin

    def begun() -> None:
        frames.append(bench.text)
        begin()

    bench.app.begin = begun  # type: ignore[method-assign]
    async with bench.open():
        assert len(frames) == 1
        for line in ("starting JAX", "def matrix_vector_product", "Arguments", "F5 run"):
            assert line in frames[0]
            assert line in bench.text


async def test_all_is_painted_by_ctrl_l_and_in_a_size_that_came_back_while_the_app_was_busy() -> (
    None
):
    async with Bench().open() as bench:
        await bench.settled()
        painted: set[str] = set()

        def display(screen: Screen[Any], shown: RenderableType | None) -> None:
            if shown is not None:
                console = Console(width=120, file=io.StringIO(), force_terminal=True)
                console.print(shown)
                painted.update(
                    word for word in ("1 Map", "palette") if word in console.file.getvalue()
                )

        bench.app._display = display  # type: ignore[method-assign]
        for act in (
            lambda: bench.app.post_message(events.Resize(bench.app.size, bench.app.size)),
            bench.app.action_repaint,
        ):
            painted.clear()
            act()
            await bench.settle()
            assert painted == {"1 Map", "palette"}


@pytest.mark.long
async def test_a_long_status_leaves_the_keys_of_the_screens_in_80_columns() -> None:
    async with Bench().open((80, 24)) as bench:
        bench.clock.hold()
        await bench.settled()
        bench.explorer.edit(FieldPath("program.source"), "while True: pass")
        bench.clock.go_on(3)
        await bench.until(lambda: "tracing your function for 3 s · ctrl+c ends it" in bench.text)
        assert bench.text.startswith(" 1 Map 2 3 4 5 ")
        await bench.pilot.click("HeaderLine", offset=(8, 0))
        await bench.settle()
        assert bench.app.current_mode == "sharding"


@pytest.mark.parametrize("name", ["save as", "theme", "benchmark", "bandwidth", "quit", "help"])
def test_the_palette_knows_every_command_by_its_name(name: str) -> None:
    known = [c for c in COMMANDS if c.palette]
    choices = [Choice(c.help, words=f"{c.label} {c.action}") for c in known]
    named = [place for place, c in enumerate(known) if c.label.lower() == name]
    assert named
    assert set(named) <= set(found(choices, name))


@pytest.mark.parametrize("keys", one_in(3, ["1", "2", "3", "3b", "4", "5", "6"]))
async def test_every_screen_is_painted_without_colours(
    keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press(*keys, "v")
        assert bench.app.is_running


async def test_a_tick_between_the_end_of_the_screens_and_of_the_app_shows_nothing() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("4")
        screen, close = bench.app.screen, bench.app._close_all
        assert isinstance(screen, WorkScreen)

        async def closed() -> None:
            await close()
            bench.app._screen_stacks[bench.app._current_mode] = [screen]  # as amid its end
            bench.explorer._tick()

        bench.app._close_all = closed  # type: ignore[method-assign] # to be amid of it
