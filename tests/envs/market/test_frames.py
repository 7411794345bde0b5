"""Clearings and settlements as tables: the same numbers, row by row, with units."""

from __future__ import annotations

import numpy as np
import pytest

from gridtoll.envs.account.settlement import settle, settle_many
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.mechanism import make_mechanism

COMMUNITY = load_community("simbench-rural")
DAY = COMMUNITY.day(180)
CHARGES = np.tile(0.1 * make_tariff("distance", COMMUNITY.network).basis[0], (24, 1, 1))


@pytest.mark.parametrize("mechanism", ["exact", "call-auction"])
def test_a_clearing_is_a_row_for_each_period_and_prosumer(mechanism: str) -> None:
    [clearing] = make_mechanism(mechanism).clear_many([DAY], [CHARGES])
    frame = clearing.to_frame(COMMUNITY.prosumer_names)  # type: ignore[attr-defined]
    assert len(frame) == 24 * 13
    row = frame[(frame["period"] == 12) & (frame["prosumer"] == COMMUNITY.prosumer_names[3])].iloc[0]
    assert row["demand_kw"] == clearing.demand[12, 3]
    assert row["stored_at_end_kwh"] == clearing.stored_energy[13, 3]
    assert row["sold_kw"] == clearing.trade[12, 3].sum()
    assert row["bought_kw"] == clearing.trade[12, :, 3].sum()
    sold = frame["sold_kw"] * frame["selling_price_eur_per_kwh"].fillna(0.0)
    bought = frame["bought_kw"] * frame["buying_price_eur_per_kwh"].fillna(0.0)
    assert sold.sum() == pytest.approx((clearing.trade * clearing.trade_price).sum()) == pytest.approx(bought.sum())
    assert frame["selling_price_eur_per_kwh"].isna().equals(frame["sold_kw"] == 0)
    assert frame["nodal_price_eur_per_kwh"].isna().all() == (mechanism != "exact")
    assert frame.attrs["units"]["nodal_price_eur_per_kwh"] == "EUR/kWh"
    assert frame.attrs["units"]["stored_at_end_kwh"] == "kWh"


def test_names_are_as_many_as_prosumers() -> None:
    [clearing] = make_mechanism("exact").clear_many([DAY], [CHARGES])
    assert list(clearing.to_frame()["prosumer"][:3]) == [0, 1, 2]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="`prosumer_names` must be 13 names, got 1"):
        clearing.to_frame(["me"])  # type: ignore[attr-defined]


def test_a_settlement_is_a_row_for_each_prosumer_and_settlements_one_for_each_day() -> None:
    [clearing] = make_mechanism("exact").clear_many([DAY], [CHARGES])
    settlement = settle(DAY, COMMUNITY.network, CHARGES, clearing)
    frame = settlement.to_frame(COMMUNITY.prosumer_names)
    assert list(frame.columns) == ["prosumer", "surplus_eur", "payment_eur", "charge_eur"]
    assert frame["charge_eur"].sum() == pytest.approx(settlement.revenue_eur)
    assert frame.attrs["units"]["surplus_eur"] == "EUR"
    many = settle_many([DAY, DAY], COMMUNITY.network, np.stack([CHARGES, CHARGES]), [clearing, clearing]).to_frame([DAY.label, "again"])
    assert list(many["day"]) == [DAY.label, "again"]
    assert many["profit_eur"][1] == settlement.profit_eur
    assert "surplus_eur" not in many
