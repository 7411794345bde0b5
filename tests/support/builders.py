"""Small seeded days and networks for tests, ordinary and degenerate, and the markets that all tests of a process share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.community import Community, make_community
from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact import Clearing, P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

Array = NDArray[np.float64]

FRICTION = 0.005  # EUR/kWh/kW at a mean load of about 1 kW, as model.md section 8 scales it


@functools.cache
def market() -> P2PMarket:
    """The market by CVXPY that all tests of a process share, because compiling a structure takes ten times as long as clearing it."""
    return P2PMarket()


@functools.cache
def kernel() -> StructuredMarket:
    """The compiled market, for tests of what is built on clearings: it has the same answers, for a hundredth of the time."""
    return StructuredMarket(threads=1)


def day_fields(seed: int = 0, *, n: int = 5, periods: int = 6, stores: int = 2, hours: float = 1.0) -> dict[str, Any]:
    """The arguments of ``make_day`` for an ordinary day: loads near 1 kW, sun at midday for most, storage for the first few."""
    random = np.random.default_rng(seed)
    load = random.uniform(0.3, 2.0, (periods, n))
    clock = (np.arange(periods) + 0.5) / periods
    sun = np.clip(np.sin((clock - 0.2) / 0.6 * np.pi), 0.0, None)[:, None]
    roofs = random.permutation(n) < max(1, (3 * n) // 5)
    renewable = sun * roofs * random.uniform(2.0, 7.0, n) * random.uniform(0.5, 1.0, (periods, 1))
    curvature = 0.3 / load
    owns = (np.arange(n) < stores).astype(float)
    connection = np.maximum(3.0 * load.max(axis=0), renewable.max(axis=0))
    export = random.uniform(-0.02, 0.25, periods)
    return {
        "label": f"random day {seed}",
        "period_hours": hours,
        "demand_min": 0.6 * load,
        "demand_max": 1.4 * load,
        "utility_curvature": curvature,
        "utility_slope": 0.32 + curvature * load,
        "renewable": renewable,
        "import_price": 0.32,
        "export_price": export,
        "loss_price": np.maximum(export, 0.02),
        "overload_price": 1.0,
        "import_fee": 0.0,
        "import_limit": connection,
        "export_limit": connection,
        "grid_friction": FRICTION,
        "storage_power": 1.5 * owns,
        "storage_capacity": 3.0 * owns * hours,
        "storage_efficiency": 0.95,
        "storage_wear": FRICTION,
        "storage_start": 1.5 * owns * hours,
        "trade_limit": np.minimum.outer(connection, connection),
        "trade_friction": FRICTION,
        "n_buses": n + 1,
    }


def random_day(seed: int = 0, *, n: int = 5, periods: int = 6, stores: int = 2, hours: float = 1.0, **changes: Any) -> Day:
    """An ordinary day with some fields changed."""
    return make_day(**(day_fields(seed, n=n, periods=periods, stores=stores, hours=hours) | changes))


def random_network(seed: int = 0, *, n: int = 5, meshed: bool = False, limit_kw: float = 5.0) -> Network:
    """Bus 0 is the slack and nobody's; every prosumer has a bus of their own in a random tree, with two more branches if meshed."""
    random = np.random.default_rng(seed)
    start = [int(random.integers(0, bus)) for bus in range(1, n + 1)]
    end = list(range(1, n + 1))
    if meshed:
        start, end = [*start, 0, 1], [*end, n, n - 1]
    grid = make_grid(
        f"random grid {seed}",
        bus_names=[f"bus {bus}" for bus in range(n + 1)],
        branch_from=start,
        branch_to=end,
        branch_resistance_pu=random.uniform(0.3, 1.0, len(start)),
        branch_reactance_pu=random.uniform(0.5, 2.0, len(start)),
        branch_limit_kw=limit_kw,
        base_power_kw=100.0,
        slack_bus=0,
    )
    return make_network(grid, range(1, n + 1))


def random_basis(seed: int, n: int) -> Array:
    """A charge basis as a tariff has them: at least 0, zero diagonal, mean 1 over pairs; not symmetric, which no rule asks for."""
    basis = np.random.default_rng(seed).uniform(0.2, 2.0, (n, n))
    np.fill_diagonal(basis, 0.0)
    return basis * (n * (n - 1) / float(basis.sum()))


def charges_of(day: Day, charge: float) -> Array:
    """Charges of mean ``charge`` in EUR/kWh that differ from pair to pair."""
    return charge * random_basis(1, day.n_prosumers) if day.n_prosumers > 1 else np.zeros((1, 1))


def clear(day: Day, charge: float) -> tuple[Array, Clearing]:
    """Charges of that mean, and the day cleared at them."""
    charges = charges_of(day, charge)
    return charges, market().clear(day, charges)


def retail_bill(day: Day) -> float:
    """What rounding is measured by, in EUR: the bill if the middle of every demand range were imported."""
    return float(day.period_hours * np.sum(np.abs(day.own_import_price) * 0.5 * (day.demand_min + day.demand_max)))


def pair_day(*, exports: bool = True, **changes: Any) -> Day:
    """One hour of two prosumers: the first has sun, the second buys. With ``exports`` the first exports what is left and the second imports
    what is missing, whatever the charge; without, neither uses the retail connection."""
    values: dict[str, Any] = {
        "label": "a pair",
        "demand_min": np.zeros((1, 2)),
        "demand_max": np.full((1, 2), 10.0),
        "utility_curvature": [[0.2, 0.1]],
        "utility_slope": [[0.4, 1.2]] if exports else [[0.5, 0.7]],
        "renewable": [[9.0 if exports else 2.0, 0.0]],
        "import_price": 0.32 if exports else 2.0,
        "export_price": 0.12 if exports else -2.0,
        "loss_price": 0.1,
        "overload_price": 1.0,
        "import_fee": 0.0,
        "import_limit": 20.0,
        "export_limit": 20.0,
        "grid_friction": 0.01,
        "storage_power": 0.0,
        "storage_capacity": 0.0,
        "storage_efficiency": 1.0,
        "storage_wear": 0.0,
        "storage_start": 0.0,
        "trade_limit": 20.0,
        "trade_friction": 0.04,
        "n_buses": 2,
    }
    return make_day(**(values | changes))


def pair_network(*, resistance_pu: float = 1.0, limit_kw: float = 100.0) -> Network:
    """Two buses and one branch of base power 100 kW, the first bus the slack."""
    grid = make_grid(
        "one branch",
        bus_names=["west", "east"],
        branch_from=[0],
        branch_to=[1],
        branch_resistance_pu=[resistance_pu],
        branch_reactance_pu=[1.0],
        branch_limit_kw=limit_kw,
        base_power_kw=100.0,
        slack_bus=0,
    )
    return make_network(grid, [0, 1])


def _clones() -> Day:
    """Everyone alike, so that every choice between partners is a tie."""
    fields = day_fields(3)
    for name in ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable"):
        fields[name] = np.repeat(fields[name][:, :1], 5, axis=1)
    fields |= {"import_limit": 10.0, "export_limit": 10.0, "trade_limit": 10.0}
    fields |= {"storage_power": 1.5, "storage_capacity": 3.0, "storage_start": 1.5}
    return make_day(**fields)


def household_prices(seed: int, *, periods: int, n: int, low: float = -0.05, high: float = 0.5) -> dict[str, Any]:
    """Retail prices of each household's own: exports bring more than others pay for imports, never more than the own ones cost."""
    drawn = np.sort(np.random.default_rng(seed).uniform(low, high, (2, periods, n)), axis=0)
    return {"import_price": drawn[1], "export_price": drawn[0]}


DEGENERATE: dict[str, Callable[[], Day]] = {
    "no sun": lambda: random_day(1, renewable=0.0),
    "the same price in every hour": lambda: random_day(2, export_price=0.1),
    "import and export at one price": lambda: random_day(2, import_price=0.1, export_price=0.1),
    "trades at their cap": lambda: random_day(4, trade_limit=0.05),
    "idle batteries": lambda: random_day(5, storage_wear=10.0, import_price=0.3, export_price=0.29),
    "full batteries": lambda: random_day(5, storage_start=[3.0, 3.0, 0.0, 0.0, 0.0]),
    "empty batteries": lambda: random_day(5, storage_start=0.0),
    "lossless batteries": lambda: random_day(5, storage_efficiency=1.0),
    "very lossy batteries": lambda: random_day(5, storage_efficiency=0.05),
    "power without capacity": lambda: random_day(6, storage_capacity=0.0, storage_start=0.0),
    "capacity without power": lambda: random_day(6, stores=0, storage_capacity=3.0, storage_start=1.0),
    "nobody has storage": lambda: random_day(6, stores=0, storage_wear=0.0),
    "zero prices": lambda: random_day(7, import_price=0.0, export_price=0.0),
    "negative prices": lambda: random_day(7, import_price=-0.05, export_price=-0.3),
    "prices of both signs": lambda: random_day(
        7, import_price=[0.3, -0.1, 0.0, 0.3, 0.2, 0.0], export_price=[0.0, -0.2, 0.0, -0.1, 0.2, -0.3]
    ),
    "a price for each household": lambda: random_day(19, **household_prices(19, periods=6, n=5)),
    "a price of either sign for each household": lambda: random_day(7, **household_prices(7, periods=6, n=5, low=-0.3, high=0.3)),
    "nobody may trade": lambda: random_day(8, trade_limit=0.0),
    "one pair may trade, one way": lambda: random_day(8, trade_limit=4.0 * (np.arange(25).reshape(5, 5) == 1)),
    "quarter hours": lambda: random_day(9, hours=0.25),
    "two hours a period": lambda: random_day(9, hours=2.0),
    "one period": lambda: random_day(10, periods=1),
    "two prosumers": lambda: random_day(11, n=2, stores=1),
    "one prosumer": lambda: random_day(12, n=1, stores=1),
    "nine prosumers": lambda: random_day(13, n=9, periods=4, stores=3),
    "fixed demand": lambda: random_day(14, demand_min=1.0, demand_max=np.ones((6, 5))),
    "no demand": lambda: random_day(14, demand_min=0.0, demand_max=np.zeros((6, 5))),
    "nothing at all": lambda: random_day(14, demand_min=0.0, demand_max=np.zeros((6, 5)), renewable=0.0, stores=0),
    "no exports": lambda: random_day(15, export_limit=0.0),
    "just enough connection": lambda: random_day(16, renewable=0.0, demand_min=1.0, demand_max=np.full((6, 5), 2.0), import_limit=1.0),
    "everyone alike": _clones,
    "everyone alike and idle": lambda: random_day(17, demand_min=0.0, renewable=0.0, utility_slope=0.2, export_price=0.1),
    "ties between sellers and between buyers": lambda: random_day(
        18,
        demand_min=1.0,
        demand_max=np.full((6, 5), 2.0),
        utility_curvature=0.25,
        utility_slope=0.75,
        renewable=[4.0, 4.0, 4.0, 0.0, 0.0],
        import_price=0.25,
        export_price=0.0,
        import_limit=10.0,
        export_limit=10.0,
        trade_limit=0.5,
        storage_power=1.0,
        storage_capacity=2.0,
        storage_start=1.0,
    ),
}
"""Days on which a careless solver, active set or ratio test fails."""


def few_days(name: str, days: int) -> Community:
    """The first days of the closed-form community, as a community of their own."""
    year, hours = load_community("two-prosumers"), slice(24 * days)
    return make_community(
        name,
        year.network,
        first_date=year.first_date,
        load_kw=year.load_kw[hours],
        renewable_kw=year.renewable_kw[hours],
        import_price=year.import_price[hours],
        export_price=year.export_price[:, hours],
        loss_price=year.loss_price[:, hours],
        prosumer_names=year.prosumer_names,
    )
