"""A session that is opened and not touched is shown, run and saved as its file has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jaxtui.screen.screens import SCREENS
from jaxtui.session.session import Session, SessionError, dumps, loads
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Run, Trace
from jaxtui.wire.report import Parameter
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.made_sessions import sessions, signatures

# An app is opened for each example: to shrink one would take minutes.
MANY = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _loadable(session: Session) -> bool:
    try:
        return loads(dumps(session)) == session
    except SessionError:
        return False


async def _open_and_save(
    session: Session, signature: list[Parameter] | None, folder: Path, *, all_screens: bool
) -> None:
    """Open the session, let the engine answer, look around, save under another name."""
    text, path, other = dumps(session), folder / "own.toml", folder / "other.toml"
    path.write_text(text, encoding="utf-8", newline="\n")
    other.unlink(missing_ok=True)
    session = loads(text)
    async with Bench(session, path=str(path), text=text).open() as bench:
        await bench.hear(made.ready())
        for answered in range(4):
            traces = bench.client.take(Trace)
            assert answered < 3 or not traces
            for trace in traces:
                await bench.hear(made.traced(trace.id, signature=signature))
        for run in bench.client.asked(Run):
            assert run.composition == Composition.of(session, str(folder))
        for screen in SCREENS if all_screens else ():
            bench.app.show_screen(screen.name)
            await bench.settle()
        assert dumps(bench.session) == text
        assert bench.session == session
        assert not bench.explorer.files.changed
        bench.explorer.files._write(str(other))
    assert other.read_bytes() == path.read_bytes()


@settings(MANY, max_examples=3)
@given(session=sessions.filter(_loadable), signature=signatures())
def test_what_is_opened_and_saved_is_the_same_bytes(
    session: Session, signature: list[Parameter] | None, tmp_path: Path
) -> None:
    asyncio.run(_open_and_save(session, signature, tmp_path, all_screens=False))


@pytest.mark.long
@settings(MANY, max_examples=15)
@given(session=sessions.filter(_loadable), signature=signatures(), around=st.booleans())
def test_what_is_opened_looked_at_on_every_screen_and_saved_is_the_same_bytes(
    session: Session, signature: list[Parameter] | None, around: bool, tmp_path: Path
) -> None:
    asyncio.run(_open_and_save(session, signature, tmp_path, all_screens=around))
