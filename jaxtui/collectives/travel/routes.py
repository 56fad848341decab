"""The algorithms behind collectives: in each step, which position sends which block to which.

Sources: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in
MPICH" (2005), for the rings, recursive doubling with its fold for other sizes, and rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jaxtui.session.collective_catalogue import Family

APART = 16  # a block's owner is shifted by so many bits, above its number


@dataclass(frozen=True)
class Group:
    """The rows that communicate with one another, in the order of their positions."""

    rows: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.rows)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The (source, target) pairs of a permutation, which may be given as a list of sources."""
        return [
            (entry[0], entry[1]) if isinstance(entry, list | tuple) else (entry, position)
            for position, entry in enumerate(self.options["perm"])
        ]

    def source_of(self, position: int) -> int | None:
        """The position from which a permutation or a broadcast sends to `position`, or None."""
        if "source" in self.options:
            return int(self.options["source"])
        return next((source for source, target in self.pairs if target == position), None)

    def move(self, source: int, target: int, key: int, **how: bool) -> Move:
        return Move(self.rows[source], self.rows[target], key, **how)


@dataclass(frozen=True)
class Move:
    """A row sends its block `key` to another row.

    If `handed_on`, the sender no longer holds it; if `combined`, it is added to the receiver's own.
    """

    source: int
    target: int
    key: int
    combined: bool = False
    handed_on: bool = False


Moves = Iterator[list[Move]]


@dataclass(frozen=True)
class Route:
    """An algorithm: its name, and its rounds and bytes for n devices in words (`cost`).

    A row is cut into one block for each position. If `whole`, it is a single block, numbered by the
    row's position, or 0 if all are `summed`. If `apart`, equal blocks of different rows are kept
    apart by numbers of their own.
    """

    name: str
    family: Family
    words: str
    cost: str
    moves: Callable[[Group], Moves]
    whole: bool = False
    summed: bool = False
    apart: bool = False
    powers_of_two: bool = False


ROUTES: list[Route] = []


def _route(
    name: str, *, family: Family, words: str, cost: str, **how: bool
) -> Callable[[Callable[[Group], Moves]], Callable[[Group], Moves]]:
    """Enter the decorated function into ROUTES as the moves of an algorithm."""

    def entered(moves: Callable[[Group], Moves]) -> Callable[[Group], Moves]:
        ROUTES.append(Route(name, family, words, cost, moves, **how))
        return moves

    return entered


@_route(
    "ring reduce-scatter",
    family="reduce-scatter",
    words="each block goes round once and is added to on its way",
    cost="(n−1) α + (n−1)/n S/β",
)
def _ring_reduce_scatter(group: Group) -> Moves:
    n = group.size
    for step in range(n - 1):
        yield [
            group.move(p, (p + 1) % n, (p - step - 1) % n, combined=True, handed_on=True)
            for p in range(n)
        ]


@_route(
    "ring all-gather",
    family="all-gather",
    words="each device passes on the block that it got last",
    cost="(n−1) (α + S/β)",
    whole=True,
)
def _ring_all_gather(group: Group) -> Moves:
    n = group.size
    for step in range(n - 1):
        yield [group.move(p, (p + 1) % n, (p - step) % n) for p in range(n)]


@_route(
    "ring all-reduce",
    family="all-reduce",
    words="a ring reduce-scatter, then a ring all-gather",
    cost="2(n−1) α + 2(n−1)/n S/β",
)
def _ring_all_reduce(group: Group) -> Moves:
    yield from _ring_reduce_scatter(group)
    yield from _ring_all_gather(group)


@_route(
    "recursive doubling",
    family="all-reduce",
    words="pairs at distance 1, 2, 4, … exchange their sums",
    cost="⌊log₂ n⌋ (α + S/β), 2 (α + S/β) more unless n = 2^k",
    whole=True,
    summed=True,
)
def _doubling_all_reduce(group: Group) -> Moves:
    # If the size is no power of two, the first few pairs act as one position each: one sends its
    # block to the other before, and receives the result after.
    power = 1 << (group.size.bit_length() - 1)
    extra = group.size - power
    members = [2 * i + 1 for i in range(extra)] + list(range(2 * extra, group.size))
    if extra:
        yield [group.move(2 * i, 2 * i + 1, 0, combined=True) for i in range(extra)]
    distance = 1
    while distance < power:
        yield [
            group.move(members[i], members[i ^ distance], 0, combined=True) for i in range(power)
        ]
        distance *= 2
    if extra:
        yield [group.move(2 * i + 1, 2 * i, 0) for i in range(extra)]


@_route(
    "recursive doubling all-gather",
    family="all-gather",
    words="pairs at distance 1, 2, 4, … exchange all that they have",
    cost="log₂ n α + (n−1) S/β",
    whole=True,
    powers_of_two=True,
)
def _doubling_all_gather(group: Group) -> Moves:
    distance = 1
    while distance < group.size:
        yield [
            group.move(p, p ^ distance, block)
            for p in range(group.size)
            for block in range(p & -distance, (p & -distance) + distance)
        ]
        distance *= 2


@_route(
    "rotation",
    family="all-to-all",
    words="in step s each device sends its part for the device s further on",
    cost="(n−1) α + (n−1)/n S/β",
    apart=True,
)
def _rotation(group: Group) -> Moves:
    n = group.size
    for step in range(1, n):
        yield [
            group.move(p, (p + step) % n, p << APART | (p + step) % n, handed_on=True)
            for p in range(n)
        ]


@_route(
    "permutation",
    family="permute",
    words="all send at once, each to its target",
    cost="α + S/β",
    whole=True,
)
def _permutation(group: Group) -> Moves:
    yield [group.move(s, t, s) for s, t in group.pairs if s != t]


@_route(
    "binomial tree",
    family="broadcast",
    words="all that have the block send it on, twice as many after every step",
    cost="⌈log₂ n⌉ (α + S/β)",
    whole=True,
)
def _binomial_tree(group: Group) -> Moves:
    n, root = group.size, int(group.options["source"])
    have = 1
    while have < n:
        yield [
            group.move((root + i) % n, (root + i + have) % n, root)
            for i in range(min(have, n - have))
        ]
        have *= 2
