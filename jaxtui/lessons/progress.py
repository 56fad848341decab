"""What was done of the lessons, remembered in the state folder."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from jaxtui import bounded


class _Kept(Struct):
    steps: dict[str, list[int]] = {}
    solved: list[str] = []
    read: list[str] = []
    last: str = ""


class Progress:
    """The steps that were done, the exercises that were solved, and the lesson read last.

    A file that cannot be read counts as empty; one that cannot be written is told once.
    """

    def __init__(self, folder: Path | None) -> None:
        """With None nothing outlives this process."""
        self._file = folder / "lessons.json" if folder is not None else None
        self.trouble = ""  # why nothing is remembered
        self._kept = self._written()

    def _written(self) -> _Kept:
        if self._file is None:
            return _Kept()
        try:
            return msgspec.json.decode(bounded.read_text(self._file), type=_Kept)
        except (OSError, bounded.Unreadable, msgspec.DecodeError):
            return _Kept()  # nothing was done yet, or it is lost: either way it begins anew

    @property
    def last(self) -> str:
        """The name of the lesson that was opened last."""
        return self._kept.last

    def steps(self, name: str) -> frozenset[int]:
        """The indices of the steps of a lesson that were done."""
        return frozenset(self._kept.steps.get(name, ()))

    def solved(self, name: str) -> bool:
        return name in self._kept.solved

    def read(self, name: str) -> bool:
        """Whether a lesson was opened."""
        return name in self._kept.read

    def open(self, name: str) -> None:
        if name not in self._kept.read or self._kept.last != name:
            self._kept.last = name
            self._kept.read = [*dict.fromkeys([*self._kept.read, name])]
            self._write()

    def did(self, name: str, steps: set[int]) -> None:
        """Remember that these steps were done."""
        if not steps <= self.steps(name):
            self._kept.steps[name] = sorted(steps | self.steps(name))
            self._write()

    def solve(self, name: str) -> None:
        if not self.solved(name):
            self._kept.solved.append(name)
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        self._join(self._written())
        text = json.dumps(msgspec.to_builtins(self._kept), indent=1) + "\n"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._file.parent, prefix=".lessons.", delete=False
            ) as file:
                file.write(text)
            os.replace(file.name, self._file)
        except OSError as error:
            self.trouble = f"what is done of the lessons cannot be kept: {error.strerror}"

    def _join(self, other: _Kept) -> None:
        """Take in what another explorer has written meanwhile."""
        kept = self._kept
        kept.solved = [*dict.fromkeys([*other.solved, *kept.solved])]
        kept.read = [*dict.fromkeys([*other.read, *kept.read])]
        for name, steps in other.steps.items():
            kept.steps[name] = sorted({*steps, *kept.steps.get(name, ())})
