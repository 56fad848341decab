"""The results that are kept: windows of them, their statistics, and who holds what.

A result stays where its computation left it. Whatever is asked of it costs what the answer is
large, not what the result is.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.results import condition
from jaxtui.results.engine import finding
from jaxtui.results.engine import summaries as statistics
from jaxtui.results.engine.blocks import Block, Index, cover, ends_of, overlap
from jaxtui.results.engine.cells import Sort, cells, nested, sort_of
from jaxtui.results.engine.gathering import Gathered
from jaxtui.wire.report import Output, Shard, Summary
from jaxtui.wire.results import CellFound, FindCell, ReadWindow, Summarize, WindowRead

KEPT = 2  # results
MAX_CELLS = 1_000_000  # of one window
MAX_TEXT = 10_000  # characters of an object's repr
_MESSAGE_LINES = 3  # of a failure of JAX's own


@dataclass(frozen=True)
class KeptLeaf:
    """One leaf of a result: its blocks in JAX's device order, and one for each distinct part.

    `array` is what may be deleted while it is kept; None for what lives on the host.
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
        """How many elements the whole has, over all processes."""
        return math.prod(self.shape)

    @property
    def complete(self) -> bool:
        """Whether this process can reach all of it."""
        return sum(part.size for part in self.parts) == self.size


class ResultStore:
    """The newest results. Thread-safe: the worker keeps them, any thread reads them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: OrderedDict[int, list[KeptLeaf]] = OrderedDict()

    def keep(self, result: int, leaves: list[tuple[str, Any]]) -> None:
        """Keep `leaves` (keystr path, value) as `result`, and give up all but the newest two.

        Calls the repr of leaves that are no arrays, so it belongs where user code may run.
        """
        kept = [keep_leaf(path, value) for path, value in leaves]
        with self._lock:
            self._results.pop(result, None)
            self._results[result] = kept
            while len(self._results) > KEPT:
                self._results.popitem(last=False)

    def outputs(self, result: int, values: int | None) -> list[Output]:
        """Every leaf with its shards, and its values if it has at most `values` elements.

        A larger one, and one that other processes hold a part of, has a summary instead; with
        `values` None there is neither. Raises Diagnosed.
        """
        return [self._output(leaf, values) for leaf in self._leaves(result)]

    def window(self, request: ReadWindow) -> WindowRead:
        """The part of a leaf that was asked for. Raises Diagnosed, also for a bad request."""
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _looked_at(leaf, request.device)
        index = _checked_window(request, shape)
        with _reading(leaf):
            elements = _assembled(parts, index)
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
            cells=_arranged(elements, index, request.rows, request.columns, leaf.sort),
        )

    def find(self, request: FindCell, cancelled: Callable[[], bool]) -> CellFound:
        """Where the next element is that meets a condition. Raises Diagnosed, or GivenUp."""
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _looked_at(leaf, request.device)
        if len(request.after) != len(shape):
            raise diagnosed("runtime", "", f"an index here has {len(shape)} numbers")
        try:
            wanted = condition.parse(request.wanted)
        except ValueError as error:
            raise diagnosed("value", "", str(error)) from error
        with _reading(leaf):
            found = finding.find(parts, shape, leaf.sort, wanted, request.after, cancelled)
        return CellFound(id=request.id, index=None if found is None else list(found))

    def summaries(self, request: Summarize) -> Iterator[Summary | None]:
        """Statistics of a leaf or of one device's block: see `statistics.summaries`.

        None stands for some milliseconds of work; nothing is done until the next is asked for.
        Raises Diagnosed, also when the result is given up meanwhile.
        """
        leaf = self._leaf(request.result, request.leaf)
        parts, shape = _looked_at(leaf, request.device)
        with _reading(leaf):
            for summary in statistics.summaries(parts, leaf.sort, math.prod(shape)):
                self._leaf(request.result, request.leaf)
                yield summary

    def _output(self, leaf: KeptLeaf, values: int | None) -> Output:
        given: Any = None
        summary: Summary | None = None
        if values is not None:
            with _reading(leaf):
                if leaf.size <= values and leaf.complete:
                    given = _values(leaf)
                else:
                    *_, summary = statistics.summaries(leaf.parts, leaf.sort, leaf.size)
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

    def _leaves(self, result: int) -> list[KeptLeaf]:
        with self._lock:
            leaves = self._results.get(result)
        if leaves is None:
            raise diagnosed(
                "runtime", "", f"result {result} is no longer kept; run the program again"
            )
        return leaves

    def _leaf(self, result: int, leaf: int) -> KeptLeaf:
        leaves = self._leaves(result)
        if not 0 <= leaf < len(leaves):
            raise diagnosed(
                "runtime", "", f"result {result} has {len(leaves)} outputs; there is no {leaf}"
            )
        return leaves[leaf]


# ----------------------------------------------------------------------------------------- keeping


def keep_leaf(path: str, value: Any) -> KeptLeaf:
    """`value` as it is kept: arrays where they are, all other objects as their repr."""
    if isinstance(value, Gathered):
        return _keep_gathered(path, value)
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        return _keep_array(path, value)
    if isinstance(value, np.ndarray | np.generic):
        return _keep_host(path, np.asarray(value))
    if isinstance(value, bool | int | float | complex):
        with contextlib.suppress(OverflowError), np.errstate(over="ignore"):
            # What JAX makes of a Python number is its dtype in the explorer, too.
            return _keep_host(path, np.asarray(value, dtype=jnp.result_type(value)))
    return _keep_text(path, np.asarray(_text(value), dtype=object), type(value).__name__)


def _keep_array(path: str, value: jax.Array) -> KeptLeaf:
    sort = sort_of(value.dtype)
    if value.is_deleted():
        return KeptLeaf(path, value.shape, str(value.dtype), sort, (), (), value)
    # A key array's own shards are key arrays; their words are what can be read.
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
    block = Block(None, tuple((0, extent) for extent in value.shape), value)
    return KeptLeaf(path, value.shape, value.dtype.name, sort, (block,), (block,))


def _keep_text(path: str, text: np.ndarray[Any, Any], dtype: str) -> KeptLeaf:
    block = Block(None, tuple((0, extent) for extent in text.shape), text)
    return KeptLeaf(path, text.shape, dtype, "text", (block,), (block,))


def _text(value: Any) -> str:
    """The repr, as far as it can be shown; NumPy's own scalars without their type around them."""
    try:
        text = str(value) if isinstance(value, np.generic) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    if len(text) > MAX_TEXT:
        return f"{text[:MAX_TEXT]}… ({len(text)} characters)"
    return text


# ----------------------------------------------------------------------------------------- reading


def _looked_at(leaf: KeptLeaf, device: int | None) -> tuple[tuple[Block, ...], tuple[int, ...]]:
    """The blocks and the shape of the leaf, or of the block on `device` in its own coordinates."""
    if leaf.array is not None and leaf.array.is_deleted():
        raise _deleted(leaf)
    if device is None:
        return leaf.parts, leaf.shape
    for block in leaf.blocks:
        if block.device == device:
            own = tuple((0, extent) for extent in block.shape)
            return (Block(device, own, block.data),), block.shape
    held = [str(block.device) for block in leaf.blocks if block.device is not None]
    where = f"it is on {', '.join(held)}" if held else "it is on the host"
    raise diagnosed("runtime", "", f"device {device} holds nothing of {_named(leaf)}; {where}")


def _checked_window(request: ReadWindow, shape: tuple[int, ...]) -> Index:
    """The window's index, or Diagnosed where it is none of an array of `shape`."""
    rank = len(shape)
    shown = [axis for axis in (request.rows, request.columns) if axis is not None]
    if len(set(shown)) < len(shown) or not all(0 <= axis < rank for axis in shown):
        raise diagnosed(
            "runtime",
            "",
            f"rows {request.rows} and columns {request.columns} are not two of {rank} dimensions",
        )
    if len(request.index) != rank or any(len(ends) != 2 for ends in request.index):
        raise diagnosed(
            "runtime", "", f"a window of an array of rank {rank} needs {rank} [start, stop]"
        )
    for axis, ((start, stop), extent) in enumerate(zip(request.index, shape, strict=True)):
        single = axis in shown or stop - start == 1 or extent == 0
        if not (0 <= start <= stop <= extent and single):
            raise diagnosed(
                "runtime",
                "",
                f"[{start}, {stop}] is not in dimension {axis}, which has {extent} elements",
            )
    count = math.prod(stop - start for start, stop in request.index)
    if count > MAX_CELLS:
        raise diagnosed(
            "runtime", "", f"a window of {count:,} cells is over the limit of {MAX_CELLS:,}"
        )
    return tuple((start, stop) for start, stop in request.index)


def _assembled(parts: Sequence[Block], index: Index) -> np.ndarray[Any, Any] | None:
    """The elements at `index` from the blocks that hold them, None where some are held elsewhere.

    Nothing at all is an empty array of no particular dtype.
    """
    shape = tuple(stop - start for start, stop in index)
    missing = math.prod(shape)
    if not missing:
        return np.empty(shape)
    whole: np.ndarray[Any, Any] | None = None
    for block in parts:
        meeting = overlap(block.index, index)
        if meeting is None:
            continue
        inside, outside = meeting
        piece = block.read(inside)
        count = math.prod(stop - start for start, stop in inside)
        if count == math.prod(shape):
            return piece
        if whole is None:
            whole = np.empty((*shape, *piece.shape[len(shape) :]), dtype=piece.dtype)
        whole[tuple(slice(*ends) for ends in outside)] = piece
        missing -= count
    return whole if not missing else None


def _arranged(
    elements: np.ndarray[Any, Any],
    index: Index,
    rows: int | None,
    columns: int | None,
    sort: Sort,
) -> list[list[Any]]:
    """Rows of cells, whichever order the two dimensions have in the array."""
    extents = [stop - start for start, stop in index]
    height = 1 if rows is None else extents[rows]
    width = 1 if columns is None else extents[columns]
    shown = [axis for axis in (rows, columns) if axis is not None]
    rest = [axis for axis in range(len(index)) if axis not in shown]
    if not math.prod(extents):
        # A cell needs an element; an empty dimension that is not shown leaves not even rows.
        return [[] for _ in range(height)] if all(extents[axis] for axis in rest) else []
    words = elements.shape[len(index) :]
    order = (*shown, *rest, *range(len(index), elements.ndim))
    return cells(elements.transpose(order).reshape(height, width, *words), sort)


def _values(leaf: KeptLeaf) -> Any:
    elements = _assembled(leaf.parts, tuple((0, extent) for extent in leaf.shape))
    if elements is None:
        raise _elsewhere(leaf)
    if not leaf.size:
        return elements.tolist()
    return nested(elements, leaf.sort)


@contextlib.contextmanager
def _reading(leaf: KeptLeaf) -> Iterator[None]:
    """Turn JAX's failures to give elements into Diagnosed."""
    if leaf.array is not None and leaf.array.is_deleted():
        raise _deleted(leaf)
    try:
        yield
    except RuntimeError as error:  # JaxRuntimeError, and what a deleted array raises, are ones
        if leaf.array is not None and leaf.array.is_deleted():
            raise _deleted(leaf) from error
        lines = str(error).strip().splitlines()[:_MESSAGE_LINES]
        raise diagnosed("runtime", "", f"cannot read {_named(leaf)}: {' '.join(lines)}") from error


def _deleted(leaf: KeptLeaf) -> Diagnosed:
    return diagnosed(
        "runtime",
        "",
        f"{_named(leaf)} was deleted: it was donated to a later computation, or deleted by hand",
    )


def _elsewhere(leaf: KeptLeaf) -> Diagnosed:
    held = ", ".join(str(block.device) for block in leaf.blocks)
    return diagnosed(
        "runtime",
        "",
        f"other processes hold a part of this window of {_named(leaf)}; "
        f"look at it by device: this process holds {held or 'none of it'}",
    )


def _named(leaf: KeptLeaf) -> str:
    return f"output {leaf.path}" if leaf.path else "the output"
