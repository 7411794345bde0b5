"""The least charge that recovers a cost: it does, no smaller one does, and where none does that is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import kernel, pair_day, pair_network, random_day, random_network
from oracles import pair_of

from gridtoll.agents.optimum import Recovery, smallest_recovering_charge, solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network


def recover(day: Day, network: Network, cost: float, **options: Any) -> Recovery:
    wanted: dict[str, Any] = {"cap": 0.6, "market": kernel()}
    return smallest_recovering_charge(day, network, make_tariff("distance", network), cost, **(wanted | options))


@pytest.mark.parametrize("of", ["profit", "revenue"])
def test_for_two_prosumers_it_is_the_smaller_root_of_a_quadratic(of: Any) -> None:
    day, form = pair_day(), pair_of(pair_day(), exports=True)
    loss = 0.1 * 5.0 / 100.0 if of == "profit" else 0.0
    cost = 0.5 * form.best_charge(loss) * form.trade(form.best_charge(loss))
    found = recover(day, pair_network(resistance_pu=5.0), cost, cap=2.0, of=of)
    # τ·(c − τ)/s − k·(c − τ)²/s² = cost
    c, s = form.choke_charge, form.stiffness
    roots = np.roots([-1 / s - loss / s**2, c / s + 2 * loss * c / s**2, -loss * c**2 / s**2 - cost])
    assert found.charge == pytest.approx(min(roots), rel=1e-10)
    assert found.charge_lower_bound == pytest.approx(found.charge, rel=1e-12)
    assert found.earned_eur == pytest.approx(cost, rel=1e-10)
    assert found.is_recoverable is True


def test_a_cost_above_the_greatest_profit_is_proved_to_be_beyond_recovery() -> None:
    day, network = random_day(3, n=4, periods=3), random_network(3, n=4, limit_kw=50.0)
    best = solve_optimum(day, network, make_tariff("distance", network), cap=0.6, market=kernel())
    found = recover(day, network, best.profit_eur + 1e-5 * best.revenue_eur)
    assert found.charge is None
    assert found.is_recoverable is False
    assert found.charge_lower_bound == np.inf
    assert best.profit_eur <= found.greatest_eur + 1e-11
    assert found.greatest_eur < found.cost_eur


def test_a_cost_below_what_no_charge_costs_is_recovered_by_none_at_all() -> None:
    assert recover(pair_day(), pair_network(), -1.0).charge == 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.4, 0.95])
def test_no_charge_of_a_grid_below_the_answer_recovers_as_much(seed: int, share: float) -> None:
    flows: Any = ("trades", "injections")[seed % 2]
    of: Any = ("profit", "revenue")[seed // 2 % 2]
    day = random_day(seed, n=4, periods=3, stores=seed % 3, import_fee=0.08 * (seed % 2))
    network = random_network(seed, n=4, limit_kw=(1.0, 50.0)[seed % 2])

    def earned(charge: float) -> float:
        charges = charge * network.distance
        settlement = settle(day, network, charges, kernel().clear(day, charges), flows=flows)
        return settlement.profit_eur if of == "profit" else settlement.revenue_eur

    grid = np.linspace(0.0, 0.6, 60)
    values = np.array([earned(float(charge)) for charge in grid])
    cost = values[0] + share * (values.max() - values[0])
    found = recover(day, network, float(cost), flows=flows, of=of)
    assert found.charge is not None
    assert earned(found.charge) >= cost - 1e-10
    assert found.charge <= grid[values >= cost][0] + 1e-9
    assert np.all(values[grid < found.charge_lower_bound - 1e-12] < cost)
    assert found.charge - 1e-6 <= found.charge_lower_bound <= found.charge


@pytest.mark.parametrize(
    ("options", "words"),
    [({"cost": np.nan}, "finite number"), ({"of": "welfare"}, "revenue"), ({"charge_tolerance": 0.0}, "tolerance"), ({"cap": -1.0}, "cap")],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        recover(pair_day(), pair_network(), options.pop("cost", 0.1), **options)
