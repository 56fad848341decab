"""The mesh that a program runs on: the session's, or the one that a `pmap` or the source makes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_AXIS = re.compile(r'"([^"]+)"=(\d+)')


def mesh_of(module: Any, mesh: Mapping[str, int]) -> dict[str, int]:
    """The only mesh that `module` speaks of; `mesh`, if it speaks of none or of several."""
    found = [
        {axis: int(size) for axis, size in _AXIS.findall(str(op.attributes["mesh"]))}
        for op in module.body.operations
        if op.operation.name == "sdy.mesh"
    ]
    named = [axes for axes in found if axes]  # one without axes is for what lies on one device
    if named and all(axes == named[0] for axes in named[1:]):
        return named[0]
    return dict(mesh)
