"""Gloo's lines are removed from what is printed, and nothing else is."""

from __future__ import annotations

import random

from jaxtui.engine_base.chatter import WithoutChatter

LINE = (
    "[Gloo] Rank 1 is connected to 7 peer ranks. Expected number of connected peer ranks is : 7\n"
)


def fed(pieces: list[str]) -> str:
    without = WithoutChatter()
    return "".join(map(without.feed, pieces))


def test_whole_lines_and_those_that_come_in_pieces_are_left_out() -> None:
    assert fed([LINE * 3]) == ""
    assert fed(list(LINE)) == ""
    assert fed([LINE[:20], LINE[20:] + "hello\n", LINE, "you"]) == "hello\nyou"


def test_lines_in_each_others_midst_are_left_out() -> None:
    chooser = random.Random(1)
    for _ in range(100):
        words = [LINE.replace("1", str(rank)).split(" ") for rank in range(3)]
        mixed = []
        while any(words):
            line = chooser.choice([line for line in words if line])
            mixed.append(line.pop(0) + (" " if line else ""))
        assert fed(mixed).strip("\n 0123456789:") == ""


def test_everything_else_is_passed_on_at_once() -> None:
    for text in ("hello", "3.5\n", "\n\n", "[1, 2]\n", "no newline ", "of course\n", "x\ny"):
        assert fed([text]) == text
        assert fed(list(text)) == text
