"""Searches for the sources of a result's elements, made by all processes of an engine alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.provenance import InputElements, Provenance
from jaxtui.collectives.engine.run import Leaves
from jaxtui.engine_base import processes
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.processes import Sources
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session.field_path import DEVICES, NO_FIELD
from jaxtui.session.session import Session

_KEPT = 8  # searches that a follower keeps: more than the leader keeps results


class SourceSearch:
    """Finds the sources of elements of one result in the collective's inputs `before`."""

    def __init__(self, session: Session, folder: str, result: int, before: Leaves) -> None:
        self._session, self._folder, self._result = session, folder, result
        self._joined = [_as_sent(path, x) for path, x in before if isinstance(x, Gathered)]
        if self._joined:
            _require_all_processes([x for _, x in before])
            before = list(map(_as_given, self._joined))
        elif not all(x.is_fully_addressable for _, x in before):
            message = "other processes hold a part of the input: its elements cannot be tried here"
            raise diagnosed("runtime", NO_FIELD, message)
        self._provenance = collectives.provenance(session, folder, before)

    def sources(self, leaf: int, element: int, cancelled: Callable[[], bool]) -> InputElements:
        """As Provenance.sources; cannot be cancelled if several processes search together."""
        if not self._joined:
            return self._provenance.sources(leaf, element, cancelled)
        task = Sources(self._session, self._folder, self._result, self._joined, leaf, element)
        with processes.joined(task):
            return self._provenance.sources(leaf, element)


class Searches:
    """The newest searches in which this process follows the leader."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Provenance] = OrderedDict()

    def find(self, task: Sources) -> None:
        """Make the same search as the leader."""
        if task.result not in self._kept:
            before = list(map(_as_given, task.before))
            self._kept[task.result] = collectives.provenance(task.session, task.folder, before)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept[task.result].sources(task.leaf, task.element)


def _as_sent(path: str, array: Gathered) -> tuple[str, np.ndarray[Any, Any], str | None]:
    key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    return path, array.on_host(), str(jax.random.key_impl(array.array)) if key else None


def _as_given(sent: tuple[str, Any, str | None]) -> tuple[str, Any]:
    path, elements, impl = sent
    return path, elements if impl is None else jax.random.wrap_key_data(elements, impl=impl)


def _require_all_processes(arrays: list[Any]) -> None:
    for array in arrays:
        taking_part = {d.process_index for d in array.array.sharding.device_set}
        if len(taking_part) < jax.process_count():
            message = "not all processes take part: what an element is made from cannot be tried"
            raise diagnosed("unsupported", DEVICES, message)
