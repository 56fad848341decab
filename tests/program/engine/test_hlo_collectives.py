"""Every way in which XLA writes collectives, their groups, and how often they run."""

from __future__ import annotations

import pytest

from jaxtui.program.engine.hlo_collectives import (
    HloCollective,
    axes_joined,
    axes_of,
    collectives,
)

MESH = {"data": 4, "model": 2}
ROWS = ((0, 1), (2, 3), (4, 5), (6, 7))
COLUMNS = ((0, 2, 4, 6), (1, 3, 5, 7))


def only(*instructions: str, before: str = "") -> HloCollective:
    """The one collective of a program with these instructions."""
    body = "\n".join(f"  {instruction}" for instruction in instructions)
    hlo = f"HloModule m\n\n{before}ENTRY %main (p: f32[4]) -> f32[4] {{\n{body}\n}}\n"
    (found,) = collectives(hlo, 8)
    return found


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ("{{0,1},{2,3},{4,5},{6,7}}", ROWS),
        ("{{0,2,4,6},{1,3,5,7}}", COLUMNS),
        ("[4,2]<=[8]", ROWS),
        ("[2,4]<=[4,2]T(1,0)", COLUMNS),
        ("[1,8]<=[8]", (tuple(range(8)),)),
        ("{}", (tuple(range(8)),)),
        ("mesh['x'=4,'y'=2] {'y'}", ROWS),
        ("mesh['x'=4,'y'=2] {'x'}", COLUMNS),
        ("mesh['x'=4,'y'=2] {'x','y'}", (tuple(range(8)),)),
        ("mesh['x'=2,'y'=4], device_ids=([4,2]T(1,0)) {'y'}", COLUMNS),
        ("mesh['x'=8] {'x':(4)2}", ROWS),
        ("mesh['x'=8] {'x':(1)4}", ((0, 2, 4, 6), (1, 3, 5, 7))),
    ],
)
def test_groups(groups: str, wanted: tuple[tuple[int, ...], ...]) -> None:
    found = only(
        "%p = f32[4]{0} parameter(0)",
        f"ROOT %r = f32[4]{{0}} all-reduce(%p), channel_id=1, replica_groups={groups}, to_apply=%s",
    )
    assert sorted(map(sorted, found.groups)) == sorted(map(sorted, wanted))


def test_a_tuple_is_one_collective_of_several_parts() -> None:
    found = only(
        "%p = f32[4]{0} parameter(0)",
        "%q = bf16[2,3]{1,0} parameter(1)",
        "ROOT %r = (f32[4]{0}, bf16[2,3]{1,0}) all-reduce(%p, %q), replica_groups={}, to_apply=%s",
    )
    assert (found.kind, found.bytes, found.parts) == ("all_reduce", 16 + 12, 2)


def test_comments_in_a_long_list_are_no_part_of_names() -> None:
    found = only(
        "%p = f32[4]{0} parameter(0)",
        "%q = f32[2]{0} parameter(1)",
        "ROOT %r = (f32[4]{0}, /*index=1*/f32[2]{0}) all-reduce(%p, /*index=1*/%q), "
        "replica_groups={}, to_apply=%s",
    )
    assert (found.bytes, found.parts) == (16 + 8, 2)


def test_an_all_to_all_of_blocks_is_one_part() -> None:
    found = only(
        "%p = f32[1,4]{1,0} parameter(0)",
        "ROOT %r = (f32[1,4]{1,0}, f32[1,4]{1,0}) all-to-all(%p, %p), "
        "replica_groups={{0,1},{2,3},{4,5},{6,7}}",
    )
    assert (found.kind, found.bytes, found.parts) == ("all_to_all", 32, 1)


def test_a_started_collective_counts_once() -> None:
    found = only(
        "%p = f32[4]{0} parameter(0)",
        "%s = (f32[4]{0}, f32[8]{0}) all-gather-start(%p), replica_groups=[4,2]<=[8], "
        "dimensions={0}",
        "ROOT %d = f32[8]{0} all-gather-done(%s)",
    )
    assert (found.kind, found.bytes, found.groups) == ("all_gather", 16, ROWS)


def test_types_written_before_operands() -> None:
    found = only(
        "%p = f32[4,2]{1,0} parameter(0)",
        "ROOT %r = f32[1,2]{1,0} reduce-scatter(f32[4,2]{1,0} %p), "
        "replica_groups={{0,2,4,6},{1,3,5,7}}, dimensions={0}, to_apply=%s",
    )
    assert (found.kind, found.bytes, found.groups) == ("reduce_scatter", 32, COLUMNS)


def test_pairs_are_joined_to_groups() -> None:
    found = only(
        "%p = f32[4]{0} parameter(0)",
        "ROOT %r = f32[4]{0} collective-permute(%p), "
        "source_target_pairs={{0,2},{2,4},{4,6},{1,3},{3,5},{5,7}}",
    )
    assert (found.kind, found.groups) == ("collective_permute", COLUMNS)
    assert axes_joined(found.groups, MESH, range(8)) == ["data"]


def loop(name: str, body: str, attributes: str = "") -> str:
    """A computation, and the instruction of a loop that has it as its body."""
    return (
        f"%{name} = f32[4]{{0}} while(%p), condition=%c, body=%{body}"
        f"{attributes and ', backend_config='}{attributes}"
    )


TRIPS = '{{"known_trip_count":{{"n":"{}"}}}}'
REDUCED = "%r = f32[4]{0} all-reduce(%p), replica_groups={}, to_apply=%s"


@pytest.mark.parametrize(
    ("outer", "inner", "wanted"),
    [(TRIPS.format(3), TRIPS.format(5), 15), (TRIPS.format(3), "", None), ("", "", None)],
)
def test_nested_loops_multiply(outer: str, inner: str, wanted: int | None) -> None:
    before = (
        f"%inner (p: f32[4]) -> f32[4] {{\n  %p = f32[4]{{0}} parameter(0)\n  {REDUCED}\n}}\n\n"
        "%outer (p: f32[4]) -> f32[4] {\n  %p = f32[4]{0} parameter(0)\n"
        f"  {loop('w', 'inner', inner)}\n}}\n\n"
    )
    found = only("%p = f32[4]{0} parameter(0)", loop("v", "outer", outer), before=before)
    assert found.times == wanted


@pytest.mark.parametrize(
    "called",
    [
        "branch_computations={%branch, %other}",
        "true_computation=%branch, false_computation=%other",
    ],
)
def test_a_branch_counts_as_taken(called: str) -> None:
    before = (
        f"%branch (p: f32[4]) -> f32[4] {{\n  %p = f32[4]{{0}} parameter(0)\n  {REDUCED}\n}}\n\n"
        "%other (p: f32[4]) -> f32[4] {\n  ROOT %p = f32[4]{0} parameter(0)\n}\n\n"
    )
    found = only(
        "%p = f32[4]{0} parameter(0)",
        f"ROOT %c = f32[4]{{0}} conditional(%p, %p, %p), {called}",
        before=before,
    )
    assert found.times == 1


def test_axes_of_groups() -> None:
    assert axes_of(ROWS, MESH, range(8)) == ["model"]
    assert axes_of(COLUMNS, MESH, range(8)) == ["data"]
    assert axes_of((tuple(range(8)),), MESH, range(8)) == ["data", "model"]
    assert axes_of(((0, 2), (4, 6), (1, 3), (5, 7)), MESH, range(8)) == ["data:(2)2"]
    assert axes_of(((0, 3), (1, 2)), MESH, range(8)) is None
    assert axes_of(((0,), (1,)), MESH, range(8)) == []


def test_a_permutation_that_swaps_axes_goes_over_both() -> None:
    assert axes_joined(((1, 4), (2, 3)), MESH, range(8)) == ["data", "model"]
    assert axes_joined(((0, 4), (9, 12)), MESH, range(8)) == ["data"]
