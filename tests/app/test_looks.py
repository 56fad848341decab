"""How every screen looks with all that it can show, also in the largest terminals, and dialogs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import load, save
from tests.support import made_events
from tests.support.fake_client import Bench
from tests.support.full_screens import SCREENS, full_session

pytestmark = pytest.mark.long

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
# Those in the other sizes are beside the tests of their screens.
ALSO = [("bandwidth", SMALL), ("bandwidth", MIDDLE), ("learn", SMALL), ("results", SMALL)]
DIALOGS = {
    "help": ["question_mark"],
    "palette": ["ctrl+p", *"psum"],
    "pick": ["p"],
    "save": ["ctrl+s"],
    "not-saved": ["ctrl+q"],
    "find": ["slash"],
    "leaves": ["L"],
    "memory": ["M"],
    "jump": ["ctrl+g"],
}
FIELD = FieldPath("program.layers.0.in_axes")
WRONG = Diagnosis(
    kind="axes",
    field=FIELD,
    message="vector has rank 2: there is no axis 3",
    fixes=[Fix(label="in_axes (0, 0)", field=FIELD, text="(0, 0)")],
)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def _size(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, LARGE) for name in SCREENS), *ALSO],
    ids=lambda x: x if isinstance(x, str) else _size(x),
)
def test_a_full_screen(snap_compare: Callable[..., bool], name: str, size: tuple[int, int]) -> None:
    bench = Bench(full_session(name))
    prepare = bench.pictured(SCREENS[name])
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=_size)
def test_an_error(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    async def wrong(bench: Bench) -> None:
        await bench.settled()
        bench.explorer.edit(FIELD, "(0, 3)")
        await bench.trace_answered(diagnosis=WRONG, signature=None)

    bench = Bench()
    assert snap_compare(bench.app, terminal_size=size, run_before=bench.pictured(wrong))


@pytest.mark.parametrize("name", DIALOGS)
def test_a_dialog(snap_compare: Callable[..., bool], name: str) -> None:
    async def asked(bench: Bench) -> None:
        await bench.settled()
        if name == "not-saved":
            bench.explorer.edit(FieldPath("program.layers.0.out_axes"), "1")
        await bench.press(*DIALOGS[name])

    bench = Bench()
    assert snap_compare(bench.app, terminal_size=SMALL, run_before=bench.pictured(asked))


@pytest.mark.parametrize("size", [SMALL, MIDDLE], ids=_size)
def test_the_question_of_trust(
    snap_compare: Callable[..., bool], size: tuple[int, int], tmp_path: Path
) -> None:
    async def ready(bench: Bench) -> None:
        await bench.hear(made_events.ready())

    file = tmp_path / "theirs.toml"
    save(made_events.session(), file)
    bench = Bench(load(file), path=str(file), trusted=False)
    assert snap_compare(bench.app, terminal_size=size, run_before=bench.pictured(ready))
