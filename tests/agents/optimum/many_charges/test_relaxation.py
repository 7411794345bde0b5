"""Upper bounds for several coefficients: no clearing ever exceeds one, and they are what the maths says they are."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from builders import Array, random_day, random_network

from gridtoll.agents.optimum.many_charges.branch import branch_and_bound
from gridtoll.agents.optimum.many_charges.game import TariffGame
from gridtoll.agents.optimum.many_charges.lagrangian import decoupled_bound
from gridtoll.agents.optimum.many_charges.relaxation import ParameterBox, Relaxation
from gridtoll.agents.optimum.many_charges.relaxation_day import day_relaxation
from gridtoll.agents.optimum.many_charges.relaxation_program import day_program, hour_program
from gridtoll.envs.account.tariff import Period, make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5

CASES: dict[str, tuple[Day, dict[str, Any]]] = {
    "charges by hour": (random_day(1, n=3, periods=4, stores=1), {"per": "hour"}),
    "charges by hour, everyone stores": (random_day(2, n=3, periods=3, stores=3), {"per": "hour"}),
    "zones": (random_day(3, n=4, periods=3, stores=1), {"kind": "zonal"}),
    "branches": (random_day(4, n=4, periods=3, stores=1), {"kind": "line"}),
    "welfare": (random_day(1, n=3, periods=4, stores=1), {"per": "hour", "objective": "welfare"}),
    "welfare in zones": (random_day(3, n=4, periods=3, stores=1), {"kind": "zonal", "objective": "welfare"}),
    "welfare with fixed demand": (
        random_day(14, n=3, periods=3, stores=1, demand_min=1.0, demand_max=np.ones((3, 3))),
        {"kind": "zonal", "objective": "welfare"},
    ),
    "fixed demand": (random_day(14, n=3, periods=3, stores=1, demand_min=1.0, demand_max=np.ones((3, 3))), {"per": "hour"}),
    "injections and an import fee": (random_day(5, n=3, periods=3, stores=1, import_fee=0.08), {"per": "hour", "flows": "injections"}),
    "tight branches": (random_day(6, n=4, periods=3, stores=1), {"kind": "zonal", "limit_kw": 0.4}),
    "tight branches by hour": (random_day(6, n=3, periods=3, stores=1), {"per": "hour", "limit_kw": 0.4}),
    "negative prices": (random_day(7, n=3, periods=3, stores=1, import_price=-0.05, export_price=-0.3), {"per": "hour"}),
    "quarter hours": (random_day(8, n=3, periods=4, stores=1, hours=0.25), {"per": "hour"}),
    "base injection": (
        random_day(9, n=3, periods=3, stores=1, base_injection=np.full((3, 4), 1.5), n_buses=4),
        {"per": "hour", "limit_kw": 2.0},
    ),
}


def game_of(name: str) -> TariffGame:
    day, options = CASES[name]
    network = random_network(1, n=day.n_prosumers, limit_kw=options.get("limit_kw", 5.0))
    tariff = make_tariff(options.get("kind", "distance"), network, per=options.get("per", "day"))
    return TariffGame(
        day,
        network,
        tariff,
        cap=CAP,
        flows=options.get("flows", "trades"),
        objective=options.get("objective", "profit"),
        market=StructuredMarket(),
    )


def random_actions(game: TariffGame, number: int) -> Array:
    """Half of them anywhere, half near constants, where charges earn most."""
    rng = np.random.default_rng(0)
    anywhere = rng.uniform(0.0, CAP, (number // 2, game.n_coefficients))
    near = rng.uniform(0.0, CAP, (number - number // 2, 1)) * rng.uniform(0.7, 1.0, (number - number // 2, game.n_coefficients))
    return np.concatenate([anywhere, near, np.zeros((1, game.n_coefficients))])


def greatest_goal(game: TariffGame, number: int = 80) -> float:
    return max(game.play(action).goal_eur for action in random_actions(game, number))


@pytest.mark.parametrize("name", CASES)
def test_no_clearing_exceeds_the_relaxation(name: str) -> None:
    game = game_of(name)
    assert greatest_goal(game) <= day_relaxation(game).bound_eur


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][1].get("per") == "hour" and "welfare" not in name])
def test_no_clearing_exceeds_the_bound_with_storage_priced(name: str) -> None:
    game = game_of(name)
    best = max((game.play(action) for action in random_actions(game, 60)), key=lambda play: play.goal_eur)
    relaxed = day_relaxation(game)
    first = decoupled_bound(game, best, relaxed, max_nodes=0)
    later = decoupled_bound(game, best, relaxed, max_nodes=40)
    scale = game.day.period_hours * float(np.sum(game.day.demand_max))
    assert first == pytest.approx(relaxed.bound_eur, abs=1e-6 * scale)  # the multipliers of K0 attain it
    assert best.goal_eur <= later <= first + 1e-7 * scale
    assert greatest_goal(game, 100) <= later


@pytest.mark.parametrize("name", ["zones", "welfare in zones", "tight branches"])
def test_no_clearing_exceeds_the_bound_of_triangles(name: str) -> None:
    game = game_of(name)
    start = game.play(np.zeros(2))
    best, rough = branch_and_bound(game, start, max_clearings=60, tolerance=1e-9)
    _, bound = branch_and_bound(game, best, max_clearings=150, tolerance=1e-9)
    assert greatest_goal(game, 150) <= bound <= rough
    assert start.goal_eur <= best.goal_eur <= bound


def test_the_relaxation_is_what_its_statement_in_cvxpy_says() -> None:
    """Stated anew from the day, hour by hour and kW by kW, nothing shared with the matrices of the code."""
    game = game_of("charges by hour")
    day, network = game.day, game.network
    assert day_relaxation(game).bound_eur == pytest.approx(plain_relaxation(day, network), rel=1e-6)


def test_the_social_optimum_is_at_least_the_welfare_relaxation() -> None:
    game = game_of("welfare")
    social = plain_social(game.day, game.network)
    assert day_relaxation(game).bound_eur <= social * (1.0 + 1e-7)


@pytest.mark.parametrize("per", ["day", "hour"])
def test_a_box_bounds_every_clearing_in_it_and_closes_as_it_shrinks(per: Period) -> None:
    day = random_day(1, n=3, periods=3, stores=1)
    network = random_network(1, n=3)
    game = TariffGame(
        day, network, make_tariff("distance", network, per=per), cap=CAP, flows="trades", objective="profit", market=StructuredMarket()
    )
    program = day_program(day, network, game.tariff, flows="trades")
    k, unit = game.n_coefficients, program.price_unit
    relaxation = Relaxation(program, objective="profit", ceiling=np.full(k, CAP / unit))
    middle = np.full(k, 0.12)
    widths = []
    for half in (0.1, 0.01, 0.001):
        inside = [game.play(middle + half * sign) for sign in (-1.0, 0.0, 1.0)]
        # Along the diagonal from one corner to the other, charged energy of all coefficients together falls; each alone needs a margin.
        energy = np.array([game.charged_kwh(play.clearing) for play in inside]) / (program.unit_eur / unit)
        box = ParameterBox(
            lower=(middle - half) / unit, upper=(middle + half) / unit, least=energy.min(axis=0) - 1e-9, greatest=energy.max(axis=0) + 1e-9
        )
        bound = relaxation.solve(box).bound * program.unit_eur
        assert max(play.goal_eur for play in inside) <= bound + 1e-9
        widths.append(bound - inside[1].goal_eur)
    assert widths[2] < 0.05 * widths[0]


def test_an_hour_leaves_its_storage_equations_to_the_prices() -> None:
    day, network = random_day(2, n=3, periods=3, stores=2), random_network(1, n=3)
    tariff = make_tariff("distance", network, per="hour")
    whole = day_program(day, network, tariff, flows="trades")
    hour = hour_program(day, network, tariff, 1, flows="trades")
    assert whole.equations.shape[0] == 3 * 3 + 3 * 2
    assert hour.equations.shape[0] == 3
    assert hour.basis.shape[1] == 1 + 2
    assert hour.stored_columns.size == 0


# --- independent statements -------------------------------------------------------------------------------------------------------------


def plain_relaxation(day: Day, network: Network) -> float:  # noqa: PLR0915
    """K0 for distance charges by hour and the flows of trades, in kW, EUR and hours of length 1."""
    t, n = day.n_periods, day.n_prosumers
    own, eta = np.flatnonzero(day.has_storage), day.storage_efficiency
    d, r, m, x = (cp.Variable((t, n)) for _ in range(4))
    c, s, e = (cp.Variable((t, n)) for _ in range(3))
    trades = [cp.Variable((n, n)) for _ in range(t)]
    price, stored_price, charge = cp.Variable((t, n)), cp.Variable((t, n)), cp.Variable(t, nonneg=True)
    conditions: list[Any] = [charge <= CAP]
    collected: list[Any] = []

    def variable(value: Any, slope: Any, curvature: Any, low: Any, high: Any) -> None:
        """Bounds, stationarity slope = z⁻ − z⁺, and the part −Q·v² − c·v + l·z⁻ − u·z⁺, where c is added by the caller."""
        below, above = cp.Variable(nonneg=True), cp.Variable(nonneg=True)
        conditions.extend([value >= low, value <= high, slope == below - above])
        collected.append(-curvature * cp.square(value) + low * below - high * above)

    later = [stored_price[i + 1] for i in range(t - 1)]
    for i in range(t):
        p = trades[i]
        balance = r[i] + m[i] - x[i] + s[i] - c[i] - d[i] - cp.sum(p, axis=1) + cp.sum(p, axis=0)
        conditions.append(balance == 0)
        for a in range(n):
            mu, sigma = price[i, a], stored_price[i, a]
            curvature, friction, wear = day.utility_curvature[i, a], day.grid_friction[a], day.storage_wear[a]
            variable(d[i, a], curvature * d[i, a] - day.utility_slope[i, a] + mu, curvature, day.demand_min[i, a], day.demand_max[i, a])
            collected.append(day.utility_slope[i, a] * d[i, a])
            variable(r[i, a], -mu, 0.0, 0.0, day.renewable[i, a])
            variable(m[i, a], friction * m[i, a] + day.import_price[i] - mu, friction, 0.0, day.import_limit[a])
            variable(x[i, a], friction * x[i, a] - day.export_price[i] + mu, friction, 0.0, day.export_limit[a])
            collected.append(day.export_price[i] * x[i, a] - day.import_price[i] * m[i, a])
            for b in range(n):
                if not day.can_trade[a, b]:
                    conditions.append(p[a, b] == 0)
                    continue
                toll = charge[i] * network.distance[a, b]
                friction_ab = day.trade_friction[a, b]
                variable(p[a, b], friction_ab * p[a, b] + toll + mu - price[i, b], friction_ab, 0.0, day.trade_limit[a, b])
            if a not in own:
                conditions += [c[i, a] == 0, s[i, a] == 0, e[i, a] == 0, sigma == 0]
                continue
            variable(c[i, a], wear * c[i, a] + mu - eta[a] * sigma, wear, 0.0, day.storage_power[a])
            variable(s[i, a], wear * s[i, a] - mu + sigma / eta[a], wear, 0.0, day.storage_power[a])
            least = day.stored_at_end[a] if i == t - 1 else 0.0
            following = later[i][a] if i < t - 1 else 0.0
            variable(e[i, a], sigma - following, 0.0, least, day.storage_capacity[a])
            before = e[i - 1, a] if i else day.storage_start[a]
            conditions.append(e[i, a] - before == eta[a] * c[i, a] - s[i, a] / eta[a])
            if i == 0:
                collected.append(-day.storage_start[a] * sigma)  # −bᵀν: the only equation with a right side
    weight = network.grid.loss_coefficient
    lost = [
        day.loss_price[i] * cp.sum(cp.multiply(weight, cp.square(network.prosumer_ptdf @ (cp.sum(p, axis=1) - cp.sum(p, axis=0)))))
        for i, p in enumerate(trades)
    ]
    over = [
        day.overload_price
        * cp.sum(cp.pos(cp.abs(network.prosumer_ptdf @ (cp.sum(p, axis=1) - cp.sum(p, axis=0))) - network.grid.branch_limit_kw))
        for p in trades
    ]
    problem = cp.Problem(cp.Maximize(sum(collected) - sum(lost) - sum(over)), conditions)
    problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9, tol_feas=1e-9)
    return float(problem.value)


def plain_social(day: Day, network: Network) -> float:
    """Social P2P: welfare maximised with losses and overload inside and no charge, for hours of length 1."""
    t, n = day.n_periods, day.n_prosumers
    d, r, m, x, c, s = (cp.Variable((t, n), nonneg=True) for _ in range(6))
    e = cp.Variable((t + 1, n))
    worth: Any = cp.sum(cp.multiply(day.utility_slope, d) - 0.5 * cp.multiply(day.utility_curvature, cp.square(d)))
    worth -= cp.sum(cp.multiply(day.import_price[:, None] * np.ones((1, n)), m)) - cp.sum(
        cp.multiply(day.export_price[:, None] * np.ones((1, n)), x)
    )
    worth -= 0.5 * cp.sum(cp.multiply(np.tile(day.grid_friction, (t, 1)), cp.square(m) + cp.square(x)))
    worth -= 0.5 * cp.sum(cp.multiply(np.tile(day.storage_wear, (t, 1)), cp.square(c) + cp.square(s)))
    rules = [d >= day.demand_min, d <= day.demand_max, r <= day.renewable, e[0] == day.storage_start, e[t] >= day.stored_at_end, e >= 0]
    for i in range(t):
        p = cp.Variable((n, n), nonneg=True)
        net = cp.sum(p, axis=1) - cp.sum(p, axis=0)
        rules += [p <= day.trade_limit, m[i] <= day.import_limit, x[i] <= day.export_limit, c[i] <= day.storage_power]
        rules += [s[i] <= day.storage_power, e[i + 1] <= day.storage_capacity, r[i] + m[i] - x[i] + s[i] - c[i] - d[i] - net == 0]
        rules.append(e[i + 1] - e[i] == cp.multiply(day.storage_efficiency, c[i]) - cp.multiply(1.0 / day.storage_efficiency, s[i]))
        flow = network.prosumer_ptdf @ net
        worth -= 0.5 * cp.sum(cp.multiply(day.trade_friction, cp.square(p)))
        worth -= day.loss_price[i] * cp.sum(cp.multiply(network.grid.loss_coefficient, cp.square(flow)))
        worth -= day.overload_price * cp.sum(cp.pos(cp.abs(flow) - network.grid.branch_limit_kw))
    problem = cp.Problem(cp.Maximize(worth), rules)
    problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9, tol_feas=1e-9)
    return float(problem.value)
