"""What is asked of a clearing: the referee's bound for each, and other solvers and accounts for a share of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from referee import Program, account, distance, exact, point_of, program_of, solved_by_piqp

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.mechanism import ExactResponse

from .cases import Case
from .outcomes import Outcome, refusal

OBJECTIVE = 1e-9  # of the day's turnover: the error of the objective. On extreme days of what a certificate promises, if that is more.
PROFIT = 2e-7  # of what is at stake: the error of revenue and profit, 200 times the tolerance as docs/exactness.md states
# Nobody can say more of money than 1e-9 of the turnover: where next to nothing is at stake, this counts.
_LEAST_STAKE = OBJECTIVE / PROFIT
MOVED = 1e-6  # of a prosumer's throughput: how far a quantity may be from one that keeps every equation
_ROUNDING = 1e-12  # of what is at stake: the account of the same quantities, reckoned twice
_PIQP = 1e-6  # of the turnover: an interior point's answer at a tolerance of 1e-9
_SHARES = {"piqp": 0.02, "cvxpy": 0.005, "account": 0.1}


def checked_clearing(case: Case, market: ExactResponse, plain: ExactResponse) -> Outcome:
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
    found = _errors(case, clearing)
    faults = [
        f"{what} of {value:.3g} must be at most {limit:g}"
        for what, value, limit in (
            ("an objective's error over the turnover", found.missed if case.is_extreme else found.objective, OBJECTIVE),
            ("a quantity where there is no variable", found.misplaced, 0.0),
        )
        if not value <= limit
    ]
    # Bounds that are too wide to decide prove nothing against a clearing that the optimum in long double bears out.
    off, loose = not found.profit <= PROFIT, not (found.revenue <= PROFIT and found.objective <= OBJECTIVE and found.moved <= MOVED)
    faults += _other_opinions(case, clearing, plain, found.objective)
    if off and not case.is_extreme:
        faults.append(f"revenue or profit is {found.profit:.3g} of what is at stake from the optimum's, which exceeds {PROFIT:g}")
    measures = {"revenue": found.revenue, "profit": found.profit, "objective": found.objective, "moved": found.moved}
    measures |= {"certificate": clearing.certificate.worst}
    outcome = "wrong" if faults else "unproved" if loose or off else "right"
    return Outcome(**about, outcome=outcome, detail="; ".join(faults), fallback=clearing.fallback, measures=measures)


class _Errors(NamedTuple):
    """The errors of a clearing: of money over what is at stake or the turnover, of powers over throughputs.

    Attributes:
        revenue: A bound on that of the revenue.
        profit: How far revenue and profit are from those of the optimum in long double; 0 where there is none.
        objective: A bound on that of the objective.
        missed: How far the objective is from that of the optimum in long double; the bound where there is none.
        moved: A bound on how far a quantity is from one that keeps every equation.
        misplaced: The greatest quantity where there is no variable.
    """

    revenue: float
    profit: float
    objective: float
    missed: float
    moved: float
    misplaced: float


def _errors(case: Case, clearing: Clearing) -> _Errors:
    """Bound the errors of a clearing, by the referee's own bound or by the optimum in long double, whichever is less.

    The bound is loose where rounding meets a bound that several variables share. The optimum in long double is off by its own bound there,
    which is smaller by the digits it has more. Where Newton's method does not arrive at it, the first bound stands alone.
    """
    found = distance(case.day, case.charges, clearing)
    revenue, objective, apart, stake = found.revenue_error_eur, found.objective_eur, 0.0, found.stake_eur
    missed, optimum = objective, exact(case.day, case.charges, clearing)
    if optimum is not None:
        judged = distance(case.day, case.charges, optimum)
        apart = abs(found.revenue_eur - judged.revenue_eur)
        revenue = min(revenue, apart + judged.revenue_error_eur)
        missed = abs(clearing.objective_eur - optimum.objective_eur)
        objective = min(objective, missed + judged.objective_eur)
        if case.network is not None:
            here, there = (account(case.day, case.network, case.charges, each, flows=case.flows) for each in (clearing, optimum))
            stake, apart = max(there.stake_eur, stake), max(apart, abs(here.profit_eur - there.profit_eur))
    stake = max(stake, _LEAST_STAKE * found.turnover_eur)
    turnover = max(found.turnover_eur, _promised(case.day)) if case.is_extreme else found.turnover_eur
    return _Errors(
        revenue=float(revenue / stake) if stake > 0 else 0.0,
        profit=float(apart / stake) if stake > 0 else 0.0,
        objective=float(objective) / turnover if turnover > 0 else 0.0,
        missed=float(missed) / turnover if turnover > 0 else 0.0,
        moved=found.moved_share,
        misplaced=found.misplaced,
    )


def _promised(day: Day) -> float:
    """Return what a certificate's gap is a share of, in EUR: everybody's size for the whole day at the price unit (docs/exactness.md)."""
    size = np.maximum(day.demand_max.mean(axis=0), day.renewable.mean(axis=0))
    imports = np.sort(np.abs(day.import_price[day.import_price != 0.0]))
    greatest = max(float(np.abs(prices).max()) for prices in (day.import_price, day.export_price, day.utility_slope))
    price = min(greatest, 8.0 * float(imports[(len(imports) - 1) // 2])) if len(imports) else greatest
    return day.period_hours * day.n_periods * price * float(size.sum())


def contradiction(program: Program, clearing: Clearing, answer: tuple[Array, float], *, decided: bool) -> list[str]:
    """Return what another solver's answer says against a clearing.

    An answer that costs less contradicts whoever calls a clearing optimal, if it keeps the equations and bounds: what it misses of them is
    charged for at the greatest price. An answer that costs more says nothing where the referee's bound decides: weak duality in long double
    proves the clearing's cost whoever found it, so that the other solver is the one that is off. PIQP is, where charges are hundreds of
    times every price and its tolerance is a share of them. Where the bound does not decide, any disagreement counts.

    Args:
        program: The program that both solved.
        clearing: The clearing.
        answer: The other solver's variables and objective in EUR.
        decided: Whether the referee's bound proves the clearing's objective.
    """
    v, _ = point_of(program, clearing)
    other, found = answer
    hours, price = program.period_hours, float(np.abs(program.linear).max(initial=0.0))
    turnover = hours * float(np.abs(program.linear * v).sum() + (program.quadratic * v * v).sum())
    # Where nothing is paid, PIQP is exact to its tolerance of the greatest price and power only.
    allowed = _PIQP * max(turnover, 1e-3 * hours * price * float(program.upper.max(initial=0.0)))
    outside = np.maximum(np.maximum(program.lower - other, other - program.upper), 0.0)
    missed = hours * price * float(np.abs(program.times(other) - program.right).sum() + outside.sum())
    better, worse = clearing.objective_eur - found > allowed + missed, found - clearing.objective_eur > allowed
    if not (better or (worse and not decided)):
        return []
    return [f"PIQP finds an objective of {found!r} EUR, this is {clearing.objective_eur!r}"]


def _other_opinions(case: Case, clearing: Clearing, plain: ExactResponse, proved: float) -> list[str]:
    """Return what another solver, the CVXPY market and the referee's account say against a clearing, each asked for a share of cases.

    Args:
        case: The case.
        clearing: Its clearing.
        plain: The CVXPY market.
        proved: The referee's bound on the objective's error, over the turnover.
    """
    asked = np.random.default_rng([case.seed, 1]).random(3)
    faults = []
    if asked[0] < _SHARES["piqp"] and not case.is_extreme:
        program = program_of(case.day, case.charges)
        answer = solved_by_piqp(program)
        if answer is not None:
            faults += contradiction(program, clearing, answer, decided=proved <= OBJECTIVE)
    if asked[1] < _SHARES["cvxpy"] and not case.is_extreme and not clearing.fallback:
        try:
            other = _errors(case, plain.clear(case.day, case.charges))
        except ClearingError:
            other = None  # what CVXPY's form cannot clear is no fault of this clearing
        if other is not None and not max(other.revenue, other.profit) <= PROFIT:
            faults.append(f"CVXPY's clearing misses the revenue by {other.revenue:.3g} and the profit by {other.profit:.3g}")
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
    retail = np.abs(day.own_import_price * clearing.grid_import).sum() + np.abs(day.own_export_price * clearing.grid_export).sum()
    trade = (np.abs(clearing.nodal_price).max(axis=1) * clearing.trade.sum(axis=(1, 2))).sum()
    return float(day.period_hours * (utility + retail + trade))
