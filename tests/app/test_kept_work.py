"""What is unsaved: kept on disk as one types, and offered by a later start."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from jaxtui.app import trust
from jaxtui.app.kept_work import KeptWork, Origin, Work, left_works
from jaxtui.screen.dialogs import ChoiceDialog
from jaxtui.screen.text_dialogs import TextDialog, TrustDialog
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, dumps, load, save
from jaxtui.wire.program import Trace
from tests.support import made_events as made
from tests.support.fake_client import Bench


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "jaxtui"


def wait_until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + 30
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.02)


def refuse(reason: str) -> None:
    raise AssertionError(reason)


def work(title: str = "new", path: str = "", *, trusted: bool = True) -> Work:
    before = made.session(title="old")
    return Work(replace(before, title=title), Origin(path=path, text=dumps(before)), trusted, "")


def leave(folder: Path, *works: Work) -> None:
    """Leave works as explorers do that are killed."""
    for each in works:
        kept = KeptWork(folder, refuse)
        kept.keep(each)
        assert kept.write() is not None
        kept.close(discard=False)


def files(folder: Path) -> list[Path]:
    """The kept works; what begins with a dot is about to become one."""
    return sorted(folder.glob("unsaved-*")) if folder.exists() else []


# ------------------------------------------------------------------------------- on the disk


def test_a_change_is_written_by_itself_and_removed_once_nothing_is_unsaved(folder: Path) -> None:
    kept = KeptWork(folder, refuse)
    kept.keep(work("first"))
    assert files(folder) == []
    wait_until(lambda: files(folder))
    [path] = files(folder)
    assert load(path).title == "first"
    kept.keep(work("second"))
    wait_until(lambda: load(path).title == "second")
    kept.drop()
    wait_until(lambda: not files(folder))


def test_what_explorers_hold_is_theirs_and_no_two_share_a_file(folder: Path) -> None:
    explorers = [KeptWork(folder, refuse) for _ in range(5)]
    for number, kept in enumerate(explorers):
        kept.keep(work(f"work {number}"))
    assert len({kept.write() for kept in explorers}) == 5
    assert left_works(folder) == []
    explorers[1].close(discard=False)
    explorers[2].close(discard=True)
    [left] = left_works(folder)
    assert left.session is not None
    assert left.session.title == "work 1"
    assert left_works(folder) == []  # locked by the one that offers it
    left.release()
    assert len(left_works(folder)) == 1


def test_a_file_is_locked_at_every_moment_of_its_replacement(folder: Path) -> None:
    kept = KeptWork(folder, refuse)
    for number in range(200):
        kept.keep(work(f"work {number}"))
        path = kept.write()
        assert path is not None
        with open(path, "rb+") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(files(folder)) == 1


def test_where_files_cannot_be_locked_the_life_of_the_process_decides(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    leave(folder, work("of a living process"))
    assert left_works(folder) == []
    with subprocess.Popen(["true"]) as ended:
        pass
    for process in (ended.pid, 2**40):  # which no process can have
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda process=process: process)
            leave(folder, work(f"of {process}"))
    left = left_works(folder)
    assert {one.session.title for one in left if one.session} == {f"of {ended.pid}", f"of {2**40}"}
    assert all(one.accepted_in("") is not None for one in left)


def test_a_disk_that_takes_nothing_is_said_once_and_tried_again(folder: Path) -> None:
    said: list[str] = []
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    kept = KeptWork(folder, said.append)
    kept.keep(work())
    assert kept.write() is None
    assert kept.write() is None
    assert len(said) == 1
    assert "cannot keep what is unsaved" in said[0]
    folder.unlink()
    assert kept.write() is not None


@pytest.mark.parametrize("trusted", [True, False])
def test_what_was_not_trusted_is_not_trusted_when_it_is_found(folder: Path, trusted: bool) -> None:
    leave(folder, work(trusted=trusted))
    [left] = left_works(folder)
    assert (left.accepted_in("") is not None) is trusted


@pytest.mark.parametrize(
    "changed", [lambda text: text.replace("new", "neu"), lambda text: text.replace("old", "alt")]
)
def test_one_changed_character_ends_the_trust(folder: Path, changed: Callable[[str], str]) -> None:
    leave(folder, work())
    [path] = files(folder)
    text = path.read_text()
    assert changed(text) != text
    path.write_text(changed(text))
    [left] = left_works(folder)
    assert left.accepted_in("") is None


def test_a_signature_of_another_user_is_none(folder: Path, tmp_path: Path) -> None:
    leave(folder, work())
    (tmp_path / "data" / "jaxtui" / "trust.key").write_bytes(bytes(trust.KEY_BYTES))
    [left] = left_works(folder)
    assert left.accepted_in("") is None


@pytest.mark.parametrize("text", ["", "\0", "layers = [", "# Kept by jaxtui: nonsense\n\n\n", "é"])
def test_a_damaged_file_is_offered_and_raises_nothing(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "unsaved-1-x.toml").write_bytes(text.encode("latin-1"))
    os.mkfifo(folder / "unsaved-2-x.toml")
    (folder / "unsaved-3-x.toml").symlink_to("/dev/zero")
    [left] = left_works(folder)
    assert (left.session is None) == bool(left.problem)
    assert left.session is None or left.accepted_in("") is None or not text


def test_every_character_of_a_path_and_text_survives(folder: Path) -> None:
    odd = "".join(map(chr, (*range(1, 32), 127, 0x85, 0x2028, 0x202E))) + '"\\'
    origin = Origin(path=odd, text=odd)
    leave(folder, Work(Session(title="x"), origin, True, ""))
    [left] = left_works(folder)
    assert (left.origin.path, left.origin.text) == (odd, odd)
    assert left.accepted_in("") is not None


# ---------------------------------------------------------------------------- in the explorer


@pytest.mark.long
async def test_an_explorer_keeps_what_changes_and_nothing_else(folder: Path) -> None:
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        assert files(folder) == []
        bench.explorer.edit(FieldPath("title"), "changed")
        await bench.until(lambda: bool(files(folder)) or bool(time.sleep(0.1)))
        assert load(files(folder)[0]).title == "changed"
        await bench.press("u")
        await bench.until(lambda: not files(folder) or bool(time.sleep(0.1)))


async def test_saving_removes_what_is_kept(folder: Path, tmp_path: Path) -> None:
    async with Bench(keeps=True, path=str(tmp_path / "mine.toml")).open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "changed")
        assert bench.explorer.files.rescue() is not None
        await bench.press("ctrl+s")
        await bench.until(lambda: not files(folder) or bool(time.sleep(0.1)))
        assert load(tmp_path / "mine.toml").title == "changed"


async def test_nothing_left_means_no_question() -> None:
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        assert not bench.app.screen.is_modal
        await bench.app.run_action("app.left_works")
        await bench.settle()
        assert "nothing was left unsaved" in bench.text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_start_offers_what_was_left_shows_the_change_and_opens_it(
    folder: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    file = tmp_path / "mine.toml"
    save(made.session(title="old"), file)
    leave(folder, work("new", str(file)))
    async with Bench(keeps=True).open(size) as bench:
        await bench.settled()
        assert isinstance(bench.app.screen, TextDialog)
        assert time.strftime("%Y-%m-%d at ") in bench.text
        assert '-title = "old"' in bench.text
        assert '+title = "new"' in bench.text
        await bench.press("down", "enter")
        assert bench.session.title == "new"
        assert bench.explorer.files.path == str(file)
        assert bench.explorer.files.changed
        assert bench.explorer.open_session.trusted
        await bench.press("ctrl+s")
        assert load(file).title == "new"
        await bench.until(lambda: not files(folder) or bool(time.sleep(0.1)))


async def test_what_was_untrusted_asks_before_it_runs(folder: Path) -> None:
    leave(folder, work(trusted=False))
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        traces = len(bench.client.asked(Trace))
        await bench.press("down", "enter")
        assert bench.session.title == "new"
        assert isinstance(bench.app.screen, TrustDialog)
        assert len(bench.client.asked(Trace)) == traces


async def test_kept_for_later_it_is_found_in_the_palette_and_deleted_it_is_gone(
    folder: Path,
) -> None:
    leave(folder, work())
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        await bench.press("enter")
        assert not bench.app.screen.is_modal
        assert len(files(folder)) == 1
        await bench.app.run_action("app.left_works")
        await bench.settle()
        assert isinstance(bench.app.screen, TextDialog)
        await bench.press("down", "down", "enter")
        assert files(folder) == []


async def test_several_are_listed(folder: Path) -> None:
    leave(folder, work("one", "/a/one.toml"), work("two", "/a/two.toml"))
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        assert isinstance(bench.app.screen, ChoiceDialog)
        assert "/a/one.toml" in bench.text
        assert "/a/two.toml" in bench.text
        await bench.press("enter", "escape")
        assert isinstance(bench.app.screen, TextDialog)
        await bench.press("escape")
        assert not bench.app.screen.is_modal
    assert len(left_works(folder)) == 2


async def test_works_that_say_the_same_are_told_apart_by_what_they_change(folder: Path) -> None:
    leave(folder, work("one"), work("two"))
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        assert '+title = "one"' in bench.text
        assert '+title = "two"' in bench.text


async def test_an_untrusted_file_asks_once_nothing_of_what_was_left_is_opened(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.toml"
    save(made.session(title="theirs"), file)
    leave(folder, work())
    async with Bench(load(file), path=str(file), trusted=False, keeps=True).open() as bench:
        await bench.hear(made.ready())
        assert isinstance(bench.app.screen, TextDialog)
        await bench.press("escape")
        assert isinstance(bench.app.screen, TrustDialog)
