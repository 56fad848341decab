"""The Sharding screen: fields that plan at each key, the flow, and what its keys show beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Devices, Session, Sharding
from jaxtui.sharding.screen.screen import ShardingScreen
from jaxtui.wire.collectives import RunCollective
from jaxtui.wire.program import Run
from jaxtui.wire.sharding import (
    Advice,
    AdviseSharding,
    CompileSharding,
    ExplainSharding,
    Origin,
    PlanSharding,
    SearchShardings,
    ShardingAdvised,
    ShardingExplained,
    ShardingPlan,
    ShardingsFound,
)
from tests.support import made_events
from tests.support import made_plans as made
from tests.support.fake_client import Bench
from tests.support.tables import one_in

SIZES = [(80, 24), (120, 40)]
X = FieldPath("program.arguments.0.sharding")
WRONG = Diagnosis(
    kind="axes",
    field=X,
    message="the mesh has no axis 'nope'",
    fixes=[Fix(label="data", field=X, text="P('data')")],
)
ADVICE = Advice(
    line=3,
    message="the output is gathered over model, and only a part of it is used",
    bytes=4096,
    fixes=[Fix(label="divide x over data", field=X, text="P('data')")],
)


def screen(bench: Bench) -> ShardingScreen:
    shown = bench.app.screen
    assert isinstance(shown, ShardingScreen)
    return shown


def plans(bench: Bench) -> list[PlanSharding]:
    return bench.client.asked(PlanSharding)


def flow(bench: Bench) -> list[str]:
    return screen(bench).flow.rows.texts()


@asynccontextmanager
async def opened(
    plan: ShardingPlan | None = None,
    session: Session | None = None,
    size: tuple[int, int] = (120, 40),
    **options: Any,
) -> AsyncIterator[Bench]:
    """The explorer on its Sharding screen, planned."""
    async with Bench(session or made.session(), **options).open(size) as bench:
        await shown(bench, plan or made.mlp())
        yield bench


async def shown(bench: Bench, plan: ShardingPlan) -> None:
    await bench.hear(made_events.ready())
    await bench.trace_answered(signature=None)
    await bench.until(lambda: bool(bench.client.asked(Run)))
    await bench.hear(made_events.ran(bench.client.run.id))
    await bench.press("2")
    await bench.hear(made.planned(plans(bench)[-1].id, plan))


async def explained(bench: Bench) -> None:
    """Answer why, for each dimension that is asked for."""
    for _ in range(4):
        for request in bench.client.take(ExplainSharding):
            origin = Origin(label="x: P('data', None)", field=X, line=None, without=[])
            axes = ["data"] if request.dimension == 0 else []
            origins = [origin] if request.dimension == 0 else []
            lost = [] if request.dimension == 0 else ["at line 2, by dot_general"]
            await bench.hear(
                ShardingExplained(id=request.id, axes=axes, origins=origins, lost=lost)
            )


# ------------------------------------------------------------------------------------ the flow


async def test_it_shows_the_plan_of_the_program() -> None:
    async with opened() as bench:
        assert "mesh  data 4 × model 2 = 8 cpu devices" in bench.text
        assert flow(bench)[0].split() == ["x", "f32[8@data,", "16]", "2×16", "128", "B"]
        assert "⇄ all_reduce over model" in bench.text
        assert "peak 2,432 B on each device · sent 128 B on each in 1 collective" in bench.text
        assert "a plan: F5 compiles it" in bench.text


async def test_enter_opens_a_line_and_the_cursor_stays_on_it() -> None:
    async with opened() as bench:
        await bench.press("down", "down", "down", "enter")
        assert flow(bench)[3].startswith("▾ 2  h = jax.nn.relu(x @ w1)")
        assert flow(bench)[5].startswith("  ▾ relu  1 array")
        await bench.press("down", "enter")  # on a value: its line
        assert flow(bench)[3].startswith("▸ 2  h = ")
        await bench.press("]")
        assert flow(bench)[3].startswith("▾ 2  h = ")
        await bench.press("[")
        assert flow(bench)[3].startswith("▸ 2  h = ")


async def test_ten_thousand_values_are_scrolled_by_drawing_what_is_on_view(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from jaxtui.sharding.columns import Columns

    async with opened(made.many(10_000)) as bench:
        drawn: list[int] = []
        row = Columns.row

        def watched(self: Columns, of: Any) -> Any:
            drawn.append(of.at)
            return row(self, of)

        monkeypatch.setattr(Columns, "row", watched)
        await bench.press("end")
        assert flow(bench)[-1].startswith("  out")
        assert any(line.startswith("  v10000 ") for line in flow(bench))
        await bench.press("pageup")
        assert len(drawn) < 500


async def test_values_that_lie_in_a_loop_are_folded_away() -> None:
    async with opened(made.layers()) as bench:
        at = next(i for i, line in enumerate(flow(bench)) if "scan ×24" in line)
        await bench.press(*["down"] * at, "space")
        assert "▸ scan ×24  9 arrays" in bench.text
        assert "a = attention" not in bench.text


# ----------------------------------------------------------------------------------- the fields


async def test_a_key_in_an_arguments_field_plans_at_once() -> None:
    async with opened() as bench:
        screen(bench).form.input_of(X).focus()
        await bench.press("end", "backspace")
        assert bench.session.program.arguments[0].sharding == "P('data', None"
        assert plans(bench)[-1].composition.program.arguments[0].sharding == "P('data', None"
        assert len(plans(bench)) == 2
        assert "f32[8@data, 16]" in bench.text  # the flow before stays


async def test_the_mesh_need_not_be_there_and_is_part_of_the_session() -> None:
    async with opened() as bench:
        bench.clock.hold()  # so that what is typed is one step, however slowly the machine takes it
        screen(bench).form.input_of(FieldPath("sharding.mesh")).focus()
        await bench.press(*"data = 64, model = 2")
        assert bench.session.sharding == Sharding(mesh={"data": 64, "model": 2})
        assert plans(bench)[-1].sharding.mesh == {"data": 64, "model": 2}
        assert bench.session.devices.mesh == made.MESH
        away = made.mlp(mesh={"data": 64, "model": 2}, here=False)
        await bench.hear(made.planned(plans(bench)[-1].id, away))
        assert "= 128 devices" in bench.text
        assert "a plan: nothing runs" in bench.text
        await bench.press("escape", "u")
        assert bench.session.sharding is None
        assert plans(bench)[-1].sharding == Sharding()


async def test_a_mesh_that_cannot_be_read_yet_changes_nothing_and_says_so() -> None:
    async with opened() as bench:
        screen(bench).form.input_of(FieldPath("sharding.mesh")).focus()
        await bench.press(*"data")
        assert "! 'data' is not of the form x = 4, y = 2" in bench.text
        assert bench.session.sharding is None
        assert screen(bench).unread == ["mesh"]
        await bench.press(*" = 2")
        assert "is not of the form" not in bench.text
        assert screen(bench).unread == []


@pytest.mark.parametrize(
    ("field", "typed", "becomes"),
    [
        ("axis_types", "model = explicit", {"model": "explicit"}),
        pytest.param(
            "axis_types",
            "explicit",
            {"data": "explicit", "model": "explicit"},
            marks=pytest.mark.long,
        ),
        pytest.param("memory", "95 GB", "95 GB", marks=pytest.mark.long),
        pytest.param("machine", "tpu-v5p", "tpu-v5p", marks=pytest.mark.long),
        pytest.param("bandwidth", "50 GB/s", "50 GB/s", marks=pytest.mark.long),
        ("bandwidth", "data = 50 GB/s, model = 100 GB/s", {"data": "50 GB/s", "model": "100 GB/s"}),
        pytest.param("latency", "1 us", "1 us", marks=pytest.mark.long),
    ],
)
async def test_each_field_of_the_mesh(field: str, typed: str, becomes: Any) -> None:
    async with opened() as bench:
        path = FieldPath("sharding") / field
        screen(bench).form.input_of(path).focus()
        await bench.paste(typed)
        assert getattr(bench.session.sharding, field) == becomes
        assert getattr(plans(bench)[-1].sharding, field) == becomes
        assert screen(bench).form.input_of(path).value == typed


async def test_a_fault_stands_at_its_field_and_its_fix_is_applied() -> None:
    async with opened() as bench:
        bench.explorer.edit(X, "P('nope')")
        await bench.hear(made.planned(plans(bench)[-1].id, None, WRONG))
        assert "! the mesh has no axis 'nope'" in bench.text
        assert screen(bench).form.input_of(X).has_class("-faulty")
        assert "not of what is typed" in bench.text
        await bench.press("f")
        assert bench.session.program.arguments[0].sharding == "P('data')"
        await bench.hear(made.planned(plans(bench)[-1].id))
        assert "! the mesh" not in bench.text
        assert not screen(bench).form.input_of(X).has_class("-faulty")


async def test_of_two_faults_on_a_line_that_of_the_field_in_hand_is_told() -> None:
    async with opened() as bench:
        form = screen(bench).form
        form.input_of(FieldPath("sharding.mesh")).focus()
        await bench.press(*"data")
        form.input_of(FieldPath("sharding.axis_types")).focus()
        await bench.press(*"model = what")
        assert "! 'what' is no type of an axis" in bench.text
        assert "is not of the form" not in bench.text
        assert form.input_of(FieldPath("sharding.mesh")).has_class("-faulty")


async def test_empty_types_stand_for_those_of_the_device_set_on_its_mesh() -> None:
    types = {"data": "explicit", "model": "auto"}
    devices = msgspec.structs.replace(made.session().devices, axis_types=types)
    async with opened(session=made.session(devices=devices)) as bench:
        types_input = screen(bench).form.input_of(FieldPath("sharding.axis_types"))
        assert types_input.placeholder == "data = explicit, model = auto"
        screen(bench).form.input_of(FieldPath("sharding.mesh")).focus()
        await bench.press(*"a = 2")
        assert types_input.placeholder == "auto; or model = explicit"


async def test_a_fault_of_the_mesh_of_the_devices_stands_at_the_mesh() -> None:
    async with opened() as bench:
        bench.explorer.edit(X, "P()")
        at = msgspec.structs.replace(WRONG, field=FieldPath("devices.mesh"), fixes=[])
        await bench.hear(made.planned(plans(bench)[-1].id, None, at))
        assert screen(bench).form.input_of(FieldPath("sharding.mesh")).has_class("-faulty")


async def test_a_fault_elsewhere_says_where() -> None:
    async with opened() as bench:
        bench.explorer.edit(X, "P()")
        at = msgspec.structs.replace(WRONG, field=FieldPath("program.source"), fixes=[], line=2)
        await bench.hear(made.planned(plans(bench)[-1].id, None, at))
        assert "! source: line 2: the mesh has no axis" in bench.text


async def test_arguments_come_and_go_with_those_of_the_program() -> None:
    async with opened() as bench:
        arguments = bench.session.program.arguments
        bench.explorer.edit(FieldPath("program.arguments"), arguments[:1])
        await bench.settle()
        assert screen(bench).form.input_of(FieldPath("program.arguments.1.sharding")) is None
        bench.explorer.edit(FieldPath("program.arguments"), arguments)
        await bench.settle()
        second = screen(bench).form.input_of(FieldPath("program.arguments.1.sharding"))
        assert second.value == "P(None, 'model')"


@pytest.mark.long
async def test_it_is_marked_when_memory_does_not_suffice() -> None:
    part = Sharding(mesh=made.MESH, memory="2 kB")
    async with opened(session=made.session(sharding=part)) as bench:
        assert "does not fit in 2,000 B" in bench.text
        bench.explorer.edit(FieldPath("sharding.memory"), "1 GB")
        await bench.settle()
        assert "fits in 954 MiB" in bench.text


# ------------------------------------------------------------------------- where nothing is seen


async def test_without_a_program_it_says_what_to_type() -> None:
    async with Bench(Session(devices=Devices(platform="cpu", count=8))).open() as bench:
        await bench.hear(made_events.ready())
        await bench.press("2")
        assert "Type a function and its arguments on Map (key 1)" in " ".join(bench.text.split())
        assert plans(bench) == []


async def test_on_one_device_it_says_what_to_type() -> None:
    async with opened(made.mlp(mesh={"data": 1, "model": 1})) as bench:
        assert "The mesh has one device, so nothing is divided." in bench.text


@pytest.mark.long
async def test_what_could_not_be_planned_says_why() -> None:
    async with opened(made.mlp(unplanned="no rule for it", collectives=[], before=[])) as bench:
        assert "Only what tracing knows is shown: no rule for it" in bench.text


async def test_a_session_that_is_not_trusted_is_not_planned() -> None:
    async with Bench(made.session(), path="other.toml", trusted=False).open() as bench:
        await bench.hear(made_events.ready())
        await bench.press("escape", "2")
        assert plans(bench) == []
        assert "was not accepted yet" in bench.text
        await bench.press("s")
        assert bench.text.count("was not accepted yet") == 2  # the pane's, and why there is none
        assert "there is no plan yet" not in bench.text


async def test_a_search_of_a_program_on_a_mesh_of_its_own_says_why_there_is_none() -> None:
    async with opened() as bench:
        await bench.press("s")
        (search,) = bench.client.take(SearchShardings)
        refused = "this program runs on a mesh of its own, rows 8"
        await bench.hear(
            ShardingsFound(id=search.id, found=[], tried=0, done=True, refused=refused)
        )
        assert f"Nothing to search: {refused}." in bench.text


# ------------------------------------------------------------------------------ the device map


async def test_m_shows_which_device_holds_what_in_all_rows() -> None:
    async with opened() as bench:
        await bench.press("m")
        assert "device 0 at data 0, model 0 · block 0 of 4: [0:2, :]" in bench.text
        assert "[0:2, :]" in flow(bench)[0]
        assert "[:, 0:16]" in flow(bench)[1]
        await bench.press("down", "right")
        assert "device 3 at data 1, model 1" in bench.text
        assert "[2:4, :]" in flow(bench)[0]
        assert "[:, 16:32]" in flow(bench)[1]
        await bench.press("end")
        assert "device 7 at data 3, model 1" in bench.text
        await bench.press("escape")
        assert "device 7" not in bench.text
        assert "2×16" in flow(bench)[0]
        assert bench.app.focused is screen(bench).flow.rows


@pytest.mark.long
async def test_the_map_follows_the_row_of_the_flow() -> None:
    async with opened() as bench:
        await bench.press("m")
        screen(bench).flow.rows.focus()
        await bench.press("down")
        assert "w1  f32[16, 32@model]" in bench.text
        assert "block 0 of 2: [:, 0:16]" in bench.text


@pytest.mark.long
async def test_a_click_goes_to_a_device() -> None:
    async with opened() as bench:
        await bench.press("m")
        grid = screen(bench).details.map
        await bench.pilot.click(grid, offset=(11, 3))
        await bench.settle()
        assert grid.device // 2 == 2


# --------------------------------------------------------------------------------------- why


@pytest.mark.long
async def test_w_says_where_each_dimensions_axes_come_from() -> None:
    async with opened() as bench:
        await bench.press("w")
        await explained(bench)
        assert "dimension 0, size 8: over data" in bench.text
        assert "from x: P('data', None); without it: whole" in bench.text
        assert "lost: at line 2, by dot_general" in bench.text
        await bench.press("down", "down", "down", "down", "down", "down", "down", "down")
        assert "Go to an argument or to a value" in bench.text
        await bench.press("w")
        assert "Go to an argument" not in bench.text


# ------------------------------------------------------------------------------------ a search


async def test_s_searches_and_enter_takes_one_which_u_takes_back() -> None:
    async with opened() as bench:
        await bench.press("s")
        (request,) = bench.client.asked(SearchShardings)
        await bench.hear(ShardingsFound(id=request.id, found=made.found(2), tried=20, done=False))
        assert "searching 20/200" in bench.text
        await bench.hear(ShardingsFound(id=request.id, found=made.found(4), tried=40, done=True))
        assert "40 tried" in bench.text
        rows = screen(bench).details.list.texts()
        assert [row.startswith("★") for row in rows] == [True, True, False, False]
        assert "does not fit" in rows[3]
        before = bench.session.program
        await bench.press("down", "enter")
        assert bench.session.program.arguments[0].sharding == "P('data')"
        assert bench.session.program.arguments[2].sharding == "P()"
        await bench.press("u")
        assert bench.session.program == before


@pytest.mark.long
async def test_x_has_searches_keep_an_argument() -> None:
    async with opened() as bench:
        await bench.press("down", "x")
        assert flow(bench)[1].startswith("= w1")
        await bench.press("s")
        assert bench.client.asked(SearchShardings)[-1].fixed == ["w1"]
        assert "kept: w1" in bench.text
        await bench.press("x")
        await bench.press("enter")  # in the list of arguments: x
        assert screen(bench).sharding_work.fixed == {"w1", "x"}


@pytest.mark.long
async def test_ctrl_c_stops_a_search() -> None:
    async with opened() as bench:
        await bench.press("s")
        (request,) = bench.client.asked(SearchShardings)
        await bench.press("ctrl+c")
        assert request.id in bench.client.cancels
        assert bench.client.restarts == []


# -------------------------------------------------------------------------------------- advice


async def test_a_lists_advice_whose_fix_enter_applies() -> None:
    async with opened() as bench:
        await bench.press("a")
        await bench.until(lambda: bool(bench.client.asked(AdviseSharding)))
        (request,) = bench.client.asked(AdviseSharding)
        await bench.hear(ShardingAdvised(id=request.id, advice=[ADVICE]))
        assert "line 3  4,096 B  the output is gathered over model" in bench.text
        assert "→ divide x over data:  P('data')" in bench.text
        await bench.press("enter")
        assert bench.session.program.arguments[0].sharding == "P('data')"


async def test_without_advice_it_says_that_there_is_none() -> None:
    async with opened() as bench:
        await bench.press("a")
        await bench.until(lambda: bool(bench.client.asked(AdviseSharding)))
        (request,) = bench.client.asked(AdviseSharding)
        await bench.hear(ShardingAdvised(id=request.id, advice=[]))
        assert "Nothing was found that would be cheaper." in bench.text


async def test_a_fix_of_the_mesh_is_applied() -> None:
    fix = Fix(label="turn the mesh", field=FieldPath("sharding.mesh"), text="data = 2, model = 4")
    async with opened() as bench:
        screen(bench).apply(fix)
        assert bench.session.sharding == Sharding(mesh={"data": 2, "model": 4})


# --------------------------------------------------------------------------- comparing, compiling


async def test_c_keeps_a_plan_and_shows_what_differs_from_it() -> None:
    async with opened(made.whole_batch()) as bench:
        await bench.press("c")
        assert "0 rows changed" in bench.text
        bench.explorer.edit(X, "P('data')")
        await bench.hear(made.planned(plans(bench)[-1].id, made.mlp()))
        assert "sent 512 B → 128 B (0.250×)" in bench.text
        assert flow(bench)[0].startswith("≠ x")
        assert "was f32[8, 16] 512 B" in flow(bench)[0]
        assert not flow(bench)[1].startswith("≠")
        await bench.press("C")
        assert "≠" not in bench.text


@pytest.mark.long
async def test_f5_compiles_and_marks_what_differs() -> None:
    async with opened() as bench:
        await bench.press("f5")
        (request,) = bench.client.asked(CompileSharding)
        assert "XLA compiles it" in bench.text
        await bench.hear(made.was_compiled(request.id))
        assert "≠ collective_permute over data  planned 0            compiled 1: 64 B" in bench.text
        assert "all_reduce over model         planned 1: 128 B     compiled 1: 128 B" in bench.text
        assert "temporaries 256 B" in bench.text
        assert "≠ compiled otherwise: 1 kind" in bench.text


async def test_what_was_compiled_as_planned_says_so() -> None:
    async with opened() as bench:
        await bench.press("f5")
        (request,) = bench.client.asked(CompileSharding)
        await bench.hear(made.was_compiled(request.id, collectives=made.mlp().collectives))
        assert "compiled as planned" in bench.text


async def test_f5_on_a_mesh_that_is_not_there_says_why_not() -> None:
    async with opened(made.mlp(here=False)) as bench:
        await bench.press("f5")
        assert bench.client.asked(CompileSharding) == []
        assert "These devices are not here" in bench.text


# ---------------------------------------------------------------------------------- collectives


@pytest.mark.long
async def test_o_opens_the_rows_collective_on_the_devices_that_are_here() -> None:
    async with opened() as bench:
        at = next(i for i, line in enumerate(flow(bench)) if "all_reduce" in line)
        await bench.press(*["down"] * at, "o")
        await bench.until(lambda: bench.app.current_mode == "collectives")
        collective = bench.session.collective
        assert collective is not None
        assert (collective.operation, collective.via) == ("psum", "shard_map")
        assert collective.options == {"axis_name": "model"}
        assert collective.value == "ones((devices, 32))"  # 128 bytes on each
        assert bench.client.asked(RunCollective)[-1].collective == collective


async def test_o_on_a_row_that_sends_nothing_says_so() -> None:
    async with opened() as bench:
        await bench.press("o")
        assert "no collective is on this row" in bench.text
        assert bench.app.current_mode == "sharding"


# ------------------------------------------------------------------------------------- pictures


@pytest.fixture
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")


Compare = Callable[..., bool]


def look(
    plan: ShardingPlan, *keys: str, **options: Any
) -> tuple[Bench, Callable[[Pilot[None]], Awaitable[None]]]:
    """A bench, and what brings its screen to where the picture is taken."""
    bench = Bench(made.session(), **options)

    async def fill(bench: Bench) -> None:
        await shown(bench, plan)
        for key in keys:
            await bench.press(key)
            await answered(bench)

    return bench, bench.pictured(fill)


async def answered(bench: Bench) -> None:
    """Answer what the details ask for."""
    await explained(bench)
    for search in bench.client.take(SearchShardings):
        await bench.hear(ShardingsFound(id=search.id, found=made.found(4), tried=40, done=True))
    for request in bench.client.take(CompileSharding):
        await bench.hear(made.was_compiled(request.id))


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["mlp", pytest.param("layers", marks=pytest.mark.long)])
def test_it_looks_as_it_did(snap_compare: Compare, size: tuple[int, int], name: str) -> None:
    bench, prepare = look({"mlp": made.mlp, "layers": made.layers}[name]())
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.long)])
@pytest.mark.parametrize("keys", one_in(2, ["m", "w", "s", "f5"]))
def test_details_look_as_they_did(snap_compare: Compare, size: tuple[int, int], keys: str) -> None:
    bench, prepare = look(made.mlp(), keys)
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.long
def test_ascii_looks_as_it_did(snap_compare: Compare) -> None:
    bench, prepare = look(made.layers(), "m", ascii=True)
    assert snap_compare(bench.app, terminal_size=(80, 24), run_before=prepare)


@pytest.mark.usefixtures("_plain_terminal")
@pytest.mark.long
def test_a_broad_terminal_has_the_details_beside_the_flow(snap_compare: Compare) -> None:
    bench, prepare = look(made.layers(), "m")
    assert snap_compare(bench.app, terminal_size=(200, 60), run_before=prepare)
