"""The works on the open session, each imported and created at its first use."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.screens import load
from jaxtui.screen.work import AwaitedWork

if TYPE_CHECKING:
    from jaxtui.app.learn.exercise_work import ExerciseWork
    from jaxtui.benchmark.bandwidth.screen.work import SweepWork
    from jaxtui.benchmark.screen.work import BenchmarkWork
    from jaxtui.changes.screen.work import ChangesWork
    from jaxtui.collectives.screen.work import CollectiveWork
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.sharding.screen.work import ShardingWork

W = TypeVar("W", bound=AwaitedWork)
_order = itertools.count()


class Begins(Generic[W]):
    """An attribute of `Works` that imports and begins a work at its first use."""

    def __init__(self, name: str) -> None:
        """`name` is the class, as `module:class`."""
        self._name = name
        self._order = next(_order)

    def __get__(self, works: Works, owner: type[Works]) -> W:
        begun: Any = works.by_order.get(self._order)
        if begun is None:
            begun = load(self._name)(works.open_session)
            works.by_order[self._order] = begun
        work: W = begun
        return work


class Works:
    """The works on an open session."""

    work: Begins[ProgramWork] = Begins("jaxtui.program.screen.work:ProgramWork")
    sharding: Begins[ShardingWork] = Begins("jaxtui.sharding.screen.work:ShardingWork")
    collective: Begins[CollectiveWork] = Begins("jaxtui.collectives.screen.work:CollectiveWork")
    changes: Begins[ChangesWork] = Begins("jaxtui.changes.screen.work:ChangesWork")
    benchmark: Begins[BenchmarkWork] = Begins("jaxtui.benchmark.screen.work:BenchmarkWork")
    exercise: Begins[ExerciseWork] = Begins("jaxtui.app.learn.exercise_work:ExerciseWork")
    sweep: Begins[SweepWork] = Begins("jaxtui.benchmark.bandwidth.screen.work:SweepWork")

    def __init__(self, open_session: OpenSession) -> None:
        self.open_session = open_session
        self.by_order: dict[int, AwaitedWork] = {}

    @property
    def begun(self) -> list[AwaitedWork]:
        """The works that have begun, in the order of the attributes above."""
        return [work for _, work in sorted(self.by_order.items())]
