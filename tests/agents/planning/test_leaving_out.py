"""Which kernel guesses training days best: each guess is that of a kernel fitted without the day, and the better of two is taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gridtoll.agents.curves.network import alike
from gridtoll.agents.planning.leaving_out import best_kernel, guesses, mean_regret
from gridtoll.agents.planning.likeness import Kernel

RANDOM = np.random.default_rng(3)
DATES = np.repeat(np.arange(12), 4)
FEATURES = np.repeat(RANDOM.normal(size=(12, 3)), 4, axis=0) + 0.2 * RANDOM.normal(size=(48, 3))


def test_a_day_is_guessed_by_a_fit_to_the_days_of_other_dates() -> None:
    earned, ridge = RANDOM.normal(size=(48, 5)), 0.1
    found = guesses(Kernel(FEATURES, 1.5, ridge), DATES, earned)
    mean, known = earned.mean(axis=0), torch.as_tensor(FEATURES)
    for date in range(12):
        own, others = date == DATES, date != DATES
        matrix = alike(known[others], known[others], 1.5).numpy() + ridge * np.eye(44)
        expected = mean + alike(known[own], known[others], 1.5).numpy() @ np.linalg.solve(matrix, earned[others] - mean)
        np.testing.assert_allclose(found[own], expected, atol=1e-9)


def test_regret_is_a_share_of_what_there_is_to_win_and_days_without_any_do_not_count() -> None:
    earned = np.array([[0.0, 1.0, 3.0], [1.0, 2.0, 2.0], [5.0, 5.0, 5.0]])
    guessed = np.array([[0.0, 9.0, 1.0], [9.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    allowed = np.ones((3, 3), dtype=np.bool_)
    assert mean_regret(guessed, earned, allowed) == pytest.approx((2.0 / 3.0 + 1.0) / 2.0)
    allowed[0, 2] = False  # the best charge left to the first day is the one guessed
    assert mean_regret(guessed, earned, allowed) == pytest.approx((0.0 + 1.0) / 2.0)


@pytest.mark.parametrize("telling", [0, 1])
def test_the_kernel_that_looks_where_the_days_differ_is_taken(telling: int) -> None:
    features = RANDOM.normal(size=(60, 2))
    tops = np.where(features[:, telling] > 0, 2, 4)
    earned = -np.abs(np.arange(6) - tops[:, None]).astype(np.float64)
    blind = [torch.tensor([1.0, 0.01], dtype=torch.float64), torch.tensor([0.01, 1.0], dtype=torch.float64)]
    kernels = [Kernel(features, 0.5, 0.1, scales) for scales in blind]
    assert best_kernel(kernels, np.arange(60), earned, np.ones((60, 6), dtype=np.bool_)) is kernels[telling]
