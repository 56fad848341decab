"""The part of the Collectives screen that shows how the data moves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, cast

from jaxtui.collectives.screen.travel_picture import LIMIT, TravelPicture
from jaxtui.collectives.travel import model as travel
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.base import WorkScreen
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.wire.collectives import CollectiveRan

if TYPE_CHECKING:
    from jaxtui.collectives.screen.travel_view import TravelPane
    from jaxtui.collectives.screen.work import CollectiveWork


class CollectiveBench(Protocol):
    """The part of the explorer that this screen needs."""

    @property
    def collective(self) -> CollectiveWork:
        """The open session's collective."""


class TravelSide(WorkScreen[ProgramWork]):
    """Models the data movement of the newest result, and steps through it."""

    travel_pane: TravelPane

    def __init__(self) -> None:
        super().__init__()
        self._algorithm = ""  # the user's choice; "" is the one that suits the size
        self._shown: tuple[CollectiveRan, str, str] | None = None  # result, algorithm, operation

    @property
    def collective_work(self) -> CollectiveWork:
        return cast("CollectiveBench", self.explorer).collective

    def show_travel(self) -> None:
        ran, asked = self.collective_work.ran, self.collective_work.ran_of
        if ran is None or asked is None:
            self.travel_pane.show(None, "the result is not there yet", None, fresh=False)
            return
        operation = asked.collective.operation.strip()
        before, self._shown = self._shown, (ran, self._algorithm, operation)
        if before == self._shown:
            return
        fresh = before is None or before[1:] != self._shown[1:]
        picture, why = self._picture(ran, operation)
        agrees = None
        if picture is not None and ran.report.after[0].values is not None:
            agrees = picture.agrees(ran.report.after[0].values)
        self.travel_pane.show(picture, why, agrees, fresh=fresh)

    def _picture(self, ran: CollectiveRan, operation: str) -> tuple[TravelPicture | None, str]:
        """The picture, or None and the reason why there is none."""
        given = ran.report.before[0]
        ways = travel.algorithms(operation)
        known = OPERATIONS.get(operation)
        if not ways:
            still = known is not None and not known.operand
            return None, f"{'nothing has to travel' if still else 'no model'} for {operation}"
        if given.values is None or math.prod(given.shape) > LIMIT:
            return None, f"more than {LIMIT:,} elements: too many to follow step by step"
        if len(ran.report.before) > 1:
            return None, "several arrays: each travels like a collective of its own"
        algorithm = self._chosen(ran, operation)
        if said := travel.obstacle(algorithm, ran.groups):
            return None, f"{said}; a takes another algorithm"
        try:
            found = travel.follow(
                algorithm,
                operation,
                given.values,
                given.shape,
                given.dtype,
                ran.groups,
                ran.options,
            )
        except ValueError as error:
            return None, str(error)
        rows = tuple(str(row) for row in range(given.shape[0]))
        return TravelPicture(found, given.dtype, rows, known.made if known else ""), ""

    def _chosen(self, ran: CollectiveRan, operation: str) -> str:
        """The algorithm: chosen by the user, else that with the fewest steps for small data, and
        the fewest bytes for large data."""
        names = [algorithm.name for algorithm in travel.algorithms(operation)]
        if self._algorithm in names:
            return self._algorithm
        block = math.prod(ran.report.before[0].shape[1:])
        small = block < max(map(len, ran.groups), default=0)
        doubling = [name for name in names if name == "recursive doubling"]
        return doubling[0] if small and doubling else names[0]

    def action_step_travel(self, steps: int) -> None:
        if self.has_class("-low"):
            self.add_class("-travel")
        self.travel_pane.go(steps)
        self.show_keys()

    def action_next_algorithm(self) -> None:
        ran, asked = self.collective_work.ran, self.collective_work.ran_of
        if ran is None or asked is None:
            return
        operation = asked.collective.operation.strip()
        names = [algorithm.name for algorithm in travel.algorithms(operation)]
        if len(names) < 2:
            self.say(f"there is one way to go for {operation}" if names else "nothing travels")
            return
        now = self._chosen(ran, operation)
        self._algorithm = names[(names.index(now) + 1) % len(names)]
        if self.has_class("-low"):
            self.add_class("-travel")
        self.show_travel()
