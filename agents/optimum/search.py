"""The exact optimum of a one-parameter tariff: best-first search over intervals of the charge.

Each step clears inside the interval with the greatest upper bound, takes the whole affine piece around that point as solved, and puts the
two gaps left beside it back with bounds of their own (:mod:`.bounds`). It ends when no gap can beat the incumbent by more than the
tolerance. The incumbent is re-cleared from scratch, and what it earns there is the profit reported.

Walking from piece to piece instead would take thousands of clearings near γ = 0, where pieces are 1e-5 wide.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from math import inf

from ...envs.clearing.market import Market
from ...envs.day import Day
from ...envs.errors import ClearingError
from ...envs.network import Network
from ...envs.reward import Objective
from ...envs.settlement import Flows, settle
from ...envs.tariff import Tariff
from .bounds import norms, upper_bound
from .certificate import Certificate, PrunedGap, SolvedPiece
from .line import ChargeLine, LinePoint, Piece

_MAX_CLEARINGS = 20_000
_CENTRE = 0.02  # a gap is never split closer than this share of its width to an end: slivers cost as much as halves


@dataclass(frozen=True, eq=False, kw_only=True)
class Optimum:
    """The best charge of a day with the proof that no charge in [0, cap] does better than the upper bound.

    Attributes:
        charge: Best charge found, EUR/kWh.
        charge_cap: Greatest charge allowed, EUR/kWh.
        objective: What is maximised, ``"profit"`` or ``"welfare"``.
        profit_eur: The operator's profit there, from the affine piece it was found on.
        recleared_profit_eur: The same when the day is cleared again from scratch and settled.
        welfare_eur: Welfare of prosumers and operator there.
        recleared_welfare_eur: The same, cleared again.
        upper_bound_eur: No charge in [0, cap] takes the objective higher.
        relative_gap: (upper bound − objective) / max(charge revenue at the optimum, 1e-6 × the community's retail bill of the day); for
            welfare, which is on the scale of the bill, over the bill itself.
        revenue_eur: Charge revenue at the optimum.
        clearings: Market clearings used, the last one included.
        seconds: Wall time.
        certificate: The proof, which can be kept, checked and drawn; None where an optimum was read from a store of numbers.
    """

    charge: float
    charge_cap: float
    objective: Objective
    profit_eur: float
    recleared_profit_eur: float
    welfare_eur: float
    recleared_welfare_eur: float
    upper_bound_eur: float
    relative_gap: float
    revenue_eur: float
    clearings: int
    seconds: float
    certificate: Certificate | None

    @property
    def pieces(self) -> tuple[SolvedPiece, ...]:
        """The solved pieces of the certificate."""
        return () if self.certificate is None else self.certificate.pieces

    @property
    def gaps(self) -> tuple[PrunedGap, ...]:
        """The bounded intervals of the certificate."""
        return () if self.certificate is None else self.certificate.gaps

    @property
    def recleared_eur(self) -> float:
        """The objective at the optimum, cleared again: what a policy's reward is compared with."""
        return self.recleared_welfare_eur if self.objective == "welfare" else self.recleared_profit_eur


def solve_optimum(
    day: Day,
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    objective: Objective = "profit",
    market: Market | None = None,
    tolerance: float = 1e-6,
) -> Optimum:
    """Find the charge that is best for the operator, or for all, on one day, and prove it.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cap: Greatest charge allowed, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: ``"profit"`` of the operator, or ``"welfare"`` of prosumers and operator together.
        market: What clears; a new :class:`P2PMarket` where absent.
        tolerance: Relative gap at which the search ends.

    Raises:
        ValueError: If the tariff has more than one coefficient, or the cap or the tolerance is not above 0.
        ClearingError: If a clearing misses its tolerance, or the search does not close within its limit of clearings.
    """
    if not 0 < cap < inf or not tolerance > 0:
        raise ValueError(f"the charge cap must be finite and > 0, and the tolerance > 0, got {cap} and {tolerance}.")
    if tariff.n_coefficients(day.n_periods) != 1:
        raise ValueError(
            f"the exact optimum needs a tariff of one coefficient for the day, such as 'unique' or 'distance' charged per day; the "
            f"{tariff.kind} tariff charged per {tariff.per} has {tariff.n_coefficients(day.n_periods)}."
        )
    basis = tariff.basis[0]
    began = time.perf_counter()
    line = ChargeLine(day, network, basis, flows=flows, objective=objective, market=market)
    search = _Search(line, cap=cap, tolerance=tolerance)
    search.run()
    best = search.incumbent
    clearing = line.clear(best.charge)
    settlement = settle(day, network, best.charge * basis, clearing, flows=flows)
    # Rounding may put either evaluation of the incumbent above the closed-form bound of its own piece.
    recleared = settlement.welfare_eur if objective == "welfare" else settlement.profit_eur
    bound = max(search.open_bound, best.goal_eur, recleared)
    certificate = Certificate(
        day=day,
        network=network,
        basis=basis,
        flows=flows,
        objective=objective,
        charge_cap=cap,
        charge=best.charge,
        best_eur=best.goal_eur,
        upper_bound_eur=bound,
        pieces=tuple(sorted(search.pieces, key=lambda piece: piece.lower)),
        gaps=tuple(sorted(search.open_gaps(), key=lambda gap: gap.lower)),
    )
    return Optimum(
        charge=best.charge,
        charge_cap=cap,
        objective=objective,
        profit_eur=best.profit_eur,
        recleared_profit_eur=settlement.profit_eur,
        welfare_eur=best.profit_eur - best.value_eur,
        recleared_welfare_eur=settlement.welfare_eur,
        upper_bound_eur=bound,
        relative_gap=(bound - best.goal_eur) / search.yardstick if bound > best.goal_eur else 0.0,
        revenue_eur=settlement.revenue_eur,
        clearings=line.clearings,
        seconds=time.perf_counter() - began,
        certificate=certificate,
    )


@dataclass(order=True)
class _Gap:
    """An unsolved interval, ordered by greatest bound first and then by charge, so that runs repeat exactly."""

    negative_bound: float
    lower: float
    left: LinePoint
    right: LinePoint
    look_at: float


class _Search:
    """The state of one search: the incumbent, the solved pieces and the heap of gaps."""

    def __init__(self, line: ChargeLine, *, cap: float, tolerance: float) -> None:
        self.pieces: list[SolvedPiece] = []
        self._line = line
        self._cap = cap
        self._tolerance = tolerance
        self._norms = norms(line)
        self._gaps: list[_Gap] = []
        first, last = line.piece(0.0, cap=cap), line.piece(cap, cap=cap)
        self.incumbent = first.at(0.0)
        for piece in (first, last):
            self._solve(piece)
        self._push(first.at(first.upper), last.at(last.lower))

    @property
    def yardstick(self) -> float:
        """What the gap is measured by, in EUR."""
        if self._line.objective == "welfare":
            return self._line.retail_bill_eur
        revenue = self.incumbent.charge * self.incumbent.charged_kwh
        return max(revenue, 1e-6 * self._line.retail_bill_eur)

    @property
    def open_bound(self) -> float:
        """Upper bound over everything not solved, in EUR; minus infinity where nothing is left."""
        return -self._gaps[0].negative_bound if self._gaps else float("-inf")

    def open_gaps(self) -> list[PrunedGap]:
        """Return the intervals that are bounded instead of solved."""
        return [PrunedGap(gap.left.charge, gap.right.charge, -gap.negative_bound) for gap in self._gaps]

    def run(self) -> None:
        """Split gaps until none can beat the incumbent by more than half the tolerance; the other half is for rounding."""
        while self.open_bound > self.incumbent.goal_eur + 0.5 * self._tolerance * self.yardstick:
            if self._line.clearings >= _MAX_CLEARINGS:
                raise ClearingError(
                    f"the optimum of day {self._line.day.label!r} must close within {_MAX_CLEARINGS} clearings, and is still between "
                    f"{self.incumbent.goal_eur} and {self.open_bound} EUR. A larger tolerance than {self._tolerance:g} closes earlier."
                )
            gap = heapq.heappop(self._gaps)
            piece = self._line.piece(gap.look_at, cap=self._cap)
            self._solve(piece)
            self._push(gap.left, piece.at(max(piece.lower, gap.left.charge)))
            self._push(piece.at(min(piece.upper, gap.right.charge)), gap.right)

    def _solve(self, piece: Piece) -> None:
        best = piece.best()
        self.pieces.append(SolvedPiece(piece.lower, piece.upper, best.charge, best.goal_eur))
        if best.goal_eur > self.incumbent.goal_eur:
            self.incumbent = best

    def _push(self, left: LinePoint, right: LinePoint) -> None:
        if left.charge >= right.charge:
            return
        bound, peak = upper_bound(self._line, self._norms, left, right)
        margin = _CENTRE * (right.charge - left.charge)
        look_at = min(max(peak, left.charge + margin), right.charge - margin)
        heapq.heappush(self._gaps, _Gap(-bound, left.charge, left, right, look_at))
