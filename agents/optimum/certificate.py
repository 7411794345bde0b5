"""The proof that comes with an optimum: which charges were solved exactly, and a bound on all the others.

A certificate covers [0, cap] without holes by affine pieces of the followers' response, whose best charge is known in closed form, and by
gaps none of whose charges can take the objective above a bound. It can be checked by anyone: :meth:`Certificate.verify` clears its
witnesses again, by another solver if wished, and reckons every piece and every bound anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from ...envs.clearing.market import Market, P2PMarket
from ...envs.day import Array, Day
from ...envs.files import write_atomically
from ...envs.network import Network
from ...envs.reward import Objective
from ...envs.settlement import Flows
from .bounds import norms, secure_part, upper_bound
from .chord import Chord
from .line import ChargeLine, LinePoint

_AGREE = 1e-8  # share of the day's turnover to which independent clearings must agree
_FORMAT = "gridtoll optimum certificate 1"
_SCALARS = ("flows", "objective", "charge_cap", "charge", "best_eur", "upper_bound_eur", "hard_limits")
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
        charge: The best charge found; NaN where no charge keeps every branch within its limit.
        best_eur: The objective there; minus infinity where there is none.
        upper_bound_eur: No charge in [0, cap] takes the objective higher.
        pieces: Solved pieces, by charge.
        gaps: Bounded intervals between them, by charge.
        hard_limits: Whether only charges count that keep every branch within its limit.
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
    hard_limits: bool = False

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
        tolerance = _AGREE * line.turnover_eur
        solver, worst = line.clear(self.charge if isfinite(self.charge) else self.charge_cap).solver, 0.0
        if isfinite(self.charge):
            best = line.cleared(self.charge)
            worst = abs(best.goal_eur - self.best_eur)
            if worst > tolerance:
                raise CertificateError(
                    f"the charge of {self.charge!r} EUR/kWh must earn {self.best_eur!r} EUR; it is off by {worst:.3g} EUR."
                )
            if self.hard_limits and secure_part(Chord(line, best, best))[1] < 1.0:
                raise CertificateError(f"the charge of {self.charge!r} EUR/kWh must keep every branch within its limit, and does not.")
        tops: dict[float, LinePoint] = {}
        feet: dict[float, LinePoint] = {}
        for piece in self.pieces:
            worst = max(worst, self._check_piece(line, piece, feet, tops, tolerance))
        return Verification(line.clearings, worst, self._check_gaps(line, tops, feet, tolerance), solver)

    def _check_piece(
        self, line: ChargeLine, piece: SolvedPiece, feet: dict[float, LinePoint], tops: dict[float, LinePoint], tolerance: float
    ) -> float:
        """Clear both ends, which go to ``feet`` and ``tops``, and its best charge; return the greatest difference from what is stated.

        That the response is affine in between follows from the ends alone: by :mod:`.bounds` it is where w·Δq = ‖x_b − x_a‖².
        """
        low, high, best = line.cleared(piece.lower), line.cleared(piece.upper), line.cleared(piece.best_charge)
        product = (high.charge - low.charge) * (low.charged_kwh - high.charged_kwh)
        step = high.curved - low.curved
        if product - float(step @ step) > _AFFINE * product + tolerance:
            raise CertificateError(
                f"the response must be affine from {piece.lower!r} to {piece.upper!r} EUR/kWh; clearing both ends again "
                "shows a bend between."
            )
        chord = Chord(line, low, high)
        first, last = secure_part(chord) if self.hard_limits else (0.0, 1.0)
        found = chord.peak(first, last)[1] if first <= last else -inf
        middle = line.piece(0.5 * (piece.lower + piece.upper), cap=self.charge_cap)
        feet[piece.lower], tops[piece.upper] = line.relieved(low, middle), line.relieved(high, middle)
        if not isfinite(piece.best_eur):
            if found > self.upper_bound_eur + tolerance:
                raise CertificateError(
                    f"no charge from {piece.lower!r} to {piece.upper!r} EUR/kWh may keep every branch within its limit, but one does, and "
                    f"earns {found!r} EUR."
                )
            return 0.0
        difference = max(abs(best.goal_eur - piece.best_eur), abs(found - piece.best_eur))
        if difference > tolerance:
            raise CertificateError(
                f"the best charge from {piece.lower!r} to {piece.upper!r} EUR/kWh must be {piece.best_charge!r} with {piece.best_eur!r} "
                f"EUR; clearing again gives {best.goal_eur!r} EUR there, and {found!r} EUR at best."
            )
        return difference

    def _check_gaps(self, line: ChargeLine, tops: dict[float, LinePoint], feet: dict[float, LinePoint], tolerance: float) -> float:
        """Bound every gap anew from the pieces beside it, and return by how much a bound exceeds the stated one at most.

        Clearings that were certified count as feasible here: what the search granted to its own primal residuals is in the stated bound,
        and another solver's are not the proof's.
        """
        widths = norms(line)
        excess = float("-inf")
        for gap in self.gaps:
            if gap.lower not in tops or gap.upper not in feet:
                raise CertificateError(f"a gap must lie between two solved pieces; none ends at {gap.lower!r} or at {gap.upper!r} EUR/kWh.")
            left, right = (replace(end, missed_eur=0.0) for end in (tops[gap.lower], feet[gap.upper]))
            bound, _ = upper_bound(line, widths, left, right, target=self.upper_bound_eur, hard_limits=self.hard_limits)
            if isfinite(bound):
                excess = max(excess, bound - self.upper_bound_eur)
            if excess > tolerance:
                raise CertificateError(
                    f"no charge from {gap.lower!r} to {gap.upper!r} EUR/kWh may exceed {self.upper_bound_eur!r} EUR, but clearing both "
                    f"ends again only bounds it by {bound!r}."
                )
        return excess

    def save(self, path: str | Path) -> None:
        """Keep the proof as a JSON file; numbers are written so that they read back exactly. The day itself is kept as a hash only."""
        parts = {name: [asdict(part) for part in getattr(self, name)] for name in ("pieces", "gaps")}
        values = {name: getattr(self, name) for name in _SCALARS} | parts
        content = {"format": _FORMAT, "content": content_hash(self.day, self.network, self.basis)} | values
        text = json.dumps(_without_infinity(content), indent=1, allow_nan=False) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))

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


def load_certificate(path: str | Path, day: Day, network: Network, basis: Array) -> Certificate:
    """Read a proof that was saved, for checking it with :meth:`Certificate.verify`.

    Args:
        path: The file.
        day: The day it is about.
        network: Where the prosumers sit.
        basis: The tariff's basis, shape (N, N).

    Raises:
        ValueError: If the file is no certificate, or is about another day, network or tariff.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        values = {name: content[name] for name in _SCALARS}
        pieces = tuple(SolvedPiece(**_with_infinity(part)) for part in content["pieces"])
        gaps = tuple(PrunedGap(**_with_infinity(part)) for part in content["gaps"])
        stated, form = content["content"], content["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must hold a certificate written by `Certificate.save`, and does not: {error!r}.") from None
    if form != _FORMAT:
        raise ValueError(f"{path} must be of format {_FORMAT}, got {form!r}.")
    expected = content_hash(day, network, basis)
    if stated != expected:
        raise ValueError(
            f"{path} is about other data than day {day.label!r} with this network and tariff: it states "
            f"{stated[:12]}, these are {expected[:12]}."
        )
    return Certificate(day=day, network=network, basis=basis, pieces=pieces, gaps=gaps, **_with_infinity(values))


def content_hash(day: Day, network: Network, basis: Array) -> str:
    """Return a hash of everything an optimum depends on, but for flows, objective and cap: the day's label does not count."""
    digest = hashlib.sha256()
    grid = network.grid
    parts = {field.name: getattr(day, field.name) for field in fields(day) if field.name != "label"}
    parts |= {"ptdf": network.prosumer_ptdf, "loss": grid.loss_coefficient, "limit": grid.branch_limit_kw, "basis": basis}
    if day.base_injection.any():
        parts["buses"] = grid.ptdf
    for name in sorted(parts):
        array = np.ascontiguousarray(parts[name], dtype=np.float64) + 0.0  # so that −0 and 0 are one
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _without_infinity(value: Any) -> Any:
    """Return JSON's own types, with null for what is not attained: minus infinity, or NaN."""
    match value:
        case dict():
            return {key: _without_infinity(item) for key, item in value.items()}
        case list():
            return [_without_infinity(item) for item in value]
        case float():
            return value if isfinite(value) else None
        case _:
            return value


def _with_infinity(values: dict[str, Any]) -> dict[str, Any]:
    missing = {name: -inf if name.endswith("_eur") else nan for name, value in values.items() if value is None}
    return values | missing
