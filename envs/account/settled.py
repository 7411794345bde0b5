"""What a settlement holds, of one day and of many, and as tables: see :mod:`.settlement` for how it comes about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..frames import frame_of, named

if TYPE_CHECKING:
    from pandas import DataFrame

_BY_PROSUMER: Final = ("surplus_eur", "payment_eur", "charge_eur")


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement:
    """The money and energy of one cleared day.

    Attributes:
        profit_eur: Π, the operator's profit: revenue and import fee less losses and overload.
        revenue_eur: Charges collected, Σ Δ τ p.
        import_fee_eur: Fee collected on imports, Σ Δ ν m.
        loss_cost_eur: What the operator pays for the losses the community causes; below 0 where it relieves the base injection's flows.
        overload_cost_eur: What the operator pays for flow above the branch limits.
        welfare_eur: Prosumers' surplus and operator's profit together; the retailer stands outside.
        gross_welfare_eur: Prosumers' surplus before charges.
        surplus_eur: Each prosumer's surplus after charges, shape (N,).
        payment_eur: What each prosumer receives for its trades from the others, shape (N,); sums to zero.
        charge_eur: What each prosumer pays in charges, shape (N,); sums to the revenue.
        traded_kwh: Σ Δ p.
        charged_kwh: Σ Δ B p with B the sum of the tariff's basis matrices.
        charged_kwh_by_coefficient: Σ Δ B^k p, shape (K,).
        import_kwh: Bought from the retailer.
        export_kwh: Sold to the retailer.
        loss_kwh: Losses the community causes, Σ Δ w (f² − f_base²).
        overload_kwh: Energy above the branch limits.
        flow_kw: f, shape (T, L), positive from ``branch_from`` to ``branch_to``.
        peak_loading: Greatest |f| over its branch limit; 0 where no branch has a limit.
        network_secure: Whether every flow is within its limit, and every voltage where the power flow has voltages (to a relative 1e-9, the
            accuracy of a clearing).
        voltage_min_pu: Least voltage of the day. This and all that follows is None under a power flow without voltages, as the linear one.
        voltage_min_bus: Where that is.
        voltage_min_period: In which period, counted from 0.
        voltage_max_pu: Greatest voltage of the day.
        voltage_max_bus: Where that is.
        voltage_max_period: In which period.
        ac_loss_kwh: All that lines and transformers lose, iron losses included, whoever causes it.
        ac_loss_lines_kwh: What lines lose of it.
        ac_loss_transformers_kwh: What transformers lose of it.
        line_loading: Greatest current of a line over its limit.
        transformer_loading: The same of transformers; 0 where there are none.
        loaded_branch: The branch that is loaded most.
        loaded_period: In which period that is.
    """

    profit_eur: float
    revenue_eur: float
    import_fee_eur: float
    loss_cost_eur: float
    overload_cost_eur: float
    welfare_eur: float
    gross_welfare_eur: float
    surplus_eur: Array
    payment_eur: Array
    charge_eur: Array
    traded_kwh: float
    charged_kwh: float
    charged_kwh_by_coefficient: Array
    import_kwh: float
    export_kwh: float
    loss_kwh: float
    overload_kwh: float
    flow_kw: Array
    peak_loading: float
    network_secure: bool
    voltage_min_pu: float | None = None
    voltage_min_bus: str | None = None
    voltage_min_period: int | None = None
    voltage_max_pu: float | None = None
    voltage_max_bus: str | None = None
    voltage_max_period: int | None = None
    ac_loss_kwh: float | None = None
    ac_loss_lines_kwh: float | None = None
    ac_loss_transformers_kwh: float | None = None
    line_loading: float | None = None
    transformer_loading: float | None = None
    loaded_branch: str | None = None
    loaded_period: int | None = None

    def to_frame(self, prosumer_names: Sequence[str] | None = None) -> DataFrame:
        """Return what each prosumer gets and pays: ``prosumer``, then the fields of shape (N,), in EUR.

        Args:
            prosumer_names: Of the N prosumers; numbers from 0 where absent.

        Raises:
            ValueError: If there are not N names.
        """
        names = named("prosumer_names", prosumer_names, len(self.surplus_eur))
        return frame_of({"prosumer": names} | {name: getattr(self, name) for name in _BY_PROSUMER})


@dataclass(frozen=True, eq=False)
class Settlements:
    """The settlements of R days.

    Attributes:
        values: Each field of :class:`Settlement` by name, with an axis of length R in front.
    """

    values: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return R."""
        return len(self.values["profit_eur"])

    def row(self, number: int) -> Settlement:
        """Return one day's settlement."""
        chosen: dict[str, Any] = {}
        for name, values in self.values.items():
            chosen[name] = values[number] if values.ndim > 1 else values[number].item()
        return Settlement(**chosen)

    def to_frame(self, day_names: Sequence[str] | None = None) -> DataFrame:
        """Return the totals of each day: ``day``, then every field that is one number, its unit at the end of its name.

        Args:
            day_names: Of the R days, such as their labels; numbers from 0 where absent.

        Raises:
            ValueError: If there are not R names.
        """
        totals = {name: values for name, values in self.values.items() if np.ndim(values) == 1}
        return frame_of({"day": named("day_names", day_names, len(self))} | totals)
