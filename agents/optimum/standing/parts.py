"""What is known of one day over all charges: parts that cover [0, cap], each with quadratics that the day's goals do not exceed.

A part lies between two charges whose responses are known (:mod:`..one_charge.line`). On one affine piece of the response its quadratics are
the goal itself; elsewhere they are the bound of :mod:`.between`. What is known is refined by clearing a charge within a part: it falls in
two, or in three where the whole affine piece around the charge is worth solving. A day is refined only where it is asked to be, by cells of
charges with a bound on the excess, of the quadratics over what the goal would be along the chord, that may remain there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from ....envs.account.objective import ExactObjective
from ....envs.account.settlement import Flows
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from ..one_charge.bounds import Norms, norms
from ..one_charge.chord import Chord
from ..one_charge.line import ChargeLine, LinePoint
from ..one_charge.starts import responding, way_point
from .between import SLICES, between
from .limits import secure_between
from .loops.kernels import left_open

_CENTRE: Final = 0.15  # a part is never split closer than this share of its width to an end
_RESOLUTION: Final = 1e-13  # share of the cap below which two charges are not told apart
_LIKELY: Final = 1e-3  # of what may remain: parts with less are not refined again as a rule
_LOOKED_AT: Final = 5  # shares of a cell at which what remains is compared with what may
_WORTH: Final = 0.1  # a piece is solved where the last one nearby was at least this share of the part it is in


@dataclass(frozen=True, eq=False, kw_only=True)
class StandingGame:
    """One day's game in one charge.

    Attributes:
        day: The day.
        network: Where the prosumers sit.
        basis: What a coefficient of 1 charges, shape (N, N).
        flows: The account of flows.
        goals: What is bounded: G objectives.
        cap: Greatest charge, EUR/kWh.
        hard_limits: Whether it is found out as well at which charges every branch can be within its limit.
    """

    day: Day
    network: Network
    basis: Array
    flows: Flows
    goals: tuple[ExactObjective, ...]
    cap: float
    hard_limits: bool = False


@dataclass(frozen=True, eq=False)
class Place:
    """What a response can be restored from: strictly convex variables follow from prices, one by one.

    Attributes:
        charge: EUR/kWh.
        prices: Dimensionless, shape (P,).
        loose: The variables without curvature, dimensionless, shape (U,).
    """

    charge: float
    prices: Array
    loose: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """An interval of charges of one day.

    Attributes:
        lower: Its least charge, EUR/kWh.
        upper: Its greatest.
        bound: For each goal what it does not exceed, in M equal shares of the interval: coefficients in τ, which runs from 0 to 1 over the
            share, lowest power first, EUR, shape (G, M, 3).
        chord: The same of what the goal would be along the chord: an estimate, and the goal itself on an affine piece. Shape (G, M, 3).
        ends: The responses at both ends; None where nothing will be asked of the part any more.
        is_piece: Whether the whole part is one affine piece.
        nearby: Width of the last affine piece that was solved beside it, EUR/kWh.
        may: Between which charges every branch can be within its limit, EUR/kWh; nowhere else in the interval. Empty from inf to −inf.
        likely: The same along the chord, and a little closer than the limit: on an affine piece it is the response itself.
        is_decided: Whether ``likely`` is known to be right.
    """

    lower: float
    upper: float
    bound: Array
    chord: Array
    ends: tuple[Place, Place] | None
    is_piece: bool
    nearby: float
    may: tuple[float, float] = (-np.inf, np.inf)
    likely: tuple[float, float] = (-np.inf, np.inf)
    is_decided: bool = True


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a day: its parts by charge, and the clearings that took."""

    parts: tuple[Part, ...] = ()
    clearings: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """What is to be known.

    Attributes:
        edges: Edges of K cells of charges, rising from 0 to the cap, EUR/kWh, shape (K + 1,).
        allowed: The excess that may remain in each, for each goal, EUR, shape (G, K); infinite where nothing is asked.
        most: Clearings at most.
        pins: Charges at which the response itself is asked for, EUR/kWh.
    """

    edges: Array
    allowed: Array
    most: int
    pins: tuple[float, ...] = ()

    @cached_property
    def is_any(self) -> bool:
        """Whether something is asked of any cell."""
        return bool(np.isfinite(self.allowed).any())


def refined(game: StandingGame, known: Known, asked: Asked, market: ExactResponse) -> Known:
    """Return what is known of a day after clearing where more is left open than may be.

    Args:
        game: The day's game.
        known: What is known so far; nothing of it is given up.
        asked: What is to be known.
        market: What clears.

    Raises:
        ClearingError: If a charge cannot be cleared.
    """
    return _Refining(game, known, asked, market).run()


def excess_left(part: Part, asked: Asked) -> tuple[float, float]:
    """Return by how much the excess of a part is above what is allowed at most, in EUR, and the middle of where it is."""
    if part.is_piece or part.upper <= part.lower or not asked.is_any:
        return float("-inf"), part.lower
    most, middle = left_open(_LOOKED_AT, part.lower, part.upper, part.bound, part.chord, asked.edges, asked.allowed)
    return float(most), float(middle)


def is_pinned(parts: Sequence[Part], charge: float) -> bool:
    """Return whether the response at a charge is known itself: it is an end of a part, or on an affine piece."""
    return any(part.lower <= charge <= part.upper and (part.is_piece or charge in (part.lower, part.upper)) for part in parts)


class _Refining:
    """One day being refined; responses are restored when they are needed."""

    def __init__(self, game: StandingGame, known: Known, asked: Asked, market: ExactResponse) -> None:
        self.game, self.asked, self.parts = game, asked, list(known.parts)
        self.lines: list[ChargeLine] = [
            ChargeLine(game.day, game.network, game.basis, flows=game.flows, objective=goal, market=market) for goal in game.goals
        ]
        self.norms: list[Norms] = [norms(line) for line in self.lines]
        self.before = known.clearings
        self.closer = replace(asked, allowed=_LIKELY * asked.allowed)
        self.points: dict[Place, LinePoint] = {}
        self.places: dict[LinePoint, Place] = {}

    @property
    def clearings(self) -> int:
        """Clearings of this run."""
        return self.lines[0].clearings

    def run(self) -> Known:
        """Split the part that leaves most open, as long as one leaves more than it may and clearings are left."""
        if not self.parts:
            first, last = (self.lines[0].piece(charge, cap=self.game.cap) for charge in (0.0, self.game.cap))
            nearby = (first.upper - first.lower, last.upper - last.lower)
            self.parts = list(self._on_piece(first.lower_end, first.upper_end, first.response.price_change))
            self.parts += self._between(first.upper_end, last.lower_end, min(nearby))
            self.parts += self._on_piece(last.lower_end, last.upper_end, last.response.price_change) if first.upper < self.game.cap else []
        for charge in self.asked.pins:
            self._pin(charge)
        open_parts = [(*excess_left(part, self.asked), number) for number, part in enumerate(self.parts)]
        found = dict(enumerate(self.parts))
        while self.clearings < self.asked.most:
            left, at, number = max(open_parts, default=(0.0, 0.0, -1))
            if not left > 0.0:
                break
            open_parts.remove((left, at, number))
            part = found[number]
            if part.upper - part.lower <= _RESOLUTION * self.game.cap:
                continue
            del found[number]
            width = part.upper - part.lower
            charge = min(max(at, part.lower + _CENTRE * width), part.upper - _CENTRE * width)
            for new in self._split(part, charge, whole=part.nearby >= _WORTH * width):
                number = len(self.parts)
                self.parts.append(new)
                found[number] = new
                open_parts.append((*excess_left(new, self.asked), number))
        parts = sorted(found.values(), key=lambda part: (part.lower, part.upper))
        return Known(tuple(self._kept(part) for part in parts), self.before + self.clearings)

    def _kept(self, part: Part) -> Part:
        """Return a part without its ends, which are most of what is kept, where it is unlikely that more will be asked."""
        if not self.asked.is_any or excess_left(part, self.closer)[0] > 0.0:
            return part
        return replace(part, ends=None)

    def _pin(self, charge: float) -> None:
        """Split the part in which a charge lies there, with the whole piece around it."""
        if is_pinned(self.parts, charge):
            return
        number = next(number for number, part in enumerate(self.parts) if part.lower < charge < part.upper)
        self.parts[number : number + 1] = self._split(self.parts[number], charge, whole=True)

    def _split(self, part: Part, charge: float, *, whole: bool) -> list[Part]:
        """Clear within a part, and return what it falls into; ``whole`` asks for the affine piece around the charge."""
        left, right = self._ends(part)
        start = way_point(self.lines[0], left, right, charge)
        if not whole:
            middle = self.lines[0].cleared(charge, start=start)
            return [*self._between(left, middle, part.nearby), *self._between(middle, right, part.nearby)]
        piece = self.lines[0].piece(charge, cap=self.game.cap, start=start)
        width = piece.upper - piece.lower
        # Both ends take the piece's own prices: those of a neighbour may be others where storage is idle, and bounds would pay for that.
        low = piece.lower_end if piece.lower > part.lower else piece.at(part.lower)
        high = piece.upper_end if piece.upper < part.upper else piece.at(part.upper)
        slope = piece.response.price_change
        if low.charge == high.charge:  # the piece is the charge itself
            return [*self._between(left, low, width, slope), *self._between(low, right, width, slope)]
        return [*self._between(left, low, width, slope), *self._on_piece(low, high, slope), *self._between(high, right, width, slope)]

    def _ends(self, part: Part) -> tuple[LinePoint, LinePoint]:
        """Return the responses at both ends, cleared again where they were not kept."""
        line = self.lines[0]
        if part.ends is None:
            return line.cleared(part.lower), line.cleared(part.upper)
        left, right = (self._restored(end) for end in part.ends)
        return left, right

    def _restored(self, end: Place) -> LinePoint:
        if end not in self.points:
            variables = responding(self.lines[0].flat, end.prices, end.charge, end.loose)
            point = self.lines[0].restored(end.charge, variables, end.prices, np.zeros_like(end.prices))
            self.points[end], self.places[point] = point, end
        return self.points[end]

    def _place(self, point: LinePoint) -> Place:
        """Return a response in a form that takes little room."""
        if point not in self.places:
            end = Place(point.charge, point.prices, point.variables[point.n_curved :].copy())
            self.points[end], self.places[point] = point, end
        return self.places[point]

    def _on_piece(self, low: LinePoint, high: LinePoint, price_change: Array) -> Iterator[Part]:
        """Yield the parts of an affine piece: it is cut where a branch reaches its limit, since the goal has a kink there."""
        if not low.charge < high.charge:
            return
        shares = [0.0, *Chord(self.lines[0], low, high).crossings, 1.0]
        for first, last in pairwise([self._between_points(low, high, share) for share in shares]):
            yield from self._between(first, last, last.charge - first.charge, price_change, is_piece=True)

    def _between_points(self, low: LinePoint, high: LinePoint, share: float) -> LinePoint:
        """Return the response at a share of an affine piece."""
        if share in (0.0, 1.0):
            return (low, high)[int(share)]
        variables, prices = ((1.0 - share) * a + share * b for a, b in ((low.variables, high.variables), (low.prices, high.prices)))
        return self.lines[0].restored(low.charge + share * (high.charge - low.charge), variables, prices, np.zeros_like(prices))

    def _between(
        self, left: LinePoint, right: LinePoint, nearby: float, price_change: Array | None = None, *, is_piece: bool = False
    ) -> Iterator[Part]:
        """Yield the part between two responses, if there is any."""
        if not left.charge < right.charge:
            return
        chords = [Chord(line, left, right) for line in self.lines]
        bound = np.array([between(each, norm, price_change=price_change) for each, norm in zip(chords, self.norms, strict=True)])
        chord = np.array([_along(each) for each in chords])
        ends = (self._place(left), self._place(right))
        part = Part(lower=left.charge, upper=right.charge, bound=bound, chord=chord, ends=ends, is_piece=is_piece, nearby=nearby)
        if self.game.hard_limits:
            may, likely, is_decided = secure_between(chords[0], self.norms[0], cap=self.game.cap, is_piece=is_piece)
            part = replace(part, may=may, likely=likely, is_decided=is_decided)
        yield part


def _along(chord: Chord) -> Array:
    """Return quadratics through the goal along the chord at both ends and in the middle of each share of it, shape (M, 3)."""
    price = chord.line.day.overload_price * chord.line.day.period_hours
    t = np.linspace(0.0, 1.0, 2 * SLICES + 1)
    goal = np.stack([np.ones_like(t), t, t * t]).T @ chord.goal
    if price > 0:
        limit, change = chord.line.network.grid.branch_limit_kw, chord.flow_change_kw
        if np.any(np.maximum(np.abs(chord.left.flow_kw), np.abs(chord.right.flow_kw)) > limit):
            flow = np.abs(chord.left.flow_kw + t[:, None, None] * change)
            goal = goal - price * np.maximum(flow - limit, 0.0).sum(axis=(1, 2))
    start, middle, end = goal[:-1:2], goal[1::2], goal[2::2]
    bend = 2.0 * (start - 2.0 * middle + end)
    return np.stack([start, end - start - bend, bend], axis=1)


def parts_of(known: Sequence[Known]) -> int:
    """Return how many parts there are in all."""
    return sum(len(each.parts) for each in known)
