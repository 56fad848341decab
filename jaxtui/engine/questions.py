"""Questions about what other processes hold, asked and answered beside the task in hand.

The leader's threads ask about windows of results while its worker, and the followers', compute.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from jaxtui.engine_base.failures import describe


class Questions:
    """The leader's questions that are open. Thread-safe."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, SimpleQueue[tuple[bool, Any]]] = {}
        self._forgotten: deque[int] = deque()

    def ask(self, tell: Callable[[str, Any], None], question: Any) -> Any:
        """Send a question with `tell`, and wait for the answer.

        Raises RuntimeError with the words of the failure if the other process cannot answer.
        """
        number = next(self._numbers)
        reply = self._open[number] = SimpleQueue()
        tell("ask", (number, question))
        answered, found = reply.get()
        if not answered:
            raise RuntimeError(found)
        return found

    def answered(self, number: int, answered: bool, found: Any) -> None:
        """Take in an answer. Called by the thread that listens to the other process."""
        self._open.pop(number).put((answered, found))

    def forget(self, holding: int) -> None:
        """Note a result that is gone here. Takes no lock: the garbage collector may call it."""
        self._forgotten.append(holding)

    def forgotten(self) -> list[int]:
        """The results that are gone since the last call."""
        return [self._forgotten.popleft() for _ in range(len(self._forgotten))]


def answer_in_thread(
    answer: Callable[[Any], Any], tell: Callable[[str, Any], None]
) -> SimpleQueue[tuple[int, Any]]:
    """Start a thread that answers the (number, question) put into the queue that is returned."""
    questions: SimpleQueue[tuple[int, Any]] = SimpleQueue()

    def work() -> None:
        while True:
            number, question = questions.get()
            try:
                tell("answers", (number, True, answer(question)))
            except Exception as error:
                tell("answers", (number, False, describe(error)))

    threading.Thread(target=work, name="viewing", daemon=True).start()
    return questions
