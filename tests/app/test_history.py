"""Undo and redo of what is composed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.app.history import STEPS, TYPING, History
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Devices, Session
from jaxtui.wire.launch import Choice
from jaxtui.wire.program import Trace
from tests.support import made_events as made
from tests.support.fake_client import Bench

SESSIONS = st.lists(st.integers(1, 5), min_size=1, max_size=30)


def numbered(number: int) -> Session:
    return Session(parameters={"n": number})


@given(SESSIONS, st.integers(0, 40))
def test_undo_goes_back_through_every_change_and_redo_forth_again(
    numbers: list[int], steps: int
) -> None:
    history, now = History(), 0.0
    states = [numbered(0)]
    for number in numbers:
        history.note(states[-1], "parameters", now, typed=False)
        states.append(numbered(number))
    session, back = states[-1], 0
    for _ in range(steps):
        before = history.undo(session)
        if before is None:
            assert back == len(numbers)
            break
        back += 1
        session = before
        assert session == states[-1 - back]
    for _ in range(back):
        after = history.redo(session)
        assert after is not None
        session = after
    assert session == states[-1]
    assert history.redo(session) is None


def test_what_is_typed_without_a_pause_into_one_field_is_one_step() -> None:
    history = History()
    history.note(numbered(0), "program.source", 1.0, typed=True)
    history.note(numbered(1), "program.source", 1.0 + TYPING / 2, typed=True)
    history.note(numbered(2), "program.source", 1.0 + TYPING * 2, typed=True)
    history.note(numbered(3), "parameters", 1.0 + TYPING * 2, typed=True)
    seen, session = [], numbered(4)
    while (before := history.undo(session)) is not None:
        seen.append(before.parameters["n"])
        session = before
    assert seen == [3, 2, 0]


def test_a_change_after_an_undo_ends_what_could_be_redone() -> None:
    history = History()
    history.note(numbered(0), "parameters", 0.0, typed=False)
    assert history.undo(numbered(1)) == numbered(0)
    history.note(numbered(0), "parameters", 9.0, typed=False)
    assert history.redo(numbered(2)) is None


def test_so_many_steps_are_kept_and_the_oldest_goes() -> None:
    history = History()
    for number in range(STEPS + 5):
        history.note(numbered(number), "parameters", 0.0, typed=False)
    session: Session | None = numbered(-1)
    first = session
    while session is not None:
        first, session = session, history.undo(session)
    assert first == numbered(5)


async def test_u_brings_a_removed_layer_back_and_capital_u_removes_it_again() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        layers = bench.session.program.layers
        bench.app.map_screen.layer_list.focus()
        await bench.press("x")
        assert bench.session.program.layers == []
        await bench.press("u")
        assert bench.session.program.layers == layers
        assert bench.client.asked(Trace)[-1].composition.program.layers == layers
        assert "undone: the program; U does it again" in bench.text
        await bench.press("U")
        assert bench.session.program.layers == []
        assert "done again: the program; u takes it back" in bench.text
        await bench.press("U")
        assert "there is nothing to redo" in bench.text


async def test_undo_brings_back_what_stood_in_a_field_and_its_form() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.clock.hold()  # so that two keys are one step, however slowly the machine takes them
        field = bench.app.map_screen.arguments._rows[0].value_input
        old = field.value
        field.focus()
        await bench.press("end", "x", "y")
        assert field.value == old + "xy"
        bench.app.map_screen.layer_list.focus()
        await bench.press("u")
        assert field.value == old
        assert bench.session.program.arguments[0].value == old
        await bench.press("u")
        assert "there is no change to undo" in bench.text


async def test_nothing_is_undone_over_the_opening_of_another_session() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("program.layers"), [])
        bench.explorer.open(made.session(parameters={"n": 1}))
        await bench.settle()
        await bench.press("u")
        assert bench.session.parameters == {"n": 1}
        assert len(bench.session.program.layers) == 1


async def test_a_session_opened_later_runs_on_the_devices_of_the_command_line() -> None:
    choice = Choice(platform="cpu", count=4)
    async with Bench(choice=choice).open() as bench:
        await bench.settled()
        other = made.session(devices=Devices(platform="cpu", count=2, mesh={"x": 2}))
        bench.explorer.open(other)
        await bench.settle()
        assert bench.session.devices.count == 4
        assert bench.client.settings.count == 4
        assert not bench.explorer.files.changed


@pytest.mark.long
async def test_what_is_undone_on_another_screen_is_named() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.edit(FieldPath("devices"), Devices(platform="cpu", count=8, order=[2, 1]))
        bench.explorer.edit(FieldPath("parameters"), {"n": 3})
        await bench.press("6", "u")
        assert "undone: the parameters" in bench.text
        await bench.press("u")
        assert "undone: the device set" in bench.text
