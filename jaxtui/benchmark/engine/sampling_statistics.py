"""What samples say: medians and their intervals, paired speed-ups, verdicts.

Samples come in rounds: element i of every arm is of round i, so that arms are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from jaxtui.wire.benchmark_report import Location, Verdict

CONFIDENCE = 0.99
ALPHA = 0.01
LEAST_EFFECT, ONE_COMPILATION = 0.03, 0.05
RESOLUTION = 0.001  # of the smallest effect that a rank test tells
P90_FROM, P99_FROM = 64, 662  # samples; below these a quantile is made of too few of them
Samples = Sequence[float] | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ratio:
    """A paired speed-up with its 99 % interval."""

    value: float
    low: float
    high: float

    @property
    def effect(self) -> float:
        """The relative difference in either direction: 0.25 for a ratio of 1.25 or of 0.8."""
        return math.expm1(abs(math.log(self.value)))

    @property
    def half_width(self) -> float:
        """Half the interval's width, relative: 0.02 is ±2 %."""
        return math.expm1((math.log(self.high) - math.log(self.low)) / 2)


def location(samples: Samples) -> Location:
    """Where `samples` (at least one, in seconds) lie."""
    values = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(values)
    median = float(np.median(values))
    first, third = np.percentile(values, [25, 75])
    below = _order_of_interval(n)
    return Location(
        n=n,
        median=median,
        low=float(values[below]),
        high=float(values[n - 1 - below]),
        mad=float(np.median(np.abs(values - median))),
        iqr=float(third - first),
        min=float(values[0]),
        p90=float(np.percentile(values, 90)) if n >= P90_FROM else None,
        p99=float(np.percentile(values, 99)) if n >= P99_FROM else None,
    )


def _order_of_interval(n: int) -> int:
    """The k for which the k-th smallest and largest of n samples (from 0) bound the median at 99 %.

    As many samples as not lie below the median: the count below it is binomial(n, 1/2). With too
    few samples for 99 % it is 0, the whole range.
    """
    return min(int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)), (n - 1) // 2)


def paired_ratio(baseline: Samples, other: Samples, *, seed: int, resamples: int = 9999) -> Ratio:
    """How many times faster `other` is: exp of the median log-ratio of the rounds.

    The interval is a percentile bootstrap over whole rounds. Raises ValueError for lengths that
    differ.
    """
    logs = np.log(np.asarray(baseline, dtype=np.float64)) - np.log(
        np.asarray(other, dtype=np.float64)
    )
    generator = np.random.default_rng(seed)
    picked = generator.integers(0, len(logs), size=(resamples, len(logs)))
    medians = np.median(logs[picked], axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(medians, [tail, 100 - tail])
    middle = float(np.median(logs))
    # A percentile interval of a median may miss the median itself by rounding only.
    return Ratio(
        math.exp(middle), math.exp(min(float(low), middle)), math.exp(max(float(high), middle))
    )


def mann_whitney(first: Samples, second: Samples) -> float:
    """The two-sided p-value that `first` and `second` are of one distribution.

    By the normal approximation with the corrections for ties and for continuity: where the exact
    test of a few samples does not go below 0.01, it does not either.
    """
    if np.unique(np.concatenate([first, second])).size == 1:
        return 1.0  # SciPy divides by a spread of 0
    return float(stats.mannwhitneyu(first, second, method="asymptotic").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being several (Holm's step-down), in their order."""
    adjusted = [0.0] * len(p_values)
    most = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = most
    return adjusted


def least_effect(compilations: int, control: Ratio | None) -> float:
    """The relative difference that a verdict must exceed.

    It is 3 %, and what the A/A pair (`control`, where there is one) shows of a difference where
    there is none. Two compilations of one program differ by a constant, which a mean over the
    `compilations` of an arm makes smaller by the square root: 5 % for one, 3 % from three on.
    """
    return max(
        LEAST_EFFECT,
        ONE_COMPILATION / math.sqrt(compilations),
        control.effect if control is not None else 0.0,
    )


def smallest_effect(
    baseline: Samples, other: Samples, ratio: Ratio, least: float, *, tests: int
) -> float | None:
    """The smallest relative difference that would have had a verdict in samples as wide as these.

    `least` is that of least_effect(), `tests` how many arms the p-value is adjusted for. None: no
    difference would have, with so few samples.
    """
    separable = _separable(baseline, other, ratio, tests)
    return None if separable is None else max(least, ratio.half_width, separable)


def _separable(baseline: Samples, other: Samples, ratio: Ratio, tests: int) -> float | None:
    """How far `other`, brought level with the baseline, must move for the rank test to tell."""
    first = np.log(np.asarray(baseline, dtype=np.float64))
    level = np.log(np.asarray(other, dtype=np.float64)) + math.log(ratio.value)
    n, m = len(first), len(level)
    differences = np.subtract.outer(first, level).ravel()
    # The test counts those pairs in which `other` is slower: all with a smaller difference.
    apart = np.concatenate([first, level + differences.max() + 1])
    ties = float(stats.tiecorrect(stats.rankdata(apart)))
    spread = math.sqrt(ties * n * m * (n + m + 1) / 12)
    pairs = n * m / 2 + 0.5 + float(stats.norm.isf(ALPHA / tests / 2)) * spread
    if pairs >= n * m:
        return None
    least = float(np.partition(differences, int(pairs))[int(pairs)])
    return math.expm1(max(0.0, math.ceil(least / RESOLUTION) * RESOLUTION))


def verdict(p_value: float, ratio: Ratio, least: float) -> Verdict:
    """In words, given the adjusted p-value: faster or slower only if all three signs agree.

    They are: p < 0.01, an interval without 1, and an effect above that of least_effect().
    """
    apart = ratio.low > 1 or ratio.high < 1
    if p_value < ALPHA and apart and ratio.effect > least:
        return "faster" if ratio.value > 1 else "slower"
    return "within noise"
