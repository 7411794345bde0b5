"""The curve of profit over the charge holds every charge: exactly on solved pieces, between its bounds elsewhere."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import kernel, pair_day, pair_network, random_day, random_network
from matplotlib.figure import Figure
from oracles import plain_profit

from gridtoll.agents.optimum import ProfitCurve, profit_curve, solve_optimum
from gridtoll.agents.optimum.one_charge.curve import COLUMNS
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network
from gridtoll.train.ground.profit_curves import draw_profit_curve

CAP = 0.6


def curve_of(day: Day, network: Network, n: int = 20, **options: Any) -> ProfitCurve:
    optimum = solve_optimum(day, network, make_tariff("distance", network), cap=CAP, market=kernel(), **options)
    assert optimum.certificate is not None
    return profit_curve(optimum.certificate, n=n, market=kernel())


@pytest.mark.parametrize("seed", range(6))
def test_every_charge_earns_what_its_stretch_says(seed: int) -> None:
    flows: Any = ("trades", "injections")[seed % 2]
    objective: Any = ("profit", "profit", "welfare")[seed % 3]
    day = random_day(seed, n=4, periods=3, stores=seed % 3, import_fee=0.08 * (seed % 2), overload_price=0.3)
    network = random_network(seed, n=4, limit_kw=(0.5, 1.0, 3.0)[seed % 3])
    curve = curve_of(day, network, flows=flows, objective=objective)
    parts = curve.stretches
    assert (parts[0].lower, parts[-1].upper) == (0.0, CAP)
    assert all(one.upper == other.lower for one, other in pairwise(parts))
    assert all(part.upper - part.lower <= CAP / 20 for part in parts if part.kind == "bounded")
    random = np.random.default_rng(seed)
    for part in parts:
        for share in (0.0, 1.0, *random.uniform(0.0, 1.0, 2)):
            charge = min(part.lower + share * (part.upper - part.lower), part.upper)
            charges = charge * network.distance
            clearing = kernel().clear(day, charges)
            goal = plain_profit(day, network, charges, clearing, flows=flows)
            goal -= clearing.objective_eur if objective == "welfare" else 0.0
            assert part.lower_bound_eur - 1e-10 <= goal <= part.upper_bound_eur + 1e-10
            if part.coefficients is not None:
                exact = np.polynomial.polynomial.polyval(charge - part.lower, part.coefficients)
                assert exact == pytest.approx(goal, abs=1e-9)
    assert max(part.upper_bound_eur for part in parts) >= curve.best_eur - 1e-12


def test_the_file_holds_the_stretches_to_the_last_digit(tmp_path: Path) -> None:
    curve = curve_of(pair_day(), pair_network(limit_kw=2.0))
    curve.write_csv(tmp_path / "curve.csv")
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(float(row["lower"]), float(row["upper"]), row["kind"]) for row in rows] == [
        (part.lower, part.upper, part.kind) for part in curve.stretches
    ]
    assert [float(row["upper_bound_eur"]) for row in rows] == [part.upper_bound_eur for part in curve.stretches]
    assert all((row["constant_eur"] == "") == (row["kind"] == "bounded") for row in rows)


def test_the_band_is_shaded_and_the_optimum_marked() -> None:
    curve = curve_of(random_day(2, n=4, periods=3), random_network(2, n=4))
    axes = Figure().subplots()
    draw_profit_curve(axes, curve, title="a day")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "between proved bounds",
        "exact",
        "certified upper bound",
        "optimum",
    ]
    charges, low, high = curve.band()
    assert np.all(np.diff(charges) >= 0)
    assert np.all(low <= high)


def test_less_than_one_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        curve_of(pair_day(), pair_network(), n=0)
