"""One day of a system as a question has it: with or without storage, with more or less sun and wind, with part of the prosumers, and so on.

A :class:`Case` is a few words and numbers, so that it can be a key; :func:`situation_of` makes the day and the network of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from ...agents.optimum import solve_optimum
from ...envs.account.objective import ExactObjective
from ...envs.account.settlement import Flows, Settlement
from ...envs.account.tariff import make_tariff
from ...envs.community.calendar import Scenario
from ...envs.community.community import Community
from ...envs.community.day import Array, Day
from ...envs.community.sources import load_community
from ...envs.games.transition import Rules, transition
from ...envs.grid.network import Network
from ...envs.market.exact import Clearing
from ...envs.market.exact.compiled import StructuredMarket
from ...envs.market.no_trade import no_trade
from ..references.answers import Form, look_up

_N_VECTORS: Final = (
    "import_limit",
    "export_limit",
    "grid_friction",
    "storage_power",
    "storage_capacity",
    "storage_efficiency",
    "storage_wear",
    "storage_start",
)
_N_COLUMNS: Final = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
_N_SQUARES: Final = ("trade_limit", "trade_friction")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One day of a system.

    Attributes:
        system: The community's name.
        day: Which day.
        price_path: Under which price path.
        storage: Whether storage may be used; without, it is taken away.
        renewable: What available solar and wind power is multiplied with.
        prosumers: Which prosumers are there, all if absent.
        import_fee: What the operator earns per kWh imported, EUR/kWh.
        overload_price: What it pays for overload, EUR/kWh.
        flows: Which account of the flows it answers for.
        free_loading: Branch limits are all scaled by one number, so that Free P2P loads the worst branch to this; as they are if absent.
    """

    system: str
    day: int
    price_path: int
    storage: bool = True
    renewable: float = 1.0
    prosumers: tuple[int, ...] | None = None
    import_fee: float = 0.0
    overload_price: float = 1.0
    flows: Flows = "trades"
    free_loading: float | None = None

    @classmethod
    def of(cls, system: str, scenario: Scenario) -> Case:
        """Return a system's day as it is."""
        return cls(system=system, day=scenario.day, price_path=scenario.price_path)


@dataclass(frozen=True, eq=False)
class Situation:
    """What a case comes to: the day, where its prosumers sit, the account of flows and the greatest charge in EUR/kWh."""

    day: Day
    network: Network
    flows: Flows
    cap: float

    @property
    def rules(self) -> Rules:
        """What the money depends on; charged energy counts by distance."""
        return Rules(network=self.network, basis=self.network.distance, flows=self.flows, objective="profit")

    def clear(self, charges: Array, *, traded: bool = True) -> tuple[Clearing, Settlement]:
        """Clear and settle the day at charges in EUR/kWh, with or without trades; charged energy counts by distance.

        Args:
            charges: τ in EUR/kWh, shape (T, N, N) or (N, N).
            traded: Whether prosumers may trade with each other.

        Raises:
            ValueError: If the charges are not valid.
            ClearingError: If the day cannot be cleared.
        """
        day = self.day if traded else no_trade(self.day)
        played = transition(self.rules, market(), day, charges)
        return played.clearing, played.settlement

    def clear_at(self, charge: float) -> tuple[Clearing, Settlement]:
        """Clear and settle the day at a charge in EUR/kWh at mean distance."""
        return self.clear(charge * self.network.distance)


@lru_cache(maxsize=1)
def market() -> StructuredMarket:
    """Return the market of this process."""
    return StructuredMarket()


@lru_cache(maxsize=4)
def community_of(system: str) -> Community:
    """Return a system, loaded once in each process."""
    return load_community(system)


@lru_cache(maxsize=16)
def situation_of(case: Case) -> Situation:
    """Return the day and the network of a case."""
    community = community_of(case.system)
    day = replace(community.day(case.day, price_path=case.price_path), import_fee=case.import_fee, overload_price=case.overload_price)
    day = replace(day, renewable=case.renewable * day.renewable)
    if not case.storage:
        none = np.zeros(day.n_prosumers)
        day = replace(day, storage_power=none, storage_capacity=none, storage_start=none)
    network = community.network
    if case.prosumers is not None:
        day, network = _part_of(day, network, list(case.prosumers))
    situation = Situation(day, network, case.flows, community.charge_cap)
    if case.free_loading is None:
        return situation
    grid = network.grid
    peak = situation.clear_at(0.0)[1].peak_loading
    limits = grid.branch_limit_kw * (peak / case.free_loading if peak > 0 else 1.0)
    return replace(situation, network=replace(network, grid=replace(grid, branch_limit_kw=limits)))


def _part_of(day: Day, network: Network, who: list[int]) -> tuple[Day, Network]:
    """Return the day and network of some of the prosumers; distances keep the scale of all, so that charges mean the same."""
    parts = {name: getattr(day, name)[who] for name in _N_VECTORS}
    parts |= {name: getattr(day, name)[:, who] for name in _N_COLUMNS}
    square = np.ix_(who, who)
    parts |= {name: getattr(day, name)[square] for name in _N_SQUARES}
    smaller = replace(
        network, prosumer_bus=network.prosumer_bus[who], distance=network.distance[square], zone_borders=network.zone_borders[square]
    )
    return replace(day, **parts), smaller


@dataclass(frozen=True)
class Equilibrium:
    """The operator's best charge and what is proved of it; the charge is None where none keeps every limit, which is proved too."""

    charge: float | None
    profit_eur: float | None
    upper_bound_eur: float | None
    relative_gap: float
    clearings: int


def equilibrium(case: Case, *, tariff: str = "distance", hard_limits: bool = False, objective: ExactObjective = "profit") -> Equilibrium:
    """Return the exact equilibrium of a case, from the user's cache where it was solved before: several questions share it.

    Args:
        case: The day.
        tariff: One of one coefficient.
        hard_limits: Whether every branch must stay within its limit.
        objective: What the charge is best for; bounds are of the profit where it is the profit, of the welfare otherwise.
    """
    situation = situation_of(case)
    key = {"data": _data_hash(situation), "tariff": tariff, "hard_limits": hard_limits, "objective": objective, "of": "paper"}

    def solved() -> Equilibrium:
        return _solved(situation, tariff=tariff, hard_limits=hard_limits, objective=objective)

    return look_up(Form("optima", Equilibrium), key, solved)[0]


def _solved(situation: Situation, *, tariff: str, hard_limits: bool, objective: ExactObjective) -> Equilibrium:
    found = solve_optimum(
        situation.day,
        situation.network,
        make_tariff(tariff, situation.network),
        cap=situation.cap,
        flows=situation.flows,
        objective=objective,
        market=market(),
        hard_limits=hard_limits,
    )
    nothing = found.secure is False and hard_limits
    return Equilibrium(
        charge=None if nothing else found.charge,
        profit_eur=None if nothing else found.recleared_profit_eur,
        upper_bound_eur=None if nothing else found.upper_bound_eur,
        relative_gap=0.0 if nothing else found.relative_gap,
        clearings=found.clearings,
    )


def _data_hash(situation: Situation) -> str:
    """Return a hash of everything an equilibrium depends on beside the tariff."""
    network = situation.network
    grid = network.grid
    arrays = {
        **situation.day.arrays(),
        **{name: getattr(network, name) for name in ("prosumer_bus", "distance")},
        **{name: getattr(grid, name) for name in ("ptdf", "branch_limit_kw", "branch_resistance_pu", "base_power_kw")},
    }
    digest = hashlib.sha256(f"{situation.flows} {situation.cap!r}".encode())
    for name, value in sorted(arrays.items()):
        digest.update(f"\n{name} {np.shape(value)}\n".encode())
        digest.update(value.encode() if isinstance(value, str) else np.ascontiguousarray(value, dtype=np.float64).tobytes())
    return digest.hexdigest()
