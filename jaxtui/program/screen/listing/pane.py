"""A listing with a line above it about its collectives, and one below about the cursor's line."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from jaxtui.program.screen.listing.lexer import Language
from jaxtui.program.screen.listing.model import Listing, Target, where_of
from jaxtui.program.screen.listing.view import ListingView
from jaxtui.screen.cells import fit
from jaxtui.text.printable import visible
from jaxtui.wire.listing import Links, SourceLine

MOST_CHARACTERS = 20_000_000  # that are shown


class _TextLine(Widget):
    """One line of text, cut where it does not fit; not there without a text."""

    DEFAULT_CSS = "_TextLine { height: 1; padding: 0 1; } _TextLine.-none { display: none; }"

    def __init__(self, style: str) -> None:
        super().__init__(classes="-none")
        self._style, self.text = style, ""

    def say(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.set_class(not text, "-none")
            self.refresh()

    def render(self) -> Content:
        return Content.styled(fit(visible(self.text), self.size.width), self._style)


class ListingPane(Vertical):
    """Shows a program in one of its languages."""

    DEFAULT_CSS = "ListingPane { height: 1fr; } ListingPane ListingView { padding: 0; }"

    def __init__(self, title: str, language: Language) -> None:
        super().__init__()
        self.title, self.language = title, language
        self.view = ListingView()
        self.view.place_name = title
        self.head, self.foot = _TextLine("bold $text-warning"), _TextLine("$text-muted")
        self._of: tuple[str, Links | None] | None = None
        self._wanted: Target | None = None
        self._notice = ""

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.view
        yield self.foot

    def show(self, text: str, links: Links | None, *, stale: bool = False) -> None:
        """Show a text; with `stale`, it is of an earlier program."""
        if self._of is None or self._of[0] != text or self._of[1] is not links:
            self._of = (text, links)
            cut = text[:MOST_CHARACTERS]
            if len(text) > len(cut):
                cut += f"\n… and {len(text) - len(cut):,} characters more"
            listing = Listing(cut, self.language, links)
            self.view.show(listing, stale=stale)
            self.head.say(listing.summary())
            self._notice = ""
            self._say()
        else:
            self.view.show(self.view.listing, stale=stale)
        if text and not stale:
            self._go_to_wanted()

    # -------------------------------------------------------------------------------------- links

    def go_to(self, target: Target) -> None:
        """Go to the operation that fits `target` best, as soon as the text is there."""
        self._wanted = target

    def _go_to_wanted(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        line = self.view.listing.find(wanted)
        if line is not None:
            self.view.arrive_at(line)
        else:
            self._notice = f"{where_of(wanted.place)} has no operation here"
        self._say()

    @property
    def target(self) -> Target | None:
        """What to look for in another listing to find the cursor's line there."""
        return self.view.listing.target(self.view.line)

    @property
    def place(self) -> SourceLine | None:
        """The line of the user's code that made the cursor's line."""
        listing = self.view.listing
        return listing.place_of(listing.operation_at(self.view.line))

    def step_collective(self, step: int) -> bool:
        """Go to the next collective, or the one before; return whether there is one."""
        line = self.view.listing.next_collective(self.view.line, step)
        if line is not None:
            self.view.arrive_at(line)
        return line is not None

    # --------------------------------------------------------------------------------------- foot

    def on_listing_view_moved(self, event: ListingView.Moved) -> None:
        event.stop()
        self._notice = ""
        self._say()

    def _say(self) -> None:
        self.foot.say(self._notice or self._told())

    def _told(self) -> str:
        """What the cursor's line comes from: `line 6 · psum · y = lax.psum(x, "i")`."""
        listing = self.view.listing
        operation = listing.operation_at(self.view.line)
        if operation is None:
            return "no line of the source made it" if listing.operations else ""
        place = listing.place_of(operation)
        if place is None:
            return f"{operation.name} · no line of the source made it"
        return f"{where_of(place)} · {operation.name} · {place.text}"
