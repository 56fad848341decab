"""From a line of the source to the operations that it became, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.program.screen.listing.model import Target, where_of
from jaxtui.wire.listing import SourceLine

if TYPE_CHECKING:
    from jaxtui.program.screen.listing.pane import ListingPane
    from jaxtui.program.screen.screen import MapScreen


def follow_line(screen: MapScreen) -> None:
    """Go from a listing to the next one, to the same operation; from elsewhere to a listing.

    That is the one on view or the first, at what the line of the source's cursor became.
    """
    results = screen.results
    pane = results.program
    if pane is not None and screen.focused is pane.view:
        target = pane.target
        if target is None:
            screen.say("no line of the source is known to have made this one")
            return
        tab = results.linked_after(pane.title)
    elif screen.editor.has_class("-reference"):
        screen.say("the function lies in a file; each line of a listing names the file's line")
        return
    else:
        target = Target(SourceLine("", screen.editor.area.cursor_location[0] + 1))
        tab = results.linked_now
    results.show_tab(tab.name)
    tab.made().go_to(target)
    if screen.has_class("-narrow") and not screen.has_class("-results"):
        screen.action_flip()
    screen.explorer.show_work()
    screen.call_after_refresh(tab.made().view.focus)


def show_source(screen: MapScreen, pane: ListingPane) -> None:
    """Go to the line of the source that made the line of a listing."""
    place = pane.place
    if place is None:
        screen.say("no line of the source is known to have made this one")
        return
    if place.file:
        screen.say(f"{where_of(place)} in {place.file}")
        return
    area = screen.editor.area
    row = place.line - 1
    text = area.document.get_line(row) if row < area.document.line_count else ""
    if not text.strip().startswith(place.text):
        screen.say(f"line {place.line} is another since: {place.text}")
        return
    if screen.has_class("-narrow") and screen.has_class("-results"):
        screen.action_flip()
    area.cursor_location = (row, len(text) - len(text.lstrip()))

    def arrive() -> None:
        area.focus()
        area.scroll_cursor_visible(center=True)

    screen.call_after_refresh(arrive)
