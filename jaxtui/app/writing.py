"""Writing what is on view to a file: the program as a script, the screen as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.screen.base import WorkScreen
from jaxtui.screen.dialogs import PathDialog, ask_and_write, write_new
from jaxtui.session.export import ExportError, script
from jaxtui.wire import launch

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp


def export(app: ShellApp) -> None:
    """Ask for a file, and write the session's program to it as a plain Python script."""
    opened = app.workbench.open_session
    session, folder = opened.session, opened.folder
    screen = app.screen
    try:
        text = script(session, folder, launch.folder_of(""))
    except ExportError as error:
        app.say(error.message)
        return
    if isinstance(screen, WorkScreen):
        name = f"{session.program.function_name or 'program'}.py"
        ask_and_write(screen, text, "Write the program as a script to", name, "py")


def screenshot(app: ShellApp) -> None:
    """Ask for a file, and write a picture of the screen to it as SVG."""

    def chosen(path: str | None) -> None:
        if path is not None:
            app.call_after_refresh(written, path)  # without the dialog

    def written(path: str) -> None:
        place = path if path.endswith(".svg") else f"{path}.svg"
        app.say(write_new(place, app.export_screenshot(title="jaxtui")))

    name = f"jaxtui-{getattr(app.screen, 'NAME', '') or 'screen'}.svg"
    app.push_screen(PathDialog("Write a picture of the screen to", name, must_exist=False), chosen)
