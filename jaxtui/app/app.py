"""The explorer's app: paints at once, then loads the rest; its keys, modes and dialogs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.console import Console
from textual import events
from textual.app import ScreenStackError
from textual.binding import BindingType
from textual.filter import LineFilter, Monochrome, NoColor
from textual.message import Message
from textual.screen import Screen

from jaxtui import config
from jaxtui.app.shell_app import ShellApp
from jaxtui.app.start import StartScreen
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.header import HeaderLine
from jaxtui.screen.key_order import KeyOrder
from jaxtui.screen.screens import BY_NAME, KEYED
from jaxtui.screen.textual_private import TerminalDriver
from jaxtui.screen.visible_filter import VisibleText
from jaxtui.session.session import Session
from jaxtui.wire.launch import Choice

if TYPE_CHECKING:
    from textual.widgets import Input

    from jaxtui.app.captures import Captures
    from jaxtui.app.covered import Covered
    from jaxtui.app.explorer import Explorer
    from jaxtui.app.open_lesson import OpenLesson
    from jaxtui.lessons.progress import Progress
    from jaxtui.program.screen.screen import MapScreen
    from jaxtui.results.screen.view import ArrayView
    from jaxtui.session.diagnosis import Fix
    from jaxtui.wire.client import EngineClient


# What a filter made is kept by the filter itself, so there is one of each.
NO_COLOR, MONOCHROME, VISIBLE = NoColor(), Monochrome(), VisibleText()


class Arrived(Message, bubble=False):
    """Events of the engine are queued. A newer message says the same."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Arrived)


class JaxtuiApp(ShellApp):
    """Turns keys into actions on the `explorer`, which is there from `begin` on."""

    TITLE = "jaxtui"
    AUTO_FOCUS = ""
    ENABLE_COMMAND_PALETTE = False  # there is one of its own
    BINDINGS: ClassVar[list[BindingType]] = [
        *commands.bindings("app"),
        *commands.bindings("lesson"),
    ]

    def __init__(
        self,
        client: Callable[[], EngineClient],
        session: Session,
        *,
        path: str | None = None,
        trusted: bool = True,
        keeps: bool = False,
        greets: bool = False,
        ascii: bool = False,
        theme: str | None = None,
        choice: Choice | None = None,
        text: str | None = None,
        accepted: Covered | None = None,
        clock: Callable[[], float] = time.monotonic,
        terminal_lost: Callable[[], object] | None = None,
    ) -> None:
        """`client` is called once the first frame is painted, for a client told to start.

        `text` is that of the file at `path`, and `accepted` what was accepted beside it. With
        `keeps`, what is unsaved is kept in the state folder, and what earlier explorers left there
        is offered. With `greets`, the session is shown with the ways to begin. `choice` is what the
        command line says about the engine, already applied to `session`; `clock` gives seconds that
        never go back. `terminal_lost` is called, on any thread, when the terminal is gone.
        """
        super().__init__(driver_class=TerminalDriver)
        self.terminal_lost = terminal_lost or self.exit
        # A fault is told without colours: stderr shows the codes of a terminal as signs.
        self.error_console = Console(markup=False, highlight=False, stderr=True, color_system=None)
        self.animation_level = "none"
        self.ascii, self.greets = ascii, greets
        self.set_class(ascii, "-ascii")
        self._signs: list[LineFilter] = []
        if ascii:
            from jaxtui.screen.ascii_filter import PlainText

            self._signs.append(PlainText())
        self._client, self._session, self._path, self._trusted = client, session, path, trusted
        self._text, self._accepted, self._keeps = text, accepted, keeps
        self._choice, self._clock = choice or Choice(), clock
        self._theme_wanted = theme
        self._keys = KeyOrder(self, super().on_event)  # which waits until there is work
        self.begun = False
        self._captures: Captures | None = None
        self.explorer: Explorer
        # Textual's own first mode stays on the start screen, which paints sooner than the others.
        for screen in KEYED:
            self.add_mode(screen.name, screen.make)

    def get_default_screen(self) -> Screen[Any]:
        return StartScreen(self._session, self.begin, greets=self.greets)

    def on_mount(self) -> None:
        if self._theme_wanted in self.available_themes:
            self.theme = self._theme_wanted

    def get_line_filters(self) -> Sequence[LineFilter]:
        # With NO_COLOR Textual's own choice suits only the theme that it starts in: its filter for
        # its own themes paints ANSI ones black on black.
        without = NO_COLOR if self.native_ansi_color else MONOCHROME
        filters = [
            without if isinstance(filter, Monochrome | NoColor) else filter
            for filter in super().get_line_filters()
        ]
        # First what makes text visible, so that a sign without ASCII gets its ASCII one.
        return [VISIBLE, *filters, *self._signs]

    def begin(self) -> None:
        """Start the explorer and show the session; called once the start screen is painted."""
        # Half of the explorer's own start is in these imports, none of which the first frame needs.
        from jaxtui.app.explorer import Explorer
        from jaxtui.app.kept_work import KeptWork
        from jaxtui.screen.textual_private import page_only_what_is_laid_out

        page_only_what_is_laid_out()
        self.explorer = Explorer(
            self,
            self._client(),
            self._session,
            path=self._path,
            trusted=self._trusted,
            choice=self._choice,
            clock=self._clock,
            text=self._text,
            accepted=self._accepted,
            kept=KeptWork(config.state_folder(), self._cannot_keep) if self._keeps else None,
        )
        self.explorer.start()
        self.show_session()
        self.begun = True
        if self._keeps:
            self.call_after_refresh(self._begin_recent)
        if self._theme_wanted and self._theme_wanted not in self.available_themes:
            names = ", ".join(sorted(self.available_themes))
            self.call_after_refresh(
                self.say, f"there is no theme {self._theme_wanted}; there are {names}"
            )
        self.call_after_refresh(self._offer_left_works if self._keeps else self._ask_trust)
        self._keys.begin()

    def _begin_recent(self) -> None:
        from jaxtui.app.recent import Recent

        self.recent = Recent(config.state_folder())
        if self._path is not None:
            self.recent.note(self._path)

    def _offer_left_works(self) -> None:
        from jaxtui.app.left_works import LeftWorks

        LeftWorks(self.explorer, self.explorer.files).offer_at_start(self._ask_trust)

    def _ask_trust(self) -> None:
        if not self.explorer.open_session.trusted:
            self.explorer.files.ask_trust()

    def _cannot_keep(self, reason: str) -> None:
        """Say why changes cannot be kept; any thread may call this."""
        self.call_later(self.say, reason)

    def clear_selection(self) -> None:
        # From Python 3.12 on Textual composes the first screen before it is on the stack, and a
        # field asks for this as soon as it has a text.
        with contextlib.suppress(ScreenStackError):
            super().clear_selection()

    # ------------------------------------------------------------------------------- messages

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def announce(self) -> None:
        """Say that events of the engine wait; any thread may call this."""
        self.post_message(Arrived())

    def on_arrived(self) -> None:
        self.explorer.take_in()

    def on_array_view_window_wanted(self, event: ArrayView.WindowWanted) -> None:
        self.explorer.array_reads.read_window(event)

    def on_array_view_summary_wanted(self, event: ArrayView.SummaryWanted) -> None:
        self.explorer.array_reads.summarize(event)

    def on_array_view_cell_wanted(self, event: ArrayView.CellWanted) -> None:
        self.explorer.array_reads.find_cell(event)

    def on_header_line_chosen(self, event: HeaderLine.Chosen) -> None:
        if self.begun:
            self.switch_mode(event.screen)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self.current_mode == "map":
            self.explorer.run()

    def on_resize(self) -> None:
        # The terminal may have cut off what it showed, and only what differs is painted.
        self.action_repaint()
        if self.reads_lesson:
            self.call_after_refresh(self.explorer.show_work)

    def on_screen_resume(self) -> None:
        if self.begun:
            self.explorer.show_work()

    def on_unmount(self) -> None:
        if self.begun:
            self.explorer.leave()

    @property
    def unread(self) -> list[str]:
        found: list[str] = []
        for entry in KEYED:
            with contextlib.suppress(KeyError, IndexError):  # not shown yet
                screen = self.get_screen_stack(entry.name)[0]
                found += screen.unread if isinstance(screen, WorkScreen) else []
        return found

    @property
    def map_screen(self) -> MapScreen:
        return cast("MapScreen", self.get_screen_stack("map")[0])

    # --------------------------------------------------------------------------------- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Allow only stopping, quitting and moving the focus while a dialog is open.

        What is done with a lesson needs one that is open.
        """
        if action.endswith("_lesson") and action != "open_lesson" and not self.reads_lesson:
            return False
        if self.screen.is_modal and action in commands.APP_ACTIONS:
            return action in ("stop", "quit", "focus_next", "focus_previous")
        return True

    @property
    def workbench(self) -> Explorer:
        return self.explorer

    def open_file(self, path: str) -> None:
        self.explorer.files.open_path(path)

    def show_session(self) -> None:
        self.switch_mode(self.explorer.first_screen)

    def action_show_screen(self, name: str) -> None:
        self.show_screen(name)

    def show_screen(self, name: str) -> None:
        """Switch to a screen; one without a key is pushed over the current screen."""
        screen = BY_NAME[name]
        if screen.key:
            self.switch_mode(name)
        else:
            self.push_screen(screen.make())

    def action_stop(self) -> None:
        if self.screen.is_modal:
            from jaxtui.screen.dialogs import Dialog

            if isinstance(self.screen, Dialog) and self.screen.stop_work():
                return
        if self.explorer.stop():
            return
        if text := self._selected():
            self.copy(text)
        else:
            self.say("nothing is running; q or ctrl+q quits")

    def _selected(self) -> str:
        in_field = getattr(self.focused, "selected_text", "")
        return str(in_field or self.screen.get_selected_text() or "")

    def action_restart_engine(self) -> None:
        self.explorer.restart()

    def action_apply_fix(self) -> None:
        screen = self.screen
        diagnosis = screen.diagnosis(self.explorer.work) if isinstance(screen, WorkScreen) else None
        fixes = diagnosis.fixes if diagnosis is not None else []
        word = "fixed" if diagnosis is None or diagnosis.kind != "note" else "done"
        if not fixes:
            self.say("there is nothing to fix" if diagnosis is None else "this error offers no fix")
        elif len(fixes) == 1:
            self._apply(fixes[0], word)
        else:
            from jaxtui.screen.dialogs import ChoiceDialog
            from jaxtui.screen.field import fix_words

            choices = [(str(i), fix_words(fix)) for i, fix in enumerate(fixes)]
            self.push_screen(
                ChoiceDialog("Which fix?", choices),
                lambda chosen: (
                    self._apply(fixes[int(chosen)], word) if chosen is not None else None
                ),
            )

    def _apply(self, fix: Fix, word: str) -> None:
        from jaxtui.screen.field import fix_words

        screen = self.screen
        if isinstance(screen, WorkScreen):
            screen.apply(fix)
        self.say(f"{word}: {fix_words(fix)}")

    def action_copy(self) -> None:
        screen = self.screen
        text = screen.text_to_copy() if isinstance(screen, WorkScreen) else ""
        if self.reads_lesson:
            text = self.lessons.addresses or text
        if text:
            self.copy(text)
        else:
            self.say("nothing here to copy")

    def copy(self, text: str) -> None:
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        what = f"{lines} lines" if lines > 1 else (text if len(text) <= 40 else "one line")
        self.say(f"sent to the terminal's clipboard: {what}")

    def action_repaint(self) -> None:
        self.forget_shown()
        self.refresh()

    def action_suspend_process(self) -> None:
        """Stop the whole job, which a wrapper such as `uv run` may be part of, until `fg`."""
        if os.getpgrp() == os.getsid(0):
            self.say("no shell with job control started this, so nothing could bring it back")
            return
        self.explorer.files.rescue()
        self.app_suspend_signal.publish(self)
        os.killpg(os.getpgrp(), signal.SIGTSTP)

    def action_undo(self) -> None:
        self.explorer.undo()

    def action_redo(self) -> None:
        self.explorer.redo()

    def action_new_session(self) -> None:
        """Start with an empty editor, on the devices of before."""

        def go_on() -> None:
            devices = self.explorer.open_session.session.devices
            self.explorer.open(Session(devices=devices))
            self.switch_mode("map")
            self.map_screen.begin_to_write()

        self.explorer.files.unless_changed(go_on)

    def action_open_session(self) -> None:
        self.explorer.files.open()

    def action_save_session(self) -> None:
        self.explorer.files.save()

    def action_save_session_as(self) -> None:
        self.explorer.files.save_as()

    @property
    def lessons(self) -> OpenLesson:
        """The lessons, of which one may be open."""
        from jaxtui.app.open_lesson import OpenLesson
        from jaxtui.lessons.progress import Progress

        if self.explorer.lesson is None:
            progress = Progress(config.state_folder() if self._keeps else None)
            self.explorer.lesson = OpenLesson(self, self.explorer, progress)
        return self.explorer.lesson

    @property
    def progress(self) -> Progress:
        return self.lessons.progress

    def open_lesson(self, name: str) -> None:
        self.lessons.open(name)

    @property
    def reads_lesson(self) -> bool:
        """Whether a lesson is open."""
        found = self.explorer.lesson if self.begun else None
        return found is not None and found.lesson is not None

    def action_step_lesson(self, by: int) -> None:
        self.lessons.step(by)

    def action_reset_lesson(self) -> None:
        self.lessons.reset()

    def action_turn_lesson(self) -> None:
        self.turn_lesson()

    def turn_lesson(self) -> None:
        self.lessons.turn()

    def action_hint_lesson(self) -> None:
        self.lessons.hint()

    def action_close_lesson(self) -> None:
        self.lessons.close()

    def action_capture(self) -> None:
        from jaxtui.app.captures import Captures

        if self._captures is None:
            self._captures = Captures(self, self.explorer.files)
        self._captures.ask()

    def action_left_works(self) -> None:
        from jaxtui.app.left_works import LeftWorks

        left = LeftWorks(self.explorer, self.explorer.files)
        self.explorer.files.unless_changed(left.offer)

    async def action_quit(self) -> None:
        if self.explorer.files.asking:
            # The question was asked already: whoever insists leaves.
            self.exit()
            return
        while self.screen.is_modal:
            await self.pop_screen()
        self.explorer.files.unless_changed(self.exit)

    def action_command_palette(self) -> None:
        from jaxtui.app.palette import open_palette

        if not self.screen.is_modal:
            open_palette(self)

    def action_change_theme(self) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog

        def chosen(name: str | None) -> None:
            if name is not None:
                self.theme = name

        themes = sorted(self.available_themes)
        self.push_screen(ChoiceDialog("Which colours?", [(t, t) for t in themes]), chosen)

    def action_export(self) -> None:
        from jaxtui.app.writing import export

        export(self)

    def action_screenshot_file(self) -> None:
        from jaxtui.app.writing import screenshot

        screenshot(self)

    def action_end_engine(self) -> None:
        self.explorer.end_engine()

    def action_jump(self) -> None:
        from jaxtui.screen.jump import show_jump

        if isinstance(self.screen, WorkScreen):
            show_jump(self.screen)

    def action_help(self) -> None:
        from jaxtui.app.help import HelpDialog, pane_title

        screen = self.screen
        name = screen.NAME if isinstance(screen, WorkScreen) else ""
        own = screen.scopes()[0] if isinstance(screen, WorkScreen) else ""
        heading = dict(scope for s in KEYED for scope in s.headings).get(own, "")
        self.push_screen(HelpDialog(name, pane_title(self.focused) or heading))

    def action_focus_next(self) -> None:
        screen = self.screen
        if isinstance(screen, WorkScreen) and screen.focused is None and screen.return_to_field():
            return
        super().action_focus_next()

    def action_zoom(self) -> None:
        if isinstance(self.screen, WorkScreen):
            self.screen.zoom()

    def action_move_split(self, columns: int) -> None:
        if isinstance(self.screen, WorkScreen):
            self.screen.move_split(columns)

    def action_leave_field(self) -> None:
        screen = self.screen
        if isinstance(screen, WorkScreen):
            screen.leave_field()

    def say(self, text: str) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.say(text)
