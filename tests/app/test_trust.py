"""What may run when it is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from jaxtui import config, lessons
from jaxtui.app import trust
from jaxtui.session.session import Program, Session

TEXT = 'title = "mine"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data" / "jaxtui"
    monkeypatch.setattr(config, "data_folder", lambda: folder)
    return folder


def test_a_text_is_trusted_once_it_is_signed() -> None:
    assert not trust.is_trusted(TEXT)
    assert trust.sign(TEXT)
    assert trust.is_trusted(TEXT)


def test_one_changed_character_ends_the_trust() -> None:
    trust.sign(TEXT)
    assert not trust.is_trusted(TEXT.replace("mine", "Mine"))


def test_built_in_lessons_are_trusted_and_changed_ones_are_not(folder: Path) -> None:
    for name in lessons.NAMES:
        assert trust.is_trusted(lessons.text(name))
        assert not trust.is_trusted(lessons.text(name) + "#")
    assert not folder.exists()


def test_only_the_user_can_read_the_key_and_the_signatures(folder: Path) -> None:
    trust.sign(TEXT)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"trust.key": 0o600, "trusted": 0o600}


def test_another_users_signatures_mean_nothing_here(folder: Path) -> None:
    trust.sign(TEXT)
    (folder / "trust.key").write_bytes(bytes(trust.KEY_BYTES))
    assert not trust.is_trusted(TEXT)


def test_a_key_that_others_can_read_is_not_used(folder: Path) -> None:
    trust.sign(TEXT)
    (folder / "trust.key").chmod(0o644)
    assert not trust.is_trusted(TEXT)
    assert trust.sign(TEXT)
    assert trust.is_trusted(TEXT)


def test_a_damaged_key_or_list_is_replaced(folder: Path) -> None:
    trust.sign(TEXT)
    (folder / "trust.key").write_bytes(b"short")
    (folder / "trusted").write_bytes(b"\xff\xfe")
    assert not trust.is_trusted(TEXT)
    assert trust.sign(TEXT)
    assert trust.is_trusted(TEXT)


def test_the_oldest_signatures_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "KEPT", 3)
    texts = [f"title = '{number}'" for number in range(5)]
    for text in texts:
        trust.sign(text)
    assert [trust.is_trusted(text) for text in texts] == [False, False, True, True, True]


def test_signing_the_same_text_again_keeps_one_signature(folder: Path) -> None:
    trust.sign(TEXT)
    trust.sign(TEXT)
    assert len((folder / "trusted").read_text().split()) == 1


def test_a_folder_that_cannot_be_made_is_no_crash(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file where the folder should be")
    assert not trust.sign(TEXT)
    assert not trust.is_trusted(TEXT)


def test_a_list_that_cannot_be_replaced_leaves_nothing_behind(folder: Path) -> None:
    (folder / "trusted").mkdir(parents=True)
    assert not trust.sign(TEXT)
    assert not trust.is_trusted(TEXT)
    assert sorted(os.listdir(folder)) == ["trust.key", "trusted"]


def test_the_same_text_beside_other_files_is_another_program(tmp_path: Path) -> None:
    own = Session(program=Program(function="model.py:f"))
    here, there = (trust.folder_run(own, str(tmp_path / name)) for name in ("here", "there"))
    trust.sign(TEXT, here)
    assert trust.is_trusted(TEXT, here)
    assert not trust.is_trusted(TEXT, there)
    assert not trust.is_trusted(TEXT)


def test_a_session_that_holds_all_its_code_is_trusted_wherever_it_lies(tmp_path: Path) -> None:
    own = Session(program=Program(source="def f(x):\n    return x\n"))
    assert trust.folder_run(own, str(tmp_path)) == ""
