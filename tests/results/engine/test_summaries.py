"""Statistics agree with exact arithmetic, within bounds on time and memory."""

from __future__ import annotations

import math
import tracemalloc
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.results.engine import blocks
from jaxtui.results.engine import summaries as statistics
from jaxtui.results.engine.blocks import cut_up
from jaxtui.results.engine.store import ResultStore
from jaxtui.wire.results import Summarize

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
NARROW = [name for name in ("int2", "uint2", "int4", "uint4") if hasattr(jnp, name)]
COMPLEX = ["complex64", "complex128"]
DTYPES = ["bool", *INTEGERS, *FLOATS, *NARROW, *COMPLEX]

examples = settings(deadline=None, max_examples=100)


def kept(*values) -> ResultStore:
    store = ResultStore()
    store.keep(1, [("", value) for value in values])
    return store


def all_summaries(store, leaf=0, device=None):
    steps = store.summaries(Summarize(id=1, result=1, leaf=leaf, device=device))
    return [summary for summary in steps if summary is not None]


def summarized(value, device=None):
    (summary,) = all_summaries(kept(value), device=device)
    return summary


def real_parts(elements: np.ndarray) -> list[list[complex]]:
    flat = elements.reshape(-1).tolist()
    if np.iscomplexobj(elements):
        finite = [z for z in flat if math.isfinite(z.real) and math.isfinite(z.imag)]
        return [[z.real for z in finite], [z.imag for z in finite]]
    return [[x for x in flat if isinstance(x, int) or math.isfinite(x)]]


def root(square: Fraction) -> float:
    """Return the square root as a float; the square may be out of the range of floats."""
    if square == 0:
        return 0.0
    shift = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(square / Fraction(4) ** shift), shift)


def exact(elements: np.ndarray):
    """Return minimum, maximum, mean, std and non-finite count, computed with rationals."""
    parts = real_parts(elements)
    lost = elements.size - len(parts[0])
    if not parts[0]:
        return None, None, None, None, lost
    means = [sum(map(Fraction, part)) / len(part) for part in parts]
    square = sum(
        sum((Fraction(x) - mean) ** 2 for x in part) / len(part)
        for part, mean in zip(parts, means, strict=True)
    )
    if len(parts) == 2:
        return None, None, [float(mean) for mean in means], root(square), lost
    return min(parts[0]), max(parts[0]), float(means[0]), root(square), lost


def assert_summary(summary, elements, tolerance=1e-12):
    minimum, maximum, mean, std, lost = exact(elements)
    assert (summary.minimum, summary.maximum) == (minimum, maximum)
    assert type(summary.minimum) is type(minimum)
    assert (summary.non_finite, summary.count, summary.exact) == (lost, elements.size, True)
    if mean is None:
        assert (summary.mean, summary.std) == (None, None)
        return
    # Where terms cancel, a sum is only as precise as its terms.
    reach = max(map(abs, [x for part in real_parts(elements) for x in part]))
    assert summary.mean == pytest.approx(mean, rel=tolerance, abs=tolerance * float(reach))
    assert summary.std == pytest.approx(std, rel=1e-9, abs=tolerance * float(reach))


def without_subnormals(elements: np.ndarray) -> np.ndarray:
    """Return `elements` with zeros in place of subnormals, as XLA on CPU sees them."""
    if elements.dtype == np.complex64:
        parts = without_subnormals(elements.reshape(-1).view(np.float32))
        return parts.view(np.complex64).reshape(elements.shape)
    if elements.dtype.name not in FLOATS:
        return elements
    tiny = float(jnp.finfo(elements.dtype).smallest_normal)
    with np.errstate(all="ignore"):
        small = np.abs(elements.astype(np.float64)) < tiny
    return np.where(small, np.zeros((), elements.dtype), elements)


@st.composite
def arrays(draw, dtypes=DTYPES, subnormals=True):
    """Arrays of random bit patterns, of close values far from zero, or of equal elements."""
    kind = jnp.dtype(draw(st.sampled_from(dtypes)))
    shape = tuple(draw(st.lists(st.integers(0, 6), max_size=4)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    how = draw(st.sampled_from(["bits", "close", "alike"]))
    if kind == np.bool_:
        return generator.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    if kind.name in NARROW:
        return generator.integers(0, 2, shape).astype(kind)
    size = math.prod(shape)
    elements = np.frombuffer(generator.bytes(size * kind.itemsize), dtype=kind).reshape(shape)
    if how != "bits" and size:
        elements = np.full(shape, elements.reshape(-1)[0])
        if how == "close" and kind.name in INTEGERS:
            elements = elements ^ generator.integers(0, 4, shape).astype(kind)
    return elements if subnormals else without_subnormals(elements)


class TestASummary:
    @examples
    @given(arrays())
    def test_is_exact_for_any_dtype(self, elements):
        assert_summary(summarized(elements), elements)

    @examples
    @given(arrays(), st.integers(1, 7))
    def test_does_not_depend_on_how_the_array_is_cut_up(self, elements, size):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(statistics, "PART", size)
            assert_summary(summarized(elements), elements)

    @settings(deadline=None, max_examples=30)
    @given(
        arrays(
            dtypes=["bool", "int8", "int4", "uint32", "int64", "bfloat16", "float64", "complex64"],
            subnormals=False,
        ),
        st.integers(2, 50),
    )
    @pytest.mark.long
    def test_is_the_same_when_it_is_reduced_on_the_device(self, elements, size):
        with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
            array = jnp.asarray(elements)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(statistics, "DEVICE_PART", size)
            patch.setattr(blocks.Block, "platform", "gpu")
            assert_summary(summarized(array), elements)

    @pytest.mark.parametrize("dtype", ["int8", "int4", "float32", "complex64", "bool"])
    def test_on_the_device_transfers_no_elements(self, dtype, monkeypatch):
        monkeypatch.setattr(blocks.Block, "platform", "gpu")
        monkeypatch.setattr(blocks.Block, "read", None)
        monkeypatch.setattr(blocks.Block, "take", None)
        assert summarized(jnp.ones((64, 64), dtype)).count == 4096

    def test_counts_what_is_replicated_once(self):
        mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))
        elements = np.arange(24.0, dtype=np.float32).reshape(8, 3)
        elements[0, 0] = np.nan
        for spec in (PartitionSpec(), PartitionSpec("x"), PartitionSpec(("x", "y"))):
            assert_summary(
                summarized(jax.device_put(elements, NamedSharding(mesh, spec))), elements
            )

    def test_of_a_device_is_that_of_its_own_block(self):
        mesh = Mesh(np.array(jax.devices()), ("x",))
        elements = np.arange(32).reshape(8, 4)
        array = jax.device_put(jnp.asarray(elements), NamedSharding(mesh, PartitionSpec("x")))
        for device in (0, 5):
            assert_summary(summarized(array, device), elements[device : device + 1])
        with pytest.raises(Diagnosed, match="device 9 holds nothing"):
            summarized(array, 9)

    def test_does_not_overflow_where_a_sum_or_a_square_would(self):
        top = np.iinfo(np.int64).max
        assert summarized(np.full(9, top)).mean == float(top)
        assert summarized(np.full(9, np.iinfo(np.uint64).max)).maximum == 2**64 - 1
        extremes = np.array([-top - 1, top])
        assert_summary(summarized(extremes), extremes)
        huge = np.finfo(np.float64).max
        assert summarized(np.array([huge, -huge, huge, -huge])).std == huge
        assert summarized(np.array([huge, huge])).mean == huge
        assert summarized(np.array([5e-324, 0.0])).std == pytest.approx(5e-324)
        assert summarized(np.array([1e-200, 3e-200])).std == pytest.approx(1e-200, rel=1e-12)

    def test_keeps_small_differences_of_large_values(self):
        for offset in (2**62, -(2**62)):
            elements = offset + np.arange(1000)
            assert summarized(elements).std == pytest.approx(np.std(np.arange(1000)), rel=1e-13)
        elements = 1e9 + np.random.default_rng(0).normal(size=500_000)
        assert summarized(elements).std == pytest.approx(np.std(elements - 1e9), rel=1e-9)

    @pytest.mark.parametrize("value", [0.1, -1e300, 3, True])
    def test_of_equal_elements_is_that_element_with_no_deviation(self, value):
        summary = summarized(np.full(400_003, value))
        assert (summary.minimum, summary.maximum, summary.std) == (value, value, 0.0)
        assert summary.mean == value

    def test_of_nothing_finite_has_only_counts(self):
        for elements in (np.zeros((0, 3)), np.full(5, np.nan), np.array([np.inf, -np.inf])):
            summary = summarized(elements)
            assert (summary.minimum, summary.maximum, summary.mean, summary.std) == (None,) * 4
            assert (summary.non_finite, summary.count) == (elements.size, elements.size)

    def test_of_keys_and_objects_has_only_the_count(self):
        for value, count in ((jax.random.split(jax.random.key(0), 6), 6), ("text", 1)):
            summary = summarized(value)
            assert (summary.minimum, summary.maximum, summary.mean, summary.std) == (None,) * 4
            assert (summary.count, summary.non_finite) == (count, 0)

    def test_of_any_memory_layout_needs_no_copy_of_it(self):
        elements = np.random.default_rng(0).normal(size=(300, 200, 100)).astype(np.float32)
        swapped = elements.transpose(2, 0, 1)[::2, ::-1]
        wanted = summarized(np.ascontiguousarray(swapped))
        store = kept(swapped)
        tracemalloc.start()
        try:
            (found,) = all_summaries(store)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (found.minimum, found.maximum) == (wanted.minimum, wanted.maximum)
        assert found.mean == pytest.approx(wanted.mean, abs=1e-12)
        assert found.std == pytest.approx(wanted.std, rel=1e-12)
        assert peak < swapped.nbytes / 2


class TestALargeArray:
    @pytest.fixture
    def elements(self) -> np.ndarray:
        generator = np.random.default_rng(1)
        elements = generator.normal(3, 2, size=(3, 1000, 3001)).astype(np.float32)
        elements[generator.random(elements.shape) < 0.1] = np.nan
        return elements

    @pytest.mark.parametrize("sharded", [False, True])
    def test_has_a_sampled_summary_first(self, elements, sharded):
        array = elements[:, :, :3000]
        if sharded:
            mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))
            array = jax.device_put(array, NamedSharding(mesh, PartitionSpec(None, "x")))
        sampled, exact = all_summaries(kept(array))
        assert (sampled.exact, exact.exact) == (False, True)
        assert sampled.count == exact.count == 9_000_000
        assert exact.non_finite == np.isnan(elements[:, :, :3000]).sum()
        assert sampled.non_finite == pytest.approx(exact.non_finite, rel=0.02)
        assert sampled.mean == pytest.approx(3, abs=0.01)
        assert exact.mean == pytest.approx(np.nanmean(array, dtype=np.float64), rel=1e-12)
        assert exact.std == pytest.approx(np.nanstd(np.asarray(array, dtype=np.float64)), rel=1e-10)
        assert exact.minimum <= sampled.minimum < sampled.maximum <= exact.maximum

    def test_is_sampled_on_the_device_where_it_is(self, elements, monkeypatch):
        host, _ = all_summaries(kept(jnp.asarray(elements)))
        monkeypatch.setattr(blocks.Block, "platform", "gpu")
        monkeypatch.setattr(blocks.Block, "read", None)
        device, exact = all_summaries(kept(jnp.asarray(elements)))
        assert device == host
        assert exact.exact

    def test_gives_control_back_often(self, elements):
        steps = list(kept(elements).summaries(Summarize(id=1, result=1, leaf=0)))
        assert not steps[0].exact
        assert steps[-1].exact
        assert steps[1:-1] == [None] * (len(steps) - 2)
        assert len(steps) > elements.size // statistics.PART

    def test_is_given_up_when_it_is_no_longer_kept(self, elements):
        store = kept(elements)
        steps = store.summaries(Summarize(id=1, result=1, leaf=0))
        next(steps)
        for result in (2, 3):
            store.keep(result, [])
        with pytest.raises(Diagnosed, match="no longer kept"):
            next(steps)

    def test_need_not_exist_to_be_sampled(self):
        endless = np.broadcast_to(np.arange(10.0), (10**6, 10**5, 10))
        steps = kept(endless).summaries(Summarize(id=1, result=1, leaf=0))
        sampled = next(steps)
        assert (sampled.minimum, sampled.maximum, sampled.count) == (0.0, 9.0, 10**12)
        assert sampled.mean == pytest.approx(4.5, abs=0.02)
        assert next(steps) is None


class TestCuttingUp:
    @examples
    @given(st.lists(st.integers(0, 9), max_size=4), st.integers(1, 60))
    def test_covers_each_element_once_in_parts_of_limited_size(self, shape, limit):
        seen = np.zeros(shape, int)
        for part in cut_up(shape, limit):
            assert 1 <= math.prod(stop - start for start, stop in part) <= limit
            seen[tuple(slice(*ends) for ends in part)] += 1
        assert (seen == 1).all()

    @pytest.mark.parametrize(
        "shape", [(10**9,), (1000, 1000, 1000), (10**9, 1), (1, 10**9), (7, 131_073, 2)]
    )
    def test_makes_parts_that_are_not_much_smaller_than_they_may_be(self, shape):
        count = sum(1 for _ in cut_up(shape, 2**17))
        assert count <= 2.1 * math.ceil(math.prod(shape) / 2**17) + 1
