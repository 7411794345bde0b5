"""A small part of the campaign that `make fuzz` runs, and the proof that its referee and its checks can fail."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import charges_of, market, random_day, random_network
from referee import distance, kirchhoff_fault, point_of, program_of, solved_by_piqp

from gridtoll.agents.optimum import CertificateError
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not part of the wheel")


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The script as a module of another name: a clone may be called anything, and its root is a package."""
    sys.path.append(str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("campaign_of_communities", BENCHMARKS / "fuzz.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


def counted(fuzz: Any, kind: str, count: int, *, seed: int) -> Any:
    tally = fuzz.Tally()
    failed = []
    for outcome in fuzz.run_chunk(fuzz.Chunk(kind, seed, 0, count)):
        tally.add(outcome)
        failed += [outcome] if outcome.outcome in fuzz.FAILURES else []
    assert not failed
    return tally


def test_random_clearings_of_every_style_are_right_to_the_referee_or_refused(fuzz: Any) -> None:
    tally = counted(fuzz, "clearing", 300, seed=7)
    assert sum(counts["right"] for counts in tally.counts.values()) > 270
    assert tally.failures({"nameless"}) == 0


def test_no_charge_tried_contradicts_a_random_optimum(fuzz: Any) -> None:
    counted(fuzz, "optimum", 45, seed=7)


@pytest.mark.parametrize("seeds", [range(100), pytest.param(range(100, 400), marks=pytest.mark.long)])
def test_random_stores_that_lose_nothing_are_cleared_by_the_kernel_and_right_to_the_referee(fuzz: Any, seeds: range) -> None:
    plain = P2PMarket()
    kernel = StructuredMarket(plain, threads=1)
    for seed in seeds:
        outcome = fuzz.checked_clearing(fuzz.case_of("lossless", seed), kernel, plain)
        assert outcome.outcome == "right", outcome.line()
    assert kernel.fallbacks == 0  # of the first 400 seeds; 12 before prices could ascend


@pytest.mark.long
def test_a_longer_campaign_finds_nothing_wrong(fuzz: Any) -> None:
    counted(fuzz, "clearing", 10_000, seed=8)
    counted(fuzz, "optimum", 400, seed=8)


def test_a_campaign_goes_on_where_it_was_stopped(fuzz: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--optima", "0", "--seed", "3", "--out", str(tmp_path)]
    assert fuzz.main(["--clearings", "20", *asked]) == 0
    whole = (tmp_path / "chunks.jsonl").read_text()
    first = json.loads(whole)
    (tmp_path / "chunks.jsonl").write_text(whole + whole[:40])  # a line that a kill has cut off
    capsys.readouterr()
    assert fuzz.main(["--clearings", "20", *asked]) == 0
    assert "all ordinary" in capsys.readouterr().out
    assert json.loads((tmp_path / "chunks.jsonl").read_text().splitlines()[0]) == first


def test_every_style_draws_the_same_case_from_the_same_seed(fuzz: Any) -> None:
    for style in fuzz.STYLES:
        one, two = fuzz.case_of(style, 5), fuzz.case_of(style, 5)
        assert all(np.array_equal(value, two.day.arrays()[name]) for name, value in one.day.arrays().items())
        assert np.array_equal(one.charges, two.charges)


def test_a_replay_wants_a_known_style_and_a_seed(fuzz: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--replay", "nonsense:1"]) == 2
    assert "must name a style" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["demand", "renewable_used", "grid_import", "storage_charge", "stored_energy", "trade", "nodal_price"])
def test_the_referee_bounds_what_is_wrong_with_a_perturbed_clearing(name: str) -> None:
    day = random_day(0)
    charges = charges_of(day, 0.05)
    clearing = market().clear(day, charges)
    exact = distance(day, charges, clearing)
    assert exact.norm < 1e-9
    assert exact.revenue_share < 1e-8
    assert exact.objective_share < 1e-12
    array = np.array(getattr(clearing, name))
    place = np.unravel_index(int(np.argmax(array)), array.shape)
    array[place] += 1e-4
    changes: dict[str, Any] = {name: array}
    wrong = distance(day, charges, replace(clearing, **changes))
    assert max(wrong.norm, wrong.moved_share) > 1e-6


def test_the_referee_knows_an_exact_answer_at_other_charges_for_wrong() -> None:
    day = random_day(1)
    clearing = market().clear(day, charges_of(day, 0.05))
    assert distance(day, charges_of(day, 0.0500001), clearing).norm > 1e-9
    assert distance(day, charges_of(day, 0.06), clearing).revenue_share > 1e-3


def test_the_bound_covers_the_distance_to_the_optimum_of_a_point_that_is_none() -> None:
    # The optimum at other charges keeps every equation, so that its distance from the optimum of the day is known.
    day = random_day(2)
    charges = charges_of(day, 0.05)
    exact = market().clear(day, charges)
    for by in (1e-3, 1e-5):
        other = market().clear(day, (1.0 + by) * charges)
        found = distance(day, charges, replace(other, nodal_price=exact.nodal_price, storage_price=exact.storage_price))
        program = program_of(day, charges)
        apart = point_of(program, other)[0] - point_of(program, exact)[0]
        true = float(np.sqrt(program.period_hours * (program.quadratic * apart**2).sum()))
        assert true <= found.norm * (1 + 1e-9)
        revenue = program.period_hours * float(abs((program.charge * apart).sum()))
        assert revenue <= found.revenue_error_eur * (1 + 1e-9)


def test_piqp_finds_the_referees_program_to_have_the_same_optimum() -> None:
    for seed in range(5):
        day = random_day(seed)
        charges = charges_of(day, 0.1)
        clearing = StructuredMarket().clear(day, charges)
        answer = solved_by_piqp(program_of(day, charges))
        assert answer is not None
        assert answer[1] == pytest.approx(clearing.objective_eur, rel=1e-8)


@pytest.mark.parametrize("name", ["ties:3100103529", "lossless:3100106544"])
def test_an_inaccurate_answer_of_piqp_does_not_contradict_a_clearing_that_the_bound_proves(fuzz: Any, name: str) -> None:
    """At charges hundreds of times every price PIQP's answer costs 1e-6 more than what is proved to 1e-13 of the turnover."""
    style, seed = name.split(":")
    case = fuzz.case_of(style, int(seed))
    found = fuzz.checked_clearing(case, StructuredMarket(threads=1), P2PMarket())
    assert found.outcome == "right", found.detail
    assert found.measures["objective"] < 1e-12
    program = program_of(case.day, case.charges)
    answer = solved_by_piqp(program)
    clearing = market().clear(case.day, case.charges)
    assert answer is not None
    assert answer[1] > clearing.objective_eur
    assert sys.modules["fuzzing.clearings"].contradiction(program, clearing, answer, decided=False)


def test_another_solver_contradicts_a_clearing_where_its_own_answer_is_feasible_and_costs_less(fuzz: Any) -> None:
    contradiction = sys.modules["fuzzing.clearings"].contradiction
    day = random_day(0)
    charges = charges_of(day, 0.1)
    program, right = program_of(day, charges), market().clear(day, charges)
    answer = solved_by_piqp(program)
    assert answer is not None
    elsewhere = market().clear(day, charges_of(day, 0.3))
    costly = replace(elsewhere, objective_eur=float(program.cost(point_of(program, elsewhere)[0])))
    for decided in (True, False):
        assert not contradiction(program, right, answer, decided=decided)
        assert contradiction(program, costly, answer, decided=decided)
        cheap = 0.9 * answer[0]  # costs less than the optimum, and misses balances
        assert not contradiction(program, right, (cheap, right.objective_eur - 1e-3), decided=decided)
    worse = point_of(program, costly)[0], costly.objective_eur
    assert not contradiction(program, right, worse, decided=True)
    assert contradiction(program, right, worse, decided=False)


def test_flows_that_break_kirchhoffs_laws_are_seen() -> None:
    grid = random_network(3, meshed=True).grid
    assert kirchhoff_fault(grid) < 1e-9
    ptdf = np.array(grid.ptdf)
    ptdf[0, 2] += 1e-3
    assert kirchhoff_fault(replace(grid, ptdf=ptdf)) > 1e-4


def test_a_bound_that_is_too_low_is_contradicted(fuzz: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    optima: Any = sys.modules["fuzzing.optima"]
    honest = optima.solve_optimum

    def boastful(*arguments: Any, **options: Any) -> Any:
        found = honest(*arguments, **options)
        return replace(found, upper_bound_eur=found.upper_bound_eur - 1e-3 * abs(found.upper_bound_eur))

    case = next(case for case in (fuzz.case_of("plain", seed) for seed in range(50)) if case.objective == "profit" and not case.hard_limits)
    assert fuzz.checked_optimum(case, StructuredMarket()).outcome == "right"
    monkeypatch.setattr(optima, "solve_optimum", boastful)
    assert fuzz.checked_optimum(case, StructuredMarket()).outcome == "wrong"


@pytest.mark.parametrize("name", ["wearless:2200000745", "large:2200000294", "plain:7800004721"])
def test_a_right_proof_is_accepted_where_trades_or_stores_alone_can_take_up_what_a_clearing_misses(fuzz: Any, name: str) -> None:
    """What 1e-12 kWh missed of an equation can be worth is a bound's root of it, unless somebody takes it up."""
    optima: Any = sys.modules["fuzzing.optima"]
    style, _, seed = name.partition(":")
    case, with_market = fuzz.case_of(style, int(seed)), StructuredMarket(threads=1)
    options = {"cap": case.cap, "flows": case.flows, "objective": case.objective, "hard_limits": case.hard_limits}
    found = optima.solve_optimum(case.day, case.network, case.tariff, market=with_market, **options)
    assert found.certificate.verify(market=with_market).clearings > 0


def test_false_proofs_of_random_communities_are_refused_whatever_is_false_in_them(fuzz: Any) -> None:
    optima: Any = sys.modules["fuzzing.optima"]
    with_market, seen = StructuredMarket(threads=1), set()
    for style in ("plain", "storage", "lossless", "signs", "hourly", "costly"):
        case = fuzz.case_of(style, 3)
        options = {"cap": case.cap, "flows": case.flows, "objective": case.objective, "hard_limits": case.hard_limits}
        right = optima.solve_optimum(case.day, case.network, case.tariff, market=with_market, **options)
        trials = optima.Trials(case, case.network, case.tariff, with_market)
        assert not trials.faults(right)
        for what, false in optima.falsified(right.certificate, optima.least_falsehood_eur(trials), np.random.default_rng(4)):
            seen.add(what.split("[")[0])
            with pytest.raises(CertificateError):
                false.verify(market=with_market)
    assert seen > {"more is earned", "everything is bounded lower", "another charge earns as much", "one of the pieces is gone"}
