"""What a training is told: one frozen value that is written into the run folder and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from ...agents.learned.settings import HOURLY_DEFAULTS, LearnerSettings, default_settings
from ...envs.games.spec import GameName, GameSpec
from .runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training.

    Attributes:
        task: The game, in episodes of one day.
        learner: The algorithm and its settings; in the hourly game it sees everything.
        seed: Seeds weights, exploration and the order of scenarios.
        steps: Training days played in all, rounded up to whole rounds (rollouts with PPO).
        parallel_days: Days in a round: played side by side, then learned from. Part of the result, unlike the number of processes.
        validate_every: Training days between validations; a checkpoint is written after each.
        validation_days: Days of the validation split each validation plays.
    """

    task: GameSpec = field(default_factory=GameSpec)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    seed: int = 0
    steps: int = 4000
    parallel_days: int = 8
    validate_every: int = 400
    validation_days: int = 28

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ValueError: If one is out of range; all are named.
        """
        default_settings(self.learner.algorithm, self.task.env)  # refuses what the game does not have
        if self.task.env == "hourly":  # features of the day are for one charge a day
            object.__setattr__(self, "learner", replace(self.learner, sees="everything"))
        least = {"seed": 0, "steps": 1, "parallel_days": 1, "validate_every": 1, "validation_days": 1}
        bad = [f"`{name}` at least {bound}, got {getattr(self, name)}" for name, bound in least.items() if getattr(self, name) < bound]
        if self.task.days != 1:
            bad.append(f"episodes of one day, got `days` {self.task.days}")
        if bad:
            raise ValueError(f"a training needs {'; '.join(bad)}.")
        if self.learner.is_off_policy and self.steps <= self.learner.warmup_days:
            raise ValueError(
                f"a training must go on after its {self.learner.warmup_days} days of random charges, or nothing is learned, got `steps` "
                f"{self.steps}. Play more days, or lower `warmup_days`."
            )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], *, env: GameName = "day-ahead") -> TrainConfig:
        """Return the configuration that :meth:`to_json` wrote.

        Args:
            values: What it returned.
            env: The game of files of before, which do not say it among the fields of the task.

        Raises:
            ValueError: If fields are missing or unknown, or hold values that cannot be.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(values) != expected:
            raise ValueError(f"the configuration of a run must hold exactly {sorted(expected)}, got {sorted(values)}.")
        try:
            task = GameSpec(**{"env": env, **values["task"]})
            given = {"sees": "everything", **values["learner"]}  # runs from before there was a choice do not say
            learner = LearnerSettings(**{**given, "hidden": tuple(given["hidden"])})
            return cls(**{**values, "task": task, "learner": learner})
        except (TypeError, KeyError) as error:
            raise ValueError(f"the configuration of a run must hold what `gridtoll train` wrote, but {error}.") from None

    @classmethod
    def of(cls, run: RunFolder) -> TrainConfig:
        """Return the configuration of a run; errors as :meth:`from_json`."""
        return cls.from_json(run.config["config"], env=run.config.get("env", "day-ahead"))


DEFAULT_TRAININGS: Final[dict[GameName, TrainConfig]] = {
    "day-ahead": TrainConfig(),
    "hourly": TrainConfig(
        task=GameSpec(env="hourly"),
        learner=HOURLY_DEFAULTS["sac"],
        steps=1600,
        parallel_days=16,
        validate_every=160,
        validation_days=16,
    ),
}
"""A training of each game unless told otherwise."""


def training_of(task: GameSpec, algorithm: str | None = None, settings: Mapping[str, Any] | None = None, **numbers: int) -> TrainConfig:
    """Return the training of a game with what is left open as that game's defaults have it.

    Args:
        task: The game.
        algorithm: Which one.
        settings: Fields of its :class:`~gridtoll.agents.learned.settings.LearnerSettings`.
        **numbers: Other fields of :class:`TrainConfig`.

    Raises:
        ValueError: If the game has no such algorithm, or a setting or number cannot be.
    """
    default = DEFAULT_TRAININGS[task.env]
    learner = replace(default_settings(algorithm or default.learner.algorithm, task.env), **(settings or {}))
    return replace(default, task=task, learner=learner, **numbers)
