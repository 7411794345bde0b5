"""A row of the reference results by stable-baselines3 alone: PPO on ieee9 learns for 4,000 days and is scored against the optimum.

`python examples/reference_row.py [SEED]`; the reference report gives the range of ten seeds. gridtoll lends the environment and the score.
"""

import sys
from typing import Any

import gymnasium
from stable_baselines3 import PPO

from gridtoll.agents.curves.day_features import DayActions
from gridtoll.agents.learned.stable_baselines import LearnedPolicy
from gridtoll.agents.learned.vec_env import GymnasiumVecEnv
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.learning.learn import reward_unit_eur
from gridtoll.train.scoring.evaluate import evaluate
from gridtoll.train.workers import Workers


def main(seed: int = 1, days: int = 4000) -> float:
    """Learn and return the interquartile mean of normalised regret on the 112 test days."""
    task = GameSpec(community="ieee9")
    envs: Any = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=8, community=task.community)
    game = envs.unwrapped.game
    day = DayActions(game.observer.size, game.setting.charge_cap)  # sees features of the day, and posts charges on a logarithmic scale
    rows = GymnasiumVecEnv(envs, day=day, reward_unit=reward_unit_eur(task))
    shape = {"net_arch": [64, 64], "log_std_init": -1.2}
    learner = PPO("MlpPolicy", rows, 1e-3, 25, 25, 20, gamma=0.0, policy_kwargs=shape, seed=seed, device="cpu").learn(days)
    policy = LearnedPolicy(learner.policy, game.setting.charge_cap, day)
    with Workers(quiet=True) as workers:
        test = evaluate(policy, task, game.setting.community.scenarios("test"), workers, name="ppo", split="test")
    return float(test.summary().values()["normalised_regret_iqm"])


if __name__ == "__main__":
    print(f"normalised regret {main(int(sys.argv[1]) if sys.argv[1:] else 1):.2%} (0 is the optimum, 100% no charge)")
