"""One charge for many scenarios, in one call: what :class:`.search.StandingDays` and :mod:`.recovery` find step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....envs.account.objective import ExactObjective
from ....envs.community.day import Array
from ....envs.market.mechanism import ExactResponse
from .answers import Standing
from .parts import StandingGame
from .recovery import best_welfare_recovering, least_recovering, require_cost
from .risk import MEAN, Risk
from .search import Run, StandingDays, one_by_one
from .secure import best_secure


def solve_scenarios(
    scenarios: Sequence[StandingGame],
    weights: Array | None = None,
    *,
    objective: ExactObjective = "profit",
    risk: Risk = MEAN,
    recover_eur: float | None = None,
    secure_share: float | None = None,
    tolerance: float = 1e-6,
    renormalise: bool = False,
    run: Run = one_by_one,
    market: ExactResponse | None = None,
    keep: Callable[[StandingDays], None] | None = None,
) -> Standing:
    """Find the one charge that is best for many scenarios, with a proof that no other does better.

    Args:
        scenarios: S days with their networks and bases, of one community or of several; :func:`.search.standing_games` makes them.
        weights: How much each counts, shape (S,), at least 0 and 1 in all; all alike where absent.
        objective: ``"profit"`` or ``"welfare"``; it must be among the scenarios' goals.
        risk: What counts: the mean, the mean of the worst part, or the worst scenario.
        recover_eur: A cost per scenario that the mean profit must reach; only charges count that do.
        secure_share: Only charges count that keep every branch within its limit in this share of the scenarios, by weight, above 0 and at
            most 1; the scenarios must be made with ``hard_limits``.
        tolerance: Relative gap at which the search ends.
        renormalise: Whether weights may have another sum, and are divided by it.
        run: Calls a function on many items; one after the other where absent.
        market: What clears; a structured market where absent.
        keep: Called with what is known after every round; :func:`.kept.as_arrays` makes arrays of it.

    Raises:
        ValueError: If there is no scenario, caps or goals differ, weights are none, or no charge recovers the cost or is secure in the
            share.
        ClearingError: If a scenario cannot be cleared, or the gap does not close.
    """
    if weights is not None and renormalise:
        weights = np.asarray(weights, dtype=np.float64)
        total = float(weights.sum())
        if not (np.isfinite(total) and total > 0.0):
            raise ValueError(f"`weights` must have a sum above 0 to be divided by it, got {total:g}.")
        weights = weights / total
    days = StandingDays(scenarios, weights=weights, risk=risk, run=run, market=market, keep=keep)
    if secure_share is not None:
        return _secure(days, objective, secure_share, recover_eur, tolerance)
    if recover_eur is None:
        return days.greatest(objective, tolerance=tolerance)
    require_cost(recover_eur)
    if risk != MEAN or days.goals != ("profit", "welfare"):
        raise ValueError(
            "a cost is recovered on average, so that `recover_eur` must go with the mean and with scenarios whose goals are ('profit', "
            f"'welfare'), got part {risk.part:g} and goals {days.goals}."
        )
    greatest = days.greatest("profit", tolerance=tolerance)
    least = least_recovering(days, recover_eur, greatest=greatest, tolerance=tolerance)
    if objective == "profit" and least.account is not None:
        return greatest
    return best_welfare_recovering(days, recover_eur, least=least, tolerance=tolerance)


def _secure(days: StandingDays, objective: ExactObjective, share: float, recover_eur: float | None, tolerance: float) -> Standing:
    if recover_eur is not None:
        raise ValueError("`recover_eur` and `secure_share` must not both be given: one of them can be asked for at a time.")
    found = best_secure(days, objective, share=share, tolerance=tolerance)
    if found.best is None:
        raise ValueError(
            f"at least one charge must be secure in a share of {share:g} of the scenarios, and it is proved that none is in more than "
            f"{found.greatest_share:g}. Ask for a lower share."
        )
    return found.best
