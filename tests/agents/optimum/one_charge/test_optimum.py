"""The exact optimum: no charge earns more, and the proof of it covers every charge from 0 to the cap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, kernel, market, pair_day, pair_network, random_basis, random_day, random_network, retail_bill
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import pair_of, plain_profit

from gridtoll.agents.optimum import Optimum, OptimumPolicy, solve_optimum
from gridtoll.agents.optimum.one_charge import search as search_module
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact import Clearing, P2PMarket

Array = NDArray[np.float64]

TOLERANCE = 1e-6


def tariff_of(basis: Array) -> Tariff:
    return Tariff(kind="test", basis=basis[None], names=("each kWh",))


def solve(day: Day, network: Network, **options: Any) -> Optimum:
    tariff = options.pop("tariff", make_tariff("distance", network))
    wanted: dict[str, Any] = {"cap": 0.6, "market": kernel()}
    return solve_optimum(day, network, tariff, **(wanted | options))


def goal_at(day: Day, network: Network, charge: float, flows: str = "trades", objective: str = "profit") -> float:
    """What a charge earns, by the plain statement of section 4 (profit), and with the followers' cost (welfare)."""
    charges = charge * network.distance
    clearing = kernel().clear(day, charges)
    profit = plain_profit(day, network, charges, clearing, flows=flows)
    return profit if objective == "profit" else profit - clearing.objective_eur


def assert_covered(optimum: Optimum) -> None:
    """The pieces and gaps leave no hole in [0, cap]."""
    reached = 0.0
    parts = [(piece.lower, piece.upper) for piece in optimum.pieces] + [(gap.lower, gap.upper) for gap in optimum.gaps]
    for lower, upper in sorted(parts):
        assert lower <= reached, f"nothing is known between {reached!r} and {lower!r}"
        reached = max(reached, upper)
    assert reached >= optimum.charge_cap


def assert_proved(optimum: Optimum, day: Day) -> None:
    """Everything that makes the answer a certificate, but for the bounds themselves."""
    found = optimum.profit_eur if optimum.objective == "profit" else optimum.welfare_eur
    yardstick = max(optimum.revenue_eur, 1e-6 * retail_bill(day)) if optimum.objective == "profit" else retail_bill(day)
    assert_covered(optimum)
    assert 0.0 <= optimum.charge <= optimum.charge_cap
    assert optimum.relative_gap <= TOLERANCE
    assert optimum.relative_gap == pytest.approx((optimum.upper_bound_eur - found) / yardstick, abs=1e-11)  # of sums of the day's money
    assert max(part.best_eur for part in optimum.pieces) == found
    assert all(part.lower <= part.best_charge <= part.upper for part in optimum.pieces)
    assert max([part.bound_eur for part in optimum.gaps], default=-np.inf) <= optimum.upper_bound_eur
    assert optimum.recleared_profit_eur == pytest.approx(optimum.profit_eur, rel=1e-9, abs=1e-11 * retail_bill(day))
    assert optimum.recleared_welfare_eur == pytest.approx(optimum.welfare_eur, rel=1e-9, abs=1e-11 * retail_bill(day))


# --- closed form ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exports", [True, False])
@pytest.mark.parametrize("resistance_pu", [0.0, 1.0, 40.0])
def test_the_best_charge_of_two_prosumers_is_the_closed_form(exports: bool, resistance_pu: float) -> None:
    day, network, form = (
        pair_day(exports=exports),
        pair_network(resistance_pu=resistance_pu),
        pair_of(pair_day(exports=exports), exports=exports),
    )
    optimum = solve(day, network, cap=2.0, market=market())
    loss = 0.1 * resistance_pu / 100.0  # EUR/kW²: the loss price times r over the base power
    best = form.best_charge(loss)
    assert optimum.charge == pytest.approx(best, rel=1e-12)
    assert optimum.profit_eur == pytest.approx(best * form.trade(best) - loss * form.trade(best) ** 2, rel=1e-12)
    assert optimum.revenue_eur == pytest.approx(best * form.trade(best), rel=1e-12)
    assert_proved(optimum, day)


def test_a_line_at_its_limit_holds_the_best_charge_where_the_trade_just_fits() -> None:
    form, limit = pair_of(pair_day(), exports=True), 2.5
    optimum = solve(pair_day(), pair_network(limit_kw=limit), cap=2.0)
    assert form.trade(form.best_charge()) > limit  # without the limit more would be traded
    assert form.trade(optimum.charge) == pytest.approx(limit, rel=1e-10)
    assert_proved(optimum, pair_day())


def test_cheap_overload_is_worth_paying_for_in_part() -> None:
    """With φ below the marginal profit at the limit the best charge is inside the overload: c − 2τ + φ = 0 over the stiffness."""
    form, price = pair_of(pair_day(), exports=True), 0.02
    optimum = solve(pair_day(overload_price=price), pair_network(resistance_pu=0.0, limit_kw=2.0), cap=2.0)
    assert optimum.charge == pytest.approx(0.5 * (form.choke_charge + price), rel=1e-12)


def test_a_cap_below_the_best_charge_is_the_best_charge() -> None:
    day = pair_day()
    optimum = solve(day, pair_network(), cap=0.1)
    assert optimum.charge == 0.1
    assert_proved(optimum, day)


# --- against grids --------------------------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[Day, dict[str, Any], float]] = {
    "without storage": (random_day(1, stores=0), {}, 3.0),
    "with storage": (random_day(2), {}, 3.0),
    "tight limits": (random_day(3), {}, 0.5),
    "injections with an import fee": (random_day(4, import_fee=0.08), {"flows": "injections"}, 2.0),
    "others on the wires": (random_day(5, base_injection=np.random.default_rng(5).normal(0.0, 3.0, (6, 6)), loss_price=0.3), {}, 3.0),
    "welfare": (random_day(6, loss_price=0.5), {"objective": "welfare"}, 1.0),
    "welfare by injections": (random_day(6, loss_price=0.5, import_fee=0.05), {"objective": "welfare", "flows": "injections"}, 1.0),
    "quarter hours": (random_day(7, hours=0.25), {}, 2.0),
    "negative prices": (random_day(8, import_price=-0.02, export_price=np.linspace(-0.3, -0.02, 6)), {}, 2.0),
    "prices of both signs": (random_day(9, export_price=np.linspace(-0.3, 0.2, 6)), {}, 2.0),
}


@pytest.mark.parametrize("name", ["with storage", "injections with an import fee"])
def test_the_market_by_cvxpy_leads_to_the_optimum_of_the_compiled_one(name: str) -> None:
    day, options, limit_kw = CASES[name]
    network = random_network(1, limit_kw=limit_kw)
    program, compiled = (solve(day, network, market=chosen, **options) for chosen in (market(), kernel()))
    assert_proved(program, day)
    assert program.recleared_eur == pytest.approx(compiled.recleared_eur, rel=2 * TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_no_charge_of_a_dense_grid_earns_more(name: str) -> None:
    day, options, limit_kw = CASES[name]
    network = random_network(1, limit_kw=limit_kw)
    optimum = solve(day, network, **options)
    assert_proved(optimum, day)
    found = optimum.recleared_eur
    width = 0.02 * optimum.charge_cap
    grid = [*np.linspace(0.0, optimum.charge_cap, 40), *np.clip(np.linspace(-width, width, 20) + optimum.charge, 0.0, optimum.charge_cap)]
    rounding = 1e-12 * retail_bill(day)
    for charge in grid:
        goal = goal_at(day, network, float(charge), **options)
        assert goal <= found + 0.5 * TOLERANCE * optimum.revenue_eur + rounding, charge
        assert goal <= optimum.upper_bound_eur + rounding, charge
    assert goal_at(day, network, optimum.charge, **options) == pytest.approx(found, rel=1e-11)


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), flows=st.sampled_from(["trades", "injections"]), limit_kw=st.sampled_from([0.5, 2.0, 50.0]))
def test_the_optimum_of_a_random_day_is_proved_and_beats_random_charges(seed: int, flows: str, limit_kw: float) -> None:
    day, network = random_day(seed, n=4, periods=4), random_network(seed, n=4, limit_kw=limit_kw)
    optimum = solve(day, network, flows=flows)
    assert_proved(optimum, day)
    for charge in np.random.default_rng(seed).uniform(0.0, optimum.charge_cap, 8):
        assert goal_at(day, network, float(charge), flows=flows) <= optimum.upper_bound_eur + 1e-12 * retail_bill(day)


@pytest.mark.parametrize("name", [name for name in DEGENERATE if name not in ("one prosumer", "nothing at all")])
def test_difficult_days_are_proved(name: str) -> None:
    day = DEGENERATE[name]()
    network = random_network(3, n=day.n_prosumers, limit_kw=2.0)
    assert_proved(solve(day, network), day)


def test_every_pruned_gap_and_solved_piece_bounds_what_lies_in_it() -> None:
    day, network = random_day(10), random_network(10, limit_kw=1.0)
    optimum = solve(day, network)
    random, rounding = np.random.default_rng(0), 1e-12 * retail_bill(day)
    assert len(optimum.gaps) >= 2
    assert len(optimum.pieces) >= 2
    for bound, part in [(gap.bound_eur, gap) for gap in optimum.gaps] + [(piece.best_eur, piece) for piece in optimum.pieces]:
        for share in (0.0, 1.0, *random.uniform(0.0, 1.0, 2)):
            charge = part.lower + share * (part.upper - part.lower)
            assert goal_at(day, network, min(charge, part.upper)) <= bound + rounding


# --- several hours ---------------------------------------------------------------------------------------------------------------------


def test_hours_with_a_charge_of_their_own_are_many_one_hour_problems_without_storage() -> None:
    """Hours decouple when nobody has storage: the optimum of a day is at most the sum of the optima of its hours."""
    day, network = random_day(11, stores=0), random_network(11, limit_kw=50.0)
    whole = solve(day, network)
    fields: dict[str, Any] = day.arrays()
    hours = []
    for period in range(day.n_periods):
        rows = {name: value[period : period + 1] for name, value in fields.items() if np.shape(value)[:1] == (6,) and np.ndim(value) < 3}
        hours.append(solve(replace(day, **rows), network).profit_eur)
    assert whole.profit_eur <= sum(hours) + 1e-9


# --- the search ---------------------------------------------------------------------------------------------------------------------


def test_the_same_day_is_searched_in_the_same_way_every_time() -> None:
    day, network = random_day(2), random_network(1)
    one, other = (solve(day, network, market=P2PMarket()) for _ in range(2))
    fields = [{**optimum.__dict__, "seconds": 0.0, "certificate": None} for optimum in (one, other)]
    assert fields[0] == fields[1]
    assert (one.pieces, one.gaps) == (other.pieces, other.gaps)
    assert one.seconds > 0


def test_a_looser_tolerance_needs_no_more_clearings_and_keeps_its_promise() -> None:
    day, network = random_day(10), random_network(10, limit_kw=1.0)
    exact, loose = solve(day, network), solve(day, network, tolerance=0.9)
    assert loose.clearings < exact.clearings
    assert loose.relative_gap <= 0.9
    assert loose.upper_bound_eur >= exact.profit_eur
    assert loose.profit_eur >= exact.profit_eur - 0.9 * max(loose.revenue_eur, exact.revenue_eur)


class CountingMarket:
    """A market that counts and otherwise does what the shared one does."""

    def __init__(self) -> None:
        self.count = 0

    def clear(self, day: Day, charges: Any, *, start: Clearing | None = None) -> Clearing:
        self.count += 1
        return kernel().clear(day, charges, start=start)


def test_every_clearing_is_counted() -> None:
    counting = CountingMarket()
    optimum = solve(random_day(2), random_network(1), market=counting)
    assert optimum.clearings == counting.count
    assert optimum.clearings >= len(optimum.pieces) + 1  # the optimum is cleared again


def test_where_nobody_trades_no_charge_earns_anything_and_one_piece_proves_it() -> None:
    day = random_day(0, trade_limit=0.0)
    optimum = solve(day, random_network(0))
    assert (optimum.profit_eur, optimum.upper_bound_eur, optimum.relative_gap, optimum.gaps) == (0.0, 0.0, 0.0, ())
    assert_proved(optimum, day)


def test_a_day_on_which_no_money_moves_still_has_an_optimum() -> None:
    """No bill and no revenue leave nothing to measure the gap by; a bound that equals the profit is no gap all the same."""
    day = random_day(0, import_price=0.0, export_price=-0.1, trade_limit=0.0)
    assert solve(day, random_network(0)).relative_gap == 0.0


def test_a_day_without_base_injection_needs_no_buses() -> None:
    network = random_network(1)
    with_buses, without = solve(random_day(2), network), solve(random_day(2, n_buses=0), network)
    assert without.profit_eur == with_buses.profit_eur


def test_a_search_that_does_not_close_is_an_error_that_says_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "_MAX_CLEARINGS", 3)
    with pytest.raises(
        ClearingError, match=r"the optimum of day 'random day 2' must be proved within 3 clearings, and is still between .* EUR"
    ):
        solve(random_day(2), random_network(1))


@pytest.mark.parametrize("factor", [1.01, 0.5, -1.0])
def test_a_piece_that_is_not_the_clearing_at_its_ends_is_never_used(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Pieces are taken on proof: here the derivative is spoilt, and pieces shrink to the charges cleared, whose bounds still hold."""
    from gridtoll.agents.optimum.one_charge.free_set import FreeSet

    day, network = random_day(2, n=3, periods=2), random_network(1, n=3)
    expected = solve(day, network)
    true = FreeSet.derivative

    def spoilt(free_set: FreeSet) -> tuple[Array, Array]:
        change, prices = true(free_set)
        return factor * change, prices

    monkeypatch.setattr(FreeSet, "derivative", spoilt)
    optimum = solve(day, network, tolerance=1e-3)
    assert optimum.profit_eur <= expected.profit_eur * (1 + 1e-9)
    assert optimum.upper_bound_eur >= expected.profit_eur * (1 - 1e-9)
    assert_covered(optimum)


def test_a_market_that_has_no_derivative_is_searched_point_by_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from gridtoll.agents.optimum.one_charge.free_set import FreeSet

    def singular(free_set: FreeSet) -> tuple[Array, Array]:
        raise ClearingError("singular")

    day, network = random_day(2, n=3, periods=2), random_network(1, n=3)
    expected = solve(day, network)
    monkeypatch.setattr(FreeSet, "derivative", singular)
    optimum = solve(day, network, tolerance=1e-3)
    assert all(piece.lower == piece.upper for piece in optimum.pieces)
    assert optimum.upper_bound_eur >= expected.profit_eur * (1 - 1e-9)
    assert optimum.profit_eur >= expected.profit_eur - 1e-3 * max(optimum.revenue_eur, expected.revenue_eur)


# --- what may be asked ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"cap": 0.0}, {"cap": -1.0}, {"cap": np.nan}, {"tolerance": 0.0}, {"tolerance": np.nan}])
def test_a_cap_or_tolerance_that_is_not_positive_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be finite and > 0, and the tolerance > 0, got"):
        solve(pair_day(), pair_network(), **options)


def test_an_infinite_cap_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        solve(pair_day(), pair_network(), cap=np.inf)


@pytest.mark.parametrize(("kind", "per", "count"), [("zonal", "day", 2), ("line", "day", 5), ("distance", "hour", 6)])
def test_a_tariff_of_several_coefficients_is_refused(kind: str, per: Any, count: int) -> None:
    network = random_network(0)
    with pytest.raises(ValueError, match=rf"the {kind} tariff charged per {per} has {count}\."):
        solve(random_day(0), network, tariff=make_tariff(kind, network, per))


def test_a_tariff_of_another_community_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`charges` must have shape"):
        solve(random_day(0), random_network(0), tariff=tariff_of(random_basis(0, 4)))


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ValueError, match="welfare"):
        solve(pair_day(), pair_network(), objective="wellfare")


def test_an_unknown_account_of_flows_is_refused_before_anything_is_cleared() -> None:
    counting = CountingMarket()
    with pytest.raises(ValueError, match="injections"):
        solve(pair_day(), pair_network(), flows="injection", market=counting)
    assert counting.count == 0


# --- as a leader ----------------------------------------------------------------------------------------------------------------------


def test_the_policy_posts_the_optimum_of_the_day_at_hand() -> None:
    days = [pair_day(), pair_day(exports=False)]
    current = iter(days)
    policy = OptimumPolicy(lambda: next(current), lambda day: solve(day, pair_network(), cap=2.0))
    for day in days:
        action, state = policy.predict(np.zeros(3), deterministic=True)
        assert state is None
        assert action.shape == (1,)
        assert action.dtype == np.float64
        assert action[0] == solve(day, pair_network(), cap=2.0).charge


def test_a_proof_that_misses_its_tolerance_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    community = load_community("two-prosumers")
    tariff = make_tariff("distance", community.network)
    monkeypatch.setattr(search_module._BestFirst, "_bound_of", lambda search, piece, chord, goal: goal + 1e-3 * search.yardstick)
    with pytest.raises(ClearingError, match="must be proved to a relative gap of 1e-06, and the gap is still "):
        solve_optimum(community.day(0), community.network, tariff, cap=community.charge_cap)
