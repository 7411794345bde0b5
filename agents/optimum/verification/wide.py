"""A bound for wide intervals, from what the followers pay alone: V is concave, and its slope is the charged energy q.

At a + s in [a, b], with w = b − a: q does not rise, so that q ≤ q_a; and V_b − V_a ≥ s·q + (w − s)·q_b, so that
q ≤ (V_b − V_a − (w − s)·q_b)/s. By monotonicity (:mod:`.bound`) no response between strays further than √(w·(q_a − q_b)) from v_a or v_b
in the norm of Q, which leaves losses, overload and imports near what they are at the ends.
"""

from __future__ import annotations

import numpy as np

from ....envs.community.day import Array
from .account import Way
from .bound import flow_norms
from .program import FollowersProgram, total
from .response import FollowersResponse


def wide_bound(way: Way) -> float:
    """Return an upper bound on the goal over a whole way, in EUR."""
    program, a, b = way.program, way.left, way.right
    width, inexact = b.charge - a.charge, float(np.sqrt(2.0 * max(a.shortfall_eur, b.shortfall_eur)))
    curved = program.curvature > 0.0
    reach = float(np.sqrt(total(program.charged[curved] ** 2 / program.curvature[curved])))
    q_a, q_b = a.charged_kwh + reach * inexact, max(b.charged_kwh - reach * inexact, 0.0)
    radius = inexact + float(np.sqrt(width * max(q_a - q_b, 0.0)))
    # V_γ ≥ V_a + (γ − a)·q, so that γ·q − V_γ ≤ a·q − V_a: what welfare keeps of the charges.
    taken = a.charge * q_a - a.cost_eur + a.shortfall_eur if way.welfare else _revenue(a, b, q_a, q_b)
    connections = program.day.n_periods * program.day.period_hours * float(np.sum(1.0 / program.day.grid_friction))
    imported = min(a.imported_kwh, b.imported_kwh) + float(np.sqrt(connections)) * radius
    day = program.day
    room = program.limit_kw + flow_norms(program) * radius
    over = max(float(np.maximum(np.abs(end.flow_kw) - room, 0.0).sum()) for end in (a, b))
    return taken + day.import_fee * imported - _loss(program, (a, b), radius) - day.overload_price * day.period_hours * over


def _revenue(a: FollowersResponse, b: FollowersResponse, q_a: float, q_b: float) -> float:
    """Return the greatest γ·min(q_a, (V_b − V_a − (b − γ)·q_b)/(γ − a)): the first rises, the second is convex beyond where they meet."""
    width = b.charge - a.charge
    spare = max(b.cost_eur - a.cost_eur + a.shortfall_eur - width * q_b, 0.0)
    if spare >= width * (q_a - q_b):
        return b.charge * q_a
    meeting = a.charge + spare / (q_a - q_b)
    return max(meeting * q_a, b.charge * (q_b + spare / width))


def _loss(program: FollowersProgram, ends: tuple[FollowersResponse, FollowersResponse], radius: float) -> float:
    """Return the least losses within a radius of either end in EUR, those of the base flows left out."""
    hours, day = program.day.period_hours, program.day
    n = day.n_prosumers
    spread: Array = np.zeros((n, n))
    inverse = 1.0 / (hours * day.trade_friction[program.seller, program.buyer])
    np.add.at(spread, (program.seller, program.buyer), -inverse)
    spread = spread + spread.T
    spread -= np.diag(spread.sum(axis=1))
    if program.own_exchange:
        spread += np.diag(2.0 / (hours * day.grid_friction))
    root = np.sqrt(program.loss_weight.max(axis=0))[:, None] * program.ptdf
    steepest = float(np.sqrt(max(np.linalg.eigvalsh(root @ spread @ root.T).max(initial=0.0), 0.0)))
    base = total(program.loss_weight, program.base_flow_kw, program.base_flow_kw)
    most = max(total(program.loss_weight, end.flow_kw, end.flow_kw) for end in ends)
    return max(float(np.sqrt(most)) - steepest * radius, 0.0) ** 2 - base
