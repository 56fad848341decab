"""The explorer's process: its engine first, then its terminal and app, and what it leaves."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxtui.cli import signals
from jaxtui.cli.configured import configured, opened, refuse

if TYPE_CHECKING:
    from jaxtui.app.app import JaxtuiApp


def explore(options: argparse.Namespace) -> int:
    """Run the explorer until it is left. Returns the exit status."""
    from jaxtui.hosts import launchers

    # Only the first of the processes that a launcher has started has a terminal: see `configured`.
    launched = bool(launchers.launcher())
    if not launched:
        _require_terminal()
    from jaxtui.wire.early import EarlyEngine

    # What is read below may ask for another engine: this one is ended then.
    elsewhere = options.engine or options.hosts or os.environ.get("JAXTUI_ENGINE")
    elsewhere = elsewhere or (options.processes or 1) > 1 or launched
    with contextlib.nullcontext() if elsewhere else EarlyEngine() as early:
        config, choice = configured(options)
        if launched:
            _require_terminal()
        session, trusted, text, accepted = opened(options.session, choice)
        theme = options.theme or config.theme or None
        from jaxtui.cli.first_frame import FirstFrame
        from jaxtui.cli.guardian import Guardian
        from jaxtui.wire.launch import StartedEngine

        signals.look()
        engine = StartedEngine(choice.settings_for(session, trusted=trusted), early)
    plain = bool(options.ascii or config.ascii)
    with Guardian(engine) as guardian:
        try:
            with FirstFrame(session.program, theme, ascii=plain) as frame:
                app = _app_class()(
                    engine.client,
                    session,
                    path=options.session,
                    text=text,
                    accepted=accepted,
                    trusted=trusted,
                    keeps=True,
                    greets=options.session is None,
                    ascii=plain,
                    theme=theme,
                    choice=choice,
                    terminal_lost=guardian.terminal_lost,
                    take_terminal=frame.take,
                )
                _refuse_unknown(theme, app)
                guardian.app = app
                app.run(mouse=config.mouse if options.mouse is None else options.mouse)
        finally:
            engine.close()
        return _leave(app)


def _app_class() -> type[JaxtuiApp]:
    with _without_gc():
        from jaxtui.app.app import JaxtuiApp
    return JaxtuiApp


def _refuse_unknown(theme: str | None, app: JaxtuiApp) -> None:
    if theme is not None and theme not in app.available_themes:
        refuse(f"no theme {theme!r}; there are {', '.join(sorted(app.available_themes))}")


def _leave(app: JaxtuiApp) -> int:
    """Keep what is unsaved, unless the user has quit. Returns the exit status."""
    from jaxtui.cli.guardian import print_kept

    status = app.return_code or 0
    if app.begun:
        line = app.explorer.open_session.line
        if line.lost:
            left = f"ends by itself within {line.kept(app.explorer.now())}"
            print(
                f"jaxtui: the engine on the other host was not reached, and {left}", file=sys.stderr
            )
        files = app.explorer.files
        kept = bool(status) and files.changed
        if kept:
            print_kept(files.rescue())
        files.leave(discard=not kept)
    return status


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """Disable garbage collection during imports, and exclude their objects from it for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _require_terminal() -> None:
    """Exit unless stdin, stdout and stderr, on which Textual paints, are a usable terminal."""
    streams = {
        "standard input is not one (< or | redirects it)": sys.stdin,
        "standard output is not one (> or | redirects it)": sys.stdout,
        "standard error is not one (2> redirects it)": sys.stderr,
    }
    for words, stream in streams.items():
        if stream is None or not stream.isatty():
            refuse(f"the explorer needs a terminal, and {words}; see `jaxtui run -h`")
    if os.environ.get("TERM", "dumb") == "dumb":
        refuse("the explorer needs a terminal that can place text, and TERM is dumb")
