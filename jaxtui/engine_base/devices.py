"""The platform, devices, mesh and memory that JAX has here, and the device set of a session.

`configure` has to be called before JAX's backend starts; all other functions start it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jaxlib._jax
import jaxlib.version
import numpy as np
from jax.sharding import AbstractMesh, Mesh
from msgspec import structs

from jaxtui.engine_base import host, meshes, processes
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.processes import Place
from jaxtui.session import mesh_context, session
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import DEVICES, NO_FIELD
from jaxtui.text import quantities
from jaxtui.wire.report import DeviceInfo, Environment

# Each virtual device has its own threads: with 512 of them one psum took 15 s, and with 100,000 the
# host hung.
MOST_VIRTUAL = 512
JOIN_SECONDS = 120  # limit for all processes to import JAX and connect
# Devices of the platforms `cuda` and `rocm` report their platform as `gpu`.
_GPU_NAMES = frozenset({"gpu", "cuda", "rocm"})

_ALL_DEVICES = Fix("use all devices", DEVICES / "order", "null")

_config_at_import = dict(jax.config.values)


@dataclass(frozen=True)
class DeviceSet:
    """The devices that a session uses, in order, and the mesh over them.

    `is_default` is true for all of JAX's devices in JAX's own order. On an AbstractMesh, whose
    devices need not be there, programs can only be traced and lowered. `in_context` says from
    when on the mesh is the one in context for the session's code.
    """

    devices: tuple[jax.Device, ...]
    mesh: Mesh | AbstractMesh
    is_default: bool
    in_context: mesh_context.When = "never"

    def context(self) -> contextlib.AbstractContextManager[None]:
        """The context to call the program in: its mesh, unless that is never in context."""
        return self._mesh_if(self.in_context != "never")

    def context_of_source(self) -> contextlib.AbstractContextManager[None]:
        """The context to run the program's source in."""
        return self._mesh_if(self.in_context == "source")

    def context_of_value(self, text: str) -> contextlib.AbstractContextManager[None]:
        """The context to evaluate the value of an argument in."""
        return self._mesh_if(self.covers_value(text))

    def covers_value(self, text: str) -> bool:
        """Whether the mesh is in context for a value, which is then on all of its devices."""
        asks = self.in_context == "call" and mesh_context.asks_for_mesh(text)
        return asks or self.in_context in ("values", "source")

    def copies_of_value(self, text: str) -> int:
        """How often the memory of this host holds an array of a value: once for each virtual device
        of a mesh that is in context for it."""
        virtual = self.devices[0].platform == "cpu" and isinstance(self.mesh, Mesh)
        return self.mesh.size if virtual and self.covers_value(text) else 1

    def _mesh_if(self, wanted: bool) -> contextlib.AbstractContextManager[None]:
        return meshes.in_context(self.mesh) if wanted else contextlib.nullcontext()

    @property
    def first(self) -> jax.Device | None:
        """The first device that belongs to this process, or None."""
        here = jax.process_index()
        return next((d for d in self.devices if d.process_index == here), None)


def configure(platform: str, count: int | None) -> None:
    """Choose the platform ("" lets JAX choose) and the number of virtual CPU devices.

    Has to be called before JAX's backend starts. Raises Diagnosed at `devices.count` for a count
    below 1 or above MOST_VIRTUAL, or on a platform other than the CPU.
    """
    platform = platform.strip().lower()
    if count is not None:
        _check_count(platform, count)
        # Takes precedence over --xla_force_host_platform_device_count in XLA_FLAGS.
        jax.config.update("jax_num_cpu_devices", count)
    if platform:
        # Keep the CPU beside another platform, as JAX does when it chooses by itself.
        names = [name.strip() for name in platform.split(",") if name.strip()]
        jax.config.update("jax_platforms", ",".join(dict.fromkeys([*names, "cpu"])))


def start(platform: str, count: int | None, place: Place | None = None) -> Environment:
    """Configure JAX, start its backend and return the environment.

    `place` is this process' place among several. On the CPU the address space of this process is
    limited to the memory that is free now, so that running out of memory raises an error instead
    of killing the process. Raises Diagnosed at `devices.platform` when the platform does not exist
    here and at `devices.count` when a count was given for devices that are not virtual.
    """
    configure(platform, count)
    # On a GPU, JAX takes three quarters of the memory at its start unless it is told not to, and
    # beside a training run, or another explorer, there would be nothing left to start with.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if place is not None:
        _join(place)
    try:
        backend = jax.default_backend()
    except RuntimeError as error:
        raise _no_platform(platform, error) from error
    if count is not None and backend != "cpu":
        message = f"virtual devices exist on the CPU only, and JAX chose {backend}"
        raise _wrong("count", message, Fix("use the CPU", DEVICES / "platform", "cpu"))
    if backend == "cpu":
        host.limit_address_space()
    return environment()


def _join(place: Place) -> None:
    """Connect to the other processes, so that all of them see each other's devices.

    Each process owns `place.share` virtual devices or accelerators.
    """
    if place.address:
        # Gloo, by which CPU devices communicate, goes by the address of the host's own name. That
        # is one that the others cannot reach (127.0.1.1) where Debian has set the host up.
        make = jaxlib._jax.make_gloo_tcp_collectives
        jaxlib._jax.make_gloo_tcp_collectives = partial(make, hostname=place.address)
    first = place.process * place.share
    everything = place.virtual or not place.share
    if place.virtual and place.share:
        jax.config.update("jax_num_cpu_devices", place.share)
    jax.distributed.initialize(
        coordinator_address=place.coordinator,
        num_processes=place.processes,
        process_id=place.process,
        local_device_ids=None if everything else list(range(first, first + place.share)),
        cluster_detection_method=None if place.detects else "deactivate",
        initialization_timeout=JOIN_SECONDS,
        # By default the coordinator listens on all network interfaces.
        coordinator_bind_address=place.bind or place.coordinator,
    )


def _wrong(field: str, message: str, *fixes: Fix) -> Diagnosed:
    return diagnosed("devices", DEVICES / field, message, list(fixes))


def _check_count(platform: str, count: int) -> None:
    if count < 1:
        message = f"{count} devices: there must be at least one"
        raise _wrong("count", message, Fix("one device", DEVICES / "count", "1"))
    if count > MOST_VIRTUAL:
        message = f"{count} virtual devices: this CPU can play at most {MOST_VIRTUAL}"
        fix = Fix(f"{MOST_VIRTUAL} devices", DEVICES / "count", str(MOST_VIRTUAL))
        raise _wrong("count", message, fix)
    first = platform.split(",")[0]
    if first not in ("", "cpu"):
        message = f"virtual devices exist on the CPU only, not on {first}"
        every = Fix(f"all devices of {first}", DEVICES / "count", "null")
        raise _wrong("count", message, Fix("use the CPU", DEVICES / "platform", "cpu"), every)


def _no_platform(platform: str, error: RuntimeError) -> Exception:
    """The diagnosis for a platform that JAX could not start, naming the available ones."""
    from jax.extend import backend

    reason = str(error).partition(": ")[2].partition(" (set JAX_PLATFORMS")[0] or str(error)
    if not platform:
        # Chosen by JAX_PLATFORMS, not by a field.
        return diagnosed("engine", NO_FIELD, f"JAX could not start its devices: {reason}")
    jax.config.update("jax_platforms", "")
    try:
        available = sorted(backend.backends())
    except RuntimeError:
        available = ["cpu"]
    if "is not in the list of known backends" in reason:
        message = f"there is no platform {platform!r} here"
    else:
        message = f"{platform!r} cannot start: {reason.rstrip('.')}"
    message += f"; there is {', '.join(available)}"
    fixes = [Fix(f"use {name}", DEVICES / "platform", name) for name in available]
    return _wrong("platform", message, *fixes)


# ------------------------------------------------------------------------------------ environment


def environment() -> Environment:
    """The current versions, devices and their memory, host, and configuration of JAX."""
    backend = jax.default_backend()
    return Environment(
        jax=jax.__version__,
        jaxlib=jaxlib.version.__version__,
        numpy=np.__version__,
        python=".".join(str(part) for part in sys.version_info[:3]),
        platform=backend,
        device_count=jax.device_count(),
        process_count=jax.process_count(),
        simulated=backend == "cpu" and jax.device_count() > 1,
        devices=[_device_info(device) for device in jax.devices()],
        host=host.name(),
        cpu=host.cpu_model(),
        cores=host.cores(),
        memory_available=available_memory(),
        xla_flags=os.environ.get("XLA_FLAGS", ""),
        config=_configuration(),
        engine_memory=host.resident_memory(),
        host_memory=host.memory(),
        host_free=host.available_memory(),
        hosts=processes.hosts(),
    )


def _device_info(device: Any) -> DeviceInfo:
    stats = _memory_stats(device)
    return DeviceInfo(
        id=device.id,
        kind=device.device_kind,
        platform=device.platform,
        process=device.process_index,
        memory_used=stats.get("bytes_in_use"),
        memory_limit=stats.get("bytes_limit"),
    )


def _memory_stats(device: Any) -> dict[str, int]:
    """The backend's memory statistics in bytes; empty where it has none, or for other processes."""
    if device.process_index != jax.process_index():
        return {}
    try:
        return device.memory_stats() or {}
    except (jax.errors.JaxRuntimeError, NotImplementedError):
        return {}


def _configuration() -> dict[str, str]:
    """JAX's options that are set by environment variables or were changed since its import."""
    return {
        name: str(value)
        for name, value in jax.config.values.items()
        if name.upper() in os.environ or value != _config_at_import.get(name)
    }


def available_memory() -> int | None:
    """Bytes that this process can still allocate, or None if unknown.

    On the CPU this is the host's memory; elsewhere the free memory of the fullest device of this
    process.
    """
    if jax.default_backend() == "cpu":
        return host.available_memory()
    room = [
        stats["bytes_limit"] - stats.get("bytes_in_use", 0)
        for stats in map(_memory_stats, jax.local_devices())
        if "bytes_limit" in stats
    ]
    return min(room, default=None)


# ------------------------------------------------------------------------------------- device set


def device_set(devices: session.Devices) -> DeviceSet:
    """Select the devices that `devices` names from JAX's and build the mesh over them.

    Raises Diagnosed at `devices.platform` or `devices.count` when JAX was started with different
    ones, and at `devices.order`, `devices.mesh` or `devices.axis_types` when those do not match the
    devices.
    """
    _check_as_started(devices)
    everything = tuple(jax.devices())
    chosen = everything if devices.order is None else _ordered(everything, devices.order)
    _require_own(chosen)
    mesh = meshes.mesh_over(chosen, devices.mesh, devices.axis_types)
    return DeviceSet(chosen, mesh, chosen == everything)


def planned_set(devices: session.Devices, mesh: AbstractMesh) -> DeviceSet:
    """The device set of `devices` with `mesh` in place of its own. Raises Diagnosed."""
    own = device_set(structs.replace(devices, mesh=None, axis_types=None))
    return replace(own, mesh=mesh)


def _require_own(chosen: tuple[Any, ...]) -> None:
    if all(device.process_index for device in chosen):  # process 0 shows the results
        message = "of several processes the first has to take part: none of these devices is its"
        raise _wrong("order", message, _ALL_DEVICES)


def _check_as_started(devices: session.Devices) -> None:
    backend = jax.default_backend()
    wanted = devices.platform.strip().lower().split(",")[0]
    if wanted not in ("", backend) and not {wanted, backend} <= _GPU_NAMES:
        message = f"the engine works on {backend}; it has to start anew for {wanted}"
        fix = Fix(f"stay on {backend}", DEVICES / "platform", backend)
        raise _wrong("platform", message, fix)
    if devices.count is None:
        return
    if backend != "cpu":
        _check_count(backend, devices.count)
    present = jax.device_count()
    if devices.count != present:
        message = f"the engine has {present} devices; it has to start anew for {devices.count}"
        fix = Fix(f"use the {present}", DEVICES / "count", str(present))
        raise _wrong("count", message, fix)


def _ordered(everything: tuple[Any, ...], order: list[int]) -> tuple[Any, ...]:
    by_id = {device.id: device for device in everything}
    if not order:
        raise _wrong("order", "no device is named", _ALL_DEVICES)
    unknown = [id for id in order if id not in by_id]
    if unknown:
        ids = ", ".join(str(id) for id in unknown)
        plural = "s" if len(unknown) > 1 else ""
        message = f"there is no device with id{plural} {ids}; the ids are {_ranges(list(by_id))}"
        raise _wrong("order", message, _ALL_DEVICES)
    twice = [id for id in by_id if order.count(id) > 1]
    if twice:
        ids = ", ".join(str(id) for id in twice)
        raise _wrong("order", f"named more than once: {ids}", _ALL_DEVICES)
    return tuple(by_id[id] for id in order)


def _ranges(ids: list[int]) -> str:
    """Format ids as ranges: "0 to 7", "0 to 3 and 2048 to 2051"."""
    texts = quantities.ranges(ids, " to ")
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
