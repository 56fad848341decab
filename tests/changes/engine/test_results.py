"""Two results are told apart where they differ by more than rounding, and only there."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui.changes.engine import results
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation
from jaxtui.results.engine.store import ResultStore
from jaxtui.session.layers import AnyLayer, Jit, Vmap
from jaxtui.session.session import Argument, Program
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import LeafChange, LeafType
from jaxtui.wire.changes import CompareResults


def _composition(source: str, *layers: AnyLayer, x: str = "jnp.sin(jnp.arange(512.))") -> Any:
    program = Program(source=source, arguments=[Argument(name="x", value=x)], layers=list(layers))
    return Composition(program=program)


def _compared(before: Composition, now: Composition) -> list[LeafChange]:
    store = ResultStore()
    for number, composition in enumerate((before, now), 1):
        ran = evaluation.run(composition, lambda stage: None, lambda: False)
        store.keep(number, ran.leaves)
    request = CompareResults(id=3, composition=now, result=2, before=1)
    return results.compared(request, store, lambda stage: None, lambda: False).leaves


def _one(before: str, now: str, **options: Any) -> LeafChange:
    (leaf,) = _compared(_composition(before, **options), _composition(now, **options))
    return leaf


MEAN = "def f(x):\n    return x.sum() / x.size"


def test_the_same_program_gives_the_same() -> None:
    leaf = _one(MEAN, MEAN)
    assert (leaf.verdict, leaf.differing, leaf.count, leaf.at) == ("same", 0, 1, None)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (MEAN, "def f(x):\n    return x.mean()"),
        (MEAN, "def f(x):\n    return (x / x.size).sum()"),
        (MEAN, "def f(x):\n    return x[::-1].sum() / x.size"),
        (
            "def f(x):\n    return jnp.exp(x) / jnp.exp(x).sum()",
            "def f(x):\n    return jax.nn.softmax(x)",
        ),
    ],
)
def test_the_same_numbers_by_another_way_are_rounding(before: str, now: str) -> None:
    assert _one(before, now).verdict in ("rounding", "same")


def test_another_number_differs_and_is_told_with_its_place() -> None:
    leaf = _one("def f(x):\n    return x", "def f(x):\n    return x.at[7].add(0.01)")
    x = np.sin(np.arange(512, dtype=np.float32))
    assert (leaf.verdict, leaf.differing, leaf.count, leaf.at) == ("differs", 1, 512, [7])
    assert leaf.distance == pytest.approx(0.01, rel=1e-4)
    assert leaf.value_before == pytest.approx(float(x[7]), rel=1e-5)
    assert leaf.value_now == pytest.approx(float(x[7]) + 0.01, rel=1e-5)
    assert leaf.relative == pytest.approx(0.01 / float(x[7]), rel=1e-3)
    assert leaf.bound is not None
    assert leaf.bound < 1e-3


def test_where_nothing_is_computed_every_bit_counts() -> None:
    leaf = _one("def f(x):\n    return x", "def f(x):\n    return x[::-1][::-1].at[0].set(1e-20)")
    assert (leaf.verdict, leaf.differing) == ("differs", 1)


def test_what_enlarges_rounding_is_told_from_an_error() -> None:
    # The digits behind the fifth of a sum: rounding changes them at will.
    remainder = "def f(x):\n    return ({}) * 1e6 % 1.0"
    sums = [remainder.format(sum) for sum in ("x.sum()", "x[::-1].sum()")]
    x = "jnp.sin(jnp.arange(500.)) + 2"
    leaf = _one(*sums, x=x)
    assert leaf.verdict in ("enlarged", "same")
    if leaf.verdict == "enlarged":
        assert "remainder" in leaf.why


def test_integers_differ_or_not() -> None:
    x = "jnp.arange(5)"
    leaf = _one("def f(x):\n    return x", "def f(x):\n    return x + (x == 2)", x=x)
    assert (leaf.verdict, leaf.at, leaf.distance) == ("differs", [2], 1.0)
    assert (leaf.value_before, leaf.value_now) == (2, 3)


def test_nan_are_counted() -> None:
    leaf = _one("def f(x):\n    return x", "def f(x):\n    return jnp.sqrt(x)")
    x = np.sin(np.arange(512, dtype=np.float32))
    assert (leaf.nan_before, leaf.nan_now) == (0, int((x < 0).sum()))
    assert (leaf.verdict, leaf.distance) == ("differs", "inf")


def test_leaves_that_come_go_and_change_their_type_are_told() -> None:
    before = _composition('def f(x):\n    return {"a": x, "b": x, "c": x}')
    now = _composition('def f(x):\n    return {"b": x[:2], "c": x.astype(jnp.float16), "d": x}')
    found = {leaf.path: leaf for leaf in _compared(before, now)}
    assert {path: leaf.verdict for path, leaf in found.items()} == {
        "['a']": "removed",
        "['b']": "other",
        "['c']": "other",
        "['d']": "added",
    }
    assert found["['b']"].now == LeafType("float32", [2])
    assert found["['c']"].now == LeafType("float16", [512])
    x = np.sin(np.arange(512, dtype=np.float32))
    apart = np.abs(x.astype(np.float64) - x.astype(np.float16))
    assert found["['c']"].distance == pytest.approx(apart.max(), rel=1e-2)


def test_layers_may_differ() -> None:
    before = _composition("def f(x):\n    return jnp.sin(x) * 3", Vmap())
    now = _composition("def f(x):\n    return jnp.sin(x) * 3", Vmap(), Jit())
    assert {leaf.verdict for leaf in _compared(before, now)} <= {"same", "rounding"}


def test_a_result_that_is_gone_is_said() -> None:
    store = ResultStore()
    store.keep(2, [("", jnp.zeros(3))])
    request = CompareResults(id=3, composition=_composition(MEAN), result=2, before=1)
    with pytest.raises(Diagnosed, match="no longer kept"):
        results.compared(request, store, lambda stage: None, lambda: False)


def test_values_that_were_deleted_are_said() -> None:
    store = ResultStore()
    gone = jnp.zeros(3)
    store.keep(1, [("", gone)])
    store.keep(2, [("", jnp.zeros(3))])
    gone.delete()
    request = CompareResults(id=3, composition=_composition(MEAN), result=2, before=1)
    (leaf,) = results.compared(request, store, lambda stage: None, lambda: False).leaves
    assert leaf.verdict == "unknown"
    assert "deleted" in leaf.why
