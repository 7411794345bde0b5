"""The least charge that recovers a given cost, or the proof that none does.

Intervals of the charge are taken from the left: one whose upper bound is below the cost is passed, on an affine piece the first charge that
recovers the cost is a root of a quadratic, and anything else is split. What is returned is a bracket: every charge below its lower end
recovers less, the upper end recovers the cost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from ....envs.account.settlement import Flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Day
from ....envs.errors import ClearingError, known_name
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from ..agreement import EXACTNESS, require_agreement
from .bounds import Norms, norms, upper_bound
from .chord import Chord
from .line import ChargeLine, LinePoint, Piece
from .search import one_basis

Recovered = Literal["profit", "revenue"]

_MAX_CLEARINGS = 5_000
_CENTRE = 0.02  # as in the search for the optimum


@dataclass(frozen=True, eq=False, kw_only=True)
class Recovery:
    """The least charge that recovers a cost.

    Attributes:
        cost_eur: The cost.
        of: What has to recover it.
        charge: A charge that does, EUR/kWh; None where none in [0, cap] was found.
        charge_lower_bound: Every charge below this recovers less, EUR/kWh; above the cap (infinite) where it is proved that none does.
        earned_eur: What the charge earns, cleared again; NaN without one.
        greatest_eur: The greatest upper bound on what the charges passed earn, EUR: how close to the cost they come at most.
        clearings: Market clearings used.
        seconds: Wall time.
    """

    cost_eur: float
    of: Recovered
    charge: float | None
    charge_lower_bound: float
    earned_eur: float
    greatest_eur: float
    clearings: int
    seconds: float

    @property
    def is_recoverable(self) -> bool | None:
        """Whether some charge recovers the cost; None where neither was proved at this resolution."""
        if self.charge is not None:
            return True
        return False if self.charge_lower_bound == np.inf else None


def smallest_recovering_charge(
    day: Day,
    network: Network,
    tariff: Tariff,
    cost_eur: float,
    *,
    cap: float,
    of: Recovered = "profit",
    flows: Flows = "trades",
    market: ExactResponse | None = None,
    charge_tolerance: float = 1e-9,
) -> Recovery:
    """Find the least charge in [0, cap] whose profit, or revenue, is at least a cost.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cost_eur: The cost to recover in the day, EUR.
        cap: Greatest charge allowed, EUR/kWh.
        of: ``"profit"``, after losses and overload, or ``"revenue"`` of the charges alone.
        flows: Which account of the flows the operator answers for.
        market: What clears; a new :class:`P2PMarket` where absent.
        charge_tolerance: Width in EUR/kWh below which an interval is not split any more.

    Raises:
        ValueError: If the cost is not a number, `of` is unknown, the tolerance is not above 0, or as :func:`solve_optimum` does.
        ClearingError: If the search does not end within its limit of clearings, or the cost is not recovered when cleared again.
    """
    basis = one_basis(day, tariff, cap=cap, tolerance=charge_tolerance)
    if not np.isfinite(cost_eur):
        raise ValueError(f"`cost_eur` must be a finite number of EUR, got {cost_eur}.")
    known_name("`of`", of, get_args(Recovered))
    began = time.perf_counter()
    # Charges alone are what is left of profit where losses, overload and imports cost and earn nothing; prosumers do not see those prices.
    account = day if of == "profit" else replace(day, loss_price=np.zeros_like(day.loss_price), overload_price=0.0, import_fee=0.0)
    line = ChargeLine(account, network, basis, flows=flows, market=market)
    found = _Leftmost(line, cost_eur, cap, charge_tolerance)
    found.run()
    earned = float("nan")
    if found.charge is not None:
        earned = line.cleared(found.charge).profit_eur
        require_agreement(account, max(cost_eur, earned), earned, yardstick=abs(cost_eur), tolerance=EXACTNESS)
    return Recovery(
        cost_eur=cost_eur,
        of=of,
        charge=found.charge,
        charge_lower_bound=found.proved_below,
        earned_eur=earned,
        greatest_eur=found.greatest,
        clearings=line.clearings,
        seconds=time.perf_counter() - began,
    )


class _Leftmost:
    """The search from the left; intervals still to be looked at stand on a stack, the leftmost on top."""

    def __init__(self, line: ChargeLine, cost_eur: float, cap: float, tolerance: float) -> None:
        self.charge: float | None = None
        self.proved_below = np.inf
        self.greatest = float("-inf")
        self._line, self._cost, self._cap, self._tolerance = line, cost_eur, cap, tolerance
        self._norms: Norms = norms(line)

    def run(self) -> None:
        """Pass charges from 0 upwards until one recovers the cost or the cap is reached."""
        first, last = self._line.piece(0.0, cap=self._cap), self._line.piece(self._cap, cap=self._cap)
        stack: list[Piece | tuple[LinePoint, LinePoint]] = [last, (first.upper_end, last.lower_end), first]
        while stack:
            if self._line.clearings > _MAX_CLEARINGS:
                raise ClearingError(
                    f"the least charge that recovers {self._cost} EUR on day {self._line.day.label!r} must be found within "
                    f"{_MAX_CLEARINGS} clearings. Pass a larger `charge_tolerance`."
                )
            part = stack.pop()
            if isinstance(part, tuple):
                stack += self._look_into(*part)
                continue
            self.charge = self._first_on(part)
            if self.charge is not None:
                self.proved_below = min(self.proved_below, self.charge)
                return

    def _look_into(self, left: LinePoint, right: LinePoint) -> list[Piece | tuple[LinePoint, LinePoint]]:
        """Return what is left of an interval, the leftmost part last; nothing where no charge of it recovers the cost."""
        if left.charge >= right.charge:
            return []
        bound, peak = upper_bound(self._line, self._norms, left, right, target=np.nextafter(self._cost, -np.inf))
        if bound < self._cost:
            self.greatest = max(self.greatest, bound)
            return []
        width = right.charge - left.charge
        if width <= self._tolerance:  # cannot be excluded, and is too narrow to matter: the bracket says so
            self.proved_below = min(self.proved_below, left.charge)
            return []
        margin = _CENTRE * width
        piece = self._line.piece(min(max(self._aim(left, right, peak), left.charge + margin), right.charge - margin), cap=self._cap)
        before = (left, piece.lower_end if piece.lower > left.charge else left)
        after = (piece.upper_end if piece.upper < right.charge else right, right)
        return [after, piece, before]

    def _aim(self, left: LinePoint, right: LinePoint, peak: float) -> float:
        """Return where to look: where the chord crosses the cost, if it does, and where the bound peaks otherwise."""
        share = _first_share(Chord(self._line, left, right), self._cost)
        return peak if share is None else left.charge + share * (right.charge - left.charge)

    def _first_on(self, piece: Piece) -> float | None:
        """Return the least charge of a piece that recovers the cost."""
        chord = Chord(self._line, piece.lower_end, piece.upper_end)
        share = _first_share(chord, self._cost)
        if share is None:
            self.greatest = max(self.greatest, chord.peak()[1])
            return None
        return piece.lower if share == 0.0 else min(piece.lower + share * chord.width, piece.upper)


def _first_share(chord: Chord, cost_eur: float) -> float | None:
    """Return the least t in [0, 1] at which the goal along the chord reaches the cost."""
    price = chord.line.day.overload_price * chord.line.day.period_hours
    for low, high in pairwise([0.0, *chord.crossings, 1.0]):
        if chord.at(low) >= cost_eur:
            return low
        level, slope = chord.overload_kw(0.5 * (low + high)) if price > 0 else (0.0, 0.0)
        constant, linear, square = (float(part) for part in chord.goal - price * np.array([level, slope, 0.0]))
        roots = np.roots([square, linear, constant - cost_eur]) if abs(square) > 1e-300 else np.roots([linear, constant - cost_eur])
        inside = [float(root.real) for root in roots if abs(root.imag) <= 1e-12 * (1.0 + abs(root)) and low < root.real <= high]
        if inside:
            return _not_short(chord, min(inside), high, cost_eur)
    return 1.0 if chord.at(1.0) >= cost_eur else None


def _not_short(chord: Chord, t: float, high: float, cost_eur: float) -> float:
    """Move a root by rounding so that the cost is reached and not just missed."""
    step = 1e-15
    while chord.at(t) < cost_eur and step < 1e-9:
        t, step = min(t + step, high), 4.0 * step
    return t
