"""The proof of an hourly day with one store as it is kept in a file: the best charges, and the lines and slabs that bound all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from typing import Any, Final

from ....envs.account.settlement import Flows
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from ..one_charge.certificate import CertificateError, Verification, content_hash
from ..replay.bound import replayed_bound
from ..replay.play import earned_eur
from .solve import StoreOptimum

FORMAT: Final = "gridtoll certificate of an hourly day 2"
_EXACT: Final = 1e-6
"""Of the day's turnover: to what stated numbers are held."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreCertificate:
    """The proof of one day with one store.

    Attributes:
        day: The day.
        network: Where its N prosumers sit.
        basis: What a charge of 1 EUR/kWh charges each trade, 1, shape (N, N).
        flows: The account of flows.
        charge_cap: Greatest charge, EUR/kWh.
        known: What was proved.
    """

    day: Day
    network: Network
    basis: Array
    flows: Flows
    charge_cap: float
    known: StoreOptimum

    def verify(self, *, market: ExactResponse) -> Verification:
        """Play the best charges again, and work out the bound from its lines and slabs by arithmetic that the search does not use.

        Args:
            market: What clears the plan at every hour.

        Raises:
            CertificateError: If a number is none, charges are not covered, or a stated number does not follow.
            ClearingError: If an hour cannot be followed, or a plan not be cleared.
        """
        known, allowed = self.known, _EXACT * self.day.turnover_eur
        self._check_numbers()
        earned = earned_eur(self.day, self.network, self.basis, flows=self.flows, charges=known.charges, market=market)
        if abs(earned - known.best_eur) > allowed:
            raise CertificateError(f"the charges must earn {known.best_eur!r} EUR, and earn {earned!r} when they are played again.")
        found = replayed_bound(
            *(self.day, self.network, self.basis),
            flows=self.flows,
            cap=self.charge_cap,
            prices=known.price,
            slabs=known.slabs,
            near=known.near,
        )
        if not found <= known.upper_bound_eur + allowed:
            raise CertificateError(
                f"no sequence of charges may earn more than {known.upper_bound_eur!r} EUR, but lines and slabs only prove {found!r}."
            )
        return Verification(
            clearings=len(known.charges),
            greatest_difference_eur=abs(earned - known.best_eur),
            greatest_bound_excess_eur=found - known.upper_bound_eur,
            tolerance_eur=allowed,
            solver=type(market).__name__,
        )

    def _check_numbers(self) -> None:
        """Raise unless numbers are finite, prices rise through 0, and every hour's slabs cover all charges.

        Raises:
            CertificateError: If one is not so.
        """
        known, periods = self.known, self.day.n_periods
        every = [
            *known.charges,
            known.best_eur,
            known.upper_bound_eur,
            *known.price,
            *known.near,
            *(x for each in known.slabs for x in each),
        ]
        if not all(map(isfinite, every)):
            raise CertificateError("a certificate must have finite numbers only.")
        if (len(known.charges), len(known.slabs), len(known.near)) != (periods, periods, periods + 1):
            raise CertificateError(f"a certificate must have charges and slabs for each of {periods} periods.")
        if not all(0.0 <= charge <= self.charge_cap for charge in known.charges):
            raise CertificateError(f"charges must lie in [0, {self.charge_cap!r}] EUR/kWh, got {list(known.charges)}.")
        if not _rises(known.price) or 0.0 not in known.price:
            raise CertificateError("prices of stored energy must rise, and one of them be 0.")
        for hour, edges in enumerate(known.slabs):
            if not _rises(edges) or edges[0] != 0.0 or edges[-1] != self.charge_cap:
                raise CertificateError(f"slabs of period {hour} must cover every charge from 0 to {self.charge_cap!r} without holes.")
        if known.best_eur > known.upper_bound_eur:
            raise CertificateError(f"the bound must be at least what was earned, {known.best_eur!r} EUR, got {known.upper_bound_eur!r}.")

    def content(self) -> dict[str, Any]:
        """Return the proof in JSON's own types; :func:`store_certificate_of` reads it."""
        stated = {"content": content_hash(self.day, self.network, self.basis), "flows": self.flows, "charge_cap": self.charge_cap}
        return {"format": FORMAT, **stated, **asdict(self.known)}


def store_certificate_of(
    content: Mapping[str, Any], day: Day, network: Network, basis: Array, *, flows: Flows, cap: float, source: str
) -> StoreCertificate:
    """Return the proof that :meth:`StoreCertificate.content` gave.

    Args:
        content: The proof in JSON's own types.
        day: The day it is about.
        network: Where its N prosumers sit.
        basis: The tariff's basis, 1, shape (N, N).
        flows: The account of flows of the game.
        cap: Its greatest charge, EUR/kWh.
        source: Where it comes from, for messages.

    Raises:
        ValueError: If it is no certificate, or is about another day or game.
    """
    try:
        numbers = {name: _tuples(content[name]) for name in StoreOptimum.__dataclass_fields__}
        told = (content["content"], content["flows"], content["charge_cap"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{source} must hold the proof of an hourly day, and does not: {error!r}.") from None
    expected = (content_hash(day, network, basis), flows, cap)
    if told != expected:
        raise ValueError(f"{source} must be about {expected}, the data, flows and cap of day {day.label!r}, but is about {told}.")
    return StoreCertificate(day=day, network=network, basis=basis, flows=flows, charge_cap=cap, known=StoreOptimum(**numbers))


def _rises(numbers: tuple[float, ...]) -> bool:
    return len(numbers) > 1 and all(a < b for a, b in pairwise(numbers))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
