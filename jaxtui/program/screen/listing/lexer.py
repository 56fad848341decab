"""The words of a line in the languages that programs are shown in, by what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from jaxtui.screen.cells import Segment

Language = Literal["jaxpr", "stablehlo", "hlo", "python"]

_STRING = r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_NUMBER = r"(?P<number>(?<![\w.%])-?\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?\b)"
_ARRAY = r"(?P<type>\b(?:bool|pred|token|key<\w+>|[a-z]+\d+\w*)\[[^\]\s]*\](?:\{[^}]*\})?)"
_KEYWORDS = """False None True and as assert async await break class continue def del elif else
except finally for from global if import in is lambda nonlocal not or pass raise return try while
with yield"""

# Each group is a kind of word: its name is that of a style.
_WORDS: dict[Language, re.Pattern[str]] = {
    "jaxpr": re.compile(
        rf"(?P<keyword>\b(?:lambda|let|in)\b)|{_ARRAY}|(?P<op>(?<== )[a-z_][\w-]*(?=[\[ ]|$))"
        rf"|(?P<key>\b\w+(?==))|{_STRING}|{_NUMBER}"
    ),
    "stablehlo": re.compile(
        r"(?P<op>\"?\b(?:stablehlo|chlo|sdy|func|mhlo)\.\w+\"?|\b(?:call|return)\b)"
        r"|(?P<type>\btensor<(?:[^<>]|<[^<>]*>)*>)|(?P<name>[%@][\w#:]+)"
        rf"|(?P<keyword>\b(?:module|public|private|attributes|cond|do)\b|\^bb\d+)"
        rf"|(?P<key>\b[\w.]+(?= = ))|{_STRING}|{_NUMBER}"
    ),
    "hlo": re.compile(
        rf"(?P<keyword>^HloModule\b|\b(?:ENTRY|ROOT)\b)|{_ARRAY}"
        r"|(?P<op>(?<=[\])}] )[a-z][a-z0-9-]*(?=\())|(?P<name>%[\w.-]+)"
        rf"|(?P<key>\b\w+(?==))|{_STRING}|{_NUMBER}"
    ),
    "python": re.compile(
        rf"(?P<comment>\#.*)|(?P<text>\"\"\".*?\"\"\"|'''.*?''')|{_STRING}"
        rf"|(?P<name>(?<=\bdef )\w+|(?<=\bclass )\w+)|(?P<op>^\s*@[\w.]+)"
        rf"|(?P<keyword>\b(?:{'|'.join(_KEYWORDS.split())})\b)|{_NUMBER}"
    ),
}
_LONG = re.compile(r"\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*")


def words(text: str, language: Language, *, spoken: bool = False) -> Iterator[Segment]:
    """The text of a line in segments with styles; with `spoken`, operations are collectives."""
    at = 0
    for found in _WORDS[language].finditer(text):
        if found.start() > at:
            yield Segment(text[at : found.start()])
        kind = found.lastgroup or ""
        yield Segment(found[0], "collective" if spoken and kind == "op" else kind)
        at = found.end()
    if at < len(text):
        yield Segment(text[at:])


def in_strings(text: str) -> frozenset[int]:
    """The lines of a Python text, from 0, that are as a whole inside a string of several lines."""
    inside: set[int] = set()
    at = 0
    while (found := _LONG.search(text, at)) is not None:
        at = found.end()
        if found[0] in ('"""', "'''"):
            end = text.find(found[0], at)
            at = len(text) if end < 0 else end + 3
            first = text.count("\n", 0, found.start())
            last = first + text.count("\n", found.start(), at)
            if last > first:
                inside.update(range(first, last + 1))
    return frozenset(inside)
