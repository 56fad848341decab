"""Windows, values and statistics of kept results, compared with NumPy for every dtype."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base import devices
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.results.engine import blocks, cells
from jaxtui.results.engine import store as results
from jaxtui.results.engine.store import ResultStore
from jaxtui.results.screen.model import Source, WindowRequest, cells_of_values
from jaxtui.wire.program import Ran
from jaxtui.wire.protocol import decode_event, frame
from jaxtui.wire.report import ProgramReport
from jaxtui.wire.results import ReadWindow, Summarize, WindowRead
from tests.support import made_events

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
NARROW = [name for name in ("int2", "uint2", "int4", "uint4") if hasattr(jnp, name)]
FLOATS = ["float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz"]
FLOATS += [
    name for name in ("float8_e3m4", "float8_e8m0fnu", "float4_e2m1fn") if hasattr(jnp, name)
]
DTYPES = ["bool", *INTEGERS, *NARROW, *FLOATS, "complex64"]

examples = settings(deadline=None, max_examples=60)


def kept(*values, **named) -> ResultStore:
    store = ResultStore()
    store.keep(1, [("", value) for value in values] + list(named.items()))
    return store


def request(rows, columns, index, leaf=0, device=None, result=1) -> ReadWindow:
    index = [list(ends) for ends in index]
    return ReadWindow(
        id=7, result=result, leaf=leaf, rows=rows, columns=columns, index=index, device=device
    )


def random_elements(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Every bit pattern is an element, NaN and infinities included."""
    generator = np.random.default_rng(seed)
    kind = jnp.dtype(dtype)
    if kind == np.bool_:
        return generator.random(shape) < 0.5
    if dtype in NARROW:
        info = ml_dtypes.iinfo(kind)
        return generator.integers(int(info.min), int(info.max) + 1, shape).astype(kind)
    if dtype.startswith("float4"):
        return generator.normal(0, 3, shape).astype(kind)
    size = math.prod(shape) * kind.itemsize
    return np.frombuffer(generator.bytes(size), dtype=kind).reshape(shape)


MESH_SHAPES = [(8,), (4, 2), (2, 2, 2)]


@st.composite
def sharded_arrays(draw, dtypes=DTYPES, max_rank=4):
    """An array laid over one, some or all devices, in any order, replicated in any part."""
    dtype = draw(st.sampled_from(dtypes))
    mesh_shape = draw(st.sampled_from(MESH_SHAPES))
    devices = draw(st.permutations(jax.devices()))
    mesh = Mesh(np.array(devices).reshape(mesh_shape), ("x", "y", "z")[: len(mesh_shape)])
    rank = draw(st.integers(0, max_rank))
    spec, shape = [], []
    free = list(mesh.axis_names)
    for _ in range(rank):
        axis = draw(st.sampled_from([None, *free]))
        extent = draw(st.integers(0, 5))
        if axis is not None:
            free.remove(axis)
            extent *= mesh.shape[axis]
        spec.append(axis)
        shape.append(extent)
    elements = random_elements(dtype, tuple(shape), draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return elements, jax.device_put(elements, draw(st.sampled_from(jax.devices())))
    return elements, jax.device_put(elements, NamedSharding(mesh, PartitionSpec(*spec)))


def draw_window(data, shape):
    axes = data.draw(st.permutations(range(len(shape))))
    rows = axes[0] if len(axes) > 0 and data.draw(st.booleans()) else None
    columns = axes[1] if len(axes) > 1 and data.draw(st.booleans()) else None
    index = []
    for axis, extent in enumerate(shape):
        if axis in (rows, columns):
            start = data.draw(st.integers(0, extent))
            index.append((start, data.draw(st.integers(start, extent))))
        elif extent == 0:
            index.append((0, 0))
        else:
            start = data.draw(st.integers(0, extent - 1))
            index.append((start, start + 1))
    return rows, columns, index


def expected_rows(elements, rows, columns, index):
    """The window by NumPy alone, cell by cell."""
    across = range(1) if rows is None else range(*index[rows])
    along = range(1) if columns is None else range(*index[columns])
    if any(start == stop for axis, (start, stop) in enumerate(index) if axis != columns):
        return []
    out = []
    for row in across:
        line = []
        for column in along:
            place = [start for start, _ in index]
            if rows is not None:
                place[rows] = row
            if columns is not None:
                place[columns] = column
            line.append(elements[tuple(place)])
        out.append(line)
    return out


def same_element(cell, element) -> bool:
    """Whether a cell becomes the element, bit for bit but for a NaN's payload."""
    if np.iscomplexobj(element):
        return same_element(cell[0], element.real) and same_element(cell[1], element.imag)
    if isinstance(cell, float):
        if math.isnan(cell):
            return math.isnan(float(element))
        with np.errstate(over="ignore"):
            back = np.float64(cell).astype(element.dtype)
        return back.tobytes() == element.tobytes()
    return type(cell) is type(element.item()) and cell == element.item()


def assert_same(got, expected):
    assert len(got) == len(expected)
    for line, wanted in zip(got, expected, strict=True):
        assert len(line) == len(wanted)
        assert all(map(same_element, line, wanted)), (line, wanted)


class TestAWindow:
    @examples
    @given(sharded_arrays(), st.data())
    def test_is_what_numpy_indexing_gives_for_any_dtype_rank_and_sharding(self, pair, data):
        elements, array = pair
        rows, columns, index = draw_window(data, elements.shape)
        read = kept(array).window(request(rows, columns, index))
        assert_same(read.cells, expected_rows(elements, rows, columns, index))

    @examples
    @given(sharded_arrays(max_rank=3), st.data())
    def test_of_a_device_is_in_the_coordinates_of_its_own_block(self, pair, data):
        _, array = pair
        shard = data.draw(st.sampled_from(array.addressable_shards))
        own = np.asarray(shard.data)
        rows, columns, index = draw_window(data, own.shape)
        read = kept(array).window(request(rows, columns, index, device=shard.device.id))
        assert_same(read.cells, expected_rows(own, rows, columns, index))

    @settings(deadline=None, max_examples=25)
    @given(sharded_arrays(dtypes=["float32", "bfloat16", "int8", "complex64"]), st.data())
    def test_is_the_same_when_it_is_cut_out_on_the_device(self, pair, data):
        elements, array = pair
        rows, columns, index = draw_window(data, elements.shape)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "WHOLE", -1)
            patch.setattr(blocks.Block, "platform", "gpu")
            read = kept(array).window(request(rows, columns, index))
        assert_same(read.cells, expected_rows(elements, rows, columns, index))

    def test_that_scrolls_over_a_device_compiles_once(self, monkeypatch):
        monkeypatch.setattr(blocks, "WHOLE", -1)
        monkeypatch.setattr(blocks.Block, "platform", "gpu")
        store = kept(jnp.arange(4 * 100 * 100).reshape(4, 100, 100))
        blocks._cut.clear_cache()
        for i, row, column in itertools.product(range(4), (0, 1, 50, 80), (0, 33, 79)):
            index = [(i, i + 1), (row, row + 20), (column, column + 21)]
            read = store.window(request(1, 2, index))
            assert read.cells[0][0] == i * 10_000 + row * 100 + column
        assert blocks._cut._cache_size() == 1

    def test_has_rows_and_columns_in_either_order(self):
        store = kept(jnp.arange(6).reshape(2, 3))
        assert store.window(request(0, 1, [(0, 2), (0, 3)])).cells == [[0, 1, 2], [3, 4, 5]]
        assert store.window(request(1, 0, [(0, 2), (0, 3)])).cells == [[0, 3], [1, 4], [2, 5]]

    def test_answers_with_what_was_asked(self):
        read = kept(jnp.arange(3)).window(request(None, 0, [(1, 3)]))
        assert read == WindowRead(
            id=7,
            result=1,
            leaf=0,
            device=None,
            rows=None,
            columns=0,
            index=[[1, 3]],
            cells=[[1, 2]],
        )

    def test_reads_no_more_than_was_asked_for(self):
        # A copy would take 8 TB.
        endless = np.broadcast_to(np.arange(10.0), (10**6, 10**5, 10))
        read = kept(endless).window(request(0, 2, [(999_998, 10**6), (5, 6), (0, 2)]))
        assert read.cells == [[0.0, 1.0], [0.0, 1.0]]

    def test_looks_at_cpu_memory_in_place(self):
        array = jnp.zeros((1000, 1000), "int8")
        block = results.keep_leaf("", array).blocks[0]
        assert block.read(((3, 5), (1, 4))).base is not None
        start = array.addressable_data(0).unsafe_buffer_pointer()
        part = block.read(((3, 5), (1, 4)))
        assert part.__array_interface__["data"][0] == start + 3001

    def test_can_be_read_while_another_thread_computes_and_keeps(self):
        store = kept(jnp.arange(8.0))
        stop = threading.Event()

        def work():
            for i in itertools.count(2):
                if stop.is_set():
                    return
                store.keep(i, [("", jnp.arange(8.0) * i)])

        worker = threading.Thread(target=work)
        worker.start()
        try:
            refused = 0
            for _ in range(300):
                newest = max(store._results)
                try:
                    cells_read = store.window(request(None, 0, [(0, 8)], result=newest)).cells
                except Diagnosed:
                    refused += 1
                else:
                    assert cells_read == [[float(i * max(1, newest)) for i in range(8)]]
        finally:
            stop.set()
            worker.join()
        assert refused < 300

    @pytest.mark.parametrize(
        ("rows", "columns", "index"),
        [
            (0, 1, [(0, 5), (0, 3)]),
            (0, 1, [(-1, 2), (0, 3)]),
            (0, 1, [(2, 1), (0, 3)]),
            (0, 1, [(0, 4)]),
            (0, 1, [(0, 4, 1), (0, 3)]),
            (0, 0, [(0, 4), (0, 1)]),
            (0, 2, [(0, 4), (0, 3)]),
            (-1, 0, [(0, 4), (0, 3)]),
            (0, None, [(0, 4), (0, 3)]),
            (0, None, [(0, 4), (3, 4)]),
            (0, None, [(0, 4), (1, 1)]),
        ],
    )
    def test_that_is_none_of_the_array_is_diagnosed(self, rows, columns, index):
        with pytest.raises(Diagnosed) as caught:
            kept(jnp.zeros((4, 3))).window(request(rows, columns, index))
        assert (caught.value.diagnosis.kind, caught.value.diagnosis.field) == ("runtime", "")

    def test_that_is_too_large_for_an_answer_is_diagnosed(self):
        with pytest.raises(Diagnosed, match="4,000,000 cells is over the limit of 1,000,000"):
            kept(jnp.zeros((2000, 2000))).window(request(0, 1, [(0, 2000), (0, 2000)]))

    def test_of_a_device_that_holds_nothing_says_who_does(self):
        with pytest.raises(Diagnosed, match="device 3 holds nothing of output x; it is on 2"):
            kept(x=jax.device_put(1.0, jax.devices()[2])).window(request(None, None, [], device=3))
        with pytest.raises(Diagnosed, match="it is on the host"):
            kept(np.zeros(3)).window(request(0, None, [(0, 3)], device=0))


class TestACell:
    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
    def test_of_a_narrow_float_has_as_few_digits_as_give_it_back(self, dtype):
        kind = jnp.dtype(dtype)
        bits = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}")
        elements = bits.view(kind)[:: 1 if kind.itemsize == 1 else 37]
        for cell, element in zip(cells.cells(elements[None, :], "float")[0], elements, strict=True):
            assert same_element(cell, element)
            if not math.isfinite(cell) or cell == 0:
                continue
            digits = len(repr(cell).partition("e")[0].replace(".", "").strip("-0"))
            fewer = [float(f"{float(element):.{n}e}") for n in range(digits - 1)]
            assert not any(float(np.float64(f).astype(kind)) == float(element) for f in fewer)

    def test_of_a_float_is_what_one_would_type(self):
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            typed = [0.1, 1.5, -2.25, 1e-3, 3.14, 0.3]
            elements = np.array([typed], dtype=jnp.dtype(dtype))
            assert cells.cells(elements, "float") == [typed]

    def test_of_a_float32_has_no_more_digits_than_numpy_prints(self):
        bits = np.random.default_rng(0).integers(0, 2**32, 2000, dtype=np.uint32)
        elements = bits.view(np.float32)
        got = cells.cells(elements[None, :], "float")[0]
        assert [repr(g) for g in got] == [repr(float(str(e))) for e in elements]

    def test_of_a_key_array_is_its_data_in_hexadecimal(self):
        keys = jax.random.split(jax.random.key(3), (8, 2))
        mesh = Mesh(np.array(jax.devices()), ("x",))
        words = np.asarray(jax.random.key_data(keys))
        wanted = [["".join(f"{word:08x}" for word in key) for key in row] for row in words]
        for array in (keys, jax.device_put(keys, NamedSharding(mesh, PartitionSpec("x")))):
            store = kept(array)
            assert store.window(request(0, 1, [(0, 8), (0, 2)])).cells == wanted
            (output,) = store.outputs(1, 100)
            assert (output.shape, output.dtype, output.values) == ([8, 2], "key<fry>", wanted)
            assert all(len(shard.index) == 2 for shard in output.shards)
        assert kept(keys[0, 0]).window(request(None, None, [])).cells == [[wanted[0][0]]]

    def test_of_every_sort_goes_over_the_wire(self):
        store = kept(
            jnp.array([1 + 2j, jnp.inf]), np.array([2**64 - 1], "uint64"), jax.random.key(0), "é"
        )
        for leaf, (axis, index) in enumerate(
            [(0, [(0, 2)]), (0, [(0, 1)]), (None, []), (None, [])]
        ):
            read = store.window(request(None, axis, index, leaf=leaf))
            assert decode_event(frame(read)[4:]) == read

    def test_of_an_object_is_its_repr(self):
        class Broken:
            def __repr__(self):
                raise ValueError("no")

        store = kept("text", math.sin, Broken(), "x" * 100_000, 2**80)
        found = [store.window(request(None, None, [], leaf=leaf)).cells[0][0] for leaf in range(5)]
        assert found[:2] == ["'text'", "<built-in function sin>"]
        assert found[2] == "<Broken: its repr raised ValueError>"
        assert found[3].endswith("(100002 characters)")
        assert len(found[3]) < 11_000
        assert found[4] == str(2**80)

    def test_of_what_only_numpy_has_is_text(self):
        dates = np.array(["2020-01-01"], "datetime64[D]")
        mixed = np.array([None, {1: 2}], dtype=object)
        pair = np.array([(1, 2.0)], dtype=[("a", int), ("b", float)])
        zero = np.zeros((2,), jax.dtypes.float0)
        store = kept(dates, mixed, np.array(["a b"]), pair, zero, np.longdouble("0.1"))
        outputs = store.outputs(1, 10)
        assert [output.values for output in outputs] == [
            ["2020-01-01"],
            ["None", "{1: 2}"],
            ["a b"],
            ["(1, 2.0)"],
            ["0", "0"],
            "0.1",
        ]
        assert [outputs[0].dtype, outputs[4].dtype] == ["datetime64[D]", "float0"]


class TestAnOutput:
    @examples
    @given(sharded_arrays())
    def test_has_the_values_that_numpy_lists(self, pair):
        elements, array = pair
        (output,) = kept(array).outputs(1, 10**6)
        assert (output.shape, output.dtype) == (list(elements.shape), str(array.dtype))
        assert output.summary is None
        flat = np.array(output.values, dtype=object).reshape(-1).tolist()
        if np.iscomplexobj(elements):
            elements = np.stack([elements.real, elements.imag], -1)
        for got, wanted in zip(flat, elements.reshape(-1).tolist(), strict=True):
            if isinstance(wanted, float) and not math.isfinite(wanted):
                assert got == str(wanted)
            else:
                assert type(got) is type(wanted)
                assert got == wanted

    def test_keeps_its_nesting_where_nothing_is_in_it(self):
        for shape in [(0,), (2, 0), (0, 3), (2, 0, 3)]:
            for dtype in ("float32", "complex64"):
                (output,) = kept(jnp.zeros(shape, dtype)).outputs(1, 10)
                assert output.values == np.zeros(shape).tolist()

    @examples
    @given(sharded_arrays(dtypes=["int32"]))
    def test_says_which_device_holds_what_in_the_order_of_the_devices(self, pair):
        elements, array = pair
        (output,) = kept(array).outputs(1, None)
        assert (output.values, output.summary) == (None, None)
        assert [shard.device for shard in output.shards] == [
            shard.device.id for shard in array.addressable_shards
        ]
        order = list(array.sharding.device_set)
        assert {shard.device for shard in output.shards} == {device.id for device in order}
        for shard, own in zip(output.shards, array.addressable_shards, strict=True):
            part = elements[tuple(slice(*ends) for ends in shard.index)]
            np.testing.assert_array_equal(part, np.asarray(own.data))

    def test_of_a_mesh_in_another_order_lists_its_shards_in_that_order(self):
        devices = [jax.devices()[i] for i in (5, 2, 7, 0)]
        sharding = NamedSharding(Mesh(np.array(devices), ("x",)), PartitionSpec("x"))
        (output,) = kept(jax.device_put(jnp.arange(8), sharding)).outputs(1, None)
        assert [(shard.device, shard.index) for shard in output.shards] == [
            (5, [[0, 2]]),
            (2, [[2, 4]]),
            (7, [[4, 6]]),
            (0, [[6, 8]]),
        ]

    @pytest.mark.parametrize("axis", [0, 1])
    def test_of_pmap_has_blocks_of_its_own_rank(self, axis):
        array = jax.pmap(lambda x: x * 2, out_axes=axis)(jnp.arange(24.0).reshape(8, 3))
        store = kept(array)
        (output,) = store.outputs(1, 100)
        assert output.values == np.asarray(array).tolist()
        for i, shard in enumerate(output.shards):
            own = [[0, stop - start] for start, stop in shard.index]
            read = store.window(request(0, 1, own, device=shard.device))
            assert np.array(read.cells).ravel().tolist() == [6.0 * i, 6.0 * i + 2, 6.0 * i + 4]

    def test_of_a_python_number_is_what_jax_makes_of_it(self):
        outputs = kept(True, 3, 0.5, 1 + 2j, float("nan"), 1e300, 2**80, np.float64(0.1)).outputs(
            1, 10
        )
        assert [(output.dtype, output.values) for output in outputs] == [
            ("bool", True),
            ("int32", 3),
            ("float32", 0.5),
            ("complex64", [1.0, 2.0]),
            ("float32", "nan"),
            ("float32", "inf"),
            ("int", str(2**80)),
            ("float64", 0.1),
        ]
        assert all(output.shape == [] and output.shards == [] for output in outputs)

    def test_of_any_other_object_has_its_types_name(self):
        outputs = kept("a", math.sin, [1]).outputs(1, 10)
        assert [output.dtype for output in outputs] == ["str", "builtin_function_or_method", "list"]
        assert all(output.shape == [] and output.shards == [] for output in outputs)

    def test_that_is_larger_has_a_summary_and_no_values(self):
        small, large = kept(jnp.arange(10), jnp.arange(11)).outputs(1, 10)
        assert small.values == list(range(10))
        assert small.summary is None
        assert large.values is None
        assert (large.summary.minimum, large.summary.maximum) == (0, 10)
        assert large.summary.mean == 5.0
        assert large.summary.exact

    def test_that_leaked_from_a_trace_is_text(self):
        leaked = []
        jax.make_jaxpr(lambda x: leaked.append(x) or x)(1.0)
        (output,) = kept(leaked[0]).outputs(1, 10)
        assert "Tracer" in output.dtype
        assert isinstance(output.values, str)


class TestTheStore:
    def test_keeps_the_newest_two(self):
        store = ResultStore()
        for result in (4, 7, 9):
            store.keep(result, [("", jnp.zeros(2))])
        assert store.outputs(7, 10)[0].values == store.outputs(9, 10)[0].values == [0.0, 0.0]
        for use in (
            lambda: store.outputs(4, 10),
            lambda: store.window(request(0, None, [(0, 2)], result=4)),
            lambda: next(store.summaries(Summarize(id=1, result=4, leaf=0))),
        ):
            with pytest.raises(Diagnosed, match="result 4 is no longer kept"):
                use()

    def test_lets_the_memory_of_older_results_go(self):
        store = ResultStore()
        before = len(jax.live_arrays())
        for result in range(1, 6):
            store.keep(result, [("", jnp.zeros(3) + result)])
        assert len(jax.live_arrays()) - before <= 4  # each leaf, and its only block

    def test_names_the_outputs_there_are(self):
        with pytest.raises(Diagnosed, match="has 1 outputs; there is no 1"):
            kept(1.0).window(request(None, None, [], leaf=1))

    def test_says_when_an_output_was_donated_or_deleted(self):
        late, early = jnp.arange(8.0), jnp.arange(4.0)
        early.delete()
        store = kept(late=late, early=early)
        assert store.window(request(None, 0, [(0, 8)])).cells[0][3] == 3.0
        late.delete()
        for leaf, name in enumerate(["late", "early"]):
            uses = (
                lambda leaf=leaf: store.window(request(None, 0, [(0, 4)], leaf=leaf)),
                lambda leaf=leaf: list(store.summaries(Summarize(id=1, result=1, leaf=leaf))),
                lambda: store.outputs(1, 10),
            )
            for use in uses[:2]:
                with pytest.raises(Diagnosed, match=f"output {name} was deleted"):
                    use()
            with pytest.raises(Diagnosed, match="was deleted"):
                uses[2]()

    def test_is_not_disturbed_by_debugging_modes_of_the_users(self, monkeypatch):
        monkeypatch.setattr(blocks, "WHOLE", -1)
        monkeypatch.setattr(blocks.Block, "platform", "gpu")
        store = kept(jnp.array([jnp.nan, 1.0, 2.0]))
        with jax.debug_nans(True), jax.disable_jit(), jax.transfer_guard("disallow"):
            assert store.window(request(None, 0, [(1, 3)])).cells == [[1.0, 2.0]]
            assert math.isnan(store.window(request(None, 0, [(0, 3)])).cells[0][0])
            *_, summary = store.summaries(Summarize(id=1, result=1, leaf=0))
        assert (summary.mean, summary.non_finite) == (1.5, 1)


class TestWhatOtherProcessesHold:
    """Only a part of the shards is addressable, as in a program of several processes."""

    @pytest.fixture
    def store(self, monkeypatch) -> ResultStore:
        whole = np.arange(32.0, dtype=np.float32).reshape(8, 4)
        mesh = Mesh(np.array(jax.devices()), ("x",))
        array = jax.device_put(whole, NamedSharding(mesh, PartitionSpec("x")))
        here = SimpleNamespace(
            shape=array.shape,
            dtype=array.dtype,
            addressable_shards=array.addressable_shards[:4],
            is_deleted=lambda: False,
        )
        store = ResultStore()
        store.keep(1, [])
        store._results[1] = [results._keep_array("y", here)]
        return store

    def test_can_be_read_as_far_as_it_is_here(self, store):
        read = store.window(request(0, 1, [(1, 3), (0, 2)]))
        assert read.cells == [[4.0, 5.0], [8.0, 9.0]]
        assert store.window(request(0, 1, [(0, 1), (0, 4)], device=3)).cells[0][0] == 12.0

    def test_is_diagnosed_where_it_is_not_here(self, store):
        with pytest.raises(Diagnosed, match=r"other processes hold .* holds 0, 1, 2, 3"):
            store.window(request(0, 1, [(3, 5), (0, 2)]))
        with pytest.raises(Diagnosed, match="device 6 holds nothing"):
            store.window(request(0, 1, [(0, 1), (0, 2)], device=6))

    def test_has_no_values_and_a_summary_of_what_is_here(self, store):
        (output,) = store.outputs(1, 100)
        assert (output.values, output.shape) == (None, [8, 4])
        assert (output.summary.maximum, output.summary.count) == (15.0, 32)
        assert not output.summary.exact


def held(store: ResultStore) -> list[int]:
    """The results from 1 to 9 that are kept."""
    found = []
    for result in range(1, 10):
        with contextlib.suppress(Diagnosed):
            store.leaves(result)
            found.append(result)
    return found


def test_a_result_can_be_held_beside_the_newest() -> None:
    store = ResultStore()
    for result in (1, 2):
        store.keep(result, [("", np.arange(result))])
    store.hold(1)
    for result in (3, 4, 5):
        store.keep(result, [("", np.arange(result))])
    assert held(store) == [1, 4, 5]
    store.hold(4)
    assert held(store) == [4, 5]
    store.keep(6, [("", np.arange(6))])
    store.hold(0)
    assert held(store) == [5, 6]


def test_a_large_result_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultStore()
    store.keep(1, [("", np.zeros(2_000_000))])  # 16 MB
    for free, expected in ((16_000_000 * 9, [1, 3, 4]), (16_000_000 * 7, [3, 4])):
        monkeypatch.setattr(devices, "available_memory", lambda free=free: free)
        store.hold(1)
        store.keep(3, [("", np.zeros(1))])
        store.keep(4, [("", np.zeros(1))])
        assert held(store) == expected


# ------------------------------------------------------------- values that come with the result


def shown(store: ResultStore, small: int) -> list[bool]:
    """Which outputs come with their values."""
    return [output.values is not None for output in store.outputs(1, None, small)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_come_with_a_result_are_the_cells_of_its_window(dtype):
    store = kept(jnp.asarray(random_elements(dtype, (5, 7), seed=3)))
    outputs = store.outputs(1, None, 35)
    report = ProgramReport(inputs=[], layers=[], outputs=outputs)
    ran = decode_event(
        frame(Ran(id=1, result=1, report=report, flow=made_events.flow(), seconds=0.0))[4:]
    )
    window = decode_event(frame(store.window(request(0, 1, [(0, 5), (0, 7)])))[4:])
    assert isinstance(window, WindowRead)
    assert isinstance(ran, Ran)
    wanted = WindowRequest(device=None, rows=0, columns=1, index=((0, 5), (0, 7)))
    cells = cells_of_values(Source(1, 0, ran.report.outputs[0], {}), wanted)
    assert repr(cells) == repr(window.cells)


def test_only_what_is_small_comes_with_a_result():
    store = kept(jnp.arange(6), jnp.arange(100), jnp.arange(5), "words", jnp.zeros((0, 3)))
    assert shown(store, 0) == [False] * 5
    assert shown(store, 10) == [True, False, False, False, False]
    assert shown(store, 11) == [True, False, True, False, False]
    assert shown(store, 1000) == [True, True, True, False, False]


def test_what_cannot_be_read_is_no_obstacle_to_a_result():
    deleted = jnp.arange(6)
    store = kept(deleted, jnp.arange(5))
    deleted.delete()
    assert shown(store, 100) == [False, True]
