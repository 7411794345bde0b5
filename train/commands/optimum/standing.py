"""``gridtoll optimum --standing``: the one charge that is best for a period, and what recovers a cost in it."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ....agents.optimum.standing.answers import Standing
from ....agents.optimum.standing.parts import StandingGame
from ....agents.optimum.standing.proofs.certificate import StandingCertificate, standing_certificate
from ....agents.optimum.standing.proofs.recovered import RecoveryCertificate, recovery_certificate
from ....agents.optimum.standing.recovery import LeastCharge, best_welfare_recovering, least_recovering, require_cost
from ....agents.optimum.standing.risk import MEAN, read_risk
from ....agents.optimum.standing.search import StandingDays, standing_games
from ....envs.account.objective import ExactObjective, require_exact
from ....envs.community.calendar import Scenario, evenly_spread
from ....envs.community.community import Community
from ....envs.games.spec import GameSpec
from ...data.prosumers import Posted, write_prosumers
from ...ground.text import Report, lines
from ...references.standing_days.certificates import save_standing
from ...references.standing_days.kept import StandingFile
from ...task import environment_of, exact_market_of, n_charges
from ..options import workers_from
from ..options.games import title_of
from .asked import tolerance_of
from .secure import solve_secure
from .words import DAYS_PER_YEAR, counted, numbers_of


def solve_standing(options: argparse.Namespace, task: GameSpec) -> Report:
    """Find the best standing charge of the period, and what recovers the cost where one is given.

    Raises:
        ValueError: If the tariff has several charges for a day, another mechanism clears, or a number is out of range.
    """
    began = time.perf_counter()
    exact_market_of(task)  # refuses other mechanisms
    if n_charges(task) != 1:
        raise ValueError(
            f"--standing needs a tariff of one charge for the day, such as --tariff distance --charges-per day, got {task.tariff!r} per "
            f"{task.charges_per} with {n_charges(task)}."
        )
    risk = MEAN if options.risk is None else read_risk(options.risk)
    if options.recover is not None:
        require_cost(options.recover)
        if risk != MEAN:
            raise ValueError(f"--recover must go with --risk mean: a cost is recovered on average, got --risk {options.risk}.")
        if options.hard_limits:
            raise ValueError("--recover must go without --hard-limits: of a period, one of them can be asked for at a time.")
    if options.secure_share is not None and not options.hard_limits:
        raise ValueError(f"--secure-share must go with --hard-limits, got --secure-share {options.secure_share:g} alone.")
    goal = require_exact(task.objective)
    goals: tuple[ExactObjective, ...] = (goal,) if options.recover is None else ("profit", "welfare")
    places = _places(options, task)
    with workers_from(options) as workers:
        games = [game for place in places for game in _games_of(*place, goals, hard_limits=options.hard_limits)]
        days = StandingDays(games, risk=risk, run=workers.map)
        file = StandingFile(days, anew=options.recompute)
        resumed, days.keep = file.read(days), file.keep
        if options.hard_limits:
            (values, charge, told, proof), recovered = solve_secure(days, goal, options), None
        else:
            values, charge, told, proof, recovered = _solved(days, goal, options)
        values = {"days": len(games), "charge_cap": days.cap} | values
        if options.certificate is not None:
            save_standing(options.certificate, places, proof, recovered)
            told.append(f"{options.certificate} has the proof; gridtoll verify checks it.")
        file.write(days)
        values |= {"clearings": days.clearings, "from_store": resumed, "seconds": time.perf_counter() - began}
        if options.prosumers is not None and np.isfinite(charge):
            write_prosumers(options.prosumers, [Posted(task, each, (charge,)) for each in places[0][1]], workers)
            told.append(f"{options.prosumers} has the sums of the {len(games)} days at {charge:.6g} EUR/kWh.")
    names = ", ".join([title_of(task), *(options.with_community or ())])
    title = f"{names}, {len(games)} {f'{options.split} days' if options.split else 'days'} under one charge"
    return Report(values, "\n".join([title, lines(values), *told]))


def _solved(
    days: StandingDays, goal: ExactObjective, options: argparse.Namespace
) -> tuple[dict[str, Any], float, list[str], StandingCertificate, RecoveryCertificate | None]:
    """Return the numbers about the best charge and about recovering a cost, the charge to post, what to say, and the proofs of both."""
    best = days.greatest(goal, tolerance=tolerance_of(options))
    told = [f"The charge of greatest {counted(days.risk, goal)}; proved: no charge from 0 to the cap brings more than the bound."]
    values, charge, recovered = numbers_of(best), best.charge, None
    if options.recover is not None:
        found, charge, more, recovered = _recovery(days, best, options)
        values, told = values | found, [*told, *more]
    return values, charge, told, standing_certificate(days, best), recovered


def _places(options: argparse.Namespace, task: GameSpec) -> list[tuple[GameSpec, list[Scenario]]]:
    """Return the game and the days of each community.

    Raises:
        ValueError: If something is asked for that is of one community, or their caps differ.
    """
    others = options.with_community or []
    if others and options.prosumers is not None:
        raise ValueError(f"--prosumers must go with one community, got --with-community {' '.join(others)}.")
    tasks = [task, *(replace(task, community=name) for name in others)]
    caps = {str(each.community): environment_of(each).charge_cap for each in tasks}
    if len(set(caps.values())) > 1:
        told = ", ".join(f"{name} {cap:g}" for name, cap in caps.items())
        raise ValueError(f"one charge for several communities must have one cap, got {told} EUR/kWh. Give --charge-cap.")
    return [
        (
            each,
            period_of(environment_of(each).community, split=options.split, days=options.days, every_path=options.every_price_path),
        )
        for each in tasks
    ]


def _games_of(task: GameSpec, scenarios: list[Scenario], goals: tuple[ExactObjective, ...], *, hard_limits: bool) -> list[StandingGame]:
    environment = environment_of(task)
    days = [environment.day_of(each) for each in scenarios]
    asked: dict[str, Any] = {"cap": environment.charge_cap, "flows": task.flows, "goals": goals, "hard_limits": hard_limits}
    return standing_games(days, environment.community.network, environment.tariff, **asked)


def period_of(community: Community, *, split: str | None, days: int | None, every_path: bool) -> list[Scenario]:
    """Return the scenarios of a period.

    Args:
        community: Whose days.
        split: Its days, in the order of ``gridtoll evaluate``; all days of the data where absent.
        days: Only so many, spread evenly.
        every_path: Whether each day counts under every price path; else each has one, in rotation.

    Raises:
        ValueError: If the split is unknown, or there are not so many days.
    """
    if split is not None:
        chosen = community.scenarios(split, days)
    else:
        every = range(community.n_days)
        numbers = every if days is None else evenly_spread(every, days)
        chosen = [Scenario(day, day % community.n_price_paths) for day in numbers]
    if not every_path:
        return chosen
    return [Scenario(each.day, path) for path in range(community.n_price_paths) for each in chosen]


def _recovery(
    days: StandingDays, best: Standing, options: argparse.Namespace
) -> tuple[dict[str, Any], float, list[str], RecoveryCertificate | None]:
    """Return the numbers about recovering a cost, the charge to post for it, what to say of it, and the proof, if anything is proved."""
    cost = options.recover / DAYS_PER_YEAR
    greatest = best if best.objective == "profit" else days.greatest("profit", tolerance=tolerance_of(options))
    least = least_recovering(days, cost, greatest=greatest, tolerance=tolerance_of(options))
    values: dict[str, Any] = {
        "recover_eur_per_year": options.recover,
        "recoverable": least.is_recoverable,
        "greatest_recoverable_eur_per_year": DAYS_PER_YEAR * greatest.account.profit_eur,
        "greatest_recoverable_bound_eur_per_year": DAYS_PER_YEAR * greatest.upper_bound_eur,
        "greatest_recoverable_charge": greatest.charge,
        "recovering_charge": None if least.account is None else least.charge,
        "recovering_charge_lower_bound": least.charge_lower_bound,
    }
    if least.account is None:
        proof = recovery_certificate(days, least, None) if least.is_recoverable is False else None
        return values, best.charge, [_unrecoverable(least, options.recover)], proof
    welfare = best_welfare_recovering(days, cost, least=least, tolerance=tolerance_of(options))
    values |= {
        "recovered_eur_per_year": DAYS_PER_YEAR * least.account.profit_eur,
        "recovering_welfare_charge": welfare.charge,
        "recovering_welfare_mean_eur": welfare.account.welfare_eur,
        "recovering_welfare_bound_eur": welfare.upper_bound_eur,
        "recovering_welfare_relative_gap": welfare.relative_gap,
    }
    told = [
        f"The least charge that recovers {options.recover:g} EUR a year is {least.charge:.6g} EUR/kWh.",
        f"Every charge below {least.charge_lower_bound:.6g} EUR/kWh recovers less.",
        f"Of the charges that recover it, {welfare.charge:.6g} EUR/kWh is best for prosumers and operator together.",
    ]
    return values, welfare.charge, told, recovery_certificate(days, least, welfare)


def _unrecoverable(least: LeastCharge, asked: float) -> str:
    """Say that no charge recovers a cost, and what the days can bear."""
    greatest = least.greatest
    most, bound = DAYS_PER_YEAR * greatest.account.profit_eur, DAYS_PER_YEAR * greatest.upper_bound_eur
    bears = f"at {greatest.charge:.6g} EUR/kWh these days bear most: {most:.6g} EUR a year, and no charge brings more than {bound:.6g}."
    if least.is_recoverable is None:
        return f"Whether {asked:g} EUR a year can be recovered is not decided at this --tolerance: {bears}"
    return f"No charge recovers {asked:g} EUR a year: {bears}"
