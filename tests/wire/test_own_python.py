"""Nothing in the folder that jaxtui is started in takes the place of what its processes import."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaxtui.capture.request import Capture
from jaxtui.capture.running import Running
from jaxtui.cli import book, hosts
from jaxtui.hosts import launchers
from jaxtui.wire.process import EngineSettings


class _Started(Exception):
    """Raised in place of starting a process."""


def _engine(**settings: Any) -> Callable[[], object]:
    return lambda: _raise(EngineSettings(**settings).arguments())


def _raise(command: list[str]) -> None:
    raise _Started(command)


STARTS: dict[str, Callable[[], object]] = {
    "an engine": _engine(),
    "the processes on hosts": _engine(hosts=("a", "b")),
    "a kept engine's line": _engine(command=("ssh", "a", "python -m jaxtui.engine"), keep=9.0),
    "what a launcher has begun": launchers.job,
    "one of a launcher's processes": lambda: hosts._attend("a:1", 1),
    "the book": lambda: book.write("markdown", "matrix-vector", None),
    "a captured script": lambda: Running(
        Capture(script="a.py", function="f", output=""), lambda text: None
    ),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_a_module_in_the_working_folder_shadows_none(
    start: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*given: Any, **options: Any) -> None:
        raise _Started(given[-1])

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(os, "execv", started)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(_Started) as raised:
        start()
    [command] = raised.value.args
    assert "-P" in command[: command.index("-m")]
