"""The followers' response by multiparametric programming (PPOPT), and the leader's best charge over its critical regions.

PPOPT walks from region to region of the parametric program in the charge. On each region the response is affine, so the leader's profit
is quadratic between branch limits and its best charge a closed form. Nothing of the search, its bounds or the clearing is used.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network
from numpy.typing import NDArray

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.settlement import Flows
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

programs = pytest.importorskip("ppopt.mpqp_program", reason="PPOPT is in the extra `dev`")
solvers = pytest.importorskip("ppopt.mp_solvers.solve_mpqp")

pytestmark = pytest.mark.filterwarnings("ignore")  # PPOPT's own

Array = NDArray[np.float64]

CAP = 0.6  # EUR/kWh
HOLE = 1e-6  # EUR/kWh: PPOPT passes a facet by a step of about this width, and may pass a region that is narrower


def parametric_program(day: Day, network: Network) -> Any:
    """One hour without storage: min ½y'Qy + θ'H'y + c'y over A·y ≤ b, y = (d, m, x, p), the renewable power eliminated by the balance."""
    n = day.n_prosumers
    seller, buyer = np.nonzero(day.can_trade)
    trade, one = np.eye(len(seller)), np.eye(n)
    size = 3 * n + len(seller)
    curvature = np.concatenate([day.utility_curvature[0], day.grid_friction, day.grid_friction, day.trade_friction[seller, buyer]])
    cost = np.concatenate([-day.utility_slope[0], np.full(n, day.import_price[0]), np.full(n, -day.export_price[0]), 0.0 * seller])
    charged = np.concatenate([np.zeros(3 * n), network.distance[seller, buyer]])
    sold, bought = (one[:, who] @ trade for who in (seller, buyer))
    renewable = np.hstack([one, -one, one, sold - bought])  # r = d − m + x + sold − bought
    lower = np.concatenate([day.demand_min[0], np.zeros(2 * n + len(seller))])
    upper = np.concatenate([day.demand_max[0], day.import_limit, day.export_limit, day.trade_limit[seller, buyer]])
    sunny = day.renewable[0] > 0
    A = np.vstack([renewable[~sunny], renewable[sunny], -renewable[sunny], np.eye(size), -np.eye(size)])
    b = np.concatenate([np.zeros(n - sunny.sum()), day.renewable[0][sunny], np.zeros(sunny.sum()), upper, -lower])
    return programs.MPQP_Program(
        A=A,
        b=b[:, None],
        c=cost[:, None],
        H=charged[:, None],
        Q=np.diag(curvature),
        A_t=np.array([[1.0], [-1.0]]),
        b_t=np.array([[CAP], [0.0]]),
        F=np.zeros((len(b), 1)),
        equality_indices=list(range(int(np.count_nonzero(~sunny)))),
    )


class Profit:
    """The operator's profit in one hour as a function of (d, m, x, p) and the charge, from section 4 of the model."""

    def __init__(self, day: Day, network: Network, flows: str) -> None:
        seller, buyer = np.nonzero(day.can_trade)
        n = day.n_prosumers
        net = np.hstack([np.zeros((n, 3 * n)), np.eye(n)[:, seller] - np.eye(n)[:, buyer]])
        if flows == "injections":
            net[:, n : 2 * n] -= np.eye(n)
            net[:, 2 * n : 3 * n] += np.eye(n)
        self.day, self.flow, self.limit = day, network.grid.ptdf[:, network.prosumer_bus] @ net, network.grid.branch_limit_kw
        self.charged = np.concatenate([np.zeros(3 * n), network.distance[seller, buyer]])
        self.imported = np.concatenate([np.zeros(n), np.ones(n), np.zeros(len(net[0]) - 2 * n)])
        self.loss = day.loss_price[0] * network.grid.loss_coefficient

    def at(self, charge: float, x: Array) -> float:
        flow = self.flow @ x
        overload = float(np.maximum(0.0, np.abs(flow) - self.limit).sum())
        earned = charge * float(self.charged @ x) + self.day.import_fee * float(self.imported @ x)
        return self.day.period_hours * (earned - float(self.loss @ flow**2) - self.day.overload_price * overload)

    def best_on(self, lower: float, upper: float, slope: Array, offset: Array) -> float:
        """The greatest profit on [lower, upper] where x = slope·γ + offset: a quadratic between the charges at which |f| = F."""
        change, base = self.flow @ slope, self.flow @ offset
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings = np.concatenate([(self.limit - base) / change, (-self.limit - base) / change])
        inside = crossings[np.isfinite(crossings) & (crossings > lower) & (crossings < upper)]
        edges = [lower, *np.sort(inside), upper]
        best = [self.at(charge, slope * charge + offset) for charge in edges]
        for left, right in pairwise(edges):
            if right - left > 1e-9:
                middle = 0.5 * (left + right)
                low, mid, high = (self.at(charge, slope * charge + offset) for charge in (left, middle, right))
                bend, rise = low - 2.0 * mid + high, 0.5 * (high - low)  # in t, γ = middle + t·half width
                if bend < 0 and abs(rise) < -bend:
                    charge = middle - rise / bend * 0.5 * (right - left)
                    best.append(self.at(charge, slope * charge + offset))
        return max(best)


def regions_of(day: Day, network: Network) -> list[tuple[float, float, Array, Array]]:
    """Least charge, greatest charge, slope and offset of the response on each critical region, by charge."""
    solution = solvers.solve_mpqp(parametric_program(day, network), solvers.mpqp_algorithm.geometric)
    found = []
    for region in solution.critical_regions:
        side, limit = region.E[:, 0], region.f[:, 0]
        lower = max([0.0, *(limit[side < 0] / side[side < 0])])
        upper = min([CAP, *(limit[side > 0] / side[side > 0])])
        if upper > lower:
            found.append((float(lower), float(upper), region.A[:, 0], region.b[:, 0]))
    return sorted(found, key=lambda region: region[:2])


CASES = [
    (3, 1, "trades", 50.0, 0.0),
    (3, 2, "injections", 1.0, 0.08),
    (5, 3, "trades", 1.0, 0.0),
    (5, 4, "injections", 50.0, 0.08),
    (9, 5, "trades", 2.0, 0.0),
]


@pytest.mark.parametrize(("n", "seed", "flows", "limit_kw", "fee"), CASES)
def test_the_best_charge_over_all_critical_regions_is_the_optimum(n: int, seed: int, flows: Flows, limit_kw: float, fee: float) -> None:
    day = random_day(seed, n=n, periods=1, stores=0, import_fee=fee)
    network = random_network(seed, n=n, limit_kw=limit_kw)
    regions, profit, market = regions_of(day, network), Profit(day, network, flows), StructuredMarket()
    optimum = solve_optimum(day, network, make_tariff("distance", network), cap=CAP, flows=flows, market=market, tolerance=1e-9)

    reached = 0.0
    for lower, upper, _, _ in regions:
        assert lower <= reached + HOLE, f"PPOPT knows nothing between {reached} and {lower} EUR/kWh"
        reached = max(reached, upper)
    assert reached >= CAP - HOLE
    best = max(profit.best_on(*region) for region in regions)
    assert best == pytest.approx(optimum.recleared_profit_eur, rel=1e-11)
    assert best <= optimum.upper_bound_eur + 1e-11 * abs(best)


def test_the_response_on_a_critical_region_is_the_clearing() -> None:
    day, network, market = random_day(3, n=3, periods=1, stores=0), random_network(3, n=3), StructuredMarket()
    regions = regions_of(day, network)
    assert len(regions) > 1
    seller, buyer = np.nonzero(day.can_trade)
    for lower, upper, slope, offset in regions:
        charge = 0.5 * (lower + upper)
        clearing = market.clear(day, charge * network.distance)
        parts = (clearing.demand[0], clearing.grid_import[0], clearing.grid_export[0], clearing.trade[0, seller, buyer])
        np.testing.assert_allclose(slope * charge + offset, np.concatenate(parts), atol=1e-8)
