"""The bound for several stores where each charge is taken as standing: nothing that is played exceeds it, hour by hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum.hourly_game.bound import bound_hourly
from gridtoll.agents.optimum.hourly_game.standing import StandingBound, bound_standing
from gridtoll.agents.optimum.hourly_game.stored_worth import StoredWorth
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.tail import first_hour, tail_of
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.6


def day_of(seed: int) -> Day:
    """A day with two or three stores, whose connections are narrow for odd seeds."""
    wide: dict[str, Any] = {} if seed % 2 else {"import_limit": 20.0, "export_limit": 20.0, "trade_limit": 20.0}
    return random_day(seed, stores=2 + seed % 2, import_fee=0.04 * (seed % 3 == 0), **wide)


def basis_of(network: Network) -> Array:
    basis: Array = make_tariff("distance", network).basis[0]
    return basis


def bound_of(day: Day, network: Network, slabs: int = 10) -> StandingBound:
    return bound_standing(day, network, basis_of(network), cap=CAP, slabs=slabs, max_rounds=12)


def played(day: Day, network: Network, charges: Array, market: StructuredMarket) -> tuple[Array, Array]:
    """What the operator earns in each hour, shape (T,), and what stores hold before and after, shape (T + 1, N)."""
    stored, earned, basis = [day.storage_start], [], basis_of(network)
    for hour, charge in enumerate(charges):
        tail = tail_of(day, hour, stored[-1])
        now, plan = first_hour(tail, market.clear(tail, charge * basis))
        earned.append(settle(now, network, charge * basis, plan).profit_eur)
        stored.append(np.clip(plan.stored_energy[1], 0.0, day.storage_capacity))
    return np.array(earned), np.array(stored)


def drawn(rng: np.random.Generator, n: int, hours: int) -> Array:
    """Sequences of charges: uniform ones, small ones, and such as jump between nothing and much."""
    kind = rng.integers(3, size=(n, 1))
    uniform = rng.uniform(0.0, CAP, (n, hours))
    small = CAP * 10.0 ** rng.uniform(-4.0, 0.0, (n, hours))
    jumps = np.where(rng.random((n, hours)) < 0.5, 0.0, rng.uniform(0.1, 1.0, (n, hours)) * CAP)
    return np.where(kind == 0, uniform, np.where(kind == 1, small, jumps))


@pytest.mark.parametrize("seed", range(6))
def test_no_hour_of_any_sequence_earns_more_than_the_bound_allows(seed: int) -> None:
    day, network, market = day_of(seed), random_network(seed), StructuredMarket(threads=1)
    bound, owner = bound_of(day, network), np.flatnonzero(day.has_storage)
    assert np.isfinite(bound.bound_eur)
    best = 0.0
    for charges in drawn(np.random.default_rng(seed), 60, day.n_periods):
        earned, stored = played(day, network, charges, market)
        held = stored[:, owner]
        assert np.all(held >= bound.low - 1e-9)
        assert np.all(held <= bound.high + 1e-9)
        left = bound.by_hour_eur - (earned - np.sum(bound.worth * np.diff(held, axis=0), axis=1))
        assert left.min() >= -1e-9
        best = max(best, float(earned.sum()))
    assert best <= bound.bound_eur
    assert bound.bound_eur < 12.0 * best  # and it says something


def test_it_falls_with_finer_slabs_to_below_the_bound_for_any_belief() -> None:
    day, network = day_of(2), random_network(2)
    coarse, fine = bound_of(day, network, 4).bound_eur, bound_of(day, network, 16).bound_eur
    assert fine < coarse
    assert fine < 0.9 * bound_hourly(day, network).bound_eur


@pytest.mark.parametrize("seed", range(4))
def test_stored_energy_is_worth_what_is_proved_of_it(seed: int) -> None:
    day, network, rng = day_of(seed), random_network(seed), np.random.default_rng(seed)
    owner, market, edges = np.flatnonzero(day.has_storage), StructuredMarket(threads=1), np.linspace(0.0, CAP, 9)
    low, high = 0.2 * day.storage_capacity[owner], 0.8 * day.storage_capacity[owner]
    worth = StoredWorth(day, basis_of(network), edges)
    for hour in (0, 2, day.n_periods - 2):
        least, greatest = worth.between(hour, low, high)
        assert np.all(least <= greatest)
        for _ in range(20):
            slab, energy = int(rng.integers(8)), day.storage_start.copy()
            energy[owner] = np.where(rng.random(len(owner)) < 0.3, low, rng.uniform(low, high))
            tail = replace(tail_of(day, hour, energy), storage_end=day.stored_at_end)
            plan = market.clear(tail, rng.uniform(edges[slab], edges[slab + 1]) * basis_of(network))
            price = plan.storage_price[0, owner]
            # Where a store neither takes nor gives, its price is any of a range; at its limit likewise.
            moved = (plan.storage_charge[0, owner] + plan.storage_discharge[0, owner]) > 1e-6
            full = np.maximum(plan.storage_charge[0, owner], plan.storage_discharge[0, owner]) > day.storage_power[owner] - 1e-6
            sure = moved & ~full
            assert np.all(price[sure] >= least[slab][sure] - 1e-9)
            assert np.all(price[sure] <= greatest[slab][sure] + 1e-9)


def test_a_store_that_can_only_just_be_filled_has_no_greatest_price_and_the_bound_holds_all_the_same() -> None:
    day, network = random_day(1, stores=1, storage_power=[0.8, 0.0, 0.0, 0.0, 0.0]), random_network(1)
    bound = bound_of(day, network, 6)
    floor = float(day.storage_start[0] - 0.8 * 0.95)  # from where it is filled in the last hour at full power
    assert bound.low[-2, 0] == pytest.approx(floor, abs=1e-9)
    assert np.all(np.isinf(StoredWorth(day, basis_of(network), np.array([0.0, CAP])).between(5, np.array([floor]), np.array([3.0]))[1]))
    earned = [played(day, network, charges, StructuredMarket(threads=1))[0].sum() for charges in drawn(np.random.default_rng(0), 20, 6)]
    assert max(earned) <= bound.bound_eur < np.inf
