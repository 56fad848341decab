"""`in_axes` and `in_specs` text taken apart into one cell for each argument, and put back together.

Everything here works on text: what cannot be taken apart with certainty stays as it was typed.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """`texts` has one entry for each argument; `surplus` are entries beyond the last argument.

    An empty text is an entry that is not given. `shared` says that one entry stands for all.
    """

    texts: tuple[str, ...]
    surplus: tuple[str, ...] = ()
    shared: bool = False


def split(text: str, count: int, entry: str = "0") -> Cells | None:
    """The cells of `text` for `count` arguments, None when `text` cannot be taken apart.

    `entry` is what JAX takes an entry that is not given for: "0" in `in_axes`, "P()" in `in_specs`.
    """
    source = text.strip()
    if not source:
        return Cells(("",) * count, shared=True)
    try:
        node = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if isinstance(node, ast.Tuple | ast.List):
        return _elements(source, node, count)
    if _stands_for_all(node, entry):
        return Cells((source,) * count, shared=True)
    return None


def replaced(cells: Cells, index: int, text: str, entry: str = "0") -> tuple[str, Cells]:
    """The text, and its cells as they were typed, once cell `index` says `text`.

    Cells that are empty are written as the `entry` that JAX takes them for. The cells are returned
    because a half-typed cell may not come back out of the text.
    """
    texts = tuple(text if at == index else cell for at, cell in enumerate(cells.texts))
    if not any(cell.strip() for cell in texts) and not cells.surplus:
        return "", Cells(texts)
    parts = [cell.strip() or entry for cell in (*texts, *cells.surplus)]
    inner = f"{parts[0]}," if len(parts) == 1 else ", ".join(parts)
    return f"({inner})", Cells(texts, cells.surplus)


def _elements(source: str, node: ast.Tuple | ast.List, count: int) -> Cells | None:
    """A cell for each element; entries that are missing at the end are empty."""
    if any(isinstance(element, ast.Starred) for element in node.elts):
        return None
    parts = [ast.get_source_segment(source, element) for element in node.elts]
    if any(part is None for part in parts):
        return None
    known = [part or "" for part in parts]
    known += [""] * (count - len(known))
    return Cells(tuple(known[:count]), tuple(known[count:]))


def _stands_for_all(node: ast.expr, entry: str) -> bool:
    """Whether JAX takes the expression as one entry for every argument."""
    if entry.endswith(")"):  # a spec is a call
        return isinstance(node, ast.Call | ast.Constant)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        node = node.operand
    return isinstance(node, ast.Constant) and (node.value is None or type(node.value) is int)
