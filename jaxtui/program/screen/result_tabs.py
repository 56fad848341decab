"""The tabs of the results: what each is called, when it is offered, and what it shows.

A tab is a class here and an entry in `all_tabs`, whose order is that on screen.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from textual.containers import VerticalScroll
from textual.visual import VisualType
from textual.widget import Widget
from textual.widgets import Static, TextArea
from textual.widgets.text_area import Selection

from jaxtui.program.screen.view import script_text
from jaxtui.program.screen.work import ProgramWork
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text import quantities
from jaxtui.wire.program import ProgramView, Ran

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtui.results.screen.shards_view import ShardsView
    from jaxtui.results.screen.view import ArrayView

VALUES_GONE = "these values went with the old engine; F5 computes them again"
OLD = "of the program before"
TITLE = len("Results · ") + 4  # what stands before and behind a caption in the border
MOST_CHARACTERS = 2_000_000  # of a compiler's text that are shown


class Shown(NamedTuple):
    """What there is to show: which leaf of the result, in how many columns."""

    work: ProgramWork
    now: float
    leaf: int
    width: int


class ResultTab:
    """One tab. What it holds is made when it is first shown."""

    name = ""
    text = ""  # what is read in it, where that is plain text

    def offered(self, work: ProgramWork) -> bool:
        """Whether the tab is there."""
        return True

    def note(self, shown: Shown) -> str:
        """What stands behind its name."""
        return ""

    def caption(self, shown: Shown) -> str:
        """What the title says of it."""
        return ""

    def widget(self, shown: Shown) -> Widget | None:
        """What is mounted, always the same; None before there is something to show."""
        raise NotImplementedError

    def update(self, shown: Shown) -> None:
        """Bring the widget up to date."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------ the leaves


class LeafTab(ResultTab):
    """Shows a leaf of the result."""

    says_stale = True  # that it is of the program before, in the caption

    def __init__(self) -> None:
        self._of: tuple[int, int] | None = None  # the result and its leaf that are shown

    def caption(self, shown: Shown) -> str:
        """Which leaf it is, and how long the run took."""
        work = shown.work
        if work.ran is None:
            waiting = work.busy and work.trusted
            return "no result yet" + (" · waiting for the engine" if waiting else "")
        count = len(work.ran.report.outputs)
        if not count:
            return "the result has no leaves"
        parts = [f"output {shown.leaf + 1:,} of {count:,}, o: next"] if count > 1 else []
        stale = work.result_stale(shown.now)
        said = OLD if stale else f"ran {quantities.elapsed(work.ran.seconds)}"
        parts += [said] if not stale or self.says_stale else []
        text = "  ·  ".join(parts)
        whole = text if stale else f"{text}, compiling included"
        return whole if len(whole) <= shown.width - TITLE else text

    def update(self, shown: Shown) -> None:
        """Show the leaf, or none."""
        ran = shown.work.ran
        if ran is None or not ran.report.outputs:
            if self._of is not None:
                self._of = None
                self.clear()
            return
        if self._of != (ran.result, shown.leaf):
            self._of = (ran.result, shown.leaf)
            self.put(ran, shown.leaf, _labels(shown.work))
        self.mark(shown)

    def clear(self) -> None:
        """Show no leaf."""
        raise NotImplementedError

    def put(self, ran: Ran, leaf: int, labels: dict[int, str]) -> None:
        """Show another leaf; `labels` are those of the devices by id."""
        raise NotImplementedError

    def mark(self, shown: Shown) -> None:
        """Say whether the leaf is of the program that is composed."""
        raise NotImplementedError


def _any_leaf(work: ProgramWork) -> bool:
    return work.ran is not None and bool(work.ran.report.outputs)


class ArrayTab(LeafTab):
    """The values."""

    name = "Result"
    says_stale = False  # the view says it
    view: ArrayView | None = None

    def widget(self, shown: Shown) -> Widget | None:
        """The array view."""
        if self.view is None and _any_leaf(shown.work):
            from jaxtui.results.screen.view import ArrayView

            self.view = ArrayView()
        return self.view

    def clear(self) -> None:
        """Show no leaf."""
        assert self.view is not None
        self.view.clear()

    def put(self, ran: Ran, leaf: int, labels: dict[int, str]) -> None:
        """Show another leaf."""
        assert self.view is not None
        self.view.show(ran.result, leaf, ran.report.outputs[leaf], labels)

    def mark(self, shown: Shown) -> None:
        """Say what has become of the values."""
        assert self.view is not None
        if shown.work.values_gone:
            self.view.lose(VALUES_GONE)
        self.view.stale = shown.work.result_stale(shown.now)


class ShardsTab(LeafTab):
    """Which device holds which part."""

    name = "Shards"
    view: ShardsView | None = None

    def widget(self, shown: Shown) -> Widget | None:
        """The view of shards."""
        if self.view is None and _any_leaf(shown.work):
            from jaxtui.results.screen.shards_view import ShardsView

            self.view = ShardsView()
        return self.view

    def clear(self) -> None:
        """Show no leaf."""
        assert self.view is not None
        self.view.update_output(None, {})

    def put(self, ran: Ran, leaf: int, labels: dict[int, str]) -> None:
        """Show another leaf."""
        assert self.view is not None
        self.view.update_output(ran.report.outputs[leaf], labels)

    def mark(self, shown: Shown) -> None:
        """Draw those of the program before more quietly."""
        assert self.view is not None
        self.view.set_class(shown.work.result_stale(shown.now), "-stale")


def _labels(work: ProgramWork) -> dict[int, str]:
    devices = work.environment.devices if work.environment is not None else []
    return {device.id: f"{device.platform}:{device.id}" for device in devices}


# ---------------------------------------------------------------------------------- plain texts


class TextTab(ResultTab):
    """Shows a text that scrolls."""

    def __init__(self) -> None:
        self._place = Static("", markup=False)
        self._scroll = VerticalScroll(self._place, can_focus=True)
        self._drawn: str | None = None

    def read(self, shown: Shown) -> str:
        """The text."""
        raise NotImplementedError

    def drawn(self, text: str) -> VisualType:
        """The text as it is drawn."""
        return text

    def widget(self, shown: Shown) -> Widget:
        """The text, as far as it is on view."""
        return self._scroll

    def update(self, shown: Shown) -> None:
        """Show the text; the same again costs nothing."""
        self.text = self.read(shown)
        if self.text != self._drawn:
            self._drawn = self.text
            self._place.update(self.drawn(self.text))


class OutputTab(TextTab):
    """What the function printed."""

    name = "Output"

    def read(self, shown: Shown) -> str:
        """What was printed."""
        return _printed(shown)[0]

    def drawn(self, text: str) -> VisualType:
        """What was printed, or that nothing was."""
        return text or "The function has printed nothing."

    def note(self, shown: Shown) -> str:
        """How many lines."""
        return lines_text(_printed(shown)[0].count("\n"))

    def caption(self, shown: Shown) -> str:
        """Whether a program before printed it."""
        return OLD if _printed(shown)[1] else ""


class NotesTab(TextTab):
    """The notes of the session."""

    name = "Notes"

    def offered(self, work: ProgramWork) -> bool:
        """When there are notes."""
        return bool(work.session.notes.strip())

    def read(self, shown: Shown) -> str:
        """The notes."""
        return shown.work.session.notes

    def drawn(self, text: str) -> VisualType:
        """Markdown."""
        from rich.markdown import Markdown

        return Markdown(text, code_theme="ansi_dark", hyperlinks=False)


class ErrorTab(TextTab):
    """What is wrong with what is composed."""

    name = "Error"

    def offered(self, work: ProgramWork) -> bool:
        """When something is."""
        return work.diagnosis is not None

    def read(self, shown: Shown) -> str:
        """The diagnosis with all that is known of it."""
        diagnosis = shown.work.diagnosis
        return _error_text(diagnosis) if diagnosis is not None else ""


def lines_text(number: int) -> str:
    """`1,093 lines`, nothing for none."""
    return f"{number:,} line{'s' if number > 1 else ''}" if number else ""


def _printed(shown: Shown) -> tuple[str, bool]:
    """What the run printed, else the trace, and whether it is of a program before.

    The run of what is typed traces it as well; one of a program before says nothing about it.
    """
    printed, stale = shown.work.printed, shown.work.printed_stale(shown.now)
    if printed.get("trace") and (stale or not printed.get("run")):
        return "while tracing:\n" + _ended(printed["trace"]), False
    if printed.get("run"):
        return _ended(printed["run"]), stale
    return "", False


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _error_text(diagnosis: Diagnosis) -> str:
    lines = [diagnosis.message, "", f"at {diagnosis.field or 'the program'}"]
    if isinstance(diagnosis.line, int):
        column = f", column {diagnosis.column}" if isinstance(diagnosis.column, int) else ""
        lines[-1] += f", line {diagnosis.line}{column}"
    if isinstance(diagnosis.frames, list) and diagnosis.frames:
        lines += ["", "your lines on the way to it, outermost first:"]
        lines += [f"  {frame}" for frame in diagnosis.frames]
    if diagnosis.fixes:
        lines += ["", "f applies a fix:"]
        lines += [f"  {fix.label}:  {fix.field} = {fix.text}" for fix in diagnosis.fixes]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------- listings


class Listing(TextArea):
    """A text of the compiler's, to read and to find something in."""

    def __init__(self) -> None:
        super().__init__(read_only=True, show_line_numbers=False)
        self.cursor_blink = False

    def show(self, text: str) -> None:
        """Show a text, up to a length that can be scrolled."""
        cut = text[:MOST_CHARACTERS]
        if len(text) > len(cut):
            cut += f"\n… and {len(text) - len(cut):,} characters more"
        if self.text != cut:
            self.text = cut

    def find_text(self, text: str) -> bool:
        """Select the next place behind the cursor, or from the start, that has `text`.

        Lower and upper case are the same. Returns whether there is one.
        """
        content = "\n".join(self.document.lines)
        row, column = self.selection.end
        behind = sum(len(line) + 1 for line in self.document.lines[:row]) + column
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        found = wanted.search(content, behind) or wanted.search(content)
        if found is None:
            return False
        start, end = (_location(content, place) for place in found.span())
        self.selection = Selection(start, end)
        self.focus(scroll_visible=False)
        # Once the dialog that asked has gone and the focus is here.
        self.call_after_refresh(self.scroll_cursor_visible, center=True)
        return True


def _location(text: str, place: int) -> tuple[int, int]:
    """The line and the column of a place in a text."""
    return text.count("\n", 0, place), place - text.rfind("\n", 0, place) - 1


class ListingTab(ResultTab):
    """Shows the program in another language; all such tabs share one listing."""

    def __init__(self, listing: Callable[[], Listing]) -> None:
        """`listing` makes it when it is first called."""
        self._listing = listing

    def read(self, shown: Shown) -> str:
        """The text, "" while it is not there."""
        raise NotImplementedError

    def widget(self, shown: Shown) -> Widget:
        """The one listing."""
        return self._listing()

    def update(self, shown: Shown) -> None:
        """Put this tab's text into it."""
        self.text = self.read(shown)
        self._listing().show(self.text)


class PythonTab(ListingTab):
    """The program as a script."""

    name = "Python"

    def read(self, shown: Shown) -> str:
        """The script, or why there is none."""
        return script_text(shown.work.session)


class CompilerTab(ListingTab):
    """The program as JAX or XLA has it, which is asked for when the tab is shown."""

    def __init__(self, listing: Callable[[], Listing], name: str, view: ProgramView) -> None:
        super().__init__(listing)
        self.name = name
        self._view = view

    def read(self, shown: Shown) -> str:
        """What was answered last."""
        shown.work.inspect(self._view, shown.now)
        there = shown.work.views.get(self._view)
        return there.text if there is not None else ""

    def caption(self, shown: Shown) -> str:
        """What the text is of, or what is waited for."""
        work = shown.work
        there = work.views.get(self._view)
        if there is not None:
            return OLD if there.composition != work.asked else ""
        if work.phase != "ready":
            return ""
        if self._view == "equivalents" and work.ran_of != work.asked:
            return "F5 runs the program first"
        return "asking JAX"


def all_tabs() -> list[ResultTab]:
    """The tabs, in the order on screen."""
    listing = cache(Listing)
    return [
        ArrayTab(),
        ShardsTab(),
        OutputTab(),
        CompilerTab(listing, "Equivalents", "equivalents"),
        CompilerTab(listing, "Jaxpr", "jaxpr"),
        CompilerTab(listing, "StableHLO", "stablehlo"),
        CompilerTab(listing, "HLO", "hlo"),
        CompilerTab(listing, "Cost", "cost"),
        PythonTab(listing),
        NotesTab(),
        ErrorTab(),
    ]
