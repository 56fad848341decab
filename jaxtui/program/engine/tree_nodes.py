"""The nodes of a pytree and how each is written, for those who set something at one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jax import tree_util

from jaxtui.program.engine.prefix_text import name_of
from jaxtui.wire.report import TreeNode

_BUILT_IN = {dict: "dict", list: "list", tuple: "tuple", type(None): "None"}


def of_arguments(trees: Iterable[tuple[str, Any]], names: Mapping[str, Any]) -> list[TreeNode]:
    """The nodes of the arguments' trees, each with its argument's name.

    `names` are those that a text of a setting may use.
    """
    return [node for name, tree in trees for node in _nodes(tree, name, names)]


def of_output(
    output: Any, further_out: tuple[Any, ...], names: Mapping[str, Any]
) -> list[TreeNode] | None:
    """The nodes of the tree of `output`; None if what is `further_out`, if anything, is alike."""
    trees = {tree_util.tree_structure(tree) for tree in (output, *further_out)}
    return None if further_out and len(trees) == 1 else list(_nodes(output, "", names))


def _nodes(tree: Any, path: str, names: Mapping[str, Any]) -> Iterator[TreeNode]:
    """The nodes of `tree`, which is at `path`, from the outside in; none for a leaf."""
    # None, which has no leaves, is a child all the same.
    below = tree_util.tree_flatten_with_path(tree, is_leaf=lambda x: x is not tree)[0]
    if len(below) == 1 and not below[0][0]:
        return
    keys = [tree_util.keystr(key) for key, _ in below]
    kind = _kind(tree, [key[0] for key, _ in below], names)
    yield TreeNode(path=path, kind=kind, keys=keys)
    for key, (_, child) in zip(keys, below, strict=True):
        yield from _nodes(child, path + key, names)


def _kind(node: Any, keys: list[Any], names: Mapping[str, Any]) -> str:
    built_in = _BUILT_IN.get(type(node))
    if built_in is not None:
        return built_in
    if not all(isinstance(key, tree_util.GetAttrKey) for key in keys):
        return ""
    name = name_of(type(node), names)
    return name if name is not None and _made_of_its_children(node, keys) else ""


def _made_of_its_children(node: Any, keys: list[Any]) -> bool:
    """Whether its class, called with the children by name, gives a node of the same kind.

    A class may want more than its children, or hold more that tells one node from another.
    """
    children = {key.name: object() for key in keys}
    try:
        again = type(node)(**children)
        found, structure = tree_util.tree_flatten(again, is_leaf=lambda x: x is not again)
        own = tree_util.tree_flatten(node, is_leaf=lambda x: x is not node)[1]
    except Exception:  # whatever the class raises
        return False
    alike = len(found) == len(keys) and all(map(_same, found, children.values()))
    return alike and [structure] == [own]


def _same(one: object, other: object) -> bool:
    return one is other
