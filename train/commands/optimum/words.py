"""What is said of a charge that stands, and the names its numbers have."""

from __future__ import annotations

from typing import Any, Final

from ....agents.optimum.standing.answers import Standing
from ....agents.optimum.standing.risk import MEAN, Risk

DAYS_PER_YEAR: Final = 365
"""What a cost per year is divided by."""


def counted(risk: Risk, goal: str) -> str:
    """Return in words what is greatest."""
    if risk == MEAN:
        return goal
    return f"{goal} on the worst day" if risk.part == 0.0 else f"mean {goal} on the worst {risk.part:.3g} of the days"


def numbers_of(best: Standing) -> dict[str, Any]:
    """Return the numbers about a charge by the names that ``--json`` prints."""
    account = best.account
    risk_numbers = {"risk_part": best.risk.part, "risk_value_eur": best.value_eur, "risk_upper_bound_eur": best.upper_bound_eur}
    return {
        "charge": best.charge,
        "mean_profit_eur": account.profit_eur,
        "mean_welfare_eur": account.welfare_eur,
        **({"mean_upper_bound_eur": best.upper_bound_eur} if best.risk == MEAN else risk_numbers),
        "relative_gap": best.relative_gap,
        "profit_eur_per_year": DAYS_PER_YEAR * account.profit_eur,
        "objective": best.objective,
    }
