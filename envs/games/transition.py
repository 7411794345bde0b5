"""The transition of every game, written once: charges → clearing → settlement → reward.

::

    clearing   = market.clear(day, charges)                      # what prosumers answer
    settlement = settle(day, network, charges, clearing, …)      # who pays whom
    reward     = value(settlement, objective)                    # what the leader maximises

Environments, practice, evaluation, the study and the searches for an optimum all play it here, so that they cannot differ in what a charge
leads to. The hourly game clears plans for the rest of a day and settles the hour that is carried out; it takes the second half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from ..account.gradient import settlement_gradient
from ..account.objective import Objective, gradient_weights, reward, rewards
from ..account.settlement import Flows, Settlement, Settlements, settle, settle_many
from ..community.day import Array, Day
from ..grid.network import Network
from ..market.exact import Clearing, Market
from ..market.solvers import clear_many


@dataclass(frozen=True, eq=False, kw_only=True)
class Transition:
    """What charges led to on one day.

    Attributes:
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N), as they were cleared.
        clearing: What prosumers answered.
        settlement: Who pays whom.
        reward_eur: What the leader is rewarded with.
    """

    charges: Array
    clearing: Clearing
    settlement: Settlement
    reward_eur: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Transitions:
    """What charges led to on R days.

    Attributes:
        charges: τ in EUR/kWh, shape (R, T, N, N).
        clearings: What prosumers answered, length R.
        settlements: Who pays whom.
        rewards_eur: What the leader is rewarded with, shape (R,).
    """

    charges: Array
    clearings: Sequence[Clearing]
    settlements: Settlements
    rewards_eur: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Rules:
    """What the money of a game depends on beside the day and the charges.

    Attributes:
        network: Where the prosumers sit.
        basis: The tariff's basis, shape (K, N, N) or (N, N): what ``charged_kwh`` counts a traded kWh as.
        flows: Which account of the flows the operator answers for.
        objective: What the leader is rewarded with.
    """

    network: Network
    basis: Array
    flows: Flows
    objective: Objective

    def settled(self, day: Day, charges: Array, clearing: Clearing) -> Transition:
        """Return what a clearing comes to."""
        settlement = settle(day, self.network, charges, clearing, flows=self.flows, charge_base=self.basis)
        return Transition(charges=charges, clearing=clearing, settlement=settlement, reward_eur=reward(settlement, self.objective))

    def settled_many(self, days: Sequence[Day], charges: Array, clearings: Sequence[Clearing]) -> Transitions:
        """Return what the clearings of R days of one shape come to, each as :meth:`settled` would to the last bit."""
        settlements = settle_many(days, self.network, charges, clearings, flows=self.flows, charge_base=self.basis)
        return Transitions(charges=charges, clearings=clearings, settlements=settlements, rewards_eur=rewards(settlements, self.objective))

    def reward_gradient(self, day: Day, charges: ArrayLike, clearing: Clearing, *, toward: Array | None = None) -> Array:
        """Return the derivatives of the reward in the charge of every trade and period, shape (T, N, N); see :func:`.settlement_gradient`.

        Args:
            day: The day that was cleared.
            charges: τ in EUR/kWh, as they were cleared.
            clearing: The clearing at these charges.
            toward: Direction of charges whose side counts at a kink; all coefficients rising alike where absent.

        Raises:
            ClearingError: If the piece that the direction leads into cannot be proved.
        """
        basis = self.basis.reshape(-1, *self.basis.shape[-2:])
        return settlement_gradient(
            day,
            self.network,
            charges,
            clearing,
            weights=gradient_weights(self.objective),
            flows=self.flows,
            charge_base=self.basis,
            toward=basis.sum(axis=0) if toward is None else toward,
        )


def transition(rules: Rules, market: Market, day: Day, charges: Array) -> Transition:
    """Play one day.

    Args:
        rules: What the money depends on.
        market: What clears.
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N).

    Raises:
        ValueError: If the charges are not valid.
        ClearingError: If the clearing cannot be certified.
    """
    return rules.settled(day, charges, market.clear(day, charges))


def transitions(rules: Rules, market: Market, days: Sequence[Day], charges: Array) -> Transitions:
    """Play R days of one shape, in one call of the market where it has one.

    Args:
        rules: What the money depends on.
        market: What clears.
        days: The days, length R.
        charges: τ in EUR/kWh, shape (R, T, N, N).

    Raises:
        ValueError: If charges are not valid.
        ClearingError: If a clearing cannot be certified.
    """
    return rules.settled_many(days, charges, clear_many(market, days, charges))
