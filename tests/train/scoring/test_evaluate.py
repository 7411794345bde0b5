"""Scores: regret against the exact optimum, the same whoever computes them and however often."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridtoll.agents.fixed.day_ahead import ConstantPolicy, ZeroPolicy
from gridtoll.agents.optimum import Optimum, solve_optimum
from gridtoll.agents.optimum.together import Search
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.errors import ModelMismatchError
from gridtoll.train.ground.playing import PlayedDay, play_days
from gridtoll.train.references import optima
from gridtoll.train.references.ends import references
from gridtoll.train.references.optima import labels, scenario_hash
from gridtoll.train.references.solve import search_scenario
from gridtoll.train.scoring import chosen, regret
from gridtoll.train.scoring import evaluate as module
from gridtoll.train.scoring.chosen import find_grid_constant, mean_objective
from gridtoll.train.scoring.evaluate import evaluate, evaluate_leader
from gridtoll.train.scoring.evaluation import Evaluation, summary_table
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.scoring.rows import write_rows
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
SCENARIOS = [Scenario(day, day % 4) for day in (3, 50, 180, 200, 300)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(chosen, "N_SAMPLE", 4)
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as one:
        yield one


def score(name: str, workers: Workers, *, task: GameSpec = TASK, seed: int = 0) -> Evaluation:
    leader = make_leader(name, task, SCENARIOS, workers, seed=seed)
    return evaluate_leader(leader, task, SCENARIOS, workers, split="test")


def test_the_optimum_has_no_regret_and_zero_has_all_of_it(workers: Workers) -> None:
    best, zero = score("optimum", workers), score("zero", workers)
    np.testing.assert_allclose(best.regret_eur, 0, atol=1e-9)
    np.testing.assert_allclose(zero.normalised_regret, 1, rtol=1e-12)
    assert all(row.profit_eur <= row.upper_bound_eur + 1e-9 for row in best.rows)


def test_no_leader_beats_the_optimum(workers: Workers) -> None:
    for name in ("random", "grid-constant", "constant:0.1"):
        assert (score(name, workers).regret_eur >= -1e-9).all()


def test_three_numbers_of_a_day_are_those_of_the_environment_and_the_search(workers: Workers) -> None:
    environment = environment_of(TASK)
    for row in score("constant:0.2", workers).rows:
        environment.reset(options={"day": row.day, "price_path": row.price_path})
        _, reward, *_ = environment.step([0.2])
        optimum = solve_optimum(environment.day, environment.community.network, environment.tariff, cap=environment.charge_cap)
        # Other clearings came before, and another market clears for this optimum: to rounding the same.
        assert row.profit_eur == pytest.approx(reward, rel=1e-9)
        assert row.optimum_eur == pytest.approx(optimum.recleared_profit_eur, rel=1e-9)
        assert row.upper_bound_eur == pytest.approx(optimum.upper_bound_eur, rel=1e-6)
        assert row.regret_eur == pytest.approx(row.optimum_eur - row.profit_eur)
        assert row.normalised_regret == pytest.approx(row.regret_eur / (row.optimum_eur - row.zero_eur))


def test_rows_do_not_depend_on_the_number_of_processes(workers: Workers) -> None:
    with Workers(2) as two:
        assert score("random", two, seed=3).rows == score("random", workers, seed=3).rows


def test_random_charges_follow_the_seed(workers: Workers) -> None:
    assert score("random", workers, seed=1).rows == score("random", workers, seed=1).rows
    assert not np.array_equal(score("random", workers, seed=1).profit_eur, score("random", workers, seed=2).profit_eur)


def test_optima_are_found_once_and_a_damaged_file_is_found_again(
    workers: Workers, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = references(TASK, SCENARIOS[:2], workers)
    files = sorted((own_cache / "optima").rglob("*.json"))
    assert len(files) == 2
    for damaged in files[1:]:
        damaged.write_text('{"key":')
    solved = []

    def counted(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
        solved.append(scenario)
        return search_scenario(task, scenario, **settings)

    monkeypatch.setattr(optima, "search_scenario", counted)
    again = references(TASK, SCENARIOS[:2], workers)
    assert len(solved) == 1
    assert [entry.charges for entry in again] == [entry.charges for entry in first]
    assert [entry.zero_eur for entry in again] == [entry.zero_eur for entry in first]


def test_a_leader_above_the_upper_bound_fails_the_evaluation(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    def rich(*args: Any, **settings: Any) -> list[PlayedDay]:
        return [replace(day, objective_eur=1e3) for day in play_days(*args, **settings)]

    monkeypatch.setattr(module, "play_days", rich)
    with pytest.raises(ModelMismatchError, match=r"'mine' did on day 3, price path 3, charge 0\.1: 1000\.0 > "):
        evaluate(ConstantPolicy([0.1]), TASK, SCENARIOS, workers, name="mine", split="test")


def test_days_with_nothing_to_win_are_listed_and_left_out_of_normalised_means(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    worth = sorted(row.optimum_eur - row.zero_eur for row in score("zero", workers).rows)
    monkeypatch.setattr(regret, "NORMALISATION_FLOOR", (worth[0] + worth[1]) / 2 / optima.daily_bill_eur(environment_of(TASK).community))
    scored = score("zero", workers)
    [excluded] = scored.excluded_days
    assert excluded in [scenario.day for scenario in SCENARIOS]
    assert len(scored.normalised_regret) == 4
    assert scored.summary().values()["excluded_days"] == [excluded]
    assert scored.summary().days == 5
    monkeypatch.setattr(regret, "NORMALISATION_FLOOR", 1e9)
    nothing = score("zero", workers).summary()
    assert np.isnan(nothing.values()["normalised_regret_mean"])
    assert "nan" in summary_table([nothing])


def test_a_summary_adds_up_the_rows_and_its_intervals_follow_the_seed(workers: Workers) -> None:
    scored = score("constant:0.1", workers)
    values = scored.summary(4).values()
    assert values["mean_profit_eur"] == pytest.approx(scored.profit_eur.mean())
    assert values["mean_regret_eur"] == pytest.approx(scored.regret_eur.mean())
    assert values["normalised_regret_mean"] == pytest.approx(scored.normalised_regret.mean())
    low, high = values["normalised_regret_ci95"]
    assert low <= values["normalised_regret_iqm"] <= high
    assert values == scored.summary(4).values()
    assert scored.summary().normalised_worst_decile == pytest.approx(scored.normalised_regret.max())


def test_rows_written_can_be_read_back(workers: Workers, tmp_path: Path) -> None:
    scored = [score(name, workers) for name in ("zero", "optimum")]
    write_rows(tmp_path / "rows.csv", [row for each in scored for row in each.rows])
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert [float(row["profit_eur"]) for row in rows[:5]] == scored[0].profit_eur.tolist()
    assert {row["algorithm"] for row in rows} == {"zero", "optimum"}
    assert rows[0]["scenario_hash"] == rows[5]["scenario_hash"] != rows[1]["scenario_hash"]
    assert rows[0]["date"] == "2016-01-04"


def test_scenario_hashes_tell_games_data_apart() -> None:
    hashes = {scenario_hash(TASK, scenario) for scenario in [*SCENARIOS, Scenario(3, 0)]}
    hashes.add(scenario_hash(replace(TASK, import_fee=0.08), SCENARIOS[0]))
    assert len(hashes) == 7


def test_the_constant_of_a_grid_beats_its_neighbours_on_its_sample_and_is_kept(workers: Workers, own_cache: Path) -> None:
    found = find_grid_constant(TASK, workers, seed=1)
    assert find_grid_constant(TASK, workers, seed=1).charges.tolist() == found.charges.tolist()
    assert len(list((own_cache / "grid-constant").rglob("*.json"))) == 1
    grid = [mean_objective(TASK, SCENARIOS, np.array([level]), workers) for level in (0.0, float(found.charges[0]))]
    assert grid[1] > grid[0]
    assert find_grid_constant(TASK, workers, seed=2).mean_profit_eur != found.mean_profit_eur


def test_regret_is_measured_in_welfare_where_that_is_the_objective(workers: Workers) -> None:
    task = replace(TASK, objective="welfare")
    greedy, best = score("constant:0.2", workers, task=task), score("optimum", workers, task=task)
    assert (greedy.regret_eur > 0).all()
    np.testing.assert_allclose(best.regret_eur, 0, atol=1e-9)
    for row in greedy.rows:
        assert row.objective_eur == row.welfare_eur != row.profit_eur
        assert row.objective_eur <= row.upper_bound_eur


def test_only_one_coefficient_has_an_exact_optimum(workers: Workers) -> None:
    with pytest.raises(ValueError, match="one coefficient"):
        labels(replace(TASK, tariff="zonal"), SCENARIOS[:1], workers)


def test_a_constant_for_several_coefficients_is_one_number_or_all_of_them(workers: Workers) -> None:
    zonal = replace(TASK, tariff="zonal")
    observation = observe(zonal, SCENARIOS[0])
    charges = [
        make_leader(f"constant:{text}", zonal, [], workers, seed=0).on(SCENARIOS[0]).predict(observation)[0].tolist()
        for text in ("0.1", "0.1,0.3")
    ]
    assert charges == [[0.1, 0.1], [0.1, 0.3]]
    with pytest.raises(ValueError, match="must have shape"):
        make_leader("constant:0.1,0.2,0.3", zonal, [], workers, seed=0)


def test_a_leader_that_posts_nonsense_is_named_by_its_charge(workers: Workers) -> None:
    with pytest.raises(ValueError, match="between 0 and the cap"):
        evaluate(ConstantPolicy([9.0]), TASK, SCENARIOS, workers, name="mine", split="test")
    with pytest.raises(ValueError, match="shape"):
        evaluate(ZeroPolicy(2), TASK, SCENARIOS, workers, name="mine", split="test")


def test_the_best_constant_is_proved_on_all_training_days_and_no_grid_beats_it(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "training_scenarios", lambda _: SCENARIOS)
    found = chosen.find_best_constant(TASK, workers)
    grid = [mean_objective(TASK, SCENARIOS, np.array([charge]), workers) for charge in np.linspace(0.0, 1.0, 41)]
    assert max(grid) <= found.upper_bound_eur
    assert found.mean_eur == pytest.approx(mean_objective(TASK, SCENARIOS, np.array([found.charge]), workers), rel=1e-9)
    assert max(grid) - 1e-3 <= found.mean_eur <= found.upper_bound_eur
    assert found.relative_gap <= 1e-6
    assert chosen.find_best_constant(TASK, workers) == found
    hourly = make_leader("best-constant", replace(TASK, env="hourly"), [], workers, seed=0).on(SCENARIOS[0])
    assert set(hourly.predict(np.zeros(1))[0].tolist()) == {found.charge}


@pytest.mark.parametrize("changes", [{"tariff": "zonal"}, {"mechanism": "admm"}, {"charges_per": "hour"}])
def test_a_best_constant_without_a_proof_is_refused_with_the_name_of_the_search(workers: Workers, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"the best constant charge, with its proof, .*Use grid-constant"):
        make_leader("best-constant", replace(TASK, **changes), [], workers, seed=0)
