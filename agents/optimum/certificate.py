"""The proof that comes with an optimum: which charges were solved exactly, and a bound on all the others.

A certificate covers [0, cap] without holes by affine pieces of the followers' response, whose best charge is known in closed form, and by
gaps none of whose charges can take the objective above a bound. It can be checked by anyone: :meth:`Certificate.verify` clears its
witnesses again, by another solver if wished, and reckons every piece and every bound anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ...envs.clearing.market import Market, P2PMarket
from ...envs.day import Array, Day
from ...envs.network import Network
from ...envs.reward import Objective
from ...envs.settlement import Flows
from .bounds import best_on_chord, norms, upper_bound
from .line import ChargeLine, LinePoint

_AGREE = 1e-8  # share of the day's retail bill to which independent clearings must agree
_AFFINE = 1e-6  # share of w·Δq by which ‖x_b − x_a‖² may miss it: rounding in ends that lie close together


class CertificateError(RuntimeError):
    """A certificate is contradicted by a clearing; the message says by which."""


@dataclass(frozen=True)
class SolvedPiece:
    """An affine piece of the response: its best charge is known in closed form.

    Attributes:
        lower: Least charge, EUR/kWh.
        upper: Greatest charge, EUR/kWh.
        best_charge: The best of its charges.
        best_eur: The objective there.
    """

    lower: float
    upper: float
    best_charge: float
    best_eur: float


@dataclass(frozen=True)
class PrunedGap:
    """An interval of charges at none of which the objective exceeds the bound.

    Attributes:
        lower: Least charge, EUR/kWh.
        upper: Greatest charge, EUR/kWh.
        bound_eur: Upper bound on the objective.
    """

    lower: float
    upper: float
    bound_eur: float


@dataclass(frozen=True)
class Verification:
    """What checking a certificate found.

    Attributes:
        clearings: Market clearings used.
        greatest_difference_eur: Greatest difference between a stated and a recomputed objective.
        greatest_bound_excess_eur: By how much a recomputed bound exceeds the stated upper bound at most; negative is slack.
        solver: What cleared.
    """

    clearings: int
    greatest_difference_eur: float
    greatest_bound_excess_eur: float
    solver: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Certificate:
    """The proof of one optimum.

    Attributes:
        day: The day.
        network: Where the prosumers sit.
        basis: What a coefficient of 1 charges, shape (N, N).
        flows: The account of flows.
        objective: What is maximised.
        charge_cap: Greatest charge, EUR/kWh.
        charge: The best charge found.
        best_eur: The objective there.
        upper_bound_eur: No charge in [0, cap] takes the objective higher.
        pieces: Solved pieces, by charge.
        gaps: Bounded intervals between them, by charge.
    """

    day: Day
    network: Network
    basis: Array
    flows: Flows
    objective: Objective
    charge_cap: float
    charge: float
    best_eur: float
    upper_bound_eur: float
    pieces: tuple[SolvedPiece, ...]
    gaps: tuple[PrunedGap, ...]

    def verify(self, *, market: Market | None = None) -> Verification:
        """Check the whole proof with new clearings: three for each piece, and the bound of each gap from those beside it.

        Args:
            market: What clears; CVXPY and Clarabel where absent, which shares nothing with the compiled kernel but the certificate.

        Raises:
            CertificateError: If a charge is not covered, a stated number is contradicted, or a bound does not follow.
        """
        self._check_cover()
        line = ChargeLine(
            self.day,
            self.network,
            self.basis,
            flows=self.flows,
            objective=self.objective,
            market=P2PMarket() if market is None else market,
        )
        tolerance = _AGREE * line.retail_bill_eur
        clearing = line.clear(self.charge)
        worst = abs(line.cleared(self.charge).goal_eur - self.best_eur)
        if worst > tolerance:
            raise CertificateError(f"the charge of {self.charge!r} EUR/kWh must earn {self.best_eur!r} EUR; it is off by {worst:.3g} EUR.")
        ends: dict[float, LinePoint] = {}
        for piece in self.pieces:
            worst = max(worst, _check_piece(line, piece, ends, tolerance))
        return Verification(line.clearings, worst, self._check_gaps(line, ends, tolerance), clearing.solver)

    def _check_gaps(self, line: ChargeLine, ends: dict[float, LinePoint], tolerance: float) -> float:
        """Bound every gap anew from the pieces beside it, and return by how much a bound exceeds the stated one at most."""
        widths = norms(line)
        excess = float("-inf")
        for gap in self.gaps:
            if not {gap.lower, gap.upper} <= ends.keys():
                raise CertificateError(f"a gap must lie between two solved pieces; none ends at {gap.lower!r} or at {gap.upper!r} EUR/kWh.")
            bound, _ = upper_bound(line, widths, ends[gap.lower], ends[gap.upper])
            excess = max(excess, bound - self.upper_bound_eur)
            if excess > tolerance:
                raise CertificateError(
                    f"no charge from {gap.lower!r} to {gap.upper!r} EUR/kWh may exceed {self.upper_bound_eur!r} EUR, but clearing both "
                    f"ends again only bounds it by {bound!r}."
                )
        return excess

    def _check_cover(self) -> None:
        """Raise unless pieces and gaps cover [0, cap] without holes and none of them is stated to exceed the upper bound."""
        parts = sorted([(p.lower, p.upper, p.best_eur) for p in self.pieces] + [(g.lower, g.upper, g.bound_eur) for g in self.gaps])
        if not parts:
            raise CertificateError(f"a certificate must cover charges from 0 to {self.charge_cap!r}; this one has no parts.")
        if parts[0][0] > 0.0 or max(part[1] for part in parts) < self.charge_cap:
            raise CertificateError(f"a certificate must cover charges from 0 to {self.charge_cap!r}; this one begins at {parts[0][0]!r}.")
        reach = parts[0][1]
        for before, after in pairwise(parts):
            reach = max(reach, before[1])
            if after[0] > reach:
                raise CertificateError(f"a certificate must cover every charge; none from {reach!r} to {after[0]!r} EUR/kWh is.")
        highest = max(self.best_eur, *(part[2] for part in parts))
        if highest > self.upper_bound_eur:
            raise CertificateError(f"the upper bound of {self.upper_bound_eur!r} EUR must hold everywhere, but a part states {highest!r}.")


def _check_piece(line: ChargeLine, piece: SolvedPiece, ends: dict[float, LinePoint], tolerance: float) -> float:
    """Clear both ends and the best charge of a piece, and return the greatest difference from what is stated.

    That the response is affine in between follows from the ends alone: by (2) of :mod:`.bounds` it is where w·Δq = ‖x_b − x_a‖².
    """
    low, high, best = line.cleared(piece.lower), line.cleared(piece.upper), line.cleared(piece.best_charge)
    ends[piece.lower], ends[piece.upper] = low, high
    product = (high.charge - low.charge) * (low.charged_kwh - high.charged_kwh)
    step = high.curved - low.curved
    if product - float(step @ step) > _AFFINE * product + tolerance:
        raise CertificateError(
            f"the response must be affine from {piece.lower!r} to {piece.upper!r} EUR/kWh; clearing both ends again shows a bend between."
        )
    difference = max(abs(best.goal_eur - piece.best_eur), abs(best_on_chord(line, low, high) - piece.best_eur))
    if difference > tolerance:
        raise CertificateError(
            f"the best charge from {piece.lower!r} to {piece.upper!r} EUR/kWh must be {piece.best_charge!r} with {piece.best_eur!r} EUR; "
            f"clearing again gives {best.goal_eur!r} EUR there, and {best_on_chord(line, low, high)!r} EUR at best."
        )
    return difference
