"""Tuned settings in the form of rl-baselines3-zoo, for those who train with its scripts.

    python -m rl_zoo3.train --algo sac --env gridtoll/DayAhead-v0 --gym-packages gridtoll.envs --conf-file zoo.yml

The hourly game is ``gridtoll/Hourly-v0`` there, and PPO with a memory ``ppo_lstm``.

The file names the environment's arguments, the view of the day that the settings were tuned with
(:class:`~gridtoll.agents.learned.day_view.DayView`), and the arguments of stable-baselines3's class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ...agents.learned.settings import LEARNER_NAMES, LearnerSettings, default_settings
from ...agents.learned.stable_baselines import arguments_of, day_of
from ...envs import DAY_AHEAD_ID, HOURLY_ID
from ...envs.games.spec import GameSpec
from ...envs.packages import research_package
from ..ground.config import DEFAULT_TRAININGS
from ..learning.learn import reward_unit_eur
from ..task import environment_of, n_charges, n_steps

_IN_CONFIG: Final = ("parallel_days", "validate_every")


def zoo_form(algorithm: str, settings: Mapping[str, Any], task: GameSpec, *, steps: int) -> str | None:
    """Return YAML for one of stable-baselines3's algorithms or SBX's, whose arguments are the same; None for any other.

    Args:
        algorithm: Which one.
        settings: Tuned ones; others have their defaults.
        task: What it was tuned on.
        steps: Training days.
    """
    if algorithm not in LEARNER_NAMES:
        return None
    yaml = research_package("yaml", "settings for rl-baselines3-zoo")
    own: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items() if name not in _IN_CONFIG
    }
    learner = replace(default_settings(algorithm, task.env), **own)
    rows = int(settings.get("parallel_days", DEFAULT_TRAININGS[task.env].parallel_days))
    arguments = arguments_of(learner, n_envs=rows, n_charges=n_charges(task), days=steps, hours=n_steps(task))
    noise = arguments.pop("action_noise", None)
    entry = {
        "n_envs": rows,
        "n_timesteps": steps * n_steps(task),
        "env_kwargs": {name: value for name, value in task.arguments().items() if value is not None} | {"solver": "structured"},
        "env_wrapper": _wrappers(learner, task),
        **arguments,
        **({} if noise is None else {"noise_type": "normal", "noise_std": learner.exploration}),
    }
    text: str = yaml.safe_dump({HOURLY_ID if task.env == "hourly" else DAY_AHEAD_ID: entry}, sort_keys=False)
    return text


def _wrappers(learner: LearnerSettings, task: GameSpec) -> list[dict[str, dict[str, float]]]:
    """Return what stands between the environment and the learner; rewards are in the same unit either way."""
    environment, unit = environment_of(task), reward_unit_eur(task)
    if (
        task.env == "day-ahead"
        and day_of(
            learner,
            environment.observer.size,
            cap=environment.charge_cap,
            n_coefficients=n_charges(task),
            n_periods=environment.community.n_periods,
        )
        is not None
    ):
        return [{"gridtoll.agents.learned.day_view.DayView": {"reward_unit": unit}}]
    return [{"gymnasium.wrappers.RescaleAction": {"min_action": -1.0, "max_action": 1.0}}]
