"""The flow as text: its columns, and what goes first where there is less room."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.sharding.columns import Columns, Shown, as_text
from jaxtui.sharding.flow import Flow
from jaxtui.sharding.words import text_of
from jaxtui.wire.sharding import ShardingPlan
from tests.support import made_plans as made


def lines(plan: ShardingPlan, width: int, shown: Shown | None = None) -> list[str]:
    flow = Flow(plan)
    columns = Columns(flow, width, shown or Shown())
    return [text_of(columns.row(row)).rstrip() for row in flow.rows()]


def test_the_flow_of_a_small_network() -> None:
    told = """\
mesh  data 4 × model 2 = 8 cpu devices   auto                block, bytes of one device
  x                f32[8@data, 16]        2×16                                    128 B
  w1               f32[16, 32@model]      16×16                                 1,024 B
  w2               f32[32@model, 16]      16×16                                 1,024 B
▸ 2  h = jax.nn.relu(x @ w1)
  h                f32[8@data, 32@model]  2×16                                    128 B
─ 3  return h @ w2
  dot_general      f32[8@data, 16]        2×16                                    128 B
  ⇄ all_reduce over model                 2 devices in 4 groups    sent 128 B · 1.01 µs
  out              f32[8@data, 16]        2×16                                    128 B
"""
    shown = as_text(Flow(made.mlp()), 88, platform="cpu")
    assert shown[:-2] == told.splitlines()
    assert shown[-1] == (
        "peak 2,432 B on each device · sent 128 B on each in 1 collective · "
        "every argument is divided"
    )


def test_bytes_go_first_then_the_block_and_then_the_end_of_the_type() -> None:
    wide, narrow, least = (lines(made.layers(), width) for width in (100, 78, 40))
    assert wide[5].endswith("64 MiB")
    assert "4×2048×4096" in wide[5]
    assert narrow[5].endswith("4×2048×4096")
    assert least[5].endswith("…")


@pytest.mark.parametrize("width", [24, 40, 60, 78, 100, 120, 200])
@pytest.mark.parametrize("plan", [made.mlp(), made.layers(), made.many(30), made.whole_batch()])
def test_no_row_is_wider_than_its_room(width: int, plan: ShardingPlan) -> None:
    for device in (None, 3):
        shown = Shown(was=dict.fromkeys([("input", 0)], "f32[8]"), device=device)
        assert max(map(len, lines(plan, width, shown))) <= width


def test_the_turns_of_a_loop_are_counted_in_what_it_sends() -> None:
    shown = "\n".join(lines(made.layers(24), 120))
    assert "scan ×24  9 arrays" in shown
    assert "sent 120 MiB ×24 · 1.40 ms" in shown
    # 2 × 15/16 × 64 MiB in each of 2 × 24 all-reduces.
    assert "⇄ sent 5.62 GiB in 2 collectives" in shown


def test_turns_that_are_not_known_are_not_counted_as_one_silently() -> None:
    plan = made.mlp(collectives=[made.sent("all_reduce", ["model"], 3, 128, times=None)])
    assert "sent 128 B ×? · 1.01 µs" in "\n".join(lines(plan, 100))
    assert "sent at least 128 B on each in 1 collective" in as_text(Flow(plan), 100)[-1]


def test_a_device_shows_the_block_that_it_holds() -> None:
    shown = lines(made.mlp(), 100, Shown(device=5))
    assert "[4:6, :]" in shown[0]  # device 5 is at data 2, model 1
    assert "[:, 16:32]" in shown[1]
    assert "[4:6, 16:32]" in shown[4]


def test_what_changed_says_what_it_was() -> None:
    shown = lines(made.mlp(), 100, Shown(frozenset({("input", 0)}), {("input", 0): "f32[8, 16]"}))
    assert shown[0].startswith("≠ x")
    assert "was f32[8, 16]" in shown[0]
    assert not shown[1].startswith("≠")


def test_an_argument_that_searches_keep_is_marked() -> None:
    assert lines(made.mlp(), 100, Shown(held=frozenset({"w1"})))[1].startswith("= w1")


def test_a_folded_tree_tells_its_arrays_the_spec_they_have_in_common_and_their_bytes() -> None:
    plan = made.tree(2)
    assert lines(plan, 76)[:5] == [
        "▾ params                    5 arrays  mixed                        18.2 KiB",
        "  ▾ ['layers']              4 arrays  mixed                        16.2 KiB",
        "    ▾ [0]                   2 arrays  mixed                         8,320 B",
        "        ['bias']            f32[64@model]      32                     128 B",
        "        ['kernel']          f32[64, 64@model]  64×32                8,192 B",
    ]
    alike = msgspec.structs.replace(
        plan, inputs=[msgspec.structs.replace(one, spec=[["model"]]) for one in plan.inputs]
    )
    assert "5 arrays  P('model')" in lines(alike, 76)[0]
