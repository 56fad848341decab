"""One line of remedy for each error that JAX raises about a function, and edits that make it."""

from __future__ import annotations

import ast
import math
import re
import types
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.program.engine.diagnosis.source_edits import Place, changed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import SOURCE

# Subclasses come before what they derive from.
_BY_CLASS: Sequence[tuple[type[BaseException], str]] = (
    (
        jax.errors.TracerBoolConversionError,
        "Under vmap, jit and pmap a branch cannot look at a value: choose with jnp.where or "
        "lax.cond",
    ),
    (
        jax.errors.TracerArrayConversionError,
        "NumPy cannot compute with what a transformation traces: the same function of jnp can",
    ),
    (
        jax.errors.TracerIntegerConversionError,
        "A traced number is no index of a Python list and no Python int: stack the list "
        "(jnp.stack(xs)[i]), choose with lax.switch, or pass a plain number that is static",
    ),
    (
        jax.errors.NonConcreteBooleanIndexError,
        "How many elements a boolean index picks depends on values: keep the shape with "
        "jnp.where(mask, x, 0), or reduce with where=mask",
    ),
    (
        jax.errors.ConcretizationTypeError,
        "A size, an axis or a Python number must be known before the program runs: pass it as a "
        "static argument (static_argnums), or unmapped, or compute with arrays instead",
    ),
    (
        jax.errors.UnexpectedTracerError,
        "A value of one trace was kept for another: return it, instead of putting it into a "
        "global, a list or self",
    ),
    (
        jax.errors.KeyReuseError,
        "Each key is used once: k1, k2 = jax.random.split(key), and one of them at each place",
    ),
)
# What JAX says, in plain words. Groups of the pattern may stand in the words.
_BY_MESSAGE: Sequence[tuple[str, str]] = (
    (
        r"Pred must be a scalar, got .* of shape (?P<shape>\([\d, ]*\))",
        "lax.cond takes one boolean, and here it is of shape {shape}: jnp.where chooses element by "
        "element, and one more vmap gives each call one boolean",
    ),
    (
        r"Branch index must be scalar, got .* of shape (?P<shape>\([\d, ]*\))",
        "lax.switch takes one index, and here it is of shape {shape}: one more vmap gives each "
        "call one index, and jnp.where or lax.select_n choose element by element",
    ),
    (
        r"cond_fun must return a boolean scalar.* type.*\[ShapedArray\((?P<type>.*?)\)",
        "the condition of lax.while_loop is one boolean, and here it is {type}: jnp.any or jnp.all "
        "makes one of it, and one more vmap loops for each element by itself",
    ),
)


_UPDATES: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}


def line(error: BaseException) -> str:
    """What to do about an error of JAX's, in one sentence; "" for one that speaks for itself."""
    return next((words for kind, words in _BY_CLASS if isinstance(error, kind)), "")


def plainly(error: BaseException) -> str | None:
    """The message of `error` in plain words, where it has some of its own."""
    if isinstance(error, TypeError):
        for pattern, words in _BY_MESSAGE:
            if match := re.search(pattern, str(error), re.DOTALL):
                return words.format(**match.groupdict())
    return None


def fixes(error: BaseException, place: Place) -> Iterator[Fix]:
    """Changes of the source, the likeliest first, of which some may trace."""
    if isinstance(error, jax.errors.TracerArrayConversionError):
        yield from _jnp_for_np(place)
        yield from _array_for_list(place)
    elif isinstance(error, jax.errors.ConcretizationTypeError) and not isinstance(
        error, jax.errors.TracerBoolConversionError
    ):
        yield from _jnp_for_np(place)
    elif isinstance(error, jax.errors.TracerIntegerConversionError):
        yield from _array_for_list(place)
    elif isinstance(error, TypeError) and "JAX arrays are immutable" in str(error):
        yield from _updated(place)


def _updated(place: Place) -> Iterator[Fix]:
    """`x = x.at[i].set(y)` in place of `x[i] = y`, wherever the function assigns so to that `x`."""
    if not isinstance(place.node, ast.Subscript):
        return
    array = place.text(place.node.value)
    edits = [
        (statement, f"{array} = {array}.at[{place.text(target.slice)}].{call}")
        for function in _functions_around(place)[:1]
        for statement in ast.walk(function)
        if isinstance(statement, ast.Assign | ast.AugAssign)
        and isinstance(target := _target(statement), ast.Subscript)
        and place.text(target.value) == array
        and (call := _update(statement, place.text(statement.value)))
    ]
    if edits:
        yield Fix(f"{array} = {array}.at[…].set(…)", SOURCE, changed(place.source, edits))


def _target(statement: ast.Assign | ast.AugAssign) -> ast.expr | None:
    """What a statement assigns to; None for several."""
    if isinstance(statement, ast.AugAssign):
        return statement.target
    return statement.targets[0] if len(statement.targets) == 1 else None


def _update(statement: ast.Assign | ast.AugAssign, value: str) -> str:
    """The method of `x.at[i]` that does what a statement does with `value`; "" without one."""
    if isinstance(statement, ast.Assign):
        return f"set({value})"
    if isinstance(statement.op, ast.Sub):
        return f"add(-({value}))"
    name = _UPDATES.get(type(statement.op))
    return f"{name}({value})" if name else ""


def _jnp_for_np(place: Place) -> Iterator[Fix]:
    """`jnp` in place of `np` or `math`: in the expression at fault, then in all of the function."""
    within: list[ast.AST] = [place.node, *_functions_around(place)]
    for node in within:
        edits = [
            (name, "jnp")
            for attribute in ast.walk(node)
            if isinstance(attribute, ast.Attribute)
            and isinstance(name := attribute.value, ast.Name)
            and _is_of_numbers(place, name)
            and hasattr(jnp, attribute.attr)
        ]
        if edits:
            names = " and ".join(sorted({name.id for name, _ in edits}))
            yield Fix(f"jnp in place of {names}", SOURCE, changed(place.source, edits))


def _is_of_numbers(place: Place, name: ast.Name) -> bool:
    value = place.names.get(name.id)
    return isinstance(value, types.ModuleType) and value in (np, math)


def _functions_around(place: Place) -> list[ast.FunctionDef | ast.Lambda]:
    """The functions of the source that hold the expression, from the inside out."""
    tree = ast.parse(place.source)
    line = place.node.lineno
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda)
        and node.lineno <= line <= (node.end_lineno or line)
    ]
    return sorted(found, key=lambda node: (node.end_lineno or 0) - node.lineno)


def _array_for_list(place: Place) -> Iterator[Fix]:
    """The items of a list as one array, which a traced number can index."""
    for node in ast.walk(place.node):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            value, index = place.text(node.value), place.text(node.slice)
            if isinstance(place.value(node.value), np.ndarray):
                label, text = f"{value} as an array of jnp", f"jnp.asarray({value})[{index}]"
                yield Fix(label, SOURCE, place.changed(node, text))
                continue
            label = f"{value} stacked, and indexed"
            yield Fix(label, SOURCE, place.changed(node, f"jnp.stack({value})[{index}]"))
            each = f"jax.tree.map(lambda *a: jnp.stack(a)[{index}], *{value})"
            yield Fix(label, SOURCE, place.changed(node, each))
