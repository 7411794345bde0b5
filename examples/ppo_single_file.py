"""PPO in one file, with the batched environment, NumPy and PyTorch alone: read it from top to bottom, and change what you like.

`python examples/ppo_single_file.py --community two-prosumers --days 2048`. A day is one step, so there is no value of a next state, and the
advantage of a charge is what it earned above what was expected. The best charges of the day are known: the table says what is left of them.
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.references.ends import references
from gridtoll.train.workers import Workers


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--community", default="two-prosumers")
    parser.add_argument("--mechanism", default="exact")
    parser.add_argument("--days", type=int, default=4096, help="training days")
    parser.add_argument("--rows", type=int, default=64, help="days played at once")
    parser.add_argument("--epochs", type=int, default=10, help="passes over each batch of days")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=0.2)
    parser.add_argument("--test-days", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


class Agent(nn.Module):
    """A normal distribution of the charge, squashed into (0, cap), and what is expected to be earned."""

    def __init__(self, observed: int, charges: int, cap: float) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(observed, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, charges))
        self.critic = nn.Sequential(nn.Linear(observed, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.log_std = nn.Parameter(torch.full((charges,), -0.5))
        self.cap = cap

    def distribution(self, observation: torch.Tensor) -> Any:
        """Return that of the charge before it is squashed, of shape (rows, charges)."""
        normal: Any = torch.distributions.Normal
        return normal(self.actor(observation), self.log_std.exp())

    def charge(self, raw: torch.Tensor) -> np.typing.NDArray[np.float64]:
        """Return charges in EUR/kWh, shape (rows, charges)."""
        return (self.cap * torch.sigmoid(raw - 1.5)).double().numpy()


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Learn, and return profit and regret on test days in EUR a day."""
    options = parse(arguments)
    torch.manual_seed(options.seed)
    game: dict[str, Any] = {"community": options.community, "mechanism": options.mechanism}
    envs: Any = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=options.rows, **game)
    space = envs.single_action_space
    agent = Agent(envs.single_observation_space.shape[0], space.shape[0], float(space.high[0]))
    optimiser = torch.optim.Adam(agent.parameters(), lr=options.learning_rate)
    observations, _ = envs.reset(seed=options.seed)
    scale = 1.0
    for played in range(0, options.days, options.rows):
        seen = torch.as_tensor(observations)
        with torch.no_grad():
            raw = agent.distribution(seen).sample()
            old = agent.distribution(seen).log_prob(raw).sum(dim=1)
        observations, profits, *_ = envs.step(agent.charge(raw))  # clears all days in one call
        scale = max(1e-9, 0.9 * scale + 0.1 * float(np.abs(profits).mean())) if played else max(1e-9, float(np.abs(profits).mean()))
        reward = torch.as_tensor(profits / scale, dtype=torch.float32)
        for _ in range(options.epochs):
            expected = agent.critic(seen).squeeze(1)
            gained = (reward - expected).detach()
            gained = (gained - gained.mean()) / (gained.std() + 1e-8)
            ratio = (agent.distribution(seen).log_prob(raw).sum(dim=1) - old).exp()
            clipped = ratio.clamp(1 - options.clip, 1 + options.clip)
            loss = -torch.minimum(ratio * gained, clipped * gained).mean() + 0.5 * (reward - expected).pow(2).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()
    return score(agent, game, options.test_days)


def score(agent: Agent, game: dict[str, Any], days: int) -> dict[str, float]:
    """Return what the most likely charges earn on test days, and what the best known would have earned more."""
    task = GameSpec(**game)
    solver: dict[str, Any] = {"solver": "structured"} if task.mechanism == "exact" else {}  # CVXPY is the default of a single environment
    env: Any = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", split="test", **game, **solver)
    scenarios = env.unwrapped.community.scenarios("test", days)
    with Workers(1, quiet=True) as workers:
        best = references(task, scenarios, workers)
    profits = []
    for scenario in scenarios:
        observation, _ = env.reset(options=scenario._asdict())
        with torch.no_grad():
            raw = agent.distribution(torch.as_tensor(observation)[None]).mean
        profits.append(env.step(agent.charge(raw)[0])[1])
    regrets = [ends.best_eur - profit for ends, profit in zip(best, profits, strict=True)]
    return {
        "profit_eur": float(np.mean(profits)),
        "regret_eur": float(np.mean(regrets)),
        "regret_of_no_charge_eur": float(np.mean([ends.best_eur - ends.zero_eur for ends in best])),
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:24} {value:8.3f}")
