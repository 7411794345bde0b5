"""Storage that loses nothing, and storage that wears next to nothing: the search closes as it does for any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network
from referee import distance

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact import TOLERANCE
from gridtoll.envs.market.exact.compiled import StructuredMarket

WEARS = (0.05, 0.005, 1e-4, 1e-5)  # EUR/kWh/kW; a price per mean load is about 0.3


def three_stores(efficiency: float) -> tuple[Day, Network]:
    """Six hours of three prosumers with storage on a line of four buses."""
    random = np.random.default_rng(1)
    load = random.uniform(0.3, 1.5, (6, 3))
    grid = make_grid(
        "a line",
        bus_names=list("abcd"),
        branch_from=[0, 1, 2],
        branch_to=[1, 2, 3],
        branch_resistance_pu=0.01,
        branch_reactance_pu=0.1,
        branch_limit_kw=50.0,
        base_power_kw=100.0,
        slack_bus=0,
    )
    day = make_day(
        label="three stores",
        demand_min=0.6 * load,
        demand_max=1.4 * load,
        utility_curvature=0.3 / load,
        utility_slope=0.62,
        renewable=np.maximum(0.0, np.sin(np.linspace(0.0, 3.1, 6)))[:, None] * np.array([3.0, 0.0, 1.5]),
        import_price=0.32,
        export_price=random.uniform(0.0, 0.27, 6),
        loss_price=0.1,
        overload_price=1.0,
        import_fee=0.0,
        import_limit=5.0,
        export_limit=5.0,
        grid_friction=0.005,
        storage_power=[0.5, 0.7, 1.0],
        storage_capacity=[1.0, 2.0, 1.5],
        storage_efficiency=efficiency,
        storage_wear=0.005,
        storage_start=0.0,
        trade_limit=5.0,
        trade_friction=0.005,
        n_buses=4,
    )
    return day, make_network(grid, [1, 2, 3])


def clearings_of(day: Day, network: Network, **options: Any) -> int:
    optimum = solve_optimum(day, network, make_tariff("distance", network), cap=1.0, market=StructuredMarket(), **options)
    assert optimum.relative_gap <= 1e-6
    return optimum.clearings


@pytest.mark.parametrize("efficiency", [1.0, 1.0 - 1e-15, 1.0 - 1e-12, 1.0 - 1e-9, 0.999])
def test_losses_that_vanish_change_nothing_about_how_soon_the_search_closes(efficiency: float) -> None:
    assert clearings_of(*three_stores(efficiency)) < 20


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wear", WEARS)
def test_random_communities_with_lossless_storage_close(seed: int, wear: float) -> None:
    day = random_day(seed, n=4, periods=5, stores=3, storage_efficiency=1.0, storage_wear=wear)
    network = random_network(seed, n=4, meshed=bool(seed % 2))
    assert clearings_of(day, network, objective=("profit", "welfare")[seed % 2], flows=("trades", "injections")[seed % 3 == 2]) < 150


@pytest.mark.parametrize("wear", WEARS)
def test_both_ends_of_every_piece_clear_as_well_as_its_middle(wear: float) -> None:
    """A wear of 1e-5 makes of rounding in a price 100,000 times as much in energy, which must stay on the bounds it is held on."""
    for seed in range(4):
        day = random_day(seed, n=4, periods=6, stores=4, storage_efficiency=1.0, storage_wear=wear)
        network = random_network(seed, n=4)
        line = ChargeLine(day, network, network.distance, flows="trades", market=StructuredMarket())
        for charge in (0.01, 0.05, 0.1, 0.2):
            piece = line.piece(charge, cap=1.0)
            assert piece.upper > piece.lower
            assert max(piece.lower_end.worst, piece.upper_end.worst, piece.at(charge).worst) <= TOLERANCE


def there_and_back(*, lost: float, wear: float, power: float) -> Day:
    """A cheap hour and a dear one, and a store that takes its power limit in the first and gives back what is left in the second."""
    prices = np.array([0.1, 0.3])
    return make_day(
        label="there and back",
        demand_min=np.full((2, 2), 0.5),
        demand_max=np.full((2, 2), 1.5),
        utility_curvature=0.3,
        utility_slope=0.62,
        renewable=0.0,
        import_price=prices,
        export_price=prices - 0.05,
        loss_price=0.1,
        overload_price=1.0,
        import_fee=0.0,
        import_limit=5.0,
        export_limit=5.0,
        grid_friction=0.005,
        storage_power=[power, 0.0],
        storage_capacity=[4.0, 0.0],
        storage_start=[1.0, 0.0],
        storage_efficiency=1.0 - lost,
        storage_wear=wear,
        trade_limit=5.0,
        trade_friction=0.005,
        n_buses=2,
    )


@pytest.mark.parametrize("wear", [1e-5, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("lost", [0.0, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5])
def test_a_store_a_last_bit_short_of_its_power_limit_is_cleared_by_the_kernel(lost: float, wear: float) -> None:
    structured = StructuredMarket(threads=1)
    for power in (0.25, 0.5, 1.0):
        day, charges = there_and_back(lost=lost, wear=wear, power=power), np.zeros((2, 2))
        clearing = structured.clear(day, charges)
        assert clearing.storage_charge[0, 0] == power  # so that nearly as much comes back
        assert clearing.storage_discharge[1, 0] == pytest.approx(power * (1.0 - lost) ** 2, abs=TOLERANCE)
        assert distance(day, charges, clearing).objective_share < 1e-9
    assert structured.fallbacks == 0
