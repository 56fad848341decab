"""The runs of the open session that are held against each other."""

from __future__ import annotations

from msgspec import Struct

from jaxtui.screen.open_session import OpenSession
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Ran

BEFORE, KEPT = "the run before", "the run you kept"


class RunRecord(Struct, frozen=True):
    """A run: its answer, what was run, and how often files had changed until then."""

    ran: Ran
    composition: Composition
    files: int

    def is_like(self, other: RunRecord) -> bool:
        """Whether both ran the same."""
        return (self.composition, self.files) == (other.composition, other.files)


class Runs:
    """The newest run, the last one of something else before it, and one that the user keeps."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session
        self.now: RunRecord | None = None
        self.before: RunRecord | None = None
        self.kept: RunRecord | None = None
        self.label = KEPT  # what `kept` is called
        self.lost: set[int] = set()  # the results that went with the engine that had them
        self.other = ""  # the function that is being run to hold the program's against it
        self.said = ""  # why that function gave no result

    @property
    def files(self) -> int:
        """How often files that the session reads have changed."""
        return self._open_session.file_changes

    def add(self, run: RunRecord) -> None:
        """Take in the newest run."""
        if self.now is not None and not self.now.is_like(run):
            self.before = self.now
        self.now = run

    def keep(self, run: RunRecord, label: str) -> None:
        """Hold what runs from now on against `run`."""
        self.kept, self.label, self.other, self.said = run, label, "", ""

    def let_go(self) -> bool:
        """Hold runs against the one before again. Returns whether another was kept."""
        kept = self.kept is not None or bool(self.said)
        self.kept, self.label, self.said = None, KEPT, ""
        return kept

    @property
    def reference(self) -> RunRecord | None:
        """The run that the newest is held against."""
        return self.kept or self.before

    @property
    def name(self) -> str:
        """What the reference is called."""
        return self.label if self.kept is not None else BEFORE

    @property
    def offered(self) -> bool:
        """Whether there is anything to show."""
        return self.reference is not None or bool(self.other or self.said)

    def held_for(self, composition: Composition) -> int:
        """The result that what runs next is going to be held against; 0 if there is none."""
        if self.kept is not None:
            return self.kept.ran.result
        same = self.now is not None and self.now.composition == composition
        reference = self.before if same and self.now and self.now.files == self.files else self.now
        return reference.ran.result if reference is not None else 0

    def lose_values(self) -> None:
        """The engine that kept the results is gone."""
        records = (self.now, self.before, self.kept)
        self.lost.update(record.ran.result for record in records if record is not None)

    def forget(self) -> None:
        """Another session is open."""
        self.now = self.before = self.kept = None
        self.label, self.other, self.said = KEPT, "", ""
