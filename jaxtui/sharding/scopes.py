"""The calls and loops that values stand in, and how often what stands in them runs."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.wire.sharding import Scope

OUTSIDE = -1
"""The index of no scope: what stands in it runs once."""


def turns(scopes: Sequence[Scope]) -> dict[int, int | None]:
    """How often what stands in each scope runs, None if a loop around it is of unknown length.

    A scope comes behind that around it; one that does not, as a broken engine might say, is taken
    to stand in none.
    """
    found: dict[int, int | None] = {OUTSIDE: 1}
    for index, scope in enumerate(scopes):
        around = found.get(scope.parent, 1)
        found[index] = None if scope.turns is None or around is None else scope.turns * around
    return found
