"""`jaxtui screenshot`: a picture of a screen, made without a terminal."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from jaxtui import lessons
from jaxtui.cli import screenshot as picture
from jaxtui.wire.base import Event, Printed, Stage
from jaxtui.wire.benchmark import BenchFinished, BenchPlanned
from jaxtui.wire.protocol import AnyEvent


def screenshot(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jaxtui", "screenshot", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def words(svg: str) -> str:
    """The text of a picture, its lines joined."""
    return html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)", svg))).replace("\xa0", " ")


@pytest.mark.long
def test_the_picture_shows_the_sessions_shapes_and_result(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(lessons.text("broadcast"))
    ran = screenshot("a.toml", "--size", "120x40", "-o", "a.svg", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    seen = words((tmp_path / "a.svg").read_text())
    for text in ("power", "exponent", "27.", "64.", "vmap"):
        assert text in seen


@pytest.mark.long
def test_two_pictures_differ_in_nothing_but_measured_times(tmp_path: Path) -> None:
    pictures = []
    for name in ("a.svg", "b.svg"):
        assert screenshot("-o", name, cwd=tmp_path).returncode == 0
        seen = words((tmp_path / name).read_text())
        # The longer the time in a title, the shorter the rule beside it.
        seen = re.sub(r"ran [\d.]+ [mµ]?s", "ran", re.sub("─+", "─", seen))
        pictures.append(seen.split())
    assert pictures[0] == pictures[1]


@pytest.mark.long
def test_keys_are_pressed_before_and_awaited(tmp_path: Path) -> None:
    keys = "s s s s"  # to a listing, which the engine has to make
    assert screenshot("-o", "a.svg", "--keys", keys, cwd=tmp_path).returncode == 0
    assert "dot_general" in words((tmp_path / "a.svg").read_text())


@pytest.mark.parametrize("kind", typing.get_args(AnyEvent), ids=lambda kind: kind.__name__)
def test_it_is_known_of_every_event_whether_more_is_to_come(kind: type[Event]) -> None:
    streamed = kind.__name__.startswith(("Bench", "Bandwidth"))
    said = {Stage, Printed}
    answers = {BenchPlanned, BenchFinished}
    more = (streamed or kind in said) and kind not in answers
    assert issubclass(kind, picture._PROGRESS) == more


def test_a_picture_fetches_nothing() -> None:
    svg = (
        '<svg viewBox="0 0 1 1"><!-- Made by Rich -->\n<style>\n'
        '@font-face { font-family: "F"; src: url("//fonts.example/f.woff2"); }\n'
        ".terminal-12345-r1 { fill: red }</style></svg>"
    )
    assert picture.plain(svg, "map") == (
        '<svg viewBox="0 0 1 1"><style>\n.jaxtui-map-r1 { fill: red }</style></svg>'
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("--screen", "nowhere"),
            2,
            "no screen 'nowhere'; there are map, sharding, collectives, benchmark, learn, devices",
        ),
        (("--theme", "nothing"), 2, "no theme 'nothing'; there are"),
        (("--engine", "/no/such/engine"), 3, "No such file"),
        (("missing.toml",), 2, "No such file"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    arguments: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    ran = screenshot(*arguments, "-o", "a.svg", cwd=tmp_path)
    assert ran.returncode == status
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.long
def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = screenshot("-o", "none/a.svg", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "jaxtui: none/a.svg: No such file or directory\n")


def test_a_file_that_nobody_accepted_is_not_run_for_a_picture(tmp_path: Path) -> None:
    source = "open('ran', 'w')\ndef f(x):\n    return x\n"
    (tmp_path / "a.toml").write_text(f'[program]\nsource = """{source}"""\n')
    drawn = screenshot("a.toml", "-o", "a.svg", cwd=tmp_path)
    assert drawn.returncode == 2
    assert "was not accepted" in drawn.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.toml"]
