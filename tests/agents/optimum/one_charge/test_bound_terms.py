"""Every term of the bounds is needed: days on which the chord between two responses, without that term, is below what is earned.

Random days seldom come near the bounds. These are built to: independent pairs of prosumers that stop trading at charges of our choosing,
so that the response goes around a corner which the chord cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from builders import kernel
from numpy.typing import NDArray
from oracles import plain_profit

from gridtoll.agents.optimum.one_charge import bounds
from gridtoll.agents.optimum.one_charge.bounds import norms, upper_bound
from gridtoll.agents.optimum.one_charge.chord import Chord
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.settlement import Flows
from gridtoll.envs.community.day import make_day
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import make_network
from gridtoll.envs.market.exact import Clearing


@dataclass(frozen=True)
class Case:
    line: ChargeLine
    low: float
    high: float

    def goal(self, charge: float, clearing: Clearing) -> float:
        line = self.line
        return plain_profit(line.day, line.network, charge * line.basis, clearing, flows=line.flows)

    def best(self) -> float:
        """The most that any charge of a fine grid earns."""
        return max(self.goal(charge, self.line.clear(charge)) for charge in np.linspace(self.low, self.high, 41).tolist())

    def best_on_chord(self) -> float:
        """The most that the response would earn if it were affine between the ends."""
        ends = self.line.clear(self.low), self.line.clear(self.high)
        goals = []
        for t in np.linspace(0.0, 1.0, 41).tolist():
            names = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "trade")
            mixed = {name: (1 - t) * getattr(ends[0], name) + t * getattr(ends[1], name) for name in names}
            goals.append(self.goal((1 - t) * self.low + t * self.high, replace(ends[0], **mixed)))
        return max(goals)


def two_pairs(low: float, high: float, *, flows: Flows = "trades", **changes: Any) -> Case:
    """Hour 0 is the first pair's (0 sells to 1), hour 1 the second's (2 sells to 3); each pair has a branch of its own.

    Sellers have sun to spare and export the rest at 0, buyers import the rest at the hour's import price, so that a pair trades its limit
    of 2 kW at charges below that price less 2·friction, and nothing above the price.
    """
    sun, need = np.zeros((2, 4)), np.zeros((2, 4))
    sun[0, 0], sun[1, 2] = 4.0, 4.0
    need[0, 1], need[1, 3] = 4.0, 4.0
    limit = np.zeros((4, 4))
    limit[0, 1] = limit[2, 3] = 2.0
    values: dict[str, Any] = {
        "label": "two pairs",
        "demand_min": need,
        "demand_max": need,
        "utility_curvature": 1.0,
        "utility_slope": 1.0,
        "renewable": sun,
        "import_price": [0.1, 0.3],
        "export_price": 0.0,
        "loss_price": 0.0,
        "overload_price": 0.0,
        "import_fee": 0.0,
        "import_limit": 10.0,
        "export_limit": 10.0,
        "grid_friction": 1e-3,
        "storage_power": 0.0,
        "storage_capacity": 0.0,
        "storage_efficiency": 1.0,
        "storage_wear": 0.0,
        "storage_start": 0.0,
        "trade_limit": limit,
        "trade_friction": 1e-3,
        "n_buses": 5,
    }
    day = make_day(**(values | changes))
    grid = make_grid(
        "two arms",
        bus_names=["slack", "a", "b", "c", "d"],
        branch_from=[0, 1, 0, 3],
        branch_to=[1, 2, 3, 4],
        branch_resistance_pu=[0.0, 1.0, 0.0, 1.0],  # between the partners only
        branch_reactance_pu=1.0,
        branch_limit_kw=[100.0, 1e-3, 100.0, 1e-3],
        base_power_kw=100.0,
        slack_bus=0,
    )
    network = make_network(grid, [1, 2, 3, 4])
    return Case(ChargeLine(day, network, 1 - np.eye(4), flows=flows, market=kernel()), low, high)


def against_the_second_pair() -> NDArray[np.float64]:
    """Others send 2 kW in hour 1 from bus d to bus c, which the second pair's trade relieves."""
    base = np.zeros((2, 5))
    base[1, 4], base[1, 3] = 2.0, -2.0
    return base


def capped_pair(hours: float) -> Case:
    """One pair whose trade is at its limit up to the middle of the interval and then falls in proportion: the bound's tightest case."""
    limit = np.zeros((4, 4))
    limit[2, 3] = 0.1
    return two_pairs(0.1, 0.3, trade_limit=limit, period_hours=hours, trade_friction=1.0, grid_friction=1e-5)


CASES: dict[str, Case] = {
    "charged energy": capped_pair(1.0),
    "charged energy over two hours": capped_pair(2.0),
    "charged energy over a quarter of an hour": capped_pair(0.25),
    # The first pair's trade costs losses or overload and stops early; the second's relieves others' flows and stops late.
    "losses": two_pairs(0.05, 0.4, loss_price=3000.0, base_injection=against_the_second_pair()),
    "overload": two_pairs(0.05, 0.4, overload_price=300.0, base_injection=against_the_second_pair()),
    # The first pair's buyer imports when it stops trading; the second pair's seller imports for its buyer, who has no connection.
    "import fee": two_pairs(
        0.05,
        0.4,
        import_fee=30.0,
        renewable=[[4.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
        demand_min=[[0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
        utility_slope=[[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.6]],
        utility_curvature=1e-3,
        import_limit=[10.0, 10.0, 10.0, 0.0],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_chord_alone_is_no_bound_and_the_bound_is_one(name: str) -> None:
    case = CASES[name]
    best = case.best()
    left, right = (case.line.cleared(charge) for charge in (case.low, case.high))
    bound, _ = upper_bound(case.line, norms(case.line), left, right)
    assert case.best_on_chord() < best  # or the case shows nothing
    assert best <= bound


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("charged")])
def test_the_distance_from_the_chord_is_not_overstated(name: str) -> None:
    """At a single kink in the middle of the interval the interpolation bound leaves hardly anything to spare."""
    case = CASES[name]
    left, right = (case.line.cleared(charge) for charge in (case.low, case.high))
    kink = 0.5 * (case.low + case.high)
    at_kink = case.line.cleared(kink)
    chord = 0.5 * (left.curved + right.curved)
    delta = (case.high - case.low) * (left.charged_kwh - right.charged_kwh) - float(np.sum((right.curved - left.curved) ** 2))
    assert np.linalg.norm(at_kink.curved - chord) == pytest.approx(0.5 * np.sqrt(delta), rel=1e-3)
    charged = at_kink.charged_kwh - 0.5 * (left.charged_kwh + right.charged_kwh)
    assert 0.5 <= charged / (0.5 * np.sqrt(delta) * norms(case.line).charged) <= 1.0  # 0.71: the norm counts both hours, one trades


@pytest.mark.parametrize("name", CASES)
def test_each_bound_alone_holds(name: str) -> None:
    case = CASES[name]
    best = case.best()
    left, right = (case.line.cleared(charge) for charge in (case.low, case.high))
    assert best <= bounds.chord_bound(Chord(case.line, left, right))[0]
    assert best <= bounds.value_bound(case.line, norms(case.line), left, right)


def test_the_value_bound_is_reached_where_all_trade_stops_at_once() -> None:
    case = two_pairs(0.2, 0.4, trade_friction=1e-4, grid_friction=1e-4)
    best = case.best()
    left, right = (case.line.cleared(charge) for charge in (case.low, case.high))
    bound = bounds.value_bound(case.line, norms(case.line), left, right)
    assert best <= bound <= 1.01 * best
