"""How the programs of the table are written down, and the arguments that many of them share."""

from __future__ import annotations

from typing import Any

from tests.support.bare_sharding import MESH, ShardedCase

ROWS = ("ones((8, 16))", "P('data', None)")
BOTH = ("ones((8, 16))", "P('data', 'model')")
COLUMNS = ("ones((8, 16))", "P(None, 'model')")
UP = ("ones((16, 32))", "P(None, 'model')")
DOWN = ("ones((32, 16))", "P('model', None)")


def case(
    name: str,
    body: str,
    *,
    mesh: dict[str, int] | None = None,
    settings: dict[str, Any] | None = None,
    **arguments: tuple[str, str],
) -> ShardedCase:
    """A case whose function returns the expression `body`, or is the `def` that it is.

    Each argument is its value and its sharding; `settings` are further fields of the case. A body
    that speaks of shardings has the mesh in context, as a session has it.
    """
    if not body.startswith("def "):
        body = f"def f({', '.join(arguments)}):\n    return {body}\n"
    fields: dict[str, Any] = {"in_context": "P(" in body, **(settings or {})}
    return ShardedCase(name, body, arguments, mesh=mesh or dict(MESH), **fields)
