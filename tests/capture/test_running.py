"""Whatever a script does before the call, it is told, and nothing of it is left running."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jaxtui.capture.request import CaptureReport, capture_of
from jaxtui.capture.running import Running, why_not
from tests.support.asking import exists

FUNCTION = "def f(x):\n    return x\n"


def captured(
    tmp_path: Path, source: str, target: str = "f", **options: Any
) -> tuple[str, CaptureReport, str]:
    """Why there is no session, the report, and what the script printed."""
    (tmp_path / "script.py").write_text(source)
    asked = capture_of(f"{tmp_path / 'script.py'}:{target}", **options)
    printed: list[str] = []
    with Running(asked, printed.append) as running:
        report = running.report()
    return why_not(asked, report).replace(f"{tmp_path}{os.sep}", ""), report, "".join(printed)


def test_a_function_that_is_never_called(tmp_path: Path) -> None:
    words, report, _ = captured(tmp_path, FUNCTION)
    assert words == "script.py ended: f was never called"
    assert report.status == 0


def test_a_function_that_is_called_too_seldom(tmp_path: Path) -> None:
    words, report, _ = captured(tmp_path, f"{FUNCTION}for i in range(3):\n    f(i)\n", call=4)
    assert words == "script.py ended: f was called 3 times"
    assert report.calls == 3


def test_a_script_that_raises_says_so_with_its_own_lines(tmp_path: Path) -> None:
    words, _, printed = captured(tmp_path, f"{FUNCTION}f(1)\nraise ValueError('mine')\n", call=2)
    assert words == "script.py failed before: ValueError: mine; f was called once"
    assert 'script.py", line 4, in <module>' in printed
    assert "jaxtui" not in printed


@pytest.mark.parametrize(("code", "status"), [("3", 3), ("'words'", 1), ("", 0)])
def test_a_script_that_exits(tmp_path: Path, code: str, status: int) -> None:
    words, report, _ = captured(tmp_path, f"{FUNCTION}import sys\nsys.exit({code})\n")
    assert "f was never called" in words
    assert report.status == status


def test_a_script_that_ends_its_process(tmp_path: Path) -> None:
    source = f"{FUNCTION}import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert "ended by signal 9" in captured(tmp_path, source)[0]
    words = captured(tmp_path, f"{FUNCTION}import os\nos._exit(5)\n")[0]
    assert "ended itself with status 5" in words


def test_a_script_is_run_as_python_runs_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    source = (
        f"{FUNCTION}import sys, beside, __main__\n"
        "print(__name__, __main__.f is f, sys.argv[1:], beside.VALUE, __file__ == sys.argv[0])\n"
        "print(sys.stdin.read() == '', sys.path[0] == beside.__file__.rpartition('/')[0])\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    _, _, printed = captured(tmp_path, source, arguments=["--steps", "3"])
    assert "__main__ True ['--steps', '3'] 7 True" in printed
    assert "True True" in printed
    assert "to stderr" in printed


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("def g(x): pass\ndef ff(x): pass\n", "f", "binds no f at its top level; there is ff"),
        ("def f(:\n", "f", "script.py is no Python"),
        ("class f: pass\n", "f", "f is a class: name one of its methods"),
        ("class C: pass\n", "C.f", "C has no f"),
        ("", "json:nothing", "json binds no nothing"),
        ("", "nowhere.module:f", "nowhere.module was never imported"),
    ],
)
def test_what_names_no_function_is_said(
    tmp_path: Path, source: str, target: str, words: str
) -> None:
    if target.startswith("json"):
        source = "import sys\nsys.modules.pop('json', None)\nimport json\n"
    found, report, _ = captured(tmp_path, source, target)
    assert words in found
    assert report.outcome in ("failed", "ended")


def test_a_script_that_runs_for_ever_is_interrupted_and_takes_its_children_along(
    tmp_path: Path,
) -> None:
    source = (
        f"{FUNCTION}import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "while True:\n    time.sleep(0.05)\n"
    )
    (tmp_path / "script.py").write_text(source)
    asked = capture_of(f"{tmp_path / 'script.py'}:f")
    heard: list[str] = []
    began = threading.Event()

    def hear(text: str) -> None:
        heard.append(text)
        began.set()

    def run() -> None:
        with Running(asked, hear):
            assert began.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    child = int(heard[0].split()[0])
    deadline = time.monotonic() + 10
    while exists(child) and not is_zombie(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(child) or is_zombie(child)


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def test_the_script_ends_when_who_started_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        f"{FUNCTION}import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    program = (
        "import sys\n"
        "from jaxtui.capture.request import capture_of\n"
        "from jaxtui.capture.running import Running\n"
        "with Running(capture_of(sys.argv[1] + ':f'), lambda t: print(t, flush=True)) as running:\n"
        "    running.report()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while exists(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(child)
