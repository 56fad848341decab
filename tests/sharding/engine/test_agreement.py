"""What a plan says is sent is what XLA compiles, for nearly every program of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import jax
import pytest

from jaxtui.session.session import Sharding
from jaxtui.sharding import differences
from jaxtui.sharding.engine.compiled import compiled_of
from jaxtui.sharding.engine.plan import plan_of
from tests.support.bare_sharding import ShardedCase, partitioned_by_shardy
from tests.support.sharded_programs import PROGRAMS

SHARE = 0.95
NAMED = {case.name: case for case in PROGRAMS}
GATHER, SUM, MOVE = "all_gather", "all_reduce", "collective_permute"


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


def agrees(case: ShardedCase) -> bool:
    """Whether as many collectives of each kind and axes were planned as compiled, as often."""
    plan = plan_of(case.composition, Sharding())
    compiled = compiled_of(case.composition, Sharding())
    return all(one.agrees for one in differences.with_compiled(plan, compiled.collectives))


@pytest.mark.long
def test_plans_agree_with_what_is_compiled() -> None:
    runnable = [case for case in PROGRAMS if jax.__version_info__ >= case.since]
    differing = [case.name for case in runnable if not agrees(case)]
    assert len(differing) <= (1 - SHARE) * len(runnable), differing


# Programs in which XLA's partitioner goes another way than Shardy's resharding, by the rule.
# fmt: off
RULES = {
    "a left operand is gathered where only it is contracted in parts":
        ("mm contracting one side", [(GATHER, "model")]),
    "both are gathered where they are contracted in different parts":
        ("mm contracting in conflict", [(GATHER, "data"), (GATHER, "model")]),
    "a right operand is gathered if its axis divides the left one":
        ("mlp fsdp", [(GATHER, "data"), (GATHER, "data")]),
    "a product is summed before it is sliced": (
        "step fsdp", [(GATHER, "data")] * 3 + [(SUM, "data")] * 3 + [("all_to_all", "data")]
    ),
    "what several arrays are reduced to is gathered":
        ("argmax", [(GATHER, "model"), (GATHER, "model")]),
    "a batch is gathered for an fft": ("fft", [(GATHER, "data")]),
    "a batch is gathered for top_k": ("top_k", [(GATHER, "data")]),
    "top_k is not moved to another dimension": ("top_k along the axis", [(GATHER, "model")]),
    "what is no batch is gathered for a foreign call": ("triangular solve", [(GATHER, "model")]),
    "a batch is not gathered for a foreign call": ("cholesky batched", []),
    "a sum along a divided dimension gathers it": ("cumsum", [(GATHER, "data")]),
    "a slice at a place that a value says gathers the dimension": ("dynamic", [(GATHER, "data")]),
    "a slice sends what lies in another block": ("slice", [(MOVE, "data")]),
    "a slice sends from two blocks": ("first half", [(MOVE, "data"), (MOVE, "data")]),
    "a row of the first device is summed with nothing": ("first row", [(SUM, "data")]),
    "a row of another device goes to the first": ("last row", [(MOVE, "data"), (SUM, "data")]),
    "also where its dimension is kept": ("last row, kept", [(MOVE, "data"), (SUM, "data")]),
    "an element goes along each axis": (
        "last of each axis", [(MOVE, "data"), (MOVE, "model"), (SUM, "data", "model")]
    ),
    "a token goes along its axis only": ("last token", [(MOVE, "model"), (SUM, "model")]),
    "rows of the first device go to others": ("first rows", [(MOVE, "data"), (SUM, "data")]),
    "a slice along the other dimension sends nothing": ("slice along the other", []),
    "two slices, of which one moves": ("shifted difference", [(MOVE, "data"), (GATHER, "data")]),
    "a roll sends once": ("roll", [(MOVE, "data")]),
    "a roll along the other dimension sends nothing": ("roll beside", []),
    "a convolution sends both edges": ("conv spatial", [(MOVE, "data"), (MOVE, "data")]),
    "a convolution of single pixels sends none": ("conv pointwise", []),
    "what nothing reads is not sent": ("argsort along the axis", [("all_to_all", "data")] * 3),
}
# fmt: on


@pytest.mark.skipif(jax.__version_info__ >= (0, 11), reason="newer XLAs go some other ways")
@pytest.mark.parametrize(("name", "wanted"), RULES.values(), ids=RULES.keys())
def test_a_plan_goes_the_way_of_xla(name: str, wanted: list[tuple[str, ...]]) -> None:
    case = NAMED[name]
    planned = plan_of(case.composition, Sharding()).collectives
    assert Counter((one.kind, *one.axes) for one in planned) == Counter(wanted)
    compiled = compiled_of(case.composition, Sharding()).collectives
    made: Counter[tuple[str, ...]] = Counter()
    for one in compiled:
        made[(one.kind, *one.axes)] += one.parts
    assert made == Counter(wanted)
