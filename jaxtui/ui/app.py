"""The explorer: owns the client and the work, and is the one place where events arrive."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App, ScreenStackError, SystemCommand
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from jaxtui.client import EngineClient, EngineSettings
from jaxtui.collectives import runs_program
from jaxtui.protocol import (
    AnyEvent,
    BenchSample,
    Cancelled,
    Describe,
    Failed,
    Printed,
    ReadWindow,
    Summarize,
    Summarized,
    WindowRead,
)
from jaxtui.session import Devices, Session, SessionError, with_field
from jaxtui.ui import commands
from jaxtui.ui.behind_typing import after_typing, waits
from jaxtui.ui.collective_state import CollectiveWork
from jaxtui.ui.files import Files
from jaxtui.ui.screens.base import WorkScreen
from jaxtui.ui.screens.start import StartScreen
from jaxtui.ui.state import QUIET, REST, Work
from jaxtui.ui.widgets.header import HeaderLine

if TYPE_CHECKING:
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode
    from textual.widgets import Input

    from jaxtui.report import Fix
    from jaxtui.ui.benchmark_state import BenchmarkWork
    from jaxtui.ui.screens.map import MapScreen
    from jaxtui.ui.sweep_state import SweepWork
    from jaxtui.ui.widgets.array_view import ArrayView

STOP_REST = 1.0  # seconds without ctrl+c after which it ends the next engine
TICK = 0.1  # seconds between looks at what is waited for, while something is


class Arrived(Message, bubble=False):
    """Events of the engine wait to be taken in. A newer one says the same."""

    def can_replace(self, message: Message) -> bool:
        """One look takes in all that has arrived."""
        return isinstance(message, Arrived)


class JaxtuiApp(App[None]):
    """Routes: what is typed to the work, events to the work, the work to the screens."""

    TITLE = "jaxtui"
    AUTO_FOCUS = ""
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = commands.bindings("app")

    def __init__(
        self,
        client: EngineClient,
        session: Session,
        *,
        path: str | None = None,
        trusted: bool = True,
        ascii: bool = False,
        theme: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client` has been told to start; `clock` gives seconds that never go back."""
        super().__init__()
        self.animation_level = "none"
        self.ascii = ascii
        self.dot, self.times = ("-", "x") if ascii else ("·", "×")
        self.set_class(ascii, "-ascii")
        if ascii:
            from jaxtui.ui.plain_text import PlainText

            self._filters.append(PlainText())
        self.client = client
        self.now = clock
        self.files = Files(self, path, session)
        self.work = Work(
            session,
            send=client.send,
            next_id=client.next_id,
            folder=self.files.folder,
            trusted=trusted,
        )
        self.collective = CollectiveWork(self.work, send=client.send, next_id=client.next_id)
        self._inbox: deque[AnyEvent] = deque()
        self._inbox_lock = threading.Lock()
        self._announced = False  # that events wait
        self._benchmark: BenchmarkWork | None = None
        self._sweep: SweepWork | None = None
        self._windows: dict[int, type] = {}  # requests of the array view, and of what kind
        self._stopped_at = -math.inf  # when the user last ended an engine
        self._ticking: Timer | None = None
        self._resting: Timer | None = None
        self._theme_wanted = theme
        # Textual's own first mode stays on the start screen, which paints sooner than the others.
        self.begun = False
        self.add_mode("map", self._map_screen)
        self.add_mode("collectives", self._collectives_screen)
        self.add_mode("benchmark", self._benchmark_screen)
        self.add_mode("learn", self._learn_screen)
        self.add_mode("devices", self._devices_screen)

    def get_default_screen(self) -> Screen[Any]:
        """What is painted first: the program, before the parts that edit it are loaded."""
        return StartScreen()

    def _map_screen(self) -> Screen[Any]:
        from jaxtui.ui.screens.map import MapScreen

        return MapScreen()

    def _collectives_screen(self) -> Screen[Any]:
        from jaxtui.ui.screens.collectives import CollectivesScreen

        return CollectivesScreen()

    def _benchmark_screen(self) -> Screen[Any]:
        from jaxtui.ui.screens.benchmark import BenchmarkScreen

        return BenchmarkScreen()

    @property
    def benchmark(self) -> BenchmarkWork:
        """The work on the benchmark, which begins when its screen is first opened."""
        if self._benchmark is None:
            from jaxtui.ui.benchmark_state import BenchmarkWork

            self._benchmark = BenchmarkWork(
                self.work, send=self.client.send, next_id=self.client.next_id
            )
        return self._benchmark

    @property
    def sweep(self) -> SweepWork:
        """The work on a bandwidth sweep, which begins when its screen is first opened."""
        if self._sweep is None:
            from jaxtui.ui.sweep_state import SweepWork

            self._sweep = SweepWork(
                self.work, self.collective, send=self.client.send, next_id=self.client.next_id
            )
        return self._sweep

    @property
    def _timings(self) -> list[BenchmarkWork | SweepWork]:
        """The work that takes samples, as far as it has begun."""
        return [work for work in (self._benchmark, self._sweep) if work is not None]

    def _learn_screen(self) -> Screen[Any]:
        from jaxtui.ui.screens.learn import LearnScreen

        return LearnScreen()

    def _devices_screen(self) -> Screen[Any]:
        from jaxtui.ui.screens.devices import DevicesScreen

        return DevicesScreen()

    def on_mount(self) -> None:
        """Ask for what is composed; the engine answers when it is up."""
        self.theme_changed_signal.subscribe(self, self._suit_no_color)
        if self._theme_wanted in self.available_themes:
            self.theme = self._theme_wanted
        self.work.start(self.now())
        self.client.listen(self._hear)
        self._tick_on()

    def _suit_no_color(self, _theme: Theme) -> None:
        """With NO_COLOR, Textual's filter for its own themes paints ANSI ones black on black."""
        if self.no_color:
            wanted = NoColor() if self.native_ansi_color else Monochrome()
            self._filters = [
                wanted if isinstance(filter, Monochrome | NoColor) else filter
                for filter in self._filters
            ]

    def begin(self) -> None:
        """The start screen is painted: go on to the screen that the session is for."""
        self.show_session()
        self.begun = True
        if self._theme_wanted and self._theme_wanted not in self.available_themes:
            names = ", ".join(sorted(self.available_themes))
            self.call_after_refresh(
                self.say, f"there is no theme {self._theme_wanted}; there are {names}"
            )
        if not self.work.trusted:
            self.call_after_refresh(self.files.ask_trust)

    def clear_selection(self) -> None:
        """Clear what is selected on the screen, once there is one.

        From Python 3.12 on Textual composes the first screen before it counts as shown, and a
        field asks for this as soon as it has a text.
        """
        with contextlib.suppress(ScreenStackError):
            super().clear_selection()

    # ------------------------------------------------------------------------------- events

    def _hear(self, event: AnyEvent) -> None:
        """Called by the client's threads."""
        with self._inbox_lock:
            self._inbox.append(event)
            # Of a sample nothing is painted before its round is over: while the next one is taken
            # the machine is left alone.
            announces = not self._announced and not isinstance(event, BenchSample)
            self._announced = self._announced or announces
        if announces:
            self.post_message(Arrived())

    def on_arrived(self) -> None:
        """Take in all that has arrived, then show it once."""
        with self._inbox_lock:
            events = list(self._inbox)
            self._inbox.clear()
            self._announced = False
        for event in events:
            self._route(event)
        self.show_work()
        for timing in self._timings:
            if (painted := timing.take_painted()) is not None:
                self.call_after_refresh(self.client.send, painted)

    def _route(self, event: AnyEvent) -> None:
        if event.id not in self._windows:
            ours = self.collective.owns(event.id)
            self.collective.on(event, self.now())
            timed = False
            for timing in self._timings:
                timing.on(event, self.now())
                timed = timed or timing.owns(event.id)
            if timed:
                return
            if not ours or isinstance(event, Printed):
                self.work.on(event, self.now())
            return
        if isinstance(event, WindowRead | Summarized | Failed) or (
            isinstance(event, Cancelled) and self._windows[event.id] is ReadWindow
        ):
            self.map_screen.put(event)
        if isinstance(event, WindowRead | Failed | Cancelled):
            del self._windows[event.id]

    @property
    def map_screen(self) -> MapScreen:
        """The Map screen, which is there once it was shown."""
        return self._screen_stacks["map"][0]  # type: ignore[return-value]

    def show_work(self) -> None:
        """Have the screen show the state of the work."""
        now = self.now()
        self.work.look(now)
        self.work.meanwhile = next(filter(None, (t.words() for t in self._timings)), "")
        for screen in self.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.show_work(self.work, now)
        if self.busy:
            self._tick_on()

    @property
    def busy(self) -> bool:
        """Whether anything is waited for."""
        return (
            self.work.busy or self.collective.busy or any(timing.busy for timing in self._timings)
        )

    def _tick_on(self) -> None:
        if self._ticking is None:
            self._ticking = self.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if not self.busy and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        if any(timing.overdue(self.now()) for timing in self._timings):
            self._restart()
        self.show_work()

    def on_screen_resume(self) -> None:
        """A dialog has closed, or another screen was opened."""
        self.show_work()

    # ----------------------------------------------------------------------- the session changes

    def edit(self, field: str, value: Any) -> None:
        """Put `value` into a field of the session, and let everything follow."""
        try:
            session = with_field(self.work.session, field, value)
        except KeyError:
            return  # a layer or an argument that has gone since the key was pressed
        except SessionError as error:
            self.say(error.message)
            return
        self._follow(self.work.edit(session, self.now()))

    def replace_session(self, session: Session, *, trusted: bool) -> None:
        """Another session takes the place of this one."""
        again = self.work.replace(session, self.files.folder, trusted, self.now())
        self._follow(again)

    def moved_to(self, folder: str) -> None:
        """The session's file now lies in `folder`."""
        if folder != self.work.folder:
            self._follow(self.work.move(folder, self.now()))

    def _follow(self, start_again: bool) -> None:
        """After a change: another engine if the devices ask for one, a run once typing rests."""
        settings = self._settings()
        if settings != self.client.settings:
            self._restart(settings)
        elif start_again:
            self._restart()
        self.collective.edited(self.now())
        for timing in self._timings:
            timing.edited(self.now())
        self.show_work()
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self.work.rested(self.now())
        self.collective.rested(self.now())
        self.show_work()

    def _settings(self) -> EngineSettings:
        devices = self.work.session.devices
        return EngineSettings(
            platform=devices.platform, count=devices.count, command=self.client.settings.command
        )

    def _restart(self, settings: EngineSettings | None = None, *, ended: bool = False) -> None:
        self._windows.clear()
        self.client.restart(settings)
        self.collective.restarted(ended=ended, now=self.now())
        for timing in self._timings:
            timing.restarted()
        self.work.restarted(self.now(), ended=ended)
        self._tick_on()

    def apply_devices(self, devices: Devices) -> None:
        """Work on another device set; the engine starts again if it must."""
        self.edit("devices", devices)

    # --------------------------------------------------------------------------- what views ask

    def on_array_view_window_wanted(self, event: ArrayView.WindowWanted) -> None:
        """The array view needs cells."""
        self._windows[number := self.client.next_id()] = ReadWindow
        self.client.send(
            ReadWindow(
                id=number,
                result=event.result,
                leaf=event.leaf,
                rows=event.rows,
                columns=event.columns,
                index=event.index,
                device=event.device,
            )
        )

    def on_array_view_summary_wanted(self, event: ArrayView.SummaryWanted) -> None:
        """The array view needs statistics."""
        self._windows[number := self.client.next_id()] = Summarize
        self.client.send(
            Summarize(id=number, result=event.result, leaf=event.leaf, device=event.device)
        )

    def describe(self) -> None:
        """Ask for the devices as they are now."""
        if self.work.phase == "ready":
            self.client.send(Describe(id=self.client.next_id()))

    # --------------------------------------------------------------------------------- actions

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action; one that reads what was typed runs behind the keys typed before it."""
        run = partial(super().run_action, action, default_namespace, namespaces)
        if self.screen.is_modal or not waits(action):
            return await run()
        after_typing(self.screen, partial(self.call_later, run))
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a dialog is open only leaving and stopping work."""
        if self.screen.is_modal and action in commands.APP_ACTIONS:
            return action in ("stop", "quit", "focus_next", "focus_previous")
        return True

    def show_session(self) -> None:
        """Turn to the screen that the session is for."""
        session = self.work.session
        only = session.collective is not None and not runs_program(session)
        self.switch_mode("collectives" if only else "map")

    def action_show_screen(self, name: str) -> None:
        """Turn to a screen."""
        self.switch_mode(name)

    def on_header_line_chosen(self, event: HeaderLine.Chosen) -> None:
        """Turn to the screen whose name was clicked."""
        self.switch_mode(event.screen)

    def action_run_program(self) -> None:
        """Run what is composed."""
        if not self.work.trusted:
            self.files.ask_trust()
            return
        if self.work.run(self.now()):
            self._restart()
        self.show_work()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field of the program runs it."""
        if self.current_mode == "map":
            self.action_run_program()

    def action_stop(self) -> None:
        """End the work in hand; with none, copy what is selected."""
        now, pending = self.now(), self.work.in_hand or self.collective.in_hand
        if now - self._stopped_at < STOP_REST:
            # Pressed once more, for good measure: it is not meant for the engine that starts now.
            self._stopped_at = now
            self.say("stopped; a fresh engine is starting")
        elif self.work.phase == "starting" and now - self.work.phase_since > QUIET:
            self.client.kill()
            self.work.killed(now)
        elif pending is not None and now - pending.since > QUIET:
            self._stopped_at = now
            self._restart(ended=True)
        elif stopped := next(filter(None, (t.stop(now) for t in self._timings)), ""):
            if stopped == "end":
                self._stopped_at = now
                self._restart()
        elif text := self._selected():
            self.copy(text)
        else:
            self.say("nothing is running; q or ctrl+q quits")
        self.show_work()

    def _selected(self) -> str:
        in_field = getattr(self.focused, "selected_text", "")
        return str(in_field or self.screen.get_selected_text() or "")

    def action_restart_engine(self) -> None:
        """End the engine and start a fresh one."""
        self._restart(self._settings())
        self.say("a fresh engine starts; all that is composed stays")
        self.show_work()

    def action_apply_fix(self) -> None:
        """Apply the fix that the error offers, or let the user choose among several."""
        screen = self.screen
        diagnosis = screen.diagnosis(self.work) if isinstance(screen, WorkScreen) else None
        fixes = diagnosis.fixes if diagnosis is not None else []
        if not fixes:
            self.say("there is nothing to fix" if diagnosis is None else "this error offers no fix")
        elif len(fixes) == 1:
            self._apply(fixes[0])
        else:
            from jaxtui.ui.screens.dialogs import ChoiceDialog
            from jaxtui.ui.widgets.field import fix_words

            choices = [(str(i), fix_words(fix)) for i, fix in enumerate(fixes)]
            self.push_screen(
                ChoiceDialog("Which fix?", choices),
                lambda chosen: self._apply(fixes[int(chosen)]) if chosen is not None else None,
            )

    def _apply(self, fix: Fix) -> None:
        from jaxtui.ui.screens.benchmark_keys import BenchmarkKeys

        screen = self.screen
        if isinstance(screen, BenchmarkKeys) and screen.apply(fix):
            pass
        elif fix.field.startswith("collective."):
            self.edit("collective", self.collective.fixed(fix))
        else:
            self.edit(fix.field, fix.text)
        self.say(f"{fix.label}: {fix.field.removeprefix('program.')} = {fix.text}")

    def action_copy(self) -> None:
        """Copy what has the focus."""
        screen = self.screen
        text = screen.text_to_copy() if isinstance(screen, WorkScreen) else ""
        if text:
            self.copy(text)
        else:
            self.say("nothing here to copy")

    def copy(self, text: str) -> None:
        """Send `text` to the terminal's clipboard."""
        self.copy_to_clipboard(text)
        lines = text.count("\n") + 1
        what = f"{lines} lines" if lines > 1 else (text if len(text) <= 40 else "one line")
        self.say(f"sent to the terminal's clipboard: {what}")

    def action_open_session(self) -> None:
        """Open a session file."""
        self.files.open()

    def action_save_session(self) -> None:
        """Save the session."""
        self.files.save()

    def action_save_session_as(self) -> None:
        """Save the session under another name."""
        self.files.save_as()

    async def action_quit(self) -> None:
        """Leave, once changes are taken care of."""
        if self.files.asking:
            # The question was asked already: whoever insists leaves.
            self.exit()
            return
        while self.screen.is_modal:
            await self.pop_screen()
        self.files.unless_changed(self.exit)

    def on_unmount(self) -> None:
        """Keep what was measured so far."""
        for timing in self._timings:
            timing.left()

    def action_help(self) -> None:
        """Show all keys."""
        from jaxtui.ui.screens.dialogs import HelpDialog

        self.push_screen(HelpDialog(commands.widget_keys()))

    def action_focus_next(self) -> None:
        """Go to the next field, or back to the one that was left by escape."""
        screen = self.screen
        if isinstance(screen, WorkScreen) and screen.focused is None and screen.return_to_field():
            return
        super().action_focus_next()

    def action_leave_field(self) -> None:
        """Leave the text field."""
        screen = self.screen
        if isinstance(screen, WorkScreen):
            screen.leave_field()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers: the table of commands."""
        scopes = screen.scopes() if isinstance(screen, WorkScreen) else ("app",)
        everything = ("layers", "map", "app") if scopes[0] in ("map", "layers") else scopes
        for command in commands.in_scopes(*everything):
            if command.palette:
                keys = commands.key_names(command)
                yield SystemCommand(
                    command.help,
                    f"key {keys}" if keys else "",
                    partial(screen.run_action, command.action),
                )

    def say(self, text: str) -> None:
        """Tell the user something, in the key line."""
        for screen in self.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.say(text)
