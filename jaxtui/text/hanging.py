"""Folds lines that are too long for their room, so that what stands in columns stays in them."""

from __future__ import annotations

import re
import textwrap

_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
DEEPER = 4  # cells by which the rest of a line without columns is indented


def hanging(text: str, width: int) -> str:
    """Fold the lines of `text` that have more than `width` characters.

    The rest of a line stands below its last column, which two blanks or more set apart, unless less
    than a third of the room is left there; else it is indented.
    """
    return "\n".join(part for line in text.split("\n") for part in _folded(line, width))


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width or not line.strip():
        return [line]
    columns = [gap.end() for gap in _GAP.finditer(line) if gap.end() <= width * 2 // 3]
    own = len(line) - len(line.lstrip())
    indent = max(columns) if columns else own + DEEPER
    if indent > width * 2 // 3:
        indent = 0
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_on_hyphens=False,
    )
