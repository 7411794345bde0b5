"""Forecasts of a day that anybody could make: from what was measured before it, and from nothing else of the day but published prices.

================  ==========================================================================================================
``noisy``         the truth times errors (:func:`.public.forecast_factors`): how good it is, is stated and not earned
``persistence``   every household's load and sun, and the export price, as on the day before
``last-week``     the same as seven days before
``boosted``       totals of load and sun and the mean export price by gradient-boosted trees; households share them as last week
================  ==========================================================================================================

The trees are fitted on training weeks. They see the period, the season, whether it is a weekend, and the same period of the day before, of
the week before and of the last seven days on average. There are eight sets of trees. The set of a week was fitted without it, and without
every day whose inputs reach into it: so no forecast depends on what comes true that day, in training weeks neither.

The data year follows on itself: the day before the first is the last.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from ...arrays import Array, IntArray
from ...community.calendar import Scenario, split_days
from ...community.community import Community
from ...community.day import Day
from ...community.household_prices import mean_of_households
from ...errors import known_name
from ...packages import research_package

NOISY: Final = "noisy"
FORECASTS: Final = (NOISY, "persistence", "last-week", "boosted")
"""Every forecast known by name."""
_WEEK: Final = 7
_SETS: Final = 8
"""Sets of trees; each is fitted without every eighth week and the days after it whose inputs reach into it."""
_TREES: Final = {"max_iter": 120, "learning_rate": 0.08, "max_leaf_nodes": 15, "min_samples_leaf": 20, "random_state": 0}


class Foretold(NamedTuple):
    """What is foretold of a day: loads and sun in kW, shapes (T, N), and export prices in EUR/kWh, shape (T,) or (T, N)."""

    load_kw: Array
    renewable_kw: Array
    export_price: Array


def check_forecast(name: str) -> str:
    """Return the forecast that was named.

    Raises:
        ValueError: If it is unknown.
    """
    return known_name("`forecast`", name, FORECASTS)


def foretold_day(community: Community, scenario: Scenario, forecast: str) -> Day:
    """Return the day of a scenario as it is foretold: only its import prices, which are published, are its own.

    Args:
        community: Whose day it is.
        scenario: Which day and price path it is.
        forecast: One of :data:`FORECASTS` but ``"noisy"``.

    Raises:
        MissingPackageError: If scikit-learn is missing and ``"boosted"`` needs it.
    """
    days_back = {"persistence": 1, "last-week": _WEEK}.get(forecast)
    foretold = _boosted(community, scenario) if days_back is None else _measured(community, scenario, days_back)
    published = community.day(scenario.day, price_path=scenario.price_path)
    before = community.day((scenario.day - (days_back or 1)) % community.n_days, price_path=scenario.price_path)
    return replace(
        before,
        label=f"{published.label}/{forecast}",
        **community.preferences(load_kw=foretold.load_kw),
        renewable=foretold.renewable_kw,
        import_price=published.import_price,
        export_price=foretold.export_price,
    )


def _periods(community: Community, day: int, days_back: int) -> IntArray:
    """Return the periods of a day some days back, shape (T,)."""
    per_day = community.n_periods
    first = (day - days_back) % community.n_days * per_day
    return np.arange(first, first + per_day)


def _measured(community: Community, scenario: Scenario, days_back: int) -> Foretold:
    at = _periods(community, scenario.day, days_back)
    return Foretold(community.load_kw[at], community.renewable_kw[at], community.export_price[scenario.price_path, at])


def _boosted(community: Community, scenario: Scenario) -> Foretold:
    """Return totals by trees, shared among households as in the last week."""
    models = _models(community, scenario.day // _WEEK % _SETS)
    inputs = _inputs(community, scenario.day)
    load, sun = (
        np.maximum(models[name].predict(np.column_stack([*inputs.calendar, *inputs.of(series)])), 0.0)
        for name, series in (("load", community.load_kw.sum(axis=1)), ("sun", community.renewable_kw.sum(axis=1)))
    )
    path = community.mean_export_price[scenario.price_path]
    price = models["price"].predict(np.column_stack([*inputs.calendar, *inputs.of(path)]))
    week = np.array([_periods(community, scenario.day, back) for back in range(1, _WEEK + 1)])
    shares = [_shares(year[week]) for year in (community.load_kw, community.renewable_kw)]
    yesterday = community.export_price[scenario.price_path, week[0]]
    offset = price - mean_of_households(yesterday, 1)
    own = yesterday + (offset if yesterday.ndim == 1 else offset[:, None])
    return Foretold(load[:, None] * shares[0], sun[:, None] * shares[1], own)


def _shares(power: Array) -> Array:
    """Return each household's share of the total in every period of the last week, shape (T, N), of power in kW, shape (7, T, N)."""
    by_period = power.sum(axis=0)
    of_all = by_period.sum(axis=0) / max(float(by_period.sum()), 1e-12)
    total = by_period.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0.0, by_period / np.where(total > 0.0, total, 1.0), of_all))


class _Inputs(NamedTuple):
    """What trees see of a day: columns of the calendar, shapes (T,), and which periods were measured, by days back, shapes (T,)."""

    calendar: tuple[Array, ...]
    back: tuple[IntArray, ...]

    def of(self, series: Array) -> tuple[Array, ...]:
        """Return the columns of a series of the year, shape (Y,)."""
        last_week = np.mean([series[at] for at in self.back], axis=0)
        yesterday = series[self.back[0]]
        return yesterday, series[self.back[-1]], last_week, np.full(len(yesterday), yesterday.mean())


def _inputs(community: Community, day: int) -> _Inputs:
    date, per_day = community.date(day), community.n_periods
    angle = 2.0 * np.pi * date.timetuple().tm_yday / 366.0
    same = np.ones(per_day)
    calendar = (np.arange(per_day) / per_day, np.sin(angle) * same, np.cos(angle) * same, float(date.weekday() >= 5) * same)
    return _Inputs(calendar, tuple(_periods(community, day, back) for back in range(1, _WEEK + 1)))


@lru_cache(maxsize=4 * _SETS)
def _models(community: Community, held: int) -> dict[str, Any]:
    """Return the trees of weeks held out together, by what they foretell."""
    ensemble = research_package("sklearn.ensemble", "the boosted forecast")
    weeks = {held, (held + 1) % _SETS}
    days = [day for day in split_days("train", community.n_days).tolist() if day >= _WEEK and day // _WEEK % _SETS not in weeks]
    series = {
        "load": [community.load_kw.sum(axis=1)],
        "sun": [community.renewable_kw.sum(axis=1)],
        "price": list(community.mean_export_price),
    }
    inputs = {day: _inputs(community, day) for day in days}
    models = {}
    for name, years in series.items():
        rows = [np.column_stack([*inputs[day].calendar, *inputs[day].of(year)]) for year in years for day in days]
        truth = [year[_periods(community, day, 0)] for year in years for day in days]
        models[name] = ensemble.HistGradientBoostingRegressor(**_TREES).fit(np.concatenate(rows), np.concatenate(truth))
    return models
