"""Failures that JAX tells in terms of its own insides are told in the user's."""

from __future__ import annotations

import jax
import pytest
from msgspec import UNSET

from jaxtui.session.layers import Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.support.wrong import Wrong, check, run_failure, trace, wrong

BEFORE_0_8 = tuple(int(part) for part in jax.__version__.split(".")[:2]) < (0, 8)
ROWS = "x = arange(6.).reshape(2, 3)"
EIGHT = "x = arange(8.)"
DIVIDED = "P('devices')"
ON_DEVICES = ShardMap(in_specs=DIVIDED, out_specs=DIVIDED)
GROUPED = "x: lax.psum(x, 'devices', axis_index_groups=[[0, 1, 2, 3], [4, 5, 6, 7]])"
CALLBACK = """
def bad(v):
    raise ValueError('told by the callback')
def f(x):
    return jax.pure_callback(bad, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
"""
SCALED = "def f(x, *, scale): return x * scale\n"

# fmt: off
RARER = [
    wrong("a text is mapped", "x: x", "x = '3'", Vmap(), "axes", "0.in_axes",
        "x is a str: vmap maps arrays and numbers"),
    wrong("an ellipsis is mapped", "x: x", "x = ...", Vmap(), "axes", "0.in_axes",
        "x is a ellipsis: vmap maps"),
    wrong("texts are mapped", "x: x", "x = np.array(['a', 'b'])", Vmap(), "axes", "0.in_axes",
        "not a valid JAX array type"),
    wrong("a list of numbers is mapped", "x: x", "x = [1, 2]", Vmap(), "axes", "0.in_axes",
        r"x\[0\] is a single value", 1),
    wrong("a negative count of examples", "x: x", "x = 1", Vmap(in_axes="None", axis_size="-1"),
        "axes", "0.axis_size", "there cannot be -1"),
    wrong("one output of several differs", "x, y: {'a': x, 'b': x * y}", f"{ROWS}\ny = 1.",
        Vmap(in_axes="(0, None)", out_axes="{'a': 0, 'b': None}"), "axes", "0.out_axes",
        r"\['b'\] is the same for every example", 1),
    wrong("in_axes of another tree", "x: x[0]", "x = [ones(2), ones(2)]", Vmap(in_axes="([0],)"),
        "axes", "0.in_axes", "does not fit the arguments: (?!.*tree_map)"),
    wrong("an integer that no array holds", "x: x", "x = 2**40", Jit(), "value", "x",
        "JAX makes it an int32, at most 2147483647"),
    wrong("a part of a pytree is differentiated", "p: p['w'] ** 2", "p = {'w': 1., 'n': 3}",
        Grad(), "axes", "0.argnums", r"p\['n'\] is int", 0),
    wrong("an axis without a name", "x: lax.psum(x, 'j')", EIGHT, Vmap(axis_name="i"), "function",
        "program.source", "unbound axis name: j[.] No layer gives", 1),
    wrong("branches of other types", "x: lax.cond(True, lambda v: v, lambda v: v.astype(int), x)",
        EIGHT, Vmap(), "function", "program.source", r"float32\[\].*int32\[\]"),
    wrong("a text leaves jit", "x: ('a', x)", EIGHT, Jit(), "axes", "program.layers.0",
        "not a valid JAX type"),
    wrong("no device has anything to do", "x: x", "x = ones((0, 4))", Pmap(), "devices",
        "0.in_axes", "axis 0 of x is empty", 1),
    wrong("static arguments from the end", "x, n: x * n", f"{EIGHT}\nn = 3",
        Pmap(static_broadcasted_argnums="-1"), "axes", "0.static_broadcasted_argnums",
        "takes no negative", 1),
    wrong("an output is not the same on all devices", "x: x * 2", EIGHT,
        ShardMap(in_specs=DIVIDED, out_specs="P()"), "axes", "0.out_specs",
        "may differ: out_specs is .* replicated across mesh axis 'devices'", 1),
    wrong("specs in a list", "x, y: x + y", f"{EIGHT}\ny = 1.",
        ShardMap(in_specs="[P('devices'), P()]", out_specs=DIVIDED), "axes", "0.in_specs",
        "in_specs as a tuple", 1),
    wrong("a keyword argument has no spec", SCALED, f"{EIGHT}\nscale = 2.", ON_DEVICES, "axes",
        "0.in_specs", "goes by keyword only: scale"),
    wrong("groups that the check does not know", GROUPED, EIGHT, ON_DEVICES, "function",
        "program.source", "NotImplementedError, raised within JAX .* check_vma", 1),
    wrong("shard_map in shard_map", "x: x", "x = ones((8, 8))", (ON_DEVICES, ON_DEVICES), "axes",
        "program.layers.0", "takes no shard_map inside a shard_map"),
    wrong("a callback raises", CALLBACK, EIGHT, Jit(), "function", "program.source",
        "^line 3: ValueError: told by the callback, raised in a callback$", only_run=True),
]
# fmt: on


@pytest.mark.parametrize("case", RARER)
def test_it_is_said_what_is_wrong(case: Wrong) -> None:
    check(case)


@pytest.mark.skipif(BEFORE_0_8, reason="there a pmap may stand inside a pmap")
def test_a_pmap_inside_a_pmap_is_said_to_be_one() -> None:
    case: Wrong = wrong(
        "", "x: x", "x = ones((2, 4))", (Pmap(), Pmap()), "axes", "program.layers.0",
        "takes no pmap inside a pmap",
    ).values[0]  # fmt: skip
    check(case)


@pytest.mark.skipif(not BEFORE_0_8, reason="later releases take no pmap inside a pmap")
def test_pmaps_that_take_more_devices_together_than_there_are_are_refused() -> None:
    case: Wrong = wrong(
        "", "x: x", "x = ones((8, 8))", (Pmap(), Pmap()), "devices", "0.in_axes",
        "takes 64 devices in all, and there are 8",
    ).values[0]  # fmt: skip
    check(case)


@pytest.mark.skipif(not BEFORE_0_8, reason="later releases run it")
def test_a_shard_map_over_some_axes_needs_a_jit() -> None:
    layer = ShardMap(in_specs="P('x')", out_specs="P()", axis_names="{'x'}")
    case: Wrong = wrong(
        "", "x: lax.psum(x, 'x')", EIGHT, layer, "unsupported", "0.axis_names", "only inside a jit",
        mesh={"x": 4, "y": 2}, only_run=True,
    ).values[0]  # fmt: skip
    check(case)


def test_what_a_callback_raised_comes_with_the_users_own_lines() -> None:
    case: Wrong = wrong("", CALLBACK, EIGHT, Jit(), "function", "program.source", "").values[0]
    found = run_failure(case.session)
    assert found is not None
    assert found.line == 3
    assert found.frames is not UNSET
    assert found.frames[-1:] == ["line 3, in bad: raise ValueError('told by the callback')"]


def test_a_fix_that_breaks_the_value_it_changes_is_not_offered() -> None:
    source = "def f(p): return p['w'].sum()\n"
    value = "{'w': arange(3)}"
    session = Session(
        program=Program(source=source, arguments=[Argument(name="p", value=value)], layers=[Grad()])
    )
    found = trace(session).diagnosis
    assert found is not None
    assert found.fixes == []


def test_no_axes_are_offered_where_only_a_run_fails() -> None:
    given = "\n".join(
        f"{name} = jax.device_put(arange(3), jax.devices()[{i}])"
        for name, i in (("x", 1), ("y", 2))
    )
    case: Wrong = wrong("", "x, y: x + y", given, Vmap(), "function", "program.source", "").values[
        0
    ]
    found = run_failure(case.session)
    assert found is not None
    assert "incompatible devices" in found.message
    assert found.fixes == []


def offered(case: Wrong) -> list[str]:
    found = trace(case.session).diagnosis
    assert found is not None
    return [fix.field for fix in found.fixes]


@pytest.mark.parametrize(
    ("order", "mesh"), [([6, 2, 1, 0], None), (None, {"a": 2, "b": 4})], ids=["order", "mesh"]
)
def test_more_devices_are_not_offered_to_a_chosen_order_or_mesh(
    order: list[int] | None, mesh: dict[str, int] | None
) -> None:
    case: Wrong = wrong(
        "", "x: x", "x = arange(9.)", Pmap(), "devices", "0.in_axes", "", order=order, mesh=mesh
    ).values[0]
    assert set(offered(case)) == {"program.arguments.0.value"}


def test_has_aux_is_not_taken_away_from_what_no_gradient_has_without_it() -> None:
    case: Wrong = wrong(
        "", "x: {'v': x}", "x = 1.", Grad(has_aux="True"), "axes", "0.has_aux", ""
    ).values[0]
    assert offered(case) == []
