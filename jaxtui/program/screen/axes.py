"""Splits the text of `in_axes` or `in_specs` into a cell per argument, and joins the cells again.

Text that cannot be split with certainty is left as it was typed.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """`texts` has an entry for each argument, "" if none is given; `surplus` has those beyond.

    `shared` says that a single entry applies to all arguments.
    """

    texts: tuple[str, ...]
    surplus: tuple[str, ...] = ()
    shared: bool = False


def split(text: str, count: int, entry: str = "0") -> Cells | None:
    """Split `text` into cells for `count` arguments; None if it cannot be split.

    `entry` is JAX's default for a missing entry: "0" in `in_axes`, "P()" in `in_specs`.
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


def replaced(
    cells: Cells, index: int, text: str, entry: str = "0", count: int | None = None
) -> tuple[str, Cells]:
    """Set cell `index` to `text`; return the joined text, and the cells as they were typed.

    Empty cells are written as `entry`, JAX's default. The cells are returned as well because a
    half-typed one may not be recoverable from the joined text. Only the first `count` cells are of
    arguments by position, all by default; others have no entry of their own.
    """
    texts = tuple(text if at == index else cell for at, cell in enumerate(cells.texts))
    if not any(cell.strip() for cell in texts) and not cells.surplus:
        return "", Cells(texts)
    own = texts[:count]
    beyond = () if cells.shared else tuple(cell for cell in texts[len(own) :] if cell.strip())
    parts = [cell.strip() or entry for cell in (*own, *beyond, *cells.surplus)]
    inner = f"{parts[0]}," if len(parts) == 1 else ", ".join(parts)
    kept = (*own, *(() if cells.shared else texts[len(own) :]))
    return f"({inner})", Cells(kept + ("",) * (len(texts) - len(kept)), cells.surplus)


def moved(text: str, count: int, sources: Sequence[int | str | None], entry: str = "0") -> str:
    """The `text` that had an entry for each of `count` arguments, after these became others.

    `sources` says for each argument there is now which one before it was, or the text of its
    entry; None for a new one. What has an entry for none or for all, or cannot be split, is left as
    it is.
    """
    cells = split(text, count, entry)
    if cells is None or not sources or list(sources) == [*range(count)]:
        return text
    if cells.shared:
        for_all = text.strip()
        if all(at in (for_all, None) or isinstance(at, int) for at in sources):
            return text
        texts = [at if isinstance(at, str) else for_all for at in sources]
    else:
        texts = [cells.texts[at] if isinstance(at, int) else at or "" for at in sources]
    while texts and not texts[-1] and not cells.surplus and sources[len(texts) - 1] is not None:
        texts.pop()  # there was none either
    parts = [part.strip() or entry for part in (*texts, *cells.surplus)]
    if len(parts) == 1:
        return parts[0] if parts[0].lstrip("-").isdigit() else f"({parts[0]},)"
    return f"({', '.join(parts)})" if parts else text


def _elements(source: str, node: ast.Tuple | ast.List, count: int) -> Cells | None:
    """Return a cell for each element; missing ones at the end are empty."""
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
