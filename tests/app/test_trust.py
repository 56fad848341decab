"""What may run when it is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from msgspec import structs

from jaxtui import config, lessons
from jaxtui.app import trust
from jaxtui.app.covered import Covered, covered
from jaxtui.session.session import Argument, Devices, Program, Session, save
from tests.support import made_events as made
from tests.support.fake_client import Bench

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


MODEL = Session(program=Program(function="model.py:f"))
SOURCES = {
    "a file": MODEL,
    "a module": Session(program=Program(function="model:f")),
    "an import": Session(program=Program(source="def f(x):\n    import model\n    return x\n")),
}


@pytest.mark.parametrize("session", SOURCES.values(), ids=SOURCES.keys())
def test_the_same_text_beside_other_files_is_another_program(
    session: Session, tmp_path: Path
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text("f = abs\n")
    here, there = (covered(session, str(tmp_path / name)) for name in ("here", "there"))
    trust.sign(TEXT, here)
    assert trust.is_trusted(TEXT, here)
    assert not trust.is_trusted(TEXT, there)
    assert not trust.is_trusted(TEXT)


@pytest.mark.parametrize(
    "value", ["np.load('w.npy', allow_pickle=True)", "np.ctypeslib.load_library('w', '.')"]
)
def test_a_value_that_can_run_what_lies_beside_it_is_trusted_in_its_folder_only(
    value: str, tmp_path: Path
) -> None:
    session = Session(program=Program(arguments=[Argument(name="w", value=value)]))
    here, there = (covered(session, str(tmp_path / name)) for name in ("here", "there"))
    trust.sign(TEXT, here)
    assert trust.is_trusted(TEXT, here)
    assert not trust.is_trusted(TEXT, there)


@pytest.mark.parametrize("file", ["helper.abi3.so", "helper/__init__.abi3.so"])
def test_a_compiled_module_is_covered(file: str, tmp_path: Path) -> None:
    (tmp_path / "helper").mkdir()
    (tmp_path / file).write_bytes(b"\x7fELF")
    assert covered(SOURCES["an import"], str(tmp_path)).files == {}
    imports = Session(program=Program(source="import helper\n"))
    assert list(covered(imports, str(tmp_path)).files) == [str(tmp_path / file)]


@pytest.mark.parametrize("session", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("changed", ["model.py", "helper.py", "package/inner.py"])
def test_a_change_of_any_file_that_runs_asks_again_and_is_shown(
    session: Session, changed: str, tmp_path: Path
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("from .inner import g\n")
    (tmp_path / "package" / "inner.py").write_text("g = abs\n")
    (tmp_path / "helper.py").write_text("def help():\n    from package import g\n")
    (tmp_path / "model.py").write_text("import helper\nf = abs\n")
    (tmp_path / "beside.py").write_text("")
    path = str(tmp_path / "a.toml")
    before = covered(session, str(tmp_path))
    trust.sign(TEXT, before, path)
    assert trust.changes(path, TEXT, before) == ""
    (tmp_path / "beside.py").write_text("never imported\n")
    assert trust.is_trusted(TEXT, covered(session, str(tmp_path)))

    with (tmp_path / changed).open("a") as file:
        file.write("evil = 1\n")
    now = covered(session, str(tmp_path))
    assert not trust.is_trusted(TEXT, now)
    shown = trust.changes(path, TEXT, now).splitlines()
    assert [line for line in shown if line[0] == "+" and line[:3] != "+++"] == ["+evil = 1"]


def test_a_session_that_holds_all_its_code_is_trusted_wherever_it_lies(tmp_path: Path) -> None:
    own = Session(program=Program(source="def f(x):\n    return x\n"))
    assert covered(own, str(tmp_path)) == Covered()


async def test_what_is_shown_signed_and_run_is_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    text = save(made.session(title="as it was"), file) + "# read\n"
    file.write_text(text)
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter", "escape")
        other = save(made.session(title="as it is now"), file)
        await bench.press("f5")
        assert "as it was" in bench.text
        assert "as it is now" not in bench.text
        await bench.press("down", "enter")
        assert bench.explorer.work.trusted
        assert bench.explorer.work.session.title == "as it was"
        assert trust.is_trusted(text)
        assert not trust.is_trusted(other)


async def test_a_functions_file_is_shown_and_asks_again_once_it_changed(tmp_path: Path) -> None:
    model, file = tmp_path / "model.py", tmp_path / "own.toml"
    model.write_text("def f(x):\n    return x + 1\n")
    save(MODEL, file)
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert "return x + 1" in bench.text
        await bench.press("down", "enter")
        await bench.press("f5")
        assert bench.explorer.work.trusted
        model.write_text("def f(x):\n    return x + 2\n")
        await bench.press("f5")
        assert not bench.explorer.work.trusted
        assert "-    return x + 1" in bench.text
        assert "+    return x + 2" in bench.text


async def test_the_hosts_of_a_session_are_reached_once_it_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    devices = Devices(platform="cpu", count=8, hosts=["gpu-1", "gpu-2"])
    file.write_text(save(structs.replace(made.session(), devices=devices), file) + "# read\n")
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        await bench.paste(str(file))
        await bench.press("enter")
        assert "It logs in to gpu-1, gpu-2 by ssh" in " ".join(bench.text.split())
        assert bench.client.settings.hosts == ()
        await bench.press("down", "enter")
        assert bench.client.settings.hosts == ("gpu-1", "gpu-2")
