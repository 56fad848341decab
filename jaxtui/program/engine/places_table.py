"""The lines of the user's code that a listing refers to, each of them once."""

from __future__ import annotations

from jaxtui.program.engine import places
from jaxtui.wire.listing import SourceLine

MOST_TEXT = 200  # characters of a line


class Places:
    """Collects lines; `lines` has them in the order in which they were first met."""

    def __init__(self) -> None:
        self.lines: list[SourceLine] = []
        self._known: dict[tuple[str, int], int] = {}

    def index(self, file: str, line: int) -> int:
        """The index in `lines` of a line of `file`, "" for the session's source."""
        found = self._known.get((file, line))
        if found is None:
            found = self._known[file, line] = len(self.lines)
            text = places.text_of(file, line).strip()[:MOST_TEXT]
            self.lines.append(SourceLine(file, line, text))
        return found
