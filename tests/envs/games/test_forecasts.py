"""Forecasts that anybody could make: of what was measured before the day, and of nothing else of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.games.observation import forecasts
from gridtoll.envs.games.observation.forecasts import FORECASTS, foretold_day
from gridtoll.envs.games.observation.observer import Observer, make_observer
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.packages import MissingPackageError
from gridtoll.train.task import environment_of, observe

Array = NDArray[np.float64]
COMMUNITY = load_community("ieee9")
EARNED = tuple(name for name in FORECASTS if name != "noisy")
DAYS = [Scenario(day, path) for day, path in ((9, 0), (40, 1), (130, 2), (200, 3), (290, 0))]


def with_another_truth(community: Community, day: int) -> Community:
    """Return a community whose loads, sun and export prices of a day come in reverse order: means over the year stay."""
    at = slice(day * community.n_periods, (day + 1) * community.n_periods)
    changed = {name: np.array(getattr(community, name)) for name in ("load_kw", "renewable_kw", "export_price", "loss_price")}
    for name, year in changed.items():
        axis = 1 if name.endswith("price") else 0
        inside = (slice(None), at) if axis else (at,)
        year[inside] = np.flip(year[inside], axis)
    return replace(community, **changed)  # type: ignore[arg-type]


def values(observer: Observer, community: Community, scenario: Scenario, name: str) -> Array:
    day = community.day(scenario.day, price_path=scenario.price_path)
    return np.asarray(observer.read(observer.observe(scenario, day))[name])


@pytest.mark.parametrize("forecast", EARNED)
@pytest.mark.parametrize("scenario", [Scenario(16, 1), Scenario(200, 3)], ids=["training day", "another day"])
def test_a_forecast_does_not_depend_on_what_comes_true_that_day(forecast: str, scenario: Scenario) -> None:
    seen = []
    for community in (COMMUNITY, with_another_truth(COMMUNITY, scenario.day)):
        observer = make_observer("public", community, forecast=forecast)
        seen.append(observer.observe(scenario, community.day(scenario.day, price_path=scenario.price_path)))
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-6, atol=1e-6)  # means over the year are other sums
    noisy = [
        make_observer("public", each).observe(scenario, each.day(scenario.day, price_path=scenario.price_path))
        for each in (COMMUNITY, with_another_truth(COMMUNITY, scenario.day))
    ]
    assert np.abs(noisy[0] - noisy[1]).max() > 0.01


@pytest.mark.parametrize(("forecast", "back"), [("persistence", 1), ("last-week", 7)])
@pytest.mark.parametrize("name", ["load", "renewable", "spread", "deficit"])
def test_persistence_and_last_week_show_the_truth_of_an_earlier_day(forecast: str, back: int, name: str) -> None:
    told, truth = make_observer("public", COMMUNITY, forecast=forecast), make_observer("full", COMMUNITY)
    for scenario in DAYS:
        earlier = Scenario(scenario.day - back, scenario.price_path)
        np.testing.assert_allclose(values(told, COMMUNITY, scenario, name), values(truth, COMMUNITY, earlier, name), atol=1e-6)


def test_boosted_trees_foretell_load_and_sun_better_than_the_day_before() -> None:
    truth = make_observer("full", COMMUNITY)
    for name, share in (("load", 0.95), ("renewable", 1.0)):  # clouds are hard to foretell from yesterday
        error = {
            forecast: np.mean(
                [
                    np.abs(
                        values(make_observer("public", COMMUNITY, forecast=forecast), COMMUNITY, each, name)
                        - values(truth, COMMUNITY, each, name)
                    )
                    for each in COMMUNITY.scenarios("validation", 20)
                ]
            )
            for forecast in ("boosted", "persistence")
        }
        assert error["boosted"] < share * error["persistence"]


def test_a_boosted_day_has_its_own_import_prices_and_households_that_add_up() -> None:
    for scenario in DAYS:
        day, truth = foretold_day(COMMUNITY, scenario, "boosted"), COMMUNITY.day(scenario.day, price_path=scenario.price_path)
        assert day.import_price.tolist() == truth.import_price.tolist()
        assert (day.renewable >= 0).all()
        assert (day.demand_max > day.demand_min).all()
        assert (day.renewable.sum(axis=1) > 0).any()
        assert not np.array_equal(day.export_price, truth.export_price)


@pytest.mark.parametrize(("known", "field"), [("sun", "renewable"), ("load", "load"), ("price", "spread")])
def test_what_is_known_without_error_is_observed_as_it_comes_true_and_the_rest_is_not(known: str, field: str) -> None:
    noisy, truth = make_observer("public", COMMUNITY), make_observer("full", COMMUNITY)
    observer = replace(noisy, exact=(known,))
    for name in ("renewable", "load", "spread"):
        seen, blurred, true = (values(each, COMMUNITY, DAYS[3], name) for each in (observer, noisy, truth))
        np.testing.assert_allclose(seen, true if name == field else blurred, atol=1e-6)
        assert not np.allclose(blurred, true, atol=1e-3)


def test_the_forecast_is_an_argument_of_the_day_ahead_game_alone() -> None:
    task = GameSpec(community="two-prosumers", forecast="persistence")
    assert cast(Observer, environment_of(task).observer).forecast == "persistence"
    assert not np.array_equal(observe(task, DAYS[1]), observe(GameSpec(community="two-prosumers"), DAYS[1]))
    with pytest.raises(ValueError, match="`forecast` must be one of boosted, last-week, noisy, persistence; got 'tomorrow'"):
        GameSpec(forecast="tomorrow")
    with pytest.raises(ValueError, match="`forecast` 'boosted' must go with `information` public"):
        GameSpec(forecast="boosted", information="full")
    with pytest.raises(ValueError, match="`forecast` must go with `env` day-ahead, got `env` hourly"):
        GameSpec(forecast="boosted", env="hourly")


def test_what_a_boosted_forecast_needs_is_said_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    forecasts._models.cache_clear()
    with pytest.raises(MissingPackageError, match=r"the boosted forecast needs the package `sklearn`.*\[research\]"):
        foretold_day(COMMUNITY, DAYS[0], "boosted")
