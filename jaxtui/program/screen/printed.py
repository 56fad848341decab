"""What the user's function wrote to stdout, as far as it is kept."""

from __future__ import annotations

from typing import Literal

from jaxtui.screen.work import PRINTED_CHARACTERS

By = Literal["trace", "run"]


class PrintedTexts:
    """What the newest trace and the newest run wrote, apart from each other."""

    def __init__(self) -> None:
        self.texts: dict[By, str] = {"trace": "", "run": ""}
        self._requests: dict[By, int] = {"trace": 0, "run": 0}  # that each text is of

    def clear(self) -> None:
        self.texts = {"trace": "", "run": ""}

    def add(self, by: By, request: int, text: str) -> None:
        """Add a `text`, after that of the same request or in place of that of another; 0 is any."""
        before = self.texts[by]
        if request and request != self._requests[by]:
            self._requests[by], before = request, ""
        self.texts[by] = (before + text)[-PRINTED_CHARACTERS:]

    def answered(self, by: By, request: int) -> None:
        """Forget what another request wrote: this one, which is answered, wrote nothing."""
        if self._requests[by] != request:
            self.texts[by] = ""
