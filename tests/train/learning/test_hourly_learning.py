"""Leaders learned in the hourly game: by the same trainings as in the day-ahead game, with the discount 1 and perhaps a memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridtoll.agents.learned.settings import HOURLY_ALGORITHMS, LearnerSettings
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.config import TrainConfig, training_of
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import _new_learner, resume, train, training_rounds
from gridtoll.train.scoring.leaders import learned_policy
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

TINY = GameSpec(env="hourly", community="two-prosumers")
ONE = Workers(1)
SMALL = {"hidden": (8,), "warmup_days": 4, "batch_size": 32, "updates": 1}


def small(algorithm: str, task: GameSpec = TINY, **settings: Any) -> TrainConfig:
    """A training of seconds that learns next to nothing."""
    return training_of(task, algorithm, SMALL | settings, steps=8, parallel_days=4, validate_every=4, validation_days=2)


def observed(task: GameSpec = TINY) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=environment_of(task).observer.size).astype(np.float32)


LEARNED = TINY.changed(belief="learned")


@pytest.mark.parametrize(("algorithm", "task"), [("sac", TINY), ("ppo", TINY), ("recurrent-ppo", TINY), ("sac", LEARNED), ("ppo", LEARNED)])
def test_a_training_killed_and_resumed_ends_as_one_that_was_not(
    algorithm: str, task: GameSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(algorithm, task)
    whole = train(config, tmp_path / "whole", ONE)
    recorded = RunFolder.record

    def killed(run: RunFolder, row: dict[str, float]) -> None:
        if row["step"] > 4:
            raise KeyboardInterrupt
        recorded(run, row)

    monkeypatch.setattr(RunFolder, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", ONE)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="cut short after 4 of 8 training days"):
        learned_policy(RunFolder.open(tmp_path / "killed"), task)
    resumed = resume(tmp_path / "killed", ONE)
    assert [row["rewards_eur"] for row in whole.progress()] == [row["rewards_eur"] for row in resumed.progress()]
    assert [row["step"] for row in whole.progress()] == [4, 8]
    acted = [learned_policy(run, task).predict(observed(task), deterministic=True)[0] for run in (whole, resumed)]
    assert np.array_equal(acted[0], acted[1])


@pytest.mark.parametrize("algorithm", ["td3", "tqc"])
def test_the_other_learners_play_the_hourly_game_with_several_coefficients(algorithm: str, tmp_path: Path) -> None:
    task = TINY.changed(tariff="line", belief="announced")
    run = train(small(algorithm, task), tmp_path / "run", ONE)
    assert [row["step"] for row in run.progress()] == [4, 8]
    environment = environment_of(task)
    charges, _ = learned_policy(run, task).predict(np.zeros(environment.observer.size, dtype=np.float32))
    assert charges.shape == environment.action_space.shape


def test_a_memory_is_carried_through_the_day_and_set_back_at_its_start(tmp_path: Path) -> None:
    policy = learned_policy(train(small("recurrent-ppo"), tmp_path / "run", ONE), TINY)
    for weights in policy._network.parameters():  # made large: an untrained memory hardly shows in charges
        weights.data.mul_(20.0)
    first, memory = policy.predict(observed(), None, np.ones(1, dtype=np.bool_), deterministic=True)
    later, _ = policy.predict(observed(), memory, np.zeros(1, dtype=np.bool_), deterministic=True)
    again, _ = policy.predict(observed(), memory, np.ones(1, dtype=np.bool_), deterministic=True)
    assert not np.array_equal(first, later)
    assert np.array_equal(first, again)


def test_learners_do_not_discount_the_day_unless_told_to_and_a_day_of_one_step_never() -> None:
    def gamma(config: TrainConfig) -> float:
        return float(_new_learner(config, training_rounds(config, played=0)).__dict__["gamma"])

    for algorithm in HOURLY_ALGORITHMS:
        assert gamma(small(algorithm)) == 1.0
        assert gamma(small(algorithm, discount=0.5)) == 0.5
    assert gamma(small("sac", GameSpec(community="two-prosumers"))) == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "dqn"}, "algorithm must be one of"),
        ({"learning_rate": 0.0}, "`learning_rate` 0.0"),
        ({"algorithm": "recurrent-ppo", "hidden": ()}, "`hidden` must name at least one layer"),
        ({"discount": 1.5}, "`discount` must lie between 0 and 1"),
    ],
)
def test_learners_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LearnerSettings(**settings)


def test_what_a_game_does_not_have_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="recurrent-ppo must go with `env` hourly: a day of one step leaves nothing to remember"):
        small("recurrent-ppo", GameSpec(community="two-prosumers"))
    with pytest.raises(ValueError, match="episodes of one day, got `days` 3"):
        small("sac", TINY.changed(days=3))
    with pytest.raises(ValueError, match="4 days of random charges, or nothing is learned, got `steps` 4"):
        replace(small("sac"), steps=4)


def test_a_leader_of_one_game_is_refused_in_the_other(tmp_path: Path) -> None:
    run = train(small("ppo"), tmp_path / "run", ONE)
    with pytest.raises(ValueError, match=r"the hourly game, got the day-ahead game.*Pass --env hourly"):
        learned_policy(run, TINY.day_ahead)


def test_runs_of_before_are_read_whichever_game_they_are_of(tmp_path: Path) -> None:
    config = small("ppo")
    run = train(config, tmp_path / "run", ONE)
    file = run.path / "config.json"
    written = json.loads(file.read_text())
    assert TrainConfig.of(RunFolder.open(run.path)) == config
    old = written["config"]
    for name in ("env", "days", "mechanism", "power_flow"):  # such a file says the game beside its configuration
        del old["task"][name]
    del old["learner"]["sees"]
    file.write_text(json.dumps({"env": "hourly", **written}))
    assert TrainConfig.of(RunFolder.open(run.path)) == config
    assert learned_policy(RunFolder.open(run.path), TINY).predict(observed(), deterministic=True)[0].shape == (1,)
    day_ahead = json.loads(json.dumps(training_of(GameSpec()).to_json()))
    for name in ("env", "belief", "forecast_error", "days", "mechanism", "power_flow"):
        del day_ahead["task"][name]
    del day_ahead["learner"]["discount"]
    assert TrainConfig.from_json(day_ahead) == training_of(GameSpec())
