"""The check of a whole certificate, in order: its numbers, its cover of [0, cap], its best charge, its pieces, its gaps.

A verifier shares no arithmetic with what it verifies. Of the package it takes the day's and the network's data, the market
that is handed to it, and nothing of the search; the market's answers are checked here as well (:mod:`.response`).
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING

import numpy as np

from ....envs.market.mechanism import ExactResponse
from .blur import flow_blur_kw
from .bound import bound, flow_norms, radius, strayed
from .clearing import STATED, STRAIGHT, CheckedResponses
from .findings import CertificateError, Verification
from .response import FollowersResponse
from .wide import wide_bound

if TYPE_CHECKING:
    from ..one_charge.certificate import OptimumCertificate, SolvedPiece

_AFFINE = 1e-6  # share of w·Δq by which ‖v_b − v_a‖² may miss it: rounding in ends that lie close together
_MORE = 32  # charges cleared within one interval at most, where its ends alone do not prove the bound


class Check:
    """One certificate under check; counts its clearings.

    Args:
        certificate: What is claimed.
        market: What clears.
    """

    def __init__(self, certificate: OptimumCertificate, market: ExactResponse) -> None:
        self.certificate = certificate
        self.responses = CheckedResponses(
            certificate.day,
            certificate.network,
            certificate.basis,
            flows=certificate.flows,
            welfare=certificate.objective == "welfare",
            market=market,
        )

    def run(self) -> Verification:
        """Check everything.

        Raises:
            CertificateError: As soon as something does not hold.
        """
        certificate = self.certificate
        check_numbers(certificate)
        check_cover(certificate)
        self.responses.at(certificate.charge if isfinite(certificate.charge) else certificate.charge_cap)
        solver = self.responses.solver
        worst = self._check_best() if isfinite(certificate.charge) else 0.0
        ends: dict[tuple[str, float], FollowersResponse] = {}
        for piece in certificate.pieces:
            low, high = self.responses.at(piece.lower), self.responses.at(piece.upper)
            ends["top", piece.upper], ends["foot", piece.lower] = high, low
            worst = max(worst, self._check_piece(piece, low, high))
        excess = -inf
        for gap in certificate.gaps:
            if ("top", gap.lower) not in ends or ("foot", gap.upper) not in ends:
                raise CertificateError(f"a gap must lie between two solved pieces; none ends at {gap.lower!r} or at {gap.upper!r} EUR/kWh.")
            excess = max(excess, self._check_interval(ends["top", gap.lower], ends["foot", gap.upper]))
        return Verification(self.responses.clearings, worst, excess, self.responses.tolerance, solver)

    def _check_best(self) -> float:
        certificate = self.certificate
        best = self.responses.at(certificate.charge)
        off = abs(self.responses.goal(best) - certificate.best_eur)
        if not off <= self.responses.tolerance:
            raise CertificateError(
                f"the charge of {certificate.charge!r} EUR/kWh must earn {certificate.best_eur!r} EUR; it is off by {off:.3g} EUR."
            )
        room = np.minimum(flow_blur_kw(self.responses.program, best.price), STATED * self.responses.program.limit_kw)
        if certificate.hard_limits and self.responses.way(best, best).secure(room)[1] < 1.0:
            raise CertificateError(f"the charge of {certificate.charge!r} EUR/kWh must keep every branch within its limit, and does not.")
        return off

    def _check_piece(self, piece: SolvedPiece, low: FollowersResponse, high: FollowersResponse) -> float:
        """Show that the response goes straight from one end to the other and that the stated charge is the best on the way."""
        best = self.responses.at(piece.best_charge)
        way = self.responses.way(low, high)
        product = (high.charge - low.charge) * (low.charged_kwh - high.charged_kwh)
        stray = strayed(way)
        if not stray <= _AFFINE * abs(product) + self.responses.tolerance:
            raise CertificateError(
                f"the response must be affine from {piece.lower!r} to {piece.upper!r} EUR/kWh; clearing both ends again "
                "shows a bend between."
            )
        first, last = way.secure() if self.certificate.hard_limits else (0.0, 1.0)
        found = way.best(first, last)[1] if first <= last else -inf
        if not isfinite(piece.best_eur):
            if found > self.certificate.upper_bound_eur + self.responses.tolerance:
                raise CertificateError(
                    f"no charge from {piece.lower!r} to {piece.upper!r} EUR/kWh may keep every branch within its limit, but one does, and "
                    f"earns {found!r} EUR."
                )
            return 0.0
        earned = self.responses.goal(best)
        difference = max(abs(earned - piece.best_eur), abs(found - piece.best_eur))
        if not difference <= self.responses.tolerance:
            raise CertificateError(
                f"the best charge from {piece.lower!r} to {piece.upper!r} EUR/kWh must be {piece.best_charge!r} with {piece.best_eur!r} "
                f"EUR; clearing again gives {earned!r} EUR there, and {found!r} EUR at best."
            )
        if stray > STRAIGHT * (abs(product) + (high.charge - low.charge) * low.charged_kwh):
            self._check_interval(low, high)  # what is more than rounding may hide a bend
        return difference

    def _check_interval(self, left: FollowersResponse, right: FollowersResponse) -> float:
        """Show that the stated upper bound holds from one response to another, and return by how much it is missed.

        Where the bound of the two ends is not low enough, a charge between is cleared and each part bounded, a few times.
        """
        target = self.certificate.upper_bound_eur

        def refused(between: int, found: float) -> str:
            return (
                f"no charge from {left.charge!r} to {right.charge!r} EUR/kWh may exceed {target!r} EUR, but clearing both ends again, and "
                f"{between} charges between, only bounds it by {found!r}."
            )

        return self.responses.excess_between(left, right, self._bound, limit=target, refused=refused, more=_MORE)

    def _bound(self, left: FollowersResponse, right: FollowersResponse) -> tuple[float, float]:
        """Return the least of several bounds between two responses, and the share at which it peaks."""
        way = self.responses.way(left, right)
        low, high, target = 0.0, 1.0, self.certificate.upper_bound_eur
        if self.certificate.hard_limits:
            low, high = way.secure(flow_norms(self.responses.program) * radius(way))
            if low > high:
                return -inf, 0.5
        found, share = bound(way, target=target, low=low, high=high)
        if found > target:
            found = min(found, wide_bound(way))
        enough = target + self.responses.tolerance
        return self.responses.bound_from_one_end(left, right, found, target=target, enough=enough), share


def check_numbers(certificate: OptimumCertificate) -> None:
    """Raise unless every number is finite; with hard limits, what does not exist is minus infinity, and its charge NaN."""
    hard, none = certificate.hard_limits, certificate.best_eur == -inf
    stated = [("charge_cap", certificate.charge_cap, False)]
    if not (hard and none and isnan(certificate.charge)):
        stated.append(("charge", certificate.charge, False))
    stated += [
        ("best_eur", certificate.best_eur, hard and isnan(certificate.charge)),
        ("upper_bound_eur", certificate.upper_bound_eur, hard),
    ]
    for number, piece in enumerate(certificate.pieces):
        stated += [(f"pieces[{number}].{name}", getattr(piece, name), False) for name in ("lower", "upper", "best_charge")]
        stated.append((f"pieces[{number}].best_eur", piece.best_eur, hard))
    for number, gap in enumerate(certificate.gaps):
        stated += [(f"gaps[{number}].{name}", getattr(gap, name), False) for name in ("lower", "upper")]
        stated.append((f"gaps[{number}].bound_eur", gap.bound_eur, hard))
    wrong = [f"{name} {value!r}" for name, value, may_miss in stated if not (isfinite(value) or (may_miss and value == -inf))]
    if wrong:
        raise CertificateError(f"a certificate must have finite numbers only, got {', '.join(wrong[:8])}.")
    for piece in certificate.pieces:
        if not piece.lower <= piece.best_charge <= piece.upper:
            raise CertificateError(
                f"the best charge of a piece must lie on it, got {piece.best_charge!r} from {piece.lower!r} to {piece.upper!r} EUR/kWh."
            )
    charge = certificate.charge
    if isfinite(charge) and not 0.0 <= charge <= certificate.charge_cap:
        raise CertificateError(f"the charge must lie in [0, {certificate.charge_cap!r}] EUR/kWh, got {charge!r}.")
    if certificate.objective not in ("profit", "welfare") or certificate.flows not in ("trades", "injections"):
        raise CertificateError(f"objective and flows must be known ones, got {certificate.objective!r} and {certificate.flows!r}.")


def check_cover(certificate: OptimumCertificate) -> None:
    """Raise unless pieces and gaps cover [0, cap] without holes and none of them is stated to exceed the upper bound."""
    parts = sorted(
        [(p.lower, p.upper, p.best_eur) for p in certificate.pieces] + [(g.lower, g.upper, g.bound_eur) for g in certificate.gaps]
    )
    cap, bound_eur = certificate.charge_cap, certificate.upper_bound_eur
    if not parts:
        raise CertificateError(f"a certificate must cover charges from 0 to {cap!r}; this one has no parts.")
    if parts[0][0] > 0.0 or max(part[1] for part in parts) < cap:
        raise CertificateError(f"a certificate must cover charges from 0 to {cap!r}; this one begins at {parts[0][0]!r}.")
    reach = parts[0][1]
    for before, after in pairwise(parts):
        reach = max(reach, before[1])
        if after[0] > reach:
            raise CertificateError(f"a certificate must cover every charge; none from {reach!r} to {after[0]!r} EUR/kWh is.")
    highest = max(certificate.best_eur, *(part[2] for part in parts))
    if highest > bound_eur:
        raise CertificateError(f"the upper bound of {bound_eur!r} EUR must hold everywhere, but a part states {highest!r}.")
