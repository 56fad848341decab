"""Capturing in the explorer: what is typed stays, a script can be ended, and nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Static

from jaxtui.app import trust
from jaxtui.app.captures import free
from jaxtui.app.covered import covered
from jaxtui.capture.screen.dialog import CaptureDialog
from jaxtui.screen.dialogs import ConfirmDialog
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import loads
from tests.support.asking import exists
from tests.support.fake_client import Bench


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


async def until(bench: Bench, happened: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, bench.text
        await bench.pilot.pause(0.02)


def message(bench: Bench) -> str:
    return str(bench.app.screen.query_one("#capture-message", Static).content)


async def ask(bench: Bench, target: str, *more: str) -> None:
    """Open the dialog, type a target, and the fields behind it, and run it."""
    bench.app.action_capture()
    await until(bench, lambda: bench.app.focused is not None and "elements" in bench.text)
    await bench.settle()
    await bench.press(*target)
    for text in more:
        await bench.press("tab")
        await bench.press(*text)
    await bench.press("enter")


async def test_what_is_wrong_is_said_in_the_dialog_and_what_is_typed_stays() -> None:
    Path("script.py").write_text("def f(x):\n    return x\nprint('prints')\n")
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await ask(bench, "nowhere.py:f")
        assert message(bench) == "! there is no script nowhere.py"
        await bench.press("escape")
        bench.app.action_capture()
        await until(bench, lambda: "nowhere.py:f" in bench.text)
        await bench.press("ctrl+u")
        await bench.press(*"script.py:f")
        await bench.press("enter")
        await until(bench, lambda: "never called" in message(bench))
        assert message(bench) == "prints\n! script.py ended: f was never called"
        await bench.press("tab", "tab")
        await bench.press(*"first")
        await bench.press("enter")
        assert message(bench) == "! which call: a number, from 1"


@pytest.mark.parametrize("key", ["ctrl+c", "escape"])
async def test_a_script_that_runs_for_ever_is_ended_by_a_key(key: str) -> None:
    source = "import os, time\ndef f(x): pass\nprint('is', os.getpid(), flush=True)\n"
    Path("script.py").write_text(f"{source}time.sleep(600)\n")
    async with Bench().open() as bench:
        await bench.settled()
        before = bench.explorer.work.session
        await ask(bench, "script.py:f")
        await until(bench, lambda: message(bench).startswith("is "))
        assert "ctrl+c ends it" in message(bench)
        process = int(message(bench).split()[1])
        await bench.press(key)
        await until(bench, lambda: not exists(process))
        assert isinstance(bench.app.screen, CaptureDialog) == (key == "ctrl+c")
        assert bench.explorer.work.session == before
        assert not os.path.exists("f.toml")


@pytest.mark.long
async def test_a_captured_call_is_opened_unless_something_is_unsaved() -> None:
    Path("script.py").write_text(
        "import sys, jax.numpy as jnp\ndef f(x): pass\n"
        "if __name__ == '__main__':\n    f(jnp.ones(int(sys.argv[1])))\n"
    )
    Path("f.toml").write_text("not to be replaced")
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "unsaved")
        await ask(bench, "script.py:f", "7")
        await until(bench, lambda: isinstance(bench.app.screen, ConfirmDialog))
        assert Path("f.toml").read_text() == "not to be replaced"
        text = Path("f-2.toml").read_text()
        assert loads(text).program.arguments[0].value == "struct((7,), f32)"
        assert trust.is_trusted(text, covered(loads(text), "."))
        assert bench.explorer.work.session.title == "unsaved"
        await bench.press("down", "down", "enter")
        await until(bench, lambda: bench.explorer.work.session.title == "f of script.py")
        assert bench.explorer.open_session.trusted


def test_the_name_of_a_session_is_one_that_no_file_has() -> None:
    assert free("f.toml") == "f.toml"
    for name in ("f.toml", "f-2.toml"):
        Path(name).write_text("")
    assert free("f.toml") == "f-3.toml"
