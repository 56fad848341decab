"""Blocks that another process holds are read there, part by part."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.results.engine import store as module
from jaxtui.results.engine.blocks import Block, ends_of, whole
from jaxtui.results.engine.far import FarBlock, FarData, Holding, Question
from jaxtui.results.engine.gathering import Gathered
from jaxtui.results.engine.held import HeldBlocks
from jaxtui.results.engine.store import ResultStore
from jaxtui.wire.results import FindCell, ReadWindow, Summarize

NAMED = ["float32", "int32", "bool", "complex64", "bfloat16", "int4"]


class Other:
    """Another process, whose messages are counted as they would be sent."""

    def __init__(self) -> None:
        self.held = HeldBlocks()
        self.sent = 0
        self.forgotten: list[int] = []

    def ask(self, process: int, question: Question) -> Any:
        answer = pickle.dumps(self.held.answer(pickle.loads(pickle.dumps(question))))
        self.sent += len(answer)
        return pickle.loads(answer)

    def gathered(self, array: jax.Array, near: int) -> Gathered:
        """The array, of which all but the first `near` devices belong to the other process."""
        holding = Holding(7, self.ask, self.forgotten.append)
        data = jax.random.key_data(array) if str(array.dtype).startswith("key") else array
        pieces = {p.device: p for p in self.held.hold(7, [("", array)], [0])}
        blocks: list[Block] = []
        for number, shard in enumerate(data.addressable_shards):
            index = ends_of(shard.index, array.shape)
            far = FarData(holding, 1, pieces[shard.device.id])
            device = shard.device.id
            blocks.append(
                Block(device, index, shard.data) if number < near else FarBlock(device, index, far)
            )
        return Gathered(array, tuple(blocks))


def spread(values: Any) -> jax.Array:
    mesh = Mesh(np.array(jax.devices()[:4]), ("i",))
    return jax.device_put(values, NamedSharding(mesh, P("i")))


def stored(gathered: Gathered) -> ResultStore:
    store = ResultStore()
    store.keep(1, [("", gathered)])
    return store


@pytest.mark.parametrize("dtype", NAMED)
def test_what_is_read_elsewhere_is_what_is_there(dtype: str) -> None:
    values = jnp.arange(8 * 3).reshape(8, 3).astype(dtype)
    other = Other()
    gathered = other.gathered(spread(values), 2)
    expected = np.asarray(values)
    np.testing.assert_array_equal(gathered.on_host(), expected)
    np.testing.assert_array_equal(gathered.read(((1, 7), (1, 3))), expected[1:7, 1:3])
    far = gathered.blocks[3]
    np.testing.assert_array_equal(far.take(np.array([5, 0])), expected[6:].reshape(-1)[[5, 0]])
    np.testing.assert_array_equal(far.leading(4), expected[6:].reshape(-1)[:4])
    np.testing.assert_array_equal(far.leading(40), expected[6:])


def test_keys_are_read_as_their_words() -> None:
    keys = jax.random.split(jax.random.key(3), 8)
    gathered = Other().gathered(spread(keys), 1)
    words = np.asarray(jax.random.key_data(keys))
    np.testing.assert_array_equal(gathered.on_host(), words)
    np.testing.assert_array_equal(gathered.read(((3, 5),)), words[3:5])


def test_a_window_brings_no_more_than_it_shows() -> None:
    values = np.arange(4 * 250_000, dtype=np.float32).reshape(4, 250_000)
    other = Other()
    store = stored(other.gathered(spread(values), 1))
    asked = ReadWindow(id=2, result=1, leaf=0, rows=0, columns=1, index=[[0, 4], [9, 19]])
    cells = store.window(asked).cells
    assert [[float(cell) for cell in row] for row in cells] == values[:, 9:19].tolist()
    assert other.sent < 4000


def test_statistics_are_worked_out_where_the_elements_lie() -> None:
    values = np.random.default_rng(1).normal(size=(4, 100_000)).astype(np.float32)
    values[3, 5] = np.nan
    other = Other()
    store = stored(other.gathered(spread(values), 1))
    *_, found = [s for s in store.summaries(Summarize(id=2, result=1, leaf=0)) if s is not None]
    assert found.exact
    assert found.count == values.size
    assert found.non_finite == 1
    assert found.minimum == np.nanmin(values)
    assert found.mean == pytest.approx(np.nanmean(values.astype(float)), rel=1e-6)
    assert found.std == pytest.approx(np.nanstd(values.astype(float)), rel=1e-6)
    assert other.sent < 4000


def test_an_element_is_found_elsewhere() -> None:
    values = np.zeros((4, 1000), np.float32)
    values[2, 77] = 5
    store = stored(Other().gathered(spread(values), 1))
    asked = FindCell(id=2, result=1, leaf=0, wanted="max", after=[0, 0])
    assert store.find(asked, lambda: False).index == [2, 77]


def test_one_device_of_another_process_is_looked_at_by_itself() -> None:
    values = np.arange(16.0, dtype=np.float32).reshape(8, 2)
    gathered = Other().gathered(spread(values), 1)
    leaf = module.keep_leaf("", gathered)
    device = gathered.blocks[3].device
    (block,), shape = module._blocks_of(leaf, device)
    np.testing.assert_array_equal(block.read(whole(shape)), values[6:])


def test_the_others_are_told_once_it_is_let_go() -> None:
    other = Other()
    store = stored(other.gathered(spread(np.arange(8.0)), 1))
    assert other.forgotten == []
    for result in (2, 3, 4, 5, 6, 7, 8, 9, 10):
        store.keep(result, [])
    gc.collect()
    assert other.forgotten == [7]
