"""A script's syntax tree with a recorder around a name, wherever its top level binds that."""

from __future__ import annotations

import ast
from collections.abc import Iterator

RECORDED = "__jaxtui_recorded__"  # the name under which a module finds the recorder


def rewritten(tree: ast.Module, name: str) -> int:
    """Put `name = __jaxtui_recorded__(name)` behind each binding of `name`; returns how many.

    So the recorder is outermost: what it calls is what the script would call.
    """
    return _rewrite(tree, name)


def _rewrite(node: ast.AST, name: str) -> int:
    count = 0
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        statements = getattr(node, field, None)
        if not isinstance(statements, list):
            continue
        changed: list[ast.AST] = []
        for statement in statements:
            changed.append(statement)
            if isinstance(statement, _SCOPES) or not isinstance(statement, _HOLDERS):
                if name in bound(statement):
                    count += 1
                    changed.append(_recorded(name, statement))
            else:
                count += _rewrite(statement, name)
        setattr(node, field, changed)
    return count


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_HOLDERS = (
    ast.If,
    ast.Try,
    ast.With,
    ast.For,
    ast.While,
    ast.Match,
    ast.match_case,
    ast.ExceptHandler,
)


def _recorded(name: str, after: ast.AST) -> ast.stmt:
    made = ast.parse(f"{name} = {RECORDED}({name})").body[0]
    for node in ast.walk(made):
        for attribute in ("lineno", "end_lineno"):
            if hasattr(node, attribute):
                setattr(node, attribute, getattr(after, "end_lineno", 1))
    return made


def bound(statement: ast.AST) -> list[str]:
    """The names that a statement binds by itself."""
    if isinstance(statement, _SCOPES):
        return [statement.name]
    if isinstance(statement, ast.Import):
        return [a.asname or a.name.partition(".")[0] for a in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    if isinstance(statement, ast.Assign):
        targets = [node for target in statement.targets for node in ast.walk(target)]
        return [n.id for n in targets if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return [statement.target.id] if isinstance(statement.target, ast.Name) else []
    return []


def _top_level(node: ast.AST, imported: bool) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if imported and isinstance(child, ast.If) and "__name__" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, _HOLDERS):
            yield from _top_level(child, imported)


def names(tree: ast.Module, *, imported: bool = False) -> list[str]:
    """The names that the top level binds; with `imported`, those of `import` only."""
    return [name for statement in _top_level(tree, imported) for name in bound(statement)]


def works_when_imported(tree: ast.Module) -> bool:
    """Whether a module does more at its top level than define, import and set things.

    What stands under `if __name__ == "__main__"` does not run then.
    """
    for statement in tree.body:
        if isinstance(statement, ast.For | ast.While | ast.With):
            return True
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            called = ast.unparse(statement.value.func)
            if not called.startswith(("jax.config.", "warnings.", "logging.", "sys.path.", "os.")):
                return True
    return False
