"""Tree prefixes as Python text, such as `{'w': 0, 'b': None}`: read, set at a node, written.

What stands in a text is never run. A part that is no literal prefix of its tree, such as a name of
the source, is kept as it was typed, for all that is below its node.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jaxtui.program import path_texts
from jaxtui.program.trees import Tree, towards

MOST = 100_000  # characters of a text that is written


@dataclass(frozen=True)
class Entry:
    """An entry that holds for all leaves below its node, as text; `typed` if it could not be read
    as an entry, so that it may say something else of each leaf."""

    text: str
    typed: bool = False


Prefix = Entry | tuple["Prefix", ...]
"""An entry, or a prefix for each child of the node."""


@dataclass(frozen=True)
class Kind:
    """A kind of entries: `default` is what a leaf without one has, and `is_entry` tells whether an
    expression is one. With `patterns` they may also be given by patterns of paths."""

    default: str
    is_entry: Callable[[ast.expr], bool]
    patterns: bool = False


class Refused(Exception):
    """Why nothing can be set at a node."""


# ------------------------------------------------------------------------------ kinds of entries


def _is_axis(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        node = node.operand
        return isinstance(node, ast.Constant) and type(node.value) is int
    return isinstance(node, ast.Constant) and (node.value is None or type(node.value) is int)


def _is_spec(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is None
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
    called = name.id if isinstance(name, ast.Name) else name
    return called in ("P", "PartitionSpec")


def _is_placement(node: ast.expr) -> bool:
    """Also a name or a tuple of names, which stand for the PartitionSpec of them."""
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(
            isinstance(name, ast.Constant) and isinstance(name.value, str) for name in node.elts
        )
    return _is_spec(node) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def axes(default: str = "0") -> Kind:
    """Entries of `in_axes` and `out_axes`: an integer, or None."""
    return Kind(default, _is_axis)


SPECS = Kind("P()", _is_spec)
"""Entries of `in_specs` and `out_specs`."""

PLACEMENTS = Kind("None", _is_placement, patterns=True)
"""Entries of an argument's sharding, where None leaves a leaf as it is."""


def _spelled(node: ast.expr) -> str:
    """The text of an entry; a name alone, which beside others would be part of a spec, as one."""
    text = ast.unparse(node)
    named = isinstance(node, ast.Tuple | ast.Constant) and text != "None" and "'" in text
    return f"P({text})" if named else text


def parsed(text: str) -> ast.expr | None:
    """The expression of `text`; None if it is none, or too deep for Python to write it again."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
        ast.unparse(node)
        return node
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


# --------------------------------------------------------------------------------------- reading


def read(text: str, tree: Tree, kind: Kind) -> Prefix:
    """The prefix of `tree` that `text` is; one without text is the default for all."""
    if not text.strip():
        return Entry(kind.default)
    node = parsed(text)
    if node is None:
        return Entry(text.strip(), typed=True)
    return _read(node, tree, kind)


def _read(node: ast.expr, tree: Tree, kind: Kind) -> Prefix:
    if kind.is_entry(node):
        return Entry(_spelled(node))
    patterns = path_texts.patterns_of(node) if kind.patterns else None
    if patterns is not None and all(map(kind.is_entry, patterns.values())):
        return _by_pattern(patterns, tree, ())
    parts = _parts(node, tree)
    if parts is None:
        return Entry(ast.unparse(node), typed=True)
    return tuple(_read(part, child, kind) for part, child in zip(parts, tree.children, strict=True))


def _by_pattern(patterns: path_texts.Patterns, tree: Tree, path: tuple[str, ...]) -> Prefix:
    if not tree.leaf:
        return tuple(
            _by_pattern(patterns, child, (*path, *path_texts.components(child.key)))
            for child in tree.children
        )
    pattern = path_texts.first_match(patterns, path)
    if pattern is None:
        return Entry("no pattern", typed=True)
    return Entry(_spelled(patterns[pattern]))


def _parts(node: ast.expr, tree: Tree) -> list[ast.expr] | None:
    """The parts of `node` for the children of `tree`; None if it is not written as that is."""
    if isinstance(node, ast.Dict) and tree.kind == "dict":
        return _by_key(dict(zip(map(_key, node.keys), node.values, strict=True)), tree)
    if isinstance(node, ast.Tuple | ast.List):
        kind = "tuple" if isinstance(node, ast.Tuple) else "list"
        parts = node.elts if len(node.elts) == len(tree.children) else None
        return parts if kind == tree.kind and not _starred(node.elts) else None
    if isinstance(node, ast.Call) and ast.unparse(node.func) == tree.kind:
        if _starred(node.args) or len(node.args) > len(tree.children):
            return None
        keys = [child.key for child in tree.children]
        given: dict[str | None, ast.expr] = dict(zip(keys, node.args, strict=False))
        for keyword in node.keywords:
            given["." + keyword.arg if keyword.arg else None] = keyword.value
        return _by_key(given, tree)
    return None


def _starred(nodes: list[ast.expr]) -> bool:
    return any(isinstance(node, ast.Starred) for node in nodes)


def _key(node: ast.expr | None) -> str | None:
    """The key of a dict as a component of a path; None for what is no literal."""
    try:
        return None if node is None else f"[{ast.literal_eval(node)!r}]"
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None


def _by_key(given: dict[str | None, ast.expr], tree: Tree) -> list[ast.expr] | None:
    keys = [child.key for child in tree.children]
    return [given[key] for key in keys] if given.keys() == set(keys) else None


# --------------------------------------------------------------------------------------- setting


def at(prefix: Prefix, tree: Tree, path: str) -> Prefix:
    """What `prefix` has for the node at `path`."""
    while tree.path != path and not isinstance(prefix, Entry):
        number = towards(tree, path)
        prefix, tree = prefix[number], tree.children[number]
    return prefix


def set_at(prefix: Prefix, tree: Tree, path: str, text: str) -> Prefix:
    """`prefix` with the entry `text` for all leaves of the node at `path`.

    Raises Refused where what was typed for a larger part cannot be read.
    """
    if tree.path == path:
        return Entry(text)
    if isinstance(prefix, Entry):
        if prefix.typed:
            raise Refused(f"{tree.path} has {prefix.text}, as typed: change it there")
        prefix = (prefix,) * len(tree.children)
    number = towards(tree, path)
    changed = set_at(prefix[number], tree.children[number], path, text)
    return (*prefix[:number], changed, *prefix[number + 1 :])


# --------------------------------------------------------------------------------------- writing


def shortest(prefix: Prefix, tree: Tree) -> Prefix | None:
    """`prefix` with one entry wherever all leaves below have the same; None without leaves."""
    if not tree.leaves:
        return None
    if isinstance(prefix, Entry):
        return prefix
    below = [shortest(part, child) for part, child in zip(prefix, tree.children, strict=True)]
    known = [part for part in below if part is not None]
    first = known[0]
    if isinstance(first, Entry) and not first.typed and all(part == first for part in known):
        return first
    # A node without leaves may have any entry.
    return tuple(Entry("None") if part is None else part for part in below)


def write(prefix: Prefix, tree: Tree) -> str:
    """The text of `prefix`, the shortest that says it.

    Raises Refused for a part of a node that cannot be written.
    """
    short = shortest(prefix, tree)
    return _write(Entry("None") if short is None else short, tree)


def _write(prefix: Prefix, tree: Tree) -> str:
    if isinstance(prefix, Entry):
        return prefix.text
    texts = [_write(part, child) for part, child in zip(prefix, tree.children, strict=True)]
    keys = [child.key for child in tree.children]
    if tree.kind == "dict":
        items = (f"{key[1:-1]}: {text}" for key, text in zip(keys, texts, strict=True))
        return f"{{{', '.join(items)}}}"
    if tree.kind == "list":
        return f"[{', '.join(texts)}]"
    if tree.kind == "tuple":
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
    if not tree.kind:
        raise Refused(f"no text says what is inside {tree.path}: set it for the whole")
    fields = (f"{key[1:]}={text}" for key, text in zip(keys, texts, strict=True))
    return f"{tree.kind}({', '.join(fields)})"


def changed(text: str, tree: Tree, kind: Kind, path: str, entry: str) -> str:
    """`text`, a prefix of `tree`, with `entry` at `path`, in the shortest of its forms.

    Raises Refused where the node cannot have an entry of its own, or the text were too long.
    """
    wanted = parsed(" ".join(entry.split()) or kind.default)
    if wanted is None or not kind.is_entry(wanted):
        raise Refused(f"{entry.strip()} is no entry such as {kind.default}")
    spelled = _spelled(wanted)
    prefix = set_at(read(text, tree, kind), tree, path, spelled)
    forms = list(_patterns(text, prefix, tree, path, spelled)) if kind.patterns else []
    try:
        forms.insert(0, write(prefix, tree))
    except Refused:
        if not forms:
            raise
    written = min(forms, key=len)
    if len(written) > MOST:
        number = f"{len(written):,}"
        raise Refused(f"that would be a text of {number} characters: set it for a larger part")
    return written


def _patterns(text: str, prefix: Prefix, tree: Tree, path: str, entry: str) -> Iterator[str]:
    """The texts of patterns of paths that say what `prefix` does, for `entry` put at `path`."""
    uniform = list(_uniform(prefix, tree, ()))
    if not uniform or any(kept.typed for _, _, kept in uniform):
        return
    wanted = shortest(prefix, tree)
    texts = [path_texts.from_scratch([(node, at, kept.text) for node, at, kept in uniform])]
    there = path_texts.patterns_of(parsed(text))
    if there is not None:
        node, below = node_at(tree, path)
        texts.append(path_texts.put_first(there, path_texts.pattern_for(node, below), entry, tree))
    for made in texts:
        if shortest(read(made, tree, PLACEMENTS), tree) == wanted:
            yield made


def _uniform(
    prefix: Prefix, tree: Tree, path: tuple[str, ...]
) -> Iterator[tuple[Tree, tuple[str, ...], Entry]]:
    """The largest nodes with one entry for all that is below, and their paths in patterns."""
    short = shortest(prefix, tree)
    if isinstance(short, Entry):
        yield tree, path, short
    elif short is not None:
        for part, child in zip(short, tree.children, strict=True):
            yield from _uniform(part, child, (*path, *path_texts.components(child.key)))


def node_at(tree: Tree, path: str) -> tuple[Tree, tuple[str, ...]]:
    """The node at `path`, and its path in patterns."""
    below: tuple[str, ...] = ()
    while tree.path != path:
        tree = tree.children[towards(tree, path)]
        below += path_texts.components(tree.key)
    return tree, below


def same(one: str, other: str, tree: Tree, kind: Kind) -> bool:
    """Whether two texts say the same of every leaf, as far as they can be read."""
    first, second = (shortest(read(text, tree, kind), tree) for text in (one, other))
    return first == second
