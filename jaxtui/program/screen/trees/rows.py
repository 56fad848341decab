"""The widget of a tree by path: folds, a cursor, and a setting of every node in a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.program.screen.flow.foot import whereabouts
from jaxtui.program.screen.path_finder import find_again
from jaxtui.program.screen.trees.table import Column, Row, TreeTable
from jaxtui.program.trees import Tree
from jaxtui.screen import commands
from jaxtui.screen.cells import Line, Segment, fit, fit_middle, width_of, wrap
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.text import signs
from jaxtui.text.printable import clean

INDENT = 2
NAME_LEAST = 10
FOOT_MOST = 3  # lines
MIXED = signs.ELLIPSIS  # of a node below which there are several


class TreeRows(LineScroller):
    """Paints the rows on view of a `TreeTable`, a column for each setting, and below them the whole
    path of the cursor's row."""

    PREFIX = "tree--"
    SCOPE: ClassVar[str] = "tree"  # of the commands that work here
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("tree--name", "tree--what", "tree--setting", "tree--quiet", "tree--cursor-sign"),
        *("tree--cursor", "tree--cell", "tree--message", "tree--fold"),
    }
    DEFAULT_CSS = """
    TreeRows {
        scrollbar-gutter: stable;
        .tree--name { color: $foreground; }
        .tree--what { color: $soft; }
        .tree--setting { color: $foreground; }
        .tree--quiet, .tree--fold { color: $quiet; }
        .tree--cursor-sign { color: $focus; text-style: bold; }
        .tree--cursor { background: $block-cursor-blurred-background; }
        .tree--cell { text-style: reverse; }
        .tree--message { color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways(
            "up down left right page_up page_down first last",
            left="Fold it, or the column before",
            right="Unfold it, or the next column",
        ),
        *commands.bindings("tree"),
    ]

    class Moved(Message):
        """The cursor stands on another row, or rows were folded."""

        def __init__(self, rows: TreeRows) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> TreeRows:
            return self.rows

    class Chosen(Moved):
        """A leaf was chosen."""

    class Set(Moved):
        """The setting of the cursor's column is to be changed at the cursor's node."""

    class Left(Moved):
        """The tree was left by folding its first row."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.table: TreeTable | None = None
        self.columns: tuple[Column, ...] = ()
        self.cursor = 0
        self.column = 0  # of the cursor: 0 is the path, then the settings
        self.message = ""  # what is wrong, in place of the path
        self.sought = ""  # what was looked for last
        self._named = ""
        self.lit = False  # whether the cursor shows without the focus

    def put(self, table: TreeTable, columns: Sequence[Column], named: str = "") -> None:
        """Show a table with these settings; `named` stands before paths."""
        if table is not self.table:
            self.cursor = max(0, min(self.cursor, len(table.rows) - 1))
        self.table, self.columns, self._named = table, tuple(columns), named
        self.column = min(self.column, len(self.columns))
        self.changed()

    def say(self, message: str) -> None:
        """Say what is wrong until the cursor moves."""
        if message != self.message:
            self.message = message
            self.changed()

    @property
    def row(self) -> Row | None:
        """The row of the cursor."""
        return self.table.rows[self.cursor] if self.table is not None and self.table.rows else None

    @property
    def setting(self) -> Column | None:
        """The setting of the cursor's column; None for the path."""
        return self.columns[self.column - 1] if self.column else None

    @property
    def path(self) -> str:
        """The whole path of the cursor's row."""
        return clean(self._named + self.row.tree.path) if self.row is not None else ""

    # ------------------------------------------------------------------------------- laying out

    @property
    def room(self) -> int:
        """The lines for rows."""
        return max(0, self.size.height - len(self._foot()))

    def changed(self) -> None:
        """Lay the rows out anew, after some were folded or what they show has changed."""
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        count = len(self.table.rows) if self.table is not None else 0
        wanted = Size(self.size.width, count + len(self._foot()))
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()
        self.bring_into_view(self.cursor, self.room)

    # --------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        if self.table is None:
            return self.strip_of(())
        foot = self._foot()
        if y >= self.size.height - len(foot):
            return self.strip_of(foot[y - self.size.height + len(foot)])
        number = y + self.scroll_offset.y
        if number >= len(self.table.rows):
            return self.strip_of(())
        at_cursor = (self.has_focus or self.lit) and number == self.cursor
        strip = self.strip_of(self._line(self.table.rows[number], at_cursor))
        if y == self.size.height - len(foot) - 1:
            strip = self.telling_more(strip, len(self.table.rows) - number - 1)
        if not at_cursor:
            return strip
        ground = Style(bgcolor=self.get_component_rich_style("tree--cursor").bgcolor)
        return Strip(RichSegment.apply_style(strip, post_style=ground), strip.cell_length)

    def _foot(self) -> list[Line]:
        """The lines below the rows: what is wrong, or the whole path of the cursor's row."""
        width, most = self.size.width, max(1, min(FOOT_MOST, self.size.height // 2))
        if self.message:
            return [(Segment(text, "message"),) for text in wrap(f"! {self.message}", width, most)]
        row = self.row
        if row is None or self.table is None or not (self.has_focus or self.lit):
            return [()]
        return whereabouts(self.path, self.table.words(row.tree), width, most)

    def _line(self, row: Row, at_cursor: bool) -> Line:
        assert self.table is not None
        cells = [self._cell(at, row.tree, at_cursor) for at in range(len(self.columns))]
        fold = " "
        if self.table.folds(row):
            fold = signs.UNFOLDED if self.table.is_open(row) else signs.FOLDED
        pointer = Segment(signs.CURSOR if at_cursor else " ", "cursor-sign")
        width = self.size.width - 3 - sum(map(width_of, cells))
        return (
            pointer,
            Segment(f"{fold} ", "fold"),
            *self._whole(row, max(0, width)),
            *(segment for cell in cells for segment in cell),
        )

    def _whole(self, row: Row, width: int) -> Line:
        """The path and, as far as there is room, what is there."""
        assert self.table is not None
        name = " " * (INDENT * row.depth) + clean(self._named * (not row.depth) + row.name)
        parts = self.table.words(row.tree)
        least = min(len(name), max(NAME_LEAST, width // 2))
        while parts and least + 2 + len(f" {signs.DOT} ".join(parts)) > width:
            parts.pop()
        what = f" {signs.DOT} ".join(parts)
        room = width - len(what) - 2 if what else width
        shown = fit_middle(name, max(0, room))
        gap = width - width_of((Segment(shown), Segment(what)))
        return (Segment(shown, "name"), Segment(" " * max(0, gap)), Segment(what, "what"))

    def _cell(self, at: int, tree: Tree, at_cursor: bool) -> Line:
        column = self.columns[at]
        text = fit(clean(column.text_of(tree)), column.width).ljust(column.width)
        style = "quiet" if text.strip() == MIXED else "setting"
        if at_cursor and self.column == at + 1:
            style = "cell"
        return (Segment(" "), Segment(text, style))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # ------------------------------------------------------------------------------------- keys

    def go_to(self, number: int) -> None:
        """Put the cursor on a row, or on the nearest there is."""
        if self.table is None:
            return
        self.cursor = max(0, min(number, len(self.table.rows) - 1))
        self.message = ""
        self.lay_out()
        self.bring_into_view(self.cursor, self.room)
        self.refresh()
        self.post_message(self.Moved(self))

    def action_move(self, step: int) -> None:
        self.go_to(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self.go_to(self.cursor + pages * max(1, self.room - 1))

    def action_edge(self, direction: int) -> None:
        self.go_to(0 if direction < 0 else len(self.table.rows) if self.table else 0)

    def action_sideways(self, step: int) -> None:
        if self.table is None or self.row is None:
            return
        unfolds = self.table.folds(self.row) and not self.table.is_open(self.row)
        if step > 0 and not self.column and unfolds:
            self._fold(False)
        elif step > 0 or self.column:
            self.column = max(0, min(self.column + step, len(self.columns)))
            self.message = ""
            self.refresh()
        elif self.table.folds(self.row) and not unfolds and self.cursor:
            self._fold(True)
        elif self.cursor:
            self.go_to(self.table.above(self.cursor))
        else:
            self.post_message(self.Left(self))

    def _fold(self, folded: bool) -> None:
        assert self.table is not None
        self.table.fold(self.cursor, folded)
        self.changed()
        self.post_message(self.Moved(self))

    def action_choose(self) -> None:
        """Change the setting, or fold or unfold the row, or take the leaf."""
        if self.table is None or self.row is None:
            return
        if self.column:
            self.post_message(self.Set(self))
        elif self.table.folds(self.row):
            self._fold(self.table.is_open(self.row))
        elif self.row.tree.leaf:
            self.post_message(self.Chosen(self))

    def find(self, wanted: str, step: int = 1) -> bool:
        """Go to the next node that `wanted` fits; return whether there is one."""
        self.sought = wanted
        found = self.table.find(wanted, self.cursor, step) if self.table is not None else None
        if found is None:
            return False
        self.go_to(found)
        return True

    def action_find_again(self, step: int) -> None:
        find_again(self, step)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the cell; fold, unfold or set it at the sign or on a second click."""
        if self.table is None or event.y >= self.room:
            return
        number = event.y + self.scroll_offset.y
        if number >= len(self.table.rows):
            return
        column, edge = len(self.columns), self.size.width
        while column and event.x < (edge := edge - self.columns[column - 1].width - 1):
            column -= 1
        again = (number, column) == (self.cursor, self.column)
        self.column = column
        self.go_to(number)
        if again or (not column and event.x <= 1):
            self.action_choose()
