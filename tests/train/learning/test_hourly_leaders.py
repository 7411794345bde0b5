"""Leaders of the hourly game by name and by learning: what they earn, what they are scored against, and that a kill changes nothing."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.fixed.hourly import SchedulePolicy, play_episode
from gridtoll.agents.policy import Policy
from gridtoll.envs import HourlyEnv, Scenario
from gridtoll.envs.community.sources import HELD_OUT_COMMUNITIES
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.compare.row_files import ROW_ENDINGS, load_rows, save_rows
from gridtoll.train.ground import held_out
from gridtoll.train.ground.errors import ModelMismatchError
from gridtoll.train.ground.playing import play_days
from gridtoll.train.ground.rounds import training_scenarios
from gridtoll.train.references import ends as module
from gridtoll.train.references import hours
from gridtoll.train.references.ends import find_hourly, hourly_references, references, references_of
from gridtoll.train.references.hours import HourlyEnds, SearchEffort
from gridtoll.train.scoring import chosen
from gridtoll.train.scoring.chosen import find_best_schedule
from gridtoll.train.scoring.evaluate import Leader, evaluate, evaluate_leader
from gridtoll.train.scoring.leaders import LEADER_NAMES, PLANNERS, make_leader
from gridtoll.train.scoring.rows import ADDED
from gridtoll.train.scoring.transfer import evaluate_held_out, held_out_report
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

TINY, STORES = GameSpec(env="hourly", community="two-prosumers"), GameSpec(env="hourly", community="ieee9")
DAYS = [Scenario(170, 0), Scenario(20, 0)]
QUICK = SearchEffort(starts=0, plans=300, clearings=20)
ONE = Workers(1)


# --- playing --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("belief", ["standing", "announced"])
def test_days_side_by_side_earn_what_they_earn_one_by_one(belief: str) -> None:
    task = replace(STORES, belief=belief, forecast_error=0.1)  # type: ignore[arg-type]
    env = HourlyEnv("ieee9", belief=belief, forecast_error=0.1)
    schedule = np.random.default_rng(0).uniform(0.0, 0.3, (24, 1))
    policy = SchedulePolicy(schedule, env.observer.layout["hour"], announced=belief == "announced")
    played = play_days(task, lambda _: policy, DAYS, threads=1)
    assert [day.objective_eur for day in played] == pytest.approx([play_episode(env, policy, day) for day in DAYS], rel=1e-12)
    for day in played:
        assert np.array_equal(day.charges, schedule)
        assert day.profit_eur == day.objective_eur != day.welfare_eur
        assert day.worst_residual < 1e-8


# --- references -----------------------------------------------------------------------------------------------------------------------


def test_without_storage_both_ends_are_the_certified_optimum_and_with_storage_the_bound_is_above() -> None:
    for ends in hourly_references(TINY, DAYS, ONE, QUICK):
        assert ends.method == "hours"
        assert ends.certified
        assert ends.best_eur == pytest.approx(ends.upper_bound_eur, rel=1e-6)
        assert ends.best_eur >= ends.constant_eur >= ends.zero_eur
    [ends] = hourly_references(STORES, DAYS[1:], ONE, QUICK)
    assert ends.method == "search"
    assert not ends.certified
    assert ends.best_eur >= ends.constant_eur > ends.zero_eur
    assert math.isfinite(ends.upper_bound_eur)
    assert ends.upper_bound_eur > ends.best_eur


def test_what_is_found_is_kept_and_belongs_to_its_game() -> None:
    first, again = (find_hourly(TINY, DAYS[:1], ONE, QUICK)[0] for _ in range(2))
    assert again.was_stored
    assert first.solved == again.solved
    erring = find_hourly(replace(TINY, forecast_error=0.3), DAYS[:1], ONE, QUICK)[0]
    assert erring.solved is not None
    assert erring.solved.best_eur == pytest.approx(again.solved.best_eur, rel=1e-9)  # type: ignore[union-attr] # nobody stores anything


def test_what_is_announced_earns_at_least_what_is_not() -> None:
    [standing], [announced] = (
        hourly_references(replace(STORES, belief=belief), DAYS[1:], ONE, QUICK) for belief in ("standing", "announced")
    )
    assert announced.best_eur >= max(standing.best_eur, announced.kept_eur) * (1 - 1e-9)
    env = environment_of(replace(STORES, belief="announced"))
    charges = np.reshape(announced.charges, (24, 1))
    played = play_episode(env, SchedulePolicy(charges, env.observer.layout["hour"], announced=True), DAYS[1])
    assert played == pytest.approx(announced.best_eur, rel=1e-9) or announced.best_eur == standing.best_eur


def test_where_prosumers_learn_the_best_found_is_repeated_and_earns_what_its_announcement_would() -> None:
    learned, announced = (replace(STORES, belief=belief) for belief in ("learned", "announced"))
    [ends] = hourly_references(learned, DAYS[:1], ONE, QUICK)
    charges = np.reshape(ends.charges, (24, 1))
    env = environment_of(announced)
    kept = play_episode(env, SchedulePolicy(charges, env.observer.layout["hour"], announced=True), DAYS[0])
    assert ends.best_eur == pytest.approx(kept, rel=1e-9)
    assert ends.kept_eur * (1 - 1e-9) <= ends.best_eur <= ends.upper_bound_eur


def test_welfare_is_bounded_by_the_social_optimum() -> None:
    [ends] = hourly_references(replace(STORES, objective="welfare"), DAYS[1:], ONE, QUICK)
    assert ends.zero_eur <= ends.best_eur <= ends.upper_bound_eur


def test_a_day_that_fails_is_told_and_the_others_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hours.search_day

    def search(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> HourlyEnds:
        if scenario == DAYS[1]:
            raise ClearingError("lost")
        return whole(task, scenario, effort)

    monkeypatch.setattr(module, "search_day", search)
    effort = replace(QUICK, seed=7)
    found = find_hourly(TINY, DAYS, ONE, effort)
    assert [each.error for each in found] == [None, "day 20, price path 0: lost"]
    with pytest.raises(ClearingError, match="1 of 2 days was not found: day 20"):
        hourly_references(TINY, DAYS, ONE, effort)
    assert find_hourly(TINY, DAYS[:1], ONE, effort)[0].was_stored


def test_days_of_several_games_are_searched_together_and_known_as_each_is_alone() -> None:
    effort = replace(QUICK, plans=150, seed=11)
    games = [(TINY, DAYS[:2]), (TINY.day_ahead, DAYS[:1]), (replace(TINY, belief="announced"), DAYS[:1])]
    together = references_of(games, ONE, effort)
    assert [len(each) for each in together] == [2, 1, 1]
    for (task, days), known in zip(games, together, strict=True):
        assert [ends.best_eur for ends in known] == [ends.best_eur for ends in references(task, days, ONE, effort)]


def test_a_long_search_says_how_long_it_takes_before_it_begins(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    effort = replace(QUICK, plans=100, seed=12)
    assert 0.0 < hours.about_seconds(TINY, DAYS[0], effort) < 30.0
    find_hourly(TINY, DAYS[:1], Workers(1, quiet=False), effort)
    assert caplog.messages == [], "a short one begins without a word"
    monkeypatch.setattr(module, "about_seconds", lambda *_: 600.0)
    find_hourly(TINY, DAYS[:1], Workers(1, quiet=False), effort)
    assert caplog.messages == [], "what is stored is not searched for"
    for workers in (Workers(1, quiet=True), Workers(1, quiet=False)):
        find_hourly(TINY, DAYS[1:2], workers, effort, recompute=True)
    [note] = caplog.messages
    assert "of 1 day are searched for, which takes about 10 minutes; they are kept. With --plans 25" in note


@pytest.mark.parametrize(
    "given",
    [
        *({"plans": 0}, {"starts": -1}, {"clearings": 0}, {"seed": -1}),
        *({"tolerance": 0.0}, {"tolerance": -1.0}, {"tolerance": np.nan}, {"seconds": -1.0}, {"seconds": np.nan}),
    ],
)
def test_an_effort_out_of_range_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a search needs"):
        SearchEffort(**given)  # type: ignore[arg-type]


# --- leaders and their scores ---------------------------------------------------------------------------------------------------------


def test_every_named_leader_is_scored_between_both_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chosen, "SCHEDULE_DAYS", 2)
    monkeypatch.setattr(chosen, "SCHEDULE_STEPS", 2)
    few = training_scenarios(TINY)[:200:50]
    monkeypatch.setattr(chosen, "training_scenarios", lambda _: few)
    scored = {}
    for name in PLANNERS:
        with pytest.raises(ValueError, match="needs one charge for the day, got `env` hourly"):
            make_leader(name, TINY, DAYS, ONE, seed=0)
    for name in (each.replace("G", "0.2") for each in LEADER_NAMES if each not in PLANNERS):
        leader = make_leader(name, TINY, DAYS, ONE, seed=0, effort=QUICK)
        scored[name] = evaluate_leader(leader, TINY, DAYS, ONE, split="test", effort=QUICK)
    for name, done in scored.items():
        assert (done.regret_to_bound >= done.regret_eur - 1e-9).all(), name
        assert (done.regret_eur >= -1e-6).all(), name
        assert done.summary().certified_days == 2
    for name in ("best-found", "optimum"):
        assert scored[name].regret_eur == pytest.approx(0.0, abs=1e-9)
    assert scored["zero"].normalised_regret == pytest.approx(1.0)
    earned = {name: [row.objective_eur for row in done.rows] for name, done in scored.items()}
    day_ahead = [ends.constant_eur for ends in hourly_references(TINY, DAYS, ONE, QUICK)]
    assert earned["day-ahead"] == pytest.approx(day_ahead, rel=1e-9)
    assert sum(earned["day-ahead"]) > sum(earned["constant:0.2"])
    rows = [*scored["zero"].rows, *scored["day-ahead"].rows]
    assert [(row.env, row.belief) for row in rows] == [("hourly", "standing")] * 4
    assert len(rows[0].charge.split()) == 24
    for ending in ROW_ENDINGS:
        save_rows(tmp_path / f"rows{ending}", rows)
        assert [repr(row) for row in load_rows(tmp_path / f"rows{ending}")] == [repr(row) for row in rows]  # NaN is not equal to itself


def test_the_best_schedule_earns_more_than_the_constant_it_began_with_on_its_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "SCHEDULE_DAYS", 3)
    monkeypatch.setattr(chosen, "SCHEDULE_STEPS", 6)
    task = replace(TINY, tariff="unique")
    schedule = find_best_schedule(task, ONE, seed=1).charges
    every = training_scenarios(task)
    picked = np.random.default_rng(1).choice(len(every), 3, replace=False)
    sample = [every[place] for place in sorted(picked)]
    hour = environment_of(task).observer.layout["hour"]
    constant = make_leader("grid-constant", task, sample, ONE, seed=1).on
    candidates = {"schedule": lambda _: SchedulePolicy(schedule, hour), "constant": constant}
    earned = {name: sum(day.objective_eur for day in play_days(task, each, sample, threads=1)) for name, each in candidates.items()}
    assert earned["schedule"] >= earned["constant"]
    assert np.array_equal(find_best_schedule(task, ONE, seed=1).charges, schedule)


def test_announcing_leaders_post_whole_schedules() -> None:
    task = replace(STORES, belief="announced")
    leader = make_leader("constant:0.1", task, DAYS, ONE, seed=0)
    action, _ = leader.on(DAYS[0]).predict(np.zeros(environment_of(task).observer.size))
    assert action.shape == (24,)
    [announced] = play_days(task, leader.on, DAYS[:1], threads=1)
    [standing] = play_days(STORES, lambda _: ConstantPolicy([0.1]), DAYS[:1], threads=1)
    assert announced.profit_eur == pytest.approx(standing.profit_eur, rel=1e-9)


def test_a_leader_above_the_bound_contradicts_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [replace(each, upper_bound_eur=-1.0) for each in hourly_references(TINY, DAYS[:1], ONE, QUICK)]
    monkeypatch.setattr("gridtoll.train.scoring.evaluate.references", lambda *_: ends)
    policy: Policy = ConstantPolicy([0.3])
    with pytest.raises(ModelMismatchError, match="no leader can earn more than the certified upper bound, but 'bold' did on day 170"):
        evaluate(policy, TINY, DAYS[:1], ONE, name="bold", split="test")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("constant:much", "must be given as numbers"),
        ("best", "a leader"),
        ("constant:9", "between 0 and the cap"),
        ("zero:1", "a leader"),
    ],
)
def test_leaders_that_are_none_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_leader(name, TINY, DAYS, ONE, seed=0)


def test_a_leader_is_scored_where_it_did_not_learn_and_the_proved_days_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "HELD_OUT_COMMUNITIES", ("ieee9",))
    constant: Policy = ConstantPolicy([0.2])
    evaluations = evaluate_held_out(TINY, lambda *_: Leader.of("mine", constant, 0), ONE, split="test", days=1, effort=QUICK)
    report = held_out_report(evaluations, seed=0)
    [scored] = report.values["communities"].values()
    assert scored["regret_to_bound"] >= scored["regret_to_best_found"]
    assert report.values["pooled"]["certified_days"] == scored["certified_days"] == 0
    assert "proved days" in report.text
    assert "0 of 1" in report.text


def test_episodes_of_several_days_are_not_scored() -> None:
    with pytest.raises(ValueError, match="days are scored one by one, so that `days` must be 1, got 2"):
        evaluate(ConstantPolicy([0.2]), replace(TINY, days=2), DAYS, ONE, name="mine", split="test")


def test_files_of_before_without_the_columns_added_since_are_of_the_day_ahead_game(tmp_path: Path) -> None:
    task = TINY.day_ahead
    scored = evaluate(ConstantPolicy([0.2]), task, DAYS, ONE, name="mine", split="test")
    save_rows(tmp_path / "rows.csv", scored.rows)
    kept = [",".join(line.split(",")[: -len(ADDED)]) for line in (tmp_path / "rows.csv").read_text().splitlines()]
    (tmp_path / "before.csv").write_text("\n".join(kept) + "\n")
    assert load_rows(tmp_path / "before.csv") == list(scored.rows)
    (tmp_path / "torn.csv").write_text("\n".join(line.rpartition(",")[0] for line in kept) + "\n")
    with pytest.raises(ValueError, match="must have the columns"):
        load_rows(tmp_path / "torn.csv")


def test_nothing_is_chosen_on_held_out_communities() -> None:
    with pytest.raises(ValueError, match="held out"):
        find_best_schedule(GameSpec(env="hourly", community=HELD_OUT_COMMUNITIES[0]), ONE, seed=0)


# --- the command ----------------------------------------------------------------------------------------------------------------------


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What `gridtoll … --json` reports."""
    code = main([*arguments, "--json", "--quiet", "--jobs", "1"])
    told = capsys.readouterr()
    assert code == 0, told.err
    report: dict[str, Any] = json.loads(told.out)
    return report


def test_the_three_commands_play_the_hourly_game(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    game = ("--env", "hourly", "--community", "two-prosumers")
    settings = (
        "--algorithm",
        "ppo",
        "--steps",
        "4",
        "--parallel-days",
        "2",
        "--warmup-days",
        "2",
        "--validation-days",
        "1",
        "--hidden",
        "8",
    )
    trained = json_of(capsys, "train", *game, *settings, "--out", str(out))
    assert (trained["env"], trained["steps"]) == ("hourly", 4)
    assert json_of(capsys, "train", "--resume", str(out))["best_validation_objective_eur"] == trained["best_validation_objective_eur"]
    rows, picture = tmp_path / "rows.csv", tmp_path / "regret.png"
    scored = json_of(capsys, "evaluate", str(out), "--days", "2", "--rows", str(rows), "--plot", str(picture))
    told = list(csv.DictReader(rows.read_text().splitlines()))
    assert scored["regret_to_best_found"] == pytest.approx(np.mean([float(row["regret_eur"]) for row in told]))
    assert scored["certified_days"] == scored["bounded_days"] == len(told) == 2
    assert picture.stat().st_size > 0
    found = json_of(capsys, "optimum", *game, "--day", told[0]["day"], "--price-path", told[0]["price_path"])
    assert found["best_eur"] == pytest.approx(float(told[0]["optimum_eur"]), rel=1e-12)
    table = tmp_path / "optima.csv"
    split = json_of(capsys, "optimum", *game, "--split", "test", "--days", "2", "--out", str(table))
    assert (split["certified"], split["failed"]) == (2, 0)
    assert [row["best_eur"] for row in csv.DictReader(table.read_text().splitlines())] == [row["optimum_eur"] for row in told]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("optimum", "--day", "3", "--belief", "announced"), "--belief must go with --env hourly"),
        (("optimum", "--env", "hourly", "--day", "3", "--verify"), "--verify must go with --env day-ahead"),
        (("optimum", "--env", "hourly", "--day", "3", "--days", "2"), "--days must go with a split"),
        (("evaluate", "zero", "--forecast-error", "0.1"), "--forecast-error must go with --env hourly"),
        (("evaluate", "zero", "--env", "hourly", "--charges-per", "hour"), "--charges-per must go with --env day-ahead"),
        (("evaluate", "day-ahead"), "must lead from hour to hour"),
        (("train", "--out", "run", "--discount", "0.9"), "--discount must go with --env hourly"),
        (
            ("train", "--env", "hourly", "--out", "run", "--algorithm", "dqn"),
            "--algorithm must be one of crossq, ppo, recurrent-ppo, sac, sbx-crossq, sbx-ppo, sbx-sac, sbx-td3, sbx-tqc, td3, tqc",
        ),
        (("optimum", "--env", "hourly", "--day", "3", "--plans", "0"), "a search needs"),
        (("optimum", "--env", "hourly", "--day", "3", "--tolerance", "0"), "--tolerance above 0"),
        (("optimum", "--env", "hourly", "--day", "3", "--tolerance", "0.1"), "has storage at 5 prosumers"),
        (
            ("optimum", "--env", "hourly", "--day", "3", "--certificate", "it.json"),
            "--certificate must go with an hourly day that has one store",
        ),
        (
            ("optimum", "--env", "hourly", "--community", "ieee9-pooled", "--belief", "learned", "--day", "3", "--tolerance", "0.1"),
            "--tolerance must go with an hourly day that has one store",
        ),
    ],
)
def test_options_of_the_other_game_are_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--jobs", "1"]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
