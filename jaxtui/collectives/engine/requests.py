"""Answers the requests about collectives: a run, and the sources of an element."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtui.collectives.engine import run as collectives
from jaxtui.collectives.engine.checks import Checked
from jaxtui.collectives.engine.provenance import place, words
from jaxtui.collectives.engine.sources import SourceSearch
from jaxtui.engine_base.errors import Diagnosed, GivenUp, diagnosed
from jaxtui.engine_base.failures import describe
from jaxtui.engine_base.output import rehearsal
from jaxtui.results.engine.store import KEPT, ResultStore
from jaxtui.session import collective_program
from jaxtui.session.field_path import NO_FIELD
from jaxtui.session.session import Session
from jaxtui.wire.collectives import (
    CollectiveRan,
    FindProvenance,
    ProvenanceFound,
    RunCollective,
)
from jaxtui.wire.report import CollectiveReport


@dataclass
class _Kept:
    """A collective that ran, for later requests about its result."""

    session: Session
    folder: str
    ran: collectives.CollectiveResult
    search: SourceSearch | None = None


class CollectiveRuns:
    """The newest collectives that ran. To be used by the worker's thread only."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def run(
        self, request: RunCollective, on_stage: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> CollectiveRan:
        """Run the collective and keep it. Raises Diagnosed or GivenUp."""
        session = collectives.session_of(request.composition, request.collective)
        ran = collectives.run(session, request.composition.folder, on_stage, cancelled)
        on_stage("reading")
        self._store.keep(request.id, [*ran.before, *ran.after])
        self._kept[request.id] = _Kept(session, request.composition.folder, ran)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        outputs = self._store.outputs(request.id, request.values)
        count = len(ran.before)
        return CollectiveRan(
            id=request.id,
            result=request.id,
            report=CollectiveReport(
                before=outputs[:count], after=outputs[count:], checked=ran.checked
            ),
            wrong=ran.wrong,
            note=ran.note,
            groups=ran.called.groups,
            options=_told(ran.called),
            flow=ran.flow,
            seconds=ran.seconds,
        )

    def find(self, request: FindProvenance, cancelled: Callable[[], bool]) -> ProvenanceFound:
        """Find the sources of an element of a result. Raises Diagnosed or GivenUp."""
        kept = self._kept.get(request.result)
        if kept is None:
            message = f"result {request.result} is no longer kept; run the collective again"
            raise diagnosed("runtime", NO_FIELD, message)
        output = _output(kept.ran.after, request)
        flat = _flat(request.element, output.shape)
        try:
            # What the function prints was shown when it ran.
            with rehearsal():
                if kept.search is None:
                    kept.search = SourceSearch(
                        kept.session, kept.folder, request.result, kept.ran.before
                    )
                sources = kept.search.sources(request.leaf, flat, cancelled)
        except (Diagnosed, GivenUp):
            raise
        except Exception as error:
            message = f"its sources cannot be found: {describe(error)}"
            raise diagnosed("runtime", NO_FIELD, message) from error
        operation = collective_program.operation_of(kept.session)
        inputs = [leaf for _, leaf in kept.ran.before]
        said = words(
            sources,
            [leaf.shape for leaf in inputs],
            collectives.row_devices(inputs[0]),
            operation.made if operation else "",
            [path for path, _ in kept.ran.before],
        )
        return ProvenanceFound(
            id=request.id,
            result=request.result,
            leaf=request.leaf,
            element=request.element,
            sources=sources.indices,
            exact=sources.exact,
            words=f"{place(request.element, collectives.row_devices(output))} ← {said}",
        )


def _told(called: Checked) -> dict[str, Any]:
    """The values of the options to report; those of a user's function may be any objects."""
    if called.operation is None:
        return {}
    return {name: v for name, v in called.options.items() if name != "axis_index_groups"}


def _output(after: collectives.Leaves, request: FindProvenance) -> Any:
    if not 0 <= request.leaf < len(after):
        message = f"the collective has {len(after)} outputs; there is no {request.leaf}"
        raise diagnosed("runtime", NO_FIELD, message)
    return after[request.leaf][1]


def _flat(element: Sequence[int], shape: Sequence[int]) -> int:
    inside = len(element) == len(shape) and all(
        0 <= i < n for i, n in zip(element, shape, strict=True)
    )
    if not inside:
        message = f"{list(element)} is no element of an output of shape {list(shape)}"
        raise diagnosed("runtime", NO_FIELD, message)
    return sum(i * math.prod(shape[d + 1 :]) for d, i in enumerate(element))
