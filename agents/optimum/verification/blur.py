"""How exact what is stated can be: what slopes that are wrong by rounding alone let a clearing miss.

A search states what its own clearings earn. Their slopes are right to some 1e-12 of the greatest price, and a slope of s moves a quantity
by s/Q. Where frictions are 1e-2 of the price per kW that is nothing; where they are 1e-5 of it, a clearing that nobody can know to be wrong
earns 1e-8 of what is at stake more or less than the optimum. Here it is reckoned from the day's data, to first order and with every slope
wrong in the worst direction, so that it does not depend on how a search happened to round.
"""

from __future__ import annotations

import numpy as np

from ....envs.community.day import Array
from .account import Way
from .program import FollowersProgram
from .repair import ROUNDING

_HELD = 1e-9  # of the greatest price: what a slope holds on its bound by more than that is not moved by rounding


def goal_blur_eur(way: Way) -> float:
    """Return by how many EUR the goal at the left end can be off: Σ |h_k|·s/Q_k over what no slope holds, s a slope of rounding."""
    program, end = way.program, way.left
    worth = end.price * program.day.period_hours
    moved = (program.curvature > 0.0) & (program.upper > program.lower) & (np.abs(end.slope) <= _HELD * worth)
    over = np.abs(end.flow_kw) >= program.limit_kw - flow_blur_kw(program, end.price)  # or may be: a best charge often rests on a limit
    pull = np.abs(way.pull(end, np.where(over, np.sign(end.flow_kw), 0.0)))[moved]
    return float(np.sum(pull / program.curvature[moved])) * ROUNDING * worth


def flow_blur_kw(program: FollowersProgram, price: float) -> Array:
    """Return by how many kW each flow can be off at a greatest price in EUR/kWh, shape (L,)."""
    day = program.day
    moved = np.abs(program.ptdf[:, program.seller] - program.ptdf[:, program.buyer]) @ (
        1.0 / day.trade_friction[program.seller, program.buyer]
    )
    if program.own_exchange:
        moved = moved + np.abs(program.ptdf) @ (2.0 / day.grid_friction)
    return np.asarray(ROUNDING * price * moved)
