"""The whole curve of the leader's goal over the charge: exact quadratics on solved pieces, a band between bounds elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from ....envs.community.day import Array
from ....envs.files import write_atomically
from ....envs.market.mechanism import ExactResponse
from .bounds import Norms, lower_bound, norms, upper_bound
from .certificate import OptimumCertificate
from .chord import Chord
from .line import ChargeLine, LinePoint, Piece

COLUMNS = (
    "lower",
    "upper",
    "kind",
    "goal_at_lower_eur",
    "goal_at_upper_eur",
    "constant_eur",
    "linear_eur_per_charge",
    "quadratic_eur_per_charge2",
    "lower_bound_eur",
    "upper_bound_eur",
)
"""Columns of the CSV file. Coefficients are of the charge less ``lower``, and empty where only bounds are known."""


@dataclass(frozen=True)
class Stretch:
    """What is known of the goal between two charges.

    Attributes:
        lower: Least charge, EUR/kWh.
        upper: Greatest charge, EUR/kWh.
        kind: ``"exact"`` on an affine piece of the response, ``"bounded"`` elsewhere.
        at_lower_eur: The goal at the lower end, exact in either case.
        at_upper_eur: The goal at the upper end.
        coefficients: The goal at ``lower`` + s is their sum times 1, s and s²; None where only bounds are known.
        lower_bound_eur: The goal is nowhere less.
        upper_bound_eur: The goal is nowhere greater.
    """

    lower: float
    upper: float
    kind: Literal["exact", "bounded"]
    at_lower_eur: float
    at_upper_eur: float
    coefficients: tuple[float, float, float] | None
    lower_bound_eur: float
    upper_bound_eur: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ProfitCurve:
    """The goal over all charges from 0 to the cap; stretches follow one another without holes."""

    stretches: tuple[Stretch, ...]
    objective: str
    charge: float
    best_eur: float
    upper_bound_eur: float
    clearings: int

    def band(self, per_stretch: int = 12) -> tuple[Array, Array, Array]:
        """Return charges with a lower and an upper bound of the goal at each, which meet where it is known exactly, shapes (n,)."""
        rows = []
        for part in self.stretches:
            if part.coefficients is None:
                rows += [(part.lower, part.lower_bound_eur, part.upper_bound_eur), (part.upper, part.lower_bound_eur, part.upper_bound_eur)]
                continue
            steps = np.linspace(0.0, part.upper - part.lower, per_stretch)
            goal = np.polynomial.polynomial.polyval(steps, part.coefficients)
            rows += [(part.lower + step, value, value) for step, value in zip(steps.tolist(), goal.tolist(), strict=True)]
        charges, low, high = np.array(rows).T
        return charges, low, high

    def write_csv(self, path: str | Path) -> None:
        """Write one row per stretch, whole or not at all; numbers read back exactly."""
        lines = [",".join(COLUMNS)]
        for part in self.stretches:
            coefficients = ("", "", "") if part.coefficients is None else tuple(map(repr, part.coefficients))
            numbers = (part.at_lower_eur, part.at_upper_eur)
            bounds = (part.lower_bound_eur, part.upper_bound_eur)
            row = (repr(part.lower), repr(part.upper), part.kind, *map(repr, numbers), *coefficients, *map(repr, bounds))
            lines.append(",".join(row))
        write_atomically(path, lambda file: file.write(("\n".join(lines) + "\n").encode()))


def profit_curve(certificate: OptimumCertificate, *, n: int = 60, market: ExactResponse | None = None) -> ProfitCurve:
    """Work out the curve from a certificate: its solved pieces exactly, and every gap wider than cap/n split until none is.

    Args:
        certificate: The proof of an optimum, with or without hard limits; the curve is of the goal whether limits are kept or not.
        n: Intervals of the charge to tell apart at least.
        market: What clears; a new :class:`~gridtoll.envs.market.exact.P2PMarket` where absent.

    Raises:
        ValueError: If n is below 1.
        ClearingError: If the market cannot clear a charge.
    """
    if n < 1:
        raise ValueError(f"`n` must be at least 1, got {n}.")
    line = ChargeLine(
        certificate.day,
        certificate.network,
        certificate.basis,
        flows=certificate.flows,
        objective=certificate.objective,
        market=market,
    )
    cap = certificate.charge_cap
    starts = [0.0, cap, *(0.5 * (piece.lower + piece.upper) for piece in certificate.pieces)]
    pieces = _disjoint([line.piece(charge, cap=cap) for charge in sorted(set(starts))])
    while True:
        wide = [(one.upper, other.lower) for one, other in pairwise(pieces) if other.lower - one.upper > cap / n]
        if not wide:
            break
        pieces = _disjoint(pieces + [line.piece(0.5 * (low + high), cap=cap) for low, high in wide])
    widths = norms(line)
    stretches: list[Stretch] = []
    for number, piece in enumerate(pieces):
        stretches += _exact(line, piece, from_charge=stretches[-1].upper if stretches else 0.0)
        if number + 1 < len(pieces) and pieces[number + 1].lower > piece.upper:
            stretches.append(_bounded(line, widths, piece.upper_end, pieces[number + 1].lower_end))
    return ProfitCurve(
        stretches=tuple(stretches),
        objective=certificate.objective,
        charge=certificate.charge,
        best_eur=certificate.best_eur,
        upper_bound_eur=certificate.upper_bound_eur,
        clearings=line.clearings,
    )


def _disjoint(pieces: list[Piece]) -> list[Piece]:
    """Return pieces by charge without those that lie within another."""
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.lower, -piece.upper)):
        if not kept or piece.upper > kept[-1].upper:
            kept.append(piece)
    return kept


def _exact(line: ChargeLine, piece: Piece, *, from_charge: float) -> list[Stretch]:
    """Return a piece, from a charge on, cut where a branch reaches its limit, so that each part is one quadratic."""
    chord = Chord(line, piece.lower_end, piece.upper_end)
    if not chord.width > 0:
        return []
    price = line.day.overload_price * line.day.period_hours
    first = min(max(0.0, (from_charge - piece.lower) / chord.width), 1.0)
    parts = []
    for low, high in pairwise([first, *(t for t in chord.crossings if t > first), 1.0]):
        level, slope = chord.overload_kw(0.5 * (low + high)) if price > 0 else (0.0, 0.0)
        constant, linear, square = (float(value) for value in chord.goal - price * np.array([level, slope, 0.0]))
        shifted = (constant + low * linear + low * low * square, (linear + 2.0 * low * square) / chord.width, square / chord.width**2)
        ends = [piece.lower + t * chord.width if t < 1.0 else piece.upper for t in (low, high)]
        ends[0] = max(ends[0], from_charge) if low == first else ends[0]
        values = [chord.at(low), chord.at(high)]
        peak = -0.5 * shifted[1] / shifted[2] if shifted[2] != 0 else 0.0
        inside = [shifted[0] + peak * shifted[1] + peak * peak * shifted[2]] if 0.0 < peak < ends[1] - ends[0] else []
        parts.append(Stretch(ends[0], ends[1], "exact", values[0], values[1], shifted, min(values + inside), max(values + inside)))
    return parts


def _bounded(line: ChargeLine, widths: Norms, left: LinePoint, right: LinePoint) -> Stretch:
    highest, _ = upper_bound(line, widths, left, right)
    lowest = lower_bound(line, widths, left, right)
    ends = (left.goal_eur, right.goal_eur)
    return Stretch(left.charge, right.charge, "bounded", *ends, None, min(lowest, *ends), max(highest, *ends))
