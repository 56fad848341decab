"""Removes Gloo's log from what is written to descriptor 1.

Gloo, by which CPU devices of several processes communicate, reports every connection there. Several
threads write at once, a word at a time, so the words of its lines may be interleaved.
"""

from __future__ import annotations

import re

# "[Gloo] Rank 1 is connected to 7 peer ranks. Expected number of connected peer ranks is : 7"
_WORDS = ("[Gloo]", "Rank", "connected", "peer", "ranks", "Expected", "number", "is", "to", "of")
_CHATTER = re.compile(rf"(?:{'|'.join(map(re.escape, _WORDS))}|[\d\s.:])*")
_TYPICAL = re.compile("|".join(map(re.escape, _WORDS[:5])))


class WithoutChatter:
    """A filter that takes text in pieces and returns it without Gloo's lines."""

    def __init__(self) -> None:
        self._begun = ""  # held back: the beginning of a line that may be Gloo's
        self._before = False  # whether the previous line was Gloo's
        self._within = False  # whether the beginning of this line has been passed on

    def feed(self, text: str) -> str:
        """Add `text` and return what can be passed on now; the rest is held back."""
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
        found = _CHATTER.fullmatch(line) is not None
        # Interleaving may leave a line with only a number, or an empty one, after Gloo's lines.
        self._before = found and (self._before or _TYPICAL.search(line) is not None)
        return self._before

    def _may_be_chatter(self, begun: str) -> bool:
        known = _CHATTER.match(begun)
        rest = begun[known.end() :] if known else begun
        if rest:
            return any(word.startswith(rest) for word in _WORDS)
        return self._before or _TYPICAL.search(begun) is not None
