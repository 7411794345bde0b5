"""The hourly game beneath its environments: what prosumers believe, plan and carry out from one hour to the next.

At hour t the leader posts a charge. Prosumers plan the rest of the day exactly, from hour t on with the energy their stores hold, and carry
out hour t of the plan; then comes hour t + 1. A plan is the clearing of the *tail* of the day (:mod:`.tail`): the same program on the
later rows of the day's data, starting with the energy now and ending with no less than the day must end with.

==============  =======================================================================================================================
belief          charges of later hours that the plan at hour t reckons with
==============  =======================================================================================================================
``standing``    those of hour t: what is posted stands until it is changed
``announced``   those announced with it: the leader posts a schedule of the whole day every hour, of which past hours no longer count
``learned``     the mean of what these hours were charged on the last days that prosumers remember (:mod:`.memory`)
==============  =======================================================================================================================

With a **forecast error** prosumers know the hour at hand and take later hours for what was forecast before the day: load, renewables and
export price times the factors of :func:`.observation.public.forecast_factors`. A plan can always be continued, whatever comes: stores stay
within their bounds because the hour carried out does, and where the energy the day must end with is out of reach of a store's own
connection as the tail is believed, it has to be reached only as far as it can be.

An episode may last **several days**. Stores carry on; every day must end with no less than the first began with. Plans end with the day:
what is stored beyond that is worth nothing to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import methodcaller
from typing import Any, Final, NamedTuple

import numpy as np

from ..community.calendar import Scenario
from ..community.day import Array, Day
from ..community.tails import Tails
from ..market.mechanism import Allocation, Mechanism
from .game import A, Observation
from .memory import EMPTY, Memory
from .observation.hourly import HourlyObserver, SharedByHours, make_hourly_observer
from .observation.public import forecast_factors
from .setting import Setting
from .spec import GameSpec
from .tail import forecast_of, hour_of
from .transition import Outcome, Plays, cleared

LEAST_FACTOR: Final = 0.1
"""Forecasts are at least this share of the truth: a load of 0 would have no utility curvature."""
_KEPT: Final = 1024
"""Days kept for when their scenario comes up again; one of the default community takes 40 kB."""

_SEEN: Final = ("traded_kwh", "import_kwh", "export_kwh")
"""What a leader sees of the last hour."""


class Loaded(NamedTuple):
    """A day with all that is fixed before its first hour."""

    scenario: Scenario
    day: Day  # as it comes
    tails: Tails  # what cuts its tails, later hours as they are expected
    view: SharedByHours
    hours: tuple[Day, ...]  # each hour as a day of its own
    info: Mapping[str, Any]

    @property
    def forecast(self) -> Day:
        """The day as it is expected; the same object without forecast error."""
        return self.tails.forecast


@dataclass(frozen=True, eq=False, kw_only=True)
class HourState:
    """Where an episode stands.

    Attributes:
        loaded: The day at hand.
        days_left: Days of the episode after it.
        hour: The hour to be priced; T once the episode is over.
        hours_played: Hours carried out so far.
        stored: Energy in each store, kWh, shape (N,).
        last_kwh: What was traded, imported and exported in the last hour.
        memory: What prosumers remember of earlier days; empty but under ``learned``.
        over: Whether the episode is over.
    """

    loaded: Loaded
    days_left: int
    hour: int
    hours_played: int
    stored: Array
    last_kwh: Sequence[float] = (0.0, 0.0, 0.0)
    memory: Memory = EMPTY
    over: bool = False

    @property
    def scenario(self) -> Scenario:
        """The day index and price path of the day at hand."""
        return self.loaded.scenario

    @property
    def day(self) -> Day:
        """The data of the day at hand as it comes."""
        return self.loaded.day


class Hour(NamedTuple):
    """An hour carried out: the tail as it was believed, the plan for it, what its first hour led to, and the state after."""

    tail: Day
    plan: Any
    outcome: Outcome[Any]
    state: HourState


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyGame:
    """The hourly game; build it with :func:`make_hourly`.

    Attributes:
        setting: What it is played on; its tariff is per hour under ``announced``, else per day.
        observer: What the leader sees.
        learns: Whether prosumers remember what they were charged.
    """

    setting: Setting
    observer: HourlyObserver
    learns: bool = field(init=False)

    def __post_init__(self) -> None:
        """Make room for the days kept."""
        object.__setattr__(self, "learns", self.setting.spec.belief == "learned")
        object.__setattr__(self, "_kept", {})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the days kept behind: they can be loaded again."""
        return self.__dict__ | {"_kept": {}}

    @property
    def spec(self) -> GameSpec:
        """Which game it is."""
        return self.setting.spec

    def load(self, scenario: Scenario) -> Loaded:
        """Return a day with all that is fixed before its first hour."""
        kept: dict[Scenario, Loaded] = self._kept  # type: ignore[attr-defined]
        known = kept.pop(scenario, None)
        if known is None:
            day = self.setting.day_of(scenario)
            t = day.n_periods
            factors, forecast = np.ones((3, t)), day
            if self.spec.forecast_error:
                factors = forecast_factors(self.setting.community, scenario, t, error=self.spec.forecast_error)
                factors = np.maximum(factors, LEAST_FACTOR)
                forecast = forecast_of(day, factors)
            view, hours = self.observer.view(scenario, day, factors), tuple(hour_of(day, hour) for hour in range(t))
            known = Loaded(scenario, day, Tails(day, forecast), view, hours, self.setting.info(scenario))
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
        kept[scenario] = known
        return known

    def begin(self, scenario: Scenario, *, before: HourState | None = None) -> HourState:
        """Return the first state of an episode; see :class:`.game.Game`."""
        loaded = self.load(scenario)
        memory = before.memory.whole_days() if self.learns and before is not None else EMPTY
        return HourState(
            loaded=loaded, days_left=self.spec.days - 1, hour=0, hours_played=0, stored=loaded.day.storage_start, memory=memory
        )

    def play(self, mechanism: Mechanism[A], states: Sequence[HourState], coefficients: Sequence[Array]) -> Plays[HourState, A]:
        """Carry out one hour in each of R states, which may stand at different hours; see :class:`.game.Game`."""
        tariff, days = self.setting.tariff, [state.loaded.hours[state.hour] for state in states]
        believed = [each[state.hour :] for state, each in zip(states, coefficients, strict=True)]
        if self.learns:
            believed = [state.memory.believed(each) for state, each in zip(states, believed, strict=True)]
        charges = list(map(tariff.charges, believed))
        charge, now = np.stack(list(map(tariff.action, coefficients))), np.stack([each[:1] for each in charges])
        tails = [each.loaded.tails.at(each.hour, each.stored) for each in states]
        plans = cleared(mechanism, tails, charges)
        carried_out = self.setting.rules.settled_many(days, now, list(map(methodcaller("first_period"), plans)))
        values = carried_out.settlements.values
        seen = np.stack([values[name] for name in _SEEN], axis=-1).tolist()
        after = [self._after(*each) for each in zip(states, plans, seen, believed, strict=True)]
        objective = -values["surplus_eur"].sum(axis=1)
        return Plays(charge=charge, days=tails, cleared=plans, carried_out=carried_out, states=after, objective_eur=objective)

    def observe(self, state: HourState) -> Observation:
        """Return what the leader sees of a state, shape (size,)."""
        return self.observer.observe(
            state.loaded.view,
            hour=state.hour,
            days_left=state.days_left,
            stored=state.stored,
            last_kwh=state.last_kwh,
            memory=state.memory,
        )

    def info(self, state: HourState, after: HourState | None = None) -> dict[str, Any]:
        """Return what `info` says of a state, or of the hour that led from it to the one after."""
        now = state if after is None else after
        told = {**state.loaded.info, "hours_played": now.hours_played, "stored_kwh": float(now.stored.sum())}
        return told | ({"days_remembered": len(now.memory.days)} if self.learns else {})

    def replay(self, state: HourState, coefficients: Array) -> str:
        """Say how to play an hour once more at coefficients γ in EUR/kWh, shape (T, K), for an error's message."""
        where = f"{self.setting.community.name!r}, {state.scenario._asdict()}, hour {state.hour}"
        posted, expected = self.setting.tariff.action(coefficients).tolist(), state.memory.expected
        learned = "" if expected is None else f", expected charges {expected.tolist()}"
        return f"In the hourly game: community {where}, stored energy {state.stored.tolist()} kWh{learned}, step({posted})"

    def _after(self, state: HourState, plan: A, seen: Sequence[float], believed: Array) -> HourState:
        """Return the state after the first hour of a plan."""
        memory = state.memory.after_hour(believed[0]) if self.learns else EMPTY
        loaded, days_left, hour = state.loaded, state.days_left, state.hour + 1
        stored = np.clip(plan.stored_energy[1], 0.0, loaded.day.storage_capacity)  # rounding must not add up
        stored.setflags(write=False)
        ends = hour == len(loaded.hours)
        memory = memory.after_day() if ends and self.learns else memory
        if ends and days_left:
            loaded, days_left, hour, ends = self.load(state.scenario._replace(day=state.scenario.day + 1)), days_left - 1, 0, False
        played = state.hours_played + 1
        return HourState(
            loaded=loaded,
            days_left=days_left,
            hour=hour,
            hours_played=played,
            stored=stored,
            last_kwh=seen,
            memory=memory,
            over=ends,
        )


def make_hourly(setting: Setting) -> HourlyGame:
    """Return the hourly game on a setting."""
    spec = setting.spec
    remembered = setting.tariff.n_basis if spec.belief == "learned" else 0
    observer = make_hourly_observer(
        spec.information, setting.community, forecast_error=spec.forecast_error, remembered=remembered, cap=setting.charge_cap
    )
    return HourlyGame(setting=setting, observer=observer)


def whole_day(game: HourlyGame, loaded: Loaded, hours: Sequence[Outcome[Any]], plan: Allocation | None = None) -> Outcome[Any]:
    """Return the hours of a day carried out so far as one outcome, the rest as it is planned.

    Args:
        game: The game.
        loaded: The day.
        hours: Outcomes of its hours 0, 1, …, at least one.
        plan: The plan whose first hour was the last of them; needed until the day is over.

    Returns:
        An outcome with arrays of T hours, settled with the day as it comes. Its ``charge`` holds those of the hours carried out.
    """
    rest = [] if plan is None or len(hours) == loaded.day.n_periods else [plan]
    parts = {
        name: np.concatenate([*(getattr(each.clearing, name) for each in hours), *(getattr(each, name)[1:] for each in rest)])
        for name in hours[0].clearing.by_period
    }
    stored = [
        hours[0].clearing.stored_energy[:1],
        *(each.clearing.stored_energy[1:] for each in hours),
        *(each.stored_energy[2:] for each in rest),
    ]
    now = np.concatenate([each.charges for each in hours])
    charges = np.concatenate([now, np.repeat(now[-1:], loaded.day.n_periods - len(hours), axis=0)])
    clearing = replace(hours[-1].clearing, stored_energy=np.concatenate(stored), **parts)
    settlement = game.setting.rules.settled(loaded.day, charges, clearing).settlement
    clearing = clearing.valued(-float(settlement.surplus_eur.sum()))  # what the followers minimise
    return Outcome(charge=charge_of_hours(game, hours).ravel(), charges=charges, clearing=clearing, settlement=settlement)


def charge_of_hours(game: HourlyGame, hours: Sequence[Outcome[Any]]) -> Array:
    """Return γ of the hours carried out, in EUR/kWh, shape (hours, K)."""
    k = game.setting.tariff.n_basis
    if game.spec.belief != "announced":
        return np.stack([each.charge for each in hours])
    return np.stack([each.charge.reshape(-1, k)[number % len(each.charge.reshape(-1, k))] for number, each in enumerate(hours)])
