"""What a screen may ask of the app around it, and of the session that it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from jaxtui.screen.open_session import OpenSession
    from jaxtui.session.diagnosis import Diagnosis, Fix
    from jaxtui.session.field_path import FieldPath
    from jaxtui.session.session import Session
    from jaxtui.wire.report import Environment

W_co = TypeVar("W_co", bound="ShownWork", covariant=True)


class ShownWork(Protocol):
    """The state of the work, as far as every screen shows it."""

    @property
    def session(self) -> Session:
        """What is composed."""

    @property
    def environment(self) -> Environment | None:
        """What the engine runs on, None before it has said so."""

    @property
    def phase(self) -> str:
        """ "starting", "ready" or "gone"."""

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with what is composed."""

    def status(self, now: float) -> str:
        """What the engine is doing, in words."""


class SessionFile(Protocol):
    """The file behind the session."""

    def ask_trust(self) -> None:
        """Ask whether what the file holds may run."""

    def changed_in(self, part: str) -> bool:
        """Whether a part of the session differs from the file."""

    def unless_changed(self, go_on: Callable[[], object]) -> None:
        """Go on, once the user has said what becomes of unsaved changes."""


class Workbench(Protocol[W_co]):
    """The session that is worked on: shown, edited and run."""

    @property
    def work(self) -> W_co:
        """The work on the program of the session."""

    @property
    def open_session(self) -> OpenSession:
        """The session that is open, with its folder and its engine's log."""

    @property
    def files(self) -> SessionFile:
        """The file behind the session."""

    @property
    def now(self) -> Callable[[], float]:
        """The clock: seconds that never go back."""

    def edit(self, field: FieldPath, value: Any, *, typed: bool = False) -> None:
        """Put `value` into a field; `typed` says that it is a keystroke of several."""

    def fix(self, fix: Fix) -> None:
        """Put what a fix offers into its field."""

    def open(self, session: Session, *, path: str | None = None, trusted: bool = True) -> None:
        """Put another session in the place of this one."""

    def run(self) -> None:
        """Run the program."""

    def restart(self) -> None:
        """End the engine and start a fresh one."""

    def describe(self) -> None:
        """Ask the engine for its devices as they are now."""

    def show_work(self) -> None:
        """Bring what is on screen up to date."""


class Shell(Protocol[W_co]):
    """The app around a screen."""

    @property
    def explorer(self) -> Workbench[W_co]:
        """The session that is worked on."""

    @property
    def ascii(self) -> bool:
        """Whether only ASCII may be painted."""

    def say(self, text: str) -> None:
        """Tell the user something, in the key line."""

    def copy(self, text: str) -> None:
        """Send `text` to the terminal's clipboard."""

    def show_screen(self, name: str) -> None:
        """Turn to the screen of that name in `jaxtui.screen.screens`."""

    def show_session(self) -> None:
        """Turn to the screen that the session is for."""
