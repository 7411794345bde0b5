"""The best charges of one scenario by one of several methods, in numbers.

===============  ===============================================================================================  ======================
method           what it is for                                                                                   what bounds it
===============  ===============================================================================================  ======================
``exact``        the exact market: one coefficient a day, or one an hour where nobody has storage                 proved to be the best
``search``       the exact market: all other tariffs                                                              a bound none exceed
``miqp``         the exact market: an independent cross-check for small communities                               proved by the solver
``breakpoints``  the call auction: one coefficient a day, or one an hour where hours are apart                    proved to be the best
``replayed``     ``admm`` and ``bilateral`` where they converge: the exact market's best charges, played          nothing more
``played``       any other market or power flow: a grid of charges, and closer ones around the best               nothing: best found
===============  ===============================================================================================  ======================
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any, cast

import numpy as np

from ...agents.optimum import HourlyOptimum, Optimum, solve_hours
from ...agents.optimum.call_auction import hours_apart, solve_auction_hours, solve_call_auction
from ...agents.optimum.many_charges.several import solve_several
from ...agents.optimum.miqp import solve_miqp
from ...agents.optimum.one_charge.search import OneCharge
from ...agents.optimum.played import best_played
from ...agents.optimum.together import Search, alone
from ...envs.account.objective import require_exact
from ...envs.community.calendar import Scenario
from ...envs.community.day import Array
from ...envs.games.spec import GameSpec
from ...envs.games.transition import Transition, transitions
from ...envs.market.admm import NAME as ADMM
from ...envs.market.bilateral import NAME as BILATERAL
from ...envs.market.call_auction import NAME as CALL_AUCTION
from ...envs.market.call_auction import CallAuction
from ...envs.market.exact.compiled import StructuredMarket
from ...envs.market.mechanism import EXACT, read_mechanism
from ..task import environment_of, exact_market_of, has_linear_flow, is_provable, n_charges
from .solved import Method, Settings, Solved


def resolved(task: GameSpec, settings: Settings) -> Settings:
    """Return the settings with their method chosen.

    Raises:
        ValueError: If the method asked for does not apply, or something is asked of it that it cannot do.
    """
    if settings.hard_limits:
        exact_market_of(task)
    method: Method = settings.method or first_method(task)
    _require_applies(task, method)
    if settings.hard_limits and (method != "exact" or n_charges(task) != 1):
        raise ValueError(f"hard limits must go with one charge for the day and the exact method, got {n_charges(task)} and {method!r}.")
    return Settings(**asdict(settings) | {"method": method})


def first_method(task: GameSpec) -> Method:
    """Return the first method of the module's table that applies."""
    if is_provable(task):
        return "exact" if n_charges(task) == 1 or _hours_apart(task) else "search"
    return "breakpoints" if _has_breakpoints(task) else "replayed" if _negotiates(task) else "played"


def _hours_apart(task: GameSpec) -> bool:
    """Return whether each hour's charge can be found by itself."""
    environment = environment_of(task)
    return environment.tariff.n_basis == 1 and not (environment.community.storage_power > 0).any()


def _has_breakpoints(task: GameSpec) -> bool:
    """Return whether the response is known by all charges at which it jumps."""
    if read_mechanism(task.mechanism)[0] != CALL_AUCTION or not has_linear_flow(task):
        return False
    setting = environment_of(task).setting
    if setting.tariff.per == "day":
        return setting.tariff.n_basis == 1
    stores = bool((setting.community.storage_power > 0).any())
    import_fee = setting.day_of(Scenario(0, 0)).import_fee  # one for all days
    return setting.tariff.n_basis == 1 and hours_apart(setting.rules, import_fee=import_fee, stores=stores)


def _negotiates(task: GameSpec) -> bool:
    """Return whether the market comes to the exact clearing if it goes on for long enough."""
    return read_mechanism(task.mechanism)[0] in {ADMM, BILATERAL} and has_linear_flow(task)


def _require_applies(task: GameSpec, method: Method) -> None:
    """Refuse a method that cannot solve a task."""
    if method in ("exact", "search", "miqp"):
        exact_market_of(task)
    require_exact(task.objective)
    if method == "exact" and n_charges(task) != 1 and not _hours_apart(task):
        raise ValueError(
            f"the exact method needs a tariff of one coefficient for the day, or of one for each hour where nobody has storage, got "
            f"{task.tariff!r} per {task.charges_per} with {n_charges(task)} coefficients. Use --method search, which returns a bracket."
        )
    if method == "breakpoints" and not _has_breakpoints(task):
        raise ValueError(
            f"breakpoints are those of mechanism {CALL_AUCTION!r} with one coefficient for the day, or for each hour where hours are "
            f"apart (profit with flows of trades and no import fee, or no storage), got {task.mechanism!r} and {task.tariff!r} per "
            f"{task.charges_per}. Use --method played, which returns the best found."
        )
    if method == "replayed" and not _negotiates(task):
        raise ValueError(
            f"the exact market's optimum is replayed under mechanism {ADMM!r} or {BILATERAL!r} with the linear power flow, got "
            f"{task.mechanism!r}. Use --method played, which returns the best found."
        )


def solve(task: GameSpec, scenario: Scenario, settings: Settings) -> Solved:
    """Compute the best charges of a scenario, settings resolved; errors are those of :func:`find_optimum`."""
    match settings.method:
        case "search":
            return _search(task, scenario, settings)
        case "miqp":
            return _cross_check(task, scenario, settings)
        case "breakpoints" | "replayed" | "played":
            return _of_another_market(task, scenario, settings)
        case _ if n_charges(task) == 1:
            optimum = solve_scenario(task, scenario, tolerance=settings.tolerance, hard_limits=settings.hard_limits)
            return numbers_of(task, scenario, optimum)
    return numbers_of_hours(task, scenario, solve_each_hour(task, scenario, tolerance=settings.tolerance))


def solve_each_hour(task: GameSpec, scenario: Scenario, *, tolerance: float) -> HourlyOptimum:
    """Return the optimum of a scenario with charges per hour and no storage, with the proof of every hour, computed now."""
    environment = environment_of(task)
    day = environment.day_of(scenario)
    return solve_hours(day, environment.community.network, environment.tariff, tolerance=tolerance, **_game(task))


def numbers_of_hours(task: GameSpec, scenario: Scenario, hourly: HourlyOptimum) -> Solved:
    """Return the numbers of an optimum that was found hour by hour."""
    return Solved(
        method="exact",
        charges=tuple(hourly.charges.tolist()),
        profit_eur=sum(hour.profit_eur for hour in hourly.hours),
        welfare_eur=sum(hour.welfare_eur for hour in hourly.hours),
        upper_bound_eur=hourly.upper_bound_eur,
        relative_gap=hourly.relative_gap,
        clearings=hourly.clearings,
        seconds=hourly.seconds,
        proof="hours apart",
        **_cleared_again(task, scenario, hourly.charges),
    )


def _of_another_market(task: GameSpec, scenario: Scenario, settings: Settings) -> Solved:
    if settings.method == "replayed":
        return _replayed(task, scenario, settings)
    return _by_breakpoints(task, scenario) if settings.method == "breakpoints" else _by_playing(task, scenario)


def solve_scenario(task: GameSpec, scenario: Scenario, **settings: Any) -> Optimum:
    """Return the optimum of a scenario with its whole proof, computed now; settings go to :class:`OneCharge`."""
    return alone(search_scenario(task, scenario, **settings), exact_market_of(task))


def search_scenario(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
    """Return the search for the optimum of a scenario; settings go to :class:`OneCharge`."""
    environment = environment_of(task)
    game = {name: value for name, value in _game(task).items() if name != "market"}
    return OneCharge(environment.community.network, environment.tariff, **game, **settings).search(environment.day_of(scenario))


def _search(task: GameSpec, scenario: Scenario, settings: Settings) -> Solved:
    environment = environment_of(task)
    day = environment.day_of(scenario)
    bracket = solve_several(
        day, environment.community.network, environment.tariff, n_starts=settings.starts, seed=settings.seed, **_game(task)
    )
    again = _cleared_again(task, scenario, bracket.action)
    return Solved(
        method="search",
        charges=tuple(bracket.action.tolist()),
        profit_eur=again["recleared_profit_eur"],
        welfare_eur=again["recleared_welfare_eur"],
        upper_bound_eur=float(bracket.upper_bound_eur),
        relative_gap=float(bracket.relative_gap),
        clearings=bracket.clearings,
        seconds=bracket.seconds,
        proof=bracket.proof,
        **again,
    )


def _by_breakpoints(task: GameSpec, scenario: Scenario) -> Solved:
    setting, mechanism = environment_of(task).setting, cast(CallAuction, environment_of(task).mechanism)
    find = solve_call_auction if setting.tariff.per == "day" else solve_auction_hours
    best = find(setting.day_of(scenario), setting.rules, setting.tariff, mechanism, cap=setting.charge_cap)
    return Solved(
        method="breakpoints",
        charges=tuple(best.charges.tolist()),
        profit_eur=best.settlement.profit_eur,
        welfare_eur=best.settlement.welfare_eur,
        upper_bound_eur=best.upper_bound_eur,
        relative_gap=best.relative_gap,
        clearings=best.matchings + best.plays,
        seconds=best.seconds,
        proof=f"{best.breakpoints} breakpoints",
        **_cleared_again(task, scenario, best.charges),
    )


def _by_playing(task: GameSpec, scenario: Scenario) -> Solved:
    setting, market = environment_of(task).setting, environment_of(task).mechanism
    day = setting.day_of(scenario)

    def play(charges: Array) -> Array:
        """Return the rewards in EUR, shape (R,), of charges in EUR/kWh, shape (R, coefficients)."""
        posted = np.stack([setting.tariff.charges(setting.read(action)) for action in charges])
        return transitions(setting.rules, market, [day] * len(charges), posted).rewards_eur

    best = best_played(play, n_charges(task), cap=setting.charge_cap)
    again = _cleared_again(task, scenario, best.charges)
    return Solved(
        method="played",
        charges=tuple(best.charges.tolist()),
        profit_eur=again["recleared_profit_eur"],
        welfare_eur=again["recleared_welfare_eur"],
        upper_bound_eur=np.inf,
        relative_gap=np.inf,
        clearings=best.clearings,
        seconds=best.seconds,
        proof="none: the best of the charges that were played",
        **again,
    )


def _replayed(task: GameSpec, scenario: Scenario, settings: Settings) -> Solved:
    """Return the exact market's best charges played in a market that comes to the same clearing, if it does so at these charges.

    Where it does not converge there it is a market of its own, and the answer is the best that was played.
    """
    of_exact = task.changed(mechanism=EXACT)
    exact = solve(of_exact, scenario, resolved(of_exact, replace(settings, method=None)))
    charges = np.array(exact.charges)
    if not _played(task, scenario, charges).clearing.evidence.info()["converged"]:
        return _by_playing(task, scenario)
    again = _cleared_again(task, scenario, charges)
    known = f"proved within {max(exact.relative_gap, 0.0):.1e}" if exact.closed else "best found"
    return Solved(
        method="replayed",
        charges=exact.charges,
        profit_eur=again["recleared_profit_eur"],
        welfare_eur=again["recleared_welfare_eur"],
        upper_bound_eur=np.inf,
        relative_gap=np.inf,
        clearings=exact.clearings + 3,
        seconds=exact.seconds,
        proof=f"of the exact market: {exact.best_eur:.9g} EUR there, {known}; replayed, this one converges to it",
        **again,
    )


def _cross_check(task: GameSpec, scenario: Scenario, settings: Settings) -> Solved:
    environment, market = environment_of(task), StructuredMarket()
    result = solve_miqp(
        environment.day_of(scenario),
        environment.community.network,
        environment.tariff,
        **_game(task) | {"market": market},
        solver=settings.solver,
        time_limit_s=settings.time_limit_s,
        relative_gap=settings.tolerance,
        force=settings.force,
    )
    for_profit = result.objective == "profit"
    return Solved(
        method="miqp",
        charges=tuple(result.action.tolist()),
        upper_bound_eur=result.upper_bound_eur,
        relative_gap=result.relative_gap,
        clearings=market.clearings,
        seconds=result.seconds,
        proof=f"{result.solver}, {result.nodes} nodes, {result.pairs} complementarity pairs, {result.status}",
        profit_eur=result.solver_objective_eur if for_profit else result.recleared_profit_eur,
        welfare_eur=result.recleared_welfare_eur if for_profit else result.solver_objective_eur,
        **_cleared_again(task, scenario, result.action),
    )


def numbers_of(task: GameSpec, scenario: Scenario, optimum: Optimum) -> Solved:
    """Return the numbers of an optimum of one charge."""
    numbers = {field.name: getattr(optimum, field.name) for field in fields(optimum) if field.name not in {"charge", "certificate"}}
    zero = _played(task, scenario, np.zeros(1))
    return Solved(method="exact", charges=(optimum.charge,), zero_eur=zero.reward_eur, proof="one coefficient", **numbers)


def _cleared_again(task: GameSpec, scenario: Scenario, charges: Array) -> dict[str, Any]:
    """Return those fields of an answer that follow from its charges."""
    again, zero = _played(task, scenario, charges), _played(task, scenario, np.zeros_like(charges))
    return {
        "charge_cap": environment_of(task).charge_cap,
        "objective": task.objective,
        "recleared_profit_eur": again.settlement.profit_eur,
        "recleared_welfare_eur": again.settlement.welfare_eur,
        "revenue_eur": again.settlement.revenue_eur,
        "zero_eur": zero.reward_eur,
    }


def _played(task: GameSpec, scenario: Scenario, action: Array) -> Transition[Any]:
    """Play a scenario at charges in the order an operator posts them."""
    setting = environment_of(task).setting
    return setting.transition(environment_of(task).mechanism, setting.day_of(scenario), action)


def _game(task: GameSpec) -> dict[str, Any]:
    """Return what every solver is told of the game beside day, network and tariff."""
    environment = environment_of(task)
    return {"cap": environment.charge_cap, "flows": task.flows, "objective": task.objective, "market": exact_market_of(task)}
