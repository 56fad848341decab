"""A lesson that is open: its text beside the screens, its steps, an exercise's answer."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from jaxtui import lessons
from jaxtui.app.learn.pane import BESIDE, LessonPane
from jaxtui.lessons import book
from jaxtui.lessons.progress import Progress
from jaxtui.program.screen.screen import MapScreen
from jaxtui.screen.dialogs import ConfirmDialog
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.exercises import AnswerChecked, CheckAnswer
from jaxtui.wire.report import Flow, FlowLeaf, Level
from tests.support import made_events as made
from tests.support.fake_client import Bench

IN_AXES = FieldPath("program.layers.0.in_axes")
VALUE = FieldPath("program.arguments.0.value")


def flow(outside: list[int], inside: list[int]) -> Flow:
    """The flow of the lesson `vmap`, by the shapes outside and inside of its layer."""

    def level(layer: int, shape: list[int]) -> Level:
        leaf = FlowLeaf(path="", shape=shape, dtype="float32")
        return Level(
            layer=layer, transform="vmap", label="", size=None, inputs=[leaf], outputs=[leaf]
        )

    return Flow(function="square_plus_two", levels=[level(-1, outside), level(0, inside)])


async def shapes(bench: Bench, found: Flow | None = None, told: Diagnosis | None = None) -> None:
    """Answer the newest Trace."""
    answer = made.traced(bench.client.trace.id, signature=None, diagnosis=told)
    await bench.hear(msgspec.structs.replace(answer, flow=found))


async def opened(bench: Bench, name: str) -> LessonPane:
    await bench.settled()
    bench.app.open_lesson(name)
    await bench.settle()
    await shapes(bench)
    return bench.app.screen.query_one(LessonPane)


def value(bench: Bench) -> str:
    return bench.session.program.arguments[0].value


async def test_n_goes_on_and_back_without_a_question_and_keeps_what_was_changed() -> None:
    async with Bench().open() as bench:
        await opened(bench, "vmap")
        bench.explorer.edit(VALUE, "arange(7.0)")
        await bench.press("n")
        await bench.until(lambda: bench.session == lessons.load("traced-once"))
        assert not isinstance(bench.app.screen, ConfirmDialog)
        await bench.press("N")
        await bench.until(lambda: value(bench) == "arange(7.0)")
        await bench.press("Z")
        await bench.until(lambda: bench.session == lessons.load("vmap"))
        await bench.press("u")
        await bench.until(lambda: value(bench) == "arange(7.0)")


@pytest.mark.long
async def test_leaving_a_changed_lesson_asks_nothing_and_one_saved_as_a_file_asks_again(
    tmp_path: Path,
) -> None:
    async with Bench().open() as bench:
        await opened(bench, "vmap")
        bench.explorer.edit(VALUE, "arange(7.0)")
        assert not bench.explorer.files.changed
        bench.explorer.files._save_to(str(tmp_path / "mine.toml"), None)
        bench.explorer.edit(VALUE, "arange(8.0)")
        assert bench.explorer.files.changed
        await bench.press("n")
        assert isinstance(bench.app.screen, ConfirmDialog)


async def test_another_session_ends_the_lesson_and_takes_its_text_away() -> None:
    async with Bench().open() as bench:
        await opened(bench, "vmap")
        bench.explorer.open(lessons.load("pmap"))
        await bench.settle()
        screen = bench.app.screen
        assert not screen.query(LessonPane)
        assert not screen.has_class("-lesson")
        assert screen.has_class("-wide")
        await bench.press("n")
        assert bench.session == lessons.load("pmap")
        bench.explorer.edit(VALUE, "1")
        assert bench.explorer.files.changed


async def test_a_step_ticks_itself_off_when_it_is_seen_and_stays_ticked() -> None:
    async with Bench().open() as bench:
        await opened(bench, "vmap")
        progress = bench.app.progress
        await shapes(bench, flow([4], []))
        assert progress.steps("vmap") == frozenset()
        bench.explorer.edit(VALUE, "arange(1000.0)")
        assert progress.steps("vmap") == frozenset()  # its shapes are not known yet
        await shapes(bench, flow([1000], []))
        assert progress.steps("vmap") == {0}
        assert "✓ make the value" in bench.text
        bench.explorer.edit(VALUE, "array(3.0)")
        told = Diagnosis(kind="type", field=IN_AXES, message="no axis")
        await shapes(bench, told=told)
        assert progress.steps("vmap") == {0, 2}
        await bench.press("n", "N")
        assert "✓ make the value" in bench.text


@pytest.mark.long
async def test_an_answer_is_checked_once_typing_rests_and_told() -> None:
    async with Bench().open() as bench:
        await opened(bench, "ex-lengths")
        assert not bench.client.asked(CheckAnswer)
        layers = book.lesson("ex-lengths").exercise.solution  # type: ignore[union-attr] # it is one
        bench.explorer.edit(FieldPath("program.layers"), layers["program.layers"])
        await bench.until(lambda: bool(bench.client.asked(CheckAnswer)))
        (asked,) = bench.client.take(CheckAnswer)
        assert len(asked.trials) == 4
        assert {trial.answer.program.arguments[0].value for trial in asked.trials} == {
            "normal(n, m, seed=seed)"
        }
        assert all(not trial.reference.program.layers for trial in asked.trials)
        assert "checking" in bench.text
        wrong = AnswerChecked(id=asked.id, right=False, message="other values", wanted="[7.]")
        await bench.hear(wrong)
        assert "not yet: other values" in bench.text
        bench.explorer.edit(FieldPath("program.source"), "def length(v):\n    return 0\n")
        await bench.until(lambda: "leave the function as before" in bench.text)
        await bench.press("u")
        await bench.until(lambda: bool(bench.client.asked(CheckAnswer)))
        (again,) = bench.client.take(CheckAnswer)
        await bench.hear(AnswerChecked(id=again.id, right=True))
        assert "right, on other values" in bench.text
        assert bench.app.progress.solved("ex-lengths")


@pytest.mark.long
async def test_hints_come_one_by_one() -> None:
    async with Bench().open() as bench:
        await opened(bench, "ex-lengths")
        assert "H: a hint (2 left)" in bench.text
        await bench.press("H")
        assert "Hint 1: What is one example here" in bench.text
        assert "Hint 2" not in bench.text
        await bench.press("H")
        assert "Hint 2" in bench.text
        assert "H: a solution" in bench.text
        await bench.press("H")
        assert "A solution:" in bench.text
        assert "vmap" in bench.text.partition("A solution:")[2]
        await bench.press("H")
        assert "there is no further hint" in bench.text
        await bench.press("n", "N", "N", "H")
        assert "only exercises have hints" in bench.text


@pytest.mark.long
async def test_where_it_is_narrow_the_pages_are_turned() -> None:
    async with Bench().open((80, 24)) as bench:
        pane = await opened(bench, "vmap")
        screen = bench.app.screen
        assert isinstance(screen, MapScreen)
        assert pane.region.width == 80
        assert not screen.arguments.region
        await bench.press("v")
        assert not pane.display
        assert screen.arguments.region
        await bench.press("v")
        assert screen.results.region
        await bench.press("v")
        assert pane.region.width == 80
        await bench.press("T")
        assert screen.arguments.region
        await bench.press("T", "6")
        assert "Device set" in bench.text
        await bench.press("T")
        assert "vmap: one function, many values" in bench.text


async def test_the_text_comes_to_a_screen_together_with_it_though_nothing_else_goes_on() -> None:
    async with Bench().open() as bench:
        await opened(bench, "vmap")
        await bench.hear(made.ran(bench.client.run.id))
        await bench.until(lambda: bench.explorer._ticking is None)
        await bench.press("6")
        assert "vmap: one function, many values" in bench.text
        await bench.press("1", "6", "T")  # at once, as over a slow line
        assert "vmap: one function, many values" not in bench.text


@pytest.mark.long
@pytest.mark.parametrize(("size", "beside"), [((109, 40), False), ((BESIDE, 40), True)])
async def test_where_it_is_wide_enough_text_program_and_result_stand_side_by_side(
    size: tuple[int, int], beside: bool
) -> None:
    async with Bench().open(size) as bench:
        pane = await opened(bench, "vmap")
        screen = bench.app.screen
        assert isinstance(screen, MapScreen)
        assert bool(screen.arguments.region) is beside
        if beside:
            parts = (screen.editor, screen.arguments, screen.layers_pane, screen.results)
            assert all(part.region.x >= pane.region.right for part in parts)
            assert all(part.region.height >= 3 for part in parts)
            await bench.press("f5")
            assert all(part.region.height >= 3 for part in parts)
            await bench.press("T")
            assert not pane.display
            assert screen.has_class("-wide")


@pytest.mark.long
async def test_resizing_fits_the_text_and_the_screen() -> None:
    async with Bench().open((80, 24)) as bench:
        pane = await opened(bench, "vmap")
        await bench.resize(160, 50)
        await bench.until(lambda: pane.region.width == 46)
        assert bench.app.screen.has_class("-wide")
        assert pane.region.height == 48
        await bench.resize(80, 24)
        await bench.until(lambda: pane.region.width == 80)


@pytest.mark.long
async def test_the_text_stands_beside_the_other_screens_too() -> None:
    async with Bench().open() as bench:
        await opened(bench, "psum")
        for key, name in (("3", "collectives"), ("2", "sharding"), ("4", "benchmark")):
            await bench.press(key)
            screen = bench.app.screen
            assert getattr(screen, "NAME", "") == name
            assert "psum: a sum over all devices" in bench.text
            assert screen.query_one(LessonPane).region.width == 46


async def test_y_copies_the_addresses_of_the_text() -> None:
    async with Bench().open() as bench:
        pane = await opened(bench, "further-reading")
        assert pane.addresses.splitlines()[0].endswith("automatic-vectorization.html")
        assert len(pane.addresses.splitlines()) >= 6
        copied: list[str] = []
        bench.app.copy = copied.append  # type: ignore[method-assign] # to hear of it
        await bench.press("y")
        assert copied == [pane.addresses]


def test_what_is_done_is_remembered_and_joined_with_what_another_explorer_did(
    tmp_path: Path,
) -> None:
    one, other = Progress(tmp_path), Progress(tmp_path)
    one.did("vmap", {0})
    other.did("vmap", {2})
    other.solve("ex-lengths")
    one.open("pmap")
    kept = Progress(tmp_path)
    assert kept.steps("vmap") == {0, 2}
    assert kept.solved("ex-lengths")
    assert kept.read("pmap")
    assert kept.last == "pmap"


def test_a_file_that_cannot_be_read_or_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lessons.json").write_text("[]")
    broken = Progress(tmp_path)
    assert broken.steps("vmap") == frozenset()
    broken.did("vmap", {1})
    assert json.loads((tmp_path / "lessons.json").read_text())["steps"] == {"vmap": [1]}
    (tmp_path / "file").write_text("")
    nowhere = Progress(tmp_path / "file")
    nowhere.did("vmap", {1})
    assert nowhere.trouble.startswith("what is done of the lessons cannot be kept")
    assert nowhere.steps("vmap") == {1}


@pytest.mark.parametrize(("size", "turns"), [((120, 40), False), ((80, 24), True)])
async def test_no_key_is_named_to_turn_to_results_that_are_in_sight(
    size: tuple[int, int], turns: bool
) -> None:
    async with Bench().open(size) as bench:
        await opened(bench, "vmap")
        assert ("─Results" in bench.text) is not turns
        named = [label for _, label in bench.app.map_screen.keys(None)]
        assert ("results" in named or "text" in named) is turns
