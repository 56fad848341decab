"""Programs that fail, what is said of them, and the values that each of their fixes gives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument, Devices, Program, Session, with_fix
from tests.support.wrong import assert_plain, composition, full_field, run_failure, trace

Meant = Callable[[], Any]


@dataclass(frozen=True)
class Mended:
    """A failing program; `said` are patterns that its message has in this order.

    `fixes` are all the fixes in their order: a pattern of the label, and a function that computes
    the value that is meant in plain JAX or NumPy. With None the fix is not run, as where it asks
    for another engine.
    """

    source: str
    given: Mapping[str, str]
    layers: tuple[AnyLayer, ...]
    at: str
    said: tuple[str, ...]
    fixes: Mapping[str, Meant | None]
    unsaid: tuple[str, ...] = ()
    mesh: dict[str, int] | None = None
    shardings: Mapping[str, str] = field(default_factory=dict)
    only_run: bool = False
    function: str = ""

    @property
    def session(self) -> Session:
        arguments = [
            Argument(name=name, value=value, sharding=self.shardings.get(name, ""))
            for name, value in self.given.items()
        ]
        size = math.prod(self.mesh.values()) if self.mesh else 8
        return Session(
            devices=Devices(mesh=self.mesh, order=list(range(size)) if size < 8 else None),
            program=Program(
                source=self.source,
                function=self.function,
                arguments=arguments,
                layers=list(self.layers),
            ),
        )


def mended(
    name: str,
    source: str,
    given: Mapping[str, str],
    layers: AnyLayer | tuple[AnyLayer, ...],
    at: str,
    said: str | tuple[str, ...],
    fixes: Mapping[str, Meant | None] | None = None,
    **more: Any,
) -> Any:
    """A pytest parameter; `at` is short for the field as in `tests.support.wrong`."""
    stack = layers if isinstance(layers, tuple) else (layers,)
    words = (said,) if isinstance(said, str) else said
    case = Mended(source, given, stack, at, words, fixes or {}, **more)
    return pytest.param(case, id=name)


def value(session: Session) -> list[Any]:
    """The leaves of the result of `session`, as NumPy arrays."""
    found = evaluation.run(composition(session), lambda stage: None, lambda: False)
    return [np.asarray(leaf) for _, leaf in found.leaves]


def check(case: Mended) -> Diagnosis:
    """Check what is said of `case`, traced and run, and the value that each of its fixes gives."""
    session = case.session
    found = run_failure(session) if case.only_run else trace(session).diagnosis
    assert found is not None
    assert found.field == full_field(session, case.at), found
    assert re.search(".*".join(case.said), found.message), found.message
    for unsaid in case.unsaid:
        assert not re.search(unsaid, found.message), found.message
    assert_plain(found)
    labels = [fix.label for fix in found.fixes]
    matched = zip(case.fixes, labels, strict=False)
    assert len(labels) == len(case.fixes), labels
    assert all(re.search(pattern, label) for pattern, label in matched), labels
    for fix, meant in zip(found.fixes, case.fixes.values(), strict=True):
        if meant is None:
            continue
        given = value(with_fix(session, fix))
        wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(meant())]
        assert [x.shape for x in given] == [x.shape for x in wanted], fix
        for one, other in zip(given, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-6, err_msg=str(fix))
    return found
