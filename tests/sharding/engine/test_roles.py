"""Leaves that play the same role are found, and specs by role are written as one types them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import PartitionSpec as P

from jaxtui.program.engine.path_patterns import ByPath, by_path, components
from jaxtui.sharding.engine import roles
from jaxtui.sharding.engine.spec_texts import shortest

State = namedtuple("State", "count mu nu")
LAYER = {"up": {"kernel": (4, 8), "bias": (8,)}, "down": {"kernel": (8, 4)}}
PARAMS = {"layers": [LAYER, LAYER, LAYER], "head": (4, 2)}
NAMED = {f"block_{n}": {"Dense_0": {"w": (4, 4)}, "Dense_1": {"w": (4, 4)}} for n in range(2)}


def flat(tree: Any) -> tuple[list[Any], list[roles.Path]]:
    leaves = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda x: type(x) is tuple)[0]
    return [leaf for _, leaf in leaves], [components(path) for path, _ in leaves]


def roles_of(tree: Any, *others: Any) -> list[str]:
    shapes, paths = flat(tree)
    known = []
    for other in others:
        theirs, at = flat(other)
        known.append(roles.tree(at, theirs).signature)
    return ["/".join(role) for role in roles.roles(roles.tree(paths, shapes), known)]


ONE = ["layers/*/down/kernel", "layers/*/up/bias", "layers/*/up/kernel"]


def test_the_number_of_a_layer_makes_no_other_role() -> None:
    assert roles_of(PARAMS) == ["head", *ONE * 3]


def test_only_the_outermost_number_is_that_of_a_layer() -> None:
    assert roles_of(NAMED) == ["block_*/Dense_0/w", "block_*/Dense_1/w"] * 2


def test_layers_of_other_shapes_have_roles_of_their_own() -> None:
    tree = [{"w": (4, 8)}, {"w": (8, 8)}, {"w": (8, 8)}]
    assert roles_of(tree) == ["0/w", "*/w", "*/w"]


def test_what_an_optimizer_keeps_has_the_role_of_its_parameter() -> None:
    state = [State((), PARAMS, PARAMS), [()]]
    wanted = ["**/head", *(f"**/{role}" for role in ONE * 3)]
    assert roles_of(state, PARAMS) == ["0/count", *wanted, *wanted, "1/0"]


def test_keys_with_slashes_may_have_the_same_path() -> None:
    assert roles_of({"a/b": (1,), "a": {"b": (2,), "c": (3,)}}) == ["a/b", "a/c", "a/b"]


# ------------------------------------------------------------------------------------------- texts


def text_of(tree: Any, specs: list[P | None]) -> str | None:
    _, paths = flat(tree)
    named = [tuple(role.split("/")) for role in roles_of(tree)]
    bare = jax.tree.map(lambda leaf: 0, tree, is_leaf=lambda x: type(x) is tuple)
    return shortest(bare, specs, paths, named)


UP, DOWN = P(None, "model"), P("model")


def test_one_spec_for_all_is_written_once() -> None:
    assert text_of(PARAMS, [P()] * 10) == "P()"
    assert text_of(PARAMS, [None] * 10) == "None"


def test_a_small_tree_is_written_out() -> None:
    tree = {"w": (16, 32), "b": (32,)}
    assert text_of(tree, [P("model"), UP]) == "{'b': P('model'), 'w': P(None, 'model')}"


def test_specs_by_role_are_written_by_pattern() -> None:
    assert text_of(PARAMS, [P(), *[DOWN, DOWN, UP] * 3]) == (
        "by_path({'head': P(), '**/up/kernel': P(None, 'model'), '**': P('model')})"
    )
    assert text_of(PARAMS, [P(), *[None, DOWN, None] * 3]) == (
        "by_path({'head': P(), '**/bias': P('model'), '**': None})"
    )


_specs = st.sampled_from([None, P(), DOWN, UP])


@given(st.lists(_specs, min_size=10, max_size=10))
def test_a_text_gives_each_leaf_its_spec(specs: list[P | None]) -> None:
    text = text_of(PARAMS, specs)
    assert text is not None
    meant = eval(text, {"P": P, "by_path": by_path})
    leaves, paths = flat(PARAMS)
    if isinstance(meant, ByPath):
        read = [meant.patterns[meant.pattern_of(path) or ""] for path in paths]
    else:
        is_spec = lambda x: x is None or isinstance(x, P)  # noqa: E731 - read beside its use
        read = []
        jax.tree.map(
            lambda spec, below: read.extend([spec] * len(flat(below)[0])),
            meant,
            PARAMS,
            is_leaf=is_spec,
        )
    assert len(leaves) == len(read)
    assert read == specs


def test_a_tree_of_other_nodes_is_written_by_pattern() -> None:
    state = State((), {"w": (4, 8)}, {"w": (4, 8)})
    assert text_of(state, [P(), UP, UP]) == "by_path({'**/w': P(None, 'model'), '**': P()})"


@pytest.mark.parametrize("key", ["a*", "[b]", "c?"])
def test_keys_that_are_patterns_themselves_do_not_match_others(key: str) -> None:
    tree = {key: (4,), "ab": (4,), "b": (4,), "cd": (4,)}
    _, paths = flat(tree)
    specs: list[P | None] = [P("model") if path == (key,) else P() for path in paths]
    text = text_of(tree, specs)
    assert text is not None
    assert text.startswith("{")
