"""The linear system behind polishing and sensitivities: optimality conditions of the market on one active set.

With the active set fixed, every free variable is affine in the nodal prices μ and storage prices σ, and the conditions left are

    balance(μ, σ, r) = 0,   −storage(μ, σ, e) = 0,   slope of every free e and r = 0.

Their matrix in (μ, σ, free e, free r) is symmetric:

    [ K    C ]      K positive semidefinite: sums of 1/curvature over the free variables at a prosumer and hour,
    [ Cᵀ   0 ]      a weighted graph Laplacian for the free trades, and −η/κ, −1/(η·κ) between μ and σ.

Idle storage and prosumers without a free variable make K singular: there the prices are not unique. The matrix is shifted by ±``SHIFT``,
which makes it quasidefinite; iterative refinement takes the shift back out, and undetermined prices stay where they started.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import SuperLU, splu

from ...community.day import Array
from ...errors import ClearingError
from .market_data import IntArray, MarketData

BoolArray = NDArray[np.bool_]

SHIFT = 1e-7
"""Shift of the diagonal, whose entries are between 1 and 1000. It is also the least pivot: at 1e-9 the factor lost so many digits in
chains of idle hours that six steps of refinement were needed where 1e-7 takes two."""
_MAX_REFINEMENTS = 20
_REFINED = 1e-14  # residual relative to the right-hand side
_UNSOLVABLE = 1e-7  # residual of the same kind that no refinement leaves: the right-hand side asks for what the matrix cannot reach
_FLAT = (0.0, 0.0, 10.0, -15.0, 6.0)
"""Coefficients of p, p², …: 10p³ − 15p⁴ + 6p⁵ is 1 near 1 and 0 near 0, each up to the third power of the distance."""
_PROJECTIONS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class ActiveSet:
    """Which variables are free, that is off their bounds; shapes (T, N), (T, J) for storage and (T, K) for trades."""

    demand: BoolArray
    renewable: BoolArray
    imported: BoolArray
    exported: BoolArray
    charge: BoolArray
    discharge: BoolArray
    stored: BoolArray
    trade: BoolArray

    def same_as(self, other: ActiveSet) -> bool:
        """Return whether exactly the same variables are free."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)


class _Numbers(NamedTuple):
    """Numbers of the unknowns, hour by hour, which keeps the factor's fill within neighbouring hours.

    Attributes:
        mu: Of nodal prices, shape (T, N).
        sigma: Of storage prices, shape (T, J).
        stored: Of stored energy, shape (T, J).
        renewable: Of renewable use, shape (T, N).
        family_by_family: All of them, one family after the other.
        shift: What the diagonal is shifted by at each unknown.
    """

    mu: IntArray
    sigma: IntArray
    stored: IntArray
    renewable: IntArray
    family_by_family: IntArray
    shift: Array


@lru_cache(maxsize=8)
def _numbers(n_periods: int, n: int, j: int) -> _Numbers:
    """Return the numbers of the unknowns of a market of T periods, N prosumers and J stores."""
    hour = np.arange(n_periods)[:, None] * (n + j + j + n)
    first = np.cumsum([0, n, j, j])
    mu, sigma, stored, renewable = (hour + start + np.arange(size) for start, size in zip(first, (n, j, j, n), strict=True))
    shift = np.zeros(n_periods * (n + j + j + n))
    shift[mu], shift[sigma], shift[stored], shift[renewable] = SHIFT, SHIFT, -SHIFT, -SHIFT
    return _Numbers(mu, sigma, stored, renewable, np.concatenate([each.ravel() for each in (mu, sigma, stored, renewable)]), shift)


class KktSystem:
    """The factorised system of one active set."""

    def __init__(self, data: MarketData, active: ActiveSet) -> None:
        self._data = data
        self._active = active
        structure = data.structure
        self._numbers = _numbers(structure.n_periods, structure.n_prosumers, len(structure.owner))
        used = np.ones(len(self._numbers.shift), dtype=bool)
        used[self._numbers.stored] = active.stored
        used[self._numbers.renewable] = active.renewable
        self._position = np.cumsum(used) - 1
        self._size = int(self._position[-1]) + 1
        # Where each entry of a vector of the unknowns used stands, family by family.
        among = np.flatnonzero(used[self._numbers.family_by_family])
        self._place = np.empty_like(among)
        self._place[self._position[self._numbers.family_by_family[among]]] = among
        self._shift = self._numbers.shift[used]

    @cached_property
    def _factor(self) -> SuperLU:
        try:
            return splu(self._matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError as error:
            raise ClearingError(
                "the optimality system must be regular to rounding, and its matrix is not; frictions may be too small for double precision."
            ) from error

    @cached_property
    def _matrix(self) -> csc_array:
        data, active, structure = self._data, self._active, self._data.structure
        mu, sigma, owner = self._numbers.mu, self._numbers.sigma, structure.owner
        rows: list[IntArray] = []
        columns: list[IntArray] = []
        values: list[Array] = []

        def add(row: IntArray, column: IntArray, value: Array) -> None:
            rows.append(row.ravel())
            columns.append(column.ravel())
            values.append(value.ravel())

        def repeat(row: IntArray, column: IntArray, value: float) -> None:
            add(row, column, np.full(row.shape, value))

        diagonal = active.demand / data.utility_curvature + (active.imported | active.exported) / data.grid_friction
        weight_in, weight_out = active.charge / data.storage_wear, active.discharge / data.storage_wear
        eta = data.storage_efficiency
        diagonal[:, owner] += weight_in + weight_out
        add(mu, mu, diagonal + SHIFT)
        add(sigma, sigma, eta**2 * weight_in + weight_out / eta**2 + SHIFT)
        coupling = -(eta * weight_in + weight_out / eta)
        add(mu[:, owner], sigma, coupling)
        add(sigma, mu[:, owner], coupling)

        period, pair = np.nonzero(active.trade)
        stiffness = 1.0 / data.trade_friction[period, pair]
        seller, buyer = mu[period, structure.seller[pair]], mu[period, structure.buyer[pair]]
        for row, column, sign in ((seller, seller, 1.0), (buyer, buyer, 1.0), (seller, buyer, -1.0), (buyer, seller, -1.0)):
            add(row, column, sign * stiffness)

        period, store = np.nonzero(active.stored)  # energy at the end of `period`: −σ of that period, +σ of the next one
        stored = self._numbers.stored[period, store]
        for sign, shift in ((-1.0, 0), (1.0, 1)):
            keep = period + shift < structure.n_periods
            price = sigma[period[keep] + shift, store[keep]]
            repeat(stored[keep], price, sign)
            repeat(price, stored[keep], sign)
        repeat(stored, stored, -SHIFT)
        free = self._numbers.renewable[active.renewable]
        repeat(free, mu[active.renewable], 1.0)
        repeat(mu[active.renewable], free, 1.0)
        repeat(free, free, -SHIFT)

        row, column = (self._position[np.concatenate(part)] for part in (rows, columns))
        return csc_array((np.concatenate(values), (row, column)), shape=(self._size, self._size))

    def solve(self, balance: Array, storage: Array, stored: Array, renewable: Array) -> tuple[Array, Array, Array, Array]:
        """Solve for the right-hand sides of the four families of rows.

        Args:
            balance: Right-hand side of the balances, shape (T, N).
            storage: Of the negated storage equations, shape (T, J).
            stored: Of the slopes of free stored energy, shape (T, J); entries of held ones are ignored.
            renewable: Of the slopes of free renewable use, shape (T, N); entries of held ones are ignored.

        Returns:
            The unknowns μ, σ, e and r, shapes (T, N), (T, J), (T, J), (T, N), zero where held.

        Raises:
            ClearingError: If the matrix is singular to rounding.
        """
        return self._split(self._factor.solve(self._join(balance, storage, stored, renewable)))

    def solve_exactly(
        self, balance: Array, storage: Array, stored: Array, renewable: Array, *, still: bool = False
    ) -> tuple[Array, Array, Array, Array]:
        """Solve the system without its shift, to rounding, by iterative refinement; see :meth:`solve` for arguments and errors.

        A right-hand side on prices that nothing answers to cannot be met. That part of it is left out, as if those prices stood still.

        Args:
            balance: As in :meth:`solve`; ``storage``, ``stored`` and ``renewable`` too.
            storage: See there.
            stored: See there.
            renewable: See there.
            still: Whether prices that nothing determines must stand still to rounding, too. What rounding leaves on their right-hand
                sides comes out divided by the shift, ten million times as large. Who reads differences of prices alone need not care.
        """
        wanted = (balance, storage, np.where(self._active.stored, stored, 0.0), np.where(self._active.renewable, renewable, 0.0))
        scale = max(float(np.abs(part).max(initial=0.0)) for part in wanted)
        right = self._join(*wanted)
        solution, error = self._refined(right, scale)
        if error > _UNSOLVABLE * scale:
            solution, _ = self._refined(self._reachable(right), scale)
        if still:
            solution = self._stilled(solution, scale)
        return self._split(solution)

    def _refined(self, wanted: Array, scale: float) -> tuple[Array, float]:
        """Return the refined solution and its greatest residual; vectors are of the unknowns used."""
        solution = self._factor.solve(wanted)
        best = np.inf
        for _ in range(_MAX_REFINEMENTS):
            missing = wanted - self._unshifted(solution)
            error = float(np.abs(missing).max(initial=0.0))
            if error <= _REFINED * scale or error > 0.5 * best:
                break
            best = error
            solution = solution + self._factor.solve(missing)
        return solution, error

    def _reachable(self, inside: Array) -> Array:
        """Return a right-hand side without its part outside the range of the unshifted matrix.

        Solving and multiplying by the shift again leaves that part as it is but for the digits that the least pivot lacks, up to 1%. It
        shrinks all others by the shift over their eigenvalue, to 1e-4 or less. A polynomial of that map, flat at both ends, tells the two
        apart. Taking the part from the residual of a solution instead would lose the digits by which the solution is too large.
        """
        for _ in range(2):
            power, outside = inside, np.zeros_like(inside)
            for weight in _FLAT:
                power = self._shift * self._factor.solve(power)
                outside += weight * power
            inside = inside - outside
        return inside

    def _stilled(self, solution: Array, scale: float) -> Array:
        """Return a solution without its part that the unshifted matrix does not see, unless taking that out would cost digits elsewhere."""
        unseen = solution
        for _ in range(_PROJECTIONS):
            unseen = self._factor.solve(self._shift * unseen)
        seen = float(np.abs(self._unshifted(unseen)).max(initial=0.0))
        return solution - unseen if seen <= _REFINED * scale else solution

    def _unshifted(self, vector: Array) -> Array:
        product: Array = self._matrix @ vector - self._shift * vector
        return product

    def _join(self, mu: Array, sigma: Array, stored: Array, renewable: Array) -> Array:
        vector: Array = np.concatenate([mu.ravel(), sigma.ravel(), stored.ravel(), renewable.ravel()])[self._place]
        return vector

    def _split(self, vector: Array) -> tuple[Array, Array, Array, Array]:
        (n_periods, n), j = self._numbers.mu.shape, self._numbers.sigma.shape[1]
        whole = np.zeros(len(self._numbers.shift))
        whole[self._place] = vector
        first, second, third = n_periods * n, n_periods * (n + j), n_periods * (n + j + j)
        mu, renewable = (part.reshape(n_periods, n) for part in (whole[:first], whole[third:]))
        sigma, stored = (part.reshape(n_periods, j) for part in (whole[first:second], whole[second:third]))
        return mu, sigma, stored, renewable
