"""The shape flow and random vmaps: what is mapped, marked, and refused is what bare JAX says."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from jaxtui.program.engine import evaluation
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, ValueAndGrad, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.report import FlowLeaf, Level
from tests.support.bare import shapes
from tests.support.wrong import composition, trace

# Mostly sizes that agree and axes that are there, so that most programs are right.
SIZES = st.sampled_from([2, 2, 2, 2, 3, 0, 1])
DIMENSIONS = st.lists(SIZES, max_size=4).map(tuple)


def axes_of(rank: int) -> st.SearchStrategy[int | None]:
    there = st.integers(-rank, max(rank - 1, 0))
    return st.one_of(there, there, there, st.none(), st.integers(-4, 4))


def session(source: str, values: dict[str, str], *layers: AnyLayer, **devices: Any) -> Session:
    arguments = [Argument(name=name, value=value) for name, value in values.items()]
    program = Program(source=source, arguments=arguments, layers=list(layers))
    return Session(program=program, devices=Devices(**devices))


def levels(made: Session) -> list[Level]:
    traced = trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    return traced.flow.levels


def marked(leaves: list[FlowLeaf] | None) -> list[str]:
    """Leaves as one would write them: `x f32[‹3›, 2]` without the dtype."""
    return [
        f"{leaf.path}[{', '.join(_size(leaf, i) for i in range(len(leaf.shape)))}]"
        for leaf in leaves or []
    ]


def _size(leaf: FlowLeaf, dimension: int) -> str:
    return f"‹{leaf.shape[dimension]}›" if dimension in leaf.marks else str(leaf.shape[dimension])


def taken_away(leaf: FlowLeaf) -> list[int]:
    return [n for i, n in enumerate(leaf.shape) if i not in leaf.marks]


# -------------------------------------------------------------------------------- random programs


@settings(max_examples=80, deadline=None)
@given(
    given_shapes=st.lists(DIMENSIONS, min_size=1, max_size=3),
    data=st.data(),
    axis_size=st.sampled_from([None, None, None, 2, 3]),
)
@pytest.mark.long
def test_a_random_vmap_does_or_refuses_what_bare_vmap_does(
    given_shapes: list[tuple[int, ...]], data: Any, axis_size: int | None
) -> None:
    in_axes = tuple(data.draw(axes_of(len(shape))) for shape in given_shapes)
    out_axes = data.draw(axes_of(1))
    names = "abc"[: len(given_shapes)]
    total = " + ".join(f"jnp.sum({name})" for name in names)
    source = f"def f({', '.join(names)}):\n    return jnp.sum(a) * 2, {total}\n"
    made = session(
        source,
        {name: f"ones({shape})" for name, shape in zip(names, given_shapes, strict=True)},
        Vmap(
            in_axes=repr(in_axes),
            out_axes=repr(out_axes),
            axis_size="" if axis_size is None else repr(axis_size),
        ),
    )

    seen: list[Any] = []

    def f(*args: Any) -> Any:
        seen.append(shapes(args))
        return jnp.sum(args[0]) * 2, sum(map(jnp.sum, args))

    arrays = [jnp.ones(shape) for shape in given_shapes]
    traced = trace(made)
    try:
        mapped = jax.vmap(f, in_axes=in_axes, out_axes=out_axes, axis_size=axis_size)
        expected = jax.eval_shape(mapped, *arrays)
    except Exception:
        assert traced.diagnosis is not None
        return
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    given_level, inside = traced.flow.levels
    assert [(tuple(x.shape), x.dtype) for x in given_level.outputs or []] == shapes(expected)
    assert [(tuple(x.shape), x.dtype) for x in inside.inputs or []] == seen[0]
    for leaf, axis, inner in zip(
        given_level.inputs or [], in_axes, inside.inputs or [], strict=True
    ):
        assert leaf.marks == ([] if axis is None else [axis % len(leaf.shape)])
        assert taken_away(leaf) == inner.shape
    for leaf, inner in zip(given_level.outputs or [], inside.outputs or [], strict=True):
        assert leaf.marks == ([] if out_axes is None else [out_axes % len(leaf.shape)])
        assert taken_away(leaf) == inner.shape


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(SIZES, min_size=2, max_size=4).map(tuple),
    other=st.lists(SIZES, min_size=1, max_size=3).map(tuple),
    inner_axes=st.tuples(axes_of(1), axes_of(1)),
    outer_axes=st.tuples(axes_of(2), axes_of(2)),
    out_axes=st.tuples(st.integers(-2, 1), st.integers(-2, 1)),
)
@pytest.mark.long
def test_random_nested_vmaps_give_or_refuse_what_bare_vmaps_do(
    shape: tuple[int, ...],
    other: tuple[int, ...],
    inner_axes: tuple[int | None, int | None],
    outer_axes: tuple[int | None, int | None],
    out_axes: tuple[int, int],
) -> None:
    made = session(
        "def f(a, b):\n    return jnp.sum(a) * 2 + b\n",
        {
            "a": f"arange({int(np.prod(shape))}.).reshape({shape})",
            "b": f"arange({int(np.prod(other))}.).reshape({other})",
        },
        Vmap(in_axes=repr(inner_axes), out_axes=repr(out_axes[0])),
        Vmap(in_axes=repr(outer_axes), out_axes=repr(out_axes[1])),
    )

    def f(a: Any, b: Any) -> Any:
        return jnp.sum(a) * 2 + b

    a = jnp.arange(float(np.prod(shape))).reshape(shape)
    b = jnp.arange(float(np.prod(other))).reshape(other)
    traced = trace(made)
    try:
        bare = jax.vmap(jax.vmap(f, inner_axes, out_axes[0]), outer_axes, out_axes[1])
        expected = bare(a, b)
    except Exception:
        assert traced.diagnosis is not None
        assert traced.diagnosis.field.startswith("program.layers.")
        return
    assert traced.diagnosis is None, traced.diagnosis
    ran = evaluation.run(composition(made), lambda stage: None, lambda: False)
    ((_, result),) = ran.leaves
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert np.asarray(result).tobytes() == np.asarray(expected).tobytes()
    assert to_builtins(ran.flow) == to_builtins(traced.flow)


# ---------------------------------------------------------------------------------- levels in words


def test_the_flow_marks_what_each_layer_takes_away_and_puts_back() -> None:
    made = session(
        "def product(matrix, scale, vector):\n    return jnp.dot(matrix, vector) * scale\n",
        {"matrix": "ones((8, 4, 2, 2))", "scale": "array(2.0)", "vector": "ones((8, 4, 2))"},
        Vmap(in_axes="(0, None, 0)", axis_name="batch"),
        Pmap(in_axes="(0, None, 0)", axis_name="devices"),
    )
    outside, on_device, own = levels(made)
    assert [x.label for x in (outside, on_device, own)] == [
        "given",
        "pmap devices·8",
        "vmap batch·4",
    ]
    assert [x.layer for x in (outside, on_device, own)] == [-1, 1, 0]
    assert marked(outside.inputs) == ["matrix[‹8›, 4, 2, 2]", "scale[]", "vector[‹8›, 4, 2]"]
    assert marked(on_device.inputs) == ["matrix[‹4›, 2, 2]", "scale[]", "vector[‹4›, 2]"]
    assert marked(own.inputs) == ["matrix[2, 2]", "scale[]", "vector[2]"]
    assert marked(own.outputs) == ["[2]"]
    assert marked(on_device.outputs) == ["[‹4›, 2]"]
    assert marked(outside.outputs) == ["[‹8›, 4, 2]"]


def test_shard_map_divides_dimensions_and_keeps_them() -> None:
    made = session(
        "def f(x, p):\n    return x * p['w'], lax.psum(x, 'x')\n",
        {"x": "ones((8, 4))", "p": "{'w': ones((1, 1))}"},
        ShardMap(in_specs="(P('x', 'y'), P())", out_specs="(P('x', 'y'), P(None, 'y'))"),
        mesh={"x": 4, "y": 2},
    )
    outside, inside = levels(made)
    assert inside.label == "shard_map x·4 y·2"
    assert inside.size == 8
    assert marked(outside.inputs) == ["x[‹8›, ‹4›]", "p['w'][1, 1]"]
    assert marked(inside.inputs) == ["x[2, 2]", "p['w'][1, 1]"]
    assert marked(outside.outputs) == ["[0][‹8›, ‹4›]", "[1][2, ‹4›]"]


def test_trees_keep_their_paths_through_every_level() -> None:
    made = session(
        "def f(p, x):\n    return {'loss': p['w'] @ x, 'aux': (x, None)}\n",
        {"p": "{'w': ones((5, 3)), 'b': [1.0]}", "x": "ones((7, 3))"},
        Vmap(in_axes="(None, 0)", out_axes="{'loss': 1, 'aux': 0}"),
    )
    outside, inside = levels(made)
    assert marked(outside.inputs) == ["p['b'][0][]", "p['w'][5, 3]", "x[‹7›, 3]"]
    assert marked(inside.inputs) == ["p['b'][0][]", "p['w'][5, 3]", "x[3]"]
    assert marked(outside.outputs) == ["['aux'][0][‹7›, 3]", "['loss'][5, ‹7›]"]


@pytest.mark.parametrize(
    ("layer", "label", "outputs"),
    [
        (Grad(), "grad", ["[3]"]),
        (Grad(argnums="(0, 1)"), "grad", ["[0][3]", "[1][]"]),
        (ValueAndGrad(), "value_and_grad", ["[0][]", "[1][3]"]),
        (Jit(), "jit", ["[]"]),
    ],
)
def test_layers_that_map_nothing_have_no_size_and_no_marks(
    layer: AnyLayer, label: str, outputs: list[str]
) -> None:
    source = "def f(x, s):\n    return (x * s).sum()\n"
    outside, inside = levels(session(source, {"x": "ones(3)", "s": "2.0"}, layer))
    assert (inside.label, inside.size) == (label, None)
    assert marked(outside.inputs) == marked(inside.inputs) == ["x[3]", "s[]"]
    assert marked(outside.outputs) == outputs
    assert marked(inside.outputs) == ["[]"]


def test_an_axis_without_a_name_is_labelled_by_its_size() -> None:
    assert levels(session("def f(x): return x\n", {"x": "ones(3)"}, Vmap()))[1].label == "vmap of 3"


def test_static_arguments_show_their_value() -> None:
    made = session(
        "def f(x, n):\n    return x ** n\n",
        {"x": "ones(8)", "n": "3"},
        Pmap(static_broadcasted_argnums="1"),
    )
    for level in levels(made):
        assert level.inputs is not None
        assert (level.inputs[1].path, level.inputs[1].value) == ("n", "3")


def test_keyword_arguments_are_mapped_over_their_first_axis() -> None:
    made = session(
        "def f(x, *, k):\n    return x * k\n", {"x": "ones(3)", "k": "ones((3, 2))"}, Vmap()
    )
    outside, inside = levels(made)
    assert marked(outside.inputs) == ["x[‹3›]", "k[‹3›, 2]"]
    assert marked(inside.inputs) == ["x[]", "k[2]"]


def test_a_failure_in_the_function_leaves_the_levels_it_came_through() -> None:
    traced = trace(session("def f(x):\n    return x @ x\n", {"x": "ones((4, 2, 3))"}, Vmap()))
    assert traced.diagnosis is not None
    assert traced.flow is not None
    outside, inside = traced.flow.levels
    assert marked(outside.inputs) == ["x[‹4›, 2, 3]"]
    assert marked(inside.inputs) == ["x[2, 3]"]
    assert outside.outputs is None
    assert inside.outputs is None


def test_a_failure_on_the_way_out_leaves_what_the_function_returned() -> None:
    traced = trace(session("def f(x):\n    return x\n", {"x": "ones((4, 2))"}, Vmap(out_axes="3")))
    assert traced.flow is not None
    outside, inside = traced.flow.levels
    assert marked(inside.outputs) == ["[2]"]
    assert outside.outputs is None


def test_a_refused_layer_leaves_what_was_given() -> None:
    traced = trace(session("def f(x):\n    return x\n", {"x": "ones(4)"}, Vmap(in_axes="2")))
    assert traced.flow is not None
    outside, inside = traced.flow.levels
    assert marked(outside.inputs) == ["x[4]"]
    assert inside.inputs is None


def test_shapes_that_only_a_run_can_tell_are_said_to_be() -> None:
    made = session("def f(x):\n    return x[x > 1]\n", {"x": "arange(5)"})
    traced = trace(made)
    assert traced.diagnosis is None
    assert traced.deferred
    ran = evaluation.run(composition(made), lambda stage: None, lambda: False)
    assert marked(ran.flow.levels[0].outputs) == ["[3]"]


@pytest.mark.parametrize(
    ("layers", "stages"),
    [
        ((), ["tracing", "placing", "running"]),
        ((Vmap(),), ["tracing", "placing", "running"]),
        ((Vmap(), Jit()), ["tracing", "placing", "tracing", "compiling", "running"]),
        ((Pmap(),), ["tracing", "placing", "tracing", "compiling", "running"]),
    ],
)
def test_a_run_tells_its_stages(layers: tuple[AnyLayer, ...], stages: list[str]) -> None:
    told: list[str] = []
    made = session("def f(x):\n    return x\n", {"x": "ones(8)"}, *layers)
    evaluation.run(composition(made), told.append, lambda: False)
    assert [x for i, x in enumerate(told) if told[i - 1 : i] != [x]] == stages


def test_a_run_is_given_up_between_two_stages() -> None:
    told: list[str] = []
    made = session("def f(x):\n    return x\n", {"x": "ones(8)"}, Vmap(), Jit())
    with pytest.raises(evaluation.GivenUp):
        evaluation.run(composition(made), told.append, lambda: "compiling" in told)
    assert told[-1] == "compiling"


def test_what_a_run_costs_is_told_by_its_trace() -> None:
    def cost(source: str, value: str, *layers: AnyLayer) -> int:
        found = trace(session(source, {"x": value}, *layers)).cost
        assert found is not None
        return found

    assert cost("def f(x): return x\n", "ones(100)") == 100
    assert cost("def f(x): return x + 1\n", "ones((10, 10))", Vmap()) == 200
    assert cost("def f(x): return x @ x\n", "ones((100, 100))") >= 10**6
    loop = "def f(x): return lax.fori_loop(0, 1000, lambda i, v: v + 1, x)\n"
    assert cost(loop, "ones(100)") >= 100_000
