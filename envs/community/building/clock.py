"""From stamps to minutes: the ways in which a time is written, time zones, and the community's clock.

**The community's clock** is the standard time of the zone all year, in winter and in summer. So each of its days has 24 hours, and a clock
change neither loses nor invents a reading: the 23 hours of the day in spring, and the 25 hours of that in autumn, are hours of standard
time that follow each other like all others. What people do by the clock happens an hour earlier in summer on this clock.

In autumn an hour of clock time comes twice. Stamps without an offset are told apart by their order: of two rows of one meter with the same
stamp the first is summer time. A stamp that is there once counts as the first, and the second is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from ..sources.faults import Faults
from .sheet import Sheet, is_nothing

Minutes = NDArray[np.int64]

_YEARS: Final = (1980, 2100)
"""A stamp of another year is a slip, or a number that somebody took for a time."""
MINUTES_PER_DAY: Final = 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?( ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?")
_DOTTED: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})[ T]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_SLASHED: Final = re.compile(r"[0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}.*")
_LIKE: Final = "must be a time like 2024-10-14 00:15 or 2024-10-14T00:15:00+02:00"


@dataclass(frozen=True)
class Times:
    """The stamps of a file's rows.

    Attributes:
        first: Minutes since 1970 in UTC (on the stamps' own clock where no zone is known), shape (rows,).
        second: The same, but where clock time comes twice for the second time it comes.
        shown: Minutes since 1970 as the stamp itself shows them, whatever its zone, shape (rows,).
        known: Whether a row's stamp could be read, shape (rows,).
        offsets: Offsets from UTC in minutes that stamps state; empty where they state none.
    """

    first: Minutes
    second: Minutes
    shown: Minutes
    known: NDArray[np.bool_]
    offsets: frozenset[int]


def zone_of(faults: Faults, name: str | None) -> ZoneInfo | None:
    """Return a time zone by its name, and note a name that is none."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        faults.add("--time-zone", f"must be the name of a time zone such as Europe/Berlin or UTC, got {name!r}.{hint}")
        return None


def read_times(sheet: Sheet, column: str, zone: ZoneInfo | None) -> Times:
    """Return the stamps of a column, noting those that cannot be read or that no clock in the zone shows."""
    faults, file = sheet.faults, sheet.file
    count = len(sheet.rows)
    first, second, shown = (np.zeros(count, dtype=np.int64) for _ in range(3))
    known, offsets, naive = np.zeros(count, dtype=np.bool_), set[int](), 0
    for index, ((row, _), text) in enumerate(zip(sheet.rows, sheet.cells(column), strict=True)):
        read = _minutes(text, zone)
        if isinstance(read, str):
            faults.add(file, read, row=row, column=column, kind=f"stamp {read.partition(', got')[0]}")
            continue
        first[index], second[index], shown[index], offset = read
        known[index] = True
        if offset is None:
            naive += 1
        else:
            offsets.add(offset)
    if naive and offsets:
        text = f"all stamps must state an offset from UTC, or none, got {naive:,} without one among {int(known.sum()):,}."
        faults.add(file, f"{text} Write all of them in one way.", column=column)
    return Times(first, second, shown, known, frozenset(offsets))


@lru_cache(maxsize=200_000)
def _minutes(text: str, zone: ZoneInfo | None) -> tuple[int, int, int, int | None] | str:
    """Return the minutes at which a stamp comes for the first and second time, those it shows, and its offset; or what is wrong with it."""
    moment = _datetime(text)
    if moment is None or moment.second or moment.microsecond or not _YEARS[0] <= moment.year <= _YEARS[1]:
        return _wrong(text, moment)
    shown = (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(minutes=1)
    if moment.tzinfo is not None:
        offset = moment.utcoffset() or timedelta()
        at = (moment - _EPOCH) // timedelta(minutes=1)
        return at, at, shown, offset // timedelta(minutes=1)
    if zone is None:
        return shown, shown, shown, None
    early, late = ((moment.replace(tzinfo=zone, fold=fold) - _EPOCH) // timedelta(minutes=1) for fold in (0, 1))
    if late < early:  # the clock was put forward over this time
        return f"must be a time that clocks in {zone.key} showed, and they were put forward over it, got {text!r}. Is it another zone?"
    return early, late, shown, None


def _wrong(text: str, moment: datetime | None) -> str:
    """Return what is wrong with a stamp."""
    if moment is None:
        return f"{_LIKE}, got {text!r}{_reason(text)}."
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        return f"must be of the years {_YEARS[0]} to {_YEARS[1]}, got {text!r}."
    return f"must be a whole minute, got {text!r}."


def _datetime(text: str) -> datetime | None:
    try:
        if _ISO.fullmatch(text):
            return datetime.fromisoformat(text.replace(" UTC", "Z").replace("UTC", "Z").replace(" +", "+").replace(" Z", "Z"))
        dotted = _DOTTED.fullmatch(text)
        if dotted:
            day, month, year, hour, minute, second = (int(part or 0) for part in dotted.groups())
            return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone is the file's
    except ValueError:
        return None
    return None


def _reason(text: str) -> str:
    if is_nothing(text):
        return " (an empty cell)"
    if _SLASHED.fullmatch(text):
        return " (with slashes nobody can tell the day from the month)"
    if " 24:00" in text or "T24:00" in text:
        return " (24:00: write 00:00 of the next day)"
    return ""


def told_apart(times: Times, rows: NDArray[np.intp]) -> Minutes:
    """Return when the rows of one meter were read, shape (rows,): of two with the same stamp the second is the later, if there is one."""
    chosen = times.first[rows].copy()
    unsure = np.flatnonzero(times.first[rows] != times.second[rows])
    seen: set[int] = set()
    for index in unsure.tolist():
        at = int(chosen[index])
        if at in seen:
            chosen[index] = times.second[rows[index]]
        seen.add(at)
    return chosen


@dataclass(frozen=True)
class Clock:
    """The clock of the community: so many minutes ahead of UTC all year.

    Attributes:
        offset: Minutes ahead of UTC; 0 where the stamps' own clock is taken as it is.
        label: What reports call it, empty where nobody says which clock the stamps are of.
        reason: Why it is this one.
    """

    offset: int
    label: str
    reason: str

    def written(self, minutes: int) -> str:
        """Return a time as the community's clock shows it."""
        return (_EPOCH + timedelta(minutes=int(minutes) + self.offset)).strftime("%Y-%m-%dT%H:%M")


def clock_of(faults: Faults, zone: ZoneInfo | None, all_times: Sequence[Times]) -> Clock:
    """Return the community's clock, noting stamps of several offsets that no zone is given for."""
    stated = frozenset[int]().union(*(times.offsets for times in all_times))
    read = [times for times in all_times if times.known.any()]
    if zone is not None:
        offset = _standard(zone, min((int(times.first[times.known].min()) for times in read), default=0))
        return Clock(offset, label_of(offset), f"standard time of {zone.key} all year, so that each day has 24 hours")
    if not stated:
        return Clock(0, "", "that of the stamps, taken as it is: they state no offset, and --time-zone is not given")
    if len(stated) > 1 or any(not times.offsets for times in read):
        listed = ", ".join([*map(label_of, sorted(stated)), *(["none"] if any(not times.offsets for times in read) else [])])
        faults.add("--time-zone", f"must be given where stamps have several offsets from UTC, got {listed}. Give it, like Europe/Berlin.")
    [offset, *_] = sorted(stated)
    return Clock(offset, label_of(offset), "the one offset from UTC that all stamps state")


def _standard(zone: ZoneInfo, minutes: int) -> int:
    """Return the standard offset in minutes in the year of a time: the smallest of the year."""
    year = (_EPOCH + timedelta(minutes=minutes)).year
    offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in range(1, 13)]
    return min(offsets) // timedelta(minutes=1)


def label_of(offset: int) -> str:
    """Return how an offset in minutes is written: ``UTC`` or ``UTC+01:00``."""
    sign, size = "-" if offset < 0 else "+", abs(offset)
    return "UTC" if offset == 0 else f"UTC{sign}{size // 60:02d}:{size % 60:02d}"
