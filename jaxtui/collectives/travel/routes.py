"""The algorithms behind collectives: in each step, which position sends which block to whom.

Sources: Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in
MPICH" (2005), for the rings, recursive doubling with its fold for other sizes, and rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jaxtui.session.collective_catalogue import Family

APART = 16  # bits by which a block's owner is told from its number


@dataclass(frozen=True)
class Group:
    """Rows that take part together, in the order of their positions."""

    rows: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many positions there are."""
        return len(self.rows)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Who sends to whom in a permutation: its pairs, or for every position its source."""
        perm = self.options["perm"]
        return [
            (entry[0], entry[1]) if isinstance(entry, list | tuple) else (entry, position)
            for position, entry in enumerate(perm)
        ]

    def source_of(self, position: int) -> int | None:
        """Whose block a position receives from a permutation or a broadcast."""
        if "source" in self.options:
            return int(self.options["source"])
        return next((source for source, target in self.pairs if target == position), None)

    def move(self, source: int, target: int, key: int, **how: bool) -> Move:
        """A move between two positions."""
        return Move(self.rows[source], self.rows[target], key, **how)


@dataclass(frozen=True)
class Move:
    """A row sends its block `key` to another: as a copy, or `handed_on` so that it is no longer
    held; kept as it is, or `combined` with the receiver's own."""

    source: int
    target: int
    key: int
    combined: bool = False
    handed_on: bool = False


Moves = Iterator[list[Move]]


@dataclass(frozen=True)
class Route:
    """An algorithm. With `whole` a row is one block, numbered by its position (0 where all are
    `summed`), else it is cut into one block for each position; with `apart` blocks of different
    rows have numbers of their own."""

    name: str
    family: Family
    words: str
    cost: str
    moves: Callable[[Group], Moves]
    whole: bool = False
    summed: bool = False
    apart: bool = False
    powers_of_two: bool = False


def ring_reduce_scatter(group: Group) -> Moves:
    """Each block goes round once and is added to on its way; its last stop is its own position."""
    n = group.size
    for step in range(n - 1):
        yield [
            group.move(p, (p + 1) % n, (p - step - 1) % n, combined=True, handed_on=True)
            for p in range(n)
        ]


def ring_all_gather(group: Group) -> Moves:
    """Each position passes on the block that it got last."""
    n = group.size
    for step in range(n - 1):
        yield [group.move(p, (p + 1) % n, (p - step) % n) for p in range(n)]


def ring_all_reduce(group: Group) -> Moves:
    """First every block is added up in one place, then all are passed round."""
    yield from ring_reduce_scatter(group)
    yield from ring_all_gather(group)


def doubling_all_reduce(group: Group) -> Moves:
    """Pairs at distance 1, 2, 4, ... exchange their sums.

    Where the size is no power of two, the first few pairs become one position each: one hands its
    block to the other before, and gets the result after.
    """
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


def doubling_all_gather(group: Group) -> Moves:
    """Pairs at distance 1, 2, 4, ... exchange all that they have."""
    distance = 1
    while distance < group.size:
        yield [
            group.move(p, p ^ distance, block)
            for p in range(group.size)
            for block in range(p & -distance, (p & -distance) + distance)
        ]
        distance *= 2


def rotation(group: Group) -> Moves:
    """In step s every position sends its part for the one s further on."""
    n = group.size
    for step in range(1, n):
        yield [
            group.move(p, (p + step) % n, p << APART | (p + step) % n, handed_on=True)
            for p in range(n)
        ]


def permutation(group: Group) -> Moves:
    """All send at once, each to its target."""
    yield [group.move(s, t, s) for s, t in group.pairs if s != t]


def binomial_tree(group: Group) -> Moves:
    """All that have the block send it, so that twice as many have it after every step."""
    n, root = group.size, int(group.options["source"])
    have = 1
    while have < n:
        yield [
            group.move((root + i) % n, (root + i + have) % n, root)
            for i in range(min(have, n - have))
        ]
        have *= 2


ROUTES = (
    Route(
        name="ring all-reduce",
        family="all-reduce",
        words="a ring reduce-scatter, then a ring all-gather",
        cost="2(n−1) α + 2(n−1)/n S/β",
        moves=ring_all_reduce,
    ),
    Route(
        name="recursive doubling",
        family="all-reduce",
        words="pairs at distance 1, 2, 4, … exchange their sums",
        cost="⌊log₂ n⌋ (α + S/β), 2 (α + S/β) more unless n = 2^k",
        moves=doubling_all_reduce,
        whole=True,
        summed=True,
    ),
    Route(
        name="ring reduce-scatter",
        family="reduce-scatter",
        words="each block goes round once and is added to on its way",
        cost="(n−1) α + (n−1)/n S/β",
        moves=ring_reduce_scatter,
    ),
    Route(
        name="ring all-gather",
        family="all-gather",
        words="each device passes on the block that it got last",
        cost="(n−1) (α + S/β)",
        moves=ring_all_gather,
        whole=True,
    ),
    Route(
        name="recursive doubling all-gather",
        family="all-gather",
        words="pairs at distance 1, 2, 4, … exchange all that they have",
        cost="log₂ n α + (n−1) S/β",
        moves=doubling_all_gather,
        whole=True,
        powers_of_two=True,
    ),
    Route(
        name="rotation",
        family="all-to-all",
        words="in step s each device sends its part for the device s further on",
        cost="(n−1) α + (n−1)/n S/β",
        moves=rotation,
        apart=True,
    ),
    Route(
        name="permutation",
        family="permute",
        words="all send at once, each to its target",
        cost="α + S/β",
        moves=permutation,
        whole=True,
    ),
    Route(
        name="binomial tree",
        family="broadcast",
        words="all that have the block send it on, twice as many after every step",
        cost="⌈log₂ n⌉ (α + S/β)",
        moves=binomial_tree,
        whole=True,
    ),
)
