"""What Python says about a text that is not Python."""

from __future__ import annotations

import ast

from jaxtui.session.python_faults import fault_of

_TOO_MUCH = (ValueError, MemoryError, RecursionError)  # a null character, or too deep for Python


def unparsed(node: ast.AST) -> str:
    """The text of `node`, "…" for one that Python reads and is yet too deep for it to write."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "…"


def expression_fault(text: str) -> str:
    """Why `text` is not one expression, "" if it is one, or empty."""
    source = text.strip()
    if not source:
        return ""
    try:
        node = ast.parse(source, mode="eval").body
    except (SyntaxError, *_TOO_MUCH) as error:
        return fault_of(error)
    if isinstance(node, ast.Tuple) and not source.startswith("("):
        return f"this is several; a tuple is written ({source})"
    return ""
