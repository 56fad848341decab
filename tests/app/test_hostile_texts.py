"""Whatever a session, an engine or a recording holds is painted as the text that it is."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from rich.text import Text
from textual.content import Content

from jaxtui import config
from jaxtui.app.trust import is_trusted
from jaxtui.benchmark import kept_runs
from jaxtui.screen.screens import KEYED, SCREENS
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session
from jaxtui.wire.base import Gone, Log, Printed, Spoiled
from jaxtui.wire.benchmark import Bench as RunBench
from jaxtui.wire.benchmark import PlanBench
from jaxtui.wire.benchmark_report import BenchmarkReport
from jaxtui.wire.collectives import DescribeCollectives, RunCollective
from jaxtui.wire.program import Inspect, Inspected, Run, Trace
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from tests.cli.test_output import BAD
from tests.support import made_benchmarks, made_collectives
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.made_any import poisoned, value_of

MARK = "PWN"
HOSTILE = {
    "commands": f"\x1b]0;{MARK}\x07\x1b]52;c;UA==\x1b\\\x1bPq\x1b\\\x1b[2J",
    "C1": f"\x9b2J{MARK}\x9d52;c;UA==\x9c\x90q\x9c\x85\x7f\x00\r\n",
    "hidden": f"\u202e{MARK}\u2066\u200b\u200d\ufeff\u2028\U000e0041",
    "markup": f"[red]{MARK}[/red][link=x]y[/link][@click=app.quit]{MARK}[/][/]",
}
QUICK = (("C1", False),)  # of the default suite
EVENTS = typing.get_args(AnyEvent)
LINES = BAD - {"\n"}  # between the lines of the screen


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "data_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(config, "state_folder", lambda: tmp_path / "state")


@pytest.fixture(autouse=True)
def _no_markup(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that holds a hostile text is ever taken for markup."""
    taken: list[str] = []
    for kind in (Content, Text):
        parse = kind.from_markup

        def watched(text: Any, *args: Any, parse: Any = parse, **options: Any) -> Any:
            if MARK in str(text):
                taken.append(str(text))
            return parse(text, *args, **options)

        monkeypatch.setattr(kind, "from_markup", watched)
    yield
    assert not taken


def painted(bench: Bench) -> str:
    """What the driver would write of the screen, without the colours that are jaxtui's own."""
    screen = bench.app.screen
    lines = [strip.render(bench.app.console) for strip in screen._compositor.render_strips()]
    seen = re.sub(r"\x1b\[[\d;:]*m", "", "\n".join(lines))
    assert not LINES & set(seen), repr(LINES & set(seen))
    return seen


def hostile_session(text: str) -> Session:
    """Every field of every part, around a program that can be shown."""
    session: Session = poisoned(made.session(), text)
    program = structs.replace(
        session.program, layers=[*session.program.layers, *value_of(Session, text).program.layers]
    )
    every: Session = structs.replace(value_of(Session, text), program=program)
    return structs.replace(every, devices=session.devices, parameters={text: 3})


def answers(request: AnyRequest) -> list[AnyEvent]:
    """What an engine answers to a request, without hostile texts."""
    id = request.id
    match request:
        case Trace():
            return [made.traced(id)]
        case Run():
            return [made.ran(id, paths=("a", "b"))]
        case Inspect():
            return [Inspected(id=id, text="module @f\n  add")]
        case DescribeCollectives():
            return [made_collectives.described(id)]
        case RunCollective():
            return [made_collectives.psum(id)]
        case PlanBench():
            return [made_benchmarks.planned(id)]
        case RunBench():
            return made_benchmarks.swept(id)
        case _:
            return []


async def answer_all(bench: Bench, text: str) -> None:
    """Answer what was asked so far, and what is asked because of that."""
    for _ in range(4):
        requests, bench.client.requests = bench.client.requests, []
        for request in requests:
            await bench.hear(*(poisoned(event, text) for event in answers(request)))
        await bench.settle()


@pytest.mark.parametrize(
    ("kind", "trusted"),
    [
        pytest.param(kind, trusted, marks=() if (kind, trusted) in QUICK else pytest.mark.long)
        for kind in HOSTILE
        for trusted in (True, False)
    ],
)
async def test_no_field_of_a_session_or_an_answer_is_painted_as_more_than_text(
    kind: str, trusted: bool
) -> None:
    text = HOSTILE[kind]
    session = hostile_session(text)
    assert session.title.startswith(text)
    assert not is_trusted(session.title)
    path = text.replace("/", "").replace("\0", "") + ".toml"
    async with Bench(session, path=path, trusted=trusted).open() as bench:
        seen = [painted(bench)]
        await bench.hear(poisoned(made.ready(), text))
        if not trusted:
            seen.append(painted(bench))
            await bench.press("escape")
        for screen in SCREENS:
            bench.app.show_screen(screen.name)
            await bench.settle()
            seen.append(painted(bench))
            if trusted:
                await bench.press("f5")
                await answer_all(bench, text)
                seen.append(painted(bench))
            if not screen.key:
                await bench.app.pop_screen()
        for event in (
            Log(line=text),
            Printed(stream="stdout", text=text),
            Spoiled(what=text),
            Gone(reason=text, status=1, wanted=False, tail=[text]),
        ):
            await bench.hear(event)
            for screen in KEYED:
                bench.app.show_screen(screen.name)
                await bench.settle()
                seen.append(painted(bench))
        for key in ("ctrl+o", "escape", "question_mark", "escape", "ctrl+q"):
            await bench.press(key)
            seen.append(painted(bench))
    assert sum(MARK in one for one in seen) > len(seen) / 3


@pytest.mark.long
@pytest.mark.parametrize("screen", [screen.name for screen in KEYED])
async def test_no_event_of_any_type_is_painted_as_more_than_text(screen: str) -> None:
    text = HOSTILE["commands"] + HOSTILE["C1"] + HOSTILE["hidden"] + HOSTILE["markup"]
    seen = ""
    async with Bench(hostile_session(text)).open() as bench:
        bench.app.show_screen(screen)
        for kind in EVENTS:
            await bench.hear(made.ready())
            bench.explorer.edit(FieldPath("program.source"), f"{text}# {kind.__name__}")
            await bench.press("f5")
            ids = [0, *(request.id for request in bench.client.requests[-4:])]
            for id in ids:
                event: AnyEvent = structs.replace(value_of(kind, text), id=id)
                bench.client.say(event)
            await bench.settle()
            seen += painted(bench)
            while bench.app.screen.is_modal:
                await bench.press("escape")
    assert MARK in seen


@pytest.mark.long
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_recording_is_painted_as_more_than_text(text: str) -> None:
    report = made_benchmarks.report(made_benchmarks.swept(1), hostile_session(text))
    for each in (poisoned(report, text), value_of(BenchmarkReport, text)):
        kept_runs.keep(each)
    seen = []
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.show_screen("benchmark")
        await bench.settle()
        for number in range(2):
            await bench.press("r")
            seen.append(painted(bench))
            await bench.press(*["down"] * number, "enter")
            for _ in range(6):
                await bench.press("s")
                seen.append(painted(bench))
        await bench.press("c")
        seen.append(painted(bench))
        await bench.press("enter")
        seen.append(painted(bench))
    assert sum(MARK in one for one in seen) > len(seen) / 3
