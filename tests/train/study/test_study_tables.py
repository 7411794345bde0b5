"""What a study says of its tables: verdicts on the claims, and pictures of what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from gridtoll.train.study.claims import claim_rows, conclusion_rows
from gridtoll.train.study.figures import limits_figure, scaled
from gridtoll.train.study.parts.regimes import regime_rows
from gridtoll.train.study.parts.storage import rows as storage_rows
from gridtoll.train.study.tables import Row, one


def tables(*, elasticity: float | None = -0.8, distance: float = 0.6, optimal: float = 9.6) -> dict[str, list[Row]]:
    welfare = {"no": 0.0, "free": 9.0, "social": 10.0, "optimal": optimal}
    profit = {"no": 0.0, "free": -1.0, "social": -0.5, "optimal": 4.0}
    daily = [
        {
            "system": "s",
            "day": day,
            "regime": regime,
            "welfare_eur": welfare[regime],
            "operator_profit_eur": profit[regime],
            "prosumer_surplus_eur": welfare[regime] - profit[regime],
            "relative_gap": {"social": 1e-10, "optimal": 1e-9 * (1 + day)}.get(regime),
        }
        for day in (0, 1)
        for regime in welfare
    ]
    return {
        "regimes_daily": daily,
        "regime_details": regime_rows(daily, "system"),
        "welfare_charge": [{"system": "s", "charge": 0.01, "share_of_social_gain": 0.99}],
        "charge_models": [
            {"system": "s", "tariff": tariff, "mean_distance": far}
            for tariff, far in (("free", 1.0), ("unique", 0.9), ("distance", distance))
        ],
        "storage": [
            {"system": "s", "storage": True, "elasticity_of_trade": elasticity, "days_more_sensitive_with_storage": 2, "days": 2},
            {"system": "s", "storage": False, "elasticity_of_trade": -0.7, "days_more_sensitive_with_storage": 2, "days": 2},
        ],
    }


def verdicts(**changes: Any) -> dict[str, bool | None]:
    return {row["claim"]: row["holds"] for row in claim_rows(tables(**changes))}


def test_claims_hold_where_the_numbers_say_so() -> None:
    assert verdicts() == {
        "better off": True,
        "near social": True,
        "free near social": False,
        "one charge enough": True,
        "trade is closer": True,
        "storage": True,
    }


def test_claims_do_not_hold_where_the_numbers_say_otherwise() -> None:
    assert verdicts(optimal=9.4)["near social"] is False
    assert verdicts(optimal=3.9)["better off"] is False
    assert verdicts(distance=0.95)["trade is closer"] is False
    assert verdicts(elasticity=-0.6)["storage"] is False


def test_what_a_system_cannot_tell_is_left_open() -> None:
    assert verdicts(distance=1.0)["trade is closer"] is None
    assert verdicts(elasticity=None)["storage"] is None
    assert verdicts(elasticity=-0.7)["storage"] is None


def test_a_share_of_social_gain_is_one_for_social_and_none_for_no_p2p() -> None:
    rows = tables()["regime_details"]
    assert one(rows, regime="social")["share_of_social_gain"] == 1.0
    assert one(rows, regime="no")["share_of_social_gain"] == 0.0
    assert one(rows, regime="optimal")["share_of_social_gain"] == pytest.approx(0.96)


def test_a_row_of_means_says_of_how_many_days_and_gives_the_greatest_gap() -> None:
    rows = tables()["regime_details"]
    assert [row["days"] for row in rows] == [2, 2, 2, 2]
    assert [one(rows, regime=regime)["relative_gap"] for regime in ("no", "free", "social", "optimal")] == [None, None, 1e-10, 2e-9]


def test_conclusions_under_other_accounts_are_compared_with_the_papers_own() -> None:
    details = tables()["regime_details"]
    charge = {0.0: 0.2, 0.08: 0.3}
    rows = conclusion_rows(
        [
            {**row, "flows": "trades", "import_fee": fee, "charge": charge[fee] if row["regime"] == "optimal" else None}
            for fee in charge
            for row in details
        ]
    )
    assert [row["equilibrium_charge"] for row in rows] == [0.2, 0.3]
    assert rows[0]["operator_gain_eur"] == 4.0
    assert rows[0]["prosumers_gain_eur"] == pytest.approx(5.6)
    assert rows[0]["in_words"].startswith("without a charge trade costs the operator 1 EUR/day")
    assert rows[1]["in_words"].startswith("the charge rises from 0.200 to 0.300;")
    assert "were 90.0% and 96.0%" in rows[1]["in_words"]


def test_elasticities_of_a_study_are_those_of_its_sums_over_days() -> None:
    class Asked:
        class case:  # noqa: N801 - stands for an attribute
            system = "s"

    class One:
        question = Asked

        def __init__(self, traded: list[float]) -> None:
            part = {"own_charge": 0.1, "own_profit_eur": 1.0, "traded_kwh": traded, "charged_kwh": traded}
            self.answer = {"charge": 0.1, "with": part, "without": part | {"traded_kwh": [9.0, 9.0, 5.0, 3.0]}}

    rows = storage_rows([One([10.0, 9.0, 4.0, 1.0]), One([10.0, 0.0, 0.0, 0.0])])  # type: ignore[list-item]
    assert one(rows, storage=True)["elasticity_of_trade"] == pytest.approx(-2.0)  # ninefold less at thrice the charge
    assert one(rows, storage=False)["elasticity_of_trade"] == pytest.approx(-1.0)
    assert one(rows, storage=True)["days_more_sensitive_with_storage"] == 1


def test_an_instrument_that_is_impossible_on_some_days_says_so_in_the_picture() -> None:
    def row(instrument: str, days_possible: int, value: float | None) -> Row:
        state = {"peak_loading": value, "greatest_peak_loading": value, "welfare_eur": value}
        return {"system": "s", "free_loading": 1.5, "instrument": instrument, "days_possible": days_possible, "days": 2, **state}

    figure = limits_figure("s", [row("free", 2, 1.5), row("charge, hard limits", 0, None), row("social", 2, 1.0)])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["no charge (Free P2P)", "charge, hard limits\n(impossible on some days)", "Social P2P"]


def test_long_numbers_are_drawn_in_thousands_or_millions() -> None:
    assert scaled([2.0e6, None], "EUR/day")[1] == "million EUR/day"
    assert scaled([999.0], "kWh/day") == ([999.0], "kWh/day")
