"""The long works that a follower goes on with step by step, as the leader does."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

from jaxtui.engine_base.processes import Step

_KEPT = 3  # works: a benchmark in hand, one that waits, and what is asked for in between


class Steps:
    """The works in hand, each begun by its first step and ended by a step `end`."""

    def __init__(self) -> None:
        self._works: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def take(self, step: Step) -> Any:
        """Make a step and return what it gives. Raises what the work raises."""
        key = (step.maker, step.number)
        if step.method == "end":
            self._works.pop(key, None)
            return None
        if key not in self._works:
            module, _, name = step.maker.partition(":")
            self._works[key] = getattr(importlib.import_module(module), name)()
            while len(self._works) > _KEPT:
                self._works.popitem(last=False)
        return getattr(self._works[key], step.method)(*step.args)
