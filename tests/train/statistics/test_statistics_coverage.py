"""How often 95% intervals cover the true value, by simulation: seed, week and day effects and noise, 10 seeds × 112 days of 16 weeks.

Where days of a week are alike, weeks are drawn, as reports do; elsewhere days. Measured with 1000 tables each (two standard errors are 1.4
points); the head of :mod:`gridtoll.train.statistics.resampling` says why plain percentiles would not do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from gridtoll.train.statistics.comparisons import probability_of_improvement
from gridtoll.train.statistics.intervals import Statistic, difference, hierarchical_bootstrap, interquartile_mean, mean

Array = NDArray[np.float64]
IntArray = NDArray[np.int_]

N_SEEDS: Final = 10
N_DAYS: Final = 112
WEEKS: Final = np.arange(N_DAYS) // 7


class Regime(NamedTuple):
    """Standard deviations of what a score is the sum of, and how many seeds there are."""

    seed: float
    day: float
    noise: float
    week: float = 0.0
    n_seeds: int = N_SEEDS

    @property
    def blocks(self) -> IntArray | None:
        """What is drawn together: weeks where they matter."""
        return WEEKS if self.week else None


REGIMES: Final = {
    "seeds dominate": Regime(1.0, 0.2, 0.3),
    "days dominate": Regime(0.02, 1.0, 0.1),
    "mixed": Regime(0.3, 1.0, 0.5),
    "seeds and days alike": Regime(0.32, 1.0, 0.1),
    "one policy without randomness": Regime(0.0, 1.0, 0.0, n_seeds=1),
    "days of a week alike": Regime(0.3, 0.9, 0.5, week=0.45),
    "days of a week much alike": Regime(0.1, 0.7, 0.3, week=0.7),
    "one policy, days of a week alike": Regime(0.0, 0.9, 0.0, week=0.45, n_seeds=1),
}
WEEKLY: Final = [name for name, regime in REGIMES.items() if regime.week]


def drawn(regime: Regime, random: np.random.Generator, *, skewed: bool) -> Array:
    """A table of scores with mean zero; skewed ones are sums of exponential variables, as regrets are."""

    def effect(*size: int) -> Array:
        return random.exponential(size=size) - 1 if skewed else random.normal(size=size)

    seeds = regime.seed * effect(regime.n_seeds, 1)
    days = regime.day * effect(1, N_DAYS) + (regime.week * effect(1, WEEKS[-1] + 1)[:, WEEKS] if regime.week else 0.0)
    return np.asarray(seeds + days + regime.noise * effect(regime.n_seeds, N_DAYS))


def truth(regime: Regime, statistic: Statistic, *, skewed: bool) -> float:
    """The statistic of infinitely many seeds and days."""
    if statistic is mean or not skewed:
        return 0.0
    random = np.random.default_rng(1)
    parts = [scale * (random.exponential(size=1_000_000) - 1) for scale in regime[:4]]
    return float(statistic(np.sum(parts, axis=0)))


def coverage(
    regime: Regime, statistic: Statistic, *, skewed: bool, n_tables: int, n_resamples: int = 1000, blocks: IntArray | None = None
) -> float:
    """The share of intervals that cover the truth."""
    random, at = np.random.default_rng(7), truth(regime, statistic, skewed=skewed)
    hits = 0
    for _ in range(n_tables):
        scores = drawn(regime, random, skewed=skewed)
        interval = hierarchical_bootstrap(scores, random, statistic=statistic, n_resamples=n_resamples, blocks=blocks)
        hits += interval.low <= at <= interval.high
    return hits / n_tables


@pytest.mark.parametrize("name", REGIMES)
def test_intervals_of_the_mean_cover_roughly_what_they_say(name: str) -> None:
    # 150 tables: two standard errors are 3.6 points, so that this finds gross faults; the long test below measures.
    assert 0.91 <= coverage(REGIMES[name], mean, skewed=False, n_tables=150, n_resamples=300, blocks=REGIMES[name].blocks) <= 0.99


@pytest.mark.long
@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_intervals_cover_between_93_and_97_percent(name: str, statistic: Statistic) -> None:
    assert 0.93 <= coverage(REGIMES[name], statistic, skewed=False, n_tables=1000, blocks=REGIMES[name].blocks) <= 0.97


@pytest.mark.long
@pytest.mark.parametrize("name", REGIMES)
def test_intervals_of_the_iqm_of_exponential_effects_cover_at_most_two_points_less(name: str) -> None:
    # Measured: 93.6 to 95.9%.
    assert 0.92 <= coverage(REGIMES[name], interquartile_mean, skewed=True, n_tables=1000, blocks=REGIMES[name].blocks) <= 0.97


@pytest.mark.long
@pytest.mark.parametrize("name", WEEKLY)
def test_days_drawn_alone_cover_less_than_90_percent_where_those_of_a_week_are_alike(name: str) -> None:
    # Measured for the mean, days alone and weeks: 86.8 and 95.9% where days of a week are alike, 69.7 and 95.4% where they are much alike,
    # 80.0 and 94.2% for one policy. The interquartile mean differs by at most three points: 87.5 and 95.6, 72.4 and 95.7, 82.2 and 94.0%.
    assert coverage(REGIMES[name], mean, skewed=False, n_tables=1000) < 0.90


@pytest.mark.long
def test_the_interval_of_a_difference_of_two_algorithms_covers_between_93_and_97_percent() -> None:
    random, regime, hits = np.random.default_rng(3), REGIMES["mixed"], 0
    for _ in range(1000):
        days = random.normal(size=(1, N_DAYS))
        first, second = (days + regime.seed * random.normal(size=(n, 1)) + regime.noise * random.normal(size=(n, N_DAYS)) for n in (10, 7))
        interval = difference(first, second, random, n_resamples=1000).interval()
        hits += interval.low <= 0 <= interval.high
    assert 0.93 <= hits / 1000 <= 0.97


@pytest.mark.long
def test_the_interval_of_the_probability_of_improvement_covers_between_93_and_97_percent() -> None:
    random, hits = np.random.default_rng(4), 0
    for _ in range(1000):
        days = random.normal(size=(1, N_DAYS))
        first, second = (days + 0.3 * random.normal(size=(10, 1)) + random.normal(size=(10, N_DAYS)) for _ in range(2))
        interval = probability_of_improvement(first, second, random, n_resamples=1000)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.93 <= hits / 1000 <= 0.97


def collapsed(random: np.random.Generator, n_seeds: int) -> tuple[Array, int]:
    """A table of regrets where one training in ten collapses to 1 and the others leave about 0.05, and how many collapsed."""
    bad = random.random((n_seeds, 1)) < 0.1
    level = np.where(bad, 1.0, 0.05 + 0.01 * random.normal(size=(n_seeds, 1)))
    return level * (1 + 0.5 * random.normal(size=(1, N_DAYS))) + 0.02 * random.normal(size=(n_seeds, N_DAYS)), int(bad.sum())


def coverage_of_collapse(statistic: Statistic, *, n_tables: int, n_resamples: int) -> tuple[float, float]:
    """The share of intervals that cover the truth, and that among tables without a collapse."""
    random, bad = np.random.default_rng(7), np.random.default_rng(1)
    level = np.where(bad.random(2_000_000) < 0.1, 1.0, 0.05 + 0.01 * bad.normal(size=2_000_000))
    at = (
        0.145
        if statistic is mean
        else float(statistic(level * (1 + 0.5 * bad.normal(size=level.size)) + 0.02 * bad.normal(size=level.size)))
    )
    hits: list[tuple[bool, int]] = []
    for _ in range(n_tables):
        scores, n_bad = collapsed(random, N_SEEDS)
        interval = hierarchical_bootstrap(scores, random, statistic=statistic, n_resamples=n_resamples, blocks=WEEKS)
        hits.append((interval.low <= at <= interval.high, n_bad))
    unseen = [hit for hit, n_bad in hits if not n_bad]
    return sum(hit for hit, _ in hits) / n_tables, sum(unseen) / len(unseen)


def test_no_interval_of_the_mean_covers_where_a_collapse_is_not_among_the_seeds() -> None:
    # Of ten seeds, each of which collapses with a chance of one in ten, none does in 0.9^10 = 35% of studies.
    covered, unseen = coverage_of_collapse(mean, n_tables=150, n_resamples=300)
    assert unseen == 0.0
    assert covered <= 0.75


@pytest.mark.long
def test_intervals_cover_less_than_they_say_where_one_training_in_ten_collapses() -> None:
    # Measured with 300 tables: of 10 seeds 67% for the mean and 69% for the interquartile mean; of 5 seeds 38 and 80%.
    assert 0.60 <= coverage_of_collapse(mean, n_tables=1000, n_resamples=1000)[0] <= 0.70
    assert 0.60 <= coverage_of_collapse(interquartile_mean, n_tables=1000, n_resamples=1000)[0] <= 0.85


@pytest.mark.long
@pytest.mark.parametrize("n_weeks", [2, 3, 4])
def test_intervals_over_few_weeks_cover_at_least_89_percent(n_weeks: int) -> None:
    # Measured: 92, 91 and 95% over 2, 3 and 4 weeks. Over one week there is none.
    random, weeks, hits = np.random.default_rng(7), np.arange(7 * n_weeks) // 7, 0
    for _ in range(600):
        scores = 0.9 * random.normal(size=(1, weeks.size)) + 0.45 * random.normal(size=(1, n_weeks))[:, weeks]
        interval = hierarchical_bootstrap(scores, random, n_resamples=400, blocks=weeks)
        hits += interval.low <= 0 <= interval.high
    assert hits / 600 >= 0.89
