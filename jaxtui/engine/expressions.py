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
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec
from msgspec import UNSET

from jaxtui.engine.errors import Diagnosed, diagnosed
from jaxtui.report import Diagnosis, Fix

SOURCE_NAME = "<program>"  # the file name of the source in tracebacks

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
    """

    source: dict[str, Any]
    values: dict[str, Any]


def names(source: str, parameters: dict[str, int], devices: int, folder: str) -> Names:
    """Run `source` in a fresh module that knows `parameters` and how many `devices` there are.

    Raises Diagnosed at program.source when it is no Python or raises.
    """
    module: dict[str, Any] = {
        "__name__": "__jaxtui__",
        "__builtins__": builtins,
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "lax": lax,
        "P": PartitionSpec,
        "devices": devices,
        **parameters,
    }
    if source.strip():
        _execute(source, module)
    values = {**_jax_numpy_names(), **_helpers(folder), **module}
    return Names(source=module, values=values)


def _execute(source: str, module: dict[str, Any]) -> None:
    # linecache lets tracebacks, and functions such as inspect.getsource, find the source's lines.
    linecache.cache[SOURCE_NAME] = (len(source), None, source.splitlines(True), SOURCE_NAME)
    try:
        exec(compile(source, SOURCE_NAME, "exec", dont_inherit=True), module)
    except SyntaxError as error:
        raise Diagnosed(syntax_diagnosis(error, "program.source")) from error
    except Exception as error:
        raise Diagnosed(raised_diagnosis(error, "function", "program.source")) from error


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
    """`file` as given, beside the session (`folder`), or where the engine was started."""
    path = Path(file).expanduser()
    beside = Path(folder) / path
    return beside if folder and beside.exists() else path


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


def abstract_value(text: str, known: Names, field: str) -> Value:
    """The value of `text` without computing it. Raises Diagnosed at `field`."""
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
    except Exception as error:
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error
    leaves, tree = kept[-1]
    avals = iter(jaxpr.out_avals)
    structs = [as_struct(next(avals)) if isinstance(x, jax.Array) else x for x in leaves]
    return Value(tree=jax.tree_util.tree_unflatten(tree, structs), peak=peak_bytes(jaxpr.jaxpr))


def concrete_value(text: str, known: Names, field: str) -> Any:
    """The value of `text`, computed. Raises Diagnosed at `field`."""
    code = compile_value(text, field)
    try:
        return _evaluate(code, known)
    except Exception as error:
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error


def setting_value(text: str, known: Names, field: str) -> Any:
    """The value of a layer's setting, which knows only what a source knows."""
    code = compile_value(text, field)
    try:
        return eval(code, dict(known.source))
    except Exception as error:
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error


def compile_value(text: str, field: str) -> types.CodeType:
    """`text` compiled as one expression. Raises Diagnosed at `field`, with line and column."""
    if not text.strip():
        raise diagnosed("value", field, "needs a value")
    try:
        return compile(text.strip(), "<value>", "eval", dont_inherit=True)
    except SyntaxError as error:
        raise Diagnosed(syntax_diagnosis(error, field)) from error
    except (ValueError, MemoryError, RecursionError) as error:
        # A null byte, or an expression nested too deeply for the compiler.
        raise diagnosed("syntax", field, f"cannot be read as Python: {error}") from error


def _evaluate(code: types.CodeType, known: Names) -> Any:
    # A copy: an assignment expression must not become a name of the next value.
    return eval(code, dict(known.values))


def as_struct(array: Any) -> jax.ShapeDtypeStruct:
    """The ShapeDtypeStruct of an array, tracer or aval, weak types kept."""
    weak = bool(getattr(array, "weak_type", False))
    return jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=weak)


def byte_size(aval: Any) -> int:
    """Bytes of an array of `aval`'s shape and dtype (key dtypes count their data)."""
    count = int(np.prod(aval.shape, dtype=object)) if aval.shape else 1
    return count * int(getattr(aval.dtype, "itemsize", 4))


def peak_bytes(jaxpr: Any) -> int:
    """Bytes of the largest array that running `jaxpr` one equation at a time makes.

    Equations inside a jitted call are left out: XLA fuses them.
    """
    return max(
        (sum(_variable_bytes(v) for v in equation.outvars) for equation in jaxpr.eqns), default=0
    )


def _variable_bytes(variable: Any) -> int:
    aval = getattr(variable, "aval", None)
    return byte_size(aval) if aval is not None and hasattr(aval, "dtype") else 0


# ---------------------------------------------------------------------- failures of text as Python


def syntax_diagnosis(error: SyntaxError, field: str) -> Diagnosis:
    """Where and how the text is no Python."""
    line = error.lineno or 1
    column = error.offset or 1
    message = error.msg[:1].lower() + error.msg[1:]
    where = f"line {line}, column {column}" if field == "program.source" else f"column {column}"
    return Diagnosis(
        kind="syntax", field=field, message=f"{message} ({where})", line=line, column=column
    )


def value_diagnosis(error: Exception, text: str, known: Names, field: str) -> Diagnosis:
    """What evaluating `text` raised; a misspelt name comes with its likely spellings."""
    fixes: list[Fix] = []
    if isinstance(error, NameError) and (wrong := getattr(error, "name", None)):
        fixes = [
            Fix(label=f"{wrong} → {right}", field=field, text=changed)
            for right in difflib.get_close_matches(wrong, known.values, n=3, cutoff=0.7)
            if (changed := renamed(text, wrong, right)) is not None
        ]
    message = describe(error)
    if isinstance(error, MemoryError):
        return Diagnosis(kind="memory", field=field, message=f"does not fit in memory: {message}")
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


def raised_diagnosis(error: BaseException, kind: Any, field: str) -> Diagnosis:
    """What the user's code raised, with the line of the source it happened on."""
    line = source_line(error)
    frames = user_frames(error)
    message = describe(error) if line is None else f"line {line}: {describe(error)}"
    return Diagnosis(
        kind=kind,
        field=field,
        message=message,
        line=UNSET if line is None else line,
        frames=frames or UNSET,
    )


# Where JAX's messages turn to its own internals: object ids, line numbers of its tracers, manuals.
_FOR_READERS_OF_TRACEBACKS = (
    " See https://",
    " This BatchTracer with",
    " This VmapTracer with",
    " This DynamicJaxprTracer with",
    " This JVPTracer with",
    " The error occurred while tracing",
    " To fix this, please call",
)


def describe(error: BaseException, limit: int = 700) -> str:
    """The exception's type and the part of its message that speaks to the user."""
    paragraphs = str(error).strip().split("\n\n")
    text = " ".join(line.strip() for line in paragraphs[0].splitlines())
    if text.endswith(":") and len(paragraphs) > 1:
        text += " " + " ".join(line.strip() for line in paragraphs[1].splitlines())
    for words in _FOR_READERS_OF_TRACEBACKS:
        text = text.partition(words)[0]
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def source_line(error: BaseException) -> int | None:
    """The innermost line of the source that the exception passed through."""
    found = None
    for frame, line in _walk(error):
        if frame.f_code.co_filename == SOURCE_NAME:
            found = line
    return found


def user_frames(error: BaseException) -> list[str]:
    """The user's own lines of the traceback, outermost first."""
    frames = []
    for frame, line in _walk(error):
        file = frame.f_code.co_filename
        if file == SOURCE_NAME or not _is_library(file):
            text = linecache.getline(file, line).strip()
            where = f"line {line}" if file == SOURCE_NAME else f"{Path(file).name}:{line}"
            frames.append(f"{where}, in {frame.f_code.co_name}: {text}")
    return frames


def _walk(error: BaseException) -> Iterable[tuple[types.FrameType, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


@functools.cache
def _is_library(file: str) -> bool:
    """Whether `file` belongs to an installed package, to Python itself, or is no file."""
    if file.startswith("<"):
        return True
    path = Path(file).resolve()
    roots = (Path(__file__).resolve().parents[1], Path(ast.__file__).resolve().parent)
    return "site-packages" in path.parts or any(root in path.parents for root in roots)
