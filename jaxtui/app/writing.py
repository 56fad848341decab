"""Writing to a file: the program as a script or notebook, and a picture of the screen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jaxtui.screen.path_dialog import PathDialog, write_new
from jaxtui.session.export import ExportError, script
from jaxtui.wire import launch

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.session.session import Session

SCRIPT, NOTEBOOK = ".py", ".ipynb"


def export(app: ShellApp, kind: str = SCRIPT) -> None:
    """Ask for a file, and write the session's program to it as plain JAX.

    `kind` is the ending of the file's name, which may be given another: what is written goes by it.
    """
    opened = app.workbench.open_session
    session, folder = opened.session, opened.folder
    try:
        script(session, folder)
    except ExportError as error:
        app.say(error.message)
        return

    def chosen(path: str | None) -> None:
        if path is not None:
            place = path if path.endswith((SCRIPT, NOTEBOOK)) else path + kind
            app.say(write_new(place, exported(session, folder, place)))

    what = "notebook" if kind == NOTEBOOK else "script"
    name = f"{session.program.function_name or 'program'}{kind}"
    dialog = PathDialog(f"Write the program as a {what} to", name, must_exist=False)
    app.push_screen(dialog, chosen)


def exported(session: Session, folder: str, place: str) -> str:
    """The program of a session in `folder` as the text of the file `place`, which runs there."""
    to = launch.folder_of(place)
    if os.path.splitext(place)[1] != NOTEBOOK:
        return script(session, folder, to)
    from jaxtui.session.notebook import notebook, session_cells

    return notebook(session_cells(session, folder, to))


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
