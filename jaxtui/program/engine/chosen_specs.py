"""Which pattern gives each leaf of a tree its spec, and how one leaf can be given another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jax.sharding import PartitionSpec

from jaxtui.program.engine.path_patterns import ByPath
from jaxtui.program.path_matching import ANY


@dataclass(frozen=True)
class Chosen:
    """The pattern that gives a leaf its spec; `alike` matches it and those of its name and shape,
    and is that pattern if it matches no others."""

    by: ByPath
    pattern: str
    alike: str

    @property
    def spec(self) -> Any:
        return self.by.patterns[self.pattern]

    def excepted(self, spec: PartitionSpec | None) -> ByPath:
        """The patterns with another spec for this leaf and those like it."""
        made: dict[str, Any] = {}
        for pattern, known in self.by.patterns.items():
            if pattern == self.pattern:
                made[self.alike] = spec
            made.setdefault(pattern, known)
        return ByPath(made)


def chosen_specs(
    by: ByPath, paths: Sequence[tuple[str, ...]], shapes: Sequence[tuple[int, ...]]
) -> list[Chosen]:
    """What each of the leaves with these paths and shapes is given; a pattern matches each."""
    seen: dict[str, dict[str, set[Any]]] = {}
    for path, shape in zip(paths, shapes, strict=True):
        seen.setdefault(by.pattern_of(path) or "", {}).setdefault(_last(path), set()).add(shape)
    chosen = []
    for path in paths:
        pattern = by.pattern_of(path) or ""
        same = len(seen[pattern][_last(path)]) == 1
        alike = f"{ANY}/{_last(path)}" if same else "/".join(path)
        alone = same and len(seen[pattern]) == 1
        chosen.append(Chosen(by, pattern, pattern if alone else alike))
    return chosen


def _last(path: tuple[str, ...]) -> str:
    return path[-1] if path else ""
