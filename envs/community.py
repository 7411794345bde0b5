"""A community: prosumers on a grid with a year of hourly data, from which days are cut.

Preferences follow from the load: utility b·d − ½·a·d² with a = s / load and b = λ_ref + s, λ_ref the year's mean import price, so that at
the reference price everybody demands the load as measured. Loads count as at least a small floor (see
:class:`~gridtoll.envs.parameters.MarketParameters`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import parameters as p
from .calendar import Scenario, split_scenarios
from .day import Array, Day, make_day
from .network import Network
from .parameters import MarketParameters

HOURS_PER_DAY: Final = 24


@dataclass(frozen=True, eq=False, kw_only=True)
class Community:
    """N prosumers with Y hours of data, whole days; build it with :func:`make_community`.

    Attributes:
        name: How reports call the community.
        network: The grid and where prosumers sit in it.
        prosumer_names: One name per prosumer, length N.
        renewable_kind: ``"solar"``, ``"wind"`` or ``"none"`` for each prosumer, length N.
        first_date: Date of day 0.
        load_kw: Load as measured in kW, shape (Y, N).
        renewable_kw: Available solar or wind power in kW, shape (Y, N).
        import_price: EUR/kWh, shape (Y,).
        export_price: EUR/kWh, shape (paths, Y).
        loss_price: EUR/kWh, shape (paths, Y).
        import_limit: kW, shape (N,).
        export_limit: kW, shape (N,).
        grid_friction: EUR/kWh/kW, shape (N,).
        storage_power: kW, shape (N,).
        storage_capacity: kWh, shape (N,).
        storage_efficiency: One way, shape (N,).
        storage_wear: EUR/kWh/kW, shape (N,).
        storage_start: kWh, shape (N,).
        trade_limit: kW, shape (N, N), 0 between those who may not trade.
        trade_friction: EUR/kWh/kW.
        partners: With how many nearest each may trade, None for all.
        charge_cap: Greatest charge in EUR/kWh at mean distance.
        parameters: Preferences and operator prices.
    """

    name: str
    network: Network
    prosumer_names: tuple[str, ...]
    renewable_kind: tuple[str, ...]
    first_date: date
    load_kw: Array
    renewable_kw: Array
    import_price: Array
    export_price: Array
    loss_price: Array
    import_limit: Array
    export_limit: Array
    grid_friction: Array
    storage_power: Array
    storage_capacity: Array
    storage_efficiency: Array
    storage_wear: Array
    storage_start: Array
    trade_limit: Array
    trade_friction: float
    partners: int | None
    charge_cap: float
    parameters: MarketParameters

    @property
    def n_prosumers(self) -> int:
        """Number of prosumers N."""
        return int(self.load_kw.shape[1])

    @property
    def n_days(self) -> int:
        """Number of whole days in the data."""
        return int(self.load_kw.shape[0]) // HOURS_PER_DAY

    @property
    def n_periods(self) -> int:
        """Periods of a day, each one hour."""
        return HOURS_PER_DAY

    @property
    def n_price_paths(self) -> int:
        """Number of price paths."""
        return int(self.export_price.shape[0])

    @property
    def mean_load_kw(self) -> float:
        """P̄, the mean load of a prosumer in kW."""
        return float(self.load_kw.mean())

    @cached_property
    def content_hash(self) -> str:
        """The sha256 over every array and number, names of arrays included, for artefacts."""
        digest = hashlib.sha256()
        parts = {f"grid.{f.name}": getattr(self.network.grid, f.name) for f in fields(self.network.grid)}
        parts |= {f"network.{f.name}": getattr(self.network, f.name) for f in fields(self.network) if f.name != "grid"}
        parts |= {f.name: getattr(self, f.name) for f in fields(self) if f.name != "network"}
        for name, value in sorted(parts.items()):
            digest.update(f"\n{name}:".encode())
            if isinstance(value, np.ndarray):
                digest.update(f"{value.shape}".encode())
                digest.update(np.ascontiguousarray(value, dtype="<f8").tobytes())
            else:
                digest.update(repr(value).encode())
        return digest.hexdigest()

    def date(self, index: int) -> date:
        """Return the date of day ``index``."""
        return self.first_date + timedelta(days=self._checked("day", index, self.n_days))

    def scenarios(self, split: str, n: int | None = None) -> list[Scenario]:
        """Return the scenarios of a split, see :func:`~gridtoll.envs.calendar.split_scenarios`."""
        return split_scenarios(split, self.n_days, n, n_price_paths=self.n_price_paths)

    def day(self, index: int, *, price_path: int = 0) -> Day:
        """Return day ``index`` of the data under one price path.

        Raises:
            ValueError: If there is no such day or price path.
        """
        index = self._checked("day", index, self.n_days)
        path = self._checked("price path", price_path, self.n_price_paths)
        hours = slice(index * HOURS_PER_DAY, (index + 1) * HOURS_PER_DAY)
        load = np.maximum(self.load_kw[hours], self._load_floor)
        numbers = self.parameters
        return make_day(
            label=f"{self.name}/day {index}/prices {path}",
            demand_min=numbers.demand_min_share * load,
            demand_max=numbers.demand_max_share * load,
            utility_curvature=numbers.flexibility_value / load,
            utility_slope=self._reference_price + numbers.flexibility_value,
            renewable=self.renewable_kw[hours],
            import_price=self.import_price[hours],
            export_price=self.export_price[path, hours],
            loss_price=self.loss_price[path, hours],
            overload_price=numbers.overload_price,
            import_fee=numbers.import_fee,
            import_limit=self.import_limit,
            export_limit=self.export_limit,
            grid_friction=self.grid_friction,
            storage_power=self.storage_power,
            storage_capacity=self.storage_capacity,
            storage_efficiency=self.storage_efficiency,
            storage_wear=self.storage_wear,
            storage_start=self.storage_start,
            trade_limit=self.trade_limit,
            trade_friction=self.trade_friction,
            n_buses=self.network.grid.n_buses,
        )

    @cached_property
    def _load_floor(self) -> Array:
        return load_floor(self.load_kw, self.parameters)

    @cached_property
    def _reference_price(self) -> float:
        return float(self.import_price.mean())

    def _checked(self, kind: str, index: int, count: int) -> int:
        if int(index) != index or not 0 <= index < count:
            raise ValueError(f"{kind} of community {self.name!r} must be an integer from 0 to {count - 1}, got {index}.")
        return int(index)


def load_floor(load_kw: Array, parameters: MarketParameters) -> Array:
    """Return the least load in kW each prosumer counts with, shape (N,), of loads in kW, shape (Y, N)."""
    floor: Array = parameters.load_floor * np.maximum(load_kw.mean(axis=0), 0.1 * load_kw.mean())
    return floor


def make_community(
    name: str,
    network: Network,
    *,
    first_date: date,
    load_kw: ArrayLike,
    renewable_kw: ArrayLike,
    import_price: ArrayLike,
    export_price: ArrayLike,
    loss_price: ArrayLike,
    storage_power: ArrayLike = 0.0,
    storage_capacity: ArrayLike = 0.0,
    storage_efficiency: ArrayLike = p.STORAGE_EFFICIENCY,
    storage_wear: ArrayLike | None = None,
    storage_start: ArrayLike | None = None,
    import_limit: ArrayLike | None = None,
    export_limit: ArrayLike | None = None,
    grid_friction: ArrayLike | None = None,
    trade_friction: float | None = None,
    partners: int | None = None,
    charge_cap: float = p.CHARGE_CAP,
    parameters: MarketParameters | None = None,
    prosumer_names: Sequence[str] | None = None,
    renewable_kind: Sequence[str] | None = None,
) -> Community:
    """Build a validated :class:`Community`; what is absent follows from the data by the rules of :mod:`~gridtoll.envs.parameters`.

    Scalars broadcast over prosumers; see the class for the arguments.

    Raises:
        ValueError: If shapes do not fit, hours do not make whole days, or numbers are out of range; all faults at once.
    """
    numbers = parameters or MarketParameters()
    load, renewable = np.array(load_kw, dtype=np.float64), np.array(renewable_kw, dtype=np.float64)
    n_hours, n = len(load), network.n_prosumers
    prices = {
        "import_price": np.array(np.broadcast_to(np.asarray(import_price, dtype=np.float64), (n_hours,))),
        "export_price": np.atleast_2d(np.array(export_price, dtype=np.float64)),
        "loss_price": np.atleast_2d(np.array(loss_price, dtype=np.float64)),
    }
    faults = _year_faults(n, load, renewable, prices)
    if partners is not None and partners < 1:
        faults.append(f"`partners` must be at least 1, or None for all, got {partners}.")
    if not charge_cap > 0:
        faults.append(f"`charge_cap` must be > 0, got {charge_cap}.")
    if faults:
        raise ValueError(f"community {name!r} is not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))
    power, capacity = _per_prosumer(storage_power, n), _per_prosumer(storage_capacity, n)
    connection = connection_limit(load, renewable, power, numbers)
    friction = p.FRICTION_EUR_PER_KWH / float(load.mean())
    arrays = {
        "load_kw": load,
        "renewable_kw": renewable,
        **prices,
        "import_limit": _per_prosumer(connection if import_limit is None else import_limit, n),
        "export_limit": _per_prosumer(connection if export_limit is None else export_limit, n),
        "grid_friction": _per_prosumer(friction if grid_friction is None else grid_friction, n),
        "storage_power": power,
        "storage_capacity": capacity,
        "storage_efficiency": _per_prosumer(storage_efficiency, n),
        "storage_wear": _per_prosumer(friction if storage_wear is None else storage_wear, n),
        "storage_start": _per_prosumer(p.STORAGE_START_SHARE * capacity if storage_start is None else storage_start, n),
    }
    trade_limit = np.minimum(arrays["export_limit"][:, None], arrays["import_limit"][None, :])
    trade_limit[~_may_trade(network, partners)] = 0.0
    arrays["trade_limit"] = trade_limit
    for array in arrays.values():
        array.setflags(write=False)
    community = Community(
        name=name,
        network=network,
        prosumer_names=tuple(prosumer_names or (f"prosumer {i}" for i in range(n))),
        renewable_kind=tuple(renewable_kind or ("solar" if power.any() else "none" for power in renewable.T)),
        first_date=first_date,
        trade_friction=friction if trade_friction is None else float(trade_friction),
        partners=partners,
        charge_cap=float(charge_cap),
        parameters=numbers,
        **arrays,
    )
    _check_days(community)
    return community


def connection_limit(load_kw: Array, renewable_kw: Array, storage_power: Array, parameters: MarketParameters) -> Array:
    """Return connection limits in kW, shape (N,), that carry every hour of the year with room to spare."""
    load = np.maximum(load_kw, load_floor(load_kw, parameters)).max(axis=0)
    greatest = [
        p.CONNECTION_PER_DEMAND * parameters.demand_max_share * load,
        p.CONNECTION_PER_RENEWABLE * renewable_kw.max(axis=0),
        storage_power,
    ]
    limit: Array = np.max(np.stack(greatest), axis=0)
    return limit


def _may_trade(network: Network, partners: int | None) -> NDArray[np.bool_]:
    if partners is None:
        return ~np.eye(network.n_prosumers, dtype=np.bool_)
    return network.nearest_partners(partners)


def _per_prosumer(value: ArrayLike, n: int) -> Array:
    return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)))


def _year_faults(n: int, load: Array, renewable: Array, prices: dict[str, Array]) -> list[str]:
    faults = []
    if load.ndim != 2 or load.shape[1] != n or len(load) == 0 or len(load) % HOURS_PER_DAY:
        faults.append(f"`load_kw` must have shape (hours, {n}) with whole days of {HOURS_PER_DAY} hours, got {load.shape}.")
    elif not (np.isfinite(load) & (load >= 0)).all() or not load.any():
        faults.append("`load_kw` must be finite, at least 0, and above 0 somewhere.")
    if renewable.shape != load.shape:
        faults.append(f"`renewable_kw` must have the shape of `load_kw`, {load.shape}, got {renewable.shape}.")
    elif not (np.isfinite(renewable) & (renewable >= 0)).all():
        faults.append("`renewable_kw` must be finite and at least 0.")
    paths = prices["export_price"].shape
    if len(paths) != 2 or paths[0] < 1 or paths[1] != len(load) or prices["loss_price"].shape != paths:
        shapes = f"{paths} and {prices['loss_price'].shape}"
        faults.append(f"`export_price` and `loss_price` must both have shape (paths, {len(load)}), got {shapes}.")
    elif not (np.isfinite(prices["export_price"]) & (prices["export_price"] <= prices["import_price"])).all():
        faults.append("`export_price` must be finite and at most `import_price` in every hour.")
    return faults


def _check_days(community: Community) -> None:
    """Raise where a prosumer could not be served: the year's worst hour decides for all days."""
    load = np.maximum(community.load_kw, load_floor(community.load_kw, community.parameters))
    must_import = (community.parameters.demand_min_share * load - community.renewable_kw).max(axis=0)
    short = np.flatnonzero(must_import > community.import_limit)
    if len(short):
        listed = ", ".join(f"{community.prosumer_names[i]!r} {community.import_limit[i]:g} < {must_import[i]:g}" for i in short)
        raise ValueError(
            "`import_limit` must carry the least demand not met by own renewables in every hour, or the market is infeasible; "
            f"in kW: {listed}."
        )
    community.day(0)  # checks the numbers that do not change from day to day
