"""A diagnosis in words."""

from __future__ import annotations

import re

from jaxtui.session.diagnosis import Diagnosis


def place(diagnosis: Diagnosis) -> str:
    """`line 2, column 5: `, or what of it the message does not say itself."""
    line, column = diagnosis.line, diagnosis.column
    if not isinstance(line, int) or _says(diagnosis.message, f"line {line}"):
        return ""
    if not isinstance(column, int):
        return f"line {line}: "
    if _says(diagnosis.message, f"column {column}"):
        # A text of one line has its place told whole by the column.
        return f"line {line}: " if line > 1 else ""
    return f"line {line}, column {column}: "


def _says(message: str, words: str) -> bool:
    return re.search(rf"\b{words}\b", message) is not None
