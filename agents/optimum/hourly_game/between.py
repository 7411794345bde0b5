"""The compiled loops behind the bound for belief "standing": nodal prices of an hour for a range of charges and of prices of stored energy.

An hour is the network of elements of :mod:`..one_store.hours`. Every balance rises with its own nodal price and falls with no other, so
that prices at which nobody gets less than it gives are at least those that balance, and prices at which nobody gets more at most those.
Charges from γ̲ to γ̄ are held apart in the same way: for the greatest prices a buyer is given what it gets at γ̄ and a seller what it
gives at γ̲, for the least the other way round. What :mod:`.standing` proves rests on these inequalities, not on where a search ended.
"""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept
from ..one_store.tracing import eliminate, settle_prices

_BALANCED = 1e-10  # dimensionless: what balances may miss where a search ends
_STEP = 0.5  # greatest change of a price in one step, dimensionless
_STEPS, _PATIENT = 40, 15  # steps of a search, and after how many of them they are halved
_FIRST, _DOUBLINGS = 1e-9, 60  # what prices are moved by until the inequalities hold
_SWEEPS, _HALVINGS, _MUCH = 100, 16, 0.02  # where steps go in circles: one price after the other; what need not be swept, dimensionless
_KINKS = 17
_BISECTIONS = 12


@kept(**LOOPS)
def unbalanced(mu, inward, outward, base, charge, weight, tail, head, low, high, pairs, net, matrix):
    """Write what every prosumer gets less what it gives, shape (N,), and its derivatives in the prices.

    Args:
        mu: Nodal prices, the ground's 0 last, shape (N + 1,).
        inward: Charge at which buyers get, and ``outward`` at which sellers give.
        outward: See there.
        base: As in :func:`..one_store.tracing.trace`; so are ``charge`` to ``high``.
        charge: See there.
        weight: See there.
        tail: See there.
        head: See there.
        low: See there.
        high: See there.
        pairs: How many elements are trades; they come first.
        net: Written.
        matrix: Written, shape (N, N).
    """
    n = matrix.shape[0]
    net[:] = 0.0
    matrix[:] = 0.0
    for i in range(n):
        matrix[i, i] = 1e-8  # keeps systems regular
    for e in range(tail.shape[0]):
        i, j, w = tail[e], head[e], weight[e]
        plain = w * (mu[j] - mu[i]) + base[e]
        for side in range(2):
            wanted = plain - (inward if side == 0 else outward) * charge[e] if e < pairs else plain
            carried = min(max(wanted, low[e]), high[e])
            free = low[e] < wanted < high[e]
            own, other = (j, i) if side == 0 else (i, j)
            if own == n:
                continue
            net[own] += carried if side == 0 else -carried
            if free:
                matrix[own, own] += w
                if other < n:
                    matrix[own, other] -= w


@kept(**LOOPS)
def balance_of(own, at, mu, inward, outward, base, charge, weight, tail, head, low, high, pairs):
    """Return what one prosumer gets less what it gives if its price were another."""
    net = 0.0
    for e in range(tail.shape[0]):
        i, j = tail[e], head[e]
        if own not in (i, j):
            continue
        wanted = weight[e] * ((at if j == own else mu[j]) - (at if i == own else mu[i])) + base[e]
        if e < pairs:
            wanted -= (inward if j == own else outward) * charge[e]
        carried = min(max(wanted, low[e]), high[e])
        net += carried if j == own else -carried
    return net


@kept(**LOOPS)
def pushed(mu, sign, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed, net, matrix):
    """Move all prices until the inequalities hold; return by how much, or -1 where that does not make them hold."""
    n, moved, total = mu.shape[0] - 1, _FIRST, 0.0
    for _ in range(_DOUBLINGS):
        for i in range(n):
            if i != fixed:
                mu[i] += sign * moved
        total += moved
        unbalanced(mu, inward, outward, base, charge, weight, tail, head, low, high, pairs, net, matrix)
        holds = True
        for i in range(n):
            holds &= i == fixed or sign * net[i] >= 0.0
        if holds:
            return total
        moved *= 2.0
    return -1.0


@kept(**LOOPS)
def sweep(mu, sign, width, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed):
    """Move one price after the other as far as the inequalities go on holding, from prices at which they hold; may end anywhere."""
    for _ in range(_SWEEPS):
        largest = 0.0
        for i in range(mu.shape[0] - 1):
            if i == fixed:
                continue
            holds, fails = mu[i], mu[i] - sign * 2.0 * width
            if sign * balance_of(i, fails, mu, inward, outward, base, charge, weight, tail, head, low, high, pairs) >= 0.0:
                holds = fails
            else:
                for _ in range(_HALVINGS):
                    middle = 0.5 * (holds + fails)
                    if sign * balance_of(i, middle, mu, inward, outward, base, charge, weight, tail, head, low, high, pairs) >= 0.0:
                        holds = middle
                    else:
                        fails = middle
            largest = max(largest, abs(mu[i] - holds))
            mu[i] = holds
        if largest < 1e-5:
            break
        width = min(width, 2.0 * largest)


@kept(**LOOPS)
def extreme(mu, upper, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed, state):
    """Move prices to where they bound all that can balance; return whether they do.

    Newton's steps find them nearly always, and sweeps from prices that hold already where steps go in circles. Sweeps may end anywhere.

    Args:
        mu: First guess, the ground's 0 last, shape (N + 1,); moved.
        upper: Whether from above.
        inward: As in :func:`unbalanced`; so are ``outward`` to ``pairs``.
        outward: See there.
        base: See there.
        charge: See there.
        weight: See there.
        tail: See there.
        head: See there.
        low: See there.
        high: See there.
        pairs: See there.
        fixed: Whose price is kept, or -1.
        state: Room for the limits of elements, shape (M,).
    """
    n = mu.shape[0] - 1
    net, matrix, sign = np.zeros(n), np.zeros((n, n)), 1.0 if upper else -1.0
    if fixed < 0:
        settle_prices(mu, 0.5 * (inward + outward), base, charge, weight, tail, head, low, high, 1e-8, state, matrix)
    first = mu.copy()
    for count in range(_STEPS):
        unbalanced(mu, inward, outward, base, charge, weight, tail, head, low, high, pairs, net, matrix)
        if fixed >= 0:
            matrix[fixed, :] = 0.0
            matrix[fixed, fixed] = 1.0
            net[fixed] = 0.0
        if np.abs(net).max() < _BALANCED:
            break
        eliminate(matrix, net)
        share = min(1.0, _STEP / np.abs(net).max()) * (1.0 if count < _PATIENT else 0.5)
        mu[:n] -= share * net
    moved = pushed(mu, sign, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed, net, matrix)
    if 0.0 <= moved < _MUCH:
        return True
    if moved < 0.0:  # where all prices are equal nobody trades, and far out that holds
        spread = first[:n].max() - first[:n].min()
        for i in range(n):
            if i != fixed:
                mu[i] = first[:n].max() if upper else first[:n].min()
        moved = pushed(mu, sign, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed, net, matrix)
        if moved < 0.0:
            return False
        moved += spread
    sweep(mu, sign, moved, inward, outward, base, charge, weight, tail, head, low, high, pairs, fixed)
    return True


@kept(**LOOPS)
def worth_of(mu, price, fee, bought, imported):
    """Return what buying is worth to the leader at a nodal price."""
    return (mu - price) * bought + fee * imported


@kept(**LOOPS)
def wants(mu, own):
    """Return what a prosumer without storage wants to buy from others at a nodal price, and what it imports, kW.

    Args:
        mu: Nodal price, EUR/kWh.
        own: Utility slope and curvature, least and greatest demand, import price, limit, export price, limit, friction and renewable power.
    """
    demand = min(max((own[0] - mu) / own[1], own[2]), own[3])
    imported = min(max((mu - own[4]) / own[8], 0.0), own[5])
    exported = min(max((own[6] - mu) / own[8], 0.0), own[7])
    return demand + exported - imported - (own[9] if mu > 0.0 else 0.0), imported


@kept(**LOOPS)
def most_of(least, greatest, price, worth, fee, own, store, held, gained):
    """Return the most that one prosumer adds in an hour, at a nodal price in a range and a price of stored energy in another.

    Args:
        least: Of the nodal price, and ``greatest``, EUR/kWh.
        greatest: See there.
        price: π, EUR/kWh.
        worth: α, EUR/kWh.
        fee: Import fee, EUR/kWh.
        own: As in :func:`wants`.
        store: Power in kW, efficiency and wear; power 0 without one.
        held: Least and greatest price of stored energy, EUR/kWh.
        gained: Written: what is bought there, kW, and what is stored, kW, shape (2,).

    The trick: at a nodal price, charging and discharging each enter linearly, so only their extremes count. What is left is quadratic in
    the nodal price between kinks.
    """
    power, eta, wear = store[0], store[1], store[2]
    kinks = np.empty(_KINKS)
    kinks[0], kinks[1], kinks[2] = least, greatest, 0.0
    kinks[3], kinks[4] = own[0] - own[1] * own[3], own[0] - own[1] * own[2]
    kinks[5], kinks[6] = own[4], own[4] + own[8] * own[5]
    kinks[7], kinks[8] = own[6], own[6] - own[8] * own[7]
    count = 9
    if power > 0.0:
        for side in range(2):
            p = held[side]
            kinks[count], kinks[count + 1] = eta * p, eta * p - wear * power
            kinks[count + 2], kinks[count + 3] = p / eta, p / eta + wear * power
            count += 4
    for k in range(count):
        kinks[k] = min(max(kinks[k], least), greatest)
    ends = np.sort(kinks[:count])
    best = -np.inf
    for k in range(count - 1):
        a, b = ends[k], ends[k + 1]
        if b <= a and not (k == 0 and greatest <= least):
            continue
        u, v = a + 0.25 * (b - a), a + 0.75 * (b - a)
        (bu, mu_), (bv, mv) = wants(u, own), wants(v, own)
        for kind in range(4 if power > 0.0 else 1):
            xu, xv, yu, yv = bu, bv, 0.0, 0.0
            if power > 0.0:
                p, r = held[kind & 1], held[kind >> 1]
                cu, cv = min(max((eta * p - u) / wear, 0.0), power), min(max((eta * p - v) / wear, 0.0), power)
                su, sv = min(max((u - r / eta) / wear, 0.0), power), min(max((v - r / eta) / wear, 0.0), power)
                xu, xv, yu, yv = bu + cu - su, bv + cv - sv, eta * cu - su / eta, eta * cv - sv / eta
            for place in range(3):
                at, bend = a if place == 0 else b, 0.0
                if b > a:
                    bend = (xv - xu) / (v - u)
                if place == 2:
                    if bend >= 0.0:
                        continue
                    side_slope = (fee * (mv - mu_) - worth * (yv - yu)) / (v - u)
                    at = min(max(0.5 * (price + u) - 0.5 * (xu + side_slope) / bend, a), b)
                share = (at - u) / (v - u) if b > a else 0.0
                bought, stored = xu + share * (xv - xu), yu + share * (yv - yu)
                value = worth_of(at, price, fee, bought, mu_ + share * (mv - mu_)) - worth * stored
                if value > best:
                    best, gained[0], gained[1] = value, bought, stored
    return best


@kept(**LOOPS)
def sum_of(box, price, worth, fee, own, store, least, greatest, held, gained):
    """Return what all prosumers add in a box at most at π, EUR/h, and write what each buys and stores, shape (N, 2)."""
    total = 0.0
    for i in range(own.shape[0]):
        total += most_of(least[box, i], greatest[box, i], price, worth[i], fee, own[i], store[i], held[box, i], gained[i])
    return total


@kept(**LOOPS)
def hour_of(worth, fee, own, store, least, greatest, held, price, gained):
    """Return the most that an hour adds in any box, EUR/h, at prices π that are best where that matters.

    Args:
        worth: α of every prosumer, EUR/kWh, shape (N,).
        fee: Import fee, EUR/kWh.
        own: As in :func:`wants`, shape (N, 10).
        store: As in :func:`most_of`, shape (N, 3).
        least: Least nodal prices in every box, EUR/kWh, shape (boxes, N).
        greatest: Greatest.
        held: Least and greatest prices of stored energy, EUR/kWh, shape (boxes, N, 2).
        price: π of every box, EUR/kWh, shape (boxes,); moved.
        gained: Written: what everybody buys and stores at the greatest, kW, shape (N, 2).
    """
    n = least.shape[0]
    value, settled = np.empty(n), np.zeros(n, np.bool_)
    for box in range(n):
        value[box] = sum_of(box, price[box], worth, fee, own, store, least, greatest, held, gained)
    while True:
        box = int(value.argmax())
        if settled[box]:
            return sum_of(box, price[box], worth, fee, own, store, least, greatest, held, gained)
        settled[box] = True
        a, b, best, at = least[box].min(), greatest[box].max(), value[box], price[box]
        for _ in range(_BISECTIONS):  # convex in π, with what is bought in all as its fall
            middle = 0.5 * (a + b)
            total = sum_of(box, middle, worth, fee, own, store, least, greatest, held, gained)
            if total < best:
                best, at = total, middle
            if gained[:, 0].sum() > 0.0:
                a = middle
            else:
                b = middle
        value[box], price[box] = best, at
