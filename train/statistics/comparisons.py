"""One algorithm beside others: performance profiles, probability of improvement, paired tests, where regret comes from.

Scores are losses (less is better) in tables of seeds by days, as in :mod:`.intervals`; all tables of a comparison are over the same days.
Wherever ``blocks`` name the block of each day, its week for instance, the days of a block are drawn together, as in :mod:`.resampling`.

Two tests are made of a paired difference, because they answer different questions:

* the p-value of the crossed bootstrap (:meth:`~.resampling.Resamples.p_value`) takes seeds *and* days as drawn from many more, so that it
  says something about other seeds and other days. It is approximate, and agrees with the interval printed beside it;
* a sign-flip permutation test is exact, but only of one factor: flipping the signs of whole seeds asks whether the difference would
  persist with other seeds *on these days*, flipping those of days, or of blocks of days, whether it would persist on other days *with these
  seeds*. Flipping the signs of single scores was dropped: scores of one seed share its luck, and 1000 dependent scores then pass for 1000
  independent ones; days of one week share its weather in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ...envs.arrays import Array
from .intervals import COVERAGE, Statistic, as_table, difference, interquartile_mean, mean, paired_resamples
from .resampling import N_RESAMPLES, Interval, levels_of, resample

N_FLIPS: Final = 20_000
"""Random sign flips where there are too many to try all."""
_EXACT: Final = 16  # up to so many units all sign flips are tried, 65,536 of them


@dataclass(frozen=True, eq=False)
class Profile:
    """How often a loss exceeds each threshold, with pointwise bands.

    Attributes:
        thresholds: Shape (K,).
        share: Share of seeds × days above each, shape (K,).
        low: Lower end of its interval.
        high: Upper end.
    """

    thresholds: Array
    share: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Split:
    """Regret in two parts that add up to it.

    Attributes:
        information: That of the best known predictor from the same observation: what cannot be known, as far as is known.
        learning: The rest; below zero where the policy beats that predictor.
    """

    information: float
    learning: Interval


@dataclass(frozen=True)
class Comparison:
    """One algorithm against another; differences are the first less the second, so that below zero the first is better.

    Attributes:
        difference: Mean paired difference of losses.
        bootstrap_p: Two-sided, over seeds and days.
        sign_flip_p: Two-sided, the greater of those over seeds and over days, or blocks of them, so that neither alone can carry a claim; 1
            where there is only one of each.
        improvement: Probability that the first has the smaller loss.
    """

    difference: Interval
    bootstrap_p: float
    sign_flip_p: float
    improvement: Interval

    def without_ends(self) -> Comparison:
        """Return the centres alone, without intervals and tests: for comparisons of too few seeds."""
        nan = float("nan")
        return Comparison(self.difference.without_ends(), nan, nan, self.improvement.without_ends())


def performance_profile(
    losses: ArrayLike,
    thresholds: ArrayLike,
    generator: np.random.Generator,
    *,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Profile:
    """Return the share of scores above each threshold (Agarwal et al. 2021, section 4.3, with losses for scores).

    Bands are pointwise 95% intervals; where no score or every score is above a threshold they have no width, which says only that the
    sample cannot tell.

    Args:
        losses: Shape (seeds, days) or (days,).
        thresholds: In the unit of the losses, shape (K,).
        generator: Draws the resamples.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If there are no losses, one is not finite, ``n_resamples`` is below 1, or ``blocks`` are not one for each day.
    """
    table, levels = as_table(losses), np.asarray(thresholds, dtype=np.float64)
    above = (table.ravel()[:, None] > levels).astype(np.float64)

    def value(weights: Sequence[Array]) -> Array:
        seeds, days = weights
        counts = (seeds[:, :, None] * days[:, None, :]).reshape(seeds.shape[0], -1)
        return np.asarray(counts @ above / counts.sum(axis=1, keepdims=True))

    found = resample(value, (levels_of(table.shape[0]), levels_of(table.shape[1], blocks)), generator, n_resamples=n_resamples)
    bands = [each.interval().within(0.0, 1.0) for each in found]
    return Profile(
        levels, np.array([band.centre for band in bands]), np.array([band.low for band in bands]), np.array([band.high for band in bands])
    )


def probability_of_improvement(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Interval:
    """Return the probability that a run of the first has a smaller loss than one of the second on the same day, ties counted half.

    On each day every seed of one meets every seed of the other (Mann and Whitney's statistic), and the days are averaged: comparing scores
    of different days would mostly compare the days.

    Args:
        first: Shape (seeds, days) or (days,).
        second: The same days.
        generator: Draws the resamples.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If the two are not over the same days, a score is not finite, ``n_resamples`` is below 1, or ``blocks`` are not one for
            each day.
    """
    one, other = as_table(first), as_table(second)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"scores must be over the same days, got shapes {one.shape} and {other.shape}.")
    gap = other[None, :, :] - one[:, None, :]
    wins = (gap > 0) + 0.5 * (gap == 0)
    n_one, n_other, n_days = wins.shape

    def value(weights: Sequence[Array]) -> Array:
        seeds, other_seeds, days = weights
        pairs = (seeds[:, :, None] * other_seeds[:, None, :]).reshape(seeds.shape[0], -1)
        by_day = pairs @ wins.reshape(n_one * n_other, n_days)
        return np.asarray(np.sum(by_day * days, axis=1) / (pairs.sum(axis=1) * days.sum(axis=1)))

    [found] = resample(value, (levels_of(n_one), levels_of(n_other), levels_of(n_days, blocks)), generator, n_resamples=n_resamples)
    return found.interval().within(0.0, 1.0)


def sign_flip_test(differences: ArrayLike, generator: np.random.Generator, *, n_flips: int = N_FLIPS) -> float:
    """Return the two-sided p-value of independent differences being symmetric about zero, by flipping their signs.

    All 2ⁿ flips are tried up to n = 16, which makes it exact; beyond, ``n_flips`` random ones and the sample itself, which makes it valid
    (Phipson and Smyth, *Permutation p-values should never be zero*, 2010).

    Args:
        differences: One for each independent unit, shape (n,).
        generator: Draws the flips where not all are tried.
        n_flips: How many then.

    Raises:
        ValueError: If there are no differences or one is not finite.
    """
    units = as_table(differences).ravel()
    seen = abs(float(units.sum()))
    slack = 1e-12 * float(np.abs(units).sum())  # sums of the same numbers in another order differ by rounding
    if units.size <= _EXACT:
        signs = 1 - 2 * ((np.arange(2**units.size)[:, None] >> np.arange(units.size)) & 1)
        return float(np.mean(np.abs(signs @ units) >= seen - slack))
    reached = 0
    for start in range(0, n_flips, 1000):
        signs = 1 - 2 * generator.integers(2, size=(min(1000, n_flips - start), units.size))
        reached += int(np.sum(np.abs(signs @ units) >= seen - slack))
    return (reached + 1) / (n_flips + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm 1979): the chance of even one false claim among all stays below the level."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    corrected: dict[str, float] = {}
    greatest = 0.0
    for place, name in enumerate(ordered):
        greatest = max(greatest, min(1.0, (len(ordered) - place) * p_values[name]))
        corrected[name] = greatest
    return {name: corrected[name] for name in p_values}


def compare(
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    *,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Comparison:
    """Compare two algorithms' losses on the same days.

    Where both have several seeds but not equally many, each is compared by its days' means over seeds and the seeds are drawn apart.

    Args:
        first: Shape (seeds, days) or (days,).
        second: The same days.
        generator: Draws the resamples and sign flips.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn and flipped together; each alone where absent.

    Raises:
        ValueError: If the two are not over the same days, a score is not finite, ``n_resamples`` is below 1, or ``blocks`` are not one for
            each day.
    """
    one, other = as_table(first), as_table(second)
    pairable = one.shape[0] == other.shape[0] or 1 in {one.shape[0], other.shape[0]}
    found = (
        paired_resamples(one, other, generator, n_resamples=n_resamples, blocks=blocks)
        if pairable
        else difference(one, other, generator, statistic=mean, n_resamples=n_resamples, blocks=blocks)
    )
    gaps = one - other if pairable else one.mean(axis=0, keepdims=True) - other.mean(axis=0, keepdims=True)
    by_block = np.bincount(levels_of(gaps.shape[1], blocks), weights=gaps.mean(axis=0))
    p_values = [sign_flip_test(units, generator) for units in (gaps.mean(axis=1), by_block) if units.size > 1]
    return Comparison(
        difference=found.interval(COVERAGE),
        bootstrap_p=found.p_value(),
        sign_flip_p=max(p_values, default=1.0),
        improvement=probability_of_improvement(one, other, generator, n_resamples=n_resamples, blocks=blocks),
    )


def split_regret(
    regret: ArrayLike,
    predictor_regret: ArrayLike,
    generator: np.random.Generator,
    *,
    statistic: Statistic = interquartile_mean,
    n_resamples: int = N_RESAMPLES,
    blocks: ArrayLike | None = None,
) -> Split:
    """Return regret as that of a predictor from the same observation and the rest.

    Args:
        regret: Of the policy, shape (seeds, days) or (days,).
        predictor_regret: Of the predictor on the same days.
        generator: Draws the resamples.
        statistic: What sums regret up.
        n_resamples: How many resamples.
        blocks: Shape (days,): days with equal entries, such as those of a week, are drawn together; each by itself where absent.

    Raises:
        ValueError: If the two are not over the same days, a score is not finite, ``n_resamples`` is below 1, or ``blocks`` are not one for
            each day.
    """
    of_predictor = as_table(predictor_regret)
    learning = difference(regret, of_predictor, generator, statistic=statistic, n_resamples=n_resamples, blocks=blocks).interval()
    return Split(information=float(statistic(of_predictor.ravel())), learning=learning)
