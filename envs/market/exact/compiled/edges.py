"""The interior point's work on trades and the use of the backstop, without their caps, which hardly ever bind.

An edge is a flow p ≥ 0 from a seller to a buyer at cost τ·p + ½ε·p². The backstop is one more node, number N, whose price is 0: an import
is an edge from it at τ = λᵐ, an export one to it at τ = −λˣ. With one bound instead of two the formulas of :mod:`.boxes` shorten. An hour
holds only the edges worth their charge; which those are need not be right, since polishing and the certificate look at every pair and cap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....community.day import Array
from .linear_algebra import OPTIONS, SWEEP_OPTIONS, largest
from .side_by_side import suits

_MARGIN = 0.02  # least multiplier at the start, in units of the greatest price
_FLOW = 0.3  # least flow at the start, in units of the mean demand


class Edges(NamedTuple):
    """The edges of all hours one after the other, and where the method stands with them; every array has shape (E,).

    Nodes are numbered through the hours, t·(N + 1) + i, so that prices and balances of shape (T, N + 1) are read flattened.

    Attributes:
        seller: Node that sells.
        buyer: Node that buys.
        pair: Number of the pair, −1 for the backstop.
        place: Where the pair stands in the hours' matrices, ``Factors.hour`` of :mod:`.linear_algebra`, flattened.
        charge: τ.
        friction: ε.
        flow: p.
        z: Multiplier of p ≥ 0.
        w: Weights.
        h: The step if prices stood still; after :func:`correct_edges` the step itself.
        c: Centring terms.
        rise: What the prices, or their changes, add to the slope: μ_seller − μ_buyer.
        added: What is to be summed up at the nodes: where the predictor leads, or what centring adds to the step; in between, how much of a
            flow or multiplier the step takes away.
        per_flow: 1 / p.
    """

    seller: NDArray[np.int64]
    buyer: NDArray[np.int64]
    pair: NDArray[np.int64]
    place: NDArray[np.int64]
    charge: Array
    friction: Array
    flow: Array
    z: Array
    w: Array
    h: Array
    c: Array
    rise: Array
    added: Array
    per_flow: Array


@njit(**OPTIONS)
def choose_edges(program, charge, pairs, capped):
    """Return the edges worth their charge, to be started by :func:`start_edges`.

    A prosumer's price hardly exceeds what importing all it can use costs it. That of one with sun, wind or storage hardly falls below what
    exporting all it has earns; that of any other not below the cheapest offer, charge included.

    Args:
        program: The day.
        charge: τ, shape (T, K).
        pairs: Pairs to leave out, because their trades are boxes.
        capped: Whether to leave the backstop out.
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    at_import, at_export = 2 * n + 3 * n_owners, 3 * n + 3 * n_owners
    most = n_hours * (n_pairs + 2 * n)
    seller, buyer, place = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    pair, tau, epsilon = np.empty(most, dtype=np.int64), np.empty(most), np.empty(most)
    power, highest, lowest, offer = np.zeros(n), np.empty(n), np.empty(n), np.empty(n)
    boxed = np.zeros(n_pairs, dtype=np.bool_)
    boxed[pairs] = True
    for j in range(n_owners):
        power[program.owner[j]] = program.upper[0, 2 * n + j]
    e = 0
    for t in range(n_hours):
        node = t * (n + 1)
        for i in range(n):
            at, out = at_import + i, at_export + i
            highest[i] = program.cost[t, at] + program.curvature[t, at] * (program.upper[t, i] + power[i])
            own = program.upper[t, n + i] + power[i]
            lowest[i] = -program.cost[t, out] - program.curvature[t, out] * own if own > 0.0 else np.inf
            offer[i] = lowest[i]
        for k in range(n_pairs):
            i, j = program.seller[k], program.buyer[k]
            offer[j] = min(offer[j], lowest[i] + charge[t, k])
        for k in range(n_pairs):
            i, j = program.seller[k], program.buyer[k]
            if charge[t, k] < highest[j] - offer[i] and not boxed[k]:
                seller[e], buyer[e], pair[e], tau[e], epsilon[e] = node + i, node + j, k, charge[t, k], program.friction[k]
                e += 1
        for i in range(0 if capped else n):
            at, out = at_import + i, at_export + i
            seller[e], buyer[e], pair[e], tau[e], epsilon[e] = node + n, node + i, -1, program.cost[t, at], program.curvature[t, at]
            e += 1
            seller[e], buyer[e], pair[e], tau[e], epsilon[e] = node + i, node + n, -1, program.cost[t, out], program.curvature[t, out]
            e += 1
    seller, buyer, pair, place, tau, epsilon = seller[:e], buyer[:e], pair[:e], place[:e], tau[:e], epsilon[:e]
    size = n + n_owners + 1
    step, stride = (1, n_hours) if suits(program.sizes) else (size * size, 1)  # from hour to hour, and from entry to entry
    for k in range(e):
        hour, i, j = seller[k] // (n + 1), seller[k] % (n + 1), buyer[k] % (n + 1)
        place[k] = hour * step + ((i if i < n else size - 1) * size + (j if j < n else size - 1)) * stride
    flow, z, w, h, c = np.empty(e), np.empty(e), np.empty(e), np.zeros(e), np.zeros(e)
    return Edges(seller, buyer, pair, place, tau, epsilon, flow, z, w, h, c, np.empty(e), np.empty(e), np.empty(e))


@njit(**OPTIONS)
def start_edges(edges, mu):
    """Put flows and multipliers at a centred start for prices ``mu`` (T·(N + 1),), and return the greatest dual residual."""
    worst = 0.0
    for e in range(len(edges.flow)):
        level = edges.charge[e] + mu[edges.seller[e]] - mu[edges.buyer[e]]
        flow = max(-level / edges.friction[e], _FLOW)
        slope = edges.friction[e] * flow + level
        edges.flow[e], edges.z[e] = flow, max(slope, 0.0) + _MARGIN
        worst = max(worst, abs(slope - edges.z[e]))
    return worst


@njit(**OPTIONS)
def gather_rise(edges, mu):
    """Write μ_seller − μ_buyer for prices, or changes of prices, ``mu`` (T·(N + 1),)."""
    seller, buyer, rise = edges.seller, edges.buyer, edges.rise
    for e in range(len(rise)):
        rise[e] = mu[seller[e]] - mu[buyer[e]]


@njit(**OPTIONS)
def scatter_edges(edges, net):
    """Add the flows ``added`` to what their nodes get, ``net`` (T·(N + 1),)."""
    seller, buyer, added = edges.seller, edges.buyer, edges.added
    for e in range(len(added)):
        net[buyer[e]] += added[e]
        net[seller[e]] -= added[e]


@njit(**OPTIONS)
def scatter_weights(edges, matrix):
    """Put the negative weights where the pairs stand in the hours' matrices, flattened; sums of them are taken when these are folded."""
    place, w = edges.place, edges.w
    for e in range(len(w)):
        matrix[place[e]] = -w[e]


@njit(**SWEEP_OPTIONS)
def advance_edges(edges, alpha):
    """Take a share ``alpha`` of the step ``h``."""
    flow, z, h, c, per_flow = edges.flow, edges.z, edges.h, edges.c, edges.per_flow
    for e in range(len(flow)):
        move = h[e]
        z[e] += alpha * (c[e] - z[e] * (1.0 + move * per_flow[e]))
        flow[e] += alpha * move


@njit(**SWEEP_OPTIONS)
def weigh_edges(edges):
    """Write weights, the predictor's step at standing prices and where it leads; return the sum of the products."""
    charge, friction, rise, flow, z, w, h = edges.charge, edges.friction, edges.rise, edges.flow, edges.z, edges.w, edges.h
    added, per_flow = edges.added, edges.per_flow
    products = 0.0
    for e in range(len(flow)):
        stiff = friction[e] * flow[e]
        per_flow[e] = 1.0 / flow[e]
        weight = flow[e] / (stiff + z[e])
        w[e] = weight
        h[e] = -weight * (stiff + charge[e] + rise[e])
        added[e] = flow[e] + h[e]
    for e in range(len(flow)):
        products += flow[e] * z[e]
    return products


@njit(**SWEEP_OPTIONS)
def predict_edges(edges):
    """Return the greatest relative decrease of a flow or multiplier in the predictor, and the sum of its second-order products."""
    rise, per_flow, z, w, h, less = edges.rise, edges.per_flow, edges.z, edges.w, edges.h, edges.added
    second = 0.0
    for e in range(len(z)):
        move = h[e] - w[e] * rise[e]
        relative = move * per_flow[e]
        less[e] = max(-relative, 1.0 + relative)
    for e in range(len(z)):
        move = h[e] - w[e] * rise[e]
        second += move * z[e] * (1.0 + move * per_flow[e])
    return largest(less), second


@njit(**SWEEP_OPTIONS)
def aim_edges(edges, target):
    """Write the centring terms and what they add to the step, as :func:`.boxes.aim_boxes`."""
    rise, per_flow, z, w, h, c, added = edges.rise, edges.per_flow, edges.z, edges.w, edges.h, edges.c, edges.added
    for e in range(len(z)):
        move = h[e] - w[e] * rise[e]
        inverse = per_flow[e]
        centre = (target + move * z[e] * (1.0 + move * inverse)) * inverse
        c[e] = centre
        added[e] = w[e] * centre
        h[e] += added[e]


@njit(**SWEEP_OPTIONS)
def correct_edges(edges):
    """Turn ``h`` into the corrector's step, and return the greatest relative decrease of a flow or multiplier."""
    rise, per_flow, z, w, h, c, less = edges.rise, edges.per_flow, edges.z, edges.w, edges.h, edges.c, edges.added
    for e in range(len(z)):
        move = h[e] - w[e] * rise[e]
        h[e] = move
        relative = move * per_flow[e]
        less[e] = max(-relative, 1.0 + relative - c[e] / z[e])
    return largest(less)
