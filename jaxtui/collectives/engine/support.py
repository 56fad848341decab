"""What the installed JAX, a transformation or a backend cannot do, and the way that does work.

Where it is cheap it is tried, not looked up by version; what would end the process is not tried.
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


@dataclass(frozen=True)
class Limits:
    """What there is not of one collective; of most there is all.

    `probe` calls it along the axis "i" on blocks of two numbers, where a transformation or a
    backend may not implement it, and `instead` says what works there: with `alternative`, another
    collective. Where it `crashes_on` a platform it is not tried.
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
    """Raise Diagnosed when this combination is not implemented, with the way that is."""
    name, via = operation.name, collective.via
    by_devices = [Fix(label="pmap can", field=VIA, text="pmap")]
    if not _implemented(limits, via, platform):
        where = "under vmap" if via == "vmap" else f"on {platform} devices"
        fixes = by_devices if via == "vmap" and _implemented(limits, "pmap", platform) else []
        if limits.alternative is not None:
            fixes.append(Fix(limits.alternative, OPERATION, limits.alternative))
        message = f"{name} is not implemented {where}; {limits.instead}"
        raise diagnosed("unsupported", OPERATION, message, fixes)
    if via != "vmap":
        return
    if "axis_index_groups" in options and not _under_vmap("groups"):
        raise diagnosed(
            "unsupported",
            OPTIONS / "axis_index_groups",
            "vmap knows no axis_index_groups; pmap and shard_map do",
            by_devices,
        )


def refuse_partial_permutation(perm: Any, length: int, via: str, field: FieldPath) -> None:
    """Raise Diagnosed for a perm that leaves positions out where that is not implemented."""
    if via == "vmap" and len(perm) < length and not _under_vmap("partial"):
        raise diagnosed(
            "unsupported",
            field,
            "under vmap every position has to send and to receive; pmap and shard_map take "
            "a part of them",
            [Fix(label="pmap can", field=VIA, text="pmap")],
        )


@functools.cache
def takes_negative_dimensions() -> bool:
    """Whether dimensions to cut may be counted from the end."""

    def probe(x: Any) -> Any:
        return lax.all_to_all(x, "i", -1, -1)

    return _traces(probe)


@functools.cache
def _under_vmap(feature: str) -> bool:
    probes: dict[str, Callable[[Any], Any]] = {
        "groups": lambda x: lax.psum(x, "i", axis_index_groups=[[0], [1]]),
        "partial": lambda x: lax.ppermute(x, "i", [(0, 1)]),
    }
    return _traces(probes[feature])


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
