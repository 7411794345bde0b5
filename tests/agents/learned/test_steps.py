"""Gradient steps that are written out, against those of stable-baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed

from gridtoll.agents.learned.steps.sac import SAC
from gridtoll.agents.learned.steps.td3 import TD3
from gridtoll.agents.learned.steps.tqc import TQC

N_OBSERVED = 7
_SOFT = {"ent_coef": "auto_0.05", "target_entropy": -2.0}
OWN: dict[str, dict[str, Any]] = {"SAC": _SOFT, "TD3": {}, "TQC": _SOFT}
Kind = type[OffPolicyAlgorithm]
PAIRS: list[tuple[Kind, Kind]] = [(stable_baselines3.SAC, SAC), (stable_baselines3.TD3, TD3), (sb3_contrib.TQC, TQC)]


class Still(gymnasium.Env[Any, Any]):
    """An environment for a learner to be made with; nobody plays it."""

    def __init__(self, n_charges: int) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (N_OBSERVED,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (n_charges,), np.float32)


def learner_of(kind: Kind, n_charges: int = 1, gamma: float = 0.0, hidden: tuple[int, ...] = (16, 16)) -> Any:
    """Return a learner whose memory holds random steps."""
    learner: Any = kind(
        "MlpPolicy",
        Still(n_charges),
        learning_rate=2e-3,
        gamma=gamma,
        buffer_size=300,
        seed=0,
        device="cpu",
        policy_kwargs={"net_arch": list(hidden)},
        **OWN[kind.__name__],
    )
    rng, memory = np.random.default_rng(0), learner.replay_buffer
    for _ in range(200):
        shown, after = rng.normal(size=(2, 1, N_OBSERVED))
        memory.add(shown, after, rng.uniform(-1, 1, (1, n_charges)), rng.normal(size=1), rng.random(1) < 0.2, [{}])
    learner.set_logger(configure(None, []))
    return learner


def learn(learner: Any, steps: int, rows: int = 32) -> dict[str, torch.Tensor]:
    """Take gradient steps, and return all weights."""
    set_random_seed(3)
    learner.train(steps, rows)
    weights = {name: weight.clone() for name, weight in learner.policy.state_dict().items()}
    return weights | ({"log_ent_coef": learner.log_ent_coef.detach().clone()} if hasattr(learner, "log_ent_coef") else {})


@pytest.mark.parametrize("kinds", PAIRS, ids=list(OWN))
@pytest.mark.parametrize(
    ("n_charges", "gamma", "hidden", "rows"),
    [(1, 0.0, (16, 16), 32), (1, 1.0, (16, 16), 32), (3, 0.9, (24,), 50), (3, 0.0, (8, 8, 8), 33), (2, 1.0, (), 20)],
)
def test_written_out_steps_are_those_of_stable_baselines3(
    kinds: tuple[Kind, Kind], n_charges: int, gamma: float, hidden: tuple[int, ...], rows: int
) -> None:
    theirs, ours = (learner_of(kind, n_charges, gamma, hidden) for kind in kinds)
    before = {name: weight.clone() for name, weight in ours.policy.state_dict().items()}
    for steps in (1, 3, 8):
        expected, found = learn(theirs, steps, rows), learn(ours, steps, rows)
        for name, weight in expected.items():
            torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6, msg=f"{name} after {steps} more steps")
    assert max(float((weight - found[name]).abs().max()) for name, weight in before.items() if weight.numel()) > 1e-3
    told, heard = theirs.logger.name_to_value, ours.logger.name_to_value
    assert told.keys() == heard.keys()
    assert heard == pytest.approx(told, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kinds", PAIRS, ids=list(OWN))
def test_a_model_of_one_is_read_and_trained_further_by_the_other(kinds: tuple[Kind, Kind], tmp_path: Any) -> None:
    models = []
    for first, then in (kinds, kinds[::-1]):
        learner = learner_of(first)
        learn(learner, 4)
        learner.save(tmp_path / "model.zip")
        going_on = then.load(tmp_path / "model.zip", device="cpu")
        going_on.replay_buffer = learner.replay_buffer
        going_on.set_logger(configure(None, []))
        models.append(learn(going_on, 4))
    for name, weight in models[0].items():
        torch.testing.assert_close(models[1][name], weight, rtol=0, atol=1e-6)


def test_weights_that_are_no_numbers_stay_so() -> None:
    for _, kind in PAIRS:
        learner = learner_of(kind)
        with torch.no_grad():
            next(learner.critic.parameters()).fill_(float("nan"))
        weights = learn(learner, 2)
        assert weights["critic.qf0.0.bias"].isnan().any()


def test_the_clip_of_the_deviation_lets_nothing_through() -> None:
    learners = [learner_of(kind) for kind in PAIRS[0]]
    for learner in learners:
        with torch.no_grad():
            learner.actor.log_std.bias.copy_(torch.tensor([5.0]))  # beyond 2, where stable-baselines3 cuts it off
    expected, found = (learn(learner, 5) for learner in learners)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)
    assert torch.equal(found["actor.log_std.bias"], torch.tensor([5.0]))
