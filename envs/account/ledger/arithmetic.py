"""Reckoning a ledger's accounts again from what its lines say, with arithmetic of its own: nothing of the settlement is used.

Of one statement, which a receipt holds: limits, energy balances, storage, charges by the posted coefficients, bill and surplus. Of a whole
day: both sides of each trade, sums over prosumers, losses and overload by the network's PTDF, the operator's profit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...arrays import Array

POWER_TOLERANCE: Final = 1e-8
"""Of limits and balances, in units of the prosumer's size. Clearings are exact to 1e-9 of it."""
MONEY_TOLERANCE: Final = 1e-10
"""Of sums of money, in units of all amounts that go into them: rounding alone."""


def size_kw(data: Mapping[str, Any]) -> float:
    """Return what a prosumer's powers are measured by in kW: the greatest of its demand, sun and limit of storage."""
    return float(max(np.max(data["demand_max"]), np.max(data["renewable"]), data["storage_power"], 1e-9))


def statement_faults(opening: Mapping[str, Any], day: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not add up in a statement; it may be read by its prosumer alone.

    Args:
        opening: Content of the ledger's first line.
        day: Content of the day's line.
        own: Content of the statement.
    """
    data, outcome = own["data"], {name: _array(value) for name, value in own["outcome"].items() if value is not None}
    hours, tolerance = float(day["period_hours"]), POWER_TOLERANCE * size_kw(data)
    yield from _limits(data, outcome, tolerance)
    sold, bought = (_per_period(own[side], len(outcome["demand"])) for side in ("sold", "bought"))
    rest = outcome["renewable_used"] + outcome["grid_import"] + outcome["storage_discharge"] + bought
    rest = rest - outcome["demand"] - outcome["grid_export"] - outcome["storage_charge"] - sold
    worst = int(np.argmax(np.abs(rest)))
    if not abs(rest[worst]) <= tolerance:
        yield f"power in and out must be equal in each period, got {rest[worst]:.3g} kW too much in period {worst}"
    yield from _storage(data, outcome, hours, tolerance)
    yield from _charges(opening, day, own)
    yield from _account(own, outcome, hours)


def _limits(data: Mapping[str, Any], outcome: Mapping[str, Array], tolerance: float) -> Iterator[str]:
    bounds: dict[str, tuple[Any, Any]] = {
        "demand": (data["demand_min"], data["demand_max"]),
        "renewable_used": (0.0, data["renewable"]),
        "grid_import": (0.0, data["import_limit"]),
        "grid_export": (0.0, data["export_limit"]),
        "storage_charge": (0.0, data["storage_power"]),
        "storage_discharge": (0.0, data["storage_power"]),
        "stored_energy": (0.0, data["storage_capacity"]),
    }
    for name, (low, high) in bounds.items():
        beyond = np.maximum(_array(low) - outcome[name], outcome[name] - _array(high))
        worst = int(np.argmax(beyond))
        if not beyond[worst] <= tolerance:
            yield f"`{name}` must be within its limits, got {beyond[worst]:.3g} beyond in period {worst}"


def _storage(data: Mapping[str, Any], outcome: Mapping[str, Array], hours: float, tolerance: float) -> Iterator[str]:
    energy, efficiency = outcome["stored_energy"], data["storage_efficiency"]
    gained = hours * (efficiency * outcome["storage_charge"] - outcome["storage_discharge"] / efficiency)
    off = np.abs(np.diff(energy) - gained)
    worst, slack = int(np.argmax(off)), tolerance * max(1.0, hours) * len(off)
    if not off[worst] <= slack:
        yield f"stored energy must follow from what is charged and discharged, got {off[worst]:.3g} kWh off in period {worst}"
    if not abs(energy[0] - data["storage_start"]) <= slack:
        yield f"stored energy must begin with {data['storage_start']:.9g} kWh, got {energy[0]:.9g}"
    if not energy[-1] >= data["storage_end"] - slack:
        yield f"stored energy must end with {data['storage_end']:.9g} kWh or more, got {energy[-1]:.9g}"


def _charges(opening: Mapping[str, Any], day: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[str]:
    basis, posted, i = _array(opening["tariff"]["basis"]), _array(day["charge"]), int(own["prosumer"])
    for side in ("sold", "bought"):
        trades = own[side]
        period, partner = np.array(trades["period"], dtype=int), np.array(trades["partner"], dtype=int)
        units = basis[:, i, partner] if side == "sold" else basis[:, partner, i]  # (K, trades)
        due = (posted[period] * units.T).sum(axis=1)
        off = np.abs(due - _array(trades["charge"]))
        if not (off <= MONEY_TOLERANCE * np.maximum(1.0, np.abs(due))).all():
            worst = int(np.argmax(off))
            yield (
                f"each trade must be charged as the tariff says, got {trades['charge'][worst]!r} EUR/kWh for {due[worst]!r} on what is "
                f"{side} in period {period[worst]} with prosumer {partner[worst]}"
            )
        if not (_array(trades["kw"]) > 0).all():
            yield f"trades that are {side} must be above 0 kW, got {min(trades['kw'])!r}"


def _account(own: Mapping[str, Any], outcome: Mapping[str, Array], hours: float) -> Iterator[str]:
    data, account = own["data"], own["account"]
    sold, bought = (_traded(own[side]) for side in ("sold", "bought"))
    imported, exported = outcome["grid_import"], outcome["grid_export"]
    retail = [*(hours * _array(data["import_price"]) * imported), *(-hours * _array(data["export_price"]) * exported)]
    received = [*(hours * sold["kw"] * sold["price"]), *(-hours * bought["kw"] * bought["price"])]
    charge = [*(0.5 * hours * sold["kw"] * sold["charge"]), *(0.5 * hours * bought["kw"] * bought["charge"])]
    utility = hours * (_array(data["utility_slope"]) - 0.5 * _array(data["utility_curvature"]) * outcome["demand"]) * outcome["demand"]
    cost = 0.5 * hours * data["grid_friction"] * (imported**2 + exported**2)
    wear = 0.5 * hours * data["storage_wear"] * (outcome["storage_charge"] ** 2 + outcome["storage_discharge"] ** 2)
    friction = [0.25 * hours * (side["friction"] * side["kw"] ** 2) for side in (sold, bought)]
    minus = [-value for part in (retail, charge, cost, wear, *friction) for value in part]
    parts = {
        "retail_eur": retail,
        "received_eur": received,
        "charge_eur": charge,
        "bill_eur": [*retail, *charge, *(-value for value in received)],
        "surplus_eur": [*utility, *received, *minus],
    }
    for name, amounts in parts.items():
        yield from unequal(f"`{name}`", account[name], amounts)


def day_faults(opening: Mapping[str, Any], day: Mapping[str, Any], statements: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what does not add up between the statements of a day and the operator's account.

    Args:
        opening: Content of the ledger's first line.
        day: Content of the day's line.
        statements: Content of all statements, in the prosumers' order.
    """
    for side, other in (("sold", "bought"), ("bought", "sold")):
        there = {(t, j, int(own["prosumer"])): row for own in statements for t, j, *row in _rows(own[other])}
        for own in statements:
            for t, j, *row in _rows(own[side]):
                if there.get((t, int(own["prosumer"]), j)) != row:
                    yield (
                        f"what prosumer {own['prosumer']} has {side} in period {t} must stand in the statement of prosumer {j} as {other}, "
                        f"got {there.get((t, int(own['prosumer']), j))} for {row} (kW, price, charge, friction)"
                    )
    accounts = [own["account"] for own in statements]
    received = [account["received_eur"] for account in accounts]
    yield from unequal("what prosumers receive from each other, in sum,", 0.0, received)
    yield from _operator(opening, day, statements, [account["charge_eur"] for account in accounts])


def _operator(
    opening: Mapping[str, Any], day: Mapping[str, Any], statements: Sequence[Mapping[str, Any]], charge: Sequence[float]
) -> Iterator[str]:
    operator, hours, network = day["operator"], float(day["period_hours"]), opening["network"]
    yield from unequal("`revenue_eur`", operator["revenue_eur"], charge)
    imported = [hours * power * day["import_fee"] for own in statements for power in own["outcome"]["grid_import"]]
    yield from unequal("`import_fee_eur`", operator["import_fee_eur"], imported)
    kept = [operator["revenue_eur"], operator["import_fee_eur"], -operator["loss_cost_eur"], -operator["overload_cost_eur"]]
    yield from unequal("`profit_eur`", operator["profit_eur"], kept)
    if opening["power_flow"] != "dc":
        return  # what flows is not the linear flow of the PTDF
    n_periods = len(day["loss_price"])
    base = np.zeros((n_periods, len(network["loss_coefficient"]))) if day["base_flow_kw"] is None else _array(day["base_flow_kw"])
    net = np.stack([_net(own, opening["flows"], n_periods) for own in statements], axis=1)
    flow = net @ _array(network["prosumer_ptdf"]).T + base
    lost = hours * _array(network["loss_coefficient"]) * (flow**2 - base**2)
    limit = np.array([np.inf if value is None else value for value in network["branch_limit_kw"]])
    over = hours * np.maximum(0.0, np.abs(flow) - limit)
    weights = hours * _array(network["loss_coefficient"]) * (flow**2 + base**2)  # what rounding of the squares is measured by
    price = _array(day["loss_price"])[:, None]
    yield from unequal("`loss_kwh`", operator["loss_kwh"], lost, of=weights, tolerance=POWER_TOLERANCE)
    yield from unequal("`loss_cost_eur`", operator["loss_cost_eur"], price * lost, of=price * weights, tolerance=POWER_TOLERANCE)
    through = hours * np.abs(flow)
    yield from unequal("`overload_kwh`", operator["overload_kwh"], over, of=through, tolerance=POWER_TOLERANCE)
    due = day["overload_price"]
    yield from unequal("`overload_cost_eur`", operator["overload_cost_eur"], due * over, of=due * through, tolerance=POWER_TOLERANCE)


def unequal(name: str, stated: float, amounts: Any, *, of: Any = None, tolerance: float = MONEY_TOLERANCE) -> Iterator[str]:
    """Yield a fault where a stated sum is not that of its amounts.

    Args:
        name: How the fault calls it.
        stated: What the ledger says.
        amounts: What it is the sum of.
        of: What the tolerance is measured by, in sum; the amounts themselves where absent.
        tolerance: Greatest difference, as a share of that.
    """
    amounts = np.asarray(amounts, dtype=np.float64)
    total, scale = float(amounts.sum()), float(np.abs(amounts if of is None else np.asarray(of)).sum()) + abs(stated)
    if not abs(total - stated) <= tolerance * scale:
        yield f"{name} must be {total!r}, got {stated!r}"


def _net(own: Mapping[str, Any], flows: str, n_periods: int) -> Array:
    """Return what a prosumer injects into the wires by an account of flows in kW, shape (T,)."""
    outcome = {name: _array(value) for name, value in own["outcome"].items() if value is not None}
    if flows == "trades":
        return _per_period(own["sold"], n_periods) - _per_period(own["bought"], n_periods)
    return outcome["renewable_used"] + outcome["storage_discharge"] - outcome["storage_charge"] - outcome["demand"]


def _rows(trades: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    return zip(*(trades[name] for name in ("period", "partner", "kw", "price", "charge", "friction")), strict=True)


def _traded(trades: Mapping[str, Any]) -> dict[str, Array]:
    return {name: _array(trades[name]) for name in ("kw", "price", "charge", "friction")}


def _per_period(trades: Mapping[str, Any], n_periods: int) -> Array:
    power = np.zeros(n_periods)
    np.add.at(power, np.array(trades["period"], dtype=int), _array(trades["kw"]))
    return power


def _array(value: Any) -> Array:
    return np.asarray(value, dtype=np.float64)
