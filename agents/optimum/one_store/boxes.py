"""The compiled loops of dynamic programming over boxes; what they bound, and why, says :mod:`.bound`."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept


@kept(**LOOPS)
def points_of(rows, first, low, high, reach, start, points, fall):
    """Write an hour's response on every line at the edges of every slab and wherever its slope changes between.

    Args:
        rows: What :func:`.tracing.trace` wrote, line after line, shape (rows, 7).
        first: Where each line begins, shape (lines + 1,).
        low: Least charges of slabs in rising order, shape (slabs,); so are ``high``, their greatest, and ``reach``.
        high: See there.
        reach: How far below a slab the fall of the charged energy counts.
        start: Written: where each line's points in each slab begin, shape (lines·slabs + 1,).
        points: Written where it has rows, else they are only counted: place in the slab from 0 to 1, energy stored, profit, charged
            energy, and up to the next point Σ loss·(change of flow)² if flows went on so over the whole slab, the limits reached, and how
            much losses bend along the price; shape (points, 7).
        fall: Written: steepest fall of the charged energy, and the least that the profit is but for the charge, shape (2, lines, slabs).
    """
    n, count = low.shape[0], 0
    for i in range(first.shape[0] - 1):
        begin, end, k = first[i], first[i + 1], first[i]
        for j in range(n):
            start[i * n + j] = count
            while k > begin and rows[k, 0] > low[j] - reach[j]:
                k -= 1
            while k + 2 < end and rows[k + 1, 0] <= low[j] - reach[j]:
                k += 1
            steep, worst, width = 0.0, np.inf, high[j] - low[j]
            for r in range(k, end - 1):
                a, b = rows[r, 0], rows[r + 1, 0]
                if a > high[j]:
                    break
                if b <= a:
                    continue
                slope = (rows[r + 1, 2] - rows[r, 2]) / (b - a)
                steep = max(steep, -slope)
                u, v = max(a, low[j]), min(b, high[j])
                if v <= u:
                    continue
                last = b >= high[j] or r == end - 2
                if points.shape[0] > 0:
                    for side in range(2 if last else 1):
                        at = u if side == 0 else v
                        share = (at - a) / (b - a)
                        other = rows[r, 3] + share * (rows[r + 1, 3] - rows[r, 3])
                        worst = min(worst, other)
                        charged = rows[r, 2] + (at - a) * slope
                        # Losses between two rows are a parabola, of which the rows are the ends.
                        other += share * (1.0 - share) * rows[r, 4]
                        points[count, 0] = (at - low[j]) / width
                        points[count, 1] = rows[r, 1] + share * (rows[r + 1, 1] - rows[r, 1])
                        points[count, 2] = at * charged + other
                        points[count, 3] = charged
                        points[count, 4] = rows[r, 4] * (width / (b - a)) ** 2
                        points[count, 5] = rows[r, 5]
                        points[count, 6] = rows[r, 6]
                        count += 1
                else:
                    count += 2 if last else 1
                if last:
                    break
            fall[0, i, j], fall[1, i, j] = steep, worst
    start[(first.shape[0] - 1) * n] = count
    return count


@kept(**LOOPS)
def across_flows(points, a, b, apart):
    """Return √Σ loss·(change of flow)² between the two ends furthest from each other where two lines have the same limits.

    Args:
        points: What :func:`points_of` wrote.
        a: Where the limits begin to be reached on one line, and ``b`` on the other: at another charge, as limits lie askew.
        b: See there.
        apart: How far the prices of both lines are from each other.
    """
    wide = max(points[a + 1, 0], points[b + 1, 0]) - min(points[a, 0], points[b, 0])
    return wide * np.sqrt(max(points[a, 4], points[b, 4])) + apart * np.sqrt(max(points[a, 6], points[b, 6]))


@kept(**LOOPS)
def between_lines(strip, price, low, high, reach, start, points, fall, most, base, loss, other, corner, stray, extra):
    """Bound an hour's response between two lines over every slab.

    Args:
        strip: The two lines of each strip, shape (strips, 2).
        price: Of stored energy on each line, in rising order, shape (lines,).
        low: As in :func:`points_of`; so are ``high`` and ``reach``, 0 where a slab begins at no charge.
        high: See there.
        reach: See there.
        start: What :func:`points_of` wrote; so are ``points`` and ``fall``.
        points: See there.
        fall: See there.
        most: No more energy is charged.
        base: What losses are without anybody and the fee on all that can be imported, EUR.
        loss: By how much the root of losses may stray per √EUR of distance, and ``other`` imports' fee and overload, EUR.
        other: See there.
        corner: Written: energy stored at both ends of both lines, shape (4, strips, slabs).
        stray: Written: how far the energy stored lies below and above the plane through its corners, shape (2, strips, slabs).
        extra: Written: by how much the profit may exceed that of points between which a response lies; the width of what the energy stored
            may be where the limits reached are not the same on both lines, else 0; least and greatest energy stored;
            shape (4, strips, slabs).
    """
    n = low.shape[0]
    for s in range(strip.shape[0]):
        a, b = strip[s, 0], strip[s, 1]
        apart = price[b] - price[a]
        for j in range(n):
            pa, ea, pb, eb = start[a * n + j], start[a * n + j + 1], start[b * n + j], start[b * n + j + 1]
            ya0, ya1, yb0, yb1 = points[pa, 1], points[ea - 1, 1], points[pb, 1], points[eb - 1, 1]
            corner[0, s, j], corner[1, s, j], corner[2, s, j], corner[3, s, j] = ya0, ya1, yb0, yb1
            same = ea - pa == eb - pb
            if same:
                for k in range(ea - pa - 1):
                    same &= points[pa + k, 5] == points[pb + k, 5]
            middle, across, along = 0.25 * (ya0 + ya1 + yb0 + yb1), 0.5 * (yb0 + yb1 - ya0 - ya1), 0.5 * (ya1 + yb1 - ya0 - yb0)
            below, above, least, greatest, fewest, most_q, bend = 0.0, 0.0, np.inf, -np.inf, np.inf, -np.inf, 0.0
            rise = np.array([-np.inf, -np.inf])
            for side in range(2):
                begin, end = (pa, ea) if side == 0 else (pb, eb)
                own = (side - 0.5) * across
                for k in range(begin, end):
                    y = points[k, 1]
                    plane = middle + along * (points[k, 0] - 0.5)
                    rise[side] = max(rise[side], y - plane if side == 1 else plane - y)
                    if same:
                        above, below = max(above, y - plane - own), max(below, plane + own - y)
                    else:
                        above = max(above, y - plane + 0.5 * abs(across))
                        below = max(below, plane + 0.5 * abs(across) - y)
                    least, greatest = min(least, y), max(greatest, y)
                    fewest, most_q = min(fewest, points[k, 3]), max(most_q, points[k, 3])
                    if k + 1 < end:
                        bend = max(bend, points[k, 4] * (points[k + 1, 0] - points[k, 0]) ** 2)
            stray[0, s, j], stray[1, s, j] = below, above
            apart_at_most = max(rise[0] + rise[1], 0.0)  # at one charge
            area = apart * apart_at_most
            curved = 0.25 * (high[j] - low[j]) * (most_q - fewest)
            left, right = 0, 0
            fewer = min(ea - pa, eb - pb) - 1
            while left < fewer and points[pa + left, 5] == points[pb + left, 5]:
                left += 1
            while left + right < fewer and points[ea - 2 - right, 5] == points[eb - 2 - right, 5]:
                right += 1
            # Where limits are the same all is straight in price and charge, and flows between two lines differ by at most this.
            apart_flows = 0.0
            for k in range(left):
                apart_flows = max(apart_flows, across_flows(points, pa + k, pb + k, apart))
            for k in range(right):
                apart_flows = max(apart_flows, across_flows(points, ea - 2 - k, eb - 2 - k, apart))
            more, jump = curved + 0.25 * apart_flows**2, 0.0
            if not same:
                steep, back = max(fall[0, a, j], fall[0, b, j]), reach[j]
                rises = high[j] * most if area > 0.0 else 0.0
                if area > 0.0 and back > 0.0:
                    if steep > 0.0:
                        back = min(back, np.sqrt(0.25 * area / steep))
                    rises = high[j] * (0.25 * area / back + back * steep)
                if left > 0:  # the charged energy falls as the charge rises: no more than where limits cease to be the same
                    until, drop = max(points[ea - 1 - right, 0], points[eb - 1 - right, 0]), 0.0
                    for side in range(2):
                        k, last = (pa + left, ea - 1) if side == 0 else (pb + left, eb - 1)
                        before = points[k, 3]
                        while k < last and points[k, 0] < until:
                            k += 1
                        drop = max(drop, before - points[k, 3])
                    rises = min(rises, high[j] * drop)
                lost = max(0.0, base - min(fall[1, a, j], fall[1, b, j]))
                away = min((2.0 * loss * np.sqrt(lost) + other) * np.sqrt(area), lost)  # no cost falls below 0
                more = curved + rises + max(0.25 * bend + away, 0.25 * apart_flows**2)
                jump = apart_at_most
            extra[0, s, j], extra[1, s, j], extra[2, s, j], extra[3, s, j] = more, jump, least, greatest


@kept(**LOOPS)
def hold(full, end, stray, span, corner, own, extra):
    """Go from the energy held after an hour to that held before it, in place.

    Args:
        full: Capacity.
        end: Energy at the corners of boxes, as ``corner``; moved.
        stray: How far it lies below and above the plane through them, shape (2, strips, slabs); moved.
        span: Least and greatest of it, as prices rise and energies fall, shape (2, strips, slabs); moved.
        corner: What :func:`between_lines` wrote of the energy stored.
        own: How far that strays.
        extra: What :func:`between_lines` wrote.
    """
    for s in range(end.shape[1]):
        for j in range(end.shape[2]):
            least, most = np.inf, -np.inf
            for c in range(4):
                end[c, s, j] -= corner[c, s, j]
                least, most = min(least, end[c, s, j]), max(most, end[c, s, j])
            below, above = stray[0, s, j] + own[1, s, j], stray[1, s, j] + own[0, s, j]
            twist = 0.25 * abs(end[3, s, j] - end[2, s, j] - end[1, s, j] + end[0, s, j])
            lowest, highest = least - twist - below, most + twist + above
            if lowest >= full or highest <= 0.0:
                below = above = 0.0
            elif lowest < 0.0 or highest > full:
                over, under = max(0.0, most - full), max(0.0, -least)
                rise = above + 1.25 * over + 0.25 * under + max(0.0, -lowest)
                drop = below + 1.25 * under + 0.25 * over + max(0.0, highest - full)
                a, b = min(max(least, 0.0), full), min(max(most, 0.0), full)
                above = min(rise, min(highest, full) - a + 0.5 * (b - a))
                below = min(drop, b + 0.5 * (b - a) - max(lowest, 0.0))
            for c in range(4):
                end[c, s, j] = min(max(end[c, s, j], 0.0), full)
            span[0, s, j] = min(max(span[0, s, j] - extra[3, s, j], 0.0), full)
            span[1, s, j] = min(max(span[1, s, j] - extra[2, s, j], 0.0), full)
            least, most = min(max(least, 0.0), full), min(max(most, 0.0), full)
            twist = 0.25 * abs(end[3, s, j] - end[2, s, j] - end[1, s, j] + end[0, s, j])
            stray[0, s, j] = min(below, most + twist - span[0, s, j])
            stray[1, s, j] = min(above, span[1, s, j] - least + twist)


@kept(**LOOPS)
def cell_at(edges, energy):
    """Return the cell of an energy."""
    return min(max(np.searchsorted(edges, energy, side="right") - 1, 0), edges.shape[0] - 2)


@kept(**LOOPS)
def step_back(
    cells, after, used, strip, start, points, corner, own, extra, end, stray, span, low, high, worth, slope, tilt, wide,
    value, chosen, gained, watched, by_slab, by_strip,
):  # fmt: skip
    """Bound what can be earned from every cell of energy on, over the slabs that are used.

    Args:
        cells: Edges of the cells of energy at the beginning of the hour, shape (cells + 1,); ``after`` those at its end.
        after: See there.
        used: Numbers of the slabs that are this hour's.
        strip: As in :func:`between_lines`; so are ``start``, ``points``, ``corner``, ``own`` (its ``stray``) and ``extra``.
        start: See there.
        points: See there.
        corner: See there.
        own: See there.
        extra: See there.
        end: Energy held after the hour at the corners of boxes, and ``stray`` how far it strays from their planes.
        stray: See there.
        span: Least and greatest energy held after the hour in boxes, shape (2, strips, slabs).
        low: Least charges of slabs, ``high`` the greatest.
        high: See there.
        worth: What can be earned from the middle of every cell on after the hour, ``slope`` by how much more from an energy above.
        slope: See there.
        tilt: The slope of what can be earned, by cell of the hour.
        wide: What energies may be off by.
        value: Raised to what can be earned from the middle of a cell, shape (cells,).
        chosen: Written where it is raised: slab, strip, and of the cells after that which most is expected of, shape (cells, 3).
        gained: Written there: charge, and how much of the value strays, shape (cells, 4).
        watched: First and last cell + 1 of those that are looked at closely.
        by_slab: Raised to what each slab earns there, by cell watched, shape (slabs, cells watched).
        by_strip: The same by strip, shape (strips, cells watched).
    """
    m, n, slabs = after.shape[0] - 1, cells.shape[0] - 1, low.shape[0]
    for j in used:
        for s in range(strip.shape[0]):
            a, b = strip[s, 0], strip[s, 1]
            a0, a1, b0, b1 = end[0, s, j], end[1, s, j], end[2, s, j], end[3, s, j]
            middle, across, along = 0.25 * (a0 + a1 + b0 + b1), 0.5 * (b0 + b1 - a0 - a1), 0.5 * (a1 + b1 - a0 - b0)
            twist = 0.25 * abs(b1 - b0 - a1 + a0)
            least = min(a0, a1, b0, b1) - twist - stray[0, s, j] - wide
            most = max(a0, a1, b0, b1) + twist + stray[1, s, j] + wide
            e0, e1, e2, e3 = a0 - corner[0, s, j], a1 - corner[1, s, j], b0 - corner[2, s, j], b1 - corner[3, s, j]
            twist = 0.25 * abs(e3 - e2 - e1 + e0)
            bottom = min(e0, e1, e2, e3) - twist - stray[0, s, j] - own[1, s, j] - wide
            top = max(e0, e1, e2, e3) + twist + stray[1, s, j] + own[0, s, j] + wide
            least, most = max(least, span[0, s, j] - wide), min(most, span[1, s, j] + wide)
            bottom, top = max(bottom, span[0, s, j] - extra[3, s, j] - wide), min(top, span[1, s, j] - extra[2, s, j] + wide)
            if bottom > top or top < cells[0] or bottom > cells[n]:
                continue
            pa, ea, pb, eb = start[a * slabs + j], start[a * slabs + j + 1], start[b * slabs + j], start[b * slabs + j + 1]
            k = max(np.searchsorted(cells, bottom, side="left") - 1, 0)
            while k < n and cells[k] <= top:
                lo = max(least, cells[k] + extra[2, s, j] - wide)
                hi = min(most, cells[k + 1] + extra[3, s, j] + wide)
                if lo <= hi:
                    lo, hi = min(max(lo, after[0]), after[m]), min(max(hi, after[0]), after[m])
                    c0 = max(min(np.searchsorted(after, lo, side="left") - 1, m - 1), 0)
                    c1 = cell_at(after, hi)
                    rate, best, richest, where = slope[(c0 + c1) // 2], -np.inf, -np.inf, (c0 + c1) // 2
                    for c in range(c0, c1 + 1):
                        mid = 0.5 * (after[c] + after[c + 1])
                        for place in (max(lo, after[c]), min(hi, after[c + 1])):
                            then = worth[c] + slope[c] * (place - mid)
                            if then - rate * place > best:
                                best, where = then - rate * place, c
                            richest = max(richest, then)
                    if best > -np.inf:
                        t, alone = tilt[k], -np.inf
                        mix, apart = rate - t, -np.inf
                        together, at = -np.inf, 0.0
                        for side in range(2):
                            plane = middle + (side - 0.5) * across - 0.5 * along
                            for v in range(pa if side == 0 else pb, ea if side == 0 else eb):
                                mine = points[v, 2] + t * points[v, 1]
                                apart, alone = max(apart, mine), max(alone, points[v, 2])
                                mine += mix * (plane + points[v, 0] * along)
                                if mine > together:
                                    together, at = mine, points[v, 0]
                        off = mix * stray[1, s, j] if mix > 0.0 else -mix * stray[0, s, j]
                        held = max(mix * lo, mix * hi)
                        together += off
                        if apart + held < together:
                            together, off = apart + held, apart + held - (together - off)
                        loss = abs(t) * extra[1, s, j]
                        earned = together + extra[0, s, j] + loss + best + t * 0.5 * (cells[k] + cells[k + 1])
                        earned = min(earned, alone + extra[0, s, j] + richest + 0.5 * abs(t) * (cells[k + 1] - cells[k]))
                        if earned > value[k]:
                            value[k] = earned
                            chosen[k, 0], chosen[k, 1], chosen[k, 2] = j, s, where
                            gained[k, 0] = low[j] + at * (high[j] - low[j])
                            gained[k, 1], gained[k, 2], gained[k, 3] = off, extra[0, s, j], loss
                        w = k - watched[0]
                        if w >= 0 and k < watched[1]:
                            by_slab[j, w] = max(by_slab[j, w], earned)
                            by_strip[s, w] = max(by_strip[s, w], earned)
                k += 1
