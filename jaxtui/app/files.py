"""Opening, saving and trusting session files, with the dialogs for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxtui.app.files_explorer import FilesExplorer
from jaxtui.app.saved_file import Changed, SavedFile, unreadable
from jaxtui.session.session import Session, SessionError, dumps, loads, save
from jaxtui.session.working_folder import working_folder
from jaxtui.wire import launch

if TYPE_CHECKING:
    from textual.screen import Screen

    from jaxtui.app.covered import Covered
    from jaxtui.app.kept_work import KeptWork, LeftWork, Origin
    from jaxtui.app.watched import Watched


class Files:
    """The path of the session's file, and the session as that file has it."""

    def __init__(
        self,
        explorer: FilesExplorer,
        path: str | None,
        session: Session,
        *,
        text: str | None = None,
        accepted: Covered | None = None,
        kept: KeptWork | None = None,
    ) -> None:
        """`text` is what the file held when it was read, and `accepted` what it runs, if it may.

        `kept` keeps what is unsaved.
        """
        self._explorer = explorer
        self._app = explorer.app
        self.asks = True  # whether what is composed counts as unsaved once it is changed
        self.taken_over(session, path, text)
        self._watched: Watched | None = None
        self.watch(session, accepted)
        self._kept = kept
        self._question: Screen[str] | None = None  # what becomes of changes, while it is asked

    @property
    def path(self) -> str | None:
        return self._saved.path

    @property
    def folder(self) -> str:
        return launch.folder_of(self.path) if self.path else working_folder()

    @property
    def changed(self) -> bool:
        return self.asks and self._explorer.work.session != self._saved.session

    @property
    def asking(self) -> bool:
        """Whether the dialog about unsaved changes is open."""
        return self._question is not None and self._app.screen is self._question

    def changed_in(self, part: str) -> bool:
        """Whether a part of the session differs from the file."""
        return bool(
            getattr(self._explorer.work.session, part) != getattr(self._saved.session, part)
        )

    def taken_over(
        self,
        session: Session,
        path: str | None,
        text: str | None,
    ) -> None:
        """Take a session for the saved one, which stands as `text` in the file at `path`."""
        self.asks = True
        self._saved = SavedFile(path, session, text)
        self._origin: Origin | None = None

    # ------------------------------------------------------------------------ what is unsaved

    def follow(self) -> None:
        """Keep the changes of the session in the state folder, soon and on another thread."""
        if self._kept is None:
            return
        if not self.changed:
            self._kept.drop()
            return
        from jaxtui.app.kept_work import Origin, Work

        if self._origin is None:
            self._origin = Origin(
                path=os.path.abspath(self.path) if self.path else "",
                text=self._saved.whole_text,
            )
        work = self._explorer.work
        watched = self._watched
        accepts = watched.accepts if watched is not None else None
        self._kept.keep(Work(work.session, self._origin, work.trusted, self.folder, accepts))

    def adopt(self, left: LeftWork) -> None:
        """Keep the changes from now on in the file that they were found in."""
        if self._kept is not None:
            self._kept.adopt(left)

    def rescue(self) -> str | None:
        """Write what is unsaved to the state folder now. Return its path, or None.

        Any thread may call this.
        """
        return self._kept.write() if self._kept is not None else None

    def leave(self, *, discard: bool) -> None:
        """Let go of what is kept, and remove it if it is to be discarded."""
        if self._kept is not None:
            self._kept.close(discard=discard)

    # --------------------------------------------------------------------------------- trust

    def ask_trust(self) -> None:
        """Show the session's source, and run it only if the user accepts it."""
        from jaxtui.app import trust
        from jaxtui.app.covered import covered
        from jaxtui.screen.text_dialogs import TrustDialog

        text, session = self._shown_text(), self._explorer.work.session
        beside = covered(session, self.folder)  # read once: what is shown is what is signed

        def answered(answer: str | None) -> None:
            if answer != "run" or self._explorer.work.session is not session:
                return
            trust.sign(text, beside, self.path)
            self.watch(session, beside)
            self._explorer.work.let_run()
            if self._explorer.open_session.changed:
                # The engine still has the modules that it imported before they changed.
                self._explorer.open_session.trust()
                self._explorer.restart()
            else:
                self._explorer.work.trust(self._explorer.now())
                if session.devices.hosts:
                    self._explorer.restart()  # on the hosts, which were not reached before
            self.follow()
            self._explorer.show_work()

        dialog = TrustDialog(
            self.path or "",
            text,
            _elsewhere(session),
            files=beside.files,
            changes=trust.changes(self.path, text, beside),
            hosts=session.devices.hosts or (),
        )
        self._app.push_screen(dialog, answered)

    def _shown_text(self) -> str:
        """The text of the session in hand: as it was read, if it has not been changed since.

        Never what its file holds by now, which is not what would run.
        """
        if self._saved.text is not None and not self.changed:
            return self._saved.text
        return dumps(self._explorer.work.session)

    def watch(self, session: Session, accepted: Covered | None) -> None:
        """Watch what was accepted with a session; what is the user's own (None) is not watched."""
        self._watched = None
        if accepted is not None:
            from jaxtui.app.watched import Watched

            self._watched = Watched(accepted, session, self.folder)

    def still_accepted(self, *, reread: bool = False) -> bool:
        """Whether the session may run: it is trusted, and what it runs is as it was accepted.

        Ends the trust if it is not. `reread` reads it even if no `stat` differs.
        """
        opened = self._explorer.open_session
        if opened.trusted and self._watched is not None:
            changed = self._watched.changed(opened.session, reread=reread)
            if changed:
                opened.distrust(_named(changed))
        return opened.trusted

    def may_run(self) -> bool:
        if self.still_accepted(reread=True):
            return True
        self._explorer.show_work()
        self.ask_trust()
        return False

    # ---------------------------------------------------------------------------------- open

    def open(self) -> None:
        from jaxtui.screen.path_dialog import PathDialog

        def chosen(path: str | None) -> None:
            if path is not None:
                self.open_path(path)

        start = os.path.dirname(self.path) + "/" if self.path and os.path.dirname(self.path) else ""
        recent = self._app.recent.paths() if self._app.recent is not None else []
        dialog = PathDialog("Open a session", start, must_exist=True, recent=recent)
        self.unless_changed(lambda: self._app.push_screen(dialog, chosen))

    def open_path(self, path: str) -> None:
        """Open the session at `path`, in place of what is composed."""
        from jaxtui.app import trust
        from jaxtui.app.covered import covered

        try:
            text = launch.read(path)
            session = loads(text)
        except SessionError as error:
            field = f"{error.field}: " if error.field else ""
            self._app.say(f"{path}: {field}{error.message}")
            return
        self._note_recent(path)
        beside = covered(session, launch.folder_of(path))
        trusted = trust.is_trusted(text, beside)
        accepted = beside if trusted else None
        self._explorer.open(session, path=path, trusted=trusted, text=text, accepted=accepted)
        if not trusted:
            self.ask_trust()

    def _note_recent(self, path: str) -> None:
        if self._app.recent is not None:
            self._app.recent.note(path)

    # ---------------------------------------------------------------------------------- save

    def save(self, then: Callable[[], object] | None = None) -> None:
        """Save the session, asking for a name if it has none; call `then` once it is saved."""
        if self.path is None:
            self.save_as(then)
        elif not self.changed and self._saved.is_in_place():
            self._say_saved(f"nothing changed since {self.path} was saved")
            if then is not None:
                then()
        else:
            self._save_to(self.path, then)

    def save_as(self, then: Callable[[], object] | None = None) -> None:
        from jaxtui.screen.dialogs import ConfirmDialog
        from jaxtui.screen.path_dialog import PathDialog

        def chosen(path: str | None) -> None:
            if path is None:
                return
            name = path if os.path.splitext(path)[1] else path + ".toml"

            def confirmed(answer: str | None) -> None:
                if answer == "replace":
                    self._save_to(name, then)

            if os.path.exists(name) and name != self.path:
                choices = [("keep", "Keep that file"), ("replace", "Replace it")]
                title = f"{os.path.basename(name)} is there already"
                self._app.push_screen(ConfirmDialog(title, name, choices), confirmed)
            else:
                confirmed("replace")

        self._app.push_screen(PathDialog("Save as", self.path or "", must_exist=False), chosen)

    def _save_to(self, path: str, then: Callable[[], object] | None) -> None:
        """Save the session, after a question if another program has changed its file."""
        changed = self._saved.changed_elsewhere(path, self._explorer.work.session)
        if changed is not None:
            self._ask_about_change(path, then, changed)
        elif self._write(path) and then is not None:
            then()

    def _ask_about_change(
        self, path: str, then: Callable[[], object] | None, changed: Changed
    ) -> None:
        from jaxtui.screen.text_dialogs import TextDialog

        def answered(answer: str | None) -> None:
            if answer == "overwrite":
                # Asks again if the file has changed once more.
                self._saved = self._saved._replace(text=changed.text)
                if changed.text is not None:
                    self._save_to(path, then)
                elif self._write(path) and then is not None:
                    then()
            elif answer == "reload":
                self.open_path(path)
            elif answer == "as":
                self.save_as(then)

        choices = [
            ("stay", "Go back"),
            ("overwrite", "Overwrite it"),
            ("reload", "Reload it: what is composed here is lost"),
            ("as", "Save under another name"),
        ]
        own = "" if changed.plain else " drops its comments and layout, and"
        explanation = (
            f"{path} was changed since it was opened here. Overwriting it{own} changes this:"
        )
        title = "Changed by another program"
        dialog = TextDialog(title, explanation, changed.difference, choices)
        self._app.push_screen(dialog, answered)

    def _write(self, path: str) -> bool:
        from jaxtui.app import trust
        from jaxtui.app.covered import covered

        session, opened = self._explorer.work.session, self._explorer.open_session
        try:
            text = save(session, path)
        except OSError as error:
            self._app.say(f"cannot write {path}: {error.strerror}")
            return False
        accepted = self.still_accepted()
        beside = covered(session, launch.folder_of(path)) if accepted else None
        if beside is not None and self._watched is not None and not self._watched.accepts(beside):
            # In its new folder it runs other files, which nobody has accepted.
            opened.distrust(_named(list(beside.files)))
            beside = None
        self._note_recent(path)
        self.taken_over(session, path, text)
        self.watch(session, beside)
        self.follow()
        if beside is not None:
            trust.sign(text, beside, path)
        self._explorer.moved_to(self.folder)
        self._say_saved(f"saved {path}{unreadable(text)}")
        return True

    def _say_saved(self, words: str) -> None:
        """Say that all is saved, or what is typed that no session can hold yet."""
        if unread := self._app.unread:
            words = f"saved, but for what is typed in {', '.join(unread)}: it cannot be read yet"
        self._app.say(words)

    # ------------------------------------------------------------------------------- changes

    def unless_changed(self, go_on: Callable[[], object]) -> None:
        """Call `go_on` now, or once the user has saved or discarded unsaved changes."""
        unread = self._app.unread
        if not self.changed and not unread:
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
        words = ["The session has changes that are in no file."] if self.changed else []
        if unread:
            words.append(f"What is typed in {', '.join(unread)} cannot be read yet, nor saved.")
        text = " ".join(words)
        self._question = ConfirmDialog("Not saved", text, choices)
        self._app.push_screen(self._question, answered)


def _named(paths: list[str]) -> str:
    """The names of files, as the subject of a sentence."""
    more = len(paths) - 1
    return os.path.basename(paths[0]) + (f" (and {more} more)" if more else "")


def _elsewhere(session: Session) -> str:
    """The reference to the session's function, "" for one that its source defines."""
    function = session.program.function.strip()
    return function if ":" in function else ""
