"""The results: tabs for the values, the shards, what was printed and what went wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from jaxtui.program.screen.tab_line import ERROR, NOTES, OUTPUT, PYTHON, RESULT, SHARDS, TabLine
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text import quantities
from jaxtui.wire.program import ProgramView, Ran
from jaxtui.wire.report import DeviceInfo

if TYPE_CHECKING:
    from rich.markdown import Markdown
    from textual.widgets import TextArea

    from jaxtui.results.screen.shards_view import ShardsView
    from jaxtui.results.screen.view import ArrayView

VIEW_TABS: dict[str, ProgramView] = {
    "Equivalents": "equivalents",
    "Jaxpr": "jaxpr",
    "StableHLO": "stablehlo",
    "HLO": "hlo",
    "Cost": "cost",
}
VALUES_GONE = "these values went with the old engine; F5 computes them again"
TITLE = len("Results · ") + 4  # what stands before and behind a caption in the border
MOST_CHARACTERS = 2_000_000  # of a compiler's text that are shown


class ResultPane(Vertical):
    """Shows one tab at a time; what a tab holds is mounted when it is first shown."""

    DEFAULT_CSS = """
    ResultPane { height: 1fr; min-height: 4; padding: 0; }
    ResultPane > TabLine { padding: 0 1; }
    ResultPane > VerticalScroll { padding: 0 1; }
    ResultPane > #notice { display: none; height: auto; max-height: 6; padding: 0 1;
        color: $text-warning; }
    ResultPane > #notice.-shown { display: block; }
    ResultPane > .body { height: 1fr; display: none; }
    ResultPane.-result > .-of-result, ResultPane.-shards > .-of-shards,
    ResultPane.-output > .-of-output, ResultPane.-error > .-of-error,
    ResultPane.-notes > .-of-notes,
    ResultPane.-listing > .-of-listing { display: block; }
    ResultPane > TextArea, ResultPane > TextArea:focus {
        border: none; padding: 0 1; background: $background; }
    ResultPane > .-of-shards.-stale { text-opacity: 55%; }
    """

    def __init__(self) -> None:
        super().__init__(classes="pane -result")
        self.border_title = "Results"
        self.tab_line = TabLine()
        self._notice = Static("", markup=False, id="notice")
        self.array_view: ArrayView | None = None
        self._shards_view: ShardsView | None = None
        self._places: dict[str, Static] = {}
        self._texts: dict[str, str] = {}
        self._listings: dict[str, tuple[str, str]] = {}
        self._listing: TextArea | None = None
        self._shown_result: tuple[int, int] | None = None
        self._shown_shards: tuple[int, int] | None = None
        self._ran: Ran | None = None
        self._devices: list[DeviceInfo] = []
        self.leaf = 0
        self._printed, self._printed_stale = "", False
        self._notes = ""
        self._error = ""
        self._stale = False
        self._waiting = ""
        self._values_gone = False
        self._noticed = ""

    def compose(self) -> ComposeResult:
        """The tabs and what stands over them; their contents come when they are shown."""
        yield self.tab_line
        yield self._notice

    @property
    def tab(self) -> str:
        """The name of the tab that is shown."""
        return self.tab_line.active

    def show_tab(self, name: str) -> None:
        """Turn to a tab."""
        for tab in (RESULT, SHARDS, OUTPUT, NOTES, ERROR):
            self.set_class(tab == name, f"-{tab.lower()}")
        self.set_class(name == PYTHON or name in VIEW_TABS, "-listing")
        self.tab_line.active = name
        self._show_body()

    def step_tab(self, step: int) -> None:
        """Turn to the next tab, or the one before."""
        names = [name for name, _ in self.tab_line.tabs]
        at = names.index(self.tab) if self.tab in names else 0
        self.show_tab(names[(at + step) % len(names)])

    def step_leaf(self, step: int) -> None:
        """Show another leaf of the result."""
        if self._ran is not None and self._ran.report.outputs:
            self.leaf = (self.leaf + step) % len(self._ran.report.outputs)
            self._show_body()

    def show(
        self,
        ran: Ran | None,
        devices: list[DeviceInfo],
        *,
        stale: bool,
        notice: str,
        printed: dict[str, str],
        diagnosis: Diagnosis | None,
        printed_stale: bool = False,
        waiting: str = "",
        values_gone: bool = False,
        notes: str = "",
    ) -> None:
        """Show the state of the work.

        `waiting` says what for, while there is no result; with `values_gone` the engine that kept
        the result's values has ended. `notes` are the session's, in Markdown.
        """
        self._notes = notes
        self._waiting, self._values_gone = waiting, values_gone
        if ran is not self._ran:
            self._ran = ran
            count = len(ran.report.outputs) if ran is not None else 0
            self.leaf = min(self.leaf, max(0, count - 1))
        self._devices = devices
        self._printed, self._printed_stale = _printed_text(printed, stale=printed_stale)
        self._error = _error_text(diagnosis) if diagnosis is not None else ""
        self._stale = stale
        if notice != self._noticed:
            self._noticed = notice
            self._notice.update(notice)
            self._notice.set_class(bool(notice), "-shown")
        self._show_tabs(diagnosis)
        self._show_body()

    def _show_tabs(self, diagnosis: Diagnosis | None) -> None:
        lines = self._printed.count("\n")
        tabs = [(RESULT, ""), (SHARDS, ""), (OUTPUT, lines_text(lines))]
        tabs += [(name, "") for name in (*VIEW_TABS, PYTHON)]
        if self._notes.strip():
            tabs.append((NOTES, ""))
        if diagnosis is not None:
            tabs.append((ERROR, ""))
        self.tab_line.tabs = tuple(tabs)
        if self.tab not in [name for name, _ in tabs]:
            self.show_tab(RESULT)

    def _show_body(self) -> None:
        if self.tab == RESULT:
            self._show_result()
        elif self.tab == SHARDS:
            self._show_shards()
        elif self.tab == PYTHON or self.tab in VIEW_TABS:
            text, caption = self._listings.get(self.tab, ("", ""))
            self._caption(caption)
            self._put_listing(text)
        else:
            old = self.tab == OUTPUT and self._printed_stale
            self._caption("of the program before" if old else "")
            if self.tab == OUTPUT:
                self._put(OUTPUT, self._printed or "The function has printed nothing.")
            elif self.tab == NOTES:
                self._put(NOTES, self._notes)
            else:
                self._put(ERROR, self._error)

    def _caption_text(self) -> str:
        ran = self._ran
        if ran is None:
            return f"no result yet · {self._waiting}" if self._waiting else "no result yet"
        outputs = ran.report.outputs
        if not outputs:
            return "the result has no leaves"
        parts = []
        if len(outputs) > 1:
            parts.append(f"output {self.leaf + 1:,} of {len(outputs):,}, o: next")
        if not self._stale:
            parts.append(f"ran {quantities.elapsed(ran.seconds)}")
        elif self.tab != RESULT:  # the array view says it itself
            parts.append("of the program before")
        text = "  ·  ".join(parts)
        whole = text if self._stale else f"{text}, compiling included"
        return whole if len(whole) <= self.size.width - TITLE else text

    def _caption(self, text: str) -> None:
        """Say in the title what the tab shows."""
        title = f"Results · {text}" if text else "Results"
        if title != self.border_title:  # to set it paints the whole pane anew
            self.border_title = title

    def _show_result(self) -> None:
        self._caption(self._caption_text())
        ran = self._ran
        if ran is None:
            if self.array_view is not None and self._shown_result is not None:
                self._shown_result = None
                self.array_view.clear()
            return
        if not ran.report.outputs:
            return
        if self.array_view is None:
            from jaxtui.results.screen.view import ArrayView

            self.array_view = ArrayView(classes="body -of-result")
            self.mount(self.array_view)
        if self._shown_result != (ran.result, self.leaf):
            self._shown_result = (ran.result, self.leaf)
            self.array_view.show(
                ran.result, self.leaf, ran.report.outputs[self.leaf], self._labels()
            )
        if self._values_gone:
            self.array_view.lose(VALUES_GONE)
        self.array_view.stale = self._stale

    def _show_shards(self) -> None:
        self._caption(self._caption_text())
        ran = self._ran
        if ran is None or not ran.report.outputs:
            if self._shards_view is not None and self._shown_shards is not None:
                self._shown_shards = None
                self._shards_view.update_output(None, {})
            return
        if self._shards_view is None:
            from jaxtui.results.screen.shards_view import ShardsView

            self._shards_view = ShardsView(classes="body -of-shards")
            self.mount(self._shards_view)
        self._shards_view.set_class(self._stale, "-stale")
        if self._shown_shards != (ran.result, self.leaf):
            self._shown_shards = (ran.result, self.leaf)
            self._shards_view.update_output(ran.report.outputs[self.leaf], self._labels())

    def _labels(self) -> dict[int, str]:
        return {device.id: f"{device.platform}:{device.id}" for device in self._devices}

    def _put(self, tab: str, text: str) -> None:
        """Show a tab's text; the same text again costs nothing."""
        if tab not in self._places:
            self._places[tab] = Static("", markup=False)
            scroll = VerticalScroll(
                self._places[tab], classes=f"body -of-{tab.lower()}", can_focus=True
            )
            self.mount(scroll)
        if self._texts.get(tab) != text:
            self._texts[tab] = text
            self._places[tab].update(_markdown(text) if tab == NOTES else text)

    @property
    def program_view(self) -> ProgramView | None:
        """The compiler's view that is on show, if it is one."""
        return VIEW_TABS.get(self.tab)

    def show_listing(self, text: str, caption: str) -> None:
        """Put a text into the tab that is shown; the caption says what it is of."""
        self._listings[self.tab] = (text, caption)
        self._show_body()

    def _put_listing(self, text: str) -> None:
        if self._listing is None:
            from textual.widgets import TextArea

            self._listing = TextArea(
                read_only=True, show_line_numbers=False, classes="body -of-listing"
            )
            self._listing.cursor_blink = False
            self.mount(self._listing)
        cut = text[:MOST_CHARACTERS]
        if len(text) > len(cut):
            cut += f"\n… and {len(text) - len(cut):,} characters more"
        if self._listing.text != cut:
            self._listing.text = cut

    @property
    def listed(self) -> bool:
        """Whether a listing is on show."""
        return self.tab == PYTHON or self.tab in VIEW_TABS

    def find_text(self, text: str) -> bool:
        """Select the next place behind the cursor, or from the start, that has `text`.

        Lower and upper case are the same. Returns whether there is one.
        """
        area = self._listing
        if area is None:
            return False
        from textual.widgets.text_area import Selection

        content = "\n".join(area.document.lines)
        row, column = area.selection.end
        behind = sum(len(line) + 1 for line in area.document.lines[:row]) + column
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        found = wanted.search(content, behind) or wanted.search(content)
        if found is None:
            return False
        start, end = (_location(content, place) for place in found.span())
        area.selection = Selection(start, end)
        area.focus(scroll_visible=False)
        # Once the dialog that asked has gone and the focus is here.
        area.call_after_refresh(area.scroll_cursor_visible, center=True)
        return True

    def text_to_copy(self) -> str:
        """What is read in the tab that is shown, where that is plain text."""
        if self.tab in self._listings:
            return self._listings[self.tab][0]
        return {OUTPUT: self._printed, NOTES: self._notes, ERROR: self._error}.get(self.tab, "")


def _markdown(text: str) -> Markdown:
    from rich.markdown import Markdown

    return Markdown(text, code_theme="ansi_dark", hyperlinks=False)


def _location(text: str, place: int) -> tuple[int, int]:
    """The line and the column of a place in a text."""
    return text.count("\n", 0, place), place - text.rfind("\n", 0, place) - 1


def lines_text(number: int) -> str:
    """`1,093 lines`, nothing for none."""
    return f"{number:,} line{'s' if number > 1 else ''}" if number else ""


def _printed_text(printed: dict[str, str], *, stale: bool) -> tuple[str, bool]:
    """What the run printed, else the trace, and whether it is of a program before.

    The run of what is typed traces it as well; one of a program before says nothing about it.
    """
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
