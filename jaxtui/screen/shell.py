"""What a screen may ask of the app around it, and of the session that it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from jaxtui.lessons.progress import Progress
    from jaxtui.screen.open_session import OpenSession
    from jaxtui.session.diagnosis import Diagnosis, Fix
    from jaxtui.session.field_path import FieldPath
    from jaxtui.session.session import Session
    from jaxtui.wire.report import Environment

W_co = TypeVar("W_co", bound="ShownWork", covariant=True)


class ShownWork(Protocol):
    """The state of the work that every screen shows."""

    @property
    def session(self) -> Session: ...

    @property
    def environment(self) -> Environment | None:
        """What the engine runs on, None before it has reported it."""

    @property
    def phase(self) -> str:
        """ "starting", "ready" or "gone"."""

    @property
    def diagnosis(self) -> Diagnosis | None: ...

    def status(self, now: float) -> str: ...


class SessionFile(Protocol):
    """The file behind the session."""

    def may_run(self) -> bool:
        """Whether the session's code may run; if not, the user is asked."""

    def changed_in(self, part: str) -> bool:
        """Whether a part of the session differs from the file."""

    def unless_changed(self, go_on: Callable[[], object]) -> None:
        """Call `go_on` now, or once the user has saved or discarded unsaved changes."""


class Workbench(Protocol[W_co]):
    """The session that is worked on: shown, edited and run."""

    @property
    def work(self) -> W_co: ...

    @property
    def open_session(self) -> OpenSession: ...

    @property
    def files(self) -> SessionFile: ...

    @property
    def now(self) -> Callable[[], float]:
        """A monotonic clock, in seconds."""

    def edit(self, field: FieldPath, value: Any, *, typed: bool = False) -> None:
        """Put `value` into a field; `typed` marks it as one keystroke of several."""

    def fix(self, fix: Fix) -> None: ...

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None: ...

    def run(self) -> None: ...

    def restart(self) -> None: ...

    def describe(self) -> None: ...

    def reread(self) -> None:
        """Make anew what depends on files."""

    def show_work(self) -> None: ...


class Shell(Protocol[W_co]):
    """The app around a screen."""

    @property
    def explorer(self) -> Workbench[W_co]: ...

    @property
    def ascii(self) -> bool:
        """Whether the screen is painted in ASCII only."""

    @property
    def greets(self) -> bool:
        """Whether the session is the explorer's own first one, shown with the ways to begin."""

    def say(self, text: str) -> None: ...

    def copy(self, text: str) -> None: ...

    def show_screen(self, name: str) -> None:
        """Switch to the screen of that name in `jaxtui.screen.screens`."""

    def show_session(self) -> None: ...

    @property
    def progress(self) -> Progress:
        """What was done of the lessons."""

    def open_lesson(self, name: str) -> None:
        """Open a lesson or an exercise."""

    def turn_lesson(self) -> None:
        """Show or hide the text of the lesson that is open."""
