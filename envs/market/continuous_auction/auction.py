"""The continuous double auction, charge-aware: orders arrive in a seeded order and trade at once.

::

    1  plan alone   each prosumer solves its own day without trades, storage included
    2  submit       for each period a stepwise curve of bids and one of asks along its own marginal value, as in the call auction
    3  arrive       one step at a time, in an order drawn from the seed                                             (arrivals)
    4  trade        with the counterpart whose price net of τ_ij is best, at the standing order's price; else stand (book)
    5  re-plan      each prosumer solves its day again, with its contracts fixed

**Messages.** A prosumer sends one order for each step, and gets one notice for each fill of its orders.

**Promised.** Nobody ends worse off than without trades: whatever steps of a falling curve are filled are worth at least their own prices.
Energy balances, payments sum to zero, and the operator is paid Στp, once for each kWh however many fills it takes. At the end of the book
no two orders are left that could trade with a gain net of their charge, or without a loss (:class:`.outcome.BookEvidence`). The same day,
seed and charges give the same outcome, and other charges meet the same arrivals: differences between charges are not noise.

**Not promised.** The best matching: who comes early may take what another could have used better. One price: each fill has its own.
Prosumers who are alike may fare differently, by their place in the queue; a tie between standing orders goes to the one that stands
longest. Trades jump with the charge: there are no gradients, and no certified optimum.

Sources: the market institution is that of Smith, *Journal of Political Economy* 70(2), 1962. ``traders="zero-intelligence"`` are the
constrained traders of Gode and Sunder, *Journal of Political Economy* 101(1), 1993: each order's price is drawn uniformly between what it
is worth to its owner and the retailer's price on the other side, so that nobody can lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal, get_args
from zlib import crc32

import numpy as np

from ...community.day import Array, Day
from ...errors import known_name
from ..call_auction.auction import allocation
from ..call_auction.orders import Orders, orders_of
from ..call_auction.plans import plan_alone, plan_with_contracts
from ..exact.market_data import read_charges_of
from ..mechanism import Allocated
from .outcome import Arrived, BookEvidence, left_gain

NAME: Final = "continuous-auction"
Traders = Literal["truthful", "zero-intelligence"]


@dataclass(frozen=True, kw_only=True)
class ContinuousAuction:
    """The continuous double auction as a mechanism; ``"continuous-auction:seed=3,traders=zero-intelligence"`` makes one.

    Attributes:
        steps: K, steps of each prosumer's curve in a period: orders it sends.
        traders: ``"truthful"``: each order at what it is worth; ``"zero-intelligence"``: at a random price at which it cannot lose.
        seed: Of arrivals and random prices; each day draws its own from it.
    """

    steps: int = 5
    traders: Traders = "truthful"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: If one is out of range.
        """
        for name, least in (("steps", 1), ("seed", 0)):
            value: object = getattr(self, name)  # they may come from the command line
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"`{name}` of {NAME} must be a whole number from {least}, got {value!r}.")
        known_name(f"`traders` of {NAME}", self.traders, get_args(Traders))

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Allocated[BookEvidence]]:
        """Hold the auction of each day; see :class:`~gridtoll.envs.market.mechanism.Mechanism`.

        Raises:
            ValueError: If charges are not valid, or there are not as many as days.
            ClearingError: If a day cannot be cleared.
        """
        return list(map(self._clear, days, read_charges_of(days, charges)))

    def _clear(self, day: Day, charges: Array) -> Allocated[BookEvidence]:
        random = np.random.default_rng([self.seed, crc32(day.label.encode())])
        orders = arrivals(day, orders_of(day, plan_alone(day), self.steps), random, traders=self.traders)
        orders, trade, price, fills = run(day, charges, orders)
        plan = plan_with_contracts(day, trade.sum(axis=2) - trade.sum(axis=1))
        filled = orders.kw - orders.left_kw
        worth = np.where(orders.is_bid, 1.0, -1.0) @ (orders.limit_price * filled)
        evidence = BookEvidence(
            orders=orders,
            fills=fills,
            gain_eur=float(day.period_hours * (worth - (charges * trade).sum())),
            left_gain_eur_per_kwh=left_gain(orders, charges, trade, day.trade_limit),
            plans=plan.evidence,
        )
        return allocation(day, charges, plan, trade=trade, price=price, evidence=evidence)


def arrivals(day: Day, orders: Orders, random: np.random.Generator, *, traders: Traders) -> Arrived:
    """Return every step of every curve as an order of its own, period by period in the order of arrival.

    As many numbers are drawn whatever is submitted, so that one prosumer's curve does not move the others' places.

    Args:
        day: The day.
        orders: What is submitted.
        random: Draws arrivals, and prices where traders have none of their own.
        traders: How they price.
    """
    limit_price = np.stack([orders.bid_price, orders.ask_price], axis=1).reshape(day.n_periods, -1)  # (T, 2·N·K)
    kw = np.stack([orders.bid_kw, orders.ask_kw], axis=1).reshape(day.n_periods, -1)
    place, shares = random.random(kw.shape), random.random(kw.shape)
    is_bid = np.arange(kw.shape[1]) < kw.shape[1] // 2
    price = limit_price
    if traders == "zero-intelligence":
        steps = orders.bid_kw.shape[-1]
        far = np.stack([day.own_export_price, day.own_import_price], axis=1).repeat(steps, axis=-1)
        price = limit_price + shares * (far.reshape(kw.shape) - limit_price)
        price = np.where(is_bid, np.minimum(price, limit_price), np.maximum(price, limit_price))  # friction may leave no room
    drawn = np.argsort(place, axis=1, kind="stable")
    order = [row[kw[period, row] > 0] for period, row in enumerate(drawn)]
    period = np.repeat(np.arange(day.n_periods), [len(row) for row in order])
    which = np.concatenate(order)
    owner = which % (kw.shape[1] // 2) // orders.bid_kw.shape[-1]
    return Arrived(
        period=period,
        owner=owner,
        is_bid=is_bid[which],
        price=price[period, which],
        limit_price=limit_price[period, which],
        kw=kw[period, which],
        left_kw=kw[period, which],
    )


def run(day: Day, charges: Array, orders: Arrived) -> tuple[Arrived, Array, Array, int]:
    """Run the books of a day.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        orders: What arrives.

    Returns:
        The orders with what is left of them; what is traded in kW and its mean price in EUR/kWh, 0 where nobody trades, both of shape
        (T, N, N); and the number of fills.
    """
    from .book import run_book  # noqa: PLC0415 - Numba takes a second to load

    trade, paid, left = np.zeros(charges.shape), np.zeros(charges.shape), orders.kw.copy()
    ends = np.searchsorted(orders.period, np.arange(day.n_periods + 1))
    fills = 0
    for period, (first, last) in enumerate(pairwise(ends)):
        own = slice(first, last)
        fills += run_book(
            orders.owner[own],
            orders.is_bid[own],
            orders.price[own],
            orders.kw[own],
            charges[period],
            day.trade_limit,
            left[own],
            trade[period],
            paid[period],
        )
    price = np.divide(paid, trade, out=np.zeros_like(paid), where=trade > 0)
    return replace(orders, left_kw=left), trade, price, fills
