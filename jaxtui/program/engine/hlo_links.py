"""The instructions of a printed HLO module, each with the line of the user's code it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jaxtui.program.engine import places
from jaxtui.program.engine.hlo_collectives import KINDS
from jaxtui.program.engine.hlo_text import Frames
from jaxtui.program.engine.places_table import Places
from jaxtui.program.engine.stablehlo_links import foreign, name_of
from jaxtui.wire.listing import Operation

_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?[\w.-]+ = ")
_SPOKEN = re.compile(rf" (?P<op>{'|'.join(sorted(KINDS, key=len, reverse=True))})(?:-start)?\(")
_NAME = re.compile(r'op_name="([^"]*)"')
_CALLED = re.compile(r"jit\(([^()]*)\)/")
_LAYOUT = re.compile(r"(?<=\])\{[^}]*\}")


def operations(text: str, located: str, table: Places) -> Iterator[Operation]:
    """The instructions of an HLO text of which XLA still knows what they were made of.

    `located` is the StableHLO that it was compiled from, with its locations.
    """
    frames = Frames(text)
    unknown = foreign(located)
    for number, line in enumerate(text.split("\n")):
        begun = _INSTRUCTION.match(line)
        if begun is None:
            continue
        spoken = _SPOKEN.search(line)
        name = _NAME.search(line)
        if spoken is None and name is None:
            continue
        place = places.chosen(frames.places(line))
        called = _CALLED.findall(name[1]) if name is not None and unknown else ()
        if called and called[-1] in unknown:
            place = None
        yield Operation(
            number,
            name_of(name[1]) if name is not None else "",
            None if place is None else table.index(*place),
            spoken["op"] if spoken is not None else "",
            _LAYOUT.sub("", line[begun.end() : spoken.start()]) if spoken is not None else "",
        )
