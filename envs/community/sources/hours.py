"""The column of hours: how the beginning of a period is written, and that periods follow each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from ..clock import MINUTES_PER_HOUR, periods_of_day
from .faults import Faults

HOUR_COLUMN: Final = "hour"
HOUR_FORMAT: Final = "%Y-%m-%dT%H:%M"
_HOUR: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")
_OTHER_ORDER: Final = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}.*|[0-9]{4}[./][0-9]{1,2}[./][0-9]{1,2}.*")
_PANDAS: Final = f"pandas writes it with to_csv(date_format={HOUR_FORMAT!r})"


def read_hours(faults: Faults, file: str, cells: Sequence[tuple[int, str]], period_minutes: int) -> datetime | None:
    """Return the first hour, noting periods that do not follow each other, and days that are not whole; None if it cannot be read.

    Args:
        faults: Where to note them.
        file: Of the column.
        cells: Of the column, each with its row.
        period_minutes: What must lie between two rows.
    """
    period, per_day = timedelta(minutes=period_minutes), periods_of_day(period_minutes)
    name = "one hour" if period_minutes == MINUTES_PER_HOUR else f"{period_minutes} minutes"
    times = [_time(text) for _, text in cells]
    step = _other_step(times, period)
    if step is not None:
        faults.add(file, f"rows must be {name} apart, {_came(step, len(times), period_minutes)}.", column=HOUR_COLUMN)
    before: datetime | None = None
    first: datetime | None = None
    for (row, text), now in zip(cells, times, strict=True):
        if now is None or not _HOUR.fullmatch(text):
            style = _style(text, now)
            faults.add(
                file, f"must be a time like 2016-01-31T23:00, got {text!r}{style}.", row=row, column=HOUR_COLUMN, kind=f"time{style}"
            )
            before = before and before + period
            continue
        if before is not None and step is None and now != before + period:
            wanted = f"must be {name} after the row before, {before + period:{HOUR_FORMAT}}, got {text} (a gap)."
            faults.add(file, wanted, row=row, column=HOUR_COLUMN, kind="gap between hours")
        first, before = first or now, now
    if first is not None and first.hour + first.minute:
        faults.add(file, f"the first hour must be 00:00 of a day, got {first:{HOUR_FORMAT}}.", row=cells[0][0], column=HOUR_COLUMN)
    if len(cells) % per_day and step is None:
        faults.add(file, f"must have whole days of {per_day} rows, got {len(cells)} rows below the header.")
    return first


def _time(text: str) -> datetime | None:
    """Return the time that a text is in some form of ISO 8601, without its zone."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text.isascii() else None
    except ValueError:
        return None


def _style(text: str, time: datetime | None) -> str:
    """Return what is unusual about how a time is written, and the remedy, in brackets."""
    if time is None:
        return " (another order: write year, month, day)" if _OTHER_ORDER.fullmatch(text) else ""
    if re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", text[10:]):
        return f" (a time zone: bring all hours to one without summer time, and leave it out; {_PANDAS})"
    if ":" not in text:
        return f" (a date without its hour: {_PANDAS})"
    return f" ({'a space for the T' if ' ' in text else 'seconds, or another form'}: {_PANDAS})"


def _other_step(times: Sequence[datetime | None], period: timedelta) -> timedelta | None:
    """Return the time between most rows, where that is not a period."""
    steps = Counter(after - before for before, after in pairwise(times) if before is not None and after is not None)
    if not steps:
        return None
    step, count = steps.most_common(1)[0]
    return step if step != period and 2 * count > len(times) else None


def _came(step: timedelta, count: int, period_minutes: int) -> str:
    minutes = step / timedelta(minutes=1)
    if minutes > 0 and MINUTES_PER_HOUR % minutes == 0:
        return f"got {count:,} rows {minutes:g} minutes apart. Set period_minutes to {minutes:g} in settings.csv"
    row = "every hour" if period_minutes == MINUTES_PER_HOUR else f"every {period_minutes} minutes"
    return f"got most of {count:,} rows {minutes:g} minutes apart. Give {row} one row, in rising order"
