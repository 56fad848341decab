"""The most that the devices reach, to hold results against: matrix products and memory traffic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.devices import available_memory
from jaxtui.wire.benchmark_report import Peak

SIDE = 1024  # of the square matrices; smaller ones for all devices together make no peak
TRIAD_BYTES = 64 * 1024 * 1024  # of each of its three arrays: well beyond caches
SECONDS = 0.25  # of each of the two measurements


def measured(
    devices: Sequence[Any], counts: Sequence[int], dtype: Any, *, seconds: float = SECONDS
) -> Iterator[Peak | None]:
    """The peaks of the first n `devices` for each n; None between two calls, to be resumed.

    On n devices each has its own matrices, and a share of the triad's arrays.
    """
    for count in counts:
        mesh = Mesh(np.array(devices[:count]), ("devices",), axis_types=(AxisType.Auto,))
        sharding = NamedSharding(mesh, PartitionSpec("devices"))
        best: list[float] = []
        for rate in (_matmul(sharding, count, dtype, seconds), _triad(sharding, dtype, seconds)):
            most = 0.0
            for one in rate:
                most = max(most, one)
                yield None
            best.append(most)
        yield Peak(devices=count, dtype=str(jnp.dtype(dtype)), flops=best[0], bytes=best[1])


def shared(found: Sequence[Peak]) -> list[Peak]:
    """Virtual devices share the cores: what any number of them reached all of them can."""
    flops = max((peak.flops for peak in found), default=0.0)
    moved = max((peak.bytes for peak in found), default=0.0)
    return [msgspec.structs.replace(peak, flops=flops, bytes=moved) for peak in found]


def _matmul(sharding: Any, count: int, dtype: Any, seconds: float) -> Iterator[float]:
    """Operations a second of each product."""
    product = jax.jit(lambda a, b: a @ b)
    shape = (count, SIDE, SIDE)
    a, b = (_ones(shape, dtype, sharding) for _ in range(2))
    product(a, b).block_until_ready()
    for took in _times(lambda: product(a, b).block_until_ready(), seconds):
        yield 2 * count * SIDE**3 / took


def _triad(sharding: Any, dtype: Any, seconds: float) -> Iterator[float]:
    """Bytes a second of a = b + s c, where b's memory is given away for a."""
    triad = jax.jit(lambda b, c: b + jnp.asarray(0.5, c.dtype) * c, donate_argnums=0)
    count = sharding.mesh.size
    size = min(TRIAD_BYTES, (available_memory() or 16 * TRIAD_BYTES) // 16)
    length = max(count, size // jnp.dtype(dtype).itemsize // count * count)
    b, c = (_ones((length,), dtype, sharding) for _ in range(2))
    b = triad(b, c).block_until_ready()
    moved = 3 * length * jnp.dtype(dtype).itemsize

    def step() -> None:
        nonlocal b
        b = triad(b, c)
        b.block_until_ready()

    for took in _times(step, seconds):
        yield moved / took


def _times(step: Callable[[], Any], seconds: float) -> Iterator[float]:
    """Call `step` until `seconds` have passed; yield how long each call took."""
    end = time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        step()
        yield time.perf_counter() - began
        if time.perf_counter() >= end:
            return


def _ones(shape: tuple[int, ...], dtype: Any, sharding: Any) -> Any:
    return jax.jit(lambda: jnp.ones(shape, dtype), out_shardings=sharding)()
