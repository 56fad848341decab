"""Specs by patterns of paths as Python text, `by_path({'**/bias': P(), '**': P('x')})`, unrun."""

from __future__ import annotations

import ast
import glob
from collections import Counter
from collections.abc import Iterator, Mapping

from jaxtui.program.path_matching import ANY, matches
from jaxtui.program.trees import Tree

Patterns = dict[str, ast.expr]


def patterns_of(node: ast.expr | None) -> Patterns | None:
    """The patterns of a call of `by_path` with a dict of literal patterns; None for all else."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return None
    given = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if node.func.id != "by_path" or not isinstance(given, ast.Dict):
        return None
    keys = [key.value if isinstance(key, ast.Constant) else None for key in given.keys]
    if not keys or not all(isinstance(key, str) for key in keys):
        return None
    return dict(zip(map(str, keys), given.values, strict=True))


def first_match(patterns: Mapping[str, object], path: tuple[str, ...]) -> str | None:
    """The first of the patterns that matches a path; None if none does."""
    return next((pattern for pattern in patterns if matches(pattern, path)), None)


def leaf_paths(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the leaves below `tree`, as patterns see them, from there."""
    if tree.leaf:
        yield path
    for child in tree.children:
        yield from leaf_paths(child, (*path, *components(child.key)))


def components(key: str) -> tuple[str, ...]:
    """The components of one key of a path; a key with slashes is several."""
    text = key.removeprefix(".")
    if key.startswith("["):
        try:
            text = str(ast.literal_eval(key[1:-1]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            text = key[1:-1].removeprefix("<flat index ").removesuffix(">")
    return tuple(part for part in text.split("/") if part)


def pattern_for(tree: Tree, path: tuple[str, ...]) -> str:
    """The pattern of all leaves of the node `tree`, whose own path is `path`."""
    parts = [glob.escape(part) for part in path]
    return "/".join(parts if tree.leaf else [*parts, ANY])


def written(patterns: Mapping[str, str]) -> str:
    """The text of the patterns, each with the text of its spec."""
    items = ", ".join(f"{pattern!r}: {spec}" for pattern, spec in patterns.items())
    return f"by_path({{{items}}})"


def from_scratch(uniform: list[tuple[Tree, tuple[str, ...], str]]) -> str:
    """The text for nodes, each with its path and the spec of all that is below: a pattern for each
    but those with the spec that most leaves have."""
    weights: Counter[str] = Counter()
    for tree, _, spec in uniform:
        weights[spec] += tree.leaves
    most = max(weights, key=weights.__getitem__)
    others = {pattern_for(tree, path): spec for tree, path, spec in uniform if spec != most}
    return written({**others, ANY: most})


def put_first(patterns: Patterns, pattern: str, spec: str, tree: Tree) -> str:
    """The text of the patterns with one more in front, and without those that it takes all from."""
    texts = {known: ast.unparse(node) for known, node in patterns.items()}
    texts = {pattern: spec, **{k: text for k, text in texts.items() if k != pattern}}
    used = {first_match(texts, path) for path in leaf_paths(tree)}
    return written({k: text for k, text in texts.items() if k in used})
