"""Large tables of cases, of which the default suite runs some and the long tests all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest


def one_in(count: int, cases: Iterable[Any]) -> Iterator[Any]:
    """Every `count`-th case as it is, from the first on; the others marked as long."""
    for number, case in enumerate(cases):
        given = case if hasattr(case, "marks") else pytest.param(case)  # else it is a param already
        long = [pytest.mark.long] if number % count else []
        yield pytest.param(*given.values, id=given.id, marks=[*given.marks, *long])
