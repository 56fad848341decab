"""The first frame: the program as plain text, in the places where the Map screen has it.

The widgets of the Map screen take longer to import than Textual itself. Until they are loaded, one
widget draws what they will show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget

from jaxtui.screen.base import WorkScreen
from jaxtui.screen.command_table import Command
from jaxtui.screen.first_lines import EDITOR_REST, columns, function_lines, source_lines
from jaxtui.screen.start_page import line, page
from jaxtui.screen.widths import NARROW
from jaxtui.session.session import Session


class StartScreen(WorkScreen[Any]):
    """Shows the first frame of the explorer, then lets the app go on."""

    NAME = "map"

    def __init__(self, session: Session, begin: Callable[[], None], *, greets: bool) -> None:
        """`begin` is called once this is painted; with `greets` the ways to begin are."""
        super().__init__()
        self._session, self._begin, self._greets = session, begin, greets

    def body(self) -> ComposeResult:
        yield FirstLook(self._session, greets=self._greets)

    def open(self) -> None:
        self.header_line.doing = "starting JAX"
        self.show_keys()
        self.call_after_refresh(self._begin)

    def offers(self, command: Command) -> bool:
        """Offer every command: no work exists yet that could rule one out."""
        return True


class FirstLook(Widget):
    """The function and its arguments as text, in one column or two."""

    DEFAULT_CSS = "FirstLook { height: 1fr; }"

    def __init__(self, session: Session, *, greets: bool) -> None:
        super().__init__()
        self._program, self._greets = session.program, greets

    def render(self) -> Content:
        program, (width, height) = self._program, self.size
        greets = page() if self._greets else []
        function = function_lines(program, width, height)
        free = function - len(source_lines(program)) - 1 - EDITOR_REST
        roomy = width >= NARROW and free >= len(greets) + 1
        title = f"Function · {line()}" if greets and not roomy else "Function"
        sides = [
            (cells, [Content.assemble(*parts) for parts in lines])
            for cells, lines in columns(program, width, height, title)
        ]
        if greets and roomy:
            side = sides[0][1]
            last = function - 1
            side[last - len(greets) : last] = [Content.assemble(" ", text) for text in greets]
        fitted = [[text.truncate(cells, pad=True) for text in lines] for cells, lines in sides]
        rows = zip(*fitted, strict=True)
        return Content("\n").join(Content.assemble(*row) for row in rows)
