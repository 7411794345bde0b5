"""Prices period by period: those of prosumers where a mechanism has them, else those of the trades that were made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.mechanism import Allocated, Noted, make_mechanism
from gridtoll.envs.market.price_levels import price_levels
from gridtoll.envs.market.solvers import make_market

DAY = load_community("ieee9").day(180)
FREE = np.zeros((DAY.n_prosumers, DAY.n_prosumers))


def test_nodal_prices_are_shown_where_there_are_some() -> None:
    found = make_market().clear(DAY, FREE)
    levels = price_levels(found)
    assert levels.of == "nodal"
    np.testing.assert_array_equal(levels.mean, found.nodal_price.mean(axis=1))
    assert (levels.least <= levels.mean).all()
    assert (levels.mean <= levels.greatest).all()


def test_else_the_prices_of_trades_weighted_by_what_was_traded_and_nothing_where_nobody_traded() -> None:
    zero = np.zeros((2, 2))
    trade, price = np.zeros((2, 2, 2)), np.full((2, 2, 2), 9.0)
    trade[0, 0, 1], trade[0, 1, 0], price[0, 0, 1], price[0, 1, 0] = 3.0, 1.0, 0.1, 0.3
    names = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy")
    quantities: dict[str, Any] = dict.fromkeys(names, zero)
    found = Allocated(**quantities, trade=trade, trade_price=price, evidence=Noted(values={}))
    levels = price_levels(found)
    assert levels.of == "trade"
    assert [levels.least[0], levels.mean[0], levels.greatest[0]] == pytest.approx([0.1, 0.15, 0.3])
    assert np.isnan([levels.least[1], levels.mean[1], levels.greatest[1]]).all()


def test_an_auction_is_shown_by_the_prices_of_its_trades() -> None:
    [found] = make_mechanism("call-auction").clear_many([DAY], [FREE])
    levels, made = price_levels(found), found.trade > 0
    assert levels.of == "trade"
    assert found.trade_price[made].min() == np.nanmin(levels.least)
    assert found.trade_price[made].max() == np.nanmax(levels.greatest)
    nobody = replace(DAY, trade_limit=np.zeros_like(DAY.trade_limit))
    [idle] = make_mechanism("call-auction").clear_many([nobody], [FREE])
    assert np.isnan(price_levels(idle).mean).all()


@pytest.mark.parametrize("game", ["DayAhead", "Hourly"])
@pytest.mark.parametrize("mechanism", ["call-auction", "exact"])
def test_environments_draw_what_a_mechanism_has(game: str, mechanism: str) -> None:
    env = gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", community="ieee9", mechanism=mechanism, render_mode="rgb_array")
    env.reset(options={"day": 180})
    before = np.asarray(env.render())
    for _ in range(1 if game == "DayAhead" else 12):
        env.step(np.array([0.1]))
    after = np.asarray(env.render())
    assert after.shape == before.shape
    assert not np.array_equal(before, after)
