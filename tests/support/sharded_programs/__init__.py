"""Programs whose arguments are sharded over a mesh, by what they do with its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import pytest

from tests.support.bare_sharding import ShardedCase
from tests.support.sharded_programs import arithmetic, control, manual, meshes, models, moving

PROGRAMS = [
    *arithmetic.PROGRAMS,
    *moving.PROGRAMS,
    *control.PROGRAMS,
    *manual.PROGRAMS,
    *models.PROGRAMS,
    *meshes.PROGRAMS,
]


def parameters(cases: Sequence[ShardedCase] = PROGRAMS, every: int = 7) -> list[Any]:
    """Each case as a parameter of a test, of which one in `every` is in the default suite."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[
                *([pytest.mark.long] if number % every else []),
                pytest.mark.skipif(
                    jax.__version_info__ < case.since, reason="this JAX cannot run the program"
                ),
            ],
        )
        for number, case in enumerate(cases)
    ]
