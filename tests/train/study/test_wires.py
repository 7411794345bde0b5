"""The study's part on wires, and an optimum settled again under AC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import rows_of

from gridtoll.envs import load_community
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.market_data import Structure, scale
from gridtoll.envs.market.exact.point import certify
from gridtoll.train.cli import main
from gridtoll.train.study.cases import Case
from gridtoll.train.study.cells import Answered
from gridtoll.train.study.in_the_wires import in_words
from gridtoll.train.study.parts.wires import COMPARED, InTheWires, Promises, promise_rows


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_on_a_sunny_day_losses_fall_with_the_charge_by_contract_and_rise_in_the_wires() -> None:
    free, charged = InTheWires(Case.of("simbench-rural", Scenario(180, 0)), (0.0, 1.0)).answer()["points"]
    assert charged["trades_loss_kwh"] < 0.01 * free["trades_loss_kwh"]
    assert charged["ac_loss_kwh"] > 1.3 * free["ac_loss_kwh"]
    assert charged["ac_peak_loading"] > free["ac_peak_loading"] + 0.1


def test_regimes_are_promised_by_an_account_and_settled_in_the_wires() -> None:
    case = Case.of("two-prosumers", Scenario(180, 0))
    answer = Promises(case).answer()["regimes"]
    best = answer["best in the wires for the operator"]
    assert best["ac_profit_eur"] >= max(
        row["ac_profit_eur"] for name, row in answer.items() if "subsidies" not in name and "social" not in name
    )
    for goal in ("for the operator", "for all"):
        name, of = f"best in the wires {goal}", "ac_profit_eur" if "operator" in goal else "ac_welfare_eur"
        assert answer[f"{name}, subsidies allowed"][of] >= answer[name][of]
    rows = promise_rows([Answered(Promises(case), {"regimes": answer})])
    assert {row["regime"] for row in rows} == set(answer)
    assert all(row["days_with_a_power_flow"] == row["days"] == 1 for row in rows)


def test_a_day_that_the_wires_cannot_carry_has_no_numbers_of_the_wires() -> None:
    [point] = InTheWires(Case.of("ieee39", Scenario(180, 0)), (0.0,)).answer()["points"]
    assert point["ac_loss_kwh"] is None
    assert point["injections_peak_loading"] > 1


def test_a_subsidy_is_cleared_exactly_where_it_is_allowed_and_refused_elsewhere() -> None:
    community = load_community("two-prosumers")
    day, charges = community.day(180), np.full((2, 2), -0.05)
    with pytest.raises(ValueError, match="`charges` must be at least 0"):
        P2PMarket().clear(day, charges)
    paid, free = (P2PMarket(subsidies=True).clear(day, each) for each in (charges, 0.0 * charges))
    data = scale(day, np.broadcast_to(charges, (24, 2, 2)), Structure.of(day))
    assert certify(data, point_of(data, paid)).holds()
    assert paid.trade.sum() > free.trade.sum()
    inside = (paid.trade > 1e-6) & (paid.trade < day.trade_limit - 1e-6)
    price = paid.nodal_price
    apart = price[:, None, :] - price[:, :, None] - (charges + day.trade_friction * paid.trade)
    assert np.abs(apart[inside]).max() < 1e-8, "at 0 < p < P, μ_j − μ_i = τ_ij + ε p_ij"


def test_the_optimum_of_the_linear_model_is_settled_again_under_ac(capsys: pytest.CaptureFixture[str]) -> None:
    values = printed(capsys, "optimum", "--community", "two-prosumers", "--day", "180", "--flows", "injections", "--resettle", "ac")
    asked = ("clear", "--community", "two-prosumers", "--day", "180", "--flows", "injections", "--power-flow", "ac")
    cleared = printed(capsys, *asked, "--charge", repr(values["charge"]))
    assert values["ac_profit_eur"] == pytest.approx(cleared["profit_eur"])
    assert values["ac_loss_kwh"] == pytest.approx(cleared["ac_loss_kwh"])
    assert values["ac_lost_by_the_linear_model_eur"] == pytest.approx(
        max(0.0, values["ac_played_best_eur"] - values["ac_profit_eur"]), abs=1e-9
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--power-flow", "ac", "--resettle", "ac"), "--resettle must go with --power-flow dc"),
        (("--resettle", "acc"), "must be one of ac, dc"),
        (("--method", "exact", "--power-flow", "ac"), "the optimum of the linear model can be settled under AC"),
    ],
)
def test_what_cannot_be_settled_again_is_refused(options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimum", "--community", "two-prosumers", "--day", "180", *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_part_on_wires_by_itself_takes_any_community_and_says_what_is_real_of_a_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = printed(
        capsys, "study", "--part", "wires", "--system", "two-prosumers", "--days", "2", "--jobs", "1", "--quiet", "--out", str(tmp_path)
    )
    promised = {row["regime"]: row for row in rows_of(tmp_path / "promises.csv")}
    assert [row["regime"] for row in values["promises"]] == list(promised)
    best, said = promised["best in the wires for the operator"], promised["optimal by trades"]
    assert float(best["ac_profit_eur"]) >= float(said["ac_profit_eur"])
    assert float(said["promised_profit_eur"]) > float(said["ac_profit_eur"])
    assert (best["days_compared"], best["days"]) == ("2", "2")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "optimal by trades" in page
    assert (tmp_path / "two-prosumers-wires.png").is_file()
    assert main(["study", "--part", "wires", "--system", "simbench-urbn6", "--out", str(tmp_path)]) == 2
    assert "Did you mean 'simbench-urban6'" in capsys.readouterr().err


def test_regimes_are_compared_on_the_same_days_only() -> None:
    """A day on which one of them has no power flow counts for none of them."""
    names = (*COMPARED, "social by trades")
    whole = {name: {"charge": 0.1, "ac_profit_eur": 1.0} for name in names}
    broken = {name: {"charge": -0.1, "ac_profit_eur": None if name == "free" else 5.0} for name in names}
    question = Promises(Case.of("two-prosumers", Scenario(180, 0)))
    rows = {row["regime"]: row for row in promise_rows([Answered(question, {"regimes": each}) for each in (whole, broken)])}
    assert {row["ac_profit_eur"] for row in rows.values()} == {1.0}
    assert {name: row["days_with_a_power_flow"] for name, row in rows.items()} == {**dict.fromkeys(names, 2), "free": 1}
    assert {(row["days_compared"], row["days"], row["days_below_zero"]) for row in rows.values()} == {(1, 2, 0)}
    [none, *_] = in_words("street", [{**row, "days_compared": 0} for row in rows.values()])
    assert none == "street: the wires carry none of 2 days at every charge that is compared"
