"""Trees of arrays as Python text that gives them again: containers, classes, and leaves."""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
import math
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import numpy as np
from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.capture.engine.recording import behind
from jaxtui.engine_base.arrays import is_array

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))


class Unwritable(Exception):
    """Something among the arguments that no Python text gives: its path, and what would help."""


class Names:
    """What text may call things: by the script's module, or by what the source imports."""

    def __init__(
        self, name: str, module: types.ModuleType, bound: Container[str] | None = None
    ) -> None:
        """`name` is that by which values know `module`; "" if they cannot.

        `bound` are the names that it has once it is imported; None for all that it has now.
        """
        self.name = name
        self._bound = bound
        self.module = module
        self.imports: dict[str, None] = {}  # lines

    def binds(self, name: str) -> bool:
        """Whether the module itself gives a meaning to `name`, which values may take from it."""
        return name in vars(self.module) and (self._bound is None or name in self._bound)

    def of(self, thing: Any) -> str | None:
        """The name of this very object, None if it has none at the top level of a module."""
        return self._in_script(thing) or self._imported(thing)

    def _in_script(self, thing: Any) -> str | None:
        if not self.name:
            return None
        for name, value in vars(self.module).items():
            there = self._bound is None or name in self._bound
            if behind(value) is thing and there and not name.startswith("__"):
                return f"{self.name}.{name}"
        return None

    def _imported(self, thing: Any) -> str | None:
        home = getattr(thing, "__module__", None)
        path = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
        if not isinstance(home, str) or not isinstance(path, str) or home == "__main__":
            return None
        try:
            found = functools.reduce(getattr, path.split("."), importlib.import_module(home))
        except Exception:  # a name inside of a function, or a module that cannot be imported anew
            return None
        if behind(found) is not thing:
            return None
        if home == "builtins":
            return path
        root = path.partition(".")[0]
        self.imports[f"from {home} import {root}"] = None
        return path


class Writer:
    """Writes trees; `leaf(array, path)` gives the text of an array."""

    def __init__(self, names: Names, leaf: Callable[[Any, str], str]) -> None:
        self._names = names
        self._leaf = leaf

    def text(self, value: Any, path: str) -> str:
        """The text of `value`, which stands at `path`. Raises Unwritable."""
        if is_array(value):
            return self._leaf(value, path)
        for write in (self._plain, self._container, self._named, self._instance):
            text = write(value, path)
            if text is not None:
                return text
        raise self._unwritable(value, path)

    def _unwritable(self, value: Any, path: str) -> Unwritable:
        kind = type(value)
        what = f"a {kind.__module__}.{kind.__qualname__}"
        if callable(value):
            what = f"the function {getattr(value, '__qualname__', kind.__qualname__)}"
        script = self._names.name or "the script"
        return Unwritable(
            f"{path} is {what}, for which there is no Python text: bind it to a name at the top "
            f"level of {script}, or capture a function that takes only its arrays"
        )

    def _plain(self, value: Any, path: str) -> str | None:
        if isinstance(value, enum.Enum):
            owner = self._names.of(type(value))
            return None if owner is None else f"{owner}.{value.name}"
        if type(value) in PLAIN:
            finite = not isinstance(value, float) or math.isfinite(value)
            return repr(value) if finite else f"float({str(value)!r})"
        if isinstance(value, PartitionSpec):
            return f"P({', '.join(map(repr, tuple(value)))})"
        if isinstance(value, np.dtype):
            return f"jnp.dtype({value.name!r})"
        if isinstance(value, slice | range):
            return repr(value)
        return None

    def _container(self, value: Any, path: str) -> str | None:
        kind = type(value)
        if kind in (list, tuple, set, frozenset):
            return self._sequence(kind, value, path)
        if kind is dict:
            return self._dict(value, path)
        if kind is OrderedDict:
            self._names.imports["from collections import OrderedDict"] = None
            return f"OrderedDict({self._dict(value, path)})"
        if kind is defaultdict:
            self._names.imports["from collections import defaultdict"] = None
            factory = self.text(value.default_factory, f"{path}.default_factory")
            return f"defaultdict({factory}, {self._dict(value, path)})"
        if kind in (functools.partial, tree_util.Partial):
            home = "functools" if kind is functools.partial else "jax.tree_util"
            self._names.imports[f"import {home}"] = None
            parts = [self.text(value.func, f"{path}.func")]
            parts += [self.text(x, f"{path}.args[{i}]") for i, x in enumerate(value.args)]
            parts += [f"{k}={self.text(x, f'{path}.{k}')}" for k, x in value.keywords.items()]
            return f"{home}.{kind.__name__}({', '.join(parts)})"
        return None

    def _sequence(self, kind: type, value: Any, path: str) -> str:
        items = [self.text(x, f"{path}[{i}]") for i, x in enumerate(value)]
        inside = ", ".join(items)
        if kind is tuple:
            return f"({inside},)" if len(items) == 1 else f"({inside})"
        if kind is list:
            return f"[{inside}]"
        return f"{kind.__name__}([{inside}])"

    def _dict(self, value: Mapping[Any, Any], path: str) -> str:
        pairs = []
        for key, below in value.items():
            if type(key) not in PLAIN and type(key) is not tuple:
                raise self._unwritable(key, f"a key of {path}")
            pairs.append(f"{key!r}: {self.text(below, f'{path}[{key!r}]')}")
        return f"{{{', '.join(pairs)}}}"

    def _named(self, value: Any, path: str) -> str | None:
        """An object that a module's top level binds: a function, a class, an optimizer."""
        if any(map(is_array, tree_util.tree_leaves(value))):
            return None  # to name it would be to compute it
        return self._names.of(value)

    def _instance(self, value: Any, path: str) -> str | None:
        if isinstance(value, type | types.FunctionType | types.ModuleType):
            return None
        owner = self._names.of(type(value))
        if owner is None:
            if not (isinstance(value, Mapping) or _fields(value) is not None):
                return None
            raise Unwritable(
                f"{path} is a {type(value).__qualname__}, a class that no module has at its top "
                "level: move it there"
            )
        if isinstance(value, Mapping):  # such as flax's FrozenDict
            return f"{owner}({self._dict(value, path)})"
        fields = _fields(value)
        if fields is not None:
            parts = [f"{name}={self.text(x, f'{path}.{name}')}" for name, x in fields]
            return f"{owner}({', '.join(parts)})"
        if hasattr(type(value), "tree_unflatten") and hasattr(value, "tree_flatten"):
            children, auxiliary = value.tree_flatten()
            below = self.text(tuple(children), path)
            return f"{owner}.tree_unflatten({self.text(auxiliary, path)}, {below})"
        return None


def _fields(value: Any) -> list[tuple[str, Any]] | None:
    """The constructor's arguments of `value`, None if they cannot be told from its attributes."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(name, getattr(value, name)) for name in value._fields]
    if dataclasses.is_dataclass(value):
        return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init]
    return _kept_by_init(value)


def _kept_by_init(value: Any) -> list[tuple[str, Any]] | None:
    """The arguments of `__init__`, if it keeps each in an attribute of its name, and no more."""
    kind = type(value)
    if kind.__init__ is object.__init__:
        return None if kind is object or getattr(value, "__dict__", None) else []
    try:
        parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
        attributes = vars(value)
    except (TypeError, ValueError):
        return None
    fields = list(_kept(parameters, attributes))
    if len(fields) < len(parameters) or len(attributes) > len(parameters):
        return None
    return fields


def _kept(
    parameters: list[inspect.Parameter], attributes: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for parameter in parameters:
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        for name in (parameter.name, f"_{parameter.name}"):
            if named and name in attributes:
                yield parameter.name, attributes[name]
                break
