"""A file of the user's that changes is noticed while the explorer is open."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from jaxtui import config
from jaxtui.app import file_poll, loaded_files, trust
from jaxtui.app.covered import covered
from jaxtui.session.session import Program, Session, loads, save
from jaxtui.wire.program import Run, Trace
from jaxtui.wire.sharding import PlanSharding
from tests.support import made_events as made
from tests.support.fake_client import Bench


@pytest.fixture(autouse=True)
def _soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_poll, "PERIOD", 0.02)
    monkeypatch.setattr(config, "data_folder", lambda: tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from helper import g\ndef f(matrix, vector): return g(matrix)\n"
    )
    (folder / "helper.py").write_text("g = abs\n")
    return folder


def of_file() -> Session:
    session = made.session()
    program = Program(function="mine.py:f", arguments=session.program.arguments)
    return msgspec.structs.replace(session, program=program)


def poll_of(bench: Bench) -> file_poll.FilePoll:
    assert bench.explorer._poll is not None
    return bench.explorer._poll


async def polled(bench: Bench) -> None:
    """Let the files be looked at for the first time."""
    await bench.until(lambda: bench.explorer._poll is not None)
    await bench.until(lambda: poll_of(bench)._timer is not None)


async def test_a_changed_file_of_ones_own_session_is_traced_and_the_result_marked_old(
    folder: Path,
) -> None:
    async with Bench(of_file(), path=str(folder / "own.toml")).open() as bench:
        await bench.settled()
        await polled(bench)
        traces, runs = len(bench.client.asked(Trace)), len(bench.client.asked(Run))
        (folder / "helper.py").write_text("g = max\n")
        await bench.until(lambda: len(bench.client.asked(Trace)) > traces)
        work = bench.explorer.work
        assert work.result_stale(bench.explorer.now() + 1)
        await bench.trace_answered()
        assert len(bench.client.asked(Run)) > runs
        await bench.hear(made.ran(bench.client.run.id))
        assert not work.result_stale(bench.explorer.now() + 1)


async def test_a_changed_file_makes_the_plan_and_the_collective_old_too(folder: Path) -> None:
    async with Bench(of_file(), path=str(folder / "own.toml")).open() as bench:
        await bench.settled()
        await polled(bench)
        await bench.press("2")
        await bench.until(lambda: bool(bench.client.asked(PlanSharding)))
        explorer = bench.explorer
        before = explorer.sharding.asked, explorer.collective.asked, explorer.benchmark.asked
        assert explorer.benchmark.subject == "task"
        plans = len(bench.client.asked(PlanSharding))
        (folder / "mine.py").write_text("def f(matrix, vector): return vector\n")
        await bench.until(lambda: len(bench.client.asked(PlanSharding)) > plans)
        assert explorer.sharding.asked != before[0]
        assert explorer.collective.asked != before[1]
        assert explorer.benchmark.asked == before[2]  # the tutorial's own task reads no file


async def test_a_changed_file_of_data_is_read_again_without_a_question(folder: Path) -> None:
    session = made.session()
    program = session.program
    first, *others = program.arguments
    loads_it = msgspec.structs.replace(first, value="load('m.npy')")
    program = msgspec.structs.replace(program, arguments=[loads_it, *others])
    (folder / "m.npy").write_bytes(b"1")
    of_data = msgspec.structs.replace(session, program=program)
    async with Bench(of_data, path=str(folder / "own.toml")).open() as bench:
        await bench.settled()
        await polled(bench)
        for written in (b"12", b"123", None):
            traces = len(bench.client.asked(Trace))
            if written is None:
                (folder / "m.npy").unlink()
            else:
                (folder / "m.npy").write_bytes(written)
            await bench.until(lambda before=traces: len(bench.client.asked(Trace)) > before)
            assert bench.explorer.work.result_stale(bench.explorer.now() + 1)
        assert bench.explorer.open_session.trusted


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("load('a.npz')['w']", "a.npz"),
        ('np.load("sub/a.npy", mmap_mode="r")', "sub/a.npy"),
        ("jnp.load( 'a.npy'", "a.npy"),  # half typed
    ],
)
def test_the_files_that_a_value_loads_are_known(text: str, file: str, tmp_path: Path) -> None:
    assert str(tmp_path / file) in loaded_files.stamps([text], str(tmp_path))
    assert not loaded_files.stamps(["download('a.npz')", "load(name)"], str(tmp_path))


async def test_a_file_that_is_only_touched_is_not_traced(folder: Path) -> None:
    async with Bench(of_file(), path=str(folder / "own.toml")).open() as bench:
        await bench.settled()
        await polled(bench)
        traces = len(bench.client.asked(Trace))
        before = poll_of(bench)._reading
        (folder / "helper.py").write_text("g = abs\n")
        await bench.until(lambda: poll_of(bench)._reading is not before)
        await bench.settle()
        assert len(bench.client.asked(Trace)) == traces


async def test_a_changed_file_that_was_accepted_asks(folder: Path) -> None:
    path = str(folder / "own.toml")
    text = save(of_file(), path)
    beside = covered(loads(text), str(folder))
    assert trust.sign(text, beside, path)
    async with Bench(loads(text), path=path, text=text, accepted=beside).open() as bench:
        await bench.settled()
        await polled(bench)
        traces = len(bench.client.asked(Trace))
        (folder / "helper.py").write_text("g = evil\n")
        await bench.until(lambda: not bench.explorer.open_session.trusted)
        assert len(bench.client.asked(Trace)) == traces
        assert "helper.py changed since it was accepted" in bench.explorer.open_session.untrusted


async def test_without_files_nothing_is_looked_at(folder: Path) -> None:
    async with Bench(of_file(), path=str(folder / "own.toml")).open() as bench:
        await bench.settled()
        await polled(bench)
        bench.explorer.open(made.session())
        await bench.until(lambda: poll_of(bench)._timer is None)


def test_what_a_file_in_a_package_runs_is_covered(tmp_path: Path) -> None:
    inner = tmp_path / "lib" / "pkg" / "sub"
    inner.mkdir(parents=True)
    for place in (inner, inner.parent):
        (place / "__init__.py").write_text("")
    (inner.parent / "base.py").write_text("N = 1\n")
    (tmp_path / "lib" / "top.py").write_text("N = 1\n")
    (inner / "beside.py").write_text("N = 1\n")
    (inner / "mod.py").write_text("from ..base import N\nimport top\ndef make(n): return abs\n")
    reference = "lib/pkg/sub/mod.py:make('a:b')"
    program = Program(function=reference, source="import beside\n")
    files = covered(Session(program=program), str(tmp_path)).files
    assert {Path(file).relative_to(tmp_path / "lib").as_posix() for file in files} == {
        "pkg/__init__.py",
        "pkg/sub/__init__.py",
        "pkg/sub/mod.py",
        "pkg/sub/beside.py",
        "pkg/base.py",
        "top.py",
    }
