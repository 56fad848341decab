"""The search for the cheapest shardings of a program's arguments.

The best way found so far is changed in one group of arrays at a time, or in all of an argument, and
each change is propagated: a few of what is there now, then of the cheapest.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Hashable, Iterator

from jax.sharding import PartitionSpec
from jaxlib.mlir import ir
from msgspec.structs import replace

from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.sharding.engine import spec_texts
from jaxtui.sharding.engine.choices import Laid, alike, along_longest, groups, trees
from jaxtui.sharding.engine.lowering import LoweredProgram, lowered
from jaxtui.sharding.engine.own_mesh import mesh_of
from jaxtui.sharding.engine.plan import links_of
from jaxtui.sharding.engine.trials import Cost, Trials
from jaxtui.sharding.words import spec_text
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import (
    FoundSharding,
    SearchedGroup,
    SearchShardings,
    ShardingsFound,
    Spec,
)

EVERY = 0.2  # seconds between two reports of what was found
_Way = tuple[Laid | None, ...]
"""The spec of each group; None for what it has now, or what JAX chooses if nothing is asked for."""


def search(request: SearchShardings, cancelled: Callable[[], bool]) -> Iterator[ShardingsFound]:
    """Yield what was found so far, the last time with `done`. Raises Diagnosed or GivenUp."""
    searching = _Search(request)
    if refused := searching.refused:
        yield ShardingsFound(id=request.id, found=[], tried=0, done=True, refused=refused)
        return
    said = time.perf_counter()
    for _ in searching.steps():
        if cancelled():
            raise GivenUp
        if time.perf_counter() - said > EVERY:
            yield searching.report(done=False)
            said = time.perf_counter()
    yield searching.report(done=True)


class _Search:
    def __init__(self, request: SearchShardings) -> None:
        self._links = links_of(request.sharding)
        self._request = request
        self._program, self._begins = self._lowered()
        self._explicit = "explicit" in self._program.axis_types.values()
        self.refused = self._refused()  # before trials add the session's mesh to the module
        self._trials = Trials(self._program, self._links)
        self._now = self._trials.specs()
        self._arguments = request.composition.program.arguments
        self._trees = trees(self._program)
        self._searched = [
            index
            for index, argument in enumerate(self._arguments)
            if argument.name not in request.fixed and self._trees[index].numbers
        ]
        self._groups = [
            group for index in self._searched for group in groups(self._program, self._trees[index])
        ]
        self._texts: dict[Hashable, str | None] = {}
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

    def _refused(self) -> str:
        """Why the arguments' shardings over the session's mesh are nothing to search for; "" if
        they are."""
        mesh = self._program.mesh
        if self._program.module is None:
            return ""
        own = mesh_of(self._program.module, mesh)
        if own == mesh:
            return ""
        axes = ", ".join(f"{axis} {size:,}" for axis, size in own.items())
        return (
            f"this program runs on a mesh of its own, {axes}, which a pmap or the source makes: "
            f"shardings of the arguments over {', '.join(mesh)} would not divide it"
        )

    def _typed(self, argument: int) -> str:
        """The text that is searched from."""
        return self._arguments[argument].sharding.strip() if self._begins else ""

    # ------------------------------------------------------------------------------- the search

    def steps(self) -> Iterator[int]:
        """Try one way after the other, at most `limit`; yields how many were tried."""
        start: _Way = (None,) * len(self._groups)
        counted = itertools.count()
        waiting: list[tuple[float, int, int, Iterator[list[_Way]]]] = []
        cost = self._try(start)
        if cost is not None:
            yield len(self.costs)
        first = (cost.seconds, cost.memory) if cost is not None else (0.0, 0)
        heapq.heappush(waiting, (*first, next(counted), self._rounds(start)))
        queued: set[_Way] = {start}
        while waiting:
            # A cheaper way that is found goes on at once; what is left of this one waits.
            seconds, memory, number, rounds = heapq.heappop(waiting)
            together = next(rounds, None)
            if together is None:
                continue
            heapq.heappush(waiting, (seconds, memory, number, rounds))
            for near in together:
                if near in queued:
                    continue
                if len(self.costs) >= self._request.limit:
                    return
                queued.add(near)
                cost = self._try(near)
                if cost is None:
                    continue
                one = (cost.seconds, cost.memory, next(counted), self._rounds(near))
                heapq.heappush(waiting, one)
                yield len(self.costs)

    def _rounds(self, way: _Way) -> Iterator[list[_Way]]:
        """The ways beside one, one of each argument as a whole and of each group at a time."""
        options: list[Iterator[_Way]] = [
            self._all_alike(way, index) for index in self._searched if not self._trees[index].alone
        ]
        kin: dict[Hashable, list[int]] = {}
        for place, group in enumerate(self._groups):
            kin.setdefault(group.kin, []).append(place)
        options += [self._changed(way, places) for places in kin.values()]
        options += [
            self._changed(way, [place])
            for places in kin.values()
            if len(places) > 1
            for place in places
        ]
        for together in itertools.zip_longest(*options):
            yield [near for near in together if near is not None]

    def _all_alike(self, way: _Way, argument: int) -> Iterator[_Way]:
        """The ways with all groups of an argument along their longest dimensions."""
        mesh = self._program.mesh
        for axes in alike(mesh):
            yield tuple(
                self._laid(place, along_longest(group.shape, axes, mesh))
                if group.argument == argument
                else way[place]
                for place, group in enumerate(self._groups)
            )

    def _changed(self, way: _Way, places: list[int]) -> Iterator[_Way]:
        """The ways with other specs of these groups."""
        for spec in self._groups[places[0]].specs:
            changed = list(way)
            for place in places:
                changed[place] = self._laid(place, spec)
            yield tuple(changed)

    def _laid(self, place: int, spec: Laid) -> Laid | None:
        """A spec of a group; None if it has that one as it is typed now.

        What nothing is asked for is whole where axes are explicit, and else left to JAX.
        """
        group = self._groups[place]
        if not self._typed(group.argument) and not self._explicit:
            return spec
        given = [list(axes) for axes in spec]
        return None if all(self._now[number] == given for number in group.numbers) else spec

    def _try(self, way: _Way) -> Cost | None:
        """What a way costs; None if it cannot be typed, or JAX refuses it."""
        if any(self._text(way, index) is None for index in self._searched):
            return None
        try:
            cost = self._cost(way)
        except (Diagnosed, ir.MLIRError):
            return None
        self.costs[way] = cost
        return cost

    def _cost(self, way: _Way) -> Cost:
        if self._explicit:  # then the shardings decide how the program is traced
            program = lowered(self._composition(way), self._request.sharding)
            return Trials(program, self._links).cost({})
        return self._trials.cost(self._specs(way))

    def _specs(self, way: _Way) -> dict[int, Spec | None]:
        """The specs that a way gives, by the numbers of the arrays."""
        return {
            number: [list(axes) for axes in spec]
            for group, spec in zip(self._groups, way, strict=True)
            if spec is not None
            for number in group.numbers
        }

    def _composition(self, way: _Way) -> Composition:
        program = self._request.composition.program
        arguments = list(program.arguments)
        for index in self._searched:
            arguments[index] = replace(arguments[index], sharding=self._text(way, index) or "")
        return replace(self._request.composition, program=replace(program, arguments=arguments))

    # ---------------------------------------------------------------------------- what was found

    def _text(self, way: _Way, argument: int) -> str | None:
        """An argument's shardings as one types them; None for a tree that cannot be typed."""
        own = [
            (place, spec)
            for place, spec in enumerate(way)
            if spec is not None and self._groups[place].argument == argument
        ]
        if not own:
            return self._typed(argument)
        key = (argument, tuple(own))
        if key not in self._texts:
            asked = self._specs(way)
            typed = bool(self._typed(argument))
            specs = {
                number: asked.get(number, self._now[number] if typed else None)
                for number in self._trees[argument].numbers.values()
            }
            self._texts[key] = self._written(argument, specs)
        return self._texts[key]

    def _written(self, argument: int, specs: dict[int, Spec | None]) -> str | None:
        """The shortest text for the specs of an argument's arrays, by their numbers."""
        tree = self._trees[argument]
        entries: list[PartitionSpec | None] = []
        for leaf in range(len(tree.paths)):
            spec = specs[tree.numbers[leaf]] if leaf in tree.numbers else None
            parts = None if spec is None else [tuple(axes) or None for axes in spec]
            entries.append(None if parts is None else PartitionSpec(*parts))
        return spec_texts.shortest(self._program.trees[argument], entries, tree.paths, tree.roles)

    def report(self, *, done: bool) -> ShardingsFound:
        """What was found so far."""
        return ShardingsFound(
            id=self._request.id,
            found=self.found(),
            tried=len(self.costs),
            done=done,
            groups=tuple(
                SearchedGroup(
                    argument=self._arguments[group.argument].name,
                    pattern=group.pattern,
                    arrays=len(group.numbers),
                    bytes=group.bytes,
                    ways=len(group.specs),
                )
                for group in self._groups
            ),
        )

    def found(self) -> list[FoundSharding]:
        """What was tried, the cheapest first; of ways that lay all arrays alike, one."""
        alone: dict[str, tuple[_Way, Cost]] = {}
        for way, cost in self.costs.items():
            before = alone.setdefault(str(cost.inputs), (way, cost))[0]
            typed = any(spec is not None for spec in before)
            if typed and self._half_left(way) < self._half_left(before):
                alone[str(cost.inputs)] = way, cost
        different = sorted(alone.values(), key=lambda item: (item[1].seconds, item[1].memory))
        least: int | None = None
        found = []
        for way, cost in different:
            best = least is None or cost.memory < least
            least = cost.memory if best else least
            found.append(self._as_found(way, cost, best=best))
        return found

    def _half_left(self, way: _Way) -> int:
        """How many arguments have something typed for a part of them, the rest left to JAX."""
        left: dict[int, set[bool]] = {}
        for group, spec in zip(self._groups, way, strict=True):
            if not self._typed(group.argument):
                left.setdefault(group.argument, set()).add(spec is None)
        return sum(len(both) > 1 for both in left.values())

    def _as_found(self, way: _Way, cost: Cost, *, best: bool) -> FoundSharding:
        texts = {index: self._text(way, index) or "" for index in self._searched}
        return FoundSharding(
            specs={self._arguments[index].name: text for index, text in texts.items()},
            chosen={
                self._arguments[index].name: self._chosen(index, cost)
                for index, text in texts.items()
                if not text
            },
            changed={
                self._arguments[index].name: changed
                for index in self._searched
                if (changed := self._changes(way, index))
            },
            sent=cost.sent,
            seconds=cost.seconds,
            memory=cost.memory,
            best=best,
            fits=self._links.memory is None or cost.memory <= self._links.memory,
        )

    def _changes(self, way: _Way, argument: int) -> dict[str, str]:
        """The specs that a way gives the groups of a tree, by their patterns."""
        return {
            group.pattern: spec_text([list(axes) for axes in spec])
            for group, spec in zip(self._groups, way, strict=True)
            if group.argument == argument and group.pattern and spec is not None
        }

    def _chosen(self, argument: int, cost: Cost) -> str:
        """The specs that JAX chooses for an argument, as one would type them."""
        key = (argument, str(cost.inputs))
        if key not in self._texts:
            numbers = self._trees[argument].numbers.values()
            self._texts[key] = self._written(argument, {n: cost.inputs[n] for n in numbers})
        return self._texts[key] or ""
