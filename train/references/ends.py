"""The two ends of the scale that a leader is scored on, for every game: the best charges of a day, and a bound that none exceed.

==============================================  ======================================  ================================================
game                                            best charges                            bound
==============================================  ======================================  ================================================
day-ahead, one coefficient                      the exact optimum                       the same, proved (:mod:`.optima`)
day-ahead, one for each hour, nobody stores     the exact optimum                       the same, proved
day-ahead, several                              the best found by a search              proved; certified where both have met
day-ahead, call auction, one coefficient        the optimum by its breakpoints          the same, proved
day-ahead, call auction, one for each hour      the same, where hours are apart         the same, proved
day-ahead, negotiated, where it converges       the exact market's optimum, replayed    none: it is infinite
day-ahead, any other market                     the best found on a grid of charges     none: it is infinite
hourly, nobody stores                           the exact optimum                       the same, proved
hourly                                          the best found by a search              for any leader and belief (:mod:`.hours`)
hourly, any other market                        the best charge that stays all day      none: it is infinite (:mod:`.hours_played`)
==============================================  ======================================  ================================================

What is said to be earned was earned: best charges are played again in the game. Where both ends have met the day is *certified*.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from ...envs.account.objective import require_exact
from ...envs.community.calendar import Scenario
from ...envs.errors import ClearingError
from ...envs.games.spec import GameSpec
from ..task import environment_of, is_provable
from ..workers import Workers
from . import hours_played
from .answers import Form, Found, Key, all_of, look_up_days
from .hours import HourlyEnds, SearchEffort, about_seconds, is_proved, prove_day, search_day, search_on
from .hours_played import search_by_playing
from .optima import OPTIMUM, content_key, find_optima, of_other_markets

HOURLY: Final[Form[HourlyEnds]] = Form("hourly", HourlyEnds)
"""What is known of days of the hourly game, in the store of answers."""
_SEQUENCE: Final = "the best sequence"
_LONG_S: Final = 60.0
"""Least seconds that are worth a word before they begin."""
_FORMAT: Final = 1
_log = logging.getLogger(__name__)


class Ends(Protocol):
    """What is known of a day: :class:`~.solved.Solved` of the day-ahead game, :class:`~.hours.HourlyEnds` of the hourly one."""

    @property
    def best_eur(self) -> float:
        """What the best charges known earn, played in the game."""
        ...

    @property
    def charges(self) -> tuple[float, ...]:
        """Those charges in EUR/kWh, in the order an operator posts them."""
        ...

    @property
    def upper_bound_eur(self) -> float:
        """No leader earns more, infinite where nothing was proved."""
        ...

    @property
    def certified(self) -> bool:
        """Whether both have met, so that the charges are proved optimal."""
        ...

    @property
    def relative_gap(self) -> float:
        """How far apart they are."""
        ...

    @property
    def zero_eur(self) -> float:
        """What no charge earns."""
        ...

    @property
    def method(self) -> str:
        """How the best charges were found."""
        ...

    @property
    def clearings(self) -> int:
        """Clearings that took."""
        ...

    @property
    def seconds(self) -> float:
        """Wall time it took."""
        ...


def references(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None = None) -> Sequence[Ends]:
    """Return what is known of every scenario: from the store where it has it, else computed by the workers and kept.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Compute what is not in the store.
        effort: How hard hourly sequences are searched for; the day-ahead game has settings of its own.

    Raises:
        ValueError: If a name in the task is unknown.
        ClearingError: If some failed; the others are kept.
    """
    [found] = references_of([(task, scenarios)], workers, effort)
    return found


def references_of(
    games: Sequence[tuple[GameSpec, Sequence[Scenario]]], workers: Workers, effort: SearchEffort | None = None
) -> list[Sequence[Ends]]:
    """Return what is known of scenarios of several games, those of hourly ones searched side by side; the rest as :func:`references`."""
    hourly = [(task, scenario) for task, scenarios in games if task.env == "hourly" for scenario in scenarios]
    searched = iter(all_of(_find(hourly, workers, effort), _SEQUENCE))
    found: list[Sequence[Ends]] = []
    for task, scenarios in games:
        if task.env == "hourly":
            found.append([next(searched) for _ in scenarios])
        else:
            solved = all_of(find_optima(task, scenarios, workers), OPTIMUM)
            found.append(solved)
    return found


def hourly_references(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None = None
) -> list[HourlyEnds]:
    """Return what is known of scenarios of the hourly game, all of them; arguments and errors as :func:`references`."""
    return all_of(find_hourly(task, scenarios, workers, effort), _SEQUENCE)


def prove_days(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort) -> None:
    """Prove the optimum of some scenarios of the hourly game, where it can be, and keep that as what is known of them without a proof.

    What :func:`references` then returns of these scenarios with ``seconds=0`` is what was proved. A scenario that was proved as closely
    before, or here for as long, is left alone; others are gone on with.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Prove.
        effort: How hard sequences are searched for, and how tightly and long their optimum is proved.

    Raises:
        ClearingError: If some failed; the others are kept.
    """
    known = hourly_references(task, scenarios, workers, replace(effort, seconds=0.0))
    open_ = [day for day in zip(scenarios, known, strict=True) if not is_proved(task, *day, effort)]
    all_of(workers.map(partial(_prove, task, effort), open_, "proofs"), "the optimum")


def search_days_on(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort, *, plans: int) -> None:
    """Search longer on scenarios with several stores, and keep what that finds as what is known of them.

    A longer search begins with what the usual one found on the day, and on the others of these scenarios. So every usual search comes
    first, and its answer is kept apart: whatever is interrupted, the same is found in the end.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Search.
        effort: How hard the usual search tries.
        plans: About how many plans the longer search of a day may clear; one that had as many is left alone.

    Raises:
        ClearingError: If some failed; the others are kept.
    """
    if task.belief != "standing":
        return
    several = [each for each in scenarios if np.count_nonzero(environment_of(task).day_of(each).has_storage) > 1]
    known, first = hourly_references(task, several, workers, effort), []
    for scenario, ends in zip(several, known, strict=True):
        key = hourly_key(task, scenario, effort) | {"search": "usual"}
        first.append(HOURLY.kept(key) or HOURLY.keep(key, ends))
    days = [
        (scenario, ends, [each.charges for other, each in zip(several, first, strict=True) if other != scenario])
        for scenario, ends in zip(several, known, strict=True)
        if ends.plans < plans and HOURLY.kept(_longer(task, scenario, effort, plans)) is None
    ]
    all_of(workers.map(partial(_search_on, task, effort, plans), days, "longer searches"), _SEQUENCE)


def _search_on(
    task: GameSpec, effort: SearchEffort, plans: int, day: tuple[Scenario, HourlyEnds, list[tuple[float, ...]]]
) -> Found[HourlyEnds]:
    """Search longer on one day, and keep what came of it."""
    scenario, ends, elsewhere = day
    try:
        found = search_on(task, scenario, ends, replace(effort, plans=plans), elsewhere)
    except ClearingError as error:
        return Found(scenario, None, error=f"day {scenario.day}, price path {scenario.price_path}: {error}")
    HOURLY.keep(hourly_key(task, scenario, effort), found)
    return Found(scenario, HOURLY.keep(_longer(task, scenario, effort, plans), found))


def _longer(task: GameSpec, scenario: Scenario, effort: SearchEffort, plans: int) -> Key:
    """Return under what it is kept that a longer search has ended; one that finds no better by any step ends before its plans do."""
    return hourly_key(task, scenario, effort) | {"search": f"longer, {plans}"}


def _prove(task: GameSpec, effort: SearchEffort, day: tuple[Scenario, HourlyEnds]) -> Found[HourlyEnds]:
    """Prove one day, and keep what came of it."""
    scenario, ends = day
    try:
        proved = prove_day(task, scenario, ends, effort)
    except ClearingError as error:
        return Found(scenario, None, error=f"day {scenario.day}, price path {scenario.price_path}: {error}")
    return Found(scenario, HOURLY.keep(hourly_key(task, scenario, replace(effort, seconds=0.0)), proved))


def find_hourly(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None = None, *, recompute: bool = False
) -> list[Found[HourlyEnds]]:
    """Return what became of scenarios of the hourly game.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Search what is not in the store.
        effort: How hard; as :class:`SearchEffort` has it where absent.
        recompute: Whether to search all of them again.

    Raises:
        ValueError: If neither profit nor welfare is maximised.
    """
    require_exact(task.objective)
    return _find([(task, scenario) for scenario in scenarios], workers, effort, recompute=recompute)


def _find(
    days: Sequence[tuple[GameSpec, Scenario]], workers: Workers, effort: SearchEffort | None, *, recompute: bool = False
) -> list[Found[HourlyEnds]]:
    """Return what became of days of one or several hourly games, having said how long it takes where that is long."""
    effort = effort or SearchEffort()
    keys = [hourly_key(*day, effort) for day in days]

    def say(missing: Sequence[int]) -> None:
        if not workers.quiet:
            _say_how_long([days[number] for number in missing], workers, effort)

    scenarios = [scenario for _, scenario in days]
    compute = partial(_search, effort)
    return look_up_days(HOURLY, scenarios, keys, compute, workers, label="references", questions=days, before=say, recompute=recompute)


def _search(effort: SearchEffort, day: tuple[GameSpec, Scenario]) -> HourlyEnds:
    return search_day(*day, effort) if is_provable(day[0]) else search_by_playing(*day, effort)


def _say_how_long(days: Sequence[tuple[GameSpec, Scenario]], workers: Workers, effort: SearchEffort) -> None:
    """Say how long a search is going to take, where somebody may want to know before it begins."""
    of_game = {task: _about_seconds(task, scenario, effort) for task, scenario in days}
    side_by_side = max(1, min(workers.jobs or 1, len(days)))
    seconds = max(sum(of_game[task] for task, _ in days) / side_by_side, *of_game.values())
    if seconds >= _LONG_S:
        each = len(days) // len(of_game)
        where = f" in each of {len(of_game)} communities" if len(of_game) > 1 else ""
        _log.warning(
            "the best sequences of %s%s are searched for, which takes about %.0f minutes; they are kept. "
            "With --plans %d it takes about a fourth of that, and finds less.",
            f"{each} day{'' if each == 1 else 's'}",
            where,
            max(1.0, seconds / 60),
            max(1, effort.plans // 4),
        )


def _about_seconds(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> float:
    return about_seconds(task, scenario, effort) if is_provable(task) else hours_played.about_seconds(task, scenario, effort)


def hourly_key(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> dict[str, Any]:
    """Return everything an answer depends on but the software; what leaders observe is not part of it."""
    env = environment_of(replace(task, information="public"))
    shared = content_key(env.day_of(scenario), env.community.network, env.tariff.basis)
    belief = {"belief": task.belief, "forecast_error": task.forecast_error}
    errors = [*scenario, env.community.content_hash] if task.forecast_error else []  # they are drawn by the day's place in the calendar
    game = {"charge_cap": env.charge_cap, "flows": task.flows, "objective": task.objective, "drawn_from": errors}
    other = {} if is_provable(task) else of_other_markets(task, env.day_of(scenario).label)
    return {"format": _FORMAT, **shared, **belief, **game, **asdict(effort), **other}
