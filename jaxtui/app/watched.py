"""Whether what an accepted session runs beside its own text is still what was accepted.

Every request that executes the session's code asks here first. As long as no file that was read
and no folder that was searched has changed, by their `stat`, nothing is read again. Otherwise a
file whose content differs from the accepted one, one that is gone, and one that would be imported
now and was not accepted (a new `helper/__init__.py` beside `helper.py`) count as changed.

What the user types in the explorer is the user's own and does not ask: a file of the folder that a
typed `import` reaches is taken as it is when the first request with it is sent, and is covered from
then on like the others. It stays covered when the import is taken out and comes back.
"""

from __future__ import annotations

from jaxtui.app.covered import Covered, Reading, evaluated
from jaxtui.session.session import Session


class Watched:
    """The files accepted with a session in `folder`, compared with those on disk."""

    def __init__(self, accepted: Covered, session: Session, folder: str) -> None:
        self._accepted = dict(accepted.files)
        self._reached = set(accepted.files)  # by the session as of the last look
        self._session, self._texts = session, tuple(evaluated(session))
        self._folder = folder
        self._reading: Reading | None = None  # one that found everything as accepted

    def changed(self, session: Session, *, reread: bool = False) -> list[str]:
        """The paths that are not as accepted; `reread` does not rely on `stat`."""
        changed = self._compared(reread)
        texts = tuple(evaluated(session)) if session is not self._session else self._texts
        if changed or texts == self._texts:
            return changed
        self._session, self._texts = session, texts
        self._reading = Reading(session, self._folder, before=self._reading)
        files = self._reading.covered.files
        self._accepted = files | self._accepted
        self._reached = set(files)
        return self._differing(files)

    def accepts(self, covered: Covered) -> bool:
        """Whether every file of `covered` was accepted with this very content."""
        return covered.files.items() <= self._accepted.items()

    def _compared(self, reread: bool) -> list[str]:
        """What of that which the session of the last look runs is not as accepted."""
        if self._reading is not None and not reread and self._reading.current:
            return []
        self._reading = None
        reading = Reading(self._session, self._folder)
        changed = self._differing(reading.covered.files)
        if not changed:
            self._reading = reading
        return changed

    def _differing(self, files: dict[str, str]) -> list[str]:
        """The paths, of those reached then and now, whose content is not the accepted one."""
        accepted = self._accepted
        paths = self._reached | files.keys()
        changed = sorted(path for path in paths if files.get(path) != accepted.get(path))
        if changed:
            self._reading = None
        return changed
