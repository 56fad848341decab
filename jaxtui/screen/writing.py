"""Writing a text into a file that is not there yet, under a name that is asked for."""

from __future__ import annotations

from jaxtui.screen.base import WorkScreen
from jaxtui.screen.dialogs import PathDialog


def ask_and_write(
    screen: WorkScreen, text: str, title: str, name: str = "", kind: str = ""
) -> None:
    """Ask for a file, starting from `name`, write `text` into it, and say on `screen` how it went.

    With a `kind` the name gets that extension. No file that is there is written over.
    """

    def chosen(path: str | None) -> None:
        if path is None:
            return
        place = f"{path}.{kind}" if kind and not path.endswith(f".{kind}") else path
        try:
            with open(place, "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            screen.say(f"{place} is there already: choose another name")
        except OSError as error:
            screen.say(f"cannot write {place}: {error.strerror}")
        else:
            screen.say(f"written to {place}")

    screen.app.push_screen(PathDialog(title, name, must_exist=False), chosen)
