"""Learners of stable-baselines3 and sb3-contrib as algorithms: each trains into a run folder, and goes on with what it finds there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...agents.learned.settings import LearnerSettings
from ...agents.policy import Policy
from ..ground.config import TrainConfig
from ..ground.runs import RunFolder
from ..scoring.leaders import learned_policy
from ..task import n_steps
from .learn import resume, train
from .practice import TaskPractice


@dataclass(frozen=True, kw_only=True)
class StableBaselines:
    """A learner of stable-baselines3 or sb3-contrib, trained into a run folder and gone on with from its last checkpoint.

    Attributes:
        learner: Which one, and how it learns.
        parallel_days: Days played side by side, then learned from.
        validate_every: Training days between validations; a checkpoint is written after each.
    """

    learner: LearnerSettings = field(default_factory=LearnerSettings)
    parallel_days: int = TrainConfig.parallel_days
    validate_every: int = TrainConfig.validate_every

    def learn(self, practice: TaskPractice) -> Policy:
        """Return the policy that earned most on validation days."""
        config = TrainConfig(
            task=practice.task,
            learner=self.learner,
            seed=practice.seed,
            steps=practice.steps,
            parallel_days=self.parallel_days,
            validate_every=self.validate_every,
            validation_days=len(practice.scenarios("validation")),
        )
        folder, written = practice.folder / "run", _Accounts(practice)
        if (folder / "config.json").is_file():
            written.replay(RunFolder.open(folder))
            run = resume(folder, practice.workers, written)
        else:
            shutil.rmtree(folder, ignore_errors=True)  # a kill before the first file was whole
            run = train(config, folder, practice.workers, written)
        checkpoint = run.load("checkpoint")
        run.save("checkpoint", checkpoint.step if checkpoint else 0, {})  # its files only served to go on, and are large
        return learned_policy(run, practice.task)


class _Accounts:
    """Enters what a training writes down into practice, as it happens or afterwards."""

    def __init__(self, practice: TaskPractice) -> None:
        self._practice, self._step = practice, 0

    def __call__(self, row: Mapping[str, Any], *, seconds: float = 0.0) -> None:
        """Enter a row of ``progress.jsonl``."""
        played, self._step = row["step"] - self._step, row["step"]
        rewards = row["rewards_eur"]
        steps = n_steps(self._practice.task)
        self._practice.spend(steps=played, clearings=played * steps, validation_clearings=len(rewards) * steps, seconds=seconds)
        self._practice.note(rewards)

    def replay(self, run: RunFolder) -> None:
        """Enter what was written before a kill, up to the checkpoint that the training goes on from."""
        checkpoint = run.load("checkpoint")
        for row in run.progress():
            if checkpoint is not None and row["step"] <= checkpoint.step:
                self(row, seconds=row["seconds"])
