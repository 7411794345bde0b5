"""The picture of a certified profit curve: exact pieces as they are, a band between bounds elsewhere, the optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...agents.optimum import ProfitCurve
from .plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_profit_curve(axes: Axes, curve: ProfitCurve, *, title: str = "") -> None:
    """Draw the goal over the charge.

    Args:
        axes: Where to draw.
        curve: What is known of it.
        title: Which day it is.
    """
    charges, low, high = curve.band()
    axes.fill_between(charges, low, high, color="#56B4E9", alpha=0.5, linewidth=0, label="between proved bounds")
    known = low == high
    axes.plot(charges, np.where(known, high, np.nan), color="#444444", linewidth=1.2, label="exact")
    axes.axhline(curve.upper_bound_eur, color="#444444", linewidth=0.8, linestyle=":", label="certified upper bound")
    if np.isfinite(curve.charge):
        colour, marker = style("optimum")
        axes.plot([curve.charge], [curve.best_eur], marker, color=colour, markersize=11, label="optimum", zorder=3)
    exact = [value for part in curve.stretches for value in (part.at_lower_eur, part.at_upper_eur)]
    room = 0.08 * (max(exact) - min(exact)) + 1e-9
    axes.set_ylim(min(exact) - room, max(*exact, curve.upper_bound_eur if np.isfinite(curve.upper_bound_eur) else max(exact)) + room)
    axes.set(xlabel="charge (EUR/kWh)", ylabel=f"{curve.objective} (EUR/day)", title=title)
    axes.set_xlim(0, float(charges[-1]))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)
