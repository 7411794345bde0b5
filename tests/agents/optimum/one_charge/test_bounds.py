"""No charge earns more than the upper bound of the interval it lies in, whatever the active sets in between: tried at polished points.

The bounds are the proof of the optimum, so they are the place for suspicion: both accounts of flows, import fees, limits so tight that
overload costs most, flows of others on the wires, periods of other lengths, frictions of every size, intervals from 1e-8 to the whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, kernel, pair_day, pair_network, random_basis, random_day, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import pair_of

from gridtoll.agents.optimum.one_charge import bounds
from gridtoll.agents.optimum.one_charge.bounds import norms, upper_bound
from gridtoll.agents.optimum.one_charge.chord import Chord
from gridtoll.agents.optimum.one_charge.line import ChargeLine, LinePoint
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network

Array = NDArray[np.float64]

CAP = 2.0
ROUNDING = 1e-12
"""Of the day's retail bill and of the profit, which overload can make greater: what an exact profit may exceed an exact bound by."""


def make_line(day: Day, network: Network, basis: Array, **options: Any) -> ChargeLine:
    wanted: dict[str, Any] = {"flows": "trades", "market": kernel()}
    return ChargeLine(day, network, basis, **(wanted | options))


def exact(line: ChargeLine, charge: float) -> LinePoint:
    """The polished response at a charge, not taken from any piece around another one."""
    return line.piece(charge, cap=CAP).at(charge)


def independent_goal(line: ChargeLine, charge: float) -> float:
    """Profit or welfare by the settlement, which knows nothing of lines and pieces."""
    clearing = line.clear(charge)
    settlement = settle(line.day, line.network, charge * line.basis, clearing, flows=line.flows)
    return settlement.welfare_eur if line.objective == "welfare" else settlement.profit_eur


def assert_bounded(line: ChargeLine, low: float, high: float, shares: tuple[float, ...]) -> None:
    left, right = exact(line, low), exact(line, high)
    bound, peak = upper_bound(line, norms(line), left, right)
    assert low <= peak <= high
    for charge in (low, high, peak, *(low + share * (high - low) for share in shares)):
        goal = independent_goal(line, min(charge, high))
        assert goal <= bound + ROUNDING * (line.turnover_eur + abs(goal)), (line.flows, line.objective, charge, bound - goal)


scenarios = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "flows": st.sampled_from(["trades", "injections"]),
        "objective": st.sampled_from(["profit", "profit", "welfare"]),
        "meshed": st.booleans(),
        "own_basis": st.booleans(),
        "limit_kw": st.sampled_from([0.3, 1.0, 3.0, 100.0]),
        "stores": st.sampled_from([0, 1, 2]),
        "hours": st.sampled_from([0.25, 1.0, 2.0]),
        "import_fee": st.sampled_from([0.0, 0.08, 0.5]),
        "overload_price": st.sampled_from([0.0, 1.0, 5.0]),
        "base": st.sampled_from([0.0, 3.0]),
        "log_friction": st.floats(-3.5, -0.5),
        "log_wear": st.floats(-4.0, 0.0),
    }
)


def line_of(of: dict[str, Any]) -> ChargeLine:
    n, periods, seed = 4, 3, of["seed"]
    random = np.random.default_rng(seed)
    day = random_day(
        seed,
        n=n,
        periods=periods,
        stores=of["stores"],
        hours=of["hours"],
        import_fee=of["import_fee"],
        overload_price=of["overload_price"],
        loss_price=random.uniform(0.0, 0.5, periods),
        base_injection=of["base"] * random.standard_normal((periods, n + 1)),
        trade_friction=10.0 ** of["log_friction"] * random.uniform(0.3, 3.0, (n, n)),
        storage_wear=10.0 ** of["log_wear"],
    )
    network = random_network(seed, n=n, meshed=of["meshed"], limit_kw=of["limit_kw"])
    basis = random_basis(seed, n) if of["own_basis"] else network.distance
    return make_line(day, network, basis, flows=of["flows"], objective=of["objective"])


@settings(max_examples=40)
@given(of=scenarios, low=st.floats(0.0, 0.5), log_width=st.floats(-3.0, 0.0), shares=st.tuples(*[st.floats(0.0, 1.0)] * 4))
def test_no_charge_in_a_wide_interval_beats_its_bound(of: dict[str, Any], low: float, log_width: float, shares: tuple[float, ...]) -> None:
    assert_bounded(line_of(of), low, low + 10.0**log_width, shares)


@settings(max_examples=30)
@given(of=scenarios, low=st.floats(0.0, 0.5), log_width=st.floats(-8.0, -3.0), shares=st.tuples(*[st.floats(0.0, 1.0)] * 3))
def test_no_charge_in_a_narrow_interval_beats_its_bound(
    of: dict[str, Any], low: float, log_width: float, shares: tuple[float, ...]
) -> None:
    assert_bounded(line_of(of), low, low + 10.0**log_width, shares)


@settings(max_examples=25)
@given(of=scenarios, charge=st.floats(0.0, 0.4), log_width=st.floats(-7.0, -3.0))
def test_no_charge_around_a_kink_beats_the_bound(of: dict[str, Any], charge: float, log_width: float) -> None:
    """Optima sit at kinks: intervals straddle one, unevenly."""
    line = line_of(of)
    kink, width = line.piece(charge, cap=CAP).upper, 10.0**log_width
    low, high = max(kink - 0.3 * width, 0.0), min(kink + 0.7 * width, CAP)
    if low < high:
        assert_bounded(line, low, high, ((kink - low) / (high - low), 0.15, 0.6))


@settings(max_examples=20)
@given(of=scenarios, low=st.floats(0.0, 0.3), width=st.floats(1e-3, 0.5), inner=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
def test_each_bound_alone_holds_on_every_part_of_an_interval(
    of: dict[str, Any], low: float, width: float, inner: tuple[float, float]
) -> None:
    line, (first, last) = line_of(of), sorted(inner)
    left, right = exact(line, low + first * width), exact(line, low + last * width)
    if left.charge >= right.charge:
        return
    measure = norms(line)
    radius = np.sqrt((right.charge - left.charge) * max(left.charged_kwh - right.charged_kwh, 0.0)) + 1e-9
    chord = Chord(line, left, right)
    interpolated, _ = bounds.chord_bound(chord)
    by_value = bounds.value_bound(line, measure, left, right)
    least, near = bounds.lower_bound(line, measure, left, right), bounds.radius_of(line, left, right)
    for share in (0.1, 0.5, 0.8):
        point = exact(line, left.charge + share * (right.charge - left.charge))
        slack = ROUNDING * line.turnover_eur
        assert point.goal_eur <= interpolated + slack
        assert point.goal_eur <= by_value + slack
        assert point.goal_eur >= least - slack
        straight = left.flow_kw + share * (right.flow_kw - left.flow_kw)
        assert np.all(np.abs(point.flow_kw - straight) <= measure.flow * near + 1e-10)
        assert bounds._least_loss(line, measure, left, right, radius) <= point.loss_eur - line.base_loss_eur + slack
        over = np.maximum(0.0, np.abs(point.flow_kw) - line.network.grid.branch_limit_kw).sum()
        overload = line.day.overload_price * line.day.period_hours * over
        assert bounds._least_overload(line, measure, (left, right), radius) <= overload + slack


@settings(max_examples=25)
@given(of=scenarios, low=st.floats(0.0, 0.5), width=st.floats(1e-5, 0.5), share=st.floats(0.0, 1.0))
def test_the_response_stays_as_close_to_both_ends_and_to_the_chord_as_the_derivation_says(
    of: dict[str, Any], low: float, width: float, share: float
) -> None:
    """Inequalities (1) and (2) of the module, on which every bound rests, with the norms that turn distances into EUR, kWh and kW."""
    line = line_of(of)
    a, g, b = (exact(line, low + part * width) for part in (0.0, share, 1.0))
    scale = 1e-9 * max(a.charged_kwh * width, 1e-9)
    one, other = g.curved - a.curved, b.curved - g.curved
    assert one @ one <= (g.charge - a.charge) * (a.charged_kwh - g.charged_kwh) + scale
    assert other @ other <= (b.charge - g.charge) * (g.charged_kwh - b.charged_kwh) + scale
    whole, chord = b.curved - a.curved, g.curved - (a.curved + share * (b.curved - a.curved))
    delta = width * (a.charged_kwh - b.charged_kwh) - whole @ whole
    assert delta >= -scale
    assert chord @ chord <= share * (1 - share) * delta + scale
    measure, distance = norms(line), float(np.sqrt(one @ one))
    assert abs(g.charged_kwh - a.charged_kwh) <= measure.charged * distance * (1 + 1e-9) + 1e-10
    assert abs(g.imported_kwh - a.imported_kwh) <= measure.imported * distance * (1 + 1e-9) + 1e-10
    assert np.all(np.abs(g.flow_kw - a.flow_kw) <= measure.flow * distance * (1 + 1e-9) + 1e-10)
    assert abs(np.sqrt(g.loss_eur) - np.sqrt(a.loss_eur)) <= measure.loss * distance * (1 + 1e-9) + 1e-10


@pytest.mark.parametrize("name", [name for name in DEGENERATE if name not in ("one prosumer", "nine prosumers", "two prosumers")])
def test_no_charge_beats_the_bound_on_difficult_days(name: str) -> None:
    day = DEGENERATE[name]()
    day = replace(day, import_fee=0.05)
    network = random_network(2, n=day.n_prosumers, limit_kw=1.0)
    for flows in ("trades", "injections"):
        line = make_line(day, network, network.distance, flows=flows)
        assert_bounded(line, 0.0, 0.2, (0.1, 0.5))
        assert_bounded(line, 0.05, 0.051, (0.5,))


@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_within_one_piece_the_bound_of_profit_is_its_greatest_value(objective: str) -> None:
    day = pair_day()
    form, loss = pair_of(day, exports=True), 0.1 / 100.0
    line = make_line(day, pair_network(), 1 - np.eye(2), objective=objective)
    low, high = 0.05, 0.3
    bound, peak = upper_bound(line, norms(line), exact(line, low), exact(line, high))
    if objective == "profit":
        best = form.best_charge(loss)
        assert peak == pytest.approx(best, rel=1e-6)
        # The radius is rounding alone: √(1e-12) times what it can move.
        assert bound == pytest.approx(best * form.trade(best) - loss * form.trade(best) ** 2, rel=1e-4)
    else:  # welfare falls with the charge here, and the bound is exact at the interval's start, where its revenue term is
        assert peak == low
        assert bound == pytest.approx(exact(line, low).goal_eur, rel=1e-4)


def test_bounds_close_as_intervals_shrink() -> None:
    """Best-first search ends because of this: at a hundredth of the width the excess falls by far more than a hundred."""
    day, network = random_day(3, import_fee=0.08), random_network(3, limit_kw=1.0)
    for flows in ("trades", "injections"):
        line = make_line(day, network, network.distance, flows=flows)
        kink = line.piece(0.07, cap=CAP).upper
        excess = []
        for width in (1e-1, 1e-3, 1e-5):
            left, right = exact(line, kink - 0.4 * width), exact(line, kink + 0.6 * width)
            excess.append(upper_bound(line, norms(line), left, right)[0] - exact(line, kink).goal_eur)
        assert excess[0] > excess[1] > excess[2] > 0
        assert excess[2] < 1e-3 * excess[0]


def test_norms_are_attained() -> None:
    """The norms are least: some move of trades, imports and exports of unit Q length moves a flow, the losses or the energy by them."""
    hours = 2.0
    day, network = random_day(5, hours=hours), random_network(5, meshed=True)
    for flows in ("trades", "injections"):
        line = make_line(day, network, random_basis(5, 5), flows=flows)
        rows = np.argwhere(day.can_trade)
        n = day.n_prosumers
        net = np.zeros((n, len(rows) + (2 * n if flows == "injections" else 0)))
        length = [np.sqrt(hours * day.trade_friction[i, j]) for i, j in rows]
        for column, (i, j) in enumerate(rows):
            net[i, column], net[j, column] = 1.0, -1.0
        if flows == "injections":
            net[:, len(rows) :] = np.hstack([np.eye(n), -np.eye(n)])
            length += [*np.sqrt(hours * day.grid_friction)] * 2
        flow = network.prosumer_ptdf @ net / np.array(length)  # of one period, per √EUR
        measure = norms(line)
        assert measure.flow == pytest.approx(np.linalg.norm(flow, axis=1), rel=1e-10)
        weighted = np.sqrt(network.grid.loss_coefficient)[:, None] * flow
        assert measure.loss == pytest.approx(np.linalg.norm(weighted, 2) * np.sqrt(hours * day.loss_price.max()), rel=1e-10)
        charged = np.array([hours * line.basis[i, j] / np.sqrt(hours * day.trade_friction[i, j]) for i, j in rows])
        assert measure.charged == pytest.approx(np.linalg.norm(charged) * np.sqrt(day.n_periods), rel=1e-10)
        assert measure.imported == pytest.approx(hours * np.sqrt(day.n_periods * np.sum(1 / (hours * day.grid_friction))), rel=1e-10)
