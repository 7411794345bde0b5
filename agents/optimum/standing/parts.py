"""What is known of one day over all charges: parts that cover [0, cap], each with a quadratic that the day's goals do not exceed.

A part lies between two charges whose responses are known (:mod:`..one_charge.line`). On one affine piece of the response its quadratic is
the goal itself; elsewhere it is the bound of :mod:`..one_charge.majorant`. What is known is refined by clearing a charge within a part and
taking the whole affine piece around it: the part falls into three. A day is refined only where it is asked to be, by cells of charges with
a bound on the excess, of the quadratic over what the goal would be along the chord, that may remain there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
from ..one_charge.majorant import majorant

_CENTRE: Final = 0.02  # as in the search of one day: a part is never split closer than this share of its width to an end
_RESOLUTION: Final = 1e-13  # share of the cap below which two charges are not told apart
_LIKELY: Final = 0.1  # of what may remain: parts with less are not refined again as a rule
_LOOKED_AT: Final = 5  # shares of a cell at which what remains is compared with what may


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
    """

    day: Day
    network: Network
    basis: Array
    flows: Flows
    goals: tuple[ExactObjective, ...]
    cap: float


@dataclass(frozen=True, eq=False)
class Place:
    """What a response can be restored from: its charge, variables, prices and relief."""

    charge: float
    variables: Array
    prices: Array
    relief: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """An interval of charges of one day.

    Attributes:
        lower: Its least charge, EUR/kWh.
        upper: Its greatest.
        bound: For each goal a quadratic in t that it does not exceed, t running from 0 to 1; lowest power first, EUR, shape (G, 3).
        chord: The same of what the goal would be along the chord: an estimate, and the goal itself on an affine piece.
        ends: The responses at both ends; None where nothing will be asked of the part any more.
    """

    lower: float
    upper: float
    bound: Array
    chord: Array
    ends: tuple[Place, Place] | None


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
    """

    edges: Array
    allowed: Array
    most: int


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
    """Return by how much the excess of a part is above what is allowed at most, in EUR, and the charge where it is."""
    cells = slice(max(int(np.searchsorted(asked.edges, part.lower, "right")) - 1, 0), int(np.searchsorted(asked.edges, part.upper, "left")))
    allowed = asked.allowed[:, cells]
    if part.upper <= part.lower or not np.isfinite(allowed).any():
        return float("-inf"), part.lower
    lower, upper = np.maximum(asked.edges[:-1][cells], part.lower), np.minimum(asked.edges[1:][cells], part.upper)
    charge = lower + np.linspace(0.0, 1.0, _LOOKED_AT)[:, None] * (upper - lower)  # (5, cells)
    t = (charge - part.lower) / (part.upper - part.lower)
    over = part.bound - part.chord  # (G, 3)
    left = over[:, 0, None, None] + over[:, 1, None, None] * t + over[:, 2, None, None] * t * t - allowed[:, None, :]
    worst = np.unravel_index(int(np.argmax(left)), left.shape)
    return float(left[worst]), float(charge[worst[1], worst[2]])


class _Refining:
    """One day being refined; responses are restored when they are needed."""

    def __init__(self, game: StandingGame, known: Known, asked: Asked, market: ExactResponse) -> None:
        self.game, self.asked, self.parts = game, asked, list(known.parts)
        self.lines: list[ChargeLine] = [
            ChargeLine(game.day, game.network, game.basis, flows=game.flows, objective=goal, market=market) for goal in game.goals
        ]
        self.norms: list[Norms] = [norms(line) for line in self.lines]
        self.before = known.clearings
        self.points: dict[int, LinePoint] = {}

    @property
    def clearings(self) -> int:
        """Clearings of this run."""
        return self.lines[0].clearings

    def run(self) -> Known:
        """Split the part that leaves most open, as long as one leaves more than it may and clearings are left."""
        if not self.parts:
            first, last = (self.lines[0].piece(charge, cap=self.game.cap) for charge in (0.0, self.game.cap))
            self.parts = [*self._on_piece(first.lower_end, first.upper_end), *self._between(first.upper_end, last.lower_end)]
            self.parts += self._on_piece(last.lower_end, last.upper_end) if first.upper < self.game.cap else []
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
            fell_into = self._split(part, at)
            for new in fell_into:
                number = len(self.parts)
                self.parts.append(new)
                found[number] = new
                if len(fell_into) > 1:  # else it is one affine piece, of which no more can be known
                    open_parts.append((*excess_left(new, self.asked), number))
        parts = sorted(found.values(), key=lambda part: (part.lower, part.upper))
        return Known(tuple(self._kept(part) for part in parts), self.before + self.clearings)

    def _kept(self, part: Part) -> Part:
        """Return a part without its ends, which are most of what is kept, where it is unlikely that more will be asked."""
        closer = replace(self.asked, allowed=_LIKELY * self.asked.allowed)
        return part if excess_left(part, closer)[0] > 0.0 else replace(part, ends=None)

    def _split(self, part: Part, at: float) -> list[Part]:
        """Clear within a part, and return what it falls into."""
        left, right = self._ends(part)
        width = part.upper - part.lower
        charge = min(max(at, part.lower + _CENTRE * width), part.upper - _CENTRE * width)
        piece = self.lines[0].piece(charge, cap=self.game.cap)
        # Both ends take the piece's own prices: those of a neighbour may be others where storage is idle, and bounds would pay for that.
        low = piece.lower_end if piece.lower > part.lower else piece.at(part.lower)
        high = piece.upper_end if piece.upper < part.upper else piece.at(part.upper)
        return [*self._between(left, low), *self._on_piece(low, high), *self._between(high, right)]

    def _ends(self, part: Part) -> tuple[LinePoint, LinePoint]:
        """Return the responses at both ends, cleared again where they were not kept."""
        line = self.lines[0]
        if part.ends is None:
            return line.piece(part.lower, cap=self.game.cap).at(part.lower), line.piece(part.upper, cap=self.game.cap).at(part.upper)
        left, right = (line.restored(end.charge, end.variables, end.prices, end.relief) for end in part.ends)
        return left, right

    def _on_piece(self, low: LinePoint, high: LinePoint) -> Iterator[Part]:
        """Yield the parts of an affine piece: it is cut where a branch reaches its limit, since the goal has a kink there."""
        shares = [0.0, *Chord(self.lines[0], low, high).crossings, 1.0] if low.charge < high.charge else [0.0, 1.0]
        for first, last in pairwise([self._between_points(low, high, share) for share in shares]):
            yield from self._between(first, last)

    def _between_points(self, low: LinePoint, high: LinePoint, share: float) -> LinePoint:
        """Return the response at a share of an affine piece."""
        if share in (0.0, 1.0):
            return (low, high)[int(share)]
        mixed = [(1.0 - share) * a + share * b for a, b in zip(_vectors(low), _vectors(high), strict=True)]
        return self.lines[0].restored(low.charge + share * (high.charge - low.charge), *mixed)

    def _between(self, left: LinePoint, right: LinePoint) -> Iterator[Part]:
        """Yield the part between two responses, if there is any."""
        if not left.charge < right.charge:
            return
        bound = [majorant(line, norm, left, right) for line, norm in zip(self.lines, self.norms, strict=True)]
        chord = [_along(Chord(line, left, right)) for line in self.lines]
        ends = (Place(left.charge, *_vectors(left)), Place(right.charge, *_vectors(right)))
        yield Part(lower=left.charge, upper=right.charge, bound=np.array(bound), chord=np.array(chord), ends=ends)


def _vectors(point: LinePoint) -> tuple[Array, Array, Array]:
    return point.variables, point.prices, point.relief


def _along(chord: Chord) -> Array:
    """Return the quadratic through the goal along the chord at both ends and in the middle, shape (3,)."""
    price = chord.line.day.overload_price * chord.line.day.period_hours

    def goal(t: float) -> float:
        level, slope = chord.overload_kw(t) if price > 0 else (0.0, 0.0)
        return float(chord.goal @ (1.0, t, t * t)) - price * (level + t * slope)

    return through(goal(0.0), goal(0.5), goal(1.0))


def through(start: float, middle: float, end: float) -> Array:
    """Return the quadratic with these values at 0, ½ and 1, lowest power first, shape (3,)."""
    bend = 2.0 * (start - 2.0 * middle + end)
    return np.array([start, end - start - bend, bend])


def parts_of(known: Sequence[Known]) -> int:
    """Return how many parts there are in all."""
    return sum(len(each.parts) for each in known)
