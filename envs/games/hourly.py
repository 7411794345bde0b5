"""The hourly game beneath its environments: what prosumers believe, plan and carry out from one hour to the next.

At hour t the leader posts a charge. Prosumers plan the rest of the day exactly, from hour t on with the energy their stores hold, and carry
out hour t of the plan; then comes hour t + 1. A plan is the clearing of the *tail* of the day (:mod:`.tail`): the same program on the
later rows of the day's data, starting with the energy now and ending with no less than the day must end with.

==============  =======================================================================================================================
belief          charges of later hours that the plan at hour t reckons with
==============  =======================================================================================================================
``standing``    those of hour t: what is posted stands until it is changed
``announced``   those announced with it: the leader posts a schedule of the whole day every hour, of which past hours no longer count
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np

from ..account.objective import Objective
from ..account.settlement import Flows, Settlement
from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Array, Day
from ..errors import ClearingError, unknown_name
from ..market.exact import Clearing, Market
from ..market.solvers import clear_many
from .day_ahead import Game, Observation, make_game
from .observation.hourly import DayView, HourlyObserver, make_hourly_observer
from .observation.observer import Information
from .observation.public import forecast_factors
from .outcome import Outcome
from .tail import OF_HOUR, first_hour, forecast_of, tail_of

Belief = Literal["standing", "announced"]
LEAST_FACTOR: Final = 0.1
"""Forecasts are at least this share of the truth: a load of 0 would have no utility curvature."""
MOST_DAYS: Final = 7
"""Longest episode: splits are whole weeks, and an episode stays within its split."""
_KEPT: Final = 1024
"""Days kept for when their scenario comes up again; one of the default community takes 40 kB."""


class Loaded(NamedTuple):
    """A day with all that is fixed before its first hour."""

    scenario: Scenario
    day: Day  # as it comes
    forecast: Day  # as it is expected; the same object without forecast error
    view: DayView


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """Where an episode stands.

    Attributes:
        loaded: The day at hand.
        days_left: Days of the episode after it.
        hour: The hour to be priced; T once the episode is over.
        hours_played: Hours carried out so far.
        stored: Energy in each store, kWh, shape (N,).
        last: What the last hour led to.
    """

    loaded: Loaded
    days_left: int
    hour: int
    hours_played: int
    stored: Array
    last: Settlement | None = None

    @property
    def over(self) -> bool:
        """Whether the episode is over."""
        return self.hour == self.loaded.day.n_periods


class Played(NamedTuple):
    """An hour carried out: the tail as it was believed, the plan for it, what its first hour led to, and the state after."""

    tail: Day
    plan: Clearing
    outcome: Outcome
    state: State


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyGame:
    """The game an hourly environment plays; build it with :func:`make_hourly_game`.

    Attributes:
        base: Community, tariff (per day under ``standing``, per hour under ``announced``), objective, account of flows, and first days.
        belief: What prosumers believe of later charges.
        n_days: Days of an episode.
        forecast_error: Standard deviation of relative forecast errors.
        observer: What the leader sees.
    """

    base: Game
    belief: Belief
    n_days: int
    forecast_error: float
    observer: HourlyObserver

    def __post_init__(self) -> None:
        """Make room for the days kept."""
        object.__setattr__(self, "_kept", {})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the days kept behind: they can be loaded again."""
        return self.__dict__ | {"_kept": {}}

    def load(self, scenario: Scenario) -> Loaded:
        """Return a day with all that is fixed before its first hour."""
        kept: dict[Scenario, Loaded] = self._kept  # type: ignore[attr-defined]
        known = kept.pop(scenario, None)
        if known is None:
            day = self.base.day_of(scenario)
            factors, forecast = np.ones((3, day.n_periods)), day
            if self.forecast_error:
                factors = forecast_factors(self.base.community, scenario, day.n_periods, error=self.forecast_error)
                factors = np.maximum(factors, LEAST_FACTOR)
                forecast = forecast_of(day, factors)
            known = Loaded(scenario, day, forecast, self.observer.view(scenario, day, factors))
            while len(kept) >= _KEPT:
                del kept[next(iter(kept))]
        kept[scenario] = known
        return known

    def pick(self, random: np.random.Generator, options: Mapping[str, Any]) -> Scenario:
        """Return the first day that `reset` was told, drawing what is left open.

        Raises:
            ValueError: If an option is unknown, there is no such day or price path, or the data end before the episode would.
        """
        scenario = self.base.pick(random, options)
        if scenario.day + self.n_days > self.base.community.n_days:
            raise ValueError(
                f"an episode of {self.n_days} days must begin on day {self.base.community.n_days - self.n_days} or before, "
                f"got {scenario.day}."
            )
        return scenario

    def begin(self, scenario: Scenario) -> State:
        """Return the first state of an episode."""
        loaded = self.load(scenario)
        return State(loaded=loaded, days_left=self.n_days - 1, hour=0, hours_played=0, stored=loaded.day.storage_start)

    def observe(self, state: State) -> Observation:
        """Return what the leader sees of a state."""
        return self.observer.observe(state.loaded.view, hour=state.hour, days_left=state.days_left, stored=state.stored, last=state.last)

    def info(self, state: State) -> dict[str, Any]:
        """Return what `info` says of a state."""
        scenario = state.loaded.scenario
        date = self.base.community.date(scenario.day).isoformat()
        return scenario._asdict() | {"date": date, "hours_played": state.hours_played, "stored_kwh": float(state.stored.sum())}

    def after(self, state: State, stored: Array, settlement: Settlement) -> State:
        """Return the state after an hour that left stores with ``stored`` kWh."""
        loaded, days_left, hour = state.loaded, state.days_left, state.hour + 1
        if hour == loaded.day.n_periods and days_left:
            scenario = loaded.scenario
            loaded, days_left, hour = self.load(scenario._replace(day=scenario.day + 1)), days_left - 1, 0
        return State(loaded=loaded, days_left=days_left, hour=hour, hours_played=state.hours_played + 1, stored=stored, last=settlement)


def make_hourly_game(
    community: str | Path | Community,
    *,
    tariff: str,
    belief: Belief,
    split: Split,
    objective: Objective,
    information: Information,
    flows: Flows,
    charge_cap: float | None,
    import_fee: float | None,
    forecast_error: float,
    days: int,
) -> HourlyGame:
    """Return the game that the arguments of an hourly environment say.

    Raises:
        ValueError: If a name is unknown, a number out of range, or a community's data not valid.
    """
    if belief not in get_args(Belief):
        raise unknown_name("`belief`", belief, get_args(Belief))
    if not (np.isfinite(forecast_error) and 0 <= forecast_error < 1):
        raise ValueError(f"`forecast_error` must be at least 0 and below 1, a share of the truth, got {forecast_error!r}.")
    if not 1 <= days <= MOST_DAYS or int(days) != days:
        raise ValueError(f"`days` must be a whole number from 1 to {MOST_DAYS}, got {days!r}.")
    base = make_game(
        community,
        tariff=tariff,
        charges_per="day" if belief == "standing" else "hour",
        split=split,
        objective=objective,
        information=information,
        flows=flows,
        charge_cap=charge_cap,
        import_fee=import_fee,
    )
    within = np.isin(base.days + days - 1, base.days)  # splits are whole weeks, so the days between belong to it too
    if not within.any():
        raise ValueError(
            f"`days` must be so few that the {split} split has them in a row, got {days} of {base.community.n_days} days in all."
        )
    return HourlyGame(
        base=replace(base, days=base.days[within]),
        belief=belief,
        n_days=int(days),
        forecast_error=float(forecast_error),
        observer=make_hourly_observer(information, base.community, forecast_error=forecast_error),
    )


def play(game: HourlyGame, market: Market, states: Sequence[State], coefficients: Sequence[Array]) -> list[Played]:
    """Carry out one hour in each of R states, which may stand at different hours.

    Args:
        game: The game.
        market: What clears; all tails in one call where it can.
        states: Where the episodes stand, none of them over.
        coefficients: γ in EUR/kWh as the tariff reads actions, R arrays of shape (T, K).

    Raises:
        ClearingError: If a plan cannot be certified; the message names the row and says how to replay it.
    """
    base = game.base
    tails = [tail_of(each.loaded.day, each.hour, each.stored, forecast=each.loaded.forecast) for each in states]
    charges = [base.tariff.charges(each[state.hour :]) for state, each in zip(states, coefficients, strict=True)]
    plans = _plans(game, market, states, tails, charges)
    hours = [first_hour(tail, plan) for tail, plan in zip(tails, plans, strict=True)]
    now = np.stack([each[:1] for each in charges])
    carried_out = base.rules.settled_many([day for day, _ in hours], now, [hour for _, hour in hours])
    result = []
    for row, state in enumerate(states):
        settlement = carried_out.settlements.row(row)
        outcome = Outcome(
            charge=base.tariff.action(coefficients[row]),
            charges=now[row],
            clearing=replace(hours[row][1], objective_eur=-float(settlement.surplus_eur.sum())),
            settlement=settlement,
        )
        stored = np.clip(plans[row].stored_energy[1], 0.0, state.loaded.day.storage_capacity)  # rounding must not add up
        stored.setflags(write=False)
        result.append(Played(tails[row], plans[row], outcome, game.after(state, stored, settlement)))
    return result


def _plans(game: HourlyGame, market: Market, states: Sequence[State], tails: list[Day], charges: list[Array]) -> list[Clearing]:
    try:
        return clear_many(market, tails, charges)
    except ClearingError as error:
        for row, (state, tail, own_charges) in enumerate(zip(states, tails, charges, strict=True)):  # the call does not say which
            try:
                market.clear(tail, own_charges)
            except ClearingError as own:
                where = f"{game.base.community.name!r}, {state.loaded.scenario._asdict()}, hour {state.hour}"
                told = f"In the hourly game: row {row}, community {where}, stored energy {state.stored.tolist()} kWh."
                raise ClearingError(f"{own} {told}") from error
        raise


def whole_day(game: HourlyGame, loaded: Loaded, hours: Sequence[Outcome], plan: Clearing | None = None) -> Outcome:
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
        for name in OF_HOUR
    }
    stored = [
        hours[0].clearing.stored_energy[:1],
        *(each.clearing.stored_energy[1:] for each in hours),
        *(each.stored_energy[2:] for each in rest),
    ]
    now = np.concatenate([each.charges for each in hours])
    charges = np.concatenate([now, np.repeat(now[-1:], loaded.day.n_periods - len(hours), axis=0)])
    clearing = replace(hours[-1].clearing, stored_energy=np.concatenate(stored), **parts)  # type: ignore[arg-type]
    settlement = game.base.rules.settled(loaded.day, charges, clearing).settlement
    clearing = replace(clearing, objective_eur=-float(settlement.surplus_eur.sum()))
    return Outcome(charge=charge_of_hours(game, hours).ravel(), charges=charges, clearing=clearing, settlement=settlement)


def charge_of_hours(game: HourlyGame, hours: Sequence[Outcome]) -> Array:
    """Return γ of the hours carried out, in EUR/kWh, shape (hours, K)."""
    k = game.base.tariff.n_basis
    if game.belief == "standing":
        return np.stack([each.charge for each in hours])
    return np.stack([each.charge.reshape(-1, k)[number % len(each.charge.reshape(-1, k))] for number, each in enumerate(hours)])
