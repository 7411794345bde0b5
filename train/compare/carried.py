"""What one machine knows of days of the hourly game, carried to another, so that it need not be searched for and proved again there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...agents.fixed.hourly import SchedulePolicy
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.playing import play_days
from ..references.ends import HOURLY, hourly_key
from ..references.hours import SearchEffort
from ..task import environment_of

_SAME: Final = 1e-6  # share of what is earned
_log = logging.getLogger(__name__)


def earns_the_same(again_eur: float, before_eur: float) -> bool:
    """Return whether a charge, or a sequence of charges, earns what it earned before."""
    return abs(again_eur - before_eur) <= _SAME * max(1.0, abs(before_eur))


def carried(task: GameSpec, scenarios: Sequence[Scenario], effort: SearchEffort) -> dict[Scenario, dict[str, Any]]:
    """Return in words of JSON what the store knows of scenarios; those of which it knows nothing are left out.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        effort: How hard sequences were searched for.
    """
    known = {scenario: HOURLY.kept(hourly_key(task, scenario, effort)) for scenario in scenarios}
    return {scenario: HOURLY.written(ends) for scenario, ends in known.items() if ends is not None}


def take(task: GameSpec, known: Mapping[Scenario, Mapping[str, Any]], effort: SearchEffort, *, threads: int | None = None) -> int:
    """Put what :func:`carried` returned elsewhere into the store here, and return of how many scenarios that is.

    What this store knows already stays. The best charges are played again: where they do not earn here what they earned there, nothing of
    the day is taken, and a warning says so. Bounds are taken as they were proved.

    Args:
        task: The game, of belief ``"standing"``.
        known: Of each scenario.
        effort: How hard sequences were searched for.
        threads: That play.

    Raises:
        ClearingError: If a day could not be cleared.
    """
    ends = {scenario: HOURLY.read(words) for scenario, words in known.items() if HOURLY.kept(hourly_key(task, scenario, effort)) is None}
    env = environment_of(task)
    hour, shape = env.observer.layout["hour"], (-1, env.tariff.n_basis)
    leaders = {scenario: SchedulePolicy(np.reshape(each.charges, shape), hour) for scenario, each in ends.items()}
    played = play_days(task, leaders.__getitem__, list(ends), threads=threads)
    same = [
        scenario for (scenario, each), day in zip(ends.items(), played, strict=True) if earns_the_same(day.objective_eur, each.best_eur)
    ]
    for scenario in same:
        HOURLY.keep(hourly_key(task, scenario, effort), ends[scenario])
    if len(same) < len(ends):
        _log.warning(
            "best charges of %d days of %s do not earn here what they earned where they were found: they are searched for again",
            len(ends) - len(same),
            task.community,
        )
    return len(same)
