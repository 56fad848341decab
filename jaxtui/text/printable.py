"""Makes untrusted text safe to show in a terminal."""

from __future__ import annotations

import unicodedata


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
