"""What a library writes to descriptor 1 that is nobody's print, taken out of what is.

The one by which CPU devices of several processes speak tells of every connection, from several
threads at once and a word at a time, so that its lines come in each other's midst.
"""

from __future__ import annotations

import re

# "[Gloo] Rank 1 is connected to 7 peer ranks. Expected number of connected peer ranks is : 7"
_WORDS = ("[Gloo]", "Rank", "connected", "peer", "ranks", "Expected", "number", "is", "to", "of")
_OF_CHATTER = re.compile(rf"(?:{'|'.join(map(re.escape, _WORDS))}|[\d\s.:])*")
_TELLING = re.compile("|".join(map(re.escape, _WORDS[:5])))


class WithoutChatter:
    """Takes a stream of text in pieces and gives it back without the library's lines."""

    def __init__(self) -> None:
        self._begun = ""  # of a line that may turn out to be the library's
        self._before = False  # whether the line before was
        self._within = False  # whether a part of this line has been passed on

    def feed(self, text: str) -> str:
        """What of `text`, and of what was held back, is to be passed on now."""
        passed = ""
        *lines, last = (self._begun + text).split("\n")
        for line in lines:
            if self._within or not self._is_chatter(line):
                passed += line + "\n"
            self._within = False
        self._begun = last if not self._within and self._may_be_chatter(last) else ""
        if self._begun:
            return passed
        self._within = self._within or bool(last)
        return passed + last

    def _is_chatter(self, line: str) -> bool:
        found = _OF_CHATTER.fullmatch(line) is not None
        # A number or an end of line alone may have been left over by the lines before.
        self._before = found and (self._before or _TELLING.search(line) is not None)
        return self._before

    def _may_be_chatter(self, begun: str) -> bool:
        known = _OF_CHATTER.match(begun)
        rest = begun[known.end() :] if known else begun
        if rest:
            return any(word.startswith(rest) for word in _WORDS)
        return self._before or _TELLING.search(begun) is not None
