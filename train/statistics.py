"""Means, interquartile means and bootstrap intervals over training seeds and test days.

Scores are a table with one row per training seed and one column per day; a policy without a seed has one row. The days are the same for
every seed, so both factors are resampled *crossed*: seeds are drawn with replacement, then one set of days with replacement for all the
seeds drawn. Drawing days afresh within each seed would treat a difficult day as bad luck of one seed, and understate how much the result
depends on the days.

Every interval takes an explicit ``numpy.random.Generator``: the same rows and generator give the same interval to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Maps scores of shape (R, n) to one value for each of the R rows."""

N_RESAMPLES: Final = 10_000
"""Bootstrap resamples: the ends of a 95% interval then move by about 1% of its width from one generator to another."""

_VALUES_AT_ONCE: Final = 2_000_000  # resampled scores held in memory together, 16 MB


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


def mean(scores: ArrayLike) -> Array:
    """Return the mean along the last axis."""
    return np.asarray(np.mean(np.asarray(scores, dtype=np.float64), axis=-1))


def interquartile_mean(scores: ArrayLike) -> Array:
    """Return the mean of the middle half along the last axis (IQM).

    ⌊n/4⌋ scores are left out at each end, as ``scipy.stats.trim_mean(scores, 0.25)`` does and as the reinforcement-learning literature
    reports it (Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical Precipice*, 2021).
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def worst_decile_mean(losses: ArrayLike) -> float:
    """Return the mean of the greatest tenth of the losses (at least one), in their unit: how bad the bad days are."""
    ordered = np.sort(np.asarray(losses, dtype=np.float64).ravel())
    return float(ordered[-max(1, ordered.size // 10) :].mean())


def hierarchical_bootstrap(
    scores: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = mean,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Return a percentile-bootstrap interval of a statistic of all scores together.

    Args:
        scores: Shape (seeds, days), or (days,) for one seed.
        generator: Draws the resamples.
        statistic: What is computed from each resample of seeds × days scores.
        level: Coverage aimed at, between 0 and 1.
        n_resamples: How many resamples.

    Raises:
        ValueError: If there are no scores, one is not finite, or ``level`` or ``n_resamples`` is out of range.
    """
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(f"`scores` must be a table of seeds by days, with at least one of each and all finite, got shape {table.shape}.")
    if not 0 < level < 1 or n_resamples < 1:
        raise ValueError(f"`level` must lie between 0 and 1 and `n_resamples` be at least 1, got {level} and {n_resamples}.")
    n_seeds, n_days = table.shape
    values = np.empty(n_resamples)
    block = max(1, _VALUES_AT_ONCE // table.size)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        seeds = generator.integers(n_seeds, size=(size, n_seeds, 1))
        days = generator.integers(n_days, size=(size, 1, n_days))
        values[start : start + size] = statistic(table[seeds, days].reshape(size, -1))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(centre=float(statistic(table.reshape(1, -1))[0]), low=float(low), high=float(high))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = mean,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Return the interval of ``first − second``, paired day by day (and seed by seed where both have several).

    Args:
        first: Shape (seeds, days) or (days,).
        second: The same days; one row is compared with every row of the other.
        generator: Draws the resamples.
        statistic: Of the differences.
        level: Coverage aimed at, between 0 and 1.
        n_resamples: How many resamples.

    Raises:
        ValueError: If the two are not over the same number of days, or have different numbers of seeds, both above one.
    """
    one, other = np.atleast_2d(np.asarray(first, dtype=np.float64)), np.atleast_2d(np.asarray(second, dtype=np.float64))
    if one.shape[1] != other.shape[1] or (one.shape[0] != other.shape[0] and 1 not in (one.shape[0], other.shape[0])):
        raise ValueError(f"paired scores must be over the same days and seeds, got shapes {one.shape} and {other.shape}.")
    return hierarchical_bootstrap(one - other, generator, statistic=statistic, level=level, n_resamples=n_resamples)
