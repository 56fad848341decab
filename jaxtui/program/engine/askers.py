"""Who asks for a module, and whose it is: the program's user's, or a library's."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import types
from collections.abc import Iterable
from pathlib import Path

from jaxtui.engine_base.failures import is_users

_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
# The files of importlib, some of which are frozen into Python; `importlib._bootstrap`, which every
# import statement goes through, is none of them.
_IMPORTLIB = re.compile(
    rf"{re.escape(str(Path(importlib.__file__).parent))}{re.escape(os.sep)}"
    r"|<frozen importlib(?!\._bootstrap)"
)


def library_asks(name: str, frame: types.FrameType | None) -> bool:
    """Whether a module is asked for by a statement in an installed package or in Python.

    `frame` is what asks. What these import by a name that they were given, as of a class in a
    pickle, is not.
    """
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if _IMPORTLIB.match(file):
            return False
        # What has no file is the import itself, or text that one of the callers executes.
        if not file.startswith("<") or is_users(file):
            return not is_users(file) and _states(code, name)
        frame = frame.f_back
    return False


def _states(code: types.CodeType, name: str) -> bool:
    """Whether code may have an import statement of a module or of what is in it."""
    return any(n == name or n.startswith(f"{name}.") for n in code.co_names)


def is_of_user(path: str, folders: Iterable[str]) -> bool:
    """Whether a file is the user's, as all in their `folders` are, whatever these are called."""
    within = next((f for f in folders if path.startswith(os.path.join(f, ""))), "")
    below = path[len(within) :]
    installed = "site-packages" in below or "dist-packages" in below
    return not installed and not path.startswith(_PACKAGE) and (bool(within) or is_users(path))


def is_in(name: str, folders: Iterable[str]) -> bool:
    """Whether a module or package of that name lies in one of `folders`."""
    return any(
        os.path.exists(os.path.join(folder, place))
        for folder in folders
        for place in (f"{name}.py", name)
    )


def path_without(folders: Iterable[str]) -> list[str]:
    """`sys.path` without `folders`, each of which may be in it once more."""
    path = list(sys.path)
    for folder in folders:
        with contextlib.suppress(ValueError):
            path.remove(folder)
    return path
