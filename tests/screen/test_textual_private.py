"""What jaxtui takes of Textual that Textual does not promise: a test for each name."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import pkgutil
import pty
import re
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, ComposeResult
from textual.color import Color
from textual.constants import ESCAPE_DELAY
from textual.containers import Vertical
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

import jaxtui
from jaxtui.screen.textual_private import (
    PAINT_SECONDS,
    EscapeParser,
    FrugalApp,
    LosableTerminal,
    PromptScreen,
    SteadyInput,
    TerminalDriver,
    page_only_what_is_laid_out,
)


def test_textual_has_the_private_names() -> None:
    assert isinstance(inspect.getattr_static(Screen, "_update_timer"), property)
    assert not inspect.signature(Screen._on_timer_update).parameters.keys() - {"self"}
    assert list(inspect.signature(Input._watch_value).parameters) == ["self", "value"]
    assert list(inspect.signature(App._load_screen_css).parameters) == ["self", "screen"]
    assert App()._css_update_count == 0
    assert App()._exit is False
    assert list(inspect.signature(App._handle_exception).parameters) == ["self", "error"]


def test_textual_has_the_private_names_of_its_driver() -> None:
    source = inspect.getsource(LinuxDriver)
    assert "self._file = sys.__stderr__" in source
    assert "WriterThread(self._file)" in source
    assert "self.run_input_thread()" in source
    used = set(re.findall(r"self\._file\.(\w+)", inspect.getsource(WriterThread)))
    assert used <= {"write", "flush", "fileno"}
    source = inspect.getsource(LinuxDriver.start_application_mode)
    assert r'self.write("\x1b[?1049h")' in source
    assert "self.attrs_before = termios.tcgetattr(self.fileno)" in source
    assert "self.attrs_before)" in inspect.getsource(LinuxDriver.stop_application_mode)


def test_textual_paints_by_the_names_that_are_used_to_send_less() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    source = inspect.getsource(App._display)
    assert "isinstance(renderable, CompositorUpdate)" in source
    assert "renderable.render_segments(console)" in source
    assert list(inspect.signature(LayoutUpdate).parameters) == ["strips", "region"]
    assert list(inspect.signature(ChopsUpdate).parameters) == ["chops", "spans", "chop_ends"]
    assert App().console._color_system is not None or App().console.color_system is None
    assert "self.start_application_mode()" in inspect.getsource(Driver.resume_application_mode)


def _written(descriptor: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += os.read(descriptor, 65536)
    return data


def test_what_is_written_arrives_whole_also_where_writes_do_not_wait() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(slave, False)
    text = "abcdéfg" * 40_000
    lost: list[bool] = []
    with open(slave, "w", encoding="utf-8", closefd=False) as file:
        terminal = LosableTerminal(file, lambda: lost.append(True))
        thread = threading.Thread(target=lambda: (terminal.write(text), terminal.flush()))
        thread.start()
        assert _written(master, len(text.encode())).decode() == text
        thread.join()
    assert not lost
    os.close(master)
    os.close(slave)


def test_a_terminal_that_is_gone_is_told_once_and_what_is_written_then_is_dropped() -> None:
    master, slave = pty.openpty()
    lost: list[bool] = []
    with open(slave, "w", encoding="utf-8", closefd=False) as file:
        terminal = LosableTerminal(file, lambda: lost.append(True))
        os.close(master)
        for _ in range(100):
            terminal.write("text")
            terminal.flush()
    assert lost == [True]
    os.close(slave)


class PromptApp(App[None]):
    def get_default_screen(self) -> Screen[None]:
        return PromptScreen()


async def test_textual_paints_a_screen_by_the_timer_that_is_put_in_its_place() -> None:
    app = PromptApp()
    async with app.run_test() as pilot:
        screen = app.screen
        assert isinstance(screen, PromptScreen)
        await pilot.pause()
        timer = screen._soon
        assert timer is not None, "Textual no longer paints by Screen._update_timer"
        assert timer._interval == PAINT_SECONDS
        label = Static("before")
        await screen.mount(label)
        label.update("after")
        await pilot.pause(0.05)
        assert "after" in str(screen._compositor.render_strips()[0].text)


class InputApp(App[None]):
    def __init__(self, kind: type[Input]) -> None:
        super().__init__()
        self.kind = kind
        self.layouts = 0

    def compose(self) -> ComposeResult:
        app = self

        class Counted(self.kind):  # type: ignore[misc,name-defined]
            def refresh(
                self, *regions: Region, repaint: bool = True, layout: bool = False, **rest: bool
            ) -> Input:
                app.layouts += layout and not getattr(self, "_value_changes", False)
                return super().refresh(*regions, repaint=repaint, layout=layout, **rest)

        yield Counted()


async def layouts(kind: type[Input]) -> int:
    """How many layouts a typed character asks for."""
    app = InputApp(kind)
    async with app.run_test() as pilot:
        app.query_one(Input).focus()
        await pilot.pause()
        app.layouts = 0
        await pilot.press("a")
        assert app.query_one(Input).value == "a"
        return app.layouts


async def test_a_typed_character_lays_nothing_out_anew() -> None:
    assert await layouts(Input) > 0, "Textual's Input no longer asks for it: drop SteadyInput"
    assert await layouts(SteadyInput) == 0


def test_no_widget_takes_another_private_name_of_textual_by_chance() -> None:
    for module in pkgutil.walk_packages(jaxtui.__path__, "jaxtui."):
        if set(module.name.split(".")) & {"screen", "app"}:
            importlib.import_module(module.name)
    taken = {
        f"{kind.__name__}.{name}" for kind in kinds(DOMNode) for name in own(kind) & private(kind)
    }
    assert taken == {
        "FrugalApp._display",
        "FrugalApp._handle_exception",
        "FrugalApp._load_screen_css",
        "PromptScreen._on_screen_resume",
        "PromptScreen._update_timer",
        "SteadyInput._watch_value",
    }


def kinds(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    """The classes of jaxtui that come from a class of Textual."""
    for below in kind.__subclasses__():
        if below.__module__.startswith("jaxtui."):
            yield below
        yield from kinds(below)


def own(kind: type[DOMNode]) -> set[str]:
    """The private names that a class sets or defines in its source."""
    source = inspect.getsource(kind)
    return set(
        re.findall(r"(?:self\.|def |^    )(_[a-z]\w*)\b(?:\(|(?::[^=\n]+)? = )", source, re.M)
    )


def private(kind: type[DOMNode]) -> set[str]:
    """The private names in the sources of the classes of Textual that it comes from."""
    above = [base for base in kind.__mro__ if base.__module__.startswith("textual.")]
    return set().union(*map(private_names, above))


@functools.cache
def private_names(kind: type) -> frozenset[str]:
    source = inspect.getsource(kind)
    return frozenset(re.findall(r"(?:self\.|def |^    )(_[a-z]\w*)", source, re.M))


async def test_a_list_without_room_takes_the_keys_that_page() -> None:
    class Options(App[None]):
        def compose(self) -> ComposeResult:
            yield OptionList("one", "two")

    page_only_what_is_laid_out()
    app = Options()
    async with app.run_test() as pilot:
        options = app.query_one(OptionList)
        options.highlighted = 0
        options._index_to_line.clear()  # as before a layout with room
        options.action_page_down()
        options.action_page_up()
        assert options.highlighted == 0
        await pilot.resize_terminal(40, 10)
        await pilot.press("pagedown")
        assert options.highlighted == 1


async def test_a_field_edits_by_keys_in_the_order_in_which_they_come() -> None:
    class Field(App[None]):
        def compose(self) -> ComposeResult:
            with Vertical(), Vertical(), Vertical():
                yield SteadyInput("abcdef", select_on_focus=False)

    async with Field().run_test() as pilot:
        field = pilot.app.query_one(SteadyInput)
        for key in ("backspace", "backspace", "x", "home", "y", "delete", "right", "z"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert field.value == "ybzcdx"
        assert field.editing_action("enter") == ""


def keys_in(data: str, *, in_field: bool) -> list[str]:
    """The keys that are taken from `data`, which arrives at once."""
    parser = EscapeParser(False, lambda: in_field)
    came = [*parser.feed(data)]
    time.sleep(2 * ESCAPE_DELAY)  # after which an escape alone is the key
    return [event.key for event in [*came, *parser.tick()] if isinstance(event, events.Key)]


def test_textual_looks_its_parser_up_where_another_is_put() -> None:
    reading = inspect.getsource(LinuxDriver.run_input_thread)
    assert "parser = XTermParser(self._debug)" in reading
    assert 'getincrementaldecoder("utf-8")()' in reading
    assert "while not self.exit_event.is_set():" in reading
    assert linux_driver.XTermParser(False)._sequence_to_key_events("\x1b4")


@pytest.mark.parametrize("in_field", [False, True])
@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b", ["escape"]),
        ("\x1b4", ["escape", "4"]),
        ("\x1b?", ["escape", "question_mark"]),
        ("\x1bq5", ["escape", "q", "5"]),
        ("\x1b/arr", ["escape", "slash", "a", "r", "r"]),
        ("\x1b\t\x1b\t", ["escape", "tab", "escape", "tab"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b\x11", ["escape", "ctrl+q"]),
        ("\x1bé", ["escape", "é"]),
        ("\x1b\x1b", ["escape", "escape"]),
        ("\x1b\x1b[B", ["escape", "down"]),
        ("\x1b[B\x1bOB\x1b[Z", ["down", "down", "shift+tab"]),
        ("\x1b[120;3u", ["alt+x"]),
        ("x\x1b2", ["x", "escape", "2"]),
    ],
)
def test_escape_and_a_key_that_arrive_together_are_two_keys(
    data: str, keys: list[str], in_field: bool
) -> None:
    assert keys_in(data, in_field=in_field) == keys


@pytest.mark.parametrize(
    ("data", "word", "keys"),
    [
        ("\x1bb", "ctrl+left", ["escape", "b"]),
        ("\x1bf", "ctrl+right", ["escape", "f"]),
        ("\x1b\x7f", "ctrl+w", ["escape", "backspace"]),
    ],
)
def test_alt_goes_by_words_in_a_field(data: str, word: str, keys: list[str]) -> None:
    assert keys_in(data, in_field=True) == [word]
    assert keys_in(data, in_field=False) == keys


class StyledScreen(Screen[None]):
    """A screen with a file of styles, which name a colour of the theme."""

    def __init__(self, styles: Path) -> None:
        self.CSS_PATH = styles
        super().__init__()

    def compose(self) -> ComposeResult:
        yield Static("here", classes="coloured")


class StyledApp(FrugalApp):
    """An app with two such screens."""

    def __init__(self, styles: Path) -> None:
        super().__init__()
        for name in ("one", "two"):
            self.add_mode(name, lambda: StyledScreen(styles))


async def test_a_new_screen_is_styled_and_no_styles_are_parsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles = tmp_path / "styles.tcss"
    styles.write_text(".coloured { background: $primary; }")
    app = StyledApp(styles)
    async with app.run_test() as pilot:
        parsed: list[Stylesheet] = []
        reparse = Stylesheet.reparse
        monkeypatch.setattr(Stylesheet, "reparse", lambda s: (parsed.append(s), reparse(s)))
        app.switch_mode("one")
        await pilot.pause()
        assert not parsed
        ground = app.screen.query_one(Static).styles.background
        assert ground == Color.parse(app.theme_variables["primary"])
        app.theme = "nord"
        await pilot.pause()
        assert parsed
        assert app.screen.query_one(Static).styles.background != ground
        app.switch_mode("two")
        await pilot.pause()
        now = Color.parse(app.theme_variables["primary"])
        assert app.screen.query_one(Static).styles.background == now
        app.theme = "gruvbox"
        app.switch_mode("one")
        await pilot.pause()
        now = Color.parse(app.theme_variables["primary"])
        assert app.screen.query_one(Static).styles.background == now


@pytest.mark.parametrize("asked", [True, False], ids=["after an exit", "before"])
async def test_what_fails_once_an_exit_was_asked_for_is_no_failure(asked: bool) -> None:
    class Ending(FrugalApp):
        def on_mount(self) -> None:
            if asked:
                self.exit(None, 7)
            self.call_next(self.fail)

        def fail(self) -> None:
            raise LookupError("a screen that is gone")

    app = Ending()
    fails = contextlib.nullcontext() if asked else pytest.raises(LookupError)
    with fails:
        async with app.run_test() as pilot:
            await pilot.pause()
    assert app.return_code == (7 if asked else 1)


def test_a_panic_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "panic", lambda self, *renderables: None)
    app = FrugalApp()
    app.panic("the thread that reads keys has ended")
    assert app.return_code == 1
    app = FrugalApp()
    app.exit(None, 0)
    app.panic("what comes too late")
    assert app.return_code == 0


def test_a_sequence_that_the_parser_fails_at_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def fails_once(driver: LinuxDriver) -> None:
        read.append(driver)
        if len(read) == 1:
            raise ZeroDivisionError
        driver.exit_event.set()

    monkeypatch.setattr(LinuxDriver, "run_input_thread", fails_once)
    driver = TerminalDriver.__new__(TerminalDriver)
    driver.exit_event, driver._in_field = threading.Event(), lambda: False
    driver.run_input_thread()
    assert len(read) == 2
