"""Choosing the function: another one of its source or file, one written here, or an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from jaxtui import lessons
from jaxtui.screen.dialogs import ChoiceDialog
from jaxtui.session.field_path import FUNCTION, PROGRAM
from jaxtui.session.references import reference_of

if TYPE_CHECKING:
    from jaxtui.program.screen.function_editor import FunctionEditor
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.base import WorkScreen
    from jaxtui.screen.shell import Workbench

FRESH = "def function(x):\n    return x\n"
IMPORT, WRITE, OTHER, AGAINST = " import", " write", " other ", " against "


def pick_function(
    screen: WorkScreen[ProgramWork], editor: FunctionEditor, compare: Callable[[str], None]
) -> None:
    """Ask where the function comes from, and take it from there, or `compare` it with another."""
    explorer = screen.explorer
    others = explorer.work.choices
    choices = [
        *((f"{OTHER}{choice}", _label(choice)) for choice in others),
        *((f"{AGAINST}{choice}", f"compare with {_label(choice)}") for choice in others),
        (WRITE, "write it here"),
        (IMPORT, "from a module or file …"),
        *((name, f"example: {lessons.load(name).title}") for name in lessons.NAMES),
    ]

    def chosen(name: str | None) -> None:
        if name == IMPORT:
            editor.ask_reference()
        elif name == WRITE:
            write_here(explorer)
            editor.area.focus()
        elif name is not None and name.startswith(OTHER):
            explorer.edit(FUNCTION, name.removeprefix(OTHER))
        elif name is not None and name.startswith(AGAINST):
            compare(name.removeprefix(AGAINST))
        elif name is not None:
            explorer.files.unless_changed(lambda: explorer.open(lessons.load(name)))

    screen.app.push_screen(ChoiceDialog("Where is the function?", choices), chosen)


def _label(choice: str) -> str:
    reference = reference_of(choice)
    return f"{choice} of this source" if reference is None else " of ".join(reversed(reference))


def write_here(explorer: Workbench[ProgramWork]) -> None:
    """Take the function from the source instead of from elsewhere."""
    program = explorer.work.session.program
    if not program.function and program.source.strip():
        return
    source = program.source if program.source.strip() else FRESH
    explorer.edit(PROGRAM, msgspec.structs.replace(program, function="", source=source))
