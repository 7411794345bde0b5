"""A training so short that a test can wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.ground.playing import PlayedDay, play_days, same_for_all

TASK = GameSpec(community="two-prosumers")


def played_alone(task: GameSpec, scenario: Scenario, charges: Sequence[float]) -> PlayedDay:
    """Return what charges that stand come to on one day, played by itself."""
    [day] = play_days(task, same_for_all(ConstantPolicy(charges)), [scenario], threads=1)
    return day


def tiny(algorithm: str = "sac", **changes: object) -> TrainConfig:
    """Return the configuration of a training of 48 days with a few of its numbers changed."""
    learner = replace(DEFAULTS[algorithm], hidden=(8,), batch_size=8, updates=2, warmup_days=8)
    config = TrainConfig(task=TASK, learner=learner, seed=5, steps=48, parallel_days=4, validate_every=16, validation_days=3)
    return replace(config, **changes)  # type: ignore[arg-type]
