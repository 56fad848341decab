"""A screen on its own: a small app that is its shell, on a client without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from jaxtui.app.works import Works
from jaxtui.lessons.progress import Progress
from jaxtui.screen import screens
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.themes import ThemedApp
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, with_field
from jaxtui.wire.protocol import AnyEvent
from tests.support import made_events as made
from tests.support.fake_client import FakeClient


class Desk(Works):
    """A workbench that edits a session and remembers what else it was asked for."""

    def __init__(self, host: Host, session: Session) -> None:
        client = host.client
        self._host = host
        self.seconds = 1000.0
        self.asked: list[str] = []
        self.opened: list[Session] = []
        self.files = self
        super().__init__(OpenSession(session, send=client.send, next_id=client.next_id))
        client.listen(self._hear)
        self.work.restarted(self.now())
        self.open_session.restarted(self.now())

    def now(self) -> float:
        return self.seconds

    def _hear(self, event: AnyEvent) -> None:
        for work in reversed(self.begun):
            if work.on(event, self.now()):
                break
        else:
            self.open_session.on(event, self.now())
        self.show_work()

    def show_work(self) -> None:
        for screen in self._host.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed:
                screen.show_work(self.work, self.now())

    def edit(self, field: str, value: Any, *, typed: bool = False) -> None:
        self.open_session.edit(with_field(self.open_session.session, FieldPath(field), value))
        for work in self.begun:
            work.edited(self.now())
        self.show_work()

    def fix(self, fix: Fix) -> None:
        for edit in fix.edits:
            self.edit(edit.field, edit.text)

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None:
        self.opened.append(session)

    def run(self) -> None:
        self.asked.append("run")

    def restart(self) -> None:
        self.asked.append("restart")

    def describe(self) -> None:
        self.asked.append("describe")

    def may_run(self) -> bool:
        if not self.open_session.trusted:
            self.asked.append("trust")
        return self.open_session.trusted

    def changed_in(self, part: str) -> bool:
        return False

    def unless_changed(self, go_on: Callable[[], object]) -> None:
        go_on()


class Host(ThemedApp):
    """The shell of one screen."""

    ascii = False
    greets = False
    pilot: Pilot[None]

    def __init__(self, screen: str = "", session: Session | None = None) -> None:
        """`screen` is a name in the table of screens, "" for an empty one."""
        super().__init__()
        self.animation_level = "none"
        self.client = FakeClient()
        self.explorer = Desk(self, session or made.session())
        self.said: list[str] = []
        self.copied: list[str] = []
        self.shown: list[str] = []
        self.progress = Progress(None)
        self._named = screen

    @asynccontextmanager
    async def open(self, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Any]:
        """The screen, headless, with an engine that is up."""
        async with self.run_test(size=size) as self.pilot:
            if self._named:
                await self.push_screen(screens.BY_NAME[self._named].make())
            await self.hear(made.ready())
            yield self.screen

    async def ask(self, dialog: Screen[Any]) -> list[Any]:
        """Show a dialog; its answer will be in the list."""
        answers: list[Any] = []
        self.push_screen(dialog, answers.append)
        await self.pilot.pause()
        return answers

    async def hear(self, *events: AnyEvent) -> None:
        """The engine says something, and the screen has shown it."""
        for event in events:
            self.client.say(event)
        await self.pilot.pause()

    @property
    def text(self) -> str:
        """All that is on screen, as a terminal would show it."""
        strips = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    # ------------------------------------------------------------------------------ the shell

    def say(self, text: str) -> None:
        self.said.append(text)

    def copy(self, text: str) -> None:
        self.copied.append(text)

    def show_screen(self, name: str) -> None:
        self.shown.append(name)

    def show_session(self) -> None:
        self.shown.append("session")

    def open_lesson(self, name: str) -> None:
        self.shown.append(name)

    def turn_lesson(self) -> None:
        self.shown.append("text")
