"""Looks every second whether a file that the session runs or loads has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jaxtui.app import loaded_files
from jaxtui.app.files import Files
from jaxtui.app.files_explorer import FilesExplorer

if TYPE_CHECKING:
    from textual.timer import Timer

    from jaxtui.app.covered import Reading

PERIOD = 1.0  # seconds


class PollingExplorer(FilesExplorer, Protocol):
    """The explorer whose session reads the files."""

    @property
    def files(self) -> Files: ...

    def reread(self) -> None:
        """Make anew what depends on files."""


class FilePoll:
    """The files of the open session; without any, no timer runs.

    A change marks every result as old and asks anew for what is on view. Of files that run and that
    the user accepted, it ends the trust instead, as any request would; what values load is data.
    """

    def __init__(self, explorer: PollingExplorer) -> None:
        self._explorer = explorer
        self._reading: Reading | None = None
        self._loaded: loaded_files.Stamps = {}
        self._texts: tuple[str, ...] = ()
        self._timer: Timer | None = None

    def follow(self) -> None:
        """Read which files the session runs, if its texts have changed."""
        opened = self._explorer.open_session
        program = opened.session.program
        values = [argument.value for argument in program.arguments]
        texts = (opened.folder, program.function, program.source, *values)
        if texts == self._texts:
            return
        self._texts = texts
        # Most sessions run nothing but themselves: for them no module is loaded.
        runs_files = ":" in program.function or any("import" in text for text in texts)
        self._reading = self._read() if runs_files else None
        self._loaded = loaded_files.stamps([program.source, *values], opened.folder)
        runs_any = self._reading is not None and bool(self._reading.covered.files)
        if not runs_any and not self._loaded:
            self._stop()
        elif self._timer is None:
            self._timer = self._explorer.app.set_interval(PERIOD, self._look)

    def _read(self) -> Reading:
        from jaxtui.app.covered import Reading

        opened = self._explorer.open_session
        return Reading(opened.session, opened.folder, before=self._reading)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _look(self) -> None:
        loaded = loaded_files.again(self._loaded)
        if not self._runs_others() and loaded == self._loaded:
            return
        self._loaded = loaded
        if self._explorer.files.still_accepted():
            self._explorer.reread()
        else:
            self._explorer.show_work()

    def _runs_others(self) -> bool:
        """Whether a file that the session runs has another content than at the last look."""
        before = self._reading
        if before is None or before.current:
            return False
        self._reading = self._read()
        return self._reading.covered != before.covered  # else it was written anew, or touched
