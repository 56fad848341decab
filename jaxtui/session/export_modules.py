"""How an exported script imports the user's modules: from the folders that they lie in."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jaxtui import bounded
from jaxtui.session.references import Reference, module_name, reference_of
from jaxtui.session.session import Program
from jaxtui.session.working_folder import working_folder

FILE_BYTES = 2 * 1024 * 1024
_HERE = 'here = Path(globals().get("__file__", "script.py")).resolve().parent'
_BY_PATH = """\
spec = importlib.util.spec_from_file_location({name!r}, {path})
{alias} = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = {alias}
spec.loader.exec_module({alias})"""


@dataclass
class Imports:
    """What a script needs to import the module of its function, and those of its source.

    `module` is what the function's module is called in the script, "" for a function of the source;
    `names` are those that the module's text binds, and `text` that text. `data` is the folder of
    the files that values load, as an expression, "" if the script need not know it.
    """

    data: str = ""
    paths: list[str] = field(default_factory=list)  # lines, for before the source
    lines: list[str] = field(default_factory=list)  # lines, for after it
    module: str = ""
    names: frozenset[str] = frozenset()
    text: str = ""


def imports_of(
    program: Program, bound: set[str], folder: str, script_folder: str, *, loads: bool = False
) -> Imports:
    """The imports of a script in `script_folder` for the program of a session in `folder`.

    If it `loads` files, it has to know their folder, wherever it runs.

    Both default to the working folder; the names in `bound` are taken. Paths are relative to the
    script, unless the function's file was given by an absolute one.
    """
    place = _Places(folder, script_folder)
    reference = reference_of(program.function)
    found = Imports()
    roots = [root for root in place.roots if _imports_from(program, root)]
    if reference is not None and reference.is_file:
        _add_file(found, reference, bound, place)
    elif reference is not None:
        found.module, found.lines = reference.place, [f"import {reference.place}", ""]
        roots += [root for root in place.roots if _lies_in(reference.place, root)]
    found.paths += [_inserted(place.written(root)) for root in dict.fromkeys(roots)]
    inserted = found.paths
    if loads and folder:
        found.data = place.written(place.roots[0])
    if inserted or found.data:
        # The last one stands first in sys.path.
        system = ["import sys"] if inserted else []
        found.paths = [*system, "from pathlib import Path", "", _HERE, *reversed(inserted)]
    return found


class _Places:
    """Where the session, the script and what they import lie."""

    def __init__(self, folder: str, script_folder: str) -> None:
        here = os.path.realpath(working_folder())
        session = os.path.realpath(folder) if folder else here
        self.roots = list(dict.fromkeys([session, here]))
        self._script = os.path.realpath(script_folder) if script_folder else session

    def file(self, place: str) -> Path:
        """The file, found as the engine finds it."""
        named = Path(place).expanduser()
        found = [Path(root) / named for root in self.roots if (Path(root) / named).exists()]
        return Path(os.path.realpath(found[0] if found else Path(self.roots[0]) / named))

    def written(self, path: str | Path, *, absolute: bool = False) -> str:
        """The path as an expression of the script."""
        if absolute:
            return repr(str(path))
        below = Path(os.path.relpath(path, self._script)).as_posix()
        return "here" if below == "." else f"here / {json.dumps(below, ensure_ascii=False)}"


def _inserted(path: str) -> str:
    text = f"str({path})" if path.startswith("here") else path
    return f"sys.path.insert(0, {text})"


def _add_file(found: Imports, reference: Reference, bound: set[str], place: _Places) -> None:
    file = place.file(reference.place)
    absolute = Path(reference.place).expanduser().is_absolute()
    name = module_name(file)
    root = name.name.partition(".")[0]
    found.text = _read(file)
    found.names = frozenset(n for n in _bound_in(found.text) if not n.startswith("_"))
    taken = root in sys.stdlib_module_names
    if taken or not all(part.isidentifier() for part in name.name.split(".")):
        found.module = "function_module"
        path = place.written(file, absolute=absolute)
        text = _BY_PATH.format(name=f"{file.stem}_py", path=path, alias=found.module)
        found.lines = ["import importlib.util", "", *text.splitlines(), ""]
    elif root in bound:
        found.module = "function_module"
        found.lines = [f"import {name.name} as function_module", ""]
    else:
        found.module = name.name
        found.lines = [f"import {name.name}", ""]
    folders = dict.fromkeys([str(name.folder), str(file.parent)])
    found.paths += [_inserted(place.written(folder, absolute=absolute)) for folder in folders]


def _read(file: Path) -> str:
    try:
        return bounded.read(file, FILE_BYTES).decode("utf-8", "replace")
    except (OSError, bounded.Unreadable):
        return ""


def _bound_in(text: str) -> Iterator[str]:
    """The names that statements at the top level of a Python text bind."""
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield statement.name
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.alias):
                yield (node.asname or node.name).partition(".")[0]


def _imports_from(program: Program, root: str) -> bool:
    """Whether the source or a value imports a module that lies in the folder `root`."""
    names: set[str] = set()
    for text in (program.source, *(argument.value for argument in program.arguments)):
        try:
            nodes = list(ast.walk(ast.parse(text.strip())))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    return any(_lies_in(name, root) for name in names)


def _lies_in(module: str, root: str) -> bool:
    name = module.partition(".")[0]
    if not name or name in sys.stdlib_module_names:
        return False
    return Path(root, f"{name}.py").is_file() or Path(root, name).is_dir()
