"""The cells of the shape flow: a leaf's dtype and shape with its marked dimensions, and arrows."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.program.screen import layer_colours
from jaxtui.screen.cells import Line, Segment, fit, join
from jaxtui.session.layer_kind import Layer
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.text import signs
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.printable import clean
from jaxtui.wire.report import FlowLeaf, Level

NOT_REACHED: Line = (Segment(signs.ELLIPSIS, "quiet"),)  # the cell of a level without leaves
_VALUE_WIDTH = 24


def kind_of(level: Level) -> type[Layer]:
    """Return the kind of the layer that leads to `level`; bare `Layer` for the outermost level."""
    return LAYER_KINDS.get(level.transform, Layer)


class FlowCells:
    """Makes the cells and arrows of rows, with `separator` between the sizes of a shape.

    `axes` are those of the mesh; each has the colour that it has on the Sharding screen.
    """

    def __init__(self, levels: Sequence[Level], separator: str, axes: Sequence[str] = ()) -> None:
        self.levels = levels
        self.axes = list(axes)
        self.separator = separator
        # Among thousands of leaves, most shapes occur more than once.
        self._shapes: dict[tuple[object, ...], Line] = {}

    def leaf(
        self, at: int, leaf: FlowLeaf, outer: FlowLeaf | None = None, static: bool = False
    ) -> Line:
        """Return the cell of a leaf at level `at`; `outer` is the leaf one level further out."""
        if leaf.value:
            value = fit(clean(leaf.value), _VALUE_WIDTH)
            word = "static" if static else clean(leaf.dtype)
            return (Segment(value, "value"), Segment(f" {word}", "quiet"))
        divided = self._divided(at, leaf, outer)
        spec = tuple(map(tuple, leaf.spec))
        key = (at, leaf.dtype, *leaf.shape, "marks", *leaf.marks, "divided", *divided, spec)
        cell = self._shapes.get(key)
        if cell is None:
            cell = self._shapes[key] = self._shape(at, leaf, divided)
        return cell

    def _shape(self, at: int, leaf: FlowLeaf, divided: Sequence[int]) -> Line:
        parts = [Segment(short_dtype(leaf.dtype), "dtype"), Segment("[")]
        for dimension, size in enumerate(leaf.shape):
            if dimension:
                parts.append(Segment(self.separator))
            if dimension in leaf.marks:
                parts.append(self._mark(at, str(size)))
            elif dimension in divided:
                parts.append(Segment(str(size), layer_colours.component(self.levels[at].layer)))
            else:
                parts.append(Segment(str(size)))
            if dimension < len(leaf.spec):
                parts += self._over(leaf.spec[dimension])
        return join([*parts, Segment("]")])

    def _over(self, axes: Sequence[str]) -> list[Segment]:
        """Return the mesh axes that divide a dimension, as JAX writes them: `@data`, `@(x,y)`."""
        parts = [Segment("@(" if len(axes) > 1 else "@", "quiet")] if axes else []
        for number, axis in enumerate(axes):
            parts += [Segment(",", "quiet")] if number else []
            known = axis in self.axes
            colour = layer_colours.component(self.axes.index(axis)) if known else ""
            parts.append(Segment(clean(axis), colour))
        return [*parts, Segment(")", "quiet")] if len(axes) > 1 else parts

    def leaves(self, at: int, leaves: Sequence[tuple[FlowLeaf, int]]) -> Line:
        """Return the cell of a folded group: the number of leaves, and of those that are mapped.

        Each of `leaves` is given with how many like it there are.
        """
        number = sum(count for _, count in leaves)
        if number < 2:
            return self.leaf(at, leaves[0][0]) if leaves else ()
        parts = [Segment(f"{number} leaves")]
        sizes = {leaf.shape[mark] for leaf, _ in leaves for mark in leaf.marks}
        if sizes:
            size = str(sizes.pop()) if len(sizes) == 1 else signs.ELLIPSIS
            parts += [Segment(" "), self._mark(at, size)]
            having = sum(count for leaf, count in leaves if leaf.marks)
            if having < number:
                parts.append(Segment(f" in {having}"))
        return tuple(parts)

    def arrow(
        self, at: int, out: bool, outer: Sequence[FlowLeaf], inner: Sequence[FlowLeaf]
    ) -> Segment:
        """Return the sign between level `at` and the next one inward, for a leaf or a group."""
        level = self.levels[at + 1]
        unchanged = all(leaf.value for leaf in (*outer, *inner))
        mapped = any(leaf.marks for leaf in outer)
        kind = kind_of(level)
        if unchanged or (kind.takes_apart() and not mapped):
            return Segment(signs.WHOLE, "whole")
        sign = signs.ARROW_OUT if out else signs.ARROW_IN
        return Segment(sign, layer_colours.component(level.layer) if mapped else "arrow")

    def _mark(self, at: int, size: str) -> Segment:
        """Mark a size that the layer between level `at` and the next one inward maps or divides."""
        inner = self.levels[at + 1].layer if at + 1 < len(self.levels) else 0
        marked = f"{signs.OPEN}{size}{signs.CLOSE}"
        return Segment(marked, layer_colours.component(inner))

    def _divided(self, at: int, leaf: FlowLeaf, outer: FlowLeaf | None) -> Sequence[int]:
        """Return the dimensions that the layer divided without removing them."""
        if outer is None or not kind_of(self.levels[at]).divides:
            return ()
        return outer.marks if len(outer.shape) == len(leaf.shape) else ()
