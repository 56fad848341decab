"""As many arguments as a session may have: what is asked and typed does not wait for their rows."""

from __future__ import annotations

import pytest

from jaxtui.program.screen import argument_table
from jaxtui.program.screen.argument_table import AT_ONCE
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import MOST, Argument, Program, Session
from jaxtui.wire.report import Parameter
from tests.support import made_events as made
from tests.support.fake_client import Bench

NAMES = [f"a{number}" for number in range(MOST)]


def session(count: int = MOST) -> Session:
    names = NAMES[:count]
    source = f"def f({', '.join(names)}):\n    return a0\n"
    arguments = [Argument(name=name, value=f"arange({n})") for n, name in enumerate(names)]
    return Session(program=Program(source=source, arguments=arguments))


def signature(count: int) -> list[Parameter]:
    return [Parameter(name=name, kind="positional") for name in NAMES[:count]]


def values(bench: Bench) -> list[str]:
    return [row.value_input.value for row in bench.app.map_screen.arguments._rows]


def has(bench: Bench, count: int) -> bool:
    return values(bench) == [f"arange({n})" for n in range(count)]


async def test_the_question_of_trust_waits_for_no_further_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(argument_table, "PAUSE", 3600)
    async with Bench(session(), trusted=False).open() as bench:
        await bench.until(lambda: "Run this session?" in bench.text)
        assert has(bench, AT_ONCE)
        await bench.press("escape")
        assert "a0 " in bench.text


@pytest.mark.long
async def test_the_first_and_the_last_argument_are_edited() -> None:
    async with Bench(session()).open() as bench:
        await bench.until(lambda: has(bench, MOST))
        for number in (0, MOST - 1):
            bench.app.map_screen.arguments._rows[number].value_input.focus()
            await bench.press("end", "+", "1")
            assert bench.session.program.arguments[number].value == f"arange({number})+1"
            assert f"arange({number})+1" in bench.text


@pytest.mark.long
async def test_the_rows_follow_a_program_that_changes_while_they_are_added() -> None:
    async with Bench(session()).open() as bench:
        await bench.hear(made.ready())
        for count in (3, MOST, AT_ONCE, 2 * AT_ONCE + 1):
            bench.explorer.edit(FieldPath("program"), session(count).program)
            bench.client.say(made.traced(bench.client.trace.id, signature=signature(count)))
            await bench.pilot._wait_for_screen()
        await bench.until(lambda: has(bench, 2 * AT_ONCE + 1))
        assert len(bench.app.map_screen.arguments.query("_ArgumentRow")) == len(values(bench))
