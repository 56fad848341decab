"""The explorer's app: paints at once, then loads the rest, and hears the engine."""

from __future__ import annotations

import contextlib
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
from jaxtui.app.acting import ActingApp
from jaxtui.app.start import StartScreen
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.header import HeaderLine
from jaxtui.screen.key_order import KeyOrder, types_text
from jaxtui.screen.screens import KEYED
from jaxtui.screen.taken_terminal import TakenTerminal
from jaxtui.screen.textual_private import TerminalDriver
from jaxtui.screen.visible_filter import VisibleText
from jaxtui.session.session import Session
from jaxtui.wire.launch import Choice

if TYPE_CHECKING:
    from textual.widgets import Input

    from jaxtui.app.captures import Captures
    from jaxtui.app.covered import Covered
    from jaxtui.app.explorer import Explorer
    from jaxtui.collectives.screen.screen import CollectivesScreen
    from jaxtui.program.screen.screen import MapScreen
    from jaxtui.results.screen.view import ArrayView
    from jaxtui.wire.client import EngineClient


# What a filter made is kept by the filter itself, so there is one of each.
NO_COLOR, MONOCHROME, VISIBLE = NoColor(), Monochrome(), VisibleText()


class Arrived(Message, bubble=False):
    """Events of the engine are queued. A newer message says the same."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Arrived)


class JaxtuiApp(ActingApp):
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
        take_terminal: Callable[[], TakenTerminal | None] = lambda: None,
    ) -> None:
        """`client` is called once the first frame is painted, for a client told to start.

        `text` is that of the file at `path`, and `accepted` what was accepted beside it. With
        `keeps`, what is unsaved is kept in the state folder, and what earlier explorers left there
        is offered. With `greets`, the session is shown with the ways to begin. `choice` is what the
        command line says about the engine, already applied to `session`; `clock` gives seconds that
        never go back. `terminal_lost` is called, on any thread, when the terminal is gone.
        `take_terminal` hands a terminal over that shows a first frame already; None for any other.
        """
        super().__init__(driver_class=TerminalDriver)
        self.terminal_lost, self.take_terminal = terminal_lost or self.exit, take_terminal
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

    def in_field(self) -> bool:
        """Whether keys are typed into a text field. Any thread may ask."""
        stack = self.screen_stack if self.is_running else []
        return bool(stack) and types_text(stack[-1].focused)

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
        if self.begun:  # Textual tells the size at the start as well
            # The terminal may have cut off what it showed, and only what differs is painted.
            self.action_repaint()
        if self.reads_lesson:
            self.call_after_refresh(self.explorer.show_work)

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

    @property
    def collectives_screen(self) -> CollectivesScreen:
        return cast("CollectivesScreen", self.get_screen_stack("collectives")[0])
