"""Regret while stable-baselines3 learns: the best charges known beside what its policy earns, on fixed days."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from ...envs.account.objective import of_both
from ...envs.adapters.pricing import PricingEnv
from ...envs.community.calendar import Scenario
from ...envs.files import write_atomically
from ..ground.playing import days_up_to
from ..references.ends import Ends, references
from ..scoring.regret import normalised_regret
from ..workers import Workers


class RegretEvalCallback(BaseCallback):
    """Scores the policy on fixed days every so many steps, and keeps the best one.

    It is what stable-baselines3's ``EvalCallback`` is, with the regret to the best charges known: where they are proved, to the optimum.
    They come from the store, or are found before learning begins. Days are played one by one through the environment that is given,
    wrappers included, so that actions mean what they mean in training; observations are normalised as a ``VecNormalize`` of the training
    does. Where prosumers learn, the policy first leads the days before each of them, as in evaluations.

    It logs ``eval/mean_reward`` in EUR a day, ``eval/regret_eur``, and ``eval/normalised_regret`` (0 is the best known, 1 no charge; days
    on which there is next to nothing to win are left out). A training that goes on with the same folder keeps what was scored before.

    Args:
        environment: A single environment of ours in any wrappers that keep observations and actions as they are in training.
        scenarios: Days with their price paths; the environment's validation days where absent. Never those of the test split, by which
            nothing may be chosen.
        eval_freq: Calls of the training's ``step`` between two scores: steps of all its rows together.
        folder: Takes ``regret.json`` with every score, and ``best_model.zip``; nothing is written where it is absent.
        jobs: Processes that look for references which are not stored.
        verbose: As of ``BaseCallback``; 1 prints each score.

    Raises:
        ValueError: If the environment is none of ours, or there are no such days.
    """

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        *,
        scenarios: Sequence[Scenario | tuple[int, int]] | None = None,
        eval_freq: int = 500,
        folder: str | Path | None = None,
        jobs: int = 1,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        own = environment.unwrapped
        if not isinstance(own, PricingEnv):
            raise ValueError(f"regret is that of an environment of gridtoll, got {type(own).__name__}.")
        if eval_freq < 1:
            raise ValueError(f"`eval_freq` must be at least 1, got {eval_freq}.")
        self._environment, self._own, self._every, self._jobs = environment, own, eval_freq, jobs
        given = own.community.scenarios("validation") if scenarios is None else [Scenario(*each) for each in scenarios]
        self._scenarios: list[Scenario] = given
        self._folder = None if folder is None else Path(folder)
        self._ends: Sequence[Ends] = ()
        self.scores: list[dict[str, Any]] = []
        """One for each evaluation: ``timesteps``, ``mean_reward``, ``regret_eur``, ``normalised_regret``, and ``rewards`` of the days."""

    @property
    def best_regret_eur(self) -> float:
        """The least mean regret so far, infinite before the first score."""
        return min((score["regret_eur"] for score in self.scores), default=np.inf)

    def _on_training_start(self) -> None:
        if not self._ends:
            with Workers(self._jobs, quiet=True) as workers:
                self._ends = references(self._own.setting.spec, self._scenarios, workers)
        kept = None if self._folder is None else self._folder / "regret.json"
        if kept is not None and kept.exists() and not self.scores:
            self.scores = [row for row in json.loads(kept.read_text(encoding="utf-8")) if row["timesteps"] <= self.num_timesteps]

    def _on_step(self) -> bool:
        if self.n_calls % self._every == 0:
            self._score()
        return True

    def _score(self) -> None:
        """Play the days, log what came of them, and keep the policy if it is the best so far."""
        best, score = self.best_regret_eur, self._scored(np.array([self._played(scenario) for scenario in self._scenarios]))
        for name in ("mean_reward", "regret_eur", "normalised_regret"):
            self.logger.record(f"eval/{name}", score[name])
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)
        if self.verbose:
            print(f"step {self.num_timesteps}: regret {score['regret_eur']:.3f} EUR a day, {score['normalised_regret']:.1%}")  # noqa: T201
        self.scores.append(score)
        if self._folder is None:
            return
        if score["regret_eur"] < best:
            write_atomically(self._folder / "best_model.zip", self.model.save)  # type: ignore[arg-type]
        write_atomically(self._folder / "regret.json", lambda file: file.write(json.dumps(self.scores).encode()))

    def _scored(self, earned: NDArray[np.float64]) -> dict[str, Any]:
        """Return the scores of what each day earned in EUR, shape (days,)."""
        best = np.array([each.best_eur for each in self._ends])
        normalised = normalised_regret(self._own.community, self._ends, earned)
        counted = normalised[~np.isnan(normalised)]
        return {
            "timesteps": self.num_timesteps,
            "mean_reward": float(earned.mean()),
            "regret_eur": float((best - earned).mean()),
            "normalised_regret": float(counted.mean()) if len(counted) else 0.0,
            "rewards": earned.tolist(),
        }

    def _played(self, scenario: Scenario) -> float:
        """Return what the policy's most likely charges earn on one day in EUR, after the days that prosumers learn from."""
        spec = self._own.setting.spec
        first, *later = days_up_to(spec, scenario)
        earned = self._episode(first, seed=0 if spec.belief == "learned" else None)  # which empties their memory
        for each in later:
            earned = self._episode(each, seed=None)
        return earned

    def _episode(self, scenario: Scenario, *, seed: int | None) -> float:
        """Return what the policy's most likely charges earn in one episode in EUR, whatever wrappers make of rewards."""
        observation, _ = self._environment.reset(seed=seed, options=scenario._asdict())
        state, start, over = None, np.ones(1, dtype=np.bool_), False
        profit = welfare = 0.0
        normalise = self.model.get_vec_normalize_env()
        while not over:
            seen = observation if normalise is None else normalise.normalize_obs(observation)
            action, state = self.model.predict(seen, state, start, deterministic=True)
            observation, _, terminated, truncated, info = self._environment.step(action)
            profit, welfare = profit + info["profit_eur"], welfare + info["welfare_eur"]
            start, over = np.zeros(1, dtype=np.bool_), terminated or truncated
        return of_both(self._own.setting.spec.objective, profit_eur=profit, welfare_eur=welfare)


class WithOptimum(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Tells the best charges known of a day in `info`, from ``reset`` on; observations and rewards stay as they are.

    `info` gains ``optimum_eur`` (what they earn), ``optimum_upper_bound_eur`` (what no charges earn more than) and ``optimum_charges`` in
    EUR/kWh. They come from the store, or are found when a day first comes up.

    Args:
        environment: A single environment of ours.

    Raises:
        ValueError: If the environment is none of ours.
    """

    def __init__(self, environment: gymnasium.Env[Any, Any]) -> None:
        super().__init__(environment)
        own = environment.unwrapped
        if not isinstance(own, PricingEnv):
            raise ValueError(f"optima are those of an environment of gridtoll, got {type(own).__name__}.")
        self._own, self._known = own, dict[Scenario, dict[str, Any]]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; the observation is of shape (size,), and `info` holds the optimum of its day."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | self._told()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Post charges in EUR/kWh, shape (coefficients,); `info` holds the optimum of the day."""
        told = self._told()
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, info | told

    def _told(self) -> dict[str, Any]:
        scenario = self._own.scenario
        if scenario not in self._known:
            with Workers(1, quiet=True) as workers:
                [ends] = references(self._own.setting.spec, [scenario], workers)
            self._known[scenario] = {
                "optimum_eur": ends.best_eur,
                "optimum_upper_bound_eur": ends.upper_bound_eur,
                "optimum_charges": np.array(ends.charges),
            }
        return self._known[scenario]
