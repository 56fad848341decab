"""Opening, saving and trusting session files: what is asked of the user on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from jaxtui.session.session import Session, SessionError, dumps, loads, save
from jaxtui.wire import launch

if TYPE_CHECKING:
    from textual.screen import Screen

    from jaxtui.app.shell_app import ShellApp
    from jaxtui.program.screen.work import ProgramWork


class FilesExplorer(Protocol):
    """The explorer whose session the file holds."""

    @property
    def app(self) -> ShellApp:
        """The app, which asks."""

    @property
    def work(self) -> ProgramWork:
        """The work on the session."""

    @property
    def now(self) -> Callable[[], float]:
        """The clock."""

    def show_work(self) -> None:
        """Bring what is on screen up to date."""

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None:
        """Put another session in the place of this one."""

    def moved_to(self, folder: str) -> None:
        """Know that the file now lies in `folder`."""


class Files:
    """The file behind the session: where it is, and whether it holds what is composed."""

    def __init__(self, explorer: FilesExplorer, path: str | None, session: Session) -> None:
        self._explorer = explorer
        self._app = explorer.app
        self.path = path
        self._saved = session
        self._question: Screen[str] | None = None  # what becomes of changes, while it is asked

    @property
    def folder(self) -> str:
        """Where the session's own files are looked up."""
        return launch.folder_of(self.path) if self.path else os.getcwd()

    @property
    def changed(self) -> bool:
        """Whether there is something that no file holds."""
        return self._explorer.work.session != self._saved

    @property
    def asking(self) -> bool:
        """Whether the user is being asked what becomes of changes that no file holds."""
        return self._question is not None and self._app.screen is self._question

    def changed_in(self, part: str) -> bool:
        """Whether a part of the session is not as the file has it."""
        return bool(getattr(self._explorer.work.session, part) != getattr(self._saved, part))

    def taken_over(self, session: Session, path: str | None) -> None:
        """Another session, as it stands in its file, has taken the place of the one before."""
        self.path, self._saved = path, session

    # --------------------------------------------------------------------------------- trust

    def ask_trust(self) -> None:
        """Show what the session holds, and run it only if the user says so."""
        from jaxtui.screen.dialogs import TrustDialog

        text, session = self._text(), self._explorer.work.session

        def answered(answer: str | None) -> None:
            if answer != "run":
                return
            from jaxtui.app import trust

            trust.sign(text, trust.folder_run(session, self.folder))
            self._explorer.work.trust(self._explorer.now())
            self._explorer.show_work()

        dialog = TrustDialog(self.path or "", text, session.program.function.strip())
        self._app.push_screen(dialog, answered)

    def _text(self) -> str:
        if self.path and not self.changed:
            try:
                return launch.read(self.path)
            except SessionError:
                pass  # gone meanwhile; what is composed is what would run
        return dumps(self._explorer.work.session)

    # ---------------------------------------------------------------------------------- open

    def open(self) -> None:
        """Ask for a session file and open it."""
        from jaxtui.screen.dialogs import PathDialog

        def chosen(path: str | None) -> None:
            if path is not None:
                self._open(path)

        start = os.path.dirname(self.path) + "/" if self.path and os.path.dirname(self.path) else ""
        self.unless_changed(
            lambda: self._app.push_screen(
                PathDialog("Open a session", start, must_exist=True), chosen
            )
        )

    def _open(self, path: str) -> None:
        from jaxtui.app import trust

        try:
            text = launch.read(path)
            session = loads(text)
        except SessionError as error:
            field = f"{error.field}: " if error.field else ""
            self._app.say(f"{path}: {field}{error.message}")
            return
        trusted = trust.is_trusted(text, trust.folder_run(session, launch.folder_of(path)))
        self._explorer.open(session, path=path, trusted=trusted)
        if not trusted:
            self.ask_trust()

    # ---------------------------------------------------------------------------------- save

    def save(self, then: Callable[[], object] | None = None) -> None:
        """Save the session, under a name that is asked for if it has none."""
        if self.path is None:
            self.save_as(then)
        elif self._as_saved(self.path):
            self._app.say(f"nothing changed since {self.path} was saved")
            if then is not None:
                then()
        elif self._write(self.path) and then is not None:
            then()

    def save_as(self, then: Callable[[], object] | None = None) -> None:
        """Ask for a name and save the session under it."""
        from jaxtui.screen.dialogs import ConfirmDialog, PathDialog

        def chosen(path: str | None) -> None:
            if path is None:
                return
            name = path if os.path.splitext(path)[1] else path + ".toml"

            def confirmed(answer: str | None) -> None:
                if answer == "replace" and self._write(name) and then is not None:
                    then()

            if os.path.exists(name) and name != self.path:
                choices = [("keep", "Keep that file"), ("replace", "Replace it")]
                title = f"{os.path.basename(name)} is there already"
                self._app.push_screen(ConfirmDialog(title, name, choices), confirmed)
            else:
                confirmed("replace")

        self._app.push_screen(PathDialog("Save as", self.path or "", must_exist=False), chosen)

    def _as_saved(self, path: str) -> bool:
        """Whether the file still holds what is composed; not when it has gone or was changed."""
        try:
            return not self.changed and loads(launch.read(path)) == self._saved
        except SessionError:
            return False

    def _write(self, path: str) -> bool:
        from jaxtui.app import trust

        session = self._explorer.work.session
        try:
            text = save(session, path)
        except OSError as error:
            self._app.say(f"cannot write {path}: {error.strerror}")
            return False
        self.taken_over(session, path)
        if self._explorer.work.trusted:
            trust.sign(text, trust.folder_run(session, self.folder))
        self._explorer.moved_to(self.folder)
        self._app.say(f"saved {path}")
        return True

    def rescue(self) -> str | None:
        """Write what no file holds into the folder of this user's state: its path, None if not."""
        from jaxtui import config
        from jaxtui.app import trust

        folder = config.state_folder()
        path = folder / time.strftime("unsaved-%Y%m%dT%H%M%S.toml")
        session = self._explorer.work.session
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = save(session, path)
        except OSError:
            return None
        if self._explorer.work.trusted:
            trust.sign(text, trust.folder_run(session, str(folder)))
        return str(path)

    # ------------------------------------------------------------------------------- changes

    def unless_changed(self, go_on: Callable[[], object]) -> None:
        """Go on, once the user has said what becomes of changes that no file holds."""
        if not self.changed:
            go_on()
            return
        from jaxtui.screen.dialogs import ConfirmDialog

        def answered(answer: str | None) -> None:
            if answer == "save":
                self.save(go_on)
            elif answer == "discard":
                go_on()

        choices = [
            ("stay", "Go back"),
            ("save", "Save it first"),
            ("discard", "Go on without saving"),
        ]
        text = "The session has changes that are in no file."
        self._question = ConfirmDialog("Not saved", text, choices)
        self._app.push_screen(self._question, answered)
