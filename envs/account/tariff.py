"""The network charge: what the operator may post, and what it means for each pair of prosumers.

A tariff is a basis of matrices B^k ≥ 0 with a zero diagonal. The operator chooses coefficients γ_t,k ≥ 0, and a trade of one kWh from
prosumer i to prosumer j in period t is charged

    τ_t,ij = Σ_k γ_t,k · B^k_ij        in EUR/kWh.

Being linear in γ is what makes the charged energy fall as a charge rises, on which the exact optimum rests.

============  ============  ====================================================================================================
kind          coefficients  basis
============  ============  ====================================================================================================
``unique``    1             1 for every pair
``distance``  1             electrical distance, whose mean over pairs of different prosumers is 1
``zonal``     2             1 within a zone; number of zone borders crossed
``line``      branches      the part of the electrical distance that lies on one branch: equal coefficients are ``distance``
============  ============  ====================================================================================================

============  ======  ============  ============  ====================================================================================
name          symbol  unit          shape         meaning
============  ======  ============  ============  ====================================================================================
coefficients  γ       EUR/kWh       (T, K)        what the operator posts, each between 0 and the cap
basis         B       1             (K, N, N)     from seller (row) to buyer (column)
charges       τ       EUR/kWh       (T, N, N)     what a traded kWh costs, half of it paid by each side
============  ======  ============  ============  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..community.clock import HOURS_PER_DAY
from ..community.day import Array
from ..errors import known_name, unknown_name
from ..grid.network import Network

Period = Literal["day", "hour"]

TARIFF_NAMES: Final = ("unique", "distance", "zonal", "line")
"""Every kind of tariff :func:`make_tariff` knows."""

EDGE_TOLERANCE: Final = 1e-6
"""How far outside [0, cap], relative to the cap, a coefficient is still moved to the edge instead of being refused. Policies of
stable-baselines3 and Gymnasium's ``RescaleAction`` reckon in single precision, whose rounding alone (6e-8) passes the edges."""

_MAX_LISTED: Final = 8  # entries named in an error, so that a message stays readable


@dataclass(frozen=True, eq=False, kw_only=True)
class Tariff:
    """A basis of charges, and how an action is read as its coefficients.

    Attributes:
        kind: Name of the tariff, for reports.
        basis: B, shape (K, N, N), at least 0, zero on the diagonal.
        names: What each of the K coefficients prices.
        per: ``"day"`` for coefficients that stand all day, ``"hour"`` for coefficients of each period, however long it is.
    """

    kind: str
    basis: Array
    names: tuple[str, ...]
    per: Period = "day"

    def __post_init__(self) -> None:
        """Validate and freeze the basis.

        Raises:
            ValueError: If the basis breaks a rule of the module's table, or `per` is unknown.
        """
        check_period(self.per)
        basis = np.array(self.basis, dtype=np.float64)
        if basis.ndim != 3 or basis.shape[1] != basis.shape[2] or 0 in basis.shape:
            raise ValueError(f"a tariff's basis must have shape (coefficients, prosumers, prosumers), got {basis.shape}.")
        if len(self.names) != len(basis):
            raise ValueError(f"a tariff must name its {len(basis)} coefficients, got {len(self.names)} names.")
        if not np.isfinite(basis).all() or (basis < 0).any() or np.diagonal(basis, axis1=1, axis2=2).any():
            raise ValueError("a tariff's basis must be finite, at least 0 and zero on the diagonal.")
        basis.setflags(write=False)
        object.__setattr__(self, "basis", basis)

    @property
    def n_basis(self) -> int:
        """Number of basis matrices K."""
        return len(self.basis)

    def n_coefficients(self, n_periods: int) -> int:
        """Return how many numbers the operator chooses on a day of ``n_periods``: K, or T·K for charges per hour."""
        return len(self.basis) * (n_periods if self.per == "hour" else 1)

    def coefficient_names(self, n_periods: int) -> tuple[str, ...]:
        """Return what each number of an action prices; charges per hour run through the periods, coefficients innermost."""
        if self.per == "day":
            return self.names
        word = "hour" if n_periods == HOURS_PER_DAY else "period"
        return tuple(f"{word} {period}, {name}" for period in range(n_periods) for name in self.names)

    def read(self, action: ArrayLike, n_periods: int, cap: float) -> Array:
        """Return an action as validated coefficients.

        Numbers within ``EDGE_TOLERANCE`` of the interval are moved to its edge; double precision is kept.

        Args:
            action: γ in EUR/kWh, shape (K,), or (T·K,) for charges per hour with the coefficients of a period side by side.
            n_periods: Number of periods T.
            cap: Greatest coefficient in EUR/kWh.

        Returns:
            γ in EUR/kWh, shape (T, K).

        Raises:
            ValueError: If the action has the wrong shape or any entry is not a number, negative or above the cap; all are named.
        """
        k = len(self.basis)
        wanted = k if self.per == "day" else k * n_periods
        try:
            values = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"charges must be {wanted} numbers in EUR/kWh, got {action!r}.") from None
        if values.shape != (wanted,):
            raise ValueError(
                f"charges of the {self.kind} tariff per {self.per} must have shape ({wanted},), got {values.shape}: "
                f"{_listed(self.coefficient_names(n_periods))}. Pass a number for each of these, with points for decimals."
            )
        slack = EDGE_TOLERANCE * cap
        bad = np.flatnonzero(~((values >= -slack) & (values <= cap + slack)))  # written so that NaN is bad too
        if len(bad):
            names = self.coefficient_names(n_periods)
            raise ValueError(
                f"charges must be between 0 and the cap of {cap:g} EUR/kWh, got "
                f"{_listed([f'{float(values[where])!r} at coefficient {where} ({names[where]})' for where in bad])}. "
                "Pass charges in EUR/kWh, or raise `charge_cap`."
            )
        return np.array(np.broadcast_to(np.clip(values, 0.0, cap).reshape(-1, k), (n_periods, k)))

    def action(self, coefficients: Array) -> Array:
        """Return the action that reads as coefficients of shape (T, K): the inverse of :meth:`read`."""
        return np.array(coefficients[0] if self.per == "day" else coefficients.ravel())

    def charges(self, coefficients: Array) -> Array:
        """Return τ in EUR/kWh, shape (T, N, N), at coefficients γ of shape (T, K)."""
        if len(self.basis) == 1:  # the same products, without the machinery for sums of them
            one: Array = coefficients[..., 0, None, None] * self.basis[0]
            return one
        return np.tensordot(coefficients, self.basis, axes=1)

    def charges_of_many(self, coefficients: Sequence[Array]) -> Array:
        """Return τ in EUR/kWh of R days, shape (R, T, N, N), each as :meth:`charges` does at coefficients of shape (T, K)."""
        if len(self.basis) == 1:
            one: Array = np.stack(coefficients)[..., 0, None, None] * self.basis[0]
            return one
        return np.stack(list(map(self.charges, coefficients)))


def check_period(per: str) -> Period:
    """Return the period that was named.

    Raises:
        ValueError: If it is unknown.
    """
    known: Period = known_name("the period a charge stands for", per, get_args(Period))
    return known


def make_tariff(kind: str, network: Network, per: Period = "day") -> Tariff:
    """Return a tariff on a network.

    Args:
        kind: One of ``TARIFF_NAMES``.
        network: Where the prosumers sit.
        per: ``"day"`` for charges that stand all day, ``"hour"`` for charges of each period.

    Raises:
        ValueError: If the kind or the period is unknown.
    """
    names: tuple[str, ...]
    others = ~np.eye(len(network.prosumer_bus), dtype=bool)
    match kind:
        case "unique":
            basis, names = others[None].astype(np.float64), ("each kWh traded",)
        case "distance":
            basis, names = network.distance[None], ("each kWh at mean electrical distance",)
        case "zonal":
            within = others & (network.zone[:, None] == network.zone[None, :])
            basis = np.stack([within.astype(np.float64), network.zone_borders.astype(np.float64)])
            names = ("each kWh within a zone", "each zone border crossed")
        case "line":
            branches = enumerate(network.grid.branch_names[: network.grid.n_wires])
            basis, names = network.line_distance, tuple(f"branch {number} ({name})" for number, name in branches)
        case _:
            raise unknown_name("tariff", kind, TARIFF_NAMES)
    return Tariff(kind=kind, basis=basis, names=names, per=per)


def _listed(words: list[str] | tuple[str, ...]) -> str:
    """Return the first few words and how many more there are."""
    more = f" and {len(words) - _MAX_LISTED} more" if len(words) > _MAX_LISTED else ""
    return ", ".join(words[:_MAX_LISTED]) + more
