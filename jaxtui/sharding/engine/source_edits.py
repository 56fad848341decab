"""Edits of a session's source that give a variable a sharding."""

from __future__ import annotations

import ast

from jaxtui.session.session import Program

_CALL = "jax.lax.with_sharding_constraint"


class Edits:
    """Makes edited sources of a program whose function is in the session."""

    def __init__(self, program: Program) -> None:
        self._source = program.source
        self._name = program.function_name
        try:
            self._tree: ast.Module | None = ast.parse(program.source)
        except (SyntaxError, ValueError):
            self._tree = None
        if ":" in program.function:
            self._tree = None

    def constrained(self, name: str, line: int | None, spec: str) -> str | None:
        """The source with the value that is assigned to `name` at `line` under a constraint."""
        if self._tree is None or line is None:
            return None
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and _holds(node, line):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [
                    t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)
                ]
                if name in names:
                    return self._behind(node, f"{name} = {_constraint(name, spec)}")
        return None

    def constrained_argument(self, name: str, spec: str) -> str | None:
        """The source with argument `name` under a constraint as the function's first statement."""
        if self._tree is None:
            return None
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef) and node.name == self._name:
                named = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
                first = node.body[0]
                if name in named and first.lineno > node.lineno:
                    lines = self._source.splitlines()
                    indent = " " * first.col_offset
                    lines.insert(first.lineno - 1, f"{indent}{name} = {_constraint(name, spec)}")
                    return "\n".join(lines) + "\n"
        return None

    def unconstrained(self, line: int | None) -> str | None:
        """The source without the constraint that is called at `line`, if there is just one."""
        if self._tree is None or line is None:
            return None
        calls = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Call)
            and _name_of(node.func) == "with_sharding_constraint"
            and node.args
            and _holds(node, line)
        ]
        if len(calls) != 1:
            return None
        call, kept = calls[0], calls[0].args[0]
        text = ast.get_source_segment(self._source, kept)
        if text is None:
            return None
        lines = self._source.splitlines(keepends=True)
        first, last = call.lineno - 1, (call.end_lineno or call.lineno) - 1
        before = lines[first].encode()[: call.col_offset].decode()
        behind = lines[last].encode()[call.end_col_offset :].decode()
        plain = isinstance(kept, ast.Name | ast.Call | ast.Subscript | ast.Attribute)
        lines[first : last + 1] = [f"{before}{text if plain else f'({text})'}{behind}"]
        return "".join(lines)

    def _behind(self, node: ast.stmt, statement: str) -> str | None:
        lines = self._source.splitlines()
        end = node.end_lineno or node.lineno
        before = lines[node.lineno - 1][: node.col_offset]
        if before.strip() or ";" in lines[end - 1]:  # not alone on its line
            return None
        lines.insert(end, f"{before}{statement}")
        return "\n".join(lines) + "\n"


def _name_of(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _holds(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _constraint(name: str, spec: str) -> str:
    return f"{_CALL}({name}, {spec})"
