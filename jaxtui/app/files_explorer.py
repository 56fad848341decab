"""What the parts that open and keep sessions ask of the explorer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from jaxtui.session.session import Session

if TYPE_CHECKING:
    from jaxtui.app.covered import Covered
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.open_session import OpenSession


class FilesExplorer(Protocol):
    """The explorer whose session the file holds."""

    @property
    def app(self) -> ShellApp: ...

    @property
    def work(self) -> ProgramWork: ...

    @property
    def open_session(self) -> OpenSession: ...

    @property
    def now(self) -> Callable[[], float]: ...

    def show_work(self) -> None: ...

    def open(
        self,
        session: Session,
        *,
        path: str | None = None,
        trusted: bool = True,
        text: str | None = None,
        accepted: Covered | None = None,
        saved: Session | None = None,
    ) -> None: ...

    def moved_to(self, folder: str) -> None: ...

    def restart(self) -> None: ...
