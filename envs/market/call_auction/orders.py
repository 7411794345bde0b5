"""The orders of prosumers that planned alone: for each period a stepwise curve of bids, and one of asks, along the own marginal value.

With its storage as planned, a prosumer values one more kWh in a period at a price z. At z it would demand, import, export and use

    d(z) = clip((b − z)/a, d̲, d̄)   m(z) = clip((z − λᵐ)/ε_g, 0, M)   x(z) = clip((λˣ − z)/ε_g, 0, X)   r(z) = R where z ≥ 0, else 0

so that it would take q(z) = d + x + c − s − r − m from others, which falls as z rises. The plan alone is q(μ) = 0 at its nodal price μ.

**Bids** are q from 0 to q(z) for z from μ down to the price the retailer pays, **asks** are −q for z from μ up to the price the retailer
asks. Who trades bears half the friction ½·ε·p² of each trade. With whom it will trade it does not know, so each order is net of the most
that can be: all of it with one partner, the one of greatest ε. A bid is then worth z − ½·ε·q at the margin. Each curve is cut into K steps
of equal height on that scale, and the price of a step is the mean over the step. **Nobody who gets the first part of such a curve at the
prices of its orders loses by it**: marginal value falls, so that part of a step is worth at least its mean.

==============  ===================================  ============  ====================================================================
symbol          name                                 unit          shape
==============  ===================================  ============  ====================================================================
μ               ``plan.nodal_price``                 EUR/kWh       (T, N)
bid, its q      ``bid_price``, ``bid_kw``            EUR/kWh, kW   (T, N, K), falling prices; 0 kW where there is no order
ask, its q      ``ask_price``, ``ask_kw``            EUR/kWh, kW   (T, N, K), rising prices; 0 kW where there is no order
==============  ===================================  ============  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...community.day import Array, Day
from ..exact.solution import Clearing

_BISECTIONS: Final = 26  # where a step ends need not be exact: its price is the mean over what it holds
NEGLIGIBLE: Final = 1e-12
"""Steps of this share of a prosumer's whole curve in the period are rounding and no orders."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Orders:
    """The orders of a day; the module says what each array is."""

    bid_price: Array
    bid_kw: Array
    ask_price: Array
    ask_kw: Array


class _Own(NamedTuple):
    """The data of R prosumers and periods, each of shape (R, 1): of those who have a curve to submit."""

    demand_min: Array
    demand_max: Array
    utility_curvature: Array
    utility_slope: Array
    renewable: Array
    import_price: Array
    export_price: Array
    import_limit: Array
    export_limit: Array
    grid_friction: Array

    @classmethod
    def of(cls, day: Day, which: NDArray[np.bool_]) -> Self:
        """Return what belongs to the periods and prosumers chosen by an array of shape (T, N)."""
        period, prosumer = np.nonzero(which)
        prices = {"import_price": day.own_import_price, "export_price": day.own_export_price}
        both = prices | {name: getattr(day, name) for name in cls._fields[:5]}
        own = {name: getattr(day, name)[prosumer][:, None] for name in cls._fields if name not in both}
        return cls(**own, **{name: value[period, prosumer][:, None] for name, value in both.items()})


class _OrderParts(NamedTuple):
    """What R prosumers do in their periods, each of shape (R, points), in kW."""

    demand: Array
    imported: Array
    exported: Array
    renewable: Array

    def taken(self, other: _OrderParts) -> Array:
        """Return how much more is taken from others than at another point."""
        return (
            (self.demand - other.demand)
            - (self.imported - other.imported)
            + (self.exported - other.exported)
            - (self.renewable - other.renewable)
        )


def orders_of(day: Day, plan: Clearing, steps: int) -> Orders:
    """Return the orders of prosumers that planned alone.

    Args:
        day: The day.
        plan: Its clearing without trades.
        steps: K, steps of each curve.
    """
    partners = day.can_trade
    most = np.where(partners, day.trade_friction, 0.0)
    value = plan.nodal_price
    bids = (value > day.own_export_price) & partners.any(axis=0)
    asks = (value < day.own_import_price) & partners.any(axis=1)
    bid_price, bid_kw = _curves(day, plan, steps, which=bids, friction=most.max(axis=0, initial=0.0), sign=1.0)
    ask_price, ask_kw = _curves(day, plan, steps, which=asks, friction=most.max(axis=1, initial=0.0), sign=-1.0)
    return Orders(bid_price=bid_price, bid_kw=bid_kw, ask_price=ask_price, ask_kw=ask_kw)


def _curves(day: Day, plan: Clearing, steps: int, *, which: NDArray[np.bool_], friction: Array, sign: float) -> tuple[Array, Array]:
    """Return prices and quantities, shape (T, N, K), of the curves of those chosen: bids where ``sign`` is 1, asks where it is −1."""
    own, start = _Own.of(day, which), plan.nodal_price[which][:, None]
    alone = _OrderParts(*(part[which][:, None] for part in (plan.demand, plan.grid_import, plan.grid_export, plan.renewable_used)))
    half_friction = 0.5 * np.broadcast_to(friction, which.shape)[which][:, None]
    end = own.export_price if sign > 0 else own.import_price
    levels = start + (end - start) * (np.arange(1, steps + 1) / steps)
    ends = _at_margin(own, alone, levels, half_friction=half_friction, sign=sign)
    points = _OrderParts(*(np.hstack([first, rest]) for first, rest in zip(alone, ends, strict=True)))
    before, after = _OrderParts(*(part[:, :-1] for part in points)), _OrderParts(*(part[:, 1:] for part in points))
    kw = sign * after.taken(before)
    kw = np.where(kw <= NEGLIGIBLE * kw.sum(axis=1, keepdims=True), 0.0, kw)
    price = np.divide(sign * _worth(own, before, after), kw, out=levels.copy(), where=kw > 0)
    price -= sign * half_friction * (kw.cumsum(axis=1) - 0.5 * kw)
    prices, quantities = np.zeros((*which.shape, steps)), np.zeros((*which.shape, steps))
    prices[which], quantities[which] = price, kw
    return prices, quantities


def _at_margin(own: _Own, alone: _OrderParts, levels: Array, *, half_friction: Array, sign: float) -> _OrderParts:
    """Return what prosumers do where the marginal value net of friction is at each level, by bisection of the own price z.

    Bids: z − ½·ε·q(z) rises in z and is at most the level at z = level, so z is above it, by at most ½·ε·q(level). Asks mirror that.
    """
    near = levels
    far = near + sign * half_friction * np.maximum(sign * _parts(own, alone, near, sign).taken(alone), 0.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (near + far)
        taken = np.maximum(sign * _parts(own, alone, middle, sign).taken(alone), 0.0)
        too_far = sign * (middle - levels) > half_friction * taken
        far, near = np.where(too_far, middle, far), np.where(too_far, near, middle)
    return _parts(own, alone, far, sign)  # the far side takes no more than the level allows


def _parts(own: _Own, alone: _OrderParts, price: Array, sign: float) -> _OrderParts:
    """Return what prosumers do at prices of shape (R, points), each part no less far from the plan alone than rounding allows."""
    demand = np.minimum(np.maximum((own.utility_slope - price) / own.utility_curvature, own.demand_min), own.demand_max)
    imported = np.minimum(np.maximum((price - own.import_price) / own.grid_friction, 0.0), own.import_limit)
    exported = np.minimum(np.maximum((own.export_price - price) / own.grid_friction, 0.0), own.export_limit)
    renewable = np.where(price >= 0.0, own.renewable, 0.0)
    more, less = (np.maximum, np.minimum) if sign > 0 else (np.minimum, np.maximum)
    return _OrderParts(
        demand=more(demand, alone.demand),
        imported=less(imported, alone.imported),
        exported=more(exported, alone.exported),
        renewable=less(renewable, alone.renewable),
    )


def _worth(own: _Own, before: _OrderParts, after: _OrderParts) -> Array:
    """Return what prosumers gain from ``before`` to ``after`` in EUR/h without friction of trades, shape (R, K), free of cancellation."""
    friction = 0.5 * own.grid_friction
    worth: Array = (
        (after.demand - before.demand) * (own.utility_slope - 0.5 * own.utility_curvature * (after.demand + before.demand))
        - (after.imported - before.imported) * (own.import_price + friction * (after.imported + before.imported))
        + (after.exported - before.exported) * (own.export_price - friction * (after.exported + before.exported))
    )
    return worth
