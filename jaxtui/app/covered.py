"""What accepting a session covers: its text, and the files and folder that its text runs.

The function's file and what it, the source or a value imports from the session's folder or the
working folder are found by reading their `import` statements. What is imported in another way
(`importlib`, `exec`) is covered as far as the folder goes: it is signed with the text.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from jaxtui import bounded
from jaxtui.app.stamps import Stamp, stamp
from jaxtui.session.references import reference_of
from jaxtui.session.session import Session
from jaxtui.session.working_folder import working_folder

FILE_BYTES = 2 * 1024 * 1024
FILES = 200
BLOCK = 1024 * 1024  # bytes of a larger file that are hashed at a time
# Words without which a text runs nothing but itself.
_REACHES = re.compile(
    r"import|exec|eval|open|compile|runpy|getattr|__|pickle|ctypes|\bvars\b|\bsys\b|\bos\b"
)


class Covered(Struct, frozen=True):
    """The folder whose files may be run, "" for none, and the text of each file known to run."""

    folder: str = ""
    files: dict[str, str] = msgspec.field(default_factory=dict)


def covered(session: Session, folder: str) -> Covered:
    """Read everything beside its own text that the session in `folder` runs."""
    return Reading(session, folder).covered


def evaluated(session: Session) -> Iterator[str]:
    """The texts of the session that name or are code: its function, its source and its values."""
    yield session.program.function
    yield session.program.source
    yield from _expressions(session)


class Reading:
    """One reading of what a session runs, with the state of every place that it depends on."""

    def __init__(self, session: Session, folder: str, before: Reading | None = None) -> None:
        """Files that are still as they were in the reading `before` are not read again."""
        self._stamps: dict[str, Stamp] = {}
        self.covered = Covered()
        function, *texts = evaluated(session)
        function = function.strip()
        if not function and not any(map(_REACHES.search, texts)):
            return
        roots = [os.path.realpath(folder), working_folder()]
        reference = reference_of(function)
        own = self._file_of(reference.place, roots) if reference is not None else []
        # What lies beside the function's file can be imported by the source and the values too.
        beside = [folder for file in own for folder in _folders_of(os.path.realpath(file))]
        waiting = [file for text in texts for file in self._imported(text, [*beside, *roots])]
        waiting += own
        files: dict[str, str] = {}
        while waiting and len(files) < FILES:
            path = os.path.realpath(waiting.pop())
            if path in files:
                continue
            self._note(path)
            same = before is not None and before._stamps.get(path) == self._stamps[path]
            known = before.covered.files.get(path) if before is not None and same else None
            files[path] = _text(path) if known is None else known
            packages = _packages(path)
            waiting += [f for f in (os.path.join(p, "__init__.py") for p in packages) if f != path]
            folders = dict.fromkeys([*_folders_of(path), *beside, *roots])
            waiting += self._imported(files[path], list(folders))
        self.covered = Covered(roots[0], files)

    @property
    def current(self) -> bool:
        """Whether no file that was read, and no folder that was searched, has changed since."""
        return all(stamp(path) == seen for path, seen in self._stamps.items())

    def _note(self, path: str) -> None:
        """Remember the state of a path, which must be done before it is read."""
        if path not in self._stamps:
            self._stamps[path] = stamp(path)

    def _file_of(self, place: str, roots: list[str]) -> list[str]:
        """The file of a function's module, as the engine finds it; none outside the folders."""
        if not place.endswith(".py"):
            return self._module_files(tuple(place.split(".")), roots)
        named = Path(place).expanduser()
        for root in map(Path, roots):
            self._note(str((root / named).parent))
            self._note(str(root / named))
        return [str(root / named) for root in map(Path, roots) if (root / named).exists()][:1]

    def _imported(self, text: str, roots: list[str]) -> list[str]:
        """The files in `roots` that the import statements of a Python text may run."""
        return [file for names in _modules(text) for file in self._module_files(names, roots)]

    def _module_files(self, names: tuple[str, ...], roots: list[str]) -> list[str]:
        """The files that importing `a.b.c` runs, as far as they lie in one of `roots`."""
        found: list[str] = []
        for root in map(Path, roots):
            place = root
            for name in filter(None, names):
                # A file that comes or goes changes its folder.
                self._note(str(place))
                self._note(str(place / name))
                single, package = place / f"{name}.py", place / name / "__init__.py"
                found += [str(file) for file in (single, package) if file.is_file()]
                found += [str(file) for file in _extensions(place, name)]
                found += [str(file) for file in _extensions(place / name, "__init__")]
                place /= name
        return found


def _packages(path: str) -> list[str]:
    """The folders of the packages that a file lies in, from the innermost outward."""
    folder = os.path.dirname(path)
    found: list[str] = []
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _folders_of(path: str) -> list[str]:
    """The folders that imports in a file reach: its own, those that `..` means, its package's."""
    packages = _packages(path)
    return [os.path.dirname(path), *packages[1:], *map(os.path.dirname, packages[-1:])]


def _expressions(session: Session) -> Iterator[str]:
    """The texts of the session, besides its source, that are evaluated."""
    for argument in session.program.arguments:
        yield from (argument.value, argument.sharding)
    for layer in session.program.layers:
        values = (getattr(layer, name) for name in layer.__struct_fields__)
        yield from (value for value in values if isinstance(value, str))
    if session.collective is not None:
        yield from (session.collective.value, *session.collective.options.values())


def _text(path: str) -> str:
    try:
        return bounded.read(path, FILE_BYTES).decode("utf-8", "backslashreplace")
    except (OSError, bounded.Unreadable) as error:
        return f"# cannot be shown: {error}{_digest(path)}\n"


def _digest(path: str) -> str:
    """What tells the content of a file that is too large to be shown from any other."""
    if not os.path.isfile(path):
        return ""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return f"; SHA-256 {digest.hexdigest()}"


@functools.lru_cache(maxsize=64)
def _modules(text: str) -> tuple[tuple[str, ...], ...]:
    """The names of the modules that the import statements of a Python text may run."""
    import ast

    if "import" not in text:
        return ()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found: dict[tuple[str, ...], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({tuple(alias.name.split(".")): None for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            found.update({(*module, alias.name): None for alias in node.names})
    return tuple(found)


def _extensions(place: Path, name: str) -> list[Path]:
    """Compiled modules of this name."""
    try:
        return sorted(file for file in place.glob(f"{name}*.so") if file.is_file())
    except (OSError, ValueError):
        return []
