"""The compiled loops of dynamic programming over boxes; what they bound, and why, says :mod:`.bound`."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept


@kept(**LOOPS)
def over_slabs(rows, first, low, high, reach, table):
    """Bound an hour's response on every line of charges over every slab.

    Args:
        rows: What :func:`.tracing.trace` wrote, line after line, shape (rows, 5).
        first: Where each line begins, shape (lines + 1,).
        low: Least charges of slabs in rising order, shape (slabs,); so are ``high``, their greatest, and ``reach``.
        high: See there.
        reach: How far below a slab the fall of the charged energy counts.
        table: Written, shape (5, lines, slabs): least and greatest energy stored, greatest profit, steepest fall of the charged energy, and
            the least that the profit is but for the charge.
    """
    for i in range(first.shape[0] - 1):
        begin, end, k = first[i], first[i + 1], first[i]
        for j in range(low.shape[0]):
            while k > begin and rows[k, 0] > low[j] - reach[j]:
                k -= 1
            while k + 2 < end and rows[k + 1, 0] <= low[j] - reach[j]:
                k += 1
            least, most, best, steep, worst = np.inf, -np.inf, -np.inf, 0.0, np.inf
            for r in range(k, end - 1):
                if rows[r, 0] > high[j]:
                    break
                a, width = rows[r, 0], rows[r + 1, 0] - rows[r, 0]
                if width <= 0.0:
                    continue
                fall = (rows[r + 1, 2] - rows[r, 2]) / width
                steep = max(steep, -fall)
                u, v = max(a, low[j]), min(rows[r + 1, 0], high[j])
                if v < u:
                    continue
                for at in (u, v):
                    share = (at - a) / width
                    stored = rows[r, 1] + share * (rows[r + 1, 1] - rows[r, 1])
                    least, most = min(least, stored), max(most, stored)
                    other = rows[r, 3] + share * (rows[r + 1, 3] - rows[r, 3])
                    worst = min(worst, other)
                    profit = at * (rows[r, 2] + (at - a) * fall) + other
                    # A quadratic exceeds its ends by at most its bend; of losses a fourth of theirs lies below the chord.
                    best = max(best, profit + 0.25 * (abs(fall) * (v - u) ** 2 + rows[r, 4]))
            table[0, i, j], table[1, i, j], table[2, i, j], table[3, i, j] = least, most, best, steep
            table[4, i, j] = worst


@kept(**LOOPS)
def between_lines(price, low, high, reach, table, most, base, loss, other, profit):
    """Bound the hour's profit between neighbouring lines over every slab.

    Args:
        price: Of stored energy on each line, in rising order, shape (lines,).
        low: As in :func:`over_slabs`; so are ``high`` and ``reach``, 0 where a slab begins at no charge.
        high: See there.
        reach: See there.
        table: What :func:`over_slabs` wrote.
        most: No more energy is charged.
        base: What losses are without anybody, EUR.
        loss: By how much the root of losses may stray per √EUR of distance, and ``other`` imports' fee and overload, EUR.
        other: See there.
        profit: Written, shape (lines - 1, slabs).
    """
    for i in range(price.shape[0] - 1):
        apart = price[i + 1] - price[i]
        for j in range(low.shape[0]):
            area = apart * max(table[1, i + 1, j] - table[0, i, j], 0.0)
            extra = 0.0
            if area > 0.0 and reach[j] > 0.0:
                steep = max(table[3, i, j], table[3, i + 1, j])
                back = reach[j]
                if steep > 0.0:
                    back = min(back, np.sqrt(0.25 * area / steep))
                extra = high[j] * (0.25 * area / back + back * steep)
            elif area > 0.0:
                extra = high[j] * most
            lost = max(0.0, base - min(table[4, i, j], table[4, i + 1, j]))
            stray = 2.0 * loss * np.sqrt(lost) + other
            profit[i, j] = max(table[2, i, j], table[2, i + 1, j]) + extra + stray * np.sqrt(area)


@kept(**LOOPS)
def step_back(cells, after, used, kept_low, kept_high, table, profit, worth, value, chosen, watched, by_slab, by_line):
    """Bound what can be earned from every cell of energy on, over the slabs that are used.

    Args:
        cells: Edges of the cells of energy at the beginning of the hour, shape (cells + 1,); ``after`` those at its end.
        after: See there.
        used: Whether a slab is one of this hour's, shape (slabs,).
        kept_low: Least energy held after the hour on each line and slab, shape (lines, slabs); ``kept_high`` the greatest.
        kept_high: See there.
        table: What :func:`over_slabs` wrote.
        profit: What :func:`between_lines` wrote.
        worth: What can be earned from every cell on after the hour, shape (cells after,).
        value: Raised to what can be earned, shape (cells,).
        chosen: Written where it is raised: slab, line and cell after, shape (cells, 3).
        watched: First and last cell + 1 of those that are looked at closely.
        by_slab: Raised to what each slab earns there less the value of its cell so far, by cell watched, shape (slabs, cells watched).
        by_line: The same by line, shape (lines - 1, cells watched).
    """
    n = cells.shape[0] - 1
    m = after.shape[0] - 1
    for j in range(used.shape[0]):
        if not used[j]:
            continue
        top = n - 1
        for i in range(profit.shape[0]):  # prices rise, energy falls
            most, least = kept_high[i, j] - table[0, i, j], kept_low[i + 1, j] - table[1, i + 1, j]
            if most < cells[0] or least > cells[n]:
                continue
            while top > 0 and cells[top] > most:
                top -= 1
            while top < n - 1 and cells[top + 1] <= most:
                top += 1
            for k in range(top, -1, -1):
                if cells[k + 1] < least:
                    break
                low = max(kept_low[i + 1, j], cells[k] + table[0, i, j])
                high = min(kept_high[i, j], cells[k + 1] + table[1, i + 1, j])
                if low > high:
                    continue
                c = min(max(np.searchsorted(after, low, side="right") - 1, 0), m - 1)
                best = c
                while c + 1 < m and after[c + 1] <= high:
                    c += 1
                    if worth[c] > worth[best]:
                        best = c
                earned = profit[i, j] + worth[best]
                if earned > value[k]:
                    value[k] = earned
                    chosen[k, 0], chosen[k, 1], chosen[k, 2] = j, i, best
                w = k - watched[0]
                if w >= 0 and k < watched[1]:
                    by_slab[j, w] = max(by_slab[j, w], earned)
                    by_line[i, w] = max(by_line[i, w], earned)
