"""Which solver clears the exact market, by name.

``"cvxpy"`` is the definition, :class:`.exact.market.P2PMarket`; ``"structured"`` is the compiled kernel, which gives the same answer many
times faster. Numba takes a second to load, so the kernel is imported when it is first asked for.
"""

from __future__ import annotations

from typing import Literal, get_args

from ..errors import unknown_name
from .admm import NAME as ADMM
from .admm import Admm
from .bilateral import NAME as BILATERAL
from .bilateral import Bilateral
from .call_auction import NAME as CALL_AUCTION
from .call_auction import CallAuction
from .continuous_auction import NAME as CONTINUOUS_AUCTION
from .continuous_auction import ContinuousAuction
from .exact.market import P2PMarket
from .mechanism import EXACT, Allocation, ExactResponse, Mechanism, make_mechanism, read_mechanism, register_mechanism

Solver = Literal["cvxpy", "structured"]


def make_market(solver: str = "structured") -> ExactResponse:
    """Return the exact market as a solver clears it.

    Args:
        solver: ``"cvxpy"`` or ``"structured"``.

    Raises:
        ValueError: If the solver is unknown.
    """
    match solver:
        case "cvxpy":
            return P2PMarket()
        case "structured":
            from .exact.compiled import StructuredMarket  # noqa: PLC0415 - see the top of the module

            return StructuredMarket()
        case _:
            raise unknown_name("`solver`", solver, get_args(Solver))


def choose_mechanism(mechanism: str | Mechanism[Allocation], solver: str | None, *, default: Solver) -> Mechanism[Allocation]:
    """Return the mechanism that was given, or that is named; the exact one as the solver named clears it, else as the default.

    Raises:
        ValueError: If a solver is named beside another mechanism or twice, or a name is unknown.
    """
    if isinstance(mechanism, str):
        name, parameters = read_mechanism(mechanism)
        if name == EXACT and not parameters:
            return make_market(default if solver is None else solver)
    if solver is not None:
        raise ValueError(f"`solver` must be left out where `mechanism` says what clears, got {solver!r} beside {mechanism!r}.")
    if isinstance(mechanism, str):
        return make_mechanism(mechanism)
    if not isinstance(mechanism, Mechanism):
        raise ValueError(f"`mechanism` must be a name, or an object that clears days with `clear_many`, got {mechanism!r}.")
    return mechanism


register_mechanism(EXACT, make_market)
register_mechanism(CALL_AUCTION, CallAuction)
register_mechanism(CONTINUOUS_AUCTION, ContinuousAuction)
register_mechanism(ADMM, Admm)
register_mechanism(BILATERAL, Bilateral)
