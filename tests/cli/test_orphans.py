"""No engine outlives what started it, whatever user code does at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import children, running_in, wait_for
from tests.support.terminal import DOWN, ENTER, EXPLORER, Terminal

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

# Matching takes longer than the universe is old, and never lets the GIL go.
HOLDS_GIL = 're.match(r"(a+)+$", "a" * 60 + "b")'
SOURCE = """
[devices]
platform = "cpu"
count = 2

[program]
source = '''
import os, re
def f(x):
    {before}
    open({mark!r}, "w").close()
    {loop}
    return x
'''

[[program.arguments]]
name = "x"
value = "arange(4.0)"
{rest}
"""
BENCHMARK = """
[[program.layers]]
transform = "vmap"

[benchmark]
rounds = 3
"""
FORKS = "pid = os.fork()\n    while pid == 0: pass"

COMMANDS = {
    "explorer": [],
    "explorer of two processes": ["--processes=2"],
    "run": ["run"],
    "run of two processes": ["run", "--processes=2"],
    "bench": ["bench"],
}


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """The process groups to end after the test, whatever came of it."""
    groups: list[int] = []
    yield groups
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def started(folder: Path, name: str, before: str, loop: str) -> Terminal:
    """Start a command on a terminal, and wait until its engine has come to `loop`."""
    mark, path = folder / "there", folder / "session.toml"
    rest = BENCHMARK if name == "bench" else ""
    path.write_text(SOURCE.format(before=before, mark=str(mark), loop=loop, rest=rest))
    environment = {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    child = Terminal([*EXPLORER, *COMMANDS[name], str(path)], environment=environment)
    if name.startswith("explorer"):
        child.wait("not trusted yet")
        child.type(DOWN + ENTER)

    def arrived() -> bool:
        child.listen(0.05)
        return mark.exists()

    assert wait_for(arrived)
    return child


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("before", "loop"),
    [("pass", HOLDS_GIL), (FORKS, "while True: pass"), (FORKS, HOLDS_GIL)],
    ids=["GIL held", "a fork loops", "GIL held and a fork loops"],
)
def test_sigkill_of_what_started_an_engine_ends_all_of_it(
    tmp_path: Path, ended: list[int], name: str, before: str, loop: str
) -> None:
    child = started(tmp_path, name, before, loop)
    ended += children(child.pid)
    assert len(running_in(ended)) >= 2 + ("two" in name)  # the engine's processes, and its guard
    os.kill(child.pid, signal.SIGKILL)
    assert wait_for(lambda: not running_in(ended)), running_in(ended)
    child.close()


def test_the_end_of_the_requests_ends_an_engine_of_another_command(ended: list[int]) -> None:
    """As over SSH, where no kernel tells the engine that its client has gone."""
    script = "import re, threading, jaxtui.engine.__main__ as engine\n"
    script += "def hold(): " + HOLDS_GIL + "\n"
    script += "started = engine._started\n"
    script += "def then(*a):\n    made = started(*a)\n"
    script += "    threading.Timer(0.5, hold).start()\n    return made\n"
    script += "engine._started = then\nengine.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--platform=cpu"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    ended.append(process.pid)
    assert process.stdout.read(4)
    assert wait_for(lambda: len(running_in(ended)) == 2)  # the guard is there

    def holding() -> bool:
        """Whether the engine computes without a pause."""
        state = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")")[-1].split()
        return int(state[11]) / os.sysconf("SC_CLK_TCK") > 4

    assert wait_for(holding)
    process.stdin.close()
    assert process.wait(60) == -signal.SIGKILL
    assert wait_for(lambda: not running_in(ended))
    process.stdout.close()
