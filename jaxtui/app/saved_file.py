"""The session's file as it was last read or written, next to what lies on the disk by now."""

from __future__ import annotations

import os
from typing import NamedTuple

from jaxtui.session.session import Session, SessionError, dumps, loads
from jaxtui.wire import launch


class Changed(NamedTuple):
    """What another program made of a file.

    `text` is what it holds now, None if that cannot be read; `difference` is what saving a session
    over it would change, or the reason why it cannot be read.
    """

    text: str | None
    difference: str

    @property
    def plain(self) -> bool:
        """Whether it has no comments and no layout that saving would drop, or is unreadable."""
        return self.text is None or _is_plain(self.text)


class SavedFile(NamedTuple):
    """A session that stands as `text` in the file at `path`.

    `path` is None if it is in no file, and `text` if its file has not been read as a text.
    """

    path: str | None
    session: Session
    text: str | None

    @property
    def whole_text(self) -> str:
        return dumps(self.session) if self.text is None else self.text

    def is_in_place(self) -> bool:
        """Whether the file still exists and holds the session."""
        try:
            return self.path is not None and loads(launch.read(self.path)) == self.session
        except SessionError:
            return False

    def changed_elsewhere(self, path: str, session: Session) -> Changed | None:
        """What another program made of the file at `path`, None if `session` may be written there.

        A file that is gone, or that has `session` already, may be written.
        """
        if path != self.path or not os.path.exists(path):
            return None
        from jaxtui.text.difference import difference

        try:
            text = launch.read(path)
        except SessionError as error:
            return Changed(None, error.message)
        here = dumps(session)
        try:
            there = loads(text)
        except SessionError:
            there = None
        known = there == self.session if self.text is None else text == self.text
        if known or text == here:
            return None
        return Changed(text, difference(text if there is None else dumps(there), here))


def unreadable(text: str) -> str:
    """Say so if a saved text is beyond what is read."""
    try:
        loads(text)
    except SessionError as error:
        return f", which jaxtui will refuse to open: {error.message}"
    return ""


def _is_plain(text: str) -> bool:
    """Whether a text is as jaxtui writes it, or is no session; its difference then shows all."""
    try:
        return dumps(loads(text)) == text
    except SessionError:
        return True
