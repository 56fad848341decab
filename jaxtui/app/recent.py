"""The session files that were opened or saved last, kept in the state folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from jaxtui import bounded

NAME = "recent.json"
MOST = 20  # files that are kept
LONGEST = 4096  # characters of a path


class Recent:
    """The list, newest first. Whatever its file holds, it is a list of paths or empty."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME

    def paths(self) -> list[str]:
        """The paths of the files that are still there."""
        return [path for path in self._read() if os.path.isfile(path)]

    def note(self, path: str) -> None:
        """Put a file at the top. A list that cannot be written stays as it is."""
        path = os.path.abspath(path)
        if len(path) > LONGEST:
            return
        paths = [path, *(other for other in self._read() if other != path)][:MOST]
        with contextlib.suppress(OSError, UnicodeError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{NAME}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(msgspec.json.encode(paths))
                os.replace(temporary, self._file)
            except BaseException:
                os.unlink(temporary)
                raise

    def _read(self) -> list[str]:
        try:
            found = msgspec.json.decode(
                bounded.read(self._file, bounded.TEXT_BYTES), type=list[str]
            )
        except (OSError, bounded.Unreadable, msgspec.MsgspecError, UnicodeError, RecursionError):
            return []
        fit = (path for path in found if os.path.isabs(path) and len(path) <= LONGEST)
        return list(dict.fromkeys(path for path in fit if "\0" not in path))[:MOST]


def shown(path: str) -> str:
    """A path with the home folder as `~`."""
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(f"{home}{os.sep}") else path
