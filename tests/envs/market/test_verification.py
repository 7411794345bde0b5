"""A clearing's certificate is recomputed from its arrays alone, and nothing that is not the optimum passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kkt
import numpy as np
import pytest
from builders import clear, random_day
from kkt import PRICES, PRIMAL

from gridtoll.envs.market.exact import Certificate, verify


@pytest.mark.parametrize("name", [*PRIMAL, *PRICES])
def test_the_referee_and_the_certificate_refuse_a_perturbed_clearing(name: str) -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    whole = getattr(clearing, name)
    if name == "trade":
        variable = np.broadcast_to(day.can_trade, whole.shape)
    else:
        variable = np.broadcast_to(day.has_storage if name.startswith("stor") else True, whole.shape).copy()
        variable[0] &= name != "stored_energy"  # its first row is data
    places = np.argwhere(variable)
    for where in (tuple(places[0]), tuple(places[len(places) // 2]), tuple(places[-1])):
        for by in (1e-6, -1e-6):
            entries = whole.copy()
            entries[where] += by
            wrong = replace(clearing, **{name: entries})
            assert kkt.residuals(day, charges, wrong).worst > 1e-7
            certificate = verify(day, charges, wrong)
            assert not certificate.holds(), (name, where)
            assert certificate.worst > 1e-7


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("trade", (0, 1, 1), 0.5),  # with oneself
        ("trade", (0, 2, 3), 0.5),  # between those who may not
        ("storage_charge", (1, 4), 0.5),  # where there is no storage
        ("storage_discharge", (1, 4), 0.5),
        ("storage_price", (1, 4), 0.5),
        ("stored_energy", (3, 4), 0.5),
        ("stored_energy", (0, 0), 0.0),  # a day that does not begin with its start
    ],
)
def test_verification_sees_what_stands_where_the_program_has_no_variable(name: str, where: Any, value: float) -> None:
    limit = np.full((5, 5), 4.0)
    limit[2, 3] = 0.0
    day = random_day(0, trade_limit=limit)
    charges, clearing = clear(day, 0.05)
    assert verify(day, charges, clearing).holds()
    entries = getattr(clearing, name).copy()
    entries[where] = value
    assert not verify(day, charges, replace(clearing, **{name: entries})).holds()


@pytest.mark.parametrize("seed", range(4))
def test_the_dual_residual_is_the_greatest_slope_against_which_nothing_holds(seed: int) -> None:
    """Held variables may have a slope towards their bound, free ones none; here prices and quantities are wrong by a little at random."""
    day, random = random_day(seed, trade_limit=1.0), np.random.default_rng(seed)
    charges, clearing = clear(day, 0.05)
    power, price = kkt.units(day)
    wrong = replace(
        clearing,
        nodal_price=clearing.nodal_price + 1e-3 * random.standard_normal((6, 5)),
        storage_price=clearing.storage_price + 1e-3 * day.has_storage * random.standard_normal((6, 5)),
        demand=clearing.demand + 1e-7 * random.standard_normal((6, 5)),
        trade=clearing.trade + 1e-7 * day.can_trade * np.abs(random.standard_normal((6, 5, 5))),
    )
    worst = 0.0
    for family in kkt.families(day, charges, wrong):
        slope = (family.quadratic * family.value + family.linear + family.price) / price
        low, high = family.value <= family.lower + 1e-11 * power, family.value >= family.upper - 1e-11 * power
        against = np.where(low & high, 0.0, np.where(low, -slope, np.where(high, slope, np.abs(slope))))
        worst = max(worst, float(against[family.exists].max(initial=0.0)))
    assert worst > 1e-5
    assert verify(day, charges, wrong).dual_residual == pytest.approx(worst, rel=1e-9)


@pytest.mark.parametrize("excess", [1e-6, -1e-6])
def test_power_beyond_a_bound_is_a_violation_even_where_every_balance_holds(excess: float) -> None:
    day = random_day(0, trade_limit=0.5)
    charges, clearing = clear(day, 0.05)
    period, seller, buyer = np.argwhere(day.can_trade & (clearing.trade == (0.5 if excess > 0 else 0.0)))[-1]
    trade = clearing.trade.copy()
    trade[period, seller, buyer] += excess  # back and forth, so that nobody's balance changes
    trade[period, buyer, seller] += excess
    found = verify(day, charges, replace(clearing, trade=trade))
    size = np.maximum(day.demand_max.mean(axis=0), day.renewable.mean(axis=0))  # what is much for each
    assert found.primal_residual == pytest.approx(1e-6 / min(size[seller], size[buyer]), rel=1e-6)


def test_quantities_just_off_their_bounds_need_a_slope_of_zero() -> None:
    """Complementarity: a variable that is held by its slope must be at the bound, to the accuracy of changing units."""
    day = random_day(0, import_limit=20.0)
    charges, clearing = clear(day, 0.05)
    period, prosumer = np.argwhere((clearing.grid_import == 0) & (clearing.nodal_price < 0.2))[0]
    bought = clearing.grid_import.copy()
    bought[period, prosumer] = 1e-8
    expected = (0.32 - clearing.nodal_price[period, prosumer]) / kkt.units(day)[1]
    found = verify(day, charges, replace(clearing, grid_import=bought))
    assert found.dual_residual == pytest.approx(expected, rel=1e-6)


def test_verification_of_the_right_arrays_at_other_charges_or_on_another_day_fails() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    assert verify(day, charges, clearing).worst == pytest.approx(clearing.certificate.worst, abs=1e-13)
    assert not verify(day, charges + 1e-6, clearing).holds()
    assert not verify(random_day(1), charges, clearing).holds()


def test_a_certificate_with_a_number_missing_holds_nowhere() -> None:
    assert Certificate(0.0, 0.0, 0.0).holds()
    assert Certificate(1e-9, -1e-9, -1e-9).holds()
    assert not Certificate(0.0, 0.0, -2e-9).holds()
    for values in ((np.nan, 0.0, 0.0), (0.0, np.nan, 0.0), (0.0, 0.0, np.nan)):
        certificate = Certificate(*values)
        assert np.isnan(certificate.worst)
        assert not certificate.holds(np.inf)
    assert not Certificate(np.inf, 0.0, 0.0).holds()


@pytest.mark.parametrize("name", [*PRIMAL, *PRICES])
def test_one_missing_number_anywhere_voids_the_certificate(name: str) -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    entries = getattr(clearing, name).copy()
    entries[(0,) * (entries.ndim - 1) + (1,)] = np.nan  # period 0, a seller, a buyer or an owner of storage
    if name == "stored_energy":
        entries[1, 1] = np.nan
    assert not verify(day, charges, replace(clearing, **{name: entries})).holds(1e9)
