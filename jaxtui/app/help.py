"""The help: all keys, by screen and pane."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from jaxtui.screen import commands
from jaxtui.screen.commands import key_name
from jaxtui.screen.dialogs import ESC, Dialog, FilterLine
from jaxtui.screen.screens import BY_NAME, SCREENS, SHARED_PANES, load

Keys = list[tuple[str, str]]  # the names of keys, and what they do
Section = tuple[str, Keys]

KEY_CELLS = 8, 22  # least and most cells for the names of a section's keys
BESIDE = 100  # cells from which on there are two columns
GAP = 3  # cells between them
WIDE = 116  # cells of the box in a terminal that has them


def _sections(first: str, pane: str = "") -> list[Section]:
    """The keys by (title, keys): of the pane titled `pane`, of the screen `first`, all others."""
    found = [
        (title, [(commands.key_names(c), c.help) for c in commands.in_scopes(scope) if c.keys])
        for scope, title in HEADINGS
    ]
    entry = BY_NAME.get(first)
    own = {title for _, title in entry.headings} | {t for t, _ in entry.panes} if entry else set()
    sections = [*found, *_widget_keys()]
    return sorted(sections, key=lambda section: (section[0] != pane, section[0] not in own))


def _widget_keys() -> list[Section]:
    """The keys of panes that bring their own, and of dialogs."""
    return [
        *((title, _keys_of(load(place))) for title, place in PANES),
        ("In a dialog", IN_DIALOGS),
    ]


def _keys_of(kind: type[Widget]) -> Keys:
    """The keys of a widget, in the order in which it names them."""
    if kind is VerticalScroll:
        return IN_TEXTS
    told: tuple[tuple[str, str], ...] = getattr(kind, "KEYS", ())
    bound = [b if isinstance(b, Binding) else Binding(*b) for b in kind.BINDINGS]
    return [
        *((_names(binding.key), binding.tooltip or binding.description) for binding in bound),
        *((_names(keys), about) for keys, about in told),
    ]


def _names(keys: str) -> str:
    return ", ".join(key_name(key) for key in keys.split(","))


PANES = (*(pane for screen in SCREENS for pane in screen.panes), *SHARED_PANES)
IN_TEXTS: Keys = [  # Textual's words are about widgets, and some of its keys do nothing here
    ("↑, ↓", "Scroll up or down"),
    ("page up, page down", "A page up or down"),
    ("home, end", "To the top, to the end"),
]
IN_DIALOGS: Keys = [
    ("enter", "Choose it, or take what is typed"),
    ("esc", "Close it"),
    ("tab", "Go to its next part"),
    ("↑, ↓", "Go through a list, or into the one below a field"),
    ("→", "Complete the name of a file"),
    ("←, →", "Fold and unfold a row of a tree"),
    ("any letter", "Filter a long list; in a short one, go to what begins with it"),
    ("/", "Filter these keys"),
]
HEADINGS = (*(heading for screen in SCREENS for heading in screen.headings), ("app", "Everywhere"))


def pane_title(focused: Widget | None) -> str:
    """The title of the section about what has the focus, "" if there is none."""
    titles = {place: title for title, place in PANES}
    # No module is loaded for this: a widget on the screen has loaded its own.
    places = (f"{kind.__module__}:{kind.__name__}" for kind in type(focused).__mro__)
    return next((titles[place] for place in places if place in titles), "")


class KeyTable(Widget):
    """Lines that depend on the cells that there are.

    It knows its height before it is laid out, so that a terminal never shows the box empty first.
    """

    DEFAULT_CSS = "KeyTable { height: auto; }"

    def __init__(self, lines: Callable[[int], list[Content]]) -> None:
        """`lines` gives the lines for a width in cells."""
        super().__init__()
        self._lines = lines
        self._shown: tuple[int, list[Content]] = (0, [])  # the width, and its lines

    def show_anew(self) -> None:
        """Ask for the lines again."""
        self._shown = (0, [])
        self.refresh(layout=True)

    def _of(self, width: int) -> list[Content]:
        if self._shown[0] != width:
            self._shown = width, self._lines(width)
        return self._shown[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._of(width))

    def render(self) -> Content:
        return Content("\n").join(self._of(self.content_size.width))


class HelpDialog(Dialog[None]):
    """All keys, by the pane they work in.

    Those of the section titled `pane` come first, then those of the screen named `first`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("q,question_mark,f1", "refuse", "Close"),
        ("slash", "filter", "Filter"),
    ]
    TITLE = "Keys"
    KEYS = (("/", "filter"), ("↑↓", "scroll"), ESC)

    def __init__(self, first: str = "", pane: str = "") -> None:
        super().__init__()
        self._first, self._pane = first, pane
        self._filtering, self._typed = False, ""

    def body(self) -> ComposeResult:
        self._line = FilterLine()
        self._line.display = False
        yield self._line
        with VerticalScroll(can_focus=True):
            self._table = KeyTable(self._lines)
            yield self._table

    def on_mount(self) -> None:
        if self.app.size.width >= WIDE + 4:
            self.query_one(".dialog").styles.width = WIDE

    def action_filter(self) -> None:
        self._filtering = self._line.display = True
        self._line.show(self._typed, sum(len(keys) for _, keys in self._left()))

    def on_key(self, event: events.Key) -> None:
        """Filter by what is typed behind the slash."""
        if not self._filtering:
            return
        if event.is_printable and event.character:
            self._typed += event.character
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
        else:
            return
        event.stop()
        event.prevent_default()
        self._line.show(self._typed, sum(len(keys) for _, keys in self._left()))
        self._table.show_anew()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self._filtering and character is not None and character.isprintable()

    def _left(self) -> list[Section]:
        """The sections with the keys that have every word that is typed."""
        words = self._typed.casefold().split()
        found = []
        for title, keys in _sections(self._first, self._pane):
            left = [k for k in keys if all(w in " ".join((title, *k)).casefold() for w in words)]
            if left:
                found.append((title, left))
        return found

    def _lines(self, width: int) -> list[Content]:
        """The table in one column, or in two where there is room."""
        sections = self._left()
        if width < BESIDE:
            return [line for section in sections for line in _section(section, width)]
        each = (width - GAP) // 2
        blocks = [_section(section, each) for section in sections]
        left: list[Content] = []
        right: list[Content] = []
        for block in blocks:  # so that the first ones stand at the top
            (left if len(left) <= len(right) else right).extend(block)
        rows = max(len(left), len(right))
        left += [Content("")] * (rows - len(left))
        right += [Content("")] * (rows - len(right))
        return [
            Content.assemble(one.truncate(each + GAP, pad=True), other)
            for one, other in zip(left, right, strict=True)
        ]


def _section(section: Section, width: int) -> list[Content]:
    """The lines of a section, and an empty one."""
    title, keys = section
    least, most = KEY_CELLS
    cells = max(least, min(most, max(len(names) for names, _ in keys)))
    room = max(16, width - cells - 4)
    lines = [Content.styled(title, "bold $text")]
    for names, about in keys:
        first, *more = textwrap.wrap(about, room)
        lines.append(Content.assemble((f"  {names:{cells}}", "bold"), (f"  {first}", "$text")))
        lines += [Content.styled(" " * (cells + 4) + part, "$text") for part in more]
    return [*lines, Content("")]
