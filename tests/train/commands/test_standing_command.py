"""``gridtoll optimum --standing``: its contract, its words, and that it agrees with ``gridtoll evaluate``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from gridtoll.agents.optimum.standing.search import standing_games
from gridtoll.envs.community.sources import load_community
from gridtoll.train.cli import main
from gridtoll.train.commands.optimum import standing
from gridtoll.train.commands.optimum.standing import period_of
from gridtoll.train.references.certificates import write_whole

TWO = ["optimum", "--community", "two-prosumers", "--jobs", "1", "--quiet", "--standing"]


def asked(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main([*TWO, *options, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert isinstance(values, dict)
    return values


def test_the_mean_profit_is_what_evaluate_says_of_that_constant_charge(capsys: pytest.CaptureFixture[str]) -> None:
    values = asked(capsys, "--split", "train", "--days", "5")
    for name in ("charge", "mean_profit_eur", "mean_upper_bound_eur", "relative_gap", "clearings", "seconds"):
        assert isinstance(values[name], float | int), name
    constant = f"constant:{values['charge']!r}"
    evaluate = ["evaluate", constant, "--community", "two-prosumers", "--split", "train", "--days", "5", "--jobs", "1", "--quiet", "--json"]
    assert main(evaluate) == 0
    assert json.loads(capsys.readouterr().out)["mean_profit_eur"] == pytest.approx(values["mean_profit_eur"], abs=1e-9)
    assert values["mean_profit_eur"] <= values["mean_upper_bound_eur"]
    assert values["relative_gap"] <= 1.1e-6


def test_a_cost_per_year_is_recovered_by_the_least_charge_and_the_best_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    values = asked(capsys, "--split", "test", "--days", "4", "--recover", "100")
    assert values["recoverable"] is True
    assert values["recovered_eur_per_year"] >= 100
    assert 0 <= values["recovering_charge"] - values["recovering_charge_lower_bound"] < 1e-4
    assert values["recovering_welfare_mean_eur"] <= values["recovering_welfare_bound_eur"]
    assert values["recovering_charge"] <= values["charge"] + 1e-9


def test_a_cost_that_is_too_great_is_answered_with_what_the_days_bear(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TWO, "--split", "test", "--days", "4", "--recover", "1e6"]) == 0
    out = capsys.readouterr().out
    assert "No charge recovers 1e+06 EUR a year: at " in out
    assert "no charge brings more than" in out
    values = asked(capsys, "--split", "test", "--days", "4", "--recover", "1e6")
    assert values["recoverable"] is False
    assert values["recovering_charge"] is None
    assert values["greatest_recoverable_eur_per_year"] == pytest.approx(365 * values["mean_profit_eur"])


def test_prosumers_get_the_sums_of_the_period(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    values = asked(capsys, "--split", "test", "--days", "4", "--prosumers", str(tmp_path / "who.csv"))
    frame = pd.read_csv(tmp_path / "who.csv")
    assert len(frame) == 2
    welfare = frame["surplus_eur"].sum() + 4 * values["mean_profit_eur"]
    assert welfare == pytest.approx(4 * values["mean_welfare_eur"], abs=1e-6)


def test_without_a_split_all_days_of_the_data_count_and_days_choose_of_them() -> None:
    community = load_community("two-prosumers")
    every = period_of(community, split=None, days=None, every_path=False)
    assert [each.day for each in every] == list(range(community.n_days))
    assert len(period_of(community, split=None, days=7, every_path=False)) == 7
    some = period_of(community, split="train", days=3, every_path=True)
    assert len(some) == 3 * community.n_price_paths
    assert len(set(some)) == len(some)
    assert period_of(community, split="train", days=3, every_path=False) == community.scenarios("train", 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--day", "3"], "--day must go with one charge for each day"),
        (["--split", "test", "--hard-limits", "--recover", "3"], "--recover must go without --hard-limits"),
        (["--split", "test", "--secure-share", "0.9"], "--secure-share must go with --hard-limits"),
        (["--split", "test", "--hard-limits", "--secure-share", "1.5"], "above 0 and at most 1, got 1.5"),
        (["--split", "test", "--recover", "3", "--recover-of", "revenue"], "--recover-of profit"),
        (["--split", "test", "--tariff", "zonal"], "--standing needs a tariff of one charge for the day"),
        (["--split", "test", "--charges-per", "hour"], "--standing needs a tariff of one charge for the day"),
        (["--split", "test", "--env", "hourly"], "--env day-ahead"),
        (["--split", "test", "--mechanism", "call-auction"], "exact optima and gradients need --mechanism 'exact'"),
        (["--split", "test", "--tolerance", "0"], "the tolerance > 0"),
        (["--split", "test", "--days", "1000"], "the number of days must be from 1 to"),
    ],
)
def test_what_cannot_be_answered_is_refused(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TWO, *options]) == 2
    assert words in capsys.readouterr().err


def test_days_must_be_named_and_price_paths_go_with_a_period(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimum"]) == 2
    assert "--day K for one, --split S for those of a split, or --standing for a period" in capsys.readouterr().err
    assert main(["optimum", "--day", "3", "--every-price-path"]) == 2
    assert "--every-price-path must go with one charge for a period" in capsys.readouterr().err


def test_an_answer_is_at_hand_the_second_time_and_computed_anew_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    period = ("--split", "train", "--days", "3", "--risk", "cvar:0.5")
    first, second, third = asked(capsys, *period, "--recompute"), asked(capsys, *period), asked(capsys, *period, "--recompute")
    assert [each["from_store"] for each in (first, second, third)] == [False, True, False]
    same = ("charge", "risk_value_eur", "risk_upper_bound_eur", "clearings")
    assert [first[name] for name in same] == [second[name] for name in same] == [third[name] for name in same]
    assert first["risk_value_eur"] <= first["mean_profit_eur"]


_KILLED = """
import os, signal, sys
from gridtoll.train.cli import main
from gridtoll.train.references.standing_days.kept import StandingFile

times = 0

def keep(self, days):
    global times
    self.write(days)
    times += 1
    if times == 2:
        os.kill(os.getpid(), signal.SIGKILL)

StandingFile.keep = keep
main(sys.argv[1:])
"""


def test_a_command_that_was_killed_goes_on_from_what_it_had_kept(capsys: pytest.CaptureFixture[str]) -> None:
    period = ("--split", "train", "--days", "3", "--objective", "welfare")
    killed = subprocess.run([sys.executable, "-c", _KILLED, *TWO, *period, "--recompute"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    went_on, anew = asked(capsys, *period), asked(capsys, *period, "--recompute")
    assert [went_on["from_store"], anew["from_store"]] == [True, False]
    assert went_on["mean_welfare_eur"] == pytest.approx(anew["mean_welfare_eur"], rel=2e-6)
    assert went_on["relative_gap"] <= 1.1e-6


def test_the_proof_is_kept_in_a_file_that_verify_checks_and_finds_changed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "period.json"
    values = asked(capsys, "--split", "train", "--days", "2", "--risk", "cvar:0.6", "--certificate", str(path))
    verify = ["verify", str(path), "--solver", "structured", "--jobs", "1", "--quiet"]
    assert main([*verify, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] is True
    assert [found["charge"], found["value_eur"]] == [values["charge"], values["risk_value_eur"]]
    assert main(verify) == 0
    assert "2 days" in capsys.readouterr().out
    text, content = path.read_text(), json.loads(path.read_text())
    path.write_text(text.replace('"risk_part": 0.6', '"risk_part": 0.7'))
    assert main(verify) == 1
    assert "was changed after it was written" in capsys.readouterr().out
    for name, value, words in (
        ("charge_cap", 2.0, "charge_cap 2.0"),
        ("upper_bound_eur", content["value_eur"] - 1.0, "must not be below the value"),
        ("about", content["about"] | {"days": content["about"]["days"][::-1]}, "other data for those numbered 0, 1"),
        ("about", content["about"] | {"days": [[0, 99]]}, "cannot be found"),
    ):
        write_whole(path, content | {name: value})
        assert main(verify) == 1
        assert words in capsys.readouterr().out


def test_one_charge_for_a_region_is_the_best_over_the_days_of_its_communities(capsys: pytest.CaptureFixture[str]) -> None:
    region = ("--split", "train", "--days", "2", "--with-community", "two-prosumers-copy", "--charge-cap", "1")
    assert main([*TWO, *region]) == 2
    assert "two-prosumers-copy" in capsys.readouterr().err
    region = ("--split", "train", "--days", "2", "--with-community", "ieee9", "--charge-cap", "1")
    values = asked(capsys, *region)
    earned = []
    for name in ("two-prosumers", "ieee9"):
        options = ["--community", name, "--split", "train", "--days", "2", "--charge-cap", "1", "--jobs", "1", "--quiet", "--json"]
        assert main(["evaluate", f"constant:{values['charge']!r}", *options]) == 0
        earned.append(json.loads(capsys.readouterr().out)["mean_profit_eur"])
    assert values["days"] == 4
    assert values["mean_profit_eur"] == pytest.approx(sum(earned) / 2, abs=1e-9)
    assert values["relative_gap"] <= 1.1e-6
    assert main([*TWO, *region, "--prosumers", "who.csv"]) == 2
    assert "--prosumers must go with one community" in capsys.readouterr().err


def test_the_proof_of_a_region_names_its_communities_and_verify_checks_all_of_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "region.json"
    region = ("--split", "train", "--days", "1", "--with-community", "two-prosumers", "--charge-cap", "1")
    values = asked(capsys, *region, "--certificate", str(path))
    verify = ["verify", str(path), "--solver", "structured", "--jobs", "1", "--quiet"]
    assert main([*verify, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found["days"], found["charge"], found["upper_bound_eur"]] == [2, values["charge"], values["mean_upper_bound_eur"]]
    content = json.loads(path.read_text())
    write_whole(path, content | {"about": content["about"] | {"others": [{"community": "ieee9", "days": [[0, 0]]}]}})
    assert main(verify) == 1
    assert "other data for those numbered 1" in capsys.readouterr().out


def test_limits_hold_on_a_share_of_the_days_and_the_proof_is_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "secure.json"
    values = asked(capsys, "--split", "train", "--days", "3", "--hard-limits", "--secure-share", "0.6", "--certificate", str(path))
    assert values["secure"] is True
    assert values["charge_secure_share"] >= values["secure_share"] == 0.6
    assert values["mean_profit_eur"] <= values["mean_upper_bound_eur"]
    verify = ["verify", str(path), "--solver", "structured", "--jobs", "1", "--quiet"]
    assert main([*verify, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found["secure_share"], found["charge"]] == [0.6, values["charge"]]
    assert main(verify) == 0
    assert "keeps limits on so many days" in capsys.readouterr().out


def test_days_on_which_no_charge_is_secure_are_answered_with_what_is_possible(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No packaged community is that narrow: here every branch of one is."""
    network = load_community("two-prosumers").network
    narrow = replace(network, grid=replace(network.grid, branch_limit_kw=1e-6 * network.grid.branch_limit_kw))
    monkeypatch.setattr(standing, "standing_games", lambda days, _, *args, **kwargs: standing_games(days, narrow, *args, **kwargs))
    path = tmp_path / "none.json"
    files = ("--certificate", str(path), "--prosumers", str(tmp_path / "x.csv"))
    values = asked(capsys, "--split", "train", "--days", "2", "--flows", "injections", "--hard-limits", *files)
    assert (values["charge"], values["secure"]) == (None, False)
    assert values["greatest_secure_share"] < 1.0
    assert json.loads(path.read_text())["charge"] is None
    assert not (tmp_path / "x.csv").exists()


def test_communities_of_other_caps_need_one_cap(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    caps = {"two-prosumers": 1.0, "ieee9": 2.0}
    monkeypatch.setattr(standing, "environment_of", lambda task: SimpleNamespace(charge_cap=caps[str(task.community)]))
    assert main([*TWO, "--split", "train", "--days", "1", "--with-community", "ieee9"]) == 2
    assert "must have one cap, got two-prosumers 1, ieee9 2 EUR/kWh" in capsys.readouterr().err
    assert main(["optimum", "--day", "3", "--with-community", "ieee9"]) == 2
    assert "--with-community must go with one charge for a period" in capsys.readouterr().err


def test_the_proof_of_what_recovers_a_cost_is_in_the_file_and_is_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "recovery.json"
    period = ("--split", "test", "--days", "2", "--certificate", str(path))
    values = asked(capsys, *period, "--recover", "100")
    verify = ["verify", str(path), "--solver", "structured", "--jobs", "1", "--quiet"]
    assert main([*verify, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recovering_charge_lower_bound"] == values["recovering_charge_lower_bound"]
    assert found["recovering_welfare_bound_eur"] == values["recovering_welfare_bound_eur"]
    assert main(verify) == 0
    assert "recovers less than the cost" in capsys.readouterr().out
    content = json.loads(path.read_text())
    recovery = content["recovery"]
    shorter = [recovery["scenarios"][0] | {"edges": [0.0, 0.1]}, *recovery["scenarios"][1:]]
    for name, value, words in (
        ("charge_lower_bound", recovery["charge"] + 0.01, "what is stated allows it"),
        ("charge", 0.5 * recovery["charge"], "must recover"),
        ("welfare_eur", recovery["welfare_eur"] - 0.1, "to all, and no more than"),
        ("welfare_bound_eur", recovery["welfare_eur"] - 0.1, "what is stated allows it"),
        ("scenarios", shorter, "without holes"),
        ("scenarios", recovery["scenarios"][1:], "must be stated of 2 scenarios"),
        ("cells", "none", "must hold the proof of what recovers a cost"),
    ):
        write_whole(path, content | {"recovery": recovery | {name: value}})
        assert main(verify) == 1
        assert words in capsys.readouterr().out, name
    none = asked(capsys, *period, "--recover", "1e6")
    assert none["recoverable"] is False
    assert main([*verify, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recovering_charge"] is None
