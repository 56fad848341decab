"""Makes untrusted text safe to show in a terminal.

What comes from a file, an engine, user code or the environment is shown and never obeyed: every
character that a terminal acts on, or that hides or reorders others, stands as a sign of one cell.
"""

from __future__ import annotations

import re
import unicodedata

# C0, DEL, C1; what Unicode calls format characters (bidirectional ones, zero-width ones, tags) and
# those that fonts leave out though they count as letters or marks; separators of lines; halves of
# a pair. Combining accents and variation selectors stay: they are part of legitimate text.
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff"
    r"\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ANY_HIDDEN = re.compile(f"[{_HIDDEN}]")
_IN_LINES = re.compile(rf"(?![\n\t])[{_HIDDEN}]")
_OTHER = "\N{REPLACEMENT CHARACTER}"  # the sign of what has no picture of its own


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of control characters
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else _OTHER


def visible(text: str) -> str:
    """`text` with a sign of one cell for each character that a terminal would act on or hide."""
    if text.isascii() and text.isprintable():
        return text
    return _ANY_HIDDEN.sub(_sign, text)


def visible_lines(text: str, *, ascii: bool = False) -> str:
    r"""The same for a text of several lines, whose "\n" and "\t" stay, and "\r\n" is "\n".

    In ASCII every sign is "?".
    """
    return _IN_LINES.sub("?" if ascii else _sign, text.replace("\r\n", "\n"))


def json_escaped(text: str) -> str:
    r"""JSON with "\uXXXX" for what a terminal would act on or hide; it says the same as before."""

    def code(found: re.Match[str]) -> str:
        units = found[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))

    return _IN_LINES.sub(code, text)


def clean(text: str) -> str:
    """`text` as one line that moves no cursor: control characters and runs of space are a space."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    shown = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
        for character in text
    )
    return " ".join(shown.split())


def escaped(text: str) -> str:
    """`text` with what would break its line or move a cursor written as an escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
