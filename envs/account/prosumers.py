"""What a cleared day comes to for each prosumer: who pays, who gains, and how much energy went where.

With a prosumer's utility of the energy it uses, its bill (what it pays the retailer, its partners and in network charges, less what it
receives) and what frictions and the wear of its battery cost it,

    surplus = utility − bill − friction.

"Without trade" is the same day with no trade allowed, where everybody answers the retailer alone. Every column can be summed over days.

``COLUMNS`` says of each column what it means. Its unit is the end of its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ..arrays import Array
from ..community.day import Day
from ..frames import frame_of, named
from ..market.mechanism import Allocation
from .settlement import Settlement

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS: Final[dict[str, str]] = {
    "prosumer": "its name",
    "surplus_eur": "utility less bill and frictions",
    "surplus_without_trade_eur": "the same where nobody trades",
    "gain_eur": "what trade adds to its surplus; below 0 for those who lose by it",
    "bill_eur": "all it pays less all it receives: retailer, partners and network charge",
    "bill_without_trade_eur": "the same where nobody trades",
    "network_charge_eur": "its half of the network charge on each trade, paid to the operator",
    "paid_to_retailer_eur": "for imports",
    "received_from_retailer_eur": "for exports",
    "paid_to_partners_eur": "for what it buys in trades, before charges",
    "received_from_partners_eur": "for what it sells in trades, before charges",
    "utility_eur": "what the energy it uses is worth to it",
    "friction_eur": "costs of connection, trading and battery wear",
    "demand_kwh": "what it uses",
    "renewable_available_kwh": "what its sun and wind could give",
    "renewable_used_kwh": "what is taken of that",
    "import_kwh": "bought from the retailer",
    "export_kwh": "sold to the retailer",
    "bought_kwh": "bought from partners",
    "sold_kwh": "sold to partners",
    "battery_charged_kwh": "put into its battery",
    "battery_discharged_kwh": "taken from its battery",
}
"""Every column in its order, with what it means."""


def prosumer_account(
    day: Day, clearing: Allocation, settlement: Settlement, alone: Allocation, settled_alone: Settlement
) -> dict[str, Array]:
    """Return the columns of a day by name, each of shape (N,), all but the prosumers' names.

    Args:
        day: The day.
        clearing: What the market made of it.
        settlement: Of this clearing.
        alone: What everybody does where nobody trades.
        settled_alone: Of that.
    """
    energy, money = _energy(day, clearing), _money(day, clearing, settlement)
    without = _money(day, alone, settled_alone)
    utility = day.period_hours * (day.utility_slope * clearing.demand - 0.5 * day.utility_curvature * clearing.demand**2).sum(axis=0)
    surplus = settlement.surplus_eur
    found = energy | money
    found |= {
        "surplus_eur": surplus,
        "surplus_without_trade_eur": settled_alone.surplus_eur,
        "gain_eur": surplus - settled_alone.surplus_eur,
        "bill_without_trade_eur": without["bill_eur"],
        "utility_eur": utility,
        "friction_eur": utility - money["bill_eur"] - surplus,
    }
    return {name: found[name] for name in COLUMNS if name != "prosumer"}


def summed(accounts: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the sum of several days' accounts by column, each of shape (N,).

    Raises:
        ValueError: If there is none.
    """
    every = list(accounts)
    if not every:
        raise ValueError("accounts of at least one day are needed for a sum, got none.")
    return {name: np.sum([account[name] for account in every], axis=0) for name in every[0]}


def prosumer_frame(account: Mapping[str, Array], prosumer_names: Sequence[str] | None = None) -> DataFrame:
    """Return an account, or a sum of them, as a table with a row for each prosumer.

    Args:
        account: Columns by name, each of shape (N,).
        prosumer_names: Of the N prosumers; numbers from 0 where absent.

    Raises:
        ValueError: If there are not N names.
    """
    names = named("prosumer_names", prosumer_names, len(account["surplus_eur"]))
    return frame_of({"prosumer": names} | {name: account[name] for name in COLUMNS if name != "prosumer"})


def _energy(day: Day, clearing: Allocation) -> dict[str, Array]:
    trade = clearing.trade
    power = {
        "demand_kwh": clearing.demand,
        "renewable_available_kwh": day.renewable,
        "renewable_used_kwh": clearing.renewable_used,
        "import_kwh": clearing.grid_import,
        "export_kwh": clearing.grid_export,
        "bought_kwh": trade.sum(axis=1),
        "sold_kwh": trade.sum(axis=2),
        "battery_charged_kwh": clearing.storage_charge,
        "battery_discharged_kwh": clearing.storage_discharge,
    }
    return {name: day.period_hours * kw.sum(axis=0) for name, kw in power.items()}


def _money(day: Day, clearing: Allocation, settlement: Settlement) -> dict[str, Array]:
    worth = clearing.trade * clearing.trade_price
    found = {
        "network_charge_eur": settlement.charge_eur,
        "paid_to_retailer_eur": day.period_hours * (day.own_import_price * clearing.grid_import).sum(axis=0),
        "received_from_retailer_eur": day.period_hours * (day.own_export_price * clearing.grid_export).sum(axis=0),
        "paid_to_partners_eur": day.period_hours * worth.sum(axis=(0, 1)),
        "received_from_partners_eur": day.period_hours * worth.sum(axis=(0, 2)),
    }
    retailer = found["paid_to_retailer_eur"] - found["received_from_retailer_eur"]
    partners = found["paid_to_partners_eur"] - found["received_from_partners_eur"]
    return found | {"bill_eur": retailer + partners + settlement.charge_eur}
