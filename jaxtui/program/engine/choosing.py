"""Which callable of a source is its function, and which others may be chosen.

A notebook or script makes its functions one after the other, and the last one is what it is about:
`def loss(...)`, then `step = jax.jit(jax.grad(loss))`. So the function is the last name that a
statement at the top level binds to a callable that was *made* there, by `def`, `lambda`, or a call.
Around it stand names that are callable too and are no functions of the program:

- classes and dtypes, `dtype = jnp.float32`, and transformations kept for later,
  `vmapped = partial(jax.vmap, in_axes=1)`, are never taken;
- objects that happen to have a `__call__` (a mesh, a tokenizer, a Flax module without its
  parameters) only where no function was made, unless they are pytrees, as Equinox's modules are;
- other names for what a library has, `relu = jax.nn.relu`, and what is imported, only where nothing
  was made at all.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax

from jaxtui.session.layers import LAYER_KINDS

MADE, OBJECT, ELSEWHERE = range(3)  # how near a callable is to being the function


class _Binding(NamedTuple):
    """A name that a statement at the top level binds; `renames` says that it makes nothing."""

    name: str
    renames: bool


def callables(source: str, names: Mapping[str, Any]) -> list[str]:
    """The names in `names`, what the `source` left, that may be its function: the last one is."""
    ranked: dict[str, int] = {}
    for binding in _bindings(source):
        ranked.pop(binding.name, None)  # its place is that of the last binding
        rank = _rank(names.get(binding.name), names, renames=binding.renames)
        if rank is not None:
            ranked[binding.name] = rank
    for name, value in names.items():
        # Made by `exec`, or under a walrus.
        if name not in ranked and callable(value) and _is_of(value, names):
            ranked[name] = OBJECT
    return sorted(ranked, key=lambda name: -ranked[name])  # sorted keeps the order of equals


def callables_of(module: types.ModuleType) -> list[str]:
    """The names of the functions and callable objects that a module made, in its order."""
    names = vars(module)
    return [
        name
        for name, value in names.items()
        if not name.startswith("_")
        and getattr(value, "__module__", module.__name__) == module.__name__
        and _rank(value, names, renames=False) is not None
    ]


def coroutines(source: str) -> list[str]:
    """The names that the source defines by `async def`."""
    statements = _top_level(ast.parse(source).body)
    return [node.name for node in statements if isinstance(node, ast.AsyncFunctionDef)]


def _rank(value: Any, names: Mapping[str, Any], *, renames: bool) -> int | None:
    """How near `value` is to being the function; None for what is none."""
    if not callable(value) or isinstance(value, type) or _is_transformation(value):
        return None
    if inspect.iscoroutinefunction(value):
        return None
    if renames and not _is_of(value, names) and not _is_method(value):
        return ELSEWHERE
    return MADE if _is_function(value) else None if _is_context(value) else OBJECT


def _is_function(value: Any) -> bool:
    plain = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
    return isinstance(value, plain) or hasattr(value, "__wrapped__") or _is_pytree(value)


def _is_of(value: Any, names: Mapping[str, Any]) -> bool:
    """Whether `value` is a function whose code is the source's, under whatever name."""
    inner = value
    with contextlib.suppress(Exception):  # whatever a `__wrapped__` of the user's is
        inner = inspect.unwrap(value)
    ours = getattr(inner, "__globals__", None) is names
    return ours and not inspect.iscoroutinefunction(inner)


def _is_method(value: Any) -> bool:
    owner = getattr(value, "__self__", None)
    return owner is not None and not isinstance(owner, types.ModuleType | type)


def _is_pytree(value: Any) -> bool:
    with contextlib.suppress(Exception):  # whatever the flattening of a user's class raises
        return not jax.tree_util.all_leaves([value])
    return False


def _is_context(value: Any) -> bool:
    """Whether it is called to decorate a function, as a mesh is."""
    return hasattr(type(value), "__enter__")


@functools.cache
def _transformations() -> tuple[Any, ...]:
    return tuple(getattr(jax, name) for name in LAYER_KINDS if hasattr(jax, name))


def _is_transformation(value: Any) -> bool:
    inner = value.func if isinstance(value, functools.partial) else value
    return any(inner is transformation for transformation in _transformations())


@functools.lru_cache(maxsize=8)
def _bindings(source: str) -> list[_Binding]:
    """The names that statements at the top level bind, in order."""
    found: list[_Binding] = []
    for node in _top_level(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef):
            found.append(_Binding(node.name, False))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found += [_Binding(alias.asname or alias.name, True) for alias in node.names]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            renames = isinstance(node.value, ast.Name | ast.Attribute)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [_Binding(name, renames) for target in targets for name in _named(target)]
    return found


def _named(target: ast.expr) -> list[str]:
    """The names that an assignment to `target` binds; none where it sets an item or attribute."""
    if isinstance(target, ast.Starred):
        return _named(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        return [name for part in target.elts for name in _named(part)]
    return [target.id] if isinstance(target, ast.Name) else []


def _top_level(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The statements and those inside `if`, `try`, `with` and loops, not inside definitions."""
    for statement in statements:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (n for n in ast.iter_child_nodes(statement) if isinstance(n, _HOLDERS))
            yield from _top_level(inner)


_HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)
