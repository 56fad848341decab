"""What becomes of a captured call: a session file, which its user has accepted."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtui.app import trust
from jaxtui.app.covered import covered
from jaxtui.capture.request import Capture, CaptureReport
from jaxtui.session.session import Session, loads
from jaxtui.wire import launch

if TYPE_CHECKING:
    from jaxtui.app.files import Files
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.capture.screen.dialog import Captured, Typed


def keep(asked: Capture, report: CaptureReport) -> Session:
    """Write the session of a captured call, and sign it. Raises OSError.

    Whoever had the script run has run all that the session runs.
    """
    Path(asked.output).write_text(report.session, encoding="utf-8")
    session = loads(report.session)
    trust.sign(report.session, covered(session, launch.folder_of(asked.output)), asked.output)
    return session


def free(path: str) -> str:
    """`path`, with a number before its suffix if there is such a file already."""
    stem, suffix = os.path.splitext(path)
    numbered = (f"{stem}-{number}{suffix}" for number in itertools.count(2))
    return next(name for name in itertools.chain([path], numbered) if not os.path.exists(name))


class Captures:
    """Captures calls for the explorer, and remembers what was typed for the last one."""

    def __init__(self, app: ShellApp, files: Files) -> None:
        from jaxtui.capture.screen.dialog import Typed

        self._app, self._files = app, files
        self._typed: Typed = Typed()

    def ask(self) -> None:
        """Ask what to capture, and open the session of the captured call."""
        from jaxtui.capture.screen.dialog import CaptureDialog

        self._app.push_screen(CaptureDialog(self._typed, free), self._captured)

    def _captured(self, captured: Captured | None) -> None:
        if captured is None:
            return
        path = captured.capture.output
        try:
            keep(captured.capture, captured.report)
        except OSError as error:
            self._app.say(f"cannot write {path}: {error.strerror}")
            return
        self._app.say(f"captured in {path}")
        self._files.unless_changed(lambda: self._files.open_path(path))
