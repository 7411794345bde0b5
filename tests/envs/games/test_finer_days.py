"""Both games, the optimum, gradients and leaders on days of 48 and 96 periods."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from finer import cut
from gymnasium.utils.env_checker import check_env

import gridtoll.envs  # noqa: F401 - registers the environments
from gridtoll.agents.curves.day_features import DayFeatures, n_public
from gridtoll.agents.optimum import solve_hours, solve_several
from gridtoll.envs.account.gradient import coefficient_gradient, settlement_gradient
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.references.optima import daily_bill_eur

FINER = {30: 48, 15: 96}


def own(minutes: int, *, stores: bool = True, days: int = 7) -> Community:
    return cut(load_community("two-prosumers"), days=days, minutes=minutes, stores=stores)


@pytest.mark.parametrize("minutes", FINER)
def test_the_day_ahead_game_plays_days_of_finer_periods(minutes: int) -> None:
    env = gymnasium.make("gridtoll/DayAhead-v0", community=own(minutes), charges_per="hour", solver="structured")
    assert env.action_space.shape == (FINER[minutes],)
    assert env.observation_space.shape == (9 * FINER[minutes] + 54,)
    env.reset(options={"day": 2})
    _, reward, terminated, _, info = env.step(np.full(FINER[minutes], 0.03))
    plain = gymnasium.make("gridtoll/DayAhead-v0", community=own(minutes), solver="structured")
    plain.reset(options={"day": 2})
    assert terminated
    assert reward == pytest.approx(plain.step([0.03])[1], rel=1e-12)
    assert info["traded_kwh"] > 0


def test_the_environment_of_quarter_hours_passes_gymnasiums_check() -> None:
    check_env(gymnasium.make("gridtoll/DayAhead-v0", community=own(15), solver="structured").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("minutes", FINER)
def test_a_step_of_the_hourly_game_is_one_period_and_a_constant_charge_earns_what_it_does_day_ahead(minutes: int) -> None:
    community, steps, earned, over = own(minutes), 0, 0.0, False
    env = gymnasium.make("gridtoll/Hourly-v0", community=community)
    observation, _ = env.reset(options={"day": 2})
    while not over:
        observation, reward, over, _, info = env.step([0.03])
        steps, earned = steps + 1, earned + float(reward)
        seen = env.unwrapped.observer.read(observation)  # type: ignore[attr-defined]
        power = info["traded_kwh"] / (community.period_hours * 2 * community.mean_load_kw)
        assert seen["last_traded"][0] == pytest.approx(power, abs=1e-5)
    day_ahead = gymnasium.make("gridtoll/DayAhead-v0", community=community, solver="structured")
    day_ahead.reset(options={"day": 2})
    assert steps == FINER[minutes]
    assert earned == pytest.approx(float(day_ahead.step([0.03])[1]), rel=1e-6, abs=1e-8)


def test_rows_of_the_vector_environment_are_the_single_ones(tmp_path: Path) -> None:
    folder = export_community(own(15), tmp_path / "own")
    envs = gymnasium.make_vec("gridtoll/DayAhead-v0", num_envs=3, community=str(folder))
    envs.reset(seed=3, options={"day": np.array([0, 1, 2])})
    rewards = envs.step(np.full((3, 1), 0.03, np.float32))[1]
    single = gymnasium.make("gridtoll/DayAhead-v0", community=str(folder), solver="structured")
    for row in range(3):
        single.reset(options={"day": row})
        assert rewards[row] == single.step(np.full(1, 0.03, np.float32))[1]
    envs.close()


def test_a_charge_for_each_period_is_exactly_as_good_on_the_same_day_in_finer_rows() -> None:
    best = []
    for minutes in (60, 30, 15):
        community = own(minutes, stores=False)
        tariff = make_tariff("distance", community.network, "hour")
        found = solve_hours(community.day(2), community.network, tariff, cap=1.0, market=StructuredMarket())
        assert found.charges.shape == (24 * 60 // minutes,)
        best.append(found.recleared_eur)
    assert best[1:] == pytest.approx([best[0]] * 2, rel=1e-8)


def test_two_charges_are_bracketed_on_half_hours() -> None:
    community = own(30, stores=False)
    day, tariff = community.day(2), make_tariff("zonal", community.network)
    found = solve_several(day, community.network, tariff, cap=1.0, market=StructuredMarket(), n_starts=1, max_clearings=150)
    assert found.upper_bound_eur >= found.best_eur - 1e-9
    assert found.coefficients.shape == (48, 2)


def test_gradients_of_the_same_day_in_finer_rows_are_the_same() -> None:
    found = []
    for minutes in (60, 15):
        community = own(minutes, stores=False)
        day, tariff = community.day(2), make_tariff("distance", community.network)
        charges = np.broadcast_to(0.03 * tariff.basis[0], (day.n_periods, 2, 2))
        clearing = StructuredMarket().clear(day, charges)
        gradient = settlement_gradient(day, community.network, charges, clearing, weights={"profit_eur": 1.0})
        found.append(float(coefficient_gradient(tariff, gradient).sum()))
    assert found[1] == pytest.approx(found[0], rel=1e-8)


def test_a_days_bill_does_not_depend_on_how_finely_it_is_written() -> None:
    assert daily_bill_eur(own(15)) == pytest.approx(daily_bill_eur(own(60)), rel=1e-12)


def test_features_of_a_day_are_read_from_observations_of_any_number_of_periods() -> None:
    env = gymnasium.make("gridtoll/DayAhead-v0", community=own(15), solver="structured")
    observation, _ = env.reset(options={"day": 2})
    features = DayFeatures(n_public(96), n_periods=96)
    unit = features.unit(torch.as_tensor(observation[None]))
    spread = env.unwrapped.observer.read(observation)["day_spread"][0]  # type: ignore[attr-defined]
    assert float(unit) == pytest.approx(max(spread, 0.03), rel=1e-6)
    with pytest.raises(ValueError, match="must begin with the 918 public fields of a day, got 270 numbers"):
        DayFeatures(270, n_periods=96)
