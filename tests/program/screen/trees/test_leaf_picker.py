"""Picking a leaf of the result by its path."""

from __future__ import annotations

import msgspec

from jaxtui.program.screen.trees.leaf_picker import LeafPicker
from jaxtui.program.screen.trees.result_leaves import result_tree, returning_layer
from jaxtui.session.layers import AnyLayer, Grad, Jit, Vmap
from jaxtui.wire.program import Ran
from jaxtui.wire.report import Flow, Level, TreeNode
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.made_flows import leaf, level

PATHS = ("['a']", "['b'][0]", "['b'][1]")
NODES = [
    TreeNode(path="", kind="dict", keys=["['a']", "['b']"]),
    TreeNode(path="['b']", kind="list", keys=["[0]", "[1]"]),
]


def ran(id: int = 0) -> Ran:
    """A run under one vmap that returned a dict of three leaves."""
    given = msgspec.structs.replace(
        level("given", [], [leaf(path, 2, 2) for path in PATHS]), returned=NODES
    )
    inside = level("vmap of 2", [], [leaf(path, 2) for path in PATHS], 0)
    flow = Flow(function="f", levels=[given, inside])
    return msgspec.structs.replace(made.ran(id, paths=PATHS), flow=flow)


def test_the_tree_of_a_result_is_that_of_its_flow_or_flat() -> None:
    tree = result_tree(ran()).tree
    assert list(tree.paths()) == list(PATHS)
    assert [child.path for child in tree.children] == ["['a']", "['b']"]
    flat = result_tree(made.ran(0, paths=PATHS)).tree
    assert [child.path for child in flat.children] == list(PATHS)


def test_out_axes_are_those_of_a_layer_that_returns_the_tree_of_the_whole_program() -> None:
    def shown(*layers: AnyLayer, selected: int) -> int | None:
        levels = ran().flow.levels
        more = [level(type(layer).__name__, [], levels[1].outputs, 0) for layer in layers[1:]]
        flow = Flow(function="f", levels=[*levels, *more])
        own = msgspec.structs.replace(ran(), flow=flow)
        found = returning_layer(layers, selected, own, result_tree(own).tree)
        return None if found is None else found.index

    assert shown(Vmap(), selected=0) == 0
    assert shown(Jit(), selected=0) is None
    assert shown(Vmap(), Jit(), selected=1) == 0
    assert shown(Vmap(), Vmap(), selected=1) == 1


def test_a_layer_that_returns_another_tree_is_not_set_here() -> None:
    levels = ran().flow.levels
    other = [TreeNode(path="", kind="tuple", keys=["[0]"])]
    inner = Level(
        layer=1,
        transform="grad",
        label="grad",
        size=None,
        inputs=[],
        outputs=[leaf("[0]", 2)],
        returned=other,
    )
    own = msgspec.structs.replace(ran(), flow=Flow(function="f", levels=[levels[0], inner, inner]))
    tree = result_tree(own).tree
    assert returning_layer((Vmap(), Grad()), 0, own, tree) is None


async def test_a_leaf_is_picked_by_what_is_typed_and_out_axes_set_at_a_node() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(ran(bench.client.run.id))
        await bench.press("v", "L")
        picker = bench.app.screen
        assert isinstance(picker, LeafPicker)
        assert "3 leaves" in bench.text
        await bench.paste("b*1")
        assert picker.rows.path == "out['b'][1]"
        await bench.press("enter")
        assert "output 3 of 3" in bench.text
        assert "out['b'][1]" in bench.text
        await bench.press("L")
        picker = bench.app.screen
        assert isinstance(picker, LeafPicker)
        assert picker.rows.path == "out['b'][1]"  # the leaf that is shown
        await bench.press("tab", "right", "enter")
        await bench.paste("1")
        await bench.press("enter")
        assert bench.session.program.layers[0].typed()["out_axes"] == "{'a': 0, 'b': [0, 1]}"
        await bench.press("escape")
        assert not isinstance(bench.app.screen, LeafPicker)
