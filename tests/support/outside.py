"""What stands outside the package and plugs in by name: two mechanisms, a power flow and two objectives, each about ten lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.account.objective import OBJECTIVES, Account, register_objective
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid import power_flows
from gridtoll.envs.grid.network import Network
from gridtoll.envs.grid.power_flow import DcPowerFlow, Flow
from gridtoll.envs.market import mechanism
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.mechanism import Allocated, Noted
from gridtoll.envs.market.solvers import make_market

Array = NDArray[np.float64]


class RetailOnly:
    """Nobody trades: each prosumer answers the retailer alone."""

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> Sequence[Clearing]:
        alone = [replace(day, trade_limit=np.zeros_like(day.trade_limit)) for day in days]
        return make_market("structured").clear_many(alone, charges)


@dataclass(frozen=True)
class MidPrice:
    """The quantities of the exact market, but each trade pays a price between the retailer's two."""

    share: float = 0.5

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Allocated[Noted]]:
        return [self._priced(*each) for each in zip(days, make_market("structured").clear_many(days, charges), strict=True)]

    def _priced(self, day: Day, found: Clearing) -> Allocated[Noted]:
        price = self.share * day.import_price + (1 - self.share) * day.export_price
        quantities: dict[str, Any] = {entry.name: getattr(found, entry.name) for entry in fields(Allocated) if hasattr(found, entry.name)}
        own = {"trade_price": price[:, None, None] + np.zeros_like(found.trade), "nodal_price": None}
        return Allocated(**quantities | own | {"evidence": Noted(values={"mean_price": float(price.mean()), "rule": "mid-price"})})


@dataclass(frozen=True, eq=False)
class TwiceTheLosses:
    """The linear flows, but losses of twice their size: not the network's own."""

    network: Network
    linear: None = None

    def of(self, net_kw: Array, base_kw: Array) -> Flow:
        flow = DcPowerFlow(self.network).of(net_kw, base_kw)
        return replace(flow, loss_kw=2.0 * flow.loss_kw)


class Even:
    """The operator's profit and what the prosumer who is worst off is left with: no sum of quantities, so without weights."""

    weights = None

    def value(self, quantities: Mapping[str, Any]) -> Any:
        return quantities["profit_eur"] + quantities["surplus_eur"].min(axis=-1)

    def yardstick_eur(self, day: Day, account: Account | None) -> float:
        return day.turnover_eur


class Lean:
    """The operator's profit, less 5 EUR for each kWh lost: a weighted sum, which gradients take."""

    weights: Final = {"profit_eur": 1.0, "loss_kwh": -5.0}

    def value(self, quantities: Mapping[str, Any]) -> Any:
        return quantities["profit_eur"] - 5.0 * quantities["loss_kwh"]

    def yardstick_eur(self, day: Day, account: Account | None) -> float:
        return OBJECTIVES["profit"].yardstick_eur(day, account)


@contextmanager
def plugged_in() -> Iterator[None]:
    """Within it all are known: ``"retail-only"``, ``"mid-price"``, ``"twice-the-losses"``, ``"even"`` and ``"lean"``."""
    mechanism.register_mechanism("retail-only", RetailOnly)
    mechanism.register_mechanism("mid-price", MidPrice)
    power_flows.register_power_flow("twice-the-losses", TwiceTheLosses)
    register_objective("even", Even())
    register_objective("lean", Lean())
    try:
        yield
    finally:
        for name in ("retail-only", "mid-price"):
            del mechanism.MECHANISMS._makers[name]
        del power_flows.POWER_FLOWS._makers["twice-the-losses"]
        for name in ("even", "lean"):
            del OBJECTIVES._makers[name]
