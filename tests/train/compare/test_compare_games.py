"""Comparisons of games whose optimum is not always proved: scored against the best found and a bound, and the page says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridtoll.train.cli import main
from gridtoll.train.compare.row_files import gather_rows

PLAN = """\
communities = ["two-prosumers"]
seeds = 1
steps = 4
validation_days = 1
test_days = 2
[game]
{game}
[algorithms.zero]
[algorithms.{clairvoyant}]
"""


def written(folder: Path, game: str, clairvoyant: str = "best-found") -> tuple[str, ...]:
    """The arguments that run a comparison of a game into a folder."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(game=game, clairvoyant=clairvoyant))
    return "compare", str(plan), "--out", str(folder / "out"), "--jobs", "1", "--quiet"


@pytest.mark.parametrize(("game", "env", "n_charges"), [('env = "hourly"', "hourly", 24), ('charges_per = "hour"', "day-ahead", 24)])
def test_cells_of_every_game_are_scored_against_the_best_found_and_reported(game: str, env: str, n_charges: int, tmp_path: Path) -> None:
    assert main(written(tmp_path, game)) == 0
    rows = gather_rows(tmp_path / "out").rows
    assert [(row.algorithm, row.env, len(row.charge.split())) for row in rows] == [
        (name, env, n_charges) for name in ("best-found", "zero") for _ in range(2)
    ]
    for row in rows:
        assert row.optimum_eur <= row.upper_bound_eur
        assert row.normalised_regret == pytest.approx(float(row.algorithm == "zero"), abs=1e-6)
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.md").read_text()
    assert "Learned network charges against the best charges found" in page
    assert "which are proved optimal on 2 of 2 test days" in page


def test_the_optimum_is_refused_before_anything_runs_where_it_is_not_always_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(written(tmp_path, 'tariff = "zonal"', "optimum")) == 2
    assert "algorithms.optimum: the optimum must be that of a tariff of one coefficient" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


HOURLY = """\
communities = ["two-prosumers"]
seeds = 1
steps = 4
validation_days = 1
test_days = 2
[game]
env = "hourly"
[effort]
plans = 60
clearings = 20
[algorithms.best-schedule]
[algorithms.day-ahead]
[algorithms.unrolled]
batch = 2
hidden = [8]
"""


@pytest.mark.long
def test_a_comparison_of_the_hourly_game_searches_as_hard_as_its_plan_says(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(HOURLY)
    assert main(["compare", str(plan), "--out", str(tmp_path / "out"), "--jobs", "1", "--quiet"]) == 0
    rows = gather_rows(tmp_path / "out").rows
    assert {row.algorithm for row in rows} == {"best-schedule", "day-ahead", "unrolled"}
    assert all(row.objective_eur <= row.upper_bound_eur for row in rows)
    cells = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").glob("cells/*/*/*/*/cell.json"))]
    assert {cell["effort"]["plans"] for cell in cells} == {60}
    assert {cell["algorithm"]: cell["clairvoyant"] for cell in cells} == {"best-schedule": False, "day-ahead": True, "unrolled": False}


def test_a_leader_that_remembers_is_scored_and_its_network_not_kept(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    learner = (
        "[algorithms.recurrent-ppo]\nhidden = [8]\nwarmup_days = 4\nbatch_size = 32\nupdates = 1\nparallel_days = 4\nvalidate_every = 4\n"
    )
    plan.write_text(HOURLY.partition("[algorithms")[0] + learner)
    assert main(["compare", str(plan), "--out", str(tmp_path / "out"), "--jobs", "1", "--quiet"]) == 0
    [path] = (tmp_path / "out").glob("cells/*/*/*/*/cell.json")
    assert json.loads(path.read_text())["policy"].startswith("not kept: what it charges depends on what it remembers")
    assert len(gather_rows(tmp_path / "out").rows) == 2


@pytest.mark.parametrize(
    ("game", "said"),
    [
        ('env = "hourly"\n[effort]\nplans = 0', "[effort] must hold numbers that a search can have"),
        ('env = "hourly"\n[effort]\nplan = 9', "a key of [effort] must be one of"),
        ('env = "hourly"\n[effort]\nplans = "many"', "[effort] must hold numbers that a search can have"),
        ("[effort]\nplans = 9", "the day-ahead game needs none"),
    ],
)
def test_an_effort_that_cannot_be_is_refused(game: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, game)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["day-ahead", "best-schedule", "unrolled"])
def test_leaders_of_the_hourly_game_are_refused_in_another(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, "", name)) == 2
    assert "must lead from hour to hour" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["first-order", "supervised", "blended", "scenario", "best-constant"])
@pytest.mark.parametrize("game", ['mechanism = "call-auction"', 'flows = "injections"\npower_flow = "ac"'])
def test_algorithms_that_ask_for_the_exact_response_are_refused_where_there_is_none(
    game: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(written(tmp_path, game, name)) == 2
    said = capsys.readouterr().err
    assert f"algorithms.{name}: exact optima and gradients need" in said
    assert "--only" in said
    assert not (tmp_path / "out").exists()
