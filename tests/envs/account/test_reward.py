"""The reward is one number of the settlement."""

from __future__ import annotations

import numpy as np
import pytest
from builders import kernel, random_basis, random_day, random_network

from gridtoll.envs.account.objective import OBJECTIVES, reward
from gridtoll.envs.account.settlement import Settlement, settle


def settlement() -> Settlement:
    """An ordinary day at a charge that both objectives feel."""
    day, charges = random_day(0), 0.05 * random_basis(0, 5)
    return settle(day, random_network(0), charges, kernel().clear(day, charges))


def test_the_reward_is_the_profit_unless_welfare_is_asked_for() -> None:
    settled = settlement()
    assert reward(settled) == reward(settled, "profit") == settled.profit_eur
    assert reward(settled, "welfare") == settled.welfare_eur != settled.profit_eur


def test_welfare_leaves_charges_out_because_they_only_change_hands() -> None:
    """With no losses and overload on the way, welfare is what prosumers had before charges."""
    settled = settlement()
    assert reward(settled, "welfare") + settled.loss_cost_eur + settled.overload_cost_eur == pytest.approx(
        settled.gross_welfare_eur, rel=1e-9
    )
    assert np.isfinite(settled.gross_welfare_eur)


def test_an_unknown_objective_is_answered_with_the_nearest_known() -> None:
    with pytest.raises(ValueError, match=r"`objective` must be one of .*profit, welfare; got 'profits'. Did you mean 'profit'\?"):
        reward(settlement(), "profits")
    assert OBJECTIVES.known("welfare") == "welfare"
