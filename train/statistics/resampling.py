"""Bootstrap intervals of anything computed from crossed factors, such as training seeds × test days.

What is computed depends on the factors through weights only: how often each seed and each day was drawn. Each resample draws every factor
with replacement, *crossed*: one draw of the days for all seeds together, because every seed is scored on the same days. Drawing days afresh
within each seed would treat a difficult day as bad luck of one seed, and understate how much the result depends on the days.

What is drawn is a *level* of a factor, with all units that belong to it. Each seed is a level. Each day is one as well, unless ``blocks``
say which days go together: splits are made of whole weeks, days of a week are alike, and seven days that share their weather are less
evidence than seven independent ones. With weeks for blocks, whole weeks are drawn, and left out by the jackknife.

**Why the percentiles are stretched.** With ten seeds the plain percentile interval covers about 90% instead of 95%, for two reasons that
add up: the spread of a resample of n levels is that of the sample with n in the denominator instead of n − 1, and the spread is itself
an estimate from few levels. Where neither seeds nor days matter it covers more than 99%, because crossed resampling counts the noise of
single scores three times (Owen, *The pigeonhole bootstrap*, 2007). So each end is moved away from the centre, or towards it, by one factor:

    (t quantile with ν degrees of freedom / normal quantile) · √(V / V*),

V* the variance of the resamples and V an estimate without either bias. Let Vₖ be the jackknife variance over factor k alone, which has nₖ
levels. The noise is W = V* − Σ (nₖ − 1)/nₖ Vₖ, cut off at 0, and counted once for each factor in Σ Vₖ, so that V = Σ Vₖ − W for two
factors; ν is Satterthwaite's, V² / Σ (Vₖ² / (nₖ − 1)). Asymmetry of the resamples is kept. A factor of one level says nothing about its own
spread and is left out: the result then holds for that level, one seed, one day or one week. (Falling back to the days of a single week was
rejected: it would claim to know how weeks differ.) Where no factor has two levels the interval has no width, and p-values are 1.

**Measured** with 10 seeds × 112 days (``test_statistics_coverage.py``), ± 1.4 points: 93.9 to 95.6% for means and IQMs of normal
effects, whether seeds dominate, days do, both count or there is one policy without randomness; 93.5 to 95.9% for the IQM of exponential
effects. Of the mean of exponential effects of seeds it is about 91%: ten draws do not tell how long such a tail is, and no interval made of
them can. Where days of a week are alike and the 16 weeks are drawn it is 94.0 to 95.9%, and 94.0 to 94.6% for the IQM of exponential
effects; days drawn alone would cover 80 to 88% where a fifth of the variance of days is that of weeks, and about 70% where half of it is.

**Where trainings collapse they cover less.** Let one training in ten collapse to a regret of 1 while the others leave 0.05. Intervals of 10
seeds then cover about 64% for the mean and 69% for the IQM, of 5 seeds 38 and 80%, instead of 95%. No interval mends that: in 0.9¹⁰ = 35%
of all studies none of the ten seeds has collapsed, and nothing in the sample tells that one can. So tables show the worst seed beside the
interval, data hold the mean of each seed, and below :data:`~.intervals.FEW_SEEDS` seeds no interval is printed.

**What is possible.** A regret is not negative, but ends made by stretching may be: :meth:`Interval.of_regret` cuts them off at zero, a
share's are cut off at 0 and 1. A difference of two regrets has no such bound.

Tried and dropped, measured by ``benchmarks/intervals.py`` with 2,000 tables of 10 seeds × 112 days (± 1 point) and 400 resamples
(1,000 for the first three means; noise alone has 1,000 tables and 300 resamples), in % covered and, in brackets, mean width over that of
the intervals here:

==========================  =====  ===========  ============  ============  ============  ============
seeds and days              here   percentile   BCa           bootstrap-t   Student       wider
==========================  =====  ===========  ============  ============  ============  ============
one in ten collapses, mean  63.9   63.4 (0.8)   62.6 (1.0)    63.9 (10.7)   63.9 (1.1)    63.9 (1.0)
the same, IQM               68.7   89.5 (1.9)   87.6 (2.4)    88.9 (2.8)    92.2 (1.15)   91.8 (1.9)
normal, mean                94.0   92.0 (0.9)   92.0 (0.9)    94.0 (1.0)    94.2 (1.0)    94.0 (1.0)
normal, IQM                 94.5   93.1 (0.9)   92.4 (0.9)    94.2 (1.0)    95.0 (1.0)    94.5 (1.0)
seeds dominate, mean        94.1   89.5 (0.8)   89.5 (0.8)    94.6 (1.1)    94.5 (1.0)    94.1 (1.0)
seeds dominate, IQM         95.3   93.2 (0.9)   93.3 (0.9)    94.7 (1.2)    94.5 (1.0)    95.3 (1.0)
exponential, mean           92.8   91.3 (0.9)   91.7 (0.9)    94.1 (1.1)    93.1 (1.0)    93.0 (1.0)
exponential, IQM            92.8   92.0 (0.95)  92.2 (0.96)   94.0 (1.1)    93.1 (1.0)    93.1 (1.0)
exponential seeds, mean     89.3   86.0 (0.8)   86.2 (0.9)    92.7 (1.3)    89.4 (1.0)    89.3 (1.0)
exponential seeds, IQM      93.0   91.5 (0.9)   92.0 (0.9)    94.4 (1.2)    91.9 (1.0)    93.1 (1.0)
noise alone, mean           98.8   99.5 (1.2)   99.5 (1.2)    97.8 (0.9)    98.6 (1.0)    99.5 (1.2)
==========================  =====  ===========  ============  ============  ============  ============

*Student* is centre ± t √V, *wider* never stretches by less than 1. No kind covers the mean where trainings collapse. Of the IQM all but the
one here cover about 90%: here a stretch below 1 pulls the lower end up where the jackknife sees one collapse hardly at all. Student's loses
one point where seeds are skewed and dominate, and the asymmetry that says which way a tail goes; *wider* counts the noise of single scores
three times again; bootstrap-t is up to eleven times as wide. Where the IQM of few trainings that may collapse is at stake, look at the
worst seed, not at any interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from ...envs.arrays import Array

Levels = NDArray[np.intp]
"""Which level of a factor each of its units belongs to, 0 to nₖ − 1, shape (units of k,)."""
Weighted = Callable[[Sequence[Array]], Array]
"""Maps weights, shape (R, units of k) for each factor k, to values of shape (R, ...); all ones is the sample itself."""

N_RESAMPLES: Final = 10_000
"""Bootstrap resamples: the ends of a 95% interval then move by about 1% of its width from one generator to another."""

_AT_ONCE: Final = 500  # resamples computed together: 10 seeds × 100 days of weights are then 4 MB


@dataclass(frozen=True)
class Interval:
    """A central value with the ends of its confidence interval, all in the unit of the scores.

    Attributes:
        centre: The statistic of the scores themselves.
        low: Lower end.
        high: Upper end.
    """

    centre: float
    low: float
    high: float

    @property
    def is_clear_of_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

    def within(self, low: float, high: float) -> Interval:
        """Return the interval with ends cut off at what is possible at all."""
        return Interval(self.centre, max(self.low, low), min(self.high, high))

    def of_regret(self) -> Interval:
        """Return the interval of a regret, cut off at zero: no charge earns more than the optimum.

        The centre may be below zero by what is left of an optimum's proof; the lower end is then the centre.
        """
        return self.within(min(0.0, self.centre), float("inf"))

    @property
    def has_ends(self) -> bool:
        """Whether the ends are known."""
        return bool(np.isfinite([self.low, self.high]).all())

    def without_ends(self) -> Interval:
        """Return the centre alone, where there are too few levels to say how far it is from the truth: the ends are NaN."""
        return Interval(self.centre, float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Resamples:
    """What a statistic was in each resample, and what to make of its spread; made by :func:`resample`.

    Attributes:
        centre: The statistic of the sample.
        values: That of each resample, shape (R,).
        variance_ratio: V / V* of this module's docstring.
        degrees_of_freedom: ν there; infinite where nothing varies, 0 where no factor has two levels and nothing is known of the spread.
    """

    centre: float
    values: Array
    variance_ratio: float
    degrees_of_freedom: float

    def interval(self, level: float = 0.95) -> Interval:
        """Return the interval that covers the true value with probability ``level``.

        Raises:
            ValueError: If ``level`` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie between 0 and 1, got {level}.")
        stretch = self._stretch(1 - level)
        low, high = np.quantile(self.values, [(1 - level) / 2, (1 + level) / 2])
        return Interval(
            self.centre, self.centre + stretch * (float(low) - self.centre), self.centre + stretch * (float(high) - self.centre)
        )

    def p_value(self) -> float:
        """Return the two-sided p-value of a true value of zero: one less the level at which the interval's end is zero.

        It is at least 2 / (R + 1): no quantile further out is known. It is 1 where no factor has two levels.
        """
        if self.centre == 0 or self.degrees_of_freedom == 0:
            return 1.0
        least, most = 2 / (self.values.size + 1), 0.999
        for _ in range(40):
            alpha = float(np.sqrt(least * most))
            least, most = (least, alpha) if self.interval(1 - alpha).is_clear_of_zero else (alpha, most)
        return most

    def _stretch(self, alpha: float) -> float:
        known = 0 < self.degrees_of_freedom < np.inf
        student = stdtrit(self.degrees_of_freedom, 1 - alpha / 2) if known else ndtri(1 - alpha / 2)
        return float(student / ndtri(1 - alpha / 2) * np.sqrt(self.variance_ratio))


def levels_of(n_units: int, blocks: ArrayLike | None = None) -> Levels:
    """Return the level of each unit of a factor, shape (n_units,): one for each block, or one for each unit where there are no blocks.

    Args:
        n_units: How many units, days for instance.
        blocks: Shape (n_units,): units with equal entries, such as the number of a week, are of one level.

    Raises:
        ValueError: If ``blocks`` do not have one entry for each unit.
    """
    if blocks is None:
        return np.arange(n_units)
    given = np.asarray(blocks)
    if given.shape != (n_units,):
        raise ValueError(f"`blocks` must have one entry for each day, shape ({n_units},), got shape {given.shape}.")
    return np.unique(given, return_inverse=True)[1]


def resample(
    value: Weighted, factors: Sequence[Levels], generator: np.random.Generator, *, n_resamples: int = N_RESAMPLES
) -> list[Resamples]:
    """Draw crossed resamples of a statistic, or of several at once.

    Args:
        value: The statistic, of shape (R,) or (R, K) for K of them.
        factors: The level of each unit of each factor, as :func:`levels_of` returns them; units of a level are drawn together.
        generator: Draws the levels.
        n_resamples: How many resamples.

    Returns:
        One for each of the K statistics.

    Raises:
        ValueError: If ``n_resamples`` or the number of units of a factor is below 1.
    """
    units = tuple(each.size for each in factors)
    if n_resamples < 1 or min(units) < 1:
        raise ValueError(f"`n_resamples` and the units of all factors must be at least 1, got {n_resamples} and {units}.")
    drawn = []
    for start in range(0, n_resamples, _AT_ONCE):
        count = min(_AT_ONCE, n_resamples - start)
        drawn.append(_columns(value([_drawn(_count(each), count, generator)[:, each] for each in factors])))
    values = np.concatenate(drawn)
    centre = _columns(value([np.ones((1, size)) for size in units]))[0]
    left_out = [_columns(value(_without_each(factors, factor))) for factor, each in enumerate(factors) if _count(each) > 1]
    return [_judged(float(centre[k]), values[:, k], [each[:, k] for each in left_out]) for k in range(centre.size)]


def _count(factor: Levels) -> int:
    """Return the number of levels."""
    return int(factor.max()) + 1


def _drawn(size: int, count: int, generator: np.random.Generator) -> Array:
    """Return how often each of so many levels came in draws with replacement, shape (count, size)."""
    which = generator.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
    return np.bincount(which.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _columns(values: Array) -> Array:
    """Return values of shape (R,) or (R, K) as (R, K)."""
    return values.reshape(values.shape[0], -1)


def _without_each(factors: Sequence[Levels], factor: int) -> list[Array]:
    """Return weights that leave out each level of one factor in turn, with all units that belong to it."""
    rows = _count(factors[factor])
    return [1.0 - np.eye(rows)[:, each] if place == factor else np.ones((rows, each.size)) for place, each in enumerate(factors)]


def _judged(centre: float, values: Array, left_out: Sequence[Array]) -> Resamples:
    """Return resamples with the ratio and the degrees of freedom of this module's docstring.

    Args:
        centre: The statistic of the sample.
        values: Of each resample.
        left_out: For each factor with several levels, the statistic without each of them, shape (nₖ,).
    """
    if not left_out:
        return Resamples(centre, values, 1.0, 0.0)
    sizes = np.array([each.size for each in left_out], dtype=np.float64)
    jackknife = np.array([(each.size - 1) / each.size * float(np.sum((each - each.mean()) ** 2)) for each in left_out])
    of_resamples, smallest = float(values.var()), float(np.finfo(np.float64).eps) * max(1.0, abs(centre))
    if of_resamples <= smallest**2 or jackknife.sum() <= smallest**2:
        return Resamples(centre, values, 1.0, float("inf"))
    noise = max(0.0, of_resamples - float(np.sum((sizes - 1) / sizes * jackknife)))
    unbiased = max(float(jackknife.sum()) - noise * (len(left_out) > 1), float(jackknife.max()) / 2)
    freedom = unbiased**2 / float(np.sum(jackknife**2 / (sizes - 1)))
    return Resamples(centre, values, unbiased / of_resamples, max(1.0, freedom))
