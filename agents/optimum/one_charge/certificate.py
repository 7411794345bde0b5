"""The proof that comes with an optimum: which charges were solved exactly, and a bound on all the others.

A certificate covers [0, cap] without holes by affine pieces of the followers' response, whose best charge is known in closed form, and by
gaps none of whose charges can take the objective above a bound. It can be checked by anyone: :meth:`OptimumCertificate.verify` clears its
witnesses again, by another solver if wished, and shows every piece and every bound by arithmetic that the search does not use
(:mod:`..verification`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from ....envs.account.objective import ExactObjective
from ....envs.account.settlement import Flows
from ....envs.community.day import Array, Day
from ....envs.files import write_atomically
from ....envs.grid.network import Network
from ....envs.market.exact.market import P2PMarket
from ....envs.market.mechanism import ExactResponse
from ..verification import CertificateError, Check, Verification

__all__ = ["CertificateError", "OptimumCertificate", "PrunedGap", "SolvedPiece", "Verification", "content_hash", "load_certificate"]

_FORMAT = "gridtoll optimum certificate 1"
_SCALARS = ("flows", "objective", "charge_cap", "charge", "best_eur", "upper_bound_eur", "hard_limits")


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


@dataclass(frozen=True, eq=False, kw_only=True)
class OptimumCertificate:
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
    objective: ExactObjective
    charge_cap: float
    charge: float
    best_eur: float
    upper_bound_eur: float
    pieces: tuple[SolvedPiece, ...]
    gaps: tuple[PrunedGap, ...]
    hard_limits: bool = False

    def verify(self, *, market: ExactResponse | None = None) -> Verification:
        """Check the whole proof with new clearings and arithmetic of its own: three clearings a piece, and the bound of each gap anew.

        Args:
            market: What clears; CVXPY and Clarabel where absent. Its answers are checked as well.

        Raises:
            CertificateError: If a charge is not covered, a stated number is contradicted or is none, or a bound does not follow.
        """
        return Check(self, P2PMarket() if market is None else market).run()

    def save(self, path: str | Path) -> None:
        """Keep the proof as a JSON file; numbers are written so that they read back exactly. The day itself is kept as a hash only."""
        text = json.dumps(self.content(), indent=1, allow_nan=False) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))

    def content(self) -> dict[str, Any]:
        """Return the proof in JSON's own types: what :meth:`save` writes and :func:`certificate_of` reads."""
        parts = {name: [asdict(part) for part in getattr(self, name)] for name in ("pieces", "gaps")}
        values = {name: getattr(self, name) for name in _SCALARS} | parts
        stated: dict[str, Any] = _without_infinity(
            {"format": _FORMAT, "content": content_hash(self.day, self.network, self.basis)} | values
        )
        return stated


def load_certificate(path: str | Path, day: Day, network: Network, basis: Array) -> OptimumCertificate:
    """Read a proof that was saved, for checking it with :meth:`OptimumCertificate.verify`.

    Args:
        path: The file.
        day: The day it is about.
        network: Where the prosumers sit.
        basis: The tariff's basis, shape (N, N).

    Raises:
        ValueError: If the file is no certificate, or is about another day, network or tariff.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must hold a certificate written by `Certificate.save`, and does not: {error!r}.") from None
    return certificate_of(content, day, network, basis, source=str(path))


def certificate_of(content: Any, day: Day, network: Network, basis: Array, *, source: str) -> OptimumCertificate:
    """Return the proof that :meth:`OptimumCertificate.content` gave.

    Args:
        content: The proof in JSON's own types.
        day: The day it is about.
        network: Where the prosumers sit.
        basis: The tariff's basis, shape (N, N).
        source: Where it comes from, for messages.

    Raises:
        ValueError: If it is no certificate, or is about another day, network or tariff.
    """
    try:
        values = {name: content[name] for name in _SCALARS}
        pieces = tuple(SolvedPiece(**_with_infinity(part)) for part in content["pieces"])
        gaps = tuple(PrunedGap(**_with_infinity(part)) for part in content["gaps"])
        stated, form = content["content"], content["format"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{source} must hold a certificate written by `Certificate.save`, and does not: {error!r}.") from None
    if form != _FORMAT:
        raise ValueError(f"{source} must be of format {_FORMAT}, got {form!r}.")
    expected = content_hash(day, network, basis)
    if stated != expected:
        raise ValueError(
            f"{source} is about other data than day {day.label!r} with this network and tariff: it states "
            f"{stated[:12]}, these are {expected[:12]}."
        )
    return OptimumCertificate(day=day, network=network, basis=basis, pieces=pieces, gaps=gaps, **_with_infinity(values))


def content_hash(day: Day, network: Network, basis: Array) -> str:
    """Return a hash of everything an optimum depends on, but for flows, objective and cap: the day's label does not count.

    Args:
        day: The day.
        network: Where the prosumers sit.
        basis: B, what a coefficient of 1 charges per kWh and pair, shape (N, N) or (T, N, N).
    """
    digest = hashlib.sha256()
    grid = network.grid
    parts = {field.name: getattr(day, field.name) for field in fields(day) if field.name != "label"}
    parts |= {"ptdf": network.prosumer_ptdf, "loss": grid.loss_coefficient, "limit": grid.branch_limit_kw, "basis": basis}
    if day.base_injection.any():
        parts["buses"] = grid.ptdf
    if grid.row_offset_kw is not None:
        parts["offset"] = grid.row_offset_kw
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
