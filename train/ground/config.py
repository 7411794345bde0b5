"""What a training is told: one frozen value that is written into the run folder and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ...agents.learned.stable_baselines import LearnerSettings
from ...envs.games.spec import GameSpec


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training.

    Attributes:
        task: The game.
        learner: The algorithm and its settings.
        seed: Seeds weights, exploration and the order of scenarios.
        steps: Training days played in all, rounded up to whole rounds.
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
        least = {"seed": 0, "steps": 1, "parallel_days": 1, "validate_every": 1, "validation_days": 1}
        bad = [f"`{name}` at least {bound}, got {getattr(self, name)}" for name, bound in least.items() if getattr(self, name) < bound]
        if bad:
            raise ValueError(f"a training needs {'; '.join(bad)}.")
        if self.learner.algorithm != "ppo" and self.steps <= self.learner.warmup_days:
            raise ValueError(
                f"a training must go on after its {self.learner.warmup_days} days of random charges, or nothing is learned, got `steps` "
                f"{self.steps}. Play more days, or lower `warmup_days`."
            )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Return the configuration that :meth:`to_json` wrote.

        Raises:
            ValueError: If fields are missing or unknown, or hold values that cannot be.
        """
        expected = {entry.name for entry in fields(cls)}
        if set(values) != expected:
            raise ValueError(f"the configuration of a run must hold exactly {sorted(expected)}, got {sorted(values)}.")
        try:
            task = GameSpec(**values["task"])
            given = {"sees": "everything", **values["learner"]}  # runs from before there was a choice do not say
            learner = LearnerSettings(**{**given, "hidden": tuple(given["hidden"])})
            return cls(**{**values, "task": task, "learner": learner})
        except (TypeError, KeyError) as error:
            raise ValueError(f"the configuration of a run must hold what `gridtoll train` wrote, but {error}.") from None
