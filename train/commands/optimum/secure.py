"""``gridtoll optimum --standing --hard-limits``: the charge that is best of those that are secure in a share of the scenarios."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ....agents.optimum.standing.proofs.certificate import StandingCertificate, secure_certificate
from ....agents.optimum.standing.search import StandingDays
from ....agents.optimum.standing.secure import best_secure
from ....envs.account.objective import ExactObjective
from .asked import tolerance_of
from .words import counted, numbers_of


def solve_secure(
    days: StandingDays, goal: ExactObjective, options: argparse.Namespace
) -> tuple[dict[str, Any], float, list[str], StandingCertificate]:
    """Return the numbers about the charge, the charge itself (NaN where none is secure enough), what to say, and the proof."""
    share = 1.0 if options.secure_share is None else options.secure_share
    found = best_secure(days, goal, share=share, tolerance=tolerance_of(options))
    proof = secure_certificate(days, goal, found)
    values: dict[str, Any] = {"secure_share": share, "secure": found.best is not None, "greatest_secure_share": found.greatest_share}
    if found.best is None:
        told = f"Proved: no charge keeps every branch within its limit on more than {found.greatest_share:.6g} of the days."
        return {"charge": None, "objective": goal} | values, np.nan, [told], proof
    at_charge = found.best.account.secure_share
    told = (
        f"The charge of greatest {counted(days.risk, goal)} among those that keep every branch within its limit on {share:g} of the days; "
        f"proved. It does on {at_charge:.6g} of them."
    )
    return numbers_of(found.best) | values | {"charge_secure_share": at_charge}, found.best.charge, [told], proof
