"""Collectives run for real: against the references, across transformations, and what is refused."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jax import lax

from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.support import takes_negative_dimensions
from jaxtui.collectives.travel import model as travel
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.collective_program import VIAS
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import AxisTypeName, Collective, Devices, Program, Session
from tests.support.tables import one_in

RING = OPERATIONS["ppermute"].given["perm"]
HALVES = "[[0, 1, 2, 3], [4, 5, 6, 7]]"
NOT_ON_CPU = ("pbroadcast", "ragged_all_to_all")


def made(
    operation: str,
    via: str = "pmap",
    value: str = "arange(16.0).reshape(8, 2)",
    *,
    code: str = "",
    devices: Devices = Devices(platform="cpu"),  # noqa: B008
    **options: str,
) -> Session:
    return Session(
        devices=devices,
        program=Program(source=code),
        collective=Collective(operation=operation, via=via, value=value, options=options),
    )


def run(session: Session) -> collectives.CollectiveResult:
    return collectives.run(session, "", lambda stage: None, lambda: False)


def result(session: Session) -> Any:
    ((_, leaf),) = run(session).after
    return np.asarray(leaf)


def refusal(session: Session) -> Diagnosis:
    with pytest.raises(Diagnosed) as caught:
        run(session)
    return caught.value.diagnosis


# -------------------------------------------------------------------------------- what they compute


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in NOT_ON_CPU])
def test_the_example_of_every_collective_runs_and_agrees_with_numpy(
    operation: str, via: str
) -> None:
    words = OPERATIONS[operation]
    ran = run(made(operation, via, words.value, **words.given))
    assert ran.checked is True, ran.note
    assert all(leaf.shape[0] == 8 for _, leaf in (*ran.before, *ran.after))


def test_the_values_are_those_of_the_definition() -> None:
    assert result(made("psum")).tolist() == [[56.0, 64.0]] * 8
    assert result(made("psum", axis_index_groups=HALVES)).tolist() == (
        [[12.0, 16.0]] * 4 + [[44.0, 48.0]] * 4
    )
    assert result(made("ppermute", perm="[(0, 1)]"))[:3].tolist() == [[0, 0], [0, 1], [0, 0]]


def test_own_functions_run_too_and_are_compared_with_nothing() -> None:
    source = "def normalize(x):\n    return x / (lax.psum(jnp.sum(x), 'devices') + 1e-8)\n"
    for via in VIAS:
        value = "arange(devices * 2.0).reshape(devices, 2) + 1"
        ran = run(made("normalize", via, value, code=source))
        assert ran.checked is None
        ((_, leaf),) = ran.after
        assert np.asarray(leaf).sum() == pytest.approx(1)
        assert np.asarray(leaf)[7, 1] == pytest.approx(16 / 136)


def test_a_pytree_is_one_collective_for_each_of_its_arrays() -> None:
    ran = run(made("psum", value="{'a': arange(8), 'b': (ones((8, 2)),)}"))
    assert [path for path, _ in ran.after] == ["['a']", "['b'][0]"]
    assert ran.checked is True


def test_placement_is_read_from_the_arrays_in_the_order_of_the_device_set() -> None:
    devices = Devices(platform="cpu", order=[5, 2, 7])
    for via in ("pmap", "shard_map"):
        ran = run(made("psum", via, "arange(3.0)", devices=devices))
        for _, leaf in (*ran.before, *ran.after):
            assert collectives.row_devices(leaf) == [5, 2, 7]
    assert collectives.row_devices(run(made("psum", "vmap")).before[0][1]) == [0] * 8


def test_the_flow_is_that_of_the_collective_alone() -> None:
    flow = run(made("all_gather")).flow
    outputs = flow.levels[0].outputs
    assert outputs is not None
    assert [(leaf.path, leaf.shape) for leaf in outputs] == [("", [8, 8, 2])]
    assert flow.function == "all_gather"


def test_a_collective_of_keys_moves_whole_keys() -> None:
    ran = run(made("ppermute", value="keys(8)", perm=RING))
    assert ran.checked is True
    given = jax.random.key_data(ran.before[0][1])
    moved = jax.random.key_data(ran.after[0][1])
    assert np.array_equal(np.roll(given, 1, axis=0), moved)


def test_a_largest_that_leaves_nan_out_is_not_said_to_agree() -> None:
    ran = run(made("pmax", value="array([1, 2, nan, 4, 5, 6, 7, 8])"))
    assert (ran.checked is True) == bool(np.isnan(np.asarray(ran.after[0][1])).all())
    assert bool(ran.note) == (ran.checked is False)


def test_a_wrong_result_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(collectives.REFERENCES, "psum", collectives.REFERENCES["pmax"])
    ran = run(made("psum"))
    assert (ran.checked, ran.wrong) == (False, 16)
    assert ran.note == "16 elements differ from the NumPy reference"


def test_it_is_given_up_between_stages() -> None:
    with pytest.raises(GivenUp):
        collectives.run(made("psum"), "", lambda stage: None, lambda: True)


def test_the_catalogue_is_that_of_the_installed_jax() -> None:
    there = collectives.available()
    assert {"psum", "ragged_all_to_all", "axis_size"} <= set(there)
    assert ("to" in there["all_gather"]) == (jax.__version_info__ >= (0, 8))
    assert there["ppermute"] == ["axis_name", "perm"]


# -------------------------------------------------- random shapes, dtypes, groups and options


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, int, str, dict[str, str]]:
    """(operation, devices, value, options) that fit one another."""
    operation = draw(st.sampled_from([name for name in OPERATIONS if name not in NOT_ON_CPU]))
    count = draw(st.sampled_from([2, 3, 4, 8]))
    options: dict[str, str] = {}
    size = count
    words = OPERATIONS[operation]
    if words.option("axis_index_groups") and draw(st.booleans()):
        order = draw(st.permutations(range(count)))
        size = draw(st.sampled_from([n for n in range(1, count + 1) if count % n == 0]))
        groups = [list(order[i : i + size]) for i in range(0, count, size)]
        options["axis_index_groups"] = str(groups)
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    cutting = {"all_to_all": "split_axis", "pswapaxes": "axis", "psum_scatter": "scatter_dimension"}
    if words.option("tiled") and draw(st.booleans()):
        options["tiled"] = "True"
    if operation in cutting:
        dimension = draw(st.integers(0, len(shape)))
        parts = draw(st.integers(1, 2)) if "tiled" in options else 1
        shape.insert(dimension, size * parts)
        options[cutting[operation]] = str(dimension)
    if operation == "all_to_all":
        options["concat_axis"] = str(draw(st.integers(0, len(shape) - 1)))
    if operation == "all_gather":
        assume(shape or "tiled" not in options)
        top = len(shape) - (1 if "tiled" in options else 0)
        options["axis"] = str(draw(st.integers(-top - (0 if "tiled" in options else 1), top)))
        assume("tiled" not in options or -len(shape) <= int(options["axis"]) < len(shape))
    if operation == "ppermute":
        targets = draw(st.permutations(range(count)))
        kept = draw(st.integers(0, count))
        options["perm"] = str(list(enumerate(targets))[:kept])
    if operation == "pshuffle":
        options["perm"] = str(list(draw(st.permutations(range(count)))))
    kinds = ["float32", "int32", "int8", "uint32", "bool", "bfloat16", "float16", "complex64"]
    kinds += ["float8_e4m3fn", "int4"]
    dtype = draw(st.sampled_from(kinds))
    assume(not (dtype == "bool" and operation == "psum_scatter"))
    assume(not (dtype == "complex64" and operation in ("pmax", "pmin")))
    assume(not (dtype == "int4" and operation == "pmean" and jax.__version_info__ < (0, 7)))
    whole = str((count, *shape))
    value = f"(normal(*{whole}, seed={draw(st.integers(0, 99))}) * 4).astype('{dtype}')"
    if dtype == "complex64":
        value = f"(normal(*{whole}) + 1j * normal(*{whole}, seed=1))"
    return operation, count, value, options


def carried(case: tuple[str, int, str, dict[str, str]], via: str) -> Any:
    """The result as an array, None where the transformation is known not to carry it."""
    operation, count, value, options = case
    devices = Devices(platform="cpu", order=list(range(count)))
    try:
        ran = run(made(operation, via, value, devices=devices, **options))
    except Diagnosed as error:
        refused = error.diagnosis
    else:
        refused = None
    if refused is not None:
        # JAX itself gathers no empty blocks between devices.
        if "cannot be zero" in refused.message:
            return None
        offered = [fix.text for fix in refused.fixes[:1]]
        assert (via, refused.kind, offered) == ("vmap", "unsupported", ["pmap"]), (case, refused)
        return None
    assert ran.checked is True, (case, via, ran.note)
    leaf = ran.after[0][1]
    return np.asarray(leaf) if leaf.size else np.empty(leaf.shape, leaf.dtype)


def agree(case: tuple[str, int, str, dict[str, str]]) -> None:
    """All three agree with the reference and with one another, to the bit where data only moves."""
    results = [result for via in VIAS if (result := carried(case, via)) is not None]
    for first, other in itertools.pairwise(results):
        assert (other.shape, other.dtype) == (first.shape, first.dtype)
        exact = case[0] not in ("psum", "pmean", "psum_scatter") or first.dtype.kind in "iub"
        if exact:
            assert np.array_equal(first, other)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
@pytest.mark.long
def test_random_collectives_agree_with_numpy_and_across_transformations(case: Any) -> None:
    agree(case)


@pytest.mark.long
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_many_random_collectives_agree(case: Any) -> None:
    agree(case)


@pytest.mark.parametrize("kind", ["auto", "explicit"])
@pytest.mark.parametrize("axes", one_in(2, ["x", "y", "y, x"]))
@pytest.mark.parametrize(
    "operation", ["psum", "all_gather", "all_to_all", "psum_scatter", "axis_index"]
)
def test_a_mesh_of_two_axes_agrees_along_either_and_both(
    operation: str, axes: str, kind: AxisTypeName
) -> None:
    length = {"x": 4, "y": 2}.get(axes, 8)
    given = OPERATIONS[operation].given
    types: dict[str, AxisTypeName] = {"x": kind, "y": kind}
    devices = Devices(platform="cpu", mesh={"x": 4, "y": 2}, axis_types=types)
    value = f"normal(8, {length}, 3)"
    options = {**given, "axis_name": axes}
    assert run(made(operation, "shard_map", value, devices=devices, **options)).checked is True


def test_groups_go_along_one_axis_of_a_mesh_too() -> None:
    devices = Devices(platform="cpu", mesh={"x": 4, "y": 2})
    options = {"axis_name": "x", "axis_index_groups": "[[0, 3], [2, 1]]"}
    assert run(made("psum", "shard_map", devices=devices, **options)).checked is True


# ------------------------------------------------------------------------------------- the models


MODELLED: list[tuple[str, list[int], dict[str, Any]]] = [
    # 0 stands for what has to be as long as there are devices.
    ("psum", [5], {}),
    ("pmax", [2, 3], {}),
    ("pmin", [], {}),
    ("pmean", [3], {}),
    ("all_gather", [2, 3], {"axis": 1}),
    ("all_gather", [2, 3], {"axis": -1, "tiled": True}),
    ("psum_scatter", [2, 0, 3], {"scatter_dimension": 1}),
    ("psum_scatter", [0, 2], {"tiled": True}),
    ("all_to_all", [2, 0], {"split_axis": 1, "concat_axis": 0}),
    ("all_to_all", [3, 0, 2], {"split_axis": 1, "concat_axis": 2, "tiled": True}),
    ("pswapaxes", [2, 0], {"axis": 1}),
    ("ppermute", [2], {"perm": "ring"}),
    ("pshuffle", [2], {"perm": "turn"}),
]


def fitted(options: dict[str, Any], count: int) -> dict[str, Any]:
    perms = {
        "ring": [(i, (i + 1) % count) for i in range(count)],
        "turn": [(i + 1) % count for i in range(count)],
    }
    return {k: perms[v] if k == "perm" else v for k, v in options.items()}


@pytest.mark.parametrize("count", one_in(3, range(2, 17)))
def test_the_last_step_of_every_model_is_the_real_result(count: int) -> None:
    blocks = [
        [n or (2 if "tiled" in options else 1) * count for n in shape]
        for _, shape, options in MODELLED
    ]
    sizes = [(count, *block) for block in blocks]
    arrays = [
        (7 * np.arange(np.prod(size)) % 19 - 9).astype(np.int32).reshape(size) for size in sizes
    ]

    def together(*given: Any) -> list[Any]:
        return [
            getattr(lax, name)(x, "devices", **fitted(options, count))
            for x, (name, _, options) in zip(given, MODELLED, strict=True)
        ]

    results = jax.jit(jax.vmap(together, axis_name="devices"))(*arrays)
    for x, real, (name, _, options) in zip(arrays, results, MODELLED, strict=True):
        for algorithm in travel.algorithms(name):
            groups = [list(range(count))]
            if travel.obstacle(algorithm.name, groups):
                continue
            found = travel.follow(
                algorithm.name, name, x.tolist(), x.shape, "int32", groups, fitted(options, count)
            )
            assert found.shape == list(real.shape)
            # A mean is rounded to float32 by the device, and exact in the model.
            assert np.allclose(np.asarray(found.result), real, rtol=1e-6), (name, algorithm)


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("session", "field", "said", "fix"),
    [
        (made("psum", value="arange(9)"), "value", "9 blocks, but 8 devices", "vmap"),
        (made("psum", "shard_map", "arange(9)"), "value", "9 blocks, but 8 devices", "9"),
        (made("psum", "shard_map", "arange(4)"), "value", "4 blocks for 8", "pmap"),
        (made("psum", value="[1, 2]"), "value", "a list is a pytree", "array([1, 2])"),
        (made("psum", value="3.0"), "value", "each device needs a row", None),
        (made("psum", value="float32(3)"), "value", "no rows", "full(devices, float32(3))"),
        (made("psum", value=""), "value", "needs a value", None),
        (made("psum", value="ones((8,"), "value", "never closed", None),
        (made("psum", value="onse(8)"), "value", "onse", "ones(8)"),
        (made("psum", value="(ones(8), ones(4))"), "value", "4, 8 differ", None),
        (made("psum", value="zeros((0, 2))"), "value", "no rows", None),
        (made("psum", value="keys(8)"), "value", "keys have no sum", None),
        (made("pmax", value="arange(8) * 1j"), "value", "complex", "vmap"),
        (made("psum_scatter", value="zeros(8)"), "value", "a single number", None),
        (
            made("psum_scatter", value="zeros((8, 8), bool)"),
            "value",
            "no bool",
            "(zeros((8, 8), bool)).astype(int)",
        ),
        (made("all_gather", value="keys(8)"), "value", "no PRNG keys", "vmap"),
        (
            made("psum", "vmap", axis_index_groups=HALVES),
            "options.axis_index_groups",
            "vmap",
            "pmap",
        ),
        (
            made("psum", axis_index_groups="[[0, 1], [1, 2]]"),
            "options.axis_index_groups",
            "overlap: position 1",
            HALVES,
        ),
        (
            made("psum", axis_index_groups="[[0, 1, 2]]"),
            "options.axis_index_groups",
            "positions 3, 4, 5, 6, 7 are in no group",
            HALVES,
        ),
        (
            made("pmean", axis_index_groups="[[0, 1, 2], [3, 4, 5, 6, 7]]"),
            "options.axis_index_groups",
            "differ in size: pmean would divide",
            HALVES,
        ),
        (
            made("all_gather", axis_index_groups="[[0, 1, 2], [3, 4, 5, 6, 7]]"),
            "options.axis_index_groups",
            "differ in size",
            HALVES,
        ),
        (
            made("psum", axis_index_groups="[[0], [9]]"),
            "options.axis_index_groups",
            "no position 9",
            None,
        ),
        (made("psum", axis_index_groups="[[], [0]]"), "options.axis_index_groups", "without", None),
        (made("psum", axis_index_groups="3"), "options.axis_index_groups", "does not fit", None),
        (made("psum", axis_index_groups="[[0"), "options.axis_index_groups", "never closed", None),
        (made("ppermute", perm="[(0, 1), (0, 2)]"), "options.perm", "0 sends twice", RING),
        (made("ppermute", perm="[(0, 1), (2, 1)]"), "options.perm", "1 receives twice", RING),
        (made("ppermute", perm="[(-1, 0)]"), "options.perm", "no position -1", RING),
        (made("ppermute", perm="[(0, 8)]"), "options.perm", "no position 8", RING),
        (made("ppermute", perm="[1, 2]"), "options.perm", "list of pairs", None),
        (made("ppermute", "vmap", perm="[(0, 1)]"), "options.perm", "every position", "pmap"),
        (made("pshuffle", perm="[0, 0, 1]"), "options.perm", "no permutation", None),
        (made("psum_scatter", value="zeros((8, 9))"), "options.scatter_dimension", "9 long", None),
        (
            made("psum_scatter", "vmap", value="zeros((8, 9))"),
            "options.scatter_dimension",
            "as long as the 8 devices",
            None,
        ),
        (made("psum_scatter", value="zeros((8, 16))"), "options.scatter_dimension", "16", "True"),
        (
            made("all_to_all", value="zeros((8, 3, 8))", split_axis="0", concat_axis="0"),
            "options.split_axis",
            "3 long",
            "1",
        ),
        (
            made("all_to_all", value="zeros((8, 8))", split_axis="0", concat_axis="3"),
            "options.concat_axis",
            "no dimension 3",
            "0",
        ),
        (made("all_gather", axis="2"), "options.axis", "no dimension 2", "0"),
        (made("all_gather", value="ones(8)", tiled="True"), "options.tiled", "stack", "False"),
        (made("all_gather", tiled="1"), "options.tiled", "True or False", None),
        (made("pbroadcast", source="3"), "operation", "not implemented on cpu", None),
        (made("pbroadcast", "vmap", source="3"), "operation", "under vmap", None),
        (
            made(
                "ragged_all_to_all", value="zeros((8, 8))", **OPERATIONS["ragged_all_to_all"].given
            ),
            "operation",
            "not implemented on cpu",
            "all_to_all",
        ),
    ],
)
def test_what_cannot_work_is_said_at_its_field_with_what_does(
    session: Session, field: str, said: str, fix: str | None
) -> None:
    found = refusal(session)
    assert found.field == f"collective.{field}"
    assert said in found.message
    assert fix is None or fix in [f.text for f in found.fixes]


def test_a_permutation_along_axes_in_another_order_is_refused() -> None:
    devices = Devices(platform="cpu", mesh={"x": 4, "y": 2})
    found = refusal(made("ppermute", "shard_map", devices=devices, axis_name="y, x", perm=RING))
    assert (found.field, found.fixes[0].text) == ("collective.options.axis_name", "('x', 'y')")


def test_an_option_that_this_jax_lacks_is_refused() -> None:
    if jax.__version_info__ >= (0, 8):
        found = refusal(made("all_gather", "vmap", to="'nonsense'"))
    else:
        found = refusal(made("all_gather", to="'varying'"))
        assert found.kind == "unsupported"
    assert found.field == "collective.options.to"


def test_a_failure_in_ones_own_function_is_at_its_own_line() -> None:
    found = refusal(made("own", "shard_map", code="def own(x):\n    return x[5, 5, 5]\n"))
    assert (found.field, found.line) == ("program.source", 2)


def test_a_function_that_names_another_axis_is_told_how_to_name_it() -> None:
    found = refusal(made("own", code="def own(x):\n    return lax.psum(x, 'i')\n"))
    assert found.field == "program.source"
    assert [(f.field, f.text) for f in found.fixes] == [("collective.options.axis_name", "i")]


def test_dimensions_from_the_end_work_or_are_refused_with_the_number_that_works() -> None:
    for via in VIAS:
        session = made(
            "psum_scatter", via, "arange(128.0).reshape(8, 2, 8)", scatter_dimension="-1"
        )
        if takes_negative_dimensions():
            assert run(session).checked is True
        else:
            assert refusal(session).fixes[0].text == "1"


# ------------------------------------------------------------------------------- sixteen devices


_SIXTEEN = """
import json, sys
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.collective_program import VIAS
from jaxtui.collectives.engine import run as collectives
from jaxtui.engine_base import devices
from jaxtui.session.session import AxisTypeName, Collective, Devices, Session
devices.configure("cpu", 16)
said = {}
for name, words in OPERATIONS.items():
    if name in ("pbroadcast", "ragged_all_to_all"):
        continue
    for via in VIAS:
        asked = Collective(operation=name, via=via, value=words.value, options=words.given)
        session = Session(devices=Devices(platform="cpu", count=16), collective=asked)
        ran = collectives.run(session, "", lambda stage: None, lambda: False)
        said[f"{name} {via}"] = [ran.checked, ran.after[0][1].shape[0]]
print(json.dumps(said))
"""


@pytest.mark.long
def test_sixteen_devices_work_on_any_number_of_cores() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SIXTEEN], capture_output=True, text=True, timeout=110, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert len(said) == 3 * (len(OPERATIONS) - 2)
    assert all(found == [True, 16] for found in said.values()), said


def test_bfloat16_sums_are_compared_in_their_own_precision() -> None:
    ran = run(made("psum", value="normal(8, 64).astype('bfloat16')"))
    assert ran.checked is True
    assert ran.after[0][1].dtype == jnp.bfloat16
