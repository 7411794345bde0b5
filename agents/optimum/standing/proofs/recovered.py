"""The proof of charges that recover a cost: it can be kept beside that of the best charge, and checked by arithmetic of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .....envs.community.day import Array
from .....envs.market.exact.market import P2PMarket
from .....envs.market.mechanism import ExactResponse
from ...verification.findings import CertificateError, Verification
from ...verification.many import ScenarioClaim
from ...verification.recovered import RecoveryClaim, RecoveryFound, check_recovery, check_scenario_of_both, check_sums
from ...verification.stated import Stated
from ..answers import Standing
from ..parts import StandingGame
from ..recovery import LeastCharge
from ..search import StandingDays, one_by_one
from .certificate import edges_of, stated_of

_NUMBERS: Final = ("cost_eur", "charge", "charge_lower_bound", "welfare_charge", "welfare_eur", "welfare_bound_eur")
_NONE: Final = {
    "charge": np.nan,
    "charge_lower_bound": np.inf,
    "welfare_charge": np.nan,
    "welfare_eur": -np.inf,
    "welfare_bound_eur": np.inf,
}  # what stands as null where no charge recovers the cost


@dataclass(frozen=True, eq=False, kw_only=True)
class RecoveryCertificate:
    """The proof of charges that recover a cost in S scenarios.

    Attributes:
        claim: What is claimed.
        edges: Of each scenario the charges between which it is bounded, EUR/kWh.
    """

    claim: RecoveryClaim
    edges: Sequence[Array]

    def verify(
        self,
        games: Sequence[StandingGame],
        *,
        market: ExactResponse | None = None,
        run: Callable[[Callable[[Any], Any], Iterable[Any], str | None], list[Any]] = one_by_one,
    ) -> Verification:
        """Check the whole proof with new clearings and arithmetic of its own.

        Args:
            games: The scenarios.
            market: What clears; CVXPY and Clarabel where absent. Its answers are checked as well.
            run: Calls a function on many items; one after the other where absent.

        Raises:
            CertificateError: If a stated number is contradicted or does not follow.
        """
        claim = self.claim
        if not len(games) == len(self.edges) == len(claim.profit) == len(claim.welfare):
            raise CertificateError(f"what recovers a cost must be stated of {len(games)} scenarios, got {len(claim.profit)}.")
        check_sums(claim)
        items = [
            (
                _claim(game, edges, claim.profit[number], charge=claim.charge, welfare=False),
                _claim(game, edges, claim.welfare[number], charge=claim.welfare_charge, welfare=True),
                P2PMarket() if market is None else market,
            )
            for number, (game, edges) in enumerate(zip(games, self.edges, strict=True))
        ]
        found: list[RecoveryFound] = run(_checked, items, f"checking what {len(items)} scenarios recover")
        allowed = check_recovery(claim, found)
        excess = max(each.welfare.excess_eur for each in found)
        return Verification(sum(each.clearings for each in found), 0.0, excess, allowed, found[0].welfare.solver)

    def content(self) -> dict[str, Any]:
        """Return the proof in JSON's own types; :func:`recovery_certificate_of` reads it."""
        claim = self.claim
        numbers = {name: getattr(claim, name) for name in _NUMBERS}
        return {
            **{name: value if np.isfinite(value) else None for name, value in numbers.items()},
            "cells": claim.cells.tolist(),
            "scenarios": [
                {
                    "edges": edges.tolist(),
                    **{
                        name: {"knots": each.knots.tolist(), "bounds_eur": each.values.tolist()}
                        for name, each in (("profit", profit), ("welfare", welfare))
                    },
                }
                for edges, profit, welfare in zip(self.edges, claim.profit, claim.welfare, strict=True)
            ],
        }


def recovery_certificate(days: StandingDays, least: LeastCharge, welfare: Standing | None) -> RecoveryCertificate:
    """Return the proof of what recovers a cost, from what is known of the days.

    Args:
        days: The days.
        least: The least charge that recovers the cost, or that none does.
        welfare: The charge of greatest welfare among those that do; None where none does.
    """
    numbers = dict(_NONE) | {"charge": least.charge, "charge_lower_bound": least.charge_lower_bound}
    if welfare is not None:
        numbers |= {
            "welfare_charge": welfare.charge,
            "welfare_eur": welfare.value_eur,
            "welfare_bound_eur": welfare.upper_bound_eur,
        }
    around = [each for each in (least.charge, numbers["welfare_charge"]) if np.isfinite(each)] or [0.5 * days.cap]
    cells = np.unique(np.concatenate([days.summed(each).edges for each in around]))
    profit, both = ([stated_of(each, days.goals.index(goal)) for each in days.known] for goal in ("profit", "welfare"))
    claim = RecoveryClaim(weights=days.weights, cap=days.cap, cost_eur=least.cost_eur, profit=profit, welfare=both, cells=cells, **numbers)
    return RecoveryCertificate(claim=claim, edges=[edges_of(each) for each in days.known])


def recovery_certificate_of(content: Any, weights: Array, *, cap: float, source: str) -> RecoveryCertificate:
    """Return the proof that :meth:`RecoveryCertificate.content` gave.

    Args:
        content: The proof in JSON's own types.
        weights: Of the scenarios, shape (S,).
        cap: Greatest charge, EUR/kWh.
        source: Where it comes from, for messages.

    Raises:
        ValueError: If it is no such proof.
    """
    try:
        numbers = {name: _NONE[name] if name in _NONE and content[name] is None else float(content[name]) for name in _NUMBERS}
        scenarios = content["scenarios"]
        edges = [np.array(each["edges"], dtype=np.float64) for each in scenarios]
        profit, welfare = ([_stated(each[goal]) for each in scenarios] for goal in ("profit", "welfare"))
        cells = np.array(content["cells"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source} must hold the proof of what recovers a cost, and does not: {error!r}.") from None
    claim = RecoveryClaim(weights=weights, cap=cap, profit=profit, welfare=welfare, cells=cells, **numbers)
    return RecoveryCertificate(claim=claim, edges=edges)


def _stated(content: Any) -> Stated:
    return Stated(np.array(content["knots"], dtype=np.float64), np.array(content["bounds_eur"], dtype=np.float64).reshape(-1, 3))


def _claim(game: StandingGame, edges: Array, stated: Stated, *, charge: float, welfare: bool) -> ScenarioClaim:
    return ScenarioClaim(
        day=game.day,
        network=game.network,
        basis=game.basis,
        flows=game.flows,
        welfare=welfare,
        charge=charge,
        edges=edges,
        stated=stated,
    )


def _checked(item: tuple[ScenarioClaim, ScenarioClaim, ExactResponse]) -> RecoveryFound:
    return check_scenario_of_both(*item)
