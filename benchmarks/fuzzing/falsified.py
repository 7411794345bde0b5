"""Proofs made false in many ways: a verifier that accepts one of them is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from gridtoll.agents.optimum import OptimumCertificate, PrunedGap

NUMBERS = (math.nan, math.inf, -math.inf)


def falsified(certificate: OptimumCertificate, by_eur: float, random: np.random.Generator) -> Iterator[tuple[str, OptimumCertificate]]:
    """Yield false proofs, each with what is false in it.

    Args:
        certificate: A right proof.
        by_eur: How much is claimed too much or too little, EUR; well above what the verifier lets two clearings differ by.
        random: Chooses pieces and numbers.
    """
    yield from _no_numbers(certificate, random)
    yield from _holes(certificate, random)
    if not math.isfinite(certificate.best_eur):
        return
    best, roomy = certificate.best_eur, replace(certificate, upper_bound_eur=certificate.upper_bound_eur + 10.0 * by_eur)
    yield "more is earned", replace(roomy, best_eur=best + by_eur)
    yield "less is earned", replace(certificate, best_eur=best - by_eur)
    low = best - by_eur
    pieces = tuple(replace(piece, best_eur=min(piece.best_eur, low)) for piece in certificate.pieces)
    gaps = tuple(replace(gap, bound_eur=min(gap.bound_eur, low)) for gap in certificate.gaps)
    yield "everything is bounded lower", replace(certificate, upper_bound_eur=low, best_eur=low, pieces=pieces, gaps=gaps)
    number = int(random.integers(len(certificate.pieces)))
    piece = certificate.pieces[number]
    if math.isfinite(piece.best_eur):
        for sign, what in ((1.0, "more"), (-1.0, "less")):
            changed = replace(piece, best_eur=piece.best_eur + sign * by_eur)
            yield f"{what} is earned on a piece", replace(roomy, pieces=_with(certificate.pieces, number, changed))
    others = [piece for piece in certificate.pieces if piece.best_eur < best - by_eur and math.isfinite(piece.best_eur)]
    if others:
        other = others[int(random.integers(len(others)))]
        yield "another charge earns as much", replace(certificate, charge=other.best_charge)
    yield from _dropped(certificate, by_eur)


def _no_numbers(certificate: OptimumCertificate, random: np.random.Generator) -> Iterator[tuple[str, OptimumCertificate]]:
    """Numbers that are none; minus infinity and NaN are numbers' absence where no charge is secure, so that only others are put there."""
    name = str(random.choice(["charge_cap", "upper_bound_eur"]))
    changes: dict[str, Any] = {name: math.inf}
    yield f"{name} is infinite", replace(certificate, **changes)
    for kind in ("pieces", "gaps"):
        parts = getattr(certificate, kind)
        if parts:
            number = int(random.integers(len(parts)))
            field = fields(parts[0])[int(random.integers(len(fields(parts[0]))))].name
            value = float(random.choice(NUMBERS))
            if field.endswith("_eur") and certificate.hard_limits:
                value = math.nan
            changes = {field: value}
            changes = {kind: _with(parts, number, replace(parts[number], **changes))}
            yield f"{kind}[{number}].{field} is {value}", replace(certificate, **changes)


def _holes(certificate: OptimumCertificate, random: np.random.Generator) -> Iterator[tuple[str, OptimumCertificate]]:
    for kind in ("pieces", "gaps"):
        parts = [part for part in getattr(certificate, kind) if part.upper > part.lower]
        if parts:
            gone = parts[int(random.integers(len(parts)))]
            changes: dict[str, Any] = {kind: tuple(part for part in getattr(certificate, kind) if part is not gone)}
            false = replace(certificate, **changes)
            if not _covers(false):
                yield f"one of the {kind} is gone", false


def _dropped(certificate: OptimumCertificate, by_eur: float) -> Iterator[tuple[str, OptimumCertificate]]:
    """The pieces that earn most are gone, and gaps stand in their place that claim nothing is to be earned there."""
    short = certificate.best_eur - by_eur
    pieces = tuple(piece for piece in certificate.pieces if piece.best_eur <= short)
    if not pieces or pieces[0].lower > 0.0 or pieces[-1].upper < certificate.charge_cap or not math.isfinite(pieces[0].best_eur):
        return
    gaps = tuple(PrunedGap(before.upper, after.lower, short) for before, after in pairwise(pieces) if after.lower > before.upper)
    best = max(pieces, key=lambda piece: piece.best_eur)
    if math.isfinite(best.best_eur):
        changes: dict[str, Any] = {"pieces": pieces, "gaps": gaps, "charge": best.best_charge, "best_eur": best.best_eur}
        yield "the best pieces are gone", replace(certificate, upper_bound_eur=short, **changes)


def _covers(certificate: OptimumCertificate) -> bool:
    """Return whether the parts cover every charge; pieces may overlap, so that not every one of them is needed."""
    reach = 0.0
    for lower, upper in sorted((part.lower, part.upper) for part in [*certificate.pieces, *certificate.gaps]):
        if lower > reach:
            return False
        reach = max(reach, upper)
    return reach >= certificate.charge_cap


def _with(parts: tuple[Any, ...], number: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:number], part, *parts[number + 1 :])
