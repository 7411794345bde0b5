"""What is proved of a day with one store, as it is kept."""

from __future__ import annotations

from typing import Final

from ...agents.optimum.one_store.solve import StoreOptimum
from ...envs.account.settlement import Flows
from ...envs.account.tariff import Tariff
from ...envs.community.day import Day
from ...envs.grid.network import Network
from .answers import Form, Key
from .optima import content_key

PROOFS: Final = Form("one-store", StoreOptimum)
"""What is proved of days with one store, in the store of answers."""


def proof_key(day: Day, network: Network, tariff: Tariff, *, cap: float, flows: Flows) -> Key:
    """Return what a proof depends on: the day, its tariff, the greatest charge in EUR/kWh, and which flows the operator pays for."""
    return content_key(day, network, tariff.basis) | {"cap": cap, "flows": flows}
