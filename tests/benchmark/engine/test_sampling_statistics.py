"""What samples say is what SciPy says of them, and a verdict needs all three signs."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtui.benchmark.engine import sampling_statistics as sampling
from jaxtui.benchmark.engine.sampling_statistics import Ratio

TIMES = st.lists(st.floats(1e-6, 10.0), min_size=2, max_size=40)
# Few different values, so that many are equal.
COARSE = st.lists(st.integers(1, 6).map(lambda n: n / 1000), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(TIMES | COARSE)
def test_location_is_what_scipy_and_numpy_say(samples: list[float]) -> None:
    found = sampling.location(samples)
    assert found.n == len(samples)
    assert found.median == np.median(samples)
    assert found.min == min(samples)
    assert math.isclose(found.mad, scipy.stats.median_abs_deviation(samples), abs_tol=1e-15)
    assert math.isclose(found.iqr, scipy.stats.iqr(samples), abs_tol=1e-15)
    assert found.low <= found.median <= found.high


@pytest.mark.parametrize("n", [1, 2, 5, 8, 10, 25, 26, 64, 101, 700])
def test_the_medians_interval_has_at_least_99_percent_and_not_an_order_more(n: int) -> None:
    ordered = [float(i) for i in range(n)]
    found = sampling.location(ordered)
    below = int(found.low)
    assert found.high == n - 1 - below
    # The median lies outside when at most `below` of n samples fall on one side of it.
    outside = 2 * float(scipy.stats.binom.cdf(below - 1, n, 0.5)) if below else 0.0
    assert outside <= 0.01
    wider = 2 * float(scipy.stats.binom.cdf(below, n, 0.5))
    assert wider > 0.01 or below == (n - 1) // 2


@settings(max_examples=80, deadline=None)
@given(TIMES | COARSE, TIMES | COARSE)
def test_mann_whitney_is_scipys_by_the_normal_approximation(
    first: list[float], second: list[float]
) -> None:
    if len({*first, *second}) == 1:
        assert sampling.mann_whitney(first, second) == 1.0
        return
    expected = scipy.stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert math.isclose(sampling.mann_whitney(first, second), min(1.0, expected), rel_tol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 8, 12])
def test_with_few_samples_it_finds_nothing_that_the_exact_test_does_not(n: int) -> None:
    slow, fast = [1.0 + i / 100 for i in range(n)], [0.5 + i / 100 for i in range(n)]
    exact = scipy.stats.mannwhitneyu(slow, fast, method="exact").pvalue
    assert sampling.mann_whitney(slow, fast) >= 0.01 or exact < 0.01


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), max_size=12))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = sampling.holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert all(a <= 1 for a in adjusted)
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in ranked] == sorted(adjusted)


def test_holm_by_hand() -> None:
    assert sampling.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_paired_intervals_are_scipys_bootstrap() -> None:
    generator = np.random.default_rng(3)
    drift = np.exp(generator.normal(0, 0.5, 30))  # both arms feel it: pairs do not
    baseline = drift * np.exp(generator.normal(0, 0.02, 30))
    other = 0.8 * drift * np.exp(generator.normal(0, 0.02, 30))
    found = sampling.paired_ratio(baseline, other, seed=1)
    expected: Any = scipy.stats.bootstrap(
        (np.log(baseline / other),),
        np.median,
        confidence_level=0.99,
        method="percentile",
        random_state=1,
    ).confidence_interval
    assert found.value == pytest.approx(1.25, rel=0.02)
    assert found.low == pytest.approx(math.exp(expected.low), rel=0.005)
    assert found.high == pytest.approx(math.exp(expected.high), rel=0.005)
    assert found.low <= found.value <= found.high


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = [1.0, 1.1, 0.9, 1.2], [1.0, 1.05, 0.95, 1.3]
    assert sampling.paired_ratio(first, second, seed=5) == sampling.paired_ratio(
        first, second, seed=5
    )


def test_a_ratio_says_its_effect_alike_in_both_directions() -> None:
    assert Ratio(1.25, 1.2, 1.3).effect == pytest.approx(Ratio(0.8, 0.7, 0.9).effect)
    assert Ratio(1.0, 0.98, 1 / 0.98).half_width == pytest.approx(0.0204, abs=1e-4)


CLEAR = Ratio(1.3, 1.25, 1.35)
SILENT = Ratio(1.005, 0.99, 1.02)


@pytest.mark.parametrize(
    ("p_value", "ratio", "control", "expected"),
    [
        (0.001, CLEAR, SILENT, "faster"),
        (0.001, Ratio(0.7, 0.6, 0.8), SILENT, "slower"),
        (0.02, CLEAR, SILENT, "within noise"),
        (0.001, Ratio(1.3, 0.99, 1.6), SILENT, "within noise"),
        (0.001, Ratio(1.02, 1.01, 1.03), SILENT, "within noise"),
        (0.001, CLEAR, Ratio(1.4, 1.3, 1.5), "within noise"),
        (0.001, CLEAR, Ratio(0.7, 0.6, 0.8), "within noise"),
        (0.001, CLEAR, None, "faster"),
    ],
)
def test_a_verdict_needs_a_low_p_an_interval_without_1_and_an_effect_above_noise(
    p_value: float, ratio: Ratio, control: Ratio | None, expected: str
) -> None:
    assert sampling.verdict(p_value, ratio, sampling.least_effect(3, control)) == expected


@pytest.mark.parametrize(
    ("compilations", "control", "least"),
    [
        (3, None, 0.03),
        (3, SILENT, 0.03),
        (10, SILENT, 0.03),
        (1, None, 0.05),
        (2, None, 0.05 / math.sqrt(2)),
        (3, Ratio(1 / 1.2, 0.8, 0.9), 0.2),
        (1, Ratio(1.04, 1.03, 1.05), 0.05),
    ],
)
def test_an_effect_must_exceed_3_percent_what_one_compilation_may_do_and_the_control(
    compilations: int, control: Ratio | None, least: float
) -> None:
    assert sampling.least_effect(compilations, control) == pytest.approx(least)
    for value, verdict in ((1 + least * 1.01, "faster"), (1 + least * 0.99, "within noise")):
        ratio = Ratio(value, value - 0.001, value + 0.001)
        said = sampling.verdict(0.001, ratio, sampling.least_effect(compilations, control))
        assert said == verdict


def test_the_smallest_effect_is_at_least_3_percent_the_control_and_the_interval() -> None:
    steady = [1.0 + i / 1e5 for i in range(25)]

    def seen(ratio: Ratio, control: Ratio | None) -> float | None:
        least = sampling.least_effect(3, control)
        return sampling.smallest_effect(steady, steady, ratio, least, tests=1)

    assert seen(Ratio(1, 0.999, 1.001), None) == 0.03
    assert seen(Ratio(1, 0.999, 1.001), Ratio(1.2, 1, 1.3)) == pytest.approx(0.2)
    assert seen(Ratio(1, 0.9, 1.1), SILENT) == pytest.approx(0.1055, abs=1e-3)


@pytest.mark.parametrize("tests", [1, 8])
def test_an_effect_of_the_smallest_size_would_have_had_a_low_p_and_a_smaller_one_not(
    tests: int,
) -> None:
    generator = np.random.default_rng(2)
    baseline, other = (np.exp(generator.normal(0, 0.2, 25)) for _ in range(2))
    ratio = sampling.paired_ratio(baseline, other, seed=0)
    narrow = Ratio(ratio.value, ratio.value, ratio.value)
    seen = sampling.smallest_effect(baseline, other, narrow, 0.03, tests=tests)
    assert seen is not None
    for factor, found in ((1 + seen, True), (1 + seen * 0.95, False)):
        slower = other * ratio.value * factor
        assert (sampling.mann_whitney(baseline, slower) * tests < 0.01) == found


def test_with_too_few_rounds_no_effect_can_be_seen() -> None:
    few = [1.0, 1.1, 1.2]
    assert sampling.smallest_effect(few, few, SILENT, 0.03, tests=1) is None


def test_quantiles_are_told_only_of_enough_samples() -> None:
    samples = [random.Random(0).random() + 1 for _ in range(662)]
    assert sampling.location(samples[:63]).p90 is None
    assert sampling.location(samples[:64]).p90 is not None
    assert sampling.location(samples[:661]).p99 is None
    assert sampling.location(samples).p99 == pytest.approx(np.percentile(samples, 99))


def test_identical_arms_seldom_get_a_verdict_and_a_quarter_faster_ones_do() -> None:
    generator = np.random.default_rng(7)
    wrong = right = 0
    for _ in range(200):
        drift = np.exp(generator.normal(0, 0.2, 25))
        a, again, same = (drift * np.exp(generator.gamma(2, 0.02, 25)) for _ in range(3))
        quicker = drift / 1.25 * np.exp(generator.gamma(2, 0.02, 25))
        control = sampling.paired_ratio(a, again, seed=0, resamples=499)
        for other, faster in ((same, False), (quicker, True)):
            ratio = sampling.paired_ratio(a, other, seed=0, resamples=499)
            least = sampling.least_effect(3, control)
            said = sampling.verdict(sampling.mann_whitney(a, other), ratio, least)
            wrong += not faster and said != "within noise"
            right += faster and said == "faster"
    assert wrong <= 2
    assert right >= 150
