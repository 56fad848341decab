"""Equivalents: the program's result by other ways, and what is said of each."""

from __future__ import annotations

import re

import numpy as np
import pytest

from jaxtui.benchmark.engine import equivalents
from jaxtui.benchmark.engine.equivalents import SAME
from jaxtui.benchmark.engine.strategies.table import DEFAULT
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.session.layers import AnyLayer, Jvp, Map, Pmap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition

PRODUCT = "def f(matrix, vector):\n    return jnp.dot(matrix, vector)\n"
MATRIX = "arange(16.0).reshape(4, 2, 2)"


def composition(source: str, *values: str, layers: list[AnyLayer] | None = None) -> Composition:
    return Composition(
        program=Program(
            source=source,
            arguments=[Argument(name=n, value=v) for n, v in zip("abc", values, strict=False)],
            layers=[Vmap()] if layers is None else layers,
        ),
        parameters={},
        devices=Devices(platform="cpu"),
        folder="",
    )


def text(asked: Composition) -> str:
    return equivalents.text(asked, lambda stage: None, lambda: False)


def verdicts(listing: str) -> dict[str, str]:
    """Strategy (with its devices) -> what is said of it."""
    rows = listing.split("\n\n")[1].splitlines()
    return dict(re.split(r"\s{2,}", row, maxsplit=1) for row in rows)


def test_integers_are_the_same_by_every_way_to_the_last_bit() -> None:
    found = verdicts(text(composition(PRODUCT, "arange(16).reshape(4, 2, 2)", "ones((4, 2), int)")))
    assert [name.partition(",")[0] for name in found] == list(DEFAULT)
    assert set(found.values()) == {SAME}


def test_strategies_over_devices_take_as_many_as_divide_the_batch() -> None:
    found = verdicts(text(composition(PRODUCT, "ones((6, 2, 2))", "ones((6, 2))")))
    assert "pmap, 6 devices" in found
    assert "shard_map, 6 devices" in found
    assert found["pmap, 6 devices"] == SAME


def test_a_pmap_of_a_vmap_is_held_against_the_loop_over_its_outer_axis() -> None:
    asked = composition(
        PRODUCT, f"stack([{MATRIX}] * 2)", "ones((2, 4, 2))", layers=[Vmap(), Pmap()]
    )
    listing = text(asked)
    assert listing.startswith("per_example over a batch of 2: ")
    assert verdicts(listing)["loop"] == SAME


@pytest.mark.long
def test_the_layers_of_one_example_are_written_as_python() -> None:
    centred = "def f(x):\n    return x - lax.pmean(x, 'i')\n"
    asked = composition(centred, MATRIX, layers=[Vmap(axis_name="i", in_axes="1"), Vmap()])
    assert "jax.vmap(f, in_axes=1, axis_name='i')" in text(asked)


def test_results_that_differ_by_rounding_are_told_from_wrong_ones() -> None:
    point = equivalents._planned(composition("def f(x):\n    return jnp.sin(x)\n", "ones((4, 3))"))
    result = np.full((4, 3), 1.0, np.float32)
    near, far = np.nextafter(result, np.float32(2)), result + np.float32(0.1)
    assert equivalents.compared([result], [result.copy()], point) == SAME
    assert equivalents.compared([result], [near], point) == (
        "the same but for rounding, at most 1 eps of the largest"
    )
    assert equivalents.compared([result], [far], point).startswith("NOT the same: gives wrong")
    assert equivalents.compared([result], [result[:2]], point) == "other shapes: [(2, 3)]"


CANCELLED = """
def f(a, b):
    c = jnp.inner(jnp.round(a), a)
    d = jnp.vecdot(c, c)
    return jnp.remainder(d.sum(), jnp.maximum(jnp.abs(a @ b), 0.1))
"""


@pytest.mark.long
def test_rounding_that_a_function_enlarges_is_told_from_an_error() -> None:
    asked = composition(CANCELLED, "normal(1, 12, 6)", "normal(1, 6, 8, seed=1)")
    said = verdicts(text(asked))
    assert not any(words.startswith("NOT") for words in said.values()), said
    # How a platform rounds is its own affair; what differs for it says what enlarges it.
    enlarged = [words for words in said.values() if words != SAME]
    assert all("enlarges (remainder, round, comparisons)" in words for words in enlarged)


# A function, how far its result may move for rounding, and what is named.
ENLARGING = [
    ("jnp.remainder(jnp.exp(x).sum(), 1e-6)", 5e-7, "remainder"),
    ("jnp.argmax(jnp.ones(3) + 0 * x)", 0.0, ""),
    ("jnp.floor(x.sum() * 1e7)", 1.0, "floor"),
    ("jnp.floor(lax.top_k(jnp.sort(x), 2)[0].sum() * 1e7)", 1.0, "floor"),
    ("jnp.floor(lax.scan(lambda c, v: (c * v, c), 1.0, x)[0] * 1e7)", 1.0, "floor"),
    ("(x + 1e6).sum() - 1e6 * x.size", 0.1, "a difference of nearly equal numbers"),
]


@pytest.mark.parametrize(("body", "far", "named"), ENLARGING)
def test_a_result_may_move_as_far_as_the_program_moves_it(
    body: str, far: float, named: str
) -> None:
    point = equivalents._planned(composition(f"def f(x):\n    return {body}\n", "normal(4, 3)"))
    rounding = equivalents.Rounding(point)
    result = np.zeros(4, np.float32)
    if far:
        assert f"({named}" in rounding.explains([result], [result + np.float32(far)])
    assert rounding.explains([result], [result + np.float32(far * 1e3 + 10)]) == ""


@pytest.mark.parametrize("wrong", ["1.0", "1e-3", "0.5 * x"])
def test_an_error_is_none_of_rounding(wrong: str) -> None:
    point = equivalents._planned(composition("def f(x):\n    return jnp.sin(x)\n", "normal(4, 3)"))
    result = np.ones((4, 3), np.float32)
    found = result + np.float32(eval(wrong, {"x": 1.0}))
    assert equivalents.Rounding(point).explains([result], [found]) == ""


def test_what_gives_another_value_each_time_is_not_called_rounding() -> None:
    source = "def f(x):\n    calls.append(0)\n    return x * len(calls)\ncalls = []\n"
    point = equivalents._planned(composition(source, "arange(4.0)"))
    one = np.arange(4.0, dtype=np.float32)
    assert equivalents.Rounding(point).explains([one], [2 * one]) == ""


def test_what_differs_is_said_with_how_many_elements() -> None:
    source = "def f(x):\n    calls.append(0)\n    return x * len(calls)\ncalls = []\n"
    found = verdicts(text(composition(source, "arange(4.0)")))
    assert any(said.startswith("NOT the same: gives wrong values: ") for said in found.values())


def test_a_way_that_cannot_be_gone_says_why() -> None:
    source = "def f(x):\n    return lax.psum(x, 'batch')\n"
    asked = composition(source, "arange(4.0)", layers=[Vmap(axis_name="batch")])
    said = text(asked)
    assert verdicts(said)["vmap"] == SAME
    line = next(line for line in said.splitlines() if "ways cannot" in line)
    assert "the function speaks to the other examples of the batch (over batch)" in line
    assert line.partition("keep together: ")[2].split(", ") == ALONE
    assert said.count("speaks to the other") == 1


ALONE = ["loop", "loop-and-stack", "lax.map", "lax.map-batched"]
TALKING = """
def f(x):
    after = lax.ppermute(x, 'i', [(n, (n + 1) % 4) for n in range(4)])
    return jnp.exp(x - lax.pmax(x, 'i')) / (1 + lax.axis_index('i')) + after
"""


def test_what_speaks_to_the_other_examples_runs_where_each_has_a_device() -> None:
    import jax

    asked = composition(TALKING, "arange(8.).reshape(4, 2)", layers=[Pmap(axis_name="i")])
    listing = text(asked)
    found = verdicts(listing)
    assert {found["pmap, 4 devices"], found["shard_map, 4 devices"]} <= {SAME, found["vmap"]}
    known = {"jax": jax, "jnp": jax.numpy, "np": np, "lax": jax.lax}
    known |= {"P": jax.sharding.PartitionSpec}
    exec(TALKING, known)
    given = known["a"] = jax.numpy.arange(8.0).reshape(4, 2)
    expected = jax.pmap(known["f"], axis_name="i", devices=jax.devices()[:4])(given)
    blocks = re.split(r"^# (\S*),? .*\n", listing.partition("And as Python")[2], flags=re.MULTILINE)
    for name, block in zip(blocks[1::2], blocks[2::2], strict=True):
        if name.rstrip(":") in ("pmap", "shard_map", "sharding"):
            exec(block, known)
            np.testing.assert_allclose(known["out"], expected, rtol=1e-6)
    assert 'Mesh(np.array(devices), ("i",)' in listing
    assert "axis_name='i', devices=devices" in listing


def test_an_axis_that_is_partly_over_devices_and_partly_inside_of_each_is_not_cut_in_two() -> None:
    source = "def f(x):\n    return lax.psum(x, 'batch')\n"
    said = text(composition(source, "arange(16.)", layers=[Vmap(axis_name="batch")]))
    line = next(line for line in said.splitlines() if "ways cannot" in line)
    assert line.endswith(", ".join([*ALONE, "pmap, 8 devices", "shard_map, 8 devices"]))
    assert verdicts(said)["sharding, 8 devices"] == SAME


def test_each_way_stands_there_as_python_that_gives_the_result() -> None:
    import jax
    import jax.numpy as jnp

    listing = text(composition(PRODUCT, MATRIX, "arange(8.0).reshape(4, 2)"))
    blocks = re.split(r"^# .*\n", listing.partition("And as Python")[2], flags=re.MULTILINE)[1:]
    assert len(blocks) == len(DEFAULT)
    matrix, vector = jnp.arange(16.0).reshape(4, 2, 2), jnp.arange(8.0).reshape(4, 2)
    expected = np.einsum("bij,bj->bi", matrix, vector)
    for block in blocks:
        known = {"jax": jax, "jnp": jnp, "np": np, "lax": jax.lax, "P": jax.sharding.PartitionSpec}
        known |= {"f": jnp.dot, "a": matrix, "b": vector}
        exec(block, known)
        out = known["out"]
        out = np.stack(out) if isinstance(out, list) else np.asarray(out)
        np.testing.assert_array_equal(out, expected)


SINE = "def f(a, b):\n    return jnp.sin(a) * b\n"


def test_a_map_holds_the_examples_too_and_its_function_is_written_as_python() -> None:
    import jax
    import jax.numpy as jnp

    layers: list[AnyLayer] = [Jvp(tangents="(ones(3), 1.)"), Map()]
    listing = text(composition(SINE, "arange(12.).reshape(4, 3)", "arange(4.)", layers=layers))
    assert set(verdicts(listing).values()) == {SAME}
    shared, *blocks = re.split(
        r"^# .*\n", listing.partition("its arguments:\n")[2], flags=re.MULTILINE
    )
    assert len(blocks) == len(DEFAULT)
    a, b = jnp.arange(12.0).reshape(4, 3), jnp.arange(4.0)
    function = lambda a, b: jnp.sin(a) * b  # noqa: E731  # as the source has it
    expected = jax.vmap(lambda a, b: jax.jvp(function, (a, b), (jnp.ones(3), 1.0)))(a, b)
    for block in blocks[2:6]:
        known = {"jax": jax, "jnp": jnp, "np": np, "lax": jax.lax, "P": jax.sharding.PartitionSpec}
        known |= {"f": function, "a": a, "b": b}
        exec(shared + block, known)
        for found, wanted in zip(known["out"], expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_map_of_several_at_once_is_not_what_every_way_can_follow() -> None:
    with pytest.raises(Diagnosed) as raised:
        text(composition(SINE, "ones((4, 3))", "ones(4)", layers=[Map(batch_size="2")]))
    assert raised.value.diagnosis.field == "program.layers.0.batch_size"
    assert [fix.text for fix in raised.value.diagnosis.fixes] == [""]


def test_without_a_batch_there_are_none_and_the_reason_is_given() -> None:
    with pytest.raises(Diagnosed) as raised:
        text(composition(PRODUCT, "ones((2, 2))", "ones(2)", layers=[]))
    assert "no layer says which axes hold the examples" in raised.value.diagnosis.message


def test_it_is_given_up_between_two_ways() -> None:
    stages: list[str] = []
    with pytest.raises(GivenUp):
        equivalents.text(
            composition(PRODUCT, MATRIX, "ones((4, 2))"), stages.append, lambda: len(stages) > 2
        )
    assert len(stages) == 3
    assert set(stages) == {"comparing"}
