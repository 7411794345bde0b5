"""Every market clears days of 96 periods with storage and prices of households' own, at charges of each hour, under every tariff."""

from __future__ import annotations

import numpy as np
import pytest
from builders import household_prices, random_day, random_network

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import TARIFF_NAMES, make_tariff
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.envs.market.mechanism import make_mechanism

MARKETS = ["call-auction", "continuous-auction", "admm:rounds=40", "bilateral:rounds=20"]


@pytest.mark.parametrize("tariff", TARIFF_NAMES)
@pytest.mark.parametrize("name", MARKETS)
def test_nobody_loses_and_money_and_energy_add_up(name: str, tariff: str) -> None:
    day = random_day(3, periods=96, stores=3, hours=0.25, **household_prices(3, periods=96, n=5))
    network = random_network(3)
    hourly = make_tariff(tariff, network, "hour")
    posted = np.random.default_rng(3).uniform(0.0, 0.05, hourly.n_coefficients(96))
    charges = hourly.charges(hourly.read(posted, 96, 1.0))
    [found] = make_mechanism(name).clear_many([day], [charges])
    settled, alone = settle(day, network, charges, found), settle(day, network, charges, plan_alone(day))
    rounding = 1e-9 * day.turnover_eur
    assert found.trade.any()
    assert (settled.surplus_eur >= alone.surplus_eur - rounding).all()
    assert settled.payment_eur.sum() == pytest.approx(0.0, abs=rounding)
    assert settled.revenue_eur == pytest.approx(0.25 * (charges * found.trade).sum(), abs=rounding)
    supply = found.renewable_used + found.grid_import - found.grid_export + found.storage_discharge - found.storage_charge - found.demand
    np.testing.assert_allclose(supply, found.trade.sum(axis=2) - found.trade.sum(axis=1), atol=1e-7)
    assert (np.diff(found.stored_energy, axis=0)[:, day.has_storage] != 0).any(), "stores are used"
