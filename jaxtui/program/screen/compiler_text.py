"""A view of a program from JAX or XLA, as text."""

from __future__ import annotations

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Sharding
from jaxtui.wire.base import Composition
from jaxtui.wire.listing import Links
from jaxtui.wire.program import Inspect, Inspected


class CompilerText(Struct, frozen=True):
    """A view of `composition` from JAX or XLA, or the error in place of it.

    `links` say where in the user's code its lines come from, `notes` what there is to mend, and
    `sharding` what the view was asked for with.
    """

    text: str
    composition: Composition
    links: Links | None = None
    notes: list[Diagnosis] = []
    sharding: Sharding | None = None

    @classmethod
    def of(cls, asked: Inspect, answer: Inspected | Diagnosis) -> CompilerText:
        """The answer to a request, or why there is none."""
        if isinstance(answer, Diagnosis):
            return cls(answer.message, asked.composition, sharding=asked.sharding)
        return cls(answer.text, asked.composition, answer.links, answer.notes, asked.sharding)
