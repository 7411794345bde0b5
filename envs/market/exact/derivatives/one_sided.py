"""Which affine piece of the response a direction of charges leads into, proved: what a one-sided derivative at a kink rests on.

At a kink several active sets describe the same clearing, and each has a derivative of its own. Which one is the derivative along a
direction can be told by looking a little ahead: the clearing at charges + h·direction is polished and certified. Two checks then prove that
its active set is the one entered at the start.

* The mean of both points, primal and dual, is certified at the mean charges. Every bound has a distance w ≥ 0 and a multiplier z ≥ 0, both
  linear in between, with w·z = 0 at both ends; w·z = 0 in the middle as well leaves no mixed product, and so every point between them is
  a clearing. Both ends lie on one affine piece. Going by the certificate of a piece followed back from ahead does not do: where prices of
  idle storage are not unique, those ahead need not lead back to any at the kink.
* The derivative on the active set ahead, followed back, ends at variables that are certified with the start's prices: at the clearing.

Where a check fails, another kink lies within the step, and a shorter one is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ....community.day import Array
from ....errors import ClearingError
from ..kkt import ActiveSet
from ..market_data import MarketData
from ..point import Point, boxes, certify
from ..polish import adopt, polish
from .sensitivity import respond_along

_STEPS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
"""Greatest change of a dimensionless charge, tried in this order. Near charges of zero many pieces are narrower than 1e-7."""
_CLOSE = 1e-4
"""Violation allowed, per step: a kink within about this share of a step of the start counts as the start."""
_ROUNDING = 4.0  # residuals of the start that a point made of two may have, where that is more
_BLIND = 1e-2
"""Share of a step above which rounding could hide that the piece is another."""
_AT_KINK = 1e-9
"""Dimensionless distance, in power and in price, within which a variable counts as just reaching a bound; far above rounding, and far
below the width of a piece. Looking ahead where there is no kink costs time and nothing else."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PieceAhead:
    """The affine piece entered by a small step: the clearing a step ahead, and which of its variables are free."""

    point: Point
    active: ActiveSet


def at_kink(data: MarketData, point: Point) -> bool:
    """Return whether some variable of an exact point is on the border between free and held: at a bound, with no slope against it."""
    for box in boxes(data, point):
        near = np.minimum(box.value - box.lower, box.upper - box.value) <= _AT_KINK
        if np.any(near & (np.abs(box.slope) <= _AT_KINK) & (box.upper > box.lower)):
            return True
    return False


def piece_ahead(data: MarketData, point: Point, direction: Array) -> PieceAhead:
    """Return the piece entered along a direction.

    Args:
        data: The dimensionless market the point clears.
        point: An exact clearing.
        direction: Finite change of the dimensionless charges, shape (T, K), of either sign; only its direction counts.

    Raises:
        ClearingError: If no piece could be proved to begin at the point.
    """
    greatest = float(np.abs(direction).max(initial=0.0))
    if greatest == 0.0:  # nobody who may trade is charged differently, and the response stays where it is
        here = replace(point)
        return PieceAhead(point=here, active=adopt(data, here))
    own = certify(data, point).worst
    for size in _STEPS:
        step, tolerance = direction * (size / greatest), max(_CLOSE * size, _ROUNDING * own)
        if tolerance > _BLIND * size:
            break
        moved, ahead = replace(data, charge=data.charge + step), replace(point)
        polish(moved, ahead)
        halfway = replace(data, charge=data.charge + 0.5 * step)
        if not (certify(moved, ahead).holds(tolerance) and certify(halfway, _mean(point, ahead)).holds(tolerance)):
            continue
        active = adopt(moved, ahead)
        back = respond_along(moved, ahead, step, reach=(-1.0, 0.0)).at(-1.0)
        back = replace(back, nodal_price=point.nodal_price, storage_price=point.storage_price)
        if certify(data, back).holds(tolerance):
            return PieceAhead(point=ahead, active=active)
    raise ClearingError(
        f"a one-sided derivative must rest on a piece of the response that begins at the charges given; steps from {_STEPS[0]:g} "
        f"to {size:g} of the greatest price met another kink, or the clearing's rounding of {own:g}. "
        "Ask for it a little further along the direction."
    )


def _mean(a: Point, b: Point) -> Point:
    return Point(**{field.name: 0.5 * (getattr(a, field.name) + getattr(b, field.name)) for field in fields(Point)})
