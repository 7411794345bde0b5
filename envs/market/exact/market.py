"""The peer-to-peer market: the transition of the game, ``clear(day, charges) → Clearing``.

Clarabel solves the CVXPY program to a moderate tolerance, polishing makes the answer exact, and the certificate is computed from the final
arrays alone. An answer that misses :data:`.solution.TOLERANCE` is solved again at tighter tolerances and raises if that fails as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...community.day import Array, Day
from ...errors import ClearingError
from .convert import clearing_of, point_of
from .market_data import MarketData, Structure, read_charges, scale
from .out_of_scale import clearing_error
from .point import Point, certify
from .polish import MAX_STEPS, polish
from .solution import Certificate, Clearing

if TYPE_CHECKING:
    from .problem import CompiledMarket

SOLVER = f"Clarabel {version('clarabel')} through CVXPY {version('cvxpy')}, polished"
QUICK_TOLERANCE = 1e-6
"""Of the first attempt, with Clarabel's quick settings."""
INTERIOR_POINT_TOLERANCES = (1e-8, 1e-10, 1e-12, 1e-6)
"""Tried after it in this order. A looser one comes last: where Clarabel cannot reach the others, polishing usually starts from less."""
_WARM_STEPS = 12  # Newton steps allowed from a start; further than that the interior point is quicker (0.5 ms a step against 40 ms)


class P2PMarket:
    """The exact clearing by CVXPY and Clarabel, polished and certified; compiled once per structure of day.

    Args:
        subsidies: Whether charges may be negative. The followers' program has one optimum there too. The paper's γ is at least 0, and so is
            every charge of a tariff; what is lost by that can be measured so.
    """

    def __init__(self, *, subsidies: bool = False) -> None:
        self._subsidies = subsidies
        self._compiled: dict[tuple[Any, ...], CompiledMarket] = {}

    def __reduce__(self) -> tuple[Callable[..., P2PMarket], tuple[()]]:
        """Pickle and copy without the compiled problems: they hold solver objects, and any process can compile them again."""
        return partial(type(self), subsidies=self._subsidies), ()

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear the market.

        Args:
            day: The day's data.
            charges: Network charge of each trade from row to column, EUR/kWh, at least 0, shape (T, N, N) or (N, N).
            start: A clearing of the same day at nearby charges. Polishing is tried from it first; the result is the same to rounding.

        Returns:
            The unique outcome, with its certificate.

        Raises:
            ValueError: If the charges are negative, not finite or of the wrong shape.
            ClearingError: If no answer within :data:`.solution.TOLERANCE` was found, with day and charges named; or if memory is too small.
        """
        began = time.perf_counter()
        full_charges = read_charges(day, charges, subsidies=self._subsidies)
        data = scale(day, full_charges, Structure.of(day))
        failures: list[str] = []
        for point, interior_steps in self._starting_points(data, start, failures):
            steps = polish(data, point, max_steps=_WARM_STEPS if interior_steps == 0 else MAX_STEPS)
            certificate = certify(data, point)
            if certificate.holds():
                found = clearing_of(day, data, point, certificate, solver=SOLVER)
                return replace(found, iterations=(interior_steps, steps), seconds=time.perf_counter() - began)
            failures.append(f"{interior_steps} interior-point and {steps} polishing steps left {certificate}")
        raise clearing_error(day, full_charges, failures)

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Clear days one after the other; see :class:`~gridtoll.envs.market.mechanism.Mechanism`."""
        return [self.clear(day, each) for day, each in zip(days, charges, strict=True)]

    def _starting_points(self, data: MarketData, start: Clearing | None, failures: list[str]) -> Iterator[tuple[Point, int]]:
        """Yield points to polish: the given one, then the interior point's at each tolerance."""
        if start is not None:
            yield point_of(data, start), 0
        from cvxpy.error import SolverError  # noqa: PLC0415  # importing CVXPY takes half a second, which the kernel's users need not wait

        from .problem import CompiledMarket  # noqa: PLC0415

        structure, key = data.structure, data.structure.key
        attempts = [(data, QUICK_TOLERANCE, True), *((data, tolerance, False) for tolerance in INTERIOR_POINT_TOLERANCES)]
        if not np.array_equal(data.eased_slope, data.utility_slope):  # the price may be one that only the slope itself explains
            attempts.append((replace(data, eased_slope=data.utility_slope), INTERIOR_POINT_TOLERANCES[0], False))
        for given, tolerance, quick in attempts:
            try:
                if key not in self._compiled:
                    self._compiled[key] = CompiledMarket(structure)
                yield self._compiled[key].solve(given, tolerance=tolerance, quick=quick)
            except SolverError as error:
                failures.append(f"Clarabel failed at tolerance {tolerance:g}: {error}")
            except MemoryError as error:
                raise ClearingError(
                    "CVXPY must hold the whole program in memory (about 0.5 GB for 57 prosumers and 24 periods, 1.5 GB for 118), and "
                    f"{structure.n_prosumers} prosumers, {structure.n_periods} periods and {len(structure.seller)} pairs that may trade do "
                    'not fit; limit the pairs (`partners`), or clear with `solver="structured"`, which needs a fraction of it.'
                ) from error


def verify(day: Day, charges: ArrayLike, clearing: Clearing) -> Certificate:
    """Recompute a clearing's certificate from its arrays alone, whoever made it.

    Args:
        day: The day it claims to clear.
        charges: The charges in EUR/kWh, shape (T, N, N) or (N, N).
        clearing: The arrays to check.
    """
    data = scale(day, read_charges(day, charges), Structure.of(day))
    certificate = certify(data, point_of(data, clearing))
    misplaced_kw, misplaced_price = _misplaced(day, clearing)
    return replace(
        certificate,
        primal_residual=float(np.maximum(certificate.primal_residual, misplaced_kw / data.power_unit)),
        dual_residual=float(np.maximum(certificate.dual_residual, misplaced_price / data.price_unit)),
    )


def _misplaced(day: Day, clearing: Clearing) -> tuple[float, float]:
    """Return the greatest quantity in kW (or kWh per period) and price in EUR/kWh that stands where the program has no variable."""
    others = ~day.has_storage
    idle = (clearing.storage_charge[:, others], clearing.storage_discharge[:, others])
    moved = np.abs(clearing.stored_energy[:, others] - day.storage_start[others]).max(initial=0.0)
    moved = np.maximum(moved, np.abs(clearing.stored_energy[0] - day.storage_start).max()) / day.period_hours
    quantity = np.max([moved, clearing.most_traded_kw(~day.can_trade), *(np.abs(array).max(initial=0.0) for array in idle)])
    return float(quantity), float(np.abs(clearing.storage_price[:, others]).max(initial=0.0))
