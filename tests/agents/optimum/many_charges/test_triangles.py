"""The bound on a triangle of charges: never too low, nearly singular triangles included, and exact where it can be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gridtoll.agents.optimum.many_charges.branch import _greatest
from gridtoll.envs.community.day import Array

EDGES = tuple(combinations(range(3), 2))


def bends_of(points: Array) -> list[float]:
    """Squared distances, as differences of responses have them: f is concave over the triangle."""
    return [float(((points[k] - points[j]) ** 2).sum()) for k, j in EDGES]


def greatest_known(linear: Array, bends: list[float], shares: Array) -> float:
    matrix = np.zeros((3, 3))
    for (k, j), bend in zip(EDGES, bends, strict=True):
        matrix[k, j] = matrix[j, k] = bend
    return float((shares @ linear + 0.5 * ((shares @ matrix) * shares).sum(axis=1)).max())


@pytest.mark.parametrize("thickness", [1.0, 1e-3, 1e-6, 1e-8, 1e-9, 1e-12, 0.0])
def test_a_bound_over_a_triangle_is_never_below_its_greatest_value_however_flat_the_triangle(thickness: float) -> None:
    random = np.random.default_rng(5)
    for _ in range(500):
        along = random.random(3)
        points = np.stack([along, thickness * random.random(3)], axis=1)
        bends = bends_of(points)
        # The greatest value lies where it is put: f is concave, and its slope is the same in all directions there.
        inner = random.dirichlet([1.0, 1.0, 1.0])
        at = np.zeros((3, 3))
        for (k, j), bend in zip(EDGES, bends, strict=True):
            at[k, j] = at[j, k] = bend
        linear = random.normal() - at @ inner
        true = greatest_known(linear, bends, np.vstack([inner, np.eye(3)]))
        bound, where = _greatest(linear, bends)
        assert bound >= true - 1e-16 * max(bends)
        assert bound <= true + 1e-11 * max(bends) + 1e-15 * abs(true)
        assert where.sum() == pytest.approx(1.0)
        assert (where >= 0.0).all()


def test_a_bound_over_a_triangle_holds_where_f_is_convex_in_some_direction() -> None:
    random = np.random.default_rng(6)
    shares = random.dirichlet([0.5, 0.5, 0.5], 2000)
    ticks = np.linspace(0.0, 1.0, 101)
    for k, j in EDGES:
        edge = np.zeros((101, 3))
        edge[:, k], edge[:, j] = ticks, 1.0 - ticks
        shares = np.vstack([shares, edge])
    for _ in range(300):
        bends = (random.random(3) * (random.random(3) < 0.7)).tolist()
        linear = random.normal(size=3) * 10.0 ** random.uniform(-2.0, 1.0)
        bound, where = _greatest(linear, bends)
        assert bound >= greatest_known(linear, bends, shares) - 1e-15
        assert bound <= greatest_known(linear, bends, where[None]) + 1e-11 * (max(bends) + float(np.abs(linear).max()))


def test_a_solution_inside_that_a_nearly_singular_system_gets_wrong_does_not_lower_the_bound() -> None:
    """A triangle a billionth as thick as it is long: the determinant is rounding, above 0 or not, and so was the point that it led to."""
    too_low = 0
    random = np.random.default_rng(7)
    for _ in range(2000):
        bends = bends_of(np.stack([random.random(3), 1e-8 * random.random(3)], axis=1))
        at = np.zeros((3, 3))
        for (k, j), bend in zip(EDGES, bends, strict=True):
            at[k, j] = at[j, k] = bend
        inner = random.dirichlet([1.0, 1.0, 1.0])
        linear = -at @ inner + 1e-9 * random.normal(size=3)
        too_low += _greatest(linear, bends)[0] < greatest_known(linear, bends, inner[None]) - 1e-17
    assert too_low == 0
