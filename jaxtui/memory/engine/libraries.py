"""The parts of a compiled program that a library computes, in memory that XLA does not count."""

from __future__ import annotations

import re

from jaxtui.program.engine.hlo_text import computations, instruction_lines, shape_bytes
from jaxtui.wire.memory_report import Uncounted

# XLA's CPU backend gives fusions to these, which take what they work in from the heap.
_FUSION = re.compile(r'"kind":"__(?P<library>ynn|xnn)_fusion"')
_NAMES = {"ynn": "YNNPACK", "xnn": "XNNPACK"}


def uncounted(hlo: str) -> Uncounted | None:
    """What of a compiled program's text libraries compute; None if that is nothing."""
    lines = list(instruction_lines(hlo.splitlines()))
    found = [(line, match) for line in lines if (match := _FUSION.search(line.attributes))]
    if not found:
        return None
    inside = {name for line, _ in found for name in computations(line)}
    made = [line for line in lines if line.computation in inside and line.op != "parameter"]
    return Uncounted(
        libraries=tuple(dict.fromkeys(_NAMES[match["library"]] for _, match in found)),
        count=len(found),
        largest=max((shape_bytes(line.shape) for line in made), default=0),
    )
