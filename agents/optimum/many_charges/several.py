"""Tariffs of several coefficients: the best charges found, and a bound that no charges exceed.

With storage and more than one coefficient nobody we know of certifies optima of realistic size. What can be had is a bracket: below, the
best charges that exact line searches found from many starts, cleared again from scratch; above, the least of several upper bounds, each
with its proof (:mod:`.relaxation`, :mod:`.lagrangian`, :mod:`.branch`). A bracket is called optimal only where both meet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np

from ....envs.account.objective import OBJECTIVES, ExactObjective
from ....envs.account.settlement import Flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.games.tail import hour_of
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from ..agreement import EXACTNESS
from ..one_charge.search import solve_optimum
from .branch import branch_and_bound
from .game import TariffGame
from .lagrangian import decoupled_bound
from .relaxation_day import day_relaxation
from .starts import best_found

CLOSED: Final = 1e-6
"""Relative gap below which a bracket counts as closed, as for one coefficient."""


@dataclass(frozen=True)
class Bound:
    """One upper bound and what proves it.

    Attributes:
        proof: Name of the proof: ``"one coefficient"``, ``"hours apart"``, ``"K0"``, ``"storage priced"`` or ``"branch and bound"``.
        bound_eur: No charges in [0, cap] take the objective higher.
        seconds: Wall time it took.
    """

    proof: str
    bound_eur: float
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Bracket:
    """The best charges found and the least bound proved.

    Attributes:
        action: γ in EUR/kWh, shape (K,) or (T·K,), as :meth:`.Tariff.read` takes it.
        coefficients: The same by period, shape (T, K).
        charge_cap: Greatest coefficient allowed, EUR/kWh.
        objective: What is maximised.
        best_eur: The objective at these charges, cleared again from scratch.
        revenue_eur: Charge revenue there.
        upper_bound_eur: The least of the bounds; no charges in [0, cap] exceed it.
        proof: Which proof it came from.
        bounds: All bounds that were worked out.
        relative_gap: (bound − best) over what is at stake (:mod:`~gridtoll.envs.account.objective`), as :class:`.Optimum` has it.
        relative_width: (bound − best) over the best, infinite where that is not above 0.
        reached_eur: What each start reached.
        clearings: Market clearings used.
        seconds: Wall time.
    """

    action: Array
    coefficients: Array
    charge_cap: float
    objective: ExactObjective
    best_eur: float
    revenue_eur: float
    upper_bound_eur: float
    proof: str
    bounds: tuple[Bound, ...]
    relative_gap: float
    relative_width: float
    reached_eur: tuple[float, ...]
    clearings: int
    seconds: float

    @property
    def closed(self) -> bool:
        """Whether best and bound have met: only then are the charges optimal."""
        return self.relative_gap <= CLOSED

    def __str__(self) -> str:
        """Return the bracket in EUR with its proof, and the word optimal only where it has closed."""
        ends = f"{self.objective} in [{self.best_eur:.6g}, {self.upper_bound_eur:.6g}] EUR"
        if self.closed:
            return f"optimal: {ends} (proof: {self.proof})"
        return f"bracket: {ends}, {100 * self.relative_width:.2g}% wide (bound: {self.proof})"


def solve_several(
    day: Day,
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    objective: ExactObjective = "profit",
    market: ExactResponse | None = None,
    n_starts: int = 6,
    seed: int = 0,
    max_clearings: int = 6000,
    max_nodes: int = 1000,
) -> Bracket:
    """Bracket the best charges of a tariff with any number of coefficients.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: What the coefficients mean, for the day or by hour.
        cap: Greatest coefficient, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: ``"profit"`` of the operator, or ``"welfare"`` of prosumers and operator together.
        market: What clears; a new :class:`P2PMarket` where absent. The compiled market is some twenty times as fast.
        n_starts: Constant and random starts, beside those the bounds suggest.
        seed: Draws starts and directions; the same seed gives the same bracket.
        max_clearings: About how many clearings the search may use. Bounds come on top.
        max_nodes: Effort on bounds beyond K0: clearings of the branch-and-bound in two coefficients, or convex programs of single hours for
            charges by hour; 0 leaves it at K0.

    Raises:
        ValueError: If the cap, `n_starts`, `max_clearings` or `max_nodes` is out of range.
        ClearingError: If a clearing or a relaxation misses its tolerance, or a clearing contradicts a bound.
    """
    if not 0 < cap < inf:
        raise ValueError(f"the charge cap must be finite and > 0, got {cap}.")
    if n_starts < 1 or max_clearings < 1 or max_nodes < 0:
        raise ValueError(
            f"`n_starts` and `max_clearings` must be at least 1 and `max_nodes` at least 0, "
            f"got {n_starts}, {max_clearings} and {max_nodes}."
        )
    began = time.perf_counter()
    game = TariffGame(day, network, tariff, cap=cap, flows=flows, objective=objective, market=market)
    if tariff.n_coefficients(day.n_periods) == 1:
        return _one_coefficient(game, began)
    if tariff.per == "hour" and not day.has_storage.any():
        parts = [
            solve_several(
                hour_of(day, period),
                network,
                replace(tariff, per="day"),
                cap=cap,
                flows=flows,
                objective=objective,
                market=game.market,
                n_starts=n_starts,
                seed=seed,
                max_clearings=max(max_clearings // day.n_periods, 1),
                max_nodes=max_nodes // day.n_periods,
            )
            for period in range(day.n_periods)
        ]
        return _hours_apart(game, parts, began)
    return _bracketed(game, began, n_starts=n_starts, seed=seed, max_clearings=max_clearings, max_nodes=max_nodes)


def _bracketed(game: TariffGame, began: float, *, n_starts: int, seed: int, max_clearings: int, max_nodes: int) -> Bracket:
    """Search, then bound."""
    clock = time.perf_counter()
    relaxed = day_relaxation(game)
    bounds = [Bound("K0", relaxed.bound_eur, time.perf_counter() - clock)]
    hints = [relaxed.action, *_constant_hint(game)]
    best, reached = best_found(game, hints, n_starts=n_starts, seed=seed, max_clearings=max_clearings)
    clock = time.perf_counter()
    if game.n_coefficients == 2 and max_nodes:
        searched, bound = branch_and_bound(
            game,
            best,
            max_clearings=max_nodes,
            tolerance=0.5 * CLOSED * OBJECTIVES[game.objective].yardstick_eur(game.day, best.settlement),
        )
        best = max(best, searched, key=lambda play: play.goal_eur)
        bounds.append(Bound("branch and bound", bound, time.perf_counter() - clock))
    elif game.tariff.per == "hour" and game.objective == "profit" and max_nodes:
        bound = decoupled_bound(game, best, relaxed, max_nodes=max_nodes)
        bounds.append(Bound("storage priced", bound, time.perf_counter() - clock))
    return _bracket(game, best.action, bounds, reached, began)


def _constant_hint(game: TariffGame) -> list[Array]:
    """Return the best charge that is the same for all pairs and periods, as coefficients, where the tariff can express something close."""
    if game.tariff.n_basis > 1:
        return []
    whole_day = replace(game.tariff, per="day")
    optimum = solve_optimum(game.day, game.network, whole_day, cap=game.cap, flows=game.flows, objective=game.objective, market=game.market)
    game.clearings += optimum.clearings
    return [np.full(game.n_coefficients, optimum.charge)]


def _one_coefficient(game: TariffGame, began: float) -> Bracket:
    tariff = replace(game.tariff, per="day")
    optimum = solve_optimum(game.day, game.network, tariff, cap=game.cap, flows=game.flows, objective=game.objective, market=game.market)
    game.clearings += optimum.clearings
    bound = Bound("one coefficient", optimum.upper_bound_eur, optimum.seconds)
    return _bracket(game, np.array([optimum.charge]), [bound], [optimum.recleared_eur], began)


def _hours_apart(game: TariffGame, parts: list[Bracket], began: float) -> Bracket:
    """Put periods together that nothing couples: charges side by side, bounds added."""
    game.clearings += sum(part.clearings for part in parts)
    bound = Bound("hours apart", sum(part.upper_bound_eur for part in parts), sum(part.seconds for part in parts))
    action = np.concatenate([part.action for part in parts])
    return _bracket(game, action, [bound], [sum(part.best_eur for part in parts)], began)


def _bracket(game: TariffGame, action: Array, bounds: list[Bound], reached: list[float], began: float) -> Bracket:
    """Clear the best charges again from scratch and report them."""
    play = game.play(action)
    least = min(bounds, key=lambda bound: bound.bound_eur)
    yardstick = OBJECTIVES[game.objective].yardstick_eur(game.day, play.settlement)
    if play.goal_eur > least.bound_eur + EXACTNESS * (game.day.turnover_eur + abs(play.goal_eur)):
        raise ClearingError(
            f"no charges may exceed a proved bound: on day {game.day.label!r} {least.proof!r} gives at most {least.bound_eur!r} EUR, "
            f"and the charges {action.tolist()} were cleared at {play.goal_eur!r} EUR. One of them is wrong; please report it."
        )
    upper = max(least.bound_eur, play.goal_eur)  # rounding may put a cleared optimum above a bound that it attains
    gap = upper - play.goal_eur
    return Bracket(
        action=action,
        coefficients=game.tariff.read(action, game.day.n_periods, game.cap),
        charge_cap=game.cap,
        objective=game.objective,
        best_eur=play.goal_eur,
        revenue_eur=play.settlement.revenue_eur,
        upper_bound_eur=upper,
        proof=least.proof,
        bounds=tuple(bounds),
        relative_gap=_ratio(gap, yardstick),
        relative_width=_ratio(gap, play.goal_eur),
        reached_eur=tuple(reached),
        clearings=game.clearings,
        seconds=time.perf_counter() - began,
    )


def _ratio(gap: float, size: float) -> float:
    """Return gap over size, infinite where there is a gap and nothing to measure it by."""
    if gap <= 0.0:
        return 0.0
    return float(gap / size) if size > 0.0 else inf
