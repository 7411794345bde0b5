"""An upper bound on what any charges earn in the hourly game with several stores, where prosumers take each charge as standing.

The bound for any belief (:mod:`.bound`) lets the leader name everybody's price in every hour, and with it what stores do. Here prosumers
take the charge of the hour as standing. So what stored energy is worth to them is known within limits, and that is most of the matter.

**Theorem.** Let a box e̲_t ≤ e ≤ ē_t hold what stores can hold at the beginning of hour t, whatever was charged. Let [0, cap] be cut into
slabs of charges. For a slab let p̲ ≤ p ≤ p̄ be what stored energy can be worth (:mod:`.stored_worth`), and let the hour's nodal prices be
covered by ranges, each μ̲_i ≤ μ_i ≤ μ̄_i for all i. Then for all α, with α_T+1 = 0, and any π of each range, the profit of the day is

    Σ_t Π_t ≤ Σ_t max over slabs and ranges of Σ_i max { Δ·(μ_i − π)·(D_i(μ_i) + c_i − s_i) + Δ·ν·m_i(μ_i) − α_it·Δ·(ηc_i − s_i/η) }
              + Σ_t Σ_i max { e·(α_it − α_i,t+1) : e̲_i,t+1 ≤ e ≤ ē_i,t+1 } − Σ_i α_i1·e_i0 + Σ_t Δ·ρ_t·Σ_l w_l·f_base,lt²,

the inner maximum over μ_i in its range, and c_i = min(max((ηp − μ_i)/κ, 0), S_i), s_i = min(max((μ_i − p'/η)/κ, 0), S_i), p and p' in
[p̲_i, p̄_i].

*Proof.* (1), (2) and (4) of :mod:`.bound` hold at any charge: with c and s as they are carried out, revenue is at most Σ (μ_i − π)·n_i,
other terms follow from μ_i, and hours are coupled by energy, which stays in the boxes. What is new is what c, s and μ can be.

(5) *Stores.* The condition of charging is κc = ηp_i − μ_i between its limits, and κs = μ_i − p_i/η that of discharging, with p_i the price
of stored energy in the plan. That is a slope of the cost V_t of the rest of the day at the charge in force, which is taken as standing.

(6) *Nodal prices.* At given p the hour is a network whose balances rise with their own price and fall with no other (:mod:`.between`).
So μ rises in p. It is at most what comes of p̄ where buyers get what they want at the slab's greatest charge and sellers give what they
want at its least, and at least what comes of p̲ with the two exchanged. All that is checked of the prices found is on which side of
balance everybody is. Then one prosumer, whose trades can carry most, has its range cut into cells; with its own price held at the ends of
a cell the others' are bounded again. Where charges are small all prices move together, and a cell says where. A price p̄_i that is infinite,
because the day could not end from a little less energy, has its store fill as fast as it can, as any price does that is great enough.

(7) *Boxes.* With p_i at its greatest, all other prices of energy at their least and μ_i at its least, most is stored. So boxes follow from
boxes, beginning with what the day begins with. No store holds less than what it can still be filled from by the end.  ∎

Each term is a maximum over one price between kinks, the vertex of a parabola. π is found by bisection, α by cutting planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.exact.market_data import Structure, read_charges, scale
from ..one_store.hours import elements
from ..sound import require_finite
from .between import extreme, hour_of
from .bound import base_losses
from .planes import Hours, cheapest
from .stored_worth import StoredWorth

_SLABS, _CLOSER = 32, 1.7  # slabs of charges, closer together near no charge by this power
_CELL, _CELLS = 0.02, 8  # of what a price may be: width wanted, EUR/kWh, and how many at most
_FIRST = 0.1  # first price of stored energy, of the import price
_SUN = 1e-3  # dimensionless: over what prices renewable power is curtailed, on the safe side
_ROUNDING = 1e-9  # of the terms
_LOOSE = 1e-7  # of the capacity, by which boxes are wider


@dataclass(frozen=True, eq=False, kw_only=True)
class StandingBound:
    """An upper bound on the operator's profit of a day whose charges are taken as standing.

    Attributes:
        bound_eur: No charges earn more; infinite where nothing was proved.
        worth: α in EUR/kWh, shape (T, J).
        by_hour_eur: The hours' part of the bound, shape (T,).
        low: What each store holds at least at the beginning of every hour and at the end, kWh, shape (T + 1, J).
        high: What it holds at most.
        plans: Plans cleared.
        rounds: Rounds of cutting planes.
    """

    bound_eur: float
    worth: Array
    by_hour_eur: Array
    low: Array
    high: Array
    plans: int
    rounds: int


def bound_standing(day: Day, network: Network, basis: Array, *, cap: float, slabs: int = _SLABS, max_rounds: int = 60) -> StandingBound:
    """Bound what any charges between 0 and a cap earn on a day of the hourly game with belief ``"standing"``.

    Args:
        day: The day, which prosumers know.
        network: Where they sit.
        basis: B, what a charge of 1 EUR/kWh charges per kWh and pair, shape (N, N).
        cap: The greatest charge, EUR/kWh.
        slabs: Into how many slabs charges are cut.
        max_rounds: Rounds of cutting planes for the prices.
    """
    boxes = _Boxes(day, basis, cap=cap, slabs=slabs)
    start = np.full((day.n_periods, len(boxes.owner)), _FIRST * float(day.own_import_price.max()))
    start *= 0.5
    if not boxes.proved:
        return _stated(boxes, float("inf"), start, np.full(day.n_periods, np.inf), 0)
    found = cheapest(
        boxes.hours, start, start=day.storage_start[boxes.owner], least=boxes.low[1:], most=boxes.high[1:], max_rounds=max_rounds
    )
    allowance = base_losses(day, network)
    size = float(np.abs(found.hours.value).sum()) + abs(found.total) + allowance
    return _stated(boxes, found.total + allowance + _ROUNDING * size, found.prices, found.hours.value, found.rounds)


def plans_of(day: Day, edges: int) -> int:
    """Return how many plans the bound clears with so many edges of slabs."""
    return day.n_periods * edges * (2 + 2 * int(np.count_nonzero(day.has_storage)))


def _stated(boxes: _Boxes, bound: float, worth: Array, hours: Array, rounds: int) -> StandingBound:
    return StandingBound(bound_eur=bound, worth=worth, by_hour_eur=hours, low=boxes.low, high=boxes.high, plans=boxes.plans, rounds=rounds)


class _Boxes:
    """Where the stores can be in every hour, and what prices can be there."""

    def __init__(self, day: Day, basis: Array, *, cap: float, slabs: int) -> None:
        structure = Structure.of(day)
        data = scale(day, read_charges(day, basis), structure)
        self._day, self._hours, self.owner = day, day.period_hours, structure.owner
        n, j, pairs = structure.n_prosumers, len(structure.owner), len(structure.seller)
        self._unit, self._pairs, self._first = data.price_unit, pairs, pairs + 3 * n
        ground, nodes, none = np.full(n, n), np.arange(n), np.full(j, n)
        self._tail = np.concatenate([structure.seller, ground, nodes, nodes, self.owner, none, ground])
        self._head = np.concatenate([structure.buyer, nodes, ground, ground, none, self.owner, nodes])
        self._weight, self._base, self._low, self._high = elements(data)
        self._weight[:, -n:] = data.renewable / _SUN
        self._charge = np.zeros(self._weight.shape)
        self._charge[:, :pairs] = data.charge / data.trade_friction
        self._sun, self._state = data.renewable, np.zeros(len(self._tail), np.int8)
        self._wear = data.storage_wear * data.price_unit  # per price in EUR/kWh: ηp/κ
        self._guess = np.append(0.5 * (data.import_price + data.export_price), np.zeros((structure.n_periods, 1)), axis=1)
        eta, wear = (np.broadcast_to(each, day.storage_power.shape) for each in (day.storage_efficiency, day.storage_wear))
        self._eta, self._kappa, self._power = eta[self.owner], wear[self.owner], day.storage_power[self.owner]
        self._store = np.column_stack([day.storage_power, eta, np.where(day.storage_power > 0, wear, 1.0)])
        shape = day.renewable.shape
        per = (
            *(day.utility_slope, day.utility_curvature, day.demand_min, day.demand_max, day.own_import_price, day.import_limit),
            *(day.own_export_price, day.export_limit, day.grid_friction, day.renewable),
        )
        self._own = np.stack([np.broadcast_to(each, shape) for each in per], axis=2)
        self._edges = cap * (np.arange(slabs + 1) / slabs) ** _CLOSER
        self._hub = int(np.argmax(day.trade_limit.sum(axis=0) + day.trade_limit.sum(axis=1)))  # whose trades can carry most
        needed = np.minimum(day.import_limit, day.demand_max.sum(axis=1).max() + day.storage_power.sum())  # limits may be infinite
        paid = float(np.abs(day.own_import_price).max()) + float((day.grid_friction * needed).max()) + cap * float(basis.max())
        # stands for any greater price of stored energy
        self._dear = 1.5 * (paid + float((self._kappa * self._power).max())) / float(self._eta.min())
        self.low = np.tile(day.storage_start[self.owner], (day.n_periods + 1, 1))
        self.high, self.plans, self.proved = self.low.copy(), 0, True
        self._boxes: list[tuple[Array, Array, Array, Array]] = []  # of each hour: μ̲, μ̄, p, π
        self._follow(StoredWorth(day, basis, self._edges))

    def _follow(self, worth: StoredWorth) -> None:
        """Go through the day, from what stores hold at its beginning to what they can hold at its end."""
        day, n = self._day, self._day.n_prosumers
        capacity, end = day.storage_capacity[self.owner], day.stored_at_end[self.owner]
        for hour in range(day.n_periods):
            least, greatest = worth.between(hour, self.low[hour], self.high[hour])
            later = (day.n_periods - hour - 1) * self._hours * self._eta * self._power
            floor = np.maximum(0.0, end - later) if hour + 1 < day.n_periods else end
            low, high = np.full(len(self.owner), np.inf), np.full(len(self.owner), -np.inf)  # at the end of the hour
            rows: list[tuple[Array, Array, Array]] = []
            for slab in range(len(self._edges) - 1):
                held = np.stack([least[slab], greatest[slab]])
                widest = self._ranges(hour, slab, held, None)
                if widest is None:
                    self.proved = False
                    return
                rows += self._cells(hour, slab, held, widest)
                for j in range(len(self.owner)):
                    if low[j] > floor[j]:
                        low[j] = min(low[j], self.low[hour, j] + self._stored(hour, slab, held, j, most=False, fall_back=widest))
                    if high[j] < capacity[j]:
                        high[j] = max(high[j], self.high[hour, j] + self._stored(hour, slab, held, j, most=True, fall_back=widest))
            every = np.zeros((len(rows), n, 2))
            every[:, self.owner] = np.array([each[2].T for each in rows])
            cheap, dear = np.array([each[0] for each in rows]), np.array([each[1] for each in rows])
            self._boxes.append((cheap, dear, every, 0.5 * (cheap.min(axis=1) + dear.max(axis=1))))
            self.low[hour + 1] = np.maximum(floor, low - _LOOSE * capacity)
            self.high[hour + 1] = np.maximum(self.low[hour + 1], np.minimum(capacity, high + _LOOSE * capacity))
        self.plans = worth.plans

    def _cells(self, hour: int, slab: int, held: Array, widest: tuple[Array, Array]) -> list[tuple[Array, Array, Array]]:
        """Return ranges of nodal prices that cover all there can be, each with the prices of stored energy."""
        low, high = widest
        place = self._hub
        count = int(np.clip(np.ceil((high[place] - low[place]) / _CELL), 1, _CELLS))
        ends, rows = np.linspace(low[place], high[place], count + 1), []
        for cell in range(count):
            inner = self._ranges(hour, slab, held, (place, ends[cell], ends[cell + 1])) if count > 1 else None
            if inner is None:
                inner = low.copy(), high.copy()
            a, b = np.maximum(low, inner[0]), np.minimum(high, inner[1])
            a[place], b[place] = ends[cell], ends[cell + 1]
            if np.all(a <= b):  # else nobody can be there
                rows.append((a, b, held))
        return rows

    def _ranges(self, hour: int, slab: int, held: Array, fixed: tuple[int, float, float] | None) -> tuple[Array, Array] | None:
        """Return least and greatest nodal prices in EUR/kWh, shape (N,) each, with somebody's price between two; None where none hold."""
        found = []
        for upper in (False, True):
            kept = None if fixed is None else (fixed[0], fixed[2] if upper else fixed[1])
            price = self._extreme(hour, slab, held[1 if upper else 0], upper=upper, kept=kept)
            if price is None:
                return None
            found.append(price)
        return found[0], found[1]

    def _stored(self, hour: int, slab: int, held: Array, j: int, *, most: bool, fall_back: tuple[Array, Array]) -> float:
        """Return the most or the least energy that store j gains in an hour, kWh."""
        own, others = (1, 0) if most else (0, 1)
        price = held[others].copy()
        price[j] = held[own, j]
        nodal = self._extreme(hour, slab, price, upper=not most, kept=None)
        mu = (fall_back[0 if most else 1] if nodal is None else nodal)[self.owner[j]]
        eta, p = self._eta[j], price[j]
        charged = min(max((eta * p - mu) / self._kappa[j], 0.0), self._power[j])
        given = min(max((mu - p / eta) / self._kappa[j], 0.0), self._power[j])
        return float(self._hours * (eta * charged - given / eta))

    def _extreme(self, hour: int, slab: int, price: Array, *, upper: bool, kept: tuple[int, float] | None) -> Array | None:
        """Return nodal prices in EUR/kWh that bound all others, shape (N,), at prices of stored energy in EUR/kWh, shape (J,)."""
        j, n, first = len(self.owner), self._day.n_prosumers, self._first
        base, wear, eta, held = self._base[hour].copy(), self._wear[hour], self._eta, np.minimum(price, self._dear)
        base[first : first + j], base[first + j : first + 2 * j] = eta * held / wear, -held / eta / wear
        if not upper:
            base[-n:] = self._sun[hour]
        mu, fixed = self._guess[hour].copy(), -1
        if kept is not None:
            fixed, mu[kept[0]] = kept[0], kept[1] / self._unit
        low, high = self._edges[slab], self._edges[slab + 1]
        same = (self._charge[hour], self._weight[hour], self._tail, self._head, self._low[hour], self._high[hour])
        if not extreme(mu, upper, *((high, low) if upper else (low, high)), base, *same, self._pairs, fixed, self._state):
            return None
        found: Array = mu[:-1] * self._unit
        filled = eta * held - self._kappa * self._power >= found[self.owner]  # at any greater price as well
        return None if upper and np.any((price > held) & ~filled) else found

    def hours(self, prices: Array) -> Hours:
        """Return the most that each hour adds at α in EUR/kWh, shape (T, J), in EUR, and its slope there."""
        value, slope = np.empty(len(prices)), np.empty(prices.shape)
        worth, gained = np.zeros(self._day.n_prosumers), np.empty((self._day.n_prosumers, 2))
        for hour, (low, high, held, price) in enumerate(self._boxes):
            worth[self.owner] = prices[hour]
            value[hour] = hour_of(worth, self._day.import_fee, self._own[hour], self._store, low, high, held, price, gained)
            slope[hour] = -self._hours * gained[self.owner, 1]
        value *= self._hours
        require_finite(value, "the bound on an hour", self._day.label)
        return Hours(value, slope)
