"""The program as plain lines, in the places where the Map screen has it: what a first frame shows.

Plain data without Textual: of it the first frame is drawn before Textual is imported, and the start
screen's after.
"""

from __future__ import annotations

from jaxtui.screen.widths import NARROW
from jaxtui.session.session import Program

Part = tuple[str, str]
"""A text and its style: words such as `bold`, and tokens such as `$text-muted`."""
Line = list[Part]

LEFT_SHARE, LEFT_LEAST = 0.44, 48  # of the columns, as in jaxtui.tcss
# As on the Map screen: what its column has beside the editor, less the lines around the screen.
COLUMN_LINES, EDITOR_LEAST, EDITOR_REST, NARROW_EDITOR = 13, 9, 5, 5
SHAPES_LINES = 9
NAMES = (5, 14)  # least and most cells for an argument's name, as in the argument table


def columns(
    program: Program, width: int, height: int, title: str = "Function"
) -> list[tuple[int, list[Line]]]:
    """Each column's width in cells and its `height` lines, which may be longer or shorter.

    `title` is that of the function.
    """
    if width < NARROW:
        lines = [_title("Shapes", width), *_blank(SHAPES_LINES - 1)]
        lines += _compose_side(program, width, height - SHAPES_LINES, title, narrow=True)
        return [(width, [*lines, *_blank(height)][:height])]
    left = max(LEFT_LEAST, int(width * LEFT_SHARE))
    right = [_title("Shapes", width - left), *_blank(SHAPES_LINES - 1)]
    right += [_title("Results", width - left), *_blank(height)]
    side = _compose_side(program, left - 1, height, title)
    return [(left - 1, side), (1, _blank(height)), (width - left, right[:height])]


def function_lines(program: Program, width: int, height: int) -> int:
    """The lines of the function with its title."""
    if width < NARROW:
        return NARROW_EDITOR
    return max(EDITOR_LEAST, height - COLUMN_LINES - len(program.arguments) - len(program.layers))


def source_lines(program: Program) -> list[str]:
    """The lines of the function's text."""
    return program.source.split("\n") if program.source else []


def _compose_side(
    program: Program, width: int, height: int, title: str, *, narrow: bool = False
) -> list[Line]:
    function = function_lines(program, 0 if narrow else NARROW, height)
    lines: list[Line] = [_title(title, width), [(f" {program.function_name}", "bold")]]
    lines += [
        [(f" {number}  ", "$text-muted"), (line, "")]
        for number, line in enumerate(source_lines(program), 1)
    ]
    lines = [*lines, *_blank(function)][:function]
    lines += [_title("Arguments", width), [("  ", "$text-muted")]]
    names = min(NAMES[1], max([NAMES[0], *(len(a.name) for a in program.arguments)]))
    lines += [[(f" {a.name:{names}} {a.value}", "")] for a in program.arguments]
    return [*lines, *_blank(height)][: max(0, height)]


def _blank(count: int) -> list[Line]:
    return [[] for _ in range(max(0, count))]


def _title(title: str, width: int) -> Line:
    rule = "─" * max(0, width - len(title) - 1)
    return [("─", "$foreground 25%"), (title, "$text-muted"), (rule, "$foreground 25%")]
