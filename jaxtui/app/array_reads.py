"""Sends the array view's requests to the engine, and the answers back to the view."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import AwaitedWork
from jaxtui.wire.base import Cancelled, Failed
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.report import Summary
from jaxtui.wire.results import CellFound, FindCell, ReadWindow, Summarize, Summarized, WindowRead

if TYPE_CHECKING:
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.results.screen.view import ArrayView


class ArrayReads(AwaitedWork):
    """The unanswered reads. None counts as busy: the view shows what it has meanwhile."""

    def __init__(
        self,
        open_session: OpenSession,
        app: ShellApp,
        summarized: Callable[[int, Summary], object],
    ) -> None:
        """`summarized` hears of the statistics that come, with the result that they are of."""
        super().__init__(open_session)
        self._app = app
        self._summarized = summarized
        self._asked: dict[int, type] = {}  # the class of each request, by id

    def read_window(self, event: ArrayView.WindowWanted) -> None:
        self._ask(
            ReadWindow(
                id=self._next_id(),
                result=event.result,
                leaf=event.leaf,
                rows=event.rows,
                columns=event.columns,
                index=event.index,
                device=event.device,
            )
        )

    def summarize(self, event: ArrayView.SummaryWanted) -> None:
        number, result, leaf = self._next_id(), event.result, event.leaf
        self._ask(Summarize(id=number, result=result, leaf=leaf, device=event.device))

    def find_cell(self, event: ArrayView.CellWanted) -> None:
        self._ask(
            FindCell(
                id=self._next_id(),
                result=event.result,
                leaf=event.leaf,
                device=event.device,
                wanted=event.wanted,
                after=event.after,
            )
        )

    def _ask(self, request: ReadWindow | Summarize | FindCell) -> None:
        self._asked[request.id] = type(request)
        self._send(request)

    def restarted(self, now: float, *, ended: bool = False) -> None:
        self._asked.clear()

    def on(self, event: AnyEvent, now: float) -> bool:
        asked = self._asked.get(event.id)
        if asked is None:
            return False
        if isinstance(event, Summarized):
            self._summarized(event.result, event.summary)
        if (view := self._app.map_screen.results.array_view) is not None:
            self._show(event, asked, view)
        if isinstance(event, WindowRead | CellFound | Failed | Cancelled):
            del self._asked[event.id]
        return True

    def _show(self, event: AnyEvent, asked: type, view: ArrayView) -> None:
        match event:
            case WindowRead():
                view.put(event)
            case Summarized():
                view.put_summary(event.summary, event.device, event.result)
            case CellFound():
                view.put_found(event.index)
            case Failed() if asked is FindCell:
                view.refuse_find(event.diagnosis.message)
            case Failed():
                view.refuse(event.diagnosis.message)
            case Cancelled() if asked is ReadWindow:
                view.refuse("reading these values was given up; move the cursor to read them")
            case _:
                pass
