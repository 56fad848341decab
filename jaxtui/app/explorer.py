"""The work on one session: owns the client, and is the one place where events arrive."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from textual.timer import Timer

from jaxtui.app.files import Files
from jaxtui.app.history import History, changed
from jaxtui.collectives.screen.work import CollectiveWork
from jaxtui.program.screen.work import QUIET, REST, Work
from jaxtui.screen.base import WorkScreen
from jaxtui.session.collective_program import runs_program
from jaxtui.session.session import Devices, Session, SessionError, with_field
from jaxtui.wire.base import Cancelled, Describe, Failed, Printed
from jaxtui.wire.benchmark import BenchRound, BenchSample
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.launch import Choice
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.results import CellFound, FindCell, ReadWindow, Summarize, Summarized, WindowRead

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.benchmark.bandwidth.screen.work import SweepWork
    from jaxtui.benchmark.screen.work import BenchmarkWork
    from jaxtui.results.screen.view import ArrayView
    from jaxtui.session.diagnosis import Fix

STOP_REST = 1.0  # seconds without ctrl+c after which it ends the next engine
STOP_ASKED = 5.0  # seconds for which the answer is waited for, as long as the question stands
TICK = 0.1  # seconds between looks at what is waited for, while something is


class Explorer:
    """Routes edits to the work, events to the work, and the work to the screens of `app`."""

    def __init__(
        self,
        app: ShellApp,
        client: EngineClient,
        session: Session,
        *,
        path: str | None,
        trusted: bool,
        choice: Choice,
        clock: Callable[[], float],
    ) -> None:
        """`client` has been told to start; `clock` gives seconds that never go back.

        `choice` was applied to `session`, and will be to every other that is opened.
        """
        self.app = app
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
        self._choice = choice
        self._history = History()
        self._inbox: deque[AnyEvent] = deque()
        self._inbox_lock = threading.Lock()
        self._announced = False  # that events wait
        self._benchmark: BenchmarkWork | None = None
        self._sweep: SweepWork | None = None
        self._windows: dict[int, type] = {}  # requests of the array view, and of what kind
        self._stopped_at = -math.inf  # when the user last ended an engine
        self._asked_stop_at = -math.inf  # when ctrl+c last named a timing that is not on view
        self._ticking: Timer | None = None
        self._resting: Timer | None = None

    def start(self) -> None:
        """Ask for what is composed; the engine answers when it is up."""
        self.work.start(self.now())
        self.client.listen(self._hear)
        self._tick_on()

    @property
    def benchmark(self) -> BenchmarkWork:
        """The work on the benchmark, which begins when its screen is first opened."""
        if self._benchmark is None:
            from jaxtui.benchmark.screen.work import BenchmarkWork

            self._benchmark = BenchmarkWork(
                self.work, send=self.client.send, next_id=self.client.next_id
            )
        return self._benchmark

    @property
    def sweep(self) -> SweepWork:
        """The work on a bandwidth sweep, which begins when its screen is first opened."""
        if self._sweep is None:
            from jaxtui.benchmark.bandwidth.screen.work import SweepWork

            self._sweep = SweepWork(
                self.work, self.collective, send=self.client.send, next_id=self.client.next_id
            )
        return self._sweep

    @property
    def _timings(self) -> list[BenchmarkWork | SweepWork]:
        """The work that takes samples, as far as it has begun."""
        return [work for work in (self._benchmark, self._sweep) if work is not None]

    @property
    def first_screen(self) -> str:
        """The screen that the session is for."""
        session = self.work.session
        only = session.collective is not None and not runs_program(session)
        return "collectives" if only else "map"

    # ------------------------------------------------------------------------------- events

    def _hear(self, event: AnyEvent) -> None:
        """Called by the client's threads."""
        with self._inbox_lock:
            self._inbox.append(event)
            # Samples and rounds are painted in the next gap: until then the machine is left alone.
            announces = not self._announced and not isinstance(event, BenchSample | BenchRound)
            self._announced = self._announced or announces
        if announces:
            self.app.announce()

    def take_in(self) -> None:
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
                self.app.call_after_refresh(self.client.send, painted)

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
        asked = self._windows[event.id]
        if asked is FindCell and isinstance(event, CellFound | Failed):
            self.app.map_screen.put_found(event)
        elif isinstance(event, WindowRead | Summarized | Failed) or (
            isinstance(event, Cancelled) and asked is ReadWindow
        ):
            self.app.map_screen.put(event)
        if isinstance(event, WindowRead | CellFound | Failed | Cancelled):
            del self._windows[event.id]

    def show_work(self) -> None:
        """Have the screen show the state of the work."""
        now = self.now()
        self.work.look(now)
        self.work.meanwhile = next(filter(None, (t.words() for t in self._timings)), "")
        for screen in self.app.screen_stack:
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
            self._ticking = self.app.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if not self.busy and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        if any(timing.overdue(self.now()) for timing in self._timings):
            self._restart()
        self.show_work()

    # ----------------------------------------------------------------------- the session changes

    def edit(self, field: str, value: Any, *, typed: bool = False) -> None:
        """Put `value` into a field of the session, and let everything follow.

        `typed` says that it is a keystroke of several.
        """
        try:
            session = with_field(self.work.session, field, value)
        except KeyError:
            return  # a layer or an argument that has gone since the key was pressed
        except SessionError as error:
            self.app.say(error.message)
            return
        if session != self.work.session:
            self._history.note(self.work.session, field, self.now(), typed=typed)
        self._put(session)

    def _put(self, session: Session) -> None:
        self._follow(self.work.edit(session, self.now()))

    def undo(self) -> None:
        """Take the last change of the session back."""
        before = self.work.session
        session = self._history.undo(before)
        if session is None:
            self.app.say("there is no change to undo")
        else:
            self._put(session)
            self.app.say(f"undone: {changed(before, session)}; U does it again")

    def redo(self) -> None:
        """Make the change again that was undone last."""
        before = self.work.session
        session = self._history.redo(before)
        if session is None:
            self.app.say("there is nothing to redo")
        else:
            self._put(session)
            self.app.say(f"done again: {changed(before, session)}; u takes it back")

    def fix(self, fix: Fix) -> None:
        """Put what a fix offers into its field."""
        if fix.field.startswith("collective."):
            self.edit("collective", self.collective.fixed(fix))
        else:
            self.edit(fix.field, fix.text)

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None:
        """A session, as it stands in its file or lesson, takes the place of this one.

        It runs on the devices that the command line asked for, as the first one did.
        """
        session = self._choice.applied_to(session)
        self.files.taken_over(session, path)
        self._history.forget()
        again = self.work.replace(session, self.files.folder, trusted, self.now())
        self._follow(again)

    def moved_to(self, folder: str) -> None:
        """The session's file now lies in `folder`."""
        if folder != self.work.folder:
            self._follow(self.work.move(folder, self.now()))

    def apply_devices(self, devices: Devices) -> None:
        """Work on another device set; the engine starts again if it must."""
        self.edit("devices", devices)

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
        self._resting = self.app.set_timer(REST, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self.work.rested(self.now())
        self.collective.rested(self.now())
        self.show_work()

    # ------------------------------------------------------------------------------- the engine

    def _settings(self) -> EngineSettings:
        devices = self.work.session.devices
        return msgspec.structs.replace(
            self.client.settings, platform=devices.platform, count=devices.count
        )

    def _restart(self, settings: EngineSettings | None = None, *, ended: bool = False) -> None:
        self._windows.clear()
        self.client.restart(settings)
        self.collective.restarted(ended=ended, now=self.now())
        for timing in self._timings:
            timing.restarted()
        self.work.restarted(self.now(), ended=ended)
        self._tick_on()

    def restart(self) -> None:
        """End the engine and start a fresh one."""
        self._restart(self._settings())
        self.app.say("a fresh engine starts; all that is composed stays")
        self.show_work()

    def run(self) -> None:
        """Run what is composed."""
        if not self.work.trusted:
            self.files.ask_trust()
            return
        if self.work.run(self.now()):
            self._restart()
        self.show_work()

    def stop(self) -> bool:
        """End the work in hand, with the engine if need be. Returns whether there was any."""
        now, pending = self.now(), self.work.in_hand or self.collective.in_hand
        if now - self._stopped_at < STOP_REST:
            # Pressed once more, for good measure: it is not meant for the engine that starts now.
            self._stopped_at = now
            self.app.say("stopped; a fresh engine is starting")
        elif self.work.phase == "starting" and now - self.work.phase_since > QUIET:
            self.client.kill()
            self.work.killed(now)
        elif pending is not None and now - pending.since > QUIET:
            self._stopped_at = now
            self._restart(ended=True)
        elif self._asks_before_stopping(now):
            return True
        elif stopped := next(filter(None, (t.stop(now) for t in self._timings)), ""):
            if stopped == "end":
                self._stopped_at = now
                self._restart()
        else:
            return False
        self.show_work()
        return True

    def _asks_before_stopping(self, now: float) -> bool:
        """Name a timing that is not on view: ctrl+c may be meant for something else."""
        shown = {getattr(screen, "NAME", "") for screen in self.app.screen_stack}
        names = (
            ("benchmark", "the benchmark", self._benchmark),
            ("bandwidth", "the sweep", self._sweep),
        )
        hidden = [
            words
            for name, words, timing in names
            if timing and timing.running and name not in shown
        ]
        asked_at, self._asked_stop_at = self._asked_stop_at, now
        if not hidden or now - asked_at < STOP_ASKED:
            return False
        self.app.say(f"{hidden[0]} is running; ctrl+c once more stops it and keeps what is there")
        return True

    def leave(self) -> None:
        """The explorer is left: keep what was measured so far."""
        for timing in self._timings:
            timing.left()

    # --------------------------------------------------------------------------- what views ask

    def read_window(self, event: ArrayView.WindowWanted) -> None:
        """The array view needs cells."""
        self._ask(
            ReadWindow(
                id=self.client.next_id(),
                result=event.result,
                leaf=event.leaf,
                rows=event.rows,
                columns=event.columns,
                index=event.index,
                device=event.device,
            )
        )

    def summarize(self, event: ArrayView.SummaryWanted) -> None:
        """The array view needs statistics."""
        number, result, leaf = self.client.next_id(), event.result, event.leaf
        self._ask(Summarize(id=number, result=result, leaf=leaf, device=event.device))

    def find_cell(self, event: ArrayView.CellWanted) -> None:
        """The array view looks for an element."""
        self._ask(
            FindCell(
                id=self.client.next_id(),
                result=event.result,
                leaf=event.leaf,
                device=event.device,
                wanted=event.wanted,
                after=event.after,
            )
        )

    def _ask(self, request: ReadWindow | Summarize | FindCell) -> None:
        self._windows[request.id] = type(request)
        self.client.send(request)

    def describe(self) -> None:
        """Ask for the devices as they are now."""
        if self.work.phase == "ready":
            self.client.send(Describe(id=self.client.next_id()))
