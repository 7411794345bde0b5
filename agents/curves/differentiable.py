"""The settlement of a day as a differentiable function of the operator's charges, for PyTorch.

A policy network that posts charges γ can be trained on the market itself: forward clears each day exactly, backward solves one adjoint
system per day for whatever sum of quantities the loss made of them (:mod:`...envs.account.gradient`). Everything is computed in double
precision.

At a kink of the followers' response the gradient is the one-sided derivative for all charges rising alike, proved to be one; gradients of
gradients are not defined, because on each piece of the response profit is quadratic and between pieces it bends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from ...envs.account.gradient import action_gradient, settlement_gradient
from ...envs.account.settlement import Flows, Settlement, check_flows
from ...envs.account.settlement_cotangent import QUANTITIES
from ...envs.account.tariff import Tariff
from ...envs.community.day import Array, Day
from ...envs.errors import unknown_name
from ...envs.games.transition import Rules, transition
from ...envs.grid.network import Network
from ...envs.market.exact.market import P2PMarket
from ...envs.market.exact.solution import Clearing
from ...envs.market.mechanism import ExactResponse


def differentiable_settlement(
    charges: torch.Tensor,
    days: Sequence[Day],
    network: Network,
    tariff: Tariff,
    *,
    quantities: Sequence[str] = ("profit_eur",),
    flows: Flows = "trades",
    market: ExactResponse | None = None,
) -> torch.Tensor:
    """Clear and settle days at posted charges, differentiably.

    Args:
        charges: γ in EUR/kWh, at least 0, shape (D, coefficients) with a row for each day in the order of :meth:`.Tariff.read`.
        days: The D days.
        network: Where the prosumers sit.
        tariff: What the coefficients charge.
        quantities: Names of what to return, of :data:`...envs.account.settlement_cotangent.QUANTITIES`. One with several entries, such as
            ``"surplus_eur"``, takes as many columns.
        flows: Which account of the flows the operator answers for.
        market: What clears; a new :class:`.P2PMarket` where absent. A :class:`.StructuredMarket` is many times faster.

    Returns:
        The quantities in double precision, shape (D, columns).

    Raises:
        ValueError: If charges have the wrong shape, are negative or not finite, or a name is unknown.
        ClearingError: If a day cannot be cleared exactly, or, in backward, no one-sided derivative at a kink can be proved.
        RuntimeError: In backward, if gradients of gradients are asked for.
    """
    for name in quantities:
        if name not in QUANTITIES:
            raise unknown_name("a quantity to differentiate", name, QUANTITIES)
    if not days:
        raise ValueError("there must be at least one day to settle, got none.")
    wanted = (len(days), tariff.n_coefficients(days[0].n_periods))
    if tuple(charges.shape) != wanted:
        raise ValueError(f"charges must have a row for each day and a column for each coefficient, {wanted}, got {tuple(charges.shape)}.")
    bad = torch.nonzero(~((charges >= 0) & torch.isfinite(charges)))
    if len(bad):
        day, column = bad[0].tolist()
        raise ValueError(
            f"charges must be finite and at least 0 EUR/kWh (end a network in a sigmoid or a softplus), got {len(bad)} that are not, the "
            f"first {charges[day, column].item()} on day {day} at coefficient {column}."
        )
    game = _SettledGame(tuple(days), network, tariff, tuple(quantities), check_flows(flows), P2PMarket() if market is None else market)
    settled: torch.Tensor = _Settle.apply(charges.double(), game)  # type: ignore[no-untyped-call]
    return settled


@dataclass(frozen=True, eq=False)
class _SettledGame:
    """What the settlement depends on beside the charges."""

    days: tuple[Day, ...]
    network: Network
    tariff: Tariff
    quantities: tuple[str, ...]
    flows: Flows
    market: ExactResponse

    def charges(self, day: Day, action: Array) -> Array:
        """Return τ, shape (T, N, N), of one row of coefficients."""
        return self.tariff.charges(self.tariff.read(action, day.n_periods, cap=np.inf))

    def settle(self, day: Day, charges: Array) -> tuple[Clearing, Settlement]:
        """Clear and settle one day."""
        rules = Rules(network=self.network, basis=self.tariff.basis, flows=self.flows, objective="profit")
        played = transition(rules, self.market, day, charges)
        return played.clearing, played.settlement

    def columns(self, settlement: Settlement) -> Array:
        """Return the quantities of one day side by side."""
        held = {field.name: getattr(settlement, field.name) for field in fields(settlement)}
        return np.concatenate([np.ravel(held[name]) for name in self.quantities])

    def pull_back(self, day: Day, action: Array, clearing: Clearing, settlement: Settlement, weight: Array) -> Array:
        """Return the gradient of a weighted sum of one day's columns in its row of coefficients."""
        weights: dict[str, Array] = {}
        for name in self.quantities:
            shape = np.shape(getattr(settlement, name))
            size = int(np.prod(shape))
            weights[name] = weights.get(name, np.zeros(shape)) + weight[:size].reshape(shape)
            weight = weight[size:]
        gradient = settlement_gradient(
            day,
            self.network,
            self.charges(day, action),
            clearing,
            weights=weights,
            flows=self.flows,
            charge_base=self.tariff.basis,
            toward=self.tariff.basis.sum(axis=0),
        )
        return action_gradient(self.tariff, gradient)


class _Settle(torch.autograd.Function):
    """Charges to quantities; the clearings are kept for backward."""

    @staticmethod
    def forward(ctx: Any, charges: torch.Tensor, game: _SettledGame) -> torch.Tensor:
        """Return the quantities, shape (D, columns)."""
        actions = charges.detach().cpu().numpy()
        ctx.game, ctx.actions = game, actions.copy()
        ctx.settled = [game.settle(day, game.charges(day, action)) for day, action in zip(game.days, actions, strict=True)]
        rows = [game.columns(settlement) for _, settlement in ctx.settled]
        return torch.as_tensor(np.array(rows), dtype=charges.dtype, device=charges.device)

    @staticmethod
    def backward(ctx: Any, weight: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the vector-Jacobian product, shape (D, coefficients)."""
        if torch.is_grad_enabled():  # PyTorch's own once_differentiable would leave out a second derivative in silence
            raise RuntimeError("the settlement can be differentiated once: leave out `create_graph=True`.")
        weights = weight.detach().cpu().numpy()
        rows = [
            ctx.game.pull_back(day, action, clearing, settlement, row)
            for day, action, (clearing, settlement), row in zip(ctx.game.days, ctx.actions, ctx.settled, weights, strict=True)
        ]
        return torch.as_tensor(np.array(rows), dtype=weight.dtype, device=weight.device), None
