"""Programs whose arguments are sharded over a mesh, by what they do with its axes."""

from __future__ import annotations

from tests.support.sharded_programs import arithmetic, control, manual, meshes, models, moving

PROGRAMS = [
    *arithmetic.PROGRAMS,
    *moving.PROGRAMS,
    *control.PROGRAMS,
    *manual.PROGRAMS,
    *models.PROGRAMS,
    *meshes.PROGRAMS,
]
