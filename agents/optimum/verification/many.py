"""The check of a certificate over many scenarios: each scenario's stated quadratics by themselves, then their sum.

For one scenario, every charge from 0 to the cap must be covered, and between two neighbouring charges the goal must nowhere exceed what is
stated. Both ends are cleared anew and :mod:`.bound` bounds the goal less what is stated; where that is not low enough, a charge between is
cleared and each part bounded. Nothing of the search is used but the charges, and any charges would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from typing import Final

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from .blur import flow_blur_kw
from .bound import bound, flow_norms, radius, strayed
from .clearing import STATED, STRAIGHT, CheckedResponses
from .findings import CertificateError
from .response import FollowersResponse
from .stated import SAME, Limits, Stated, greatest, tail

_MORE: Final = 64  # charges cleared within one interval at most, where its ends alone do not prove what is stated
SUM: Final = 1e-12
"""Of the greatest number: by how much sums in another order may differ."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ScenarioClaim:
    """What is claimed of one scenario.

    Attributes:
        day: The day.
        network: Where the prosumers sit.
        basis: What a coefficient of 1 charges, shape (N, N).
        flows: The account of flows.
        welfare: Whether the goal is welfare; profit otherwise.
        charge: The best charge of all scenarios together, EUR/kWh.
        edges: Charges between which the goal is bounded, rising from 0 to the cap, EUR/kWh, shape (P + 1,).
        stated: What it does not exceed.
        spans: Outside these charges some branch is above its limit, EUR/kWh, shape (M, 2); None where limits do not count.
    """

    day: Day
    network: Network
    basis: Array
    flows: str
    welfare: bool
    charge: float
    edges: Array
    stated: Stated
    spans: Array | None = None


@dataclass(frozen=True, kw_only=True)
class ScenarioFound:
    """What checking one scenario found.

    Attributes:
        goal_eur: The goal at the best charge.
        clearings: Market clearings used.
        tolerance_eur: To how many EUR the stated numbers were held.
        excess_eur: By how much a recomputed bound exceeds what is stated at most; negative is slack.
        solver: What cleared.
        is_secure: Whether every branch keeps within its limit at the best charge.
    """

    goal_eur: float
    clearings: int
    tolerance_eur: float
    excess_eur: float
    solver: str
    is_secure: bool


def check_scenario(claim: ScenarioClaim, market: ExactResponse) -> ScenarioFound:
    """Show that a scenario's goal nowhere exceeds what is stated.

    Args:
        claim: What is stated.
        market: What clears; its answers are checked.

    Raises:
        CertificateError: If a clearing is no optimum, or the goal may exceed what is stated.
    """
    return _Scenario(claim, market).run()


def goal_at(claim: ScenarioClaim, market: ExactResponse) -> float:
    """Return the goal of a scenario at its claim's charge in EUR; NaN where there is none.

    Args:
        claim: What is stated.
        market: What clears; its answer is checked.

    Raises:
        CertificateError: If the clearing is no optimum.
    """
    responses = _Scenario(claim, market).responses
    return responses.goal(responses.at(claim.charge)) if isfinite(claim.charge) else nan


class _Scenario:
    """One scenario under check."""

    def __init__(self, claim: ScenarioClaim, market: ExactResponse) -> None:
        self.claim = claim
        self.responses = CheckedResponses(claim.day, claim.network, claim.basis, flows=claim.flows, welfare=claim.welfare, market=market)

    def run(self) -> ScenarioFound:
        edges, knots = self.claim.edges, self.claim.stated.knots
        if edges.ndim != 1 or len(edges) < 2 or edges[0] != knots[0] or edges[-1] != knots[-1] or not (np.diff(edges) >= 0.0).all():
            raise CertificateError(f"{self.claim.day.label} must be bounded from {knots[0]!r} to {knots[-1]!r} EUR/kWh without holes.")
        best = self.responses.at(self.claim.charge) if isfinite(self.claim.charge) else None
        excess, left = float("-inf"), self.responses.at(float(self.claim.edges[0]))
        for charge in self.claim.edges[1:].tolist():
            right = self.responses.at(charge)
            excess = max(excess, self._check(left, right))
            if self.claim.spans is not None:
                self._check_limits(left, right, self.claim.spans)
            left = right
        return ScenarioFound(
            goal_eur=nan if best is None else self.responses.goal(best),
            clearings=self.responses.clearings,
            tolerance_eur=self.responses.tolerance,
            excess_eur=excess,
            solver=self.responses.solver,
            is_secure=best is not None and self._is_secure(best),
        )

    def _is_secure(self, best: FollowersResponse) -> bool:
        program = self.responses.program
        room = np.minimum(flow_blur_kw(program, best.price), STATED * program.limit_kw)
        return self.responses.way(best, best).secure(room)[1] >= 1.0

    def _check_limits(self, left: FollowersResponse, right: FollowersResponse, spans: Array) -> None:
        """Show that some branch is above its limit wherever that is stated between two charges."""

        def refused(between: int, _: float) -> str:
            return (
                f"{self.claim.day.label} must have a branch above its limit where no charge is stated from {left.charge!r} to "
                f"{right.charge!r} EUR/kWh, but clearing both ends again, and {between} charges between, does not show it."
            )

        def uncovered(start: FollowersResponse, end: FollowersResponse) -> tuple[float, float]:
            """Return infinity and a share of the way that may be secure and is not in ``spans``; minus infinity where there is none."""
            way = self.responses.way(start, end)
            width = end.charge - start.charge
            straight = strayed(way) <= STRAIGHT * (abs(width * (start.charged_kwh - end.charged_kwh)) + width * start.charged_kwh)
            low, high = way.secure() if straight else way.secure(flow_norms(self.responses.program) * radius(way))
            if low > high:
                return -inf, 0.5
            first, last = start.charge + low * width, start.charge + high * width
            if ((spans[:, 0] <= first) & (last <= spans[:, 1])).any():
                return -inf, 0.5
            return inf, 0.5

        self.responses.excess_between(left, right, uncovered, limit=0.0, refused=refused, more=_MORE)

    def _check(self, left: FollowersResponse, right: FollowersResponse) -> float:
        """Show what is stated between two charges, and return by how much it is missed."""

        def refused(between: int, found: float) -> str:
            return (
                f"{self.claim.day.label} may not exceed what is stated from {left.charge!r} to {right.charge!r} EUR/kWh, but clearing both "
                f"ends again, and {between} charges between, leaves {found:.3g} EUR more."
            )

        return self.responses.excess_between(left, right, self._excess, limit=0.0, refused=refused, more=_MORE)

    def _excess(self, left: FollowersResponse, right: FollowersResponse) -> tuple[float, float]:
        """Return by how much the goal may exceed what is stated between two charges at most, and at which share."""
        target, stated = self.responses.tolerance, self.claim.stated
        found, share = bound(self.responses.way(left, right), target=target, stated=stated)
        return self.responses.bound_from_one_end(left, right, found, target=target, enough=target, stated=stated), share


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeClaim:
    """What is claimed of all scenarios together.

    Attributes:
        weights: Of S scenarios, shape (S,).
        part: The part of their weight that counts, the worst first: 1 for the mean, 0 for the worst alone.
        cap: Greatest charge, EUR/kWh.
        charge: The best one, EUR/kWh.
        value_eur: What counts at the best charge.
        upper_bound_eur: What it comes to at no charge more.
        stated: Of each scenario.
        limits: Which charges count; None where all do. The charge is NaN where none does, and the numbers minus infinity.
    """

    weights: Array
    part: float
    cap: float
    charge: float
    value_eur: float
    upper_bound_eur: float
    stated: Sequence[Stated]
    limits: Limits | None = None

    @property
    def is_none(self) -> bool:
        """Whether it is claimed that no charge counts."""
        return self.limits is not None and isnan(self.charge) and self.value_eur == self.upper_bound_eur == -inf


def require_covered(stated: Sequence[Stated], cap: float) -> None:
    """Raise unless what is stated of each scenario covers every charge from 0 to the cap in EUR/kWh once.

    Raises:
        CertificateError: If it does not.
    """
    for number, each in enumerate(stated):
        if each.knots[0] != 0.0 or each.knots[-1] != cap or not (np.diff(each.knots) > 0.0).all():
            raise CertificateError(f"what is stated of scenario {number} must cover every charge from 0 to {cap!r} EUR/kWh once.")


def check_whole(claim: WholeClaim) -> float:
    """Check weights and numbers, that every charge is covered, and the sum of what is stated; return that sum's greatest value in EUR.

    Raises:
        CertificateError: As soon as something does not hold.
    """
    weights, count = claim.weights, len(claim.stated)
    found = () if claim.is_none else (claim.charge, claim.value_eur, claim.upper_bound_eur)
    numbers = (claim.part, claim.cap, *found, *weights.tolist(), *(() if claim.limits is None else claim.limits.knots.tolist()))
    if not all(isfinite(each) for each in numbers) or not all(np.isfinite(each.values).all() for each in claim.stated):
        raise CertificateError("a certificate must have finite numbers only.")
    if weights.shape != (count,) or count == 0 or (weights < 0.0).any() or abs(float(weights.sum()) - 1.0) > 1e-9:
        raise CertificateError(f"{count} scenarios must have weights of at least 0 that sum to 1, got a sum of {float(weights.sum()):g}.")
    if not 0.0 <= claim.part <= 1.0 or not (claim.is_none or 0.0 <= claim.charge <= claim.cap):
        raise CertificateError(f"a part must be from 0 to 1 and the charge up to {claim.cap!r}, got {claim.part!r} and {claim.charge!r}.")
    require_covered(claim.stated, claim.cap)
    if claim.value_eur > claim.upper_bound_eur:
        raise CertificateError(f"the upper bound of {claim.upper_bound_eur!r} EUR must not be below the value of {claim.value_eur!r}.")
    if claim.limits is not None:
        _check_spans(claim.limits, count)
    target = claim.upper_bound_eur + SUM * max(float(np.abs(each.values).max()) for each in claim.stated)
    most = greatest(claim.stated, weights, claim.part, target=target, limits=claim.limits)
    if most > target:
        raise CertificateError(
            f"no charge may bring the scenarios more than {claim.upper_bound_eur!r} EUR together, but what is stated adds up to {most!r}."
        )
    return most


def _check_spans(limits: Limits, count: int) -> None:
    """Raise unless a share and the charges at which scenarios may be secure are what they must be."""
    if not 0.0 < limits.share <= 1.0 or len(limits.spans) != count:
        raise CertificateError(f"a share must be above 0 and at most 1, with charges for {count} scenarios, got {limits.share!r}.")
    if any(each.shape[1:] != (2,) or not (np.diff(each.ravel()) >= 0.0).all() for each in limits.spans):
        raise CertificateError("the charges at which a scenario may be secure must be intervals that rise.")


def check_value(claim: WholeClaim, goals: Array, tolerance: Array, secure: Array) -> tuple[float, float]:
    """Check what counts at the best charge; return by how much it is missed, and to how many EUR it was held.

    Args:
        claim: What is claimed.
        goals: Of each scenario there, EUR, shape (S,).
        tolerance: To how many EUR each is known, shape (S,).
        secure: Whether each keeps its limits there, shape (S,).

    Raises:
        CertificateError: If it is something else, or the charge is not as secure as it must be.
    """
    if claim.is_none:
        return 0.0, float(np.max(tolerance))
    if claim.limits is not None and float(claim.weights @ secure) < claim.limits.share - SAME:
        raise CertificateError(
            f"the charge of {claim.charge!r} EUR/kWh must be secure in a share of {claim.limits.share!r} of the scenarios, and is in "
            f"{float(claim.weights @ secure)!r}."
        )
    counts = tail(goals, claim.weights, claim.part)
    off, allowed = abs(float(counts @ goals) - claim.value_eur), float(np.max(tolerance) if claim.part < 1.0 else counts @ tolerance)
    if not off <= allowed:
        raise CertificateError(
            f"the charge of {claim.charge!r} EUR/kWh must bring {claim.value_eur!r} EUR over all scenarios; it is off by {off:.3g} EUR."
        )
    return off, allowed
