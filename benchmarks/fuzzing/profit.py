"""How exact the operator's profit is that a certified clearing gives: what it misses, and what its certificate would let it miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from referee import account, distance, exact, point_of, program_of
from referee.program import Program
from scipy.optimize import linprog
from scipy.sparse import block_array, coo_array, csr_array, diags_array

from gridtoll.envs.account.objective import OBJECTIVES
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.market_data import Structure, read_charges, scale
from gridtoll.envs.market.mechanism import ExactResponse

from .cases import Case

TOLERANCE = 1e-9
"""What a clearing's certificate may read."""
FACTOR = 200.0
"""Times the tolerance, of what is at stake: more than the profit of a certified clearing of an ordinary style was ever
seen to miss, which is 44 times."""
_ATTEMPTS = (("highs", True), ("highs-ipm", True), ("highs-ipm", False), ("highs-ds", False))  # HiGHS gives up on one program in 1,000
_PROHIBITIVE = 100.0  # greatest prices: charges above that many are nobody's
_NEAR = 1e-11  # of a prosumer's size: a variable that near to a bound counts as being on it


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """Errors of profit in EUR, and what they are measured by.

    Attributes:
        name: Style and seed.
        group: ``"ordinary"``, ``"prohibitive"`` where charges are above a hundred times every price, or ``"extreme"``.
        certificate: What the clearing's certificate reads.
        missed_eur: By the clearing, against the optimum in long double.
        on_piece_eur: The most on the optimum's own piece of the response, of points whose certificate reads 1e-9, to first order.
        proved_eur: The most of any points whose certificate reads 1e-9, by strong convexity.
        reference_eur: By how much the optimum in long double can itself be off, proved.
        stake_eur: The yardstick of an optimum's gap at these charges: what the operator is paid and pays.
        turnover_eur: The day's turnover.
    """

    name: str
    group: str
    certificate: float
    missed_eur: float
    on_piece_eur: float
    proved_eur: float
    reference_eur: float
    stake_eur: float
    turnover_eur: float

    @property
    def money_eur(self) -> float:
        """What is at stake, or the day's turnover where that is more."""
        return max(self.stake_eur, self.turnover_eur)


def exactness(case: Case, network: Network, market: ExactResponse) -> Exactness | None:
    """Measure one case; None where no optimum in long double is found.

    Args:
        case: The case.
        network: Its network.
        market: What clears.

    Raises:
        ClearingError: If the case cannot be cleared.
    """
    day = case.day
    clearing = market.clear(day, case.charges)
    optimum = exact(day, case.charges, clearing)
    if optimum is None:
        return None
    settled = settle(day, network, case.charges, clearing, flows=case.flows)
    here, there = (account(day, network, case.charges, each, flows=case.flows).profit_eur for each in (clearing, optimum))
    margin = _Margin.of(case, network, optimum)
    greatest = max(float(np.abs(prices).max()) for prices in (day.import_price, day.export_price, day.utility_slope))
    prohibitive = float(np.max(case.charges)) > _PROHIBITIVE * greatest
    return Exactness(
        name=f"{case.style}:{case.seed}",
        group="extreme" if case.is_extreme else "prohibitive" if prohibitive else "ordinary",
        certificate=clearing.certificate.worst,
        missed_eur=max(abs(here - there), abs(settled.profit_eur - there)),
        on_piece_eur=margin.on_piece(),
        proved_eur=margin.proved(TOLERANCE),
        reference_eur=margin.within(distance(day, case.charges, optimum).norm),
        stake_eur=OBJECTIVES["profit"].yardstick_eur(day, settled),
        turnover_eur=day.turnover_eur,
    )


@dataclass(frozen=True, eq=False)
class _Margin:
    """What points near an optimum can earn more or less, in the referee's variables.

    Attributes:
        program: The followers' program.
        v: The optimum, shape (V,).
        y: Its multipliers.
        pull: Gradient of profit in v, EUR/kW, shape (V,).
        bend: Greatest eigenvalue of the losses against the followers' curvature.
        room: kW between a flow and its limit, shape (T, L).
        reach: kW by which a flow can move for each √EUR of ‖v − v*‖, shape (T, L).
        overload: EUR a kW beyond a limit for a period.
        size: What is much for whom, of each variable in kW, shape (V,).
        much: The same of each equation.
        price: The certificate's unit of price, EUR/kWh.
    """

    program: Program
    v: NDArray[np.float64]
    y: NDArray[np.float64]
    pull: NDArray[np.float64]
    bend: float
    room: NDArray[np.float64]
    reach: NDArray[np.float64]
    overload: float
    size: NDArray[np.float64]
    much: NDArray[np.float64]
    price: float

    @classmethod
    def of(cls, case: Case, network: Network, optimum: Clearing) -> _Margin:
        """Read what an optimum in long double says."""
        day, program = case.day, program_of(case.day, case.charges)
        v, y = point_of(program, optimum)
        data = scale(day, read_charges(day, case.charges), Structure.of(day))
        shape, own = program.shape, data.size * data.power_unit
        size = own[shape.node]
        trade = program.family("trade")
        size[trade] = np.minimum(own[np.tile(shape.seller, shape.hours)], own[np.tile(shape.buyer, shape.hours)])
        pull, flow = _pull(case, network, program, optimum)
        reaches, bend = _reaches(case, network, program)
        room = np.abs(np.abs(flow) - network.grid.branch_limit_kw)
        much = np.tile(np.concatenate([own, own[shape.owner]]), shape.hours)
        return cls(
            program,
            v.astype(float),
            y.astype(float),
            pull,
            bend,
            room,
            reaches,
            day.overload_price * day.period_hours,
            size,
            much,
            data.price_unit,
        )

    def within(self, radius: float) -> float:
        """Return the most that profit changes within a distance ‖v − v*‖ of the optimum, in EUR."""
        program = self.program
        curved = program.quadratic > 0
        stiff = program.period_hours * program.quadratic[curved].astype(float)
        steepness = float(np.sqrt((self.pull[curved] ** 2 / stiff).sum()))
        moved = self.reach * radius
        crossed = self.overload * float(moved[moved > self.room].sum())  # a flow that may pass its limit changes slope there
        return steepness * radius + self.bend * radius**2 + crossed

    def proved(self, tolerance: float) -> float:
        """Return the most that profit can differ by where a certificate reads the tolerance, by ½‖v − v*‖² ≤ gap + Σ|y*|·missed."""
        program = self.program
        gap = self.price * float(self.much.reshape(program.shape.hours, -1)[:, : program.shape.prosumers].sum())
        missed = float((np.abs(self.y) * self.much).sum())
        return self.within(float(np.sqrt(2.0 * tolerance * program.period_hours * (gap + missed))))

    def on_piece(self, tolerance: float = TOLERANCE) -> float:
        """Return the most that profit can differ by at points with the tolerance's certificate on the optimum's piece, to first order.

        A step (dv, dy) from the optimum, in units of the tolerance, misses equations by at most the size of whose they are. Variables off
        their bounds get a slope of at most the unit of price. Those that a slope holds on a bound leave it outwards by their size, and
        inwards by next to nothing; those that nothing holds may do both. The greatest change of profit is a linear program.
        """
        program = self.program
        lower, upper, q = (array.astype(float) for array in (program.lower, program.upper, program.quadratic))
        slope = program.slope(self.v, self.y).astype(float)
        near = _NEAR * self.size
        low, high = self.v <= lower + near, self.v >= upper - near
        held = (low | high) & (np.abs(slope) > tolerance * self.price)
        loose = ~held
        inward = _NEAR / tolerance * self.size
        least = np.where(held, np.where(low, -self.size, -inward), -np.inf)
        most = np.where(held, np.where(high, self.size, inward), np.inf)
        least, most = np.where(low & high, -self.size, least), np.where(low & high, self.size, most)
        count, rows = program.n_equations, program.shape.row.ravel()
        columns = np.repeat(np.arange(len(self.v)), 2)
        matrix = csr_array(coo_array((program.coefficient.astype(float).ravel(), (rows, columns)), shape=(count, len(self.v))))
        # Powers in units of their sizes, prices in the unit of price, so that the program's numbers are of one order.
        power = diags_array(self.size)
        equations = diags_array(1.0 / self.much) @ matrix @ power
        (free,) = np.nonzero(loose & ~(low & high))
        bends = (diags_array(q / self.price) @ power).tocsr()[free]
        slopes = matrix.T.tocsr()[free]
        both: Any = block_array([[equations, None], [bends, slopes]], format="csr")
        limits = np.ones(both.shape[0])
        bounds = np.concatenate([np.stack([least / self.size, most / self.size], axis=1), np.full((count, 2), [-np.inf, np.inf])])
        gain = np.concatenate([self.pull * self.size, np.zeros(count)])
        unit = float(np.abs(gain).max(initial=0.0))
        if unit == 0.0:
            return 0.0
        whole: Any = block_array([[both], [-both]], format="csr")
        both_sides = np.concatenate([limits, limits])
        for method, presolve in _ATTEMPTS:
            found = linprog(-gain / unit, A_ub=whole, b_ub=both_sides, bounds=bounds, method=method, options={"presolve": presolve})
            if found.status == 0:
                return float(-found.fun) * unit * tolerance
        return float("inf")


def _pull(case: Case, network: Network, program: Program, optimum: Clearing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gradient of profit in the program's variables, and the flows in kW, shape (T, L)."""
    day, grid, hours = case.day, network.grid, case.day.period_hours
    ptdf = grid.ptdf[:, network.prosumer_bus]
    weight = day.loss_price[:, None] * grid.branch_resistance_pu / grid.base_power_kw
    trade = optimum.trade.astype(float)
    if case.flows == "trades":
        net = trade.sum(axis=2) - trade.sum(axis=1)
    else:
        net = (optimum.renewable_used + optimum.storage_discharge - optimum.storage_charge - optimum.demand).astype(float)
    flow = net @ ptdf.T + (day.base_injection @ grid.ptdf.T if day.base_injection.any() else 0.0)
    over = np.sign(flow) * (np.abs(flow) > grid.branch_limit_kw)
    node = -hours * (2.0 * weight * flow + day.overload_price * over) @ ptdf
    shape, pull = program.shape, np.zeros(len(program.lower))
    trades = program.family("trade")
    pull[trades] = hours * program.charge[trades].astype(float)
    if case.flows == "trades":
        pull[trades] += (node[:, shape.seller] - node[:, shape.buyer]).ravel()
    else:
        for name, sign in (("demand", -1.0), ("renewable", 1.0)):
            pull[program.family(name)] = sign * node.ravel()
        for name, sign in (("charge", -1.0), ("discharge", 1.0)):
            pull[program.family(name)] = sign * node[:, shape.owner].ravel()
    pull[program.family("import")] += hours * day.import_fee
    return pull, np.asarray(np.broadcast_to(flow, over.shape))


def _reaches(case: Case, network: Network, program: Program) -> tuple[NDArray[np.float64], float]:
    """Return by how many kW each flow moves for each √EUR of ‖v − v*‖, and Λ such that losses bend by Λ·‖v − v*‖² at most."""
    day, shape, ptdf = case.day, program.shape, network.grid.ptdf[:, network.prosumer_bus]
    q = program.quadratic.astype(float) * program.period_hours
    weight = day.period_hours * day.loss_price[:, None] * network.grid.branch_resistance_pu / network.grid.base_power_kw
    trade, bought, sold = (q[program.family(name)].reshape(shape.hours, -1) for name in ("trade", "import", "export"))
    across, greatest, reaches = ptdf[:, shape.seller] - ptdf[:, shape.buyer], 0.0, []
    for hour in range(shape.hours):
        parts = [across / np.sqrt(trade[hour])]
        if case.flows == "injections":  # what a prosumer injects is what it trades and exchanges with the retailer
            parts += [ptdf / np.sqrt(bought[hour]), ptdf / np.sqrt(sold[hour])]
        moves = np.hstack(parts)
        reaches.append(np.sqrt((moves**2).sum(axis=1)))
        greatest = max(greatest, float(np.linalg.norm(np.sqrt(weight[hour])[:, None] * moves, 2)) ** 2)
    return np.array(reaches), greatest
