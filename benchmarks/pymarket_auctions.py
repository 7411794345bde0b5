"""Our auctions beside those of pymarket (Kiedanski, Kofman and Horta, *SoftwareX* 11, 2020) on a thousand random order books.

`pip install pymarket` first, which brings PuLP: it is no dependency of gridtoll, and no code of it is here. Books have five sellers and
five buyers with one order each, without charges and limits, which pymarket does not know. Half have prices and quantities from a
continuum, half whole cents and whole kW, where margins are often tied. Prints what agrees, and puts what does not into kinds, each with a
number.
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.market.call_auction.matching import Matching, match
from gridtoll.envs.market.call_auction.orders import Orders
from gridtoll.envs.market.call_auction.prices import trade_prices
from gridtoll.envs.market.continuous_auction.auction import run
from gridtoll.envs.market.continuous_auction.outcome import Arrived

SIDE = 5
CLOSE = 1e-7


def books(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return prices in EUR/kWh and quantities in kW of ``count`` books, shape (count, 2·SIDE): sellers first, then buyers."""
    random = np.random.default_rng(seed)
    price, kw = random.uniform(0.05, 0.35, (count, 2 * SIDE)), random.uniform(0.5, 5.0, (count, 2 * SIDE))
    tied = np.arange(count) % 2 == 1
    price[tied], kw[tied] = np.round(price[tied] * 20) / 20, np.ceil(kw[tied])
    return price, kw


def day_of(count: int) -> Day:
    """Return a day with one period for each book, whose prosumers may all trade."""
    zero = np.zeros((count, 2 * SIDE))
    return make_day(
        label="books",
        demand_min=zero,
        demand_max=zero + 1.0,
        utility_curvature=0.1,
        utility_slope=0.3,
        renewable=0.0,
        import_price=0.4,
        export_price=0.0,
        loss_price=0.1,
        overload_price=1.0,
        import_fee=0.0,
        import_limit=9.0,
        export_limit=9.0,
        grid_friction=0.01,
        storage_power=0.0,
        storage_capacity=0.0,
        storage_efficiency=1.0,
        storage_wear=0.0,
        storage_start=0.0,
        trade_limit=1000.0,
        trade_friction=0.01,
    )


def orders_of(price: np.ndarray, kw: np.ndarray) -> Orders:
    """Return the books as orders, shape (count, 2·SIDE, 1)."""
    sells = np.arange(2 * SIDE) < SIDE
    one = {"ask": sells, "bid": ~sells}
    arrays = {
        f"{side}_{name}": np.where(which, values, 0.0)[..., None]
        for side, which in one.items()
        for name, values in (("price", price), ("kw", kw))
    }
    return Orders(**arrays)


def worth(price: np.ndarray, sold: np.ndarray, bought: np.ndarray) -> float:
    """Return what trades gain in EUR/h: sold and bought power of each order, shape (2·SIDE,)."""
    return float(price @ bought - price @ sold)


def table_of(price: np.ndarray, kw: np.ndarray) -> pd.DataFrame:
    """Return a book as pymarket reads it."""
    pm = importlib.import_module("pymarket")
    bids = pm.BidManager()
    for who, (each, quantity) in enumerate(zip(price, kw, strict=True)):
        bids.add_bid(float(quantity), float(each), who, who >= SIDE)
    return bids.get_df()


def theirs(price: np.ndarray, kw: np.ndarray, seed: int) -> dict[str, Any]:
    """Return what pymarket makes of a book: most welfare, competitive price and quantity, Huang's auction, random pairs."""
    pm = importlib.import_module("pymarket")
    table = table_of(price, kw)
    demand, _ = pm.demand_curve_from_bids(table)
    supply, _ = pm.supply_curve_from_bids(table)
    quantity, *_ = pm.intersect_stepwise(demand, supply)
    _, best, _ = pm.maximum_aggregated_utility(table)
    _, huang = pm.huang_auction(table)
    random, _ = pm.p2p_random(table, r=np.random.RandomState(seed))
    trades = random.get_df()
    traded = trades.groupby("bid").quantity.sum().reindex(range(2 * SIDE), fill_value=0.0).to_numpy()
    sells = np.arange(2 * SIDE) < SIDE
    return {
        "best": float(best or 0.0),
        "quantity": float(quantity or 0.0),
        "huang_quantity": float(huang.get("quantity_traded") or 0.0),
        "random_gain": worth(price, np.where(sells, traded, 0.0), np.where(sells, 0.0, traded)),
        "random_quantity": float(traded[sells].sum()),
    }


def arrived(price: np.ndarray, kw: np.ndarray, seed: int) -> Arrived:
    """Return every book as orders that arrive in a random order."""
    random = np.random.default_rng(seed)
    which = np.argsort(random.random(price.shape), axis=1)
    flat = {name: np.take_along_axis(values, which, axis=1).ravel() for name, values in (("price", price), ("kw", kw))}
    return Arrived(
        period=np.repeat(np.arange(len(price)), price.shape[1]),
        owner=which.ravel(),
        is_bid=which.ravel() >= SIDE,
        price=flat["price"],
        limit_price=flat["price"],
        kw=flat["kw"],
        left_kw=flat["kw"],
    )


def kind_of_quantity(price: np.ndarray, ours: float, other: float) -> str:
    """Say why two quantities of one book differ."""
    if abs(ours - other) <= CLOSE:
        return "equal"
    cents = set(np.round(price[:SIDE], 9)) & set(np.round(price[SIDE:], 9))
    return "a bid and an ask at the same price: worth nothing, we trade it" if cents and ours > other else "unexplained"


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # pymarket writes into copies of its tables
    importlib.import_module("pulp").LpSolverDefault.msg = False
    price, kw = books(options.books, options.seed)
    day, charges = day_of(options.books), np.zeros((options.books, 2 * SIDE, 2 * SIDE))
    orders = orders_of(price, kw)
    matching: Matching = match(day, charges, orders, power=1.0, price=0.3)
    _, one_price = trade_prices(day, charges, orders, matching, uniform=True, k=0.5)
    _, trade, _, _ = run(day, charges, arrived(price, kw, options.seed))
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("welfare", "quantity", "price", "huang", "random", "continuous")}
    shares: dict[str, list[float]] = {"continuous": [], "random": [], "huang": []}
    for book in range(options.books):
        other = theirs(price[book], kw[book], book)
        sold, bought = matching.trade[book].sum(axis=1), matching.trade[book].sum(axis=0)
        gain, quantity = worth(price[book], sold, bought), float(sold.sum())
        counts["welfare"]["equal" if abs(gain - other["best"]) <= CLOSE else "unexplained"] += 1
        counts["quantity"][kind_of_quantity(price[book], quantity, other["quantity"])] += 1
        if quantity > 0:
            counts["price"]["one price for all" if one_price[book] else "no one price"] += 1
        counts["huang"]["less than ours: the price setters do not trade" if other["huang_quantity"] < quantity - CLOSE else "as much"] += 1
        over = other["random_gain"] > gain + CLOSE
        counts["random"]["more than ours (unexplained)" if over else "at most ours"] += 1
        now = worth(price[book], trade[book].sum(axis=1), trade[book].sum(axis=0))
        counts["continuous"]["more than the call auction (unexplained)" if now > gain + CLOSE else "at most the call auction"] += 1
        if gain > CLOSE:
            shares["continuous"].append(now / gain)
            shares["random"].append(other["random_gain"] / gain)
            shares["huang"].append(other["huang_quantity"] / quantity)
    for name, counted in counts.items():
        print(f"{name:11}", "; ".join(f"{kind}: {number}" for kind, number in counted.most_common()))
    for name, each in shares.items():
        what = "of our quantity" if name == "huang" else "of the greatest gain"
        print(f"{name:11} mean share {what}: {np.mean(each):.3f}")


if __name__ == "__main__":
    main()
