"""Patterns of paths, whose components are joined by slashes: `layers/*/kernel`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fnmatch import fnmatchcase

ANY = "**"
"""In a pattern, any number of components."""


@functools.lru_cache(maxsize=65536)
def _matches(pattern: str, path: tuple[str, ...]) -> bool:
    reached = {0}  # how much of the path the components so far can stand for
    for part in filter(None, pattern.split("/")):
        if part == ANY:
            reached = set(range(min(reached, default=len(path) + 1), len(path) + 1))
        else:
            reached = {n + 1 for n in reached if n < len(path) and fnmatchcase(path[n], part)}
    return len(path) in reached


def matches(pattern: str, path: Sequence[str]) -> bool:
    """Whether a pattern matches a path, given as its components."""
    return _matches(pattern, tuple(path))
