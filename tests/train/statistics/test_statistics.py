"""Statistics against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from gridtoll.train.statistics.intervals import (
    Interval,
    difference,
    hierarchical_bootstrap,
    interquartile_mean,
    mean,
    paired_difference,
    paired_resamples,
    worst_decile_mean,
)


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interquartile_mean_of_eight_numbers_is_the_mean_of_the_middle_four() -> None:
    assert interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100]) == pytest.approx(3.5)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 40, 41, 42, 43])
def test_the_interquartile_mean_is_the_trimmed_mean_of_the_literature(n: int) -> None:
    scores = generator().normal(size=(6, n))
    np.testing.assert_allclose(interquartile_mean(scores), stats.trim_mean(scores, 0.25, axis=1), rtol=1e-14)


def test_the_worst_decile_is_the_mean_of_the_greatest_tenth_and_of_one_day_at_least() -> None:
    assert worst_decile_mean(np.arange(30.0)) == pytest.approx(28.0)
    assert worst_decile_mean([0.5, 2.0]) == 2.0


def test_the_interval_of_equal_scores_is_that_score() -> None:
    assert hierarchical_bootstrap(np.full((3, 5), 2.5), generator()) == Interval(2.5, 2.5, 2.5)


def test_the_interval_of_a_mean_over_many_days_is_the_normal_one() -> None:
    scores = generator().normal(3.0, 2.0, size=400)
    interval = hierarchical_bootstrap(scores, generator(1))
    half = 1.959964 * scores.std() / np.sqrt(400)
    assert interval.centre == pytest.approx(scores.mean())
    assert interval.low == pytest.approx(scores.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(scores.mean() + half, abs=0.05 * half)


def test_days_shared_by_all_seeds_do_not_count_as_new_evidence() -> None:
    days = generator().normal(size=60)
    one, many = hierarchical_bootstrap(days, generator(2)), hierarchical_bootstrap(np.tile(days, (10, 1)), generator(2))
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.03)


def test_the_width_of_the_interval_is_that_of_both_variances_with_few_seeds_allowed_for() -> None:
    scores = np.add.outer(generator(3).normal(size=8), generator(4).normal(size=30))  # a seed effect and a day effect, nothing else
    interval = hierarchical_bootstrap(scores, generator(5))
    seeds, days = scores.mean(axis=1).var(ddof=1) / 8, scores.mean(axis=0).var(ddof=1) / 30
    freedom = (seeds + days) ** 2 / (seeds**2 / 7 + days**2 / 29)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(seeds + days)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.06)


def test_noise_of_single_scores_is_counted_once() -> None:
    scores = generator(3).normal(size=(10, 100))
    interval = hierarchical_bootstrap(scores, generator(5))
    plain = 1.96 * scores.std() / np.sqrt(1000)
    assert (interval.high - interval.low) / 2 < 1.45 * plain  # crossed percentiles alone would be 1.7 times as wide


@pytest.mark.parametrize("size", [1, 4, 37, 1000])
def test_weights_stand_for_repeated_scores(size: int) -> None:
    scores, counts = generator(1).exponential(size=size), generator(2).integers(0, 4, size=(6, size))
    counts[:, 0] += 1
    for statistic in (mean, interquartile_mean):
        expected = [float(statistic(np.repeat(scores, each))) for each in counts]
        np.testing.assert_allclose(statistic(scores, counts), expected, rtol=1e-12)


def test_the_difference_of_two_numbers_of_a_leaderboard_draws_days_together() -> None:
    days = generator(1).normal(scale=20.0, size=60)
    first = days + 1.0 + generator(2).normal(scale=0.2, size=(5, 60))
    second = days + generator(3).normal(scale=0.2, size=(3, 60))
    interval = difference(first, second, generator(4), n_resamples=2000).interval()
    assert interval.low < 1.0 < interval.high
    assert interval.high - interval.low < 2.0  # the days alone would make it about 10
    with pytest.raises(ValueError, match="same days"):
        difference(first, second[:, :59], generator(4))


def test_a_p_value_is_the_level_at_which_the_interval_ends_at_zero() -> None:
    scores = generator(6).normal(0.2, 1.0, size=100)
    found = paired_resamples(scores, np.zeros(100), generator(7))
    p_value = found.p_value()
    assert p_value == pytest.approx(float(stats.ttest_1samp(scores, 0.0).pvalue), abs=0.01)
    assert found.interval(1 - 1.02 * p_value).is_clear_of_zero
    assert not found.interval(1 - 0.98 * p_value).is_clear_of_zero
    assert paired_resamples(scores, scores, generator(7)).p_value() == 1.0
    assert paired_resamples(scores + 50, np.zeros(100), generator(7)).p_value() == pytest.approx(2 / 10_001, rel=0.01)


def test_days_of_a_block_are_drawn_together_so_that_copies_of_a_day_are_no_evidence() -> None:
    weeks = generator(1).exponential(size=(8, 16))  # also without a seed or a week, a quarter of the scores is a whole number
    days, blocks = np.repeat(weeks, 7, axis=1), np.repeat(np.arange(16), 7)
    for statistic in (mean, interquartile_mean):
        one = hierarchical_bootstrap(weeks, generator(2), statistic=statistic)
        same = hierarchical_bootstrap(days, generator(2), statistic=statistic, blocks=blocks)
        assert [same.low, same.centre, same.high] == pytest.approx([one.low, one.centre, one.high], rel=1e-12)
    first = difference(weeks, weeks[:4] ** 2, generator(3)).interval()
    again = difference(days, days[:4] ** 2, generator(3), blocks=blocks).interval()
    assert [again.low, again.high] == pytest.approx([first.low, first.high], rel=1e-12)
    paired, twice = (paired_difference(each, each**2, generator(4), blocks=name) for each, name in ((weeks, None), (days, blocks)))
    assert [twice.low, twice.high] == pytest.approx([paired.low, paired.high], rel=1e-12)


def test_the_width_over_blocks_of_unequal_size_is_that_of_their_sums() -> None:
    blocks = np.repeat(np.arange(60), generator(1).integers(1, 8, size=60))
    scores = generator(2).normal(size=60)[blocks] + generator(3).normal(size=blocks.size)
    order = generator(4).permutation(blocks.size)  # days of a block need not be neighbours
    interval = hierarchical_bootstrap(scores[order], generator(5), blocks=blocks[order])
    sums = np.bincount(blocks, weights=scores - scores.mean())
    half = stats.t.ppf(0.975, 59) * np.sqrt(60 / 59 * np.sum(sums**2)) / blocks.size
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.06)


def test_blocks_of_one_day_change_nothing_whatever_they_are_called() -> None:
    scores = generator().normal(size=(3, 8))
    for blocks in (np.arange(8), range(20, 28), list("abcdefgh")):
        assert hierarchical_bootstrap(scores, generator(1), blocks=blocks) == hierarchical_bootstrap(scores, generator(1))


def test_a_single_block_is_left_out_as_a_single_seed_is() -> None:
    scores = generator().normal(size=(6, 7))
    week = hierarchical_bootstrap(scores, generator(1), blocks=np.zeros(7))
    half = stats.t.ppf(0.975, 5) * scores.mean(axis=1).std(ddof=1) / np.sqrt(6)
    assert (week.high - week.low) / 2 == pytest.approx(half, rel=0.06)
    alone = paired_resamples(scores[0], np.zeros(7), generator(1), blocks=np.zeros(7))
    assert alone.interval() == Interval(alone.centre, alone.centre, alone.centre)
    assert alone.p_value() == 1.0


def test_one_generator_gives_one_interval_and_another_gives_another() -> None:
    scores = generator().normal(size=(2, 9))
    assert hierarchical_bootstrap(scores, generator(1)) == hierarchical_bootstrap(scores, generator(1))
    assert hierarchical_bootstrap(scores, generator(1)) != hierarchical_bootstrap(scores, generator(2))


def test_a_large_table_is_resampled_in_blocks_with_the_same_meaning() -> None:
    scores = generator().normal(size=(10, 1000))
    interval = hierarchical_bootstrap(scores, generator(1), statistic=interquartile_mean, n_resamples=450)
    assert interval.low < interval.centre < interval.high


def test_pairing_removes_what_two_leaders_share() -> None:
    days = generator().normal(scale=50.0, size=40)
    saved = generator(1).normal(1.0, 0.5, size=40)
    interval = paired_difference(days + saved, days, generator(2))
    assert interval.centre == pytest.approx(saved.mean())
    assert interval.is_clear_of_zero
    assert not paired_difference(days, days, generator(2)).is_clear_of_zero


def test_one_row_is_paired_with_every_seed_of_the_other() -> None:
    days = np.arange(5.0)
    assert paired_difference(days, np.stack([days - 1, days - 3]), generator(), statistic=mean).centre == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("scores", "options", "match"),
    [
        ([], {}, "at least one of each"),
        ([1.0, float("nan")], {}, "all finite"),
        ([1.0], {"level": 1.0}, "between 0 and 1"),
        ([1.0], {"n_resamples": 0}, "at least 1"),
    ],
)
def test_scores_that_cannot_be_resampled_are_refused(scores: list[float], options: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        hierarchical_bootstrap(scores, generator(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("blocks", [np.zeros(5), np.zeros((1, 4)), 0.0])
def test_blocks_that_are_not_one_for_each_day_are_refused(blocks: ArrayLike) -> None:
    match = r"`blocks` must have one entry for each day, shape \(4,\), got shape "
    with pytest.raises(ValueError, match=match):
        hierarchical_bootstrap(np.zeros((2, 4)), generator(), blocks=blocks)
    for compared in (paired_difference, difference):
        with pytest.raises(ValueError, match=match):
            compared(np.zeros((2, 4)), np.zeros((2, 4)), generator(), blocks=blocks)


@pytest.mark.parametrize(("first", "second"), [((4,), (5,)), ((2, 4), (3, 4))])
def test_scores_of_different_days_or_seeds_are_not_paired(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="same days and seeds"):
        paired_difference(np.zeros(first), np.zeros(second), generator())
