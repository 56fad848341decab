"""Arguments lie where `jax.device_put` puts them; shardings that do not fit are said at theirs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.engine_base import meshes
from jaxtui.program.engine import evaluation, placing, spec_trees
from jaxtui.program.engine.prepared import prepare
from jaxtui.session.export import script
from jaxtui.session.layers import Jit, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session, with_fix
from jaxtui.wire.base import Composition
from tests.support.scripts import names_of
from tests.support.wrong import check, wrong

MESH = {"data": 4, "model": 2}
TREE = "{'a': ones((8, 4)), 'b': [arange(8.), np.ones((4, 2), 'float32')]}"


def session(value: str, sharding: str, mesh: dict[str, int] | None = None) -> Session:
    return Session(
        devices=Devices(mesh=mesh or MESH),
        program=Program(
            source="def f(x):\n    return x\n",
            arguments=[Argument(name="x", value=value, sharding=sharding)],
        ),
    )


def over_mesh(specs: Any) -> Any:
    grid = np.array(jax.devices()).reshape(4, 2)
    mesh = Mesh(grid, tuple(MESH), axis_types=(AxisType.Auto,) * 2)
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec), specs, is_leaf=lambda x: isinstance(x, P)
    )


# fmt: off
PLACED = [
    ("arange(8.)", "P('data')"),
    ("arange(8.)", "P(('data', 'model'))"),
    ("arange(8.)", "P(('model', 'data'))"),
    ("arange(8.)", "P()"),
    ("arange(8.)", "P(None)"),
    ("ones((8, 4))", "P('data', 'model')"),
    ("ones((8, 4))", "P(None, 'model')"),
    ("ones((4, 0))", "P('data')"),
    ("3.0", "P()"),
    ("np.arange(8)", "P('model')"),
    ("jax.random.split(jax.random.key(0), 8)", "P('data')"),
    (TREE, "P('model')"),
    (TREE, "P('data')"),
    (TREE, "{'a': P('data', 'model'), 'b': P('model')}"),
    (TREE, "{'a': P('data', 'model'), 'b': [P(('data', 'model')), P(None, 'model')]}"),
    (TREE, "{'a': P('data', 'model'), 'b': None}"),
    (TREE, "{'a': None, 'b': [None, P('data')]}"),
    (TREE, "dict(b=[P('model'), P()], a=P())"),
    ("(ones(4), ones(8))", "(P('data'), P('model'))"),
    ("[ones(4), None, ones(8)]", "[P('data'), P(), P('model')]"),
    ("ones(8)", "None"),
    ("{'a': ones(8)}", "{'a': None}"),
]
# fmt: on


@pytest.mark.parametrize(("value", "sharding"), PLACED)
def test_an_argument_lies_where_device_put_puts_it(value: str, sharding: str) -> None:
    names = {**vars(jnp), "jax": jax, "np": np, "P": P, "dict": dict}
    bare = jax.device_put(eval(value, dict(names)), over_mesh(eval(sharding, dict(names))))
    of = session(value, sharding)
    composition = Composition(program=of.program, devices=of.devices)
    traced = evaluation.trace(composition)
    assert traced.diagnosis is None, traced.diagnosis
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    exported = names_of(script(of))["result"]
    theirs = jax.tree.leaves(bare)
    assert len(ran.leaves) == len(theirs)
    placed = sharding != "None"
    for (_, ours), leaf, other in zip(ran.leaves, theirs, jax.tree.leaves(exported), strict=True):
        assert isinstance(ours, jax.Array)
        assert ours.sharding == other.sharding
        if placed:
            assert (ours.sharding, ours.committed) == (leaf.sharding, leaf.committed)
            assert ours.dtype == leaf.dtype
            assert getattr(ours, "weak_type", None) == getattr(leaf, "weak_type", None)
    assert traced.flow is not None
    shapes = [leaf.shape for leaf in traced.flow.levels[0].inputs or []]
    assert shapes == [list(np.shape(leaf)) for leaf in theirs]


@pytest.mark.parametrize("sharding", ["'data'", "('data', 'model')"])
def test_names_alone_are_the_spec_of_them(sharding: str) -> None:
    of = session("arange(8.)", sharding)
    wanted = over_mesh(P(eval(sharding)))
    composition = Composition(program=of.program, devices=of.devices)
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    assert ran.leaves[0][1].sharding == wanted
    assert names_of(script(of))["result"].sharding == wanted


def test_a_sharding_of_the_source_may_be_named() -> None:
    source = "SPECS = {'a': P('data'), 'b': P()}\ndef f(x):\n    return x\n"
    arguments = [Argument(name="x", value="{'a': ones(8), 'b': ones(3)}", sharding="SPECS")]
    of = Session(devices=Devices(mesh=MESH), program=Program(source=source, arguments=arguments))
    composition = Composition(program=of.program, devices=of.devices)
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    assert [leaf.sharding.spec for _, leaf in ran.leaves] == [P("data"), P()]


def test_structs_are_of_the_shardings_of_the_tree_on_a_planned_mesh_too() -> None:
    of = session(TREE, "{'a': P('data', 'model'), 'b': [None, P('data')]}")
    composition = Composition(program=of.program, devices=of.devices)
    for mesh in (None, meshes.abstract_mesh({"data": 2, "model": 2})):
        prepared = prepare(composition, mesh)
        shapes = evaluation.trace_prepared(prepared)
        (tree,) = placing.placed_structs(shapes.values, prepared)
        shardings = [getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(tree)]
        specs = [getattr(sharding, "spec", None) for sharding in shardings]
        assert specs == [P("data", "model"), None, P("data")]
        assert shardings[0].mesh == prepared.devices.mesh


# fmt: off
WRONG = [
    wrong("unknown axis", "x: x", "x = arange(8.)", (), "axes", "program.arguments.0.sharding",
        "the mesh has no axis 'dat'; it has 'data', 'model'", 1, mesh=MESH,
        shardings={"x": "P('dat')"}),
    wrong("unknown axis in a tree", "x: x", f"x = {TREE}", Jit(), "axes",
        "program.arguments.0.sharding", "no axis 'z'", 1, mesh=MESH,
        shardings={"x": "{'a': P('z'), 'b': P()}"}),
    wrong("axis twice", "x: x", "x = ones((8, 4))", (), "axes", "program.arguments.0.sharding",
        "'model' divides dimensions 0 and 1: it can divide one", 2, mesh=MESH,
        shardings={"x": "P('model', 'model')"}),
    wrong("axis twice in one dimension", "x: x", "x = ones((8, 4))", (), "axes",
        "program.arguments.0.sharding", "'model' divides dimension 0 twice", 1, mesh=MESH,
        shardings={"x": "P(('model', 'model'))"}),
    wrong("too long", "x: x", "x = arange(8.)", (), "axes", "program.arguments.0.sharding",
        r"P\('data', 'model'\) has 2 entries, and x has 1 dimension", 1, mesh=MESH,
        shardings={"x": "P('data', 'model')"}),
    wrong("a number that is divided", "x: x", "x = 2.0", Jit(), "axes",
        "program.arguments.0.sharding", "has 1 entry, and x is a scalar", 1, mesh=MESH,
        shardings={"x": "P('data')"}),
    wrong("uneven", "x: x", "x = ones((6, 4))", (), "axes", "program.arguments.0.sharding",
        "dimension 0 of x is 6, which 'data' cannot divide into 4 equal parts", 3, mesh=MESH,
        shardings={"x": "P('data')"}),
    wrong("uneven over two axes", "x: x", "x = ones(12)", Jit(), "axes",
        "program.arguments.0.sharding", "'data' and 'model' cannot divide into 8", 2, mesh=MESH,
        shardings={"x": "P(('data', 'model'))"}),
    wrong("uneven in a tree", "x: x", "x = {'a': ones(8), 'b': [ones(3)]}", (), "axes",
        "program.arguments.0.sharding", r"dimension 0 of x\['b'\]\[0\] is 3", 1, mesh=MESH,
        shardings={"x": "{'a': P('data'), 'b': P('model')}"}),
    wrong("a key too few", "x: x", f"x = {TREE}", (), "axes", "program.arguments.0.sharding",
        "x is a dict with 'a', 'b', and its sharding a dict with 'a'", 1, mesh=MESH,
        shardings={"x": "{'a': P('model')}"}),
    wrong("another key", "x: x", f"x = {TREE}", (), "axes", "program.arguments.0.sharding",
        "a dict with 'a', 'c'", 1, mesh=MESH, shardings={"x": "{'a': P('model'), 'c': P()}"}),
    wrong("a list for a tuple", "x: x", "x = (ones(8), ones(8))", (), "axes",
        "program.arguments.0.sharding", "x is a tuple of 2, and its sharding a list of 2", 1,
        mesh=MESH, shardings={"x": "[P('data'), P('model')]"}),
    wrong("deep inside", "x: x", f"x = {TREE}", (), "axes", "program.arguments.0.sharding",
        r"x\['b'\] is a list of 2, and its sharding a list of 1", 1, mesh=MESH,
        shardings={"x": "{'a': P(), 'b': [P('model')]}"}),
    wrong("a tree for an array", "x: x", "x = ones((8, 4))", (), "axes",
        "program.arguments.0.sharding", "x is an array of 2 dimensions, and its sharding a tuple",
        1, mesh=MESH, shardings={"x": "('data', None)"}),
    wrong("no spec", "x: x", "x = ones(8)", (), "axes", "program.arguments.0.sharding",
        r"4 is no PartitionSpec such as P\('data'\)", mesh=MESH, shardings={"x": "4"}),
    wrong("no array", "x: 1", "x = 'text'", (), "axes", "program.arguments.0.sharding",
        "x is no array", mesh=MESH, shardings={"x": "P()"}),
    wrong("no Python", "x: x", "x = ones(8)", (), "syntax", "program.arguments.0.sharding",
        "", mesh=MESH, shardings={"x": "P('data'"}),
    wrong("a name that is not there", "x: x", "x = ones(8)", (), "value",
        "program.arguments.0.sharding", "Q", mesh=MESH, shardings={"x": "Q('data')"}),
]
# fmt: on


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said_at_the_sharding(case: Any) -> None:
    check(case)


_entries = st.sampled_from([None, "data", "model", ("data", "model"), ("model", "data"), "z"])


def placed_bare(shape: tuple[int, ...], text: str) -> Any:
    return jax.device_put(np.ones(shape), over_mesh(eval(text, {"P": P})))


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 8]), max_size=3), st.lists(_entries, max_size=3))
def test_just_what_device_put_refuses_is_refused_and_each_fix_is_taken(
    shape: list[int], entries: list[Any]
) -> None:
    text = f"P({', '.join(map(repr, entries))})"
    try:
        placed_bare(tuple(shape), text)
        refused = False
    except Exception:  # JAX raises several kinds
        refused = True
    of = session(f"np.ones({tuple(shape)})", text)
    found = evaluation.trace(Composition(program=of.program, devices=of.devices)).diagnosis
    assert (found is not None) == refused, found
    for fix in found.fixes if found is not None else []:
        assert evaluation.trace(Composition.of(with_fix(of, fix), "")).diagnosis is None
        if fix.field.endswith(".sharding"):
            placed_bare(tuple(shape), fix.text)


@pytest.mark.parametrize(
    "specs",
    [
        P(),
        P("data"),
        P(None, ("data", "model")),
        {"a": P("data"), "b": [P(), None]},
        (P("data"),),
        (P(), [P("model")]),
    ],
)
def test_specs_are_written_as_one_types_them(specs: Any) -> None:
    text = spec_trees.text_of(specs)
    assert text is not None
    assert eval(text, {"P": P}) == specs


def test_other_nodes_cannot_be_typed() -> None:
    assert spec_trees.text_of({"a": [object()]}) is None


# ---------------------------------------------------------------------------------- the shape flow


def flow_of(of: Session) -> list[list[list[list[str]]]]:
    """The specs of the inputs at each level."""
    made = Composition(program=of.program, devices=of.devices)
    traced = evaluation.trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    assert traced.flow.axes == ["data", "model"]
    ran = evaluation.run(made, lambda stage: None, lambda: False)
    for before, after in zip(traced.flow.levels, ran.flow.levels, strict=True):
        assert before.inputs == after.inputs
    return [[leaf.spec for leaf in level.inputs or []] for level in traced.flow.levels]


def test_the_flow_shows_where_arguments_lie() -> None:
    of = session(TREE, "{'a': P(None, ('data', 'model')[1:]), 'b': [P(('data', 'model')), None]}")
    assert flow_of(of) == [[[[], ["model"]], [["data", "model"]], []]]


def test_the_flow_shows_the_shardings_of_keywords_by_their_name() -> None:
    arguments = [
        Argument(name="z", value="ones(8)", sharding="P('data')"),
        Argument(name="a", value="ones(4)", sharding="P('model')"),
        Argument(name="y", value="ones(3)"),
    ]
    source = "def f(y, *, z, a):\n    return y.sum() + z.sum() + a.sum()\n"
    program = Program(source=source, arguments=arguments)
    of = Session(devices=Devices(mesh=MESH), program=program)
    specs = dict(zip(["y", "a", "z"], flow_of(of)[0], strict=True))
    if specs["a"] == [["data"]]:  # the order of keywords is that of the call
        specs["a"], specs["z"] = specs["z"], specs["a"]
    assert specs == {"y": [], "a": [["model"]], "z": [["data"]]}


def test_explicit_shardings_are_those_of_jaxs_types_at_every_level() -> None:
    of = session("arange(32.).reshape(8, 4)", "P('data', 'model')")
    seen: list[Any] = []
    types = {"data": "explicit", "model": "explicit"}
    program = msgspec.structs.replace(of.program, layers=[Vmap(), Jit()])
    explicit = Session(devices=Devices(mesh=MESH, axis_types=types), program=program)  # type: ignore[arg-type]

    def spied(x: Any) -> Any:
        seen.append(jax.typeof(x).sharding.spec)
        return x

    devices = np.array(jax.devices()).reshape(4, 2)
    mesh = Mesh(devices, tuple(MESH), axis_types=(AxisType.Explicit,) * 2)
    with meshes.in_context(mesh):
        x = jax.device_put(jnp.ones((8, 4)), NamedSharding(mesh, P("data", "model")))
        jax.jit(jax.vmap(spied))(x)
    assert seen == [P("model")]
    assert flow_of(explicit) == [[[["data"], ["model"]]], [[["data"], ["model"]]], [[["model"]]]]
    outputs = evaluation.trace(Composition(program=program, devices=explicit.devices)).flow
    assert outputs is not None
    assert [level.outputs[0].spec for level in outputs.levels if level.outputs] == [
        [["data"], ["model"]],
        [["data"], ["model"]],
        [["model"]],
    ]


def test_the_shapes_are_shown_beside_a_sharding_that_does_not_fit() -> None:
    of = session("ones((8, 4))", "P('z')")
    traced = evaluation.trace(Composition(program=of.program, devices=of.devices))
    assert traced.diagnosis is not None
    assert traced.flow is not None
    assert [leaf.shape for leaf in traced.flow.levels[0].outputs or []] == [[8, 4]]
