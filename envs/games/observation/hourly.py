"""What a leader sees from hour to hour: the day as before it began, the present hour as it is, and the stores.

The fields of the day-ahead observation come first (:mod:`.public`, :mod:`.full`) and stay what they are all day;
these follow. Rows of the present hour are the truth, in the units of their namesakes; after the last hour of an episode they are 0.

| field           | size | unit   | centre | scale | meaning |
|-----------------|------|--------|--------|-------|---------|
| `hour`          | T    | 1      | 0      | 1     | 1 at the hour to be priced, 0 elsewhere |
| `now_spread`    | 1    | EUR/kWh | 0.2   | 0.1   | import price less export price (as at least 0) in the hour |
| `now_load`      | 1    | P̄·N   | 1      | 0.5   | total demand at the import price |
| `now_renewable` | 1    | P̄·N   | 1.5    | 2     | total renewable power |
| `now_surplus`   | 1    | P̄·N   | 1      | 1.5   | total surplus, own demand served |
| `now_deficit`   | 1    | P̄·N   | 0.5    | 0.5   | total deficit, own renewables used |
| `now_matched`   | 4    | P̄·N   | 0.1    | 0.15  | matched, by distance |
| `days_left`     | 1    | 1      | 0      | 1     | days of the episode after this one |
| `stored`        | 1    | 1      | 0.5    | 0.5   | energy in all stores over their capacity |
| `last_traded`   | 1    | P̄·N   | 0.5    | 0.5   | `public`: traded in the hour before |
| `last_import`   | 1    | P̄·N   | 0.5    | 0.5   | `public`: imported in the hour before |
| `last_export`   | 1    | P̄·N   | 0.5    | 0.5   | `public`: exported in the hour before |
| `each_stored`   | N    | 1      | 0.5    | 0.5   | `full`: each store's energy over its capacity |
| `forecast`      | 3·T  | 1      | 1      | 0.2   | `full`: what prosumers take load, renewables and export price for, over the truth |
| `days_remembered` | 1  | 1      | 0      | 7     | `learned`: days that prosumers remember |
| `expected`      | T·K  | EUR/kWh | 0     | cap   | `learned`: what they expect an hour to be charged; 0 where they remember no day |
| `posted`        | T·K  | EUR/kWh | 0     | cap   | `learned`, `full`: what was posted today; 0 from the hour at hand on |
| `remembered`    | 7·T·K | EUR/kWh | 0    | cap   | `learned`, `full`: the days remembered, the latest first; 0 where there is none |

**State.** A ``full`` observation holds everything the rest of the episode depends on: the day's data by hour and prosumer, what prosumers
believe of it, the hour, every store's energy, and what prosumers remember where they learn. What follows is a function of it and of the
actions. The days after the first of an episode follow from the calendar, which the observation holds too. A ``public`` one does not: stores
are seen in total, later hours through forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...community.calendar import Scenario
from ...community.community import Community
from ...community.day import Array, Day
from ..memory import EMPTY, REMEMBERED_DAYS, Memory
from .fields import Field
from .observer import BOUND, Observer, layout_of, make_observer
from .public import FORECAST_ERROR, by_period

NOW = ("spread", "load", "renewable", "surplus", "deficit", "matched")


@dataclass(frozen=True, eq=False)
class SharedByHours:
    """What observations of all hours of a day share.

    Attributes:
        day: The day-ahead part, scaled.
        now: The part of each hour, scaled, shape (T + 1, …), the last row for when the day is over.
        forecast: Forecast over truth, shape (3, T).
        per_kwh: What a kWh traded in a period counts as: its mean power over that of all loads.
    """

    day: NDArray[np.float32]
    now: Array
    forecast: Array
    per_kwh: float


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyObserver:
    """Turns the state of an hourly game into an observation; build it with :func:`make_hourly_observer`.

    Attributes:
        day_ahead: Observes the day as before it began.
        fields: All fields, in the order they stand in.
        layout: Where each field lies in the observation, by name.
        remembered: Coefficients K of each hour that prosumers remember; 0 where they remember nothing.
        cap: Greatest of them in EUR/kWh.
    """

    day_ahead: Observer
    fields: tuple[Field, ...]
    layout: Mapping[str, slice]
    remembered: int
    cap: float

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return sum(field.size for field in self.fields)

    def view(self, scenario: Scenario, day: Day, forecast: Array) -> SharedByHours:
        """Return what observations of all hours of a day share.

        Args:
            scenario: Which day and price path it is.
            day: The day as it comes.
            forecast: What prosumers take load, renewables and export price for, over the truth, shape (3, T).
        """
        base = self.day_ahead
        truth = by_period(base.geometry, day, np.ones((3, day.n_periods))).values
        field = {each.name: each for each in base.fields}
        parts = [(truth[name].reshape(day.n_periods, -1) - field[name].centre) / field[name].scale for name in NOW]
        now = np.vstack([np.hstack(parts), np.zeros((1, sum(part.shape[1] for part in parts)))])
        per_kwh = 1.0 / (base.community.period_hours * base.geometry.total_load_kw)
        return SharedByHours(base.observe(scenario, day), now, forecast, per_kwh)

    def observe(
        self, view: SharedByHours, *, hour: int, days_left: int, stored: Array, last_kwh: Sequence[float], memory: Memory = EMPTY
    ) -> NDArray[np.float32]:
        """Return the observation of a state, shape (size,), within ±``BOUND``.

        Args:
            view: The day's part.
            hour: The hour to be priced, T when the episode is over.
            days_left: Days of the episode after this one.
            stored: Energy of each store in kWh, shape (N,).
            last_kwh: What was traded, imported and exported in the hour before.
            memory: What prosumers remember.
        """
        community, n_periods = self.day_ahead.community, view.forecast.shape[1]
        capacity = community.storage_capacity
        clock = (np.arange(n_periods) == hour).astype(np.float64)
        share = float(stored.sum()) / (float(capacity.sum()) or 1.0)
        parts = [view.now[hour], [days_left, (share - 0.5) / 0.5]]
        if self.day_ahead.information == "public":
            parts.append([(kwh * view.per_kwh - 0.5) / 0.5 for kwh in last_kwh])
        else:
            own = stored / np.where(capacity > 0, capacity, 1.0)
            parts += [(own - 0.5) / 0.5, (view.forecast.ravel() - 1.0) / 0.2]
        if self.remembered:
            parts += self._of_memory(memory, n_periods)
        rest = np.clip(np.concatenate([clock, *parts]), -BOUND, BOUND).astype(np.float32)
        return np.concatenate([view.day, rest])

    def _of_memory(self, memory: Memory, n_periods: int) -> list[Array]:
        """Return what is seen of a memory, scaled: expected charges, and in ``full`` what they and those of later days are made of."""
        shape = (n_periods, self.remembered)
        expected = np.zeros(shape) if memory.expected is None else memory.expected
        parts = [np.array([len(memory.days) / REMEMBERED_DAYS]), expected.ravel() / self.cap]
        if self.day_ahead.information == "full":
            posted, remembered = np.zeros(shape), np.zeros((REMEMBERED_DAYS, *shape))
            for hour, charge in enumerate(memory.today):
                posted[hour] = charge
            for back, day in enumerate(reversed(memory.days)):
                remembered[back] = day
            parts += [posted.ravel() / self.cap, remembered.ravel() / self.cap]
        return parts

    def read(self, observation: NDArray[np.floating]) -> dict[str, Array]:
        """Return the values of an observation, shape (size,), by field, each of shape (numbers of the field,).

        They are in the units of the field table, and cut off where the observation was.
        """
        wide = np.asarray(observation, dtype=np.float64)
        return {field.name: field.values(wide[self.layout[field.name]]) for field in self.fields}


def make_hourly_observer(
    information: str, community: Community, *, forecast_error: float, remembered: int = 0, cap: float = 1.0
) -> HourlyObserver:
    """Return the observer of a community's hourly game.

    Args:
        information: ``"public"`` or ``"full"``.
        community: Whose days are observed.
        forecast_error: That of the prosumers, which leaders share; where it is 0 prosumers know their day, and leaders who see what is
            ``public`` still forecast it with the day-ahead environment's error.
        remembered: Coefficients K of each hour that prosumers remember; 0 where they remember nothing.
        cap: Greatest of them in EUR/kWh.

    Raises:
        ValueError: If `information` is unknown.
    """
    day_ahead = replace(make_observer(information, community), forecast_error=forecast_error or FORECAST_ERROR)
    fields = day_ahead.fields + hourly_fields(day_ahead) + (memory_fields(day_ahead, remembered, cap) if remembered else ())
    return HourlyObserver(day_ahead=day_ahead, fields=fields, layout=layout_of(fields), remembered=remembered, cap=cap)


def hourly_fields(day_ahead: Observer) -> tuple[Field, ...]:
    """Return the fields that follow those of the day-ahead observation."""
    t, n = day_ahead.community.n_periods, day_ahead.community.n_prosumers
    by_name = {field.name: field for field in day_ahead.fields}
    fields = [Field("hour", t, "T", "1", 0.0, 1.0, "1 at the hour to be priced, 0 elsewhere")]
    for name in NOW:
        field = by_name[name]
        size = field.size // t
        fields.append(Field(f"now_{name}", size, f"{size}", field.unit, field.centre, field.scale, "the truth of the hour"))
    fields.append(Field("days_left", 1, "1", "1", 0.0, 1.0, "days of the episode after this one"))
    fields.append(Field("stored", 1, "1", "1", 0.5, 0.5, "energy in all stores over their capacity"))
    if day_ahead.information == "public":
        fields += [Field(f"last_{name}", 1, "1", "P̄·N", 0.5, 0.5, "of the hour before") for name in ("traded", "import", "export")]
    else:
        expected = "what prosumers take load, renewables and export price for, over the truth"
        fields.append(Field("each_stored", n, "N", "1", 0.5, 0.5, "each store's energy over its capacity"))
        fields.append(Field("forecast", 3 * t, "3·T", "1", 1.0, 0.2, expected))
    return tuple(fields)


def memory_fields(day_ahead: Observer, k: int, cap: float) -> tuple[Field, ...]:
    """Return the fields that follow where prosumers remember K coefficients of each hour, of at most ``cap`` EUR/kWh."""
    t, d = day_ahead.community.n_periods, REMEMBERED_DAYS
    fields = [
        Field("days_remembered", 1, "1", "1", 0.0, float(d), "days that prosumers remember"),
        Field("expected", t * k, "T·K", "EUR/kWh", 0.0, cap, "what prosumers expect each hour to be charged"),
    ]
    if day_ahead.information == "full":
        fields.append(Field("posted", t * k, "T·K", "EUR/kWh", 0.0, cap, "what was posted today"))
        fields.append(Field("remembered", d * t * k, "7·T·K", "EUR/kWh", 0.0, cap, "the days remembered, the latest first"))
    return tuple(fields)
