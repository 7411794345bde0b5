"""What prosumers do by themselves, before and after an auction: nobody trades, so each solves its own program.

All are cleared at once by the exact market. What contracts leave may be degenerate to within rounding: who sold all but what its storage
takes has a surplus of 1e-12 beside a storage at its limit. Where that keeps the joint clearing from its tolerance, each prosumer is
cleared as a market of its own, in units of its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from ...community.day import Array, Day
from ..exact.solution import Certificate, Clearing
from ..no_trade import day_of_one, no_trade

_plans: WeakKeyDictionary[Day, Clearing] = WeakKeyDictionary()  # the same day is often priced again, and its plan alone knows no charge


def plan_alone(day: Day) -> Clearing:
    """Return what prosumers do without trades, kept as long as the day.

    Raises:
        ClearingError: If the day cannot be cleared to its tolerance.
    """
    known = _plans.get(day)
    if known is None:
        known = _plans[day] = _clear_apart(no_trade(day), lambda one: no_trade(day_of_one(day, one)))
    return known


def plan_with_contracts(day: Day, sold_kw: Array) -> Clearing:
    """Return what prosumers do best with contracts fixed.

    What is sold is demand that cannot be refused. With d′ = d + n the program keeps its form, as b·d − ½·a·d² is
    (b + a·n)·d′ − ½·a·d′² but for a constant.

    Args:
        day: The day.
        sold_kw: n in kW, shape (T, N): what contracts sell less what they buy.

    Raises:
        ClearingError: If a prosumer cannot keep its contracts.
    """
    fixed = with_contracts(day, sold_kw)
    plan = _clear_apart(fixed, lambda one: with_contracts(day_of_one(day, one), sold_kw[:, [one]]))
    return replace(plan, demand=np.clip(plan.demand - sold_kw, day.demand_min, day.demand_max))


def with_contracts(day: Day, sold_kw: Array) -> Day:
    """Return the day without trades and with contracts in its demand, to be cleared in the units of the day without them.

    Args:
        day: The day.
        sold_kw: n in kW, shape (T, N), as in :func:`plan_with_contracts`.
    """
    from ..exact.compiled.program import keep_contracts  # noqa: PLC0415 - Numba takes a second to load

    without = no_trade(day)
    fixed = replace(
        without,
        label=f"{day.label}/after the auction",
        demand_min=day.demand_min + sold_kw,
        demand_max=day.demand_max + sold_kw,
        utility_slope=day.utility_slope + day.utility_curvature * sold_kw,
    )
    keep_contracts(fixed, without, sold_kw)
    return fixed


def _clear_apart(day: Day, of_one: Callable[[int], Day]) -> Clearing:
    """Clear a day without trades, at once where that holds, else each prosumer's day of its own."""
    from ..exact.compiled import StructuredMarket  # noqa: PLC0415 - Numba takes a second to load

    return StructuredMarket(OneByOne(of_one), threads=1).clear(day, np.zeros((day.n_prosumers, day.n_prosumers)))


class OneByOne:
    """Clears a day without trades prosumer by prosumer: what a joint clearing that misses its tolerance falls back to."""

    def __init__(self, of_one: Callable[[int], Day]) -> None:
        self._of_one = of_one

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear each prosumer by itself.

        Args:
            day: The day without trades.
            charges: Of no effect, in EUR/kWh, shape (T, N, N) or (N, N).
            start: Of no effect.

        Raises:
            ClearingError: If one could not be cleared to its tolerance; the day's label names it.
        """
        from ..exact.compiled import StructuredMarket  # noqa: PLC0415 - Numba takes a second to load

        del charges, start  # nobody trades
        market, none = StructuredMarket(threads=1), np.zeros((1, 1))
        return _together([market.clear(self._of_one(prosumer), none) for prosumer in range(day.n_prosumers)])

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Clear days one after the other; charges have no effect, shape (K, T, N, N) or (K, N, N)."""
        return [self.clear(day, each) for day, each in zip(days, charges, strict=True)]


def _together(found: Sequence[Clearing]) -> Clearing:
    """Return clearings of one prosumer each as one clearing, whose residuals and gap are the greatest of theirs."""
    n, n_periods = len(found), len(found[0].demand)
    columns = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "nodal_price")
    arrays: dict[str, Any] = {
        name: np.hstack([getattr(one, name) for one in found]) for name in (*columns, "storage_price", "stored_energy")
    }
    proofs = [one.certificate for one in found]
    worst = max((proof.gap for proof in proofs), key=abs)
    return Clearing(
        **arrays,
        trade=np.zeros((n_periods, n, n)),
        objective_eur=sum(one.objective_eur for one in found),
        certificate=Certificate(
            primal_residual=max(proof.primal_residual for proof in proofs),
            dual_residual=max(proof.dual_residual for proof in proofs),
            gap=worst,
        ),
        solver=f"{found[0].solver}, prosumer by prosumer",
        iterations=(sum(one.iterations[0] for one in found), sum(one.iterations[1] for one in found)),
        seconds=sum(one.seconds for one in found),
    )
