"""A training so short that a test can wait for it."""

from __future__ import annotations

from dataclasses import replace

from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.config import TrainConfig

TASK = GameSpec(community="two-prosumers")


def tiny(algorithm: str = "sac", **changes: object) -> TrainConfig:
    """Return the configuration of a training of 48 days with a few of its numbers changed."""
    learner = replace(DEFAULTS[algorithm], hidden=(8,), batch_size=8, updates=2, warmup_days=8)
    config = TrainConfig(task=TASK, learner=learner, seed=5, steps=48, parallel_days=4, validate_every=16, validation_days=3)
    return replace(config, **changes)  # type: ignore[arg-type]
