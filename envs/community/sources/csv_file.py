"""From a file to rows of cells: what makes a whole file unreadable is said in one line with its remedy.

Rows count lines of the file from 1, the header being row 1, as editors and spreadsheets do. Spaces around cells, blank lines, byte order
marks, line ends of any system, and empty cells at the ends of rows change nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ...written import decoded, number
from .faults import Faults

Rows = list[tuple[int, list[str]]]
_SEPARATORS: Final = {";": "semicolons (;)", "\t": "tabs", "|": "bars (|)"}
_MOST_BYTES: Final = 2**30  # a year of 10,000 prosumers has less


def read_rows(faults: Faults, file: str, required: Sequence[str]) -> Rows | None:
    """Return the rows of a file with their line numbers, the header first; None, with the reason noted, where there are none to be had.

    Args:
        faults: Where to note what is wrong.
        file: Name of the file in the folder.
        required: Columns that must be there, by which a header is known.
    """
    text = _text(faults, file)
    if text is None:
        return None
    wrong = _wrong_separator(text, required)
    if wrong is not None:
        faults.add(file, wrong)
        return None
    rows = _parsed(faults, file, text)
    return None if rows is None or _no_header(faults, file, rows, required) else rows


def _no_header(faults: Faults, file: str, rows: Rows, required: Sequence[str]) -> bool:
    """Note a file without a header, or with nothing below it, and return whether it is one."""
    header = rows[0][1] if rows else []
    if not set(required) & set(header) and _is_data(header):
        start = ",".join(required[:4])
        faults.add(file, f"must begin with a header such as {start!r}, got data: {', '.join(header[:3])}. Put the header above it.", row=1)
        return True
    if len(rows) < 2:
        faults.add(file, "must have a header and at least one row below it.")
        return True
    return False


def _text(faults: Faults, file: str) -> str | None:
    path = faults.folder / file
    try:
        if path.is_dir():
            faults.add(file, "must be a CSV file, got a folder of that name.")
        elif not path.exists():
            faults.add(file, f"the file is missing.{_renamed(path)}")
        elif path.stat().st_size > _MOST_BYTES:
            faults.add(
                file, f"must be smaller than 1 GiB, got {path.stat().st_size / 2**30:.1f} GiB. Does it hold more than hours of one year?"
            )
        else:
            return decoded(path.read_bytes())
    except OSError as error:
        faults.add(file, f"must be a file that can be read, got: {error.strerror or error}.")
    except ValueError as error:
        faults.add(file, str(error))
    return None


def _renamed(path: Path) -> str:
    """Return a hint at a file of a like name."""
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    same = [name for name in names if name.lower().startswith(path.stem)]
    near = same or [name for name in get_close_matches(path.name, names, n=1, cutoff=0.85) if name not in _others(path)]
    return f" There is {near[0]!r}: save it as {path.name!r}." if near else ""


def _others(path: Path) -> tuple[str, ...]:
    """Return the names of the folder's other files, which are no misspellings."""
    from .place import FILES  # noqa: PLC0415 - a list of names

    return tuple(name for name in FILES if name != path.name)


def _wrong_separator(text: str, required: Sequence[str]) -> str | None:
    first = next(iter(text.lstrip("\r\n").splitlines()), "")
    if first.lower().startswith("sep="):
        return f"must begin with its header, got {first!r}. Remove this line, and separate cells by commas."
    for sign, name in _SEPARATORS.items():
        if _columns(first, sign) & set(required) and not _columns(first, ",") & set(required) - {""}:
            return f"cells must be separated by commas, got {name}. Save it as CSV with commas, and with points in numbers (1.5)."
    return None


def _columns(line: str, sign: str) -> set[str]:
    return {cell.strip().strip('"').strip() for cell in line.split(sign)}


def _parsed(faults: Faults, file: str, text: str) -> Rows | None:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: Rows = []
    try:
        for cells in reader:
            rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        row = rows[-1][0] + 1 if rows else 1
        faults.add(file, f"cannot be read as CSV: {error}. Is a quotation mark too many or too few there?", row=row)
        return None
    return [(row, cells) for row, cells in rows if any(cells)]


def _is_data(cells: Sequence[str]) -> bool:
    """Return whether cells hold numbers or an hour, and so are no header."""
    return any(_is_number(cell) or cell[:5].replace("-", "").isdecimal() for cell in cells if cell)


def _is_number(cell: str) -> bool:
    try:
        number(cell, words=True)
    except ValueError:
        return False
    return True
