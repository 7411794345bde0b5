"""Charges that a grid suggests for a day with one store earn nearly all that can be earned."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from one_battery import one_battery

from gridtoll.agents.optimum.hourly_game.search import HourlyDay, search_hourly
from gridtoll.agents.optimum.one_store.bound import BoxBound
from gridtoll.agents.optimum.one_store.solve import hours_of
from gridtoll.agents.optimum.one_store.suggest import StoreGrid, grid_of, suggested
from gridtoll.envs import Scenario
from gridtoll.envs.games.hourly import HourlyGame
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.task import environment_of


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> HourlyDay:
    env = environment_of(one_battery(tmp_path_factory.mktemp("one battery") / "community"))
    return HourlyDay(cast(HourlyGame, env.game), Scenario(170, 0), StructuredMarket(threads=1))


@pytest.fixture(scope="module")
def grid(day: HourlyDay) -> StoreGrid:
    return grid_of(day, hours_of(day))


def test_what_is_suggested_earns_what_the_grid_makes_of_it_and_at_least_what_a_search_finds(day: HourlyDay, grid: StoreGrid) -> None:
    before = day.plans
    charges = suggested(day, grid, tries=8)
    assert day.plans == before + 8 * 24
    earned = day.walk(charges[:, None]).goal_eur
    assert earned == pytest.approx(grid.worth(0, day.start.stored[[grid.owner]])[0], rel=0.02)
    assert earned >= search_hourly(day, n_starts=1, max_plans=2000).goal_eur


def test_a_bound_loses_nothing_where_it_allows_what_the_grid_earns_and_what_it_allows_too_much_elsewhere(
    day: HourlyDay, grid: StoreGrid
) -> None:
    charges = suggested(day, grid)
    energy = np.array([*(state.stored[grid.owner] for state in day.walk(charges[:, None]).states), day.start.stored[grid.owner]])
    edges = tuple(np.linspace(0.0, 2.0, 401) for _ in range(25))
    middle = [0.5 * (each[:-1] + each[1:]) for each in edges]
    too_much = np.where(np.arange(25) <= 10, 5.0, 0.0)  # of what can be earned from hour 10 on, and so before
    worth = tuple(grid.worth(hour, at) + too_much[hour] for hour, at in enumerate(middle))
    none = np.zeros(0)
    found = BoxBound(
        bound_eur=0.0,
        worth_eur=worth,
        slope=tuple(np.zeros(400) for _ in range(25)),
        slab=none.astype(int),
        charge=none,
        lost_eur=none,
        energy=energy,
        slab_margin=none,
        line_margin=none,
    )
    lost = grid.losses(found, edges)
    assert lost[10] == pytest.approx(5.0, abs=0.1)
    assert np.delete(lost, 10).max() < 0.1
