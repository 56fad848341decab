"""An argument that is a tree: unfolded by path, and set at its nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from jaxtui.program.screen.trees.rows import TreeRows
from jaxtui.session.layers import AnyLayer, Jit, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.report import Flow, Parameter, TreeNode
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.made_flows import leaf, level

SIGNATURE = [Parameter(name=name, kind="positional") for name in ("params", "x")]
PATHS = [f"params['layers'][{at}]['{name}']" for at in range(2) for name in ("b", "w")]


def nodes() -> list[TreeNode]:
    layers = [
        TreeNode(path=f"params['layers'][{at}]", kind="dict", keys=["['b']", "['w']"])
        for at in range(2)
    ]
    return [
        TreeNode(path="params", kind="dict", keys=["['head']", "['layers']"]),
        TreeNode(path="params['layers']", kind="list", keys=["[0]", "[1]"]),
        *layers,
    ]


def flow() -> Flow:
    """A vmap over two arguments, of which the first is a tree of five leaves."""
    inputs = [leaf("params['head']", 4, 8), *(leaf(path, 4, 8) for path in PATHS), leaf("x", 4)]
    inside = [leaf("params['head']", 8), *(leaf(path, 8) for path in PATHS), leaf("x")]
    return Flow(
        function="f",
        levels=[level("given", inputs, [leaf("", 4)]), level("vmap of 4", inside, [leaf("")], 0)],
        given=nodes(),
    )


def session(*layers: AnyLayer, **devices: object) -> Session:
    source = "def f(params, x):\n    return x\n"
    arguments = [Argument(name="params", value="model()"), Argument(name="x", value="ones(4)")]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    return Session(program=program, devices=Devices(platform="cpu", count=8, **devices))


@asynccontextmanager
async def opened(made_of: Session, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Bench]:
    async with Bench(made_of).open(size) as bench:
        await bench.hear(made.ready())
        traced = made.traced(bench.client.trace.id, signature=SIGNATURE)
        await bench.hear(msgspec.structs.replace(traced, flow=flow()))
        yield bench


async def unfolded(bench: Bench) -> TreeRows:
    """Unfold the first argument by its name."""
    row = bench.app.map_screen.arguments._rows[0]
    row.label.focus()
    await bench.press("enter")
    assert row.unfolded is not None
    await bench.until(lambda: row.unfolded is not None and row.unfolded.rows.has_focus)
    return row.unfolded.rows


async def put(bench: Bench, rows: TreeRows, path: str, setting: str, text: str) -> None:
    """Type a setting at the node at `path`."""
    assert rows.table is not None
    node = next(node for node in rows.table.tree.everything if node.path == path)
    rows.go_to(rows.table.reveal(node))
    rows.column = 1 + [column.name for column in rows.columns].index(setting)
    await bench.press("enter")
    await bench.paste(text)
    await bench.press("enter")


def in_axes(bench: Bench, layer: int = 0) -> str:
    return str(getattr(bench.session.program.layers[layer], "in_axes", ""))


async def test_an_argument_unfolds_at_its_name_and_folds_again() -> None:
    async with opened(session(Vmap())) as bench:
        assert "▸ params" in bench.text
        assert "  x " in bench.text
        rows = await unfolded(bench)
        assert "▾ params" in bench.text
        assert "5 leaves · 160 numbers · 640 B" in bench.text
        await bench.press("down", "down", "down")
        assert "params['layers'][0]   2 leaves, 64 numbers" in bench.text
        await bench.press("down")
        assert "params['layers'][0]['b']   f32[4, 8]" in bench.text
        assert rows.path == "params['layers'][0]['b']"
        await bench.press("left", "left", "left", "left", "left", "left", "left")
        await bench.until(lambda: "▸ params" in bench.text)
        assert bench.app.map_screen.arguments._rows[0].label.has_focus


@pytest.mark.long
async def test_the_whole_path_is_shown_where_a_row_has_room_for_its_end_only() -> None:
    async with opened(session(Vmap()), (80, 24)) as bench:
        rows = await unfolded(bench)
        assert rows.find("[1]*w")
        await bench.settle()
        await bench.until(lambda: "params['layers'][1]['w']   f32[4, 8]" in bench.text)


async def test_an_axis_set_at_a_node_is_the_shortest_prefix_and_one_step_back() -> None:
    async with opened(session(Vmap())) as bench:
        rows = await unfolded(bench)
        await put(bench, rows, "params['layers'][1]", "in_axes", "None")
        expected = "({'head': 0, 'layers': [0, None]}, 0)"
        assert in_axes(bench) == expected
        await put(bench, rows, "params['layers']", "in_axes", "1")
        assert in_axes(bench) == "({'head': 0, 'layers': 1}, 0)"
        await bench.press("u")
        assert in_axes(bench) == expected
        await bench.press("u")
        assert in_axes(bench) == ""
        await bench.press("U")
        assert in_axes(bench) == expected


@pytest.mark.long
async def test_a_row_says_when_there_are_several_below_and_what_cannot_be_read() -> None:
    typed = "({'head': 0, 'layers': [AXES, {'b': 0, 'w': None}]}, 0)"
    async with opened(session(Vmap(in_axes=typed))) as bench:
        rows = await unfolded(bench)
        assert rows.table is not None
        [axis] = rows.columns
        shown = {node.path: axis.text_of(node) for node in rows.table.tree.everything}
        assert shown["params"] == "…"
        assert shown["params['head']"] == "0"
        assert shown["params['layers'][0]['w']"] == "typed"
        assert shown["params['layers'][1]['w']"] == "None"
        await put(bench, rows, "params['layers'][0]['w']", "in_axes", "0")
        assert "! params['layers'][0] has AXES, as typed" in bench.text
        assert in_axes(bench) == typed
        await bench.press("escape")
        await put(bench, rows, "params['layers'][1]", "in_axes", "nonsense")
        assert "! nonsense is no entry such as 0" in bench.text
        await bench.press("escape")
        assert rows.has_focus
        assert in_axes(bench) == typed


@pytest.mark.long
async def test_an_argument_is_donated_as_a_whole() -> None:
    async with opened(session(Vmap(), Jit())) as bench:
        rows = await unfolded(bench)
        assert "donate no" in bench.text
        await bench.press("right", "enter")
        assert bench.session.program.layers[1] == Jit(donate_argnums="0")
        await bench.until(lambda: "donate yes" in bench.text)
        await bench.press("down", "enter")
        assert "! an argument is donated as a whole: set it at" in bench.text
        assert bench.session.program.layers[1] == Jit(donate_argnums="0")
        rows.go_to(0)
        await bench.press("enter")
        assert bench.session.program.layers[1] == Jit()


async def test_a_path_is_found_and_found_again() -> None:
    async with opened(session(Vmap())) as bench:
        rows = await unfolded(bench)
        await bench.press("slash")
        await bench.paste("layers*w")
        await bench.press("enter")
        await bench.until(lambda: rows.has_focus)
        assert rows.path == "params['layers'][0]['w']"
        await bench.press("n")
        assert rows.path == "params['layers'][1]['w']"
        await bench.press("N", "N")
        assert rows.path == "params['layers'][1]['w']"
        await bench.press("slash", "ctrl+u")
        await bench.paste("nowhere")
        await bench.press("enter")
        await bench.until(lambda: "! no path has nowhere" in bench.text)


@pytest.mark.long
async def test_what_is_unfolded_stays_so_when_the_program_is_traced_again() -> None:
    async with opened(session(Vmap())) as bench:
        rows = await unfolded(bench)
        await bench.press("down", "down", "left")
        before = [row.tree.path for row in rows.table.rows] if rows.table is not None else []
        await put(bench, rows, "params['head']", "in_axes", "None")
        traced = made.traced(bench.client.trace.id, signature=SIGNATURE)
        await bench.hear(msgspec.structs.replace(traced, flow=flow()))
        assert rows.table is not None
        assert [row.tree.path for row in rows.table.rows] == before
        assert len(before) == 3


async def test_paths_are_found_in_the_shapes_and_unfolded_on_the_way() -> None:
    async with opened(session(Vmap())) as bench:
        view = bench.app.map_screen.flow_view
        many = [leaf(f"params['{name}'][{at}]", 4, 8) for name in "ab" for at in range(20)]
        inputs = [*many, leaf("x", 4)]
        view.update_flow(Flow(function="f", levels=[level("given", inputs, [leaf("", 4)])]))
        view.focus()
        await bench.settle()
        assert "params['b']" not in bench.text
        await bench.press("slash")
        await bench.paste("b*7]")
        await bench.press("enter")
        await bench.until(lambda: "params['b'][7]" in bench.text)
        await bench.press("n")
        await bench.until(lambda: "params['b'][17]" in bench.text)
        assert not view.find("nowhere")
        await bench.press("n")
        assert "! no path has nowhere" in bench.text
