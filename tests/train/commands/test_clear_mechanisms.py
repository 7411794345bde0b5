"""``gridtoll clear --mechanism``: what every market says of itself, and how much of the exact clearing's gain it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridtoll.train.cli import main

SETTLED = ["profit_eur", "revenue_eur", "loss_cost_eur", "overload_cost_eur", "welfare_eur", "traded_kwh", "charged_kwh"]
NEGOTIATED = ["rounds", "messages", "bytes", "primal_residual", "dual_residual", "converged"]
BOOKS = {
    "call-auction:steps=3": {"bid_price": (24, 2, 3), "ask_kw": (24, 2, 3), "bid_filled_kw": (24, 2, 3), "seller_price": (24, 2)},
    "continuous-auction": {},
    "admm:rounds=30": {},
    "exact": {},
}


def cleared(mechanism: str, folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Clear a day and return the numbers printed and the arrays written."""
    file = folder / "day.npz"
    named = ["--community", "two-prosumers", "--day", "100", "--charge", "0.05", "--mechanism", mechanism]
    assert main(["clear", *named, "--json", "--npz", str(file), *options]) == 0
    values = json.loads(capsys.readouterr().out)
    with np.load(file) as arrays:
        return values, {name: arrays[name] for name in arrays.files}


@pytest.mark.parametrize("mechanism", [*BOOKS, "bilateral:rounds=9", "admm"])
def test_every_mechanism_says_what_it_keeps(mechanism: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, arrays = cleared(mechanism, tmp_path, capsys)
    assert list(values)[:9] == [*SETTLED, "mechanism", "efficiency"]
    assert values["mechanism"] == mechanism
    assert values["efficiency"] <= 1.0
    assert values["efficiency"] >= 0.0
    assert arrays["trade_price"].shape == (24, 2, 2)
    gained = arrays["surplus_eur"] - arrays["surplus_without_trade_eur"]
    assert (gained >= -1e-9).all()
    assert gained.shape == (2,)
    for name, shape in BOOKS.get(mechanism, {}).items():
        assert arrays[name].shape == shape
    if mechanism.startswith(("admm", "bilateral")):
        assert [name for name in values if name in NEGOTIATED] == NEGOTIATED
        assert arrays["residuals"].shape == (values["rounds"], 2)
    if mechanism == "continuous-auction":
        assert arrays["order_kw"].shape == (values["orders"],)


def test_efficiency_is_the_gain_over_that_of_the_exact_clearing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, arrays = cleared("bilateral:rounds=2", tmp_path, capsys)
    best_values, best = cleared("exact", tmp_path, capsys)
    gain = (arrays["surplus_eur"] - arrays["surplus_without_trade_eur"]).sum()
    most = (best["surplus_eur"] - best["surplus_without_trade_eur"]).sum()
    assert values["efficiency"] == pytest.approx(gain / most)
    assert 0.0 < values["efficiency"] < 1.0 == best_values["efficiency"]


def test_where_there_is_nothing_to_gain_all_of_it_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, _ = cleared("bilateral:rounds=2", tmp_path, capsys, "--charge", "0.9")
    assert (values["efficiency"], values["traded_kwh"]) == (1.0, 0.0)


def test_a_file_says_the_same_as_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values, arrays = cleared("admm", tmp_path, capsys)
    revenue = (arrays["charge_per_kwh"] * arrays["trade"]).sum()
    assert values["revenue_eur"] == pytest.approx(float(arrays["period_hours"]) * revenue)
