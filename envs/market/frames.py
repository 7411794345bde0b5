"""An allocation as a table: one row for each period and prosumer, whichever mechanism made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ..arrays import Array
from ..frames import frame_of, named

if TYPE_CHECKING:
    from pandas import DataFrame

    from .mechanism import Allocation

_QUANTITIES: Final = {
    "demand_kw": "demand",
    "renewable_used_kw": "renewable_used",
    "import_kw": "grid_import",
    "export_kw": "grid_export",
    "storage_charge_kw": "storage_charge",
    "storage_discharge_kw": "storage_discharge",
}


def allocation_frame(allocation: Allocation, prosumer_names: Sequence[str] | None = None) -> DataFrame:
    """Return an allocation of T periods and N prosumers as T·N rows, periods outermost.

    ===========================  =======  ==========================================================================================
    column                       unit     meaning
    ===========================  =======  ==========================================================================================
    ``period``                   1        from 0
    ``prosumer``                 1        its name, or its number
    ``demand_kw`` …              kW       what is used, taken from renewables, imported, exported, stored and taken from the store
    ``stored_at_end_kwh``        kWh      in the store at the end of the period
    ``sold_kw``, ``bought_kw``   kW       in trades, to and from all others
    ``selling_price_…``          EUR/kWh  mean of what partners pay for a kWh before charges; NaN where nothing is sold
    ``buying_price_…``           EUR/kWh  mean of what is paid to partners for a kWh before charges; NaN where nothing is bought
    ``nodal_price_…``            EUR/kWh  what one more kWh there is worth; NaN where each trade has a price of its own
    ===========================  =======  ==========================================================================================

    Args:
        allocation: What a mechanism made of a day.
        prosumer_names: Of the N prosumers; numbers from 0 where absent.

    Raises:
        ValueError: If there are not N names.
    """
    periods, n = allocation.demand.shape
    names = named("prosumer_names", prosumer_names, n)
    trade, worth = allocation.trade, allocation.trade * allocation.trade_price
    sold, bought = trade.sum(axis=2), trade.sum(axis=1)
    nodal = np.full((periods, n), np.nan) if allocation.nodal_price is None else allocation.nodal_price
    arrays = {column: getattr(allocation, name) for column, name in _QUANTITIES.items()} | {
        "stored_at_end_kwh": allocation.stored_energy[1:],
        "sold_kw": sold,
        "bought_kw": bought,
        "selling_price_eur_per_kwh": _mean_price(worth.sum(axis=2), sold),
        "buying_price_eur_per_kwh": _mean_price(worth.sum(axis=1), bought),
        "nodal_price_eur_per_kwh": nodal,
    }
    rows = {"period": np.repeat(np.arange(periods), n), "prosumer": [names[i] for _ in range(periods) for i in range(n)]}
    return frame_of(rows | {column: np.ravel(values) for column, values in arrays.items()})


def _mean_price(worth: Array, traded: Array) -> Array:
    """Return EUR/kWh, NaN where nothing is traded."""
    price: Array = np.divide(worth, traded, out=np.full(traded.shape, np.nan), where=traded > 0)
    return price
