"""A community: prosumers on a grid with data of every hour, or of shorter periods, from which days are cut.

Preferences follow from the load: utility b·d − ½·a·d² with a = s / load and b = λ_ref + s, λ_ref the own mean import price, so that at
the reference price everybody demands the load as measured. Loads count as at least a small share of the prosumer's own mean (see
:class:`~gridtoll.envs.community.parameters.MarketParameters`). Who has no load in the whole year, a solar park say, demands nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Door
from ..grid.network import Network
from .calendar import Scenario, split_scenarios
from .clock import HOURS_PER_DAY, MINUTES_PER_HOUR, NOT_STATED, periods_of_day, take_in_clock
from .day import Day, make_day
from .derivation import Derivation, Ledger
from .door import (
    as_date,
    check_last_date,
    check_service,
    check_words,
    require_year,
    take_in_prosumers,
    take_in_scalars,
    take_in_year,
)
from .household_prices import mean_of_households
from .money import warn_of_two_currencies
from .parameters import IMPORT_PRICE, MarketParameters
from .rules import filled_in, kinds_of, load_floor, preferences_of, write_preferences

__all__ = ["HOURS_PER_DAY", "Community", "make_community"]

_NOT_HASHED: Final = ("network", "derivations", "period_minutes", "time_zone", "wires", "kw_per_pu")  # as they are


@dataclass(frozen=True, eq=False, kw_only=True)
class Community:
    """N prosumers with Y periods of data, whole days; build it with :func:`make_community`.

    Attributes:
        name: How reports call the community.
        network: The grid and where prosumers sit in it.
        prosumer_names: One name per prosumer, length N.
        renewable_kind: ``"solar"``, ``"wind"`` or ``"none"`` for each prosumer, length N.
        first_date: Date of day 0.
        load_kw: Load as measured in kW, shape (Y, N).
        renewable_kw: Available solar or wind power in kW, shape (Y, N).
        import_price: EUR/kWh, shape (Y,), or (Y, N) where households have prices of their own.
        export_price: EUR/kWh, shape (paths, Y), or (paths, Y, N) where households have prices of their own.
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
        derivations: What was filled in, raised to a floor or derived, see :mod:`~gridtoll.envs.community.derivation`.
        period_minutes: Length of a period, one that divides the hour.
        time_zone: What the fixed clock of the data is called; no number depends on it.
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
    derivations: tuple[Derivation, ...] = ()
    period_minutes: int = MINUTES_PER_HOUR
    time_zone: str = NOT_STATED

    @property
    def n_prosumers(self) -> int:
        """Number of prosumers N."""
        return int(self.load_kw.shape[1])

    @property
    def n_days(self) -> int:
        """Number of whole days in the data."""
        return int(self.load_kw.shape[0]) // self.n_periods

    @property
    def n_periods(self) -> int:
        """T, the periods of a day: 24 of 60 minutes, 96 of 15."""
        return periods_of_day(self.period_minutes)

    @property
    def period_hours(self) -> float:
        """Δ, the length of a period in hours."""
        return self.period_minutes / MINUTES_PER_HOUR

    @property
    def n_price_paths(self) -> int:
        """Number of price paths."""
        return int(self.export_price.shape[0])

    @property
    def has_own_prices(self) -> bool:
        """Whether households have retail prices of their own; both prices then have an axis for them."""
        return self.import_price.ndim == 2

    @property
    def mean_import_price(self) -> Array:
        """The households' mean import price in EUR/kWh, shape (Y,)."""
        return mean_of_households(self.import_price, 1)

    @cached_property
    def mean_export_price(self) -> Array:
        """The households' mean export price in EUR/kWh, shape (paths, Y)."""
        return mean_of_households(self.export_price, 2)

    @property
    def mean_load_kw(self) -> float:
        """P̄, the mean load of a prosumer in kW."""
        return float(self.load_kw.mean())

    @cached_property
    def price_level(self) -> float:
        """The year's mean price over that of the named communities: what counts as dear or cheap here, whatever the currency.

        The import price counts, or the export price of a path where its size is greater; 1 where every price is 0. It is rounded to 12
        digits, so that the mean of equal prices is that price.
        """
        size = np.maximum(np.abs(self.mean_import_price), np.abs(self.mean_export_price).max(axis=0))
        return float(f"{float(size.mean()) / IMPORT_PRICE:.12g}") if size.any() else 1.0

    @cached_property
    def content_hash(self) -> str:
        """The sha256 over every array and number, names of arrays included, for artefacts.

        The length of a period counts where it is not an hour. What the clock is called does not.
        """
        digest = hashlib.sha256()
        grid = vars(self.network.grid).items()
        parts = {f"grid.{name}": value for name, value in grid if name not in _NOT_HASHED and value is not None}
        parts |= {f"network.{f.name}": getattr(self.network, f.name) for f in fields(self.network) if f.name != "grid"}
        parts |= {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_HASHED}
        parts |= {} if self.period_minutes == MINUTES_PER_HOUR else {"period_minutes": self.period_minutes}
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
        """Return the scenarios of a split, see :func:`~gridtoll.envs.community.calendar.split_scenarios`."""
        return split_scenarios(split, self.n_days, n, n_price_paths=self.n_price_paths)

    def day(self, index: int, *, price_path: int = 0) -> Day:
        """Return day ``index`` of the data under one price path.

        Raises:
            ValueError: If there is no such day or price path.
        """
        index = self._checked("day", index, self.n_days)
        path = self._checked("price path", price_path, self.n_price_paths)
        hours = slice(index * self.n_periods, (index + 1) * self.n_periods)
        numbers = self.parameters
        return make_day(
            label=f"{self.name}/day {index}/prices {path}",
            period_hours=self.period_hours,
            **self.preferences(hours),
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
    def counted_load_kw(self) -> Array:
        """What loads count as in kW, shape (Y, N): as measured, but at least the floor."""
        counted: Array = np.maximum(self.load_kw, load_floor(self.load_kw, self.parameters))
        counted.setflags(write=False)
        return counted

    def preferences(self, hours: slice = slice(None), *, load_kw: Array | None = None) -> dict[str, Any]:
        """Return the fields of a day that follow from the loads of some periods, all if absent; or from others in kW, shape (T, N)."""
        foretold = self.counted_load_kw[hours] if load_kw is None else np.maximum(load_kw, load_floor(self.load_kw, self.parameters))
        return preferences_of(foretold, self.mean_load_kw, self._reference_price, self.parameters)

    @cached_property
    def _reference_price(self) -> float | Array:
        if self.has_own_prices:  # a kilowatt-hour is worth its own price to each household
            return np.array([np.ascontiguousarray(column).mean() for column in self.import_price.T])
        return float(self.import_price.mean())

    def _checked(self, kind: str, index: int, count: int) -> int:
        if int(index) != index or not 0 <= index < count:
            raise ValueError(f"{kind} of community {self.name!r} must be an integer from 0 to {count - 1}, got {index}.")
        return int(index)


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
    storage_power: ArrayLike | None = None,
    storage_capacity: ArrayLike | None = None,
    storage_efficiency: ArrayLike | None = None,
    storage_wear: ArrayLike | None = None,
    storage_start: ArrayLike | None = None,
    import_limit: ArrayLike | None = None,
    export_limit: ArrayLike | None = None,
    grid_friction: ArrayLike | None = None,
    trade_friction: float | None = None,
    partners: int | None = None,
    charge_cap: float | None = None,
    parameters: MarketParameters | None = None,
    prosumer_names: Sequence[str] | None = None,
    renewable_kind: Sequence[str] | None = None,
    derivations: Sequence[Derivation] = (),
    period_minutes: int = MINUTES_PER_HOUR,
    time_zone: str = NOT_STATED,
) -> Community:
    """Build a validated :class:`Community`; what is absent follows from the data by rules.

    Rules and the numbers in them stand in :mod:`.rules` and :mod:`.parameters`. For the arguments, their shapes and units see
    :class:`Community`; scalars broadcast over prosumers. Columns of a DataFrame that bear the prosumers' names are put into the prosumers'
    order, and give the names where ``prosumer_names`` is absent. An index of times must be the community's hours, or shorter periods.

    Raises:
        ValueError: Listing every fault: of types, shapes, labels, periods that make no whole days, numbers out of range.

    A warning is logged where settings and prices seem to be in different currencies, see :mod:`~gridtoll.envs.community.money`.
    """
    door, n, numbers = Door(f"community {name!r}"), network.n_prosumers, parameters or MarketParameters()
    given_names, kinds = check_words(
        door, first_date=first_date, parameters=numbers, prosumer_names=prosumer_names, renewable_kind=renewable_kind, n_prosumers=n
    )
    minutes = take_in_clock(door, period_minutes, time_zone)
    year = {"load_kw": load_kw, "renewable_kw": renewable_kw, "import_price": import_price}
    year |= {"export_price": export_price, "loss_price": loss_price}
    names = take_in_year(door, year, names=given_names, n=n, first_date=first_date, period_minutes=minutes)
    require_year(door, names)
    own = {"storage_power": storage_power, "storage_capacity": storage_capacity, "storage_efficiency": storage_efficiency}
    own |= {"storage_wear": storage_wear, "storage_start": storage_start, "import_limit": import_limit, "export_limit": export_limit}
    take_in_prosumers(door, own | {"grid_friction": grid_friction}, names=names, n=n)
    take_in_scalars(door, trade_friction=trade_friction, charge_cap=charge_cap, partners=partners)
    if not door.faults:
        check_service(door, numbers, names)
        check_last_date(door, as_date(first_date), len(door.values["load_kw"]) // periods_of_day(minutes))
    door.raise_if_any()
    ledger = Ledger(list(derivations))
    nearest = None if partners is None else int(partners)
    made = filled_in(door.values, network, numbers, ledger, partners=nearest)
    community = Community(
        name=name,
        network=network,
        prosumer_names=ledger.words("prosumer_names", names, lambda: tuple(f"prosumer {i}" for i in range(n)), "counted from 0"),
        renewable_kind=ledger.words(
            "renewable_kind", kinds, lambda: kinds_of(made["renewable_kw"]), "solar where there is renewable power"
        ),
        first_date=as_date(first_date),
        partners=nearest,
        parameters=numbers,
        period_minutes=minutes,
        time_zone=time_zone,
        **made,
    )
    write_preferences(
        ledger,
        load_kw=community.load_kw,
        counted_kw=community.counted_load_kw,
        prosumer_names=community.prosumer_names,
        preferences=community.preferences(),
        numbers=numbers,
    )
    community.day(0)  # holds what was filled in against the rules of a day
    warn_of_two_currencies(community)
    return replace(community, derivations=tuple(ledger.entries))
