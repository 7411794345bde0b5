"""What a market mechanism is: days and charges go in, who trades how much at which price comes out, with evidence.

A mechanism is chosen by name, with parameters where it has some: ``"exact"``, ``"exact:solver=cvxpy"``. Others register themselves under
names of their own (:func:`register_mechanism`), and are then known to environments, the command line and plan files. What is needed beyond
clearing is asked for by narrower protocols, so that a mechanism need not promise what it cannot keep:

==========================  ==========================================================================================================
protocol                    what it promises, and who asks
==========================  ==========================================================================================================
:class:`Mechanism`          an allocation for any charges: environments, practice, evaluation
:class:`ExactResponse`      the one optimum of the followers' program, with its certificate: the exact optimum, gradients
==========================  ==========================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, Self, TypeVar, runtime_checkable

from numpy.typing import ArrayLike

from ..community.day import Array, Day
from ..registry import Registry
from .exact.solution import QUANTITIES, Clearing, sold_less_bought
from .frames import allocation_frame

if TYPE_CHECKING:
    from pandas import DataFrame

EXACT: Final = "exact"
"""The name of the mechanism that solves the followers' program exactly."""


class Evidence(Protocol):
    """What shows how good an allocation is; each mechanism has its own."""

    def info(self) -> Mapping[str, Any]:
        """Return numbers and words for an environment's ``info``, the same names for every day."""
        ...

    def arrays(self) -> Mapping[str, Array]:
        """Return what is too much for ``info``, such as an order book, for files of arrays; each mechanism says the shapes."""
        ...


class Allocation(Protocol):
    """What a mechanism made of one day, T periods and N prosumers, quantities in kW.

    :class:`~gridtoll.envs.market.exact.solution.Clearing` says what each array means. Prices are in EUR/kWh. A mechanism that has one price
    for each trade gives ``trade_price``, shape (T, N, N), and None for ``nodal_price``; one with a price at each prosumer gives
    ``nodal_price``, shape (T, N), and a trade then has the mean of its two ends.
    """

    @property
    def demand(self) -> Array:
        """What prosumers use, d in kW, shape (T, N)."""
        ...

    @property
    def renewable_used(self) -> Array:
        """What they use of their renewable power, r in kW, shape (T, N)."""
        ...

    @property
    def grid_import(self) -> Array:
        """What they import, m in kW, shape (T, N)."""
        ...

    @property
    def grid_export(self) -> Array:
        """What they export, x in kW, shape (T, N)."""
        ...

    @property
    def storage_charge(self) -> Array:
        """What goes into stores, c in kW, shape (T, N)."""
        ...

    @property
    def storage_discharge(self) -> Array:
        """What comes out of stores, s in kW, shape (T, N)."""
        ...

    @property
    def stored_energy(self) -> Array:
        """What stores hold, e in kWh, shape (T + 1, N), the first row being the start."""
        ...

    @property
    def trade(self) -> Array:
        """What is traded, p in kW, shape (T, N, N), from row to column."""
        ...

    @property
    def nodal_price(self) -> Array | None:
        """What one more kWh at a prosumer is worth, μ in EUR/kWh, shape (T, N); None where each trade has a price of its own."""
        ...

    @property
    def trade_price(self) -> Array:
        """What the buyer pays the seller before charges, π in EUR/kWh, shape (T, N, N)."""
        ...

    @property
    def evidence(self) -> Evidence:
        """What shows how good it is."""
        ...

    @property
    def traded_kw(self) -> Array:
        """Power sold less power bought in trades, shape (T, N)."""
        ...

    @property
    def by_period(self) -> tuple[str, ...]:
        """Its fields with a row for every period; stored energy has one more."""
        ...

    def first_period(self) -> Self:
        """Return its first period: what is carried out of a plan."""
        ...

    def valued(self, objective_eur: float) -> Self:
        """Return the same with what the followers' program is worth at it, which a settlement says of a first period."""
        ...


E_co = TypeVar("E_co", bound=Evidence, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Noted:
    """Evidence that is a few numbers and words.

    Attributes:
        values: Them by name.
    """

    values: Mapping[str, Any]

    def info(self) -> Mapping[str, Any]:
        """Return them."""
        return self.values

    def arrays(self) -> Mapping[str, Array]:
        """Return none of any shape."""
        return {}


@dataclass(frozen=True, eq=False, kw_only=True)
class Allocated(Generic[E_co]):
    """An :class:`Allocation` with a price for each trade, for mechanisms that have no arrays of their own.

    Quantities are those of :class:`~gridtoll.envs.market.exact.solution.Clearing`, in kW and of shape (T, N) where nothing else is said.

    Attributes:
        demand: d.
        renewable_used: r.
        grid_import: m.
        grid_export: x.
        storage_charge: c.
        storage_discharge: s.
        stored_energy: e in kWh, shape (T + 1, N), the first row being the start.
        trade: p, shape (T, N, N), from row to column.
        trade_price: π in EUR/kWh, shape (T, N, N).
        evidence: What shows how good it is.
        objective_eur: What the followers' program is worth at it, NaN where the mechanism does not say.
        nodal_price: None: each trade has its own.
        by_period: The fields with a row for every period; stored energy has one more.
    """

    by_period: ClassVar = (*QUANTITIES, "trade_price")

    demand: Array
    renewable_used: Array
    grid_import: Array
    grid_export: Array
    storage_charge: Array
    storage_discharge: Array
    stored_energy: Array
    trade: Array
    trade_price: Array
    evidence: E_co
    objective_eur: float = nan
    nodal_price: None = None

    @property
    def traded_kw(self) -> Array:
        """Power sold less power bought in trades, shape (T, N)."""
        return sold_less_bought(self.trade)

    def first_period(self) -> Allocated[E_co]:
        """Return its first period; the evidence is that of the whole, and the objective is not known."""
        rows: dict[str, Any] = {name: getattr(self, name)[:1] for name in self.by_period}
        return replace(self, stored_energy=self.stored_energy[:2], objective_eur=nan, **rows)

    def valued(self, objective_eur: float) -> Allocated[E_co]:
        """Return the same with what the followers' program is worth at it."""
        return replace(self, objective_eur=objective_eur)

    def to_frame(self, prosumer_names: Sequence[str] | None = None) -> DataFrame:
        """Return it as a table, one row for each period and prosumer; :func:`.allocation_frame` has the columns.

        Args:
            prosumer_names: Of the N prosumers; numbers from 0 where absent.

        Raises:
            ValueError: If there are not N names.
        """
        return allocation_frame(self, prosumer_names)


A = TypeVar("A", bound=Allocation)
A_co = TypeVar("A_co", bound=Allocation, covariant=True)


@runtime_checkable
class Mechanism(Protocol[A_co]):
    """Anything that clears days."""

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> Sequence[A_co]:
        """Return the allocation of each of K days at ``charges`` in EUR/kWh, shape (K, T, N, N) or K arrays of shape (T, N, N).

        What comes of a day may not depend on the days beside it.

        Raises:
            ValueError: If charges are not valid.
            ClearingError: If a day cannot be cleared.
        """
        ...


class ExactResponse(Mechanism[Clearing], Protocol):
    """A mechanism whose answer is the unique optimum of the followers' program, certified: piecewise affine in the charge."""

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Return the outcome of ``day`` at ``charges`` in EUR/kWh, shape (T, N, N) or (N, N), quicker from a clearing nearby."""
        ...


MECHANISMS: Final[Registry[Callable[..., Mechanism[Allocation]]]] = Registry("mechanism")
"""Every mechanism by name."""


def register_mechanism(name: str, make: Callable[..., Mechanism[Allocation]]) -> None:
    """Make a mechanism known under a name.

    Args:
        name: Letters, digits and hyphens.
        make: Returns the mechanism; its keyword parameters are those that may follow the name.

    Raises:
        ValueError: If the name cannot be one, or another mechanism has it.
    """
    MECHANISMS.register(name, make)


def make_mechanism(text: str) -> Mechanism[Allocation]:
    """Return the mechanism that a text names, such as ``"exact"`` or ``"exact:solver=cvxpy"``.

    Raises:
        ValueError: If there is no such mechanism, or it has no such parameter.
    """
    name, parameters = read_mechanism(text)
    return MECHANISMS[name](**parameters)


def read_mechanism(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a known mechanism and the parameters that follow it; what reads as a number is one.

    Raises:
        ValueError: If there is no such mechanism, it has no such parameter, or one is not written ``name=value``.
    """
    return MECHANISMS.read(text)
