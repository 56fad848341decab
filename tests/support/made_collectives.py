"""Collective answers of the engine, made by hand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtui.wire.collectives import CollectiveRan, CollectivesDescribed, ProvenanceFound
from jaxtui.wire.report import CollectiveReport, Output, Shard
from tests.support.made_events import flow

DEVICES = 8


def output(rows: Sequence[Any], dtype: str = "float32", path: str = "") -> Output:
    """Return an array with one row on each device."""
    shape = [len(rows)]
    block = rows[0]
    while isinstance(block, list):
        shape.append(len(block))
        block = block[0]
    whole = [[0, n] for n in shape[1:]]
    shards = [Shard(device=i, index=[[i, i + 1], *whole]) for i in range(len(rows))]
    return Output(
        path=path, shape=shape, dtype=dtype, values=list(rows), summary=None, shards=shards
    )


def on_one_device(rows: Sequence[Any]) -> Output:
    """Return the same array, all of it on device 0."""
    made = output(rows)
    index = [[0, n] for n in made.shape]
    return Output(
        path="",
        shape=made.shape,
        dtype=made.dtype,
        values=made.values,
        summary=None,
        shards=[Shard(device=0, index=index)],
    )


PAIRS = [[float(2 * i), float(2 * i + 1)] for i in range(DEVICES)]
SQUARE = [[float(DEVICES * i + j) for j in range(DEVICES)] for i in range(DEVICES)]


def ran(
    id: int,
    before: Output,
    after: Output,
    *,
    checked: bool | None = True,
    note: str = "",
    options: dict[str, Any] | None = None,
    groups: list[list[int]] | None = None,
) -> CollectiveRan:
    return CollectiveRan(
        id=id,
        result=id,
        report=CollectiveReport(before=[before], after=[after], checked=checked),
        wrong=None if checked is None else int(not checked),
        note=note,
        groups=groups or [list(range(before.shape[0]))],
        options=options or {},
        flow=flow(),
        seconds=0.0004,
    )


def psum(id: int, **changes: Any) -> CollectiveRan:
    """The sum of the pairs, on every device."""
    return ran(id, output(PAIRS), output([[56.0, 64.0]] * DEVICES), **changes)


def all_gather(id: int) -> CollectiveRan:
    """All pairs, on every device."""
    return ran(id, output(PAIRS), output([PAIRS] * DEVICES))


def ppermute(id: int) -> CollectiveRan:
    """Each pair, on the next device."""
    perm = [[i, (i + 1) % DEVICES] for i in range(DEVICES)]
    return ran(id, output(PAIRS), output([PAIRS[-1], *PAIRS[:-1]]), options={"perm": perm})


def all_to_all(id: int) -> CollectiveRan:
    """The square's columns where its rows were."""
    columns = [[row[i] for row in SQUARE] for i in range(DEVICES)]
    options = {"split_axis": 0, "concat_axis": 0}
    return ran(id, output(SQUARE), output(columns), options=options)


def sources_of(operation: str, row: int, index: Sequence[int]) -> tuple[list[int], str]:
    """Return the flat source indices of an element of these results, and their description."""
    element = index[-1]
    match operation:
        case "all_gather":
            return [2 * index[0] + element], f"device {index[0]} [{element}]"
        case "ppermute":
            source = (row - 1) % DEVICES
            return [2 * source + element], f"device {source} [{element}]"
        case "all_to_all":
            return [DEVICES * element + row], f"device {element} [{row}]"
    return list(range(element, 2 * DEVICES, 2)), f"sum over devices 0–7 [{element}]"


def sources(
    id: int, result: int, element: Sequence[int], sources: Sequence[int], words: str
) -> ProvenanceFound:
    return ProvenanceFound(
        id=id,
        result=result,
        leaf=0,
        element=list(element),
        sources=[list(sources)],
        exact=True,
        words=words,
    )


def described(id: int) -> CollectivesDescribed:
    """Return the collectives of a JAX that has these four."""
    return CollectivesDescribed(
        id=id,
        options={
            "psum": ["axis_name", "axis_index_groups"],
            "all_gather": ["axis_name", "axis_index_groups", "axis", "tiled"],
            "all_to_all": ["axis_name", "axis_index_groups", "split_axis", "concat_axis", "tiled"],
            "ppermute": ["axis_name", "perm"],
        },
    )
