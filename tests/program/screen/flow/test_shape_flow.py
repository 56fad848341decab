"""The shape flow on screen: keys, the mouse, and what stays where it is."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import ComposeResult
from textual.widgets import Input

from jaxtui.program.screen.flow.shape_flow import ShapeFlow
from jaxtui.screen.ascii_filter import PlainText
from jaxtui.screen.cells import text_of
from jaxtui.screen.themes import ThemedApp
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.report import Flow
from tests.support.made_flows import leaf, level, nested
from tests.support.painting import painted as on_screen


def network(leaves: int = 20) -> Flow:
    params = [leaf(f"params[{at}]['w']", 16, 16) for at in range(leaves)]
    return Flow(
        function="predict",
        levels=[
            level(
                "given",
                [*params, leaf("x", 32, 16, marks=(0,))],
                [leaf("", 32, 4, marks=(0,))],
                -1,
            ),
            level("vmap of 32", [*params, leaf("x", 16)], [leaf("", 4)], 0),
        ],
    )


WRONG = Diagnosis(
    kind="axes",
    field=FieldPath("program.layers.0.in_axes"),
    message="vector float32[4, 2] has no axis 3: it has axes 0 to 1",
    fixes=[Fix(label="in_axes (0, None, 0)", field=FieldPath(""), text="")],
)


class Host(ThemedApp):
    """The flow under a field that takes the first focus."""

    CSS = "ShapeFlow { height: 12; } Input { height: 3; }"

    def __init__(self, flow: Flow | None, ascii: bool = False, **update: Any) -> None:
        super().__init__()
        if ascii:
            self._filters.append(PlainText())
        self.flow = flow
        self.update = update

    def compose(self) -> ComposeResult:
        yield Input()
        yield ShapeFlow()

    def on_mount(self) -> None:
        self.view.update_flow(
            self.flow, source_line="return jnp.dot(matrix, vector)", **self.update
        )

    @property
    def view(self) -> ShapeFlow:
        return self.query_one(ShapeFlow)


def painted(view: ShapeFlow) -> list[str]:
    """What is on the screen where the widget is, line by line."""
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_the_cursor_shows_only_with_the_focus() -> None:
    app = Host(nested())
    async with app.run_test(size=(100, 20)) as pilot:
        assert not any("▌" in line for line in painted(app.view))
        await pilot.press("tab")
        assert painted(app.view)[1].startswith("▌ matrix")


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ("j", "scale"),
        ("down down", "vector"),
        ("j j j", "out"),
        ("j j j j j", "out"),
        ("j j j k", "vector"),
        ("G", "out"),
        ("G g", "matrix"),
        ("G up up", "scale"),
    ],
)
async def test_the_cursor_moves_over_the_rule(keys: str, name: str) -> None:
    app = Host(nested())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab", *keys.split())
        assert app.view.picture.rows[app.view.cursor].name == name


async def test_a_long_pytree_unfolds_and_folds_by_key() -> None:
    app = Host(network())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab")
        assert "▸ params  20 leaves" in painted(app.view)[1]
        await pilot.press("enter")
        assert painted(app.view)[1].startswith("▌▾ params ")
        assert painted(app.view)[2].startswith("     [0]['w'] ")
        assert "params   20 leaves, " in "\n".join(painted(app.view))
        await pilot.press("j", "j", "space")
        assert "▸ params  20 leaves" in painted(app.view)[1]
        assert app.view.cursor == 0


async def test_a_fold_stays_as_chosen_when_the_shapes_change() -> None:
    app = Host(network())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab", "enter")
        app.view.update_flow(network(30))
        assert len([row for row in app.view.picture.rows if row.group]) == 1 + 30


async def test_rows_scroll_under_a_heading_that_stays() -> None:
    app = Host(network())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab", "enter", *["j"] * 15)
        lines = painted(app.view)
        assert "given" in lines[0]
        assert any(line.startswith("▌    [14]['w']") for line in lines)
        assert any(line.strip() == "params[14]['w']" for line in lines)
        assert not any("[0]['w']" in line for line in lines)
        assert any("axis that the next layer maps" in line for line in lines)
        await pilot.press("g")
        assert "▾ params" in painted(app.view)[1]
        await pilot.press("G")
        assert any(line.startswith("▌  out") for line in painted(app.view))


async def test_a_wide_stack_scrolls_sideways_with_its_names_pinned() -> None:
    app = Host(nested())
    async with app.run_test(size=(46, 20)) as pilot:
        await pilot.press("tab")
        assert painted(app.view)[0].endswith("▸")
        await pilot.press("l")
        assert painted(app.view)[1].startswith("▌ matrix  f32[‹4›,2,2]")
        await pilot.press("right", "right", "right")
        assert painted(app.view)[0].endswith("matrix_vector_product")
        await pilot.press("h", "h", "h", "left", "left")
        assert painted(app.view)[1].startswith("▌ matrix  f32[‹8›,4,2,2]")


async def test_an_error_moves_nothing() -> None:
    app = Host(nested())
    async with app.run_test(size=(100, 20)):
        good = painted(app.view)
        app.view.update_flow(nested(), WRONG, source_line="return jnp.dot(matrix, vector)")
        bad = painted(app.view)
        rows = [line.split()[0] for line in good[1:4]]
        assert [line.split()[0] for line in bad[1:4]] == rows
        assert bad[1] == good[1]
        assert "✗ in_axes" in bad[3]
        at = next(y for y, line in enumerate(good) if "axis that the next" in line)
        assert bad[at].strip() == "✗ vector float32[4, 2] has no axis 3: it has axes 0 to 1"
        assert bad[at + 1].strip() == "f  in_axes (0, None, 0)"


async def test_an_old_flow_is_dimmed_and_says_so() -> None:
    app = Host(nested(), stale=True)
    async with app.run_test(size=(100, 20)):
        dims = {segment.style.dim for segment in app.view.render_line(1) if segment.style}
        assert dims == {True}
        assert any(line.endswith("of the program before") for line in painted(app.view))
        app.view.update_flow(nested())
        assert not any("of the program before" in line for line in painted(app.view))
        assert {s.style.dim for s in app.view.render_line(1) if s.style} != {True}


async def test_an_old_flow_keeps_to_the_rows_of_its_own_program() -> None:
    app = Host(nested(), arguments=("matrix", "vector", "scale"))
    missing = Diagnosis(
        kind="value", field=FieldPath("program.arguments.0.value"), message="needs a value"
    )
    async with app.run_test(size=(100, 20)):
        before = painted(app.view)
        app.view.update_flow(nested(), missing, stale=True, source_line="x * x", arguments=["x"])
        after = painted(app.view)
        rows = 1 + len(app.view.picture.rows)
        assert after[:rows] == before[:rows]
        assert "✗ needs a value" in after[rows + 1]
        dims = {s.style.dim for y in range(rows) for s in app.view.render_line(y) if s.style}
        assert dims == {True}
        # An argument of both programs is marked in its row.
        app.view.update_flow(nested(), missing, stale=True, arguments=["scale", "vector"])
        marked = next(line for line in painted(app.view) if "✗ value" in line)
        assert marked.split()[0] == "scale"


async def test_a_click_takes_the_cursor_to_the_row_and_unfolds_at_the_sign() -> None:
    app = Host(network())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.click(ShapeFlow, offset=(12, 2))
        assert app.view.picture.rows[app.view.cursor].name == "x"
        await pilot.click(ShapeFlow, offset=(1, 1))
        assert app.view.picture.rows[2].path == "params[1]['w']"


async def test_ascii_is_the_apps_choice() -> None:
    app = Host(nested(), ascii=True)
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab")
        assert not "".join(painted(app.view)).isascii()
        assert "".join(on_screen(app)).isascii()


@pytest.mark.long
async def test_nothing_breaks_where_there_is_no_room() -> None:
    app = Host(network(), diagnosis=WRONG)
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab", "enter")
        for width, height in ((1, 1), (3, 4), (9, 3), (200, 2), (30, 60)):
            app.view.styles.width, app.view.styles.height = width, height
            await pilot.pause()
            await pilot.press("j", "l", "G", "g", "pagedown", "enter")
            lines = [app.view.render_line(y) for y in range(app.view.size.height)]
            assert all(line.cell_length <= width for line in lines)


async def test_the_text_to_copy_is_whole_however_narrow_the_view() -> None:
    app = Host(nested())
    async with app.run_test(size=(40, 20)):
        lines = app.view.text.splitlines()
        assert lines[0].endswith("matrix_vector_product")
        assert lines[1].startswith("  matrix  f32[‹8›, 4, 2, 2]  →  f32[‹4›, 2, 2]    →  f32[2, 2]")
        assert len(lines) == 6


async def test_colours_come_from_the_theme() -> None:
    app = Host(nested())
    async with app.run_test(size=(100, 20)) as pilot:

        def colour_of(text: str) -> Any:
            segments = app.view.render_line(1)
            return next(s.style.color for s in segments if s.text == text and s.style)

        dark = colour_of("‹8›")
        assert dark != colour_of("‹4›")
        app.theme = "textual-light"
        await pilot.pause()
        assert colour_of("‹8›") != dark


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("case", ["product", "wrong", "network"])
def test_picture(snap_compare: Any, size: tuple[int, int], case: str) -> None:
    apps = {
        "product": lambda: Host(nested()),
        "wrong": lambda: Host(nested(), diagnosis=WRONG, stale=True),
        "network": lambda: Host(network()),
    }
    assert snap_compare(apps[case](), terminal_size=size, press=["tab", "enter", "j"])


async def test_every_line_shown_is_a_line_of_the_picture() -> None:
    app = Host(network())
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab", "enter", "G")
        top = app.view.scroll_offset.y
        shown = painted(app.view)[1]
        assert shown == text_of(app.view.picture.line(top)).rstrip()
