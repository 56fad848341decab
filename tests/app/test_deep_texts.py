"""Code that is nested more deeply than Python reads or writes is shown as any other."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from jaxtui.app.covered import covered
from jaxtui.program import prefixes, source_lines
from jaxtui.session import export, layers
from jaxtui.session.collective_program import own_functions
from jaxtui.session.session import Argument, Program, Session
from jaxtui.text.syntax import expression_fault
from tests.support.fake_client import Bench

DEEP = {
    "for its parser": "(" * 50_000,
    "for its tree": "1" + "+1" * 30_000,
    "for its writer": "-" * 900 + "1",
}


def session(deep: str) -> Session:
    source = f"import helper\ndef f(x):\n    return x\ny = {deep}\n"
    layer = layers.Vmap(in_axes=deep, out_axes=deep)
    argument = Argument(name="x", value=deep, sharding=deep)
    return Session(program=Program(source=source, arguments=[argument], layers=[layer]))


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP.keys())
def test_whatever_reads_a_text_takes_one_that_is_too_deep(deep: str, tmp_path: Path) -> None:
    opened = session(deep)
    covered(opened, str(tmp_path))
    own_functions(opened.program.source)
    expression_fault(deep)
    prefixes.parsed(deep)
    source_lines.parsed(opened.program.source)
    with contextlib.suppress(export.ExportError):
        export.script(opened, str(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP.keys())
async def test_every_screen_shows_it(deep: str) -> None:
    async with Bench(session(deep), trusted=False).open() as bench:
        await bench.press("escape")
        for key in "234561":
            await bench.press(key)
        assert bench.app.is_running
