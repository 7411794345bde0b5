"""Profiles, probability of improvement, paired tests and the two parts of regret against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from gridtoll.train.statistics.comparisons import (
    compare,
    holm,
    performance_profile,
    probability_of_improvement,
    sign_flip_test,
    split_regret,
)
from gridtoll.train.statistics.intervals import interquartile_mean


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_profile_is_the_survival_function_of_the_scores() -> None:
    scores = generator().exponential(size=(10, 400))
    levels = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 30.0])
    profile = performance_profile(scores, levels, generator(1), n_resamples=500)
    np.testing.assert_allclose(profile.share, [(scores > level).mean() for level in levels])
    np.testing.assert_allclose(profile.share, np.exp(-levels), atol=0.03)
    assert (profile.low <= profile.share).all()
    assert (profile.share <= profile.high).all()
    assert (profile.low[1:5] < profile.high[1:5]).all()
    assert profile.low.min() >= 0
    assert profile.high.max() <= 1
    assert (np.diff(profile.share) <= 0).all()


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_the_probability_of_improvement_of_shifted_normals_is_phi_of_the_shift_over_root_two(shift: float) -> None:
    first, second = generator(1).normal(size=(10, 2000)), generator(2).normal(shift, 1.0, size=(10, 2000))
    found = probability_of_improvement(first, second, generator(3), n_resamples=300)
    expected = float(scipy.stats.norm.cdf(shift / np.sqrt(2)))
    assert found.centre == pytest.approx(expected, abs=0.01)
    assert found.low <= found.centre <= found.high


def test_ties_count_half_and_both_directions_add_up_to_one() -> None:
    first, second = generator(1).integers(3, size=(4, 30)), generator(2).integers(3, size=(6, 30))
    ahead = probability_of_improvement(first, second, generator(3), n_resamples=50).centre
    behind = probability_of_improvement(second, first, generator(3), n_resamples=50).centre
    assert ahead + behind == pytest.approx(1.0)
    assert probability_of_improvement(first, first[:1] * 0 + 9, generator(), n_resamples=50).centre == 1.0
    assert probability_of_improvement(np.ones(5), np.ones(5), generator(), n_resamples=50).centre == 0.5


def test_improvement_is_counted_within_days_not_across_them() -> None:
    days = np.linspace(0, 100, 50)
    assert probability_of_improvement(days, days + 0.1, generator(), n_resamples=50).centre == 1.0


def test_the_sign_flip_test_is_exact_for_few_units() -> None:
    assert sign_flip_test([1.0, 2.0, 3.0, 4.0], generator()) == 2 / 16
    assert sign_flip_test([1.0, -1.0], generator()) == 1.0
    assert sign_flip_test(np.ones(10), generator()) == 2 / 1024
    units = generator(5).normal(0.3, 1.0, size=9)
    flips = [abs(np.dot(signs, units)) >= abs(units.sum()) - 1e-12 for signs in itertools.product((-1, 1), repeat=9)]
    assert sign_flip_test(units, generator()) == pytest.approx(np.mean(flips))


def test_the_sign_flip_test_of_many_units_is_close_to_that_of_the_t_test_and_follows_its_generator() -> None:
    units = generator(5).normal(0.25, 1.0, size=80)
    found = sign_flip_test(units, generator(1))
    assert found == pytest.approx(float(scipy.stats.ttest_1samp(units, 0.0).pvalue), abs=0.01)
    assert found == sign_flip_test(units, generator(1))
    assert sign_flip_test(np.full(80, 5.0), generator(1), n_flips=99) == pytest.approx(0.01)


def test_under_the_hypothesis_the_sign_flip_test_claims_no_more_than_it_may() -> None:
    random = generator(9)
    p_values = np.array([sign_flip_test(random.normal(size=8), random) for _ in range(400)])
    assert np.mean(p_values <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_holm_multiplies_the_least_by_their_number_and_keeps_the_order() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.9})
    assert corrected == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "d": 0.9})
    assert list(corrected) == ["a", "b", "c", "d"]
    assert holm({}) == {}


def test_a_comparison_finds_a_difference_that_is_there_and_none_that_is_not() -> None:
    days = generator().exponential(size=(1, 100))
    first = days + generator(1).normal(scale=0.1, size=(10, 100))
    second = days + generator(2).normal(scale=0.1, size=(10, 100)) + 0.2
    found = compare(first, second, generator(3), n_resamples=2000)
    assert found.difference.centre == pytest.approx(-0.2, abs=0.02)
    assert found.difference.high < 0
    assert found.bootstrap_p < 0.01
    assert found.sign_flip_p == 2 / 1024
    assert found.improvement.low > 0.5
    same = compare(first, second - 0.2, generator(3), n_resamples=2000)
    assert same.bootstrap_p > 0.05
    assert same.sign_flip_p > 0.05


def test_days_of_a_block_count_once_in_every_comparison() -> None:
    first, second = generator(1).exponential(size=(4, 16)), generator(2).exponential(size=(4, 16))
    weeks, days = (first, second), (np.repeat(first, 7, axis=1), np.repeat(second, 7, axis=1))
    blocks = np.repeat(np.arange(16), 7)
    once, again = compare(*weeks, generator(3), n_resamples=500), compare(*days, generator(3), n_resamples=500, blocks=blocks)
    for one, other in ((once.difference, again.difference), (once.improvement, again.improvement)):
        assert [other.low, other.centre, other.high] == pytest.approx([one.low, one.centre, one.high], rel=1e-12)
    assert again.bootstrap_p == pytest.approx(once.bootstrap_p, rel=1e-9)
    assert again.sign_flip_p == once.sign_flip_p
    thin, wide = performance_profile(first, [0.5, 1.0], generator(4)), performance_profile(days[0], [0.5, 1.0], generator(4), blocks=blocks)
    np.testing.assert_allclose([wide.low, wide.share, wide.high], [thin.low, thin.share, thin.high], rtol=1e-12)
    part, same = split_regret(*weeks, generator(5)), split_regret(*days, generator(5), blocks=blocks)
    assert [same.learning.low, same.learning.high] == pytest.approx([part.learning.low, part.learning.high], rel=1e-12)


def test_signs_of_whole_blocks_are_flipped_and_a_single_one_has_none_to_flip() -> None:
    ahead, behind = np.zeros(28), np.ones(28)
    assert compare(ahead, behind, generator(), n_resamples=50, blocks=np.arange(28) // 7).sign_flip_p == 2 / 16
    assert compare(ahead, behind, generator(), n_resamples=50).sign_flip_p < 0.001
    one_week = compare(ahead, behind, generator(), n_resamples=50, blocks=np.zeros(28))
    assert (one_week.sign_flip_p, one_week.bootstrap_p) == (1.0, 1.0)


def test_one_lucky_seed_is_no_evidence_over_seeds() -> None:
    first, second = np.zeros((10, 100)), np.zeros((10, 100))
    second[0] = 5.0  # one failed seed of ten
    found = compare(first, second, generator(), n_resamples=2000)
    assert found.sign_flip_p == 1.0
    assert found.bootstrap_p > 0.05


def test_algorithms_with_different_numbers_of_seeds_are_compared_as_well() -> None:
    first, second = generator(1).normal(0, 1, size=(4, 80)), generator(2).normal(3, 1, size=(7, 80))
    found = compare(first, second, generator(3), n_resamples=500)
    assert found.difference.centre == pytest.approx(-3, abs=0.3)
    assert found.bootstrap_p < 0.02


def test_the_two_parts_of_regret_add_up_and_learning_is_negative_where_the_predictor_is_beaten() -> None:
    predictor = generator(1).exponential(size=60)
    regret = predictor + generator(2).exponential(0.2, size=(5, 60))
    split = split_regret(regret, predictor, generator(3), n_resamples=500)
    assert split.information + split.learning.centre == pytest.approx(float(interquartile_mean(regret.ravel())))
    assert split.learning.low > 0
    assert split_regret(0.5 * predictor, predictor, generator(3), n_resamples=500).learning.high < 0


def test_scores_over_different_days_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same days"):
        probability_of_improvement(np.zeros(4), np.zeros(5), generator())


def test_blocks_that_are_not_one_for_each_day_are_refused() -> None:
    scores, blocks = np.zeros((2, 4)), np.zeros(3)
    match = r"one entry for each day, shape \(4,\), got shape \(3,\)"
    for compared in (compare, probability_of_improvement, split_regret):
        with pytest.raises(ValueError, match=match):
            compared(scores, scores, generator(), blocks=blocks)
    with pytest.raises(ValueError, match=match):
        performance_profile(scores, [0.5], generator(), blocks=blocks)
