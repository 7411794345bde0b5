"""Rows of evaluations as one Parquet file: typed columns, units beside them, read back exactly as they were written.

A file is what :class:`~gridtoll.train.scoring.evaluate.Row` says, a column for each field, with two changes of type: ``date`` is a date,
and ``charge`` a list of numbers. Each column carries its unit under ``unit`` in its metadata; the file's metadata hold, as JSON under
``gridtoll``, the version of this layout, and the version and commit of the software that wrote the file (each row names those it was
computed with).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, Final, get_type_hints

from ... import __version__
from ...envs.files import write_atomically
from ...envs.packages import research_package
from ..ground.runs import commit
from ..scoring.rows import Row

SCHEMA: Final = 1
"""Version of the layout; a file with another one is refused."""
UNITS: Final[dict[str, str]] = {
    **{field.name: "1" for field in fields(Row)},
    **{field.name: "EUR" for field in fields(Row) if field.name.endswith("_eur")},
    **dict.fromkeys(("charge", "optimum_charge"), "EUR/kWh"),
}
"""Unit of each column; 1 for numbers without one and for words."""


def require_parquet() -> None:
    """See to it that Parquet files can be written and read here, before work begins that ends in one.

    Raises:
        MissingPackageError: If pyarrow cannot be imported; a ``ValueError``.
    """
    _packages()


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a Parquet file, whole or not at all; the same rows give the same bytes.

    Raises:
        ValueError: If pyarrow is missing.
    """
    arrow, parquet = _packages()
    columns = {field.name: [_stored(field.name, getattr(row, field.name)) for row in rows] for field in fields(Row)}
    table = arrow.table(columns, schema=_schema(arrow))
    write_atomically(path, lambda file: parquet.write_table(table, file, compression="zstd"))


def read_parquet(path: Path) -> list[Row]:
    """Return the rows of a file that :func:`write_parquet` wrote.

    Raises:
        ValueError: If pyarrow is missing, or the file is not one of this layout.
    """
    arrow, parquet = _packages()
    try:
        table = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"rows must be in a Parquet file, got {path}: {error}") from None
    facts = json.loads((table.schema.metadata or {}).get(b"gridtoll", b"{}"))
    if facts.get("schema") != SCHEMA or table.schema != _schema(arrow):
        raise ValueError(
            f"a Parquet file of rows must have layout {SCHEMA} with the columns of gridtoll {__version__}, got {path} with layout "
            f"{facts.get('schema')}, written by gridtoll {facts.get('gridtoll')}. Read it with that version."
        )
    return [Row(**{name: _restored(name, value) for name, value in values.items()}) for values in table.to_pylist()]


def _schema(arrow: Any) -> Any:
    """Return the columns, with units, and what wrote them."""
    kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    special = {"date": arrow.date32(), "charge": arrow.list_(arrow.float64())}
    hints = get_type_hints(Row)
    columns = [
        arrow.field(field.name, special.get(field.name, kinds[hints[field.name]]), nullable=False, metadata={"unit": UNITS[field.name]})
        for field in fields(Row)
    ]
    facts = {"schema": SCHEMA, "gridtoll": __version__, "commit": commit()}
    return arrow.schema(columns, metadata={"gridtoll": json.dumps(facts, sort_keys=True)})


def _stored(name: str, value: Any) -> Any:
    match name:
        case "date":
            return date.fromisoformat(value)
        case "charge":
            return [float(part) for part in value.split()]
        case _:
            return value


def _restored(name: str, value: Any) -> Any:
    match name:
        case "date":
            return value.isoformat()
        case "charge":
            return " ".join(repr(charge) for charge in value)
        case _:
            return value


def _packages() -> tuple[Any, Any]:
    return tuple(research_package(name, "a Parquet file") for name in ("pyarrow", "pyarrow.parquet"))  # type: ignore[return-value]
