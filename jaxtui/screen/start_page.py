"""What there is to do first, in the free half of the editor until something is changed."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from jaxtui.screen.command_table import COMMANDS
from jaxtui.screen.commands import shown_key

KEY_CELLS = 7  # for the name of a key, and the gap behind it
LEFT_CELLS = 25  # for a key and its words in the left of the two columns
# The actions of the two columns, and their words.
_ROWS = (
    (("screen.write", "write your own"), ("app.new_session", "start empty")),
    (("screen.pick_function", "another function"), ("app.show_screen('learn')", "lessons")),
    (
        ("app.show_screen('benchmark')", "time vmap, pmap"),
        ("app.show_screen('collectives')", "collectives"),
    ),
    (("app.command_palette", "find anything"), ("app.help", "all keys")),
)


def key_of(action: str) -> str:
    """The key of an action outside of fields."""
    return next((shown_key(c, typing=False) for c in COMMANDS if c.action == action), "")


class StartPage(Widget):
    """Says what runs, and the keys that lead on."""

    DEFAULT_CSS = """
    StartPage { dock: bottom; height: 6; display: none; padding: 0 0 1 1; text-wrap: nowrap; }
    StartPage.-shown { display: block; }
    """

    def render(self) -> Content:
        return Content("\n").join(page())


def page() -> list[Content]:
    """The lines of the page."""
    lines = [Content.styled("An example, which runs already. From here:", "$text-muted")]
    for row in _ROWS:
        left, right = (
            Content.assemble((f"{key_of(action):{KEY_CELLS}}", "bold $focus"), words)
            for action, words in row
        )
        lines.append(Content.assemble(left.pad_right(LEFT_CELLS - len(left)), right))
    return lines


def line() -> str:
    """The first ways on in one short line, where there is no room for the page."""
    return f"{key_of('screen.write')}: write your own, {key_of('app.new_session')}: start empty"
