"""What training days earn at every charge, and the one charge that is best for many of them: found once, and then kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...agents.optimum.standing.parts import StandingGame
from ...agents.optimum.standing.search import StandingDays, standing_games
from ...agents.planning.day_curve import DayCurve, day_curve
from ...envs.account.objective import require_exact
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..task import environment_of, exact_market_of, n_charges
from ..workers import Workers
from .answers import Form, all_of, look_up, look_up_days
from .optima import content_key
from .standing_days.kept import StandingFile


@dataclass(frozen=True, kw_only=True)
class ProvedConstant:
    """The one charge that is best for many scenarios, with its proof in numbers.

    Attributes:
        charge: EUR/kWh.
        mean_eur: Mean of the objective over the scenarios, each cleared again at it.
        upper_bound_eur: No charge from 0 to the cap takes the mean higher.
        relative_gap: Of both, over what is at stake.
        clearings: What the proof took.
        seconds: Wall time of it.
    """

    charge: float
    mean_eur: float
    upper_bound_eur: float
    relative_gap: float
    clearings: int
    seconds: float


def curves_of(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, clearings: int) -> list[DayCurve]:
    """Return the curve of each scenario, worked out with so many clearings.

    Raises:
        ValueError: If a day has more than one charge, or its response is not known exactly.
        ClearingError: If a day could not be cleared.
    """
    require_one_exact_charge(task, "a curve of what a day earns")
    keys = [_key(task, [scenario]) | {"clearings": clearings} for scenario in scenarios]
    compute = partial(_curve, task, clearings)
    found = look_up_days(Form("curves", DayCurve), scenarios, keys, compute, workers, label="curves")
    return all_of(found, "the curve")


def proved_constant(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> ProvedConstant:
    """Return the one charge that is best for all scenarios together; a search that was killed goes on where it was.

    Raises:
        ValueError: If a day has more than one charge, or its response is not known exactly.
        ClearingError: If it could not be proved.
    """
    require_one_exact_charge(task, "the best constant charge, with its proof,")
    answer, _ = look_up(Form("best-constant", ProvedConstant), _key(task, scenarios), lambda: _constant(task, scenarios, workers))
    return answer


def games_of(task: GameSpec, scenarios: Sequence[Scenario]) -> list[StandingGame]:
    """Return scenarios with their networks and what a charge of 1 charges there, as planning needs them."""
    environment = environment_of(task)
    days, goals = [environment.day_of(each) for each in scenarios], (require_exact(task.objective),)
    return standing_games(
        days, environment.community.network, environment.tariff, cap=environment.charge_cap, flows=task.flows, goals=goals
    )


def require_one_exact_charge(task: GameSpec, what: str) -> None:
    """Refuse a game without one charge for a day in the exact market.

    Raises:
        ValueError: If it is another.
    """
    remedy = "Use grid-constant, which searches without a proof."
    if task.env == "hourly" or n_charges(task) != 1:
        raise ValueError(
            f"{what} needs one charge for the day, got `env` {task.env}, {task.tariff!r} per {task.charges_per} with {n_charges(task)} "
            f"charges. {remedy}"
        )
    try:
        exact_market_of(task)
    except ValueError as error:
        raise ValueError(f"{what} cannot be found here: {error} {remedy}") from error


def _key(task: GameSpec, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    environment = environment_of(task)
    network, basis = environment.community.network, environment.tariff.basis
    return {
        "days": [content_key(environment.day_of(scenario), network, basis) for scenario in scenarios],
        "charge_cap": environment.charge_cap,
        "flows": task.flows,
        "objective": task.objective,
    }


def _curve(task: GameSpec, clearings: int, scenario: Scenario) -> DayCurve:
    [game] = games_of(task, [scenario])
    return day_curve(game, exact_market_of(task), clearings=clearings)


def _constant(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> ProvedConstant:
    days = StandingDays(games_of(task, scenarios), run=workers.map)
    file = StandingFile(days)
    file.read(days)
    days.keep = file.keep
    best = days.greatest(require_exact(task.objective))
    return ProvedConstant(
        charge=best.charge,
        mean_eur=best.value_eur,
        upper_bound_eur=best.upper_bound_eur,
        relative_gap=best.relative_gap,
        clearings=best.clearings,
        seconds=best.seconds,
    )
