"""Names are offered while typing pauses, and no key is taken for them but ctrl+space."""

from __future__ import annotations

import pytest

from jaxtui.screen import completion
from jaxtui.wire.names import ListNames, Name, NamesListed
from tests.support.fake_client import Bench

JNP = [Name("linalg"), Name("linspace", "(start, stop, num=50)"), Name("log", "(x)")]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "PAUSE", 0.01)


async def in_value(bench: Bench) -> None:
    """Put the cursor behind an empty value."""
    await bench.settled()
    await bench.until(lambda: bench.app.map_screen.completion is not None)
    bench.app.map_screen.arguments.query("FieldInput.value").first().focus()
    await bench.settle()
    await bench.press("end", "ctrl+u")


def shown(bench: Bench) -> bool:
    found = bench.app.map_screen.completion
    return found is not None and found.display


async def test_names_of_a_module_are_offered_and_taken() -> None:
    async with Bench().open() as bench:
        await in_value(bench)
        await bench.press(*"jnp.li")
        await bench.until(lambda: bool(bench.client.asked(ListNames)))
        [asked] = bench.client.asked(ListNames)
        assert asked.module == "jnp"
        assert not shown(bench)
        await bench.hear(NamesListed(id=asked.id, module="jnp", names=JNP))
        assert "linspace(start, stop, num=50)" in bench.text
        await bench.press("ctrl+@")
        assert bench.session.program.arguments[0].value == "jnp.linalg"
        await bench.press("ctrl+@")
        assert bench.session.program.arguments[0].value == "jnp.linspace"
        assert shown(bench)
        await bench.press("(")
        assert not shown(bench)
        assert bench.session.program.arguments[0].value == "jnp.linspace("


async def test_other_keys_do_what_they_always_do_while_names_are_offered() -> None:
    async with Bench().open() as bench:
        await in_value(bench)
        await bench.press(*"de")
        await bench.until(lambda: shown(bench))
        before = bench.app.focused
        await bench.press("tab")
        assert not shown(bench)
        assert bench.app.focused is not before
        assert bench.session.program.arguments[0].value == "de"
        await bench.press("shift+tab", *"vi")
        await bench.until(lambda: shown(bench))
        await bench.press("escape")
        assert not shown(bench)
        assert bench.app.focused is None
        assert bench.session.program.arguments[0].value == "devi"


async def test_in_the_source_the_rest_of_the_line_stays() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.until(lambda: bench.app.map_screen.completion is not None)
        area = bench.app.map_screen.editor.area
        area.load_text("def f(matrix, vector):\n    return ()\n")
        area.focus()
        area.cursor_location = (1, 12)
        await bench.press(*"ve")
        await bench.until(lambda: shown(bench))
        await bench.press("down")
        assert area.cursor_location[0] == 2
        assert not shown(bench)
        area.cursor_location = (1, 14)
        await bench.press("ctrl+@")
        assert area.text == "def f(matrix, vector):\n    return (vector)\n"
        assert area.cursor_location == (1, 18)
        await bench.press("ctrl+z")
        assert "vector)" not in area.text.split("\n")[1]


async def test_without_a_name_ctrl_space_does_nothing() -> None:
    async with Bench().open() as bench:
        await in_value(bench)
        await bench.press("1", "ctrl+@", "ctrl+@", "2")
        assert bench.session.program.arguments[0].value == "12"
        assert not shown(bench)


async def test_the_list_never_hides_what_is_typed() -> None:
    async with Bench().open((80, 24)) as bench:
        await in_value(bench)
        await bench.press(*"de")
        await bench.until(lambda: shown(bench))
        found, field = bench.app.map_screen.completion, bench.app.focused
        assert found is not None
        assert field is not None
        for letter, height in (("v", field.region.y + 4), ("i", field.region.y + 2)):
            await bench.resize(80, height)
            await bench.press(letter)
            await bench.until(lambda: shown(bench))
            assert not found.region.overlaps(field.region)
            assert 0 <= found.region.y < found.region.bottom <= height
