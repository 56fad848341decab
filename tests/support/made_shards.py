"""Outputs in blocks on several devices, for the tests of what draws their shards."""

from __future__ import annotations

import itertools

from jaxtui.wire.report import Output, Shard


def output(
    shape: tuple[int, ...], parts: tuple[int, ...], copies: int = 1, dtype: str = "float32"
) -> Output:
    """An array in `parts` blocks along each dimension, each on `copies` devices in a row."""
    places = itertools.product(*(range(count) for count in parts))
    indices = [
        [
            [at * size // n, (at + 1) * size // n]
            for at, size, n in zip(p, shape, parts, strict=True)
        ]
        for p in places
        for _ in range(copies)
    ]
    shards = [Shard(device=device, index=index) for device, index in enumerate(indices)]
    return Output(path="", shape=list(shape), dtype=dtype, values=None, summary=None, shards=shards)
