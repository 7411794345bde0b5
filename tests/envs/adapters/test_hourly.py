"""The hourly environment: what it must be equal to, what its state is, and how it behaves as an environment."""

from __future__ import annotations

import copy
import hashlib
import pickle
from dataclasses import replace
from typing import Any

import gymnasium
import kkt
import numpy as np
import pytest
from builders import random_day
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from gridtoll.envs import COMMUNITY_NAMES, HOURLY_ID, ClearingError, Community, HourlyEnv, P2PMarket, Scenario, load_community, settle
from gridtoll.envs.community.day import Array, Day, within_reach
from gridtoll.envs.games.tail import forecast_of, tail_of
from gridtoll.envs.market.exact.compiled import StructuredMarket

TINY, STORES = "two-prosumers", "ieee9"
SUMMER, WINTER = 170, 20
QUICK = ("two-prosumers", "simbench-rural", "ieee9")
PRIMAL = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy", "trade")

GOLDEN = "829950cb491435282cbb5227da6f6741a62f3bc9832d7b4e8d78bcdcd6cd9d7e"
"""How ``gridtoll/Hourly-v0`` behaves. Results from before a change of this are not comparable with later ones: raise the version."""

Played = tuple[list[NDArray[np.float32]], list[float], list[dict[str, Any]]]


def named(names: tuple[str, ...]) -> list[Any]:
    """Communities by name; clearing the large ones takes too long for every test."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in names]


def run(env: HourlyEnv, actions: Array, **options: Any) -> Played:
    """Play an episode; what was seen, earned and told at each step."""
    observations, rewards, infos = [env.reset(options=options)[0]], [], []
    for number, action in enumerate(actions):
        observation, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (number == len(actions) - 1, False)
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    return observations, rewards, infos


def require_day_ahead(env: HourlyEnv, actions: Array, schedule: Array, index: int) -> None:
    """Require an episode to be the day-ahead clearing at a schedule of shape (T, K), hour by hour."""
    _, rewards, _ = run(env, actions, day=index)
    day, played = env.day, env.day_outcome()
    charges = env.tariff.charges(schedule)
    expected = env.mechanism.clear(day, charges)
    power, price = kkt.units(day)
    for name in PRIMAL:
        np.testing.assert_allclose(getattr(played.clearing, name), getattr(expected, name), atol=1e-9 * power, rtol=1e-7, err_msg=name)
    settlement = settle(day, env.community.network, charges, expected, flows=env.setting.rules.flows, charge_base=env.tariff.basis)
    bill = power * price * day.n_periods * day.n_prosumers
    for name in ("profit_eur", "welfare_eur", "revenue_eur", "traded_kwh", "gross_welfare_eur", "loss_cost_eur"):
        np.testing.assert_allclose(getattr(played.settlement, name), getattr(settlement, name), rtol=1e-7, atol=1e-9 * bill, err_msg=name)
    assert sum(rewards) == pytest.approx(getattr(settlement, f"{env.setting.rules.objective}_eur"), rel=1e-7, abs=1e-9 * bill)
    assert (
        kkt.residuals(day, charges, replace(played.clearing, nodal_price=expected.nodal_price, storage_price=expected.storage_price)).worst
        < 1e-9
    )


# --- identities -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named(COMMUNITY_NAMES))
@pytest.mark.parametrize(("index", "charge"), [(SUMMER, 0.2), (WINTER, 0.05)])
def test_a_constant_charge_reproduces_the_day_ahead_clearing_hour_by_hour(name: str, index: int, charge: float) -> None:
    env = HourlyEnv(name)
    require_day_ahead(env, np.full((24, 1), charge), np.full((24, 1), charge), index)


@pytest.mark.parametrize("name", named(COMMUNITY_NAMES))
def test_a_schedule_that_is_kept_is_the_day_ahead_clearing_with_hourly_charges(name: str) -> None:
    env = HourlyEnv(name, belief="announced", tariff="unique")
    schedule = np.random.default_rng(3).uniform(0.0, 0.3, 24)
    require_day_ahead(env, np.tile(schedule, (24, 1)), schedule[:, None], SUMMER)


@pytest.mark.parametrize("charge", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("tariff", ["zonal", "line"])
@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_the_identity_holds_for_every_tariff_objective_and_account(tariff: str, objective: Any, charge: float) -> None:
    env = HourlyEnv(STORES, tariff=tariff, objective=objective, flows="injections", import_fee=0.05)
    level = np.full((24, env.tariff.n_basis), charge) * np.linspace(0.5, 1.0, env.tariff.n_basis)
    require_day_ahead(env, level, level, 100)


def test_past_entries_of_a_schedule_do_not_matter_and_later_ones_do() -> None:
    env, rng = HourlyEnv(STORES, belief="announced"), np.random.default_rng(0)
    schedule = rng.uniform(0.0, 0.3, 24)
    rows = np.tile(schedule, (24, 1))
    _, kept, _ = run(env, rows, day=SUMMER)
    scribbled = np.where(np.arange(24)[None, :] < np.arange(24)[:, None], rng.uniform(0.0, 1.0, (24, 24)), rows)
    assert run(env, scribbled, day=SUMMER)[1] == kept
    revised = np.where(np.arange(24)[None, :] > np.arange(24)[:, None], 0.0, rows)  # always announces that the rest of the day is free
    assert run(env, revised, day=SUMMER)[1] != pytest.approx(kept, rel=1e-3)


def test_under_standing_belief_a_charge_that_changes_is_not_the_announced_one() -> None:
    schedule = np.random.default_rng(3).uniform(0.0, 0.3, 24)
    standing = run(HourlyEnv(STORES), schedule[:, None], day=SUMMER)[1]
    announced = run(HourlyEnv(STORES, belief="announced"), np.tile(schedule, (24, 1)), day=SUMMER)[1]
    assert standing != pytest.approx(announced, rel=1e-3)


def test_every_hour_carried_out_is_an_equilibrium_of_its_own_account() -> None:
    env = HourlyEnv(STORES)
    run(env, np.random.default_rng(1).uniform(0.0, 0.4, (24, 1)), day=SUMMER)
    for played in env.played:
        assert kkt.residuals(played.tail, np.broadcast_to(played.outcome.charges[0], played.plan.trade.shape), played.plan).worst <= 1e-9
        settlement = played.outcome.settlement
        assert settlement.payment_eur.sum() == pytest.approx(0.0, abs=1e-8 * abs(settlement.payment_eur).max() + 1e-9)
        assert played.outcome.clearing.objective_eur == pytest.approx(-settlement.surplus_eur.sum())
    whole = env.day_outcome()
    assert kkt.balance(env.day, whole.clearing) == pytest.approx(np.zeros((24, 9)), abs=1e-9 * kkt.units(env.day)[0])
    assert max(float(np.abs(part).max()) for part in kkt.storage_violations(env.day, whole.clearing)) <= 1e-8 * kkt.units(env.day)[0]


# --- tails ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["exact", "call-auction"])
def test_a_day_is_joined_of_its_hours_and_the_rest_of_the_plan_whatever_clears(mechanism: str) -> None:
    env = HourlyEnv("ieee9", mechanism=mechanism)
    env.reset(options={"day": 180})
    earned = [env.step([0.1])[1] for _ in range(9)]
    assert env.day_outcome().clearing.trade.shape == (24, 9, 9)
    earned += [env.step([0.1])[1] for _ in range(15)]
    whole = env.day_outcome()
    assert sum(earned) == pytest.approx(whole.settlement.profit_eur)
    assert whole.clearing.objective_eur == -whole.settlement.surplus_eur.sum()


def test_the_tail_of_an_optimal_plan_is_optimal() -> None:
    day = random_day(3)
    charges = 0.05 * (1 - np.eye(5))
    plan = StructuredMarket().clear(day, charges)
    for hour in range(day.n_periods):
        tail = StructuredMarket().clear(tail_of(day, hour, plan.stored_energy[hour]), charges)
        for name in PRIMAL:
            np.testing.assert_allclose(getattr(tail, name), getattr(plan, name)[hour:], atol=1e-10, err_msg=name)


def test_a_tail_ends_with_what_the_day_must_end_with_and_not_with_what_it_begins_with() -> None:
    day = random_day(3)
    tail = tail_of(day, 4, np.zeros(5))
    assert np.array_equal(tail.stored_at_end, day.storage_start)
    clearing = StructuredMarket().clear(tail, np.zeros((5, 5)))
    assert (clearing.stored_energy[-1] >= day.storage_start - 1e-9).all()
    assert kkt.residuals(tail, np.zeros((5, 5)), clearing).worst <= 1e-9


def test_a_store_that_has_to_charge_at_full_power_to_the_end_does_so() -> None:
    day = random_day(3, storage_power=[0.5, 1.5, 0.0, 0.0, 0.0])
    stored = day.storage_start - np.array([3 * 0.95 * 0.5, 0.0, 0.0, 0.0, 0.0])
    clearing = StructuredMarket().clear(tail_of(day, 3, stored), 0.1 * (1 - np.eye(5)))
    assert clearing.storage_charge[:, 0] == pytest.approx(np.full(3, 0.5), abs=1e-8)


def test_both_solvers_carry_out_the_same_hours() -> None:
    actions = np.random.default_rng(4).uniform(0.0, 0.5, (24, 1))
    kernel, cvxpy = (
        run(HourlyEnv(TINY, solver="structured"), actions, day=SUMMER),
        run(HourlyEnv(TINY, solver="cvxpy"), actions, day=SUMMER),
    )
    assert kernel[1] == pytest.approx(cvxpy[1], abs=1e-9)


# --- the state ------------------------------------------------------------------------------------------------------------------------


def test_equal_full_observations_have_equal_futures_whatever_came_before() -> None:
    env = HourlyEnv(STORES, tariff="unique", information="full", forecast_error=0.1, days=2)
    rng = np.random.default_rng(2)
    high = np.array([[1.0], [0.9]])  # so high that nobody trades: different pasts, the same stores
    pasts = [np.repeat(level[None], 3, axis=0) for level in high]
    future = rng.uniform(0.0, 0.4, (45, 1))
    one, other = (run(env, np.concatenate([past, future]), day=SUMMER) for past in pasts)
    assert not np.array_equal(pasts[0], pasts[1])
    for k in range(3, 49):
        np.testing.assert_array_equal(one[0][k], other[0][k])
    assert one[1][3:] == pytest.approx(other[1][3:], rel=1e-12)


def test_different_stores_and_hours_show_in_the_full_observation() -> None:
    env = HourlyEnv(STORES, information="full")
    cheap, dear = (run(env, np.full((24, 1), charge), day=SUMMER)[0] for charge in (0.0, 0.3))
    stored = env.observer.layout["each_stored"]
    assert not np.array_equal(cheap[12][stored], dear[12][stored])
    assert len({each.tobytes() for each in cheap}) == 25


def test_the_next_hour_can_be_worked_out_from_a_full_observation_alone() -> None:
    env = HourlyEnv(STORES, information="full", forecast_error=0.1)
    env.reset(options={"day": SUMMER, "price_path": 2})
    for charge in (0.1, 0.3, 0.02, 0.2):
        observation = env.step([charge])[0]
    told = rebuilt(env.community, env.observer.read(observation))
    played = StructuredMarket().clear(told, env.tariff.charges(np.full((20, 1), 0.15)))
    env.step([0.15])
    plan = env.played[-1].plan
    power = kkt.units(env.day)[0]
    for name in PRIMAL:
        np.testing.assert_allclose(getattr(played, name), getattr(plan, name), atol=2e-3 * power, err_msg=name)  # read in single precision


def rebuilt(community: Community, seen: dict[str, Array]) -> Day:
    """The tail prosumers face, from nothing but what is observed and what never changes."""
    hour, n, mean = int(seen["hour"].argmax()), community.n_prosumers, community.mean_load_kw
    own_load, own_peak = seen["each_mean_load"] * mean, seen["each_renewable_peak"] * mean
    low, high, middle = (seen[f"each_{name}"].reshape(24, n) * own_load for name in ("demand_min", "demand_max", "demand"))
    slope, price = seen["each_utility_slope"].reshape(24, n), seen["each_import_price"]
    curvature = (slope - price[:, None]) / middle
    day = replace(
        community.day(0),
        demand_min=low,
        demand_max=high,
        utility_slope=slope,
        utility_curvature=curvature,
        renewable=np.maximum(seen["each_renewable"].reshape(24, n) * own_peak, 0.0),
        import_price=price,
        export_price=seen["each_export_price"],
        loss_price=seen["each_loss_price"],
        storage_end=seen["each_storage_start"] * mean,
    )
    stored = np.clip(seen["each_stored"], 0.0, 1.0) * seen["each_storage_capacity"] * mean
    return tail_of(day, hour, stored * day.has_storage, forecast=forecast_of(day, seen["forecast"].reshape(3, 24)))


def test_the_hour_in_an_observation_is_the_truth_and_the_day_is_a_forecast() -> None:
    env = HourlyEnv("simbench-rural")
    observations, _, _ = run(env, np.full((24, 1), 0.2), day=SUMMER)
    day, unit = env.day, env.community.mean_load_kw * env.community.n_prosumers
    for hour in (0, 9, 23):
        seen = env.observer.read(observations[hour])
        assert seen["hour"].argmax() == hour
        assert seen["now_renewable"] == pytest.approx(day.renewable[hour].sum() / unit, abs=1e-5)
        assert seen["renewable"] == pytest.approx(env.observer.read(observations[0])["renewable"])
    assert env.observer.read(observations[24])["hour"].max() == 0
    assert env.observer.read(observations[12])["last_traded"] == pytest.approx(
        env.played[11].outcome.settlement.traded_kwh / unit, abs=1e-5
    )
    assert env.observer.read(observations[12])["stored"] == pytest.approx(
        env.played[11].state.stored.sum() / day.storage_capacity.sum(), abs=1e-6
    )


def test_public_observations_have_one_size_for_every_community() -> None:
    assert {HourlyEnv(name).observation_space.shape for name in QUICK} == {(308,)}


# --- forecast errors and several days -------------------------------------------------------------------------------------------------


def test_without_forecast_error_nobody_is_surprised_and_with_it_profits_differ() -> None:
    actions = np.full((24, 1), 0.15)
    sure, same, wrong = (run(HourlyEnv(STORES, forecast_error=error), actions, day=SUMMER)[1] for error in (0.0, 0.0, 0.2))
    assert sure == same
    assert sure != pytest.approx(wrong, rel=1e-3)


def test_forecast_errors_are_those_of_the_scenario() -> None:
    actions = np.full((24, 1), 0.15)
    one, other = (run(HourlyEnv(STORES, forecast_error=0.1), actions, day=SUMMER, price_path=1) for _ in range(2))
    assert one[1] == other[1]
    assert np.array_equal(one[0], other[0])


@pytest.mark.parametrize("error", [0.1, 0.5, 0.9])
def test_stores_stay_within_bounds_and_end_no_emptier_however_wrong_forecasts_are(error: float) -> None:
    env = HourlyEnv(STORES, forecast_error=error, days=2)
    actions = np.random.default_rng(5).uniform(0.0, 0.5, (48, 1))
    run(env, actions, day=40)
    community = env.community
    for number, played in enumerate(env.played):
        assert kkt.residuals(played.tail, np.broadcast_to(played.outcome.charges[0], played.plan.trade.shape), played.plan).worst <= 1e-9
        stored = played.state.stored
        assert ((stored >= 0) & (stored <= community.storage_capacity)).all()
        if number % 24 == 23:
            assert (stored >= community.storage_start * (1 - 1e-9)).all()


def test_what_a_store_cannot_reach_any_more_it_need_not_reach() -> None:
    day = random_day(3, storage_power=[0.5, 1.5, 0.0, 0.0, 0.0])
    wrong = forecast_of(day, np.full((3, 6), 1.1))
    tail = tail_of(day, 5, np.zeros(5), forecast=wrong)
    assert tail.stored_at_end.tolist() == [within_reach(tail)[0], 1.5 * 0.95, 0.0, 0.0, 0.0]
    StructuredMarket().clear(tail, np.zeros((5, 5)))


def test_forecasts_are_valid_days() -> None:
    day = random_day(3, import_limit=2.0, demand_min=1.9, demand_max=np.full((6, 5), 2.0), renewable=0.0)
    forecast = forecast_of(day, np.full((3, 6), 1.5))
    assert (forecast.demand_min - forecast.renewable <= forecast.import_limit).all()
    assert (forecast.demand_max >= forecast.demand_min).all()
    assert (forecast.export_price <= forecast.import_price).all()


def test_stores_carry_on_from_day_to_day_and_the_calendar_goes_on() -> None:
    env = HourlyEnv(STORES, days=3)
    actions = np.random.default_rng(6).uniform(0.0, 0.4, (72, 1))
    _, _, infos = run(env, actions, day=SUMMER)
    assert [info["day"] for info in infos] == [SUMMER] * 24 + [SUMMER + 1] * 24 + [SUMMER + 2] * 24
    assert [info["hours_played"] for info in infos] == list(range(1, 73))
    for end in (24, 48):
        assert np.array_equal(env.played[end].tail.storage_start, env.played[end - 1].state.stored)
        assert np.array_equal(env.played[end].tail.stored_at_end, env.community.storage_start)
    assert env.day_outcome().settlement.profit_eur == pytest.approx(sum(info["profit_eur"] for info in infos[48:]))


def test_the_first_of_several_days_is_the_only_day_of_one() -> None:
    actions = np.random.default_rng(6).uniform(0.0, 0.4, (48, 1))
    assert run(HourlyEnv(STORES, days=2), actions, day=SUMMER)[1][:24] == run(HourlyEnv(STORES), actions[:24], day=SUMMER)[1]


def test_episodes_of_several_days_stay_in_their_split() -> None:
    env, single = HourlyEnv(TINY, days=4, split="test"), HourlyEnv(TINY, split="test")
    assert all(set(range(day, day + 4)) <= set(single.setting.days.tolist()) for day in env.setting.days.tolist())
    assert len(env.setting.days) == len(single.setting.days) * 4 // 7
    with pytest.raises(ValueError, match=r"an episode of 4 days must begin on day 362 or before, got 365"):
        env.reset(options={"day": 365})


# --- as an environment ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{}, {"belief": "announced", "information": "full"}, {"render_mode": "rgb_array", "tariff": "line"}])
def test_gymnasiums_checker_finds_nothing(arguments: dict[str, Any]) -> None:
    env = gymnasium.make(f"gridtoll.envs:{HOURLY_ID}", community=TINY, **arguments)
    check_env(env.unwrapped)


def test_resets_are_seeded() -> None:
    env = HourlyEnv(TINY)
    seen = [env.reset(seed=seed)[1] for seed in (1, 1, 2)]
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_plays_on_as_the_original(copied: Any) -> None:
    env = HourlyEnv(STORES)
    env.reset(seed=0)
    env.step([0.2])
    twin = copied(env)
    assert twin.step([0.1])[1:4] == env.step([0.1])[1:4]
    assert twin.reset()[1] == env.reset()[1]


def test_an_episode_begins_with_a_reset_and_ends_with_the_day() -> None:
    env = HourlyEnv(TINY)
    with pytest.raises(ResetNeeded, match="begins with `reset`"):
        env.step([0.1])
    run(env, np.full((24, 1), 0.1), day=3)
    with pytest.raises(ResetNeeded, match="the episode is over"):
        env.step([0.1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"belief": "hope"}, r"`belief`"),
        ({"forecast_error": -0.1}, r"`forecast_error` must be at least 0 and below 1"),
        ({"forecast_error": np.nan}, r"`forecast_error` must be at least 0 and below 1"),
        ({"days": 0}, r"`days` must be a whole number from 1 to 7, got 0"),
        ({"days": 8}, r"`days` must be a whole number from 1 to 7, got 8"),
        ({"render_mode": "human"}, r"`render_mode`"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HourlyEnv(TINY, **arguments)


@pytest.mark.parametrize(("belief", "size"), [("standing", 1), ("announced", 24)])
def test_actions_of_another_shape_are_refused_and_leave_the_hour_as_it_was(belief: Any, size: int) -> None:
    env = HourlyEnv(TINY, belief=belief)
    env.reset(options={"day": 3})
    with pytest.raises(ValueError, match=rf"must have shape \({size},\), got \(2,\)"):
        env.step([0.1, 0.1])
    assert env.state.hour == 0
    env.step(np.full(size, 0.1))


def test_a_plan_that_cannot_be_cleared_says_where() -> None:
    class Refusing(P2PMarket):
        def clear(self, day: Day, charges: Any, *, start: Any = None) -> Any:
            if day.n_periods == 22:
                raise ClearingError("no.")
            return super().clear(day, charges, start=start)

    env = HourlyEnv(load_community(TINY), mechanism=Refusing())
    env.reset(options={"day": 3})
    env.step([0.1])
    env.step([0.1])
    with pytest.raises(ClearingError, match=r"no\. In the hourly game: community 'two-prosumers', .*'day': 3.*, hour 2"):
        env.step([0.1])
    assert env.state.hour == 2


def test_scenarios_are_those_of_the_day_ahead_environment() -> None:
    env = HourlyEnv(TINY)
    assert np.array_equal(env.day_of(Scenario(5, 1)).export_price, env.community.day(5, price_path=1).export_price)


def test_the_default_environment_plays_as_its_version_says() -> None:
    """A hash of a seeded rollout, of numbers rounded far above the rounding of solvers and processors and far below what matters."""
    env = HourlyEnv()
    digest = hashlib.sha256()
    observation, info = env.reset(seed=2023)
    for charge in np.linspace(0.05, 0.9, 24):
        digest.update((np.round(observation.astype(np.float64), 4) + 0.0).tobytes())
        observation, earned, _, _, info = env.step([charge])
        numbers = [earned, *(info[name] for name in ("welfare_eur", "traded_kwh", "charged_kwh", "loss_kwh", "stored_kwh"))]
        digest.update(repr([f"{float(f'{number:.6g}') + 0.0:g}" for number in numbers if abs(number) > 1e-6]).encode())
    digest.update(repr((info["day"], info["price_path"], info["date"], info["hours_played"])).encode())
    assert digest.hexdigest() == GOLDEN
