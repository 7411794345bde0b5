"""A study: trials of an algorithm's settings with equal budgets, each judged on validation days.

Every trial trains from scratch and is given the same number of training days, once for each of the same seeds; a learner ends with the
round it is in, PPO with its rollout. Its value is the mean over the seeds of the best validation reward. While it learns, the best
validation so far is reported at the same shares of the budget in every trial, and one that has fallen behind the median of the others there
is pruned. Test days and held-out communities play no part, nor do the seeds that comparisons train with.

Trials are kept by Optuna in a storage that any number of processes may share: SQLite in the study's folder by default, any URL Optuna takes
otherwise. A trial that raises an error is recorded with it and counts as one that has come to nothing; the study goes on with the next.
What says nothing about the settings, a missing package or a full disk, ends the study, which can be gone on with. A process that is killed
leaves a trial unfinished; it is given up once its heartbeat has been missing for a while, and does not
count. Until then the others wait for it at the end, and one of them runs another in its place. What a trial tries depends on the seed of
the study, on its number and on the trials finished before it: with one process a study killed and continued is the same as one never
interrupted, but for the trial that was cut short.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from ...envs.games.spec import GameSpec
from ...envs.packages import MissingPackageError, research_package
from ..ground.errors import is_for_want_of_a_package, is_not_the_algorithms
from ..learning.algorithms import make_algorithm, settings_of
from ..learning.practice import CurvePoint, TaskPractice
from ..workers import Workers
from .space import Space

Study = Any
"""Optuna's ``Study``."""
FrozenTrial = Any
"""Optuna's ``FrozenTrial``."""

HEARTBEAT_S: Final = 30
"""Seconds between signs of life of a running trial; twice as long without one, and it is given up."""
POLL_S: Final = 5.0
"""Seconds between looks at trials that others still run."""
FIRST_SEED: Final = 1000
"""The least seed that trials train with. Comparisons train with 0 to 9 unless told otherwise: were these the same, a training that is
scored would be the very one its settings were chosen by."""
POINTS: Final = 20
"""At so many equal shares of the budget trials are compared; the days at which they validate differ with the length of their rounds."""
_ERROR: Final = "error"  # of a trial that failed
_log = logging.getLogger(__name__)

STARTUP_TRIALS: Final = 8
"""Trials before the sampler models what is good, finished before any is pruned: the algorithm's own settings, then random ones."""


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """What is tuned, and on what.

    Attributes:
        algorithm: Name, or ``module:Class``.
        space: What is tried.
        task: The game.
        steps: Training days each trial is given for each seed.
        seeds: How many seeds each trial trains with, from :data:`FIRST_SEED` on.
        validation_days: Days of the validation split each validation plays.
        trials: Trials of the study in all, pruned and failed ones included, whatever process runs them.
        seed: Of the sampler.
    """

    algorithm: str
    space: Space
    task: GameSpec
    steps: int
    seeds: int = 1
    validation_days: int = 28
    trials: int = 40
    seed: int = 0

    @property
    def training_seeds(self) -> list[int]:
        """Seeds each trial trains with."""
        return list(range(FIRST_SEED, FIRST_SEED + self.seeds))


def open_study(config: TuneConfig, storage: str) -> Study:
    """Return the study in a storage, a new one where there is none.

    Args:
        config: What is tuned.
        storage: A URL as Optuna takes it.

    Raises:
        ValueError: If the study there was made for something else.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails is told of in a line of ours, not with its traceback
    _accept_experimental()
    game = "" if config.task.env == "day-ahead" else f" {config.task.env}"
    kept = optuna.storages.RDBStorage(storage, heartbeat_interval=HEARTBEAT_S, grace_period=2 * HEARTBEAT_S)
    study = optuna.create_study(
        storage=kept,
        study_name=f"gridtoll {config.algorithm} on {config.task.community} {config.task.information}{game}",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=POINTS // 4),
        load_if_exists=True,
    )
    wanted: dict[str, Any] = {"steps": config.steps, "seeds": config.training_seeds, "validation_days": config.validation_days}
    wanted |= {"seed": config.seed, "space": repr(dict(config.space.parameters)), "task": repr(config.task)}
    written = study.user_attrs.get("gridtoll")
    if written is None:
        study.set_user_attr("gridtoll", wanted)
        _see_to_defaults(study, config)
    elif written != wanted:
        changed = ", ".join(sorted(name for name in wanted if written.get(name) != wanted[name]))
        raise ValueError(
            f"trials of one study must have equal budgets, but the one in {storage} was begun with another {changed}. "
            "Use its settings, or another folder or storage."
        )
    return study


def _see_to_defaults(study: Study, config: TuneConfig) -> None:
    """Make the algorithm's own settings the next trial, where the space holds them and no trial has them: none then finds worse ones."""
    try:
        defaults = config.space.stored(settings_of(make_algorithm(config.algorithm, {}, env=config.task.env)))
    except (TypeError, ValueError):  # a class without defaults for all its settings, or with some outside the space
        return
    killed = _optuna().trial.TrialState.FAIL
    if not any(
        trial.system_attrs.get("fixed_params") == defaults and (trial.state is not killed or error_of(trial))
        for trial in study.get_trials(deepcopy=False)
    ):
        study.enqueue_trial(defaults)


def run_trials(config: TuneConfig, storage: str, *, after: Callable[[], None] = lambda: None) -> None:
    """Run trials until as many of the study have ended as the configuration says, whichever processes run them.

    Where the last are run by others this waits for them, and runs another for one whose process is gone. Of processes that begin the last
    trial at the very same moment each runs one: the study then has more.

    Args:
        config: What is tuned.
        storage: Where the trials are kept.
        after: Called after each trial.

    Raises:
        ValueError: If the study there was made for something else, or a package is missing.
        OSError: If the machine is out of something.
    """
    optuna = _optuna()
    study = open_study(config, storage)
    while True:
        _give_up_dead(study)
        _see_to_defaults(study, config)
        if len(ended(study)) >= config.trials:
            return
        if len(counted(study)) >= config.trials:
            time.sleep(POLL_S)
            continue
        seed = _sampler_seed(config.seed, len(study.get_trials(deepcopy=False)))
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed, constant_liar=True)
        study.optimize(lambda trial: _value(trial, config), n_trials=1, catch=(_TrialFailed,))
        after()


def _sampler_seed(seed: int, number: int) -> int:
    """Return what a trial is drawn with; mixed, since with a sum the trials of one seed would be those of the next, one later."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _give_up_dead(study: Study) -> None:
    """Give up trials whose process is gone: their heartbeat is missing, or they never tried a setting, and may never have had one."""
    optuna = _optuna()
    states = optuna.trial.TrialState
    optuna.storages.fail_stale_trials(study)
    latest = datetime.now(UTC) - timedelta(seconds=2 * HEARTBEAT_S)
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        if not trial.params and trial.datetime_start.astimezone() < latest:
            study.tell(trial.number, state=states.FAIL, skip_if_finished=True)


def _optuna() -> ModuleType:
    """Import Optuna, which is an extra and takes a second."""
    return research_package("optuna", "tuning")


def _accept_experimental() -> None:
    """Hide that heartbeats and the constant liar, years old, may change: the lock and the tests would tell."""
    optuna = _optuna()
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class _TrialFailed(Exception):  # noqa: N818 - a trial's end, not an error of the study
    """A trial came to nothing, which is recorded; the study goes on."""


def error_of(trial: FrozenTrial) -> str | None:
    """Return why a trial failed, None where it did not, or where its process was killed and it has to be run again."""
    text = trial.user_attrs.get(_ERROR)
    return None if text is None or trial.state is not _optuna().trial.TrialState.FAIL else str(text)


def counted(study: Study) -> list[FrozenTrial]:
    """Return the trials that count: those that have ended, and those running now."""
    running = _optuna().trial.TrialState.RUNNING
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state is running or _has_ended(trial)]


def ended(study: Study) -> list[FrozenTrial]:
    """Return the trials that will not be run again: finished, pruned, or failed with an error."""
    return [trial for trial in study.get_trials(deepcopy=False) if _has_ended(trial)]


def _has_ended(trial: FrozenTrial) -> bool:
    states = _optuna().trial.TrialState
    return trial.state in (states.COMPLETE, states.PRUNED) or error_of(trial) is not None


def _value(trial: Any, config: TuneConfig) -> float:
    """Return what the settings of a trial are worth on validation days, EUR a day.

    Raises:
        _TrialFailed: If the algorithm raises an error with these settings, or never earns a finite amount on validation days.
    """
    pruned: type[Exception] = _optuna().TrialPruned
    settings = config.space.suggest(trial)
    try:
        value = _learned(trial, config, settings)
    except pruned:
        raise
    except Exception as error:
        if is_not_the_algorithms(error):
            raise
        if is_for_want_of_a_package(error):
            raise MissingPackageError(f"a trial of {config.algorithm!r} could not run for want of a package: {error}") from error
        raise _failed(trial, f"{type(error).__name__}: {error}") from error
    if not np.isfinite(value):  # Optuna would run it again for ever
        raise _failed(trial, f"it must earn a finite amount on validation days, got {value}")
    return value


def _failed(trial: Any, error: str) -> _TrialFailed:
    """Record why a trial came to nothing."""
    trial.set_user_attr(_ERROR, error)
    _log.warning("trial %d failed, and the study goes on: %s", trial.number, error.splitlines()[0])
    return _TrialFailed(error)


def _learned(trial: Any, config: TuneConfig, settings: Mapping[str, Any]) -> float:
    best: list[float] = []
    for seed in config.training_seeds:
        watch = _Watch(trial, steps=config.steps, before=tuple(best))
        with tempfile.TemporaryDirectory(prefix="gridtoll-tune-") as folder, Workers(1) as workers:
            practice = TaskPractice(
                config.task,
                seed=seed,
                folder=Path(folder),
                steps=config.steps,
                validation_days=config.validation_days,
                workers=workers,
                watch=watch,
            )
            make_algorithm(config.algorithm, settings, env=config.task.env).learn(practice)
        best.append(watch.best)
        trial.set_user_attr(f"clearings of seed {seed}", practice.effort.clearings)
    return float(np.mean(best))


@dataclass
class _Watch:
    """Reports the validations of a trial with one seed, and ends it where it has fallen behind.

    Optuna compares trials only at equal steps and takes one report at each, so that a step here is a share of the budget. At each that is
    reached stands the best validation so far; at those that were passed between two validations, the best of before.

    Attributes:
        trial: Whose.
        steps: The budget.
        before: The best of each seed before.
        best: The best of this one so far.
        reached: The share that was reported last, of :data:`POINTS`.
    """

    trial: Any
    steps: int
    before: tuple[float, ...]
    best: float = -np.inf
    reached: int = -1

    def __call__(self, point: CurvePoint) -> None:
        """Look at one validation."""
        earlier, self.best = self.best, max(self.best, point.validation_eur)
        reached = min(POINTS, POINTS * point.effort.steps // self.steps)
        if reached <= self.reached:
            return
        if np.isfinite(earlier):
            for passed in range(self.reached + 1, reached):
                self._report(earlier, passed)
        self._report(self.best, reached)
        self.reached = reached
        if self.trial.should_prune():
            raise _optuna().TrialPruned

    def _report(self, best: float, reached: int) -> None:
        self.trial.report(float(np.mean([*self.before, best])), len(self.before) * (POINTS + 1) + reached)


def best_settings(study: Study, space: Space) -> tuple[Mapping[str, Any], float]:
    """Return the best settings found, and their value in EUR a day.

    Raises:
        ValueError: If no trial has finished.
    """
    optuna = _optuna()
    if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
        errors = list(dict.fromkeys(text.splitlines()[0] for trial in ended(study) if (text := error_of(trial))))
        because = "" if not errors else "\nWhat failed:\n" + "\n".join(f"- {error}" for error in errors)
        raise ValueError(f"a study must have finished a trial before it has a best one, and none has. Allow more trials.{because}")
    return space.suggest(optuna.trial.FixedTrial(study.best_params)), study.best_value
