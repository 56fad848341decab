"""Changes of one expression in the program's source: found from a traceback, written back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
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
        return changed(self.source, [(old, new)])

    def value(self, node: ast.expr) -> Any:
        """What a name was bound to; None for any other expression."""
        return self.names.get(node.id) if isinstance(node, ast.Name) else None


def changed(source: str, edits: Sequence[tuple[ast.expr | ast.stmt, str]]) -> str:
    """`source` with each new text in place of its expression or statement; none holds another."""
    for old, new in sorted(edits, key=lambda edit: (-edit[0].lineno, -edit[0].col_offset)):
        lines = [line.encode() for line in source.splitlines(keepends=True)]
        assert old.end_lineno is not None
        assert old.end_col_offset is not None
        first, last = old.lineno - 1, old.end_lineno - 1
        before = b"".join(lines[:first]) + lines[first][: old.col_offset]
        after = lines[last][old.end_col_offset :] + b"".join(lines[last + 1 :])
        source = (before + new.encode() + after).decode()
    return source


def part_at(node: ast.expr, path: str) -> tuple[ast.expr, str]:
    """The part of a tuple, list or dict that is written out, at `path` as of keystr.

    Returns it with what is left of the path, where it is not written out any further.
    """
    while match := re.match(r"\[(.*?)\]", path):
        key = match[1]
        if isinstance(node, ast.Tuple | ast.List) and key.isdigit() and int(key) < len(node.elts):
            inner = node.elts[int(key)]
        elif isinstance(node, ast.Dict):
            named = zip(node.keys, node.values, strict=True)
            found = [v for k, v in named if isinstance(k, ast.Constant) and repr(k.value) == key]
            if not found:
                break
            inner = found[0]
        else:
            break
        if isinstance(inner, ast.Starred):
            break
        node, path = inner, path[match.end() :]
    return node, path


def returned(source: str, name: str) -> list[ast.expr]:
    """The expressions that the function `name` of the source returns; [] where that is not seen."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    for node in reversed(body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            returns = [x.value for x in _own(node) if isinstance(x, ast.Return)]
            return [x for x in returns if x is not None] if None not in returns else []
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            targets = [t.id for t in node.targets if isinstance(t, ast.Name)]
            if name in targets:
                return [node.value.body]
    return []


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a function, without those of functions within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
        ):
            yield child
            yield from _own(child)


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
