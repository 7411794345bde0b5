"""Leaders that learn nothing from the observation: the yardsticks beside which a learned policy is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...envs.arrays import Array
from ..policy import Observation, State

N_SAMPLE: Final = 200
"""Training scenarios the best constant charge is chosen on. With 40 it lost 2% of its mean profit on the default community: profits differ
so much from day to day that a small sample favours its own sunniest days."""
N_GRID: Final = 12
"""Charges tried before refining; mean profit over a sample may have several local maxima, and the grid picks one."""
N_SWEEPS: Final = 4
"""Most rounds over the coefficients where a tariff has several."""
REFINE_TO: Final = 2e-3
"""Width, relative to the cap, at which refining stops: mean profit is flat at its top, so that this costs about 1e-5 of it."""


class ConstantPolicy:
    """Posts the same charges every day.

    Args:
        charges: EUR/kWh, shape (coefficients,).
    """

    def __init__(self, charges: ArrayLike) -> None:
        self.charges: Array = np.array(charges, dtype=np.float64, ndmin=1)
        self.charges.setflags(write=False)

    def predict(
        self,
        observation: Observation,  # noqa: ARG002 - the protocol's
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charges; see :class:`~gridtoll.agents.policy.Policy`."""
        return self.charges.copy(), state


class ZeroPolicy(ConstantPolicy):
    """Posts no charge: the reference of normalised regret.

    Args:
        n_coefficients: Number of charges to post.
    """

    def __init__(self, n_coefficients: int) -> None:
        super().__init__(np.zeros(n_coefficients))


class RandomPolicy:
    """Posts charges drawn uniformly between 0 and the cap, whether ``deterministic`` is asked for or not.

    Args:
        cap: Greatest charge in EUR/kWh, a number or shape (coefficients,).
        n_coefficients: Number of charges to post.
        seed: Seeds the draws: the same seed posts the same sequence of charges.
    """

    def __init__(self, cap: ArrayLike, n_coefficients: int, *, seed: int) -> None:
        self._cap = np.broadcast_to(np.asarray(cap, dtype=np.float64), (n_coefficients,))
        self._generator = np.random.default_rng(seed)

    def predict(
        self,
        observation: Observation,  # noqa: ARG002 - the protocol's
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the next draw; see :class:`~gridtoll.agents.policy.Policy`."""
        return self._generator.uniform(0.0, self._cap), state


@dataclass(frozen=True, eq=False)
class BestConstant:
    """The constant charges with the greatest mean profit found over a sample.

    Attributes:
        charges: EUR/kWh, shape (coefficients,).
        mean_profit_eur: Mean profit over the sample at these charges.
        evaluations: How often the mean over the sample was computed.
    """

    charges: Array
    mean_profit_eur: float
    evaluations: int


def best_constant(mean_profit: Callable[[Array], float], cap: float, n_coefficients: int = 1) -> BestConstant:
    """Find the constant charges of greatest mean profit: a grid over equal charges, then Brent's method on each coefficient in turn.

    The mean over days is continuous and piecewise quadratic but not concave, so this is a careful local search, not a certified optimum.

    Args:
        mean_profit: Mean profit in EUR over a fixed sample of scenarios at charges of shape (coefficients,).
        cap: Greatest charge in EUR/kWh.
        n_coefficients: Number of charges.

    Raises:
        ValueError: If the cap or the number of coefficients is not positive.
    """
    if not cap > 0 or n_coefficients < 1:
        raise ValueError(f"`cap` must be > 0 and `n_coefficients` at least 1, got {cap} and {n_coefficients}.")
    search = _BestTried(mean_profit)
    grid = np.linspace(0.0, cap, N_GRID)
    for level in grid:
        search.try_charges(np.full(n_coefficients, level))
    step = grid[1] if n_coefficients == 1 else cap / 2  # equal charges say little about how far apart the best ones are
    for _ in range(1 if n_coefficients == 1 else N_SWEEPS):
        before = search.best_profit
        for coefficient in range(n_coefficients):
            _refine(search, coefficient, step, cap)
        step /= 2
        if search.best_profit - before <= 1e-6 * abs(before):
            break
    return BestConstant(search.best_charges, search.best_profit, search.evaluations)


class _BestTried:
    """Remembers the best charges tried."""

    def __init__(self, mean_profit: Callable[[Array], float]) -> None:
        self._mean_profit = mean_profit
        self.best_charges: Array = np.zeros(0)
        self.best_profit = -np.inf
        self.evaluations = 0

    def try_charges(self, charges: Array) -> float:
        """Return the mean profit of charges in EUR, and keep them where they are the best so far."""
        profit = self._mean_profit(charges)
        self.evaluations += 1
        if profit > self.best_profit:
            self.best_charges, self.best_profit = charges.copy(), profit
        return profit


def _refine(search: _BestTried, coefficient: int, step: float, cap: float) -> None:
    """Search one coefficient within a grid step of the best charges so far."""
    centre = search.best_charges.copy()

    def loss(level: float) -> float:
        charges = centre.copy()
        charges[coefficient] = level
        return -search.try_charges(charges)

    low, high = max(0.0, centre[coefficient] - step), min(cap, centre[coefficient] + step)
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - 0.1 s, which only those wait for who need it

    minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": REFINE_TO * cap})
