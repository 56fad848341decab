"""Whether a session's mesh is the mesh in context while its code runs, as by `jax.set_mesh`.

Over a mesh in context `P(...)` by itself is a sharding. It also changes where everything lies: what
is computed is on all devices of the mesh, an array made under it is committed to all of them (which
a jit with other `in_shardings` refuses), an array on one device cannot be used at all, nor can
another mesh or a pmap. So it is in context only for a session whose code speaks of shardings, and
where a jit has `in_shardings` the values of arguments are made before, unless they do.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable, Iterator
from typing import Literal

from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Devices, Program

When = Literal["never", "call", "values", "source"]
"""From when on the mesh is in context: the call of the program, its values, or its source."""

# What looks for a mesh in context, or takes a PartitionSpec.
_ASKING = frozenset(
    {
        "P",
        "PartitionSpec",
        "get_mesh",
        "get_abstract_mesh",
        "auto_axes",
        "explicit_axes",
        "smap",
    }
)
_KNOWN_MODULES = frozenset({"jax", "numpy"})
# What lays a mesh of its own.
_OWN = frozenset({"Mesh", "make_mesh", "AbstractMesh", "set_mesh", "use_mesh", "pmap"})


def when(devices: Devices, program: Program, *, planned: bool = False) -> When:
    """From when on the mesh of `devices` is in context for `program`.

    A `planned` mesh is wherever it can; values need not be made on it. So is one, also where the
    session does not say what the mesh is, that a layer takes its axis from.

    Never if a layer maps over devices, which lays a mesh of its own, or if the source does. A
    function in a file, and what a source imports, may ask for a mesh.
    """
    asking = any(layer.in_mesh for layer in program.layers)
    given = devices.mesh is not None or bool(devices.axis_types) or asking
    if not (given or planned) or any(layer.maps_over_devices for layer in program.layers):
        return "never"
    if _at_import(program.source):
        return "source"
    shardings = (layer.typed().get("in_shardings") for layer in program.layers)
    from_then: When = "call" if planned or any(shardings) else "values"
    if planned or asking or "explicit" in (devices.axis_types or {}).values():
        return from_then
    texts = [program.source, *(argument.value for argument in program.arguments)]
    texts += [text for layer in program.layers for text in _code(layer)]
    names = frozenset().union(*map(_names, texts))
    if names & _OWN:
        return "never"
    elsewhere = ":" in program.function or _imports_others(program.source)
    asks = bool(names & _ASKING) or elsewhere
    return from_then if asks else "never"


def _code(layer: AnyLayer) -> Iterator[str]:
    """The texts of a layer that are code as sources and values are: what it applies, and arrays."""
    for name, text in layer.typed().items():
        if name == layer.needs or layer.fields()[name].reads == "arrays":
            yield text


def asks_for_mesh(text: str) -> bool:
    """Whether a value's text speaks of shardings."""
    return bool(_names(text) & _ASKING)


@functools.lru_cache(maxsize=64)
def _at_import(source: str) -> bool:
    """Whether the source speaks of shardings outside of functions, where it runs at once."""
    names = _loaded(_parsed(source), inside_functions=False)
    return bool(names & _ASKING) and not names & _OWN


@functools.lru_cache(maxsize=64)
def _names(text: str) -> frozenset[str]:
    return _loaded(_parsed(text), inside_functions=True)


@functools.lru_cache(maxsize=64)
def _imports_others(source: str) -> bool:
    """Whether the source imports from modules that are neither Python's, NumPy's nor JAX's."""
    roots: set[str] = set()
    for node in _walk(_parsed(source), inside_functions=True):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").partition(".")[0])
    return bool(roots - sys.stdlib_module_names - _KNOWN_MODULES)


def _parsed(text: str) -> list[ast.AST]:
    try:
        return list(ast.parse(text.strip()).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # whoever runs it says what is wrong


def _loaded(nodes: Iterable[ast.AST], *, inside_functions: bool) -> frozenset[str]:
    """The names and attributes that `nodes` use, by the names that imports give them."""
    names: set[str] = set()
    renamed: dict[str, str] = {}
    for node in _walk(nodes, inside_functions):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias) and node.asname:
            renamed[node.asname] = node.name
    return frozenset(names | {renamed[name] for name in names & renamed.keys()})


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _walk(nodes: Iterable[ast.AST], inside_functions: bool) -> Iterator[ast.AST]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS) and not inside_functions:
            continue
        yield node
        waiting += ast.iter_child_nodes(node)
