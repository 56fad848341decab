"""Changes of one expression in the program's source: found from a traceback, written back."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from jaxtui.engine_base.failures import SOURCE_NAME


@dataclass(frozen=True)
class Place:
    """The expression of the source that was evaluated in `names` when an exception was raised."""

    source: str
    node: ast.expr
    names: dict[str, Any]

    def text(self, node: ast.expr) -> str:
        """The text of an expression of the source."""
        return ast.get_source_segment(self.source, node) or ""

    def changed(self, old: ast.expr, new: str) -> str:
        """The source with `new` in place of the expression `old`."""
        lines = [line.encode() for line in self.source.splitlines(keepends=True)]
        assert old.end_lineno is not None
        assert old.end_col_offset is not None
        first, last = old.lineno - 1, old.end_lineno - 1
        before = b"".join(lines[:first]) + lines[first][: old.col_offset]
        after = lines[last][old.end_col_offset :] + b"".join(lines[last + 1 :])
        return (before + new.encode() + after).decode()

    def value(self, node: ast.expr) -> Any:
        """What a name was bound to; None for any other expression."""
        return self.names.get(node.id) if isinstance(node, ast.Name) else None


def place_of(error: BaseException, source: str) -> Place | None:
    """The innermost expression of `source` in the exception's traceback; None if there is none."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SOURCE_NAME:
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    positions = list(found.tb_frame.f_code.co_positions())
    place = positions[found.tb_lasti // 2] if 0 <= found.tb_lasti // 2 < len(positions) else None
    try:
        nodes = ast.walk(ast.parse(source))
    except (SyntaxError, ValueError):
        return None
    for node in nodes:
        if isinstance(node, ast.expr) and _position(node) == place:
            return Place(source, node, {**found.tb_frame.f_globals, **found.tb_frame.f_locals})
    return None


def _position(node: ast.expr) -> tuple[int | None, ...]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
