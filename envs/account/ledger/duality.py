"""Whether a recorded clearing is the optimum of the prosumers' program: its cost beside a bound that no outcome undercuts.

With prices μ for power and σ for stored energy, every variable can be chosen by itself at its cheapest, and the sum is a lower bound on
the cost of any feasible outcome (Lagrangian duality):

::

    cost  = Σ Δ [½ a d² − b d + λᵐ m − λˣ x + ½ ε_g (m² + x²) + ½ κ (c² + s²) + Σ_j (τ p + ½ ε p²)]
    bound = Σ Δ [min_d ½ a d² + (μ − b) d + min_m ½ ε_g m² + (λᵐ − μ) m + min_x ½ ε_g x² + (μ − λˣ) x + min_r −μ r
                 + min_c ½ κ c² + (μ − η σ) c + min_s ½ κ s² + (σ/η − μ) s + Σ_j min_p ½ ε p² + (τ + μ_i − μ_j) p]
            + Σ_t min_e (σ_t − σ_{t+1}) e − σ_0 e_0

Both are sums over prosumers and pairs; a pair counts with its seller. This module shares no arithmetic with what clears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...arrays import Array

GAP_TOLERANCE: Final = 1e-8
"""Greatest cost above the bound, as a share of what passes through prosumers' hands; clearings are exact to 1e-9 of each one's."""


def relative_gap(opening: Mapping[str, Any], day: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> float:
    """Return the cost of the outcome less its bound, as a share of what passes through prosumers' hands.

    Args:
        opening: Content of the ledger's first line.
        day: Content of the day's line.
        statements: Content of all statements, in the prosumers' order, with both prices.
    """
    hours = float(day["period_hours"])
    price = np.stack([_array(own["outcome"]["nodal_price"]) for own in statements], axis=1)  # (T, N)
    charge = np.einsum("tk,kij->tij", _array(day["charge"]), _array(opening["tariff"]["basis"]))
    cost = bound = size = 0.0
    for i, own in enumerate(statements):
        for curvature, slope, low, high, chosen in _parts(own, price[:, i]):
            cost += hours * float(np.sum((0.5 * curvature * chosen + slope) * chosen))
            bound += hours * float(np.sum(_least(curvature, slope, low, high)))
        data, trades = own["data"], own["sold"]
        power = np.zeros_like(charge[:, i])
        power[trades["period"], trades["partner"]] = trades["kw"]
        slope = charge[:, i] + price[:, i, None] - price
        friction, limit = _array(data["trade_friction"]), _array(data["trade_limit"])
        cost += hours * float(np.sum((0.5 * friction * power + slope) * power))
        bound += hours * float(np.sum(_least(friction, slope, np.zeros(1), limit)))
        bound += _of_stored(own)
        cost += _priced_stored(own)
        size += hours * (_through_hands(own) + float(np.sum(np.abs(price[:, i, None] * power))))
    return (cost - bound) / max(size, 1e-12)


def _through_hands(own: Mapping[str, Any]) -> float:
    """Return what demand is worth and the retailer is paid or pays, in EUR/h summed over periods."""
    data, outcome = own["data"], own["outcome"]
    pairs = (("utility_slope", "demand"), ("import_price", "grid_import"), ("export_price", "grid_export"))
    return float(sum(np.abs(_array(data[price]) * _array(outcome[power])).sum() for price, power in pairs))


def _parts(own: Mapping[str, Any], price: Array) -> list[tuple[Array, Array, Array, Array, Array]]:
    """Return curvature, slope at the prices, limits and choice of each of a prosumer's variables.

    At any feasible outcome the priced balances and storage equations are zero, so that the cost may be reckoned with the priced slopes.
    """
    data = {name: _array(value) for name, value in own["data"].items()}
    outcome = {name: _array(value) for name, value in own["outcome"].items()}
    stored, efficiency, zero = outcome["storage_price"], data["storage_efficiency"], np.zeros(1)
    friction, wear, power = data["grid_friction"], data["storage_wear"], data["storage_power"]
    return [
        (data["utility_curvature"], price - data["utility_slope"], data["demand_min"], data["demand_max"], outcome["demand"]),
        (friction, data["import_price"] - price, zero, data["import_limit"], outcome["grid_import"]),
        (friction, price - data["export_price"], zero, data["export_limit"], outcome["grid_export"]),
        (zero, -price, zero, data["renewable"], outcome["renewable_used"]),
        (wear, price - efficiency * stored, zero, power, outcome["storage_charge"]),
        (wear, stored / efficiency - price, zero, power, outcome["storage_discharge"]),
    ]


def _least(curvature: Array, slope: Array, low: Array, high: Array) -> Array:
    """Return min ½·curvature·v² + slope·v over low ≤ v ≤ high."""
    bent = curvature > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        free = np.where(bent, -slope / np.where(bent, curvature, 1.0), np.where(slope < 0, np.inf, -np.inf))
    best = np.clip(free, low, high)
    value: Array = (0.5 * curvature * best + slope) * best
    return value


def _energy_slopes(own: Mapping[str, Any]) -> Array:
    """Return what a kWh at the end of each period costs at the storage prices, shape (T,)."""
    stored = _array(own["outcome"]["storage_price"])
    slopes: Array = stored - np.append(stored[1:], 0.0)
    return slopes


def _of_stored(own: Mapping[str, Any]) -> float:
    """Return the least that stored energy costs at the storage prices."""
    data, slopes = own["data"], _energy_slopes(own)
    low = np.zeros(len(slopes))
    low[-1] = data["storage_end"]
    least = np.minimum(slopes * low, slopes * data["storage_capacity"])
    return float(least.sum() - _array(own["outcome"]["storage_price"])[0] * data["storage_start"])


def _priced_stored(own: Mapping[str, Any]) -> float:
    """Return what the stored energy costs at the storage prices."""
    energy, stored = _array(own["outcome"]["stored_energy"]), _array(own["outcome"]["storage_price"])
    return float((_energy_slopes(own) * energy[1:]).sum() - stored[0] * own["data"]["storage_start"])


def _array(value: Any) -> Array:
    return np.asarray(value, dtype=np.float64)
