"""The processor, cores and memory of this host that the process may use.

Reads /proc and /sys on Linux; elsewhere only what the standard library provides is known.
"""

from __future__ import annotations

import math
import os
import platform
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")


def name() -> str:
    """The host's name on its network."""
    return platform.node()


@cache
def cpu_model() -> str:
    """The processor's model name, or its architecture."""
    for line in _lines(_PROC / "cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The number of cores that this process may use.

    That is the size of its CPU affinity, or its cgroup's quota, rounded up, if that is less.
    """
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _cpu_quotas()]
    return max(1, min([usable, *quotas]))


def available_memory() -> int | None:
    """Bytes that this process can still allocate, or None if unknown.

    The minimum of the system's available memory, the rest of the limit of each cgroup that this
    process is in (with reclaimable page cache counted as free), and the rest of its address space
    limit.
    """
    room = [*_system_room(), *_cgroup_room(), *_address_space_room()]
    return max(0, min(room)) if room else None


def memory() -> int | None:
    """Bytes of memory that this host has, or None if unknown."""
    return _fields(_PROC / "meminfo").get("MemTotal")


def resident_memory() -> int | None:
    """Bytes of this process that are in memory, or None if unknown."""
    return _fields(_PROC / "self" / "status").get("VmRSS")


def limit_address_space() -> None:
    """Limit this process' address space to what it has mapped plus the memory available now.

    An allocation beyond that fails, where otherwise the system would kill the process. Does nothing
    if the memory is unknown or a lower limit is in force.
    """
    available = available_memory()
    mapped = _mapped()
    if available is None or mapped is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + available
    if all(present == resource.RLIM_INFINITY or limit < present for present in (soft, hard)):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


# ------------------------------------------------------------------------------------- the sources


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].lstrip("-").isdigit() else None


def _fields(path: Path) -> dict[str, int]:
    """Parse lines such as `MemAvailable:  23711 kB` or `inactive_file 4096` into bytes."""
    fields = {}
    for line in _lines(path):
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            fields[words[0]] = int(words[1]) * (1024 if words[2:] == ["kB"] else 1)
    return fields


def _system_room() -> Iterator[int]:
    available = _fields(_PROC / "meminfo").get("MemAvailable")
    if available is not None:
        yield available


def _address_space_room() -> Iterator[int]:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    mapped = _mapped()
    if soft != resource.RLIM_INFINITY and mapped is not None:
        yield soft - mapped


def _mapped() -> int | None:
    return _fields(_PROC / "self" / "status").get("VmSize")


def _cgroups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process' cgroup and of its ancestors.

    Version 2 has one tree, version 1 has one for each controller. In a container the path in
    /proc/self/cgroup may be the host's, of which only the root exists there.
    """
    for line in _lines(_PROC / "self" / "cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            root = _CGROUP
        elif controller in controllers.split(","):
            root = _CGROUP / controller
        else:
            continue
        inside = root / path.lstrip("/")
        for folder in (inside, *inside.parents):
            if folder == root or root in folder.parents:
                yield folder


def _cgroup_room() -> Iterator[int]:
    for folder in _cgroups("memory"):
        statistics = _fields(folder / "memory.stat")
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None:
                yield most - used + statistics.get(cached, 0)


def _cpu_quotas() -> Iterator[float]:
    """Yield the CPU quotas in cores."""
    for folder in _cgroups("cpu"):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0].isdigit():
            yield int(words[0]) / int(words[1])
        quota = _number(folder / "cpu.cfs_quota_us")
        period = _number(folder / "cpu.cfs_period_us")
        if quota is not None and period and quota > 0:
            yield quota / period
