"""What an accepted session runs beside its text is watched, and a change of it asks again."""

from __future__ import annotations

import os
import shutil
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from jaxtui import bounded, config, lessons
from jaxtui.app import trust, watched
from jaxtui.app.covered import covered
from jaxtui.app.watched import Watched
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.text_dialogs import TrustDialog
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, dumps, loads, save
from jaxtui.wire.base import Composition
from jaxtui.wire.protocol import AnyRequest
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.made_any import value_of
from tests.support.tables import one_in

SOURCE = "import helper\ndef f(matrix, vector):\n    return helper.g(matrix @ vector)\n"
CHANGED = "helper.py changed since it was accepted: F5 shows what changed and asks"
EXECUTING = [
    kind for kind in typing.get_args(AnyRequest) if "composition" in kind.__struct_fields__
]


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "data_folder", lambda: tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "helper.py").write_text("g = abs\n")
    return folder


def importing(source: str = SOURCE) -> Session:
    session = made.session()
    program = msgspec.structs.replace(session.program, source=source)
    return msgspec.structs.replace(session, program=program)


@asynccontextmanager
async def accepted(folder: Path, session: Session | None = None) -> AsyncIterator[Bench]:
    """An explorer with an accepted session in `folder`, that has run."""
    path = str(folder / "own.toml")
    text = save(session or importing(), path)
    beside = covered(loads(text), str(folder))
    assert trust.sign(text, beside, path)
    options = {"path": path, "text": text, "accepted": beside}
    async with Bench(loads(text), **options).open() as bench:
        await bench.settled()
        yield bench


def executing(bench: Bench) -> list[AnyRequest]:
    """The requests so far that execute the session's code, which is not jaxtui's own task."""
    requests: list[typing.Any] = bench.client.requests
    executing = [request for request in requests if isinstance(request, tuple(EXECUTING))]
    return [request for request in executing if "helper" in request.composition.program.source]


def test_every_request_with_a_program_is_known_to_the_gate() -> None:
    with_program = [
        kind
        for kind in typing.get_args(AnyRequest)
        if Composition in typing.get_type_hints(kind).values()
    ]
    assert with_program == EXECUTING
    assert len(EXECUTING) >= 6
    sent: list[AnyRequest] = []
    opened = OpenSession(
        importing(), send=sent.append, next_id=lambda: 1, may_send=lambda request: False
    )
    for kind in typing.get_args(AnyRequest):
        opened.send(value_of(kind, "text"))
    assert {type(request) for request in sent} == {*typing.get_args(AnyRequest)} - {*EXECUTING}


async def type_a_key(bench: Bench) -> None:
    bench.explorer.edit(FieldPath("program.source"), SOURCE + "#", typed=True)


async def look_at(screen: str, bench: Bench) -> None:
    bench.app.show_screen(screen)
    await bench.settle()
    if screen == "benchmark":
        bench.explorer.benchmark.choose("session", bench.explorer.now())
        bench.explorer.show_work()
        await bench.settle()


async def inspect(bench: Bench) -> None:
    bench.explorer.work.inspect("jaxpr", bench.explorer.now() + 1)


async def restart(bench: Bench) -> None:
    bench.explorer.restart()


ACTS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "key": type_a_key,
    "restart": restart,
    "inspection": inspect,
    "collective": lambda bench: look_at("collectives", bench),
    "benchmark": lambda bench: look_at("benchmark", bench),
}


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(act, id=key, marks=[pytest.mark.long] if n > 1 else [])
        for n, (key, act) in enumerate(ACTS.items())
    ],
)
async def test_nothing_is_sent_once_a_file_changed_and_f5_shows_what(
    act: Callable[[Bench], Awaitable[None]], folder: Path
) -> None:
    async with accepted(folder) as bench:
        sent = len(executing(bench))
        assert sent
        (folder / "helper.py").write_text("g = evil\n")
        await act(bench)
        await bench.settle()
        assert len(executing(bench)) == sent
        assert not any(
            work.in_hand is not None and isinstance(work.in_hand.request, tuple(EXECUTING))
            for work in bench.explorer.works
        )
        bench.app.show_screen("map")
        bench.explorer.run()
        await bench.settle()
        assert len(executing(bench)) == sent
        assert bench.explorer.open_session.untrusted.startswith(CHANGED)
        assert isinstance(bench.app.screen, TrustDialog)
        assert "-g = abs" in bench.text
        assert "+g = evil" in bench.text
        restarts = len(bench.client.restarts)
        await bench.press("down", "enter")
        assert len(executing(bench)) > sent
        assert len(bench.client.restarts) == restarts + 1  # the old one has the old modules
        assert bench.explorer.open_session.trusted


@pytest.mark.parametrize("screen", one_in(3, ["map", "collectives", "benchmark"]))
async def test_every_screen_says_why_nothing_runs(screen: str, folder: Path) -> None:
    async with accepted(folder) as bench:
        await look_at(screen, bench)
        (folder / "helper.py").write_text("g = evil\n")
        await type_a_key(bench)
        await bench.settle()
        assert "helper.py changed since it was accepted" in " ".join(bench.text.split())
        assert "not run: a file changed" in bench.text


@pytest.mark.long
@pytest.mark.parametrize("screen", ["collectives", "benchmark"])
async def test_f5_on_other_screens_asks_first(screen: str, folder: Path) -> None:
    async with accepted(folder) as bench:
        await look_at(screen, bench)
        sent = len(executing(bench))
        (folder / "helper.py").write_text("g = evil\n")
        await bench.press("f5")
        assert isinstance(bench.app.screen, TrustDialog)
        assert len(executing(bench)) == sent


def remove(folder: Path) -> None:
    (folder / "helper.py").unlink()


def shadow(folder: Path) -> None:
    (folder / "helper").mkdir()
    (folder / "helper" / "__init__.py").write_text("g = evil\n")


def replace_in_the_same_size(folder: Path) -> None:
    file = folder / "helper.py"
    before = file.stat()
    file.write_text("g = sum\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [remove, shadow, replace_in_the_same_size])
async def test_what_would_run_instead_counts_as_changed(
    change: Callable[[Path], None], folder: Path
) -> None:
    async with accepted(folder) as bench:
        sent = len(executing(bench))
        change(folder)
        await type_a_key(bench)
        assert len(executing(bench)) == sent
        assert not bench.explorer.open_session.trusted


async def test_a_module_that_appears_in_the_folder_counts_as_changed(folder: Path) -> None:
    async with accepted(folder, importing("import json\n" + SOURCE)) as bench:
        (folder / "json.py").write_text("evil = 1\n")
        await bench.press("f5")
        assert not bench.explorer.open_session.trusted
        assert "evil = 1" in bench.text


async def test_what_is_only_written_anew_or_lies_beside_does_not_ask(folder: Path) -> None:
    async with accepted(folder) as bench:
        sent = len(executing(bench))
        (folder / "helper.py").write_text("g = abs\n")
        (folder / "beside.py").write_text("never imported\n")
        await type_a_key(bench)
        assert len(executing(bench)) > sent


async def test_a_typed_import_does_not_ask_and_is_covered_from_then_on(folder: Path) -> None:
    (folder / "more.py").write_text("a = 1\n")
    async with accepted(folder) as bench:

        async def source_is(source: str) -> int:
            sent = len(executing(bench))
            bench.explorer.edit(FieldPath("program.source"), source)
            return len(executing(bench)) - sent

        assert await source_is("import more\n" + SOURCE)
        assert await source_is(SOURCE)
        (folder / "more.py").write_text("a = 2\n")
        assert await source_is(SOURCE + "# not imported now\n")
        assert not await source_is("import more\n" + SOURCE)
        assert bench.explorer.open_session.untrusted.startswith("more.py changed")


async def test_saved_into_another_folder_it_does_not_run_what_lies_there(
    folder: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "helper.py").write_text("g = evil\n")
    async with accepted(folder) as bench:
        bench.explorer.files._save_to(str(there / "own.toml"), None)
        await bench.settle()
        text = (there / "own.toml").read_text()
        assert not bench.explorer.open_session.trusted
        assert not trust.is_trusted(text, covered(loads(text), str(there)))


def test_no_file_is_read_again_while_nothing_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = importing()
    watch = Watched(covered(session, str(folder)), session, str(folder))
    assert watch.changed(session) == []
    monkeypatch.setattr(bounded, "read", None)  # cannot be called
    for number in range(20):
        assert watch.changed(importing(f"{SOURCE}# {number}\n")) == []
    monkeypatch.undo()
    shutil.rmtree(folder)
    assert watch.changed(session) == [str(folder / "helper.py")]


async def test_lessons_and_what_was_never_saved_are_not_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watched, "Watched", None)  # cannot be made
    lesson = lessons.load(lessons.FIRST)
    assert dumps(lesson)
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.open(lesson)
        sent = len(executing(bench))
        bench.explorer.edit(FieldPath("program.source"), "import helper\n" + SOURCE)
        assert len(executing(bench)) > sent
