"""What is proved at the best charges and what they earn when they are cleared again must be the same."""

from __future__ import annotations

from typing import Final

from ...envs.community.day import Day
from ...envs.errors import ClearingError

EXACTNESS: Final = 1e-9
"""Share of the day's turnover to which two evaluations of one clearing agree: no proof can say more."""


def require_agreement(day: Day, proved_eur: float, recleared_eur: float, *, yardstick: float, tolerance: float) -> None:
    """Raise where what was proved at the best charges and what they earn when cleared again are not the same.

    Args:
        day: The day.
        proved_eur: The objective by the search's own account, EUR.
        recleared_eur: The same, cleared again from scratch and settled, EUR.
        yardstick: What the gap is measured by, EUR.
        tolerance: Relative gap of the proof.

    Raises:
        ClearingError: If they differ by more than the tolerance and the exactness of clearings.
    """
    allowed = tolerance * yardstick + EXACTNESS * day.turnover_eur
    if not abs(proved_eur - recleared_eur) <= allowed:
        raise ClearingError(
            f"the best charges of day {day.label!r} must earn the same when they are cleared again, to {allowed:.3g} EUR: "
            f"{proved_eur!r} EUR was proved and {recleared_eur!r} EUR came of it. The day or its grid is too badly scaled to be solved, or "
            "this is a fault of gridtoll; please report it."
        )
