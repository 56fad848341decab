"""Finding by path in what lists the leaves of trees: what is typed, and which paths it fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from jaxtui.program.path_texts import components
from jaxtui.text import branches

PATHS = "a part of the path, such as layers or layers/0; * is any text"

Test = Callable[[str, str], bool]


@runtime_checkable
class PathFinder(Protocol):
    """A widget in which paths are looked for."""

    sought: str  # what was looked for last

    def find(self, wanted: str, step: int = 1) -> bool:
        """Go to the next path that `wanted` fits, or with -1 to the one before.

        Return whether there is one.
        """

    def say(self, message: str) -> None:
        """Say what is wrong until the cursor moves."""


def finder_of(widget: object) -> PathFinder | None:
    """The widget, if paths are looked for in it."""
    return widget if isinstance(widget, PathFinder) else None


def find_path(finder: PathFinder, wanted: str) -> None:
    """Find the next path that `wanted` fits, or say that there is none."""
    if not finder.find(wanted):
        finder.say(f"no path has {wanted}")


def find_again(finder: PathFinder, step: int) -> None:
    """Find the next path that fits what was looked for last, or with -1 the one before."""
    if finder.sought and not finder.find(finder.sought, step):
        finder.say(f"no path has {finder.sought}")


def joined(paths: Iterable[str]) -> str:
    """Paths as one text, in which `is_nowhere` looks."""
    return "\n".join(paths).lower()


def is_nowhere(wanted: str, paths: str) -> bool:
    """Whether `wanted` fits none of the joined `paths`, as far as one look tells."""
    return "/" not in wanted and _longest(wanted) not in paths


def _longest(wanted: str) -> str:
    """The longest part of `wanted` that stands in a path as it is, in lower case."""
    return max(wanted.strip().strip("*").split("*"), key=len).lower()


def path_test(wanted: str) -> Test:
    """Whether `wanted` fits the path of a node, given with its last key, and no node above it.

    It is any part of the path, in which `*` stands for any text; a path may also be written with
    slashes. Case does not matter.
    """
    plain = wanted.strip().strip("*").split("*")
    parts = [re.escape(part) for part in plain]
    longest = _longest(wanted)
    # The last possible end must lie within the last key: what is above does not fit by itself.
    pattern = re.compile(f".*{'.*'.join(parts)}", re.IGNORECASE | re.DOTALL)
    slashed = "/" in wanted  # then the path may be meant to be written so, too

    def fits(path: str, key: str) -> bool:
        if longest not in path.lower() and not slashed:
            return False
        found = pattern.match(path)
        if found is None and slashed:
            path, key = with_slashes(path), "/".join(components(key))
            found = pattern.match(path)
        return found is not None and found.end() > len(path) - len(key)

    return fits


def with_slashes(path: str) -> str:
    """`params['layers'][0].w` as `params/layers/0/w`."""
    return "/".join(part for key in branches.components(path) for part in components(key))
