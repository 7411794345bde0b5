"""The proof of an hourly day with one store is kept as it goes, gone on from after a kill, and what leaders are scored against."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.optimum.one_store import refine, solve
from gridtoll.agents.optimum.one_store.solve import StoreOptimum
from gridtoll.envs import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.references import store
from gridtoll.train.references.answers import Form, Key
from gridtoll.train.references.hours import SearchEffort, search_day
from gridtoll.train.references.one_store import is_of_one_store, save_store
from gridtoll.train.scoring.evaluate import Leader, evaluate_leader
from gridtoll.train.workers import Workers

TASK = GameSpec(env="hourly", community="ieee9-pooled")
DAY = Scenario(170, 0)


def effort(seconds: float) -> SearchEffort:
    """Return next to no search, and a proof of so many seconds that never comes close enough."""
    return SearchEffort(starts=0, plans=40, clearings=4, tolerance=1e-9, seconds=seconds * SearchEffort.plans / 40)


@pytest.fixture
def few_boxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "user_cache_dir", lambda: tmp_path)
    monkeypatch.setattr(solve, "_PRICES", 12)
    monkeypatch.setattr(solve, "_PLANS", 1)
    monkeypatch.setattr(refine, "_SLABS", 4)
    monkeypatch.setattr(refine, "_MOST_SLABS", 24)
    monkeypatch.setattr(refine, "_MOST_LINES", 4)


@pytest.mark.long
@pytest.mark.usefixtures("few_boxes")
def test_a_proof_that_is_killed_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rounds: list[StoreOptimum] = []
    keep = Form.keep

    def kept(self: Form[StoreOptimum], key: Key, answer: StoreOptimum) -> StoreOptimum:
        if len(rounds) == 2:
            raise KeyboardInterrupt
        rounds.append(keep(self, key, answer))
        return answer

    monkeypatch.setattr(Form, "keep", kept)
    with pytest.raises(KeyboardInterrupt):
        search_day(TASK, DAY, effort(600.0))
    assert [each.rounds for each in rounds] == [0, 1]
    assert rounds[1].upper_bound_eur < rounds[0].upper_bound_eur

    monkeypatch.setattr(Form, "keep", keep)
    leader = Leader.of("mine", ConstantPolicy([0.2]), 0)
    scored = evaluate_leader(leader, TASK, [DAY], Workers(1), split="test", effort=effort(0.0))
    [row] = scored.rows
    assert row.upper_bound_eur <= rounds[1].upper_bound_eur
    assert row.optimum_eur >= rounds[1].best_eur - 1e-6
    assert not row.certified
    told = scored.summary(0).values()
    assert 0.0 < told["regret_to_best_found"] < told["regret_to_bound"]
    assert told["regret_to_bound"] == pytest.approx(row.upper_bound_eur - row.objective_eur)
    assert told["certified_days"] == 0
    save_store(tmp_path / "day.json", TASK, DAY)
    assert is_of_one_store(tmp_path / "day.json")
