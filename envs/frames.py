"""Tables as pandas has them, with the unit of every column.

Units stand at the end of a column's name, as everywhere in this package, and once more under ``units`` in the table's ``attrs``.
A table has one row for each thing and no index of its own; ``frame.set_index(["period", "prosumer"]).to_xarray()`` makes arrays with
named axes of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pandas import DataFrame

_UNITS: Final = {"_eur_per_kwh": "EUR/kWh", "_eur": "EUR", "_kwh": "kWh", "_kw": "kW"}
"""What the end of a name says; the first that fits counts."""


def unit_of(column: str) -> str:
    """Return the unit that a column's name ends with, 1 where it has none.

    >>> unit_of("nodal_price_eur_per_kwh"), unit_of("surplus_eur"), unit_of("prosumer")
    ('EUR/kWh', 'EUR', '1')
    """
    return next((unit for end, unit in _UNITS.items() if column.endswith(end)), "1")


def frame_of(columns: Mapping[str, Any]) -> DataFrame:
    """Return a table of these columns, arrays of one length, with their units under ``units`` in its ``attrs``."""
    from pandas import DataFrame  # noqa: PLC0415 - who wants no table need not wait for half a second

    frame = DataFrame(dict(columns))
    frame.attrs["units"] = {str(name): unit_of(str(name)) for name in columns}
    return frame


def named(what: str, names: Sequence[str] | None, count: int) -> list[str] | list[int]:
    """Return the names of so many rows, numbers from 0 where there are none.

    Raises:
        ValueError: If their number is another.
    """
    if names is None:
        return list(range(count))
    if len(names) != count:
        raise ValueError(f"`{what}` must be {count} names, got {len(names)}.")
    return list(names)
