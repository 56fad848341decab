"""Finds by experiment which input elements an element of a result depends on.

An output element depends on an input element if some change of that element alone changes it. The
function itself runs, under its own transformation, with inputs that differ in one element, so this
works for any function, dtype and transformation. For a maximum or minimum, the answer is every
element that is compared.

Every dependency found has been observed, but some may be missed: trials start from the user's
values and from others (random, all small, all large, zeros), because a change may be invisible from
one start, as that of an element which is not the maximum is in the maximum. What a function does
only for values that no trial contains is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util

from jaxtui.collectives.engine.provenance_trials import Array, Trial, trials
from jaxtui.engine_base.errors import GivenUp
from jaxtui.text.quantities import ranges

BATCH_ELEMENTS = 2**21  # of inputs and outputs in one call
MOST_VARIANTS = 256  # of the input in one call
DENSE_ELEMENTS = 10**8  # elements computed when every output is answered at once
BUDGET_ELEMENTS = 2 * 10**9  # elements computed for one output before its search ends early
PARTS = 8  # into which a set of inputs is divided if the output depends on it

IsCancelled = Callable[[], bool]


@dataclass(frozen=True)
class InputElements:
    """The sources of one output element: sorted flat indices into each input array.

    If not `exact`, the search was ended early, and the output may not depend on some of them.
    """

    indices: list[list[int]]
    exact: bool = True

    @property
    def count(self) -> int:
        return sum(map(len, self.indices))


class Provenance:
    """Answers for one function and one input, whose arrays have a row for each device.

    `carry` applies the transformation to a function of the arrays' blocks. Variants of the input
    are batched along `batch_axis` of these blocks: 0, or 1 if the blocks keep the divided
    dimension. Runs on the devices; not thread-safe.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        carry: Callable[[Callable[..., Any]], Callable[..., Any]],
        inputs: Sequence[Any],
        batch_axis: int = 0,
    ) -> None:
        self._impls = [jax.random.key_impl(x) if _is_key(x.dtype) else None for x in inputs]
        self._inputs = [_host(_key_words(x)) for x in inputs]
        self._ranks = [x.ndim for x in inputs]
        self._sizes = [int(np.prod(x.shape, dtype=int)) for x in inputs]
        self._starts = [sum(self._sizes[:i]) for i in range(len(self._sizes))]
        self._function, self._carry, self._batch_axis = function, carry, batch_axis
        self._trials = list(trials(self._inputs))
        self._baselines: dict[int, list[Array]] = {}
        self._dense: list[Array] | None = None
        self._kept: dict[tuple[int, int], InputElements] = {}
        self._outputs = self._output_shapes()
        self._total = sum(self._sizes) + sum(int(np.prod(s, dtype=int)) for s in self._outputs)
        self._batch = max(1, min(MOST_VARIANTS, BATCH_ELEMENTS // max(1, self._total)))
        self._batch = min(self._batch, max(1, sum(self._sizes)))
        self._call = self._compiled()

    def sources(
        self, leaf: int, element: int, cancelled: IsCancelled = lambda: False
    ) -> InputElements:
        """The sources of element `element` (a flat index) of output array `leaf`.

        Raises GivenUp once `cancelled()` is true, and whatever the function raises.
        """
        if (leaf, element) not in self._kept:
            self._kept[leaf, element] = self._found(leaf, element, cancelled)
        return self._kept[leaf, element]

    def _found(self, leaf: int, element: int, cancelled: IsCancelled) -> InputElements:
        if sum(self._sizes) * len(self._trials) * self._total <= DENSE_ELEMENTS:
            if self._dense is None:
                self._dense = self._matrix(cancelled)
            column = self._dense[leaf][:, element]
            return self._split_up(np.flatnonzero(column))
        return self._searched(leaf, element, cancelled)

    # ------------------------------------------------------------------------------ all at once

    def _matrix(self, cancelled: IsCancelled) -> list[Array]:
        """For every output array, whether it depends: [input element, output element]."""
        count = sum(self._sizes)
        matter = [np.zeros((count, int(np.prod(s, dtype=int))), bool) for s in self._outputs]
        elements = np.arange(count)
        for trial in range(len(self._trials)):
            for start in range(0, count, self._batch):
                chunk = [elements[i : i + 1] for i in range(start, min(start + self._batch, count))]
                for known, changed in zip(
                    matter, self._changed(trial, chunk, cancelled), strict=True
                ):
                    known[start : start + len(chunk)] |= changed
        return matter

    # ---------------------------------------------------------------------------- one at a time

    def _searched(self, leaf: int, element: int, cancelled: IsCancelled) -> InputElements:
        """Divide the sets of inputs on which the output depends until each is a single element."""
        found: list[int] = []
        sets = self._rows()
        spent = 0
        while sets:
            spent += len(sets) * self._total
            matter = self._which_matter(sets, leaf, element, cancelled)
            found += [int(s[0]) for s in matter if len(s) == 1]
            wide = [s for s in matter if len(s) > 1]
            if spent > BUDGET_ELEMENTS and wide:
                found += [int(i) for s in wide for i in s]
                return self._split_up(np.asarray(found), exact=False)
            sets = [part for s in wide for part in np.array_split(s, min(PARTS, len(s)))]
        return self._split_up(np.asarray(sorted(found), dtype=int))

    def _rows(self) -> list[Array]:
        """The elements of each row of each input, numbered over all inputs."""
        return [
            row
            for x, start, size in zip(self._inputs, self._starts, self._sizes, strict=True)
            for row in np.split(np.arange(start, start + size), max(1, x.shape[0]))
            if row.size
        ]

    def _which_matter(
        self, sets: list[Array], leaf: int, element: int, cancelled: IsCancelled
    ) -> list[Array]:
        matter = []
        for trial in range(len(self._trials)):
            unseen = []
            for start in range(0, len(sets), self._batch):
                chunk = sets[start : start + self._batch]
                seen = self._changed(trial, chunk, cancelled)[leaf][:, element]
                matter += [s for s, changed in zip(chunk, seen, strict=True) if changed]
                unseen += [s for s, changed in zip(chunk, seen, strict=True) if not changed]
            sets = unseen
        return matter

    def _split_up(self, elements: Array, *, exact: bool = True) -> InputElements:
        indices = [
            [int(i) for i in sorted(self._within(number, elements))]
            for number in range(len(self._sizes))
        ]
        return InputElements(indices, exact)

    def _within(self, number: int, elements: Array) -> Array:
        """The flat indices into input `number` of those `elements`, numbered over all, in it."""
        start, size = self._starts[number], self._sizes[number]
        return elements[(elements >= start) & (elements < start + size)] - start

    # ---------------------------------------------------------------------------------- running

    def _changed(self, trial: int, sets: list[Array], cancelled: IsCancelled) -> list[Array]:
        """For every output array, whether changing set i changes it: [set, output element]."""
        if cancelled():
            raise GivenUp
        before = self._baseline(trial)
        after = self._call(self._variants(self._trials[trial], sets))
        return [
            _differ(a, b, shape)[: len(sets)]
            for a, b, shape in zip(before, after, self._outputs, strict=True)
        ]

    def _baseline(self, trial: int) -> list[Array]:
        # One for every lane of the batch, because the terms of a sum may be added up in another
        # order in another lane.
        if trial not in self._baselines:
            start = self._trials[trial].start
            lanes = [np.repeat(x[:, None], self._batch, axis=1) for x in start]
            self._baselines[trial] = self._call(lanes)
        return self._baselines[trial]

    def _variants(self, trial: Trial, sets: list[Array]) -> list[Array]:
        """The inputs with a lane for each set, in which the elements of the set are changed."""
        arrays = []
        for number, (start, change, rank, size) in enumerate(
            zip(trial.start, trial.change, self._ranks, self._sizes, strict=True)
        ):
            mask = np.zeros((self._batch, size), bool)
            for lane, elements in enumerate(sets):
                mask[lane, self._within(number, elements)] = True
            shape = start.shape[:rank]
            mask = np.moveaxis(mask.reshape(self._batch, *shape), 0, 1)
            mask = mask.reshape(mask.shape + (1,) * (start.ndim - rank))
            arrays.append(np.where(mask, change[:, None], start[:, None]))
        return arrays

    def _compiled(self) -> Callable[[list[Array]], list[Array]]:
        """The function over lanes of inputs: under vmap, or one after another if that fails."""

        axis = self._batch_axis

        def together(*arrays: Any) -> Any:
            return jax.vmap(self._on_words, in_axes=axis, out_axes=axis)(*arrays)

        def in_turn(*arrays: Any) -> Any:
            lanes = [jnp.moveaxis(x, axis, 0) for x in arrays]
            outs = jax.lax.map(lambda blocks: self._on_words(*blocks), tuple(lanes))
            return [jnp.moveaxis(x, 0, axis) for x in outs]

        shapes = [
            jax.ShapeDtypeStruct((x.shape[0], self._batch, *x.shape[1:]), x.dtype)
            for x in self._inputs
        ]
        carried = self._carry(together)
        try:
            jax.eval_shape(carried, *shapes)
        except Exception:  # not every primitive has a batching rule
            carried = self._carry(in_turn)
        return lambda arrays: [_host(x) for x in carried(*arrays)]

    def _on_words(self, *arrays: Any) -> list[Any]:
        return [_key_words(x) for x in self._results(*arrays)]

    def _results(self, *arrays: Any) -> list[Any]:
        """The function's results for one lane of inputs, in which PRNG keys are their words."""
        blocks = [
            x if impl is None else jax.random.wrap_key_data(x, impl=impl)
            for x, impl in zip(arrays, self._impls, strict=True)
        ]
        return [jnp.asarray(x) for x in tree_util.tree_leaves(self._function(*blocks))]

    def _output_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the results, in which a PRNG key is one element."""
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in self._inputs]
        return [tuple(x.shape) for x in jax.eval_shape(self._carry(self._results), *shapes)]


def _is_key(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def _key_words(x: Any) -> Any:
    return jax.random.key_data(x) if _is_key(x.dtype) else x


def _host(x: Any) -> Array:
    if not x.size:
        return np.empty(x.shape, x.dtype)
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        # Imported here because it is slow to import.
        from jax.experimental import multihost_utils

        # Every process calls this in step: the next trial depends on the result.
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))
    return np.asarray(x)


def _differ(before: Array, after: Array, shape: tuple[int, ...]) -> Array:
    """Whether the value differs: [lane, output element].

    NaN equals NaN. Dimensions after `shape`, the words of a key, belong to one element.
    """
    same = (before == after) | ((before != before) & (after != after))
    lanes = np.moveaxis(~same, 1, 0)
    sizes = [int(np.prod(part, dtype=int)) for part in (shape, lanes.shape[len(shape) + 1 :])]
    elements = lanes.reshape(len(lanes), *sizes)
    return np.asarray(elements.any(axis=-1))


# ----------------------------------------------------------------------------------------- in words


def words(
    sources: InputElements,
    shapes: Sequence[Sequence[int]],
    devices: Sequence[int],
    made: str,
    names: Sequence[str] = (),
) -> str:
    """The sources in words: "sum over devices 0–7 [1]".

    `shapes` are those of the inputs (a row for each device), `devices` the device ids of the rows,
    and `names` the names of several inputs. `made` says how the elements were combined, "" if they
    were only moved.
    """
    parts = []
    for number, (indices, shape) in enumerate(zip(sources.indices, shapes, strict=True)):
        if indices:
            named = f" of {names[number]}" if len(shapes) > 1 and names else ""
            parts.append(_of_one_input(indices, tuple(shape), devices) + named)
    if not parts:
        return "no input element"
    text = ", ".join(parts)
    if not sources.exact:
        text += " (or a part of them: the search was ended early)"
    return f"{made} over {text}" if made and sources.count > 1 else text


def place(element: Sequence[int], devices: Sequence[int]) -> str:
    """An output element: "device 3 [1]"."""
    row, *inside = element
    return _device_words([row], devices) + _brackets(inside)


def _of_one_input(indices: list[int], shape: tuple[int, ...], devices: Sequence[int]) -> str:
    rows: dict[tuple[int, ...], list[int]] = {}
    for index in indices:
        row, *inside = (int(i) for i in np.unravel_index(index, shape))
        rows.setdefault(tuple(inside), []).append(row)
    block = int(np.prod(shape[1:], dtype=int))
    holders = {tuple(r) for r in rows.values()}
    if len(holders) == 1:
        where = _device_words(list(holders.pop()), devices)
        if len(shape) > 1 and len(rows) == block and block > 1:
            return f"{where}, all of each block" if len(indices) > block else f"{where}, all of it"
        return where + _elements(list(rows))
    by_row: dict[int, list[tuple[int, ...]]] = {}
    for position, held in rows.items():
        for row in held:
            by_row.setdefault(row, []).append(position)
    if len(by_row) > 4:
        return f"{len(indices)} elements on {_device_words(sorted(by_row), devices)}"
    return ", ".join(_device_words([r], devices) + _elements(by_row[r]) for r in sorted(by_row))


def _elements(inside: list[tuple[int, ...]]) -> str:
    if len(inside) > 4:
        return f", {len(inside)} elements"
    return "".join(_brackets(element) for element in inside)


def _brackets(inside: Sequence[int]) -> str:
    return f" [{', '.join(map(str, inside))}]" if inside else ""


def _device_words(rows: list[int], devices: Sequence[int]) -> str:
    # Under vmap all rows are on one device, so the row is named instead.
    distinct = len(set(devices)) == len(devices)
    ids = [devices[row] for row in rows] if distinct else rows
    noun = "device" if distinct else "row"
    return f"{noun} {ids[0]}" if len(ids) == 1 else f"{noun}s {', '.join(ranges(ids, '–'))}"
