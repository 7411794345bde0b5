"""What is asked of a clearing: the referee's bound for each, and other solvers and accounts for a share of them."""

from __future__ import annotations

import numpy as np
from referee import Distance, account, distance, point_of, program_of, solved_by_piqp

from gridtoll.envs.clearing import Clearing
from gridtoll.envs.clearing.market import Market
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.settlement import settle

from .cases import Case
from .outcomes import Outcome, refusal

REVENUE = 1e-6  # of what is at stake: the referee's bound on the error of the revenue
OBJECTIVE = 1e-8  # of the day's turnover: the same for the objective; ten times what a certificate may leave, by units of its own
MOVED = 1e-6  # of a prosumer's throughput: how far a quantity may be from one that keeps every equation
_ROUNDING = 1e-12  # of what is at stake: the account of the same quantities, reckoned twice
_PIQP = 1e-6  # of the turnover: an interior point's answer at a tolerance of 1e-9
_SHARES = {"piqp": 0.02, "cvxpy": 0.005, "account": 0.1}


def checked_clearing(case: Case, market: Market, plain: Market) -> Outcome:
    """Clear a case, and let the referee judge.

    Args:
        case: The case.
        market: What clears.
        plain: Another market, which must agree on a share of cases.
    """
    about = {"kind": "clearing", "style": case.style, "seed": case.seed}
    try:
        clearing = market.clear(case.day, case.charges)
    except ClearingError as error:
        return Outcome(**about, outcome=refusal(str(error)), detail=str(error))
    except Exception as error:  # noqa: BLE001 - any other exception is a finding
        return Outcome(**about, outcome="crashed", detail=f"{type(error).__name__}: {error}")
    found = distance(case.day, case.charges, clearing)
    revenue, objective = found.revenue_share, found.objective_share
    if revenue > REVENUE or objective > OBJECTIVE:
        revenue, objective = _second_opinion(case, clearing, plain, found)
    faults = [
        f"{what} of {value:.3g} must be at most {limit:g}"
        for what, value, limit in (
            ("an objective's error over the turnover", objective, OBJECTIVE),
            ("a move over the prosumer's throughput", found.moved_share, MOVED),
            ("a quantity where there is no variable", found.misplaced, 0.0),
        )
        if not value <= limit
    ]
    loose = not revenue <= REVENUE
    faults += _other_opinions(case, clearing, plain)
    if loose and not case.is_extreme:
        faults.append(f"the bound on the revenue's error, {revenue:.3g} of what is at stake, must be at most {REVENUE:g}")
    measures = {"revenue": revenue, "objective": objective, "moved": found.moved_share}
    measures |= {"certificate": clearing.certificate.worst}
    outcome = "wrong" if faults else "unproved" if loose else "right"
    return Outcome(**about, outcome=outcome, detail="; ".join(faults), fallback=clearing.fallback, measures=measures)


def _second_opinion(case: Case, clearing: Clearing, plain: Market, found: Distance) -> tuple[float, float]:
    """Return bounds on the errors of revenue and objective, by way of another clearing.

    They are how far this one is from the other, and the other from the optimum. The referee's bound is loose where rounding meets a bound
    that several variables share. Another path to the same answer is off elsewhere.
    """
    try:
        other = plain.clear(case.day, case.charges)
    except ClearingError:
        return found.revenue_share, found.objective_share
    judged = distance(case.day, case.charges, other)
    apart = abs(found.revenue_eur - judged.revenue_eur) + judged.revenue_error_eur
    differ = abs(clearing.objective_eur - other.objective_eur) + judged.objective_eur
    revenue, objective = min(found.revenue_error_eur, apart), min(found.objective_eur, differ)
    return revenue / found.stake_eur if found.stake_eur > 0 else 0.0, objective / found.turnover_eur if found.turnover_eur > 0 else 0.0


def _other_opinions(case: Case, clearing: Clearing, plain: Market) -> list[str]:
    """Return what another solver, the CVXPY market and the referee's account say against a clearing, each asked for a share of cases."""
    asked = np.random.default_rng([case.seed, 1]).random(3)
    faults = []
    if asked[0] < _SHARES["piqp"] and not case.is_extreme:
        program = program_of(case.day, case.charges)
        v, _ = point_of(program, clearing)
        answer = solved_by_piqp(program)
        turnover = float(np.abs(program.linear * v).sum() + (program.quadratic * v * v).sum()) * case.day.period_hours
        # Where nothing is paid, PIQP is exact to its tolerance of the greatest price and power only.
        most = case.day.period_hours * float(np.abs(program.linear).max(initial=0.0)) * float(program.upper.max(initial=0.0))
        if answer is not None and abs(answer[1] - clearing.objective_eur) > _PIQP * max(turnover, 1e-3 * most):
            faults.append(f"PIQP finds an objective of {answer[1]!r} EUR, this is {clearing.objective_eur!r}")
    if asked[1] < _SHARES["cvxpy"] and not case.is_extreme and not clearing.fallback:
        try:
            other = distance(case.day, case.charges, plain.clear(case.day, case.charges))
        except ClearingError:
            other = None  # what CVXPY's form cannot clear is no fault of this clearing
        if other is not None and other.revenue_share > REVENUE:
            faults.append(f"CVXPY's clearing misses the revenue by {other.revenue_share:.3g}")
    if asked[2] < _SHARES["account"] and case.network is not None:
        mine = account(case.day, case.network, case.charges, clearing, flows=case.flows)
        theirs = settle(case.day, case.network, case.charges, clearing, flows=case.flows)
        worth = mine.stake_eur + abs(clearing.objective_eur) + case.day.retail_bill_eur
        off = max(abs(mine.profit_eur - theirs.profit_eur), abs(mine.welfare_eur - theirs.welfare_eur))
        off = max(off, abs(float(theirs.payment_eur.sum())), abs(float(theirs.surplus_eur.sum()) + clearing.objective_eur))
        if not off <= _ROUNDING * max(worth, _paid(case, clearing)):
            faults.append(f"the account differs by {off:.3g} EUR")
    return faults


def _paid(case: Case, clearing: Clearing) -> float:
    """Return the sum of all payments and utilities in EUR, each as it is large: what rounding in a settlement is measured by."""
    day = case.day
    utility = np.abs(day.utility_slope * clearing.demand).sum() + (day.utility_curvature * clearing.demand**2).sum()
    retail = np.abs(day.import_price[:, None] * clearing.grid_import).sum() + np.abs(day.export_price[:, None] * clearing.grid_export).sum()
    trade = (np.abs(clearing.nodal_price).max(axis=1) * clearing.trade.sum(axis=(1, 2))).sum()
    return float(day.period_hours * (utility + retail + trade))
