"""Minimum, maximum, mean and standard deviation of blocks, wherever they are.

Blocks are reduced in parts, so that memory stays bounded and the work can be cancelled between two
parts. NumPy reduces parts on CPU devices (in under 1 ns per element, where a fused XLA:CPU
reduction to float64 took 6); others are reduced on their device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from jaxtui.results.engine.blocks import Block, Index, cut_up, part_of
from jaxtui.results.engine.cells import Sort
from jaxtui.results.engine.far import FarBlock
from jaxtui.results.engine.moments import Moments, Parts, device_moments, host_moments
from jaxtui.wire.report import Summary

PART = 1 << 17  # elements reduced at once by NumPy: its temporaries stay in the cache
DEVICE_PART = 1 << 26  # elements reduced at once on an accelerator
TRANSFER = 1 << 22  # elements transferred at once for NumPy to reduce
LARGE = 1 << 23  # elements; above this, a sample is summarized first
SAMPLE = 500_000  # elements; out of 10**9 floats, gathered and reduced in about 50 ms


def summaries(blocks: Sequence[Block], sort: Sort, count: int) -> Iterator[Summary | None]:
    """Yield statistics of `count` elements, all or some of which are in the disjoint `blocks`.

    If there are many elements, a Summary of a sample comes first. Then comes None after every part
    (at most some milliseconds of work on the host), and last the Summary of all elements in the
    blocks, which is `exact` if these are all `count`.
    """
    if sort in ("key", "text"):
        yield Summary(minimum=None, maximum=None, mean=None, std=None, non_finite=0, count=count)
        return
    held = sum(block.size for block in blocks)
    if held > LARGE:
        yield _summary(_sample(blocks, sort, held), sort, count, exact=False)
    parts: Parts = ()
    for block in blocks:
        for found in _block_moments(block, sort):
            parts = _merged(parts, found)
            yield None
    yield _summary(parts, sort, count, exact=held == count)


def _merged(parts: Parts, found: Parts) -> Parts:
    if not parts:
        return found
    return tuple(one.merged(other) for one, other in zip(parts, found, strict=True))


def _summary(parts: Parts, sort: Sort, count: int, *, exact: bool) -> Summary:
    """Build a Summary; a sample's number of non-finite elements is scaled up to `count`."""
    first = parts[0] if parts else Moments()
    seen = first.count + first.non_finite
    # In integers: a float product would be off by one for counts above 2**53.
    non_finite = (first.non_finite * count + seen // 2) // seen if seen else 0
    known, is_complex = first.count > 0, sort == "complex"
    averages = [part.average for part in parts] if known else []
    return Summary(
        minimum=None if is_complex else first.minimum,
        maximum=None if is_complex else first.maximum,
        mean=(averages if is_complex else averages[0]) if known else None,
        std=math.hypot(*(part.deviation for part in parts)) if known else None,
        non_finite=non_finite,
        count=count,
        exact=exact,
    )


def _sample(blocks: Sequence[Block], sort: Sort, held: int) -> Parts:
    """Return the moments of about SAMPLE elements, one at random from each of equal stretches."""
    generator = np.random.default_rng(0)
    parts: Parts = ()
    for block in blocks:
        wanted = min(block.size, math.ceil(SAMPLE * block.size / held))
        if not wanted:
            continue
        stretch = block.size / wanted
        places = ((np.arange(wanted) + generator.random(wanted)) * stretch).astype(np.int64)
        np.minimum(places, block.size - 1, out=places)
        parts = _merged(parts, host_moments(block.take(places), sort))
    return parts


def _block_moments(block: Block, sort: Sort) -> Iterator[Parts]:
    """Yield the moments of a block, part by part."""
    if isinstance(block, FarBlock):
        for part in cut_up(block.shape, DEVICE_PART):
            yield block.data.ask("moments", part, sort)
        return
    if block.platform != "cpu" and isinstance(block.data, jax.Array):
        for part in cut_up(block.shape, DEVICE_PART):
            yield device_moments(block.data, part, sort)
        return
    # Data without a view in place is read in larger parts, since each read costs a call.
    for whole in cut_up(block.shape, block.size if block.on_host else TRANSFER):
        elements = block.read(whole)
        for part in cut_up(elements.shape, PART):
            yield host_moments(part_of(elements, part), sort)


def part_moments(block: Block, part: Index, sort: Sort) -> Parts:
    """Return the moments of a part of a block that this process holds."""
    if block.platform != "cpu" and isinstance(block.data, jax.Array):
        return device_moments(block.data, part, sort)
    parts: Parts = ()
    elements = block.read(part)
    for inner in cut_up(elements.shape, PART):
        parts = _merged(parts, host_moments(part_of(elements, inner), sort))
    return parts
