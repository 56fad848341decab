"""What accepting a session covers: its text, and the files and folder that its text runs.

The function's file and what it, the source or a value imports from the session's folder or the
working folder are found by reading their `import` statements. What is imported in another way
(`importlib`, `exec`) is covered as far as the folder goes: it is signed with the text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from jaxtui import bounded
from jaxtui.session.session import Session

FILE_BYTES = 2 * 1024 * 1024
FILES = 200
# Words without which a text runs nothing but itself.
_REACHES = re.compile(r"import|exec|eval|open|compile|runpy|getattr|__|\bsys\b|\bos\b")


class Covered(Struct, frozen=True):
    """The folder whose files may be run, "" for none, and the text of each file known to run."""

    folder: str = ""
    files: dict[str, str] = msgspec.field(default_factory=dict)


def covered(session: Session, folder: str) -> Covered:
    """Read everything beside its own text that the session in `folder` runs."""
    program = session.program
    texts = [program.source, *_expressions(session)]
    function = program.function.strip()
    if not function and not any(map(_REACHES.search, texts)):
        return Covered()
    roots = [os.path.realpath(folder), os.getcwd()]
    waiting = [file for text in texts for file in _imported(text, roots)]
    if function:
        waiting += _file_of(function.rpartition(":")[0], roots)
    files: dict[str, str] = {}
    while waiting and len(files) < FILES:
        path = os.path.realpath(waiting.pop())
        if path in files:
            continue
        files[path] = _text(path)
        waiting += _imported(files[path], [os.path.dirname(path), *roots])
    return Covered(roots[0], files)


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
        return f"# cannot be read: {error}\n"


def _file_of(place: str, roots: list[str]) -> list[str]:
    """The file of a function's module, as the engine finds it; none outside the folders."""
    if not place.endswith(".py"):
        return _module_files(place.split("."), roots)
    named = Path(place).expanduser()
    return [str(root / named) for root in map(Path, roots) if (root / named).exists()][:1]


def _imported(text: str, roots: list[str]) -> list[str]:
    """The files in `roots` that the import statements of a Python text may run."""
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += _module_files(alias.name.split("."), roots)
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            for alias in node.names:
                found += _module_files([*module, alias.name], roots)
    return found


def _module_files(names: list[str], roots: list[str]) -> list[str]:
    """The files that importing `a.b.c` runs, as far as they lie in one of `roots`."""
    found: list[str] = []
    for root in map(Path, roots):
        place = root
        for name in filter(None, names):
            single, package = place / f"{name}.py", place / name / "__init__.py"
            found += [str(file) for file in (single, package) if file.is_file()]
            found += [str(file) for file in _extensions(place, name)]
            place /= name
    return found


def _extensions(place: Path, name: str) -> list[Path]:
    """Compiled modules of this name."""
    try:
        return sorted(file for file in place.glob(f"{name}*.so") if file.is_file())
    except (OSError, ValueError):
        return []
