"""The compiled loops are ordinary Python underneath: run as such, they find the same answers, and coverage can see them."""

from __future__ import annotations

import numpy as np
import pytest
from builders import random_day
from numba.core.dispatcher import Dispatcher

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact.compiled import (
    StructuredMarket,
    boxes,
    edges,
    exact,
    interior_point,
    kernel,
    linear_algebra,
    market,
    market_sums,
)

DAYS = {
    "storage": lambda: random_day(0, n=3, periods=4, stores=1),
    "no storage": lambda: random_day(1, n=3, periods=3, stores=0),
    "prices below zero": lambda: random_day(2, n=3, periods=3, stores=1, import_price=-0.05, export_price=-0.3),
}


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every compiled function, wherever it is called from, be the Python it was compiled from."""
    for module in (boxes, edges, exact, interior_point, kernel, linear_algebra, market, market_sums):
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(module, name, value.py_func)


@pytest.fixture(params=DAYS)
def day(request: pytest.FixtureRequest) -> Day:
    return DAYS[request.param]()


@pytest.fixture
def compiled_trade(day: Day) -> np.ndarray:
    """What compiled loops find; asked for before `interpreted`, which takes them away."""
    return StructuredMarket().clear(day, np.full((3, 3), 0.05)).trade


def test_interpreted_loops_find_what_compiled_ones_find(day: Day, compiled_trade: np.ndarray, interpreted: None) -> None:
    clearing = StructuredMarket().clear(day, np.full((3, 3), 0.05))
    assert clearing.certificate.holds()
    assert not clearing.fallback
    np.testing.assert_allclose(clearing.trade, compiled_trade, atol=1e-12)
