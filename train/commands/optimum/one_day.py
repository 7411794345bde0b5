"""The best charges of one day, with its proof where something is to be done with it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....agents.optimum import CertificateError, OptimumCertificate, profit_curve, smallest_recovering_charge
from ....agents.optimum.miqp import MiqpError
from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ....envs.market.exact.compiled import see_to_machine_code
from ...ground.errors import ModelMismatchError
from ...ground.plots import save_figure
from ...ground.profit_curves import draw_profit_curve
from ...ground.text import Report, lines
from ...references.certificates import save_certificate
from ...references.optima import find_optimum, keep, keep_numbers
from ...references.solve import numbers_of_hours, solve_each_hour, solve_scenario
from ...references.solved import Method, Settings, Solved
from ...task import environment_of, exact_market_of, n_charges
from .asked import keep_prosumers, scenarios_of, shown
from .resettled import resettled


def solve_day(options: argparse.Namespace, task: GameSpec, settings: Settings) -> Report:
    """Solve one day, with its proof where something is to be done with it."""
    [scenario] = scenarios_of(options, task)
    label = environment_of(task).day_of(scenario).label
    see_to_machine_code()  # before the clock runs: `seconds` are those of the search
    was_stored, checked = False, dict[str, Any]()
    if settings.method == "exact" and n_charges(task) > 1 and (options.verify or options.certificate is not None):
        hourly = solve_each_hour(task, scenario, tolerance=settings.tolerance)
        solved = keep_numbers(task, scenario, settings, numbers_of_hours(task, scenario, hourly))
        checked = _checked(options, task, scenario, [hour.certificate for hour in hourly.hours if hour.certificate is not None])
    elif options.verify or any(path is not None for path in (options.certificate, options.curve, options.plot)):
        optimum = solve_scenario(task, scenario, tolerance=settings.tolerance, hard_limits=settings.hard_limits)
        solved = keep(task, scenario, settings, optimum)
        if optimum.certificate is not None:  # what was solved now has its proof
            checked = _checked(options, task, scenario, [optimum.certificate])
            _draw(options, optimum.certificate, task, label)
    else:
        solved, was_stored = _found(options, task, scenario, settings)
    keep_prosumers(options, task, [(scenario, solved)])
    values = _numbers(solved) | _recovery(options, task, scenario) | checked | resettled(options.resettle, task, scenario, solved)
    values |= {"method": solved.method, "closed": solved.closed, "proof": solved.proof, "from_store": was_stored}
    title = f"{label}, {task.tariff} tariff{' per hour' if task.charges_per == 'hour' else ''}"
    return Report(values, f"{title}\n{lines(shown(values))}{_verdict(solved, options.method)}")


def _found(options: argparse.Namespace, task: GameSpec, scenario: Scenario, settings: Settings) -> tuple[Solved, bool]:
    """Return the best charges of the day and whether they were stored; errors of the cross-check are put into this command's words."""
    try:
        return find_optimum(task, scenario, settings, recompute=options.recompute)
    except (ImportError, MiqpError) as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        if settings.method == "miqp" and not settings.force and "force=True" in str(error):
            raise ValueError(f"{error} On the command line these are --method exact or search, and --force.") from error
        raise


def _numbers(solved: Solved) -> dict[str, Any]:
    charges: dict[str, Any] = {"charge": solved.charges[0]} if len(solved.charges) == 1 else {"charges": list(solved.charges)}
    values: dict[str, Any] = charges | {
        "charge_cap": solved.charge_cap,
        "profit_eur": solved.profit_eur,
        "upper_bound_eur": solved.upper_bound_eur,
        "relative_gap": solved.relative_gap,
        "recleared_profit_eur": solved.recleared_profit_eur,
        "clearings": solved.clearings,
        "seconds": solved.seconds,
    }
    if solved.objective == "welfare":
        values |= {"welfare_eur": solved.welfare_eur, "recleared_welfare_eur": solved.recleared_welfare_eur}
    if solved.hard_limits:
        values["secure"] = solved.secure
    if not np.isfinite(solved.upper_bound_eur):
        del values["upper_bound_eur"], values["relative_gap"]
    return values


def _verdict(solved: Solved, asked_for: Method | None) -> str:
    """Say in words what the search has shown; of the other methods the numbers say it."""
    if solved.method == "played":
        return f"\nbest found of {solved.clearings} charges that were played; nothing is proved of this market"
    if solved.method == "replayed":
        return "\nthe exact market's best charges, replayed; nothing more is proved of this market"
    if solved.method != "search":
        return ""
    best = solved.best_eur
    chosen = "" if asked_for else "the exact method does not take several coefficients, so these were searched for: "
    ends = f"{solved.objective} in [{best:.6g}, {solved.upper_bound_eur:.6g}] EUR (bound: {solved.proof})"
    return f"\n{chosen}{'proved optimal' if solved.closed else 'best found, not proved optimal'}, {ends}"


def _recovery(options: argparse.Namespace, task: GameSpec, scenario: Scenario) -> dict[str, Any]:
    """Return the least charge that recovers a cost, where one is asked for."""
    if options.recover is None:
        return {}
    game = environment_of(task)
    found = smallest_recovering_charge(
        game.day_of(scenario),
        game.community.network,
        game.tariff,
        options.recover,
        cap=game.charge_cap,
        of=options.recover_of,
        flows=task.flows,
        market=exact_market_of(task),
    )
    return {
        "recovering_charge": found.charge,
        "recovering_charge_lower_bound": found.charge_lower_bound,
        "recovered_eur": found.earned_eur,
        "recoverable": found.is_recoverable,
    }


def _checked(options: argparse.Namespace, task: GameSpec, scenario: Scenario, proofs: Sequence[OptimumCertificate]) -> dict[str, Any]:
    """Keep and check the proof as asked for."""
    if options.certificate is not None:
        save_certificate(options.certificate, task, scenario, proofs)
    if not options.verify:
        return {}
    try:
        found = [proof.verify() for proof in proofs]
    except CertificateError as error:
        raise ModelMismatchError(f"the proof does not hold: {error}") from error
    return {"verified": True, "verifying_clearings": sum(each.clearings for each in found), "verified_by": found[0].solver}


def _draw(options: argparse.Namespace, certificate: OptimumCertificate, task: GameSpec, label: str) -> None:
    """Write and draw the curve as asked for."""
    if options.curve is None and options.plot is None:
        return
    curve = profit_curve(certificate, market=exact_market_of(task))
    if options.curve is not None:
        curve.write_csv(options.curve)
    if options.plot is not None:
        from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, which only pictures need

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        draw_profit_curve(figure.subplots(), curve, title=label)
        save_figure(figure, options.plot)
