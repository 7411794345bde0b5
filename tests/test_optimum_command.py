"""What `gridtoll optimum` adds to the optimum: hard limits, recovery, the proof kept and checked, the curve, charges per hour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridtoll.train.cli import main

DAY = ["optimum", "--community", "two-prosumers", "--day", "100", "--json"]


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
    assert len(values["charge"]) == 24
    assert values["relative_gap"] <= 1e-6
    assert values["profit_eur"] >= report(capsys)["profit_eur"] * (1 - 1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--charges-per", "hour", "--verify"], "--verify must go with one charge for the day"),
        (["--curve", "nowhere/curve.csv"], "existing folder"),
        (["--certificate", "nowhere/proof.json"], "existing folder"),
        (["--recover", "nan"], "finite number"),
    ],
)
def test_what_cannot_be_done_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main([*DAY, *arguments]) == 2
    assert words in capsys.readouterr().err
