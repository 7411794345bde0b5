"""Electrical distance, zones and partners are what their definitions say, on grids small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridtoll.envs.community.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.grid.grid import Grid, make_grid
from gridtoll.envs.grid.network import Network, make_network


def chain(n_buses: int, slack_bus: int = 0) -> Grid:
    """Return buses in a row."""
    return make_grid(
        "chain",
        bus_names=[f"bus {k}" for k in range(n_buses)],
        branch_from=np.arange(n_buses - 1),
        branch_to=np.arange(1, n_buses),
        branch_resistance_pu=0.01,
        branch_reactance_pu=0.1,
        branch_limit_kw=10.0,
        base_power_kw=100.0,
        slack_bus=slack_bus,
        bus_position=np.stack([np.linspace(0, 1, n_buses), np.zeros(n_buses)], axis=1),
    )


def random_mesh(seed: int, slack_bus: int = 0) -> Grid:
    """Return a random connected grid of 8 buses."""
    rng = np.random.default_rng(seed)
    tree = [(int(rng.integers(k)), k) for k in range(1, 8)]
    chords = [(int(a), int(b)) for a, b in rng.integers(8, size=(5, 2)) if a != b]
    branches = np.array(tree + chords)
    return make_grid(
        "mesh",
        bus_names=[str(k) for k in range(8)],
        branch_from=branches[:, 0],
        branch_to=branches[:, 1],
        branch_resistance_pu=0.01,
        branch_reactance_pu=rng.uniform(0.05, 0.5, len(branches)),
        branch_limit_kw=10.0,
        base_power_kw=100.0,
        slack_bus=slack_bus,
        bus_position=np.zeros((8, 2)),
    )


def test_in_a_radial_grid_distance_counts_the_branches_between() -> None:
    network = make_network(chain(5), [0, 1, 4])
    assert network.distance_scale == pytest.approx(8 / 3)
    assert network.distance * network.distance_scale == pytest.approx(np.array([[0, 1, 4], [1, 0, 3], [4, 3, 0]]))


@given(st.integers(min_value=0, max_value=10_000))
def test_distance_is_symmetric_has_mean_one_and_does_not_depend_on_the_slack_bus(seed: int) -> None:
    at = np.random.default_rng(seed).permutation(8)[:5]
    network = make_network(random_mesh(seed), at)
    distance = network.distance
    assert distance == pytest.approx(distance.T)
    assert np.diag(distance).tolist() == [0.0] * 5
    assert distance.sum() / 20 == pytest.approx(1.0)
    assert make_network(random_mesh(seed, slack_bus=3), at).distance == pytest.approx(distance, abs=1e-8)


@given(st.integers(min_value=0, max_value=10_000))
def test_the_shares_of_branches_sum_to_the_distance(seed: int) -> None:
    network = make_network(random_mesh(seed), [0, 2, 5, 7])
    share = network.line_distance
    assert share.shape == (network.grid.n_branches, 4, 4)
    assert share.min() >= 0.0
    assert share.sum(axis=0) == pytest.approx(network.distance, abs=1e-8)


def test_flows_of_prosumers_are_flows_of_their_buses() -> None:
    network = make_network(random_mesh(1), [3, 3, 6])
    power = np.array([[1.0, 2.0, -3.0], [0.5, 0.0, 0.0]])
    assert network.grid.flow(network.injection(power)) == pytest.approx(power @ network.prosumer_ptdf.T)
    assert network.distance[0, 1] == 0.0


def test_zones_given_by_bus_are_kept_and_borders_are_counted_on_the_best_way() -> None:
    network = make_network(chain(6), [0, 2, 5], bus_zone=[0, 0, 1, 1, 0, 2])
    assert network.zone.tolist() == [0, 1, 2]
    assert network.n_zones == 3
    assert network.zone_borders.tolist() == [[0, 1, 3], [1, 0, 2], [3, 2, 0]]


def test_a_detour_within_a_zone_crosses_no_border() -> None:
    ring = make_grid(
        "ring",
        bus_names="abcd",
        branch_from=[0, 1, 2, 3],
        branch_to=[1, 2, 3, 0],
        branch_resistance_pu=0.0,
        branch_reactance_pu=0.1,
        branch_limit_kw=1.0,
        base_power_kw=1.0,
        slack_bus=0,
        bus_position=np.zeros((4, 2)),
    )
    network = make_network(ring, [0, 2], bus_zone=[0, 1, 0, 0])
    assert network.zone_borders.tolist() == [[0, 0], [0, 0]]


def test_clusters_are_numbered_by_their_first_prosumer_and_every_zone_has_one() -> None:
    network = make_network(chain(9), [0, 1, 4, 8], n_zones=3)
    assert network.zone.tolist() == [0, 0, 1, 2]
    assert network.bus_zone.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert make_network(chain(3), [0, 2], n_zones=3).n_zones == 2


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_every_community_has_populated_zones_and_distances_of_mean_one(name: str) -> None:
    network = load_community(name).network
    n = network.n_prosumers
    assert set(network.zone) == set(range(min(n, 3)))
    assert network.distance.sum() / (n * (n - 1)) == pytest.approx(1.0)
    assert np.isfinite(network.zone_borders).all()
    whole = {"simbench-rural2": 0.85, "simbench-urban6": 0.79}.get(name, 0.9)  # feeders alike in length, joined only at the busbar
    assert ((network.zone_borders == 0) >= (network.zone[:, None] == network.zone[None, :])).mean() > whole  # few zones are torn


def test_partners_are_the_nearest_of_either_side() -> None:
    near = make_network(chain(7), [0, 1, 2, 6]).nearest_partners(1)
    assert near.astype(int).tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=9))
def test_partnership_is_mutual_and_everybody_has_at_least_k(seed: int, k: int) -> None:
    near = make_network(random_mesh(seed), np.arange(8)).nearest_partners(k)
    assert np.array_equal(near, near.T)
    assert not near.diagonal().any()
    assert near.sum(axis=1).min() >= min(k, 7)
    if k >= 7:
        assert near.sum() == 56


def test_bad_places_zones_and_partners_are_refused() -> None:
    for bus in ([0], [0, 9], [-1, 2]):
        with pytest.raises(ValueError, match="at least 2 bus indices from 0 to 4"):
            make_network(chain(5), bus)
    with pytest.raises(ValueError, match=r"`prosumer_bus` must have the shape \(2,\), got \(1, 2\)"):
        make_network(chain(5), [[0, 1]])
    with pytest.raises(ValueError, match=r"`prosumer_bus` must hold whole numbers, got 0\.7"):
        make_network(chain(5), [0.7, 2])
    with pytest.raises(ValueError, match="`n_zones` must be at least 1, got 0"):
        make_network(chain(5), [0, 1], n_zones=0)
    with pytest.raises(ValueError, match="two buses or more"):
        make_network(chain(5), [2, 2])
    with pytest.raises(ValueError, match=r"`bus_zone` must have the shape \(5,\), got \(2,\)"):
        make_network(chain(5), [0, 1], bus_zone=[0, 1])
    with pytest.raises(ValueError, match="for each of 5 buses"):
        make_network(chain(5), [0, 1], bus_zone=[0, 1, 2, 3, -1])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        make_network(chain(5), [0, 1]).nearest_partners(0)


def test_networks_cannot_be_changed() -> None:
    network: Network = make_network(chain(3), [0, 2])
    with pytest.raises(ValueError, match="read-only"):
        network.distance[0, 1] = 5.0
