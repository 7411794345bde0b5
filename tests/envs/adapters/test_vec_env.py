"""Gymnasium's vector environments under stable-baselines3: that library's contract, and the same play as its own way of batching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RescaleAction
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from gridtoll.agents.curves.day_features import LEVELS, DayActions, DayFeatures
from gridtoll.agents.learned.vec_env import GymnasiumVecEnv
from gridtoll.envs import DayAheadEnv, PricingVectorEnv

TINY = "two-prosumers"


def batched(num_envs: int = 3, **arguments: Any) -> GymnasiumVecEnv:
    envs = PricingVectorEnv(num_envs, TINY, **arguments)
    return GymnasiumVecEnv(envs, action_bounds=(0.0, envs.game.setting.charge_cap))


def pendulums(mode: AutoresetMode = AutoresetMode.SAME_STEP) -> SyncVectorEnv[Any, Any]:
    """An environment of several steps that truncates and never terminates."""
    return SyncVectorEnv([lambda: gymnasium.make("Pendulum-v1", max_episode_steps=5)] * 2, autoreset_mode=mode)


def test_it_plays_as_stable_baselines_own_batch_of_single_environments_does() -> None:
    def single() -> gymnasium.Env[Any, Any]:
        return RescaleAction(DayAheadEnv(TINY, solver="structured"), np.float32(-1.0), np.float32(1.0))

    mine, theirs = batched(), DummyVecEnv([single] * 3)
    for each in (mine, theirs):
        each.seed(11)
    np.testing.assert_array_equal(mine.reset(), theirs.reset())
    assert [info["day"] for info in mine.reset_infos] == [info["day"] for info in theirs.reset_infos]
    assert mine.action_space == theirs.action_space
    assert mine.observation_space == theirs.observation_space
    for action in (-1.0, -0.5, 0.25, 1.0):  # exact in either precision
        actions = np.full((3, 1), action, dtype=np.float32)
        (one, reward, done, infos), (other, expected, ended, told) = mine.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(one, other, strict=True)
        np.testing.assert_array_equal(reward, expected, strict=True)
        np.testing.assert_array_equal(done, ended, strict=True)
        for info, oracle in zip(infos, told, strict=True):
            assert info.keys() == oracle.keys() | {"episode"}
            assert info["TimeLimit.truncated"] is False
            for name, value in oracle.items():
                np.testing.assert_array_equal(info[name], value, err_msg=name)
            assert info["episode"] == {"r": info["profit_eur"], "l": 1, "t": 0.0}


def test_longer_episodes_that_are_cut_off_say_so_and_count_their_rewards() -> None:
    mine, theirs = GymnasiumVecEnv(pendulums()), DummyVecEnv([lambda: gymnasium.make("Pendulum-v1", max_episode_steps=5)] * 2)
    for each in (mine, theirs):
        each.seed(3)
    np.testing.assert_array_equal(mine.reset(), theirs.reset())
    sums = np.zeros(2)
    for step in range(11):
        actions = np.random.default_rng(step).uniform(-2, 2, (2, 1)).astype(np.float32)
        (one, reward, done, infos), (other, expected, ended, told) = mine.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(reward, expected)
        np.testing.assert_array_equal(done, ended)
        assert done.all() == (step in (4, 9))
        sums += reward
        for row, (info, oracle) in enumerate(zip(infos, told, strict=True)):
            if done[row]:
                assert info["TimeLimit.truncated"] is oracle["TimeLimit.truncated"] is True
                np.testing.assert_array_equal(info["terminal_observation"], oracle["terminal_observation"])
                assert info["episode"]["r"] == pytest.approx(sums[row], rel=1e-5)
                assert info["episode"]["l"] == 5
                sums[row] = 0.0
            else:
                assert "terminal_observation" not in info


def test_gymnasiums_wrappers_may_stand_between() -> None:
    mine = GymnasiumVecEnv(RecordEpisodeStatistics(pendulums()))
    mine.seed(3)
    mine.reset()
    for _ in range(5):
        _, _, dones, infos = mine.step(np.zeros((2, 1), np.float32))
    assert dones.all()
    assert [info["episode"]["l"] for info in infos] == [5, 5]
    assert all(info["terminal_observation"].shape == (3,) for info in infos)


def test_rewards_count_in_their_unit_and_episodes_in_their_own() -> None:
    envs = PricingVectorEnv(3, TINY)
    mine = GymnasiumVecEnv(envs, action_bounds=(0.0, 1.0), reward_unit=4.0)
    mine.seed(0)
    mine.reset()
    _, rewards, _, infos = mine.step(np.full((3, 1), -0.8, np.float32))
    assert rewards.dtype == np.float32
    np.testing.assert_allclose(rewards, [info["profit_eur"] / 4.0 for info in infos], rtol=1e-6)
    assert [info["episode"]["r"] for info in infos] == [info["profit_eur"] for info in infos]


def test_stable_baselines_own_evaluation_counts_episodes_in_eur() -> None:
    envs = PricingVectorEnv(2, TINY)
    mine = GymnasiumVecEnv(envs, action_bounds=(0.0, 1.0), reward_unit=5.0)
    learner = PPO("MlpPolicy", mine, n_steps=4, batch_size=4, seed=1, device="cpu")
    mine.seed(3)
    rewards, lengths = evaluate_policy(learner, mine, n_eval_episodes=6, return_episode_rewards=True)  # warnings are errors
    twin, observations = PricingVectorEnv(2, TINY), None
    observations, _ = twin.reset(seed=3)
    earned: list[float] = []
    for _ in range(3):
        charges = 0.5 * (np.asarray(learner.predict(observations, deterministic=True)[0], np.float64) + 1.0)
        observations, paid, *_ = twin.step(charges)
        earned += paid.tolist()
    assert lengths == [1] * 6
    assert sorted(np.asarray(rewards, float).tolist()) == pytest.approx(sorted(earned), rel=1e-9)


def test_wrappers_around_the_vector_environment_and_its_single_ones_are_known() -> None:
    singles = SyncVectorEnv([lambda: RescaleAction(DayAheadEnv(TINY), np.float32(-1.0), np.float32(1.0))] * 2, autoreset_mode="SameStep")
    mine = GymnasiumVecEnv(RecordEpisodeStatistics(singles))
    assert mine.env_is_wrapped(RecordEpisodeStatistics) == mine.env_is_wrapped(RescaleAction) == [True, True]
    assert mine.env_is_wrapped(gymnasium.wrappers.TimeLimit, 1) == [False]


def test_seeds_and_options_count_for_the_next_reset_only() -> None:
    mine = batched()
    mine.seed(5)
    first = mine.reset()
    second = mine.reset()
    mine.seed(5)
    np.testing.assert_array_equal(mine.reset(), first)
    assert not np.array_equal(first, second)
    mine.set_options({"day": 170})
    mine.reset()
    assert [info["day"] for info in mine.reset_infos] == [170] * 3
    mine.reset()
    assert [info["day"] for info in mine.reset_infos] != [170] * 3
    mine.set_options([{"day": 1}, {"day": 2}, {"day": 3}])
    with pytest.raises(ValueError, match="the same options"):
        mine.reset()


def test_rows_share_the_attributes_and_methods_of_their_environment() -> None:
    mine = batched()
    assert mine.get_attr("num_envs") == [3, 3, 3]
    assert mine.get_attr("fallbacks", [0, 2]) == [0, 0]
    assert not mine.has_attr("colour")
    mine.set_attr("fallbacks", 7)
    assert mine.get_attr("fallbacks", 1) == [7]
    with pytest.raises(ValueError, match="share one environment"):
        mine.set_attr("fallbacks", 1, indices=[0])
    mine.seed(0)
    mine.reset()
    mine.step(np.zeros((3, 1), np.float32))
    assert [outcome.settlement.profit_eur for outcome in mine.env_method("outcome", 1, indices=[0, 1])] == [
        mine.envs.outcome(1).settlement.profit_eur  # type: ignore[attr-defined]
    ] * 2
    assert mine.env_is_wrapped(RescaleAction) == [False] * 3
    assert mine.env_is_wrapped(Monitor, [0, 2]) == [True] * 2
    assert mine.render_mode is None
    mine.close()
    assert mine.envs.closed


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_environments_that_reset_in_another_way_are_refused(mode: AutoresetMode) -> None:
    with pytest.raises(ValueError, match=r"needs a vector environment with AutoresetMode\.SAME_STEP, got AutoresetMode"):
        GymnasiumVecEnv(pendulums(mode))


def test_stable_baselines_wrappers_take_it() -> None:
    with pytest.warns(UserWarning, match="statistics will be"):  # what an episode earned is told already, in EUR
        wrapped = VecNormalize(VecMonitor(batched()))
    wrapped.seed(0)
    wrapped.reset()
    _, _, dones, infos = wrapped.step(np.full((3, 1), -0.8, np.float32))
    assert dones.all()
    assert all(info["episode"]["l"] == 1 for info in infos)


def test_stable_baselines_own_checks_pass_on_the_row_it_stands_for() -> None:
    check_env(RescaleAction(DayAheadEnv(TINY, solver="structured"), np.float32(-1.0), np.float32(1.0)))  # warnings are errors
    mine = batched()
    mine.seed(0)
    assert isinstance(mine.action_space, spaces.Box)
    assert mine.observation_space.contains(np.asarray(mine.reset())[0])


def _sac(envs: GymnasiumVecEnv) -> BaseAlgorithm:
    return SAC("MlpPolicy", envs, gamma=0.0, learning_starts=24, batch_size=8, seed=1, policy_kwargs={"net_arch": [8]}, device="cpu")


def _ppo(envs: GymnasiumVecEnv) -> BaseAlgorithm:
    return PPO("MlpPolicy", envs, gamma=0.0, n_steps=8, batch_size=8, seed=1, policy_kwargs={"net_arch": [8]}, device="cpu")


@pytest.mark.parametrize("make", [_sac, _ppo])
def test_learners_train_on_it_and_a_repetition_gives_the_same_weights(make: Callable[[GymnasiumVecEnv], BaseAlgorithm]) -> None:
    learners = [make(batched(4)).learn(48) for _ in range(2)]
    weights = [learner.policy.state_dict() for learner in learners]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert learners[0].num_timesteps >= 48
    if make is _sac:
        rewards = [learner.replay_buffer.rewards[: 48 // 4] for learner in learners]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(*rewards)
        assert np.abs(rewards[0]).max() > 0
    mean, _ = evaluate_policy(learners[0], batched(4), n_eval_episodes=8, warn=False)
    assert np.isfinite(mean)


def test_a_learner_of_days_sees_features_acts_in_the_unit_and_is_paid_by_the_guessed_worth() -> None:
    envs = PricingVectorEnv(3, TINY)
    day = DayActions(envs.game.observer.size, envs.game.setting.charge_cap)
    mine, plain = GymnasiumVecEnv(envs, day=day, reward_unit=2.0), batched()
    for each in (mine, plain):
        each.seed(11)
    seen, observed = mine.reset(), np.asarray(plain.reset())
    assert mine.observation_space == spaces.Box(-np.inf, np.inf, (day.n_seen,), np.float32)
    assert mine.action_space == spaces.Box(-1.0, 1.0, (1,), np.float32)
    np.testing.assert_array_equal(seen, DayFeatures(observed.shape[1])(torch.as_tensor(observed)).float().numpy())
    unit = DayFeatures(observed.shape[1]).unit(torch.as_tensor(observed)).numpy()
    charges = np.minimum(unit * np.exp(0.5 * (np.log(LEVELS[0]) + np.log(LEVELS[-1]))), envs.game.setting.charge_cap)
    after, rewards, done, infos = mine.step(np.zeros((3, 1), np.float32))
    _, _, _, expected = plain.step((2.0 * charges / envs.game.setting.charge_cap - 1.0).astype(np.float64))
    assert done.all()
    assert np.asarray(after).shape == (3, day.n_seen)
    for row, worth in enumerate(day.worth(observed)):
        np.testing.assert_array_equal(infos[row]["terminal_observation"], np.asarray(seen)[row])
        assert infos[row]["episode"]["r"] == pytest.approx(expected[row]["episode"]["r"], rel=1e-9)
        assert rewards[row] == np.float32(infos[row]["episode"]["r"] / 2.0 / worth)
    with pytest.raises(ValueError, match="`action_bounds` must be None, got both"):
        GymnasiumVecEnv(PricingVectorEnv(3, TINY), day=day, action_bounds=(0.0, 1.0))
