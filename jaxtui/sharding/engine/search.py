"""The search for the cheapest shardings of a program's arguments.

The best way found so far is changed in one argument at a time, and each change is propagated: first
those of what is there now, then those of the cheapest.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from jaxlib.mlir import ir
from msgspec.structs import replace

from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.sharding.engine.choices import Choice, choices
from jaxtui.sharding.engine.lowering import LoweredProgram, lowered
from jaxtui.sharding.engine.plan import links_of
from jaxtui.sharding.engine.trials import Cost, Trials
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import FoundSharding, SearchShardings, ShardingsFound

EVERY = 0.2  # seconds between two reports of what was found
_Way = tuple[tuple[int, str], ...]  # the text of each argument that is not fixed


def search(request: SearchShardings, cancelled: Callable[[], bool]) -> Iterator[ShardingsFound]:
    """Yield what was found so far, the last time with `done`. Raises Diagnosed or GivenUp."""
    searching = _Search(request)
    said = time.perf_counter()
    for tried in searching.steps():
        if cancelled():
            raise GivenUp
        if time.perf_counter() - said > EVERY:
            yield ShardingsFound(id=request.id, found=searching.found(), tried=tried, done=False)
            said = time.perf_counter()
    tried = len(searching.costs)
    yield ShardingsFound(id=request.id, found=searching.found(), tried=tried, done=True)


class _Search:
    def __init__(self, request: SearchShardings) -> None:
        self._links = links_of(request.sharding)
        self._request = request
        self._program, self._begins = self._lowered()
        self._explicit = "explicit" in self._program.axis_types.values()
        self._trials = Trials(self._program, self._links)
        self._arguments = request.composition.program.arguments
        self._choices = {
            index: known
            for index, argument in enumerate(self._arguments)
            if argument.name not in request.fixed and (known := self._known(index))
        }
        self.costs: dict[_Way, Cost] = {}

    def _lowered(self) -> tuple[LoweredProgram, bool]:
        """The program with its shardings, or without them where JAX refuses those; and which."""
        composition, sharding = self._request.composition, self._request.sharding
        try:
            return lowered(composition, sharding), True
        except Diagnosed:
            bare = [
                argument if argument.name in self._request.fixed else replace(argument, sharding="")
                for argument in composition.program.arguments
            ]
            program = replace(composition.program, arguments=bare)
            return lowered(replace(composition, program=program), sharding), False

    def _known(self, index: int) -> dict[str, Choice]:
        """The choices for an argument by their texts; the one that is there now as it is typed."""
        typed = self._arguments[index].sharding.strip()
        now = self._trials.specs()
        known = {}
        for choice in choices(self._program, index):
            is_now = all(now[number] == spec for number, spec in choice.by_array().items())
            known[typed if typed and is_now and self._begins else choice.text] = choice
        return known

    def steps(self) -> Iterator[int]:
        """Try one way after the other, at most `limit`; yields how many were tried."""
        start: _Way = tuple(
            (i, self._arguments[i].sharding.strip() if self._begins else "") for i in self._choices
        )
        waiting: list[tuple[float, int, int, _Way]] = []
        counted = itertools.count()
        if self._try(start) is not None:
            yield len(self.costs)
        waiting.append((0.0, 0, next(counted), start))
        queued: set[_Way] = {start}
        while waiting and len(self.costs) < self._request.limit:
            _, _, _, way = heapq.heappop(waiting)
            for near in self._neighbours(way):
                if near in queued:
                    continue
                queued.add(near)
                cost = self._try(near)
                if cost is None:
                    continue
                heapq.heappush(waiting, (cost.seconds, cost.memory, next(counted), near))
                yield len(self.costs)
                if len(self.costs) >= self._request.limit:
                    return

    def _neighbours(self, way: _Way) -> Iterator[_Way]:
        """The ways that differ in one argument, one of each argument in turn."""
        options = [
            [(*way[:at], (index, text), *way[at + 1 :]) for text in self._choices[index]]
            for at, (index, _) in enumerate(way)
        ]
        for together in itertools.zip_longest(*options):
            yield from (near for near in together if near is not None)

    def _try(self, way: _Way) -> Cost | None:
        """What a way costs; None if JAX refuses it."""
        try:
            cost = self._cost(way)
        except (Diagnosed, ir.MLIRError):
            return None
        self.costs[way] = cost
        return cost

    def _cost(self, way: _Way) -> Cost:
        if self._explicit or any(text not in self._choices[i] for i, text in way if text):
            # In explicit mode the shardings decide how the program is traced.
            program = lowered(self._composition(way), self._request.sharding)
            return Trials(program, self._links).cost({})
        specs: dict[int, Any] = {}
        for index, text in way:
            choice = self._choices[index].get(text)
            if choice is None:  # nothing is asked for: Shardy chooses
                specs |= dict.fromkeys(self._numbers(index))
            else:
                specs |= choice.by_array()
        return self._trials.cost(specs)

    def _numbers(self, argument: int) -> list[int]:
        return [n for n, g in enumerate(self._program.arrays) if g.argument == argument]

    def _composition(self, way: _Way) -> Composition:
        program = self._request.composition.program
        arguments = list(program.arguments)
        for index, text in way:
            arguments[index] = replace(arguments[index], sharding=text)
        return replace(self._request.composition, program=replace(program, arguments=arguments))

    def found(self) -> list[FoundSharding]:
        """What was tried, the cheapest first."""
        ordered = sorted(self.costs.items(), key=lambda item: (item[1].seconds, item[1].memory))
        least: int | None = None
        found = []
        for way, cost in ordered:
            best = least is None or cost.memory < least
            least = cost.memory if best else least
            found.append(
                FoundSharding(
                    specs={self._arguments[i].name: text for i, text in way},
                    sent=cost.sent,
                    seconds=cost.seconds,
                    memory=cost.memory,
                    best=best,
                    fits=self._links.memory is None or cost.memory <= self._links.memory,
                )
            )
        return found
