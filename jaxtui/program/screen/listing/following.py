"""From a line of the source to the operations that it became, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.program.screen.listing.model import Target, where_of
from jaxtui.wire.listing import SourceLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtui.program.screen.function_editor import FunctionEditor
    from jaxtui.program.screen.listing.pane import ListingPane
    from jaxtui.program.screen.result_pane import ResultPane

UNKNOWN = "no line of the source is known to have made this one"


def follow_line(
    results: ResultPane, editor: FunctionEditor, say: Callable[[str], None]
) -> ListingPane | None:
    """Turn from a listing to the next one, at the same operation; from elsewhere to a listing.

    That is the one on view or the first, at what the line of the source's cursor became. Returns
    it, or None if it was said why there is none.
    """
    pane = results.program
    if pane is not None and pane.view.has_focus:
        target = pane.target
        if target is None:
            say(UNKNOWN)
            return None
        tab = results.linked_after(pane.title)
    elif editor.has_class("-reference"):
        say("the function lies in a file; below a listing stands the file's line")
        return None
    else:
        target = Target(SourceLine("", editor.area.cursor_location[0] + 1))
        tab = results.linked_now
    results.show_tab(tab.name)
    tab.made().go_to(target)
    return tab.made()


def go_to_source(pane: ListingPane, editor: FunctionEditor, say: Callable[[str], None]) -> bool:
    """Put the editor's cursor on the line that made the line of a listing.

    Returns whether it is there; if not, it was said why.
    """
    place = pane.place
    if place is None:
        say(UNKNOWN)
        return False
    if place.file:
        say(f"{where_of(place)} in {place.file}")
        return False
    area = editor.area
    row = place.line - 1
    text = area.document.get_line(row) if row < area.document.line_count else ""
    if not text.strip().startswith(place.text):
        say(f"line {place.line} is another since: {place.text}")
        return False
    area.cursor_location = (row, len(text) - len(text.lstrip()))
    return True
