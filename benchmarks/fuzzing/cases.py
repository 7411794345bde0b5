"""One case: a community of a style, and the charges it is cleared at; everything follows from style and seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from gridtoll.envs.account.objective import ExactObjective
from gridtoll.envs.account.settlement import Flows
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.day import Array, Day, make_day
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import Network, make_network

from .styles import EXTREME, ROTA, STYLES, Random, ordinary, sizes


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """A community, what it is cleared at, and what its optimum is asked for.

    Attributes:
        style: Name of the style.
        seed: What everything is drawn from, with the style.
        day: The day.
        charges: Charges to clear at, EUR/kWh, shape (N, N) or (T, N, N).
        network: Where the prosumers sit; None for a community of one prosumer.
        tariff: The tariff whose best charge is sought; None likewise.
        cap: Greatest charge, EUR/kWh.
        flows: The operator's account.
        objective: What the operator maximises.
        hard_limits: Whether branch limits must hold.
    """

    style: str
    seed: int
    day: Day
    charges: Array
    network: Network | None
    tariff: Tariff | None
    cap: float
    flows: Flows
    objective: ExactObjective
    hard_limits: bool

    @property
    def is_extreme(self) -> bool:
        """Whether double precision may refuse it."""
        return self.style in EXTREME


def case_of(style: str, seed: int) -> Case:
    """Draw a case."""
    random = np.random.default_rng([zlib.crc32(style.encode()), seed])
    n, periods = sizes(style, random)
    fields = ordinary(random, n, periods)
    changed = fields | STYLES[style](random, fields, n, periods)
    needed = np.max(np.asarray(changed["demand_min"]) - np.asarray(changed["renewable"]), axis=0)
    changed["import_limit"] = np.maximum(changed["import_limit"], needed)  # or there is no clearing
    # Prices that nobody pays (a slope out of scale) say nothing about which charges matter.
    price = float(np.abs([changed["import_price"], changed["export_price"]]).max()) or float(np.median(changed["utility_slope"])) or 1.0
    power = float(np.median(changed["demand_max"])) or float(np.median(changed["renewable"])) or 1.0
    network = _network(style, random, n, power) if n > 1 else None
    if network is not None and random.random() < 0.1:
        changed["base_injection"] = random.normal(0.0, power, (periods, network.grid.n_buses))
    if style == "costly":  # losses, overload and fee dwarf what charges bring in
        changed["loss_price"] = np.full(periods, price * 10.0 ** random.uniform(0.0, 4.0))
        changed["overload_price"] = price * 10.0 ** random.uniform(-1.0, 4.0)
        changed["import_fee"] = price * float(random.choice([0.0, 0.3, 10.0]))
    n_buses = network.grid.n_buses if network is not None else 1
    day = make_day(label=f"{style}:{seed}", n_buses=n_buses, **changed)
    flows: Flows = "injections" if random.random() < 0.3 else "trades"
    objective: ExactObjective = "welfare" if random.random() < 0.15 else "profit"
    return Case(
        style=style,
        seed=seed,
        day=day,
        charges=_charges(style, random, day, price),
        network=network,
        tariff=None if network is None else _tariff(random, network),
        cap=price * float(random.choice([0.3, 1.0, 1.0, 3.0])),
        flows=flows,
        objective=objective,
        hard_limits=bool(random.random() < 0.15),
    )


def named(number: int, seed: int) -> tuple[str, int]:
    """Return style and seed of one of a campaign's cases."""
    return ROTA[number % len(ROTA)], seed * 100_000_000 + number


def _network(style: str, random: Random, n: int, power: float) -> Network:
    """Draw a tree whose bus 0 is the slack and nobody's, with further branches if meshed."""
    buses = n + 1
    start, end = [int(random.integers(0, bus)) for bus in range(1, buses)], list(range(1, buses))
    if style in {"meshes", "large"} or random.random() < 0.3:
        for _ in range(int(random.integers(1, 4))):
            one, other = (int(bus) for bus in random.choice(buses, 2, replace=False))
            start, end = [*start, one], [*end, other]
    branches = len(start)
    limit = power * 10.0 ** random.uniform(-1.0, 1.5, branches)
    if style == "unlimited":
        limit[random.random(branches) < random.choice([0.3, 1.0])] = np.inf
    resistance = random.uniform(0.1, 1.0, branches) * (random.random(branches) < 0.9)
    grid = make_grid(
        f"{style} grid",
        bus_names=[f"bus {bus}" for bus in range(buses)],
        branch_from=start,
        branch_to=end,
        branch_names=[f"branch {branch}" for branch in range(branches)],
        branch_resistance_pu=resistance * 10.0 ** random.uniform(-3.0, 0.0),
        branch_reactance_pu=10.0 ** random.uniform(-1.0, 1.0, branches),
        branch_limit_kw=limit,
        bus_position=random.random((buses, 2)),
        base_power_kw=100.0 * power,
        slack_bus=0,
    )
    at = np.arange(1, buses)
    if n > 2 and random.random() < 0.2:
        at[1] = at[0]  # two prosumers at one bus: a distance of 0
    return make_network(grid, at)


def _tariff(random: Random, network: Network) -> Tariff:
    """Return a tariff of one coefficient: by distance, the same for all, or asymmetric with free pairs among them."""
    kind = int(random.integers(3))
    if kind < 2:
        return make_tariff(("distance", "unique")[kind], network)
    n = network.n_prosumers
    basis = random.uniform(0.0, 2.0, (n, n)) * (random.random((n, n)) < 0.8)
    np.fill_diagonal(basis, 0.0)
    return Tariff(kind="drawn", basis=basis[None], names=("each kWh by pair",))


def _charges(style: str, random: Random, day: Day, price: float) -> Array:
    """Draw charges to clear at: none, the same for all, by pair, by hour and direction, on some pairs only, prohibitive."""
    n, periods = day.n_prosumers, day.n_periods
    pairs, hours = (n, n), (periods, n, n)
    level = price * float(random.uniform(0.0, 1.0))
    kinds: list[Array] = [
        np.zeros(pairs),
        np.full(pairs, level),
        level * random.uniform(0.0, 2.0, pairs),
        0.2 * level * random.uniform(0.0, 2.0, pairs),
        level * random.uniform(0.0, 2.0, hours),
        np.where(random.random(hours) < 0.5, level, 0.0),
        1e3 * price * random.uniform(0.0, 2.0, pairs),
    ]
    choice = int(random.integers(4, 6)) if style == "hourly" else int(random.integers(len(kinds)))
    charges = np.array(kinds[choice])
    for hour in charges.reshape(-1, n, n):
        np.fill_diagonal(hour, 0.0)
    return charges
