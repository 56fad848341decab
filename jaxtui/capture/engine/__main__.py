"""`python -m jaxtui.capture.engine FOLDER`: run the script of a request up to the call it names.

FOLDER has the request as `request.json` and gets `report.json`. The script runs as `__main__`, with
its own arguments and its folder on `sys.path`, in a process that is not told of jaxtui otherwise.
"""

from __future__ import annotations

import ast
import difflib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import threading
import traceback
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from jaxtui.capture.engine import rewriting
from jaxtui.capture.engine.recording import NoSuchFunction, Recording
from jaxtui.capture.request import Capture, CaptureReport
from jaxtui.session.python_faults import fault_of


class _Failed(Exception):
    """The script cannot be captured from, for a reason in words."""


def main(folder: Path) -> int:
    """Run the script; returns its exit status if it ends by itself."""
    capture = msgspec.json.decode((folder / "request.json").read_bytes(), type=Capture)
    _end_with_parent()
    run = _Run(capture, folder)
    try:
        return run.run()
    except (_Failed, NoSuchFunction) as error:
        run.report(CaptureReport(outcome="failed", message=str(error), calls=run.calls))
        return 1


def _end_with_parent() -> None:
    """End this process when the one that started it, which holds the other end of stdin, is gone.

    The script finds an empty stdin.
    """
    watched = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)

    def wait() -> None:
        if not os.read(watched, 1):
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class _Run:
    """One run of a script."""

    def __init__(self, capture: Capture, folder: Path) -> None:
        self._capture = capture
        self._folder = folder
        root, *path = capture.function.split(".")
        self._root = root
        self._recording = Recording(path, capture.call, self._reached)
        self._main = types.ModuleType("__main__")
        self._tree = ast.Module([], [])

    @property
    def calls(self) -> int:
        return self._recording.calls

    def report(self, report: CaptureReport) -> None:
        written = self._folder / "report.part"
        written.write_bytes(msgspec.json.encode(report))
        os.replace(written, self._folder / "report.json")

    def run(self) -> int:
        path = self._prepared()
        self._tree = _parsed(path)
        if self._capture.home:
            sys.meta_path.insert(0, _Finder(self._capture.home, self._loaded))
        elif not rewriting.rewritten(self._tree, self._root):
            raise _Failed(_unbound(self._root, path.name, rewriting.names(self._tree)))
        self._main.__dict__[rewriting.RECORDED] = self._recording.recorded
        try:
            code = compile(self._tree, str(path), "exec", dont_inherit=True)
            exec(code, self._main.__dict__)
        except SystemExit as error:
            return self._ended(error.code)
        except (_Failed, NoSuchFunction):
            raise
        except BaseException as error:
            return self._raised(error)
        return self._ended(None)

    def _ended(self, code: object) -> int:
        status = code if isinstance(code, int) else int(code is not None)
        if isinstance(code, str):
            print(code, file=sys.stderr)
        missing = ""
        if not self._recording.bound and self._capture.home:
            missing = f"{self._capture.home} was never imported"
        report = CaptureReport(outcome="ended", calls=self.calls, status=status, message=missing)
        self.report(report)
        return status

    def _raised(self, error: BaseException) -> int:
        # The frames of this module are not the script's.
        below = error.__traceback__.tb_next if error.__traceback__ is not None else None
        traceback.print_exception(type(error), error, below)
        words = f"{type(error).__name__}: {error}".partition("\n")[0]
        self.report(CaptureReport(outcome="raised", calls=self.calls, message=words, status=1))
        return 130 if isinstance(error, KeyboardInterrupt) else 1

    def _prepared(self) -> Path:
        """Let this process look to the script as one that Python runs it in; returns its file."""
        capture, module = self._capture, self._main
        if capture.is_module:
            sys.path.insert(0, os.getcwd())
            spec = importlib.util.find_spec(capture.script)
            if spec is not None and spec.submodule_search_locations is not None:
                spec = importlib.util.find_spec(f"{capture.script}.__main__")
            if spec is None or spec.origin is None:
                raise _Failed(f"there is no module {capture.script} to run")
            path = Path(spec.origin)
            module.__spec__, module.__package__ = spec, spec.parent
        else:
            path = Path(capture.script).absolute()
            sys.path.insert(0, str(path.resolve().parent))
            module.__spec__ = None
        module.__file__ = str(path) if capture.is_module else capture.script
        module.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = module
        sys.argv[:] = [str(path) if capture.is_module else capture.script, *capture.arguments]
        return path

    def _loaded(self, module: types.ModuleType, execute: Callable[[ast.Module], None]) -> None:
        """Run the module in which the function is, with the recorder around it."""
        path = Path(module.__file__ or "")
        tree = _parsed(path)
        if not rewriting.rewritten(tree, self._root):
            names = rewriting.names(tree)
            raise _Failed(_unbound(self._root, self._capture.home, names))
        module.__dict__[rewriting.RECORDED] = self._recording.recorded
        execute(tree)

    def _reached(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> NoReturn:
        """Write the session of this call, and end the process: no more of the script runs."""
        from jaxtui.capture.engine import sessions
        from jaxtui.capture.engine.as_text import Unwritable

        try:
            made = sessions.session_of(
                self._capture, function, args, kwargs, self._main, self._tree
            )
            report = CaptureReport(
                outcome="captured", calls=self.calls, session=made.text, notes=made.notes
            )
        except Unwritable as error:
            report = CaptureReport(outcome="failed", calls=self.calls, message=str(error))
        except BaseException as error:  # whatever the user's objects raise when they are looked at
            traceback.print_exc()
            words = f"{type(error).__name__}: {error}"
            report = CaptureReport(outcome="failed", calls=self.calls, message=words)
        self.report(report)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(0)


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise _Failed(f"{path.name} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise _Failed(f"{path.name} is no Python: {fault_of(error)}") from error


def _unbound(name: str, place: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    more = f"; there is {', '.join(near)}" if near else ""
    return f"{place} binds no {name} at its top level{more}"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module as Python would, and has it run with the recorder."""

    def __init__(
        self,
        name: str,
        loaded: Callable[[types.ModuleType, Callable[[ast.Module], None]], None],
    ) -> None:
        self._name, self._loaded = name, loaded

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, self._loaded)
        elif spec is not None:
            raise _Failed(f"{fullname} is not written in Python")
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, loaded: Any) -> None:
        super().__init__(name, path)
        self._loaded = loaded

    def exec_module(self, module: types.ModuleType) -> None:
        def execute(tree: ast.Module) -> None:
            exec(compile(tree, self.path, "exec", dont_inherit=True), module.__dict__)

        self._loaded(module, execute)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
