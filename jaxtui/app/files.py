"""Opening, saving and trusting session files, with the dialogs for them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from jaxtui.session.session import Session, SessionError, dumps, loads, save
from jaxtui.session.working_folder import working_folder
from jaxtui.wire import launch

if TYPE_CHECKING:
    from textual.screen import Screen

    from jaxtui.app.shell_app import ShellApp
    from jaxtui.program.screen.work import ProgramWork


class FilesExplorer(Protocol):
    """The explorer whose session the file holds."""

    @property
    def app(self) -> ShellApp: ...

    @property
    def work(self) -> ProgramWork: ...

    @property
    def now(self) -> Callable[[], float]: ...

    def show_work(self) -> None: ...

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None: ...

    def moved_to(self, folder: str) -> None: ...


class Files:
    """The path of the session's file, and the session as that file has it."""

    def __init__(self, explorer: FilesExplorer, path: str | None, session: Session) -> None:
        self._explorer = explorer
        self._app = explorer.app
        self.path = path
        self._saved = session
        self._question: Screen[str] | None = None  # what becomes of changes, while it is asked

    @property
    def folder(self) -> str:
        return launch.folder_of(self.path) if self.path else working_folder()

    @property
    def changed(self) -> bool:
        return self._explorer.work.session != self._saved

    @property
    def asking(self) -> bool:
        """Whether the dialog about unsaved changes is open."""
        return self._question is not None and self._app.screen is self._question

    def changed_in(self, part: str) -> bool:
        """Whether a part of the session differs from the file."""
        return bool(getattr(self._explorer.work.session, part) != getattr(self._saved, part))

    def taken_over(self, session: Session, path: str | None) -> None:
        """Take a session, as it stands in the file at `path`, for the saved one."""
        self.path, self._saved = path, session

    # --------------------------------------------------------------------------------- trust

    def ask_trust(self) -> None:
        """Show the session's source, and run it only if the user accepts it."""
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
        """Save the session, asking for a name if it has none; call `then` once it is saved."""
        if self.path is None:
            self.save_as(then)
        elif self._as_saved(self.path):
            self._app.say(f"nothing changed since {self.path} was saved")
            if then is not None:
                then()
        elif self._write(self.path) and then is not None:
            then()

    def save_as(self, then: Callable[[], object] | None = None) -> None:
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
        """Whether the file still exists and holds the current session."""
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
        """Write the session to the state folder. Return its path, or None if that fails."""
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
        """Call `go_on` now, or once the user has saved or discarded unsaved changes."""
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
