"""The difference between two texts, line by line."""

from __future__ import annotations

import difflib
import itertools

ALIKE = "There is no difference."
CONTEXT = 3  # unchanged lines shown around a change
COMPARED = 2_000  # lines above which a changed part is shown as a whole: comparing is quadratic


def difference(before: str, after: str) -> str:
    """Return the changed lines with `-` or `+` in front, among the unchanged ones around them."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return ALIKE
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    changed_old, changed_new = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(changed_old), len(changed_new)) > COMPARED:
        lines = [f" {line}" for line in old[max(0, start - CONTEXT) : start]]
        lines += [f"-{line}" for line in changed_old]
        lines += [f"+{line}" for line in changed_new]
        lines += [f" {line}" for line in old[len(old) - end :][:CONTEXT]]
        return "\n".join(lines)
    # The first three lines name files and the place.
    hunks = difflib.unified_diff(old, new, lineterm="", n=CONTEXT)
    return "\n".join("…" if line.startswith("@@") else line for line in list(hunks)[3:])


def _alike(old: list[str], new: list[str]) -> int:
    """How many lines at the beginning are the same."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
