"""What comes in through the door of a community: types, shapes, labels and ranges, all of them checked before anything is made.

Both ways in end here: :func:`~gridtoll.envs.community.community.make_community` and a folder of CSV files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array, Door
from .clock import period_word, periods_of_day
from .household_prices import common_price, paid_more_than_asked
from .labels import by_prosumer, check_hours, names_of_columns
from .parameters import MarketParameters
from .rules import load_floor

KINDS: Final = ("solar", "wind", "none")
_BY_HOUR_AND_PROSUMER: Final = ("load_kw", "renewable_kw")
_RETAIL: Final = ("import_price", "export_price")
_NOT_NEGATIVE: Final = ("storage_power", "storage_capacity", "storage_start", "import_limit", "export_limit")


def check_words(
    door: Door,
    *,
    first_date: date,
    parameters: MarketParameters,
    prosumer_names: Sequence[str] | None,
    renewable_kind: Sequence[str] | None,
    n_prosumers: int,
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Check all that is no array; return the names and kinds, None where there are none."""
    given: tuple[object, object] = first_date, parameters
    if not isinstance(given[0], date) or (isinstance(given[0], datetime) and given[0] != datetime.combine(given[0], datetime.min.time())):
        door.faults.append(
            f"`first_date` must be a date, got {first_date!r}. Write date(2020, 1, 31), or date.fromisoformat('2020-01-31')."
        )
    if not isinstance(given[1], MarketParameters):
        door.faults.append(f"`parameters` must be MarketParameters, got {parameters!r}.")
    names = None if prosumer_names is None else door.names("prosumer_names", prosumer_names, n_prosumers)
    kinds = None if renewable_kind is None else door.names("renewable_kind", renewable_kind, n_prosumers, unique=False)
    unknown = sorted({kind for kind in kinds or () if kind not in KINDS})
    if unknown:
        door.faults.append(f"`renewable_kind` must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {', '.join(unknown)}.")
    return names, kinds


def take_in_year(
    door: Door, year: Mapping[str, ArrayLike], *, names: tuple[str, ...] | None, n: int, first_date: date, period_minutes: int
) -> tuple[str, ...] | None:
    """Take in the data of every period, and return the prosumers' names: those given, or else those of the columns of the loads.

    Args:
        door: Takes in the values, and the faults.
        year: ``load_kw`` and ``renewable_kw`` in kW, shape (Y, N), ``import_price`` in EUR/kWh, shape (Y,) or one number, and
            ``export_price`` and ``loss_price`` in EUR/kWh, both of shape (paths, Y) or both (Y,). Prices of households' own have an axis
            for them behind: (Y, N) for imports, (paths, Y, N) or (Y, N) for exports.
        names: One name per prosumer, None where none were given.
        n: Number of prosumers N.
        first_date: Date of day 0.
        period_minutes: Length of a period in minutes, one that divides the hour.
    """
    known = names or names_of_columns(year["load_kw"])
    in_order = {key: by_prosumer(door, key, year[key], known) if known else year[key] for key in _BY_HOUR_AND_PROSUMER}
    start: object = first_date
    check_hours(door, year, start if isinstance(start, date) else None, period_minutes)
    shape = np.shape(in_order["load_kw"])
    per_day, word = periods_of_day(period_minutes), period_word(period_minutes)
    if len(shape) != 2 or shape[1] != n or shape[0] == 0 or shape[0] % per_day:
        door.faults.append(f"`load_kw` must have shape ({word}, {n}) with whole days of {per_day} {word}, got {shape}.")
    else:
        door.numbers("load_kw", in_order["load_kw"], shape)
    hours = shape[0] if shape else 0
    door.numbers("renewable_kw", in_order["renewable_kw"], (hours, n))
    own = {key: known is not None and np.shape(year[key]) == (hours, n) for key in _RETAIL}
    retail = {key: by_prosumer(door, key, year[key], known or ()) if own[key] else year[key] for key in _RETAIL}
    _take_in_prices(door, retail, year, hours, n)
    return known if known is None or len(known) == n else None


def _take_in_prices(door: Door, retail: Mapping[str, ArrayLike], year: Mapping[str, ArrayLike], n_rows: int, n: int) -> None:
    """Take in prices: of households' own with an axis for them, both kinds, and without where all have the same."""
    wide = (n_rows, n)
    door.numbers("import_price", retail["import_price"], *([wide] if np.ndim(retail["import_price"]) == 2 else [(n_rows,), ()]))
    export, loss = np.asarray(retail["export_price"]), np.atleast_2d(np.asarray(year["loss_price"]))
    if export.ndim == 3 or (export.shape == wide and export.shape != loss.shape):
        export = export.reshape(-1, *export.shape[-2:])
    export = np.atleast_2d(export)
    if len(export.shape) > 3 or export.shape[0] < 1 or export.shape[1:] not in ((n_rows,), wide) or loss.shape != export.shape[:2]:
        door.faults.append(
            f"`export_price` and `loss_price` must both have shape (paths, {n_rows}), got {export.shape} and {loss.shape}. "
            f"Export prices of households' own have the shape (paths, {n_rows}, {n})."
        )
    else:
        door.numbers("export_price", export, export.shape)
        door.numbers("loss_price", loss, loss.shape)
    paid, got = (door.values.get(key) for key in _RETAIL)
    if paid is not None and got is not None:
        alike = common_price(paid) if paid.ndim == 2 else paid, common_price(got) if got.ndim == 3 else got
        if alike[0] is not None and alike[1] is not None:
            door.values |= {"import_price": alike[0], "export_price": alike[1]}
        else:
            wider = paid[:, None] if paid.ndim == 1 else paid, got[:, :, None] if got.ndim == 2 else got
            shapes = wide, (len(got), *wide)
            door.values |= {key: np.array(np.broadcast_to(value, shape)) for key, value, shape in zip(_RETAIL, wider, shapes, strict=True)}


def require_year(door: Door, names: Sequence[str] | None = None) -> None:
    """Check the ranges of the data of every period."""
    axes = ("hour", "prosumer")
    for key in _BY_HOUR_AND_PROSUMER:
        door.require(key, "be at least 0 and finite", lambda v: np.isfinite(v) & (v >= 0), axes=axes)
    if "load_kw" in door.values and not door.values["load_kw"].any():
        door.faults.append("`load_kw` must be above 0 somewhere.")
    door.require("import_price", "be finite", np.isfinite, axes=("hour", "prosumer"))
    door.require("export_price", "be finite", np.isfinite, axes=("path", "hour", "prosumer"))
    door.require("loss_price", "be at least 0 and finite", lambda v: np.isfinite(v) & (v >= 0), axes=("path", "hour"))
    if set(_RETAIL) <= door.values.keys():
        most = door.values["import_price"]
        if most.ndim == 1:
            door.require("export_price", "be at most `import_price`", lambda v: v <= most, axes=("path", "hour"))
        elif (most < door.values["export_price"]).any():
            door.faults.append(paid_more_than_asked(most, door.values["export_price"], ("path", "period", "prosumer"), names))


def take_in_prosumers(door: Door, given: Mapping[str, ArrayLike | None], *, names: tuple[str, ...] | None, n: int) -> None:
    """Take in what is given of each prosumer's own numbers, and check their ranges.

    Args:
        door: Takes in the values, and the faults.
        given: Arrays by name, shape (N,) or one number for all, None where absent; for units see :class:`~.community.Community`.
        names: One name per prosumer, None where there are none.
        n: Number of prosumers N.
    """
    for key, value in given.items():
        if value is not None:
            door.numbers(key, by_prosumer(door, key, value, names) if names else value, (n,), ())
    axis = ("prosumer",)
    for key in _NOT_NEGATIVE:
        door.require(key, "be at least 0 and finite", lambda v: np.isfinite(v) & (v >= 0), axes=axis)
    door.require("storage_efficiency", "be in (0, 1]", lambda v: (v > 0) & (v <= 1), axes=axis)
    positive = "be > 0 and finite"
    door.require("grid_friction", positive, _is_positive, axes=axis, remedy="Unique imports and exports need it.")
    power, start = door.values.get("storage_power", np.ones(n)), door.values.get("storage_start")
    rule = f"{positive} where there is storage"
    door.require("storage_wear", rule, lambda v: np.isfinite(v) & ((power == 0) | (v > 0)), axes=axis, remedy="Unique use needs it.")
    if start is not None and "storage_capacity" in door.values:
        most = door.values["storage_capacity"]
        door.require("storage_start", "be at most `storage_capacity`", lambda v: v <= most, axes=axis)


def take_in_scalars(door: Door, *, trade_friction: ArrayLike | None, charge_cap: ArrayLike | None, partners: Any) -> None:
    """Take in what is one number for the community, shape (); what is None is absent.

    Args:
        door: Takes in the values, and the faults.
        trade_friction: In EUR/kWh/kW.
        charge_cap: In EUR/kWh.
        partners: With how many nearest each may trade.
    """
    for key, value, remedy in (("trade_friction", trade_friction, "Unique trades need it."), ("charge_cap", charge_cap, "")):
        if value is not None:
            door.numbers(key, value, ())
            door.require(key, "be > 0 and finite", _is_positive, remedy=remedy)
    if partners is not None:
        door.whole_numbers("partners", partners, ())
        door.require("partners", "be at least 1, or None for all", lambda v: v >= 1)


def check_service(door: Door, numbers: MarketParameters, names: Sequence[str] | None) -> None:
    """Add a fault where a prosumer could not be served, by its worst hour, or has a load too small to divide by."""
    load = np.maximum(door.values["load_kw"], load_floor(door.values["load_kw"], numbers))
    known = list(names or ()) or [f"prosumer {i}" for i in range(load.shape[1])]
    with np.errstate(divide="ignore", over="ignore"):
        faint = np.flatnonzero(np.isinf(numbers.flexibility_value / load) & (load > 0))
    if len(faint):
        whom = ", ".join(repr(known[i]) for i in np.unique(faint % load.shape[1]).tolist())
        door.faults.append(f"`load_kw` must be 0 or large enough to divide `flexibility_value` by, those of {whom} are not. Make them 0.")
    if "import_limit" not in door.values:
        return
    limit = door.values["import_limit"]
    must_import = (numbers.demand_min_share * load - door.values["renewable_kw"]).max(axis=0)
    short = np.flatnonzero(must_import > limit)
    if len(short):
        listed = ", ".join(f"{known[i]!r} {limit[i]:g} < {must_import[i]:g}" for i in short.tolist())
        door.faults.append(
            "`import_limit` must carry the least demand not met by own renewables in every hour, or the market is infeasible; "
            f"in kW: {listed}."
        )


def as_date(value: date) -> date:
    """Return a date as a plain one: midnight of a datetime or of pandas' Timestamp is the date."""
    return date(value.year, value.month, value.day)


def check_last_date(door: Door, first_date: date, n_days: int) -> None:
    """Add a fault where the data runs past the last date there is."""
    try:
        first_date + timedelta(days=n_days)
    except OverflowError:
        door.faults.append(f"`first_date` must leave room for {n_days} days before the year 10000, got {first_date}.")


def _is_positive(value: Array) -> NDArray[np.bool_]:
    return np.isfinite(value) & (value > 0)
