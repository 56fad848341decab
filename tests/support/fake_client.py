"""A client without an engine: records requests, and lets a test send the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from textual import events, screen
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.keys import _character_to_key
from textual.pilot import Pilot

from jaxtui.app.app import JaxtuiApp
from jaxtui.app.explorer import Explorer
from jaxtui.screen.base import WorkScreen
from jaxtui.session.session import Session
from jaxtui.wire.base import Cancel
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.program import Run, Trace
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.results import ReadWindow, WindowRead
from tests.support import made_events as made
from tests.support.clocks import Clock
from tests.support.painting import painted

R = TypeVar("R", bound=AnyRequest)

LONG_ENOUGH = 1.0  # seconds after which nothing is small talk any more, and none are counted yet

screen.UPDATE_PERIOD = 1 / 200  # seconds; at Textual's own 1 / 60 most of a test would be waiting


class FakeClient:
    """Stands in for EngineClient, whose engine takes seconds to start."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings(platform="cpu", count=8)
        self.running = True
        self.requests: list[AnyRequest] = []
        self.restarts: list[EngineSettings | None] = []
        self.kills = 0
        self.hurries = 0
        self._id = 0
        self._listener: Callable[[AnyEvent], None] | None = None

    def start(self) -> None:
        self.running = True

    def listen(self, on_event: Callable[[AnyEvent], None]) -> None:
        self._listener = on_event

    def next_id(self) -> int:
        self._id += 1
        return self._id

    def send(self, request: AnyRequest) -> None:
        self.requests.append(request)

    def restart(self, settings: EngineSettings | None = None) -> None:
        self.restarts.append(settings)
        if settings is not None:
            self.settings = settings

    def kill(self) -> None:
        self.kills += 1

    def hurry(self) -> None:
        self.hurries += 1

    def close(self) -> None:
        self.running = False

    # ------------------------------------------------------------------------- for the test

    def say(self, event: AnyEvent) -> None:
        """Send an event as the engine would."""
        assert self._listener is not None
        self._listener(event)

    def asked(self, kind: type[R]) -> list[R]:
        """The requests of a kind, in order."""
        return [request for request in self.requests if isinstance(request, kind)]

    def take(self, kind: type[R]) -> list[R]:
        """Return the requests of a kind, and forget them."""
        taken = self.asked(kind)
        self.requests = [request for request in self.requests if not isinstance(request, kind)]
        return taken

    @property
    def trace(self) -> Trace:
        """The newest Trace."""
        return self.asked(Trace)[-1]

    @property
    def run(self) -> Run:
        """The newest Run."""
        return self.asked(Run)[-1]

    @property
    def cancels(self) -> list[int]:
        """The ids of cancelled requests."""
        return [request.target for request in self.requests if isinstance(request, Cancel)]


class Bench:
    """An explorer on a FakeClient, with the actions of a test."""

    def __init__(self, session: Session | None = None, **options: Any) -> None:
        self.client = FakeClient()
        self.clock = Clock()
        self.app = JaxtuiApp(
            lambda: cast("EngineClient", self.client),
            session or made.session(),
            clock=self.clock,
            **options,
        )
        self.pilot: Pilot[None]

    @property
    def explorer(self) -> Explorer:
        """The explorer, once the first frame is painted."""
        return self.app.explorer

    @asynccontextmanager
    async def open(self, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Bench]:
        """The explorer, headless."""
        async with self.app.run_test(size=size) as self.pilot:
            while not self.app.begun:
                await self.settle()
            await self.settle()
            yield self

    async def settle(self) -> None:
        """Let everything pending finish, and the screen be laid out.

        Textual's own pause waits for an idle process, for up to a second if it never is. Here all
        is done once messages have been processed and the update timer has fired.
        """
        for _ in range(100):
            for _ in range(2):
                await self.pilot._wait_for_screen()
                await asyncio.sleep(2 * screen.UPDATE_PERIOD)
            await self.pilot._wait_for_screen()
            if self.app._keys.idle or self.app._exit or not self.app.begun:
                return
        raise AssertionError("keys wait without end")

    async def until(self, true: Callable[[], bool]) -> None:
        """Settle until `true` returns true, for what takes several rounds of layout."""
        for _ in range(50):
            if true():
                return
            await self.settle()
        raise AssertionError(f"never came about; on screen:\n{self.text}")

    async def rest(self, seconds: float) -> None:
        """Do nothing for a while, and let the screen show what comes of it."""
        self.clock.go_on(seconds)
        self.explorer._rested()  # which waits for the machine's own time to pass
        await self.settle()

    def pictured(
        self, fill: Callable[[Bench], Awaitable[None]]
    ) -> Callable[[Pilot[None]], Awaitable[None]]:
        """What brings the screen to where a picture is taken, the same on every machine."""
        self.clock.hold()

        async def prepare(pilot: Pilot[None]) -> None:
            self.pilot = pilot
            while not self.app.begun:
                await self.settle()
            await self.settle()
            await fill(self)
            await self.rest(LONG_ENOUGH)
            before = ""
            while before != (before := self.text):
                if isinstance(shown := self.app.screen, WorkScreen):
                    shown.key_line.said = ""  # it goes by itself, and may name the time of a run
                for _ in range(3):
                    await self.settle()

        return prepare

    async def paste(self, text: str) -> None:
        """Paste text into what has the focus."""
        self.app.post_message(events.Paste(text))
        await self.settle()

    async def settled(self) -> Bench:
        """Let the engine start, trace the session and run it."""
        await self.hear(made.ready())
        await self.hear(made.traced(self.client.trace.id))
        await self.hear(made.ran(self.client.run.id))
        return self

    async def hear(self, *events: AnyEvent) -> None:
        """Send events of the engine, and let the screen show them."""
        for event in events:
            self.client.say(event)
        await self.settle()
        await self.answer_windows()

    async def answer_windows(self) -> None:
        """Answer the requests of the array view."""
        for request in (wanted := self.client.take(ReadWindow)):
            rows = request.index[request.rows or 0]
            columns = request.index[request.columns or 0]
            self.client.say(
                WindowRead(
                    id=request.id,
                    result=request.result,
                    leaf=request.leaf,
                    device=request.device,
                    rows=request.rows,
                    columns=request.columns,
                    index=request.index,
                    cells=[[VALUES[r][c] for c in range(*columns)] for r in range(*rows)],
                )
            )
        if wanted:
            await self.settle()

    async def press(self, *keys: str) -> None:
        """Press keys, and let the screen follow."""
        for key in keys:
            await self.send_key(key)
        await self.settle()
        await self.answer_windows()

    async def send_key(self, key: str, waits: int = 3) -> None:
        """Press a key, and let its messages be handled, and `waits` - 1 times those that follow."""
        name = _character_to_key(key) if len(key) == 1 else key
        self.app.post_message(events.Key(name, key if len(key) == 1 else CHARACTERS.get(key)))
        for _ in range(waits):
            await self.pilot._wait_for_screen()

    async def click(self, x: int, y: int) -> None:
        """Press and let go the mouse's first button, as the terminal would tell the app."""
        for kind in (events.MouseDown, events.MouseUp):
            self.app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, x, y))
            await self.pilot._wait_for_screen()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size, and let the screen follow.

        Textual's own way waits, like its pause, for a process that does nothing.
        """
        size = Size(width, height)
        cast("HeadlessDriver", self.app._driver)._size = size
        self.app.post_message(events.Resize(size, size))
        await self.settle()

    async def trace_answered(self, **answer: Any) -> None:
        """Answer the newest Trace."""
        await self.hear(made.traced(self.client.trace.id, **answer))

    @property
    def session(self) -> Session:
        """The session as composed so far."""
        return self.explorer.work.session

    @property
    def text(self) -> str:
        """All that is on screen, as a terminal would show it."""
        return "\n".join(painted(self.app))


CHARACTERS = {"question_mark": "?", "space": " "}
VALUES = [[5.0, 11.0], [39.0, 53.0]]
