"""How data travels in a collective: a model of the usual algorithms, step by step, on given data.

Which algorithm a backend really takes depends on sizes and links, and it does not say. The result
is the same, and the last step of every algorithm here has to reach it. In a step, all devices send
and receive at once; it ends when all are done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from jaxtui.collectives.travel.blocks import Chunk, flattened, joined, nested, part_shape, parts
from jaxtui.collectives.travel.routes import APART, ROUTES, Group, Move, Route
from jaxtui.session.collective_catalogue import OPERATIONS, Operation
from jaxtui.text import dtypes

__all__ = ["Chunk", "Send", "Step", "Travel", "algorithms", "follow", "obstacle"]


@dataclass(frozen=True)
class Send:
    """A block on its way from one row to another; `bytes` is its size."""

    source: int
    target: int
    block: Chunk
    bytes: int


@dataclass(frozen=True)
class Step:
    """What is sent at once, and the blocks that each row holds afterwards.

    `sent` are the bytes sent by all rows so far, this step included.
    """

    sends: tuple[Send, ...]
    holds: tuple[tuple[Chunk, ...], ...]
    sent: int


@dataclass(frozen=True)
class Travel:
    """All steps of an algorithm, from the blocks that each row holds at the `begin`.

    `result` are the rows after the last step, as nested lists of `shape`.
    """

    algorithm: Route
    begin: tuple[tuple[Chunk, ...], ...]
    steps: tuple[Step, ...]
    result: list[Any]
    shape: list[int]

    def seconds(self, latency: float, bandwidth: float) -> float:
        """The α–β cost: each step takes the latency (s) and, for the bytes that the busiest row
        sends, the time that they need at this bandwidth (bytes/s)."""
        return sum(self.durations(latency, bandwidth))

    def durations(self, latency: float, bandwidth: float) -> list[float]:
        """What each step takes, in seconds: the parts of `seconds`."""
        return [latency + self._busiest(step) / bandwidth for step in self.steps]

    def _busiest(self, step: Step) -> int:
        loads: dict[int, int] = {}
        for send in step.sends:
            loads[send.source] = loads.get(send.source, 0) + send.bytes
        return max(loads.values(), default=0)


_BY_NAME = {route.name: route for route in ROUTES}


def algorithms(operation: str) -> list[Route]:
    """The algorithms for a collective of `jax.lax`; none if it moves no data."""
    known = OPERATIONS.get(operation)
    family = known.family if known is not None else None
    return [route for route in ROUTES if route.family == family]


def obstacle(algorithm: str, groups: Sequence[Sequence[int]]) -> str:
    """Why an algorithm cannot be used for groups of these sizes, in words; "" if it can."""
    route = _BY_NAME[algorithm]
    sizes = sorted({len(group) for group in groups})
    odd = [size for size in sizes if size & (size - 1)]
    if route.powers_of_two and odd:
        return f"{algorithm} goes for 2, 4, 8, 16 devices, and not for {odd[0]}"
    return ""


def follow(
    algorithm: str,
    operation: str,
    values: Sequence[Any],
    shape: Sequence[int],
    dtype: str,
    groups: Sequence[Sequence[int]],
    options: dict[str, Any] | None = None,
) -> Travel:
    """The steps of `operation` on `values`, nested lists of `shape` with a row for each device.

    `groups` are the rows that take part together, in the order of their positions; `options` are
    the values of the collective's options. Raises ValueError if there is an `obstacle`, or if the
    algorithm is not one of the operation's.
    """
    route, known = _BY_NAME[algorithm], OPERATIONS[operation]
    if route.family != known.family:
        raise ValueError(f"{algorithm} is no way of {operation}")
    if said := obstacle(algorithm, groups):
        raise ValueError(said)
    model = _Model(route, known, dtype, list(shape[1:]), options or {})
    return model.travel(values, groups)


class _Model:
    """The blocks of every row while an algorithm runs."""

    def __init__(
        self,
        route: Route,
        operation: Operation,
        dtype: str,
        shape: list[int],
        options: dict[str, Any],
    ) -> None:
        self.route, self.dtype = route, dtype
        self.family, self.made = operation.family, operation.made
        self.shape, self.options = shape, options
        self.split = self._dimension(operation.names("split"))
        self.concat = self._dimension(operation.names("concat") or operation.names("split"))
        self.tiled = bool(options.get("tiled", False))
        self.groups: list[Group] = []
        self.rows = 0
        self.holds: dict[int, dict[int, Chunk]] = {}

    def _divide(self, values: Sequence[Any], groups: Sequence[Sequence[int]]) -> None:
        self.rows = len(values)
        self.groups = [Group(tuple(rows), self.options) for rows in groups]
        for group in self.groups:
            for position, row in enumerate(group.rows):
                flat = flattened(values[row], len(self.shape))
                if self.family == "all-reduce" and self.made in ("sum", "mean"):
                    flat = [int(value) if isinstance(value, bool) else value for value in flat]
                # A whole row is the only piece of it.
                first = position if self.route.whole and not self.route.summed else 0
                self.holds[row] = {
                    self._key(position, number): Chunk(number, (row,), tuple(piece))
                    for number, piece in enumerate(self._pieces(flat, group.size), first)
                }

    def _key(self, position: int, number: int) -> int:
        return position << APART | number if self.route.apart else number

    def _pieces(self, flat: list[Any], count: int) -> list[list[Any]]:
        if self.route.whole:
            return [flat]
        if self.family in ("reduce-scatter", "all-to-all"):
            return parts(flat, self.shape, self.split, count)
        ends = [len(flat) * i // count for i in range(count + 1)]
        return [flat[a:b] for a, b in pairwise(ends)]

    def _dimension(self, names: Sequence[str]) -> int:
        return next((int(self.options[name]) for name in names if name in self.options), 0)

    def travel(self, values: Sequence[Any], groups: Sequence[Sequence[int]]) -> Travel:
        self._divide(values, groups)
        begin = self._held()
        steps: list[Step] = []
        sent = 0
        plans = [self.route.moves(group) for group in self.groups]
        for together in zip_longest(*plans, fillvalue=()):
            moves = [move for plan in together for move in plan]
            sends = self._play(moves)
            sent += sum(send.bytes for send in sends)
            steps.append(Step(tuple(sends), self._held(), sent))
        flat, shape = self._result()
        rows = [nested(row, shape) for row in flat]
        return Travel(self.route, begin, tuple(steps), rows, [self.rows, *shape])

    def _play(self, moves: list[Move]) -> list[Send]:
        """Make all moves at once: a block is sent as it was before any of them."""
        sends = []
        for move in moves:
            block = self.holds[move.source][move.key]
            each = dtypes.bits(self.dtype) or 8  # for an unknown kind of PRNG key
            size = math.ceil(len(block.values) * each / 8)
            sends.append(Send(move.source, move.target, block, size))
        for move in moves:
            if move.handed_on:
                del self.holds[move.source][move.key]
        for move, send in zip(moves, sends, strict=True):
            target = self.holds[move.target]
            if move.combined:
                block = target[move.key].with_added(send.block, self.made, self.dtype)
            else:
                block = send.block
            target[move.key] = block
        return sends

    def _held(self) -> tuple[tuple[Chunk, ...], ...]:
        return tuple(
            tuple(self.holds[row][key] for key in sorted(self.holds[row]))
            for row in range(self.rows)
        )

    # ------------------------------------------------------------------------------- the result

    def _result(self) -> tuple[list[list[Any]], list[int]]:
        """The rows at the end, flat, and the shape of each."""
        rows: list[list[Any]] = [[]] * self.rows
        shape = self.shape
        for group in self.groups:
            for position, row in enumerate(group.rows):
                rows[row], shape = self._row(group, position, row)
        return rows, shape

    def _row(self, group: Group, position: int, row: int) -> tuple[list[Any], list[int]]:
        held = self.holds[row]
        if self.family == "all-gather":
            pieces = [list(held[i].values) for i in range(group.size)]
            return joined(pieces, self.shape, self.concat, self.tiled)
        if self.family in ("permute", "broadcast"):
            return self._received(group, position, held), self.shape
        if self.family in ("all-to-all", "reduce-scatter"):
            inner = part_shape(self.shape, self.split, group.size, self.tiled)
            if self.family == "reduce-scatter":
                return list(held[position].values), inner
            pieces = [list(held[self._key(q, position)].values) for q in range(group.size)]
            return joined(pieces, inner, self.concat, self.tiled)
        whole = [value for key in sorted(held) for value in held[key].values]
        if self.made == "mean":
            whole = [_divided(value, group.size) for value in whole]
        return whole, self.shape

    def _received(self, group: Group, position: int, held: dict[int, Chunk]) -> list[Any]:
        source = group.source_of(position)
        if source is None:
            return [_zero(value) for value in held[position].values]
        return list(held[source].values)


def _divided(value: Any, count: int) -> Any:
    return [part / count for part in value] if isinstance(value, list) else value / count


def _zero(value: Any) -> Any:
    if isinstance(value, list):
        return [0.0, 0.0]
    return False if isinstance(value, bool) else type(value)()
