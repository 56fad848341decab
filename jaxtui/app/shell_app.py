"""What the explorer and its files need of the app that they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.screen.themes import ThemedApp

if TYPE_CHECKING:
    from jaxtui.app.recent import Recent
    from jaxtui.collectives.screen.screen import CollectivesScreen
    from jaxtui.program.screen.screen import MapScreen
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.shell import Workbench


class ShellApp(ThemedApp):
    """An app that hears that events wait, and can say something to the user."""

    recent: Recent | None = None
    """The files opened last, None where nothing is kept."""

    def announce(self) -> None:
        """Events of the engine wait. Any thread may call this."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Tell the user something."""
        raise NotImplementedError

    @property
    def workbench(self) -> Workbench[ProgramWork]:
        """The session that is worked on, once it is there."""
        raise NotImplementedError

    def show_screen(self, name: str) -> None:
        """Switch to the screen of that name."""
        raise NotImplementedError

    def show_session(self) -> None:
        """Switch to the screen that the session is for."""
        raise NotImplementedError

    @property
    def reads_lesson(self) -> bool:
        """Whether a lesson is open."""
        raise NotImplementedError

    def open_lesson(self, name: str) -> None:
        """Open a lesson or an exercise in place of what is composed."""
        raise NotImplementedError

    def open_file(self, path: str) -> None:
        """Open a session file in place of what is composed."""
        raise NotImplementedError

    @property
    def unread(self) -> list[str]:
        """The names of fields, on any screen, whose text is in no session."""
        raise NotImplementedError

    @property
    def map_screen(self) -> MapScreen:
        """The Map screen, which is there once it was shown."""
        raise NotImplementedError

    @property
    def collectives_screen(self) -> CollectivesScreen:
        """The Collectives screen, which is there once it was shown."""
        raise NotImplementedError
