"""The two ends that an hourly leader is scored between: the best sequence of charges found for a day, and a bound that none exceeds.

Without storage hours are apart, and both ends are the certified optimum of the hours. With storage the best is what a search through the
game itself found (:mod:`gridtoll.agents.optimum.hourly_game.search`): it can be earned, but is not proved to be optimal, and a leader may
exceed it. The bound is that for any belief (:mod:`gridtoll.agents.optimum.hourly_game.bound`), of welfare the optimum of the convex program
in which nobody charges anything; no leader exceeds it.

Whatever can be earned under ``"standing"`` can be earned under ``"announced"``, by announcing the hour's charge for all later hours: what
is found for the first counts for the second, and there also the best schedule that is announced and kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ...agents.fixed.hourly import SchedulePolicy
from ...agents.optimum.hourly_game.bound import bound_hourly
from ...agents.optimum.hourly_game.search import HourlyDay, day_ahead_hints, search_hourly
from ...agents.optimum.many_charges.several import Bracket
from ...agents.optimum.one_charge.hours import solve_hours
from ...envs.account.social import solve_social
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.errors import ClearingError
from ...envs.games.hourly import HourlyGame
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import StructuredMarket
from ..references.optima import content_key
from ..references.store import store, stored
from ..task import environment_of
from ..workers import Workers
from .task import play_days

Array = NDArray[np.float64]

_KIND: Final = "hourly"
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard sequences are searched for.

    Attributes:
        starts: Random starts, beside the day-ahead optima and the best constant charge.
        plans: About how many plans the search may clear.
        clearings: About how many day-ahead clearings the search for a schedule to be kept may use.
        seed: Of the starts.
    """

    starts: int = 2
    plans: int = 4000
    clearings: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ValueError: If one is out of range.
        """
        if self.starts < 0 or self.plans < 1 or self.clearings < 1 or self.seed < 0:
            raise ValueError(f"a search needs `starts` and `seed` of at least 0, `plans` and `clearings` of at least 1, got {self}.")


@dataclass(frozen=True, kw_only=True)
class HourlyEnds:
    """What is known of a day.

    Attributes:
        best_eur: What the best sequence found earns, played in the environment.
        charges: That sequence, EUR/kWh, hours in order and coefficients of an hour side by side.
        upper_bound_eur: No leader earns more, infinite where nothing was proved.
        certified: Whether both have met (to 1e-6 of the revenue), so that the sequence is optimal.
        zero_eur: What no charge earns.
        constant_eur: What the best charge for the day earns, posted all day; NaN for tariffs of several coefficients.
        constant_charge: That charge, EUR/kWh.
        kept_eur: What the best schedule found earns that is announced before the day and kept.
        kept_bound_eur: No such schedule earns more.
        method: ``"hours"`` where hours are apart, else ``"search"``.
        plans: Plans cleared by the search.
        seconds: Wall time when it was computed.
    """

    best_eur: float
    charges: tuple[float, ...]
    upper_bound_eur: float
    certified: bool
    zero_eur: float
    constant_eur: float
    constant_charge: float
    kept_eur: float
    kept_bound_eur: float
    method: str
    plans: int
    seconds: float


@dataclass(frozen=True)
class FoundEnds:
    """What became of one scenario of several.

    Attributes:
        scenario: Which one.
        ends: What is known of it, None where it failed.
        was_stored: Whether that came from the store.
        error: Why it failed.
    """

    scenario: Scenario
    ends: HourlyEnds | None
    was_stored: bool = False
    error: str | None = None


def find_ends(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None = None, *, recompute: bool = False
) -> list[FoundEnds]:
    """Return what is known of scenarios: from the store where it has them, else computed by the workers and kept one by one.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Search what is not in the store.
        effort: How hard; as :class:`Effort` has it where absent.
        recompute: Whether to search all of them again.
    """
    effort = effort or Effort()
    keys = [_key(task, scenario, effort) for scenario in scenarios]
    found: dict[int, FoundEnds] = {}
    for place, scenario in enumerate(scenarios if not recompute else ()):
        kept = stored(_KIND, keys[place])
        if kept is not None:
            found[place] = FoundEnds(scenario, _read(kept), was_stored=True)
    missing = [place for place in range(len(scenarios)) if place not in found]
    for which, (ends, error) in workers.each(partial(_attempt, task, effort), [scenarios[place] for place in missing], "references"):
        place = missing[which]
        found[place] = FoundEnds(scenarios[place], ends, error=error)
        if ends is not None:
            store(_KIND, keys[place], _written(ends))
    return [found[place] for place in range(len(scenarios))]


def ends_of(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None = None) -> list[HourlyEnds]:
    """Return what is known of scenarios, all of them.

    Raises:
        ClearingError: If some failed; the others are kept.
    """
    found = find_ends(task, scenarios, workers, effort)
    errors = [entry.error for entry in found if entry.error is not None]
    if errors:
        raise ClearingError(f"the references of {len(errors)} of {len(found)} days were not found: {'; '.join(errors)}")
    return [entry.ends for entry in found if entry.ends is not None]


def _attempt(task: GameSpec, effort: Effort, scenario: Scenario) -> tuple[HourlyEnds | None, str | None]:
    try:
        return search_day(task, scenario, effort), None
    except (ClearingError, ValueError) as error:
        return None, f"day {scenario.day}, price path {scenario.price_path}: {error}"


def search_day(task: GameSpec, scenario: Scenario, effort: Effort) -> HourlyEnds:
    """Return what is known of one scenario, computed in this process.

    Raises:
        ValueError: If there is no such day.
        ClearingError: If a plan could not be cleared, or the optimum of an hour not be proved.
    """
    began = time.perf_counter()
    env = environment_of(replace(task, belief="standing", information="public"))
    day, market = env.day_of(scenario), StructuredMarket(threads=1)
    single = env.tariff.n_basis == 1
    walk = HourlyDay(cast(HourlyGame, env.game), scenario, market)
    zero = walk.walk(np.zeros(walk.shape)).goal_eur
    if single and not day.has_storage.any():
        hours = solve_hours(
            day,
            env.community.network,
            env.tariff,
            cap=env.charge_cap,
            flows=env.setting.rules.flows,
            objective=env.setting.rules.objective,
            market=market,
        )
        bracket, hints = day_ahead_hints(walk, seed=effort.seed, max_clearings=1)
        best, upper, plans, method = hours.charges[:, None], hours.upper_bound_eur, hours.clearings, "hours"
    else:
        bracket, hints = day_ahead_hints(walk, seed=effort.seed, max_clearings=effort.clearings)
        searched = search_hourly(walk, hints=hints, n_starts=effort.starts, seed=effort.seed, max_plans=effort.plans)
        best, upper, plans, method = searched.sequence, _bound(task, day), searched.plans, "search"
    constant = walk.walk(np.array(np.broadcast_to(hints[1], walk.shape))).goal_eur if single else math.nan
    best_eur, charges = _played(task, scenario, best, bracket)
    gap = upper - best_eur
    return HourlyEnds(
        best_eur=best_eur,
        charges=charges,
        upper_bound_eur=upper,
        certified=bool(gap <= 1e-6 * max(abs(best_eur), 1e-6 * day.turnover_eur)),
        zero_eur=zero,
        constant_eur=constant,
        constant_charge=float(hints[1][0, 0]) if single else math.nan,
        kept_eur=bracket.best_eur,
        kept_bound_eur=bracket.upper_bound_eur,
        method=method,
        plans=plans,
        seconds=time.perf_counter() - began,
    )


def _played(task: GameSpec, scenario: Scenario, sequence: Array, bracket: Bracket) -> tuple[float, tuple[float, ...]]:
    """Return what the better of a sequence and, if it is announced, a kept schedule earns in the environment, and its charges."""
    own = replace(task, information="public")
    hour = environment_of(own).observer.layout["hour"]
    standing = play_days(replace(own, belief="standing"), lambda _: SchedulePolicy(sequence, hour), [scenario], threads=1)[0]
    if task.belief == "standing":
        return standing.objective_eur, tuple(sequence.ravel().tolist())
    kept = play_days(own, lambda _: SchedulePolicy(bracket.coefficients, hour, announced=True), [scenario], threads=1)[0]
    better, charges = max((standing.objective_eur, sequence), (kept.objective_eur, bracket.coefficients), key=lambda pair: pair[0])
    return better, tuple(charges.ravel().tolist())


def _bound(task: GameSpec, day: Day) -> float:
    """Return a bound on the objective of any leader under any belief, infinite where none is proved."""
    env = environment_of(replace(task, belief="standing", information="public"))
    network = env.community.network
    if task.forecast_error:  # where the end's energy seemed out of reach a day may end with less
        day = replace(day, storage_end=np.zeros(day.n_prosumers))
    if task.objective == "welfare":
        return solve_social(day, network, flows=env.setting.rules.flows, charge_base=env.tariff.basis).upper_bound_eur
    try:
        return bound_hourly(day, network, greatest_charge=env.charge_cap * env.tariff.basis.sum(axis=0)).bound_eur
    except ValueError:
        return math.inf


def _key(task: GameSpec, scenario: Scenario, effort: Effort) -> dict[str, Any]:
    """Return everything an answer depends on but the software; what leaders observe is not part of it."""
    env = environment_of(replace(task, information="public"))
    shared = content_key(env.day_of(scenario), env.community.network, env.tariff.basis)
    belief = {"belief": task.belief, "forecast_error": task.forecast_error}
    errors = [*scenario, env.community.content_hash] if task.forecast_error else []  # they are drawn by the day's place in the calendar
    game = {"charge_cap": env.charge_cap, "flows": task.flows, "objective": task.objective, "drawn_from": errors}
    return {"format": _FORMAT, **shared, **belief, **game, **asdict(effort)}


def _written(ends: HourlyEnds) -> Mapping[str, Any]:
    """Return JSON values; numbers that JSON has no word for are written as text."""
    return {name: str(value) if isinstance(value, float) and not math.isfinite(value) else value for name, value in asdict(ends).items()}


def _read(kept: Mapping[str, Any]) -> HourlyEnds:
    numbers = {field.name for field in fields(HourlyEnds) if field.type == "float"}
    values: dict[str, Any] = {name: float(value) if name in numbers else value for name, value in kept.items()}
    return HourlyEnds(**{**values, "charges": tuple(kept["charges"])})
