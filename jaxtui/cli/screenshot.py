"""`jaxtui screenshot`: an SVG of a screen with the session's result, drawn without a terminal."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from textual.pilot import Pilot

from jaxtui.app.app import JaxtuiApp
from jaxtui.screen.screens import KEYED
from jaxtui.screen.themes import DARK
from jaxtui.session.session import Session
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthStarted
from jaxtui.wire.base import Cancel, Gone, Printed, Ready, Stage
from jaxtui.wire.benchmark import (
    BenchGap,
    BenchPeaks,
    BenchPoint,
    BenchPrepared,
    BenchProgram,
    BenchRound,
    BenchSample,
    BenchStage,
    BenchStarted,
    Continue,
)
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.results import Summarized
from jaxtui.wire.sharding import ShardingsFound

REST_SECONDS = 0.6  # without requests, answers or open requests: the screen is then final
LIMIT_SECONDS = 120.0

_PROGRESS = (
    Stage,
    Printed,
    BenchStarted,
    BenchPoint,
    BenchProgram,
    BenchStage,
    BenchPrepared,
    BenchSample,
    BenchGap,
    BenchRound,
    BenchPeaks,
    BandwidthStarted,
    BandwidthMeasured,
)
"""Events behind which the answer to their request is still to come."""


def ends(event: AnyEvent) -> bool:
    """Whether an event is the last one about its request."""
    match event:
        case Summarized():
            return event.summary.exact
        case ShardingsFound():
            return event.done
        case _:
            return not isinstance(event, _PROGRESS)


class WatchedClient(EngineClient):
    """A client that keeps track of the requests that are not answered yet, in `open`."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.started = False
        self.lost: Gone | None = None
        self.open: set[int] = set()
        self.touched = time.monotonic()

    def send(self, request: AnyRequest) -> None:
        if not isinstance(request, Cancel | Continue):
            self.open.add(request.id)
        self.touched = time.monotonic()
        super().send(request)

    def listen(self, on_event: Callable[[AnyEvent], None]) -> None:
        def watched(event: AnyEvent) -> None:
            on_event(event)
            self._notice(event)

        super().listen(watched)

    @property
    def resting(self) -> bool:
        """Whether the engine is ready, and idle for at least REST_SECONDS."""
        rested = time.monotonic() - self.touched >= REST_SECONDS
        return self.started and not self.open and rested

    def _notice(self, event: AnyEvent) -> None:
        self.touched = time.monotonic()
        if isinstance(event, Ready):
            self.started = True
        elif isinstance(event, Gone):
            self.lost = event
        elif ends(event):
            self.open.discard(event.id)


class NoPicture(Exception):
    """The picture could not be made; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def draw(
    session: Session,
    settings: EngineSettings,
    *,
    path: str | None,
    screen: str,
    size: tuple[int, int],
    theme: str | None,
    ascii: bool,
    output: str,
    keys: Sequence[str] = (),
) -> int:
    """Write an SVG of `screen`, `size` (columns, rows), to `output`. Returns the exit status.

    Before, the `keys` are pressed, by Textual's names, each once the one before has had its effect.
    """
    names = [known.name for known in KEYED]
    if screen not in names:
        print(f"jaxtui: no screen {screen!r}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    client = WatchedClient(settings)
    try:
        client.start()
        app = JaxtuiApp(
            lambda: client, session, path=path, trusted=True, ascii=ascii, theme=theme or DARK
        )
        if theme is not None and theme not in app.available_themes:
            known = ", ".join(sorted(app.available_themes))
            raise NoPicture(f"no theme {theme!r}; there are {known}", 2)
        svg = asyncio.run(_drawn(app, client, screen, size, keys))
        Path(output).write_text(svg, encoding="utf-8")
    except NoPicture as error:
        print(f"jaxtui: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"jaxtui: {output}: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        client.close()
    return 0


async def _drawn(
    app: JaxtuiApp,
    client: WatchedClient,
    screen: str,
    size: tuple[int, int],
    keys: Sequence[str],
) -> str:
    async with app.run_test(size=size) as pilot:
        while not app.begun:
            await pilot.pause(0.02)
        await app.run_action(f"app.show_screen('{screen}')")
        await _until_resting(client, pilot)
        for key in keys:
            await pilot.press(key)
            await _until_resting(client, pilot)
        for widget in app.screen.walk_children():
            if hasattr(widget, "cursor_blink"):
                widget.cursor_blink = False
        await pilot.pause()
        return plain(app.export_screenshot(), screen)


async def _until_resting(client: WatchedClient, pilot: Pilot[None]) -> None:
    limit = time.monotonic() + LIMIT_SECONDS
    while not client.resting:
        await pilot.pause(0.02)
        if client.lost is not None:
            raise NoPicture(client.lost.reason, 1 if client.started else 3)
        if time.monotonic() > limit:
            raise NoPicture(f"no result within {LIMIT_SECONDS:.0f} s", 1)


def plain(svg: str, name: str) -> str:
    """Remove what the picture would fetch, and give it fixed ids.

    Rich derives ids from the content, so a change of a single number would change every line.
    """
    return re.sub(r"terminal-\d+", f"jaxtui-{name}", fetching_nothing(svg))


def fetching_nothing(svg: str) -> str:
    """Remove Rich's web fonts, and the comment that names it, from the picture."""
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.DOTALL)
