"""What the installed JAX, a transformation or a backend does not implement, and what does work.

Features are probed, not looked up by version, unless a probe would be slow or crash the process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.collective_catalogue import Operation
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import COLLECTIVE, OPTIONS, FieldPath
from jaxtui.session.session import Collective

OPERATION = COLLECTIVE / "operation"
VIA = COLLECTIVE / "via"
_PMAP_CAN = Fix(label="pmap can", field=VIA, text="pmap")


@dataclass(frozen=True)
class Limits:
    """What JAX may not implement of one collective; by default it implements everything.

    `probe` calls the collective along the axis "i" on blocks of two numbers, and is not tried on
    the platform that it `crashes_on`. `instead` says in words what works where it fails, and
    `alternative` names another collective.
    """

    probe: Callable[[Any], Any] | None = None
    crashes_on: str | None = None
    instead: str = ""
    alternative: str | None = None
    adds_no_bools: bool = False
    gathers_no_keys: bool = False  # between devices; vmap does


def refuse_unsupported(
    operation: Operation,
    limits: Limits,
    collective: Collective,
    options: dict[str, Any],
    platform: str,
) -> None:
    """Raise Diagnosed, with what works instead, if this combination is not implemented."""
    name, via = operation.name, collective.via
    if not _implemented(limits, via, platform):
        where = "under vmap" if via == "vmap" else f"on {platform} devices"
        on_devices = via == "vmap" and _implemented(limits, "pmap", platform)
        fixes = [_PMAP_CAN] if on_devices else []
        if limits.alternative is not None:
            fixes.append(Fix(limits.alternative, OPERATION, limits.alternative))
        message = f"{name} is not implemented {where}; {limits.instead}"
        raise diagnosed("unsupported", OPERATION, message, fixes)
    if via == "vmap" and "axis_index_groups" in options and not _traces(_PROBES["groups"]):
        raise diagnosed(
            "unsupported",
            OPTIONS / "axis_index_groups",
            "vmap knows no axis_index_groups; pmap and shard_map do",
            [_PMAP_CAN],
        )


def refuse_partial_permutation(perm: Any, length: int, via: str, field: FieldPath) -> None:
    """Raise Diagnosed if `perm` leaves positions out, and that is not implemented."""
    if via == "vmap" and len(perm) < length and not _traces(_PROBES["partial"]):
        raise diagnosed(
            "unsupported",
            field,
            "under vmap every position has to send and to receive; pmap and shard_map take "
            "a part of them",
            [_PMAP_CAN],
        )


def takes_negative_dimensions() -> bool:
    """Whether the dimension to split may be counted from the end."""
    return _traces(_PROBES["negative"])


_PROBES: dict[str, Callable[[Any], Any]] = {
    "negative": lambda x: lax.all_to_all(x, "i", -1, -1),
    "groups": lambda x: lax.psum(x, "i", axis_index_groups=[[0], [1]]),
    "partial": lambda x: lax.ppermute(x, "i", [(0, 1)]),
}


@functools.cache
def _traces(probe: Callable[[Any], Any]) -> bool:
    shape = jax.ShapeDtypeStruct((2, 2), jnp.float32)
    try:
        jax.eval_shape(jax.vmap(probe, axis_name="i"), shape)
    except Exception:  # whatever JAX raises, it cannot do it
        return False
    return True


@functools.cache
def _implemented(limits: Limits, via: str, platform: str) -> bool:
    if limits.probe is None:
        return True
    if via == "vmap":
        return _traces(limits.probe)
    if limits.crashes_on == platform:
        return False
    try:
        _lower(limits.probe, platform)
    except NotImplementedError:
        return False
    return True


def _lower(probe: Callable[[Any], Any], platform: str) -> None:
    mesh = Mesh(jax.devices(platform)[:1], ("i",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("i")

    def body(x: Any) -> Any:
        return probe(x[0])[None]

    mapped = jax.shard_map(body, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    jax.jit(mapped).lower(jax.ShapeDtypeStruct((1, 2), jnp.float32))
