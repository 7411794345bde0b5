"""Which solver clears the market, by name, and clearing many days at once.

``"cvxpy"`` is the definition, :class:`.exact.market.P2PMarket`; ``"structured"`` is the compiled kernel, which gives the same answer many
times faster. Numba takes a second to load, so the kernel is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

from ..community.day import Array, Day
from ..errors import unknown_name
from .exact.market import Market, P2PMarket
from .exact.solution import Clearing

Solver = Literal["cvxpy", "structured"]


class BatchMarket(Market, Protocol):
    """A market that clears many days in one call, each as its ``clear`` would to the last bit."""

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Return the outcome of each of K days of one shape at ``charges`` in EUR/kWh, shape (K, T, N, N)."""
        ...


def make_market(solver: str) -> Market:
    """Return the market that a solver clears.

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


def choose_market(solver: str | None, market: Market | None, *, default: Solver) -> Market:
    """Return the market given, or the one of the solver named, or that of the default.

    Raises:
        ValueError: If both are given, or the solver is unknown.
    """
    if market is None:
        return make_market(default if solver is None else solver)
    if solver is not None:
        raise ValueError(f"`solver` and `market` both say what clears the days; only one may be given, got {solver!r} and {market!r}.")
    return market


def clear_many(market: Market, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
    """Clear many days: in one call where the market has one (see :class:`BatchMarket`), else one after the other.

    Args:
        market: Any market; a method ``clear_many`` is all that makes it a :class:`BatchMarket`, so that users' own need not derive from it.
        days: K days; they may differ in length where the charges are a sequence.
        charges: EUR/kWh, shape (K, T, N, N), or K arrays of shape (T, N, N).

    Raises:
        ClearingError: If a day cannot be cleared.
    """
    at_once = getattr(market, "clear_many", None)
    if at_once is not None:
        cleared: list[Clearing] = at_once(days, charges)
        return cleared
    return [market.clear(day, each) for day, each in zip(days, charges, strict=True)]
