"""Leaders that solve the day they are told of: the day they solve is the one told, and what they spend is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from promises import require_policy

from gridtoll.agents.optimum import solve_scenarios
from gridtoll.agents.planning.foretold import CertaintyEquivalent, ScenarioSample, Templates
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.observation.observer import Observer
from gridtoll.envs.games.observation.public import FORECAST_MEMORY, drawn_factors
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
TRAIN = [Scenario(day, path) for path in range(2) for day in (3, 24, 50, 120, 180, 203, 260)]
DAY = Scenario(160, 1)


@pytest.fixture(autouse=True)
def few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gridtoll.train.learning.practice", "gridtoll.train.scoring.planned"):
        monkeypatch.setattr(f"{module}.training_scenarios", lambda _: TRAIN)


@pytest.fixture(params=["public", "full"])
def practice(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TaskPractice]:
    with Workers(1, quiet=True) as workers:
        task = TASK.changed(information=request.param)
        yield TaskPractice(task, seed=1, folder=tmp_path, steps=100, validation_days=2, workers=workers)


BY_HOUSEHOLD = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable", "storage_power", "grid_friction")


def with_one_great_demand(day: Day, kw: float) -> Day:
    """Return a day on which one household wants so much in one hour."""
    wanted = (day.utility_slope - day.own_import_price) / day.utility_curvature
    factor = np.ones(day.demand_min.shape)
    factor[18, 0] = kw / wanted[18, 0]
    return replace(
        day, demand_min=day.demand_min * factor, demand_max=day.demand_max * factor, utility_curvature=day.utility_curvature / factor
    )


@pytest.mark.parametrize("loads", [1.0, 6.4], ids=["within bounds", "one demand cut off"])
def test_where_every_household_is_told_the_day_that_is_solved_is_the_day_itself(tmp_path: Path, loads: float) -> None:
    with Workers(1, quiet=True) as workers:
        practice = TaskPractice(TASK.changed(information="full"), seed=1, folder=tmp_path, steps=100, validation_days=2, workers=workers)
        environment, templates = environment_of(practice.task), Templates(practice)
    day = with_one_great_demand(environment.day_of(DAY), loads * environment.community.load_kw[:, 0].mean())
    observer = cast(Observer, environment.observer)
    seen = observer.observe(DAY, day)
    assert (observer.read(seen)["each_demand"].max() >= 5.99) == (loads > 6)
    told = templates.game(seen, templates.nearest(seen, 1)[0]).day
    for name in (*BY_HOUSEHOLD, "import_price", "export_price", "loss_price", "storage_capacity", "storage_start", "import_limit"):
        np.testing.assert_allclose(getattr(told, name), getattr(day, name), rtol=2e-5, atol=1e-6, err_msg=name)


def test_the_day_that_is_solved_has_the_totals_and_prices_that_are_observed(practice: TaskPractice) -> None:
    templates, observer = Templates(practice), environment_of(practice.task).observer
    seen = observe(practice.task, DAY)
    [template] = templates.nearest(seen, 1)
    told, day = observer.read(seen), templates.game(seen, template).day
    wanted = np.clip((day.utility_slope - day.own_import_price) / day.utility_curvature, day.demand_min, day.demand_max)
    np.testing.assert_allclose(wanted.sum(axis=1) / practice.total_load_kw, told["load"], rtol=1e-5)
    np.testing.assert_allclose(day.renewable.sum(axis=1) / practice.total_load_kw, np.maximum(told["renewable"], 0), atol=1e-6)
    np.testing.assert_allclose(day.mean_import_price.mean(), told["import_price"][0], rtol=1e-6)
    np.testing.assert_allclose(np.maximum(day.mean_import_price - np.maximum(day.mean_export_price, 0), 0), told["spread"], atol=1e-6)


def test_a_day_that_is_told_in_full_is_solved_like_the_day_itself(tmp_path: Path) -> None:
    with Workers(1, quiet=True) as workers:
        practice = TaskPractice(TASK.changed(information="full"), seed=1, folder=tmp_path, steps=100, validation_days=2, workers=workers)
        charge = CertaintyEquivalent().plan(practice).predict(observe(practice.task, DAY))[0]
        [game] = practice.games([DAY])
    assert charge[0] == pytest.approx(solve_scenarios([game]).charge, rel=0.01)


@pytest.mark.parametrize("learner", [CertaintyEquivalent(), ScenarioSample(count=3)], ids=["certainty-equivalent", "scenario"])
def test_they_keep_the_promise_of_a_policy_and_count_what_each_charge_costs(
    practice: TaskPractice, learner: CertaintyEquivalent | ScenarioSample
) -> None:
    policy, before = learner.learn(practice), practice.effort.clearings
    assert before > 0
    require_policy(policy, [observe(practice.task, DAY)], n_charges=1, charge_cap=practice.charge_cap)
    assert practice.effort.clearings > before
    assert len(practice.curve) == 1


def test_evaluate_knows_them_by_name(practice: TaskPractice) -> None:
    seen = observe(practice.task, DAY)
    named = make_leader("certainty-equivalent", practice.task, [], practice.workers, seed=1).on(DAY)
    assert named.predict(seen)[0] == CertaintyEquivalent().plan(practice).predict(seen)[0]


def test_days_drawn_around_a_forecast_follow_the_seed_and_come_in_pairs_of_opposite_errors(practice: TaskPractice) -> None:
    seen, learner = observe(practice.task, DAY), ScenarioSample(count=3)
    one, again = (learner.plan(practice).days(seen) for _ in range(2))
    assert [game.day.renewable.tolist() for game in one] == [game.day.renewable.tolist() for game in again]
    [plain] = CertaintyEquivalent().plan(practice).days(seen)
    if practice.task.information == "full":
        assert len(one) == 1
        assert np.array_equal(one[0].day.renewable, plain.day.renewable)
        return
    assert len(one) == 3
    some = plain.day.renewable > 0.1
    np.testing.assert_allclose(
        sum(1.0 / game.day.renewable[some] for game in one[:2]), 2.0 / plain.day.renewable[some], rtol=1e-6
    )  # what a forecast is divided by sums to 2


def test_errors_drawn_have_the_stated_deviation_and_memory() -> None:
    drawn = np.array([drawn_factors(np.random.default_rng(seed), 24, 1.0, error=0.1) for seed in range(400)])
    assert drawn.mean() == pytest.approx(1.0, abs=0.005)
    assert drawn.std() == pytest.approx(0.1, rel=0.05)
    errors = drawn - 1.0
    assert float((errors[..., 1:] * errors[..., :-1]).mean() / (errors**2).mean()) == pytest.approx(FORECAST_MEMORY, abs=0.03)


@pytest.mark.parametrize("make", [lambda: CertaintyEquivalent(clearings=0), lambda: ScenarioSample(count=0)])
def test_settings_that_cannot_be_are_refused(make: type) -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        make()
