"""The pane of results: tabs for values, shards, printed output, errors and more."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from jaxtui.program.screen.listing.tab import ProgramTab
from jaxtui.program.screen.plain_listing import Listing
from jaxtui.program.screen.result_tab import ResultTab, Shown
from jaxtui.program.screen.result_tabs import LeafTab, ListingTab, all_tabs
from jaxtui.program.screen.tab_line import SHARDS, VALUES, TabLine
from jaxtui.program.screen.view import notice
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.field import Notice
from jaxtui.screen.titles import set_title
from jaxtui.wire.program import Ran

if TYPE_CHECKING:
    from jaxtui.program.screen.listing.pane import ListingPane
    from jaxtui.results.screen.shards_view import ShardsView
    from jaxtui.results.screen.view import ArrayView


class ResultPane(Vertical):
    """Shows one tab at a time; its content is mounted when it is first shown."""

    DEFAULT_CSS = """
    ResultPane { height: 1fr; min-height: 4; padding: 0; }
    ResultPane > TabLine { padding: 0 1; }
    ResultPane > Notice { max-height: 6; }
    ResultPane ContentSwitcher { height: 1fr; }
    ResultPane ContentSwitcher > * { height: 1fr; }
    ResultPane VerticalScroll { padding: 0 1; }
    ResultPane TextArea, ResultPane TextArea:focus {
        border: none; padding: 0 1; background: $background; }
    ResultPane ShardsView.-stale { text-opacity: 55%; }
    """

    def __init__(self, without: str = "") -> None:
        """`without` is the name of a tab that is left out."""
        super().__init__(classes="pane")
        self.border_title = self._title = "Results"
        self.tab_line = TabLine()
        self.leaf = 0
        self._tabs = {tab.name: tab for tab in all_tabs() if tab.name != without}
        self._notice = Notice()
        self._switcher = ContentSwitcher()
        self._content: Widget | None = None  # of the tab on view
        self._ran: Ran | None = None

    def compose(self) -> ComposeResult:
        yield self.tab_line
        yield self._notice
        yield self._switcher

    @property
    def tab(self) -> str:
        return self.tab_line.active

    @property
    def current(self) -> ResultTab:
        return self._tabs[self.tab]

    @property
    def array_view(self) -> ArrayView | None:
        """The view of the values, or None before the first result."""
        tab = self._tabs.get(VALUES)
        return cast("ArrayView | None", tab.view) if isinstance(tab, LeafTab) else None

    @property
    def shards_view(self) -> ShardsView | None:
        """The view of the shards, or None before it was first shown."""
        tab = self._tabs.get(SHARDS)
        return cast("ShardsView | None", tab.view) if isinstance(tab, LeafTab) else None

    @property
    def listed(self) -> bool:
        """Whether the tab shows a text that can be searched."""
        return isinstance(self.current, ListingTab | ProgramTab)

    @property
    def program(self) -> ListingPane | None:
        """The pane of the program as text, if that is on view."""
        tab = self.current
        return tab.pane if isinstance(tab, ProgramTab) else None

    @property
    def linked_now(self) -> ProgramTab:
        """The tab on view if its lines are linked to those of the source, else the first such."""
        tab = self.current
        return tab if isinstance(tab, ProgramTab) and tab.linked else self._linked[0]

    @property
    def _linked(self) -> list[ProgramTab]:
        tabs = self._tabs.values()
        return [tab for tab in tabs if isinstance(tab, ProgramTab) and tab.linked]

    def linked_after(self, name: str) -> ProgramTab:
        """The next of the tabs that are linked, after the one named; the first after any other."""
        linked = self._linked
        names = [tab.name for tab in linked]
        return linked[(names.index(name) + 1) % len(linked)] if name in names else linked[0]

    def first_tab(self, work: ProgramWork) -> str:
        """The tab that is on view until another is chosen."""
        return VALUES

    def show_tab(self, name: str) -> None:
        """Turn to a tab; the next `show` updates it."""
        self.tab_line.active = name

    def step_tab(self, step: int) -> None:
        """Turn to the next tab, or the one before."""
        names = [name for name, _ in self.tab_line.tabs]
        at = names.index(self.tab) if self.tab in names else 0
        self.show_tab(names[(at + step) % len(names)])

    def step_leaf(self, step: int) -> None:
        if self._ran is not None and self._ran.report.outputs:
            self.leaf = (self.leaf + step) % len(self._ran.report.outputs)

    def prepare(self) -> None:
        """Import what shows the result while JAX starts, so that the first one need not wait."""
        self.current.prepare()

    @property
    def ran(self) -> Ran | None:
        """The run whose result is shown, None before there is any leaf to show."""
        return self._ran if self._ran is not None and self._ran.report.outputs else None

    def show_leaf(self, path: str) -> None:
        """Show the leaf at `path`, if the result still has one there."""
        paths = [output.path for output in self._ran.report.outputs] if self._ran else []
        if path in paths:
            self.leaf = paths.index(path)

    def show(self, work: ProgramWork, now: float) -> None:
        if work.ran is not self._ran:
            self._ran = work.ran
            count = len(work.ran.report.outputs) if work.ran is not None else 0
            self.leaf = min(self.leaf, max(0, count - 1))
        self._notice.say(notice(work))
        shown = Shown(work, now, self.leaf, self.size.width)
        offered = [tab for tab in self._tabs.values() if tab.offered(work)]
        self.tab_line.tabs = tuple((tab.name, tab.note(shown)) for tab in offered)
        if self._tabs.get(self.tab) not in offered:
            self.tab_line.active = self.first_tab(work)
        self._show_content(shown)

    def _show_content(self, shown: Shown) -> None:
        content = self.current.widget(shown)
        # Not the switcher's own, which is gone before this is called a last time while it closes.
        before, self._content = self._content, content
        if content is not None and content.id is None:
            content.id = f"tab-{len(self._switcher.children)}"
            self._switcher.mount(content)
        self.current.update(shown)
        self._switcher.current = content.id if content is not None else None
        if before is not None and before is not content and before.has_focus_within:
            # What is hidden loses the focus: the next listing, once it is there, takes it.
            follows = self.program
            self.call_after_refresh((follows.view if follows is not None else self.tab_line).focus)
        caption = self.current.caption(shown)
        set_title(self, f"{self._title} · {caption}" if caption else self._title)

    def find_text(self, text: str) -> bool:
        """Select the next occurrence of `text` in the listing; return whether there is one."""
        if self.program is not None:
            return self.program.view.find_text(text)
        listing = self._switcher.visible_content
        return isinstance(listing, Listing) and listing.find_text(text)

    def text_to_copy(self) -> str:
        """Return the text of the tab, "" if it shows none."""
        return self.current.text
