"""The lines of a source and its syntax, read without running anything."""

from __future__ import annotations

import ast
import warnings

from jaxtui.text.syntax import unparsed

MOST = 40_000  # characters of a source that is looked at


def parsed(source: str) -> ast.Module | None:
    """The syntax of a source, None for one that cannot be read or is very long."""
    if len(source) > MOST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a string
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def dotted_names(tree: ast.Module) -> dict[str, str]:
    """The dotted names behind the names that a source imports, and those it need not import."""
    found = {"jnp": "jax.numpy", "lax": "jax.lax"}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            found.update({a.asname: a.name for a in statement.names if a.asname})
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            names = ((a.asname or a.name, a.name) for a in statement.names)
            found.update({known: f"{statement.module}.{name}" for known, name in names})
    return found


def bound_names(tree: ast.AST) -> set[str]:
    """The names that the statements of a module, or one of them, give to something."""
    found: set[str] = set()
    for statement in getattr(tree, "body", [tree]) if isinstance(tree, ast.Module) else [tree]:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).partition(".")[0])
    return found


def one_line(node: ast.AST) -> str:
    """An expression in one line."""
    return " ".join(unparsed(node).split("\n"))


class Lines:
    """The lines of a source, of which some are cut out."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._cut: set[int] = set()

    def text(self, node: ast.expr) -> str:
        """The text of an expression as it was written, in one line."""
        text = ast.get_source_segment(self._source, node)
        return one_line(node) if text is None or "\n" in text else text

    def cut(self, first: int, last: int | None) -> None:
        """Leave out the lines from `first` to `last`, both counted from 1."""
        self._cut.update(range(first, (last or first) + 1))

    def left(self, new: str = "") -> str:
        """What is left, with a `new` line in place of the last that is cut out."""
        at = max(self._cut, default=0)
        lines = [
            (new if number == at and new else line, number)
            for number, line in enumerate(self._source.split("\n"), 1)
            if number not in self._cut or (number == at and new)
        ]
        return "\n".join(line for line, _ in lines).strip("\n") + "\n"
