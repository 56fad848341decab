"""Trees of axes or of specs as one types them: the shortest prefix of a tree that says them."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jax import tree_util

LONGEST = 400  # characters of a text that is still offered


def prefix_text(
    tree: Any,
    entries: Sequence[Any],
    names: Mapping[str, Any],
    shown: Callable[[Any], str | None] = repr,
) -> str | None:
    """The text of the shortest prefix of `tree` that has `entries` at its leaves.

    `shown` writes an entry, and `names` are the names that the text may use. None for a tree with
    nodes that cannot be written so, and for a text that is too long to be read.
    """
    text = _text(tree, iter(entries), names, shown)
    return text if text is not None and len(text) <= LONGEST else None


def _text(
    node: Any,
    entries: Iterator[Any],
    names: Mapping[str, Any],
    shown: Callable[[Any], str | None],
) -> str | None:
    children = _children(node)
    own = list(itertools.islice(entries, len(tree_util.tree_leaves(node))))
    if children is None or all(entry == own[0] for entry in own[1:]):
        return shown(own[0]) if own else "None"
    left = iter(own)
    texts = [(key, _text(child, left, names, shown)) for key, child in children]
    if any(text is None for _, text in texts):
        return None
    return _node_text(node, texts, names)


def _children(node: Any) -> list[tuple[Any, Any]] | None:
    """The children of a node with their keys; None for a leaf."""
    found = tree_util.tree_flatten_with_path(node, is_leaf=lambda x: x is not node)[0]
    if len(found) == 1 and not found[0][0]:
        return None
    # None is a node without leaves, and a child all the same.
    if isinstance(node, dict):
        return [(tree_util.DictKey(key), node[key]) for key in sorted(node)]
    if isinstance(node, tuple | list):
        return [(tree_util.SequenceKey(i), child) for i, child in enumerate(node)]
    return [(path[0], child) for path, child in found]


def _node_text(
    node: Any, texts: Sequence[tuple[Any, str | None]], names: Mapping[str, Any]
) -> str | None:
    inside = [text or "" for _, text in texts]
    if type(node) is dict:
        return f"{{{', '.join(f'{key.key!r}: {text}' for key, text in texts)}}}"
    if type(node) is list:
        return f"[{', '.join(inside)}]"
    if type(node) is tuple:
        return f"({', '.join(inside)},)" if len(inside) == 1 else f"({', '.join(inside)})"
    place = name_of(type(node), names)
    if place is None:
        return None
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        fields = zip(node._fields, inside, strict=True)
        return f"{place}({', '.join(f'{name}={text}' for name, text in fields)})"
    if all(isinstance(key, tree_util.GetAttrKey) for key, _ in texts):
        return f"{place}({', '.join(f'{key.name}={text}' for key, text in texts)})"
    return None


def name_of(kind: type, names: Mapping[str, Any]) -> str | None:
    """How `names` call a class: by itself, or as an attribute of a module."""
    for name, value in names.items():
        if value is kind:
            return name
    for name, value in names.items():
        if isinstance(value, types.ModuleType) and getattr(value, kind.__name__, None) is kind:
            return f"{name}.{kind.__name__}"
    return None
