"""A tree sharded by patterns of paths is planned, compiled and run like the tree written out."""

from __future__ import annotations

import jax
import msgspec
import numpy as np
import pytest

from jaxtui.program.engine import evaluation, inspection
from jaxtui.session.export import script
from jaxtui.session.session import Session, Sharding
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.wire.base import Composition
from tests.support.scripts import names_of
from tests.support.stacks import PATTERNS, TREES, training


def composed(session: Session) -> Composition:
    return Composition.of(session, "")


@pytest.mark.parametrize("mesh", [None, {"data": 8, "model": 16}])
def test_the_plan_is_that_of_the_tree_written_out(mesh: dict[str, int] | None) -> None:
    of = Sharding(mesh=mesh)
    ours, theirs = (plan_of(composed(training(one)), of) for one in (PATTERNS, TREES))
    assert msgspec.json.encode(ours) == msgspec.json.encode(theirs)
    by_path = {array.path: array.spec for array in ours.inputs if array.name == "opt"}
    assert by_path["[0]['layers'][2]['down']['kernel']"] == [["model"], []]


@pytest.mark.long
def test_hlo_and_cost_are_those_of_the_tree_written_out() -> None:
    for view in ("hlo", "cost"):
        ours, theirs = (
            inspection.inspect(composed(training(one)), view)  # type: ignore[arg-type]
            for one in (PATTERNS, TREES)
        )
        assert ours == theirs
        assert "all-reduce" in ours


@pytest.mark.long
def test_values_and_where_they_lie_are_those_of_the_tree_written_out_and_of_the_script() -> None:
    ours, theirs = (
        evaluation.run(composed(training(one)), lambda stage: None, lambda: False)
        for one in (PATTERNS, TREES)
    )
    exported = jax.tree.leaves(names_of(script(training(PATTERNS)))["result"])
    assert len(ours.leaves) == len(theirs.leaves) == len(exported)
    for (path, leaf), (same, other), plain in zip(
        ours.leaves, theirs.leaves, exported, strict=True
    ):
        assert path == same
        assert leaf.sharding == other.sharding == plain.sharding
        assert np.array_equal(leaf, other)
        assert np.array_equal(leaf, plain)
