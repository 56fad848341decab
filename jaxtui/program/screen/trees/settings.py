"""What is set at the nodes of an argument or of the result: shown, and changed at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from jaxtui.program import prefixes
from jaxtui.program.prefixes import PLACEMENTS, SPECS, Entry, Kind, Prefix
from jaxtui.program.screen.axes import Cells, replaced
from jaxtui.program.trees import Tree
from jaxtui.session.layers import AnyLayer
from jaxtui.text.signs import ELLIPSIS

TYPED = "typed"


def entries_of(default: str) -> Kind:
    """The kind of entries with this default: specs, which are calls, or axes."""
    return SPECS if default.endswith(")") else prefixes.axes(default)


@lru_cache(maxsize=64)
def _prefix(text: str, tree: Tree, kind: Kind) -> Prefix | None:
    # Most keystrokes change neither the text nor the tree.
    return prefixes.shortest(prefixes.read(text, tree, kind), tree)


def shown(text: str, tree: Tree, kind: Kind, node: Tree) -> str:
    """What `text`, a prefix of `tree`, says of a node: an entry, that there are several, or that
    it is typed and cannot be read; "" for a node without leaves."""
    prefix = _prefix(text, tree, kind)
    if prefix is None or not node.leaves:
        return ""
    found = prefixes.at(prefix, tree, node.path)
    if not isinstance(found, Entry):
        return ELLIPSIS
    return TYPED if found.typed else found.text


@dataclass(frozen=True)
class ArgumentAxes:
    """The text of `in_axes` or `in_specs` as a cell for each argument, whose trees are `trees`.

    A tree is None where it is not known. Only the first `count` cells are of arguments by position.
    """

    cells: Cells
    trees: Sequence[Tree | None]
    default: str
    count: int

    @property
    def kind(self) -> Kind:
        return entries_of(self.default)

    def with_entry(self, place: int, path: str, entry: str) -> str:
        """The whole text with `entry` at a node of the argument at `place`. Raises Refused."""
        tree = self.trees[place]
        assert tree is not None
        text = prefixes.changed(self.cells.texts[place], tree, self.kind, path, entry)
        joined, cells = replaced(self.cells, place, text, self.default, self.count)
        texts = {cell.strip() or self.default for cell in cells.texts[: self.count]}
        alike = len(texts) == 1 and not cells.surplus and not any(cells.texts[self.count :])
        return min(texts) if alike and _is_entry(min(texts), self.kind) else joined

    def with_cells(self, cells: Cells) -> ArgumentAxes:
        """Another text for the same arguments."""
        return replace(self, cells=cells)

    def says(self, cells: Cells) -> bool:
        """Whether `cells` say the same of every leaf of every argument."""
        pairs = list(zip(self.cells.texts, cells.texts, self.trees, strict=True))[: self.count]
        alike = all(_same(one, other, tree, self.kind) for one, other, tree in pairs)
        return alike and self.cells.surplus == cells.surplus


def _is_entry(text: str, kind: Kind) -> bool:
    node = prefixes.parsed(text)
    return node is not None and kind.is_entry(node)


def _same(one: str, other: str, tree: Tree | None, kind: Kind) -> bool:
    if one == other or tree is None:
        return (one.strip() or kind.default) == (other.strip() or kind.default)
    return _prefix(one, tree, kind) == _prefix(other, tree, kind)


def placed(text: str, tree: Tree, path: str, entry: str) -> str:
    """The sharding `text` of an argument with `entry` at a node, "" where all stays.

    Raises Refused.
    """
    made = prefixes.changed(text, tree, PLACEMENTS, path, entry)
    return "" if made == PLACEMENTS.default else made


def says_the_same(one: str, other: str, tree: Tree, kind: Kind) -> bool:
    """Whether two texts say the same of every leaf of one tree."""
    return _same(one, other, tree, kind)


def output_entries(layer: AnyLayer) -> tuple[str, Kind] | None:
    """The field with an entry for every output of a layer, and their kind; None if it has none."""
    field = layer.output_field
    if field not in layer.fields() or layer.broadcasts or not layer.takes_apart():
        return None
    return field, SPECS if layer.divides and not layer.in_mesh else prefixes.axes()
