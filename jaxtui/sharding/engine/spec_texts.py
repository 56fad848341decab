"""The specs of a tree's leaves as the shortest text that one would type for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.program.engine import spec_trees
from jaxtui.program.engine.path_patterns import ByPath
from jaxtui.program.path_matching import ANY
from jaxtui.sharding.engine.roles import Path, Role, pattern

MOST_RESTS = 3  # of the specs that most leaves have, one is for the rest
Specs = Sequence[PartitionSpec | None]


def shortest(tree: Any, specs: Specs, paths: Sequence[Path], roles: Sequence[Role]) -> str | None:
    """The text of a tree's `specs`, leaf by leaf, None for those that stay as they are.

    That is one spec for all, a tree of specs, or patterns of paths, whichever is the shortest; None
    for a tree that can be typed in none of these ways.
    """
    if not specs:
        return "None"
    texts = [spec_trees.text_of(spec) or "None" for spec in specs]
    if len(set(texts)) == 1:
        return texts[0]
    leaves = iter(specs)
    written = tree_util.tree_map(lambda leaf: next(leaves), tree)
    often = [text for text, _ in Counter(texts).most_common(MOST_RESTS)]
    found = [_by_path(texts, rest, specs, paths, roles) for rest in often]
    found.append(spec_trees.text_of(_folded(written)))
    return min((text for text in found if text is not None), key=len, default=None)


def _folded(specs: Any) -> Any:
    """A tree of specs with one spec for each subtree in which it is the same everywhere."""
    if spec_trees.is_entry(specs):
        return specs
    inside = tree_util.tree_leaves(specs, is_leaf=spec_trees.is_entry)
    if inside and len({spec_trees.text_of(spec) for spec in inside}) == 1:
        return inside[0]
    if type(specs) is dict:
        return {key: _folded(below) for key, below in specs.items()}
    if type(specs) in (list, tuple):
        return type(specs)(map(_folded, specs))
    return specs


def _by_path(
    texts: Sequence[str], rest: str, specs: Specs, paths: Sequence[Path], roles: Sequence[Role]
) -> str | None:
    """The specs by patterns, that with the text `rest` for what none of them matches."""
    patterns: dict[str, Any] = {}
    covered: set[int] = {number for number, text in enumerate(texts) if text == rest}
    for number, text in enumerate(texts):
        if number in covered:
            continue
        alike = {other for other, known in enumerate(texts) if known == text}
        one = pattern(roles[number], alike, paths) or pattern(paths[number], alike, paths)
        made = ByPath({one: None} if one is not None else {})
        reached = {other for other in alike if made.pattern_of(paths[other]) is not None}
        if one is None or number not in reached:
            return None
        patterns[one] = specs[number]
        covered |= reached
    patterns[ANY] = specs[texts.index(rest)]
    return spec_trees.text_of(ByPath(patterns))
