"""The Learn screen: the lessons, and the way from one into Map."""

from __future__ import annotations

import pytest

from jaxtui import lessons
from jaxtui.app.learn.pane import LessonPane
from jaxtui.app.learn.screen import LearnScreen
from jaxtui.lessons import book
from jaxtui.program.screen.screen import MapScreen
from jaxtui.screen.dialogs import ConfirmDialog
from jaxtui.session.field_path import FieldPath
from tests.support.fake_client import Bench


async def test_every_lesson_and_exercise_is_listed_in_its_chapter_with_its_notes() -> None:
    async with Bench().open((120, 100)) as bench:
        await bench.settled()
        await bench.press("5")
        assert isinstance(bench.app.screen, LearnScreen)
        for name in book.ORDER:
            assert lessons.load(name).title in bench.text
        await bench.press("home", "down")
        words = lessons.load(lessons.NAMES[1]).notes.split()[:3]
        assert " ".join(words).replace("`", "").replace("*", "") in bench.text


async def test_enter_opens_a_lesson_in_its_screen_beside_its_text() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("5", "down", "enter")
        assert isinstance(bench.app.screen, MapScreen)
        assert bench.session == lessons.load(lessons.NAMES[1])
        assert bench.client.trace.composition.program == bench.session.program
        assert bench.app.focused is bench.app.screen.query_one(LessonPane)
        await bench.until(lambda: "Without help there are" in bench.text)


async def test_a_lesson_replaces_unsaved_work_only_when_told_to() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("title"), "mine")
        await bench.press("5", "enter")
        assert isinstance(bench.app.screen, ConfirmDialog)
        await bench.press("enter")
        assert bench.session.title == "mine"
        assert isinstance(bench.app.screen, LearnScreen)


async def test_the_notes_stand_under_the_list_where_there_is_no_room_beside_it() -> None:
    for size, beside in (((80, 24), True), ((40, 12), False)):
        async with Bench().open(size) as bench:
            await bench.settled()
            await bench.press("5")
            for _ in range(3):  # the screen is laid out once more for its size
                await bench.settle()
            listed, notes = (bench.app.screen.query_one(name) for name in ("#lessons", "#notes"))
            assert (listed.region.y == notes.region.y) is beside
            assert notes.region.width >= 36


@pytest.mark.long
async def test_a_title_that_is_typed_is_found_before_lessons_that_have_its_words() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        title = lessons.load("ex-move").title
        await bench.press("5", "slash", *("space" if key == " " else key for key in title))
        assert "Moving, step 2" in bench.text  # in the chapter of shard_map, and called move-jit
        assert bench.app.screen.listed.name_at_cursor == "ex-move"  # type: ignore[attr-defined]


async def test_opening_a_lesson_ends_the_filter_that_found_it() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press("5", "slash", *"psum", "enter")
        await bench.until(lambda: bench.session == lessons.load("psum"))
        await bench.press("5")
        assert "> psum_" not in bench.text
        assert bench.app.screen.listed.name_at_cursor == "psum"  # type: ignore[attr-defined]


async def test_a_slash_filters_the_lessons_and_escape_lists_all_again() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press("5", "slash", *"psum")
        assert "> psum_" in bench.text
        assert "psum: a sum over all devices" in bench.text
        assert "Tensor parallel" not in bench.text  # the letters in their order are no word
        assert "Named axes and collectives" in bench.text  # its chapter
        assert "in_axes: map one" not in bench.text
        assert bench.app.screen.listed.name_at_cursor == "psum"  # type: ignore[attr-defined]
        assert "esc all lessons" in bench.text.splitlines()[-1]
        await bench.press("escape")
        assert "> psum_" not in bench.text
        assert bench.app.screen.listed.name_at_cursor == "psum"  # type: ignore[attr-defined]
        await bench.press("slash", "backspace", *"zzz")
        assert "nothing has this" in bench.text
        await bench.press(*["backspace"] * 3, *"psum", "enter")
        assert bench.session.title == "psum: a sum over all devices"
