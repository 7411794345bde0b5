"""What `gridtoll optimum` adds to the optimum: hard limits, recovery, the proof kept and checked, the curve, charges per hour."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gridtoll.agents.optimum import Optimum
from gridtoll.agents.optimum.many_charges import several
from gridtoll.agents.optimum.miqp import MiqpError
from gridtoll.agents.optimum.together import Search
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.transition import Rules, Transition
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.cli import main
from gridtoll.train.references import optima, solve
from gridtoll.train.references.solve import numbers_of, search_scenario
from gridtoll.train.references.solved import Solved

SPLIT = ["optimum", "--community", "two-prosumers", "--split", "test", "--quiet"]
DAY = ["optimum", "--community", "two-prosumers", "--day", "100", "--json"]


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gridtoll.train.references.store.user_cache_dir", lambda: tmp_path / "cache")


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*DAY, *arguments]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_the_proof_is_kept_checked_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("proof.json", "curve.csv", "curve.svg")}
    values = report(
        capsys, "--certificate", str(files["proof.json"]), "--verify", "--curve", str(files["curve.csv"]), "--plot", str(files["curve.svg"])
    )
    assert values["verified"] is True
    assert "Clarabel" in values["verified_by"]
    assert json.loads(files["proof.json"].read_text())["charge"] == values["charge"]
    assert files["curve.csv"].read_text().startswith("lower,upper,kind,")
    assert "<svg" in files["curve.svg"].read_text()


def test_hard_limits_and_recovery_have_keys_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    plain = report(capsys)
    values = report(capsys, "--hard-limits", "--recover", str(0.5 * plain["profit_eur"]))
    assert "secure" not in plain
    assert values["secure"] is True
    assert 0 < values["recovering_charge_lower_bound"] <= values["recovering_charge"] < values["charge"]
    assert values["recovered_eur"] == pytest.approx(0.5 * plain["profit_eur"], rel=1e-9)
    beyond = report(capsys, "--recover", str(2.0 * plain["profit_eur"]))
    assert beyond["recoverable"] is False
    assert beyond["recovering_charge"] is None


def test_charges_per_hour_decouple_without_storage(capsys: pytest.CaptureFixture[str]) -> None:
    values = report(capsys, "--charges-per", "hour")
    assert len(values["charges"]) == 24
    assert (values["method"], values["closed"], values["proof"]) == ("exact", True, "hours apart")
    assert values["relative_gap"] <= 1e-6
    assert values["profit_eur"] >= report(capsys)["profit_eur"] * (1 - 1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tariff", "zonal", "--verify"], "--verify must go with"),
        (["--tariff", "zonal", "--recover", "1"], "--recover must go with one charge for the day and the exact method"),
        (["--method", "miqp", "--hard-limits"], "hard limits must go with one charge"),
        (["--days", "3", "--out", "rows.csv"], "--days, --out must go with a split"),
        (["--method", "miqp", "--solver", "gurobi", "--force"], "gurobi"),
        (["--curve", "nowhere/curve.csv"], "existing folder"),
        (["--certificate", "nowhere/proof.json"], "existing folder"),
    ],
)
def test_what_cannot_be_done_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main([*DAY, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_cost_that_is_no_number_is_refused_where_it_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*DAY, "--recover", "nan"])
    assert "--recover: must be a number such as 0.25" in capsys.readouterr().err


def test_a_day_is_served_from_the_store_unless_its_proof_is_wanted_or_it_is_recomputed(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = report(capsys), report(capsys)
    assert (first.pop("from_store"), again.pop("from_store")) == (False, True)
    assert first == again
    assert report(capsys, "--verify")["from_store"] is False
    assert report(capsys, "--recompute")["from_store"] is False


@pytest.mark.parametrize("more", [[], ["--verify"], ["--charges-per", "hour"]])
def test_an_optimum_that_earns_something_else_when_it_is_cleared_again_is_an_error_of_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: list[str]
) -> None:
    settled, market = Rules.settled, StructuredMarket()

    def answered_otherwise(rules: Rules, day: Day, charges: Array, _: Clearing) -> Transition[Clearing]:
        return settled(rules, day, charges, market.clear(day, 0.5 * charges))  # what prosumers do under other charges

    monkeypatch.setattr(Rules, "settled", answered_otherwise)
    proof = tmp_path / "proof.json"
    kept = [] if more == ["--charges-per", "hour"] else ["--certificate", str(proof)]
    assert main([*DAY, *more, *kept]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = [line for line in shown.err.splitlines() if line.startswith("gridtoll optimum: error: ")]
    assert shown.err.endswith(f"{line}\n")
    assert "the best charges of day 'two-prosumers/day 100/prices 0" in line
    assert "must earn the same when they are cleared again, to " in line
    assert "EUR was proved and" in line
    assert "please report it" in line
    assert not proof.exists()
    assert not list(tmp_path.glob("cache/**/*.json"))  # nor is anything kept


def test_welfare_is_reported_where_it_is_the_objective(capsys: pytest.CaptureFixture[str]) -> None:
    values = report(capsys, "--objective", "welfare")
    assert values["welfare_eur"] == pytest.approx(values["recleared_welfare_eur"], rel=1e-9)
    assert values["recleared_welfare_eur"] <= values["upper_bound_eur"]
    assert values["profit_eur"] < values["welfare_eur"]


def test_several_coefficients_are_searched_for_and_the_bracket_is_called_what_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "solve_several", partial(several.solve_several, max_clearings=200, max_nodes=20))
    values = report(capsys, "--tariff", "zonal", "--starts", "2", "--seed", "3")
    assert (values["method"], len(values["charges"])) == ("search", 2)
    assert values["profit_eur"] == values["recleared_profit_eur"] <= values["upper_bound_eur"]
    assert values["closed"] is (values["relative_gap"] <= 1e-6)
    assert main([*DAY[:-1], "--tariff", "zonal", "--starts", "2", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "the exact method does not take several coefficients" in said
    assert ("not proved optimal" in said) is not values["closed"]


def test_the_cross_check_agrees_with_the_exact_method_and_is_never_served_from_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyscipopt")
    exact = report(capsys)
    for _ in range(2):
        checked = report(capsys, "--method", "miqp", "--force", "--time-limit", "60")
        assert (checked["method"], checked["from_store"]) == ("miqp", False)
        assert checked["charge"] == pytest.approx(exact["charge"], abs=1e-6)
        assert checked["recleared_profit_eur"] == pytest.approx(exact["recleared_profit_eur"], rel=1e-6)
        assert checked["proof"].startswith("SCIP")


def test_the_cross_check_refuses_what_seldom_finishes_and_names_the_alternative(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DAY, "--method", "miqp"]) == 2
    said = capsys.readouterr().err
    assert "complementarity pairs" in said
    assert "--method exact" in said
    assert "--force" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("error", [ImportError('run `pip install ".[miqp]"`'), MiqpError("it failed"), ClearingError("no clearing")])
def test_what_goes_wrong_in_the_cross_check_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(solve, "solve_miqp", fail)
    assert main([*DAY, "--method", "miqp"]) == 2
    assert capsys.readouterr().err == f"gridtoll optimum: error: {error}\n"
    assert main([*SPLIT, "--days", "2", "--jobs", "1", "--method", "miqp"]) == 2
    said = capsys.readouterr()
    assert str(error) in said.out + said.err


def test_a_split_fills_the_store_and_goes_on_where_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = [*SPLIT, "--days", "3", "--jobs", "1", "--json", "--out", str(tmp_path / "rows.csv")]
    found = []
    for _ in range(2):
        assert main(first) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [(one["days"], one["from_store"], one["computed"], one["failed"]) for one in found] == [(3, 0, 3, 0), (3, 3, 0, 0)]
    assert (found[0]["method"], found[0]["closed"], found[0]["errors"]) == ("exact", 3, [])
    assert found[0]["greatest_relative_gap"] <= 1e-6
    assert found[0]["median_clearings"] == found[1]["median_clearings"]
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("day,price_path,charge,profit_eur,upper_bound_eur,relative_gap,recleared_profit_eur,clearings,seconds")
    day, path, charge, *_ = lines[1].split(",")
    one = ["optimum", "--community", "two-prosumers", "--day", day, "--price-path", path, "--json"]
    assert main(one) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["from_store"] is True
    assert repr(values["charge"]) == charge
    assert main([*SPLIT, "--days", "3", "--jobs", "1"]) == 0
    assert "from store" in capsys.readouterr().out


def test_a_split_with_days_that_fail_keeps_the_others_and_ends_with_two(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Scenario] = []

    def failing(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
        seen.append(scenario)
        if len(seen) == 2:
            raise ClearingError("no clearing today")
        return search_scenario(task, scenario, **settings)

    monkeypatch.setattr(optima, "search_scenario", failing)
    words = [*SPLIT, "--days", "3", "--jobs", "1", "--json"]
    assert main(words) == 2
    values = json.loads(capsys.readouterr().out)
    assert (values["computed"], values["failed"]) == (2, 1)
    assert values["errors"] == [f"day {seen[1].day}, price path {seen[1].price_path}: no clearing today"]
    assert main(words) == 0
    assert seen[3:] == [seen[1]]


def test_a_split_that_is_interrupted_keeps_what_is_done(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Scenario] = []

    def interrupted(task: GameSpec, scenario: Scenario, optimum: Optimum) -> Solved:
        done.append(scenario)
        if len(done) == 3:
            raise KeyboardInterrupt
        return numbers_of(task, scenario, optimum)

    monkeypatch.setattr(optima, "numbers_of", interrupted)
    words = [*SPLIT, "--days", "4", "--jobs", "1", "--json"]
    assert main(words) == 130
    assert "interrupted" in capsys.readouterr().err
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["from_store"] == 2


@pytest.mark.parametrize("one_day", [["--verify"], ["--recover", "1"], ["--plot", "day.png"], ["--price-path", "1"]])
def test_what_goes_with_one_day_is_refused_with_a_split(capsys: pytest.CaptureFixture[str], one_day: list[str]) -> None:
    assert main([*SPLIT, *one_day]) == 2
    assert f"{one_day[0]} must go with one day" in capsys.readouterr().err


COMMAND = """
import signal, sys
from gridtoll.train.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where interrupts are ignored
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_split_ended_while_processes_work_on_it_goes_on_where_it_was(
    tmp_path: Path, ending: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SPLIT, "--days", "16", "--charges-per", "hour", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".pkg"), "GRIDTOLL_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, "--jobs", "2"], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    optima = tmp_path / "cache" / "optima"
    while not list(optima.rglob("*.json")):
        assert process.poll() is None
        time.sleep(0.01)
    if ending == signal.SIGINT:
        os.killpg(process.pid, ending)  # as a terminal does
    else:
        process.send_signal(ending)
    assert process.wait() == (130 if ending == signal.SIGINT else -signal.SIGKILL)
    done = len(list(optima.rglob("*.json")))
    assert 1 <= done < 16
    assert main([*words, "--jobs", "1"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["days"], values["from_store"], values["failed"], values["closed"]) == (16, done, 0, 16)
