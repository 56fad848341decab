"""The stacks that layers take apart, each drawn once: what `f32[‹8›, 4]` means in boxes.

◆ vmap  □□□□□□□□  matrix is a stack of 8 f32[4]: one for each call
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jaxtui.program.screen import layer_colours
from jaxtui.screen.cells import Line, Segment, fit, width_of
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.printable import clean
from jaxtui.text.signs import ELLIPSIS
from jaxtui.wire.report import Flow, FlowLeaf, Level

BOX = "□"
BOXES_MOST = 16


@dataclass(frozen=True)
class Stack:
    """An input that a layer takes apart along its mapped axis: `size` times `each`."""

    layer: int
    transform: str
    name: str
    size: int
    each: str
    per: str  # what has one of them


def stacks_of(flow: Flow) -> tuple[Stack, ...]:
    """For each layer that maps, the outermost first, the first input of which it takes an axis."""
    found = (_stack(outer, inner) for outer, inner in pairwise(flow.levels))
    return tuple(stack for stack in found if stack is not None)


def maps(level: Level) -> bool:
    """Whether the layer of a level takes stacks apart."""
    kind = LAYER_KINDS.get(level.transform)
    return kind is not None and kind.maps


def _stack(outer: Level, inner: Level) -> Stack | None:
    if not maps(inner) or outer.inputs is None or inner.inputs is None:
        return None
    kind = LAYER_KINDS[inner.transform]
    for before, after in zip(outer.inputs, inner.inputs, strict=False):
        if len(before.marks) == 1 and len(after.shape) == len(before.shape) - 1:
            size = before.shape[before.marks[0]]
            per = "device" if kind.over_devices else "call"
            return Stack(inner.layer, inner.transform, before.path, size, _shape(after), per)
    return None


def _shape(leaf: FlowLeaf) -> str:
    return f"{short_dtype(leaf.dtype)}[{', '.join(map(str, leaf.shape))}]"


def line(stack: Stack, width: int) -> Line:
    """A stack as boxes and in words; the words alone where there is no room for both."""
    boxes = BOX * min(stack.size, BOXES_MOST) + (ELLIPSIS if stack.size > BOXES_MOST else "")
    style = layer_colours.component(stack.layer)
    sign = f"  {layer_colours.sign(stack.layer)} {clean(stack.transform)}  "
    said = f"{clean(stack.name)} is a stack of {stack.size} {stack.each}: one for each {stack.per}"
    whole = (Segment(sign, style), Segment(f"{boxes}  ", style), Segment(said, "quiet"))
    if width_of(whole) <= width:
        return whole
    return (Segment(sign, style), Segment(fit(said, max(0, width - len(sign))), "quiet"))
