"""One clearing, checked: that its arrays are feasible and optimal is shown from the day's data, not read off its certificate.

For prices (μ, σ) let z = ∇F_γ(v) + P(μ, σ). Every feasible v' then costs F_γ(v') ≥ F_γ(v) + z·(v' − v) + ½‖v' − v‖²_Q, and z·(v' − v) is at
least −Σ [z⁺·(v − l) + z⁻·(u − v)]. That sum, in EUR, is therefore by how much v can miss the followers' optimum, and half of ‖v − v_γ‖²_Q
can be no more. No unit has been chosen: an entry counts for what its error is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....envs.community.day import Array
from ....envs.market.exact.solution import Clearing
from .findings import CertificateError
from .newton import polished
from .program import DEMAND, ENERGY, RENEWABLE, FollowersProgram, total
from .repair import ROUNDING, repaired

_MISSED = 1e-8  # of the mean load: greatest violation of a bound or an equation by a clearing
_PASSES = 3  # of prices made level: what levels some may turn the slope of others
_ARRAYS = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge")


@dataclass(frozen=True, eq=False, kw_only=True)
class FollowersResponse:
    """The followers' response to one charge.

    Attributes:
        charge: γ, EUR/kWh.
        vector: v, shape (V,).
        slope: z, shape (V,).
        flow_kw: Shape (T, L).
        charged_kwh: B·v.
        imported_kwh: Imports.
        cost_eur: F_γ(v).
        shortfall_eur: By how much v can miss the followers' optimum.
        missed_kw: Sum of what is left of balances and storage equations, kWh.
        price: Greatest price of a balance or of stored energy, EUR/kWh.
        turnover_eur: What demand and trades are worth at the prices of this clearing.
    """

    charge: float
    vector: Array
    slope: Array
    flow_kw: Array
    charged_kwh: float
    imported_kwh: float
    cost_eur: float
    shortfall_eur: float
    missed_kwh: float
    price: float
    turnover_eur: float

    def at_charge(self, program: FollowersProgram, charge: float) -> FollowersResponse:
        """Return the same feasible point and prices for a charge close by: no optimum there, but a point that a bound may use."""
        by = charge - self.charge
        cost = self.cost_eur + by * self.charged_kwh
        return replace(self, charge=charge, slope=self.slope + by * program.charged, cost_eur=cost)


def response_of(program: FollowersProgram, charge: float, clearing: Clearing) -> FollowersResponse:
    """Return a checked response.

    Raises:
        CertificateError: If a number is not finite, or the arrays break a bound or an equation.
    """
    day, size = program.day, float(program.day.demand_max.mean()) or 1.0
    _require_finite(charge, clearing)
    energy = clearing.stored_energy
    elsewhere = np.abs(clearing.trade[:, ~day.can_trade]).max(initial=0.0)
    astray = max(elsewhere, float(np.abs(energy[0] - day.storage_start).max()))
    blocks = [*(getattr(clearing, name) for name in _ARRAYS), energy[1:]]
    stated = program.join(blocks, clearing.trade[:, program.seller, program.buyer])
    vector = repaired(program, stated, size)
    balance, storage = program.residuals(stated)
    outside = max(float(np.max(program.lower - stated)), float(np.max(stated - program.upper)), 0.0)
    worst = max(outside, astray, float(np.abs(balance).max()), float(np.abs(storage).max()))
    if not worst <= _MISSED * size:
        raise CertificateError(
            f"a clearing must keep bounds, balances and storage to {_MISSED:g} of the mean load; at {charge!r} EUR/kWh one is missed by "
            f"{worst:.3g} kW."
        )
    given = clearing.nodal_price, np.where(day.has_storage, clearing.storage_price, 0.0)
    found = _at(program, charge, vector, given)
    exact = polished(program, charge, (vector, *given), size)
    if exact is None:
        return found
    exactly = _at(program, charge, repaired(program, exact[0], size), exact[1:])
    return exactly if exactly.shortfall_eur <= max(found.shortfall_eur, ROUNDING * found.turnover_eur) else found


def _at(program: FollowersProgram, charge: float, vector: Array, prices: tuple[Array, Array]) -> FollowersResponse:
    """Return the response that a point within its bounds is, and what prices of balances and of stored energy prove of it."""
    day, size = program.day, float(program.day.demand_max.mean()) or 1.0
    nodal, stored = _levelled(program, vector, *prices)
    slope = program.curvature * vector + program.cost + charge * program.charged + program.worth(nodal, stored)
    price = float(max(np.abs(nodal).max(), np.abs(stored).max()))
    inside = (vector > program.lower) & (vector < program.upper)
    slope = np.where(inside & (np.abs(slope) <= ROUNDING * price * day.period_hours), 0.0, slope)
    left = [np.abs(part) for part in program.residuals(vector)]
    balance, storage = (np.where(part <= ROUNDING * size, 0.0, part) for part in left)
    missed = total(balance) * day.period_hours + total(storage)
    held = total(np.maximum(slope, 0.0), vector - program.lower) + total(np.maximum(-slope, 0.0), program.upper - vector)
    charged = total(program.charged, vector)
    worth = total(np.abs(nodal), program.block(vector, DEMAND)) + total(np.abs(nodal[:, program.seller]), program.trades(vector))
    return FollowersResponse(
        charge=charge,
        vector=vector,
        slope=slope,
        flow_kw=program.flow_kw(vector),
        charged_kwh=charged,
        imported_kwh=total(program.imported, vector),
        cost_eur=0.5 * total(program.curvature, vector, vector) + total(program.cost, vector) + charge * charged,
        shortfall_eur=held + price * missed,
        missed_kwh=missed,
        price=price,
        turnover_eur=day.period_hours * worth,
    )


def _require_finite(charge: float, clearing: Clearing) -> None:
    for name in (*_ARRAYS, "stored_energy", "trade", "nodal_price", "storage_price"):
        if not np.isfinite(getattr(clearing, name)).all():
            raise CertificateError(f"a clearing must have finite numbers only; `{name}` at {charge!r} EUR/kWh has others.")


def _levelled(program: FollowersProgram, vector: Array, nodal: Array, stored: Array) -> tuple[Array, Array]:
    """Return prices of balances and of stored energy, shape (T, N) both, that leave no slope to what has no curvature and should have none.

    Any prices would do for a proof. A clearing's own leave rounding where renewable use or stored energy has room, or is on a bound that
    the slope points away from. Nothing stops such a quantity from moving as far as its box allows, so that 1e-14 EUR/kWh counts. With the
    price taken as 0 there, and as the same before and after the energy, the rounding goes to quantities whose curvature makes it nothing.
    """
    low, high = vector <= program.lower, vector >= program.upper
    used = [program.block(part, RENEWABLE) for part in (low, high)]
    nodal = np.where(_loose(used[0], used[1], -nodal), 0.0, nodal)
    kept = [program.block(part, ENERGY) for part in (low, high)]
    stored = stored.copy()
    for _ in range(_PASSES):
        slope = stored - np.vstack([stored[1:], np.zeros_like(stored[:1])])
        free = _loose(kept[0], kept[1], slope)
        for owner in np.flatnonzero(program.day.has_storage):
            first = 0
            for period in np.flatnonzero(~free[:, owner]).tolist():
                stored[first : period + 1, owner] = stored[first : period + 1, owner].mean()
                first = period + 1
            stored[first:, owner] = 0.0  # what is left over at the end is worth nothing
    return nodal, stored


def _loose(low: Any, high: Any, slope: Array) -> Any:
    """Return what has room on both sides, or a slope that does not hold it on the bound where it is."""
    return (~low & ~high) | (low & ~high & (slope < 0.0)) | (high & ~low & (slope > 0.0))
