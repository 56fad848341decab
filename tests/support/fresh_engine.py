"""Calls a function of a test in a process that is an engine: its state is nobody else's."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CODE = """
import importlib, json, sys
from jaxtui.engine_base import devices
from jaxtui.program.engine import surroundings
module, name, args = json.loads(sys.argv.pop())
test = importlib.import_module(module)
devices.start("cpu", 8)
surroundings.remember()
getattr(test, name).__wrapped__(*args)
"""


def in_a_process(test: Callable[..., None]) -> Callable[..., None]:
    """Decorate a function of a module whose arguments are JSON; its failure is the test's."""

    @functools.wraps(test)
    def called(*args: object) -> None:
        file = Path(test.__code__.co_filename).relative_to(ROOT)
        asked = json.dumps([".".join(file.with_suffix("").parts), test.__name__, args])
        code = [sys.executable, "-c", _CODE, asked]
        done = subprocess.run(code, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-3000:]

    return called
