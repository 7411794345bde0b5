"""The best charge that keeps every branch within its limit: no secure charge of a dense grid is better, and none is called missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import kernel, pair_day, pair_network, random_day, random_network
from oracles import pair_of

from gridtoll.agents.optimum import CertificateError, Optimum, PrunedGap, solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network

CAP = 0.6


def solve(day: Day, network: Network, **options: Any) -> Optimum:
    wanted: dict[str, Any] = {"cap": CAP, "market": kernel(), "hard_limits": True}
    return solve_optimum(day, network, make_tariff("distance", network), **(wanted | options))


def test_on_one_branch_the_best_secure_charge_is_where_the_trade_just_fits() -> None:
    """With overload free of charge profit alone would let more through; the limit is what stops it."""
    day, limit = pair_day(overload_price=0.0), 1.5
    form = pair_of(day, exports=True)
    optimum = solve(day, pair_network(limit_kw=limit), cap=2.0)
    assert optimum.charge == pytest.approx(form.choke_charge - limit * form.stiffness, rel=1e-8)
    assert optimum.secure is True
    assert optimum.relative_gap <= 1e-6


def test_a_limit_that_does_not_bind_changes_nothing() -> None:
    hard, free = solve(pair_day(), pair_network(), cap=2.0), solve(pair_day(), pair_network(), cap=2.0, hard_limits=False)
    assert hard.charge == free.charge
    assert hard.secure is free.secure is True


def test_where_every_charge_up_to_the_cap_overloads_that_is_proved() -> None:
    day, limit = pair_day(), 1.5
    form = pair_of(day, exports=True)
    cap = 0.9 * (form.choke_charge - limit * form.stiffness)
    optimum = solve(day, pair_network(limit_kw=limit), cap=cap)
    assert np.isnan(optimum.charge)
    assert optimum.secure is False
    assert np.isnan(optimum.profit_eur)
    assert optimum.relative_gap == 0.0
    certificate = optimum.certificate
    assert certificate is not None
    assert certificate.upper_bound_eur == -np.inf
    certificate.verify(market=kernel())


def test_a_claim_that_no_charge_is_secure_is_found_out_where_one_is() -> None:
    day, network = pair_day(), pair_network(limit_kw=1.5)
    certificate = solve(day, network, cap=2.0).certificate
    assert certificate is not None
    pieces = tuple(replace(piece, best_eur=-np.inf) for piece in certificate.pieces)
    gaps = tuple(PrunedGap(gap.lower, gap.upper, -np.inf) for gap in certificate.gaps)
    with pytest.raises(CertificateError, match="may keep every branch within its limit, but one does"):
        replace(certificate, charge=np.nan, best_eur=-np.inf, upper_bound_eur=-np.inf, pieces=pieces, gaps=gaps).verify(market=kernel())


def test_a_charge_that_is_not_secure_is_refused_as_the_answer_under_hard_limits() -> None:
    day, network = pair_day(overload_price=0.0), pair_network(limit_kw=1.5)
    certificate = solve(day, network, cap=2.0, hard_limits=False).certificate
    assert certificate is not None
    with pytest.raises(CertificateError, match="must keep every branch within its limit"):
        replace(certificate, hard_limits=True).verify(market=kernel())


@pytest.mark.parametrize("seed", range(10))
def test_no_secure_charge_of_a_grid_is_better_and_none_is_overlooked(seed: int) -> None:
    flows: Any = ("trades", "injections")[seed % 2]
    objective: Any = ("profit", "profit", "welfare")[seed % 3]
    limit = (0.3, 0.6, 1.0, 2.0, 3.0)[seed % 5]
    day = random_day(seed, n=4, periods=3, stores=seed % 3, import_fee=0.08 * (seed % 2), overload_price=float(seed % 4))
    network = random_network(seed, n=4, limit_kw=limit, meshed=bool(seed % 2))
    optimum = solve(day, network, flows=flows, objective=objective)
    assert optimum.certificate is not None
    optimum.certificate.verify(market=kernel())
    assert optimum.relative_gap <= 1e-6
    extra = [] if np.isnan(optimum.charge) else [optimum.charge, *np.clip(optimum.charge + np.array([-1e-4, -1e-6, 1e-6, 1e-4]), 0.0, CAP)]
    for charge in [*np.linspace(0.0, CAP, 40), *extra]:
        charges = float(charge) * network.distance
        found = settle(day, network, charges, kernel().clear(day, charges), flows=flows)
        if found.network_secure:
            assert optimum.secure is True
            goal = found.profit_eur if objective == "profit" else found.welfare_eur
            assert goal <= optimum.upper_bound_eur + 1e-11
        elif charge == optimum.charge:
            pytest.fail("the answer itself is not secure when cleared again")
