"""Tidy tables: rows of named values, means over days, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..ground.runs import write_text

Row = dict[str, Any]


def grouped(rows: Iterable[Row], *by: str) -> dict[tuple[Hashable, ...], list[Row]]:
    """Return rows by the values of some columns, groups in the order of their first rows."""
    groups: dict[tuple[Hashable, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return groups


def mean_rows(rows: Iterable[Row], *by: str) -> list[Row]:
    """Return one row for each group: the columns grouped by, and the mean of every other over the rows that have a number there.

    >>> mean_rows([{"system": "a", "profit": 1.0}, {"system": "a", "profit": 3.0}, {"system": "b", "profit": None}], "system")
    [{'system': 'a', 'profit': 2.0}, {'system': 'b', 'profit': None}]
    """
    result = []
    for key, members in grouped(rows, *by).items():
        row: Row = dict(zip(by, key, strict=True))
        for name in members[0]:
            if name not in by:
                row[name] = mean_of([member[name] for member in members])
        result.append(row)
    return result


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the numbers among values, None where there is none."""
    numbers = [float(value) for value in values if value is not None and math.isfinite(value)]
    return math.fsum(numbers) / len(numbers) if numbers else None


def write_csv(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Write rows under a header, whole or not at all; what is None or NaN stays empty, and numbers read back exactly.

    Args:
        path: The file.
        rows: What to write.
        columns: Which columns, in this order; those of the first row where absent.
    """
    names = list(columns or (rows[0] if rows else []))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    write_text(path, text.getvalue())


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def only(rows: Iterable[Row], **wanted: Hashable) -> list[Row]:
    """Return the rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def one(rows: Iterable[Row], **wanted: Hashable) -> Row:
    """Return the one row with these values.

    Raises:
        ValueError: If there is not exactly one.
    """
    found = only(rows, **wanted)
    if len(found) != 1:
        raise ValueError(f"exactly one row must have {wanted}, got {len(found)}.")
    return found[0]


def numbers(row: Mapping[str, Any]) -> Row:
    """Return JSON values of a row: numbers that JSON has no word for become None."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
