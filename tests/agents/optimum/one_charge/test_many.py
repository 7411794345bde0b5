"""The optimum of a community cleared as many prosumers are: the same as by dense blocks, and little is kept on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network
from referee import account

from gridtoll.agents.optimum import Optimum, solve_optimum
from gridtoll.agents.optimum.one_charge import search as search_module
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.sparse import clear as sparse

_N = 10


def few_partners(seed: int) -> Day:
    day = random_day(seed, n=_N, stores=3)
    apart = np.abs(np.arange(_N)[:, None] - np.arange(_N))
    return random_day(seed, n=_N, stores=3, trade_limit=day.trade_limit * ((apart > 0) & (apart <= 3)))


def solve(seed: int, **options: Any) -> tuple[Optimum, StructuredMarket]:
    network, market = random_network(seed, n=_N), StructuredMarket(threads=1)
    return solve_optimum(few_partners(seed), network, make_tariff("distance", network), cap=0.6, market=market, **options), market


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", [{}, {"objective": "welfare"}, {"flows": "injections"}], ids=str)
def test_sparse_loops_lead_to_the_optimum_of_dense_blocks(seed: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    dense, _ = solve(seed, **options)
    monkeypatch.setattr(sparse, "LEAST", 1)
    found, market = solve(seed, **options)
    assert market.fallbacks == 0
    at_stake = 2e-6 * max(abs(dense.revenue_eur), abs(dense.recleared_eur), 1e-3)
    assert found.recleared_eur == pytest.approx(dense.recleared_eur, abs=at_stake)
    assert dense.recleared_eur <= found.upper_bound_eur + at_stake
    assert found.recleared_eur <= dense.upper_bound_eur + at_stake
    certificate = found.certificate
    assert certificate is not None
    monkeypatch.undo()
    certificate.verify(market=StructuredMarket(threads=1))


@pytest.mark.parametrize("seed", range(3))
def test_the_account_of_an_optimum_is_that_of_the_referee(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "LEAST", 1)
    found, market = solve(seed)
    day, network = few_partners(seed), random_network(seed, n=_N)
    charges = found.charge * network.distance
    by_referee = account(day, network, charges, market.clear(day, charges), flows="trades")
    assert found.recleared_eur == pytest.approx(float(by_referee.profit_eur), rel=1e-9, abs=1e-9)


def test_gaps_that_cannot_beat_the_incumbent_keep_their_bound_only(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    put_together = search_module._optimum

    def optimum(search: Any, clearing: Any, began: float) -> Optimum:
        searches.append(search)
        return put_together(search, clearing, began)

    monkeypatch.setattr(search_module, "_optimum", optimum)
    found, _ = solve(1)
    (search,) = searches
    gaps = search.gaps
    assert all(gap.bound_eur <= search.best_eur for gap in gaps._closed)
    assert all(-gap.negative_bound > search.best_eur for gap in gaps._heap)
    assert len(gaps._closed) > len(gaps._heap)
    assert len(found.gaps) == len(gaps._closed) + len(gaps._heap) + len(gaps._slivers)
