"""Flows keep Kirchhoff's laws whatever the scales of the reactances, or the branches that make it impossible are named."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gridtoll.envs.arrays import Array
from gridtoll.envs.community.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.grid.grid import Grid, make_grid

EXACT = 1e-11  # H is rounded to 12 decimals, and up to 12 of them are added


def with_reactance(grid: Grid, changes: dict[int, float], more: list[tuple[str, int, int, float]] = []) -> Grid:  # noqa: B006  # never changed
    """Return a grid again with other reactances, and more branches: name, from, to, reactance."""
    reactance = grid.branch_reactance_pu.copy()
    for branch, value in changes.items():
        reactance[branch] = value
    return make_grid(
        grid.name,
        bus_names=grid.bus_names,
        branch_names=[*grid.branch_names, *(name for name, _, _, _ in more)],
        branch_from=[*grid.branch_from, *(start for _, start, _, _ in more)],
        branch_to=[*grid.branch_to, *(end for _, _, end, _ in more)],
        branch_resistance_pu=0.01,
        branch_reactance_pu=[*reactance, *(value for _, _, _, value in more)],
        branch_limit_kw=1.0,
        base_power_kw=grid.base_power_kw,
        slack_bus=grid.slack_bus,
        bus_position=grid.bus_position,
    )


def exact_ptdf(grid: Grid) -> Array:
    """Return H by Gaussian elimination over the rationals: the angles of the reactances as they are in the computer, without rounding."""
    others = [bus for bus in range(grid.n_buses) if bus != grid.slack_bus]
    place = {bus: k for k, bus in enumerate(others)}
    n = len(others)
    rows = [[Fraction(0)] * n + [Fraction(int(k == column)) for column in range(n)] for k in range(n)]
    ends = list(zip(grid.branch_from.tolist(), grid.branch_to.tolist(), strict=True))
    conductance = [1 / Fraction(x) for x in grid.branch_reactance_pu.tolist()]
    for (start, end), b in zip(ends, conductance, strict=True):
        for one, other in ((start, end), (end, start)):
            if one in place:
                rows[place[one]][place[one]] += b
                if other in place:
                    rows[place[one]][place[other]] -= b
    for column in range(n):
        pivot = next(row for row in range(column, n) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(n):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [value - factor * above if above else value for value, above in zip(rows[row], rows[column], strict=True)]
    angle = {bus: rows[k][n:] for bus, k in place.items()} | {grid.slack_bus: [Fraction(0)] * n}
    ptdf = np.zeros((grid.n_branches, grid.n_buses))
    for branch, ((start, end), b) in enumerate(zip(ends, conductance, strict=True)):
        ptdf[branch, others] = [float(b * (i - j)) for i, j in zip(angle[start], angle[end], strict=True)]
    return ptdf


def random_mesh(seed: int, *, spread: float, negative: float = 0.0) -> Grid:
    """Return 8 buses with 14 branches, some of them parallel, reactances over ``spread`` powers of ten on each side of 0.1."""
    random = np.random.default_rng(seed)
    start = [int(random.integers(0, bus)) for bus in range(1, 8)] + [int(random.integers(0, 7)) for _ in range(7)]
    end = [*range(1, 8), *(int(random.integers(bus + 1, 8)) for bus in start[7:])]
    sign = np.where(random.uniform(size=14) < negative, -1.0, 1.0)
    return make_grid(
        f"mesh {seed}",
        bus_names=[f"bus {bus}" for bus in range(8)],
        branch_from=start,
        branch_to=end,
        branch_resistance_pu=0.01,
        branch_reactance_pu=0.1 * sign * 10.0 ** random.uniform(-spread, spread, 14),
        branch_limit_kw=1.0,
        base_power_kw=100.0,
        slack_bus=int(random.integers(0, 8)),
    )


@pytest.mark.parametrize("spread", [0.5, 3.0, 8.0, 100.0])
def test_flows_are_those_of_exact_arithmetic_whatever_the_scales(spread: float) -> None:
    for seed in range(12):
        grid = random_mesh(seed, spread=spread)
        assert np.abs(grid.ptdf - exact_ptdf(grid)).max() <= EXACT


def test_negative_reactances_are_right_or_refused() -> None:
    """None of these meshes is near enough to a fault to be refused, though some carry flows of several times what is injected."""
    for seed in range(40):
        grid = random_mesh(seed, spread=1.0, negative=0.15)
        assert np.abs(grid.ptdf - exact_ptdf(grid)).max() <= EXACT * max(1.0, np.abs(grid.ptdf).max())


@pytest.mark.parametrize("reactance", [1e-12, 1e-15, 1e-300, 1e300])
@pytest.mark.parametrize("name", ["simbench-rural", "ieee39", "case33bw"])
def test_what_flows_into_a_bus_flows_out_beside_a_reactance_of_any_size(name: str, reactance: float) -> None:
    grid = load_community(name).network.grid
    for branch in range(0, grid.n_branches, 5):
        ptdf = with_reactance(grid, {branch: reactance}).ptdf
        leaving = np.zeros((grid.n_buses, grid.n_buses))
        np.add.at(leaving, grid.branch_from, ptdf)
        np.subtract.at(leaving, grid.branch_to, ptdf)
        wanted = np.eye(grid.n_buses)
        wanted[grid.slack_bus] -= 1.0
        assert np.abs(leaving - wanted).max() <= EXACT
        assert np.abs(ptdf).max() <= 1.0
        if name != "ieee39":  # radial: reactances do not matter
            assert np.array_equal(ptdf, grid.ptdf)


@pytest.mark.parametrize("left", [0.0, 7e-18, 1e-10, 1e-6])
def test_a_branch_that_cancels_another_is_refused_by_their_names(left: float) -> None:
    grid = load_community("ieee9").network.grid
    first = int(np.argmin(np.abs(grid.branch_reactance_pu - 0.0576)))
    ends = int(grid.branch_from[first]), int(grid.branch_to[first])
    with pytest.raises(ValueError, match=r"(?s)must not cancel around a loop.* those of 'line 0', 'cap' do\. .*correct it"):
        with_reactance(grid, {}, [("cap", *ends, -0.0576 + left)])


def test_reactances_that_cancel_in_a_chain_are_refused_by_their_names() -> None:
    with pytest.raises(ValueError, match="those of 'west', 'middle', 'east' do"):
        _triangle([0.1, 0.2, -0.3])


def test_a_series_capacitor_that_compensates_a_part_is_right() -> None:
    """The two ways from b to a have 0.3 + 0.2 − 0.4 = 0.1 and 0.1, so that each carries half, and the capacitor's sign is nowhere else."""
    grid = make_grid(
        "compensated",
        bus_names=("a", "b", "c", "d"),
        branch_from=[1, 1, 2, 3],
        branch_to=[0, 2, 3, 0],
        branch_resistance_pu=0.01,
        branch_reactance_pu=[0.1, 0.3, -0.4, 0.2],
        branch_limit_kw=1.0,
        base_power_kw=100.0,
        slack_bus=0,
    )
    assert grid.flow([0.0, 1.0, 0.0, 0.0]).tolist() == [0.5, 0.5, 0.5, 0.5]


def test_parallel_branches_share_as_their_susceptances() -> None:
    grid = make_grid(
        "parallel",
        bus_names=("a", "b"),
        branch_from=[0, 1, 0],
        branch_to=[1, 0, 1],
        branch_resistance_pu=0.01,
        branch_reactance_pu=[0.2, 0.1, 0.2],
        branch_limit_kw=1.0,
        base_power_kw=100.0,
        slack_bus=0,
    )
    assert grid.flow([0.0, 1.0]).tolist() == [-0.25, 0.5, -0.25]


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_a_larger_unit_of_reactance_changes_no_flow(name: str) -> None:
    grid = load_community(name).network.grid
    scaled = with_reactance(grid, dict(enumerate((1024.0 * grid.branch_reactance_pu).tolist())))
    assert np.abs(scaled.ptdf - grid.ptdf).max() <= 2e-12


def _triangle(reactance: list[float]) -> Any:
    return make_grid(
        "triangle",
        bus_names=("a", "b", "c"),
        branch_names=("west", "middle", "east"),
        branch_from=[0, 1, 2],
        branch_to=[1, 2, 0],
        branch_resistance_pu=0.01,
        branch_reactance_pu=reactance,
        branch_limit_kw=100.0,
        base_power_kw=1000.0,
        slack_bus=0,
    )
