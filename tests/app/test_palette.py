"""The palette: one line for each thing, found by typing, and done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import OptionList

from jaxtui import lessons
from jaxtui.app.palette import Palette, entries
from jaxtui.app.recent import MOST, Recent
from jaxtui.screen.filter_list import found
from jaxtui.screen.text_dialogs import TrustDialog
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.session.notebook import session_cells
from jaxtui.session.session import load, save
from tests.support import made_events as made
from tests.support.fake_client import Bench


def listed(bench: Bench) -> list[str]:
    return [str(option.prompt) for option in bench.app.screen.query_one(OptionList).options]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_every_entry_has_a_line_of_its_own_with_its_key(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        await bench.press("ctrl+p")
        assert isinstance(bench.app.screen, Palette)
        lines = listed(bench)
        assert len(set(lines)) == len(lines)
        assert not any("\n" in line for line in lines)
        row = next(line for line in bench.text.splitlines() if "Run the program" in line)
        assert row.split("│")[-2].split()[-1] == "F5"
        await bench.press("ctrl+p")
        assert not isinstance(bench.app.screen, Palette)


FOUND = {
    "psum": "Collective  psum: ",
    "vmap": "Add layer   vmap: map over an axis on one device",
    "jaxpr": "Result tab  Jaxpr: what JAX traces",
    "lesson psum": "Lesson      ",
    "value of vec": "Go to       value of vector",
    "nord": "Theme       nord",
    "new": "Command     Start with an empty editor",
    "export": "Command     Export the program as a Python script",
    "screenshot": "Command     Write a picture of the screen",
    "quit engine": "Command     Quit the engine; R starts another",
    "repaint": "Command     Paint the screen anew",
    "cheaper": "Sharding    Search for cheaper shardings",
}


async def test_it_finds() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        choices = [entry.choice for entry in entries(bench.app)]
        for typed, first in FOUND.items():
            choice = choices[found(choices, typed)[0]]
            assert f"{choice.kind:12}{choice.label}".startswith(first), typed


async def test_what_is_found_is_done() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"add grad", "enter")
        assert [layer.transform for layer in bench.session.program.layers] == ["vmap", "grad"]
        await bench.press("ctrl+p", *"value of vector", "enter", "end", "x")
        assert bench.session.program.arguments[1].value.endswith("x")
        await bench.press("escape", "u", "u", "ctrl+p", *"hlo what xla", "enter")
        assert bench.app.map_screen.results.tab == "HLO"
        await bench.press("ctrl+p", *"collective all_gather", "enter")
        await bench.settle()
        assert bench.app.current_mode == "collectives"
        assert bench.session.collective.operation == "all_gather"
        await bench.press("ctrl+p", *"theme nord", "enter")
        assert bench.app.theme == "nord"


@pytest.mark.long
async def test_a_lesson_is_opened_and_asks_about_changes() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"lesson broadcast", "enter")
        assert bench.session == lessons.load("broadcast")


async def test_a_command_of_another_screen_goes_there() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"algorithm take another way", "enter")
        await bench.until(lambda: bench.app.current_mode == "collectives")


@pytest.mark.long
async def test_it_knows_the_same_on_every_screen() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        for screen in ("2", "3", "b", "4", "5", "6"):
            await bench.press("escape", screen)
            labels = [entry.choice.label for entry in entries(bench.app)]
            for name, kind in LAYER_KINDS.items():
                assert f"{name}: {kind.about}" in labels
            assert "Search for cheaper shardings" in labels
            assert "Run the program" in labels


@pytest.mark.long
async def test_backspace_takes_letters_back_and_nothing_found_is_said() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"qzxqzx")
        assert "nothing has this" in bench.text
        await bench.press("enter")
        assert isinstance(bench.app.screen, Palette)
        await bench.press(*["backspace"] * 6)
        assert len(listed(bench)) > 50


async def test_files_that_were_opened_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    file = tmp_path / "normal.toml"
    save(made.session(title="another"), file)
    async with Bench(load(file), path=str(file), keeps=True).open() as bench:
        await bench.settled()
        assert bench.app.recent is not None
        assert bench.app.recent.paths() == [str(file)]
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"normal.toml", "enter")
        assert bench.session.title == "another"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[1]", b'["relative", "/\\u0000"]', b"\xff", b"[" * 100_000, b"x" * 10**6,
        b'{"a": 1}',
    ],
)  # fmt: skip
def test_whatever_the_list_of_files_holds_it_is_a_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recent.json").write_bytes(content)
    recent = Recent(tmp_path)
    assert recent.paths() == []
    file = tmp_path / "a.toml"
    file.touch()
    recent.note(str(file))
    assert recent.paths() == [str(file)]


def test_the_list_of_files_is_bounded_newest_first_and_without_those_gone(tmp_path: Path) -> None:
    recent = Recent(tmp_path / "state")
    files = [tmp_path / f"{number}.toml" for number in range(MOST + 5)]
    for file in files:
        file.touch()
        recent.note(str(file))
    recent.note(str(files[-2]))
    files[-1].unlink()
    found = recent.paths()
    assert found[0] == str(files[-2])
    assert len(found) == MOST - 1
    (tmp_path / "state").chmod(0o500)
    recent.note(str(files[0]))  # nothing can be written, which is no fault


@pytest.mark.long
async def test_the_program_is_written_as_a_script_and_the_screen_as_a_picture(
    tmp_path: Path,
) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"export the program", "enter", "ctrl+a")
        await bench.paste(str(tmp_path / "it.py"))
        await bench.press("enter")
        assert "def matrix_vector_product" in (tmp_path / "it.py").read_text()
        await bench.press("ctrl+p", *"write a picture", "enter", "ctrl+a")
        await bench.paste(str(tmp_path / "it"))
        await bench.press("enter")
        await bench.until((tmp_path / "it.svg").exists)
        picture = (tmp_path / "it.svg").read_text()
        assert "matrix_vector_product" in picture
        assert "Write&#160;a&#160;picture" not in picture


async def test_the_program_is_written_as_a_notebook(tmp_path: Path) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p", *"notebook", "enter")
        assert "matrix_vector_product.ipynb" in bench.text
        await bench.press("ctrl+a")
        await bench.paste(str(tmp_path / "it"))
        await bench.press("enter")
        assert "written to" in bench.text
        code = [
            "".join(cell["source"])
            for cell in json.loads((tmp_path / "it.ipynb").read_text())["cells"]
            if cell["cell_type"] == "code"
        ]
        folder = str(bench.explorer.open_session.folder)
        cells = session_cells(bench.session, folder, str(tmp_path))
        assert code == [cell.source.strip("\n") for cell in cells if cell.code]


async def test_the_dialog_to_open_lists_recent_files_and_filters_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second", "third"):
        save(made.session(title=name), tmp_path / f"{name}.toml")
        Recent(tmp_path / "state" / "jaxtui").note(str(tmp_path / f"{name}.toml"))
    async with Bench(keeps=True).open() as bench:
        await bench.settled()
        await bench.press("ctrl+o")
        assert [Path(line).name for line in listed(bench)][:3] == [
            "third.toml",
            "second.toml",
            "first.toml",
        ]
        await bench.press(*"r")
        assert {Path(line).name for line in listed(bench)} == {"third.toml", "first.toml"}
        await bench.press("down", "down", "shift+tab", "backspace", *"seco")
        assert {Path(line).name for line in listed(bench)} == {"second.toml"}
        await bench.press("down", "enter")
        assert isinstance(bench.app.screen, TrustDialog)
        await bench.press("escape")
        assert bench.session.title == "second"
