"""Readings on whole days of one resolution: steps found from the stamps, duplicates and gaps named, means taken, gaps filled if asked.

Energy is kept: a reading in kWh is a mean power over its own step, and a longer period has the mean of the powers in it. A shorter period
would need readings that nobody has: they are held, and only where that is asked for. A price holds for its whole step anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np

from ...arrays import Array
from ..sources.faults import Faults
from .clock import MINUTES_PER_DAY, Clock, Minutes
from .filling import RULES, filled
from .meters import Series
from .request import BuildRequest, Fill

_HOUR: Final = 60
_DAY_0: Final = date(1970, 1, 1)
_SUNDAY: Final = 6


@dataclass(frozen=True)
class Days:
    """Which whole days the community has, and in which periods.

    Attributes:
        start: Minutes since 1970 in UTC at which the first day begins on the community's clock.
        count: How many days.
        period_minutes: Length of a period.
        clock: The community's clock.
    """

    start: int
    count: int
    period_minutes: int
    clock: Clock

    @property
    def first_date(self) -> date:
        """Date of the first day."""
        return _DAY_0 + timedelta(minutes=self.start + self.clock.offset)


@dataclass
class ResolutionNotes:
    """What was done on the way, for reports.

    Attributes:
        filled: How many steps were filled, by series.
    """

    filled: dict[str, int] = field(default_factory=dict)


def step_of(faults: Faults, series: Series) -> int | None:
    """Return the minutes between most readings of a meter, noting one that no period can be."""
    apart = np.diff(np.unique(series.minutes))
    if not len(apart):
        faults.add(series.file, f"must have two readings or more of {series.label!r}, got {len(series.minutes)}.", column=series.column)
        return None
    step, _ = Counter(apart.tolist()).most_common(1)[0]
    if _HOUR % step:
        text = f"readings must be 60, 30 or 15 minutes apart, or any whole minutes that divide the hour, got {step} minutes."
        faults.add(series.file, text, column=series.column, kind="step")
        return None
    return int(step)


def period_of(faults: Faults, steps: dict[str, int], request: BuildRequest) -> int | None:
    """Return the length of a period in minutes: that asked for, else that of the meters, which has to be one.

    Args:
        faults: Where to note that it is not.
        steps: Minutes between readings, by file.
        request: What is asked for.
    """
    wanted = request.period_minutes
    if wanted is not None:
        if wanted < 1 or _HOUR % wanted:
            faults.add("--period-minutes", f"must divide the hour, like 60, 30 or 15, got {wanted}.")
            return None
        return wanted
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"{step} minutes in {file}" for file, step in steps.items())
        faults.add("--period-minutes", f"must be given where meters have several resolutions, got {listed}.")
        return None
    return next(iter(steps.values()), None)


def days_of(
    faults: Faults, series: Sequence[Series], steps: Sequence[int], request: BuildRequest, *, period: int, clock: Clock
) -> Days | None:
    """Return the whole days that readings cover, or those asked for; None, with the reason noted, where there are none."""
    begins = min(int(each.minutes.min()) - _back(step, request) for each, step in zip(series, steps, strict=True))
    ends = max(int(each.minutes.max()) - _back(step, request) + step for each, step in zip(series, steps, strict=True))
    first, last = -(-(begins + clock.offset) // MINUTES_PER_DAY), (ends + clock.offset) // MINUTES_PER_DAY
    if request.first_day is not None:
        first = (request.first_day - _DAY_0).days
    if request.last_day is not None:
        last = (request.last_day - _DAY_0).days + 1
    if last <= first:
        what = "a whole day from 00:00 to 24:00 on the community's clock"
        if request.first_day is not None or request.last_day is not None:
            asked = [f"--from {request.first_day}"] * (request.first_day is not None) + [f"--to {request.last_day}"] * (
                request.last_day is not None
            )
            what = f"a whole day among those of {' '.join(asked)}"
        faults.add(series[0].file, f"must hold {what}, got readings from {clock.written(begins)} to {clock.written(ends)}.")
        return None
    return Days(first * MINUTES_PER_DAY - clock.offset, last - first, period, clock)


def _back(step: int, request: BuildRequest) -> int:
    """Return how many minutes before its stamp a reading begins."""
    return step if request.stamps == "end" else 0


def on_periods(
    faults: Faults, series: Series, days: Days, request: BuildRequest, found: ResolutionNotes, *, step: int, fill: Fill | None, hold: bool
) -> Array:
    """Return a meter's readings in every period, shape (Y,), NaN where some are missing; faults are noted.

    Args:
        faults: Where to note duplicates, gaps, and readings between steps.
        series: The readings.
        days: The days they are wanted for.
        request: What is asked for.
        found: Where to note what was filled.
        step: Minutes between the readings.
        fill: Rule that gaps are filled by; None for not at all.
        hold: Whether a reading may be held over periods that are shorter than its step.
    """
    begins = series.minutes - _back(step, request) - days.start
    _note_uneven(faults, series, begins, step)
    _note_twice(faults, series, days.clock)
    _note_counter(faults, series, step)
    values = np.full(days.count * MINUTES_PER_DAY // step, np.nan)
    place = begins // step
    inside = (place >= 0) & (place < len(values)) & (begins % step == 0)
    values[place[inside]] = series.values[inside] / (step / _HOUR if series.energy else 1.0)
    values = _whole(faults, series, values, days, found, step=step, fill=fill)
    period = days.period_minutes
    if period % step == 0:
        means: Array = values.reshape(-1, period // step).mean(axis=1)
        return means
    if step % period == 0 and hold:
        return np.repeat(values, step // period)
    text = f"readings are {step} minutes apart, which periods of {period} minutes cannot be made of."
    remedy = "Hold them by --resample hold, or choose --period-minutes that they divide." if step % period == 0 else "Choose others."
    faults.add(series.file, f"{text} {remedy}", column=series.column, kind="resample")
    return np.full(days.count * MINUTES_PER_DAY // period, np.nan)


def _note_counter(faults: Faults, series: Series, step: int) -> None:
    """Note a counter that was never reset: what it shows never falls over a day and more, and ends far above what it adds in a step."""
    shown = series.values[np.argsort(series.minutes, kind="stable")]
    apart = np.diff(shown)
    if series.energy and len(shown) > MINUTES_PER_DAY // step and (apart >= 0).all() and shown[0] > 10 * apart.max() > 0:
        text = (
            f"{series.label!r} never falls, from {shown[0]:g} to {shown[-1]:g} kWh: is it the counter of a meter? Give what it adds in each"
        )
        faults.add(series.file, f"{text} period, in pandas by .diff().shift(-1).", column=series.column)


def _note_uneven(faults: Faults, series: Series, begins: Minutes, step: int) -> None:
    for index in np.flatnonzero(begins % step).tolist():
        text = f"stamps of {series.label!r} must lie on whole steps of {step} minutes."
        file, row = series.place(index)
        faults.add(file, text, row=row, column=series.column, kind=f"uneven {series.label}")


def _note_twice(faults: Faults, series: Series, clock: Clock) -> None:
    order = np.argsort(series.minutes, kind="stable")
    alike = np.diff(series.minutes[order]) == 0
    for one, other in zip(order[:-1][alike].tolist(), order[1:][alike].tolist(), strict=True):
        (before, row), (file, again) = series.place(one), series.place(other)
        elsewhere = "" if before == file else f" of {before}"
        text = f"{series.label!r} must have one reading for {clock.written(series.minutes[one])}, got another in row {row}{elsewhere}."
        remedy = "Remove one." if clock.label else "Remove one; or, where clocks were put back, give --time-zone."
        faults.add(file, f"{text} {remedy}", row=again, column=series.column, kind=f"twice in row {again}")


def _whole(faults: Faults, series: Series, values: Array, days: Days, found: ResolutionNotes, *, step: int, fill: Fill | None) -> Array:
    """Return values without gaps, as far as the rule asked for fills them; what is missing is noted."""
    gaps = np.isnan(values)
    if not gaps.any():
        return values
    made = values if fill is None else filled(values, fill, per_day=MINUTES_PER_DAY // step)
    left = np.isnan(made)
    if any(each.file in series.files and (each.kind or "").startswith("stamp") for each in faults.found):
        return made  # rows whose stamps were noted are not missing as well
    if gaps.sum() > left.sum():
        found.filled[f"{series.file}: {series.label}"] = int(gaps.sum() - left.sum())
    runs = np.flatnonzero(np.diff(np.concatenate([[False], left, [False]])))
    for start, end in zip(runs[0::2].tolist(), runs[1::2].tolist(), strict=True):
        between = f"from {days.clock.written(days.start + start * step)} to {days.clock.written(days.start + end * step)}"
        text = f"{series.label!r} must have a reading for every {step} minutes, got none {between} ({end - start} missing, a gap)."
        faults.add(series.file, f"{text} {_remedy(fill, days, start * step, end * step)}", column=series.column, kind=f"gap {between}")
    return made


def _remedy(fill: Fill | None, days: Days, start: int, end: int) -> str:
    """Return what to do about a gap, from so many minutes after the days begin to so many."""
    if fill is not None:
        return f"The rule {fill} ({RULES[fill]}) has nothing to fill it with: choose another, or days without it by --from and --to."
    day, minute = days.first_date + timedelta(days=start // MINUTES_PER_DAY), start % MINUTES_PER_DAY
    is_a_change = day.weekday() == _SUNDAY and minute <= 3 * _HOUR and end - start == _HOUR and not days.clock.label
    zone = " Where clocks were put forward, give --time-zone." if is_a_change else ""
    return f"Fill it by a rule (--fill), or choose days without it by --from and --to.{zone}"
