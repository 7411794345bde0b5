"""What flows in the wires for what prosumers put in and take out: the protocol, and the linear (DC) power flow.

A power flow is chosen by name and made for a network (:mod:`.power_flows`); others register under names of their own. What exact optima and
gradients need beyond that, flows that are linear in the injections with losses of their squares, is the narrower
:class:`LinearPowerFlow`. They ask for it by :func:`require_linear`, which refuses any other.

The **DC power flow** of injections n_i in kW (N prosumers) with base injections b (B buses) is

    f = H_P n + H b,    losses caused = Σ_l w_l (f_l² − f_base,l²),    overload = max(0, |f_l| − F_l),    f_base = H b.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .network import Network

DC: Final = "dc"
"""The name of the linear power flow."""
AC: Final = "ac"
"""The name of the AC power flow (:mod:`.ac`)."""
SECURE: Final = 1 + 1e-9
"""Greatest loading of a branch within its limit: a clearing is accurate to a relative 1e-9."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Flow:
    """What flows on R days.

    Attributes:
        branch_kw: f, shape (R, T, L), positive from ``branch_from`` to ``branch_to``.
        loss_kw: Losses with the prosumers less those of the base injection alone, shape (R, T); below 0 where they relieve it.
        overload_kw: Flow above each branch's limit, shape (R, T, L).
        loading: |f| over the branch limit, shape (R, T, L).
        secure: Whether every element is within its limits all day, shape (R,).
        voltage_pu: Voltage at each bus, shape (R, T, B), None where the power flow has none.
        branch_loss_kw: All that each branch loses, iron losses included, shape (R, T, L), None where only ``loss_kw`` is known.
    """

    branch_kw: Array
    loss_kw: Array
    overload_kw: Array
    loading: Array
    secure: NDArray[np.bool_]
    voltage_pu: Array | None = None
    branch_loss_kw: Array | None = None


class PowerFlow(Protocol):
    """Anything that says what flows. Days may not influence each other, to the last bit."""

    @property
    def network(self) -> Network:
        """Where the prosumers sit."""
        ...

    @property
    def linear(self) -> LinearPowerFlow | None:
        """The same as flows that are linear in the injections; None where they are not."""
        ...

    def of(self, net_kw: Array, base_kw: Array) -> Flow:
        """Return what flows.

        Args:
            net_kw: What each prosumer puts in less what it takes out, shape (R, T, N).
            base_kw: The base injection of each bus, shape (R, T, B), or (1, T, B) where it is the same on all days; a base injection of
                nothing may leave its buses out.
        """
        ...


class LinearPowerFlow(PowerFlow, Protocol):
    """A power flow whose flows are H n: what exact optima and gradients are made for."""

    @property
    def ptdf(self) -> Array:
        """H_P, shape (L, N)."""
        ...

    @property
    def loss_coefficient(self) -> Array:
        """The w of losses Σ w f² in 1/kW, shape (L,)."""
        ...

    @property
    def branch_limit_kw(self) -> Array:
        """F, shape (L,)."""
        ...


@dataclass(frozen=True, eq=False)
class DcPowerFlow:
    """The linear power flow of a network, by its PTDF matrix.

    Attributes:
        network: Where the prosumers sit.
        ptdf: H_P, shape (L, N): what stays linear in N, no array over branches and pairs is formed.
        loss_coefficient: The w of losses Σ w f² in 1/kW, shape (L,).
        branch_limit_kw: F, shape (L,).
    """

    network: Network
    ptdf: Array = field(init=False, repr=False)
    loss_coefficient: Array = field(init=False, repr=False)
    branch_limit_kw: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Take from the network what every step needs."""
        grid = self.network.grid
        object.__setattr__(self, "ptdf", self.network.prosumer_ptdf)
        object.__setattr__(self, "loss_coefficient", grid.loss_coefficient)
        object.__setattr__(self, "branch_limit_kw", grid.branch_limit_kw)

    @property
    def linear(self) -> DcPowerFlow:
        """Itself."""
        return self

    def of(self, net_kw: Array, base_kw: Array) -> Flow:
        """Return what flows; see :class:`PowerFlow`."""
        limit, base = self.branch_limit_kw, self.base_flow(base_kw)
        flow: Array = net_kw @ self.ptdf.T + base
        size = np.abs(flow)
        loading = size / limit
        return Flow(
            branch_kw=flow,
            loss_kw=(flow**2 - base**2) @ self.loss_coefficient,
            overload_kw=np.maximum(0.0, size - limit),
            loading=loading,
            secure=loading.max(axis=(1, 2), initial=0.0) <= SECURE,
        )

    def base_flow(self, base_kw: Array) -> Array:
        """Return rows of base injections alone in kW, shape (R, T, L), of injections as :meth:`of` takes them, shape (R, T, B)."""
        flows = np.zeros((*base_kw.shape[:2], len(self.branch_limit_kw)))
        for day in np.flatnonzero(base_kw.any(axis=(1, 2))):
            flows[day] = self.network.grid.flow(base_kw[day])
        offset = self.network.grid.row_offset_kw
        return flows if offset is None else flows + offset


def is_linear(power_flow: PowerFlow) -> bool:
    """Return whether a power flow is the linear one of its network."""
    linear, dc = power_flow.linear, DcPowerFlow(power_flow.network)
    return linear is not None and (
        np.array_equal(linear.ptdf, dc.ptdf)
        and np.array_equal(linear.loss_coefficient, dc.loss_coefficient)
        and np.array_equal(linear.branch_limit_kw, dc.branch_limit_kw)
    )


def require_linear(power_flow: PowerFlow) -> LinearPowerFlow:
    """Return a power flow as the linear one of its network, which exact optima and gradients are made of.

    Raises:
        ValueError: If it is another, so that nothing exact can be said of it.
    """
    linear = power_flow.linear
    if linear is None or not is_linear(power_flow):
        raise ValueError(
            "exact optima and gradients need a power flow that is the linear one of its network, as 'dc' is, got "
            f"{type(power_flow).__name__}. Search by playing, or leave `power_flow` at {DC!r}: the optimum of the linear model can be "
            f"settled under AC afterwards (`gridtoll optimum --resettle {AC}`)."
        )
    return linear
