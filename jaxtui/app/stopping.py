"""What ctrl+c ends: the work in hand, the engine with it if need be, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from jaxtui.screen import engine_line
from jaxtui.screen.work import QUIET, AwaitedWork

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.screen.open_session import OpenSession
    from jaxtui.wire.client import EngineClient

STOP_REST = 1.0  # seconds without ctrl+c after which it ends the next engine
STOP_ASKED = 5.0  # seconds for which the answer is waited for, as long as the question stands


class StoppableExplorer(Protocol):
    """The explorer whose works are stopped."""

    @property
    def app(self) -> ShellApp: ...

    @property
    def client(self) -> EngineClient: ...

    @property
    def open_session(self) -> OpenSession: ...

    @property
    def works(self) -> Sequence[AwaitedWork]: ...

    @property
    def now(self) -> Callable[[], float]: ...

    def restart_engine(self, *, ended: bool = False) -> None: ...

    def lose_engine(self, reason: str) -> None: ...

    def show_work(self) -> None: ...


class Stopping:
    """Stops what runs, once for each time that the user means it."""

    def __init__(self, explorer: StoppableExplorer) -> None:
        self._explorer = explorer
        self._stopped_at = -math.inf  # when the user last ended an engine
        self._asked_at = -math.inf  # when ctrl+c last named a timing that is not on view

    def stop(self) -> bool:
        """Stop the running work, with the engine if need be. Return whether there was any."""
        explorer, now, opened = self._explorer, self._explorer.now(), self._explorer.open_session
        works = explorer.works
        pending = next(filter(None, (work.in_hand for work in works)), None)
        if now - self._stopped_at < STOP_REST:
            # Pressed once more, for good measure: it is not meant for the engine that starts now.
            self._stopped_at = now
            explorer.app.say("stopped; a fresh engine is starting")
        elif opened.phase == "starting" and now - opened.phase_since > QUIET:
            explorer.lose_engine("you ended it while it was starting")
        elif opened.line.lost and (pending is not None or any(work.words() for work in works)):
            explorer.client.hurry()
            explorer.app.say(engine_line.WAITS)
        elif pending is not None and now - pending.since > QUIET:
            self._stopped_at = now
            explorer.restart_engine(ended=True)
        elif self._asks_first(now):
            return True
        elif stopped := next(filter(None, (work.stop(now) for work in works)), ""):
            if stopped == "end":
                self._stopped_at = now
                explorer.restart_engine()
        else:
            return False
        explorer.show_work()
        return True

    def _asks_first(self, now: float) -> bool:
        """Name a long run that no screen shows: ctrl+c may be meant for something else."""
        shown = {getattr(screen, "NAME", "") for screen in self._explorer.app.screen_stack}
        running = (work for work in self._explorer.works if work.words())
        hidden = [work for work in running if work.SCREEN not in shown]
        asked_at, self._asked_at = self._asked_at, now
        if not hidden or now - asked_at < STOP_ASKED:
            return False
        title = hidden[0].TITLE
        self._explorer.app.say(
            f"{title} is running; ctrl+c once more stops it and keeps what is there"
        )
        return True
