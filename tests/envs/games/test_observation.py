"""Observations: bounded, scaled, the same whenever a scenario comes up, and in ``public`` of one size for every community."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import random_network

import gridtoll
from gridtoll.agents.curves.day_features import DayActions
from gridtoll.envs.adapters.day_ahead import DayAheadEnv
from gridtoll.envs.arrays import IntArray
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.community import Community, make_community
from gridtoll.envs.community.parameters import MarketParameters
from gridtoll.envs.community.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.games.observation import full as observation_full
from gridtoll.envs.games.observation.full import full_fields
from gridtoll.envs.games.observation.hourly import make_hourly_observer
from gridtoll.envs.games.observation.observer import BOUND, Observer, clipped_shares, field_table, make_observer
from gridtoll.envs.games.observation.public import (
    BIN_OF_RING,
    CHARGE_LEVELS,
    FORECAST_ERROR,
    FORECAST_MEMORY,
    forecast_factors,
    public_fields,
    public_values,
)

N, N_DAYS = 6, 84
INFORMATION = ("public", "full")


def tiny(order: IntArray | None = None, unit: float = 1.0, money: float = 1.0, **changes: Any) -> Community:
    """Six prosumers, two of them with storage, and twelve weeks of data; in another order, unit of power or currency on request."""
    random = np.random.default_rng(5)
    hours = np.arange(24 * N_DAYS)
    sun = np.clip(np.sin((hours % 24 - 6) / 12 * np.pi), 0.0, None)[:, None] * random.uniform(0.2, 1.0, (N_DAYS, 1)).repeat(24, axis=0)
    roofs = np.array([0.0, 4.0, 3.0, 0.0, 6.0, 0.0])
    owns = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    prosumer_order = np.arange(N) if order is None else order
    network = random_network(5, n=N)
    values: dict[str, Any] = {
        "first_date": date(2021, 1, 1),
        "load_kw": (unit * random.uniform(0.3, 2.0, (24 * N_DAYS, N)))[:, prosumer_order],
        "renewable_kw": (unit * sun * roofs)[:, prosumer_order],
        "import_price": money * 0.32,
        "export_price": money * random.uniform(-0.05, 0.25, (2, 24 * N_DAYS)),
        "loss_price": money * random.uniform(0.02, 0.25, (2, 24 * N_DAYS)),
        "parameters": MarketParameters(flexibility_value=money * 0.3, overload_price=money * 1.0),
        "storage_power": (unit * 1.5 * owns)[prosumer_order],
        "storage_capacity": (unit * 3.0 * owns)[prosumer_order],
        "charge_cap": money * 1.0,
    }
    friction = money * 0.005 / (1.15 * unit)  # the loads' mean is 1.15
    values |= {"grid_friction": friction, "trade_friction": friction, "storage_wear": friction}
    at = network.prosumer_bus[prosumer_order]
    within = np.ix_(prosumer_order, prosumer_order)
    network = replace(network, prosumer_bus=at, distance=network.distance[within], zone_borders=network.zone_borders[within])
    return make_community("tiny", network, **(values | changes))


def observe(observer: Observer, day: int, price_path: int = 0) -> Any:
    """The observation of a scenario."""
    return observer.observe(Scenario(day, price_path), observer.community.day(day, price_path=price_path))


@pytest.mark.parametrize("information", INFORMATION)
def test_fields_lie_side_by_side_and_fill_the_observation(information: str) -> None:
    observer = make_observer(information, tiny())
    ends = [0, *(part.stop for part in observer.layout.values())]
    assert [part.start for part in observer.layout.values()] == ends[:-1]
    assert ends[-1] == observer.size == len(observe(observer, 3))
    assert list(observer.layout) == [field.name for field in observer.fields]
    assert set(observer.read(observe(observer, 3))) == set(observer.layout)


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_observations_of_every_community_lie_within_bounds_and_hardly_touch_them(name: str) -> None:
    community = load_community(name)
    sizes = set()
    for information in INFORMATION:
        observer = make_observer(information, community)
        rows = np.array([observe(observer, day, day % community.n_price_paths) for day in range(0, community.n_days, 61)])
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        assert (np.abs(rows) <= BOUND).all()
        assert (np.abs(rows) == BOUND).mean() < 0.01
        sizes.add(observer.size)
    assert min(sizes) == sum(field.size for field in public_fields(24))


def test_public_numbers_of_the_default_community_are_of_order_one() -> None:
    observer = make_observer("public", load_community("simbench-rural"))
    rows = np.array([observe(observer, day, day % 4) for day in range(0, 366, 5)])
    for field in observer.fields:
        values = rows[:, observer.layout[field.name]]
        assert abs(values.mean()) < 2.5, field.name
        assert values.std() < 2.0, field.name


@pytest.mark.parametrize("information", INFORMATION)
def test_a_scenario_always_looks_the_same_and_others_do_not(information: str) -> None:
    community = tiny()
    observer, again = make_observer(information, community), make_observer(information, tiny())
    here = observe(observer, 10, 1)
    np.testing.assert_array_equal(here, observe(again, 10, 1))
    assert not np.array_equal(here, observe(observer, 10, 0))
    assert not np.array_equal(here, observe(observer, 11, 1))


def test_forecast_errors_are_the_same_in_every_process() -> None:
    code = (
        "from gridtoll.envs.community.sources import load_community\n"
        "from gridtoll.envs.games.observation.public import forecast_factors\n"
        "from gridtoll.envs.community.calendar import Scenario\n"
        "print(forecast_factors(load_community('two-prosumers'), Scenario(3, 1), 24).tobytes().hex())"
    )
    root = Path(gridtoll.__file__).parent.parent  # a process of its own does not know pytest's path
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
    here = forecast_factors(load_community("two-prosumers"), Scenario(3, 1), 24)
    assert printed.strip() == here.tobytes().hex()


def test_forecast_errors_have_a_tenth_of_standard_deviation_in_every_hour_and_remember_the_hour_before() -> None:
    community = tiny()
    errors = np.array([forecast_factors(community, Scenario(day, path), 24) for day in range(400) for path in range(4)]) - 1.0
    assert errors.shape == (1600, 3, 24)
    np.testing.assert_allclose(errors.mean(axis=0), 0.0, atol=5 * FORECAST_ERROR / 40)
    np.testing.assert_allclose(errors.std(axis=0), FORECAST_ERROR, rtol=0.1)
    for series in range(3):
        together = np.corrcoef(errors[:, series, :-1].ravel(), errors[:, series, 1:].ravel())[0, 1]
        assert together == pytest.approx(FORECAST_MEMORY, abs=0.02)
    assert abs(np.corrcoef(errors[:, 0].ravel(), errors[:, 1].ravel())[0, 1]) < 0.03


def test_forecasts_miss_the_truth_by_about_a_tenth_and_full_observations_do_not_miss_it() -> None:
    community = tiny()
    public, full = make_observer("public", community), make_observer("full", community)
    misses = []
    for index in range(0, N_DAYS, 2):
        day = community.day(index)
        truth = day.renewable.sum(axis=1) / (community.mean_load_kw * N)
        seen, exact = (observer.read(observe(observer, index))["renewable"] for observer in (public, full))
        np.testing.assert_allclose(exact, truth, atol=1e-6)
        misses.append((seen[truth > 0.5] / truth[truth > 0.5]) - 1.0)
    assert np.concatenate(misses).std() == pytest.approx(FORECAST_ERROR, rel=0.25)


def test_full_observations_give_back_every_private_array() -> None:
    community = tiny()
    observer, day = make_observer("full", community), community.day(12, price_path=1)
    values = observer.read(observe(observer, 12, 1))
    own_load, own_peak, mean = community.load_kw.mean(axis=0), community.renewable_kw.max(axis=0), community.mean_load_kw
    for name in ("demand_min", "demand_max"):
        np.testing.assert_allclose(values[f"each_{name}"].reshape(24, N) * own_load, getattr(day, name), atol=1e-5)
    np.testing.assert_allclose(values["each_renewable"].reshape(24, N) * own_peak, day.renewable, atol=1e-5)
    np.testing.assert_allclose(values["each_export_price"], day.export_price, atol=1e-6)
    for name in ("storage_power", "storage_capacity", "storage_start", "import_limit", "export_limit"):
        np.testing.assert_allclose(values[f"each_{name}"] * mean, getattr(day, name), atol=1e-4)


PRIVATE = (
    "demand_min",
    "demand_max",
    "utility_curvature",
    "utility_slope",
    "renewable",
    "import_price",
    "export_price",
    "loss_price",
    "import_limit",
    "export_limit",
    "grid_friction",
    "storage_power",
    "storage_capacity",
    "storage_efficiency",
    "storage_wear",
    "storage_start",
)


@pytest.mark.parametrize("name", PRIVATE)
def test_a_change_in_any_private_number_shows_in_the_full_observation(name: str) -> None:
    community = tiny()
    day = community.day(4)
    changed = getattr(day, name).copy()
    changed.flat[0] = 0.9 * changed.flat[0] + 0.001
    observer = make_observer("full", community)
    before, after = (observer.observe(Scenario(4, 0), each) for each in (day, replace(day, **{name: changed})))
    assert not np.array_equal(before, after)


def test_public_observations_do_not_depend_on_the_order_of_prosumers() -> None:
    order = np.random.default_rng(2).permutation(N)
    for index in (0, 30, 60):
        here, there = (observe(make_observer("public", community), index) for community in (tiny(), tiny(order=order)))
        np.testing.assert_allclose(here, there, atol=2e-6)


@pytest.mark.parametrize("information", INFORMATION)
def test_observations_do_not_depend_on_the_unit_of_power(information: str) -> None:
    for index in (0, 30, 60):
        here, there = (observe(make_observer(information, tiny(unit=unit)), index) for unit in (1.0, 1000.0))
        np.testing.assert_allclose(here, there, atol=2e-6)


@pytest.mark.parametrize("money", [7.46, 0.01, 1e6])
@pytest.mark.parametrize("information", INFORMATION)
def test_observations_do_not_depend_on_the_currency(information: str, money: float) -> None:
    ours, theirs = (make_observer(information, tiny(money=factor)) for factor in (1.0, money))
    assert theirs.community.price_level == pytest.approx(money)
    for index in (0, 30, 60):
        here, there = observe(ours, index), observe(theirs, index)
        np.testing.assert_allclose(here, there, atol=2e-6)
        value, other = ours.read(here), theirs.read(there)
        assert other["day_spread"] == pytest.approx(money * value["day_spread"], rel=1e-5)
        assert other["load"] == pytest.approx(value["load"], rel=1e-5)


def test_hourly_observations_do_not_depend_on_the_currency_or_the_unit_of_power() -> None:
    seen = []
    for community in (tiny(), tiny(money=7.46), tiny(unit=1000.0)):
        observer = make_hourly_observer("full", community, forecast_error=0.0)
        view = observer.view(Scenario(30, 1), community.day(30, price_path=1), np.ones((3, 24)))
        seen.append(observer.observe(view, hour=12, days_left=0, stored=community.storage_start, last_kwh=(0.0, 0.0, 0.0)))
    for other in seen[1:]:
        np.testing.assert_allclose(seen[0], other, atol=2e-6)


def test_learners_charge_in_the_communitys_currency_and_see_the_same_day() -> None:
    ours, theirs = (make_observer("public", tiny(money=factor)) for factor in (1.0, 7.46))
    here, there = observe(ours, 30)[None], observe(theirs, 30)[None]
    plain, priced = DayActions(ours.size, 1.0), DayActions(theirs.size, 7.46, theirs.community.price_level)
    np.testing.assert_allclose(plain.seen(here), priced.seen(there), atol=1e-5)
    for action in (-1.0, 0.0, 0.4, 1.0):
        acting = np.array([[action]])
        assert priced.charges(there, acting) == pytest.approx(7.46 * plain.charges(here, acting), rel=1e-5)
    assert priced.worth(there) == pytest.approx(7.46 * plain.worth(here), rel=1e-5)


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_the_price_level_of_named_communities_is_exactly_one(name: str) -> None:
    assert load_community(name).price_level == 1.0


def test_the_price_level_is_that_of_the_greater_price_and_one_without_any() -> None:
    assert tiny(import_price=0.0, export_price=np.full((2, 24 * N_DAYS), -0.16)).price_level == pytest.approx(0.5)
    free = np.zeros((2, 24 * N_DAYS))
    assert tiny(import_price=0.0, export_price=free, loss_price=free).price_level == 1.0


def test_prices_in_another_currency_alone_are_hardly_cut_off() -> None:
    """Frictions and preferences are still as they were: what is observed of them changes, prices do not."""
    year = tiny(money=7.46)
    mixed = tiny(import_price=year.import_price, export_price=year.export_price, loss_price=year.loss_price)
    for information in INFORMATION:
        assert all(share < 0.02 for share in clipped_shares(make_observer(information, mixed)).values())


def test_what_learners_would_hardly_see_is_warned_of_by_field_and_remedy() -> None:
    with pytest.warns(UserWarning, match=r"community 'tiny'.*`renewable` \(\d\d%\).*Bring loads, renewables, stores and limits to kW"):
        make_observer("public", tiny(renewable_kw=1000.0 * tiny().renewable_kw))
    with pytest.warns(UserWarning, match=r"`each_loss_price` \(100%\).*Bring all prices to one currency and unit"):
        make_observer("full", tiny(loss_price=100.0 * (0.1 + tiny().loss_price)))


def test_no_more_is_matched_than_either_side_has_and_all_of_the_lesser_side_where_all_may_trade() -> None:
    community = tiny()
    observer = make_observer("public", community)
    for index in range(0, N_DAYS, 7):
        day = community.day(index)
        values = public_values(community, observer.geometry, Scenario(index, 0), day)
        matched = values["matched"].sum(axis=1)
        lesser = np.minimum(values["surplus"], values["deficit"])
        assert (matched <= lesser + 1e-12).all()
        assert matched.sum() >= 0.9 * lesser.sum()  # what is left stays with partners that were served nearer by


def test_the_two_prosumers_show_their_surplus_deficit_and_revenue_as_reckoned_by_hand() -> None:
    community = load_community("two-prosumers")
    observer = make_observer("public", community)
    index = int(community.renewable_kw[:, 0].reshape(-1, 24).sum(axis=1).argmax())
    day = community.day(index)
    values = public_values(community, observer.geometry, Scenario(index, 0), day)
    unit = 2 * community.mean_load_kw
    paid = np.maximum(day.export_price, 0.0)
    demand = [
        np.clip((day.utility_slope - price[:, None]) / day.utility_curvature, day.demand_min, day.demand_max)
        for price in (paid, day.import_price)
    ]
    surplus, deficit = np.maximum(day.renewable - demand[0], 0.0), np.maximum(demand[1] - day.renewable, 0.0)
    np.testing.assert_allclose(values["surplus"], surplus.sum(axis=1) / unit, rtol=1e-12)
    np.testing.assert_allclose(values["deficit"], deficit.sum(axis=1) / unit, rtol=1e-12)
    matched = np.minimum(surplus[:, 0], deficit[:, 1]) + np.minimum(surplus[:, 1], deficit[:, 0])
    ring = 4  # the pair is at distance 1, the centre of ring 4
    np.testing.assert_allclose(values["matched"][:, BIN_OF_RING[ring]], matched / unit, rtol=1e-12, atol=1e-15)
    assert values["matched"].sum() == pytest.approx(matched.sum() / unit, rel=1e-12)
    spread = day.import_price - paid
    share = np.clip((spread[None, :] - np.array(CHARGE_LEVELS)[:, None]) / 0.1 + 0.5, 0.0, 1.0)
    np.testing.assert_allclose(values["revenue"], np.array(CHARGE_LEVELS) * (share @ matched) / unit, rtol=1e-10, atol=1e-15)
    assert values["revenue"].max() > 0
    assert not values["storage_revenue"].any()


def test_history_is_that_of_the_days_before_and_the_year_follows_on_itself() -> None:
    community = tiny()
    observer = make_observer("public", community)
    load = community.load_kw.reshape(N_DAYS, 24, N).sum(axis=2).mean(axis=1) / (N * community.mean_load_kw)
    price = community.export_price[1].reshape(N_DAYS, 24).mean(axis=1)
    for index in (0, 3, 40):
        week = [(index - back) % N_DAYS for back in range(1, 8)]
        values = observer.read(observe(observer, index, 1))
        np.testing.assert_allclose(values["past_load"], [load[week[0]], load[week].mean()], atol=1e-6)
        np.testing.assert_allclose(values["past_price"], [price[week[0]], price[week].mean()], atol=1e-6)


def test_the_calendar_says_season_and_weekend() -> None:
    observer = make_observer("public", tiny())  # day 0 is Friday, 1 January 2021
    assert [observer.read(observe(observer, index))["weekend"][0] for index in range(4)] == [0.0, 1.0, 1.0, 0.0]
    season = observer.read(observe(observer, 0))["season"]
    np.testing.assert_allclose(season, [np.sin(2 * np.pi / 366), np.cos(2 * np.pi / 366)], atol=1e-6)


def test_nothing_in_the_global_generator_is_touched() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    observe(make_observer("public", tiny()), 5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_the_manuals_show_the_fields_as_they_are() -> None:
    manual = [line.strip() for line in (DayAheadEnv.__doc__ or "").splitlines()]
    for line in field_table(public_fields(24)).splitlines():
        assert line.strip() in manual
    size = sum(field.size for field in public_fields(24))
    assert re.search(rf"\b{size}\b", DayAheadEnv.__doc__ or "")
    private = field_table(full_fields(24, 13))
    assert private in (observation_full.__doc__ or "")


def test_an_unknown_class_of_information_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`information` must be one of full, public; got 'publik'\. Did you mean 'public'\?"):
        make_observer("publik", tiny())
