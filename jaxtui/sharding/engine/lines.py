"""The variable to which the value of an equation is bound, in the user's code that made it."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterable

from jaxtui.engine_base.failures import SOURCE_NAME
from jaxtui.program.engine.places import Place, is_users, place_of, position, text_of

__all__ = ["Place", "is_users", "place_of", "text_of", "variables"]

Range = tuple[int | None, ...]


def variables(place: Place) -> tuple[str, ...]:
    """The variables to which the value of the expression at `place` is bound: one, several that it
    is unpacked to, or none."""
    return _bound(place.file or SOURCE_NAME).get(position(place.code, place.offset), ())


def _bound(file: str) -> dict[Range, tuple[str, ...]]:
    return _bound_in("".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=16)
def _bound_in(text: str) -> dict[Range, tuple[str, ...]]:
    """The names that each expression of a source is assigned to, by the expression's range."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[Range, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            found.update(_pairs(node.targets[0], node.value))
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            found.update(_pairs(node.target, node.value))
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            # The instruction of `h += x` has the range of the whole statement.
            found[_range(node)] = (node.target.id,)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterable[tuple[Range, tuple[str, ...]]]:
    if isinstance(target, ast.Name):
        yield _range(value), (target.id,)
    elif isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            for inner_target, inner_value in zip(target.elts, value.elts, strict=True):
                yield from _pairs(inner_target, inner_value)
        elif all(isinstance(element, ast.Name) for element in target.elts):
            yield _range(value), tuple(e.id for e in target.elts if isinstance(e, ast.Name))


def _range(node: ast.expr | ast.stmt) -> Range:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
