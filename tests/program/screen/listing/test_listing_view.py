"""The tabs with a program's text, by keyboard."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.listing.pane import ListingPane
from jaxtui.wire.listing import Links, Operation, SourceLine
from jaxtui.wire.program import Inspect, Inspected, ProgramView
from tests.support.fake_client import Bench

# The session of the bench has two lines; the second returns jnp.dot(matrix, vector).
DOT = SourceLine("", 2, "return jnp.dot(matrix, vector)")
JAXPR = "{ lambda ; a. let\n    b = dot_general[\n      x=1\n      y=2\n    ] a\n  in (b,) }"
NAMED = 'metadata={op_name="jit(f)/%d"}'
DOTS = [
    f"  %d.{n} = f32[2]{{0}} dot(%p, %p), lhs_contracting_dims={{0}}, {NAMED % n}"
    for n in range(60)
]
HLO = "\n".join(["HloModule f", "", "ENTRY %main {", "  %p = f32[2]{0} parameter(0)", *DOTS])
LINKS: dict[ProgramView, Links] = {
    "jaxpr": Links(operations=[Operation(1, "dot_general", 0)], places=[DOT]),
    "stablehlo": Links(operations=[], places=[]),
    "hlo": Links(
        operations=[
            Operation(4 + 50, "dot_general", 0),
            Operation(4 + 55, "psum", None, "all-reduce", "f32[2]"),
        ],
        places=[DOT],
    ),
}
TEXTS: dict[ProgramView, str] = {"jaxpr": JAXPR, "stablehlo": "module @f {\n}", "hlo": HLO}


async def answer(bench: Bench) -> ListingPane:
    """Answer the newest request for a listing, and return its pane."""
    asked = bench.client.asked(Inspect)[-1]
    view = asked.view
    await bench.hear(Inspected(id=asked.id, view=view, text=TEXTS[view], links=LINKS[view]))
    await bench.settle()
    pane = bench.app.map_screen.results.program
    assert pane is not None
    return pane


@pytest.mark.long
async def test_a_line_of_the_source_leads_through_the_listings_and_back() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        screen = bench.app.map_screen
        screen.editor.area.focus()
        await bench.press("down", "f4")
        pane = await answer(bench)
        assert (screen.results.tab, pane.view.line) == ("Jaxpr", 1)
        assert pane.view.has_focus
        assert "dot_general[ … 2 lines ] a" in bench.text
        assert "line 2 · dot_general · return jnp.dot(matrix, vector)" in bench.text
        await bench.press("t")
        pane = await answer(bench)
        assert screen.results.tab == "StableHLO"
        assert "line 2 has no operation here" in bench.text
        assert not pane.view.listing.operations
        screen.editor.area.cursor_location = (1, 0)
        screen.editor.area.focus()
        await bench.settle()
        await bench.press("f4")
        await bench.settle()
        assert screen.results.tab == "StableHLO"
        assert pane.view.has_focus
        await bench.press("s")
        pane = await answer(bench)
        assert screen.results.tab == "HLO"
        assert pane.view.has_focus
        await bench.press("t")
        assert "no line of the source is known to have made this one" in bench.text


async def hlo(bench: Bench) -> ListingPane:
    await bench.settled()
    bench.app.map_screen.results.show_tab("HLO")
    bench.explorer.show_work()
    pane = await answer(bench)
    pane.view.focus()
    await bench.settle()
    return pane


async def test_collectives_stand_first_and_a_key_steps_through_them() -> None:
    async with Bench().open() as bench:
        pane = await hlo(bench)
        assert "1 collective: all-reduce (f32[2])" in bench.text
        await bench.press("c")
        assert pane.view.line == 59
        assert "psum · no line of the source made it" in bench.text
        assert "%d.55" in bench.text


async def test_g_goes_to_the_line_that_made_it_and_says_when_that_is_another_since() -> None:
    async with Bench().open() as bench:
        pane = await hlo(bench)
        screen = bench.app.map_screen
        pane.view.go_to_line(54)
        await bench.press("g")
        assert screen.editor.area.has_focus
        assert screen.editor.area.cursor_location == (1, 4)
        assert screen.editor.area.scroll_offset.x == 0
        screen.editor.area.load_text("def f(x):\n    return x\n")
        pane.view.focus()
        await bench.settle()
        await bench.press("g")
        assert "line 2 is another since" in bench.text


async def test_long_lines_are_looked_at_sideways_and_say_where_they_go_on() -> None:
    async with Bench().open((80, 24)) as bench:
        pane = await hlo(bench)
        await bench.press("v")
        pane.view.focus()
        pane.view.action_edge(1)
        await bench.press("ctrl+home", "down", "down", "down", "down")
        assert "  %d.0 = f32[2]{0} dot(%p, %p), lhs_contracting_dims={0} …" in bench.text
        await bench.press("enter")
        assert "lhs_contracting_dims={0}, metadata={op" in bench.text
        assert 'op_name="jit(f)/0"}' not in bench.text
        await bench.press("end")
        assert 'op_name="jit(f)/0"}' in bench.text
        assert "%d.0 = " not in bench.text
        await bench.press("home")
        assert "%d.0 = " in bench.text
        await bench.press("right")
        assert pane.view.left == 8
        await bench.press("left", "left")
        assert pane.view.left == 0


async def test_only_what_is_on_view_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bench().open() as bench:
        pane = await hlo(bench)
        seen: set[int] = set()
        segments = pane.view.listing.segments

        def noted(line: int, most: int) -> object:
            seen.add(line)
            return segments(line, most)

        monkeypatch.setattr(pane.view.listing, "segments", noted)
        pane.view.refresh()
        await bench.settle()
        assert 0 < len(seen) <= pane.view.size.height


async def test_the_whole_text_is_copied_with_what_is_folded() -> None:
    async with Bench().open() as bench:
        await hlo(bench)
        assert bench.app.map_screen.text_to_copy() == HLO


async def test_the_keys_of_a_listing_say_what_they_do_while_it_has_the_focus() -> None:
    async with Bench().open() as bench:
        await hlo(bench)
        assert "g source" in bench.text
        assert "c collective" in bench.text
        bench.app.map_screen.set_focus(None)
        await bench.settle()
        assert "g source" not in bench.text
