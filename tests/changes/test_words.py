"""What changed is said in words that a figure stands behind, and no more."""

from __future__ import annotations

import pytest

from jaxtui.changes import words
from jaxtui.wire.change_report import (
    Changes,
    FieldChange,
    Figures,
    LeafChange,
    LeafType,
    SentFigure,
)

F32 = LeafType("float32", [8])
FIGURES = Figures(
    primitives={"mul": 2, "sin": 1},
    flops=1000.0,
    bytes_accessed=4096.0,
    arguments=4096,
    outputs=1024,
    temporaries=2048,
    donated=0,
)


def changes(**given: object) -> Changes:
    known: dict[str, object] = {
        "against": "g",
        "fields": [],
        "outputs": [],
        "before": FIGURES,
        "now": FIGURES,
        "seconds_before": 0.002,
        "seconds": 0.004,
    }
    return Changes(**{**known, **given})  # type: ignore[arg-type]  # the fields of the Struct


def leaf(**given: object) -> LeafChange:
    known: dict[str, object] = {"path": "", "before": F32, "now": F32, "verdict": "differs"}
    return LeafChange(**{**known, **given})  # type: ignore[arg-type]  # the fields of the Struct


def said(found: Changes, label: str) -> str:
    """What stands under a label."""
    lines: list[str] = []
    under = ""
    for row in words.rows(found):
        under = row.label or under
        if under == label:
            lines.append(row.text)
    return "\n".join(lines)


def test_what_is_alike_is_said_in_a_few_words() -> None:
    found = changes(outputs=[leaf(verdict="same", count=8)])
    assert said(found, "composed") == "nothing: both are composed alike"
    assert said(found, "values") == "the one leaf is the same, bit for bit"
    assert said(found, "operations") == "the same 3 in the jaxpr"
    assert said(found, "collectives") == "none in either"
    assert said(found, "FLOPs") == "1,000, as before"
    assert said(found, "memory") == "7,168 B, as before"
    assert said(found, "time").startswith("2.0 ms → 4.0 ms: one run each")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            leaf(
                count=8, differing=2, distance=0.25, relative=0.5, at=[3],
                value_before=0.5, value_now=0.75,
            ),
            "out  f32[8] differs: 2 of 8, by up to 0.25 (50 %); at [3], 0.5 → 0.75",
        ),
        (
            leaf(
                verdict="rounding", count=8, differing=1, distance=1e-7, relative=1e-7, at=[0],
                value_before=1.0, value_now=1.0000001, bound=2e-6,
            ),
            "out  f32[8] the same but for rounding: 1 of 8, by up to 1e-07; at [0], 1 → 1.0000001",
        ),
        (
            leaf(
                count=8, differing=3, distance="inf", at=[1], value_before=-1.0, value_now="nan",
                nan_now=3,
            ),
            "out  f32[8] differs: 3 of 8, finite here and not there; at [1], -1 → nan; NaN 0 → 3",
        ),
        (leaf(verdict="added", before=None, path="[1]"), "out[1]  f32[8] is new"),
        (leaf(verdict="removed", now=None, path="[1]"), "out[1]  f32[8] is gone"),
        (leaf(verdict="other", now=LeafType("int32", [4])), "out  f32[8] → i32[4]"),
    ],
)  # fmt: skip
def test_a_leaf_is_told_by_its_verdict(given: LeafChange, words: str) -> None:
    assert said(changes(outputs=[given]), "values") == words


def test_what_differs_stands_before_how_many_are_the_same() -> None:
    found = changes(outputs=[leaf(verdict="same"), leaf(verdict="added", before=None)])
    assert said(found, "values") == "out  f32[8] is new\n1 other leaf the same, bit for bit"


def test_the_changed_lines_of_the_source_are_shown() -> None:
    source = FieldChange(
        field="program.source",
        name="source",
        before="def f(x):\n    return x",
        now="def f(x):\n    return -x",
    )
    axes = FieldChange(field="program.layers.0.in_axes", name="vmap in_axes", before="", now="1")
    assert said(changes(fields=[source, axes]), "composed") == (
        "- return x\n+ return -x\nvmap in_axes  – → 1"
    )


def test_figures_are_told_with_their_change() -> None:
    now = Figures(
        primitives={"mul": 3, "cos": 1},
        flops=1250.0,
        bytes_accessed=40960.0,
        arguments=4096,
        outputs=1024,
        temporaries=0,
        donated=0,
        collectives=[SentFigure(kind="all-reduce", count=2, bytes=64)],
    )
    found = changes(now=now)
    assert said(found, "operations") == "cos 0 → 1, mul 2 → 3, sin 1 → 0\n3 → 4 in the jaxpr"
    assert said(found, "collectives") == "all-reduce 0 → 2, 0 B → 64 B a device"
    assert said(found, "FLOPs") == "1,000 → 1,250   +25.0 %"
    assert said(found, "bytes accessed") == "4,096 B → 40 KiB   ×10"
    assert said(found, "temporaries") == "2,048 B → 0 B   -100.0 %"


def test_what_is_not_known_is_said_to_be_not_known() -> None:
    found = changes(before=None)
    assert words.rows(found, "comparing …")[2].text == "comparing …"
    failed = Figures(primitives=None, failure="only a run can tell")
    assert said(changes(now=failed), "compiled") == "not now: only a run can tell"
    gone = changes(outputs=[leaf(verdict="unknown")], values="they went with the engine")
    assert said(gone, "values") == "of the same shapes and dtypes; they went with the engine"
