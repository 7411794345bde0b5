"""The hourly game under a market of which nothing is proved: the best charge found that stays all day, played in the game itself.

A leader that changes its charge from hour to hour may earn more, and no bound is claimed. The charge is sought as in
:mod:`gridtoll.agents.optimum.played`, every play being a whole day of the game, from its first hour to its last.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from typing import Any, cast

import numpy as np

from ...agents.optimum.played import GRID, best_played
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.games.hourly import HourlyGame
from ...envs.games.spec import GameSpec
from ..task import environment_of
from .hours import HourlyEnds, SearchEffort

_LEAST_GRID, _LEAST_CLOSER, _MOST_CLOSER = 11, 5, 21


def about_seconds(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> float:
    """Return about how long :func:`search_by_playing` takes in this process, from one day played."""
    began = time.perf_counter()
    _earned(task, scenario, np.full((1, environment_of(task).tariff.n_basis), 0.3 * environment_of(task).charge_cap))
    grid, closer = _grids(task, effort)
    return (grid + 4 * closer + 2) * (time.perf_counter() - began)


def search_by_playing(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> HourlyEnds:
    """Return what is known of one scenario: the best found, without a bound.

    Raises:
        ValueError: If there is no such day.
        ClearingError: If a plan could not be cleared.
    """
    env = environment_of(task)
    n_basis = env.tariff.n_basis
    grid, closer = _grids(task, effort)
    best = best_played(lambda charges: _earned(task, scenario, charges), n_basis, cap=env.charge_cap, grid=grid, closer=closer)
    [zero, earned] = _earned(task, scenario, np.stack([np.zeros(n_basis), best.charges]))
    n_periods = env.community.n_periods
    return HourlyEnds(
        best_eur=float(earned),
        charges=tuple(np.tile(best.charges, n_periods).tolist()),
        upper_bound_eur=inf,
        certified=False,
        zero_eur=float(zero),
        constant_eur=float(earned) if n_basis == 1 else nan,
        constant_charge=float(best.charges[0]) if n_basis == 1 else nan,
        kept_eur=float(earned),
        kept_bound_eur=inf,
        method="played",
        plans=(best.clearings + 2) * n_periods,
        seconds=best.seconds,
    )


def _grids(task: GameSpec, effort: SearchEffort) -> tuple[int, int]:
    """Return the sizes of the first grid and of the closer ones, for about so many plans."""
    days = effort.plans // environment_of(task).community.n_periods
    closer = min(max(_LEAST_CLOSER, days // 8), _MOST_CLOSER) // 2 * 2 + 1
    return min(max(_LEAST_GRID, days - 4 * closer), GRID), closer


def _earned(task: GameSpec, scenario: Scenario, charges: Array) -> Array:
    """Return what charges that stay all day earn in EUR, shape (R,), for charges of shape (R, K)."""
    env = environment_of(replace(task, information="public"))
    game, market = cast(HourlyGame, env.game), env.mechanism
    posted = [game.setting.read(np.tile(each, game.setting.n_charges // len(each))) for each in charges]
    states: Sequence[Any] = [game.begin(scenario) for _ in posted]
    earned = np.zeros(len(posted))
    while not states[0].over:
        plays = game.play(market, states, posted)
        earned += plays.carried_out.rewards_eur
        states = plays.states
    return earned
