"""The compiled loops that follow an hour's exact response from no charge to the cap, at a fixed price of stored energy.

An hour at a price p of stored energy is a network of one-way elements, each of which carries clip(w·(μ_head − μ_tail) + base − γ·c, low,
high) from its tail to its head: trades between prosumers, and imports, exports, demand, the store and the sun between a prosumer and the
ground, whose μ is 0. Prices μ balance every prosumer. Along γ they are affine up to the next element that reaches or leaves a limit, so
that a line of γ is a chain of pieces, each with a system of its own. :mod:`.hours` says what the elements are.
"""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept

_BALANCED = 1e-10  # dimensionless: what an hour's balances may miss
_BEYOND = 1e-9  # how far beyond the end of a piece the next one is looked for, in EUR/kWh
_STEP = 0.5  # greatest change of a price in one step, dimensionless
_HALVINGS = 60  # at most, of a step that is cut: the sun is curtailed within 1e-10, which 26 halvings stepped across
_FINE = 1e-15  # a stretch of prices that need not be halved, dimensionless


@kept(**LOOPS)
def eliminate(matrix, vector):
    """Solve matrix·x = vector in place; the matrix is an M-matrix, which needs no pivoting."""
    n = vector.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            factor = matrix[i, k] / matrix[k, k]
            if factor != 0.0:
                for j in range(k + 1, n):
                    matrix[i, j] -= factor * matrix[k, j]
                vector[i] -= factor * vector[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            vector[k] -= matrix[k, j] * vector[j]
        vector[k] /= matrix[k, k]


@kept(**LOOPS)
def missing(mu, g, base, charge, weight, tail, head, low, high, net):
    """Write what every prosumer gets less what it gives, the ground last."""
    net[:] = 0.0
    for e in range(tail.shape[0]):
        wanted = weight[e] * (mu[head[e]] - mu[tail[e]]) + base[e] - g * charge[e]
        carried = min(max(wanted, low[e]), high[e])
        net[head[e]] += carried
        net[tail[e]] -= carried


@kept(**LOOPS)
def system(mu, g, base, charge, weight, tail, head, low, high, floor, state, matrix):
    """Build the system of the elements that are free at these prices; return whether any became free or ceased to be."""
    n, changed = matrix.shape[0], False
    matrix[:] = 0.0
    for i in range(n):
        matrix[i, i] = floor
    for e in range(tail.shape[0]):
        i, j, w = tail[e], head[e], weight[e]
        wanted = w * (mu[j] - mu[i]) + base[e] - g * charge[e]
        now = -1 if wanted <= low[e] or low[e] >= high[e] else (1 if wanted >= high[e] else 0)
        changed |= now != state[e]
        state[e] = now
        if now == 0:
            if i < n:
                matrix[i, i] += w
            if j < n:
                matrix[j, j] += w
            if i < n and j < n:
                matrix[i, j] -= w
                matrix[j, i] -= w
    return changed


@kept(**LOOPS)
def settle_prices(mu, g, base, charge, weight, tail, head, low, high, floor, state, matrix):
    """Move prices until every prosumer's balance holds; return whether they came to rest.

    Newton's method on a concave piecewise quadratic function: where a full step overshoots, the step is cut at its greatest value. A full
    step that overshoots is taken only if it leaves next to nothing, or less than half of the least that was ever missing. To compare it
    with what is missing now is not enough: steps that are cut may raise that, and steps went in circles.
    """
    n, fewest = matrix.shape[0], np.inf
    net, step, trial, work = np.zeros(n + 1), np.zeros(n), mu.copy(), np.zeros((n, n))
    system(mu, g, base, charge, weight, tail, head, low, high, floor, state, matrix)
    for _ in range(300):
        missing(mu, g, base, charge, weight, tail, head, low, high, net)
        fewest = min(fewest, np.abs(net[:n]).max())
        work[:] = matrix
        step[:] = -net[:n]
        eliminate(work, step)
        step *= min(1.0, _STEP / max(np.abs(step).max(), 1e-300))
        share, least, most = 1.0, 0.0, 1.0
        for _ in range(_HALVINGS):
            trial[:n] = mu[:n] + share * step
            missing(trial, g, base, charge, weight, tail, head, low, high, net)
            left = np.abs(net[:n]).max()
            late = (net[:n] * step).sum() > 0.0 and left > 0.5 * fewest and left > 10.0 * _BALANCED
            if share == 1.0 and not late:
                break
            if (net[:n] * step).sum() > 0.0:
                most = share
            else:
                least = share
            share = 0.5 * (least + most)
            if (most - least) * np.abs(step).max() < _FINE:
                break
        mu[:n] = trial[:n]
        changed = system(mu, g, base, charge, weight, tail, head, low, high, floor, state, matrix)
        # Where two prices are equal to the last digit, limits go on being reached and left though nothing moves.
        rests = not changed or np.abs(step).max() < _FINE
        if rests and share == 1.0 and np.abs(net[:n]).max() < _BALANCED:
            return True
    return False


@kept(**LOOPS)
def reach_above(value, change, state, low, high):
    """Return how far an element's state stands as the charge rises."""
    if change == 0.0 or low >= high:
        return np.inf
    if state == 0:
        return ((high if change > 0.0 else low) - value) / change
    if (state < 0) == (change > 0.0):
        return ((low if state < 0 else high) - value) / change
    return np.inf


@kept(**LOOPS)
def trace(
    mu, cap, base, charge, weight, tail, head, low, high, sums, counts, ptdf, still, loss, limit, overload, floor, names, priced, rows, over
):
    """Follow one line of charges from 0 to the cap.

    Args:
        mu: First guess of the prices, the ground's 0 last, shape (N + 1,); moved.
        cap: Greatest charge.
        base: What elements carry at equal prices and no charge, shape (M,); so are ``charge``, ``weight``, ``tail``, ``head``, ``low`` and
            ``high``.
        charge: See there.
        weight: See there.
        tail: See there.
        head: See there.
        low: See there.
        high: See there.
        sums: What a unit carried adds to the energy stored, to the charged energy and to the import fee, shape (3, M).
        counts: What it adds to the tail's account of flows and takes from the head's, shape (M,).
        ptdf: Flows of a unit of each prosumer's account, shape (L, N).
        still: Flows without anybody, shape (L,); so are ``loss`` (EUR per flow squared) and ``limit``.
        loss: See there.
        limit: See there.
        overload: EUR per unit of overload.
        floor: Conductance to nowhere that keeps systems regular.
        names: A number for every element at its lower limit and at its upper one, shape (M, 2), and for every branch overloaded against its
            direction and along it, shape (L, 2), below one another: pieces whose numbers have one sum have the same limits.
        priced: What elements carry more per unit of the price of stored energy, shape (M,).
        rows: Written: charge, energy stored, charged energy, profit but for the charge, and up to the next row Σ loss·(change of flow)²,
            the sum of the names of the limits reached, and Σ loss·(change of flow)² per unit of the price of stored energy squared.
        over: Set where a flow exceeds its limit somewhere, shape (L,).

    Returns:
        The number of rows, or -1 where prices did not come to rest, -2 where there are too many; and the greatest stretch between pieces.
    """
    n, flows = mu.shape[0] - 1, still.shape[0]
    matrix, work, slope = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n + 1)
    state, account, flow = np.zeros(tail.shape[0], np.int8), np.zeros((2, n + 1)), np.zeros((2, flows))
    slope_p, by_price = np.zeros(n + 1), np.zeros(n + 1)
    g, at, count, gap = 0.0, 0.0, 0, 0.0
    while True:
        if not settle_prices(mu, at, base, charge, weight, tail, head, low, high, floor, state, matrix):
            return -1, gap
        slope[:] = 0.0
        for e in range(tail.shape[0]):
            if state[e] == 0:
                slope[tail[e]] -= charge[e]
                slope[head[e]] += charge[e]
        work[:] = matrix
        eliminate(work, slope[:n])
        slope[n] = 0.0
        above, below = np.inf, np.inf
        total, rise = np.zeros(3), np.zeros(3)
        account[:] = 0.0
        for e in range(tail.shape[0]):
            i, j = tail[e], head[e]
            wanted = weight[e] * (mu[j] - mu[i]) + base[e] - at * charge[e]
            change = weight[e] * (slope[j] - slope[i]) - charge[e]
            above = min(above, reach_above(wanted, change, state[e], low[e], high[e]))
            below = min(below, reach_above(wanted, -change, state[e], low[e], high[e]))
            carried, moves = min(max(wanted, low[e]), high[e]), change if state[e] == 0 else 0.0
            total += sums[:, e] * carried
            rise += sums[:, e] * moves
            account[0, i] += counts[e] * carried
            account[0, j] -= counts[e] * carried
            account[1, i] += counts[e] * moves
            account[1, j] -= counts[e] * moves
        for k in range(flows):
            flow[0, k] = still[k] + (ptdf[k] * account[0, :n]).sum()
            flow[1, k] = (ptdf[k] * account[1, :n]).sum()
            for side in (-1.0, 1.0):
                room = (side * limit[k] - flow[0, k]) / flow[1, k] if flow[1, k] != 0.0 else -1.0
                if room > 1e-3 * _BEYOND:
                    above = min(above, room)
        gap = max(gap, at - max(below, 0.0) - g)
        end = min(at + max(above, 0.0), cap)
        for place in range(2 if count == 0 else 1):
            to = end if place == 1 or count > 0 else g
            other = total[2] + (to - at) * rise[2]
            for k in range(flows):
                f = flow[0, k] + (to - at) * flow[1, k]
                other -= loss[k] * (f * f - still[k] * still[k]) + overload * max(0.0, abs(f) - limit[k])
                over[k] |= abs(f) > limit[k]
            rows[count, 0], rows[count, 3], rows[count, 4] = to, other, 0.0
            rows[count, 5] = rows[count, 6] = 0.0
            rows[count, 1], rows[count, 2] = total[0] + (to - at) * rise[0], total[1] + (to - at) * rise[1]
            count += 1
        rows[count - 2, 4] = (loss * (flow[1] * (end - g)) ** 2).sum()
        name = 0.0
        for e in range(tail.shape[0]):
            if state[e] != 0:
                name += names[e, 0 if state[e] < 0 else 1]
        for k in range(flows):
            f = flow[0, k] + (0.5 * (g + end) - at) * flow[1, k]
            if abs(f) > limit[k]:
                name += names[tail.shape[0] + k, 0 if f < 0.0 else 1]
        rows[count - 2, 5] = name
        slope_p[:] = 0.0
        for e in range(tail.shape[0]):
            if state[e] == 0:
                slope_p[tail[e]] += priced[e]
                slope_p[head[e]] -= priced[e]
        work[:] = matrix
        eliminate(work, slope_p[:n])
        slope_p[n] = 0.0
        by_price[:] = 0.0
        for e in range(tail.shape[0]):
            if state[e] == 0:
                moved = counts[e] * (weight[e] * (slope_p[head[e]] - slope_p[tail[e]]) + priced[e])
                by_price[tail[e]] += moved
                by_price[head[e]] -= moved
        for k in range(flows):
            rows[count - 2, 6] += loss[k] * (ptdf[k] * by_price[:n]).sum() ** 2
        g = end
        if g >= cap:
            return count, gap
        if count + 2 > rows.shape[0]:
            return -2, gap
        after = min(end + _BEYOND, cap)
        mu += (after - at) * slope
        at = after
