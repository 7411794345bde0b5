"""Who pays and who gains: every prosumer's account closes, in money and in energy, under both mechanisms."""

from __future__ import annotations

import numpy as np
import pytest

from gridtoll.envs.account.prosumers import COLUMNS, prosumer_account, prosumer_frame, summed
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.mechanism import Allocation, make_mechanism
from gridtoll.envs.market.no_trade import no_trade
from gridtoll.envs.market.solvers import make_market

MECHANISMS = ("exact", "call-auction")
COMMUNITY = load_community("simbench-rural")


def account_of(mechanism: str, number: int = 180, charge: float = 0.1) -> tuple[Day, Allocation, dict[str, Array]]:
    """A real day with batteries, sun and trade, and its account."""
    day, network = COMMUNITY.day(number), COMMUNITY.network
    charges = np.tile(charge * make_tariff("distance", network).basis[0], (day.n_periods, 1, 1))
    [clearing] = make_mechanism(mechanism).clear_many([day], [charges])
    alone = make_market("structured").clear(no_trade(day), 0.0 * charges)
    settled, settled_alone = settle(day, network, charges, clearing), settle(no_trade(day), network, 0.0 * charges, alone)
    return day, clearing, prosumer_account(day, clearing, settled, alone, settled_alone)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_a_prosumer_gets_of_energy_is_what_it_gives_away(mechanism: str) -> None:
    _, _, account = account_of(mechanism)
    gets = sum(account[name] for name in ("renewable_used_kwh", "import_kwh", "bought_kwh", "battery_discharged_kwh"))
    gives = sum(account[name] for name in ("demand_kwh", "export_kwh", "sold_kwh", "battery_charged_kwh"))
    np.testing.assert_allclose(gets, gives, atol=1e-6)
    assert account["sold_kwh"].sum() == pytest.approx(account["bought_kwh"].sum())
    assert account["sold_kwh"].sum() > 1.0


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_frictions_are_what_utility_less_bill_and_surplus_leaves(mechanism: str) -> None:
    """Frictions stand in the account as a remainder; here they are summed from their own formulas, period by period."""
    day, clearing, account = account_of(mechanism)
    expected = np.zeros(day.n_prosumers)
    for t in range(day.n_periods):
        for i in range(day.n_prosumers):
            connection = 0.5 * day.grid_friction[i] * (clearing.grid_import[t, i] ** 2 + clearing.grid_export[t, i] ** 2)
            wear = 0.5 * day.storage_wear[i] * (clearing.storage_charge[t, i] ** 2 + clearing.storage_discharge[t, i] ** 2)
            sold, bought = clearing.trade[t, i] ** 2 @ day.trade_friction[i], clearing.trade[t, :, i] ** 2 @ day.trade_friction[:, i]
            expected[i] += day.period_hours * (connection + wear + 0.25 * (sold + bought))
    np.testing.assert_allclose(account["friction_eur"], expected, atol=1e-9)
    assert expected.max() > 0.01


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_what_partners_pay_partners_receive_and_charges_are_the_revenue(mechanism: str) -> None:
    day, clearing, account = account_of(mechanism)
    assert account["paid_to_partners_eur"].sum() == pytest.approx(account["received_from_partners_eur"].sum())
    basis = make_tariff("distance", COMMUNITY.network).basis[0]
    assert account["network_charge_eur"].sum() == pytest.approx(0.1 * float((basis * clearing.trade.sum(axis=0)).sum()) * day.period_hours)
    bill = account["paid_to_retailer_eur"] - account["received_from_retailer_eur"] + account["network_charge_eur"]
    np.testing.assert_allclose(account["bill_eur"], bill + account["paid_to_partners_eur"] - account["received_from_partners_eur"])


def test_nobody_loses_by_trade_that_is_free_and_who_gains_pays_less_or_uses_more() -> None:
    _, _, account = account_of("exact", charge=0.0)
    assert (account["gain_eur"] >= -1e-9).all()
    assert account["gain_eur"].max() > 0.5
    np.testing.assert_allclose(account["gain_eur"], account["surplus_eur"] - account["surplus_without_trade_eur"])


def test_without_trade_an_account_is_that_of_everybody_alone() -> None:
    day = COMMUNITY.day(180)
    zero = np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers))
    alone = make_market("structured").clear(no_trade(day), zero)
    settled = settle(no_trade(day), COMMUNITY.network, zero, alone)
    account = prosumer_account(day, alone, settled, alone, settled)
    assert not account["sold_kwh"].any()
    np.testing.assert_array_equal(account["gain_eur"], 0.0)
    np.testing.assert_array_equal(account["bill_eur"], account["bill_without_trade_eur"])


def test_sums_over_days_are_those_of_their_columns() -> None:
    first, second = account_of("exact", 12)[2], account_of("exact", 180)[2]
    total = summed([first, second])
    assert list(total) == [name for name in COLUMNS if name != "prosumer"]
    np.testing.assert_allclose(total["bill_eur"], first["bill_eur"] + second["bill_eur"])
    with pytest.raises(ValueError, match="at least one day"):
        summed([])


def test_the_table_says_the_unit_of_every_column() -> None:
    frame = prosumer_frame(account_of("exact")[2], COMMUNITY.prosumer_names)
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["prosumer"]) == list(COMMUNITY.prosumer_names)
    assert {frame.attrs["units"][name] for name in COLUMNS if name != "prosumer"} == {"EUR", "kWh"}
    with pytest.raises(ValueError, match="`prosumer_names` must be 13 names, got 2"):
        prosumer_frame(account_of("exact")[2], ["a", "b"])
