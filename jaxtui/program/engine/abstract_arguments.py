"""Arguments of which only shapes are given: why what needs values refuses them, and what would do.

Everything that JAX tells of a program without running it needs no more than shapes.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import tree_util

from jaxtui.engine_base import memory
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import expressions, placing
from jaxtui.program.engine.expressions import Names, Value
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.value_helpers import short_dtypes
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import FieldPath

BUDGET = 0.5  # seconds for all the texts that are tried


def names(prepared: Prepared, values: Sequence[Value]) -> tuple[str, ...]:
    """The names of the arguments of which only shapes are given."""
    arguments = prepared.composition.program.arguments
    return tuple(a.name for a, value in zip(arguments, values, strict=True) if value.abstract)


def refuse(prepared: Prepared, values: Sequence[Value], jaxpr: Any, needing: str = "a run") -> None:
    """Raise Diagnosed at the first argument that has no values, for what is `needing` them.

    `jaxpr` is the program's closed jaxpr, or None. The fixes are values of the same shapes, where
    all of them fit in memory.
    """
    arguments = prepared.composition.program.arguments
    index = next((i for i, value in enumerate(values) if value.abstract), None)
    if index is None:
        return
    field, name = placing.value_field(index), arguments[index].name
    leaves = tree_util.tree_leaves(values[index].tree)
    of = "the shape" if len(leaves) == 1 else "shapes"
    message = f"only {of} of {name} {'is' if len(leaves) == 1 else 'are'} given: "
    message += f"{needing} needs values"
    sizes = [memory.bytes_of(tree_util.tree_leaves(value.tree)) for value in values]
    short = memory.shortage(memory.needs([(size, 0, field) for size in sizes], jaxpr))
    if short is not None:
        raise diagnosed("value", field, f"{message}, and with them it {short[1]}")
    text = arguments[index].value
    raise diagnosed("value", field, message, fixes(text, values[index], prepared.known, field))


@rehearsal()
def fixes(text: str, value: Value, known: Names, field: FieldPath) -> list[Fix]:
    """Texts of values with the shapes of `value`, each tried."""
    deadline = time.monotonic() + BUDGET
    found: list[Fix] = []
    for label, changed in _texts(text):
        if time.monotonic() > deadline or any(fix.label == label for fix in found):
            continue
        if _gives(changed, value, known, field):
            found.append(Fix(label=label, field=field, text=changed))
    return found


def _texts(text: str) -> Iterator[tuple[str, str]]:
    """The kind of elements, and a text that may give them: the nearest to what was typed first."""
    text = text.strip()
    for label, write in (("zeros", _zeros), ("random numbers", _normal)):
        changed = _Written(write)
        tree = changed.visit(ast.parse(text, mode="eval"))
        if changed.count:
            yield label, ast.unparse(tree)
    yield "zeros", f"jax.tree.map(zeros_like, {text})"
    yield "random numbers", f"jax.tree.map(lambda x: normal(*x.shape, dtype=x.dtype), {text})"


class _Written(ast.NodeTransformer):
    """Writes each call of `struct` or `jax.ShapeDtypeStruct` as another call."""

    def __init__(self, write: Callable[[ast.expr, list[ast.expr]], ast.expr]) -> None:
        self.count = 0
        self._write = write

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        given |= dict(zip(("shape", "dtype"), node.args, strict=False))
        if name not in ("struct", "ShapeDtypeStruct") or not given.keys() <= {"shape", "dtype"}:
            return node
        if "shape" not in given:
            return node
        self.count += 1
        return self._write(given["shape"], [_dtype(given[n]) for n in ("dtype",) if n in given])


def _dtype(node: ast.expr) -> ast.expr:
    """A dtype as every function knows it: short names as text are names that values know."""
    if isinstance(node, ast.Constant) and node.value in short_dtypes():
        return ast.Name(str(node.value))
    return node


def _zeros(shape: ast.expr, dtype: list[ast.expr]) -> ast.expr:
    return ast.Call(ast.Name("zeros"), [shape, *dtype], [])


def _normal(shape: ast.expr, dtype: list[ast.expr]) -> ast.expr:
    sizes: list[ast.expr] = [ast.Starred(shape)]
    if isinstance(shape, ast.Tuple):
        sizes = shape.elts
    elif isinstance(shape, ast.Constant):
        sizes = [shape]
    return ast.Call(ast.Name("normal"), sizes, [ast.keyword("dtype", d) for d in dtype])


def _gives(text: str, wanted: Value, known: Names, field: FieldPath) -> bool:
    """Whether the value of `text` has the shapes that are wanted, and elements."""
    try:
        value = expressions.abstract_value(text, known, field)
    except Diagnosed:
        return False
    leaves = tree_util.tree_leaves(value.tree)
    expected = tree_util.tree_leaves(wanted.tree)
    trees: list[Any] = [tree_util.tree_structure(v.tree) for v in (value, wanted)]
    same = trees[0] == trees[1] and all(map(_alike, leaves, expected))
    return bool(same) and not value.abstract


def _alike(leaf: Any, expected: Any) -> bool:
    if not is_array(expected):
        return leaf is expected or bool(leaf == expected)
    if not is_array(leaf):
        return False
    canonical = expected.dtype
    if not jax.numpy.issubdtype(canonical, jax.dtypes.extended):
        canonical = jax.dtypes.canonicalize_dtype(canonical)
    return bool(leaf.shape == expected.shape and leaf.dtype == canonical)
