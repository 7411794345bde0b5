"""Names beside lines, in place of a legend: each at the height of its line's end, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

_LEAST_APART = 0.052  # of the height of the axes: a line of text


@dataclass(frozen=True)
class Label:
    """A name and the point of the drawing that it belongs to.

    Attributes:
        text: The name.
        x: Of the point, in the units of the axes.
        y: Of the point, in the units of the axes.
        colour: Of the text and of the line to the point.
    """

    text: str
    x: float
    y: float
    colour: str


def draw_labels(axes: Axes, labels: Sequence[Label]) -> None:
    """Write names to the right of the axes, from top to bottom in the order of their points, each with a thin line to its point.

    The limits and scales of the axes must be set before.
    """
    if not labels:
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    points = to_axes.transform([(label.x, label.y) for label in labels])
    for label, height, (x, y) in zip(labels, spread(points[:, 1]), points, strict=True):
        axes.plot(
            [min(x, 1.0), 1.01, 1.035],
            [y, height, height],
            transform=axes.transAxes,
            color=label.colour,
            linewidth=0.5,
            alpha=0.7,
            clip_on=False,
        )
        axes.text(1.045, height, label.text, transform=axes.transAxes, color=label.colour, fontsize=7.5, va="center")


def spread(heights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return heights, shape (n,), moved as little as a sweep needs so that no two are closer than a line of text, within 0 to 1."""
    wanted = np.asarray(heights, dtype=float)
    order = np.argsort(-wanted, kind="stable")
    placed = wanted[order].clip(0.0, 1.0)
    for place in range(1, len(placed)):
        placed[place] = min(placed[place], placed[place - 1] - _LEAST_APART)
    below = max(0.0, -float(placed[-1])) if len(placed) else 0.0
    placed += below  # what was pushed below the axes goes up again
    for place in range(len(placed) - 2, -1, -1):
        placed[place] = max(min(placed[place], 1.0), placed[place + 1] + _LEAST_APART)
    found = np.empty_like(placed)
    found[order] = placed
    return found
