"""Arrays of a tree fold by their paths."""

from __future__ import annotations

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.text.branches import Branch, branches, components


def told(parts: list[int | Branch]) -> list[object]:
    return [part if isinstance(part, int) else (part.path, told(part.parts)) for part in parts]


def paths_of(tree: object) -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


# fmt: off
LEVELS = [
    ({"a": 0, "b": 0}, [0, 1]),
    ([0, {"w": 0, "b": 0}], [0, ("[1]", [1, 2])]),
    ({"p": {"q": {"a": 0, "b": 0}}}, [0, 1]),
    ({"x": 0, "p": {"q": {"a": 0, "b": [0, 0]}}},
     [("['p']['q']", [0, ("['p']['q']['b']", [1, 2])]), 3]),
    ({"layers": [{"w": 0, "b": 0}] * 2, "w": 0},
     [("['layers']", [("['layers'][0]", [0, 1]), ("['layers'][1]", [2, 3])]), 4]),
    ({"a']['b": {"c": 0, "d": 0}, "e": 0}, [("""["a']['b"]""", [0, 1]), 2]),
]
# fmt: on


@pytest.mark.parametrize(("tree", "wanted"), LEVELS)
def test_a_level_is_what_paths_have_in_common(tree: object, wanted: list[object]) -> None:
    paths = paths_of(tree)
    assert told(branches(paths, range(len(paths)))) == wanted


_trees = st.recursive(
    st.just(0),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(max_size=3), below, max_size=3)
    ),
    max_leaves=12,
)


@given(_trees)
def test_every_array_is_in_one_branch_whose_path_it_has(tree: object) -> None:
    paths = paths_of(tree)
    assert ["".join(components(path)) for path in paths] == paths
    listed: list[int] = []

    def look(parts: list[int | Branch], around: str) -> list[int]:
        seen: list[int] = []
        for part in parts:
            if isinstance(part, int):
                assert paths[part].startswith(around)
                seen.append(part)
                continue
            assert len(part.indices) > 1
            assert part.path.startswith(around)
            assert sorted(look(part.parts, part.path)) == sorted(part.indices)
            seen += part.indices
        return seen

    listed = look(branches(paths, range(len(paths))), "")
    assert sorted(listed) == list(range(len(paths)))


def test_a_tree_of_any_depth_is_listed() -> None:
    paths = ["[0]" * n + "[1]" for n in range(3000)]
    assert branches(paths, range(len(paths)))
