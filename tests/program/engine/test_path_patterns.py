"""Specs by patterns of paths are those of the tree written out, in every way a session is used."""

from __future__ import annotations

import re
from collections import namedtuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.program.engine import argument_shardings, evaluation, placing
from jaxtui.program.engine.path_patterns import by_path, components
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.path_matching import matches
from jaxtui.session.export import script
from jaxtui.session.layers import Jit
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Composition
from tests.support.scripts import names_of
from tests.support.wrong import check, wrong

MESH = {"data": 4, "model": 2}
SOURCE = """
def f(params, x):
    for layer in params['layers']:
        x = jnp.tanh(x @ layer['kernel'] + layer['bias'])
    return x, params
"""
PARAMS = (
    "{'layers': [{'kernel': arange(64.).reshape(8, 8) / (i + 9), 'bias': ones(8)} "
    "for i in range(3)], 'step': 3}"
)
LAYER = "{'kernel': P(None, 'model'), 'bias': P('model')}"

# fmt: off
MATCHING = [
    ("**/kernel", "kernel", True),
    ("**/kernel", "layers/0/kernel", True),
    ("**/kernel", "layers/0/kernels", False),
    ("*/kernel", "layers/0/kernel", False),
    ("*/*/kernel", "layers/0/kernel", True),
    ("layers/**", "layers", True),
    ("layers/**", "layers/0/kernel", True),
    ("layers/**/kernel", "layers/0/1/2/kernel", True),
    ("**/attn/[qkv]/kernel", "0/mu/layers/3/attn/q/kernel", True),
    ("**/attn/[qkv]/kernel", "0/mu/layers/3/attn/o/kernel", False),
    ("**/Dense_?/k*", "Dense_1/kernel", True),
    ("**/Kernel", "kernel", False),
    ("**", "", True),
    ("*", "", False),
    ("**/a/**/b/**", "x/a/y/b", True),
    ("**/a/**/b/**", "x/b/y/a", False),
    ("/layers//0/", "layers/0", True),
]
# fmt: on


@pytest.mark.parametrize(("pattern", "path", "wanted"), MATCHING)
def test_a_pattern_matches_components(pattern: str, path: str, wanted: bool) -> None:
    assert matches(pattern, [part for part in path.split("/") if part]) is wanted


_names = st.sampled_from(["a", "ab", "b", "0"])
_parts = st.sampled_from(["a", "ab", "b", "0", "*", "**", "a*", "?", "[ab]"])


@given(st.lists(_parts, min_size=1, max_size=5), st.lists(_names, max_size=5))
def test_a_pattern_matches_what_its_regular_expression_does(
    pattern: list[str], path: list[str]
) -> None:
    one = {"**": "(/[^/]+)*", "*": "/[^/]+", "a*": "/a[^/]*", "?": "/[^/]", "[ab]": "/[ab]"}
    expression = "".join(one.get(part, f"/{part}") for part in pattern)
    wanted = re.fullmatch(expression, "".join(f"/{name}" for name in path)) is not None
    assert matches("/".join(pattern), path) is wanted


def test_many_stars_take_no_longer_than_few() -> None:
    assert not matches("/".join(["**", "a"] * 40), ["a"] * 39)


def test_components_are_the_names_of_every_kind_of_node() -> None:
    State = namedtuple("State", "count mu")
    tree = (State(0, {"mlp/~/linear_0": {"w": 1}}), [{3: 2}])
    paths = [components(path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
    wanted = ["0/count", "0/mu/mlp/~/linear_0/w", "1/0/3"]
    assert ["/".join(path) for path in paths] == wanted


# fmt: off
SAME = [
    (PARAMS,
     "by_path({'**/kernel': P(None, 'model'), '**/bias': P('model'), '**': P()})",
     f"{{'layers': [{LAYER}, {LAYER}, {LAYER}], 'step': P()}}"),
    (PARAMS,
     "by_path({'layers/0/kernel': P('data'), '**/kernel': 'model', '**': None})",
     "{'layers': [{'kernel': P('data'), 'bias': None}, {'kernel': P('model'), 'bias': None}, "
     "{'kernel': P('model'), 'bias': None}], 'step': None}"),
    (PARAMS,
     "{'layers': by_path({'[01]/*': P('model'), '2/*': P('data')}), 'step': None}",
     "{'layers': [P('model'), P('model'), P('data')], 'step': None}"),
    (PARAMS,
     "{'layers': [by_path({'kernel': P(('data', 'model')), 'bias': P()}), P(), P()], 'step': P()}",
     "{'layers': [{'kernel': P(('data', 'model')), 'bias': P()}, P(), P()], 'step': P()}"),
]
# fmt: on


def session(value: str, sharding: str, source: str = SOURCE) -> Session:
    return Session(
        devices=Devices(mesh=MESH),
        program=Program(
            source=source,
            arguments=[
                Argument(name="params", value=value, sharding=sharding),
                Argument(name="x", value="ones((8, 8))", sharding="P('data')"),
            ],
            layers=[Jit()],
        ),
    )


def composed(of: Session) -> Composition:
    return Composition(program=of.program, devices=of.devices)


def shardings_of(of: Session) -> list[NamedSharding | None] | None:
    prepared = prepare(composed(of))
    values = evaluation.trace_prepared(prepared).values
    return argument_shardings.shardings(0, values[0].tree, prepared)


@pytest.mark.parametrize(("value", "patterns", "tree"), SAME)
def test_patterns_give_what_the_tree_written_out_gives(
    value: str, patterns: str, tree: str
) -> None:
    ours, theirs = session(value, patterns), session(value, tree)
    assert shardings_of(ours) == shardings_of(theirs)
    first, second = (evaluation.trace(composed(of)) for of in (ours, theirs))
    assert first.diagnosis is None, first.diagnosis
    assert first.flow == second.flow
    names = {**vars(jnp), "P": P, "range": range}
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), tuple(MESH), axis_types=(AxisType.Auto,) * 2)
    over_mesh = jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        eval(tree, dict(names)),
        is_leaf=lambda x: isinstance(x, P),
    )
    bare = jax.device_put(eval(value, dict(names)), over_mesh)
    placed = placing.placed([eval(value, dict(names)), jnp.ones((8, 8))], prepare(composed(ours)))
    for leaf, wanted in zip(jax.tree.leaves(placed[0]), jax.tree.leaves(bare), strict=True):
        assert getattr(leaf, "sharding", None) == getattr(wanted, "sharding", None)
        assert np.array_equal(leaf, wanted)


@pytest.mark.parametrize(("value", "patterns", "tree"), SAME[:3])
def test_an_exported_script_needs_no_jaxtui_and_gives_the_same(
    value: str, patterns: str, tree: str
) -> None:
    ours = script(session(value, patterns))
    assert "jaxtui" not in ours
    ours, theirs = (names_of(text) for text in (ours, script(session(value, tree))))
    assert str(ours["result"]) == str(theirs["result"])
    of_params = [
        [getattr(leaf, "sharding", None) for leaf in jax.tree.leaves(names["params"])]
        for names in (ours, theirs)
    ]
    assert of_params[0] == of_params[1]


def test_a_function_of_that_name_in_the_source_is_meant() -> None:
    source = "def by_path(specs):\n    return specs['all']\n" + SOURCE
    of = session(PARAMS, "by_path({'all': P()})", source)
    assert {sharding.spec for sharding in shardings_of(of) or [] if sharding} == {P()}
    assert names_of(script(of))["params"]["step"].sharding.spec == P()


def test_what_is_no_dict_of_patterns_is_refused() -> None:
    for wrong_ in ({}, P(), [("**", P())], {1: P()}):
        with pytest.raises(TypeError, match="by_path takes a dict"):
            by_path(wrong_)


def faulty(name: str, words: str, sharding: str, fixes: int, value: str = PARAMS) -> Any:
    return wrong(
        name, "params: params", f"params = {value}", (), "axes", "program.arguments.0.sharding",
        words, fixes, mesh=MESH, shardings={"params": sharding},
    )  # fmt: skip


# fmt: off
WRONG = [
    faulty("a pattern misspelt",
        r"'\*\*/kernal' matches no path of params, which has layers/0/kernel",
        "by_path({'**/kernal': P('model'), '**': P()})", 2),
    faulty("a pattern without what is in front",
        "'kernel' matches no path of params", "by_path({'kernel': P('model'), '**': P()})", 2),
    faulty("a path as jax writes it",
        "matches no path of params", "by_path({\"['layers'][0]['kernel']\": P(), '**': P()})", 2),
    faulty("a pattern of a subtree",
        "'layers' matches no path of params", "by_path({'layers': P('model'), '**': P()})", 2),
    faulty("in a tree", r"'\*\*/x' matches no path of params\['layers'\], which has",
        "{'layers': by_path({'**/x': P(), '**': P()}), 'step': P()}", 1),
    faulty("a leaf that none matches",
        r"no pattern matches step of params; '\*\*' at the end is for the rest",
        "by_path({'layers/**': P('model')})", 2),
    faulty("leaves that none matches", "no pattern matches layers/0/bias and 3 others of params",
        "by_path({'**/kernel': P('model')})", 1),
    faulty("an order in which one counts for nothing",
        r"'\*\*/kernel' comes behind '\*\*', which matches all that it does",
        "by_path({'**': P(), '**/kernel': P('model')})", 2),
    faulty("a spec for a leaf of fewer dimensions",
        r"P\(None, 'model'\) has 2 entries, and params\['layers'\]\[0\]\['bias'\] has 1 dimension; "
        r"it is matched by '\*\*/\[bk\]\*'",
        "by_path({'**/[bk]*': P(None, 'model'), '**': P()})", 2),
    faulty("uneven", r"dimension 0 of params\['b'\] is 6, which 'data' cannot divide",
        "by_path({'*': P('data')})", 3, "{'a': ones(8), 'b': ones(6)}"),
    faulty("an axis that is not there", "the mesh has no axis 'dat'",
        "by_path({'**/kernel': P('dat'), '**': P()})", 3),
    faulty("no array", r"params\['b'\] is no array: None leaves it where it is; it is matched by",
        "by_path({'*': P()})", 1, "{'a': ones(8), 'b': 'text'}"),
    faulty("no spec", r"3 is no PartitionSpec such as P\('data'\)", "by_path({'**': 3})", 0),
    faulty("patterns with no by_path around them",
        "params is a dict with 'layers', 'step', and its sharding a dict with",
        "{'**/kernel': P('model'), '**': P()}", 2),
    wrong("in a jit", "params: params", f"params = {PARAMS}",
        Jit(in_shardings="by_path({'**': P()})"), "value", "program.layers.0.in_shardings",
        "by_path is for the sharding of an argument", mesh=MESH),
]
# fmt: on


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said_at_the_sharding(case: Any) -> None:
    check(case)


@pytest.mark.parametrize(
    ("patterns", "labels"),
    [
        (
            "by_path({'**/kernal': P('model'), '**': P()})",
            ["'**/kernal' → '**/kernel'", "without '**/kernal'"],
        ),
        (
            "by_path({'layers/**': P('model')})",
            ["'**/step': P()", "'**': P()"],
        ),
        (
            "by_path({'**': P(), '**/kernel': P('model')})",
            ["'**/kernel' further in front", "without '**/kernel'"],
        ),
        (
            "by_path({'**/kernel': P('dat'), '**': P()})",
            ["'**/kernel': P('data')", "'**/kernel': P('model')", "'**/kernel': P()"],
        ),
        ("{'layers': P('data'), 'stp': P()}", None),
    ],
)
def test_a_fix_of_patterns_says_what_it_changes(patterns: str, labels: list[str] | None) -> None:
    found = evaluation.trace(composed(session(PARAMS, patterns))).diagnosis
    assert found is not None
    assert [fix.label for fix in found.fixes] == (labels or [fix.text for fix in found.fixes])
