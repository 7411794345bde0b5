"""One day of the community's data: everything the market clearing needs, frozen and validated.

Symbols follow the model of Yang, Chen, Hu and Spanos (IEEE Trans. Power Systems, 2023; arXiv 2205.01945). T is the number of periods,
N the number of prosumers, B the number of buses of the grid.

==========================  ======  ============  ========  ====================================================================
field                       symbol  unit          shape     meaning
==========================  ======  ============  ========  ====================================================================
``period_hours``            Δ       h             scalar    length of a period
``demand_min``              d̲       kW            (T, N)    least flexible demand
``demand_max``              d̄       kW            (T, N)    greatest flexible demand
``utility_curvature``       a       EUR/kWh/kW    (T, N)    > 0; the utility of demand d is b·d − ½·a·d²
``utility_slope``           b       EUR/kWh       (T, N)    utility of the first kWh
``renewable``               R       kW            (T, N)    available solar and wind power, curtailable
``import_price``            λᵐ      EUR/kWh       (T,)      price of the retail backstop; at least ``export_price``. (T, N): each their own
``export_price``            λˣ      EUR/kWh       (T,)      price the retail backstop pays. (T, N): each their own
``loss_price``              ρ       EUR/kWh       (T,)      what the operator pays for losses
``overload_price``          φ       EUR/kWh       scalar    what the operator pays for flow above a branch limit
``import_fee``              ν       EUR/kWh       scalar    what the operator earns on imports
``import_limit``            M       kW            (N,)      connection limit
``export_limit``            X       kW            (N,)      connection limit
``grid_friction``           ε_g     EUR/kWh/kW    (N,)      > 0; quadratic cost of using the connection
``storage_power``           S       kW            (N,)      limit of charging and of discharging; 0 without storage
``storage_capacity``        E       kWh           (N,)      0 without storage
``storage_efficiency``      η       1             (N,)      one way, in (0, 1]
``storage_wear``            κ       EUR/kWh/kW    (N,)      > 0 where there is storage
``storage_start``           e₀      kWh           (N,)      between 0 and the capacity
``storage_end``                     kWh           (N,)      least energy at the end, within reach of e₀; None for e₀ itself
``trade_limit``             P       kW            (N, N)    row sells to column; 0 between those who may not trade
``trade_friction``          ε       EUR/kWh/kW    (N, N)    > 0; quadratic transaction cost
``base_injection``                  kW            (T, B)    flow-causing injection outside the community, positive into the grid
==========================  ======  ============  ========  ====================================================================

Both retail prices are of shape (T,) where all prosumers have the same, also where they came as equal columns, else both of shape (T, N).
Code for any day reads ``own_import_price`` and ``own_export_price``, of shape (T, N) always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array, broken, real_array, wrong_shape
from .household_prices import by_household, common_or_own, mean_of_households, paid_more_than_asked

__all__ = ["BY_PERIOD", "Array", "Day", "make_day", "within_reach"]

_T_BY_N: Final = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
_PRICES: Final = ("import_price", "export_price")
_BY_T: Final = (*_PRICES, "loss_price")
_BY_N: Final = (
    "import_limit",
    "export_limit",
    "grid_friction",
    "storage_power",
    "storage_capacity",
    "storage_efficiency",
    "storage_wear",
    "storage_start",
)
BY_PERIOD: Final = (*_T_BY_N, *_BY_T)
"""Fields with a row for every period; ``base_injection`` is another."""
_SCALARS: Final = ("period_hours", "overload_price", "import_fee")


@dataclass(frozen=True, eq=False, kw_only=True)
class Day:
    """The data of one clearing; see the module's table for symbols, units and shapes.

    Construct it with :func:`make_day`, which broadcasts scalars, copies, validates and freezes the arrays.
    """

    label: str
    period_hours: float
    demand_min: Array
    demand_max: Array
    utility_curvature: Array
    utility_slope: Array
    renewable: Array
    import_price: Array
    export_price: Array
    loss_price: Array
    overload_price: float
    import_fee: float
    import_limit: Array
    export_limit: Array
    grid_friction: Array
    storage_power: Array
    storage_capacity: Array
    storage_efficiency: Array
    storage_wear: Array
    storage_start: Array
    trade_limit: Array
    trade_friction: Array
    base_injection: Array
    storage_end: Array | None = None

    @property
    def n_periods(self) -> int:
        """Number of periods T."""
        return int(self.demand_min.shape[0])

    @property
    def n_prosumers(self) -> int:
        """Number of prosumers N."""
        return int(self.demand_min.shape[1])

    @property
    def has_storage(self) -> NDArray[np.bool_]:
        """Which prosumers can charge and discharge, shape (N,)."""
        return self.storage_power > 0

    @property
    def can_trade(self) -> NDArray[np.bool_]:
        """Which ordered pairs may trade, shape (N, N)."""
        return self.trade_limit > 0

    @property
    def own_import_price(self) -> Array:
        """What each prosumer pays the retailer in EUR/kWh, shape (T, N), not to be written into."""
        return by_household(self.import_price, self.n_prosumers)

    @property
    def own_export_price(self) -> Array:
        """What the retailer pays each prosumer in EUR/kWh, shape (T, N), not to be written into."""
        return by_household(self.export_price, self.n_prosumers)

    @property
    def mean_import_price(self) -> Array:
        """The prosumers' mean import price in EUR/kWh, shape (T,)."""
        return mean_of_households(self.import_price, 1)

    @property
    def mean_export_price(self) -> Array:
        """The prosumers' mean export price in EUR/kWh, shape (T,)."""
        return mean_of_households(self.export_price, 1)

    @property
    def stored_at_end(self) -> Array:
        """The least energy the day must end with in kWh, shape (N,): ``storage_end``, or what it begins with."""
        return self.storage_start if self.storage_end is None else self.storage_end

    @property
    def retail_bill_eur(self) -> float:
        """The day's bill if the middle of every demand range were imported."""
        middle = 0.5 * (self.demand_min + self.demand_max)
        return float(self.period_hours * np.sum(np.abs(self.own_import_price) * middle))

    @cached_property
    def turnover_eur(self) -> float:
        """What a day's money is measured by where nothing else will do, above 0: its retail bill on all but odd days.

        Where imports cost next to nothing, less than a thousandth of the others: the greater of what the middle of every demand range is
        worth at the median of the utility slopes (one prosumer's cannot stretch it), and what all renewables would earn. Where nobody
        demands, produces or pays anything, 1 EUR.
        """
        middle = 0.5 * float(np.sum(self.demand_min + self.demand_max))
        used = float(np.median(np.abs(self.utility_slope))) * middle
        sold = float(np.sum(np.abs(self.own_export_price) * self.renewable))
        other = self.period_hours * max(used, sold)
        bill = self.retail_bill_eur
        return bill if bill > 1e-3 * other else other or 1.0

    def arrays(self) -> dict[str, Array | float | str]:
        """Return fields that are not None by name, in the shapes of the table, as ``gridtoll clear --npz`` has them; for ``make_day``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def make_day(
    *,
    label: str = "unnamed",
    period_hours: float = 1.0,
    n_buses: int = 0,
    base_injection: ArrayLike | None = None,
    storage_end: ArrayLike | None = None,
    **values: ArrayLike,
) -> Day:
    """Build a validated, frozen :class:`Day`.

    Scalars are broadcast to the shapes of the module's table; (N,) values broadcast over periods. No other shape is. Retail prices of shape
    (T, N) become (T,) where all prosumers have the same.

    Args:
        label: How errors and reports call this day.
        period_hours: Length of a period in hours.
        n_buses: Number of buses B; with it an absent ``base_injection`` becomes zeros of shape (T, B).
        base_injection: Injection outside the community in kW, shape (T, B).
        storage_end: Least energy at the end in kWh, shape (N,); a day ends with no less than it began with where absent.
        **values: Every other field of the table.

    Raises:
        ValueError: If data is not of the type and shape of the table, or breaks a rule of the model; every offending entry is named.
    """
    expected = {*_T_BY_N, *_BY_T, *_BY_N, "overload_price", "import_fee", "trade_limit", "trade_friction"}
    missing, extra = expected - values.keys(), values.keys() - expected
    if missing or extra:
        raise ValueError(f"a day must have exactly its fields: missing {sorted(missing)}, unknown {sorted(extra)}.")
    shape = np.shape(values["demand_max"])
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"`demand_max` must have shape (periods, prosumers) with both at least 1, got {shape}.")
    n_periods, n_prosumers = int(shape[0]), int(shape[1])
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_T_BY_N, (n_periods, n_prosumers))
    shapes |= dict.fromkeys(_BY_T, (n_periods,)) | dict.fromkeys(_BY_N, (n_prosumers,))
    shapes |= {"trade_limit": (n_prosumers, n_prosumers), "trade_friction": (n_prosumers, n_prosumers)}
    faults: list[str] = []
    shapes |= {name: (n_periods, n_prosumers) for name in _PRICES if np.ndim(values[name]) == 2}
    frozen = {name: _frozen(faults, name, values[name], wanted) for name, wanted in shapes.items()}
    given = {"period_hours": period_hours} | {name: values[name] for name in _SCALARS if name != "period_hours"}
    scalars = {name: _frozen(faults, name, value, ()) for name, value in given.items()}
    base = np.zeros((n_periods, n_buses)) if base_injection is None else base_injection
    base_shape = (n_periods, *np.shape(base)[1:2]) if np.ndim(base) == 2 else (n_periods, n_buses)
    base = _frozen(faults, "base_injection", base, base_shape)
    end = None if storage_end is None else _frozen(faults, "storage_end", storage_end, (n_prosumers,))
    if faults:
        raise ValueError(_listed(label, faults))
    frozen |= common_or_own({name: frozen[name] for name in _PRICES}, n_prosumers)
    diagonal_free = frozen["trade_limit"].copy()
    np.fill_diagonal(diagonal_free, 0.0)  # nobody trades with themselves
    diagonal_free.setflags(write=False)
    frozen["trade_limit"] = diagonal_free
    day = Day(
        label=label,
        period_hours=float(scalars["period_hours"]),
        overload_price=float(scalars["overload_price"]),
        import_fee=float(scalars["import_fee"]),
        base_injection=base,
        storage_end=end,
        **frozen,
    )
    _validate(day)
    return day


def within_reach(day: Day) -> Array:
    """Return the energy in kWh each prosumer's storage can gain over the day whatever the others do, shape (N,)."""
    spare = day.import_limit + day.renewable - day.demand_min  # at least 0 in a valid day
    gained: Array = day.period_hours * day.storage_efficiency * np.clip(spare, 0.0, day.storage_power).sum(axis=0)
    return gained


def _frozen(faults: list[str], name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return a value as a frozen array of a shape of the table; one of no use with a fault added where it is none."""
    allowed = [shape, shape[1:], ()] if name in _T_BY_N else [shape, ()] if name != "base_injection" else [shape]
    try:
        array = real_array(value)
        if array.shape not in allowed:
            raise ValueError(wrong_shape(array.shape, allowed))
    except ValueError as error:
        faults.append(f"`{name}` {error}")
        return np.zeros(shape)
    frozen = np.array(np.broadcast_to(array, shape), dtype=np.float64)
    frozen.setflags(write=False)
    return frozen


def _listed(label: str, faults: list[str]) -> str:
    return f"day {label!r} is not valid:\n" + "\n".join(f"  - {fault}" for fault in faults)


def _validate(day: Day) -> None:
    """Raise one error that names every broken rule; uniqueness and feasibility of the clearing rest on these rules."""
    faults: list[str] = []

    def require(name: str, rule: str, holds: Callable[[], NDArray[np.bool_]], remedy: str = "") -> None:
        value, held = np.asarray(getattr(day, name)), holds()
        if not held.all():  # where it does not hold is looked for only then: that takes longer than all the rules
            bad = np.argwhere(~np.broadcast_to(held, value.shape))
            faults.append(broken(name, rule, value, bad, axes=axes_of(name, value.ndim), remedy=remedy))

    ends = () if day.storage_end is None else ("storage_end",)
    for name in (*_T_BY_N, *_BY_T, *_BY_N, *ends, *_SCALARS, "trade_limit", "trade_friction", "base_injection"):
        require(name, "be finite", lambda name=name: np.isfinite(getattr(day, name)))  # type: ignore[misc]
    if not faults:  # the rules below compare numbers, which NaN and infinity would only repeat
        stores = day.has_storage
        require("period_hours", "be > 0", lambda: np.asarray(day.period_hours > 0))
        require("demand_min", "be at least 0", lambda: day.demand_min >= 0)
        require("demand_max", "be at least `demand_min`", lambda: day.demand_max >= day.demand_min)
        require("utility_curvature", "be > 0", lambda: day.utility_curvature > 0, "Unique demand needs it.")
        require("renewable", "be at least 0", lambda: day.renewable >= 0)
        if day.import_price.ndim == 1:
            require("import_price", "be at least `export_price`", lambda: day.import_price >= day.export_price)
        elif (day.import_price < day.export_price).any():
            faults.append(paid_more_than_asked(day.import_price, day.export_price, ("period", "prosumer")))
        require("loss_price", "be at least 0", lambda: day.loss_price >= 0)
        require("overload_price", "be at least 0", lambda: np.asarray(day.overload_price >= 0))
        require("import_fee", "be at least 0", lambda: np.asarray(day.import_fee >= 0))
        for name in ("import_limit", "export_limit", "storage_power", "storage_capacity", "storage_start", "trade_limit"):
            require(name, "be at least 0", lambda name=name: getattr(day, name) >= 0)  # type: ignore[misc]
        require("grid_friction", "be > 0", lambda: day.grid_friction > 0, "Unique imports and exports need it.")
        require("trade_friction", "be > 0", lambda: day.trade_friction > 0, "Unique trades need it.")
        require("storage_wear", "be > 0 where there is storage", lambda: ~stores | (day.storage_wear > 0), "Unique use needs it.")
        require("storage_efficiency", "be in (0, 1]", lambda: (day.storage_efficiency > 0) & (day.storage_efficiency <= 1))
        require("storage_start", "be at most `storage_capacity`", lambda: day.storage_start <= day.storage_capacity)
        if day.storage_end is not None:
            least = day.storage_end
            require("storage_end", "be at least 0", lambda: least >= 0)
            require("storage_end", "be at most `storage_capacity`", lambda: least <= day.storage_capacity)
            require(
                "storage_end",
                "be within reach of `storage_start` by charging from the own connection and renewables",
                lambda: least <= day.storage_start + within_reach(day),
            )
        must_import = (day.demand_min - day.renewable).max(axis=0)
        short = bool((day.import_limit < must_import).any())  # writing the remedy takes longer than all the rules
        require(
            "import_limit",
            "be at least `demand_min` − `renewable` in every period, or the clearing is infeasible",
            lambda: day.import_limit >= must_import,
            f"It must be at least {np.array2string(must_import, precision=6, threshold=20)} kW." if short else "",
        )
    if faults:
        raise ValueError(_listed(day.label, faults))


def axes_of(name: str, ndim: int = 1) -> tuple[str, ...]:
    """Return what the axes of a field run over; ``ndim`` says how many it has, for retail prices, which may be each prosumer's own."""
    if name in _T_BY_N or (name in _PRICES and ndim == 2):
        return ("period", "prosumer")
    if name in _BY_T:
        return ("period",)
    if name in _BY_N or name == "storage_end":
        return ("prosumer",)
    return ("period", "bus") if name == "base_injection" else ("seller", "buyer")
