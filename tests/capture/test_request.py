"""What is to be captured, as it is typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jaxtui.capture.request import CaptureError, capture_of


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "train.py").write_text("")
    return "runs/train.py"


def test_a_target_is_a_script_and_a_function(script: str) -> None:
    asked = capture_of(f"{script}:step")
    assert (asked.script, asked.home, asked.function) == (script, "", "step")
    assert asked.output == os.path.join("runs", "step.toml")
    assert capture_of(f"{script}:Model.step").output == os.path.join("runs", "step.toml")


def test_a_function_may_be_one_of_a_module_that_the_script_imports(script: str) -> None:
    asked = capture_of(f"{script}:model.layers:Block.call")
    assert (asked.home, asked.function) == ("model.layers", "Block.call")
    assert asked.named == "model.layers:Block.call"


def test_a_module_runs_in_place_of_a_script() -> None:
    asked = capture_of("package.train:step", is_module=True)
    assert (asked.script, asked.function, asked.output) == ("package.train", "step", "step.toml")


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("runs/train.py", {}, "names no function of a script"),
        ("runs/train.py:", {}, "names no function of a script"),
        (":step", {}, "names no function of a script"),
        ("runs/train.py:a b", {}, "names no function of a script"),
        ("runs/train.py:a.:f", {}, "'a.' is no module"),
        ("nowhere.py:step", {}, "there is no script nowhere.py"),
        ("runs/train.py:step", {"is_module": True}, "is no module, such as package.train"),
        ("runs/train.py:step", {"call": 0}, "counted from 1"),
        ("runs/train.py:step", {"values": "x.npy"}, "written as .npz or .safetensors"),
    ],
)
def test_what_names_nothing_is_refused(
    script: str, target: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(CaptureError, match=words):
        capture_of(target, **options)  # type: ignore[arg-type]
