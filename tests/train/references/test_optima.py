"""Optima of many days: found once, kept one by one, the same wherever they are computed."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import played_alone

from gridtoll.agents.optimum import Optimum, solve_optimum
from gridtoll.agents.optimum.together import Search
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.train.references import optima
from gridtoll.train.references.ends import references
from gridtoll.train.references.optima import _key, find_optima, find_optimum, keep, labels
from gridtoll.train.references.optima_table import COLUMNS, summary_of, summary_table, write_rows
from gridtoll.train.references.solve import numbers_of, resolved, search_scenario, solve_scenario
from gridtoll.train.references.solved import Settings, Solved
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
DAYS = [Scenario(3, 1), Scenario(10, 2), Scenario(40, 0)]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("gridtoll.train.references.store.user_cache_dir", lambda: tmp_path / "cache")  # communities stay where they are
    return tmp_path / "cache"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as one:
        yield one


@pytest.fixture
def solved_days(monkeypatch: pytest.MonkeyPatch) -> list[Scenario]:
    """The scenarios solved from here on, in their order."""
    seen: list[Scenario] = []

    def counted(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
        seen.append(scenario)
        return search_scenario(task, scenario, **settings)

    monkeypatch.setattr(optima, "search_scenario", counted)
    return seen


def test_an_answer_is_the_optimum_of_another_market_and_what_no_charge_earns() -> None:
    environment = environment_of(TASK)
    found, was_stored = find_optimum(TASK, DAYS[0], Settings())
    day = environment.day_of(DAYS[0])
    best = solve_optimum(day, environment.community.network, environment.tariff, cap=environment.charge_cap, market=P2PMarket())
    assert not was_stored
    assert found.charges == pytest.approx((best.charge,), abs=1e-9)
    assert found.recleared_profit_eur == pytest.approx(best.recleared_profit_eur, rel=1e-9)
    assert found.recleared_welfare_eur == pytest.approx(best.recleared_welfare_eur, rel=1e-9)
    assert found.zero_eur == pytest.approx(played_alone(TASK, DAYS[0], (0.0,)).objective_eur, rel=1e-12)
    assert found.closed
    assert (found.optimum.charge, found.optimum.upper_bound_eur, found.optimum.certificate) == (
        found.charges[0],
        found.upper_bound_eur,
        None,
    )


def test_optima_are_found_once_and_come_back_to_the_last_bit(workers: Workers, solved_days: list[Scenario]) -> None:
    first = find_optima(TASK, DAYS[:2], workers)
    again = find_optima(TASK, DAYS, workers)
    assert [entry.was_stored for entry in (*first, *again)] == [False, False, True, True, False]
    assert [entry.solved for entry in again[:2]] == [entry.solved for entry in first]
    assert find_optimum(TASK, DAYS[2], Settings(method="exact")) == (again[2].solved, True)
    assert solved_days == DAYS
    find_optima(TASK, DAYS[:1], workers, recompute=True)
    assert solved_days == [*DAYS, DAYS[0]]


def test_the_number_of_processes_changes_nothing_but_times() -> None:
    found = []
    for jobs, apart in ((1, False), (2, False), (1, True)):  # here, in two threads, in another process
        with Workers(jobs, apart=apart) as several:
            found.append(find_optima(TASK, DAYS, several, recompute=True))
    for same in zip(*found, strict=True):
        one, *others = [replace(each.solved, seconds=0.0) for each in same if each.solved is not None]
        assert others == [one, one]


@pytest.mark.parametrize(
    "change",
    [{"flows": "injections"}, {"charge_cap": 0.05}, {"import_fee": 0.08}, {"objective": "welfare"}],
)
def test_another_game_is_another_question(workers: Workers, change: dict[str, Any]) -> None:
    other = replace(TASK, **change)
    [mine], [others] = find_optima(TASK, DAYS[:1], workers), find_optima(other, DAYS[:1], workers)
    assert not others.was_stored
    assert mine.solved != others.solved


@pytest.mark.parametrize("settings", [Settings(tolerance=1e-3), Settings(hard_limits=True)])
def test_other_settings_are_another_question(workers: Workers, settings: Settings) -> None:
    find_optima(TASK, DAYS[:1], workers)
    [other] = find_optima(TASK, DAYS[:1], workers, settings)
    assert not other.was_stored


def test_a_day_s_data_are_the_question_and_not_its_name(workers: Workers, tmp_path: Path, solved_days: list[Scenario]) -> None:
    export_community(load_community("two-prosumers"), tmp_path / "mine")
    folder = GameSpec(community=str(tmp_path / "mine"))
    find_optima(TASK, DAYS[:1], workers)
    [same] = find_optima(folder, DAYS[:1], workers)
    [unique] = find_optima(replace(TASK, tariff="unique"), DAYS[:1], workers)  # of two prosumers the distance is 1
    assert same.was_stored
    assert unique.was_stored
    assert solved_days == DAYS[:1]


def test_tariffs_that_differ_are_told_apart_by_their_basis() -> None:
    games = [GameSpec(community="ieee9", tariff=tariff) for tariff in ("unique", "distance")]
    unique, distance = (_key(game, DAYS[0], Settings(method="exact")) for game in games)
    assert [name for name in unique if unique[name] != distance[name]] == ["basis"]


def test_a_day_that_fails_is_reported_and_the_others_are_kept(workers: Workers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
        if scenario.day == 10:
            raise ClearingError("no clearing today")
        return search_scenario(task, scenario, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(optima, "search_scenario", failing)
        found = find_optima(TASK, DAYS, workers)
        with pytest.raises(ClearingError, match=r"1 of 3 days was not found: day 10, price path 2: no clearing today"):
            references(TASK, DAYS, workers)
    assert [entry.error for entry in found] == [None, "day 10, price path 2: no clearing today", None]
    summary = summary_of(found, seconds=1.0)
    assert (summary["days"], summary["computed"], summary["from_store"], summary["failed"]) == (3, 2, 0, 1)
    assert "failed: day 10, price path 2: no clearing today" in summary_table(summary)
    write_rows(tmp_path / "rows.csv", found)
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["day"] for row in rows] == ["3", "10", "40"]
    assert (rows[1]["charge"], rows[1]["error"]) == ("", "day 10, price path 2: no clearing today")
    assert found[0].solved is not None
    assert float(rows[0]["charge"]) == found[0].solved.charges[0]
    assert float(rows[0]["upper_bound_eur"]) == found[0].solved.upper_bound_eur
    again = find_optima(TASK, DAYS, workers)
    assert [entry.was_stored for entry in again] == [True, False, True]


def test_an_interruption_keeps_what_is_done_and_the_next_run_goes_on(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Scenario] = []

    def interrupted(task: GameSpec, scenario: Scenario, optimum: Optimum) -> Solved:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(scenario)
        return numbers_of(task, scenario, optimum)

    with monkeypatch.context() as patch:
        patch.setattr(optima, "numbers_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            find_optima(TASK, DAYS, workers)
    assert [entry.was_stored for entry in find_optima(TASK, DAYS, workers)] == [scenario in done for scenario in DAYS]


def test_numbers_json_has_no_word_for_are_kept(own_cache: Path) -> None:
    optimum = replace(
        solve_scenario(TASK, DAYS[0]), charge=math.nan, profit_eur=math.nan, upper_bound_eur=-math.inf, hard_limits=True, secure=False
    )
    settings = Settings(hard_limits=True)
    kept = keep(TASK, DAYS[0], settings, optimum)
    found, was_stored = find_optimum(TASK, DAYS[0], settings)
    assert was_stored
    assert np.isnan(found.charges[0])
    assert np.isnan(found.profit_eur)
    assert (found.upper_bound_eur, found.secure, found.hard_limits) == (-math.inf, False, True)
    assert (found.clearings, found.recleared_profit_eur) == (kept.clearings, kept.recleared_profit_eur)
    [file] = own_cache.rglob("*.json")
    json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_the_method_follows_from_the_tariff_unless_it_is_asked_for() -> None:
    assert resolved(TASK, Settings()).method == "exact"
    assert resolved(replace(TASK, charges_per="hour"), Settings()).method == "exact"  # nobody has storage here
    assert resolved(replace(TASK, tariff="zonal"), Settings()).method == "search"
    assert resolved(replace(TASK, community="simbench-rural", charges_per="hour"), Settings()).method == "search"
    assert resolved(TASK, Settings(method="search", starts=2)) == Settings(method="search", starts=2)
    with pytest.raises(ValueError, match=r"one coefficient for the day.*--method search"):
        resolved(replace(TASK, tariff="zonal"), Settings(method="exact"))
    with pytest.raises(ValueError, match="hard limits must go with one charge"):
        resolved(TASK, Settings(method="search", hard_limits=True))
    with pytest.raises(ValueError, match="exact optima and gradients need a power flow that is the linear one"):
        resolved(replace(TASK, flows="injections", power_flow="ac"), Settings(hard_limits=True))


def test_hourly_charges_are_certified_together_and_kept() -> None:
    hourly = replace(TASK, charges_per="hour")
    found, _ = find_optimum(hourly, DAYS[0], Settings())
    daily, _ = find_optimum(TASK, DAYS[0], Settings())
    assert len(found.charges) == 24
    assert found.closed
    assert found.profit_eur == pytest.approx(found.recleared_profit_eur, rel=1e-9)
    assert found.recleared_profit_eur >= daily.recleared_profit_eur - 1e-9
    assert played_alone(hourly, DAYS[0], found.charges).profit_eur == pytest.approx(found.recleared_profit_eur, rel=1e-9)
    assert find_optimum(hourly, DAYS[0], Settings()) == (found, True)
    with pytest.raises(ValueError, match="one coefficient for the day"):
        labels(hourly, DAYS[:1], Workers(1))
    [ends] = references(hourly, DAYS[:1], Workers(1))
    assert (ends.best_eur, ends.certified) == (found.recleared_profit_eur, True)


def test_of_several_coefficients_the_best_found_and_a_bound_are_known() -> None:
    zonal = replace(TASK, tariff="zonal")
    [ends] = references(zonal, DAYS[:1], Workers(1))
    assert len(ends.charges) == 2
    assert played_alone(zonal, DAYS[0], ends.charges).objective_eur == pytest.approx(ends.best_eur, rel=1e-9)
    assert ends.zero_eur < ends.best_eur <= ends.upper_bound_eur


@pytest.mark.long
def test_the_same_optima_come_back_from_a_ray_cluster(solved_days: list[Scenario]) -> None:
    pytest.importorskip("ray")
    with Workers(2, backend="ray") as cluster:
        away = find_optima(TASK, DAYS, cluster)
    assert solved_days == []  # nothing was solved in this process, which kept the answers
    with Workers(1) as here:
        assert all(entry.was_stored for entry in find_optima(TASK, DAYS, here))
        home = find_optima(TASK, DAYS, here, recompute=True)
    for one, two in zip(away, home, strict=True):
        assert one.solved is not None
        assert two.solved is not None
        assert replace(one.solved, seconds=0.0) == replace(two.solved, seconds=0.0)
