"""Means, interquartile means and bootstrap intervals over training seeds and test days.

Scores are a table with one row per training seed and one column per day; a policy without a seed has one row. The days are the same for
every seed, so that seeds and days are crossed factors: :mod:`.resampling` says what follows from that, and how the intervals come to cover
what they say they do. Days that are alike, such as those of one week, are drawn together where ``blocks`` say so.

Every interval takes an explicit ``numpy.random.Generator``: the same rows and generator give the same interval to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ...envs.arrays import Array
from .resampling import N_RESAMPLES, Interval, Resamples, levels_of, resample

__all__ = [
    "COVERAGE",
    "FEW_SEEDS",
    "N_RESAMPLES",
    "Array",
    "Interval",
    "Statistic",
    "as_table",
    "difference",
    "hierarchical_bootstrap",
    "interquartile_mean",
    "mean",
    "over_weeks",
    "paired_difference",
    "paired_resamples",
    "worst_decile_mean",
]

COVERAGE: Final = 0.95
"""Level of the intervals where nothing else is said."""

FEW_SEEDS: Final = 5
"""Below so many seeds no interval over seeds and no test is printed: the spread of so few says next to nothing about that of others."""


class Statistic(Protocol):
    """What sums up n scores: :func:`mean`, :func:`interquartile_mean`, or one's own."""

    def __call__(self, scores: ArrayLike, weights: ArrayLike | None = None) -> Array:
        """Return the statistic along the last axis; with whole ``weights`` of shape (R, n), of scores of shape (n,), each so many times."""
        ...


def mean(scores: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Return the mean along the last axis, or of scores (n,) under weights (R, n), shape (R,)."""
    values = np.asarray(scores, dtype=np.float64)
    if weights is None:
        return np.asarray(values.mean(axis=-1))
    counts = np.asarray(weights, dtype=np.float64)
    return np.asarray(counts @ values / counts.sum(axis=-1))


def interquartile_mean(scores: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Return the mean of the middle half along the last axis (IQM), or of scores (n,) under whole weights (R, n), shape (R,).

    ⌊n/4⌋ scores are left out at each end, as ``scipy.stats.trim_mean(scores, 0.25)`` does and as the reinforcement-learning literature
    reports it (Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical Precipice*, 2021).
    """
    values = np.asarray(scores, dtype=np.float64)
    if weights is None:
        ordered = np.sort(values, axis=-1)
        cut = ordered.shape[-1] // 4
        return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    upto = np.asarray(weights, dtype=np.float64)[..., order]
    np.cumsum(upto, axis=-1, out=upto)
    total = upto[..., -1].copy()
    cut = np.floor(total / 4)
    np.clip(upto, cut[..., None], (total - cut)[..., None], out=upto)
    # The sum of scores times what is kept of their weights, summed by parts: kept weights are steps of the clipped cumulative ones.
    kept = (total - cut) * ordered[-1] - cut * ordered[0] - upto[..., :-1] @ np.diff(ordered)
    return np.asarray(kept / (total - 2 * cut))


def worst_decile_mean(losses: ArrayLike) -> float:
    """Return the mean of the greatest tenth of the losses (at least one), in their unit: how bad the bad days are.

    Losses are of any shape, and all of them count alike.
    """
    ordered = np.sort(np.asarray(losses, dtype=np.float64).ravel())
    return float(ordered[-max(1, ordered.size // 10) :].mean())


def hierarchical_bootstrap(
    scores: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = mean,
    level: float = COVERAGE,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Interval:
    """Return a bootstrap interval of a statistic of all scores together, over seeds and days (see :mod:`.resampling`).

    Args:
        scores: Shape (seeds, days), or (days,) for one seed.
        generator: Draws the resamples.
        statistic: What is computed from each resample of seeds × days scores.
        level: Coverage aimed at, between 0 and 1.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If there are no scores, one is not finite, ``level`` or ``n_resamples`` is out of range, or ``blocks`` are not one for
            each day.
    """
    return _resampled(as_table(scores), generator, statistic, n_resamples, blocks).interval(level)


def over_weeks(values: ArrayLike, generator: np.random.Generator, weeks: ArrayLike, *, statistic: Statistic = mean) -> Interval:
    """Return the interval of a leader as it is, over weeks of days; it says nothing about other trainings.

    Days of one week say nothing about other weeks: where there is one alone, the interval has no ends.

    Args:
        values: Of each day, shape (days,).
        generator: Draws the resamples.
        weeks: Of each day, shape (days,).
        statistic: What is computed.

    Raises:
        ValueError: If there are no values, one is not finite, or ``weeks`` are not one for each.
    """
    interval = hierarchical_bootstrap(values, generator, statistic=statistic, blocks=weeks)
    return interval if np.unique(np.asarray(weeks)).size > 1 else interval.without_ends()


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = mean,
    level: float = COVERAGE,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Interval:
    """Return the interval of ``first − second``, paired day by day (and seed by seed where both have several).

    Args:
        first: Shape (seeds, days) or (days,).
        second: The same days; one row is compared with every row of the other.
        generator: Draws the resamples.
        statistic: Of the differences.
        level: Coverage aimed at, between 0 and 1.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If the two are not over the same number of days, or have different numbers of seeds, both above one, a score is not
            finite, ``level`` or ``n_resamples`` is out of range, or ``blocks`` are not one for each day.
    """
    return paired_resamples(first, second, generator, statistic=statistic, n_resamples=n_resamples, blocks=blocks).interval(level)


def paired_resamples(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = mean,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Resamples:
    """Return the resamples behind a paired difference, which give its p-value as well; see :func:`paired_difference`."""
    one, other = as_table(first), as_table(second)
    if one.shape[1] != other.shape[1] or (one.shape[0] != other.shape[0] and 1 not in (one.shape[0], other.shape[0])):
        raise ValueError(f"paired scores must be over the same days and seeds, got shapes {one.shape} and {other.shape}.")
    return _resampled(one - other, generator, statistic, n_resamples, blocks)


def difference(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = interquartile_mean,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Resamples:
    """Resample ``statistic(first) − statistic(second)``: seeds of each drawn on their own, days for both together.

    Unlike :func:`paired_difference` this is the difference of two numbers of a leaderboard, whatever the numbers of seeds.

    Args:
        first: Shape (seeds, days) or (days,).
        second: The same days.
        generator: Draws the resamples.
        statistic: Of each of the two.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If the two are not over the same days, a score is not finite, ``n_resamples`` is below 1, or ``blocks`` are not one for
            each day.
    """
    one, other = as_table(first), as_table(second)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"scores must be over the same days, got shapes {one.shape} and {other.shape}.")

    def value(weights: Sequence[Array]) -> Array:
        seeds, other_seeds, days = weights
        return statistic(one.ravel(), _crossed(seeds, days)) - statistic(other.ravel(), _crossed(other_seeds, days))

    factors = (levels_of(one.shape[0]), levels_of(other.shape[0]), levels_of(one.shape[1], blocks))
    [resamples] = resample(value, factors, generator, n_resamples=n_resamples)
    return resamples


def as_table(scores: ArrayLike) -> Array:
    """Return scores of shape (seeds, days), or (days,) for one seed, as a table of seeds by days.

    Raises:
        ValueError: If there are none, or one is not finite.
    """
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(f"`scores` must be a table of seeds by days, with at least one of each and all finite, got shape {table.shape}.")
    return table


def _resampled(table: Array, generator: np.random.Generator, statistic: Statistic, n_resamples: int, blocks: ArrayLike | None) -> Resamples:
    def value(weights: Sequence[Array]) -> Array:
        return statistic(table.ravel(), _crossed(*weights))

    factors = (levels_of(table.shape[0]), levels_of(table.shape[1], blocks))
    [resamples] = resample(value, factors, generator, n_resamples=n_resamples)
    return resamples


def _crossed(seeds: Array, days: Array) -> Array:
    """Return the weight of each score, shape (R, seeds · days), from those of seeds, (R, seeds), and of days, (R, days)."""
    return (seeds[:, :, None] * days[:, None, :]).reshape(seeds.shape[0], -1)
