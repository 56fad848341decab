"""A program's memory as text, with the explorer's keys and without."""

from __future__ import annotations

from jaxtui.text.memory_tables import memory
from jaxtui.wire.memory_report import (
    MemoryBatches,
    MemoryBudget,
    MemoryReport,
    MemoryRow,
    Uncounted,
)

ROW = MemoryRow(
    shape="f32[64, 64]",
    bytes=16384,
    count=2,
    at_peak=1,
    file="",
    line=3,
    code="return x @ y + a_name_that_is_long_enough_to_be_cut_here",
)


def report(**changes: object) -> MemoryReport:
    return MemoryReport(
        **{  # type: ignore[arg-type]
            "devices": 2,
            "together": 3072,
            "arguments": 1024,
            "outputs": 1024,
            "temporaries": 2048,
            "donated": 1024,
            "compiles": True,
            "modelled": False,
            "budget": MemoryBudget(bytes=2048, words="typed", shared=False),
            "fits": False,
            "intermediates": [ROW],
            **changes,
        }
    )


def test_figures_batches_and_rows_stand_below_each_other() -> None:
    made = report(batches=MemoryBatches(size=8, of=64, bytes=512), more=3, more_bytes=100)
    assert memory(made, keys=False).splitlines() == [
        "Compiled: 3,072 B on each device",
        "It does NOT fit into 2,048 B (typed)",
        "arguments 1,024 B + outputs 1,024 B + temporaries 2,048 B – donated 1,024 B",
        "",
        "A jax.lax.map in place of the vmap, over batches of",
        "8 of its 64 examples, takes 512 B and computes the same.",
        "",
        "intermediate    each  made  at peak  by line",
        "f32[64, 64]   16 KiB     2        1  3  return x @ y + a_name…",
        "… and 3 smaller rows, 100 B in all",
    ]
    shown = memory(made, keys=True)
    assert "(typed, M)" in shown
    assert "f: a jax.lax.map in place of the vmap, over batches of\n8 of its 64" in shown


def test_what_is_not_known_is_said() -> None:
    made = report(
        budget=None,
        fits=None,
        modelled=True,
        compiles=False,
        intermediates=[],
        reasons=["no vmap to take apart"],
        uncounted=Uncounted(libraries=("YNNPACK",), count=1, largest=64),
    )
    shown = memory(made, keys=False)
    assert shown.startswith("Compiled under a jit: 3,072 B on each device\n")
    assert "Not counted: what YNNPACK works in, which computes 1 fusion for XLA." in shown
    assert "no vmap to take apart" in shown
    assert "This is a model" in shown
    assert shown.endswith("No intermediate takes memory of its own.")
    assert "; M says what one has" in memory(made, keys=True)


def test_a_budget_of_all_devices_says_so() -> None:
    made = report(budget=MemoryBudget(bytes=9000, words="free", shared=True), fits=True)
    assert "fits into 9,000 B (free, for all 2)" in memory(made, keys=False)
