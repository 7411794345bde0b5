"""The transition of every game, written once: charges → clearing → settlement → reward, and what `info` says of it.

::

    clearing   = mechanism.clear_many([day], [charges])          # what prosumers answer
    settlement = settle(day, network, charges, clearing, …)      # who pays whom
    reward     = objective.value(settlement)                     # what the leader maximises

Environments, practice, evaluation, the study and the searches for an optimum all play it here, so that they cannot differ in what a charge
leads to. The hourly game clears plans for the rest of a day and settles the hour that is carried out; it takes the second half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..account.gradient import settlement_gradient
from ..account.objective import OBJECTIVES, gradient_weights
from ..account.physical import INFO_OF_WIRES
from ..account.settlement import Flows, Settlement, Settlements, settle_many
from ..community.day import Array, Day
from ..errors import ClearingError
from ..grid.network import Network
from ..grid.power_flow import DcPowerFlow, LinearPowerFlow, PowerFlow, require_linear
from ..market.exact import Clearing
from ..market.mechanism import Allocation, Mechanism

A_co = TypeVar("A_co", bound=Allocation, covariant=True)
A = TypeVar("A", bound=Allocation)
S_co = TypeVar("S_co", covariant=True)

INFO_OF_SETTLEMENT: Final = (
    "profit_eur",
    "revenue_eur",
    "import_fee_eur",
    "loss_cost_eur",
    "overload_cost_eur",
    "welfare_eur",
    "traded_kwh",
    "charged_kwh",
    "import_kwh",
    "export_kwh",
    "loss_kwh",
    "overload_kwh",
    "peak_loading",
    "network_secure",
)
"""Fields of the settlement that `info` holds; under a power flow with voltages :data:`.INFO_OF_WIRES` besides."""
_READ: Final = attrgetter(*INFO_OF_SETTLEMENT)


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
class Outcome(Generic[A_co]):
    """What a step led to in one episode, with all arrays.

    Attributes:
        charge: γ in EUR/kWh as it was read, shape (K,), or (T·K,) for charges per hour.
        charges: τ in EUR/kWh, shape (T, N, N).
        clearing: The market's outcome.
        settlement: Its settlement.
    """

    charge: Array
    charges: Array
    clearing: A_co
    settlement: Settlement

    def info(self) -> dict[str, Any]:
        """Return the numbers of `info`."""
        of_settlement = dict(zip(INFO_OF_SETTLEMENT, _READ(self.settlement), strict=True))
        if self.settlement.voltage_min_pu is not None:
            of_settlement |= {name: getattr(self.settlement, name) for name in INFO_OF_WIRES}
        return {**of_settlement, "charge": self.charge.copy(), **self.clearing.evidence.info()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Plays(Generic[S_co, A_co]):
    """A step of R episodes.

    Attributes:
        charge: γ in EUR/kWh as the actions were read, shape (R, coefficients).
        days: What was cleared, length R: the days, or what is left of them.
        cleared: What prosumers answered to them, length R.
        carried_out: What was settled of it.
        states: Where the episodes stand now, length R.
        objective_eur: What the followers' program is worth in what was carried out, where it is a part of what was cleared, shape (R,).
    """

    charge: Array
    days: Sequence[Day]
    cleared: Sequence[A_co]
    carried_out: Transitions[A_co]
    states: Sequence[S_co]
    objective_eur: Array | None = None

    def outcome(self, row: int) -> Outcome[A_co]:
        """Return what the step led to in one episode, with all arrays."""
        of, clearing = self.carried_out, self.carried_out.clearings[row]
        if self.objective_eur is not None:
            clearing = clearing.valued(self.objective_eur.item(row))
        return Outcome(charge=self.charge[row], charges=of.charges[row], clearing=clearing, settlement=of.settlements.row(row))

    def info(self, row: int) -> dict[str, Any]:
        """Return what `info` says of the step in one episode, as :meth:`Outcome.info` does of its arrays."""
        values = self.carried_out.settlements.values
        told = {name: values[name].item(row) for name in INFO_OF_SETTLEMENT}
        if INFO_OF_WIRES[0] in values:
            told |= {name: values[name].item(row) for name in INFO_OF_WIRES}
        return {**told, "charge": self.charge[row].copy(), **self.carried_out.clearings[row].evidence.info()}

    def infos(self) -> dict[str, NDArray[Any]]:
        """Return what `info` says of the step as arrays of shape (R,), ``charge`` in EUR/kWh of shape (R, coefficients)."""
        of = self.carried_out
        values = of.settlements.values
        names = INFO_OF_SETTLEMENT + (INFO_OF_WIRES if INFO_OF_WIRES[0] in values else ())
        of_settlement = {name: as_array(values[name].tolist()) if values[name].dtype.kind == "U" else values[name].copy() for name in names}
        evidence = [clearing.evidence.info() for clearing in of.clearings]
        of_clearing = {name: as_array([each[name] for each in evidence]) for name in evidence[0]}
        return {**of_settlement, "charge": self.charge.copy(), **of_clearing}


def as_array(values: Sequence[Any]) -> NDArray[Any]:
    """Return R single values of one type as an array, shape (R,): numbers as numbers, words as objects."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rules:
    """What the money of a game depends on beside the day and the charges.

    Attributes:
        network: Where the prosumers sit.
        basis: The tariff's basis, shape (K, N, N) or (N, N): what ``charged_kwh`` counts a traded kWh as.
        flows: Which account of the flows the operator answers for.
        objective: What the leader is rewarded with, by name.
        power_flow: What flows; the linear one of the network where it is absent.
    """

    network: Network
    basis: Array
    flows: Flows
    objective: str
    power_flow: PowerFlow | None = None
    _value: Callable[[Mapping[str, Any]], Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look the objective up once, not in every step.

        Raises:
            ValueError: If it is unknown.
        """
        object.__setattr__(self, "_value", OBJECTIVES[self.objective].value)

    def settled(self, day: Day, charges: Array, clearing: A) -> Transition[A]:
        """Return what a clearing of a day at charges τ in EUR/kWh, shape (T, N, N) or (N, N), comes to."""
        many = self.settled_many([day], np.broadcast_to(charges, clearing.trade.shape)[None], [clearing])
        return Transition(charges=charges, clearing=clearing, settlement=many.settlements.row(0), reward_eur=float(many.rewards_eur[0]))

    def settled_many(self, days: Sequence[Day], charges: Array, clearings: Sequence[A]) -> Transitions[A]:
        """Return what the clearings of R days of one shape come to, each as :meth:`settled` would to the last bit."""
        settlements = settle_many(
            days, self.network, charges, clearings, flows=self.flows, charge_base=self.basis, power_flow=self.power_flow
        )
        rewards = np.array(self._value(settlements.values), dtype=np.float64)
        return Transitions(charges=charges, clearings=clearings, settlements=settlements, rewards_eur=rewards)

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
        _ = self._linear
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

    @cached_property
    def _linear(self) -> LinearPowerFlow:
        """What flows, where that is linear; compared with the network's PTDF matrix once, not at every gradient."""
        return DcPowerFlow(self.network) if self.power_flow is None else require_linear(self.power_flow)


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
