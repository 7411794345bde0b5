"""Tariffs: what an action means for each pair of prosumers, and which actions are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import random_network
from hypothesis import given
from hypothesis import strategies as st

from gridtoll.envs.account.tariff import EDGE_TOLERANCE, TARIFF_NAMES, Tariff, make_tariff

CAP = 0.8
T = 6


def zonal_network() -> Any:
    """A network of 7 prosumers, with more than one zone."""
    return random_network(3, n=7)


@pytest.mark.parametrize("kind", TARIFF_NAMES)
@pytest.mark.parametrize("per", ["day", "hour"])
def test_an_action_and_its_coefficients_name_the_same_charges(kind: str, per: Any) -> None:
    tariff = make_tariff(kind, zonal_network(), per)
    size = tariff.n_coefficients(T)
    assert size == tariff.n_basis * (T if per == "hour" else 1) == len(tariff.coefficient_names(T))
    action = np.random.default_rng(1).uniform(0.0, CAP, size)
    coefficients = tariff.read(action, T, CAP)
    assert coefficients.shape == (T, tariff.n_basis)
    np.testing.assert_array_equal(tariff.action(coefficients), action)  # in double precision, not merely close
    charges = tariff.charges(coefficients)
    expected = sum(coefficients[:, k, None, None] * tariff.basis[k] for k in range(tariff.n_basis))
    np.testing.assert_allclose(charges, expected, rtol=1e-13)
    assert not np.diagonal(charges, axis1=1, axis2=2).any()


def test_charges_that_stand_all_day_are_alike_in_every_hour() -> None:
    charges = make_tariff("distance", zonal_network()).charges(np.full((T, 1), 0.3))
    np.testing.assert_array_equal(charges, np.broadcast_to(charges[0], charges.shape))


def test_unique_charges_every_pair_alike_and_distance_charges_the_mean_pair_the_same() -> None:
    network = zonal_network()
    others = ~np.eye(network.n_prosumers, dtype=bool)
    unique, distance = (make_tariff(kind, network).charges(np.full((1, 1), 0.3))[0][others] for kind in ("unique", "distance"))
    np.testing.assert_array_equal(unique, 0.3)
    assert distance.mean() == pytest.approx(0.3, rel=1e-12)
    assert distance.std() > 0.01


def test_zonal_charges_every_pair_within_a_zone_or_by_the_borders_between() -> None:
    network = zonal_network()
    within, borders = make_tariff("zonal", network).basis
    same = network.zone[:, None] == network.zone[None, :]
    others = ~np.eye(network.n_prosumers, dtype=bool)
    np.testing.assert_array_equal(within, same & others)
    np.testing.assert_array_equal(borders, network.zone_borders)
    assert (borders[~same] >= 1).all()
    assert within.any()
    assert borders.any()


@pytest.mark.parametrize("meshed", [False, True])
def test_equal_line_charges_are_the_distance_charge(meshed: bool) -> None:
    network = random_network(4, n=6, meshed=meshed)
    line, distance = make_tariff("line", network), make_tariff("distance", network)
    assert line.n_basis == network.grid.n_branches
    charges = line.charges(np.full((1, line.n_basis), 0.3))
    np.testing.assert_allclose(charges, distance.charges(np.full((1, 1), 0.3)), rtol=1e-8, atol=1e-9)


@given(st.floats(0.0, CAP), st.sampled_from(["cap", "zero", "inside"]))
def test_rounding_to_single_precision_is_never_refused(value: float, where: str) -> None:
    tariff = make_tariff("unique", random_network(1))
    wanted = {"cap": CAP, "zero": 0.0, "inside": value}[where]
    for number in (
        np.float32(wanted),
        np.float32((np.float32(2.0) * np.float32(wanted / CAP) - np.float32(1.0) + np.float32(1.0)) / 2 * np.float32(CAP)),
    ):
        read = tariff.read([number], T, CAP)[0, 0]
        assert 0.0 <= read <= CAP
        assert read == pytest.approx(wanted, abs=3e-7)


def test_numbers_just_outside_move_to_the_edge_and_no_further_ones_do() -> None:
    tariff = make_tariff("unique", random_network(1))
    inside = 0.5 * EDGE_TOLERANCE * CAP
    assert tariff.read([CAP + inside], T, CAP)[0, 0] == CAP
    assert tariff.read([-inside], T, CAP)[0, 0] == 0.0
    for outside in (CAP * (1 + 2 * EDGE_TOLERANCE), -2 * EDGE_TOLERANCE * CAP):
        with pytest.raises(ValueError, match=r"between 0 and the cap of 0\.8 EUR/kWh"):
            tariff.read([outside], T, CAP)


def test_every_bad_coefficient_is_named_at_once() -> None:
    tariff = make_tariff("line", zonal_network(), "hour")
    action = np.full(tariff.n_coefficients(T), 0.1)
    action[[1, 8, 9, 30]] = [np.nan, -0.2, 0.9, np.inf]
    with pytest.raises(
        ValueError, match=r"nan at coefficient 1 \(period 0, branch 1 .*-0.2 at coefficient 8.*0.9 at coefficient 9.*inf at coefficient 30"
    ):
        tariff.read(action, T, CAP)


def test_many_bad_coefficients_are_counted_rather_than_listed() -> None:
    tariff = make_tariff("line", zonal_network(), "hour")
    with pytest.raises(ValueError, match=f"and {tariff.n_coefficients(T) - 8} more"):
        tariff.read(np.full(tariff.n_coefficients(T), -1.0), T, CAP)


@pytest.mark.parametrize("action", [0.3, [0.3], [0.3, 0.3, 0.3], [[0.3, 0.3]], []])
def test_an_action_of_the_wrong_shape_is_refused_with_the_names_of_what_it_must_hold(action: Any) -> None:
    with pytest.raises(ValueError, match=r"must have shape \(2,\), got .*each kWh within a zone, each zone border crossed"):
        make_tariff("zonal", zonal_network()).read(action, T, CAP)


@pytest.mark.parametrize("action", ["much", None, [[0.1], [0.1, 0.2]], [{}]])
def test_an_action_that_is_not_numbers_is_refused(action: Any) -> None:
    with pytest.raises(ValueError, match="charges"):
        make_tariff("unique", random_network(1)).read(action, T, CAP)


def test_unknown_tariffs_and_periods_are_answered_with_the_nearest_known() -> None:
    with pytest.raises(ValueError, match=r"tariff must be one of .*; got 'distanse'. Did you mean 'distance'\?"):
        make_tariff("distanse", random_network(1))
    with pytest.raises(ValueError, match=r"must be one of day, hour; got 'hours'. Did you mean 'hour'\?"):
        make_tariff("distance", random_network(1), "hours")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("basis", "names", "message"),
    [
        (np.ones((2, 2)), ("a",), "must have shape"),
        (np.ones((1, 2, 3)), ("a",), "must have shape"),
        (np.zeros((0, 2, 2)), (), "must have shape"),
        (np.zeros((1, 2, 2)), ("a", "b"), "must name its 1 coefficients, got 2 names"),
        (np.ones((1, 2, 2)), ("a",), "zero on the diagonal"),
        (-np.ones((1, 2, 2)) + np.eye(2), ("a",), "at least 0"),
        (np.full((1, 2, 2), np.inf), ("a",), "finite"),
    ],
)
def test_a_basis_that_breaks_the_rules_is_refused(basis: Any, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tariff(kind="own", basis=basis, names=names)


def test_a_tariff_keeps_a_copy_of_its_basis_that_nobody_can_change() -> None:
    basis = 1.0 - np.eye(3)[None]
    tariff = Tariff(kind="own", basis=basis, names=("each kWh",))
    basis[:] = 7.0
    assert tariff.basis.max() == 1.0
    with pytest.raises(ValueError, match="read-only"):
        tariff.basis[0, 0, 1] = 2.0
