"""The same readings in every way in which people's programs write them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

BERLIN = ZoneInfo("Europe/Berlin")
HOUSEHOLDS = ("Müller 1", "Abel, B.", "Zoë")
STYLES = ("pandas", "iso", "offset", "utc", "zulu", "dotted")
LAYOUTS = ("wide", "long", "long by time", "rows of kinds")
Readings = dict[tuple[str, str], list[float]]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written."""

    separator: str = ","
    comma: bool = False
    mark: bool = False
    line_end: str = "\n"
    quoted: bool = False
    layout: str = "wide"
    style: str = "pandas"
    energy: bool = False
    parquet: bool = False
    sep_line: bool = False


def days(first: str, count: int, minutes: int = 60) -> list[datetime]:
    """The instants at which the periods of so many days of standard time in Berlin begin."""
    start = datetime.fromisoformat(first).replace(tzinfo=UTC) - timedelta(hours=1)
    return [start + timedelta(minutes=minutes * k) for k in range(count * 24 * 60 // minutes)]


def readings(count: int, seed: int = 0) -> Readings:
    """Loads of three households and the sun of the first, in kW, of thousandths."""
    random = np.random.default_rng(seed)
    found = {(name, "load"): (random.integers(1, 3000, count) / 1000).tolist() for name in HOUSEHOLDS}
    return found | {(HOUSEHOLDS[0], "generation"): (random.integers(0, 5000, count) / 1000).tolist()}


def stamp(at: datetime, style: str) -> str:
    """An instant as one of the styles writes it."""
    local = at.astimezone(BERLIN)
    match style:
        case "pandas":
            return local.strftime("%Y-%m-%d %H:%M:%S")
        case "iso":
            return local.strftime("%Y-%m-%dT%H:%M")
        case "offset":
            return local.isoformat(sep=" ")
        case "utc":
            return at.astimezone(UTC).isoformat()
        case "zulu":
            return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return local.strftime("%d.%m.%Y %H:%M")


def table(times: list[datetime], values: Readings, dialect: Dialect) -> tuple[list[str], list[list[Any]]]:
    """The header and the rows, numbers as numbers."""
    unit = "kWh" if dialect.energy else "kW"
    minutes = (times[1] - times[0]) // timedelta(minutes=1)
    scaled = {key: [value / (60 // minutes) if dialect.energy else value for value in each] for key, each in values.items()}
    stamps = [stamp(at, dialect.style) for at in times]
    if dialect.layout == "wide":
        header = ["time", *(f"{name} {what} [{unit}]" for name, what in scaled)]
        return header, [list(row) for row in zip(stamps, *scaled.values(), strict=True)]
    if dialect.layout == "rows of kinds":
        rows = [[at, name, what, value] for (name, what), each in scaled.items() for at, value in zip(stamps, each, strict=True)]
        return ["time", "household", "kind", f"value ({unit})"], rows
    rows = []
    for name in dict.fromkeys(name for name, _ in scaled):
        sun = scaled.get((name, "generation"), [0.0] * len(stamps))
        rows += [[at, name, load, made] for at, load, made in zip(stamps, scaled[name, "load"], sun, strict=True)]
    if dialect.layout == "long by time":
        count = len(stamps)
        rows = [rows[k * count + at] for at in range(count) for k in range(len(rows) // count)]
    return ["timestamp", "household", f"load_{unit}", f"generation_{unit}"], rows


def write(folder: Path, times: list[datetime], values: Readings, dialect: Dialect, name: str = "meters") -> Path:
    """Write a file in a dialect and return its path."""
    header, rows = table(times, values, dialect)
    if dialect.parquet:
        path = folder / f"{name}.parquet"
        frame = pd.DataFrame(rows, columns=header)
        if dialect.style in ("utc", "zulu"):
            frame[header[0]] = pd.to_datetime(frame[header[0]])
        frame.to_parquet(path)
        return path
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer,
        delimiter=dialect.separator,
        lineterminator=dialect.line_end,
        quoting=csv.QUOTE_ALL if dialect.quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow(header)
    writer.writerows([[_cell(value, dialect) for value in row] for row in rows])
    text = (f"sep={dialect.separator}{dialect.line_end}" if dialect.sep_line else "") + buffer.getvalue()
    path = folder / f"{name}.csv"
    path.write_bytes((b"\xef\xbb\xbf" if dialect.mark else b"") + text.encode())
    return path


def _cell(value: Any, dialect: Dialect) -> str:
    text = str(value)
    return text.replace(".", ",") if dialect.comma and isinstance(value, float) else text


LINES = 'from,to,r_ohm,x_ohm,limit_kw\nroot,Müller 1,0.02,0.01,60\nMüller 1,"Abel, B.",0.03,0.01,50\nroot,Zoë,0.03,0.01,40\n'


def write_lines(folder: Path) -> Path:
    """Write a grid whose buses bear the households' names."""
    path = folder / "lines.csv"
    path.write_text(LINES, encoding="utf-8")
    return path
