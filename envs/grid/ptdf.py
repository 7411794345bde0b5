"""The DC power flow: how injections divide over branches, by Kirchhoff's two laws, to a known accuracy or not at all.

An injection of 1 kW at bus b, taken out at the slack bus, makes the flows H_b. Kirchhoff's laws say what they are:

* **currents**: at every bus, what flows in flows out. With the incidence A of branches and buses, Aᵀ H_b = e_b − e_slack;
* **voltages**: around every loop, Σ ± x_l H_lb = 0.

The usual method solves for the voltage angles, with the matrix Aᵀ X⁻¹ A. Its entries are sums of 1 / x_l, and one branch of reactance 1e-15
beside branches of 0.001 makes it lose all digits of the others. The flows themselves are not so touchy. So they are found a second time by
**loops**: along a spanning tree of the smallest reactances the law of currents is kept exactly, and each branch outside it, a chord, closes
one loop. With the loops C of the chords and i the currents around them, H = T + Cᵀ i and (C X Cᵀ) i = −C X T. Each loop's equation is
scaled by the reactance of its chord. For positive reactances the scaled matrix is then the identity plus a positive semidefinite one:
always regular, whatever the scales.

Negative reactances (series capacitors, equivalents of three-winding transformers) are allowed as long as what they leave of a loop is more
than rounding. The greatest entry of Cᵀ (C X Cᵀ)⁻¹ C X says how many times a relative error of a reactance comes back in the flows. It is
at most 1 for positive reactances, and must not exceed :data:`MOST_AMPLIFIED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from ..arrays import Array, IntArray

PTDF_DECIMALS: Final = 12
"""H is rounded to this many decimals: entries of a radial grid become exactly 0 or ±1, and no linear algebra library's last bit shows."""
MOST_AMPLIFIED: Final = 1e4
"""How many times the relative error of a reactance may come back in the flows. Reactances are known to three digits at best."""
OWN_LAWS: Final = 0.1
"""How far Kirchhoff's law of currents may be off in a PTDF matrix of one's own: kW per kW put in."""
_AGREE: Final = 2.0 * 10.0**-PTDF_DECIMALS  # the two methods may round to neighbouring decimals
_LAWS: Final = 1e-9  # how far Kirchhoff's laws may be off: kW per kW injected, and that times the greatest reactance of the loop
_REFINED: Final = 3  # steps; the second changes nothing in any named community
_NAMED: Final = 8  # branches named in an error


@dataclass(frozen=True, eq=False)
class Loops:
    """A spanning tree of the slack bus, and the loop that each other branch closes through it.

    Attributes:
        along: T, flow in each branch of 1 kW from each bus to the slack through the tree, shape (L, B).
        around: C, flow in each branch of 1 kW around each loop, shape (chords, L).
        chord: The branch that closes each loop, shape (chords,), the greatest reactance in it.
    """

    along: Array
    around: Array
    chord: IntArray


def ptdf_matrix(
    branch_from: IntArray, branch_to: IntArray, reactance: Array, *, n_buses: int, slack_bus: int, branch_names: Sequence[str]
) -> Array:
    """Return H of the DC power flow, shape (L, B), of a connected grid; the column of the slack bus is 0.

    Raises:
        ValueError: If reactances cancel around a loop, so that flows are not determined; the branches are named.
    """
    if len(branch_from) == 0:
        return np.zeros((0, n_buses))
    loops = _loops(branch_from, branch_to, reactance, n_buses=n_buses, slack_bus=slack_bus)
    by_loops = _by_loops(loops, reactance, branch_names)
    _check_laws(by_loops, loops, branch_from, branch_to, reactance, slack_bus=slack_bus, branch_names=branch_names)
    by_angles = _by_angles(branch_from, branch_to, reactance, n_buses=n_buses, slack_bus=slack_bus)
    # Where both agree the usual method's last decimal is kept, by which data and results of earlier versions are known.
    agreed = by_angles is not None and bool((np.abs(by_angles - by_loops) <= _AGREE).all())
    return by_angles if by_angles is not None and agreed else by_loops


def given_ptdf(values: Array, branch_from: IntArray, branch_to: IntArray, *, slack_bus: int, bus_names: Sequence[str]) -> Array:
    """Return a PTDF matrix of one's own, shape (L, B), for this slack bus: what flows does not depend on which bus takes up the rest.

    Measured sensitivities, and those of an AC power flow, hold losses. So at each bus what flows in may differ from what flows out by
    :data:`OWN_LAWS` of what is put in.

    Raises:
        ValueError: If the flows of an injection do not lead from its bus to the slack bus.
    """
    ptdf: Array = values - values[:, [slack_bus]]
    leaving = np.zeros((ptdf.shape[1], ptdf.shape[1]))
    np.add.at(leaving, branch_from, ptdf)
    np.subtract.at(leaving, branch_to, ptdf)
    wanted = np.eye(len(leaving))
    wanted[slack_bus] -= 1.0
    off = np.abs(leaving - wanted)
    bus, injected = divmod(int(off.argmax()), len(off))
    if not off[bus, injected] <= OWN_LAWS:
        raise ValueError(
            f"`ptdf` must lead 1 kW from each bus to the slack bus {bus_names[slack_bus]!r} (to within {OWN_LAWS:g} kW). Of 1 kW put in at "
            f"{bus_names[injected]!r} {leaving[bus, injected]:.3g} kW leave {bus_names[bus]!r} by its branches, not "
            f"{wanted[bus, injected]:g}. Check signs (a flow from `from` to `to` is positive), and the order of rows and columns."
        )
    return ptdf


def _by_angles(start: IntArray, end: IntArray, reactance: Array, *, n_buses: int, slack_bus: int) -> Array | None:
    """Return H from the voltage angles: Bf of the branches times the inverse of the bus susceptances; None where that has no digits."""
    incidence = np.zeros((len(start), n_buses))
    incidence[np.arange(len(start)), start] = 1.0
    incidence[np.arange(len(end)), end] -= 1.0
    others = np.flatnonzero(np.arange(n_buses) != slack_bus)
    ptdf = np.zeros_like(incidence)
    with np.errstate(over="ignore", invalid="ignore"):
        branch_susceptance = incidence / reactance[:, None]
        bus_susceptance = incidence.T @ branch_susceptance
        try:
            ptdf[:, others] = np.linalg.solve(bus_susceptance[np.ix_(others, others)], branch_susceptance[:, others].T).T
        except np.linalg.LinAlgError:
            return None
        return _rounded(ptdf)


def _by_loops(loops: Loops, reactance: Array, branch_names: Sequence[str]) -> Array:
    """Return H from the loops' currents.

    Raises:
        ValueError: If the loops' equations are singular, or nearly.
    """
    if len(loops.chord) == 0:
        return loops.along
    root = np.sqrt(np.abs(reactance))
    scale = 1.0 / root[loops.chord]
    scaled = loops.around * (scale[:, None] * root)  # no entry above 1: the chord's reactance is the greatest of its loop
    signed = scaled * np.sign(reactance)
    matrix = signed @ scaled.T
    if (reactance < 0).any() and _amplified(matrix, scaled, signed, root) > MOST_AMPLIFIED:
        raise ValueError(_cancelling(matrix, scaled, branch_names))
    ptdf = loops.along.copy()
    for _ in range(_REFINED):
        current = np.linalg.solve(matrix, -(signed @ (root[:, None] * ptdf)))
        ptdf += loops.around.T @ (scale[:, None] * current)
    return _rounded(ptdf)


def _amplified(matrix: Array, scaled: Array, signed: Array, root: Array) -> float:
    """Return how many times a relative error of a reactance comes back in the flows; infinite where the matrix is singular."""
    try:
        answer = np.linalg.solve(matrix, signed)
    except np.linalg.LinAlgError:
        return float("inf")
    with np.errstate(over="ignore", invalid="ignore"):
        back = np.abs(scaled.T @ answer) * root / root[:, None]
    return float(np.nan_to_num(back, nan=np.inf).max())


def _cancelling(matrix: Array, scaled: Array, branch_names: Sequence[str]) -> str:
    """Return what to say of the loop whose reactances cancel: the direction in which its equations say least."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    voltage = np.abs(scaled.T @ vectors[:, np.argmin(np.abs(values))])  # of each branch, over the root of its reactance
    order = np.argsort(-voltage, kind="stable")
    taking_part = [int(k) for k in order if voltage[k] >= 0.01 * voltage[order[0]]]
    named = ", ".join(repr(branch_names[k]) for k in sorted(taking_part[:_NAMED]))
    more = f" and {len(taking_part) - _NAMED} more" if len(taking_part) > _NAMED else ""
    return (
        f"reactances must not cancel around a loop (flows would follow from what rounding leaves of them), those of {named}{more} do. "
        "A negative reactance is right only where it is less than what it compensates: correct it, or replace these branches by one."
    )


def _check_laws(
    ptdf: Array, loops: Loops, start: IntArray, end: IntArray, reactance: Array, *, slack_bus: int, branch_names: Sequence[str]
) -> None:
    """Raise where H breaks a law of Kirchhoff's, which the methods above should not let happen."""
    n_buses = ptdf.shape[1]
    leaving = np.zeros((n_buses, n_buses))
    np.add.at(leaving, start, ptdf)
    np.subtract.at(leaving, end, ptdf)
    wanted = np.eye(n_buses)
    wanted[slack_bus] -= 1.0
    if not (np.abs(leaving - wanted) <= _LAWS).all():
        raise ValueError(
            f"what flows into a bus must flow out, and the two differ by {np.abs(leaving - wanted).max():.1e} of what is injected."
        )
    if len(loops.chord):
        share = loops.around * (reactance / np.abs(reactance[loops.chord])[:, None])
        off = np.abs(share @ ptdf).max(axis=1)
        worst = int(np.argmax(off))
        if not off[worst] <= _LAWS:
            named = ", ".join(repr(branch_names[k]) for k in np.flatnonzero(loops.around[worst])[:_NAMED])
            raise ValueError(
                f"voltages must add up to 0 around every loop, around {named} they are off by {off[worst]:.1e} of the greatest. "
                "Bring the reactances of these branches to one scale."
            )


def _loops(start: IntArray, end: IntArray, reactance: Array, *, n_buses: int, slack_bus: int) -> Loops:
    """Return the tree of the smallest reactances, and the loops of the others."""
    n_branches = len(start)
    order = np.argsort(np.abs(reactance), kind="stable")
    pairs: dict[tuple[int, int], int] = {}  # of parallel branches only the first, of the smallest reactance, can be in the tree
    for branch in order.tolist():
        pairs.setdefault((min(int(start[branch]), int(end[branch])), max(int(start[branch]), int(end[branch]))), branch)
    rank = np.empty(n_branches)
    rank[order] = np.arange(1, n_branches + 1)  # ranks instead of reactances: a tree wants weights that do not vanish
    low, high = np.array(list(pairs)).T
    tree = minimum_spanning_tree(csr_array((rank[list(pairs.values())], (low, high)), shape=(n_buses, n_buses)))
    reached, before = breadth_first_order(tree, slack_bus, directed=False)
    along, in_tree = np.zeros((n_branches, n_buses)), np.zeros(n_branches, dtype=np.bool_)
    for bus in reached[1:].tolist():
        towards = int(before[bus])
        branch = pairs[min(bus, towards), max(bus, towards)]
        along[:, bus] = along[:, towards]
        along[branch, bus] = 1.0 if start[branch] == bus else -1.0
        in_tree[branch] = True
    chord = np.flatnonzero(~in_tree)
    around = (along[:, end[chord]] - along[:, start[chord]]).T
    around[np.arange(len(chord)), chord] = 1.0
    return Loops(along, around, chord)


def _rounded(ptdf: Array) -> Array:
    rounded: Array = np.round(ptdf, PTDF_DECIMALS) + 0.0  # adding zero turns −0.0 into 0.0
    return rounded
