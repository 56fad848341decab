"""The checks for accelerators hold on the CPU, as far as these apply there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.accelerator.checks import Place, values


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_checks_hold_on_virtual_devices(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    where = ["--platform", "cpu", "--devices", "2", "--json", str(file)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.accelerator", *where],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(file.read_text())
    assert found["devices"] == "2 x cpu"
    by_name = {check["name"]: check["good"] for check in found["checks"]}
    assert by_name.pop("memory of the devices") is None
    assert set(by_name.values()) == {True}
    assert len(by_name) == 7


@pytest.mark.long
def test_a_value_that_is_not_that_of_plain_jax_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.accelerator import checks

    def command(*words: str, seconds: float = 240.0) -> str:
        text = original(*words, seconds=seconds)
        return text.replace(" * 3 ", " * 5 ") if words[0] == "export" else text

    original = checks.command
    chosen = checks.programs.sessions
    monkeypatch.setattr(checks, "command", command)
    monkeypatch.setattr(
        checks.programs, "sessions", lambda *given: {"int8": chosen(*given)["int8"]}
    )
    [check] = values(Place("cpu", 1, {"device_count": 1}), tmp_path)
    assert (check.good, check.detail) == (False, "int8: values differ")
