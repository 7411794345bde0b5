"""Prices of idle storage: what is taken from the middle of a range clears the market as well as what came, and pieces reach further."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import random_basis, random_day, random_network

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.one_charge import idle
from gridtoll.agents.optimum.one_charge.flat import FlatMarket
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from gridtoll.envs.market.exact.point import Point, certify

IDLE = {
    "losses too great to use storage much": lambda seed: random_day(seed, stores=3, storage_efficiency=0.5),
    "start full": lambda seed: random_day(seed, stores=3, storage_start=[3.0, 3.0, 3.0, 0.0, 0.0]),
    "start empty": lambda seed: random_day(seed, stores=3, storage_start=0.0),
    "prices alike at all hours": lambda seed: random_day(seed, stores=3, export_price=0.1),
    "ordinary": lambda seed: random_day(seed, stores=3),
}


def cleared(day: Day, charge: float):  # type: ignore[no-untyped-def]
    charges = charge * random_basis(1, 5)
    data = scale(day, read_charges(day, charges), Structure.of(day))
    return data, point_of(data, StructuredMarket().clear(day, charges))


def centred(data: MarketData, point: Point, d_nodal: Array, d_storage: Array) -> tuple[Array, Array]:
    """What the loops make of a point's storage prices and of their changes, both of shape (T, J)."""
    flat = FlatMarket(data, np.zeros_like(data.charge), counts_own_exchange=False)
    change = np.concatenate([d_nodal.ravel(), d_storage.ravel()])
    found = idle.centred(flat.lines, flat.pack(point), flat.prices(point), change)
    middle, moved = (flat.split_prices(part)[1] for part in found)
    return middle, moved


@pytest.mark.parametrize("kind", IDLE)
@pytest.mark.parametrize("seed", range(5))
def test_centred_prices_certify_the_same_clearing(kind: str, seed: int) -> None:
    data, point = cleared(IDLE[kind](seed), 0.05)
    none = np.zeros_like(point.nodal_price), np.zeros_like(point.storage_price)
    prices, change = centred(data, point, *none)
    assert certify(data, replace(point, storage_price=prices)).worst <= 1e-12
    assert not change.any()  # prices that stand still have still middles


def test_prices_of_storage_in_use_are_kept_and_idle_ones_leave_the_edges_of_their_range() -> None:
    data, point = cleared(IDLE["losses too great to use storage much"](0), 0.05)
    edge = replace(point, storage_price=data.storage_efficiency * point.nodal_price[:, data.structure.owner])  # what discharging earns
    prices, _ = centred(data, edge, np.zeros_like(point.nodal_price), np.zeros_like(point.storage_price))
    charging, discharging = point.charge > 1e-9, point.discharge > 1e-9
    used = charging | discharging
    np.testing.assert_array_equal(prices[used], edge.storage_price[used])
    worth = point.nodal_price[:, data.structure.owner]
    unused = ~used & (point.charge <= 0) & (point.discharge <= 0) & (worth > 0)
    assert unused.sum() > 5
    strictly_inside = (prices > data.storage_efficiency * worth + 1e-9) & (prices < worth / data.storage_efficiency - 1e-9)
    assert strictly_inside[unused].mean() > 0.3  # the other hours are held by their neighbours


def test_the_middle_moves_with_the_nodal_prices_it_lies_between() -> None:
    data, point = cleared(IDLE["losses too great to use storage much"](2), 0.05)
    rise = np.random.default_rng(0).normal(size=point.nodal_price.shape)
    step = 1e-7
    before, change = centred(data, point, rise, np.zeros_like(point.storage_price))
    after, _ = centred(data, replace(point, nodal_price=point.nodal_price + step * rise), rise, np.zeros_like(point.storage_price))
    np.testing.assert_allclose(after - before, step * change, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_is_as_wide_from_wherever_it_is_entered(seed: int) -> None:
    day = random_day(seed, stores=3, storage_efficiency=0.5)
    line = ChargeLine(day, random_network(seed), random_basis(1, 5), flows="trades", market=StructuredMarket())
    first = line.piece(0.05, cap=1.0)
    assert first.upper > first.lower
    for share in (0.2, 0.7):
        again = line.piece(first.lower + share * (first.upper - first.lower), cap=1.0)
        assert again.upper - again.lower >= 0.1 * (first.upper - first.lower)


def test_a_day_with_idle_storage_on_both_edges_of_its_price_range_closes_in_a_few_clearings() -> None:
    # Pieces of no width, from prices of full and idle storage on the edge of their range, once kept this day open for 5,000 clearings.
    community = load_community("ieee9")
    tariff = make_tariff("distance", community.network)
    optimum = solve_optimum(
        community.day(327, price_path=2), community.network, tariff, cap=community.charge_cap, market=StructuredMarket()
    )
    assert optimum.relative_gap <= 1e-6
    assert optimum.clearings < 100


def test_a_day_on_which_sun_is_curtailed_at_an_export_price_of_zero_closes_in_a_few_clearings() -> None:
    # Four prosumers' exports are free and 0 but for rounding. Their derivative, rounding as well, once ended every piece where it began.
    community = load_community("ieee39")
    tariff = make_tariff("distance", community.network)
    optimum = solve_optimum(
        community.day(202, price_path=1), community.network, tariff, cap=community.charge_cap, market=StructuredMarket()
    )
    assert optimum.relative_gap <= 1e-6
    assert optimum.clearings < 60
    assert max(piece.upper - piece.lower for piece in optimum.pieces) > 1e-4
