"""The transition of every game, written once: charges → clearing → settlement → reward.

::

    clearing   = mechanism.clear_many([day], [charges])          # what prosumers answer
    settlement = settle(day, network, charges, clearing, …)      # who pays whom
    reward     = value(settlement, objective)                    # what the leader maximises

Environments, practice, evaluation, the study and the searches for an optimum all play it here, so that they cannot differ in what a charge
leads to. The hourly game clears plans for the rest of a day and settles the hour that is carried out; it takes the second half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from numpy.typing import ArrayLike

from ..account.gradient import settlement_gradient
from ..account.objective import Objective, gradient_weights, reward, rewards
from ..account.settlement import Flows, Settlement, Settlements, settle, settle_many
from ..community.day import Array, Day
from ..errors import ClearingError
from ..grid.network import Network
from ..grid.power_flow import PowerFlow, require_linear
from ..market.exact import Clearing
from ..market.mechanism import Allocation, Mechanism

A_co = TypeVar("A_co", bound=Allocation, covariant=True)
A = TypeVar("A", bound=Allocation)


@dataclass(frozen=True, eq=False, kw_only=True)
class Transition(Generic[A_co]):
    """What charges led to on one day.

    Attributes:
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N), as they were cleared.
        clearing: What prosumers answered.
        settlement: Who pays whom.
        reward_eur: What the leader is rewarded with.
    """

    charges: Array
    clearing: A_co
    settlement: Settlement
    reward_eur: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Transitions(Generic[A_co]):
    """What charges led to on R days.

    Attributes:
        charges: τ in EUR/kWh, shape (R, T, N, N).
        clearings: What prosumers answered, length R.
        settlements: Who pays whom.
        rewards_eur: What the leader is rewarded with, shape (R,).
    """

    charges: Array
    clearings: Sequence[A_co]
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
        power_flow: What flows; the linear one of the network where it is absent.
    """

    network: Network
    basis: Array
    flows: Flows
    objective: Objective
    power_flow: PowerFlow | None = None

    def settled(self, day: Day, charges: Array, clearing: A) -> Transition[A]:
        """Return what a clearing of a day at charges τ in EUR/kWh, shape (T, N, N) or (N, N), comes to."""
        settlement = settle(day, self.network, charges, clearing, flows=self.flows, charge_base=self.basis, power_flow=self.power_flow)
        return Transition(charges=charges, clearing=clearing, settlement=settlement, reward_eur=reward(settlement, self.objective))

    def settled_many(self, days: Sequence[Day], charges: Array, clearings: Sequence[A]) -> Transitions[A]:
        """Return what the clearings of R days of one shape come to, each as :meth:`settled` would to the last bit."""
        settlements = settle_many(
            days, self.network, charges, clearings, flows=self.flows, charge_base=self.basis, power_flow=self.power_flow
        )
        return Transitions(charges=charges, clearings=clearings, settlements=settlements, rewards_eur=rewards(settlements, self.objective))

    def reward_gradient(self, day: Day, charges: ArrayLike, clearing: Clearing, *, toward: Array | None = None) -> Array:
        """Return the derivatives of the reward in the charge of every trade and period, shape (T, N, N); see :func:`.settlement_gradient`.

        Args:
            day: The day that was cleared.
            charges: τ in EUR/kWh, as they were cleared.
            clearing: The clearing at these charges.
            toward: Direction of charges whose side counts at a kink; all coefficients rising alike where absent.

        Raises:
            ValueError: If the power flow is another than the linear one of the network.
            ClearingError: If the piece that the direction leads into cannot be proved.
        """
        if self.power_flow is not None:
            require_linear(self.power_flow)
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


def transition(rules: Rules, mechanism: Mechanism[A], day: Day, charges: Array) -> Transition[A]:
    """Play one day.

    Args:
        rules: What the money depends on.
        mechanism: What clears.
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N).

    Raises:
        ValueError: If the charges are not valid.
        ClearingError: If the day cannot be cleared.
    """
    [clearing] = mechanism.clear_many([day], [charges])
    return rules.settled(day, charges, clearing)


def transitions(rules: Rules, mechanism: Mechanism[A], days: Sequence[Day], charges: Array) -> Transitions[A]:
    """Play R days of one shape.

    Args:
        rules: What the money depends on.
        mechanism: What clears.
        days: The days, length R.
        charges: τ in EUR/kWh, shape (R, T, N, N).

    Raises:
        ValueError: If charges are not valid.
        ClearingError: If a day cannot be cleared; its ``number`` says which.
    """
    return rules.settled_many(days, charges, cleared(mechanism, days, charges))


def cleared(mechanism: Mechanism[A], days: Sequence[Day], charges: Array | Sequence[Array]) -> Sequence[A]:
    """Clear R days; where that fails, find out which day it was.

    Args:
        mechanism: What clears.
        days: The days, length R.
        charges: τ in EUR/kWh, shape (R, T, N, N), or R arrays of shape (T, N, N) or (N, N).

    Raises:
        ValueError: If charges are not valid.
        ClearingError: If a day cannot be cleared; its ``number`` says which.
    """
    try:
        return mechanism.clear_many(days, charges)
    except ClearingError as error:
        for number, (day, posted) in enumerate(zip(days, charges, strict=True)):
            try:
                mechanism.clear_many([day], [posted])
            except ClearingError as own:
                own.number = number
                raise own from error
        raise
