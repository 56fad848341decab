"""The open session: owns the client, and is the one place where events arrive."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from textual.timer import Timer

from jaxtui.app.array_reads import ArrayReads
from jaxtui.app.files import Files
from jaxtui.app.history import History, changed
from jaxtui.app.inbox import Inbox
from jaxtui.app.learn.lesson import followed
from jaxtui.app.stopping import STOP_REST, Stopping
from jaxtui.app.works import Works
from jaxtui.screen import engine_line
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import REST, AwaitedWork
from jaxtui.session.collective_program import runs_program
from jaxtui.session.field_path import COLLECTIVE, PROGRAM, FieldPath
from jaxtui.session.session import Session, SessionError, with_field, with_fix
from jaxtui.wire.base import (
    Cancelled,
    Describe,
    Gone,
    LineState,
    Spoiled,
)
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.launch import Choice
from jaxtui.wire.protocol import AnyEvent, AnyRequest

if TYPE_CHECKING:
    from jaxtui.app.covered import Covered
    from jaxtui.app.file_poll import FilePoll
    from jaxtui.app.kept_work import KeptWork
    from jaxtui.app.learn.open_lesson import OpenLesson
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.session.diagnosis import Fix

TAKE_IN = 0.03  # seconds for which events are handled at a stretch
TICK = 0.1  # seconds between looks at what is waited for, while something is


class Explorer(Works):
    """Routes edits and events to the works, and their state to the screens of `app`."""

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
        text: str | None = None,
        accepted: Covered | None = None,
        kept: KeptWork | None = None,
    ) -> None:
        """`client` is already starting, and `choice` already applied to `session`.

        `text` is that of the file at `path`, and `accepted` what was accepted beside it; `kept`
        keeps what is unsaved.
        """
        self.app = app
        self.client = client
        self.now = clock
        self.files = Files(self, path, session, text=text, accepted=accepted, kept=kept)
        opened = OpenSession(
            session,
            send=self._send,
            next_id=client.next_id,
            folder=self.files.folder,
            trusted=trusted,
            may_send=self._may_send,
        )
        super().__init__(opened)
        self.array_reads = ArrayReads(opened, app, self.work.note_summary)
        self.lesson: OpenLesson | None = None  # from the first that is opened on
        self._poll: FilePoll | None = None
        self._choice = choice
        self._history = History()
        self._lesson = session  # whose title and notes are about its function, if no file is open
        self._inbox = Inbox()
        self._stopping = Stopping(self)
        self._ticking: Timer | None = None
        self._resting: Timer | None = None

    def start(self) -> None:
        self.work.restarted(self.now())
        self.open_session.restarted(self.now())
        self.client.listen(self._hear)
        self._tick_on()
        self.app.set_timer(REST, self._follow_files)

    @property
    def works(self) -> list[AwaitedWork]:
        """The works begun so far, in the order in which ctrl+c stops them."""
        return [*self.begun, self.array_reads]

    @property
    def first_screen(self) -> str:
        session = self.open_session.session
        only = session.collective is not None and not runs_program(session)
        return "collectives" if only else "map"

    # ------------------------------------------------------------------------------- events

    def _hear(self, event: AnyEvent) -> None:
        """Queue an event; called on the client's threads."""
        if self._inbox.put(event):
            self.app.announce()

    def take_in(self) -> None:
        """Handle the queued events, then update the screen once.

        What does not fit into TAKE_IN seconds waits until the keys pressed meanwhile are answered.
        """
        events = self._inbox.take()
        ends = time.monotonic() + TAKE_IN
        for number, event in enumerate(events):
            if time.monotonic() > ends:
                self._inbox.put_back(events[number:])
                self.app.announce()
                break
            try:
                self._route(event)
            except Exception as error:  # no event may end the explorer
                self._refuse(event, error)
                break
        self.show_work()
        for work in self.works:
            if (painted := work.take_painted()) is not None:
                self.app.call_after_refresh(self.client.send, painted)

    def _route(self, event: AnyEvent) -> None:
        # The program comes last: what user code prints is its own, if it is no other's.
        for work in reversed(self.works):
            if work.on(event, self.now()):
                return
        if isinstance(event, Spoiled) and not self.open_session.spoiled:
            self.app.say(f"{event.what}: the next change, or F5, starts a fresh engine")
        if isinstance(event, LineState):
            self._follow_line(event)
        self.open_session.on(event, self.now())

    def _follow_line(self, state: LineState) -> None:
        """Say what became of the line to the engine."""
        lost = state.state in ("lost", "connecting")
        if state.state != "measured" and lost != self.open_session.line.lost:
            self.app.say(engine_line.LOST if lost else engine_line.BACK)
            self._tick_on()

    def _send(self, request: AnyRequest) -> None:
        self.client.send(request)
        if self.open_session.line.lost:
            self.client.hurry()  # somebody waits

    def _refuse(self, event: AnyEvent, error: Exception) -> None:
        """End the engine that sent `event`, which a work could not handle."""
        words = f"{type(event).__name__}: {type(error).__name__}: {error}"
        self.lose_engine(f"the engine's answer makes no sense: {words}")

    def show_work(self) -> None:
        if not self.app.is_running:  # its screens are being taken apart
            return
        now = self.now()
        for work in self.works:
            work.look(now)
        words = (work.words() for work in self.works)
        self.open_session.meanwhile = next(filter(None, words), "")
        for screen in self.app.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.show_work(self.work, now)
        if self.lesson is not None:
            self.lesson.follow(now)
        if self.busy:
            self._tick_on()

    @property
    def busy(self) -> bool:
        return self.open_session.line.lost or any(work.busy for work in self.works)

    def _tick_on(self) -> None:
        if self._ticking is None:
            self._ticking = self.app.set_interval(TICK, self._tick)

    def _tick(self) -> None:
        if not self.busy and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        line, now = self.open_session.line, self.now()
        reached = not line.lost and now - line.back_at > STOP_REST
        if reached and any(work.overdue(now) for work in self.works):
            self.restart_engine()
        self.show_work()

    # ----------------------------------------------------------------------- the session changes

    def edit(self, field: FieldPath, value: Any, *, typed: bool = False) -> None:
        """Put `value` into a field; `typed` marks it as one keystroke of several."""
        self._change(field, lambda before: with_field(before, field, value), typed=typed)

    def _change(
        self, field: FieldPath, change: Callable[[Session], Session], *, typed: bool = False
    ) -> None:
        """Make `change`, which begins at `field`, as one step."""
        before = self.open_session.session
        try:
            session = change(before)
        except KeyError:
            return  # a layer or an argument that has gone since the key was pressed
        except SessionError as error:
            self.app.say(error.message)
            return
        if self.files.path is None:
            session = followed(session, self._lesson)
        if session != before:
            self._history.note(before, field, self.now(), typed=typed)
        self._follow(self.open_session.edit(session))

    def put(self, session: Session) -> None:
        """Put another session in place of what is composed, as one change that can be undone."""
        self._change(PROGRAM, lambda before: session)

    def undo(self) -> None:
        what = self._step(self._history.undo)
        self.app.say(f"undone: {what}; U does it again" if what else "there is no change to undo")

    def redo(self) -> None:
        what = self._step(self._history.redo)
        self.app.say(f"done again: {what}; u takes it back" if what else "there is nothing to redo")

    def _step(self, step: Callable[[Session], Session | None]) -> str:
        """Undo or redo a step; return what it changed, "" if there was none."""
        before = self.open_session.session
        if (session := step(before)) is None:
            return ""
        self._follow(self.open_session.edit(session))
        return changed(before, session)

    def fix(self, fix: Fix) -> None:
        if fix.field.under(COLLECTIVE):
            self.edit(COLLECTIVE, self.collective.fixed(fix))
        else:
            self._change(fix.field, lambda before: with_fix(before, fix))

    def open(
        self,
        session: Session,
        *,
        path: str | None = None,
        trusted: bool = True,
        text: str | None = None,
        accepted: Covered | None = None,
        saved: Session | None = None,
    ) -> None:
        """Open a session from its file or lesson, on the devices of the command line.

        `text` is that of the file at `path`, `accepted` what was accepted beside it, and `saved`
        the session in it, by default this one.
        """
        if self.lesson is not None:
            self.lesson.close()
        session = self._choice.applied_to(session)
        before = session if saved is None else self._choice.applied_to(saved)
        self.files.taken_over(before, path, text)
        self.files.watch(session, accepted)
        self._history.forget()
        self._lesson = before
        start_again = self.open_session.replace(session, self.files.folder, trusted)
        self._follow(start_again, replaced=True)

    def moved_to(self, folder: str) -> None:
        if folder != self.open_session.folder:
            self.open_session.folder = folder
            self._follow(start_again=False)

    def _follow(self, start_again: bool, *, replaced: bool = False) -> None:
        """Tell the works of a change, restart the engine if needed, and run once typing rests."""
        for work in self.works:
            (work.replaced if replaced else work.edited)(self.now())
        settings = self._settings()
        if settings != self.client.settings:
            self.restart_engine(settings)
        elif start_again:
            self.restart_engine()
        self.files.follow()
        self.show_work()
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.app.set_timer(REST, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._follow_files()
        for work in self.works:
            work.rested(self.now())
        self.show_work()

    def reread(self) -> None:
        """A file that the session reads has changed: whatever was made with it is old."""
        self.open_session.file_changes += 1
        self.work.again(self.now())
        self._follow(start_again=False)

    def _follow_files(self) -> None:
        """Look at the files that the session runs from now on."""
        from jaxtui.app.file_poll import FilePoll

        self._poll = self._poll or FilePoll(self)
        self._poll.follow()

    # ------------------------------------------------------------------------------- the engine

    def _settings(self) -> EngineSettings:
        opened, before = self.open_session, self.client.settings
        # Hosts that were reached once remain when a file has changed and nothing more is run.
        same = tuple(opened.session.devices.hosts or ()) == before.hosts
        wanted = self._choice.settings_for(opened.session, trusted=opened.trusted or same)
        # Nothing else of the settings is the session's.
        return msgspec.structs.replace(
            before, platform=wanted.platform, count=wanted.count, hosts=wanted.hosts
        )

    def restart_engine(
        self, settings: EngineSettings | None = None, *, ended: bool = False
    ) -> None:
        """Start a fresh engine, for the same settings unless others are given.

        `ended` says that what was in hand is not to be asked for again.
        """
        self.client.restart(settings)
        for work in self.works:
            work.restarted(self.now(), ended=ended)
        self.open_session.restarted(self.now())
        self._tick_on()

    def _may_send(self, request: AnyRequest) -> bool:
        """Whether a request that executes the session's code may be sent; answers it if not."""
        if self.files.still_accepted():
            return True
        self._hear(Cancelled(id=request.id))
        return False

    def restart(self) -> None:
        self.restart_engine(self._settings())
        self.app.say("a fresh engine starts; all that is composed stays")
        self.show_work()

    def run(self) -> None:
        if not self.files.may_run():
            return
        if self.open_session.spoiled:
            self.restart_engine()
        if self.work.run(self.now()):
            self.restart_engine()
        self.show_work()

    def stop(self) -> bool:
        """Stop the running work, with the engine if need be. Return whether there was any."""
        return self._stopping.stop()

    def end_engine(self) -> None:
        """End the engine and start no other until one is asked for."""
        self.lose_engine("you ended it")
        self.show_work()

    def lose_engine(self, reason: str) -> None:
        """Kill the engine; the works hear of it with the `reason`."""
        self.client.kill()
        self._route(Gone(reason=reason, status=None, wanted=False))

    def leave(self) -> None:
        for work in self.works:
            work.left()

    def describe(self) -> None:
        if self.open_session.phase == "ready":
            self.client.send(Describe(id=self.client.next_id()))
