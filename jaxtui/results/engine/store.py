"""The most recent results: windows of their elements, their statistics and shards.

A result stays on the devices where it was computed. The cost of a request depends on the size of
the answer, not on that of the result.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.engine_base import devices
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.memory import NEGLIGIBLE
from jaxtui.results import condition
from jaxtui.results.engine import finding, summaries
from jaxtui.results.engine.blocks import Block, Index, cover, ends_of, overlap, whole
from jaxtui.results.engine.cells import Sort, cells, nested, sort_of
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session.field_path import NO_FIELD
from jaxtui.wire.report import Output, Shard, Summary
from jaxtui.wire.results import CellFound, FindCell, ReadWindow, Summarize, WindowRead

KEPT = 2  # results
HELD_SHARE = 0.125  # of the free memory that a result may take to be held beside them
MAX_CELLS = 1_000_000  # per window
MAX_TEXT = 10_000  # characters of an object's repr
_MESSAGE_LINES = 3  # kept of an error message of JAX


@dataclass(frozen=True)
class KeptLeaf:
    """One leaf of a result.

    `blocks` are in JAX's device order; `parts` has one block for each distinct part of the array.
    `array` is the array itself, which may be deleted while it is kept; None for a leaf on the host.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    sort: Sort
    blocks: tuple[Block, ...]
    parts: tuple[Block, ...]
    array: jax.Array | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def complete(self) -> bool:
        return sum(part.size for part in self.parts) == self.size


class ResultStore:
    """The most recent results. Thread-safe: the worker thread adds them, any thread reads them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: OrderedDict[int, list[KeptLeaf]] = OrderedDict()
        self._held = 0  # a result that is kept beside the newest

    def keep(self, result: int, leaves: list[tuple[str, Any]]) -> None:
        """Store `leaves` (keystr path, value) as `result`, and drop all but the newest `KEPT`.

        Calls `repr` on leaves that are not arrays, so it must run where user code may run.
        """
        kept = [keep_leaf(path, value) for path, value in leaves]
        with self._lock:
            self._results.pop(result, None)
            self._results[result] = kept
            self._drop_old()

    def hold(self, result: int) -> None:
        """Keep `result` beside the newest `KEPT`, and no other; 0 is for none.

        One that takes more than `HELD_SHARE` of the memory that is free is not held.
        """
        with self._lock:
            leaves = self._results.get(result, [])
        size = sum(block.data.nbytes for leaf in leaves for block in leaf.blocks)
        free = devices.available_memory() if size > NEGLIGIBLE else None
        with self._lock:
            self._held = result if free is None or size <= free * HELD_SHARE else 0
            self._drop_old()

    def _drop_old(self) -> None:
        newest = list(self._results)[-KEPT:]
        for result in [r for r in self._results if r not in newest and r != self._held]:
            del self._results[result]

    def outputs(self, result: int, values: int | None, small: int = 0) -> list[Output]:
        """Describe every leaf with its shards, and its values if it has at most `values` elements.

        A larger leaf, and one that other processes hold a part of, has a summary instead; with
        `values` None there is neither, but for the values of the first leaves that have no more
        than `small` elements together. Raises Diagnosed, though not for one of these.
        """
        outputs = []
        for leaf in self.leaves(result):
            if values is not None:
                outputs.append(self._output(leaf, values))
                continue
            fits = 0 < leaf.size <= small and leaf.complete and leaf.sort != "text"
            small -= leaf.size if fits else 0
            try:
                outputs.append(self._output(leaf, leaf.size if fits else None))
            except Diagnosed:  # it is said when the elements are asked for
                outputs.append(self._output(leaf, None))
        return outputs

    def window(self, request: ReadWindow) -> WindowRead:
        """Read a window of a leaf. Raises Diagnosed, also for an invalid request."""
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _blocks_of(leaf, request.device)
        index = _checked_window(request, shape)
        with reading(leaf):
            elements = assemble(parts, index)
        if elements is None:
            raise _elsewhere(leaf)
        return WindowRead(
            id=request.id,
            result=request.result,
            leaf=request.leaf,
            device=request.device,
            rows=request.rows,
            columns=request.columns,
            index=request.index,
            cells=_as_rows(elements, index, request.rows, request.columns, leaf.sort),
        )

    def find(self, request: FindCell, cancelled: Callable[[], bool]) -> CellFound:
        """Find the next element that meets a condition. Raises Diagnosed or GivenUp."""
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _blocks_of(leaf, request.device)
        if len(request.after) != len(shape):
            raise _failure(f"an index here has {len(shape)} numbers")
        try:
            wanted = condition.parse(request.wanted)
        except ValueError as error:
            raise diagnosed("value", NO_FIELD, str(error)) from error
        with reading(leaf):
            found = finding.find(parts, shape, leaf.sort, wanted, request.after, cancelled)
        return CellFound(id=request.id, index=None if found is None else list(found))

    def summaries(self, request: Summarize) -> Iterator[Summary | None]:
        """Yield statistics of a leaf or of one device's block; see `summaries.summaries`.

        None stands for some milliseconds of work; nothing is computed until the next item is
        requested. Raises Diagnosed, also if the result is dropped meanwhile.
        """
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _blocks_of(leaf, request.device)
        with reading(leaf):
            for summary in summaries.summaries(parts, leaf.sort, math.prod(shape)):
                self._leaf(request.result, request.leaf)
                yield summary

    def _output(self, leaf: KeptLeaf, values: int | None) -> Output:
        given: Any = None
        summary: Summary | None = None
        if values is not None:
            with reading(leaf):
                if leaf.size <= values and leaf.complete:
                    given = _values(leaf)
                else:
                    *_, summary = summaries.summaries(leaf.parts, leaf.sort, leaf.size)
        return Output(
            path=leaf.path,
            shape=list(leaf.shape),
            dtype=leaf.dtype,
            values=given,
            summary=summary,
            shards=[
                Shard(device=block.device, index=[list(ends) for ends in block.index])
                for block in leaf.blocks
                if block.device is not None
            ],
        )

    def leaves(self, result: int) -> list[KeptLeaf]:
        """The leaves of a result. Raises Diagnosed if it is no longer kept."""
        with self._lock:
            leaves = self._results.get(result)
        if leaves is None:
            raise _failure(f"result {result} is no longer kept; run the program again")
        return leaves

    def _leaf(self, result: int, leaf: int) -> KeptLeaf:
        leaves = self.leaves(result)
        if not 0 <= leaf < len(leaves):
            raise _failure(f"result {result} has {len(leaves)} outputs; there is no {leaf}")
        return leaves[leaf]


# ----------------------------------------------------------------------------------------- keeping


def keep_leaf(path: str, value: Any) -> KeptLeaf:
    """Wrap `value` for the store: arrays stay where they are, other objects become their repr."""
    if isinstance(value, Gathered):
        return _keep_gathered(path, value)
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        return _keep_array(path, value)
    if isinstance(value, np.ndarray | np.generic):
        return _keep_host(path, np.asarray(value))
    if isinstance(value, bool | int | float | complex):
        with contextlib.suppress(OverflowError), np.errstate(over="ignore"):
            # A Python number gets the dtype that JAX would give it.
            return _keep_host(path, np.asarray(value, dtype=jnp.result_type(value)))
    return _keep_text(path, np.asarray(_text(value), dtype=object), type(value).__name__)


def _keep_array(path: str, value: jax.Array) -> KeptLeaf:
    sort = sort_of(value.dtype)
    if value.is_deleted():
        return KeptLeaf(path, value.shape, str(value.dtype), sort, (), (), value)
    # The shards of a key array are key arrays; only their words can be read.
    data = jax.random.key_data(value) if sort == "key" else value
    blocks = tuple(
        Block(shard.device.id, ends_of(shard.index, value.shape), shard.data)
        for shard in data.addressable_shards
    )
    return KeptLeaf(path, value.shape, str(value.dtype), sort, blocks, cover(blocks), value)


def _keep_gathered(path: str, value: Gathered) -> KeptLeaf:
    sort, blocks = sort_of(value.dtype), value.blocks
    return KeptLeaf(path, value.shape, str(value.dtype), sort, blocks, cover(blocks), value.array)


def _keep_host(path: str, value: np.ndarray[Any, Any]) -> KeptLeaf:
    sort = sort_of(value.dtype)
    if sort == "text":
        if value.dtype == jax.dtypes.float0:
            return _keep_text(path, np.full(value.shape, "0", dtype=object), "float0")
        text = np.empty(value.shape, dtype=object)
        for position in np.ndindex(*value.shape):
            text[position] = _text(value[position])
        return _keep_text(path, text, value.dtype.name)
    block = Block(None, whole(value.shape), value)
    return KeptLeaf(path, value.shape, value.dtype.name, sort, (block,), (block,))


def _keep_text(path: str, text: np.ndarray[Any, Any], dtype: str) -> KeptLeaf:
    block = Block(None, whole(text.shape), text)
    return KeptLeaf(path, text.shape, dtype, "text", (block,), (block,))


def _text(value: Any) -> str:
    """Return the repr, at most MAX_TEXT characters of it; NumPy scalars without their type."""
    try:
        text = str(value) if isinstance(value, np.generic) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    if len(text) > MAX_TEXT:
        return f"{text[:MAX_TEXT]}… ({len(text)} characters)"
    return text


# ----------------------------------------------------------------------------------------- reading


def _blocks_of(leaf: KeptLeaf, device: int | None) -> tuple[tuple[Block, ...], tuple[int, ...]]:
    """Return the leaf's blocks and shape, or those of the block on `device` by itself."""
    if leaf.array is not None and leaf.array.is_deleted():
        raise _deleted(leaf)
    if device is None:
        return leaf.parts, leaf.shape
    for block in leaf.blocks:
        if block.device == device:
            return (replace(block, index=whole(block.shape)),), block.shape
    held = [str(block.device) for block in leaf.blocks if block.device is not None]
    where = f"it is on {', '.join(held)}" if held else "it is on the host"
    raise _failure(f"device {device} holds nothing of {_named(leaf)}; {where}")


def _checked_window(request: ReadWindow, shape: tuple[int, ...]) -> Index:
    """Return the window's index. Raises Diagnosed if it does not fit an array of `shape`."""
    rank = len(shape)
    shown = [axis for axis in (request.rows, request.columns) if axis is not None]
    if len(set(shown)) < len(shown) or not all(0 <= axis < rank for axis in shown):
        raise _failure(
            f"rows {request.rows} and columns {request.columns} are not two of {rank} dimensions",
        )
    if len(request.index) != rank or any(len(ends) != 2 for ends in request.index):
        raise _failure(f"a window of an array of rank {rank} needs {rank} [start, stop]")
    for axis, ((start, stop), extent) in enumerate(zip(request.index, shape, strict=True)):
        single = axis in shown or stop - start == 1 or extent == 0
        if not (0 <= start <= stop <= extent and single):
            raise _failure(
                f"[{start}, {stop}] is not in dimension {axis}, which has {extent} elements",
            )
    count = math.prod(stop - start for start, stop in request.index)
    if count > MAX_CELLS:
        raise _failure(f"a window of {count:,} cells is over the limit of {MAX_CELLS:,}")
    return tuple((start, stop) for start, stop in request.index)


def assemble(parts: Sequence[Block], index: Index) -> np.ndarray[Any, Any] | None:
    """Collect the elements at `index` from the blocks; None if other processes hold some of them.

    For an empty window, the dtype of the result is arbitrary.
    """
    shape = tuple(stop - start for start, stop in index)
    missing = math.prod(shape)
    if not missing:
        return np.empty(shape)
    found: np.ndarray[Any, Any] | None = None
    for block in parts:
        meeting = overlap(block.index, index)
        if meeting is None:
            continue
        inside, outside = meeting
        piece = block.read(inside)
        count = math.prod(stop - start for start, stop in inside)
        if count == math.prod(shape):
            return piece
        if found is None:
            found = np.empty((*shape, *piece.shape[len(shape) :]), dtype=piece.dtype)
        found[tuple(slice(*ends) for ends in outside)] = piece
        missing -= count
    return found if not missing else None


def _as_rows(
    elements: np.ndarray[Any, Any],
    index: Index,
    rows: int | None,
    columns: int | None,
    sort: Sort,
) -> list[list[Any]]:
    """Return the elements as rows of cells, in whichever order the array has the two axes."""
    extents = [stop - start for start, stop in index]
    height = 1 if rows is None else extents[rows]
    width = 1 if columns is None else extents[columns]
    shown = [axis for axis in (rows, columns) if axis is not None]
    rest = [axis for axis in range(len(index)) if axis not in shown]
    if not math.prod(extents):
        # Without elements there are no cells, and no rows if an axis off screen is empty.
        return [[] for _ in range(height)] if all(extents[axis] for axis in rest) else []
    words = elements.shape[len(index) :]
    order = (*shown, *rest, *range(len(index), elements.ndim))
    return cells(elements.transpose(order).reshape(height, width, *words), sort)


def _values(leaf: KeptLeaf) -> Any:
    elements = assemble(leaf.parts, whole(leaf.shape))
    if elements is None:
        raise _elsewhere(leaf)
    if not leaf.size:
        return elements.tolist()
    return nested(elements, leaf.sort)


@contextlib.contextmanager
def reading(leaf: KeptLeaf) -> Iterator[None]:
    """Turn errors of JAX while elements are read into Diagnosed."""
    if leaf.array is not None and leaf.array.is_deleted():
        raise _deleted(leaf)
    try:
        yield
    except RuntimeError as error:  # including JaxRuntimeError and that of a deleted array
        if leaf.array is not None and leaf.array.is_deleted():
            raise _deleted(leaf) from error
        lines = str(error).strip().splitlines()[:_MESSAGE_LINES]
        raise _failure(f"cannot read {_named(leaf)}: {' '.join(lines)}") from error


def _deleted(leaf: KeptLeaf) -> Diagnosed:
    return _failure(
        f"{_named(leaf)} was deleted: it was donated to a later computation, or deleted by hand",
    )


def _elsewhere(leaf: KeptLeaf) -> Diagnosed:
    held = ", ".join(str(block.device) for block in leaf.blocks)
    return _failure(
        f"other processes hold a part of this window of {_named(leaf)}; "
        f"look at it by device: this process holds {held or 'none of it'}",
    )


def _failure(message: str) -> Diagnosed:
    return diagnosed("runtime", NO_FIELD, message)


def _named(leaf: KeptLeaf) -> str:
    return f"output {leaf.path}" if leaf.path else "the output"
