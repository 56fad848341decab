"""Sums that are yet to be made, which JAX calls unreduced: plans know them, and runs keep them."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from msgspec.structs import replace

from jaxtui.program.engine import evaluation
from jaxtui.session.layers import Jit
from jaxtui.session.session import Sharding
from jaxtui.sharding.engine.compiled import compiled_of
from jaxtui.sharding.engine.plan import plan_of
from tests.support.bare_sharding import ShardedCase

pytestmark = pytest.mark.skipif(
    jax.__version_info__ < (0, 10), reason="older JAX has no unreduced types, or not for all"
)
PRODUCT = "jnp.einsum('bd,dh->bh', x, w, out_sharding=P(unreduced={'model'}))"


def unreduced(body: str) -> ShardedCase:
    return ShardedCase(
        body,
        f"def f(x, w):\n    return {body}\n",
        {"x": ("ones((8, 4))", "P(None, 'model')"), "w": ("ones((4, 2))", "P('model', None)")},
        axis_types={"data": "explicit", "model": "explicit"},
        in_context=True,
    )


@pytest.mark.parametrize(
    ("body", "sums"),
    [
        (f"jax.sharding.reshard({PRODUCT}, P('data'))", 1),
        (f"jax.sharding.reshard({PRODUCT} + {PRODUCT}, P())", 1),
        (PRODUCT, 0),
    ],
)
def test_a_plan_sums_once_as_xla_does(body: str, sums: int) -> None:
    case = unreduced(body)
    plan = plan_of(case.composition, Sharding())
    wanted = [("all_reduce", ["model"])] * sums
    assert plan.values[0].unreduced == ["model"]
    assert [(one.kind, one.axes) for one in plan.collectives] == wanted
    compiled = compiled_of(case.composition, Sharding())
    assert [(one.kind, one.axes) for one in compiled.collectives] == wanted


def test_what_is_returned_unreduced_runs() -> None:
    made = unreduced(PRODUCT).composition
    composition = replace(made, program=replace(made.program, layers=[Jit()]))
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    [(_, leaf)] = ran.leaves
    assert leaf.sharding.spec.unreduced == {"model"}
    assert {np.asarray(shard.data).tolist()[0][0] for shard in leaf.addressable_shards} == {2.0}
