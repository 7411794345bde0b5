"""What a clearing returns: primal and dual arrays with the certificate that proves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from ...community.day import Array
from ..frames import allocation_frame
from .trades import PairTrades

if TYPE_CHECKING:
    from pandas import DataFrame

TOLERANCE = 1e-9
"""Greatest scaled primal residual, dual residual and duality gap a clearing may be returned with."""


@dataclass(frozen=True)
class Certificate:
    """How far a clearing is from exact, computed from its arrays alone.

    Each number is measured by what the error is worth to whom it concerns, so that it means the same for a house and for a factory, and no
    single entry of the data can stretch a unit for the others (:mod:`.market_data`).

    Attributes:
        primal_residual: Greatest violation of a balance, storage equation or bound, over the size of the prosumer: the mean of its
            ``demand_max`` or ``renewable``, whichever is greater. For a trade, of the smaller of both.
        dual_residual: Greatest violation of stationarity by multipliers of the right sign, over the price unit of the day: the
            greatest price, but at most 8 times the median import price.
        gap: Primal minus dual objective, each prosumer's part of it over its size for the whole day at the price unit, for the prosumer
            to whom it matters most; may be negative by rounding.
    """

    primal_residual: float
    dual_residual: float
    gap: float

    @property
    def worst(self) -> float:
        """The greatest of the three in absolute value; NaN if any of them is."""
        values = (abs(self.primal_residual), abs(self.dual_residual), abs(self.gap))
        return float("nan") if any(isnan(value) for value in values) else max(values)

    def holds(self, tolerance: float = TOLERANCE) -> bool:
        """Return whether all three are within ``tolerance``; False where one is NaN."""
        return abs(self.primal_residual) <= tolerance and abs(self.dual_residual) <= tolerance and abs(self.gap) <= tolerance


QUANTITIES: Final = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "trade")
"""What every allocation has in kW for each period, whatever made it."""
BY_PERIOD: Final = (*QUANTITIES, "nodal_price", "storage_price")
"""Fields of a clearing with a row for every period; stored energy has one more."""


def sold_less_bought(of_trade: Array) -> Array:
    """Return the sum over what each prosumer sells less that over what it buys, shape (…, N), of values of trades, shape (…, N, N)."""
    net: Array = of_trade.sum(axis=-1) - of_trade.sum(axis=-2)
    return net


@dataclass(frozen=True)
class KktEvidence:
    """What shows that a clearing is the optimum.

    Attributes:
        certificate: Residuals and gap of its arrays.
        solver: Name and version of what solved it.
        fallback: Whether that was not the solver asked for.
    """

    certificate: Certificate
    solver: str
    fallback: bool

    def info(self) -> Mapping[str, Any]:
        """Return what an environment's ``info`` says; wall time is not among it: the same step gives the same ``info``."""
        proof = self.certificate
        residuals = {"primal_residual": proof.primal_residual, "dual_residual": proof.dual_residual, "gap": proof.gap}
        return {**residuals, "solver": self.solver, "fallback": self.fallback}

    def arrays(self) -> Mapping[str, Array]:
        """Return none of any shape: the prices of a clearing, which prove it, are arrays of its own."""
        return {}


class _MadeWhenRead:
    """The array of trades of a clearing that keeps them pair by pair; where it has the array itself, Python does not ask this."""

    def __get__(self, clearing: Clearing | None, owner: type) -> Array:
        if clearing is None or clearing.trades is None:
            raise AttributeError("trade")
        return clearing.trades.dense()


@dataclass(frozen=True, eq=False, kw_only=True)
class Clearing:
    """The unique outcome of the peer-to-peer market on one day at one set of charges.

    Attributes:
        demand: d in kW, shape (T, N).
        renewable_used: r in kW, shape (T, N).
        grid_import: m in kW, shape (T, N).
        grid_export: x in kW, shape (T, N).
        storage_charge: c in kW, shape (T, N).
        storage_discharge: s in kW, shape (T, N).
        stored_energy: e in kWh, shape (T + 1, N), the first row being the start.
        trade: p in kW, shape (T, N, N), from row to column; made anew whenever it is read where ``trades`` are kept instead.
        nodal_price: μ in EUR/kWh, shape (T, N), what one more kWh at a prosumer is worth.
        storage_price: σ in EUR/kWh, shape (T, N), what one more stored kWh is worth; 0 without storage.
        objective_eur: Optimal value of the followers' program.
        certificate: Residuals and gap of these arrays.
        solver: Name and version of what solved it.
        iterations: Interior-point iterations and polishing steps, (0, k) where the interior point was not needed.
        seconds: Wall time of the clearing.
        fallback: Whether the solver asked for missed its tolerance and CVXPY cleared the day instead.
        trades: The same as ``trade`` pair by pair, from a market of many prosumers; None where the array is kept. It is no argument: a copy
            made by ``replace`` has the array.
        by_period: The fields with a row for every period; stored energy has one more.
    """

    by_period: ClassVar = BY_PERIOD

    demand: Array
    renewable_used: Array
    grid_import: Array
    grid_export: Array
    storage_charge: Array
    storage_discharge: Array
    stored_energy: Array
    trade: Array = _MadeWhenRead()  # type: ignore[assignment]  # asked only where an instance has none
    nodal_price: Array
    storage_price: Array
    objective_eur: float
    certificate: Certificate
    solver: str
    iterations: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    fallback: bool = False
    trades: PairTrades | None = field(init=False, default=None)

    @property
    def traded_kw(self) -> Array:
        """Power sold less power bought in trades, shape (T, N)."""
        return sold_less_bought(self.trade) if self.trades is None else self.trades.net_kw()

    def trades_of(self, seller: NDArray[np.intp], buyer: NDArray[np.intp]) -> Array:
        """Return the trades of pairs in kW, shape (T, pairs).

        Args:
            seller: Sellers, shape (pairs,).
            buyer: Buyers, shape (pairs,).
        """
        return self.trade[:, seller, buyer] if self.trades is None else self.trades.of(seller, buyer)

    def most_traded_kw(self, pairs: NDArray[np.bool_]) -> float:
        """Return the greatest trade, of whatever sign, of some pairs in kW, 0 where there are none.

        Args:
            pairs: Which pairs, shape (N, N).
        """
        kept = self.trades
        chosen = self.trade[:, pairs] if kept is None else kept.power_kw[:, pairs[kept.seller, kept.buyer]]
        return float(np.abs(chosen).max(initial=0.0))

    def first_period(self) -> Clearing:
        """Return its first period; the certificate is that of the whole, and the objective is not known."""
        rows: dict[str, Any] = {name: getattr(self, name)[:1] for name in BY_PERIOD if name != "trade"}
        trade = self.trade[:1] if self.trades is None else self.trades.first_periods(1).dense()
        return replace(self, stored_energy=self.stored_energy[:2], objective_eur=nan, trade=trade, **rows)

    def valued(self, objective_eur: float) -> Clearing:
        """Return the same with what the followers' program is worth at it."""
        return replace(self, objective_eur=objective_eur)

    @property
    def trade_price(self) -> Array:
        """π, what the buyer pays the seller per kWh before charges, in EUR/kWh, shape (T, N, N): the mean of their nodal prices."""
        price = self.nodal_price
        return 0.5 * (price[:, :, None] + price[:, None, :])

    @property
    def evidence(self) -> KktEvidence:
        """What shows that it is the optimum."""
        return KktEvidence(self.certificate, self.solver, self.fallback)

    def to_frame(self, prosumer_names: Sequence[str] | None = None) -> DataFrame:
        """Return it as a table, one row for each period and prosumer; :func:`.allocation_frame` has the columns.

        Args:
            prosumer_names: Of the N prosumers; numbers from 0 where absent.

        Raises:
            ValueError: If there are not N names.
        """
        return allocation_frame(self, prosumer_names)


def keeping_pairs(clearing: Clearing, trades: PairTrades) -> Clearing:
    """Return a clearing, itself, that keeps its trades pair by pair in place of the array it was made with."""
    vars(clearing)["trades"] = trades
    del vars(clearing)["trade"]
    return clearing
