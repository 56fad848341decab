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

from jaxtui.screen.base import NARROW, WorkScreen
from jaxtui.screen.command_table import Command
from jaxtui.screen.start_page import line, page
from jaxtui.session.session import Session

LEFT_SHARE, LEFT_LEAST = 0.44, 48  # of the columns, as in jaxtui.tcss
# As on the Map screen: what its column has beside the editor, less the lines around the screen.
COLUMN_LINES, EDITOR_LEAST, EDITOR_REST, NARROW_EDITOR = 13, 9, 5, 5
SHAPES_LINES = 9
NAMES = (5, 14)  # least and most cells for an argument's name, as in the argument table


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
        width, height = self.size
        if width < NARROW:
            lines = [self._title("Shapes", width), *[Content("")] * (SHAPES_LINES - 1)]
            lines += self._compose_side(width, height - SHAPES_LINES)
            return Content("\n").join(lines[:height])
        left = max(LEFT_LEAST, int(width * LEFT_SHARE))
        right = [self._title("Shapes", width - left), *[Content("")] * (SHAPES_LINES - 1)]
        right.append(self._title("Results", width - left))
        right += [Content("")] * height
        return Content("\n").join(
            Content.assemble(line.truncate(left, pad=True), other)
            for line, other in zip(self._compose_side(left - 1, height), right, strict=False)
        )

    def _compose_side(self, width: int, height: int) -> list[Content]:
        program, narrow = self._program, self.size.width < NARROW
        rest = COLUMN_LINES + len(program.arguments) + len(program.layers)
        function = NARROW_EDITOR if narrow else max(EDITOR_LEAST, height - rest)
        source = program.source.split("\n") if program.source else []
        greets = page() if self._greets else []
        roomy = not narrow and function - len(source) - 1 - EDITOR_REST >= len(greets) + 1
        lines = [
            self._title(f"Function · {line()}" if greets and not roomy else "Function", width),
            Content.styled(f" {program.function_name}", "bold"),
        ]
        lines += [
            Content.assemble((f" {number}  ", "$text-muted"), line)
            for number, line in enumerate(source, 1)
        ]
        lines = [*lines, *[Content("")] * function][:function]
        if greets and roomy:
            lines[-len(greets) - 1 : -1] = [Content.assemble(" ", text) for text in greets]
        lines += [self._title("Arguments", width), Content.styled("  ", "$text-muted")]
        names = min(NAMES[1], max([NAMES[0], *(len(a.name) for a in program.arguments)]))
        lines += [Content(f" {a.name:{names}} {a.value}") for a in program.arguments]
        lines += [Content("")] * height
        return [line.truncate(width, pad=True) for line in lines[:height]]

    def _title(self, title: str, width: int) -> Content:
        rule = "─" * max(0, width - len(title) - 1)
        return Content.assemble(
            ("─", "$foreground 25%"), (title, "$text-muted"), (rule, "$foreground 25%")
        )
