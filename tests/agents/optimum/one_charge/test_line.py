"""The leader's account along one charge is the settlement's, and a piece's best charge is the best of all its charges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import kernel, random_day, random_network, retail_bill
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import plain_profit

from gridtoll.agents.optimum.one_charge.chord import Chord
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network


def line_of(day: Day, network: Network, **options: Any) -> ChargeLine:
    wanted: dict[str, Any] = {"flows": "trades", "market": kernel()}
    return ChargeLine(day, network, network.distance, **(wanted | options))


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), charge=st.floats(0.0, 0.5), flows=st.sampled_from(["trades", "injections"]), base=st.booleans())
def test_the_account_along_the_line_is_the_settlement_and_the_model(seed: int, charge: float, flows: Any, base: bool) -> None:
    random = np.random.default_rng(seed)
    day = random_day(seed, hours=0.5, import_fee=0.08, base_injection=float(base) * random.normal(0.0, 3.0, (6, 6)))
    network = random_network(seed, meshed=True, limit_kw=1.0)
    line = line_of(day, network, flows=flows)
    point = line.piece(charge, cap=1.0).at(charge)
    charges = charge * network.distance
    clearing = kernel().clear(day, charges)
    settlement = settle(day, network, charges, clearing, flows=flows, charge_base=network.distance)
    assert point.profit_eur == pytest.approx(settlement.profit_eur, rel=1e-10, abs=1e-11)
    assert point.profit_eur == pytest.approx(plain_profit(day, network, charges, clearing, flows=flows), rel=1e-10, abs=1e-11)
    assert point.profit_eur - point.value_eur == pytest.approx(settlement.welfare_eur, rel=1e-10, abs=1e-11)
    assert point.charged_kwh == pytest.approx(settlement.charged_kwh, rel=1e-10, abs=1e-11)
    assert point.imported_kwh == pytest.approx(settlement.import_kwh, rel=1e-10, abs=1e-11)
    assert point.loss_eur - line.base_loss_eur == pytest.approx(settlement.loss_cost_eur, rel=1e-10, abs=1e-11)
    assert point.flow_kw == pytest.approx(settlement.flow_kw, rel=1e-10, abs=1e-11)
    assert point.value_eur == pytest.approx(clearing.objective_eur, rel=1e-10, abs=1e-11)
    assert line.turnover_eur == pytest.approx(retail_bill(day))


def test_the_response_at_a_charge_of_a_piece_is_at_that_very_charge() -> None:
    """Or parts that are to meet there leave a digit between them, and what was kept of a search is refused."""
    for seed in range(4):
        piece = line_of(random_day(seed), random_network(seed)).piece(4.0, cap=4.0)  # nobody trades from far below on
        charges = np.linspace(piece.lower, piece.upper, 40)
        assert [piece.at(charge).charge for charge in charges] == charges.tolist()


def test_the_best_of_a_piece_is_best_of_all_its_charges_also_where_a_branch_reaches_its_limit() -> None:
    crossings = 0
    for seed in range(5):
        day = random_day(seed, n=4, periods=3, overload_price=0.1)
        network = random_network(seed, n=4, limit_kw=1.0)
        for objective in ("profit", "welfare"):
            line = line_of(day, network, objective=objective)
            for charge in (0.02, 0.12, 0.2):
                piece = line.piece(charge, cap=1.0)
                best = piece.at(piece.peak()[0])
                found = Chord(line, piece.lower_end, piece.upper_end).crossings
                crossings += len(found)
                for share in found:
                    full = np.abs(np.abs(piece.at(piece.lower + share * (piece.upper - piece.lower)).flow_kw) - 1.0).min()
                    assert full <= 1e-9
                goals = [piece.at(float(at)).goal_eur for at in np.linspace(piece.lower, piece.upper, 200)]
                assert max(goals) <= best.goal_eur + 1e-12
    assert crossings > 0  # or this has tested less than its name says
