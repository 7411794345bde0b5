"""The hourly reference results that ship: of the plan's settings, true to the game, below every bound, and what the tables are made of."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_rows import by_class, scored

from gridtoll.agents.fixed.hourly import SchedulePolicy
from gridtoll.envs.community.calendar import Scenario
from gridtoll.train.compare.plan_file import find_plan, read_plan
from gridtoll.train.ground.playing import play_days
from gridtoll.train.reports.board import leaderboard
from gridtoll.train.reports.both_ends import CLOSE, ends_of, gaps_of
from gridtoll.train.reports.results import REFERENCE_HOURLY, Results, read_results
from gridtoll.train.reports.scores import Group
from gridtoll.train.task import environment_of

ROOT = Path(__file__).resolve().parents[3]
POOLED, DEFAULT = "simbench-rural-pooled", "simbench-rural"
LEARNERS = ("sac", "ppo", "tqc", "recurrent-ppo", "unrolled")


@pytest.fixture(scope="module")
def results() -> Results:
    """The reference results, as ``gridtoll report --reference-hourly`` reads them."""
    return read_results(REFERENCE_HOURLY)


@pytest.fixture(scope="module")
def groups(results: Results) -> dict[tuple[str, str], Group]:
    return by_class(results)


def packed_ends(community: str) -> dict[tuple[int, int], dict[str, Any]]:
    """Return what is packed of a community's days, by day and price path."""
    entries = json.loads(lzma.decompress((REFERENCE_HOURLY / "references.json.xz").read_bytes()))
    return {(each["day"], each["price_path"]): each["ends"] for each in entries if each["community"] == community}


def test_they_are_cells_of_the_plan_that_ships_and_say_which_are_missing(results: Results) -> None:
    plan = read_plan(find_plan("reference-hourly").read_bytes(), source="reference-hourly")
    planned = {cell.place.relative_to("cells").as_posix() for cell in plan.cells()}
    finished = {cell.place for cell in results.cells}
    assert finished | set(results.unfinished) == planned
    assert not finished & set(results.unfinished)
    assert not results.failed


def test_every_setting_is_that_of_the_plan(results: Results) -> None:
    plan = read_plan(find_plan("reference-hourly").read_bytes(), source="reference-hourly")
    stated = {cell.place.parts[1:]: cell for cell in plan.cells()}
    for cell in results.cells:
        own = stated[cell.community, cell.information, cell.algorithm, str(cell.seed)]
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in own.settings}
        assert settings.items() <= dict(cell.settings).items()
        assert cell.task == own.task


def test_every_learner_of_the_pooled_community_has_the_seeds_an_interval_needs(groups: dict[tuple[str, str], Group]) -> None:
    group = groups[POOLED, "public"]
    assert len(group.days) >= 60
    for name in LEARNERS:
        assert len(scored(group, name).cells) >= 5
        assert scored(group, name).has_enough_seeds


def test_regret_is_what_is_earned_less_and_no_leader_exceeds_a_bound(results: Results) -> None:
    rows = results.rows
    assert (rows["regret_eur"] - (rows["optimum_eur"] - rows["objective_eur"])).abs().max() <= 1e-9
    share = rows["regret_eur"] / (rows["optimum_eur"] - rows["zero_eur"])
    assert (share - rows["normalised_regret"]).abs().max() <= 1e-9
    assert (rows["objective_eur"] <= rows["upper_bound_eur"] + 1e-6 * rows["upper_bound_eur"].abs().clip(lower=1.0)).all()
    assert rows.loc[rows["algorithm"] == "best-found", "regret_eur"].abs().max() <= 1e-6


def test_all_cells_of_a_community_are_scored_against_the_same_ends(results: Results) -> None:
    for _, rows in results.rows.groupby(["community", "day", "price_path"]):
        assert rows["optimum_eur"].nunique() == rows["upper_bound_eur"].nunique() == rows["zero_eur"].nunique() == 1


def test_the_optimum_of_every_day_of_the_pooled_community_is_known_to_two_percent(groups: dict[tuple[str, str], Group]) -> None:
    gaps = gaps_of(groups[POOLED, "public"])
    assert len(gaps) == 64
    assert gaps.max() <= 0.02


def test_learners_exceed_what_was_found_in_the_default_community_on_less_than_one_day_in_a_hundred(
    groups: dict[tuple[str, str], Group],
) -> None:
    group = groups[DEFAULT, "public"]
    above = {line.algorithm: line.above for line in ends_of(group, np.ones(len(group.days), dtype=bool))}
    assert len(group.days) >= 60
    assert all(above[name] < 0.01 for name in (*LEARNERS, "best-schedule", "day-ahead")), above


def test_every_day_of_the_default_community_was_searched_as_long_as_the_plan_says(groups: dict[tuple[str, str], Group]) -> None:
    plan = read_plan(find_plan("reference-hourly").read_bytes(), source="reference-hourly")
    ends, days = packed_ends(DEFAULT), groups[DEFAULT, "public"].days
    assert plan.longer_plans is not None
    assert all(ends[day]["plans"] >= plan.longer_plans for day in days[["day", "price_path"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("community", [POOLED, DEFAULT])
def test_what_is_packed_of_the_days_is_what_the_rows_were_scored_by(groups: dict[tuple[str, str], Group], community: str) -> None:
    ends, days = packed_ends(community), groups[community, "public"].days
    for day, path, best, bound in days[["day", "price_path", "optimum_eur", "upper_bound_eur"]].itertuples(index=False, name=None):
        assert (ends[day, path]["best_eur"], ends[day, path]["upper_bound_eur"]) == pytest.approx((best, bound), rel=1e-12)


@pytest.mark.parametrize("community", [POOLED, DEFAULT])
def test_charges_that_ship_earn_what_the_rows_say_when_they_are_played_again(results: Results, community: str) -> None:
    rows = results.rows[(results.rows["community"] == community) & results.rows["algorithm"].isin(["sac", "best-found"])]
    picked = rows.groupby("algorithm").sample(2, random_state=0)
    task = next(cell.task for cell in results.cells if cell.task is not None and cell.community == community)
    env = environment_of(task)
    for row in picked.to_dict("records"):
        charges = np.array([float(charge) for charge in row["charge"].split()])[:, None]
        leaders = {Scenario(row["day"], row["price_path"]): SchedulePolicy(charges, env.observer.layout["hour"])}
        [played] = play_days(task, leaders.__getitem__, list(leaders), threads=1)
        assert played.objective_eur == pytest.approx(row["objective_eur"], abs=1e-6)


def test_the_leaderboard_and_the_tables_of_both_ends_that_ship_come_from_the_rows(groups: dict[tuple[str, str], Group]) -> None:
    text = (ROOT / "docs" / "reference-hourly" / "leaderboard.csv").read_text(encoding="utf-8")
    entries = leaderboard([*groups.values()])
    shipped = [line.split(",") for line in text.splitlines()[1:]]
    assert len(shipped) == len(entries)
    for words, entry in zip(shipped, entries, strict=True):
        assert words[:3] == [entry.algorithm, entry.information, entry.community]
        assert float(words[3]) == pytest.approx(entry.iqm.centre, rel=1e-9)
    report = (ROOT / "docs" / "reference-hourly" / "report.md").read_text(encoding="utf-8").replace("−", "-")
    group = groups[POOLED, "public"]
    known = gaps_of(group) <= CLOSE
    table = report.partition(f"days whose optimum is known, {group.title}")[2]
    for line in ends_of(group, known):
        found = re.search(rf"\| {line.algorithm}[^|]* \| (-?[0-9.]+)[^|]* \| (-?[0-9.]+)[^|]* \| (-?[0-9.]+)", table)
        assert found is not None
        assert line.to_bound is not None
        assert [float(each) for each in found.groups()] == pytest.approx(
            [line.earned.centre, line.to_best.centre, line.to_bound.centre], abs=0.0051
        )


def test_the_readme_says_what_the_results_say(groups: dict[tuple[str, str], Group]) -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    group = groups[POOLED, "public"]
    assert f"one schedule for all days leaves {scored(group, 'best-schedule').iqm:.0%} of what the best sequences found earn" in text
    left = [f"{scored(group, name).iqm:.0%}" for name in ("unrolled", "tqc", "sac")]
    assert f"leave {left[0]}, {left[1]} and {left[2]}" in text
    found, bound = (group.days[name].mean() for name in ("optimum_eur", "upper_bound_eur"))
    assert f"all {len(group.days)} test days have a proof" in text
    assert f"the best sequences found earn {found:.2f} EUR a day, and none can earn more than {bound:.2f}" in text


def test_the_page_says_what_the_rows_of_the_default_community_say(groups: dict[tuple[str, str], Group]) -> None:
    text = " ".join((ROOT / "docs" / "hourly.md").read_text(encoding="utf-8").split())
    days = groups[DEFAULT, "public"].days
    assert f"It is {days['upper_bound_eur'].mean():.0f} EUR a day, where {days['optimum_eur'].mean():.2f} were played" in text
