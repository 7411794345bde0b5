"""Which entry of a day is out of scale: what the error of a clearing that cannot be proved tells the user to look at.

Double precision has 16 digits. A clearing exact to 1e-9 leaves 7 of them for how far the numbers of a day lie apart, and every ratio of
two of them uses some up: a friction of 1e-12 beside prices of 0.3 takes all. Each field is compared with what is typical of its kind, in
the units of :mod:`.market_data`; the farthest entries are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from ...community.day import Array, Day, axes_of
from ...errors import ClearingError
from .market_data import power_unit, price_unit
from .solution import TOLERANCE

_MOST_NAMED: Final = 3
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "price": (0.0, 1e2),
    "slope": (0.0, 1e4),
    "power": (1e-6, 1e6),
    "curvature": (1e-5, 1e5),
}
"""Shares of what is typical within which clearings are exact as a rule; a price may be 0. Measured for prices, on six random communities
that are refused for the import price of one hour: at 10,000 times the typical price all six are still refused, at 1,000 times four, at 300
times one, at 100 times none. The slope of a prosumer whose demand is at its greatest anyway may be far out and harmless."""
_KINDS: Final[dict[str, str]] = {
    "utility_slope": "slope",
    "import_price": "price",
    "export_price": "price",
    "demand_min": "power",
    "demand_max": "power",
    "renewable": "power",
    "import_limit": "power",
    "export_limit": "power",
    "storage_power": "power",
    "storage_capacity": "power",
    "trade_limit": "power",
    "utility_curvature": "curvature",
    "grid_friction": "curvature",
    "storage_wear": "curvature",
    "trade_friction": "curvature",
}


class _Entry(NamedTuple):
    """One entry in words, its share of what is typical, and by how many powers of ten it lies outside the range."""

    words: str
    share: float
    kind: str
    beyond: float


def out_of_scale(day: Day) -> str:
    """Return a sentence that names the entries farthest out of scale, or the farthest one where all lie within the usual ranges."""
    power, price = power_unit(day), price_unit(day)
    units = {"price": price, "slope": price, "power": power, "curvature": price / power}
    words = {
        "slope": f"the typical price of {price:.3g} EUR/kWh",
        "price": f"the typical price of {price:.3g} EUR/kWh",
        "power": f"the typical load of {power:.3g} kW",
        "curvature": f"the typical price per load, {price / power:.3g} EUR/kWh/kW",
    }
    entries = sorted(_entries(day, units), key=lambda entry: -entry.beyond)
    outside = [entry for entry in entries if entry.beyond > 0]
    named = "; ".join(
        f"{entry.words}, which is {entry.share:.2g} times {words[entry.kind]}{_limit(entry)}"
        for entry in (outside or entries)[:_MOST_NAMED]
    )
    if not outside:
        return f"No entry lies outside the usual ranges; the farthest out: {named}."
    more = f"; and {len(outside) - _MOST_NAMED} more" if len(outside) > _MOST_NAMED else ""
    return f"Out of scale: {named}{more}. Bring these entries nearer to what is typical."


def _limit(entry: _Entry) -> str:
    """Return in words what share would have been within the range, nothing for an entry that is."""
    low, high = _RANGES[entry.kind]
    if low <= entry.share <= high:
        return ""
    return f" (at least {low:g} clears as a rule)" if entry.share < low else f" (at most {high:g} clears as a rule)"


def clearing_error(day: Day, charges: Array, failures: list[str]) -> ClearingError:
    """Return the error of a day that could not be cleared exactly, with what is needed to replay it.

    Args:
        day: The day; the entries that are out of scale are named.
        charges: Charges in EUR/kWh, any shape.
        failures: What each attempt left.
    """
    return ClearingError(
        f"the clearing must be exact to {TOLERANCE:g}, and is not: {'; '.join(failures)}. {out_of_scale(day)} To replay it, clear day "
        f"{day.label!r} at charges from {charges.min():.17g} to {charges.max():.17g} EUR/kWh (mean {charges.mean():.17g})."
    )


def _entries(day: Day, units: dict[str, float]) -> Iterator[_Entry]:
    """Yield the least and the greatest entry of every field that counts."""
    for name, kind in _KINDS.items():
        values: Array = np.abs(getattr(day, name))
        counts = _that_count(day, name, values)
        if not counts.any():
            continue
        share = values / units[kind]
        low, high = _RANGES[kind]
        for pick, worst in ((np.where(counts, share, np.inf).argmin(), min), (np.where(counts, share, -np.inf).argmax(), max)):
            where = tuple(int(index) for index in np.unravel_index(int(pick), values.shape))
            found = float(share[where])
            beyond = _powers(low, found) if worst is min else _powers(found, high)
            place = ", ".join(f"{axis} {index}" for axis, index in zip(axes_of(name, values.ndim), where, strict=False))
            yield _Entry(f"`{name}` {float(getattr(day, name)[where]):.3g}" + (f" at {place}" if place else ""), found, kind, beyond)


def _that_count(day: Day, name: str, values: Array) -> np.ndarray:
    """Return which entries take part: those of pairs that trade and of stores that are there, and no zeros."""
    counts = values > 0
    if name.startswith("trade_"):
        counts &= day.can_trade
    if name.startswith("storage_"):
        counts &= day.has_storage
    return np.asarray(counts)


def _powers(smaller: float, greater: float) -> float:
    """Return by how many powers of ten one number lies above another, which may be 0."""
    return float(np.log10(smaller) - np.log10(greater)) if smaller > 0 and greater > 0 else -np.inf
