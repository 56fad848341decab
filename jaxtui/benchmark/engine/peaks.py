"""The most that the devices reach, to hold results against: matrix products and memory traffic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.benchmark.engine.timing import Sampler
from jaxtui.engine_base.devices import available_memory
from jaxtui.wire.benchmark_report import Peak

SIDE = 1024  # of the square matrices; smaller ones for all devices together make no peak
TRIAD_BYTES = 64 * 1024 * 1024  # of each of its three arrays: well beyond caches
SECONDS = 0.25  # of each of the two measurements


Kind = Literal["matmul", "triad"]
KINDS: tuple[Kind, ...] = ("matmul", "triad")
# A sampler of a kind on the first n devices, of a dtype, for arrays of a length
Sampled = Callable[[Kind, int, Any, int], Sampler]


def measured(
    devices: Sequence[Any],
    counts: Sequence[int],
    dtype: Any,
    *,
    seconds: float = SECONDS,
    sampled: Sampled | None = None,
) -> Iterator[Peak | None]:
    """The peaks of the first n `devices` for each n; None between two calls, to be resumed.

    On n devices each has its own matrices, and a share of the triad's arrays. `sampled` makes the
    samplers, where that is not for this process alone.
    """
    for count in counts:
        length = _length(count, dtype)
        work = {"matmul": 2 * count * SIDE**3, "triad": 3 * length * jnp.dtype(dtype).itemsize}
        best: list[float] = []
        for kind in KINDS:
            if sampled is None:
                sample = sampler(kind, devices[:count], dtype, length)
            else:
                sample = sampled(kind, count, dtype, length)
            most, end = 0.0, time.perf_counter() + seconds
            while True:
                most = max(most, work[kind] / sample(1))
                yield None
                if time.perf_counter() >= end:
                    break
            best.append(most)
        yield Peak(devices=count, dtype=str(jnp.dtype(dtype)), flops=best[0], bytes=best[1])


def shared(found: Sequence[Peak]) -> list[Peak]:
    """Virtual devices share the cores: what any number of them reached all of them can."""
    flops = max((peak.flops for peak in found), default=0.0)
    moved = max((peak.bytes for peak in found), default=0.0)
    return [msgspec.structs.replace(peak, flops=flops, bytes=moved) for peak in found]


def sampler(kind: Kind, devices: Sequence[Any], dtype: Any, length: int) -> Sampler:
    """Seconds per call of what shows this peak on all of `devices`, called once already."""
    mesh = Mesh(np.array(devices), ("devices",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("devices"))
    step = _matmul(sharding, dtype) if kind == "matmul" else _triad(sharding, dtype, length)
    step()

    def sample(calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            step()
        return (time.perf_counter() - began) / calls

    return sample


def _matmul(sharding: Any, dtype: Any) -> Callable[[], Any]:
    """A product of matrices on each device."""
    product = jax.jit(lambda a, b: a @ b)
    shape = (sharding.mesh.size, SIDE, SIDE)
    a, b = (_ones(shape, dtype, sharding) for _ in range(2))
    return lambda: product(a, b).block_until_ready()


def _length(count: int, dtype: Any) -> int:
    """Of each array of a triad on so many devices."""
    size = min(TRIAD_BYTES, (available_memory() or 16 * TRIAD_BYTES) // 16)
    return max(count, size // int(jnp.dtype(dtype).itemsize) // count * count)


def _triad(sharding: Any, dtype: Any, length: int) -> Callable[[], Any]:
    """a = b + s c, where b's memory is given away for a."""
    triad = jax.jit(lambda b, c: b + jnp.asarray(0.5, c.dtype) * c, donate_argnums=0)
    b, c = (_ones((length,), dtype, sharding) for _ in range(2))

    def step() -> None:
        nonlocal b
        b = triad(b, c)
        b.block_until_ready()

    return step


def _ones(shape: tuple[int, ...], dtype: Any, sharding: Any) -> Any:
    return jax.jit(lambda: jnp.ones(shape, dtype), out_shardings=sharding)()
