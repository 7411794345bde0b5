"""The two ends that an hourly leader is scored between: the best sequence of charges found for a day, and a bound that none exceeds.

Without storage hours are apart, and both ends are the certified optimum of the hours. With storage the best is what a search through the
game itself found (:mod:`gridtoll.agents.optimum.hourly_game.search`): it can be earned, but is not proved to be optimal, and a leader may
exceed it. No leader exceeds the bound, the least that is proved (:mod:`gridtoll.agents.optimum.hourly_game.least_bound`).

Whatever can be earned under ``"standing"`` can be earned under ``"announced"``, by announcing the hour's charge for all later hours: what
is found for the first counts for the second, and there also the best schedule that is announced and kept. Under ``"learned"`` the best is
the better of both, posted on the day and on the days before it: prosumers then expect exactly that. A leader that posts other charges on
the days before may earn more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ...agents.fixed.hourly import SchedulePolicy
from ...agents.optimum.hourly_game.least_bound import least_bound, slabs_of
from ...agents.optimum.hourly_game.search import HourlyDay, day_ahead_hints, search_hourly, search_longer
from ...agents.optimum.hourly_game.standing import plans_of
from ...agents.optimum.many_charges.several import Bracket
from ...agents.optimum.one_charge.hours import solve_hours
from ...agents.optimum.one_store.solve import StoreOptimum, applies, hours_of, solve_hourly
from ...agents.optimum.one_store.suggest import StoreGrid, grid_of, suggested
from ...envs.account.objective import require_exact
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import StructuredMarket
from ..ground.playing import play_days
from ..task import environment_of
from .answers import Key
from .one_store import PROOFS, proof_key, walk_of

_CENT: Final = 0.01
"""Earnings in EUR below which gaps are not taken as shares of them: of next to nothing every share is large."""


@dataclass(frozen=True, kw_only=True)
class SearchEffort:
    """How hard sequences are searched for.

    Attributes:
        starts: Random starts, beside the day-ahead optima and the best constant charge.
        plans: About how many plans the search may clear.
        clearings: About how many day-ahead clearings the search for a schedule to be kept may use.
        seed: Of the starts.
        tolerance: With one store: the proof ends once the bound is less than this share above the best found.
        seconds: With one store: about how long the proof may take with the default ``plans``; with fewer, that share of it. With 0
            nothing is proved there but the bound for any belief.
    """

    starts: int = 2
    plans: int = 4000
    clearings: int = 300
    seed: int = 0
    tolerance: float = 0.01
    seconds: float = 480.0

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ValueError: If one is out of range.
        """
        counts = min(self.starts, self.seed, self.plans - 1, self.clearings - 1) >= 0
        if not (counts and self.tolerance > 0.0 and self.seconds >= 0.0):  # NaN is neither
            least = "`starts`, `seed` and `seconds` of at least 0, `plans` and `clearings` of at least 1, `tolerance` above 0"
            raise ValueError(f"a search needs {least}, got {self}.")


@dataclass(frozen=True, kw_only=True)
class HourlyEnds:
    """What is known of a day of the hourly game; an :class:`~.ends.Ends`.

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
        method: ``"hours"`` where hours are apart, ``"boxes"`` where one store's optimum was proved, else ``"search"``; ``"played"`` under a
            market of which nothing is proved.
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

    @property
    def relative_gap(self) -> float:
        """How far the bound is above what the best sequence earns, as a share of that: infinite where nothing was proved."""
        gap = max(0.0, self.upper_bound_eur - self.best_eur)
        return gap / max(abs(self.best_eur), _CENT)

    @property
    def clearings(self) -> int:
        """Plans cleared by the search, each a clearing."""
        return self.plans


def about_seconds(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> float:
    """Return about how long :func:`search_day` takes in this process, from one clearing of the day.

    Plans are for what is left of a day, half of it on average, and each takes a millisecond besides; the bound and the best constant charge
    take as long as 250 clearings; with one store the proof takes what it is given. On communities of 13, 32 and 93 prosumers it came
    within a third of what it took.
    """
    env, market = environment_of(replace(task, belief="standing", information="public")), StructuredMarket(threads=1)
    day, charges = env.day_of(scenario), 0.3 * env.charge_cap * env.tariff.basis.sum(axis=0)
    market.clear(day, charges)  # loads the machine code
    began = time.perf_counter()
    market.clear(day, charges)
    once = time.perf_counter() - began
    proof = _proof_seconds(effort) if np.count_nonzero(day.has_storage) == 1 else 0.0
    slabs = slabs_of(task, env.setting, day, plans=effort.plans)
    bound = plans_of(day, slabs + 1) * (0.6 * once + 5e-4) if slabs else 0.0
    return effort.plans * (0.6 * once + 1e-3) + (2 * effort.clearings + 250) * once + proof + bound


def search_day(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> HourlyEnds:
    """Return what is known of one scenario, computed in this process.

    Raises:
        ValueError: If there is no such day.
        ClearingError: If a plan could not be cleared, or the optimum of an hour not be proved.
    """
    began = time.perf_counter()
    env = environment_of(replace(task, belief="standing", information="public"))
    day, walk = env.day_of(scenario), walk_of(task, scenario)
    single = env.tariff.n_basis == 1
    zero = walk.walk(np.zeros(walk.shape)).goal_eur
    if single and not day.has_storage.any():
        hours = solve_hours(
            day,
            env.community.network,
            env.tariff,
            cap=env.charge_cap,
            flows=env.setting.rules.flows,
            objective=require_exact(task.objective),
            market=walk.market,
        )
        bracket, hints = day_ahead_hints(walk, seed=effort.seed, max_clearings=1)
        best, upper, plans, method = hours.charges[:, None], hours.upper_bound_eur, hours.clearings, "hours"
    else:
        bracket, hints = day_ahead_hints(walk, seed=effort.seed, max_clearings=effort.clearings)
        grid = grid_of(walk, hours_of(walk)) if applies(walk) else None
        if grid is not None:
            hints.append(suggested(walk, grid)[:, None])
        searched = search_hourly(walk, hints=hints, n_starts=effort.starts, seed=effort.seed, max_plans=effort.plans)
        best, plans, method = searched.sequence, searched.plans, "search"
        upper = least_bound(task, env.setting, day, plans=effort.plans)
        if effort.seconds > 0 and task.belief == "standing" and grid is not None:
            proved = _proved(task, scenario, walk, best, effort, grid=grid)
            best, upper, plans, method = np.array(proved.charges)[:, None], min(upper, proved.upper_bound_eur), walk.plans, "boxes"
    constant = walk.walk(np.array(np.broadcast_to(hints[1], walk.shape))).goal_eur if single else math.nan
    best_eur, charges = _played(task, scenario, best, bracket)
    return HourlyEnds(
        best_eur=best_eur,
        charges=charges,
        upper_bound_eur=upper,
        certified=_is_closed(best_eur, upper, day),
        zero_eur=zero,
        constant_eur=constant,
        constant_charge=float(hints[1][0, 0]) if single else math.nan,
        kept_eur=bracket.best_eur,
        kept_bound_eur=bracket.upper_bound_eur,
        method=method,
        plans=plans,
        seconds=time.perf_counter() - began,
    )


def is_proved(task: GameSpec, scenario: Scenario, ends: HourlyEnds, effort: SearchEffort) -> bool:
    """Return whether an effort would change nothing: what is known is as close as it asks for, or was proved here for as long as it allows.

    Args:
        task: The game.
        scenario: Which day under which prices.
        ends: What is known of it.
        effort: How tightly, and how long.
    """
    if ends.method not in ("search", "boxes"):
        return True
    if ends.method == "boxes" and ends.relative_gap <= effort.tolerance:
        return True
    known = PROOFS.kept(_proof_key(task, scenario))
    return known is not None and known.seconds >= _proof_seconds(effort)


def prove_day(task: GameSpec, scenario: Scenario, ends: HourlyEnds, effort: SearchEffort) -> HourlyEnds:
    """Return what is known of a scenario once its optimum is proved as closely as an effort allows; what was known where it has no proof.

    Args:
        task: The game.
        scenario: Which day under which prices.
        ends: What is known of it.
        effort: How tightly, and how long.

    Raises:
        ClearingError: If a plan could not be cleared.
    """
    began, walk = time.perf_counter(), walk_of(task, scenario)
    if task.belief != "standing" or not applies(walk):
        return ends
    found = _proved(task, scenario, walk, np.reshape(ends.charges, walk.shape), effort)
    proved = replace(ends, upper_bound_eur=min(ends.upper_bound_eur, found.upper_bound_eur), method="boxes")
    return _with_sequence(task, scenario, proved, walk, np.reshape(found.charges, walk.shape), began=began)


def search_on(
    task: GameSpec, scenario: Scenario, ends: HourlyEnds, effort: SearchEffort, elsewhere: Sequence[tuple[float, ...]]
) -> HourlyEnds:
    """Return what is known of a scenario after a longer search, which begins with that and with what was found on other days.

    Args:
        task: The game, of belief ``"standing"``.
        scenario: Which day under which prices.
        ends: What is known of it.
        effort: How many plans the search may clear, three times as many the bound; and its seed.
        elsewhere: Sequences found on other days, EUR/kWh.

    Raises:
        ClearingError: If a plan could not be cleared.
    """
    began, env, walk = time.perf_counter(), environment_of(replace(task, information="public")), walk_of(task, scenario)
    others = [np.reshape(each, walk.shape) for each in elsewhere]
    found = search_longer(walk, np.reshape(ends.charges, walk.shape), elsewhere=others, seed=effort.seed, max_plans=effort.plans)
    upper = min(ends.upper_bound_eur, least_bound(task, env.setting, env.day_of(scenario), plans=effort.plans))
    return _with_sequence(task, scenario, replace(ends, upper_bound_eur=upper), walk, found.sequence, began=began)


def _with_sequence(task: GameSpec, scenario: Scenario, ends: HourlyEnds, walk: HourlyDay, sequence: Array, *, began: float) -> HourlyEnds:
    """Return what is known once a sequence was found besides, by plans of a walk and since a time of the clock."""
    own = replace(task, information="public")
    env = environment_of(own)
    [played] = play_days(own, lambda _: SchedulePolicy(sequence, env.observer.layout["hour"]), [scenario], threads=1)
    found = (played.objective_eur, tuple(sequence.ravel().tolist()))
    best, charges = max(found, (ends.best_eur, ends.charges), key=lambda pair: pair[0])
    return replace(
        ends,
        best_eur=best,
        charges=charges,
        certified=_is_closed(best, ends.upper_bound_eur, env.day_of(scenario)),
        plans=ends.plans + walk.plans,
        seconds=ends.seconds + time.perf_counter() - began,
    )


def _proved(
    task: GameSpec, scenario: Scenario, walk: HourlyDay, best: Array, effort: SearchEffort, *, grid: StoreGrid | None = None
) -> StoreOptimum:
    """Return what is proved of a day with one store; what an interrupted proof had come to is kept, and gone on from."""
    key = _proof_key(task, scenario)
    return solve_hourly(
        walk,
        hints=[best],
        grid=grid,
        tolerance=effort.tolerance,
        seconds=_proof_seconds(effort),
        begin=PROOFS.kept(key),
        keep=lambda known: _keep(key, known),
    )


def _is_closed(best_eur: float, upper_bound_eur: float, day: Day) -> bool:
    """Return whether the best and the bound have met."""
    return bool(upper_bound_eur - best_eur <= 1e-6 * max(abs(best_eur), 1e-6 * day.turnover_eur))


def _proof_key(task: GameSpec, scenario: Scenario) -> Key:
    env = environment_of(replace(task, information="public"))
    return proof_key(env.day_of(scenario), env.community.network, env.tariff, cap=env.charge_cap, flows=task.flows)


def _proof_seconds(effort: SearchEffort) -> float:
    return effort.seconds * min(1.0, effort.plans / SearchEffort.plans)


def _keep(key: Key, known: StoreOptimum) -> None:
    PROOFS.keep(key, known)


def _played(task: GameSpec, scenario: Scenario, sequence: Array, bracket: Bracket) -> tuple[float, tuple[float, ...]]:
    """Return what the better of a sequence and, unless charges stand, a kept schedule earns in the environment, and its charges."""
    own = replace(task, information="public")
    hour = environment_of(own).observer.layout["hour"]
    standing = play_days(replace(own, belief="standing"), lambda _: SchedulePolicy(sequence, hour), [scenario], threads=1)[0]
    if task.belief == "standing":
        return standing.objective_eur, tuple(sequence.ravel().tolist())
    announced = task.belief == "announced"
    kept = play_days(own, lambda _: SchedulePolicy(bracket.coefficients, hour, announced=announced), [scenario], threads=1)[0]
    if not announced:
        standing = play_days(own, lambda _: SchedulePolicy(sequence, hour), [scenario], threads=1)[0]
    better, charges = max((standing.objective_eur, sequence), (kept.objective_eur, bracket.coefficients), key=lambda pair: pair[0])
    return better, tuple(charges.ravel().tolist())
