"""The state of the process that Python code may change, read part by part and set again."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtui.engine_base import meshes, processes
from jaxtui.session.working_folder import working_folder

GONE = object()  # the value of what is not there
State = Mapping[str, Mapping[str, Any]]  # for each part, its values by name


class Change(NamedTuple):
    """A new value of `name` in a part of the state."""

    part: str
    name: str
    value: Any


class _Part(NamedTuple):
    read: Callable[[], Mapping[str, Any]]
    write: Callable[[str, Any], object]


def read(*, randomness: bool = False) -> State:
    """The present state; with `randomness`, also that of random numbers and the mesh in context."""
    parts = {**_PARTS, **_OF_A_RUN} if randomness else _PARTS
    return {name: dict(part.read()) for name, part in parts.items()}


def changes(before: State, after: State) -> list[Change]:
    """What has to be set to come from the state `before` to that `after`."""
    return [
        Change(part, name, after[part].get(name, GONE))
        for part in before
        if not _same(before[part], after[part])
        for name in before[part].keys() | after[part].keys()
        if not _same(before[part].get(name, GONE), after[part].get(name, GONE))
    ]


def apply(wanted: list[Change]) -> None:
    """Set these values. What can no longer be set, such as the number of devices, stays."""
    for change in wanted:
        part = _PARTS.get(change.part) or _OF_A_RUN[change.part]
        with contextlib.suppress(Exception):
            part.write(change.name, change.value)


def leave_local_contexts() -> None:
    """Leave what code has entered in this thread by `with`-contexts of JAX, and not left."""
    unset, holders = _local_holders()
    for holder in holders:
        if holder.get_local() is not unset:
            holder.set_local(unset)


_fresh: list[Any] = []  # what tells the state of NumPy's random numbers as they were begun


def new_randomness() -> None:
    """Let the next random numbers be those of a fresh process.

    Several processes have been given the same ones, which they keep.
    """
    if processes.several():
        return
    random.seed()
    if _fresh != [_numpy_randomness()]:
        np.random.seed()
        _fresh[:] = [_numpy_randomness()]


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # whatever the comparison of what was set raises
        return False


@functools.cache
def _local_holders() -> tuple[Any, list[Any]]:
    """What stands for no value of a thread's own, and the options of JAX that may have one."""
    unset = getattr(getattr(sys.modules.get("jax._src.config"), "config_ext", None), "unset", None)
    holders = getattr(jax.config, "_value_holders", {}).values()
    known = [h for h in holders if hasattr(h, "get_local") and hasattr(h, "set_local")]
    return unset, known if unset is not None else []


def _set_environ(name: str, value: Any) -> None:
    if value is GONE:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class _Place(int):
    """An index in `sys.path`: the same entries at other places are no change."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    __hash__ = int.__hash__


def _path() -> Mapping[str, Any]:
    return {entry: _Place(index) for index, entry in enumerate(sys.path)}


def _set_path(entry: str, place: Any) -> None:
    if place is GONE:
        sys.path.remove(entry)
    elif entry not in sys.path:
        sys.path.insert(int(place), entry)


def _set_argv(_: str, value: Any) -> None:
    sys.argv[:] = value


def _numpy() -> Mapping[str, Any]:
    return {"errors": np.geterr(), "printing": np.get_printoptions()}


def _set_numpy(name: str, value: Any) -> None:
    if name == "errors":
        np.seterr(**value)
    else:
        np.set_printoptions(**value)


def _set_filters(_: str, value: Any) -> None:
    warnings.resetwarnings()  # which also clears what the old filters have decided
    warnings.filters[:] = value  # type: ignore[index]


def _logging() -> Mapping[str, Any]:
    loggers = dict(logging.root.manager.loggerDict)
    levels = {n: log.level for n, log in loggers.items() if isinstance(log, logging.Logger)}
    own = {".level": logging.root.level, ".handlers": list(logging.root.handlers)}
    return {**levels, **own, ".disabled": logging.root.manager.disable}


def _set_logging(name: str, value: Any) -> None:
    if name == ".level":
        logging.root.setLevel(value)
    elif name == ".handlers":
        logging.root.handlers[:] = [] if value is GONE else value
    elif name == ".disabled":
        logging.disable(value)
    else:
        logging.getLogger(name).setLevel(logging.NOTSET if value is GONE else value)


def _numpy_randomness() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state()
    return (kind, np.asarray(keys).tobytes(), *rest)


def _set_randomness(name: str, value: Any) -> None:
    if name == "python":
        random.setstate(value)
    else:
        kind, keys, *rest = value
        np.random.set_state((kind, np.frombuffer(keys, np.uint32), *rest))


_PARTS: dict[str, _Part] = {
    "jax": _Part(lambda: jax.config.values, jax.config.update),
    "environ": _Part(lambda: os.environ, _set_environ),
    "path": _Part(_path, _set_path),
    "argv": _Part(lambda: {"": list(sys.argv)}, _set_argv),
    "folder": _Part(lambda: {"": working_folder()}, lambda _, value: os.chdir(value)),
    "recursion": _Part(
        lambda: {"": sys.getrecursionlimit()}, lambda _, value: sys.setrecursionlimit(value)
    ),
    "numpy": _Part(_numpy, _set_numpy),
    "warnings": _Part(lambda: {"": list(warnings.filters)}, _set_filters),
    "logging": _Part(_logging, _set_logging),
}
# Parts that begin anew with each program, and that a module may set when it is imported.
_OF_A_RUN: dict[str, _Part] = {
    "random": _Part(
        lambda: {"python": random.getstate(), "numpy": _numpy_randomness()}, _set_randomness
    ),
    "mesh": _Part(lambda: {"": meshes.in_this_thread()}, lambda _, value: meshes.stay_in(value)),
}
