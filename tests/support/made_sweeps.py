"""The plan of a bandwidth sweep, as the engine sends it."""

from __future__ import annotations

from jaxtui.wire.bandwidth import SweepPlan

PLAN = SweepPlan(
    operation="psum",
    via="pmap",
    options={},
    dtype="float32",
    ranks=8,
    devices=8,
    groups=[list(range(8))],
    family="all-reduce",
    factor=1.75,
    formula="2(n−1)/n",
    size_means="the bytes that each rank gives",
    count_means="given by each rank",
    bytes=[1024, 2048],
    mode="latency",
    rounds=25,
    exact_rounds=False,
    budget=2.0,
    seed=11,
    source="0" * 16,
    affinity=[0, 1],
    load=[0.0, 0.0, 0.0],
    notes=["simulated: virtual CPU devices share one memory, and no link is measured"],
)
