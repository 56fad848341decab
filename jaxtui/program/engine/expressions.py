"""Evaluate the Python that a user typed: sources, argument values and layer settings.

A value is evaluated abstractly first: inside a JAX trace, where `arange(10**12)` costs nothing.
Only a value that depends on its own elements is computed to find its shape.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import functools
import linecache
import os
import sys
import types
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.devices import DeviceSet
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.failures import (
    SOURCE_NAME,
    VALUE_NAME,
    describe,
    out_of_memory,
    raised_diagnosis,
    syntax_diagnosis,
)
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.memory import peak_bytes
from jaxtui.engine_base.meshes import typed_sharding
from jaxtui.program.engine import modules, pmaps, surroundings, value_helpers
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import SOURCE, FieldPath
from jaxtui.session.working_folder import working_folder

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

    `source` is the module the source ran in, and `file` what the function's own file or module
    offers; `values` adds the names that only values know. `defined` are the names that the source
    or the file binds. `place` is what else a value depends on:
    the parameters, the mesh and whether it is in context, the folder, options of JAX.
    """

    source: dict[str, Any]
    values: dict[str, Any]
    defined: frozenset[str]
    place: Hashable
    file: dict[str, Any] = field(default_factory=dict)

    def with_file(self, offered: dict[str, Any]) -> Names:
        """These names and those that the function's file offers, if they are not the source's."""
        if not offered:
            return self
        new = {n: value for n, value in offered.items() if n not in self.source}
        return replace(
            self,
            values={**self.values, **new},
            defined=self.defined | new.keys(),
            file=new,
        )


def names(
    source: str,
    parameters: Mapping[str, int | float | str],
    devices: DeviceSet,
    folder: str,
    file: Path | None = None,
    of_module: Hashable = None,
) -> Names:
    """Run `source` in a new module that has `parameters`, the number of `devices` and their mesh.

    Changes that an earlier program made to the process are undone first. Modules are found in the
    session's `folder` and beside the function's `file`; `of_module` tells a program without a
    source of its own from others. Raises Diagnosed at program.source if it is not valid Python or
    raises.
    """
    surroundings.restore(None if modules.forget_changed() else of_module)
    modules.begin(folder, file, source)
    if surroundings.remembers():
        sys.argv[:] = [str(file or "")]
    # dataclasses and pickle look a class up in its module, by the module's name.
    sys.modules[MODULE_NAME] = types.ModuleType(MODULE_NAME)
    module = vars(sys.modules[MODULE_NAME])
    module |= _known_to_all(parameters, devices)
    given = dict(module)
    if source.strip():
        pmaps.note_source(source)
        with devices.context_of_source():
            _execute(source, module)
    defined = {name for name in module if module[name] is not given.get(name, module)}
    return Names(
        source=module,
        values={
            **_jax_numpy_names(),
            **value_helpers.helpers(
                functools.partial(find_file, folder=folder),
                [folder, working_folder()] if folder else [working_folder()],
            ),
            **module,
        },
        defined=frozenset(defined),
        # 3 and 3.0 are equal, but they make different dtypes.
        place=(
            tuple((k, type(v), v) for k, v in sorted(parameters.items())),
            (devices.mesh, devices.in_context),
            folder,
            surroundings.deciding_options(),
        ),
    )


def _known_to_all(
    parameters: Mapping[str, int | float | str], devices: DeviceSet
) -> dict[str, Any]:
    """What a source and values know without an import."""
    return {
        "__builtins__": builtins,
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "lax": lax,
        "P": PartitionSpec,
        "PartitionSpec": PartitionSpec,
        "Mesh": Mesh,
        "NamedSharding": NamedSharding,
        "devices": devices.mesh.size,
        "mesh": devices.mesh,
        **parameters,
    }


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
    """Compile `text`. Raises Diagnosed at `field`, with line and column if Python tells them."""
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


def find_file(file: str, folder: str) -> Path:
    """Find `file` in `folder` (the session's), else in the working folder.

    Raises FileNotFoundError, whose message names the folders.
    """
    path = Path(file).expanduser()
    beside = Path(folder) / path
    if folder and beside.exists():
        return beside
    if path.exists():
        return path
    where = "in the working folder"
    if folder:
        same = os.path.realpath(folder) == os.path.realpath(working_folder())
        where = "beside the session" if same else f"beside the session or {where}"
    raise FileNotFoundError(f"there is no {path}" + ("" if path.is_absolute() else f" {where}"))


@dataclass(frozen=True)
class Value:
    """An argument's value, with ShapeDtypeStruct leaves in place of JAX's arrays.

    Other leaves (NumPy arrays, Python numbers, any objects) are themselves. `peak` is the size in
    bytes of the largest array that computing the value makes. `places` says that the value may
    choose the devices of its arrays. `abstract` says that the value itself has such leaves, so that
    there is nothing to compute.
    """

    tree: Any
    peak: int
    places: bool = False
    abstract: bool = False


def abstract_value(text: str, known: Names, field: FieldPath) -> Value:
    """The value of `text`, not computed if tracing can tell its shapes. Raises Diagnosed."""
    value, names = _remembered.get((text, known.place), (None, frozenset()))
    if value is not None and names.isdisjoint(known.defined):
        return value
    value = _abstract_value(text, known, field)
    names = _names_in(text)
    if names.isdisjoint(known.defined) and _depends_on_names_only(value.tree, names):
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[text, known.place] = value, names
    return value


def _abstract_value(text: str, known: Names, field: FieldPath) -> Value:
    code = compile_value(text, field)
    kept: list[tuple[list[Any], Any]] = []

    def evaluate() -> list[Any]:
        leaves, tree = jax.tree_util.tree_flatten(eval(code, dict(known.values)))
        kept.append((leaves, tree))
        return [leaf for leaf in leaves if isinstance(leaf, jax.Array)]

    try:
        jaxpr = jax.make_jaxpr(evaluate)()
    except CONCRETE_VALUE_NEEDED:
        tree = concrete_value(text, known, field)
        return Value(tree=tree, peak=0, places=True, abstract=is_abstract(tree))
    except BaseException as error:  # also SystemExit: a value may call exit()
        raise Diagnosed(value_diagnosis(error, text, known, field)) from error
    leaves, tree = kept[-1]
    avals = iter(jaxpr.out_avals)
    structs = [as_struct(next(avals)) if isinstance(x, jax.Array) else x for x in leaves]
    try:
        shapes = jax.tree_util.tree_unflatten(tree, structs)
    except Exception:  # a user's class that computes with its leaves can hold no shapes
        shapes = concrete_value(text, known, field)
    made = any(isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) for x in leaves)
    return Value(
        tree=shapes,
        peak=peak_bytes(jaxpr.jaxpr),
        places=made or _places(jaxpr),
        abstract=is_abstract(leaves),
    )


def is_abstract(tree: Any) -> bool:
    """Whether a value, as it was evaluated, has leaves of which only the shape is given."""
    leaves = jax.tree_util.tree_leaves(tree)
    return any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)


def _places(jaxpr: Any) -> bool:
    """Whether an operation of the jaxpr chooses where its result lies."""
    names = {equation.primitive.name for equations, _ in walk(jaxpr) for equation in equations}
    return not names.isdisjoint(_PLACING)


_PLACING = frozenset({"device_put", "sharding_constraint", "reshard", "shard_map", "mesh_cast"})


# Values by text and place, with every name and attribute in the text: most stay the same from
# keystroke to keystroke.
_remembered: dict[tuple[str, Hashable], tuple[Value, frozenset[str]]] = {}
MOST_REMEMBERED = 64
# What these return depends on more than the text: on files, time or another module.
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
    """Whether the same text always gives the same shapes while no name in it changes."""
    leaves = jax.tree_util.tree_leaves(tree)
    plain = jax.ShapeDtypeStruct | bool | int | float | complex | str
    return (
        all(isinstance(leaf, plain) for leaf in leaves)
        and names.isdisjoint(_LOOKING_ELSEWHERE)
        and not any(name.startswith("_") for name in names)
    )


def concrete_value(text: str, known: Names, field: FieldPath) -> Any:
    """The value of `text`, computed. Raises Diagnosed at `field`."""
    # A copy: an assignment expression must not add a name to the next value's.
    return _evaluated(text, known, field, dict(known.values))


def setting_value(
    text: str, known: Names, field: FieldPath, home: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The value of a layer's setting, with the names of source and file and those in `home`."""
    return _evaluated(text, known, field, {**home, **known.file, **known.source}, home)


def _evaluated(
    text: str, known: Names, field: FieldPath, scope: dict[str, Any], more: Iterable[str] = ()
) -> Any:
    code = compile_value(text, field)
    try:
        return eval(code, scope)
    except BaseException as error:  # also SystemExit: the text may call exit()
        raise Diagnosed(value_diagnosis(error, text, known, field, more)) from error


def compile_value(text: str, field: FieldPath) -> types.CodeType:
    """Compile `text` as an expression. Raises Diagnosed at `field`, with line and column."""
    if not text.strip():
        raise diagnosed("value", field, "needs a value")
    return _compiled(text.strip(), VALUE_NAME, "eval", field)


def as_struct(array: Any) -> jax.ShapeDtypeStruct:
    """The ShapeDtypeStruct of an array, tracer or aval: its weak type too, and typed sharding."""
    weak = bool(getattr(array, "weak_type", False))
    sharding = typed_sharding(array)
    return jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=weak, sharding=sharding)


def value_diagnosis(
    error: BaseException, text: str, known: Names, field: FieldPath, more: Iterable[str] = ()
) -> Diagnosis:
    """What evaluating `text` raised; fixes put a known name, or one of `more`, for a misspelt."""
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
    if isinstance(error, value_helpers.NoSuchFile):
        message = str(error)
        fixes = [
            Fix(label=near, field=field, text=changed)
            for near in error.near
            if (changed := value_helpers.with_file(text, error.name, near)) is not None
        ]
    return Diagnosis(kind="value", field=field, message=message, fixes=fixes)


def renamed(text: str, old: str, new: str) -> str | None:
    """`text` with the first use of the name `old` replaced by `new`; None if there is none."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Name) and node.id == old:
            lines = text.strip().splitlines(keepends=True)
            raw = lines[node.lineno - 1].encode()
            changed = raw[: node.col_offset] + new.encode() + raw[node.end_col_offset :]
            lines[node.lineno - 1] = changed.decode()
            return "".join(lines)
    return None
