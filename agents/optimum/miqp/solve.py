"""The best charges of a small community by mixed-integer programming: an independent check of the one-parameter search.

Nothing here is shared with :mod:`gridtoll.agents.optimum.one_charge.search` but the clearing at the end: the program is built from the day,
solved by a general solver, and the charges it finds are cleared and settled again. That number is the one reported. Beyond small
communities a general solver does not finish; :data:`PAIR_LIMIT` says what small means.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

import numpy as np

from ....envs.account.objective import LEAST_SHARE, OBJECTIVES, ExactObjective, of_both, require_exact
from ....envs.account.settlement import Flows, check_flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.errors import unknown_name
from ....envs.games.transition import Rules, Transition, transition
from ....envs.grid.network import Network
from ....envs.market.exact.convert import point_of
from ....envs.market.exact.market import P2PMarket
from ....envs.market.exact.market_data import MarketData, Structure, scale
from ....envs.market.exact.solution import Clearing
from ....envs.market.mechanism import ExactResponse
from .answer import MiqpAnswer, MiqpError, Status, optional_package
from .follower import Follower, make_follower
from .gurobi import solve_with_gurobi
from .program import MixedIntegerProgram, point_of_clearing, single_level_program
from .scip import solve_with_scip

MiqpSolver = Literal["scip", "gurobi"]
_PACKAGES: Final[dict[MiqpSolver, str]] = {"scip": "pyscipopt", "gurobi": "gurobipy"}

SOLVERS: Final[dict[str, Callable[..., MiqpAnswer]]] = {"scip": solve_with_scip, "gurobi": solve_with_gurobi}
"""What can solve the program, by name."""

PAIR_LIMIT: Final = 400
"""Greatest number of complementarity pairs that is tried unless told otherwise; ``docs/agreement.md`` has the times it was chosen by."""

ACCURACY: Final = 1e-8
"""Share of the day's turnover by which a solver's own objective may differ from the clearing at its charges. A general solver meets pairs
and rows to 1e-9, so its objective and bound are good to about that share (9e-10 was the worst measured), not to rounding."""

_STARTS = 9  # clearings at even charges, the best of which a solver starts from


@dataclass(frozen=True, eq=False, kw_only=True)
class MiqpResult:
    """What mixed-integer programming found on one day.

    Attributes:
        action: Best coefficients found, EUR/kWh, in the order an operator posts them, shape (K,) or (T·K,) for charges per hour.
        charge_cap: Greatest coefficient allowed, EUR/kWh.
        objective: What is maximised.
        status: ``"optimal"`` where the solver closed its gap, ``"time limit"`` otherwise.
        recleared_profit_eur: The operator's profit at these charges, cleared again and settled.
        recleared_welfare_eur: Welfare there.
        solver_objective_eur: The objective by the solver's own account.
        difference_eur: The solver's account less the re-cleared one; within ``accuracy_eur``, or an error is raised.
        upper_bound_eur: No coefficients in [0, cap] take the objective higher, up to ``accuracy_eur``.
        relative_gap: (upper bound − re-cleared objective) over what is at stake (:mod:`~gridtoll.envs.account.objective`).
        revenue_eur: Charge revenue there.
        turnover_eur: The day's turnover, which the solver's accuracy is a share of.
        pairs: Complementarity pairs of the program.
        nodes: Nodes of the solver's search tree.
        seconds: Wall time, with building and clearing.
        solver: Name and version of the solver.
    """

    action: Array
    charge_cap: float
    objective: ExactObjective
    status: Status
    recleared_profit_eur: float
    recleared_welfare_eur: float
    solver_objective_eur: float
    difference_eur: float
    upper_bound_eur: float
    relative_gap: float
    revenue_eur: float
    turnover_eur: float
    pairs: int
    nodes: int
    seconds: float
    solver: str

    @property
    def accuracy_eur(self) -> float:
        """How far the solver's objective and bound may be off: ``ACCURACY`` of the turnover."""
        return ACCURACY * self.turnover_eur

    @property
    def recleared_eur(self) -> float:
        """The objective at the charges found, cleared again."""
        return of_both(self.objective, profit_eur=self.recleared_profit_eur, welfare_eur=self.recleared_welfare_eur)


def complementarity_pairs(day: Day) -> int:
    """Return how many complementarity pairs the single-level program of a day has: two for each variable its bounds do not fix.

    Each hour has 8·N pairs of retail, renewable and demand, twice the number of ordered pairs who may trade, and 6 for each storage, less
    what is fixed. This is what decides whether a solver finishes, since the tree branches on nothing else.
    """
    structure = Structure.of(day)
    data = scale(day, np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers)), structure)
    nothing = np.zeros((1, day.n_prosumers, day.n_prosumers))
    return 2 * len(make_follower(data, nothing, per_hour=False).upper)


def require_solver(solver: MiqpSolver) -> None:
    """See to it that the package of a solver can be imported, before work begins that needs it.

    Raises:
        ImportError: If it cannot; the message says how to install it.
    """
    optional_package(_PACKAGES[solver])


def solve_miqp(
    day: Day,
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    objective: ExactObjective = "profit",
    solver: MiqpSolver = "scip",
    time_limit_s: float = 100.0,
    relative_gap: float = 1e-6,
    pair_limit: int = PAIR_LIMIT,
    force: bool = False,
    market: ExactResponse | None = None,
) -> MiqpResult:
    """Find the best coefficients of a small community by mixed-integer programming.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: Any tariff, of one or several coefficients, per day or per hour.
        cap: Greatest coefficient allowed, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: ``"profit"`` of the operator, or ``"welfare"`` of prosumers and operator together.
        solver: ``"scip"`` (extra ``[miqp]``) or ``"gurobi"`` (package and licence of one's own).
        time_limit_s: When the solver stops with the best it has, in seconds.
        relative_gap: Relative gap at which the solver stops.
        pair_limit: Greatest number of complementarity pairs to try.
        force: Try a larger program all the same.
        market: What clears again; a new :class:`P2PMarket` where absent.

    Raises:
        ValueError: If a name is unknown, a number is out of range, or the program is larger than `pair_limit` and not forced.
        ImportError: If the solver's package is not installed.
        MiqpError: If the solver fails, or the clearing contradicts what it found.
        ClearingError: If a clearing misses its tolerance.
    """
    began = time.perf_counter()
    _check(solver, cap=cap, time_limit_s=time_limit_s, relative_gap=relative_gap)
    market = P2PMarket() if market is None else market
    game = _SingleLevelGame(day, network, tariff, cap=cap, flows=check_flows(flows), objective=require_exact(objective))
    if len(game.program.pairs) > pair_limit and not force:
        raise ValueError(_refusal(day, tariff, len(game.program.pairs), pair_limit))
    unit = game.data.objective_unit
    turnover = day.turnover_eur
    answer = SOLVERS[solver](
        game.program,
        time_limit_s=time_limit_s,
        relative_gap=relative_gap,
        absolute_gap=LEAST_SHARE * relative_gap * turnover / unit,
        start=game.start(market),
    )
    action = np.clip(answer.x[game.program.blocks["coefficient"]] * game.data.price_unit, 0.0, cap)
    again = game.play(action, market)
    settlement, recleared = again.settlement, again.reward_eur
    difference = answer.value * unit - recleared
    if abs(difference) > ACCURACY * turnover:
        raise MiqpError(
            f"what {answer.solver} found on day {day.label!r} must clear to the same objective within {ACCURACY * turnover:.3g} EUR: at "
            f"{action} EUR/kWh it calculates {answer.value * unit!r} EUR and the clearing gives {recleared!r}."
        )
    bound = max(answer.bound * unit, recleared)
    divisor = OBJECTIVES[game.objective].yardstick_eur(day, settlement)
    return MiqpResult(
        action=action,
        charge_cap=cap,
        objective=game.objective,
        status=answer.status,
        recleared_profit_eur=settlement.profit_eur,
        recleared_welfare_eur=settlement.welfare_eur,
        solver_objective_eur=answer.value * unit,
        difference_eur=difference,
        upper_bound_eur=bound,
        relative_gap=(bound - recleared) / divisor if bound > recleared else 0.0,
        revenue_eur=settlement.revenue_eur,
        turnover_eur=turnover,
        pairs=len(game.program.pairs),
        nodes=answer.nodes,
        seconds=time.perf_counter() - began,
        solver=answer.solver,
    )


class _SingleLevelGame:
    """One day's single-level program, and the way back from coefficients to a settled clearing."""

    def __init__(self, day: Day, network: Network, tariff: Tariff, *, cap: float, flows: Flows, objective: ExactObjective) -> None:
        self.objective = objective
        self._day, self._tariff, self._cap = day, tariff, cap
        self._rules = Rules(network=network, basis=tariff.basis, flows=flows, objective=objective)
        nothing = np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers))
        self.data: MarketData = scale(day, nothing, Structure.of(day))
        self._follower: Follower = make_follower(self.data, tariff.basis, per_hour=tariff.per == "hour")
        self.program: MixedIntegerProgram = single_level_program(
            day, network, self.data, self._follower, cap=cap, flows=flows, objective=objective
        )

    def play(self, action: Array, market: ExactResponse) -> Transition[Clearing]:
        """Clear the day at coefficients and settle it."""
        charges = self._tariff.charges(self._tariff.read(action, self._day.n_periods, self._cap))
        return transition(self._rules, market, self._day, charges)

    def start(self, market: ExactResponse) -> Array:
        """Return the program's point at the best of a few clearings in which all coefficients are alike."""
        best, found = -inf, np.zeros(0)
        for charge in np.linspace(0.0, self._cap, _STARTS):
            action = np.full(self._tariff.n_coefficients(self._day.n_periods), charge)
            played = self.play(action, market)
            if played.reward_eur > best:
                point = point_of(self.data, played.clearing)
                best, found = played.reward_eur, point_of_clearing(self.program, self._follower, point, action / self.data.price_unit)
        return found


def _check(solver: str, *, cap: float, time_limit_s: float, relative_gap: float) -> None:
    if solver not in SOLVERS:
        raise unknown_name("`solver`", solver, SOLVERS)
    if not 0 < cap < inf or not time_limit_s > 0 or not relative_gap > 0:
        raise ValueError(
            f"the charge cap must be finite and > 0, the time limit and the relative gap > 0, got {cap}, {time_limit_s} and {relative_gap}."
        )


def _refusal(day: Day, tariff: Tariff, pairs: int, pair_limit: int) -> str:
    if tariff.n_coefficients(day.n_periods) == 1:
        instead = "`solve_optimum` proves the optimum of a tariff of one coefficient in any community"
    else:
        instead = "a tariff of one coefficient can be solved by `solve_optimum` in any community"
    return (
        f"mixed-integer programming is for programs of at most {pair_limit} complementarity pairs, beyond which solvers seldom finish; the "
        f"{day.n_prosumers} prosumers and {day.n_periods} periods of day {day.label!r} make {pairs}. Take fewer prosumers, partners or "
        f"periods; {instead}; or pass `force=True`, and have a bracket when the time is over."
    )
