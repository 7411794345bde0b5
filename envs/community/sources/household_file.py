"""``household_prices.csv``: retail prices of households' own, a row for each period of each household that has them.

The file is optional. Who has no rows in it, and every price it has no column for, is as ``prices.csv`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...arrays import Array, IntArray
from ..household_prices import by_household
from . import tables
from .faults import Faults
from .hours import HOUR_COLUMN
from .tables import CsvTable, read_table

FILE: Final = "household_prices.csv"
_NAME: Final = "name"


def add_household_prices(faults: Faults, folder: Path, year: dict[str, Any], names: Sequence[str] | None, hours: Sequence[str]) -> None:
    """Give the prices of a folder an axis for households where it has prices of their own.

    Args:
        faults: Where to note what is wrong.
        folder: The folder.
        year: ``import_price`` in EUR/kWh, shape (Y,), and ``export_price``, shape (paths, Y), which are changed.
        names: Of the N prosumers; None where they could not be read.
        hours: The column of hours of prices.csv, length Y.
    """
    if not (folder / FILE).is_file() or names is None or not {"import_price", "export_price"} <= year.keys():
        return
    paths = [f"export_price_{path}" for path in range(len(year["export_price"]))]
    table = read_table(faults, FILE, (HOUR_COLUMN, _NAME), ("import_price", *paths))
    if table is None:
        return
    priced = [column for column in ("import_price", *paths) if table.has(column)]
    if not priced:
        faults.add(FILE, f"must have a column of prices: import_price, {', '.join(paths)}.")
    whose = np.array(table.known(_NAME, names, "the prosumers of prosumers.csv"))
    values = table.numbers(priced, tables.ANY)
    own_import = np.array(by_household(year["import_price"], len(names)))
    own_export = np.stack([by_household(price, len(names)) for price in year["export_price"]])
    for household in sorted(set(whose[whose >= 0].tolist())):
        rows = np.flatnonzero(whose == household)
        if not _in_order(table, rows, hours, names[household]):
            return
        for column, price in zip(priced, values[rows].T, strict=True):
            (own_import if column == "import_price" else own_export[paths.index(column)])[:, household] = price
    year |= {"import_price": own_import, "export_price": own_export}


def _in_order(table: CsvTable, rows: IntArray, hours: Sequence[str], name: str) -> bool:
    """Return whether the rows of a household are those of prices.csv, noting it where they are not."""
    at = table.header.index(HOUR_COLUMN)
    found = [table.rows[row][1][at] for row in rows]
    if found == list(hours):
        return True
    wrong = next((k for k, (ours, theirs) in enumerate(zip(found, hours, strict=False)) if ours != theirs), min(len(found), len(hours)))
    row = table.rows[rows[wrong]][0] if wrong < len(rows) else None
    text = f"the rows of {name!r} must be the {len(hours)} of prices.csv in their order, got {len(found)}"
    text += f", of which {found[wrong]!r} stands for {hours[wrong]!r}." if wrong < min(len(found), len(hours)) else "."
    table.faults.add(table.file, text, row=row, column=HOUR_COLUMN)
    return False


def household_rows(
    import_price: Array, export_price: Array, names: Sequence[str], hours: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """Return the header and rows of the file for prices of shape (Y, N) and (paths, Y, N), household after household."""
    header = [HOUR_COLUMN, _NAME, "import_price", *(f"export_price_{path}" for path in range(len(export_price)))]
    rows: list[list[Any]] = []
    for household, name in enumerate(names):
        columns = [import_price[:, household], *export_price[:, :, household]]
        rows += [[hour, name, *row] for hour, row in zip(hours, np.stack(columns, axis=1).tolist(), strict=True)]
    return header, rows
