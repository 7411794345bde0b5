"""The hourly game's reference: gradients, searches, bounds, and the leaders it is measured beside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.fixed.day_ahead import ConstantPolicy, RandomPolicy, ZeroPolicy
from gridtoll.agents.fixed.hourly import DayAheadPolicy, SchedulePolicy, best_schedule, play_episode
from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.hourly_game.bound import bound_hourly, connected_price_range, nodal_price_range
from gridtoll.agents.optimum.hourly_game.search import HourlyDay, HourlyReference, day_ahead_hints, search_hourly
from gridtoll.agents.optimum.many_charges.several import Bracket
from gridtoll.agents.optimum.one_charge.hours import solve_hours
from gridtoll.agents.policy import Policy
from gridtoll.envs import HourlyEnv, Scenario, make_tariff, settle
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.games.tail import tail_of
from gridtoll.envs.market.exact.compiled import StructuredMarket

TINY, STORES = "two-prosumers", "ieee9"
SUMMER = Scenario(170, 0)


def day_of(name: str = STORES, scenario: Scenario = SUMMER, **arguments: Any) -> HourlyDay:
    env = HourlyEnv(name, **arguments)
    return HourlyDay(env.game, scenario, env.mechanism)


# --- gradients ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tariff", "objective", "error"), [("distance", "profit", 0.0), ("zonal", "welfare", 0.0), ("unique", "profit", 0.1)]
)
def test_gradients_through_the_game_are_its_finite_differences(tariff: str, objective: Any, error: float) -> None:
    day = day_of(tariff=tariff, objective=objective, forecast_error=error)
    rng = np.random.default_rng(0)
    sequence = rng.uniform(0.05, 0.3, day.shape)
    gradient = day.gradient(day.walk(sequence))
    directions = [np.where(np.arange(24)[:, None] == hour, 1.0, 0.0) * np.ones(day.shape) for hour in (6, 9, 13, 18)]
    for direction in [*directions, rng.standard_normal(day.shape)]:
        ends = [day.walk(sequence + sign * 1e-7 * direction).goal_eur for sign in (1.0, -1.0)]
        scale = float(np.abs(gradient).max())
        assert float(np.sum(gradient * direction)) == pytest.approx((ends[0] - ends[1]) / 2e-7, abs=1e-4 * scale)


def test_a_walk_from_an_hour_on_is_the_whole_walk() -> None:
    day = day_of()
    sequence = np.random.default_rng(1).uniform(0.0, 0.3, day.shape)
    changed = np.where(np.arange(24)[:, None] == 15, 0.4, sequence)
    assert np.array_equal(day.walk(changed, after=day.walk(sequence), hour=15).goals_eur, day.walk(changed).goals_eur)


# --- searches -------------------------------------------------------------------------------------------------------------------------


def search() -> tuple[HourlyDay, Bracket, list[Array], HourlyReference]:
    """A day with stores, searched from the hints of its day-ahead game."""
    day = day_of()
    bracket, hints = day_ahead_hints(day, max_clearings=100)
    return day, bracket, hints, search_hourly(day, hints=hints, n_starts=1, max_plans=800)


@pytest.fixture(scope="module")
def searched() -> tuple[HourlyDay, Bracket, list[Array], HourlyReference]:
    return search()


def test_a_search_is_no_worse_than_its_hints_seeded_and_played_again(
    searched: tuple[HourlyDay, Bracket, list[Array], HourlyReference],
) -> None:
    day, bracket, hints, found = searched
    assert found.goal_eur >= max(day.walk(hint).goal_eur for hint in hints)
    assert found.goal_eur == pytest.approx(found.day.settlement.profit_eur, rel=1e-9)
    assert bracket.best_eur <= bracket.upper_bound_eur
    assert np.array_equal(found.sequence, search()[3].sequence)
    env = HourlyEnv(STORES)
    policy = SchedulePolicy(found.sequence, env.observer.layout["hour"])
    assert play_episode(env, policy, SUMMER) == pytest.approx(found.goal_eur, rel=1e-12)


def test_without_storage_the_hourly_optimum_is_the_certified_sum_of_the_hours_and_beats_every_policy() -> None:
    env = HourlyEnv(TINY)
    day, hour = env.day_of(SUMMER), env.observer.layout["hour"]
    optimum = solve_hours(day, env.community.network, env.tariff, cap=env.charge_cap, market=env.mechanism)
    assert optimum.relative_gap <= 1e-6
    best = play_episode(env, SchedulePolicy(optimum.charges[:, None], hour), SUMMER)
    assert best == pytest.approx(optimum.goal_eur, rel=1e-9)
    constant = solve_optimum(day, env.community.network, env.tariff, cap=env.charge_cap, market=env.mechanism)
    rng = np.random.default_rng(2)
    others: list[Policy] = [ZeroPolicy(1), ConstantPolicy([constant.charge]), RandomPolicy(1.0, 1, seed=0)]
    others += [SchedulePolicy(optimum.charges[:, None] * rng.uniform(0.9, 1.1, (24, 1)), hour) for _ in range(5)]
    earned = [play_episode(env, policy, SUMMER) for policy in others]
    assert max(earned) < best
    assert best <= optimum.upper_bound_eur * (1 + 1e-9)
    assert search_hourly(day_of(TINY), n_starts=1, max_plans=1500).goal_eur <= optimum.upper_bound_eur * (1 + 1e-9)
    assert best <= bound_hourly(day, env.community.network).bound_eur


@pytest.mark.parametrize("arguments", [{"belief": "announced"}, {"days": 2}])
def test_a_game_of_another_kind_is_not_searched(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the search needs `belief` 'standing' and `days` 1"):
        day_of(**arguments)


# --- the bound ------------------------------------------------------------------------------------------------------------------------


def wide(seed: int, **changes: Any) -> Day:
    """A random day whose connections carry storage and demand together."""
    return random_day(seed, import_limit=20.0, export_limit=20.0, trade_limit=20.0, **changes)


def believed(day: Day, charges: Array, rng: np.random.Generator | None = None) -> float:
    """What the operator earns when prosumers believe something else about later charges every hour, or that each stands."""
    network, market = random_network(0), StructuredMarket()
    basis, stored, earned = make_tariff("distance", network).basis[0], day.storage_start, 0.0
    for hour in range(day.n_periods):
        tail = tail_of(day, hour, stored)
        later = np.full(tail.n_periods, charges[hour])
        if rng is not None:
            later[1:] = rng.uniform(0.0, 1.0, tail.n_periods - 1)
        plan = market.clear(tail, later[:, None, None] * basis)
        flow = (plan.traded_kw[0]) @ network.prosumer_ptdf.T
        loss = day.loss_price[hour] * float(network.grid.loss_coefficient @ flow**2)
        over = day.overload_price * float(np.maximum(np.abs(flow) - network.grid.branch_limit_kw, 0.0).sum())
        earned += float(charges[hour] * (basis * plan.trade[0]).sum()) + day.import_fee * float(plan.grid_import[0].sum()) - loss - over
        stored = np.clip(plan.stored_energy[1], 0.0, day.storage_capacity)
    return earned


@pytest.mark.parametrize("seed", range(6))
def test_no_charges_exceed_the_bound_whatever_prosumers_believe(seed: int) -> None:
    rng = np.random.default_rng(seed)
    day = wide(seed, import_fee=0.05 * (seed % 2))
    bound = bound_hourly(day, random_network(0)).bound_eur
    earned = [believed(day, level * rng.uniform(0.5, 1.5, day.n_periods), rng) for level in (0.02, 0.05, 0.1, 0.2, 0.3)]
    assert max(earned) <= bound
    assert bound < 25.0 * max(earned)  # and it says something


@pytest.mark.parametrize("seed", range(4))
def test_nodal_prices_lie_within_the_range_proved_for_them(seed: int) -> None:
    day, rng = wide(seed), np.random.default_rng(seed)
    least, greatest = nodal_price_range(day)
    for level in (0.0, 0.05, 0.2, 1.0):
        charges = rng.uniform(0.0, level, (day.n_periods, 1, 1)) * (1 - np.eye(5))
        price = StructuredMarket().clear(day, charges).nodal_price
        assert (price >= least[:, None] - 1e-9).all()
        assert (price <= greatest[:, None] + 1e-9).all()


def test_the_bound_is_a_dual_of_the_day_and_not_of_one_price() -> None:
    """Any prices bound; those found must be at least as good as the first guess, and nearly as good as any near them."""
    from gridtoll.agents.optimum.hourly_game.bound import _Dual

    day = wide(3)
    dual, found = _Dual(day, nodal_price_range(day)), bound_hourly(day, random_network(0))
    best = np.column_stack([found.price, found.worth[:, dual.owner]])
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(20):
            near = best + size * rng.standard_normal(best.shape)
            assert dual.total(dual.hours(near), near) >= found.bound_eur * (1 - 1e-4)


def test_each_prosumers_maximum_is_no_less_than_any_point_of_a_grid() -> None:
    from gridtoll.agents.optimum.hourly_game.bound import _Dual

    day = wide(5, import_fee=0.1)
    dual, rng = _Dual(day, nodal_price_range(day)), np.random.default_rng(1)
    prices = np.column_stack([rng.uniform(0.0, 0.4, 6), rng.uniform(-0.1, 0.4, (6, 2))])
    least, greatest = nodal_price_range(day)
    worth = np.zeros((6, 5))
    worth[:, dual.owner] = prices[:, 1:]
    top = np.full((6, 5), -np.inf)
    for share in np.linspace(0.0, 1.0, 401):
        mu = (least + share * (greatest - least))[:, None] * np.ones((6, 5))
        demand = np.clip((day.utility_slope - mu) / day.utility_curvature, day.demand_min, day.demand_max)
        imported = np.clip((mu - day.import_price[:, None]) / day.grid_friction, 0.0, day.import_limit)
        exported = np.clip((day.export_price[:, None] - mu) / day.grid_friction, 0.0, day.export_limit)
        for charge in (0.0, 0.5, 1.0):
            for discharge in (0.0, 0.5, 1.0):
                moved, gained = (charge - discharge) * day.storage_power, (0.95 * charge - discharge / 0.95) * day.storage_power
                net = demand + exported - imported - np.where(mu > 0, day.renewable, 0.0) + moved
                top = np.maximum(top, (mu - prices[:, :1]) * net + day.import_fee * imported - worth * gained)
    value = dual.hours(prices).value
    assert (value >= top.sum(axis=1) - 1e-12).all()
    assert value == pytest.approx(top.sum(axis=1), rel=3e-3)


def held_up(seed: int) -> Day:
    """A random day on which prosumer 0 puts off filling a store that draws all its connection carries, until it needs others for that."""
    return random_day(
        seed,
        periods=3,
        stores=1,
        renewable=0.0,
        demand_min=np.full((3, 5), 0.5),
        demand_max=np.full((3, 5), 1.0),
        import_price=[0.5, 0.32, 0.32],
        import_limit=[2.0, 20.0, 20.0, 20.0, 20.0],
        export_limit=20.0,
        trade_limit=20.0 * (1 - np.eye(5)),
        storage_power=[2.0, 0.0, 0.0, 0.0, 0.0],
        storage_capacity=[10.0, 0.0, 0.0, 0.0, 0.0],
        storage_start=np.zeros(5),
        storage_end=[0.95 * 4.3, 0.0, 0.0, 0.0, 0.0],
    )


@pytest.mark.parametrize("seed", range(6))
def test_where_connections_are_narrow_the_greatest_charge_bounds_what_a_leader_can_extort(seed: int) -> None:
    day, network = held_up(seed), random_network(0)
    basis, caps = make_tariff("distance", network).basis[0], (1.0, 2.0, 4.0)
    bounds = np.array([bound_hourly(day, network, greatest_charge=cap * basis).bound_eur for cap in caps])
    earned = np.array([believed(day, np.array([0.0, cap, cap])) for cap in caps])
    assert (earned <= bounds).all()
    assert (np.diff(earned) > 0.5 * earned[0]).all()  # what must be bought is bought at any charge, so that only the cap bounds this
    assert (bounds < 40.0 * earned).all()
    within = nodal_price_range(day, 4.0 * basis)[1]
    full = (day.import_price[:, None] + day.grid_friction * day.import_limit).max(axis=1)
    assert (within > full + 4.0 * basis[:, 0].max() - 1e-9).all()


def test_a_trade_that_cannot_carry_what_its_buyer_needs_is_named() -> None:
    day = replace(held_up(0), trade_limit=np.where(np.eye(5), 0.0, 0.1))
    with pytest.raises(ValueError, match=r"the trades of prosumers \[0\] as buyers cannot"):
        bound_hourly(day, random_network(0), greatest_charge=np.ones((5, 5)))


def test_a_greatest_charge_changes_nothing_where_connections_are_wide() -> None:
    day = wide(1)
    free, capped = (bound_hourly(day, random_network(0), greatest_charge=each).bound_eur for each in (None, np.ones((5, 5))))
    assert free == capped


def test_narrow_connections_are_named_and_no_bound_is_claimed() -> None:
    day = wide(3, storage_power=[1.0, 20.0, 0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"those of prosumers \[1\] do not"):
        bound_hourly(day, random_network(0))
    conditional = bound_hourly(day, random_network(0), price_range=connected_price_range(day))
    assert conditional.bound_eur > believed(day, np.full(6, 0.1), np.random.default_rng(0))


def test_a_wider_range_of_prices_gives_a_bound_no_lower() -> None:
    day = wide(2)
    least, greatest = nodal_price_range(day)
    assert (connected_price_range(day)[0] <= least).all()
    assert (connected_price_range(day)[1] >= greatest).all()
    proved, wider = (bound_hourly(day, random_network(0), price_range=each).bound_eur for each in (None, connected_price_range(day)))
    assert proved <= wider * (1 + 1e-4)


def test_the_bound_holds_for_the_best_sequence_found_and_for_the_announced_optimum(
    searched: tuple[HourlyDay, Bracket, list[Array], HourlyReference],
) -> None:
    day, bracket, _, found = searched
    bound = bound_hourly(day.start.loaded.day, day.game.setting.community.network)
    assert bracket.best_eur <= found.goal_eur * (1 + 1e-9) or found.goal_eur < bracket.best_eur <= bound.bound_eur
    assert found.goal_eur <= bound.bound_eur


# --- leaders --------------------------------------------------------------------------------------------------------------------------


def test_repeating_the_day_ahead_optimum_earns_exactly_that() -> None:
    env = HourlyEnv(STORES)
    network = env.community.network

    def solve(day: Day) -> Array:
        return np.array([solve_optimum(day, network, env.tariff, cap=env.charge_cap, market=env.mechanism).charge])

    policy = DayAheadPolicy(lambda: env.day, solve, env.observer.layout["hour"])
    day = env.day_of(SUMMER)
    expected = solve_optimum(day, network, env.tariff, cap=env.charge_cap, market=env.mechanism)
    assert play_episode(env, policy, SUMMER) == pytest.approx(expected.profit_eur, rel=1e-9)


def test_an_announced_schedule_is_posted_as_a_whole_and_earns_what_it_earns_day_ahead() -> None:
    env = HourlyEnv(STORES, belief="announced")
    schedule = np.random.default_rng(0).uniform(0.0, 0.3, (24, 1))
    day, charges = env.day_of(SUMMER), env.tariff.charges(schedule)
    expected = settle(day, env.community.network, charges, env.mechanism.clear(day, charges)).profit_eur
    for policy in (
        SchedulePolicy(schedule, env.observer.layout["hour"], announced=True),
        DayAheadPolicy(lambda: env.day, lambda _: schedule, env.observer.layout["hour"], announced=True),
    ):
        assert play_episode(env, policy, SUMMER) == pytest.approx(expected, rel=1e-9)


def test_the_best_schedule_of_a_sample_is_no_worse_than_its_start() -> None:
    env = HourlyEnv(STORES)
    days = [HourlyDay(env.game, Scenario(index, 0), env.mechanism) for index in (150, 170)]
    found = best_schedule(days, [0.2], steps=8)
    start = np.mean([day.walk(np.full(day.shape, 0.2)).goal_eur for day in days])
    assert found.mean_goal_eur > start
    policy = SchedulePolicy(found.schedule, env.observer.layout["hour"])
    played = np.mean([play_episode(env, policy, Scenario(index, 0)) for index in (150, 170)])
    assert played == pytest.approx(found.mean_goal_eur, rel=1e-9)


def test_schedules_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a schedule must have shape \(24, K\) or \(K,\), got \(3, 1\)"):
        SchedulePolicy(np.zeros((3, 1)), slice(0, 24))
    with pytest.raises(ValueError, match="at least one day"):
        best_schedule([], [0.1])
