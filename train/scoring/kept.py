"""What trade is worth under a mechanism: to each prosumer, and beside the exact clearing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ...envs.account.settlement import Settlement
from ...envs.community.day import Array, Day
from ...envs.games.transition import Rules
from ...envs.market.call_auction.plans import plan_alone
from ...envs.market.exact.compiled import StructuredMarket
from ...envs.market.mechanism import EXACT, read_mechanism

_NOTHING: Final = 1e-9
"""Gains of less than this share of the day's turnover are rounding."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Kept:
    """What trade is worth on a day.

    Attributes:
        efficiency: Share of what the exact clearing gains at the same charges, over no trade at all, that was kept: prosumers' surplus net
            of charges. 1 where there is nothing to gain.
        surplus_eur: Each prosumer's surplus, shape (N,).
        surplus_without_trade_eur: What it would have without trade, shape (N,).
    """

    efficiency: float
    surplus_eur: Array
    surplus_without_trade_eur: Array


def kept(rules: Rules, day: Day, charges: Array, settlement: Settlement, mechanism: str) -> Kept:
    """Return what trade was worth.

    Args:
        rules: How days are settled.
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N).
        settlement: What came of it.
        mechanism: What cleared it, as it is written.
    """
    alone = rules.settled(day, charges, plan_alone(day)).settlement.surplus_eur
    own = settlement.surplus_eur
    best = own
    if read_mechanism(mechanism)[0] != EXACT:
        best = rules.settled(day, charges, StructuredMarket(threads=1).clear(day, charges)).settlement.surplus_eur
    gain, most = float(own.sum() - alone.sum()), float(best.sum() - alone.sum())
    rounding = _NOTHING * day.turnover_eur
    share = gain / most if most > rounding else 1.0
    if gain <= most + rounding:
        share = min(share, 1.0)
    return Kept(efficiency=share, surplus_eur=np.array(own), surplus_without_trade_eur=np.array(alone))
