"""What Python says about a text that it cannot read."""

from __future__ import annotations

import re


def words_of(error: SyntaxError) -> str:
    """Python's words, without the place, which a Diagnosis has too."""
    text = re.sub(r" \(detected at line \d+\)$", "", error.msg)
    return text[:1].lower() + text[1:]


def fault_of(error: Exception) -> str:
    """Why Python could not read a text, with the place in it as far as Python knows one."""
    if not isinstance(error, SyntaxError):
        return str(error)
    line, column = error.lineno or 1, max(error.offset or 1, 1)
    return f"{words_of(error)} ({f'line {line}' if line > 1 else f'column {column}'})"
