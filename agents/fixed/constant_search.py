"""The best charges that stay the same on all days, found by Optuna's Gaussian processes instead of a grid and Brent's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...envs.packages import research_package
from ..curves.network import require_positive
from ..practice import Practice
from .day_ahead import ConstantPolicy


@dataclass(frozen=True, kw_only=True)
class ConstantSearch:
    """Searches constant charges with ``optuna.samplers.GPSampler``.

    Attributes:
        trials: Constant charges tried; fewer where practice allows fewer steps.
        days: Training scenarios in the sample each of them is played on.
        validations: How often the best so far is validated.
    """

    trials: int = 24
    days: int = 64
    validations: int = 3

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is not positive; all such are named.
        """
        require_positive("a search for constant charges", trials=self.trials, days=self.days, validations=self.validations)

    def learn(self, practice: Practice) -> ConstantPolicy:
        """Return the constant charges that earned most on the sample.

        Raises:
            ValueError: If Optuna is missing.
            ClearingError: If a day could not be cleared.
        """
        optuna = research_package("optuna", "the search for constant charges")
        every = practice.scenarios("train")
        days = min(self.days, len(every), practice.steps)
        sample = [every[place] for place in sorted(practice.generator.choice(len(every), days, replace=False))]
        names = [f"charge {place}" for place in range(practice.n_charges)]
        trials = min(self.trials, practice.steps // days)
        checkpoints = set(np.unique(np.linspace(0, trials, self.validations + 1).astype(int)[1:]).tolist())
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it reports on stderr that a study was made
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=practice.seed))
        optuna.logging.set_verbosity(verbosity)
        for trial in range(1, trials + 1):
            asked = study.ask()
            charges = np.array([asked.suggest_float(name, 0.0, practice.charge_cap) for name in names])
            study.tell(asked, float(np.mean(practice.rewards(sample, np.tile(charges, (days, 1))))))
            best = ConstantPolicy([study.best_params[name] for name in names])
            if trial in checkpoints:
                practice.validate(best)
        return best
