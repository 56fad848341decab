"""What is wrong with patterns of paths: one that matches nothing, a leaf that none matches."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from jax.sharding import PartitionSpec

from jaxtui.program.engine import spec_trees
from jaxtui.program.engine.path_patterns import ByPath
from jaxtui.program.path_matching import ANY, matches

Paths = Sequence[tuple[str, ...]]
SHOWN = 3  # paths that a message names


def fault(by: ByPath, name: str, paths: Paths) -> tuple[str, list[ByPath]] | None:
    """What is wrong with patterns for an argument `name` with leaves at these paths, and patterns
    that may be meant; None if each pattern is the first that matches a leaf, and each leaf is
    matched. A `**` that the others leave nothing to is none, since it stands for the rest.
    """
    for pattern in by.patterns:
        found = [path for path in paths if matches(pattern, path)]
        if not found and not _is_rest(pattern):
            return _unmatched_pattern(by, pattern, name, paths)
        if found and (over := _taken_by(by, pattern, found)) is not None:
            message = (
                f"{pattern!r} comes behind {over!r}, which matches all that it does: "
                "the first that matches counts"
            )
            return message, [_before(by, pattern, over), by.without(pattern)]
    left = [path for path in paths if by.pattern_of(path) is None]
    return _unmatched_leaves(by, name, left) if left else None


def change(old: ByPath, new: ByPath) -> str:
    """What is other in new patterns, in words: `'**/kernal' → '**/kernel'`."""
    gone = [repr(pattern) for pattern in old.patterns if pattern not in new.patterns]
    given = {p: spec_trees.text_of(spec) for p, spec in new.patterns.items()}
    before = {p: spec_trees.text_of(spec) for p, spec in old.patterns.items()}
    made = [pattern for pattern in given if pattern not in before]
    if len(gone) == len(made) == 1:
        return f"{gone[0]} → {made[0]!r}"
    other = [f"{p!r}: {spec}" for p, spec in given.items() if before.get(p) != spec]
    if other or gone:
        return ", ".join([*other, *(f"without {pattern}" for pattern in gone)])
    first = next(p for p, q in zip(given, before, strict=True) if p != q)
    return f"{first!r} further in front"


def _is_rest(pattern: str) -> bool:
    return set(pattern.split("/")) <= {ANY, ""}


def _taken_by(by: ByPath, pattern: str, found: Paths) -> str | None:
    """A pattern in front of this one that matches all the paths it matches."""
    if _is_rest(pattern):
        return None
    for before in by.patterns:
        if before == pattern:
            return None
        if all(matches(before, path) for path in found):
            return before
    return None


def _before(by: ByPath, pattern: str, other: str) -> ByPath:
    """The patterns with one of them put in front of another."""
    moved = [p for p in by.patterns if p != pattern]
    moved.insert(moved.index(other), pattern)
    return ByPath({p: by.patterns[p] for p in moved})


def _unmatched_pattern(
    by: ByPath, pattern: str, name: str, paths: Paths
) -> tuple[str, list[ByPath]]:
    near = [new for new in _near(pattern, paths) if new not in by.patterns]
    last = pattern.rpartition("/")[2]
    closest = sorted(paths, key=lambda path: -_likeness(last, path[-1] if path else ""))
    there = ", ".join(dict.fromkeys("/".join(path) for path in closest[:SHOWN]))
    more = f", and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    message = f"{pattern!r} matches no path of {name}, which has {there or 'none'}{more}"
    fixes = [by.renamed(pattern, new) for new in near]
    return message, [*fixes, by.without(pattern)] if len(by.patterns) > 1 else fixes


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b).ratio()


def _near(pattern: str, paths: Paths) -> Iterator[str]:
    """Patterns like one that matches nothing, each of which matches something."""
    known = sorted({part for path in paths for part in path})
    parts = [part for part in pattern.split("/") if part]
    tried: list[str] = []
    for at, part in enumerate(parts):
        if part not in known and not set(part) & set("*?["):
            near = difflib.get_close_matches(part, known, n=2, cutoff=0.5)
            tried += ["/".join([*parts[:at], other, *parts[at + 1 :]]) for other in near]
    # A path as JAX or an attribute writes it: ['layers'][0]['kernel'], layers.0.kernel.
    plain = "/".join(re.findall(r"[\w*?~-]+", pattern))
    tried += [plain, f"{ANY}/{plain}", f"{plain}/{ANY}", f"{ANY}/{plain}/{ANY}"]
    seen: list[Paths] = [[]]  # what each of them matches, since one that does the same is none
    for new in tried:
        found = [path for path in paths if matches(new, path)]
        if found not in seen:
            seen.append(found)
            yield new


def _unmatched_leaves(by: ByPath, name: str, left: Paths) -> tuple[str, list[ByPath]]:
    first = "/".join(left[0]) or "it"
    others = len(left) - 1
    more = f" and {others:,} other{'s' if others > 1 else ''}" if others else ""
    message = f"no pattern matches {first}{more} of {name}; {ANY!r} at the end is for the rest"
    rest = ByPath({**by.patterns, ANY: PartitionSpec()})
    last = f"{ANY}/{left[0][-1]}" if left[0] else ANY
    alone = ByPath({**by.patterns, last: PartitionSpec()})
    covered = all(alone.pattern_of(path) is not None for path in left)
    return message, [alone, rest] if covered and last != ANY else [rest]
