"""The proof of an optimum stands on its own: it is checked by clearings of its own, and a doctored one is found out."""

from __future__ import annotations

import functools
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import kernel, market, random_day, random_network
from oracles import plain_profit

from gridtoll.agents.optimum import CertificateError, OptimumCertificate, PrunedGap, SolvedPiece, load_certificate, solve_optimum
from gridtoll.agents.optimum.verification import check as check_module
from gridtoll.envs.account.tariff import make_tariff

CAP = 0.6


@functools.cache
def proof(seed: int = 10, **options: Any) -> OptimumCertificate:
    network = random_network(seed, n=4, limit_kw=1.0)
    optimum = solve_optimum(
        random_day(seed, n=4, periods=3), network, make_tariff("distance", network), cap=CAP, market=kernel(), **options
    )
    assert optimum.certificate is not None
    return optimum.certificate


def check(certificate: OptimumCertificate) -> None:
    certificate.verify(market=kernel())


@pytest.mark.parametrize("options", [{}, {"flows": "injections"}, {"objective": "welfare"}])
def test_a_proof_is_confirmed_by_new_clearings(options: dict[str, Any]) -> None:
    certificate = proof(**options)
    found = certificate.verify(market=market())  # another solver than the search's
    assert found.greatest_difference_eur <= 1e-9 * abs(certificate.best_eur)
    assert found.greatest_bound_excess_eur <= 1e-7 * abs(certificate.best_eur)
    assert found.clearings >= 3 * len(certificate.pieces)
    assert "Clarabel" in found.solver


def test_a_proof_can_be_kept_and_checked_later() -> None:
    kept = pickle.loads(pickle.dumps(proof()))
    check(kept)
    assert (kept.pieces, kept.gaps) == (proof().pieces, proof().gaps)


def test_a_proof_with_a_hole_is_refused() -> None:
    certificate = proof()
    for gone in range(len(certificate.gaps)):
        with pytest.raises(CertificateError, match="must cover every charge; none from"):
            check(replace(certificate, gaps=certificate.gaps[:gone] + certificate.gaps[gone + 1 :]))
    with pytest.raises(CertificateError, match="must cover charges from 0"):
        check(replace(certificate, pieces=certificate.pieces[1:], gaps=certificate.gaps))
    with pytest.raises(CertificateError, match="must cover charges from 0"):
        check(replace(certificate, charge_cap=2 * CAP))


def test_a_proof_without_parts_is_refused() -> None:
    with pytest.raises(CertificateError, match="must cover"):
        check(replace(proof(), pieces=(), gaps=()))


def test_an_upper_bound_below_what_is_earned_is_refused() -> None:
    certificate = proof()
    with pytest.raises(CertificateError, match="must hold everywhere"):
        check(replace(certificate, upper_bound_eur=certificate.best_eur - 1e-3))


def test_a_bound_that_does_not_follow_is_refused() -> None:
    """The stated bounds of the gaps are lowered to the profit of a charge far from the best: they are consistent, and not true."""
    certificate = proof()
    low = 0.5 * certificate.best_eur
    gaps = tuple(replace(gap, bound_eur=min(gap.bound_eur, low)) for gap in certificate.gaps)
    pieces = tuple(replace(piece, best_eur=min(piece.best_eur, low)) for piece in certificate.pieces)
    with pytest.raises(CertificateError, match="EUR"):
        check(replace(certificate, gaps=gaps, pieces=pieces, upper_bound_eur=low, best_eur=low))


def test_a_gap_too_wide_for_its_bound_takes_more_clearings_and_is_refused_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = proof()
    ends = (certificate.pieces[0], certificate.pieces[-1])
    whole = PrunedGap(ends[0].upper, ends[1].lower, certificate.upper_bound_eur)
    wide = replace(certificate, pieces=ends, gaps=(whole,))
    assert wide.verify(market=kernel()).clearings > 3 * len(ends) + 2  # what it states is true, and takes work to show
    monkeypatch.setattr(check_module, "_MORE", 0)
    with pytest.raises(CertificateError, match="only bounds it by"):
        check(wide)


def test_a_best_charge_that_earns_something_else_is_refused() -> None:
    certificate = proof()
    for by in (1e-3, -1e-3):
        pieces = tuple(replace(piece, best_eur=piece.best_eur + by) for piece in certificate.pieces)
        with pytest.raises(CertificateError, match="clearing again gives"):
            check(replace(certificate, pieces=pieces, upper_bound_eur=certificate.upper_bound_eur + 1.0))


def test_an_incumbent_that_does_not_earn_what_is_stated_is_refused() -> None:
    certificate = proof()
    roomy = replace(certificate, upper_bound_eur=2.0 * certificate.best_eur)
    for wrong in (replace(roomy, charge=0.5 * certificate.charge), replace(roomy, best_eur=1.01 * certificate.best_eur)):
        with pytest.raises(CertificateError):
            check(wrong)


def test_a_gap_between_charges_that_nobody_cleared_is_refused() -> None:
    certificate = proof()
    [first, *rest] = certificate.gaps
    middle = 0.5 * (first.lower + first.upper)
    halves = (PrunedGap(first.lower, middle, first.bound_eur), PrunedGap(middle, first.upper, first.bound_eur))
    with pytest.raises(CertificateError):
        check(replace(certificate, gaps=(*halves, *rest)))


def test_an_interval_passed_off_as_one_affine_piece_is_refused() -> None:
    """Its ends and its stated best are all true, and the best of all lies in between: only a look inside can tell."""
    certificate = proof()
    earned = {charge: goal_at(certificate, charge) for charge in (0.0, CAP)}
    end = max(earned, key=lambda charge: earned[charge])
    assert earned[end] < certificate.best_eur
    forged = SolvedPiece(0.0, CAP, end, earned[end])
    with pytest.raises(CertificateError):
        check(replace(certificate, pieces=(forged,), gaps=(), charge=end, best_eur=earned[end], upper_bound_eur=earned[end]))


def test_a_piece_whose_best_lies_inside_and_is_stated_at_its_end_is_refused() -> None:
    certificate = proof()
    inside = [piece for piece in certificate.pieces if piece.lower + 1e-4 < piece.best_charge < piece.upper - 1e-4]
    assert inside
    piece = max(inside, key=lambda piece: piece.best_eur - goal_at(certificate, piece.upper))
    ends = {charge: goal_at(certificate, charge) for charge in (piece.lower, piece.upper)}
    end = max(ends, key=lambda charge: ends[charge])
    assert ends[end] < piece.best_eur - 1e-6
    wrong = replace(piece, best_charge=end, best_eur=ends[end])
    pieces = tuple(wrong if part is piece else part for part in certificate.pieces)
    with pytest.raises(CertificateError):
        check(replace(certificate, pieces=pieces))


def goal_at(certificate: OptimumCertificate, charge: float) -> float:
    charges = charge * certificate.basis
    clearing = kernel().clear(certificate.day, charges)
    return plain_profit(certificate.day, certificate.network, charges, clearing, flows=certificate.flows)


def test_solved_pieces_and_gaps_carry_plain_numbers() -> None:
    certificate = proof()
    for part in (*certificate.pieces, *certificate.gaps):
        assert all(isinstance(value, float) for value in vars(part).values())
        assert np.isfinite(list(vars(part).values())).all()


# --- keeping it -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"hard_limits": True}])
def test_a_proof_that_was_saved_reads_back_exactly_and_holds(options: dict[str, Any], tmp_path: Path) -> None:
    certificate = proof(**options)
    path = tmp_path / "proof.json"
    certificate.save(path)
    kept = load_certificate(path, certificate.day, certificate.network, certificate.basis)
    assert vars(kept) == vars(certificate)
    check(kept)


def test_a_saved_proof_is_refused_for_another_day_network_or_tariff(tmp_path: Path) -> None:
    certificate = proof()
    path = tmp_path / "proof.json"
    certificate.save(path)
    day, network, basis = certificate.day, certificate.network, certificate.basis
    assert load_certificate(path, replace(day, label="renamed"), network, basis).charge == certificate.charge
    others = (
        (random_day(11, n=4, periods=3), network, basis),
        (replace(day, overload_price=2.0), network, basis),
        (day, random_network(10, n=4, limit_kw=2.0), basis),
        (day, network, 2.0 * basis),
    )
    for other in others:
        with pytest.raises(ValueError, match="is about other data than day"):
            load_certificate(path, *other)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": 1}'])
def test_a_file_that_is_no_proof_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="must hold a certificate"):
        load_certificate(path, proof().day, proof().network, proof().basis)


def test_a_saved_proof_that_was_doctored_is_found_out(tmp_path: Path) -> None:
    certificate = proof()
    path = tmp_path / "proof.json"
    replace(certificate, best_eur=1.01 * certificate.best_eur, upper_bound_eur=2.0 * certificate.best_eur).save(path)
    with pytest.raises(CertificateError):
        check(load_certificate(path, certificate.day, certificate.network, certificate.basis))
