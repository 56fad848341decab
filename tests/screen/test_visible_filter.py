"""Whatever a session or an engine holds is painted as visible text."""

from __future__ import annotations

import re
import types
import typing
from typing import Any

import msgspec
import pytest
from msgspec import structs
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from jaxtui.app.trust import is_trusted
from jaxtui.screen.screens import KEYED
from jaxtui.screen.visible_filter import VisibleText
from jaxtui.session.session import Session
from jaxtui.wire.base import Gone, Log, Printed
from tests.cli.test_output import BAD, HOSTILE
from tests.support import made_events as made
from tests.support.fake_client import Bench

BLACK = Color(0, 0, 0)


def test_a_line_keeps_its_width_and_loses_links() -> None:
    line = [Segment("a" + HOSTILE, Style(link="http://x/\x07")), Segment("日本 end")]
    shown = VisibleText().apply(line, BLACK)
    assert Segment.get_line_length(shown) == Segment.get_line_length(line)
    assert not BAD & set("".join(segment.text for segment in shown))
    assert not any(segment.style and segment.style.link for segment in shown)


def poisoned(value: Any) -> Any:
    """`value` with a hostile text before every text of every field of it that takes any."""
    if isinstance(value, msgspec.Struct):
        kinds = typing.get_type_hints(type(value))
        changes = {
            name: poisoned(getattr(value, name))
            for name in value.__struct_fields__
            if _takes_any_text(kinds[name])
        }
        return structs.replace(value, **changes)
    if isinstance(value, str):
        return HOSTILE + value
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    if isinstance(value, dict):
        return {key: poisoned(item) for key, item in value.items()}
    return value


def _takes_any_text(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return all(_takes_any_text(one) for one in typing.get_args(kind))
    return True


def painted(bench: Bench) -> str:
    """What the driver would write of the screen, without the colours that are jaxtui's own."""
    screen = bench.app.screen
    lines = [strip.render(bench.app.console) for strip in screen._compositor.render_strips()]
    return re.sub(r"\x1b\[[\d;:]*m", "", "".join(lines))


@pytest.mark.parametrize("trusted", [True, False])
async def test_no_field_of_a_session_or_event_reaches_the_terminal_as_more_than_text(
    trusted: bool,
) -> None:
    session: Session = poisoned(made.session())
    assert session.title.startswith(HOSTILE)
    assert not is_trusted(session.title)
    async with Bench(session, path=HOSTILE[:-1] + ".toml", trusted=trusted).open() as bench:
        seen = [painted(bench)]
        await bench.hear(poisoned(made.ready()))
        for event in (
            Log(line=HOSTILE),
            Printed(stream="stdout", text=HOSTILE),
            Gone(reason=HOSTILE, status=1, wanted=False),
        ):
            await bench.hear(event)
            seen.append(painted(bench))
        if not trusted:
            await bench.press("escape")
        for screen in KEYED:
            bench.app.show_screen(screen.name)
            await bench.settle()
            seen.append(painted(bench))
        await bench.press("ctrl+o")
        seen.append(painted(bench))
    assert "PWN" in "".join(seen)
    assert not BAD & set("".join(seen))
