"""Bootstrap intervals of anything computed from crossed factors, such as training seeds × test days.

What is computed depends on the factors through weights only: how often each seed and each day was drawn. Each resample draws every factor
with replacement, *crossed*: one draw of the days for all seeds together, because every seed is scored on the same days. Drawing days afresh
within each seed would treat a difficult day as bad luck of one seed, and understate how much the result depends on the days.

**Why the percentiles are stretched.** With ten seeds the plain percentile interval covers about 90% instead of 95%, for two reasons that
add up: the spread of a resample of n levels is that of the sample with n in the denominator instead of n − 1, and the spread is itself
an estimate from few levels. Where neither seeds nor days matter it covers more than 99%, because crossed resampling counts the noise of
single scores three times (Owen, *The pigeonhole bootstrap*, 2007). So each end is moved away from the centre, or towards it, by one factor:

    (t quantile with ν degrees of freedom / normal quantile) · √(V / V*),

V* the variance of the resamples and V an estimate without either bias. Let Vₖ be the jackknife variance over factor k alone, which has nₖ
levels. The noise is W = V* − Σ (nₖ − 1)/nₖ Vₖ, cut off at 0, and counted once for each factor in Σ Vₖ, so that V = Σ Vₖ − W for two
factors; ν is Satterthwaite's, V² / Σ (Vₖ² / (nₖ − 1)). Asymmetry of the resamples is kept. A factor of one level says nothing about its own
spread and is left out: the result then holds for that level.

**Measured** with 10 seeds × 100 days (``tests/test_statistics_coverage.py``): 94.0 to 95.7% for means and IQMs of normal effects, whether
seeds dominate, days do, both count or there is one policy without randomness; 92.9 to 95.0% for the IQM of exponential effects. Of the mean
of exponential effects of seeds it is about 90%: ten draws do not tell how long such a tail is, and no interval made of them can.

Tried and dropped: percentiles alone (above); BCa, which corrects skewness and not the few seeds; a t interval of V, which covers as well
but loses the asymmetry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Array = NDArray[np.float64]
Weighted = Callable[[Sequence[Array]], Array]
"""Maps weights, shape (R, nₖ) for each factor k, to values of shape (R, ...); all ones is the sample itself."""

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


@dataclass(frozen=True, eq=False)
class Resamples:
    """What a statistic was in each resample, and what to make of its spread; made by :func:`resample`.

    Attributes:
        centre: The statistic of the sample.
        values: That of each resample, shape (R,).
        variance_ratio: V / V* of this module's docstring.
        degrees_of_freedom: ν there.
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

        It is at least 2 / (R + 1): no quantile further out is known.
        """
        if self.centre == 0:
            return 1.0
        least, most = 2 / (self.values.size + 1), 0.999
        for _ in range(40):
            alpha = float(np.sqrt(least * most))
            least, most = (least, alpha) if self.interval(1 - alpha).is_clear_of_zero else (alpha, most)
        return most

    def _stretch(self, alpha: float) -> float:
        student = stdtrit(self.degrees_of_freedom, 1 - alpha / 2) if np.isfinite(self.degrees_of_freedom) else ndtri(1 - alpha / 2)
        return float(student / ndtri(1 - alpha / 2) * np.sqrt(self.variance_ratio))


def resample(value: Weighted, sizes: Sequence[int], generator: np.random.Generator, *, n_resamples: int = N_RESAMPLES) -> list[Resamples]:
    """Draw crossed resamples of a statistic, or of several at once.

    Args:
        value: The statistic, of shape (R,) or (R, K) for K of them.
        sizes: Levels of each factor.
        generator: Draws the levels.
        n_resamples: How many resamples.

    Returns:
        One for each of the K statistics.

    Raises:
        ValueError: If ``n_resamples`` or a size is below 1.
    """
    if n_resamples < 1 or min(sizes) < 1:
        raise ValueError(f"`n_resamples` and the sizes of all factors must be at least 1, got {n_resamples} and {tuple(sizes)}.")
    drawn = []
    for start in range(0, n_resamples, _AT_ONCE):
        count = min(_AT_ONCE, n_resamples - start)
        drawn.append(_columns(value([_drawn(size, count, generator) for size in sizes])))
    values = np.concatenate(drawn)
    values = np.concatenate(drawn)
    centre = _columns(value([np.ones((1, size)) for size in sizes]))[0]
    left_out = [_columns(value(_without_each(sizes, factor))) for factor, size in enumerate(sizes) if size > 1]
    return [_judged(float(centre[k]), values[:, k], [each[:, k] for each in left_out]) for k in range(centre.size)]


def _drawn(size: int, count: int, generator: np.random.Generator) -> Array:
    """Return how often each of so many levels came in draws with replacement, shape (count, size)."""
    which = generator.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
    return np.bincount(which.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _columns(values: Array) -> Array:
    """Return values of shape (R,) or (R, K) as (R, K)."""
    return values.reshape(values.shape[0], -1)


def _without_each(sizes: Sequence[int], factor: int) -> list[Array]:
    """Return weights that leave out each level of one factor in turn."""
    rows = sizes[factor]
    return [1.0 - np.eye(rows) if place == factor else np.ones((rows, size)) for place, size in enumerate(sizes)]


def _judged(centre: float, values: Array, left_out: Sequence[Array]) -> Resamples:
    """Return resamples with the ratio and the degrees of freedom of this module's docstring.

    Args:
        centre: The statistic of the sample.
        values: Of each resample.
        left_out: For each factor with several levels, the statistic without each of them, shape (nₖ,).
    """
    sizes = np.array([each.size for each in left_out], dtype=np.float64)
    jackknife = np.array([(each.size - 1) / each.size * float(np.sum((each - each.mean()) ** 2)) for each in left_out])
    of_resamples, smallest = float(values.var()), float(np.finfo(np.float64).eps) * max(1.0, abs(centre))
    if of_resamples <= smallest**2 or jackknife.sum() <= smallest**2:
        return Resamples(centre, values, 1.0, float("inf"))
    noise = max(0.0, of_resamples - float(np.sum((sizes - 1) / sizes * jackknife)))
    unbiased = max(float(jackknife.sum()) - noise * (len(left_out) > 1), float(jackknife.max()) / 2)
    freedom = unbiased**2 / float(np.sum(jackknife**2 / (sizes - 1)))
    return Resamples(centre, values, unbiased / of_resamples, max(1.0, freedom))
