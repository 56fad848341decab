"""The user's own modules: each is loaded once, under its own name, and anew once its file changed.

A script starts in a new process, where what it imports is read from its files and sets what it
sets. Here programs run one after the other. So a finder stands before Python's own: it notes the
state of each file before the module runs, and what the module changed in the process. At the begin
of a program

- a module whose file has changed, or one of whose arrays a run donated, is forgotten, and so is
  every module whose text names it;
- the other modules get back the names that they had after they were loaded;
- modules are found in the folders of this program only: where another folder is, or where one sets
  something when it is imported, none counts as imported. An import then finds the module as it was
  loaded, and sets again what it had set.

Modules of Python, of installed packages and of jaxtui are left alone, and what these import by a
statement of their own is not looked for in the program's folders: nobody who has read the program
knows of it. What runs of a module is its text, which its user has read, and never what Python, or
who sent the folder, has compiled of it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import linecache
import os
import re
import sys
import threading
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import (
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any

import jax

from jaxtui.program.engine import askers, process_state
from jaxtui.program.engine.process_state import Change
from jaxtui.session.references import module_name
from jaxtui.session.working_folder import working_folder

Stamp = tuple[int, ...] | None


@dataclass
class Loaded:
    """A module as it was when it had been loaded."""

    module: types.ModuleType
    path: str
    stamp: Stamp
    names: dict[str, Any]
    changes: list[Change]
    """What it, and all that it imported, changed in the process."""
    imported: list[str]
    """The names of the user's modules that were loaded with it."""
    made: dict[Any, Any] = field(default_factory=dict)
    """Values of expressions that a reference names, such as `make_model()`."""


_loaded: dict[tuple[str, str], Loaded] = {}  # by name and path
_libraries: dict[str, list[Change]] = {}  # what installed packages changed when they were imported
_added: list[str] = []  # to sys.path, for the present program
_lock = threading.RLock()
_loading = threading.local()
_calls: list[bool] = []  # not empty once a program was called after arrays were looked at


# ----------------------------------------------------------------------- at the begin of a program


def begin(folder: str, file: Path | None, source: str) -> None:
    """Make the modules of the session's `folder`, of `file`'s and of the working folder importable.

    `source` is the text that is about to run.
    """
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        folders = _folders(folder, file)
        moved = folders != _added
        if moved or any(loaded.changes for loaded in list(_loaded.values())):
            for loaded in list(_loaded.values()):
                _not_imported(loaded)
        for loaded in list(_loaded.values()):
            _reset(loaded)
        _import_from(folders)
        for name, changes in _libraries.items():
            if re.search(rf"\b{re.escape(name)}\b", source):
                process_state.apply(changes)


def forget_changed() -> bool:
    """Forget the modules whose files have changed, and those that import them.

    Returns whether there were any.
    """
    with _lock:
        return _forget_changed()


def called() -> None:
    """Note that a program was called, which may have donated arrays of modules."""
    _calls[:] = [True]


def _folders(folder: str, file: Path | None) -> list[str]:
    folders = [os.path.realpath(folder)] if folder else []
    folders.append(os.path.realpath(working_folder()))
    if file is not None:
        folders = [str(module_name(file).folder), str(file.parent), *folders]
    return list(dict.fromkeys(folders))


def _import_from(folders: list[str]) -> None:
    """Put `folders` at the front of `sys.path`, in place of those of the program before."""
    for path in _added:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)
    _added[:] = folders
    sys.path[:0] = folders


def _forget_changed() -> bool:
    looks = bool(_calls)
    _calls.clear()
    changed = [
        key
        for key, loaded in list(_loaded.items())
        if _stamp(loaded.path) != loaded.stamp or (looks and _holds_deleted(loaded))
    ]
    any_changed = bool(changed)
    while changed:
        gone = [_loaded.pop(key) for key in changed if key in _loaded]
        for loaded in gone:
            _not_imported(loaded)
            linecache.checkcache(loaded.path)
        words = {loaded.module.__name__.rpartition(".")[2] for loaded in gone}
        word = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
        changed = [key for key, loaded in list(_loaded.items()) if word.search(_text(loaded.path))]
    return any_changed


def _not_imported(loaded: Loaded) -> None:
    if sys.modules.get(loaded.module.__name__) is loaded.module:
        del sys.modules[loaded.module.__name__]


def _reset(loaded: Loaded) -> None:
    """Give the module the names that it had, but keep what is a part of its package."""
    names = vars(loaded.module)
    if names.keys() == loaded.names.keys() and all(
        value is loaded.names[name] for name, value in names.items()
    ):
        return
    for name in [name for name in names if name not in loaded.names]:
        if not isinstance(names[name], types.ModuleType):
            del names[name]
    names.update({n: v for n, v in loaded.names.items() if n not in ("__spec__", "__loader__")})


def _holds_deleted(loaded: Loaded) -> bool:
    """Whether an array that the module holds is gone."""
    held = {n: v for n, v in vars(loaded.module).items() if not n.startswith("__")}
    try:
        leaves = jax.tree_util.tree_leaves((held, list(loaded.made.values())))
        return any(isinstance(leaf, jax.Array) and leaf.is_deleted() for leaf in leaves)
    except Exception:  # whatever the flattening of a user's object raises
        return False


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


# --------------------------------------------------------------------------------- finding, loading


class _Finder:
    """Finds modules as Python does, and sees to how the user's are loaded."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        library = path is None and askers.library_asks(name, sys._getframe(1))
        spec = self._found(name, path, target, library)
        if spec is None and library:
            # Python's own finder, which comes next, would look in all folders.
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if spec is None and path is None and askers.is_in(name, _added):
            importlib.invalidate_caches()  # the file is newer than what is known of its folder
            spec = self._found(name, path, target, library)
        if spec is None or not spec.origin:
            return spec
        if isinstance(spec.loader, SourcelessFileLoader) and askers.is_of_user(spec.origin, _added):
            compiled = os.path.basename(spec.origin)
            raise ImportError(f"of {name!r} there is only {compiled}, and no text", name=name)
        if isinstance(spec.loader, SourceFileLoader):
            if askers.is_of_user(spec.origin, _added):
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
            elif "." not in name and name not in sys.stdlib_module_names:
                spec.loader = _Library(spec.loader)  # type: ignore[assignment]
        return spec

    def _found(
        self,
        name: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None,
        library: bool,
    ) -> ModuleSpec | None:
        # A user's file must not take the place of a module of Python that is yet to be imported.
        others = library or (path is None and name in sys.stdlib_module_names)
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            where = path
            if others and finder is PathFinder:
                where = askers.path_without(_added)
            spec = finder.find_spec(name, where, target)
            if spec is not None:
                return spec
        return None


_finder: Any = _Finder()


class _Wrapping:
    """A loader around another one, for whatever else that one can do."""

    def __init__(self, loader: SourceFileLoader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def _unwrap(self, module: types.ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader


class _Library(_Wrapping):
    """Loads an installed package, and notes what that changes in the process."""

    def exec_module(self, module: types.ModuleType) -> None:
        self._unwrap(module)
        before = process_state.read()
        self._loader.exec_module(module)
        changes = process_state.changes(before, process_state.read())
        if settings := [change for change in changes if change.part == "jax"]:
            _libraries[module.__name__] = settings


class _Loader(_Wrapping):
    """Loads a module of the user's, or finds it as it was loaded."""

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        loaded = _loaded.get((spec.name, str(spec.origin)))
        return loaded.module if loaded is not None else self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._unwrap(module)
        path = self._loader.path
        loaded = _loaded.get((module.__name__, path))
        _note_import(module.__name__)
        if loaded is not None and loaded.module is module:
            process_state.apply(loaded.changes)
            for name in loaded.imported:
                importlib.import_module(name)
            return
        stamp = _stamp(path)
        before = process_state.read(randomness=True)
        outer, _loading.imported = _imported_so_far(), []
        try:
            self._run(module, path)
        finally:
            imported, _loading.imported = _loading.imported, outer
        changes = process_state.changes(before, process_state.read(randomness=True))
        names = dict(vars(module))
        _loaded[module.__name__, path] = Loaded(module, path, stamp, names, changes, imported)

    def _run(self, module: types.ModuleType, path: str) -> None:
        # What is compiled already is taken for that of a text by its size and whole seconds only,
        # or without a look at it.
        text = self._loader.get_data(path)
        exec(self._loader.source_to_code(text, path), vars(module))


def _imported_so_far() -> list[str]:
    found: list[str] = getattr(_loading, "imported", [])
    return found


def _note_import(name: str) -> None:
    _imported_so_far().append(name)


def load(name: str) -> types.ModuleType:
    """The module of this dotted name."""
    return importlib.import_module(name)


def load_file(file: Path) -> types.ModuleType:
    """The module in `file`, under the name by which others import it."""
    name = module_name(file).name
    if all(part.isidentifier() for part in name.split(".")):
        present = sys.modules.get(name)
        if present is None and (spec := importlib.util.find_spec(name)) is not None:
            if spec.origin is not None and os.path.realpath(spec.origin) == str(file):
                return importlib.import_module(name)
        elif present is not None and _is_file(present, file):
            return present
    return _under_another_name(re.sub(r"\W", "_", name) + "_py", file)


def _is_file(module: types.ModuleType, file: Path) -> bool:
    path = getattr(module, "__file__", None)
    return path is not None and os.path.realpath(path) == str(file)


def _under_another_name(name: str, file: Path) -> types.ModuleType:
    """Load a file whose own name is taken, as `random.py` is, or is none, as `my-model.py`."""
    present = sys.modules.get(name)
    if present is not None and _is_file(present, file):
        return present
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        raise ImportError(f"{file.name} is no Python file")
    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def loaded_as(module: types.ModuleType) -> Loaded | None:
    """What is known of a user's module; None for any other."""
    return _loaded.get((module.__name__, str(getattr(module, "__file__", ""))))
