"""What a collective costs by the α–β model, and the units in which machines are described.

α is the latency of a step in seconds, β the bandwidth of a device in one direction in bytes/s.
The formulas are those of the first algorithm that the Collectives screen knows for each kind: the
rings, the rotation and the permutation of Thakur, Rabenseifner and Gropp (2005).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxtui.session.field_path import SHARDING, FieldPath
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding.blocks import axis_of
from jaxtui.wire.sharding import CollectiveKind

LATENCY = 1e-6  # seconds
BANDWIDTH = 10e9  # bytes/s


@dataclass(frozen=True)
class Machine:
    """A device's memory in bytes, the bandwidth of its links in bytes/s, and their latency in s."""

    memory: int
    bandwidth: float
    latency: float
    source: str


# Bandwidth: of one link (TPU) or of all links of a device (GPU), one way. Latency: the default.
_BOOK = "How to Scale Your Model, table of TPU specs: one ICI link, one way"
MACHINES: dict[str, Machine] = {
    "tpu-v4": Machine(32 * 10**9, 45e9, LATENCY, _BOOK),
    "tpu-v5e": Machine(16 * 10**9, 45e9, LATENCY, _BOOK),
    "tpu-v5p": Machine(95 * 10**9, 90e9, LATENCY, _BOOK),
    "tpu-v6e": Machine(32 * 10**9, 90e9, LATENCY, _BOOK),
    "a100": Machine(80 * 10**9, 300e9, LATENCY, "NVIDIA A100 80GB: NVLink 600 GB/s both ways"),
    "h100": Machine(80 * 10**9, 450e9, LATENCY, "NVIDIA H100 SXM: NVLink 900 GB/s both ways"),
    "h200": Machine(141 * 10**9, 450e9, LATENCY, "NVIDIA H200 SXM: NVLink 900 GB/s both ways"),
}


@dataclass(frozen=True)
class Links:
    """The links of a mesh: seconds and bytes/s by axis, and what one device can hold, if known."""

    latency: Mapping[str, float] = field(default_factory=dict)
    bandwidth: Mapping[str, float] = field(default_factory=dict)
    memory: int | None = None
    default_latency: float = LATENCY
    default_bandwidth: float = BANDWIDTH

    def seconds(self, kind: CollectiveKind, axes: Sequence[str], n: int, operand: int) -> float:
        """The time of one collective over groups of `n` devices, by the slowest of its axes.

        `operand` is its size in bytes on one device.
        """
        names = [axis_of(axis) for axis in axes]
        latency = max((self._latency(a) for a in names), default=self.default_latency)
        bandwidth = min((self._bandwidth(a) for a in names), default=self.default_bandwidth)
        return steps(kind, n) * latency + sent(kind, n, operand) / bandwidth

    def _latency(self, axis: str) -> float:
        return self.latency.get(axis, self.default_latency)

    def _bandwidth(self, axis: str) -> float:
        return self.bandwidth.get(axis, self.default_bandwidth)


def steps(kind: CollectiveKind, n: int) -> int:
    """How many steps follow one another among `n` devices."""
    if n <= 1:
        return 0
    if kind == "all_reduce":
        return 2 * (n - 1)
    return 1 if kind == "collective_permute" else n - 1


def sent(kind: CollectiveKind, n: int, operand: int) -> float:
    """The bytes that each of `n` devices sends, for an operand of so many bytes on one device."""
    if n <= 1:
        return 0.0
    if kind == "all_reduce":
        return 2 * (n - 1) / n * operand
    if kind == "all_gather":
        return (n - 1) * float(operand)
    return float(operand) if kind == "collective_permute" else (n - 1) / n * operand


# ------------------------------------------------------------------------------------------ units

_QUANTITY = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµμ/]*)\s*")
_BYTES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", 1):
    _BYTES |= {f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power, _letter: 1000**_power}
_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


def links(sharding: Sharding) -> Links:
    """The links that `sharding` describes. Raises FieldError at the field that cannot be read."""
    name = sharding.machine.strip()
    if name and name not in MACHINES:
        known = ", ".join(MACHINES)
        raise FieldError(f"no machine {name!r}; there is {known}", SHARDING / "machine")
    machine = MACHINES.get(name)
    memory = machine.memory if machine else None
    if sharding.memory.strip():
        memory = round(_bytes(sharding.memory, SHARDING / "memory"))
    latency = _by_axis(sharding.latency, "latency")
    bandwidth = _by_axis(sharding.bandwidth, "bandwidth")
    return Links(
        latency={axis: v for axis, v in latency.items() if axis},
        bandwidth={axis: v for axis, v in bandwidth.items() if axis},
        memory=memory,
        default_latency=latency.get("", machine.latency if machine else LATENCY),
        default_bandwidth=bandwidth.get("", machine.bandwidth if machine else BANDWIDTH),
    )


def _by_axis(given: str | Mapping[str, str], name: str) -> dict[str, float]:
    """Quantities by axis; the one for all axes is under ""."""
    field = SHARDING / name
    read = _seconds if name == "latency" else _bytes_per_second
    if isinstance(given, str):
        return {"": read(given, field)} if given.strip() else {}
    return {axis: read(text, field / axis) for axis, text in given.items()}


def _bytes(text: str, field: FieldPath) -> float:
    return _quantity(text, field, _BYTES, "bytes, such as 95 GB or 80 GiB")


def _bytes_per_second(text: str, field: FieldPath) -> float:
    rate = text.strip().removesuffix("/s")
    value = _quantity(rate, field, _BYTES, "bytes a second, such as 50 GB/s")
    if value <= 0:
        raise FieldError("a bandwidth is more than 0", field)
    return value


def _seconds(text: str, field: FieldPath) -> float:
    return _quantity(text, field, _SECONDS, "a time, such as 1 us")


def _quantity(text: str, field: FieldPath, units: Mapping[str, float], wanted: str) -> float:
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2].lower() not in units:
        raise FieldError(f"{text!r} is no number of {wanted}", field)
    return float(found[1].replace(",", "").replace("_", "")) * units[found[2].lower()]
