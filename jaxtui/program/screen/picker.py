"""Choosing the function: an example, one from a module or a file, or one written here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jaxtui import lessons
from jaxtui.screen.dialogs import ChoiceDialog

if TYPE_CHECKING:
    from jaxtui.app.app import JaxtuiApp
    from jaxtui.program.screen.function_editor import FunctionEditor

FRESH = "def function(x):\n    return x\n"
IMPORT, WRITE = " import", " write"


def pick_function(app: JaxtuiApp, editor: FunctionEditor) -> None:
    """Ask where the function comes from, and take it from there."""
    choices = [
        (WRITE, "write it here"),
        (IMPORT, "from a module or file …"),
        *((name, f"example: {lessons.load(name).title}") for name in lessons.NAMES),
    ]

    def chosen(name: str | None) -> None:
        if name == IMPORT:
            editor.ask_reference()
        elif name == WRITE:
            _write_here(app)
            editor.area.focus()
        elif name is not None:
            app.explorer.files.unless_changed(lambda: open_lesson(app, name))

    app.push_screen(ChoiceDialog("Where is the function?", choices), chosen)


def open_lesson(app: JaxtuiApp, name: str) -> None:
    """Take a lesson as the session."""
    app.explorer.open(lessons.load(name))


def _write_here(app: JaxtuiApp) -> None:
    program = app.explorer.work.session.program
    source = program.source if program.source.strip() else FRESH
    app.explorer.edit("program", msgspec.structs.replace(program, function="", source=source))
