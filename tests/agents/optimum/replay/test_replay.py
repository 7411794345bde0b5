"""The replay of an hourly day's bound shares no arithmetic with the search, comes to the same, and refuses what does not follow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gridtoll.agents.optimum import CertificateError, replay
from gridtoll.agents.optimum.hourly_game.search import HourlyDay
from gridtoll.agents.optimum.one_store.bound import BoxProgram, ChargeBoxes
from gridtoll.agents.optimum.one_store.certificate import FORMAT, StoreCertificate, store_certificate_of
from gridtoll.agents.optimum.one_store.check import check_optimum
from gridtoll.agents.optimum.one_store.hours import StoreHours
from gridtoll.agents.optimum.one_store.refine import cells_near
from gridtoll.agents.optimum.one_store.solve import StoreOptimum, hours_of
from gridtoll.agents.optimum.replay.elements import elements_of
from gridtoll.agents.optimum.replay.pieces import pieces_of
from gridtoll.agents.optimum.replay.play import earned_eur
from gridtoll.envs import HourlyEnv, Scenario
from gridtoll.envs.account.settlement import Flows
from gridtoll.envs.community.day import Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.cli import main
from gridtoll.train.references import one_store
from gridtoll.train.references.certificates import about_day, write_whole
from gridtoll.train.references.meaning import source_of

FOLDER = Path(replay.__file__).parent
MARKET = StructuredMarket(threads=1)
THE_SEARCH = ("/one_store/", "/hourly_game/", "/settlement.py", "/exact/market_data.py", "/exact/point.py")


def coarse(env: HourlyEnv, scenario: Scenario) -> StoreCertificate:
    """Return a proof of a few lines and slabs: its bound is far away, and a bound all the same."""
    day = HourlyDay(env.game, scenario, MARKET)
    hours = hours_of(day)
    program, cap = BoxProgram(hours, threads=1), env.charge_cap
    price = np.unique(np.concatenate([[-0.2, 0.0], np.linspace(0.05, 0.4, 8), [16.0 * (1.0 + cap)]]))
    edges = cap * np.array([0.0, 1e-3, 0.02, 0.1, 0.3, 1.0])
    near = np.full(hours.n_periods + 1, program.start)
    boxes = ChargeBoxes(
        price=price,
        low=edges[:-1],
        high=edges[1:],
        used=np.ones((hours.n_periods, len(edges) - 1), dtype=np.bool_),
        cells=cells_near(near, program.capacity),
    )
    found = program.run(boxes, [hours.lines(hour, price) for hour in range(hours.n_periods)], near)
    charges = 0.2 * cap * np.ones(hours.n_periods)
    known = StoreOptimum(
        charges=tuple(charges.tolist()),
        best_eur=day.walk(charges[:, None]).goal_eur,
        upper_bound_eur=found.bound_eur,
        price=tuple(price.tolist()),
        slabs=(tuple(edges.tolist()),) * hours.n_periods,
        near=tuple(near.tolist()),
        rounds=0,
        seconds=0.0,
    )
    return StoreCertificate(
        day=hours.day,
        network=env.community.network,
        basis=env.tariff.basis[0],
        flows=env.setting.rules.flows,
        charge_cap=cap,
        known=known,
    )


@pytest.fixture(scope="module")
def proof() -> StoreCertificate:
    return coarse(HourlyEnv("ieee9-pooled"), Scenario(170, 0))


def test_it_imports_nothing_of_the_search() -> None:
    own = source_of(sorted(FOLDER.glob("*.py")))
    reached = {file.as_posix() for file in own.files}
    assert not [name for name in reached if any(part in name for part in THE_SEARCH)]
    assert not [name for name in reached if "/agents/optimum/" in name and "/replay/" not in name and not name.endswith("__init__.py")]


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("community", ["simbench-rural-pooled", "ieee9-pooled"])
def test_its_pieces_are_the_lines_that_the_search_traces(community: str, flows: Flows) -> None:
    env, rng = HourlyEnv(community), np.random.default_rng(5)
    day, network, basis, cap = env.day_of(Scenario(180, 1)), env.community.network, env.tariff.basis[0], env.charge_cap
    day = replace(day, import_fee=0.05, overload_price=2.0)
    hours, price = StoreHours(day, network, basis, cap=cap, flows=flows), np.sort(rng.uniform(-0.05, 0.4, 4))
    for hour in (3, 19):
        pieces = pieces_of(elements_of(day, network, basis, hour, flows=flows), price, cap)
        lines = hours.lines(hour, price)
        assert np.array_equal(pieces.over.astype(bool), lines.over)
        charges = np.sort(rng.uniform(0.0, cap, (4, 60)), axis=1)
        which = np.stack([np.searchsorted(start, own, side="right") - 1 for start, own in zip(pieces.start, charges, strict=True)])
        found = pieces.at(charges, which)
        for number, own in enumerate(charges):
            rows = lines.rows[slice(*lines.first[number : number + 2])]
            k = np.searchsorted(rows[:, 0], own, side="right") - 1
            share = (own - rows[k, 0]) / (rows[k + 1, 0] - rows[k, 0])
            curved = share * (1.0 - share) * rows[k, 4]
            for quantity, bent in ((1, 0.0), (2, 0.0), (3, curved)):
                expected = rows[k, quantity] + share * (rows[k + 1, quantity] - rows[k, quantity]) + bent
                assert found[quantity - 1, number] == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(rows[:, quantity]).max())


def test_the_replayed_bound_is_that_of_the_search(proof: StoreCertificate) -> None:
    found = proof.verify(market=MARKET)
    assert found.greatest_bound_excess_eur <= found.tolerance_eur
    assert found.greatest_bound_excess_eur == pytest.approx(0.0, abs=1e-5 * proof.known.upper_bound_eur)
    assert found.greatest_difference_eur <= found.tolerance_eur
    assert found.clearings == 24


def test_no_sequence_played_contradicts_the_bound_in_any_hour(proof: StoreCertificate) -> None:
    found = check_optimum(HourlyDay(HourlyEnv("ieee9-pooled").game, Scenario(170, 0), MARKET), proof.known, sequences=8, threads=1)
    assert found.holds
    assert found.sequences == 8
    assert found.bound_eur == pytest.approx(proof.known.upper_bound_eur, rel=1e-12)
    assert found.replayed_eur == pytest.approx(proof.known.best_eur, rel=1e-12)


def test_the_replayed_charges_earn_what_the_game_pays() -> None:
    env = HourlyEnv("simbench-rural-pooled", flows="injections")
    day = HourlyDay(env.game, Scenario(180, 0), MARKET)
    charges = np.random.default_rng(2).uniform(0.0, 0.4, 24)
    earned = earned_eur(
        day.start.loaded.day, env.community.network, env.tariff.basis[0], flows="injections", charges=charges.tolist(), market=MARKET
    )
    assert earned == pytest.approx(day.walk(charges[:, None]).goal_eur, abs=1e-7)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"best_eur": 1.0}, "must earn 1.0 EUR, and earn"),
        ({"best_eur": 9e9}, "must be at least what was earned"),
        ({"upper_bound_eur": float("nan")}, "finite numbers only"),
        ({"price": (-0.2, 0.1, 40.0)}, "one of them be 0"),
        ({"price": (-0.2, 0.0, -0.1)}, "must rise"),
        ({"slabs": ((0.0, 0.1),) * 24}, "must cover every charge"),
        ({"slabs": ()}, "for each of 24 periods"),
        ({"charges": (-0.1,) * 24}, "must lie in"),
    ],
)
def test_a_proof_with_a_wrong_number_is_refused(proof: StoreCertificate, change: dict[str, object], reason: str) -> None:
    with pytest.raises(CertificateError, match=reason):
        replace(proof, known=replace(proof.known, **change)).verify(market=MARKET)  # type: ignore[arg-type]


def test_a_bound_that_does_not_follow_is_refused(proof: StoreCertificate) -> None:
    less = 0.5 * (proof.known.best_eur + proof.known.upper_bound_eur)
    with pytest.raises(CertificateError, match="lines and slabs only prove"):
        replace(proof, known=replace(proof.known, upper_bound_eur=less)).verify(market=MARKET)


def test_prices_that_leave_out_what_there_can_be_are_refused(proof: StoreCertificate) -> None:
    with pytest.raises(ClearingError, match="must reach from where the store only gives"):
        replace(proof, known=replace(proof.known, price=(-0.2, 0.0, 0.1))).verify(market=MARKET)


def test_a_proof_is_written_and_read_back_and_of_its_own_day_only(proof: StoreCertificate) -> None:
    content = json.loads(json.dumps(proof.content()))

    def read(written: dict[str, object], day: Day) -> StoreCertificate:
        return store_certificate_of(written, day, proof.network, proof.basis, flows=proof.flows, cap=proof.charge_cap, source="it")

    assert read(content, proof.day).known == proof.known
    with pytest.raises(ValueError, match="the data, flows and cap of day"):
        read(content, replace(proof.day, import_fee=0.3))
    with pytest.raises(ValueError, match="must hold the proof of an hourly day"):
        read({}, proof.day)


def test_the_command_line_keeps_a_proof_and_checks_it(
    proof: StoreCertificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(one_store, "PROOFS", SimpleNamespace(kept=lambda key: proof.known))
    file = tmp_path / "hourly.json"
    one_store.save_store(file, GameSpec(env="hourly", community="ieee9-pooled"), Scenario(170, 0))
    assert main(["verify", str(file), "--solver", "structured"]) == 0
    told = capsys.readouterr().out
    assert "replayed_bound_eur" in told
    assert "worked out again from lines and slabs" in told

    file.write_text(file.read_text().replace('"rounds": 0', '"rounds": 1'))
    assert main(["verify", str(file), "--solver", "structured"]) == 1
    assert "was changed after it was written" in capsys.readouterr().out
    monkeypatch.setattr(one_store, "PROOFS", SimpleNamespace(kept=lambda key: None))
    with pytest.raises(ValueError, match="there is none of"):
        one_store.save_store(file, GameSpec(env="hourly", community="ieee9-pooled"), Scenario(170, 0))


def test_a_file_of_another_version_is_called_that(proof: StoreCertificate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task, scenario = GameSpec(env="hourly", community="ieee9-pooled"), Scenario(170, 0)
    older = proof.content() | {"format": f"{FORMAT.rpartition(' ')[0]} 0", "about": about_day(task, scenario)}
    write_whole(tmp_path / "older.json", older)
    assert main(["verify", str(tmp_path / "older.json"), "--solver", "structured"]) == 2
    assert "of another version of gridtoll. Check it with that, or write it again" in capsys.readouterr().err


def test_a_day_without_such_a_proof_has_no_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["optimum", "--env", "hourly", "--community", "two-prosumers", "--day", "170", "--plans", "20", "--quiet"]
    assert main([*asked, "--certificate", str(tmp_path / "none.json")]) == 2
    assert "--certificate must go with an hourly day that has one store" in capsys.readouterr().err
