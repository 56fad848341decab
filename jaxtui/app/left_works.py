"""Offering what earlier explorers left unsaved: open it, keep it for later, or delete it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from jaxtui import config
from jaxtui.app.kept_work import LeftWork, left_works
from jaxtui.session.session import SessionError, dumps, loads
from jaxtui.session.working_folder import working_folder

if TYPE_CHECKING:
    from jaxtui.app.files import Files
    from jaxtui.app.files_explorer import FilesExplorer

FIRST_CHANGE = 40  # characters of a changed line in the list of works


class LeftWorks:
    """The dialogs about works that were left, which no other explorer offers meanwhile."""

    def __init__(self, explorer: FilesExplorer, files: Files) -> None:
        self._explorer = explorer
        self._app = explorer.app
        self._files = files
        self._found: list[LeftWork] = []

    def offer_at_start(self, otherwise: Callable[[], object]) -> None:
        """Offer what was left; call `otherwise` if nothing of it is opened."""
        self._found = left_works(config.state_folder())
        if self._found and self._files.changed:
            self._release()
            self._app.say("work that was left unsaved is kept: find it by ctrl+p")
        self._ask(otherwise)

    def offer(self) -> None:
        """Offer what was left, as the user asked for."""
        self._found = left_works(config.state_folder())
        if not self._found:
            self._app.say("nothing was left unsaved")
        self._ask(lambda: None)

    def _ask(self, otherwise: Callable[[], object]) -> None:
        if not self._found:
            otherwise()
        elif len(self._found) == 1:
            self._show(self._found[0], otherwise)
        else:
            from jaxtui.screen.dialogs import ChoiceDialog

            def chosen(answer: str | None) -> None:
                if answer is None:
                    self._release()
                    otherwise()
                else:
                    self._show(self._found[int(answer)], otherwise)

            choices = [(str(i), label) for i, label in enumerate(labels(self._found))]
            self._app.push_screen(ChoiceDialog("Left unsaved", choices), chosen)

    def _show(self, left: LeftWork, otherwise: Callable[[], object]) -> None:
        """Show what a work changes, and do with it what the user says."""
        from jaxtui.screen.text_dialogs import TextDialog

        def answered(answer: str | None) -> None:
            if answer == "open":
                self._found.remove(left)
                self._release()
                self._open(left)
                return
            if answer == "delete":
                try:
                    left.delete()
                except OSError as error:
                    self._app.say(f"cannot delete {left.path}: {error.strerror}")
            left.release()
            self._found.remove(left)
            self._ask(otherwise)

        choices = [("later", "Keep it for later"), ("open", "Open it"), ("delete", "Delete it")]
        if left.session is None:
            del choices[1]
        self._app.push_screen(
            TextDialog("Left unsaved", explanation(left), changes(left), choices), answered
        )

    def _open(self, left: LeftWork) -> None:
        from jaxtui.wire import launch

        assert left.session is not None
        origin = left.origin
        path = origin.path or None
        accepted = left.accepted_in(launch.folder_of(path) if path else working_folder())
        try:
            saved = loads(origin.text)
        except SessionError:
            saved = loads("")
        self._explorer.open(
            left.session,
            path=path,
            trusted=accepted is not None,
            text=origin.text,
            accepted=accepted,
            saved=saved,
        )
        self._files.adopt(left)
        if accepted is None:
            self._files.ask_trust()

    def _release(self) -> None:
        for left in self._found:
            left.release()
        self._found = []


def labels(found: Sequence[LeftWork]) -> list[str]:
    """The words for each work, with the first line that it changes if they do not tell them apart.

    Two that say the same are often of one minute, when a machine went down with its terminals.
    """
    said = [words(left) for left in found]
    return [
        f"{label} · {_first_change(left)}" if said.count(label) > 1 else label
        for label, left in zip(said, found, strict=True)
    ]


def _first_change(left: LeftWork) -> str:
    lines = [line for line in changes(left).splitlines() if line.strip("+- ")]
    changed = [line for sign in "+-" for line in lines if line.startswith(sign)]
    line = " ".join((changed or lines or [""])[0].split())
    return line if len(line) <= FIRST_CHANGE else line[: FIRST_CHANGE - 1] + "…"


def words(left: LeftWork) -> str:
    """When a work was written, and what it changes."""
    return f"{_when(left)} · {_changed(left)}"


def explanation(left: LeftWork) -> str:
    """What the dialog says above the changes."""
    what = f"This was written on {_when(left)} and never saved. It changes {_changed(left)}"
    return f"{what}, but cannot be read: {left.problem}" if left.problem else f"{what}:"


def changes(left: LeftWork) -> str:
    """The difference from the session before the changes; the text if it is no session.

    That a lesson's title and notes were left behind with its function is no news.
    """
    from jaxtui.text.difference import difference

    if left.session is None:
        return left.text
    try:
        session = loads(left.origin.text)
        if not (left.origin.path or left.session.title or left.session.notes):
            session = msgspec.structs.replace(session, title="", notes="")
        before = dumps(session)
    except SessionError:
        before = left.origin.text
    return difference(before, dumps(left.session))


def _when(left: LeftWork) -> str:
    return time.strftime("%Y-%m-%d at %H:%M", time.localtime(left.origin.written))


def _changed(left: LeftWork) -> str:
    if left.origin.path:
        return left.origin.path
    try:
        title = loads(left.origin.text).title
    except SessionError:
        title = ""
    return f"“{title}”" if title else "a session without a file"
