"""``gridtoll study --part mechanisms``: each market at its own best charge, and that charge played in the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tables import rows_of

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.ground.playing import play_days, same_for_all
from gridtoll.train.study.parts.mechanisms import MECHANISMS, ROUNDS

ASKED = ["study", "--part", "mechanisms", "--system", "two-prosumers", "--days", "1", "--jobs", "1", "--quiet"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("markets")
    assert main([*ASKED, "--out", str(folder)]) == 0
    return folder


def test_each_market_stands_at_its_own_best_charge_and_only_what_is_proved_is_called_so(written: Path) -> None:
    rows = {row["mechanism"]: row for row in rows_of(written / "mechanisms.csv")}
    assert tuple(rows) == MECHANISMS
    assert [name for name, row in rows.items() if row["proved"] == "True"] == ["exact", "call-auction"]
    for row in rows.values():
        assert 0.0 < float(row["efficiency"]) <= 1.0
        assert (row["upper_bound_eur"] == "") == (row["proved"] == "False")
    assert (rows["admm"]["replayed_days"], rows["admm"]["charge"]) == ("1.0", rows["exact"]["charge"])


def test_the_matrix_holds_what_each_charge_earns_when_it_is_played_in_each_market(written: Path) -> None:
    own = {row["mechanism"]: row for row in rows_of(written / "mechanisms.csv")}
    matrix = {(row["charge_of"], row["played_under"]): row for row in rows_of(written / "mechanism_matrix.csv")}
    assert len(matrix) == len(MECHANISMS) ** 2
    for name in MECHANISMS:
        assert 0.999 < float(matrix[name, name]["share_of_best_known"]) <= 1.0
        assert matrix[name, name]["operator_profit_eur"] == own[name]["operator_profit_eur"]
    for proved in ("exact", "call-auction"):
        assert float(matrix[proved, proved]["share_of_best_known"]) > 1.0 - 1e-6, "no charge made for another market earns more"
    assert all(float(row["share_of_best_known"]) <= 1.0 for row in matrix.values())
    [file] = [path for path in (written / "cells").glob("*.json") if json.loads(path.read_text()).get("mechanism") == "call-auction"]
    case: dict[str, Any] = json.loads(file.read_text())["case"]
    charge, scenario = float(own["call-auction"]["charge"]), Scenario(case["day"], case["price_path"])
    task = GameSpec(community="two-prosumers", mechanism="continuous-auction")
    [played] = play_days(task, same_for_all(ConstantPolicy([charge])), [scenario])
    assert played.profit_eur == pytest.approx(float(matrix["call-auction", "continuous-auction"]["operator_profit_eur"]), rel=1e-9)


def test_a_negotiation_that_goes_on_keeps_nearly_all(written: Path) -> None:
    rows = rows_of(written / "mechanism_rounds.csv")
    assert [int(row["cut_after"]) for row in rows if row["mechanism"] == "admm"] == list(ROUNDS)
    assert all(float(row["efficiency"]) > 1 - 1e-6 for row in rows if row["mechanism"] == "admm" and int(row["cut_after"]) == ROUNDS[-1])


def test_the_page_needs_nothing_beside_it_and_a_second_run_changes_no_table(written: Path) -> None:
    page = (written / "index.html").read_text(encoding="utf-8")
    assert "data:image/png;base64" in page
    assert all(name in page for name in MECHANISMS)
    before = {path.name: path.read_bytes() for path in written.glob("*.csv")}
    assert main([*ASKED, "--out", str(written)]) == 0
    assert {path.name: path.read_bytes() for path in written.glob("*.csv")} == before


def test_a_system_that_is_none_is_refused_and_any_named_community_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--part", "mechanisms", "--system", "simbench-urbn6", "--out", str(tmp_path)]) == 2
    assert "Did you mean 'simbench-urban6'" in capsys.readouterr().err
    assert main(["study", "--system", "simbench-urban6", "--out", str(tmp_path)]) == 2, "of the paper's study it is none"
