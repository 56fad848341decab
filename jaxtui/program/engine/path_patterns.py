"""Specs by patterns of paths: `by_path({'**/kernel': P(None, 'model'), '**': P()})`.

A path is that of a leaf of a tree, its components joined by slashes: `layers/0/kernel`. In a
pattern `**` stands for any number of components, and each other component matches one, as in
`fnmatch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax import tree_util

from jaxtui.program.path_matching import matches

KeyPath = tuple[Any, ...]
"""Where a leaf is in a tree, as from `jax.tree_util.tree_flatten_with_path`."""


@dataclass(frozen=True, eq=False)
class ByPath:
    """The specs of a tree's leaves by patterns of their paths, of which the first match counts."""

    patterns: Mapping[str, Any]

    def pattern_of(self, path: Sequence[str]) -> str | None:
        """The first pattern that matches a path; None if none does."""
        return next((pattern for pattern in self.patterns if matches(pattern, path)), None)

    def without(self, pattern: str) -> ByPath:
        """The same without one of the patterns."""
        return ByPath({p: spec for p, spec in self.patterns.items() if p != pattern})

    def renamed(self, pattern: str, new: str) -> ByPath:
        """The same with another pattern in place of one."""
        return ByPath({new if p == pattern else p: spec for p, spec in self.patterns.items()})


def by_path(patterns: Any) -> ByPath:
    """The helper of that name in the text of a sharding. Raises TypeError for what is no dict."""
    known = isinstance(patterns, dict) and patterns
    if not known or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(
            "by_path takes a dict from patterns of paths to specs, "
            "such as {'**/kernel': P('x'), '**': P()}"
        )
    return ByPath(dict(patterns))


def refused(patterns: Any) -> Any:
    """`by_path` where no argument's tree is known. Raises TypeError."""
    raise TypeError("by_path is for the sharding of an argument; type a tree of specs here")


HELPERS = {"by_path": by_path}
"""What the text of an argument's sharding knows beside the names of the source."""


def components(path: KeyPath) -> tuple[str, ...]:
    """The components of a leaf's path; a key with slashes is several."""
    text = tree_util.keystr(path, simple=True, separator="/")
    return tuple(part for part in text.split("/") if part)
