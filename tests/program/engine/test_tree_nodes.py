"""The nodes of trees as a trace reports them, and settings at them as a trace takes them."""

from __future__ import annotations

import pytest

from jaxtui.program import prefixes
from jaxtui.program.prefixes import PLACEMENTS, axes
from jaxtui.program.trees import Tree, tree_at
from jaxtui.session.layers import AnyLayer, Grad, Jit, ValueAndGrad, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.report import Flow
from tests.support.wrong import trace

SOURCE = """
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

class Pair(NamedTuple):
    first: object
    second: object

@jax.tree_util.register_dataclass
@dataclass
class State:
    params: object
    steps: object

def f(tree, x):
    return {RETURNS}
"""
VALUE = (
    "{'w': ones((8, 3)), 'l': [ones(8), (ones(8), None)], 'p': Pair(ones(8), {}),"
    " 's': State(ones(8), {'n': ones(8)}), 'o': OrderedDict(b=ones(8), a=ones(8))}"
)
EMPTY = {"None", "dict", "tuple", "list"}


def session(returns: str, *layers: AnyLayer, sharding: str = "") -> Session:
    return Session(
        devices=Devices(platform="cpu"),
        program=Program(
            source=SOURCE.replace("{RETURNS}", returns),
            arguments=[
                Argument(name="tree", value=VALUE, sharding=sharding),
                Argument(name="x", value="ones(8)"),
            ],
            layers=list(layers),
        ),
    )


def flow(made: Session) -> Flow:
    traced = trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    return traced.flow


def given(found: Flow) -> Tree:
    return tree_at("tree", {node.path: node for node in found.given})


def test_the_nodes_lead_to_the_leaves_of_the_flow() -> None:
    found = flow(session("x"))
    inputs = [leaf.path for leaf in found.levels[0].inputs or () if leaf.path != "x"]
    assert list(given(found).paths()) == inputs
    kinds = {node.path: node.kind for node in found.given}
    assert kinds == {
        "tree": "dict",
        "tree['l']": "list",
        "tree['l'][1]": "tuple",
        "tree['l'][1][1]": "None",
        "tree['o']": "",  # in which the order counts
        "tree['p']": "Pair",
        "tree['p'].second": "dict",
        "tree['s']": "State",
        "tree['s'].steps": "dict",
    }


@pytest.mark.parametrize(
    ("returns", "layers", "known"),
    [
        ("tree", (Vmap(),), [True, False]),
        ("tree", (Vmap(), Jit()), [True, False, False]),
        ("(tree['w'] * x.sum()).sum()", (Grad(), Vmap(in_axes="(None, 0)")), [True, False, True]),
        ("x.sum()", (ValueAndGrad(argnums="1"),), [True, True]),
    ],
)
def test_the_tree_of_outputs_is_said_where_it_is_another(
    returns: str, layers: tuple[AnyLayer, ...], known: list[bool]
) -> None:
    found = flow(session(returns, *layers))
    assert [level.returned is not None for level in found.levels] == known
    outermost = {node.path: node for node in found.levels[0].returned or ()}
    outputs = [leaf.path for leaf in found.levels[0].outputs or ()]
    assert list(tree_at("", outermost).paths()) == outputs


def test_what_is_set_at_a_node_is_what_a_trace_maps() -> None:
    before = flow(session("x", Vmap()))
    tree, text = given(before), ""
    for path, entry in (("tree['s']", "None"), ("tree['w']", "0"), ("tree['l'][1]", "None")):
        text = prefixes.changed(text, tree, axes(), path, entry)
    after = flow(session("x", Vmap(in_axes=f"({text}, 0)")))
    marks = {leaf.path: leaf.marks for leaf in after.levels[0].inputs or ()}
    whole = {path for path in marks if path.startswith(("tree['s']", "tree['l'][1]"))}
    assert marks == {path: [] if path in whole else [0] for path in marks}


def test_shardings_in_either_form_are_taken() -> None:
    tree = given(flow(session("x")))
    text = prefixes.changed("", tree, PLACEMENTS, "tree['s']", "P('devices')")
    # What no tree of specs can say, patterns can.
    patterns = prefixes.changed("", tree, PLACEMENTS, "tree['o']['a']", "P('devices')")
    assert patterns == "by_path({'o/a': P('devices'), '**': None})"
    as_tree = f"{{{', '.join(f'{key!r}: None' for key in 'lop')}, 's': P('devices'), 'w': None}}"
    assert prefixes.same(as_tree, text, tree, PLACEMENTS)
    for sharding in (text, patterns, as_tree):
        assert trace(session("x", sharding=sharding)).diagnosis is None
