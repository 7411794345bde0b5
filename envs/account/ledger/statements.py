"""What is written of a settled day: one line for everybody, one statement for each prosumer.

Powers are in kW and stored energy in kWh, money in EUR, prices in EUR/kWh; lists have one number for each period. Numbers are those of the
clearing, to the last bit.

=================  ====================================================================================================================
part of statement  content
=================  ====================================================================================================================
``data``           what the prosumer is and wants: the fields of a :class:`~gridtoll.envs.community.day.Day` that are its own
``outcome``        what it used, produced, imported, exported and stored, and what a kWh was worth to it where the mechanism says so
``sold``           its sales: period, partner, power, price, charge, friction; equal places of the lists are one trade
``bought``         its purchases, alike
``account``        ``retail_eur`` for imports less exports, ``received_eur`` for trades from the others, ``charge_eur``, ``bill_eur`` =
                   retail + charge − received, and the surplus
=================  ====================================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...arrays import plain
from ...community.day import Array, Day
from ...grid.network import Network
from ...market.exact.solution import Clearing
from ...market.mechanism import Allocation
from ..settlement import Flows, Settlement, base_flow
from ..tariff import Tariff
from .canonical import FORMAT

BY_PERIOD: Final = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
OWN: Final = (
    "import_limit",
    "export_limit",
    "grid_friction",
    "storage_power",
    "storage_capacity",
    "storage_efficiency",
    "storage_wear",
    "storage_start",
)
OUTCOME: Final = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy")
OPERATOR: Final = ("profit_eur", "revenue_eur", "import_fee_eur", "loss_cost_eur", "overload_cost_eur", "loss_kwh", "overload_kwh")


@dataclass(frozen=True, eq=False, kw_only=True)
class Book:
    """What holds for all days of a ledger.

    Attributes:
        community: Name of the community.
        content_hash: Hash of its data.
        prosumers: Names of the prosumers, length N.
        network: Where they sit.
        tariff: What is charged.
        flows: Which account of the flows the operator answers for.
        mechanism: What clears, as :func:`~gridtoll.envs.market.mechanism.make_mechanism` reads it.
        power_flow: What flows in the wires, by name.
        software: Versions and commit of what wrote it.
    """

    community: str
    content_hash: str
    prosumers: tuple[str, ...]
    network: Network
    tariff: Tariff
    flows: Flows
    mechanism: str
    power_flow: str
    software: Mapping[str, str | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class SettledDay:
    """A day to be written down.

    Attributes:
        day: Its data.
        date: In ISO form.
        price_path: Which price path it has.
        coefficients: γ as posted in EUR/kWh, shape (T, K).
        clearing: What the mechanism made of it.
        settlement: Who pays whom.
    """

    day: Day
    date: str
    price_path: int
    coefficients: Array
    clearing: Allocation
    settlement: Settlement


def opening(book: Book, public_key: str) -> dict[str, Any]:
    """Return the content of a ledger's first line."""
    network, tariff = book.network, book.tariff
    return {
        "kind": "ledger",
        "format": FORMAT,
        "public_key": public_key,
        "software": dict(book.software),
        "community": book.community,
        "content_hash": book.content_hash,
        "prosumers": list(book.prosumers),
        "flows": book.flows,
        "mechanism": book.mechanism,
        "power_flow": book.power_flow,
        "tariff": {"kind": tariff.kind, "per": tariff.per, "names": list(tariff.names), "basis": tariff.basis.tolist()},
        "network": {
            "prosumer_ptdf": network.prosumer_ptdf.tolist(),
            "loss_coefficient": network.grid.loss_coefficient.tolist(),
            "branch_limit_kw": plain(network.grid.branch_limit_kw.tolist()),
        },
    }


def day_content(book: Book, settled: SettledDay) -> dict[str, Any]:
    """Return what everybody may see of a day."""
    day, settlement = settled.day, settled.settlement
    base = base_flow(day, book.network)
    return {
        "label": day.label,
        "date": settled.date,
        "price_path": settled.price_path,
        "period_hours": day.period_hours,
        "loss_price": day.loss_price.tolist(),
        "overload_price": day.overload_price,
        "import_fee": day.import_fee,
        "base_flow_kw": base.tolist() if base.any() else None,
        "charge": settled.coefficients.tolist(),
        "evidence": {name: plain(value) for name, value in settled.clearing.evidence.info().items()},
        "operator": {name: getattr(settlement, name) for name in OPERATOR},
        "network_secure": settlement.network_secure,
    }


def statements(settled: SettledDay, charges: Array) -> list[dict[str, Any]]:
    """Return what each prosumer alone may see; ``charges`` are τ in EUR/kWh, shape (T, N, N)."""
    trade, price = settled.clearing.trade, settled.clearing.trade_price  # once: with many prosumers each reading makes them anew
    return [_statement(settled, charges, trade, price, prosumer) for prosumer in range(settled.day.n_prosumers)]


def _statement(settled: SettledDay, charges: Array, trade: Array, price: Array, prosumer: int) -> dict[str, Any]:
    day, clearing, i = settled.day, settled.clearing, prosumer
    prices = {"import_price": day.own_import_price[:, i], "export_price": day.own_export_price[:, i]}
    by_period = {name: value.tolist() for name, value in ({name: getattr(day, name)[:, i] for name in BY_PERIOD} | prices).items()}
    own = {name: float(getattr(day, name)[i]) for name in OWN}
    outcome: dict[str, Any] = {name: getattr(clearing, name)[:, i].tolist() for name in OUTCOME}
    match clearing:
        case Clearing(nodal_price=nodal, storage_price=stored):
            outcome |= {"nodal_price": nodal[:, i].tolist(), "storage_price": stored[:, i].tolist()}
        case _:
            outcome |= {"nodal_price": None, "storage_price": None}
    friction = day.trade_friction
    sold = _trades(trade[:, i, :], price[:, i, :], charges[:, i, :], friction[i])
    bought = _trades(trade[:, :, i], price[:, :, i], charges[:, :, i], friction[:, i])
    imports = prices["import_price"] * clearing.grid_import[:, i]
    exports = prices["export_price"] * clearing.grid_export[:, i]
    retail = float(day.period_hours * (imports - exports).sum())
    received, charge = float(settled.settlement.payment_eur[i]), float(settled.settlement.charge_eur[i])
    return {
        "prosumer": i,
        "data": {
            **by_period,
            **own,
            "storage_end": float(day.stored_at_end[i]),
            "trade_limit": day.trade_limit[i].tolist(),
            "trade_friction": friction[i].tolist(),
        },
        "outcome": outcome,
        "sold": sold,
        "bought": bought,
        "account": {
            "retail_eur": retail,
            "received_eur": received,
            "charge_eur": charge,
            "bill_eur": retail + charge - received,
            "surplus_eur": float(settled.settlement.surplus_eur[i]),
        },
    }


def _trades(power: Array, price: Array, charge: Array, friction: Array) -> dict[str, list[Any]]:
    """Return a prosumer's trades with each partner, all of shape (T, N) but the friction of shape (N,), as lists of equal length."""
    period, partner = np.nonzero(power)
    return {
        "period": period.tolist(),
        "partner": partner.tolist(),
        "kw": power[period, partner].tolist(),
        "price": price[period, partner].tolist(),
        "charge": charge[period, partner].tolist(),
        "friction": friction[partner].tolist(),
    }
