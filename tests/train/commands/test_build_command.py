"""``gridtoll communities build``: from files to a folder that other commands take, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_street import LINES, meters

from gridtoll.envs.community.sources import load_community
from gridtoll.train.cli import main


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of the command for two houses, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    Path("meters.csv").write_text(meters(), encoding="utf-8")
    Path("lines.csv").write_text(LINES, encoding="utf-8")
    words = "communities build street --meters meters.csv --grid lines.csv --voltage-kv 0.4 --import-price 0.3 --export-price 0.1"
    return words.split()


def test_it_says_what_was_read_and_every_rule_and_the_folder_says_the_same(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(files) == 0
    said = capsys.readouterr().out
    readme = Path("street/README.md").read_text(encoding="utf-8")
    for rule in ("clock: not stated", "loss_price: the export price", "trade_friction", "demand_min_share = 0.6 of the load", "charge_cap"):
        assert rule in said
        assert rule.partition(":")[0] in readme
    community = load_community("./street")
    assert (community.n_prosumers, community.n_days, community.name) == (2, 2, "street")
    assert main([*files[:2], "other", *files[3:], "--json", "--set", "charge_cap=0.5", "--name", "street"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["days"], values["community"]) == (2, "street")
    assert load_community("./other").charge_cap == 0.5
    assert all(entry["rule"] for entry in values["derivations"])


def test_a_folder_that_is_there_is_refused_and_replaced_only_where_it_is_a_community(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(files) == 0
    assert main(files) == 2
    assert "must not exist, or be empty" in capsys.readouterr().err
    assert main([*files, "--replace", "--set", "charge_cap=0.25"]) == 0
    assert load_community("./street").charge_cap == 0.25
    Path("street/thesis.tex").write_text("years of work", encoding="utf-8")
    assert main([*files, "--replace"]) == 2
    assert "hold nothing else, got" in capsys.readouterr().err
    assert Path("street/thesis.tex").read_text(encoding="utf-8") == "years of work"
    assert sorted(each.name for each in Path().iterdir()) == ["lines.csv", "meters.csv", "street"]  # no draft is left


def test_faults_leave_nothing_behind_and_the_exit_code_says_so(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("meters.csv").write_text(meters().replace("1.0,2.0", "1.0,-2.0"), encoding="utf-8")
    assert main(files) == 2
    assert "meters.csv, row 2, column 'B load [kW]': must be a number at least 0" in capsys.readouterr().err
    assert not Path("street").exists()


def test_a_number_that_is_set_must_be_one(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--set", "charge_cap=0,5", "overload_price"]) == 2
    assert "--set takes NAME=X with a number, like charge_cap=0.5, got 'charge_cap=0,5', 'overload_price'" in capsys.readouterr().err


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["communities", "build", "--help"])
    said = capsys.readouterr().out
    for option in ("--meters", "--fill", "previous-week", "--time-zone", "--prosumers", "--set", "--stamps", "SimBench"):
        assert option in said
