"""Prices: from files and constants to EUR/kWh in every period, the same for all or each prosumer's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from ...arrays import Array
from ..parameters import LOSS_PRICE_FLOOR
from ..sources.faults import Faults
from .clock import MINUTES_PER_DAY, Times, read_times, told_apart
from .meters import Series, time_column
from .request import BuildRequest
from .resolution import Days, ResolutionNotes, on_periods, step_of
from .sheet import Sheet
from .words import PRICE_UNITS, PRICES, of_price

NAMES: Final = ("import_price", "export_price", "loss_price")
_UNIT_RULE: Final = (
    "the unit of its prices must be stated, in the header, like 'import [ct/kWh]', or by --price-unit EUR/kWh, ct/kWh or EUR/MWh"
)


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of the community.

    Attributes:
        import_price: EUR/kWh, shape (Y,) where it is the same for all, else (Y, N).
        export_price: The same.
        loss_price: EUR/kWh, shape (Y,).
        notes: What was filled in, a sentence for each.
    """

    import_price: Array
    export_price: Array
    loss_price: Array
    notes: tuple[str, ...]


def read_prices(sheet: Sheet, zone: ZoneInfo | None, request: BuildRequest) -> tuple[list[Series], Times | None]:
    """Return the prices of a file, a series for each column, and the stamps; faults are noted."""
    column = time_column(sheet, request)
    if column is None:
        return [], None
    times = read_times(sheet, column, zone)
    rows, found = np.flatnonzero(times.known), []
    for each in sheet.header:
        if each == column or each in request.ignore:
            continue
        said = of_price(each)
        unit = said.unit or (request.price_unit or "").lower()
        if said.word not in PRICES.values():
            text = "must say which price it holds: import, export or loss, with a household before it where it is one's own."
            sheet.faults.add(sheet.file, f"{text} Rename it, or leave it out by --ignore.", column=each)
            continue
        if unit not in PRICE_UNITS:
            sheet.faults.add(sheet.file, f"{_UNIT_RULE}; neither says.", column=each, kind="no unit")
            continue
        values = sheet.numbers(each) / PRICE_UNITS[unit]
        found.append(
            Series(
                files=(sheet.file,),
                file_of=np.zeros(len(rows), dtype=np.intp),
                column=each,
                household=said.household,
                quantity=said.word,
                minutes=told_apart(times, rows),
                values=values[rows],
                rows=sheet.row_numbers[rows],
                energy=False,
            )
        )
    return found, times


def prices_of(
    faults: Faults, series: Sequence[Series], days: Days, request: BuildRequest, found: ResolutionNotes, *, households: Sequence[str]
) -> Prices | None:
    """Return the prices in every period; None, with the reasons noted, where some are missing.

    Args:
        faults: Where to note what is wrong.
        series: Prices of files.
        days: The days they are wanted for.
        request: Constants, and how gaps are filled.
        found: Where to note what was filled.
        households: The prosumers in their order.
    """
    own: dict[tuple[str, str], Array] = {}
    for each in series:
        if each.household and each.household not in households:
            text = f"must belong to a household that has a meter, got {each.household!r}."
            faults.add(each.file, text, column=each.column)
            continue
        step = step_of(faults, each)
        if step is not None:
            if (each.quantity, each.household) in own:
                faults.add(each.file, f"{each.label!r} must stand once.", column=each.column)
            own[each.quantity, each.household] = on_periods(
                faults, each, days, request, found, step=step, fill=request.fill_prices, hold=True
            )
    arrays: dict[str, Array] = {}
    for name in NAMES:
        made = _one(faults, name, own, _constant(request, name, days), households)
        if made is not None:
            arrays[name] = made
    if "loss_price" in arrays and arrays["loss_price"].ndim == 2:
        faults.add("prices", "loss_price must be the same for all: the operator pays it. Give one column 'loss'.")
    if {"import_price", "export_price"} - arrays.keys():
        return None
    _note_earning(faults, arrays["import_price"], arrays["export_price"], days, households=households)
    notes: tuple[str, ...] = ()
    if "loss_price" not in arrays:
        export = arrays["export_price"]
        arrays["loss_price"] = np.maximum(export if export.ndim == 1 else export.mean(axis=1), LOSS_PRICE_FLOOR)
        mean = "" if export.ndim == 1 else ", its mean over prosumers"
        notes = (f"loss_price: the export price{mean}, but at least {LOSS_PRICE_FLOOR:g} EUR/kWh (give a column 'loss', or --loss-price)",)
    return Prices(arrays["import_price"], arrays["export_price"], arrays["loss_price"], notes)


def _note_earning(faults: Faults, paid: Array, got: Array, days: Days, *, households: Sequence[str]) -> None:
    """Note export prices above the same household's import price: who buys and sells at once would earn without end."""
    wide = (len(paid), len(households))
    columns = [price if price.ndim == 2 else np.broadcast_to(price[:, None], wide) for price in (paid, got)]
    above = np.argwhere(columns[1] > columns[0])
    if len(above):
        period, whom = above[0].tolist()
        at = days.clock.written(days.start + period * days.period_minutes)
        of = f" of {households[whom]!r}" if paid.ndim == 2 or got.ndim == 2 else ""
        count = len(set(above[:, 0].tolist()))
        text = (
            f"the export price{of} must be at most the import price, got {columns[1][period, whom]:g} above {columns[0][period, whom]:g} "
        )
        faults.add("prices", f"{text}EUR/kWh at {at}, the first of {count} periods.")


def _constant(request: BuildRequest, name: str, days: Days) -> Array | None:
    """Return the constant price asked for, shape (Y,), None if there is none."""
    value = request.constants.get(name)
    return None if value is None else np.full(days.count * MINUTES_PER_DAY // days.period_minutes, float(value))


def _one(faults: Faults, name: str, own: dict[tuple[str, str], Array], constant: Array | None, households: Sequence[str]) -> Array | None:
    """Return one price, shape (Y,) or (Y, N): each household's own, else that common to all, else the constant; None if there is none."""
    flag = f"--{name.replace('_', '-')}"
    common, each = own.get((name, "")), {whom: values for (what, whom), values in own.items() if what == name and whom}
    if constant is not None:
        if common is not None:
            faults.add(flag, "must be left out where the file of prices has this price for all.")
        common = constant
    missing = [whom for whom in households if whom not in each]
    if common is None and missing:
        if name != "loss_price":
            whose = f" of {', '.join(missing[:5])}" if each else ""
            word = name.partition("_")[0]
            faults.add("prices", f"{name}{whose} must be given: a column {word!r} in --prices FILE, or {flag} in EUR/kWh.")
        return None
    if not each:
        return common
    columns = [price for whom in households if (price := each.get(whom, common)) is not None]
    whole: Array = np.stack(columns, axis=1)
    return whole
