"""A tree prefix written at random nodes of random trees says of every leaf what bare JAX reads."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import tree_util
from jax.sharding import PartitionSpec as P

from jaxtui.program import prefixes
from jaxtui.program.engine import tree_nodes
from jaxtui.program.engine.path_patterns import ByPath, by_path, components
from jaxtui.program.prefixes import PLACEMENTS, SPECS, Kind, Refused, axes
from jaxtui.program.trees import Tree, tree_at

Pair = collections.namedtuple("Pair", "first second")


@tree_util.register_dataclass
@dataclasses.dataclass
class State:
    params: Any
    steps: Any


@tree_util.register_dataclass
@dataclasses.dataclass
class Labelled:
    """A class whose children alone do not make it."""

    value: Any
    label: str = dataclasses.field(metadata={"static": True})


NAMES = {
    "Pair": Pair,
    "State": State,
    "Labelled": Labelled,
    "P": P,
    "by_path": by_path,
}
KEYS = st.sampled_from(["w", "b", "a'b", "x.y", "a]b", "[0]", "layers/0", "ä", ""])
PARTS = st.recursive(
    st.one_of(st.just(0.0), st.just(0.0), st.none()),
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.integers(-1, 12), inner, max_size=3),
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.tuples(inner, inner).map(lambda both: Pair(*both)),
        st.tuples(inner, inner).map(lambda both: State(*both)),
    ),
    max_leaves=14,
)
AXES = st.sampled_from(["0", "1", "-1", "None"])
PLACES = st.sampled_from(["P('x')", "P()", "None", "P(None, 'x')", "'x'", "('x', 'y')"])


def plain(tree: Any) -> Tree:
    """The tree as it comes over the wire."""
    return tree_at("x", {node.path: node for node in tree_nodes.of_arguments([("x", tree)], NAMES)})


def nodes_of(tree: Tree) -> list[Tree]:
    return [tree, *(node for child in tree.children for node in nodes_of(child))]


def keystrs(tree: Any) -> list[str]:
    return ["x" + tree_util.keystr(path) for path, _ in tree_util.tree_flatten_with_path(tree)[0]]


def read_by_jax(text: str, tree: Any) -> list[Any]:
    """The entry of each leaf, as `jax.tree_util.tree_map` takes the prefix."""

    def is_entry(x: Any) -> bool:
        return x is None or isinstance(x, P | ByPath)

    entries: list[Any] = []

    def take(entry: Any, part: Any) -> None:
        entries.extend([entry] * len(tree_util.tree_leaves(part)))

    tree_util.tree_map(take, eval(text, dict(NAMES)), tree, is_leaf=is_entry)
    return entries


def spec(text: str) -> Any:
    value = eval(text, {"P": P, "PartitionSpec": P})
    return P(value) if isinstance(value, str | tuple) and not isinstance(value, P) else value


@given(PARTS)
def test_the_paths_of_the_leaves_are_those_of_jax(tree: Any) -> None:
    assert list(plain(tree).paths()) == keystrs(tree)


@given(PARTS, st.data())
def test_axes_set_at_nodes_are_what_jax_reads_and_no_longer_than_needed(
    tree: Any, data: st.DataObject
) -> None:
    seen = plain(tree)
    everything = nodes_of(seen)
    wanted = dict.fromkeys(keystrs(tree), 0)
    text = "0"
    for _ in range(data.draw(st.integers(1, 4))):
        node = data.draw(st.sampled_from(everything))
        entry = data.draw(AXES)
        text = prefixes.changed(text, seen, axes(), node.path, entry)
        wanted |= dict.fromkeys(node.paths(), eval(entry))
    if wanted:
        assert read_by_jax(text, tree) == list(wanted.values())
        nothing_is_said_twice(eval(text, dict(NAMES)), tree)
    back = prefixes.changed(text, seen, axes(), "x", "0")
    assert back == ("0" if wanted else back)


def nothing_is_said_twice(prefix: Any, tree: Any) -> None:
    """Wherever the prefix goes on to the children of a node, their leaves have several entries."""
    if prefix is None or isinstance(prefix, int | P):
        return
    given = read_by_jax(repr(prefix), tree)
    assert len(set(given)) > 1
    one = tree_util.tree_flatten(tree, is_leaf=lambda x: x is not tree)[0]
    own = tree_util.tree_flatten(prefix, is_leaf=lambda x: x is not prefix)[0]
    for part, child in zip(own, one, strict=True):
        nothing_is_said_twice(part, child)


@settings(max_examples=25, deadline=None)  # the first call waits for JAX
@given(PARTS.filter(tree_util.tree_leaves), st.data())
def test_vmap_takes_the_written_axes(tree: Any, data: st.DataObject) -> None:
    seen = plain(tree)
    text, by_hand = "0", dict.fromkeys(keystrs(tree), 0)
    for _ in range(2):
        node = data.draw(st.sampled_from(nodes_of(seen)))
        entry = data.draw(AXES)
        text = prefixes.changed(text, seen, axes(), node.path, entry)
        by_hand |= dict.fromkeys(node.paths(), eval(entry))
    arrays = tree_util.tree_map(lambda _: jnp.arange(6).reshape(2, 3)[:, :2], tree)
    written = jax.vmap(lambda x, i: x, in_axes=(eval(text, dict(NAMES)), 0))(arrays, jnp.arange(2))
    _, structure = tree_util.tree_flatten(tree)
    every = tree_util.tree_unflatten(structure, [-9 if a is None else a for a in by_hand.values()])
    expected = tree_util.tree_map(
        lambda axis, x: jnp.stack([x, x]) if axis == -9 else jnp.moveaxis(x, axis, 0), every, arrays
    )
    tree_util.tree_map(np.testing.assert_array_equal, written, expected)


@given(PARTS, st.data())
def test_placements_by_path_or_as_a_tree_say_the_same(tree: Any, data: st.DataObject) -> None:
    seen = plain(tree)
    wanted: dict[str, Any] = dict.fromkeys(keystrs(tree))
    first = ["", "by_path({'**/w': P('x'), '**': P()})", "by_path({'**': P('x')})", "P()"]
    text = data.draw(st.sampled_from(first))
    if text:
        wanted = dict(zip(wanted, given_to_leaves(text, tree), strict=True))
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(nodes_of(seen)))
        entry = data.draw(PLACES)
        text = prefixes.changed(text, seen, PLACEMENTS, node.path, entry)
        wanted |= dict.fromkeys(node.paths(), spec(entry))
    assert given_to_leaves(text, tree) == list(wanted.values())


def given_to_leaves(text: str, tree: Any) -> list[Any]:
    """The spec of each leaf by JAX's paths and this package's rule for patterns."""
    value = eval(text, dict(NAMES))
    if not isinstance(value, ByPath):
        return [
            spec(repr(entry)) if entry is not None else None for entry in read_by_jax(text, tree)
        ]
    paths = [components(path) for path, _ in tree_util.tree_flatten_with_path(tree)[0]]
    chosen = [value.pattern_of(path) for path in paths]
    assert None not in chosen
    return [spec(repr(value.patterns[str(pattern)])) for pattern in chosen]


def test_the_shorter_of_the_two_forms_is_written() -> None:
    wide = plain({f"layer{i}": {"w": 0.0, "b": 0.0} for i in range(40)})
    text = prefixes.changed("P()", wide, PLACEMENTS, "x['layer7']['w']", "P('x')")
    assert text == "by_path({'layer7/w': P('x'), '**': P()})"
    text = prefixes.changed(text, wide, PLACEMENTS, "x['layer7']", "P('x')")
    assert text == "by_path({'layer7/**': P('x'), '**': P()})"
    assert prefixes.changed(text, wide, PLACEMENTS, "x['layer7']", "P()") == "P()"
    small = plain({"w": 0.0, "b": 0.0})
    assert prefixes.changed("", small, PLACEMENTS, "x['w']", "P('x')") == "{'b': None, 'w': P('x')}"


def test_what_is_no_literal_prefix_stays_as_it_was_typed() -> None:
    tree = plain({"w": [0.0, 0.0], "b": 0.0})
    text = "{'w': MINE, 'b': 0}"
    assert prefixes.changed(text, tree, axes(), "x['b']", "None") == "{'b': None, 'w': MINE}"
    with pytest.raises(Refused, match=r"x\['w'\] has MINE, as typed"):
        prefixes.changed(text, tree, axes(), "x['w'][0]", "1")
    assert prefixes.changed(text, tree, axes(), "x['w']", "0") == "0"
    with pytest.raises(Refused, match="x has axes_of"):
        prefixes.changed("axes_of(params)", tree, axes(), "x['b']", "0")
    with pytest.raises(Refused, match="True is no entry such as 0"):
        prefixes.changed("0", tree, axes(), "x['b']", "True")


def test_a_class_that_no_text_makes_can_be_set_as_a_whole_only() -> None:
    tree = plain({"a": Labelled([0.0, 0.0], "mine"), "b": 0.0})
    text = prefixes.changed("0", tree, axes(), "x['a']", "None")
    assert text == "{'a': None, 'b': 0}"
    with pytest.raises(Refused, match=r"no text says what is inside x\['a'\]"):
        prefixes.changed("0", tree, axes(), "x['a'].value[0]", "None")
    # A pattern does not ask how the class is made.
    text = prefixes.changed("", tree, PLACEMENTS, "x['a'].value[0]", "P('x')")
    assert text == "by_path({'a/value/0': P('x'), '**': None})"


@pytest.mark.parametrize("kind", [axes(), SPECS, PLACEMENTS])
def test_a_tree_that_is_one_leaf_has_one_entry(kind: Kind) -> None:
    entry = "1" if kind.default == "0" else "P('x')"
    assert prefixes.changed("", plain(0.0), kind, "x", entry) == entry
