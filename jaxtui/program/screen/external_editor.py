"""Edits the function in the user's own editor while the explorer is suspended."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from jaxtui.session.field_path import SOURCE
from jaxtui.session.references import reference_of

if TYPE_CHECKING:
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.base import WorkScreen


def edit_function(screen: WorkScreen[ProgramWork]) -> None:
    """Edit the source, or the file that the function is imported from."""
    program = screen.explorer.work.session.program
    reference = reference_of(program.function)
    place = reference.place if reference is not None else ""
    if place.endswith(".py"):
        folder = screen.explorer.open_session.folder
        _run(screen, os.path.join(folder, os.path.expanduser(place)))
        screen.explorer.reread()
    elif program.function and place:
        screen.shell.say(f"{program.function} is imported; edit it where its module lies")
    else:
        _edit_text(screen, program.source)


def _edit_text(screen: WorkScreen[ProgramWork], source: str) -> None:
    with tempfile.TemporaryDirectory(prefix="jaxtui-") as folder:
        path = os.path.join(folder, "function.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        if not _run(screen, path):
            return
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            screen.shell.say(f"what the editor left cannot be read: {error}")
            return
    screen.explorer.edit(SOURCE, text)


def _run(screen: WorkScreen[ProgramWork], path: str) -> bool:
    """Run the editor on `path`; return whether it exited with status 0."""
    name, text = _wanted()
    try:
        command = shlex.split(text)
    except ValueError as error:
        screen.shell.say(f"${name} cannot be read: {error}: {text}")
        return False
    if not command or shutil.which(command[0]) is None:
        what = command[0] if command else "an editor"
        screen.shell.say(f"cannot start {what}: not found; set ${name}")
        return False
    try:
        status = _lend_terminal(screen, [*command, path])
    except SuspendNotSupported:
        screen.shell.say("this terminal cannot be lent to an editor")
        return False
    if isinstance(status, str):
        screen.shell.say(f"cannot start {command[0]}: {status}; set ${name}")
        return False
    if status:
        screen.shell.say(f"{command[0]} ended with status {status}; nothing was taken from it")
    return not status


def _wanted() -> tuple[str, str]:
    """Return the environment variable that names the editor, and its value."""
    if text := os.environ.get("VISUAL"):
        return "VISUAL", text
    return "EDITOR", os.environ.get("EDITOR") or "vi"


def _lend_terminal(screen: WorkScreen[ProgramWork], command: list[str]) -> int | str:
    """Run `command` in the terminal; return its exit status, or why it could not start.

    An exception that leaves `suspend` would keep the app from getting the terminal back.
    """
    with screen.app.suspend():
        try:
            return subprocess.run(command, check=False).returncode
        except (OSError, ValueError) as error:
            return str(getattr(error, "strerror", None) or error)
