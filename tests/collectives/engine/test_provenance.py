"""Where an element of a result comes from: compared with what the definitions say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax import lax

from jaxtui.collectives.engine import provenance
from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.provenance import InputElements, Provenance, words
from jaxtui.collectives.engine.references import REFERENCES
from jaxtui.engine_base.errors import GivenUp
from jaxtui.session.session import Collective, Devices, Program, Session

pytestmark = pytest.mark.long

RING = "[(i, (i + 1) % devices) for i in range(devices)]"
TURN = "[(i + 1) % devices for i in range(devices)]"
HALVES = "[[0, 1, 2, 3], [4, 5, 6, 7]]"
CASES: list[tuple[str, dict[str, str]]] = [
    ("psum", {}),
    ("psum", {"axis_index_groups": HALVES}),
    ("pmean", {}),
    ("pmax", {}),
    ("pmin", {"axis_index_groups": HALVES}),
    ("all_gather", {"axis": "1"}),
    ("all_gather", {"tiled": "True", "axis_index_groups": HALVES}),
    ("all_to_all", {"split_axis": "0", "concat_axis": "1"}),
    ("all_to_all", {"split_axis": "0", "concat_axis": "0", "tiled": "True"}),
    ("ppermute", {"perm": RING}),
    ("ppermute", {"perm": "[(0, 1), (5, 2)]"}),
    ("psum_scatter", {}),
    ("pshuffle", {"perm": TURN}),
    ("pswapaxes", {"axis": "0"}),
    ("axis_index", {}),
    ("axis_size", {}),
]


def made(operation: str, via: str, value: str, source: str = "", **options: str) -> Session:
    return Session(
        devices=Devices(platform="cpu"),
        program=Program(source=source),
        collective=Collective(operation=operation, via=via, value=value, options=options),
    )


def ran(session: Session) -> collectives.CollectiveResult:
    return collectives.run(session, "", lambda stage: None, lambda: False)


def by_definition(called: Any, shape: tuple[int, ...]) -> Any:
    """[input element, output element], from the reference of one-hot inputs.

    All but the largest and smallest are linear; of those a single 1 (or -1) among zeros is seen.
    """
    name = called.operation.name
    size = int(np.prod(shape, dtype=int))
    sign = -1 if name == "pmin" else 1
    if name in ("axis_index", "axis_size"):
        return np.zeros((size, shape[0]), bool)
    found = []
    for element in range(size):
        x = np.zeros(size, int)
        x[element] = sign
        found.append(collectives.expected(called, [x.reshape(shape)]).rows.reshape(-1) != 0)
    return np.stack(found)


@pytest.mark.parametrize("via", ["pmap", "shard_map", "vmap"])
@pytest.mark.parametrize(("operation", "options"), CASES)
def test_every_collective_comes_from_what_its_definition_says(
    operation: str, options: dict[str, str], via: str
) -> None:
    partial = options.get("perm", "").startswith("[(0, 1)")
    if via == "vmap" and (partial or "axis_index_groups" in options):
        pytest.skip("vmap carries neither groups nor a part of a permutation")
    session = made(operation, via, "arange(128).reshape(8, 8, 2)", **options)
    found = ran(session)
    asked = collectives.provenance(session, "", found.before)
    true = by_definition(found.called, (8, 8, 2))
    for element in range(0, true.shape[1], 7):
        sources = asked.sources(0, element)
        assert sources.exact
        assert sources.indices == [np.flatnonzero(true[:, element]).tolist()]


DTYPES = ["float32", "int8", "uint32", "bool", "bfloat16", "float8_e5m2", "complex64", "int4"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    case=st.sampled_from([c for c in CASES if c[0] not in ("pmax", "pmin", "psum_scatter")]),
    dtype=st.sampled_from(DTYPES),
    via=st.sampled_from(["pmap", "shard_map"]),
    extra=st.integers(1, 3),
    element=st.integers(0, 10_000),
)
def test_it_holds_for_any_dtype_and_shape(
    case: tuple[str, dict[str, str]], dtype: str, via: str, extra: int, element: int
) -> None:
    operation, options = case
    value = f"(arange(64 * {extra}) % 5).reshape(8, 8, {extra}).astype('{dtype}')"
    session = made(operation, via, value, **options)
    found = ran(session)
    asked = collectives.provenance(session, "", found.before)
    true = by_definition(found.called, (8, 8, extra))
    element %= true.shape[1]
    assert asked.sources(0, element).indices == [np.flatnonzero(true[:, element]).tolist()]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float16", "float8_e4m3fn"])
@pytest.mark.parametrize("operation", ["pmax", "pmin"])
def test_the_largest_could_come_from_all_that_were_compared(operation: str, dtype: str) -> None:
    # The given values are the largest and smallest that the dtype has: no given one can win.
    value = f"jnp.array([[0, 1]] * 8).astype('{dtype}')"
    session = made(operation, "pmap", value)
    asked = collectives.provenance(session, "", ran(session).before)
    assert asked.sources(0, 5).indices == [[1, 3, 5, 7, 9, 11, 13, 15]]


def test_where_an_element_comes_from_is_the_same_over_explicit_axes() -> None:
    session = made("psum", "shard_map", "arange(64).reshape(8, 8) % 5")
    explicit = msgspec.structs.replace(
        session, devices=Devices(mesh={"x": 4, "y": 2}, axis_types={"x": "explicit", "y": "auto"})
    )
    asked = collectives.provenance(explicit, "", ran(explicit).before)
    assert asked.sources(0, 5).indices == [[5, 13, 21, 29, 37, 45, 53, 61]]


OWN: list[tuple[str, str, str, list[int]]] = [
    ("all", "x / lax.psum(jnp.sum(x), 'devices')", "arange(16.0).reshape(8, 2)", list(range(16))),
    ("centred", "x - lax.pmean(x, 'devices')", "arange(16.0).reshape(8, 2)", list(range(0, 16, 2))),
    (
        "neighbour",
        "lax.all_gather(x, 'devices')[(lax.axis_index('devices') + 1) % 8]",
        "arange(16.0).reshape(8, 2)",
        [4],
    ),
    ("positive part", "jnp.maximum(x, 0)", "-ones((8, 2))", [2]),
    ("nothing", "x * 0", "ones((8, 2))", []),
    ("cancelled", "x - x + 1", "ones((8, 2))", []),
    ("chosen by another", "jnp.where(x[1] > 0.5, x, 0)", "zeros((8, 2))", [2, 3]),
    ("integers by position", "jnp.take(x, x, mode='clip')", "zeros((8, 2), int)", [2, 3]),
    (
        "root mean square",
        "x / jnp.sqrt(lax.pmean(x**2, 'devices'))",
        "ones((8, 2))",
        list(range(0, 16, 2)),
    ),
]


@pytest.mark.parametrize("via", ["pmap", "shard_map"])
@pytest.mark.parametrize(("name", "body", "value", "expected"), OWN)
def test_it_holds_for_functions_of_ones_own(
    name: str, body: str, value: str, expected: list[int], via: str
) -> None:
    session = made("own", via, value, source=f"def own(x):\n    return {body}\n")
    asked = collectives.provenance(session, "", ran(session).before)
    assert asked.sources(0, 2).indices == [expected], name


def test_several_inputs_and_outputs_are_told_apart() -> None:
    source = "def own(t):\n    return lax.psum(t['a'], 'devices'), {'b': t['b'][::-1]}\n"
    value = "{'a': arange(8), 'b': arange(16.0).reshape(8, 2)}"
    session = made("own", "pmap", value, source=source)
    found = ran(session)
    asked = collectives.provenance(session, "", found.before)
    assert asked.sources(0, 3).indices == [list(range(8)), []]
    assert asked.sources(1, 6).indices == [[], [7]]


@pytest.mark.parametrize("via", ["pmap", "vmap"])
def test_a_key_is_one_element(via: str) -> None:
    session = made("pshuffle", via, "keys(16).reshape(8, 2)", perm=TURN)
    if via == "vmap" and jax.__version_info__ < (0, 7):
        pytest.skip("that vmap gathers no keys")
    asked = collectives.provenance(session, "", ran(session).before)
    assert asked.sources(0, 1).indices == [[3]]


@pytest.mark.parametrize("kind", ["rbg", "unsafe_rbg"])
def test_a_key_of_another_kind_is_one_element_too(kind: str) -> None:
    value = f"jax.random.split(jax.random.key(0, impl='{kind}'), (8, 2))"
    session = made("pshuffle", "pmap", value, perm=TURN)
    asked = collectives.provenance(session, "", ran(session).before)
    assert asked.sources(0, 1).indices == [[3]]


def carried(function: Callable[..., Any], *inputs: Any) -> Provenance:
    return Provenance(
        function,
        lambda f: jax.jit(jax.vmap(f, axis_name="devices")),
        [jnp.asarray(x) for x in inputs],
    )


def test_large_inputs_are_searched_for_one_element_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provenance, "DENSE_ELEMENTS", 1_000_000)
    x = np.arange(8 * 300.0).reshape(8, 300)
    asked = carried(lambda x: lax.psum(x[::-1], "devices"), x)
    sources = asked.sources(0, 7)
    assert sources.indices == [[row * 300 + 292 for row in range(8)]]
    assert sources.exact
    assert asked._dense is None
    everything = carried(lambda x: x / lax.psum(jnp.sum(x), "devices"), x).sources(0, 0)
    assert everything.count == 2400


def test_a_search_that_would_take_too_long_says_that_it_was_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provenance, "DENSE_ELEMENTS", 0)
    monkeypatch.setattr(provenance, "BUDGET_ELEMENTS", 10_000)
    x = np.arange(8 * 512.0).reshape(8, 512)
    sources = carried(lambda x: x[:1] + x[-1:], x).sources(0, 2)
    assert not sources.exact
    assert {2 * 512, 2 * 512 + 511} <= set(sources.indices[0])
    assert len(sources.indices[0]) < 4096
    assert "ended early" in words(sources, [x.shape], range(8), "")


def test_a_cancelled_search_is_given_up() -> None:
    asked = carried(lambda x: x, np.arange(8.0))
    with pytest.raises(GivenUp):
        asked.sources(0, 0, lambda: True)
    assert asked.sources(0, 0).indices == [[0]]


def test_a_function_without_a_batching_rule_is_asked_lane_by_lane() -> None:
    def body(x: Any) -> Any:
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda y: np.asarray(y)[::-1], shape, x)

    x = jnp.arange(16.0).reshape(8, 2)
    asked = Provenance(body, lambda f: jax.pmap(f, axis_name="devices"), [x])
    assert asked.sources(0, 4).indices == [[5]]


@pytest.mark.parametrize(
    ("indices", "shape", "made_of", "said"),
    [
        ([1, 3, 5, 7, 9, 11, 13, 15], (8, 2), "sum", "sum over devices 0–7 [1]"),
        ([3], (8, 2), "sum", "device 1 [1]"),
        ([1, 3, 9], (8, 2), "", "devices 0–1, 4 [1]"),
        ([0, 1, 2, 3], (8, 2), "", "devices 0–1, all of each block"),
        ([2, 3], (8, 2), "", "device 1, all of it"),
        ([0, 3], (8, 2), "", "device 0 [0], device 1 [1]"),
        ([4], (8,), "", "device 4"),
        ([], (8,), "", "no input element"),
        ([0, 2, 4], (8, 8), "", "device 0 [0] [2] [4]"),
        (list(range(0, 14, 2)), (8, 16), "", "device 0, 7 elements"),
        ([0, 3, 4, 7, 8], (8, 2), "largest", "largest over 5 elements on devices 0–4"),
    ],
)
def test_sources_are_said_in_words(
    indices: list[int], shape: tuple[int, ...], made_of: str, said: str
) -> None:
    assert words(InputElements([indices]), [shape], range(8), made_of) == said


def test_rows_are_told_apart_where_one_device_holds_them_all() -> None:
    assert words(InputElements([[0, 1]]), [(2,)], [0, 0], "sum") == "sum over rows 0–1"


def test_references_exist_for_all_cases() -> None:
    assert {name for name, _ in CASES} <= set(REFERENCES)
