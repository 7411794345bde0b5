"""Training a leader into a run folder, and going on after an interruption.

Both games are trained here: ``step`` counts training days, of one decision each in the day-ahead game and of 24 in the hourly one.

Training alternates between playing and learning in *stretches* of whole days. After each stretch the policy plays validation days, the best
so far is kept, and a checkpoint is written. Every source of chance is seeded afresh at the start of a stretch, from the seed of the run and
the steps taken so far, and prosumers who learn begin it with an empty memory. So a checkpoint needs no generator states and no memories: a
training killed at any moment and resumed ends with the same weights to the last bit as one never interrupted, on the same machine and
package versions. What a resumed run does not share is wall times in ``progress.jsonl`` and TensorBoard.

Metrics, in TensorBoard and ``progress.jsonl``:

* ``validation/objective_eur``: mean reward on the validation days in EUR, of the deterministic policy; the checkpoint kept is the one with
  the greatest.
* ``rollout/ep_rew_mean``: mean reward in EUR of the latest training days, exploration included.
* ``train/…``: stable-baselines3's own, on rewards in units of :func:`reward_unit_eur`.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed

from ...agents.curves.day_features import DayActions
from ...agents.learned.sbx import seed_anew
from ...agents.learned.stable_baselines import (
    LearnedPolicy,
    acting_network,
    checkpoint_parts,
    day_of,
    make_learner,
    restore_learner,
    write_weights,
)
from ...agents.learned.vec_env import GymnasiumVecEnv
from ...envs.community.calendar import Scenario, split_hash
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import see_to_machine_code
from ..ground.config import TrainConfig
from ..ground.held_out import require_not_held_out
from ..ground.locks import writing_into
from ..ground.playing import play_days
from ..ground.progress import Progress, progress
from ..ground.rounds import Rounds, training_scenarios
from ..ground.runs import RunFolder, require_new
from ..references.optima import daily_bill_eur
from ..task import batch_of, environment_of, n_charges, n_steps
from ..workers import Workers
from .divergence import saying_so_where_it_diverges

REWARD_UNIT: Final = 0.1
"""A learner's reward of 1, as a share of the community's mean daily retail bill; the best charge earns about that much a day."""

Listener = Callable[[Mapping[str, Any]], object]
"""Told each row of ``progress.jsonl`` as it is written."""


def train(config: TrainConfig, folder: Path, workers: Workers, listener: Listener | None = None) -> RunFolder:
    """Train a leader from the start.

    Args:
        config: What to train.
        folder: New or empty.
        workers: Say how many days are cleared at once, and whether to show progress. The days are cleared in threads of this process, whose
            compiled loops share out the cores; its processes are not used.
        listener: Hears of every validation.

    Returns:
        The finished run.

    Raises:
        ValueError: If the configuration cannot be played, the folder holds something, another process is at work in it, or the training
            diverges.
        ClearingError: If a day could not be cleared; the run can be resumed.
    """
    require_not_held_out(config.task, "a training")
    environment = environment_of(config.task)  # before the folder, so that a wrong name leaves nothing behind
    community = environment.community
    community.scenarios("validation", config.validation_days)
    identity = {"community_hash": community.content_hash, "split_hash": split_hash(community.n_days)}
    require_new(folder)
    with alone_in_this_process():
        _new_learner(config, training_rounds(config, played=0, threads=workers.jobs))
    with writing_into(folder):
        run = RunFolder.create(folder, {"config": config.to_json(), **identity})
        with run.begun():
            return _go_on(run, config, workers, listener)


def resume(folder: Path, workers: Workers, listener: Listener | None = None) -> RunFolder:
    """Go on with a run from its last checkpoint, or from the start where it has none; a finished run is returned as it is.

    This reads pickles: resume only runs of your own.

    Raises:
        ValueError: If it is no run folder, is damaged, the community's data are not those it was trained on, or another process is at work
            in it.
        ClearingError: If a day could not be cleared.
    """
    run = RunFolder.open(folder)
    config = TrainConfig.of(run)
    run.require_same_data(config.task.community, environment_of(config.task).community.content_hash)
    with writing_into(run.path):
        return _go_on(run, config, workers, listener)


def _go_on(run: RunFolder, config: TrainConfig, workers: Workers, listener: Listener | None) -> RunFolder:
    """Train from the last checkpoint to the end."""
    checkpoint, best = run.load("checkpoint"), run.load("best")
    step = checkpoint.step if checkpoint else 0
    best_score = float(best.facts["objective_eur"]) if best and checkpoint else -np.inf
    run.rewind_progress(step)
    if step >= config.steps:
        return run
    scenarios = environment_of(config.task).community.scenarios("validation", config.validation_days)
    rounds = training_rounds(config, played=step, threads=workers.jobs)
    see_to_machine_code()  # before the bar begins: it takes up to a minute
    with alone_in_this_process(), progress("training days", config.steps, done=step, quiet=workers.quiet) as bar:
        learner = restore_learner(config.learner, checkpoint.files, rounds) if checkpoint else _new_learner(config, rounds)
        learner.set_logger(configure(str(run.path / "tensorboard"), ["tensorboard"]))
        while step < config.steps:
            began = time.perf_counter()
            with saying_so_where_it_diverges(learner):
                _learn(learner, config, min(config.validate_every, config.steps - step), bar)
                step = learner.num_timesteps // n_steps(config.task)
                rewards = _validate(learner, config, scenarios, workers)
            score = float(np.mean(rewards))
            learner.logger.record("validation/objective_eur", score)
            learner.logger.dump(step)
            if score > best_score:
                best_score = score
                _keep(run, learner, config, step, score)
            seconds = round(time.perf_counter() - began, 3)
            row = {"step": step, "seconds": seconds, "objective_eur": score, "rewards_eur": rewards.tolist()}
            run.record(row)
            run.save("checkpoint", step, checkpoint_parts(learner, config.learner))
            if listener is not None:
                listener(row)
        learner.logger.close()
    return run


def _new_learner(config: TrainConfig, rounds: GymnasiumVecEnv) -> BaseAlgorithm:
    """Return a learner that has seen nothing yet; one whose settings do not go together is refused here, before there is a folder."""
    days, hours = config.steps + config.parallel_days, n_steps(config.task)
    return make_learner(config.learner, rounds, seed=config.seed, days=days, hours=hours)


def _learn(learner: BaseAlgorithm, config: TrainConfig, days: int, bar: Progress) -> None:
    """Play and learn for one stretch."""
    seed = _stretch_seed(config.seed, learner.num_timesteps)
    set_random_seed(seed)
    learner.action_space.seed(seed)
    if config.learner.is_sbx:
        seed_anew(learner, seed)
    if config.task.belief == "learned" and learner.env is not None:
        learner.env.env_method("again", indices=0)
        learner._last_obs = None  # noqa: SLF001 - has it reset: the round at hand begins again, with an empty memory
    a_round = config.parallel_days * n_steps(config.task)
    until = learner.num_timesteps + days * n_steps(config.task)
    until += -until % a_round  # whole days in every row, so that a checkpoint lies between episodes

    def advance(*_: object) -> bool:
        if learner.num_timesteps % a_round == 0:
            bar.update(config.parallel_days)
        return True

    learner.learn(until - learner.num_timesteps, callback=advance, reset_num_timesteps=False, log_interval=50)


def training_rounds(config: TrainConfig, *, played: int, threads: int | None = None) -> GymnasiumVecEnv:
    """Return the training days that follow ``played`` of them, as the learner sees them, with actions between −1 and 1.

    Rewards are of order 1; those of a learner that sees features of the day are over the day's guessed worth as well.
    """
    envs = batch_of(config.task, config.parallel_days, threads=threads)
    rounds = Rounds(envs, training_scenarios(config.task), seed=config.seed, played=played)
    unit, cap = reward_unit_eur(config.task), envs.game.setting.charge_cap
    day = _day_of(config)
    return GymnasiumVecEnv(rounds, action_bounds=None if day else (0.0, cap), reward_unit=unit, day=day)


def _day_of(config: TrainConfig) -> DayActions | None:
    """Return how the learner sees a day and charges for it, None where it sees observations as they are."""
    environment = environment_of(config.task)
    return day_of(
        config.learner,
        environment.observer.size,
        cap=environment.charge_cap,
        n_coefficients=n_charges(config.task),
        price_level=environment.community.price_level,
        n_periods=environment.community.n_periods,
    )


def _validate(learner: BaseAlgorithm, config: TrainConfig, scenarios: Sequence[Scenario], workers: Workers) -> NDArray[np.float64]:
    """Return the rewards in EUR of the deterministic policy on the validation days, shape (days,)."""
    policy = LearnedPolicy(acting_network(learner, config.learner), environment_of(config.task).charge_cap, _day_of(config))
    played = play_days(config.task, lambda _: policy, scenarios, threads=workers.jobs)
    return np.array([day.objective_eur for day in played])


def _keep(run: RunFolder, learner: BaseAlgorithm, config: TrainConfig, step: int, score: float) -> None:
    """Keep the policy as the best so far."""
    environment = environment_of(config.task)
    facts = {"objective_eur": score, "charge_cap": environment.charge_cap, "price_level": environment.community.price_level}
    run.save("best", step, {"policy.pt": lambda file: write_weights(acting_network(learner, config.learner), file)}, facts)


def reward_unit_eur(task: GameSpec) -> float:
    """Return what a learner's reward of 1 stands for, in EUR: a share of a day's bill, even where an hour earns it."""
    return REWARD_UNIT * daily_bill_eur(environment_of(task).community)


def _stretch_seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:4], "big")


@contextmanager
def alone_in_this_process() -> Iterator[None]:
    """Use one thread, and give the process its random states back afterwards.

    stable-baselines3 draws from the global generators, which belong to the caller. Small networks learn no faster with more threads, and
    sums would depend on how many there are.
    """
    threads = torch.get_num_threads()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - not ours, but to be given back
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
