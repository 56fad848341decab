"""The text a user typed, as Python: sources, argument values and layer settings.

A value is evaluated abstractly first: inside a JAX trace, where `arange(10**12)` costs nothing.
Only what no trace can tell (a value that looks at its own elements) is computed to see its shape.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import functools
import linecache
import sys
import types
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.failures import (
    SOURCE_NAME,
    VALUE_NAME,
    describe,
    out_of_memory,
    raised_diagnosis,
    syntax_diagnosis,
)
from jaxtui.engine_base.memory import peak_bytes
from jaxtui.program.engine import surroundings
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import SOURCE, FieldPath

MODULE_NAME = "__jaxtui__"  # of the source
CONCRETE_VALUE_NEEDED: tuple[type[Exception], ...] = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


@dataclass(frozen=True)
class Names:
    """The names that text is evaluated in.

    `source` is the module the source ran in; `values` adds what is quick to type in a value.
    `defined` are the names that the source itself gave a meaning, `place` what else a value
    depends on: the parameters, the number of devices, the folder, options of JAX.
    """

    source: dict[str, Any]
    values: dict[str, Any]
    defined: frozenset[str]
    place: Hashable


def names(
    source: str, parameters: Mapping[str, int | float | str], devices: int, folder: str
) -> Names:
    """Run `source` in a fresh module that knows `parameters` and how many `devices` there are.

    What an earlier source changed of the process is taken back first. Raises Diagnosed at
    program.source when it is no Python or raises.
    """
    surroundings.restore()
    module = _fresh_module()
    module |= {
        "__builtins__": builtins,
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "lax": lax,
        "P": PartitionSpec,
        "devices": devices,
        **parameters,
    }
    given = dict(module)
    if source.strip():
        _execute(source, module)
    defined = {name for name in module if module[name] is not given.get(name, module)}
    return Names(
        source=module,
        values={**_jax_numpy_names(), **_helpers(folder), **module},
        defined=frozenset(defined),
        # 3 and 3.0 are equal, but they make different dtypes.
        place=(
            tuple((k, type(v), v) for k, v in sorted(parameters.items())),
            devices,
            folder,
            surroundings.deciding_options(),
        ),
    )


def _fresh_module() -> dict[str, Any]:
    """The names of a new module, which is found by its name: dataclasses and pickle look there."""
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    return module.__dict__


def _execute(source: str, module: dict[str, Any]) -> None:
    # linecache lets tracebacks, and functions such as inspect.getsource, find the source's lines.
    linecache.cache[SOURCE_NAME] = (len(source), None, source.splitlines(True), SOURCE_NAME)
    code = _compiled(source, SOURCE_NAME, "exec", SOURCE)
    try:
        exec(code, module)
    except BaseException as error:  # also SystemExit: a source may call exit()
        if out_of_memory(error):
            message = f"does not fit in memory: {describe(error)}"
            raise diagnosed("memory", SOURCE, message) from error
        found = raised_diagnosis(error, "function", SOURCE)
        raise Diagnosed(found) from error


def _compiled(text: str, name: str, mode: str, field: FieldPath) -> types.CodeType:
    """`text` compiled. Raises Diagnosed at `field`, with line and column where Python tells."""
    try:
        return compile(text, name, mode, dont_inherit=True)
    except SyntaxError as error:
        raise Diagnosed(syntax_diagnosis(error, field)) from error
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        # A null byte, a lone surrogate, or an expression too deep for the compiler.
        raise diagnosed("syntax", field, f"cannot be read as Python: {describe(error)}") from error


@functools.cache
def _jax_numpy_names() -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(jnp).items()
        if not name.startswith("_") and not hasattr(builtins, name)
    }


def _helpers(folder: str) -> dict[str, Callable[..., Any]]:
    """Quick ways to make inputs, known in values only."""

    def normal(*shape: int, seed: int = 0, dtype: Any = float) -> jax.Array:
        return jax.random.normal(jax.random.key(seed), shape, dtype)

    def uniform(
        *shape: int, seed: int = 0, minval: float = 0.0, maxval: float = 1.0, dtype: Any = float
    ) -> jax.Array:
        return jax.random.uniform(jax.random.key(seed), shape, dtype, minval, maxval)

    def randint(
        *shape: int, seed: int = 0, minval: int = 0, maxval: int = 10, dtype: Any = int
    ) -> jax.Array:
        return jax.random.randint(jax.random.key(seed), shape, minval, maxval, dtype)

    def keys(n: int, seed: int = 0) -> jax.Array:
        return jax.random.split(jax.random.key(seed), n)

    def load(file: str) -> Any:
        # Mapped, not read: a shape costs no more for a large file.
        return np.load(find_file(file, folder), mmap_mode="r", allow_pickle=False)

    return {f.__name__: f for f in (normal, uniform, randint, keys, load)}


def find_file(file: str, folder: str) -> Path:
    """`file` as given, beside the session (`folder`), or where the engine was started.

    Raises FileNotFoundError, which names the places.
    """
    path = Path(file).expanduser()
    beside = Path(folder) / path
    if folder and beside.exists():
        return beside
    if path.exists():
        return path
    where = "in the working folder"
    if folder:
        same = Path(folder).resolve() == Path.cwd()
        where = "beside the session" if same else f"beside the session or {where}"
    raise FileNotFoundError(f"there is no {path}" + ("" if path.is_absolute() else f" {where}"))


# ------------------------------------------------------------------------------------------ values


@dataclass(frozen=True)
class Value:
    """What an argument's text gives, shapes only.

    `tree` has ShapeDtypeStruct leaves for what JAX computes, and the objects themselves for the
    rest (NumPy arrays, Python numbers, anything else). `peak` is the size in bytes of the largest
    array that computing it makes.
    """

    tree: Any
    peak: int


def abstract_value(text: str, known: Names, field: FieldPath) -> Value:
    """The value of `text` without computing it. Raises Diagnosed at `field`."""
    remembered = _remembered.get((text, known.place))
    if remembered is not None and remembered.names.isdisjoint(known.defined):
        return remembered.value
    value = _abstract_value(text, known, field)
    names = _names_in(text)
    if names.isdisjoint(known.defined) and _depends_on_names_only(value.tree, names):
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[text, known.place] = _Remembered(value, names)
    return value


def _abstract_value(text: str, known: Names, field: FieldPath) -> Value:
    code = compile_value(text, field)
    kept: list[tuple[list[Any], Any]] = []

    def evaluate() -> list[Any]:
        leaves, tree = jax.tree_util.tree_flatten(_evaluate(code, known))
        kept.append((leaves, tree))
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

    try:
        jaxpr = jax.make_jaxpr(evaluate)()
    except CONCRETE_VALUE_NEEDED:
        return Value(tree=concrete_value(text, known, field), peak=0)
    except BaseException as error:  # also SystemExit: a value may call exit()
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error
    leaves, tree = kept[-1]
    avals = iter(jaxpr.out_avals)
    structs = [as_struct(next(avals)) if isinstance(x, jax.Array) else x for x in leaves]
    try:
        shapes = jax.tree_util.tree_unflatten(tree, structs)
    except Exception:  # a class of the user's that computes with its parts can hold no shapes
        shapes = concrete_value(text, known, field)
    return Value(tree=shapes, peak=peak_bytes(jaxpr.jaxpr))


@dataclass(frozen=True)
class _Remembered:
    value: Value
    names: frozenset[str]  # every name and attribute in the text


# From keystroke to keystroke most values stay as they are.
MOST_REMEMBERED = 64
_remembered: dict[tuple[str, Hashable], _Remembered] = {}
# What these give depends on more than the text: on files, on time, on another module.
_LOOKING_ELSEWHERE = frozenset(
    {"load", "open", "loadtxt", "genfromtxt", "fromfile", "memmap", "random", "os", "np", "eval"}
)


def _names_in(text: str) -> frozenset[str]:
    nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
    return frozenset(
        [node.id for node in nodes if isinstance(node, ast.Name)]
        + [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    )


def _depends_on_names_only(tree: Any, names: frozenset[str]) -> bool:
    """Whether the same text is sure to give the same shapes again while no name in it changes."""
    leaves = jax.tree_util.tree_leaves(tree)
    plain = jax.ShapeDtypeStruct | bool | int | float | complex | str
    return (
        all(isinstance(leaf, plain) for leaf in leaves)
        and names.isdisjoint(_LOOKING_ELSEWHERE)
        and not any(name.startswith("_") for name in names)
    )


def concrete_value(text: str, known: Names, field: FieldPath) -> Any:
    """The value of `text`, computed. Raises Diagnosed at `field`."""
    code = compile_value(text, field)
    try:
        return _evaluate(code, known)
    except BaseException as error:  # also SystemExit: a value may call exit()
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error


def setting_value(
    text: str, known: Names, field: FieldPath, home: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The value of a layer's setting, which knows what a source knows, and the names in `home`."""
    code = compile_value(text, field)
    try:
        return eval(code, {**home, **known.source})
    except BaseException as error:  # also SystemExit: a setting may call exit()
        raise Diagnosed(value_diagnosis(error, text, known, field, home)) from error


def compile_value(text: str, field: FieldPath) -> types.CodeType:
    """`text` compiled as one expression. Raises Diagnosed at `field`, with line and column."""
    if not text.strip():
        raise diagnosed("value", field, "needs a value")
    return _compiled(text.strip(), VALUE_NAME, "eval", field)


def _evaluate(code: types.CodeType, known: Names) -> Any:
    # A copy: an assignment expression must not become a name of the next value.
    return eval(code, dict(known.values))


def as_struct(array: Any) -> jax.ShapeDtypeStruct:
    """The ShapeDtypeStruct of an array, tracer or aval, weak types kept."""
    weak = bool(getattr(array, "weak_type", False))
    return jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=weak)


def value_diagnosis(
    error: BaseException, text: str, known: Names, field: FieldPath, more: Iterable[str] = ()
) -> Diagnosis:
    """What evaluating `text` raised; a misspelt name comes with its likely spellings, of what is
    known and of `more` names."""
    message = describe(error)
    if out_of_memory(error):
        return Diagnosis(kind="memory", field=field, message=f"does not fit in memory: {message}")
    fixes: list[Fix] = []
    if isinstance(error, NameError) and (wrong := getattr(error, "name", None)):
        fixes = [
            Fix(label=f"{wrong} → {right}", field=field, text=changed)
            for right in difflib.get_close_matches(wrong, [*known.values, *more], n=3, cutoff=0.7)
            if (changed := renamed(text, wrong, right)) is not None
        ]
    return Diagnosis(kind="value", field=field, message=message, fixes=fixes)


def renamed(text: str, old: str, new: str) -> str | None:
    """`text` with the first use of the name `old` put as `new`; None when it is not there."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Name) and node.id == old:
            lines = text.strip().splitlines(keepends=True)
            raw = lines[node.lineno - 1].encode()
            changed = raw[: node.col_offset] + new.encode() + raw[node.end_col_offset :]
            lines[node.lineno - 1] = changed.decode()
            return "".join(lines)
    return None
