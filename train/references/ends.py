"""The two ends of the scale that a leader is scored on, for every game: the best charges of a day, and a bound that none exceed.

==============================================  ======================================  ================================================
game                                            best charges                            bound
==============================================  ======================================  ================================================
day-ahead, one coefficient                      the exact optimum                       the same, proved (:mod:`..optima`)
day-ahead, one for each hour, nobody stores     the exact optimum                       the same, proved
day-ahead, several                              the best found by a search              proved; certified where both have met
hourly, nobody stores                           the exact optimum                       the same, proved
hourly                                          the best found by a search              for any leader and belief (:mod:`.hours`)
==============================================  ======================================  ================================================

What is said to be earned was earned: best charges are played again in the game. Where both ends have met the day is *certified*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final, Protocol

from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..task import environment_of, exact_market_of
from ..workers import Workers
from .answers import Form, Found, all_of, look_up_days
from .hours import Effort, HourlyEnds, search_day
from .optima import OPTIMUM, content_key, find_optima

_HOURLY: Final[Form[HourlyEnds]] = Form("hourly", HourlyEnds)
_FORMAT: Final = 1


class Ends(Protocol):
    """What is known of a day: :class:`~.solve.Solved` of the day-ahead game, :class:`~.hours.HourlyEnds` of the hourly one."""

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


def references(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None = None) -> Sequence[Ends]:
    """Return what is known of every scenario: from the store where it has it, else computed by the workers and kept.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Compute what is not in the store.
        effort: How hard hourly sequences are searched for; the day-ahead game has settings of its own.

    Raises:
        ValueError: If the market is not the exact one, of whose answers alone something can be proved.
        ClearingError: If some failed; the others are kept.
    """
    exact_market_of(task)
    if task.env == "hourly":
        return hourly_references(task, scenarios, workers, effort)
    return all_of(find_optima(task, scenarios, workers), OPTIMUM)


def hourly_references(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None = None) -> list[HourlyEnds]:
    """Return what is known of scenarios of the hourly game, all of them; arguments and errors as :func:`references`."""
    return all_of(find_hourly(task, scenarios, workers, effort), "the best sequence")


def find_hourly(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None = None, *, recompute: bool = False
) -> list[Found[HourlyEnds]]:
    """Return what became of scenarios of the hourly game.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Search what is not in the store.
        effort: How hard; as :class:`Effort` has it where absent.
        recompute: Whether to search all of them again.

    Raises:
        ValueError: If the market is not the exact one.
    """
    exact_market_of(task)
    effort = effort or Effort()
    keys = [_key(task, scenario, effort) for scenario in scenarios]
    compute = partial(_search, task, effort)
    return look_up_days(_HOURLY, scenarios, keys, compute, workers, label="references", recompute=recompute)


def _search(task: GameSpec, effort: Effort, scenario: Scenario) -> HourlyEnds:
    return search_day(task, scenario, effort)


def _key(task: GameSpec, scenario: Scenario, effort: Effort) -> dict[str, Any]:
    """Return everything an answer depends on but the software; what leaders observe is not part of it."""
    env = environment_of(replace(task, information="public"))
    shared = content_key(env.day_of(scenario), env.community.network, env.tariff.basis)
    belief = {"belief": task.belief, "forecast_error": task.forecast_error}
    errors = [*scenario, env.community.content_hash] if task.forecast_error else []  # they are drawn by the day's place in the calendar
    game = {"charge_cap": env.charge_cap, "flows": task.flows, "objective": task.objective, "drawn_from": errors}
    return {"format": _FORMAT, **shared, **belief, **game, **asdict(effort)}
