"""Saving beside other programs that write the same file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Input

from jaxtui.screen.field import FieldInput
from jaxtui.screen.path_dialog import PathDialog
from jaxtui.screen.text_dialogs import TextDialog, TrustDialog
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import load, save
from tests.support import made_events as made
from tests.support.fake_client import Bench


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@asynccontextmanager
async def edited(file: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Bench]:
    """An explorer that has opened `file` and changed its title to "here"."""
    text = save(made.session(title="opened"), file)
    async with Bench(load(file), path=str(file), text=text).open(size) as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "here")
        yield bench


async def test_a_file_that_nobody_changed_is_saved_without_a_question(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        await bench.press("ctrl+s")
        assert load(file).title == "here"
        bench.explorer.edit(FieldPath("title"), "again")
        await bench.press("ctrl+s")
        assert load(file).title == "again"


async def test_a_file_that_is_gone_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        file.unlink()
        await bench.press("ctrl+s")
        assert load(file).title == "here"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_what_another_program_saved_is_shown_and_kept(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file, size) as bench:
        save(made.session(title="elsewhere"), file)
        await bench.press("ctrl+s")
        assert isinstance(bench.app.screen, TextDialog)
        assert '-title = "elsewhere"' in bench.text
        assert '+title = "here"' in bench.text
        assert "Save under another name" in bench.text
        await bench.press("enter")
        assert load(file).title == "elsewhere"
        assert bench.session.title == "here"
        assert bench.explorer.files.changed


async def test_comments_that_overwriting_drops_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        file.write_text(file.read_text() + "# theirs\n")
        await bench.press("ctrl+s")
        assert "layout" in bench.text
        await bench.press("escape")
        save(made.session(title="elsewhere"), file)
        await bench.press("ctrl+s")
        assert "layout" not in bench.text


async def test_it_is_overwritten_when_told_and_asked_about_if_it_changes_once_more(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        save(made.session(title="elsewhere"), file)
        await bench.press("ctrl+s")
        save(made.session(title="and once more"), file)
        await bench.press("down", "enter")
        assert isinstance(bench.app.screen, TextDialog)
        assert "and once more" in bench.text
        await bench.press("down", "enter")
        assert load(file).title == "here"
        assert not bench.explorer.files.changed


async def test_it_is_reloaded_and_asked_about_as_any_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        save(made.session(title="elsewhere"), file)
        await bench.press("ctrl+s", "down", "down", "enter")
        assert bench.session.title == "elsewhere"
        assert isinstance(bench.app.screen, TrustDialog)


async def test_it_is_saved_under_another_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        save(made.session(title="elsewhere"), file)
        await bench.press("ctrl+s", "down", "down", "down", "enter")
        assert isinstance(bench.app.screen, PathDialog)
        await bench.press("end")
        for _ in range(len("mine.toml")):
            await bench.press("backspace")
        await bench.paste("other.toml")
        await bench.press("enter")
        assert load(tmp_path / "other.toml").title == "here"
        assert load(file).title == "elsewhere"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"not toml ["])
async def test_a_file_that_is_no_session_any_more_is_not_overwritten_unasked(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "mine.toml"
    async with edited(file) as bench:
        file.write_bytes(content)
        await bench.press("ctrl+s")
        assert isinstance(bench.app.screen, TextDialog)
        assert file.read_bytes() == content
        await bench.press("down", "enter")
        assert load(file).title == "here"


async def test_a_text_that_no_session_can_hold_is_told_before_it_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = save(made.session(), file)
    async with Bench(load(file), path=str(file), text=text).open() as bench:
        await bench.settled()
        bench.app.map_screen.query_one("#parameters", Input).focus()
        await bench.press(*"n = (3")
        await bench.press("ctrl+s")
        assert "saved, but for what is typed in parameters: it cannot be read yet" in bench.text
        await bench.press("ctrl+q")
        assert "What is typed in parameters cannot be read yet" in bench.text
        await bench.press("escape", "escape", "6")
        await bench.until(lambda: bench.app.current_mode == "devices")
        bench.app.screen.query(FieldInput)[1].focus()
        await bench.press(*"4")
        await bench.press("ctrl+q")
        assert "typed in parameters, count cannot be read yet" in " ".join(bench.text.split())
