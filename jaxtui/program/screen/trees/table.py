"""A tree by path, folded at every level, as rows: plain data for what paints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jaxtui.program.screen.flow.foot import held_parts, leaves_text
from jaxtui.program.screen.path_finder import is_nowhere, joined, path_test
from jaxtui.program.trees import Held, ShapedLeaf, Tree, held, towards
from jaxtui.screen.cells import fit
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.printable import clean

OPENED = 24  # leaves; in a tree with more of them, what lies below its first level is folded
VALUE = 24  # characters of a leaf that is no array


@dataclass(frozen=True)
class Column:
    """A setting that every node may have: `text_of` is its text at a node, "" where it has none.

    With `switches` there is nothing to type: it is on or off.
    """

    name: str
    width: int
    text_of: Callable[[Tree], str]
    switches: bool = False


class Row(NamedTuple):
    """A row; `name` is the part of the path behind that of the row it lies under."""

    tree: Tree
    name: str
    depth: int


class TreeTable:
    """The rows of a tree, of which `open_paths` are unfolded.

    Folding and unfolding touch the rows of that node only.
    """

    def __init__(
        self, tree: Tree, leaves: Mapping[str, ShapedLeaf], opened: set[str] | None = None
    ) -> None:
        """`leaves` has the shape and dtype of each leaf, by path."""
        self.tree, self.leaves = tree, leaves
        if opened is None:
            few = tree.leaves <= OPENED
            opened = {node.path for node in tree.everything} if few else {tree.path}
        self.open_paths = opened
        self.rows = [Row(tree, tree.path, 0), *self._below(Row(tree, tree.path, 0))]
        self._flat = False  # whether the rows are those of some leaves only
        self._held: dict[str, Held] = {}
        self._numbers: dict[str, int] = {}
        self._paths = ""  # of all nodes, joined

    def _below(self, above: Row) -> list[Row]:
        """The rows that show what is in the row `above`, none if that is folded."""
        if above.tree.path not in self.open_paths:
            return []
        start, depth = len(above.tree.path), above.depth + 1
        rows: list[Row] = []
        for child in above.tree.children:
            last = _last_of_chain(child)
            row = Row(last, last.path[start:], depth)
            rows.append(row)
            if last.path in self.open_paths and last.children:
                rows += self._below(row)
        return rows

    def folds(self, row: Row) -> bool:
        return bool(row.tree.children)

    def is_open(self, row: Row) -> bool:
        return row.tree.path in self.open_paths

    def fold(self, number: int, folded: bool) -> None:
        """Fold or unfold a row."""
        row = self.rows[number]
        if not self.folds(row) or folded is not self.is_open(row):
            return
        if folded:
            self.open_paths.discard(row.tree.path)
            del self.rows[number + 1 : self._end_of(number)]
        else:
            self.open_paths.add(row.tree.path)
            self.rows[number + 1 : number + 1] = self._below(row)

    def _end_of(self, number: int) -> int:
        depth, rows = self.rows[number].depth, self.rows
        end = number + 1
        while end < len(rows) and rows[end].depth > depth:
            end += 1
        return end

    def above(self, number: int) -> int:
        """The row that a row lies under; the first lies under none, and is its own."""
        depth = self.rows[number].depth
        return next((n for n in range(number - 1, -1, -1) if self.rows[n].depth < depth), 0)

    def held(self, tree: Tree) -> Held:
        """How much is below a node."""
        known = self._held.get(tree.path)
        if known is None:
            found = ((self.leaves[path], 1) for path in tree.paths() if path in self.leaves)
            known = self._held[tree.path] = held(found)
        return known

    def shape_words(self, tree: Tree) -> str:
        """What a leaf is: `f32[16, 4]`, or its value if it is no array."""
        leaf = self.leaves.get(tree.path)
        if leaf is None:
            return ""
        if value := getattr(leaf, "value", ""):
            return fit(clean(value), VALUE)
        return f"{short_dtype(leaf.dtype)}[{', '.join(map(str, leaf.shape))}]"

    def words(self, tree: Tree) -> list[str]:
        """What is at a node, in one part or in several that may be left out from the end."""
        if tree.leaf:
            return [self.shape_words(tree)]
        if not tree.leaves:
            return ["None" if tree.kind == "None" else leaves_text(0)]
        return held_parts(self.held(tree))

    def only(self, wanted: str) -> TreeTable:
        """The leaves with `wanted` in their paths, one below the other."""
        fits = path_test(wanted)
        leaves = [node for node in self.tree.everything if node.leaf and fits(node.path, node.path)]
        found = TreeTable(self.tree, self.leaves, set())
        found._flat = True
        found.rows = [Row(leaf, leaf.path, 0) for leaf in leaves]
        return found

    # ---------------------------------------------------------------------------------- finding

    def find(self, wanted: str, number: int, step: int) -> int | None:
        """The row of the next node that `wanted` fits, which is unfolded; None if there is none.

        It is looked for from row `number` on, or back with a `step` of -1, and round the end.
        """
        if self._flat:
            return None
        everything = self.tree.everything
        if not self._numbers:
            self._numbers = {node.path: at for at, node in enumerate(everything)}
            self._paths = joined(self._numbers)
        if is_nowhere(wanted, self._paths):
            return None
        fits = path_test(wanted)
        start, count = self._numbers[self.rows[number].tree.path], len(everything)
        for away in range(1, count + 1):
            node = everything[(start + step * away) % count]
            if fits(node.path, node.key):
                return self.reveal(node)
        return None

    def reveal(self, wanted: Tree) -> int:
        """The row of a node, after unfolding all that it lies in."""
        number, node = 0, self.tree
        while node is not wanted and node.children:
            node = _last_of_chain(node.children[towards(node, wanted.path)])
            self.fold(number, False)
            number = [row.tree for row in self.rows].index(node, number)
            if len(wanted.path) <= len(node.path):
                break  # it is one of several nodes that have one row
        return number


def _last_of_chain(tree: Tree) -> Tree:
    """The node, or what it has if that is one node with nothing beside it."""
    while len(tree.children) == 1:
        tree = tree.children[0]
    return tree
