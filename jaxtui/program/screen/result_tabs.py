"""The tabs of the results, listed in `all_tabs`: their names, conditions and contents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual.app import App
from textual.containers import VerticalScroll
from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Static

from jaxtui.program.screen.listing.tab import ProgramTab
from jaxtui.program.screen.plain_listing import Listing
from jaxtui.program.screen.result_tab import ResultTab, Shown
from jaxtui.program.screen.tab_line import CHANGES, MEMORY, REMARKS, SHARDS
from jaxtui.program.screen.view import script_text
from jaxtui.program.screen.work import RUN_AGAIN, ProgramWork
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.screen.prose import prose
from jaxtui.screen.screens import load
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text import plain, quantities
from jaxtui.wire.listing import Links
from jaxtui.wire.program import ProgramView
from jaxtui.wire.report import Environment, Input, Output

if TYPE_CHECKING:
    from jaxtui.program.screen.listing.lexer import Language

VALUES_GONE = "these values went with the old engine; F5 computes them again"
WARNING = re.compile(r"Warning: ")  # as Python prints one
OLD = "of the program before"
TITLE = len("Results · ") + 4  # what stands before and behind a caption in the border


class LeafView(Protocol):
    """A widget that shows a leaf of a result."""

    stale: bool

    def show(self, result: int, leaf: int, output: Output, devices: Mapping[int, str]) -> None:
        """Show leaf `leaf` of `result`; `devices` are labels by id."""

    def clear(self) -> None:
        """Show nothing."""

    def lose(self, reason: str) -> None:
        """Say why no more values can be read."""


@runtime_checkable
class LiesOnMesh(Protocol):
    """A view that says where a leaf lies in the mesh of the device set, beside the inputs.

    `processes` has the process of each device, with its host if there are several, as words; it is
    None or empty for a single process.
    """

    def lie_on(
        self,
        mesh: MeshPlaces | None,
        inputs: Sequence[Input],
        processes: Mapping[int, str] | None = None,
    ) -> None: ...


def _processes(environment: Environment | None) -> dict[int, str]:
    """The process of each device in words, empty if there is but one."""
    if environment is None or len({device.process for device in environment.devices}) < 2:
        return {}
    return {device.id: plain.process(environment, device.process) for device in environment.devices}


class LeafTab(ResultTab):
    """Shows a leaf of the result in the widget class `place`, a string "module:class"."""

    def __init__(self, name: str, place: str, *, says_stale: bool) -> None:
        """The caption marks a stale result unless the widget does (`says_stale`)."""
        super().__init__(name, caption=partial(leaf_caption, says_stale))
        self.view: LeafView | None = None
        self._place = place
        self._of: tuple[int, int] | None = None  # the result and its leaf that are shown

    def prepare(self) -> None:
        load(self._place)

    def widget(self, shown: Shown) -> Widget | None:
        if self.view is None and shown.work.ran is not None and shown.work.ran.report.outputs:
            self.view = load(self._place)()
        return self.view  # type: ignore[return-value]  # a LeafView is a Widget

    def update(self, shown: Shown) -> None:
        view, work, ran = self.view, shown.work, shown.work.ran
        if view is None:
            return
        if ran is None or not ran.report.outputs:
            if self._of is not None:
                self._of = None
                view.clear()
            return
        if self._of != (ran.result, shown.leaf):
            self._of = (ran.result, shown.leaf)
            devices = work.environment.devices if work.environment is not None else []
            labels = {device.id: f"{device.platform}:{device.id}" for device in devices}
            if isinstance(view, LiesOnMesh):
                asked = work.session.devices
                ids = [device.id for device in devices]
                mesh = MeshPlaces.over(ids, asked.order, asked.mesh)
                view.lie_on(mesh, ran.report.inputs, _processes(work.environment))
            view.show(ran.result, shown.leaf, ran.report.outputs[shown.leaf], labels)
        if work.values_gone:
            view.lose(VALUES_GONE)
        view.stale = work.result_stale(shown.now)

    @property
    def text(self) -> str:
        """What the view shows as text, if it gives that."""
        return getattr(self.view, "text", "")

    @text.setter
    def text(self, value: str) -> None:
        """A view has its own text."""


def leaf_caption(view_says_stale: bool, shown: Shown) -> str:
    """Say which leaf is shown, and how long the run took."""
    work = shown.work
    if work.ran is None:
        waiting = work.busy and work.trusted
        return "no result yet" + (" · waiting for the engine" if waiting else "")
    count = len(work.ran.report.outputs)
    if not count:
        return "the result has no leaves"
    parts = [f"output {shown.leaf + 1:,} of {count:,}, o: next, L: all"] if count > 1 else []
    stale = work.result_stale(shown.now)
    if not stale:
        parts.append(f"ran {quantities.elapsed(work.ran.seconds)}")
    elif not view_says_stale:
        parts.append(OLD)
    text = " · ".join(parts)
    whole = text if stale else f"{text}, compiling included"
    return whole if len(whole) <= shown.width - TITLE else text


class ChangesView(Protocol):
    """A widget that shows what changed against another run."""

    text: str

    def show(self, work: ProgramWork, now: float) -> None: ...


class ChangesTab(ResultTab):
    """Shows what changed in the widget class `place`, a string "module:class"."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            name,
            offered=lambda work: work.runs.offered,
            caption=lambda shown: f"against {shown.work.runs.other or shown.work.runs.name}",
        )
        self._place = place
        self._view: ChangesView | None = None

    def widget(self, shown: Shown) -> Widget | None:
        if self._view is None:
            self._view = load(self._place)()
        return self._view  # type: ignore[return-value]  # a ChangesView is a Widget

    def update(self, shown: Shown) -> None:
        if self._view is not None:
            self._view.show(shown.work, shown.now)
            self.text = self._view.text


class TextTab(ResultTab):
    """Shows a scrolling text."""

    def __init__(
        self,
        name: str,
        read: Callable[[Shown], str],
        *,
        drawn: Callable[[str, App[Any]], VisualType] = lambda text, _: text,
        offered: Callable[[ProgramWork], bool] = lambda work: True,
        note: Callable[[Shown], str] = lambda shown: "",
        caption: Callable[[Shown], str] = lambda shown: "",
    ) -> None:
        super().__init__(name, offered=offered, note=note, caption=caption)
        self._read, self._draw = read, drawn
        self._drawn: str | None = None
        self._place = Static("", markup=False)
        self._scroll = VerticalScroll(self._place, can_focus=True)

    def widget(self, shown: Shown) -> Widget:
        return self._scroll

    def update(self, shown: Shown) -> None:
        self.text = self._read(shown)
        if self.text != self._drawn:
            self._drawn = self.text
            self._place.update(self._draw(self.text, self._place.app))


def lines_text(number: int) -> str:
    """Format a number of lines: `1,093 lines`, "" for none."""
    return f"{number:,} line{'s' if number > 1 else ''}" if number else ""


def _lines_note(shown: Shown) -> str:
    """How many lines were printed, behind a mark if a warning is among them."""
    text = _printed(shown)[0]
    marked = "! " if WARNING.search(text) else ""
    return marked + lines_text(text.count("\n"))


def _remarks(notes: list[Diagnosis]) -> str:
    return "\n\n".join(_error_text(note) for note in notes)


def _printed(shown: Shown) -> tuple[str, bool]:
    """Return what the run printed, else the trace, and whether it is of an earlier program.

    A run of the current program traces it as well; output of an earlier run yields to the trace.
    """
    printed, stale = shown.work.printed, shown.work.printed_stale(shown.now)
    if printed.get("trace") and (stale or not printed.get("run")):
        return "while tracing:\n" + _ended(printed["trace"]), False
    if printed.get("run"):
        return _ended(printed["run"]), stale
    return "", False


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _error_text(diagnosis: Diagnosis | None) -> str:
    if diagnosis is None:
        return ""
    lines = [diagnosis.message, "", f"at {diagnosis.field or 'the program'}"]
    if isinstance(diagnosis.line, int):
        column = f", column {diagnosis.column}" if isinstance(diagnosis.column, int) else ""
        lines[-1] += f", line {diagnosis.line}{column}"
    if isinstance(diagnosis.frames, list) and diagnosis.frames:
        lines += ["", "your lines on the way to it, outermost first:"]
        lines += [f"  {frame}" for frame in diagnosis.frames]
    if diagnosis.fixes:
        lines += ["", "f applies a fix:"]
        for fix in diagnosis.fixes:
            first, *others = (f"{edit.field} = {edit.text}" for edit in fix.edits)
            lines += [f"  {fix.label}:  {first}", *(f"    and {other}" for other in others)]
    return "\n".join(lines)


class ListingTab(ResultTab):
    """Shows a text about the program; all such tabs share one listing."""

    def __init__(
        self,
        name: str,
        listing: Callable[[], Listing],
        read: Callable[[Shown], str],
        caption: Callable[[Shown], str] = lambda shown: "",
        offered: Callable[[ProgramWork], bool] = lambda work: True,
    ) -> None:
        """`listing` makes it when it is first called."""
        super().__init__(name, offered=offered, caption=caption)
        self._listing, self._read = listing, read

    def widget(self, shown: Shown) -> Widget:
        return self._listing()

    def update(self, shown: Shown) -> None:
        self.text = self._read(shown)
        self._listing().show(self.text)


def _compiled(view: ProgramView, shown: Shown) -> str:
    """Return a view of the program from JAX or XLA, and request it; "" until it arrives."""
    shown.work.inspect(view, shown.now)
    there = shown.work.views.get(view)
    return there.text if there is not None else ""


def _linked(view: ProgramView, shown: Shown) -> tuple[str, Links | None, bool]:
    """The same with its links, and whether it is of an earlier program."""
    text, there = _compiled(view, shown), shown.work.views.get(view)
    if there is None:
        return text, None, False
    return text, there.links, there.composition != shown.work.asked


def _compiled_caption(view: ProgramView, shown: Shown) -> str:
    """Say whether the text is out of date, or what it waits for."""
    work = shown.work
    there = work.views.get(view)
    if there is not None:
        return "" if work.views.is_current(view) else OLD
    if work.phase != "ready":
        return ""
    if view in RUN_AGAIN and work.ran_of != work.asked:
        return "F5 runs the program first"
    return "asking JAX"


def _script(shown: Shown) -> tuple[str, None, bool]:
    return script_text(shown.work.session, shown.work.open_session.folder), None, False


def all_tabs() -> list[ResultTab]:
    """The tabs, in the order on screen."""
    listing = cache(Listing)

    def compiler(
        name: str,
        view: ProgramView,
        offered: Callable[[ProgramWork], bool] = lambda work: True,
    ) -> ListingTab:
        read, caption = partial(_compiled, view), partial(_compiled_caption, view)
        return ListingTab(name, listing, read, caption, offered)

    def program(name: str, view: ProgramView, language: Language) -> ProgramTab:
        return ProgramTab(name, language, partial(_linked, view), partial(_compiled_caption, view))

    return [
        LeafTab("Result", "jaxtui.results.screen.view:ArrayView", says_stale=True),
        TextTab(
            REMARKS,
            lambda shown: _remarks(shown.work.notes),
            offered=lambda work: bool(work.notes),
            note=lambda shown: str(len(shown.work.notes)),
        ),
        TextTab(
            "Error",
            lambda shown: _error_text(shown.work.diagnosis),
            offered=lambda work: work.diagnosis is not None,
        ),
        ChangesTab(CHANGES, "jaxtui.changes.screen.view:ChangesView"),
        LeafTab(SHARDS, "jaxtui.results.screen.shards_view:ShardsView", says_stale=False),
        TextTab(
            "Output",
            lambda shown: _printed(shown)[0],
            drawn=lambda text, _: text or "The function has printed nothing.",
            note=_lines_note,
            caption=lambda shown: OLD if _printed(shown)[1] else "",
        ),
        compiler("NaN", "origins", offered=lambda work: work.not_finite),
        compiler("Equivalents", "equivalents"),
        program("Jaxpr", "jaxpr", "jaxpr"),
        program("StableHLO", "stablehlo", "stablehlo"),
        program("HLO", "hlo", "hlo"),
        compiler("Cost", "cost"),
        compiler(MEMORY, "memory"),
        ProgramTab("Python", "python", _script),
        TextTab(
            "Notes",
            lambda shown: shown.work.session.notes,
            drawn=prose,
            offered=lambda work: bool(work.session.notes.strip()),
        ),
    ]
