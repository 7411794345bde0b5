"""The check of what is claimed of charges that recover a cost: the least of them, and the one that is best for all.

With U_P and U_W, what scenarios' profit and welfare do not exceed, shown by :mod:`.many` for each scenario, it remains to add up: below a
charge Σ w·U_P is less than the cost, and Σ w·U_W is no more than a bound wherever Σ w·U_P reaches the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np

from ....envs.community.day import Array
from ....envs.market.mechanism import ExactResponse
from .findings import CertificateError
from .many import SUM, ScenarioClaim, ScenarioFound, check_scenario, goal_at, require_covered
from .stated import AT_ONCE, Stated, greatest_between


@dataclass(frozen=True, eq=False, kw_only=True)
class RecoveryClaim:
    """What is claimed of charges that recover a cost.

    Attributes:
        weights: Of S scenarios, shape (S,).
        cap: Greatest charge, EUR/kWh.
        cost_eur: The cost.
        charge: A charge that recovers it, EUR/kWh; NaN where none does.
        charge_lower_bound: Every charge below this recovers less, EUR/kWh; infinite where none recovers it.
        welfare_charge: The charge of greatest welfare among those that recover it, EUR/kWh; NaN where none does.
        welfare_eur: Welfare there.
        welfare_bound_eur: No other that recovers the cost brings more.
        profit: What each scenario's profit does not exceed.
        welfare: What its welfare does not exceed.
        cells: Charges at which sums are taken apart besides, EUR/kWh, shape (any,).
    """

    weights: Array
    cap: float
    cost_eur: float
    charge: float
    charge_lower_bound: float
    welfare_charge: float
    welfare_eur: float
    welfare_bound_eur: float
    profit: Sequence[Stated]
    welfare: Sequence[Stated]
    cells: Array


@dataclass(frozen=True, kw_only=True)
class RecoveryFound:
    """What checking one scenario found.

    Attributes:
        profit_eur: Profit at the charge that recovers the cost.
        also_eur: Profit at the charge of greatest welfare.
        welfare: What the check of its welfare found.
        clearings: Market clearings used.
        tolerance_eur: To how many EUR the stated numbers were held.
    """

    profit_eur: float
    also_eur: float
    welfare: ScenarioFound
    clearings: int
    tolerance_eur: float


def check_scenario_of_both(claim: ScenarioClaim, welfare: ScenarioClaim, market: ExactResponse) -> RecoveryFound:
    """Show that a scenario's profit and welfare nowhere exceed what is stated.

    Args:
        claim: What is stated of its profit, with the charge that recovers the cost.
        welfare: What is stated of its welfare, with the charge of greatest welfare.
        market: What clears; its answers are checked.

    Raises:
        CertificateError: If a clearing is no optimum, or a goal may exceed what is stated.
    """
    profit, other = check_scenario(claim, market), check_scenario(welfare, market)
    also = goal_at(replace(claim, charge=welfare.charge), market)
    return RecoveryFound(
        profit_eur=profit.goal_eur,
        also_eur=also,
        welfare=other,
        clearings=profit.clearings + other.clearings + 1,
        tolerance_eur=max(profit.tolerance_eur, other.tolerance_eur),
    )


def check_recovery(claim: RecoveryClaim, found: Sequence[RecoveryFound]) -> float:
    """Check what the two charges bring; return to how many EUR it was held.

    Args:
        claim: What is claimed.
        found: Of each scenario.

    Raises:
        CertificateError: As soon as something does not hold.
    """
    allowed = float(claim.weights @ [each.tolerance_eur for each in found])
    if not isfinite(claim.charge):
        return allowed
    for charge, name in ((claim.charge, "profit_eur"), (claim.welfare_charge, "also_eur")):
        earned = float(claim.weights @ [getattr(each, name) for each in found])
        if not earned >= claim.cost_eur - allowed:
            raise CertificateError(f"the charge of {charge!r} EUR/kWh must recover {claim.cost_eur!r} EUR, and brings {earned!r}.")
    welfare = float(claim.weights @ [each.welfare.goal_eur for each in found])
    if not abs(welfare - claim.welfare_eur) <= allowed or claim.welfare_bound_eur < claim.welfare_eur:
        raise CertificateError(
            f"the charge of {claim.welfare_charge!r} EUR/kWh must bring {claim.welfare_eur!r} EUR to all, and no more than "
            f"{claim.welfare_bound_eur!r}; it brings {welfare!r}."
        )
    return allowed


def check_sums(claim: RecoveryClaim) -> None:
    """Check that no charge below the bracket recovers the cost, and that none that may brings more welfare than the bound.

    Raises:
        CertificateError: If one may, or not every charge is covered.
    """
    numbers = (claim.cost_eur, *claim.cells.tolist())
    stated = [*claim.profit, *claim.welfare]
    if not all(isfinite(each) for each in numbers) or not all(np.isfinite(each.values).all() for each in stated):
        raise CertificateError("a certificate must have finite numbers only.")
    require_covered(stated, claim.cap)
    below = claim.charge_lower_bound
    inner = np.append(claim.cells, below if isfinite(below) else 0.0)
    knots = np.unique(np.clip(np.concatenate([*(each.knots for each in stated), inner]), 0.0, claim.cap))
    rounding = SUM * max(float(np.abs(each.values).max()) for each in stated)
    for first in range(0, len(knots) - 1, AT_ONCE):
        some = knots[first : first + AT_ONCE + 1]
        ends = some[:-1], some[1:]
        profit, welfare = (greatest_between(each, claim.weights, 1.0, ends, -inf)[0] for each in (claim.profit, claim.welfare))
        recovers = profit >= claim.cost_eur + rounding
        if (recovers & (ends[1] <= below)).any():
            raise CertificateError(f"no charge below {below!r} EUR/kWh may recover {claim.cost_eur!r} EUR, but what is stated allows it.")
        if (recovers & (welfare > claim.welfare_bound_eur + rounding)).any():
            raise CertificateError(
                f"no charge that recovers {claim.cost_eur!r} EUR may bring more than {claim.welfare_bound_eur!r} EUR to all, but what is "
                "stated allows it."
            )
