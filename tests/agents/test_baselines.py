"""Leaders that learn nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gridtoll.agents.fixed.day_ahead import BestConstant, ConstantPolicy, RandomPolicy, ZeroPolicy, best_constant
from gridtoll.agents.policy import Policy

OBSERVATION = np.zeros(3)


@pytest.mark.parametrize("policy", [ZeroPolicy(2), ConstantPolicy([0.1, 0.2]), RandomPolicy(1.0, 2, seed=0)])
def test_every_baseline_keeps_the_protocol_and_hands_the_state_through(policy: Policy) -> None:
    state = (np.ones(1),)
    charges, after = policy.predict(OBSERVATION, state, np.array([True]), deterministic=True)
    assert charges.shape == (2,)
    assert charges.dtype == np.float64
    assert after is state


def test_zero_posts_nothing() -> None:
    assert ZeroPolicy(3).predict(OBSERVATION)[0].tolist() == [0.0, 0.0, 0.0]


def test_a_constant_posts_the_same_again_even_if_its_answer_was_written_to() -> None:
    policy = ConstantPolicy(0.3)
    policy.predict(OBSERVATION)[0][:] = 9.0
    assert policy.predict(OBSERVATION)[0].tolist() == [0.3]


def test_random_charges_fill_the_interval_and_follow_the_seed() -> None:
    caps = np.array([0.5, 2.0])

    def draws(seed: int) -> NDArray[np.float64]:
        policy = RandomPolicy(caps, 2, seed=seed)
        return np.stack([policy.predict(OBSERVATION, deterministic=True)[0] for _ in range(2000)])

    first = draws(1)
    np.testing.assert_array_equal(first, draws(1))
    assert not np.array_equal(first, draws(2))
    assert first.min() >= 0
    assert (first <= caps).all()
    np.testing.assert_allclose(first.mean(axis=0), caps / 2, rtol=0.05)


def test_the_best_constant_of_a_parabola_is_its_top() -> None:
    found = best_constant(lambda charges: 5.0 - float((charges[0] - 0.3137) ** 2), 1.0)
    assert found.charges == pytest.approx([0.3137], abs=2e-3)
    assert found.mean_profit_eur == pytest.approx(5.0, abs=1e-5)
    assert found.evaluations < 40


def test_the_best_constant_is_found_among_several_tops_and_at_the_edges() -> None:
    def two_tops(charges: NDArray[np.float64]) -> float:
        return float(np.exp(-(((charges[0] - 0.2) / 0.1) ** 2)) + 1.2 * np.exp(-(((charges[0] - 0.8) / 0.1) ** 2)))

    assert best_constant(two_tops, 1.0).charges == pytest.approx([0.8], abs=2e-3)
    assert best_constant(lambda charges: float(charges[0]), 0.7).charges == pytest.approx([0.7])
    assert best_constant(lambda charges: -float(charges[0]), 0.7).charges == pytest.approx([0.0])


def test_several_coefficients_are_refined_in_turn() -> None:
    target = np.array([0.1, 0.45, 0.8])
    found = best_constant(lambda charges: -float(((charges - target) ** 2).sum()), 1.0, n_coefficients=3)
    np.testing.assert_allclose(found.charges, target, atol=0.02)


def test_what_is_reported_was_evaluated() -> None:
    seen: dict[float, float] = {}

    def profit(charges: NDArray[np.float64]) -> float:
        seen[float(charges[0])] = -abs(float(charges[0]) - 0.5)
        return seen[float(charges[0])]

    found: BestConstant = best_constant(profit, 1.0)
    assert found.mean_profit_eur == seen[float(found.charges[0])] == max(seen.values())


@pytest.mark.parametrize(("cap", "n"), [(0.0, 1), (float("nan"), 1), (1.0, 0)])
def test_a_search_over_nothing_is_refused(cap: float, n: int) -> None:
    with pytest.raises(ValueError, match="cap"):
        best_constant(lambda _: 0.0, cap, n)
