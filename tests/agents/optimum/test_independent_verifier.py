"""A verifier shares no arithmetic with what it verifies: what it imports, what it accepts, and what it refuses."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network
from three_buses import line_of_three, seller_and_buyer

from gridtoll.agents.optimum import CertificateError, OptimumCertificate, PrunedGap, solve_optimum, verification
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.references.meaning import source_of

FOLDER = Path(verification.__file__).parent
THE_SEARCH = ("chord", "bounds", "line", "flat", "kernels", "idle", "search", "curve", "recovery", "agreement", "sound")


def test_it_imports_nothing_of_the_search_nor_of_the_settlement_nor_of_the_certificate_of_clearings() -> None:
    """What only type checkers read, and the market that clears when none is handed over, do not count: their answers are checked."""
    imported = {
        line.split()[1]
        for file in FOLDER.glob("*.py")
        for line in file.read_text().splitlines()
        if line.startswith("from .") and not line.startswith("from ....envs.market.exact.market ")
    }
    beneath = {name for name in imported if not name.startswith("....")}
    assert beneath <= {f".{file.stem}" for file in FOLDER.glob("*.py")} | {"."}
    assert {name for name in imported if name.startswith("....")} <= {
        "....envs.arrays",
        "....envs.community.day",
        "....envs.grid.network",
        "....envs.market.exact.solution",
        "....envs.market.mechanism",
    }
    own = source_of(file for file in FOLDER.glob("*.py") if file.stem not in {"check", "__init__"})
    names = {file.as_posix() for file in own.files}
    assert not [name for name in names if name.endswith(tuple(f"/optimum/{part}.py" for part in THE_SEARCH))]
    assert not [name for name in names if name.endswith(("/settlement.py", "/exact/point.py", "/exact/polish.py", "/exact/market_data.py"))]


@cache
def drawn(seed: int) -> OptimumCertificate:
    """The proof of a random game: both accounts of flows and objectives, meshes, fees and hard limits among them."""
    random = np.random.default_rng(seed)
    n = int(random.integers(3, 6))
    network = random_network(seed, n=n, meshed=bool(random.integers(2)), limit_kw=float(random.choice([1.0, 5.0])))
    day = random_day(
        seed, n=n, periods=int(random.integers(1, 6)), stores=int(random.integers(3)), import_fee=float(random.choice([0, 0.08]))
    )
    options: dict[str, Any] = {
        "flows": str(random.choice(["trades", "injections"])),
        "objective": str(random.choice(["profit", "profit", "welfare"])),
        "hard_limits": bool(random.random() < 0.2),
    }
    tariff = make_tariff(str(random.choice(["distance", "unique"])), network)
    certificate = solve_optimum(day, network, tariff, cap=0.5, market=StructuredMarket(), **options).certificate
    assert certificate is not None
    return certificate


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_right_proofs_are_accepted(first: int) -> None:
    with_market = StructuredMarket()
    for seed in range(first, first + 20):
        certificate = drawn(seed)
        found = certificate.verify(market=with_market)
        assert found.greatest_difference_eur <= 1e-8 * certificate.day.turnover_eur


def wild(seed: int) -> OptimumCertificate:
    """The proof of a random game with much storage, some of it lossless, prices down to 0 and below, and branches without a limit."""
    random = np.random.default_rng(seed)
    n, periods = int(random.integers(3, 7)), int(random.integers(1, 7))
    stores, fee, overload = int(random.integers(0, n)), float(random.choice([0, 0.08])), float(random.choice([0, 1, 4]))
    efficiency = float(random.choice([0.95, 0.95, 1.0]))
    day = random_day(seed, n=n, periods=periods, stores=stores, import_fee=fee, overload_price=overload, storage_efficiency=efficiency)
    if random.random() < 0.3:
        price = day.import_price - random.choice([0.32, 0.5])
        day = replace(day, import_price=price, export_price=np.minimum(day.export_price, price))
    network = random_network(seed, n=n, meshed=bool(random.integers(2)), limit_kw=float(random.choice([0.3, 1, 2, 5, np.inf])))
    options: dict[str, Any] = {
        "flows": ("trades", "injections")[seed % 2],
        "objective": ("profit", "profit", "welfare")[seed % 3],
        "hard_limits": seed % 5 == 4,
    }
    cap = float(random.choice([0.3, 1.0]))
    certificate = solve_optimum(day, network, make_tariff("distance", network), cap=cap, market=StructuredMarket(), **options).certificate
    assert certificate is not None
    return certificate


@pytest.mark.parametrize("seed", [226, 597, 5331, 5431, 5485, 20434, 20677])
def test_a_right_proof_is_accepted_where_nothing_but_its_bound_holds_an_energy(seed: int) -> None:
    """An empty or a full store without a price that keeps it there, or one whose price is rounding: only (3) and own prices see through."""
    wild(seed).verify(market=StructuredMarket())


def test_a_bound_below_what_is_earned_is_refused_wherever_it_stands() -> None:
    with_market = StructuredMarket()
    refused = 0
    for seed in range(20):
        certificate = drawn(seed)
        if certificate.best_eur == -np.inf:
            continue
        short = certificate.best_eur - 1e-5 * certificate.day.turnover_eur
        pieces = tuple(piece for piece in certificate.pieces if piece.best_eur <= short)
        if not pieces or pieces[0].lower > 0.0 or pieces[-1].upper < certificate.charge_cap:
            continue
        gaps = tuple(PrunedGap(before.upper, after.lower, short) for before, after in pairwise(pieces) if after.lower > before.upper)
        best = max(pieces, key=lambda piece: piece.best_eur)
        false = replace(certificate, pieces=pieces, gaps=gaps, charge=best.best_charge, best_eur=best.best_eur, upper_bound_eur=short)
        with pytest.raises(CertificateError):
            false.verify(market=with_market)
        refused += 1
    assert refused >= 10


def test_the_false_optimum_that_was_once_certified_is_refused() -> None:
    """The search dropped the peaks inside pieces where a limit was infinite, and its own arithmetic confirmed what was left."""
    network, day = line_of_three(np.inf), seller_and_buyer()
    tariff, with_market = make_tariff("distance", network), StructuredMarket()
    right = solve_optimum(day, network, tariff, cap=1.0, market=with_market).certificate
    assert right is not None
    right.verify(market=with_market)
    assert right.best_eur == pytest.approx(0.316118, abs=1e-6)
    ends = tuple(
        replace(piece, best_charge=end, best_eur=earned)
        for piece in right.pieces
        for end, earned in [max(_ends(right, piece.lower, piece.upper, with_market), key=lambda found: found[1])]
    )
    best = max(ends, key=lambda piece: piece.best_eur)
    top = best.best_eur + 1e-6
    gaps = tuple(replace(gap, bound_eur=min(gap.bound_eur, top)) for gap in right.gaps)
    false = replace(right, pieces=ends, gaps=gaps, charge=best.best_charge, best_eur=best.best_eur, upper_bound_eur=top)
    with pytest.raises(CertificateError):
        false.verify(market=with_market)


def _ends(certificate: OptimumCertificate, lower: float, upper: float, with_market: StructuredMarket) -> list[tuple[float, float]]:
    """What both ends of a piece earn, without what lies between."""
    found = []
    for charge in (lower, upper):
        charges = charge * certificate.basis
        settled = settle(
            certificate.day, certificate.network, charges, with_market.clear(certificate.day, charges), flows=certificate.flows
        )
        found.append((charge, settled.profit_eur))
    return found


def changed(whole: Any, name: str, value: Any) -> Any:
    """The same with one field changed."""
    return replace(whole, **{name: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_refused_in_every_place(value: float) -> None:
    certificate = next(found for found in map(drawn, range(20)) if not found.hard_limits and found.gaps)
    with_market = StructuredMarket()
    for name in ("charge_cap", "charge", "best_eur", "upper_bound_eur"):
        with pytest.raises(CertificateError, match=name):
            changed(certificate, name, value).verify(market=with_market)
    for kind in ("pieces", "gaps"):
        parts = getattr(certificate, kind)
        for field in fields(parts[0]):
            doctored = changed(certificate, kind, (changed(parts[0], field.name, value), *parts[1:]))
            with pytest.raises(CertificateError):
                doctored.verify(market=with_market)
