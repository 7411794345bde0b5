"""Tables for people: CSV, Excel or Parquet, by the end of the file's name, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ...envs.errors import unknown_name
from ...envs.files import write_atomically
from ...envs.frames import unit_of
from ...envs.packages import package_of

if TYPE_CHECKING:
    from pandas import DataFrame

_NEEDS: Final[dict[str, tuple[str, str] | None]] = {".csv": None, ".xlsx": ("excel", "openpyxl"), ".parquet": ("research", "pyarrow")}
"""By ending: the extra and the package it takes, None where there is nothing to install."""


def require_table_format(path: Path) -> None:
    """See to it that a table can be written into a file of this name, before the work begins whose result it is to hold.

    Raises:
        ValueError: If the name ends with another format's.
        MissingPackageError: If the package of the format cannot be imported; a ``ValueError``.
    """
    kind = path.suffix.lower()
    if kind not in _NEEDS:
        raise unknown_name("the ending of a table's file", path.suffix, tuple(_NEEDS))
    needs = _NEEDS[kind]
    if needs is not None:
        package_of(*needs, f"a table in a {kind} file")


def write_table(path: Path, frame: DataFrame, meanings: Mapping[str, str]) -> None:
    """Write a table; units stand in the names of the columns, and in Excel and Parquet beside what each column means.

    Args:
        path: Ends with ``.csv``, ``.xlsx`` or ``.parquet``.
        frame: The table.
        meanings: What each of its columns means.

    Raises:
        ValueError: If the file's name ends otherwise, or a package is missing.
        OSError: If it cannot be written.
    """
    require_table_format(path)
    match path.suffix.lower():
        case ".csv":
            write_atomically(path, lambda file: file.write(frame.to_csv(index=False, lineterminator="\n").encode()))
        case ".xlsx":
            write_atomically(path, lambda file: _write_excel(file, frame, meanings))
        case _:
            write_atomically(path, lambda file: _write_parquet(file, frame, meanings))


def _write_excel(file: BinaryIO, frame: DataFrame, meanings: Mapping[str, str]) -> None:
    """Write one sheet with the table, and one that says what its columns are."""
    openpyxl = package_of("excel", "openpyxl", "a table in a .xlsx file")
    book = openpyxl.Workbook()
    _fill(book.active, "table", [list(frame.columns), *frame.itertuples(index=False)])
    about = [[name, unit_of(str(name)), meanings[str(name)]] for name in frame.columns]
    _fill(book.create_sheet(), "columns", [["column", "unit", "meaning"], *about])
    book.save(file)


def _fill(sheet: Any, title: str, rows: Any) -> None:
    sheet.title = title
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(number, column)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # else a name that begins with "=" would be a formula
    sheet.freeze_panes = "B2"


def _write_parquet(file: BinaryIO, frame: DataFrame, meanings: Mapping[str, str]) -> None:
    """Write typed columns with unit and meaning in their metadata."""
    arrow = package_of("research", "pyarrow", "a table in a .parquet file")
    parquet = package_of("research", "pyarrow.parquet", "a table in a .parquet file")
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    about = [field.with_metadata({"unit": unit_of(field.name), "meaning": meanings[field.name]}) for field in table.schema]
    parquet.write_table(table.cast(arrow.schema(about)), file, compression="zstd")
