"""Training an hourly leader into a run folder, and going on after an interruption.

It goes as :mod:`gridtoll.train.learning.learn` does, in stretches of whole days with every source of chance seeded afresh at the start of
each, so that a training killed and resumed ends with the same weights as one never interrupted. ``step`` counts training days, of 24
decisions each.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed

from ...agents.learned.stable_baselines import LearnedPolicy, write_weights
from ...agents.learned.vec_env import GymnasiumVecEnv
from ...agents.made_for import require_fit
from ...envs.community.calendar import Scenario, split_hash
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import see_to_machine_code
from ..ground.held_out import require_not_held_out
from ..ground.locks import writing_into
from ..ground.progress import Progress, progress
from ..ground.rounds import Rounds, every_training_scenario
from ..ground.runs import RunFolder, require_new
from ..learning.divergence import saying_so_where_it_diverges
from ..learning.learn import REWARD_UNIT, alone_in_this_process
from ..playing import play_days
from ..references.optima import daily_bill_eur
from ..task import batch_of, environment_of
from ..workers import Workers
from .learners import HourlyLearner, hourly_checkpoint_parts, load_hourly_policy, make_hourly_learner, restore_hourly_learner


@dataclass(frozen=True, kw_only=True)
class HourlyTraining:
    """A training, written into the run folder and read back.

    Attributes:
        task: The game.
        learner: The algorithm and its settings.
        seed: Seeds weights, exploration and the order of scenarios.
        steps: Training days played in all, rounded up to whole rounds (rollouts with PPO).
        parallel_days: Days played side by side.
        validate_every: Training days between validations; a checkpoint is written after each.
        validation_days: Days of the validation split each validation plays.
    """

    task: GameSpec = field(default_factory=GameSpec)
    learner: HourlyLearner = field(default_factory=HourlyLearner)
    seed: int = 0
    steps: int = 1600
    parallel_days: int = 16
    validate_every: int = 160
    validation_days: int = 16

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ValueError: If one is out of range; all are named.
        """
        least = {"seed": 0, "steps": 1, "parallel_days": 1, "validate_every": 1, "validation_days": 1}
        bad = [f"`{name}` at least {bound}, got {getattr(self, name)}" for name, bound in least.items() if getattr(self, name) < bound]
        if self.learner.algorithm == "sac" and self.steps <= self.learner.warmup_days:
            bad.append(f"`steps` above the {self.learner.warmup_days} days of random charges, got {self.steps}")
        if bad:
            raise ValueError(f"a training needs {'; '.join(bad)}.")

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> HourlyTraining:
        """Return the training that :meth:`to_json` wrote.

        Raises:
            ValueError: If fields are missing or unknown, or hold values that cannot be.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(values) != expected:
            raise ValueError(f"the configuration of an hourly run must hold exactly {sorted(expected)}, got {sorted(values)}.")
        try:
            learner = HourlyLearner(**{**values["learner"], "hidden": tuple(values["learner"]["hidden"])})
            return cls(**{**values, "task": GameSpec(**{"env": "hourly", **values["task"]}), "learner": learner})
        except (TypeError, KeyError) as error:
            raise ValueError(f"the configuration of a run must hold what `gridtoll train` wrote, but {error}.") from None


def hourly_training(run: RunFolder) -> HourlyTraining:
    """Return the training of a run.

    Raises:
        ValueError: If the run is of the day-ahead game.
    """
    if not is_hourly(run):
        raise ValueError(f"the leader must be trained on the hourly game, but {run.path} was trained on the day-ahead one.")
    return HourlyTraining.from_json(run.config["config"])


def train_hourly(training: HourlyTraining, folder: Path, workers: Workers) -> RunFolder:
    """Train a leader from the start.

    Args:
        training: What to train.
        folder: New or empty.
        workers: Say how many plans are cleared at once, in threads of this process, and whether to show progress.

    Raises:
        ValueError: If it cannot be played, a package is missing, the folder holds something, or another process is at work in it.
        ClearingError: If a plan could not be cleared; the run can be resumed.
    """
    require_not_held_out(training.task.day_ahead, "training")
    community = environment_of(training.task).community  # before the folder, so that a wrong name leaves nothing behind
    community.scenarios("validation", training.validation_days)
    require_new(folder)
    with alone_in_this_process():
        _learner_of(training, workers, played=0)
    identity = {"community_hash": community.content_hash, "split_hash": split_hash(community.n_days)}
    with writing_into(folder):
        run = RunFolder.create(folder, {"env": "hourly", "config": training.to_json(), **identity})
        with run.begun():
            return _go_on(run, training, workers)


def resume_hourly(folder: Path, workers: Workers) -> RunFolder:
    """Go on with a run from its last checkpoint, or from the start where it has none; a finished run is returned as it is.

    This reads pickles: resume only runs of your own.

    Raises:
        ValueError: If it is no run folder of the hourly game, is damaged, the community's data have changed, or another process is at
            work in it.
        ClearingError: If a plan could not be cleared.
    """
    run = RunFolder.open(folder)
    training = hourly_training(run)
    run.require_same_data(training.task.community, environment_of(training.task).community.content_hash)
    with writing_into(run.path):
        return _go_on(run, training, workers)


def _go_on(run: RunFolder, training: HourlyTraining, workers: Workers) -> RunFolder:
    """Train from the last checkpoint to the end."""
    checkpoint, best = run.load("checkpoint"), run.load("best")
    step = checkpoint.step if checkpoint else 0
    best_score = float(best.facts["objective_eur"]) if best and checkpoint else -np.inf
    run.rewind_progress(step)
    if step >= training.steps:
        return run
    scenarios = environment_of(training.task).community.scenarios("validation", training.validation_days)
    see_to_machine_code()  # before the bar begins: it takes a minute or two
    with alone_in_this_process(), progress("training days", training.steps, done=step, quiet=workers.quiet) as bar:
        learner = _learner_of(training, workers, played=step, files=checkpoint.files if checkpoint else {})
        learner.set_logger(configure(str(run.path / "tensorboard"), ["tensorboard"]))
        while step < training.steps:
            began = time.perf_counter()
            with saying_so_where_it_diverges(learner):
                _learn(learner, training, min(training.validate_every, training.steps - step), bar)
                step = learner.num_timesteps // n_periods(training.task)
                rewards = _validate(learner, training.task, scenarios, workers)
            score = float(np.mean(rewards))
            learner.logger.record("validation/objective_eur", score)
            learner.logger.dump(step)
            if score > best_score:
                best_score = score
                environment = environment_of(training.task)
                facts = {"objective_eur": score, "charge_cap": environment.charge_cap, "price_level": environment.community.price_level}
                run.save("best", step, {"policy.pt": lambda file: write_weights(learner.policy, file)}, facts)
            seconds = round(time.perf_counter() - began, 3)
            run.record({"step": step, "seconds": seconds, "objective_eur": score, "rewards_eur": rewards.tolist()})
            run.save("checkpoint", step, hourly_checkpoint_parts(learner))
        learner.logger.close()
    return run


def _learner_of(training: HourlyTraining, workers: Workers, *, played: int, files: Mapping[str, Path] | None = None) -> BaseAlgorithm:
    """Return the learner as it was after ``played`` days, with the days that follow."""
    task = training.task
    envs = batch_of(task, training.parallel_days, threads=workers.jobs)
    rounds = Rounds(envs, hourly_scenarios(task), seed=training.seed, played=played)
    days = GymnasiumVecEnv(rounds, action_bounds=(0.0, envs.game.setting.charge_cap), reward_unit=hourly_reward_unit_eur(task))
    if files:
        return restore_hourly_learner(training.learner, files, days)
    return make_hourly_learner(training.learner, days, n_periods=n_periods(task), seed=training.seed)


def _learn(learner: BaseAlgorithm, training: HourlyTraining, days: int, bar: Progress) -> None:
    """Play and learn for one stretch."""
    hours = n_periods(training.task)
    digest = hashlib.sha256(f"{training.seed}/{learner.num_timesteps}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    set_random_seed(seed)
    learner.action_space.seed(seed)
    until = learner.num_timesteps + days * hours
    until += -until % (training.parallel_days * hours)  # whole days in every row, so that a checkpoint lies between episodes

    def advance(*_: object) -> bool:
        bar.update(training.parallel_days / hours)
        return True

    learner.learn(until - learner.num_timesteps, callback=advance, reset_num_timesteps=False, log_interval=50)


def _validate(learner: BaseAlgorithm, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> NDArray[np.float64]:
    """Return the rewards in EUR of the deterministic policy on the validation days, shape (days,)."""
    policy = LearnedPolicy(learner.policy, environment_of(task).charge_cap)
    played = play_days(task, lambda _: policy, scenarios, threads=workers.jobs)
    return np.array([day.objective_eur for day in played])


def learned_hourly_policy(run: RunFolder, task: GameSpec) -> LearnedPolicy:
    """Return the best policy of a finished run.

    Raises:
        ValueError: If the run was cut short or damaged, is of the day-ahead game, or its policy does not fit the game.
    """
    training = hourly_training(run)
    best, environment = run.finished(training.steps), environment_of(task)
    made = {name: best.facts.get(name) for name in ("charge_cap", "price_level")}
    made |= {name: getattr(training.task, name) for name in ("information", "tariff")}
    here = {"charge_cap": environment.charge_cap, "price_level": environment.community.price_level}
    require_fit(f"the leader in {run.path}", made, here | {name: getattr(task, name) for name in ("information", "tariff")})
    return load_hourly_policy(
        best.files["policy.pt"], training.learner, environment.observer.size, cap=environment.charge_cap, n_charges=n_posted(task)
    )


def is_hourly(run: RunFolder) -> bool:
    """Return whether a run trained a leader of the hourly game."""
    return bool(run.config.get("env") == "hourly")


def n_posted(task: GameSpec) -> int:
    """Return how many numbers an action has."""
    environment = environment_of(task)
    return environment.tariff.n_coefficients(environment.community.n_periods)


def n_periods(task: GameSpec) -> int:
    """Return how many hours a day has."""
    return environment_of(task).community.n_periods


def hourly_scenarios(task: GameSpec) -> list[Scenario]:
    """Return every training day under every price path."""
    return every_training_scenario(environment_of(task).community)


def hourly_reward_unit_eur(task: GameSpec) -> float:
    """Return what a learner's reward of 1 stands for, in EUR: a share of a day's bill, though an hour earns it."""
    return REWARD_UNIT * daily_bill_eur(environment_of(task).community)
