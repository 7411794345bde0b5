"""Reading a community folder: every fault is collected before any is raised."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...written import explained
from ...written import number as read_number
from ..clock import MINUTES_PER_HOUR, divides_the_hour, is_zone
from ..community import Community, make_community
from ..day import Array
from ..derivation import Derivation, Ledger
from ..parameters import MARKET_PARAMETER_NAMES, MarketParameters
from . import tables
from .folder_format import ALWAYS, DEFAULTS, FORMAT_VERSION, KINDS, PROSUMER_RULES, SETTINGS, field_name
from .grid_files import network_of, read_grid
from .household_file import add_household_prices
from .tables import HOUR_COLUMN, CsvTable, Faults, read_table

_log = logging.getLogger(__name__)


def read_folder(folder: Path, *, partners: int | Literal["all"] | None = None) -> Community:
    """Return the community of a folder.

    Args:
        folder: The folder.
        partners: Replaces the folder's setting.

    Raises:
        ValueError: Listing every fault with file, row and column.
    """
    faults = Faults(folder)
    settings = _read_settings(faults)
    grid = read_grid(faults, settings)
    prosumers = _read_prosumers(faults, () if grid is None else grid["bus_names"])
    names = prosumers.pop("prosumer_names", None)
    year, hours = _read_year(faults, names, settings.get("period_minutes", MINUTES_PER_HOUR))
    add_household_prices(faults, folder, year, names, hours)
    _check_unit(faults, prosumers, year, names)
    faults.raise_if_any()
    asked = settings["partners"] if partners is None else partners
    try:
        community = make_community(
            settings["name"],
            network_of(faults, grid or {}, settings, prosumers.pop("bus")),
            partners=None if asked == "all" else int(asked),
            trade_friction=settings["trade_friction"],
            charge_cap=settings["charge_cap"],
            parameters=MarketParameters(**{name: settings[name] for name in MARKET_PARAMETER_NAMES}),
            prosumer_names=names,
            period_minutes=settings["period_minutes"],
            time_zone=settings["time_zone"],
            derivations=_derivations(grid or {}),
            **prosumers,
            **year,
        )
    except ValueError as error:
        raise error if str(error).startswith("community folder") else ValueError(f"community folder {str(folder)!r}: {error}") from None
    for entry in community.derivations:
        if entry.how == "floored":
            _log.warning("community folder %r: `%s`: %s.", str(folder), entry.field, entry)
    return community


def _read_settings(faults: Faults) -> dict[str, Any]:
    """Return the settings by name, numbers converted; only what could be read."""
    file = "settings.csv"
    table = read_table(faults, file, ("name", "value"), ("meaning",))
    if table is None:
        return {}
    names = table.known("name", tuple(SETTINGS), "the settings")
    table.text("name", unique=True)
    raw = {key: (row, cells[table.header.index("value")]) for (row, cells), k in zip(table.rows, names, strict=True) for key in _key(k)}
    settings: dict[str, Any] = {}
    for key in SETTINGS:
        if key not in raw and key in DEFAULTS:
            settings[key] = DEFAULTS[key]
            continue
        if key not in raw:
            faults.add(file, f"the setting {key!r} is missing ({SETTINGS[key]}).")
            continue
        row, value = raw[key]
        try:
            settings[key] = _setting(key, value)
        except ValueError:
            faults.add(file, f"{key} must be: {SETTINGS[key]}; got {value!r}{explained(value)}.", row=row, column="value")
    if settings.get("format", FORMAT_VERSION) != FORMAT_VERSION:
        faults.add(file, f"format must be {FORMAT_VERSION}, got {settings['format']}. Export a template again and move the data into it.")
    if set(MARKET_PARAMETER_NAMES) <= settings.keys():
        try:
            MarketParameters(**{name: settings[name] for name in MARKET_PARAMETER_NAMES})
        except ValueError as error:
            faults.add(file, str(error).replace("\n", ""))
    return settings


def _key(position: int) -> tuple[str, ...]:
    return () if position < 0 else (tuple(SETTINGS)[position],)


def _setting(key: str, value: str) -> object:
    if key in ("name", "slack_bus"):
        if not value:
            raise ValueError
        return value
    if key == "partners" and value == "all":
        return value
    if key == "time_zone" and is_zone(value):
        return value
    number = read_number(value)
    if key == "period_minutes" and not divides_the_hour(int(number) if number == int(number) else number):
        raise ValueError
    whole = key in ("partners", "format", "period_minutes")
    positive = key in ("base_power_kw", "trade_friction", "charge_cap") or whole
    if not np.isfinite(number) or (positive and not number > 0) or (whole and number != int(number)):
        raise ValueError
    return int(number) if whole else number


def _read_prosumers(faults: Faults, bus_names: Sequence[str]) -> dict[str, Any]:
    """Return arguments of :func:`make_community`, with the names and the bus of each prosumer."""
    file = "prosumers.csv"
    optional = [column for column in PROSUMER_RULES if column not in ALWAYS]
    table = read_table(faults, file, ("prosumer", "bus", *ALWAYS), ("renewable_kind", *optional))
    if table is None:
        return {}
    found: dict[str, Any] = {"prosumer_names": table.text("prosumer", unique=True)}
    if bus_names:
        found["bus"] = table.known("bus", bus_names, "the buses of buses.csv")
    if table.has("renewable_kind"):
        found["renewable_kind"] = [KINDS[k] for k in table.known("renewable_kind", KINDS, "solar, wind, none")]
    for column, rule in PROSUMER_RULES.items():
        if table.has(column):
            found[field_name(column)] = table.numbers((column,), rule)[:, 0]
    if "storage_start" in found:
        for (row, _), start, capacity in zip(table.rows, found["storage_start"], found["storage_capacity"], strict=True):
            if start > capacity:
                faults.add(file, f"must be at most storage_capacity_kwh {capacity:g}, got {start:g}.", row=row, column="storage_start_kwh")
    return found


def _read_year(faults: Faults, names: Sequence[str] | None, period_minutes: int) -> tuple[dict[str, Any], list[str]]:
    """Return the arrays of every period with the first date, and the column of hours of the prices."""
    found: dict[str, Any] = {}
    hours: list[str] = []
    seen: dict[str, tuple[datetime | None, int]] = {}
    for key, file in (("load_kw", "load_kw.csv"), ("renewable_kw", "renewable_kw.csv")):
        table = read_table(faults, file, (HOUR_COLUMN, *(names or ())), others=names is None)
        if table is not None:
            found[key] = table.numbers(names or [c for c in table.header if c != HOUR_COLUMN], tables.NOT_NEGATIVE)
            seen[file] = (table.hours(period_minutes), len(table.rows))
    prices = read_table(faults, "prices.csv", (HOUR_COLUMN, "import_price", "export_price_0", "loss_price_0"), others=True)
    if prices is not None:
        found |= _prices(faults, prices)
        hours = [cells[prices.header.index(HOUR_COLUMN)] for _, cells in prices.rows]
        seen["prices.csv"] = (prices.hours(period_minutes), len(prices.rows))
    for file, (first, count) in list(seen.items())[1:]:
        other, (other_first, other_count) = next(iter(seen.items()))
        if (first, count) != (other_first, other_count) and None not in (first, other_first):
            faults.add(file, f"must have the hours of {other}, {other_count} from {other_first}, got {count} from {first}.")
    first_hour = next((first for first, _ in seen.values() if first is not None), None)
    return found | {"first_date": None if first_hour is None else first_hour.date()}, hours


def _check_unit(faults: Faults, prosumers: dict[str, Any], year: dict[str, Any], names: Sequence[str] | None) -> None:
    """Note loads that are in W, which stated connections show: nobody's load is a hundred times what the connection carries."""
    limit, load = prosumers.get("import_limit"), year.get("load_kw")
    if limit is None or load is None or load.shape[1:] != limit.shape:
        return
    for name, most, connection in zip(names or (), np.nanmax(load, axis=0, initial=0.0), limit, strict=False):
        if most > 100 * connection > 0:
            text = f"goes up to {most:g}, but import_limit_kw is {connection:g}. Is it in W? Powers are in kW: divide by 1000."
            faults.add("load_kw.csv", text, column=name, kind="in W")


def _prices(faults: Faults, table: CsvTable) -> dict[str, Array]:
    """Return import, export and loss prices, as many paths as the file has columns for."""
    n_paths = sum(column.startswith("export_price_") for column in table.header)
    wanted = [f"{kind}_price_{path}" for path in range(n_paths) for kind in ("export", "loss")]
    expected = {HOUR_COLUMN, "import_price", *wanted}
    for column in sorted(expected - set(table.header)):
        faults.add(
            table.file,
            "the column is missing; each price path needs an export and a loss price, counted from 0.",
            column=column,
            kind="missing price",
        )
    for column in sorted(set(table.header) - expected):
        faults.add(table.file, "there is no such column.", column=column, kind="unknown column")
    if expected != set(table.header):
        return {}
    import_price = table.numbers(("import_price",), tables.ANY)[:, 0]
    export_price = table.numbers(wanted[0::2], tables.ANY)
    loss_price = table.numbers(wanted[1::2], tables.NOT_NEGATIVE)
    for index, path in np.argwhere(export_price > import_price[:, None]):
        text = f"must be at most import_price {import_price[index]:g}, got {export_price[index, path]:g}."
        faults.add(table.file, text, row=table.rows[index][0], column=f"export_price_{path}", kind="export above import")
    return {"import_price": import_price, "export_price": export_price.T.copy(), "loss_price": loss_price.T.copy()}


def _derivations(grid: dict[str, Any]) -> list[Derivation]:
    """Return what the buses' file does not hold."""
    ledger = Ledger()
    n_buses = len(grid["bus_names"])
    if grid["zone"] is None:
        ledger.write_words("bus_zone", n_buses, "buses clustered by electrical distance")
    if grid["bus_position"] is None:
        ledger.write_words("bus_position", n_buses, "laid out by a method that depends on the grid alone; for drawing")
    return ledger.entries
