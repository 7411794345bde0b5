"""What prosumers do with contracts fixed, at once and prosumer by prosumer."""

from __future__ import annotations

import numpy as np
import pytest
from builders import random_day

from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.call_auction.auction import CallAuction
from gridtoll.envs.market.call_auction.plans import OneByOne, plan_with_contracts, with_contracts
from gridtoll.envs.market.exact.market import verify
from gridtoll.envs.market.no_trade import day_of_one


def test_contracts_that_leave_a_surplus_within_rounding_of_a_storage_at_its_limit_are_planned() -> None:
    # The joint clearing ends with 2.2e-9: one prosumer sold all but what its storage takes, and 1e-12 of its size is left.
    day = load_community("ieee57").day(167, price_path=3)
    [found] = CallAuction().clear_many([day], np.zeros((1, day.n_prosumers, day.n_prosumers)))
    assert found.evidence.plans.certificate.holds()
    assert found.evidence.plans.fallback


@pytest.mark.parametrize("seed", range(4))
def test_prosumers_cleared_one_by_one_do_what_they_do_at_once(seed: int) -> None:
    day = random_day(seed, stores=3)
    sold = np.random.default_rng(seed).uniform(-0.4, 0.4, day.demand_min.shape)
    none = np.zeros((day.n_prosumers, day.n_prosumers))
    fixed = with_contracts(day, sold)
    apart = OneByOne(lambda one: with_contracts(day_of_one(day, one), sold[:, [one]])).clear(fixed, none)
    at_once = plan_with_contracts(day, sold)
    assert apart.certificate.holds()
    assert verify(fixed, none, apart).holds()
    np.testing.assert_allclose(apart.demand - sold, at_once.demand, atol=1e-8)
    for name in ("renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy"):
        np.testing.assert_allclose(getattr(apart, name), getattr(at_once, name), atol=1e-7)
    assert apart.objective_eur == pytest.approx(at_once.objective_eur, rel=1e-9)
