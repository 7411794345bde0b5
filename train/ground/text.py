"""Tables for reading, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...envs.arrays import plain
from ..statistics.intervals import Interval


@dataclass(frozen=True)
class Report:
    """What a command has to say.

    Attributes:
        values: For ``--json``: one JSON object.
        text: For reading.
        exit_code: What the command ends with: not 0 where some of what was asked for failed.
    """

    values: Mapping[str, Any]
    text: str
    exit_code: int = 0

    def as_json(self) -> str:
        """Return the values as one line of strict JSON; numbers that JSON has no word for (NaN, infinity) become null."""
        return json.dumps(plain(self.values), allow_nan=False)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, the first to the left and the others to the right.

    >>> print(table(["leader", "profit"], [["zero", "-0.10"], ["optimum", "4.25"]]))
    leader   profit
    zero      -0.10
    optimum    4.25
    """
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def with_interval(interval: Interval, digits: int = 3) -> str:
    """Return a value with its interval in brackets, the value alone where its interval has no ends.

    >>> with_interval(Interval(0.5, 0.25, 1.0), digits=2)
    '0.50 [0.25, 1.00]'
    >>> with_interval(Interval(0.5, 0.25, 1.0).without_ends(), digits=2)
    '0.50'
    """
    if not interval.has_ends:
        return f"{interval.centre:.{digits}f}"
    return f"{interval.centre:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def lines(values: Mapping[str, Any]) -> str:
    """Return one aligned ``name  value`` line for each entry.

    >>> print(lines({"profit (EUR)": 1.25, "solver": "Clarabel"}))
    profit (EUR)  1.25
    solver        Clarabel
    """
    width = max(len(name) for name in values)
    return "\n".join(
        f"{name.ljust(width)}  {value:.6g}" if type(value) is float else f"{name.ljust(width)}  {value}" for name, value in values.items()
    )


def about_intervals(have_ends: bool) -> str:
    """Return the line below a table that says what its intervals are of, or why there are none."""
    if have_ends:
        return "\nintervals are over weeks of days, for each leader as it is: another training may come to something else"
    return "\nno intervals: all days are of one week, which says nothing about others"


def left_out(excluded_days: Iterable[Sequence[int]]) -> str:
    """Return the line below a table that lists the days left out of normalised numbers, empty where there are none."""
    every = sorted({day for days in excluded_days for day in days})
    return f"\nnormalised numbers leave out days with next to nothing to win: {', '.join(map(str, every))}" if every else ""
