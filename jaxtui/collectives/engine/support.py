"""What the installed JAX, a transformation or a backend cannot do, and the way that does work.

Where it is cheap it is tried, not looked up by version; what would end the process is not tried.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, Mesh, PartitionSpec

from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.collective_catalogue import Operation
from jaxtui.session.diagnosis import Fix
from jaxtui.session.session import Collective

OPERATION = "collective.operation"
VIA = "collective.via"

_INSTEAD = {
    "pbroadcast": "lax.all_gather(x, axis)[source] in a function of your own gives the same",
    "ragged_all_to_all": "all_to_all of blocks padded to one length does work",
}


def refuse_unsupported(
    operation: Operation, collective: Collective, options: dict[str, Any], platform: str
) -> None:
    """Raise Diagnosed when this combination is not implemented, with the way that is."""
    name, via = operation.name, collective.via
    by_devices = [Fix(label="pmap can", field=VIA, text="pmap")]
    if name in _INSTEAD and not _implemented(name, via, platform):
        where = "under vmap" if via == "vmap" else f"on {platform} devices"
        fixes = by_devices if via == "vmap" and _implemented(name, "pmap", platform) else []
        if name == "ragged_all_to_all":
            fixes.append(Fix("all_to_all", OPERATION, "all_to_all"))
        message = f"{name} is not implemented {where}; {_INSTEAD[name]}"
        raise diagnosed("unsupported", OPERATION, message, fixes)
    if via != "vmap":
        return
    if "axis_index_groups" in options and not _under_vmap("groups"):
        raise diagnosed(
            "unsupported",
            "collective.options.axis_index_groups",
            "vmap knows no axis_index_groups; pmap and shard_map do",
            by_devices,
        )


def refuse_partial_permutation(perm: Any, length: int, via: str) -> None:
    """Raise Diagnosed for a perm that leaves positions out where that is not implemented."""
    if via == "vmap" and len(perm) < length and not _under_vmap("partial"):
        raise diagnosed(
            "unsupported",
            "collective.options.perm",
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
def _implemented(name: str, via: str, platform: str) -> bool:
    probe = _PROBES[name]
    if via == "vmap":
        return _traces(probe)
    if name == "ragged_all_to_all" and platform == "cpu":
        # It lowers; compiling it fails, and ends the process in JAX 0.6.
        return False
    try:
        _lower(probe, platform)
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


def _ragged(x: Any) -> Any:
    one = jnp.zeros(lax.axis_size("i"), jnp.int32)
    return lax.ragged_all_to_all(x, x, one, one, one, one, axis_name="i")


_PROBES: dict[str, Callable[[Any], Any]] = {
    "pbroadcast": lambda x: lax.pbroadcast(x, "i", 0),
    "ragged_all_to_all": _ragged,
}
