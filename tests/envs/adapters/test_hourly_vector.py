"""The batched hourly environment: each row is the single environment, to the last bit, in Gymnasium's own format."""

from __future__ import annotations

import copy
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from sameness import assert_same

from gridtoll.agents.learned.vec_env import GymnasiumVecEnv
from gridtoll.envs import HOURLY_ID, HourlyEnv, PricingVectorEnv
from gridtoll.envs.community.day import Array

TINY, STORES = "two-prosumers", "ieee9"
GAMES: list[dict[str, Any]] = [
    {},
    {"community": STORES, "belief": "announced", "tariff": "unique", "information": "full", "objective": "welfare"},
    {"community": STORES, "tariff": "zonal", "forecast_error": 0.1, "days": 2, "flows": "injections"},
    {"community": STORES, "tariff": "zonal", "belief": "learned", "information": "full"},
]


def batch(num_envs: int = 3, **arguments: Any) -> PricingVectorEnv:
    values: dict[str, Any] = {"community": TINY}
    return PricingVectorEnv(num_envs, env="hourly", **(values | arguments))


def singles(num_envs: int = 3, *, mode: AutoresetMode = AutoresetMode.SAME_STEP, **arguments: Any) -> SyncVectorEnv:
    values: dict[str, Any] = {"community": TINY}
    return SyncVectorEnv([lambda: HourlyEnv(**(values | arguments)) for _ in range(num_envs)], autoreset_mode=mode)


def actions(envs: Any, seed: int) -> Array:
    space = cast(Box, envs.action_space)
    return np.random.default_rng(seed).uniform(0.0, 0.5, space.shape) * space.high


@pytest.mark.parametrize("arguments", GAMES)
def test_every_row_is_the_single_environment_to_the_last_bit(arguments: dict[str, Any]) -> None:
    envs, oracle = batch(**arguments), singles(**arguments)
    assert_same(envs.reset(seed=7), oracle.reset(seed=7))
    for step in range(27 if "days" not in arguments else 50):
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted), f"step {step}")
    assert envs.fallbacks == 0


@pytest.mark.parametrize("arguments", GAMES[:2])
def test_rows_may_begin_anew_in_the_step_after_their_last(arguments: dict[str, Any]) -> None:
    envs, oracle = batch(autoreset_mode="NextStep", **arguments), singles(mode=AutoresetMode.NEXT_STEP, **arguments)
    assert_same(envs.reset(seed=7), oracle.reset(seed=7))
    for step in range(52):
        if step == 3:  # from here on rows end in different steps
            mask = np.array([False, True, False])
            assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted), f"step {step}")
    assert {envs.outcome(row).settlement.profit_eur >= 0 for row in range(3)} == {True}


def test_without_autoreset_rows_wait_for_a_reset() -> None:
    envs, oracle = batch(autoreset_mode="Disabled"), singles(mode=AutoresetMode.DISABLED)
    assert_same(envs.reset(seed=7), oracle.reset(seed=7))
    for step in range(24):
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted))
    with pytest.raises(ResetNeeded, match=r"rows \[0, 1, 2\] have nothing"):
        envs.step(posted)
    assert_same(envs.reset(), oracle.reset())


def test_rows_may_stand_at_different_hours() -> None:
    envs, oracle = batch(community=STORES), singles(community=STORES)
    envs.reset(seed=1), oracle.reset(seed=1)
    for step in range(5):
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted))
    mask = np.array([False, True, False])
    assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))
    assert [state.hour for state in envs.states] == [5, 0, 5]
    for step in range(20):  # rows 0 and 2 end before row 1
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted))
    assert [state.hour for state in envs.states] == [1, 20, 1]


def test_options_and_seeds_reach_rows() -> None:
    envs, oracle = batch(), singles()
    options = {"day": 170, "price_path": 1}
    assert_same(envs.reset(seed=[3, None, 4], options=options), oracle.reset(seed=[3, None, 4], options=options))
    _, infos = envs.reset(options={"day": [1, 2, 3]})
    assert infos["day"].tolist() == [1, 2, 3]


def test_gymnasium_makes_it_and_steps_return_what_is_theirs() -> None:
    envs = gymnasium.make_vec(f"gridtoll.envs:{HOURLY_ID}", num_envs=2, community=TINY)
    assert isinstance(envs.unwrapped, PricingVectorEnv)
    observations, _ = envs.reset(seed=0)
    before = observations.copy()
    envs.step(np.full((2, 1), 0.1))
    assert np.array_equal(observations, before)
    assert envs.unwrapped.outcome(1).settlement.traded_kwh >= 0


def test_a_bad_charge_names_its_row_and_leaves_all_rows_as_they_were() -> None:
    envs = batch()
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"row 1: charges must be between 0 and the cap"):
        envs.step(np.array([[0.1], [-1.0], [0.1]]))
    assert [state.hour for state in envs.states] == [0, 0, 0]


def test_a_copy_plays_on_as_the_original() -> None:
    envs = batch(community=STORES)
    envs.reset(seed=0)
    envs.step(np.full((3, 1), 0.2))
    twin = copy.deepcopy(envs)
    assert_same(envs.step(np.full((3, 1), 0.1)), twin.step(np.full((3, 1), 0.1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "`num_envs` must be at least 1"),
        ({"render_mode": "rgb_array"}, "draws nothing"),
        ({"autoreset_mode": "LastStep"}, "autoreset"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**arguments)


def test_stable_baselines3_sees_episodes_of_a_day_and_what_they_earned() -> None:
    rows = GymnasiumVecEnv(batch(2), action_bounds=([0.0], [1.0]))
    rows.reset()
    earned, ended = np.zeros(2), []
    for step in range(48):
        _, rewards, dones, infos = rows.step(np.full((2, 1), -0.8))
        earned += rewards
        if dones.any():
            assert step % 24 == 23
            ended.append([info["episode"] for info in infos])
            assert [info["episode"]["l"] for info in infos] == [24, 24]
            assert [info["episode"]["r"] for info in infos] == pytest.approx(earned.tolist(), rel=1e-5)
            assert all(info["terminal_observation"].shape == (308,) for info in infos)
            earned[:] = 0.0
    assert len(ended) == 2
