"""Trees of PartitionSpecs: read from what a text gave, compared with a tree, written as text."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.meshes import axes_beside, entries_of
from jaxtui.program.engine.path_patterns import ByPath, KeyPath
from jaxtui.text.quantities import counted

LARGEST = 12  # leaves of a tree that is written as text


def axes_of(entry: Any) -> tuple[Any, ...]:
    """The mesh axes over which an entry of a PartitionSpec divides its dimension."""
    return () if entry is None else tuple(entry) if isinstance(entry, tuple | list) else (entry,)


def read(given: Any) -> Any:
    """`given` with each name, and each tuple of names, as the PartitionSpec of it."""
    if _has_patterns(given):  # in which the order of the keys counts
        return {pattern: _read(spec) for pattern, spec in given.items()}
    return tree_util.tree_map(_read, given, is_leaf=_is_read)


class Part(NamedTuple):
    """An entry of a tree of specs, the path where it stands, and what there is of the tree."""

    entry: Any
    path: KeyPath
    tree: Any


def parts(specs: Any, tree: Any) -> list[Part]:
    """The entries of `specs` with the subtrees of `tree` that they hold for.

    Raises ValueError or TypeError when `specs` is not a tree prefix of `tree`.
    """
    subtrees: list[Any] = []
    tree_util.tree_map(lambda _, below: subtrees.append(below), specs, tree, is_leaf=is_entry)
    entries = tree_util.tree_flatten_with_path(specs, is_leaf=is_entry)[0]
    pairs = zip(entries, subtrees, strict=True)
    return [Part(entry, path, below) for (path, entry), below in pairs]


def _is_read(x: Any) -> bool:
    names = type(x) is tuple and bool(x) and all(isinstance(name, str) for name in x)
    return names or x is None or isinstance(x, PartitionSpec)


def _read(x: Any) -> Any:
    if isinstance(x, ByPath):
        return ByPath({pattern: _read(spec) for pattern, spec in x.patterns.items()})
    return PartitionSpec(x) if isinstance(x, str) or type(x) is tuple else x


def is_entry(x: Any) -> bool:
    """Whether `x` is a leaf of a tree of specs."""
    return x is None or isinstance(x, PartitionSpec | ByPath)


def replaced(specs: Any, old: PartitionSpec, new: PartitionSpec) -> Any:
    """`specs` with `new` wherever there is `old`."""

    def changed(x: Any) -> Any:
        if isinstance(x, ByPath):
            return ByPath({pattern: changed(spec) for pattern, spec in x.patterns.items()})
        return new if isinstance(x, PartitionSpec) and x == old else x

    return tree_util.tree_map(changed, specs, is_leaf=is_entry)


def exchanged(specs: Any, old: ByPath, new: ByPath) -> Any:
    """`specs` with other patterns in place of these."""
    return tree_util.tree_map(lambda x: new if x is old else x, specs, is_leaf=is_entry)


def _children(node: Any) -> list[tuple[str, Any]] | None:
    """The children of a node of a tree with their keystr; None for a leaf."""
    if is_entry(node):
        return None
    found = tree_util.tree_flatten_with_path(node, is_leaf=lambda x: x is not node)[0]
    if len(found) == 1 and found[0][1] is node:
        return None
    return [(tree_util.keystr(path), child) for path, child in found]


def mismatch(specs: Any, tree: Any, path: str = "") -> tuple[str, str, str]:
    """Where `specs` are no prefix of `tree`: the path, and what there is of each, in words."""
    ours = _children(specs)
    if ours is None:
        return path, _kind(specs), _kind(tree)
    theirs = _children(tree)
    keys = None if theirs is None else [key for key, _ in theirs]
    if type(specs) is not type(tree) or keys != [key for key, _ in ours]:
        return path, _kind(specs), _kind(tree)
    for (key, spec), (_, subtree) in zip(ours, theirs or (), strict=True):
        try:
            tree_util.tree_map(lambda *_: None, spec, subtree, is_leaf=is_entry)
        except (ValueError, TypeError):
            return mismatch(spec, subtree, path + key)
    return path, _kind(specs), _kind(tree)


def _kind(node: Any) -> str:
    if isinstance(node, PartitionSpec):
        return spec_text(node)
    if isinstance(node, ByPath):
        return "patterns of paths"
    if is_array(node):
        return f"an array of {counted(len(shape_of(node)), 'dimension')}"
    if isinstance(node, dict):
        return f"a dict with {', '.join(map(repr, list(node)[:8])) or 'nothing'}"
    if isinstance(node, tuple | list):
        return f"a {type(node).__name__} of {len(node)}"
    if node is None or type(node) is int:
        return repr(node)
    children = _children(node)
    held = "" if children is None else f" with {counted(len(children), 'child node')}"
    return f"a {type(node).__name__}{held}"


def drops_none(specs: Any, tree: Any) -> bool:
    """Whether both are of a class that has fewer children where one of them is None."""
    ours, theirs = _children(specs), _children(tree)
    alike = type(specs) is type(tree) and not isinstance(specs, dict | list | tuple)
    return alike and ours is not None and theirs is not None and len(ours) < len(theirs)


def fitting(specs: Any, tree: Any) -> Iterator[Any]:
    """Specs that are a prefix of `tree`: as many of `specs` as fit, then each of them for all."""
    entries = tree_util.tree_leaves(specs, is_leaf=is_entry)
    if _has_patterns(specs):
        yield ByPath(specs)
    if type(specs) is tuple and all(x is None or _is_name(x) for x in specs):
        yield PartitionSpec(*specs)  # P(...) with its P left out
    if len(tree_util.tree_leaves(tree)) <= LARGEST:
        yield _fitted(specs, tree)
    given = [entry for entry in entries if isinstance(entry, PartitionSpec)]
    yield from dict.fromkeys(given[:3])


def _has_patterns(specs: Any) -> bool:
    """Whether `specs` are patterns of paths without `by_path` around them."""
    if type(specs) is not dict or not all(isinstance(key, str) for key in specs):
        return False
    return any(set(key) & set("*?/") for key in specs) and all(map(is_entry, specs.values()))


def _is_name(x: Any) -> bool:
    return isinstance(x, PartitionSpec) and len(x) == 1 and isinstance(x[0], str)


def _fitted(specs: Any, tree: Any) -> Any:
    """`tree` with the spec at the same place for each subtree, P() where there is none."""
    below = _children(tree)
    if below is None or is_entry(specs):
        return specs if is_entry(specs) and specs is not None else PartitionSpec()
    given = dict(_children(specs) or ())
    fitted = [_fitted(given.get(key), child) for key, child in below]
    if isinstance(tree, dict):
        # The children of a dict come in the order of its sorted keys.
        return dict(zip(sorted(tree), fitted, strict=True))
    return type(tree)(fitted) if type(tree) in (list, tuple) else PartitionSpec()


def trimmed(spec: PartitionSpec) -> PartitionSpec:
    """`spec` without the entries at its end that divide nothing."""
    entries = list(entries_of(spec))
    while entries and not axes_of(entries[-1]):
        entries.pop()
    return with_entries(spec, entries)


def with_entries(spec: PartitionSpec, entries: Sequence[Any]) -> PartitionSpec:
    """A spec with other entries than `spec`; what it says beside them stays."""
    return PartitionSpec(*entries, **{k: set(axes) for k, axes in axes_beside(spec).items()})


def over_mesh(specs: Any, names: Sequence[str]) -> Any:
    """A tree of specs in which each has axes among `names` only, and each of them once.

    In place of another axis there is the name nearest to it, if no entry has that.
    """

    def fitting(spec: Any) -> Any:
        if not isinstance(spec, PartitionSpec):
            return spec
        entries = [axes_of(entry) for entry in entries_of(spec)]
        given = {axis for axes in entries for axis in axes}
        free = dict.fromkeys(names)

        def taken(axis: Any) -> list[str]:
            others = [name for name in free if name not in given]
            near = difflib.get_close_matches(str(axis), others, n=1, cutoff=0.5)
            found = [axis] if axis in free else near if axis not in names else []
            for name in found:
                del free[name]
            return found

        return with_entries(
            spec, [tuple(name for axis in axes for name in taken(axis)) or None for axes in entries]
        )

    return tree_util.tree_map(fitting, specs, is_leaf=is_entry)


def spec_text(spec: PartitionSpec) -> str:
    """`spec` as one types it: `P('data', None)`."""
    beside = [
        f"{name}={{{', '.join(map(repr, sorted(axes)))}}}"
        for name, axes in axes_beside(spec).items()
    ]
    return f"P({', '.join([*map(_entry_text, entries_of(spec)), *beside])})"


def _entry_text(entry: Any) -> str:
    axes = axes_of(entry)
    if entry is None or not axes:
        return "None"
    return repr(axes[0]) if len(axes) == 1 else f"({', '.join(map(repr, axes))})"


def text_of(specs: Any) -> str | None:
    """A tree of specs as one types it; None for one with other nodes than dicts, lists, tuples."""
    if isinstance(specs, PartitionSpec):
        return spec_text(trimmed(specs))
    if specs is None:
        return "None"
    if isinstance(specs, ByPath):
        known = text_of(dict(specs.patterns))
        return None if known is None else f"by_path({known})"
    if type(specs) is dict:
        items = [(repr(key), text_of(value)) for key, value in specs.items()]
        whole = (
            None if any(t is None for _, t in items) else ", ".join(f"{k}: {t}" for k, t in items)
        )
        return None if whole is None else f"{{{whole}}}"
    if type(specs) not in (list, tuple):
        return None
    texts = [text_of(item) for item in specs]
    if None in texts:
        return None
    inside = ", ".join(filter(None, texts))
    if type(specs) is list:
        return f"[{inside}]"
    return f"({inside},)" if len(texts) == 1 else f"({inside})"
