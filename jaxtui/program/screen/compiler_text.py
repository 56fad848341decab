"""The views of a program from JAX or XLA, as text."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jaxtui.screen.open_session import OpenSession
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Sharding
from jaxtui.wire.base import Composition
from jaxtui.wire.listing import Links
from jaxtui.wire.program import Inspect, Inspected, ProgramView


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


class CompilerViews:
    """The newest view of each name, which may be of what was typed before."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session
        self._views: dict[ProgramView, CompilerText] = {}

    def get(self, name: ProgramView) -> CompilerText | None:
        return self._views.get(name)

    def take(self, asked: Inspect, answer: Inspected | Diagnosis) -> None:
        """Keep the answer to a request in place of an earlier one."""
        self._views[asked.view] = CompilerText.of(asked, answer)

    def clear(self) -> None:
        self._views.clear()

    def sharding_for(self, name: ProgramView) -> Sharding | None:
        """What a view is asked for with, besides the composition."""
        return self._open_session.session.sharding if name == "memory" else None

    def is_current(self, name: ProgramView) -> bool:
        """Whether the view is there, and of what is typed."""
        view = self._views.get(name)
        return (
            view is not None
            and view.composition == self._open_session.composition
            and view.sharding == self.sharding_for(name)
        )

    @property
    def memory_notes(self) -> list[Diagnosis]:
        """What the view of the memory has found to mend in what is typed."""
        return self._views["memory"].notes if self.is_current("memory") else []

    def with_batches(self, found: Diagnosis) -> Diagnosis:
        """`found`, if it is that memory does not suffice, with the fix that the view of it has."""
        if found.kind != "memory" or found.fixes or not self.memory_notes:
            return found
        return msgspec.structs.replace(found, fixes=self.memory_notes[0].fixes)
