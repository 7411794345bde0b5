"""An upper bound on what any leader can earn in the hourly game, whatever prosumers believe of later charges.

**Theorem.** Let prosumers carry out in every hour t the first hour of some optimal plan, from the energy they hold, at the charge in force
and any charges they may believe in for later hours. Then, for all prices π_t, and α_it of stored energy with α_i,T+1 = 0, the profit is

    Σ_t Π_t ≤ Σ_t Σ_i max { Δ·(μ − π_t)·(D_it(μ) + c − s) + Δ·ν·m_it(μ) − α_it·Δ·(ηc − s/η) : μ̲_t ≤ μ ≤ μ̄_t, 0 ≤ c ≤ S_i, 0 ≤ s ≤ S_i }
              + Σ_t Σ_i max { e·(α_it − α_i,t+1) : l_it ≤ e ≤ E_i } − Σ_i α_i1·e_i0 + Σ_t Δ·ρ_t·Σ_l w_l·f_base,lt²,

where D(μ) = d(μ) + x(μ) − m(μ) − r(μ) is what a prosumer without storage wants to buy from others at the nodal price μ, m(μ) what it
imports, and l_t = 0 but for l_T, what the day must end with.

*Proof.* (1) *The hour is an equilibrium of its own.* Only stored energy links it to later ones. With c and s as they are carried out, all
else in the plan's first hour satisfies its own conditions of optimality at the hour's nodal prices μ_i, so no belief enters but through c
and s. Demand, imports and exports are then functions of μ_i alone, as their costs are strictly convex, and so is r but at μ_i = 0, where
the maximum takes either side.

(2) *Revenue is a difference of prices.* A trade from i to j has τ + εp + μ_i − μ_j − z⁻ + z⁺ = 0 with z⁻·p = 0, so τp ≤ (μ_j − μ_i)·p.
Summed, with n_i = D_i(μ_i) + c_i − s_i what i buys less what it sells, revenue is at most Σ_i μ_i·n_i = Σ_i (μ_i − π)·n_i, as Σ_i n_i = 0.

(3) *Nodal prices are bounded.* λᵐ and λˣ are those of the prosumer they stand beside, where prosumers have prices of their own. Let k have
the greatest μ of the hour, and μ_k > λᵐ. Then k exports nothing (x > 0 needs μ ≤ λˣ ≤ λᵐ), sells to nobody (p_kj > 0 needs μ_j > μ_k), uses
at most d_k(λᵐ), and, if μ_k > 0, all its renewables. So m_k ≤ d_k(λᵐ) + S_k − R_k; where that is below M_k, μ_k ≤ λᵐ + ε_g·m_k. Hence
μ̄ = max(0, max_k λᵐ + ε_g·(d_k(λᵐ) + S_k − R_k)⁺). Let k have the least μ, and μ_k < λˣ. Then it imports nothing, buys from nobody and uses
at least d_k(λˣ). So x_k ≤ R_k + S_k − d_k(λˣ), and x_k ≤ S_k − d_k(λˣ) if μ_k < 0, when renewables are curtailed; where that is below X_k,
μ_k ≥ λˣ − ε_g·x_k. Hence
μ̲ = min_k max(λˣ − ε_g·(R_k + S_k − d_k(λˣ))⁺, min(0, λˣ − ε_g·(S_k − d_k(λˣ))⁺)), the first left out where it needs more than X_k. Where
the second needs more than the connection carries no bound is claimed.

(3′) *Narrow connections: the cap bounds prices.* Somebody who must fill a store through a connection that carries no more can be held up
for any charge, but charges have caps: let τ ≤ τ̄. Where d_k(λᵐ) + S_k − R_k ≥ M_k for some k, let u = max(0, max_i λᵐ + ε_g·M_i). Let k
have the greatest μ, and μ_k > u. It imports M_k, exports nothing, sells to nobody and uses all its renewables, so it buys no more than Q_k
= d_k(u) + S_k − R_k − M_k in all. Where Q_k < P_ak for all a, no trade into k is at its limit, so μ_k − μ_a ≤ τ_ak + ε·p_ak ≤ H with H =
max_k,a τ̄_ak + ε·Q_k⁺, for every a: all prices lie within H of the greatest. If the least is at most u, all are at most μ̄ = u + H. If it
is more, everybody imports M_i. Lower all prices together until the least is u: Σ_i μ_i·n_i keeps its value, and with the new prices μ′ in
[u, u + H] also (μ′ − π)·n_i ≤ (μ′ − π)·(D_i(μ′) + c − s) for π ≤ u, as D falls in μ, while imports stay M_i. So μ̄ = u + H will do, with
π_t ≤ u. Where some Q_k ≥ P_ak no bound is claimed.

(4) *Hours are coupled by energy.* Losses and overload cost at least 0 less what the base injection's flows alone would lose. With y what
stores gain, adding 0 = Σ_t α_t·(e_t − e_t−1 − y_t) to the profit and maximising over each hour, prosumer and e_t on its own can only raise
it.  ∎

At a fixed μ the maximum over c and s is at a corner, and D is affine between a few kinks, so each maximum is one of a few vertices of
parabolas, with nothing left to a solver. π and α are found by cutting planes in a trust region; any are valid. The leader this bounds names
everybody's price and has the stores do its bidding, where a tariff has K coefficients. The bound holds for ``belief="standing"``, for
schedules that are announced and revised, and with forecast errors of later hours where the day ends with what it must all the same: their
errors may let it end with less, and `storage_end` must then say so. A schedule that is announced and kept is bounded by K0
(:mod:`..many_charges.relaxation_day`), which knows more of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....envs.account.settlement import base_flow
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ..sound import require_finite

_RADIUS = 0.2  # first trust region around the prices, EUR/kWh
_ENOUGH = 1e-5  # relative gain that a round of cutting planes must promise
_ROUNDING = 1e-10  # added, relative to the terms


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyBound:
    """An upper bound on the operator's profit of a day in the hourly game.

    Attributes:
        bound_eur: Nobody earns more, whatever is posted and believed.
        price: π in EUR/kWh, shape (T,).
        worth: α in EUR/kWh, shape (T, N), 0 without storage.
        by_hour_eur: The hours' part of the bound, stored energy paid for at ``worth``, shape (T,).
        rounds: Rounds of cutting planes.
    """

    bound_eur: float
    price: Array
    worth: Array
    by_hour_eur: Array
    rounds: int


def bound_hourly(
    day: Day,
    network: Network,
    *,
    greatest_charge: Array | None = None,
    price_range: tuple[Array, Array] | None = None,
    max_rounds: int = 100,
) -> HourlyBound:
    """Bound what any leader earns on a day of the hourly game, at any tariff and any belief.

    Args:
        day: The day as it comes.
        network: Where the prosumers sit.
        greatest_charge: τ̄ in EUR/kWh, shape (N, N): what a trade can be charged at most, the sum of the tariff's basis times the cap. Only
            days with narrow connections need it.
        price_range: μ̲ and μ̄ of every hour in EUR/kWh, shape (T,) each, instead of those proved. The bound then holds for all that keeps
            nodal prices within them, and for nothing else.
        max_rounds: Rounds of cutting planes for the prices.

    Raises:
        ValueError: If the connections of some prosumer are too narrow for prices to be bounded.
    """
    least, greatest, top = _proved_range(day, greatest_charge) if price_range is None else (*price_range, np.full(day.n_periods, np.inf))
    dual = _Dual(day, (least, greatest), top)
    centre = np.column_stack([0.5 * (day.mean_import_price + day.mean_export_price), np.tile(dual.first_worth, (day.n_periods, 1))])
    best, best_total = centre, dual.total(dual.hours(centre), centre)
    cuts, radius, rounds = [(centre, dual.hours(centre))], _RADIUS, 0
    for rounds in range(1, max_rounds + 1):  # noqa: B007 - told to the caller
        proposed, expected = dual.master(cuts, best, radius)
        if best_total - expected <= _ENOUGH * abs(best_total):
            if radius >= _RADIUS or best_total - dual.master(cuts, best, 4 * radius)[1] <= _ENOUGH * abs(best_total):
                break
            radius *= 4.0
            continue
        hours = dual.hours(proposed)
        total = dual.total(hours, proposed)
        cuts.append((proposed, hours))
        if total < best_total - 0.1 * (best_total - expected):
            best, best_total = proposed, total
        elif total > best_total:
            radius *= 0.5
    hours = dual.hours(best)
    worth = np.zeros((day.n_periods, day.n_prosumers))
    worth[:, dual.owner] = best[:, 1:]
    allowance = base_losses(day, network)
    size = float(np.abs(hours.value).sum()) + abs(best_total) + allowance
    return HourlyBound(
        bound_eur=best_total + allowance + _ROUNDING * size, price=best[:, 0], worth=worth, by_hour_eur=hours.value, rounds=rounds
    )


def nodal_price_range(day: Day, greatest_charge: Array | None = None) -> tuple[Array, Array]:
    """Return μ̲ and μ̄ of every hour in EUR/kWh, shape (T,) each, as the theorem has them.

    Args:
        day: The day.
        greatest_charge: What a trade can be charged at most, EUR/kWh, shape (N, N); only narrow connections need it.

    Raises:
        ValueError: If a connection is too narrow for the argument.
    """
    least, greatest, _ = _proved_range(day, greatest_charge)
    return least, greatest


def _proved_range(day: Day, greatest_charge: Array | None) -> tuple[Array, Array, Array]:
    """Return μ̲, μ̄ and what π must not exceed, each of shape (T,)."""
    at_import, at_export = (_demand(day, price) for price in (day.own_import_price, day.own_export_price))
    imported = np.maximum(at_import + day.storage_power - day.renewable, 0.0)
    exported = np.maximum(day.renewable + day.storage_power - at_export, 0.0)
    from_store = np.maximum(day.storage_power - at_export, 0.0)
    narrow = (imported > 0) & (imported >= day.import_limit)
    stuck = (from_store > 0) & (from_store >= day.export_limit)
    if stuck.any() or (narrow.any() and greatest_charge is None):
        which = stuck if stuck.any() else narrow
        raise ValueError(
            "nodal prices have a bound only if each prosumer's connection carries its demand and its storage together, and those of "
            f"prosumers {np.flatnonzero(which.any(axis=0)).tolist()} do not."
        )
    friction, buying, selling = day.grid_friction, day.own_import_price, day.own_export_price
    greatest = np.maximum((buying + friction * imported).max(axis=1), 0.0)
    sold = np.where((exported == 0) | (exported < day.export_limit), selling - friction * exported, -np.inf)
    curtailed = np.minimum(selling - friction * from_store, 0.0)
    least, top = np.maximum(sold, curtailed).min(axis=1), np.full(day.n_periods, np.inf)
    hours = narrow.any(axis=1)
    if greatest_charge is not None and hours.any():
        full, held_up = _held_up(day, greatest_charge)
        greatest, top = np.where(hours, full + held_up, greatest), np.where(hours, full, top)
    return least, greatest, top


def _held_up(day: Day, greatest_charge: Array) -> tuple[Array, Array]:
    """Return u, above which everybody imports all it can, and H, how far prices above it can lie apart; (3′), shape (T,) each.

    Raises:
        ValueError: If somebody may want to buy so much that a trade reaches its limit.
    """
    full = np.maximum((day.own_import_price + day.grid_friction * day.import_limit).max(axis=1), 0.0)
    rest = _demand(day, np.broadcast_to(full[:, None], day.renewable.shape)) + day.storage_power - day.renewable - day.import_limit
    wanted = np.maximum(rest, 0.0)
    others = ~np.eye(day.n_prosumers, dtype=np.bool_)
    short = (rest >= 0) & (wanted >= np.where(others, day.trade_limit, np.inf).min(axis=0))
    if short.any():
        raise ValueError(
            "nodal prices have a bound only if each trade can carry all that its buyer's own connection cannot, and the trades of "
            f"prosumers {np.flatnonzero(short.any(axis=0)).tolist()} as buyers cannot."
        )
    paid = np.where(others, greatest_charge + day.trade_friction * wanted[:, None, :], 0.0).max(axis=1)  # (T, buyers)
    return full, np.where(rest >= 0, paid, 0.0).max(axis=1)


def connected_price_range(day: Day) -> tuple[Array, Array]:
    """Return μ̲ and μ̄ while nobody's connection binds, in EUR/kWh, shape (T,) each: for bounds conditional on that."""
    least = (day.own_export_price - day.grid_friction * day.export_limit).min(axis=1)
    greatest = (day.own_import_price + day.grid_friction * day.import_limit).max(axis=1)
    return np.minimum(least, 0.0), np.maximum(greatest, 0.0)


def _demand(day: Day, price: Array) -> Array:
    """Return d(μ), of the shape of the prices, whose last two axes are hours and prosumers."""
    return np.clip((day.utility_slope - price) / day.utility_curvature, day.demand_min, day.demand_max)


def base_losses(day: Day, network: Network) -> float:
    """Return what the base injection's flows alone would lose, EUR: losses cost the operator at least 0 less that."""
    weight = day.period_hours * day.loss_price[:, None] * network.grid.loss_coefficient
    return float(np.sum(weight * base_flow(day, network) ** 2))


class _Hours(NamedTuple):
    """The hours' maxima in EUR, shape (T,), and their derivatives in (π_t, α_t), shape (T, 1 + J)."""

    value: Array
    slope: Array


class _Dual:
    """The bound as a function of prices (π_t, α_t), shape (T, 1 + J)."""

    def __init__(self, day: Day, price_range: tuple[Array, Array], top: Array | None = None) -> None:
        self._day, self._top = day, np.full(day.n_periods, np.inf) if top is None else top
        self.owner = np.flatnonzero(day.has_storage)
        least, greatest = price_range
        self.first_worth = np.full(len(self.owner), float(np.median(0.5 * (day.mean_import_price + day.mean_export_price))))
        self._start, self._capacity = day.storage_start[self.owner], day.storage_capacity[self.owner]
        self._least = np.zeros((day.n_periods, len(self.owner)))
        self._least[-1] = day.stored_at_end[self.owner]
        self._power, self._eta = day.storage_power, day.storage_efficiency
        kinks = self._kinks(least, greatest)  # (kinks, T, N)
        self._low, self._high = kinks[:-1], kinks[1:]
        inside = [self._low + share * (self._high - self._low) for share in (0.25, 0.75)]  # D is affine between kinks, and jumps at 0
        wanted, imported = zip(*(self._net_demand(price) for price in inside), strict=True)
        width = np.where(self._high > self._low, 0.5 * (self._high - self._low), 1.0)
        self._bend, self._fee_bend = (((late - early) / width) for early, late in (wanted, imported))
        self._level, self._fee_level = (early - bend * inside[0] for (early, _), bend in ((wanted, self._bend), (imported, self._fee_bend)))

    def _kinks(self, least: Array, greatest: Array) -> Array:
        """Return the kinks of D and the ends of the range, sorted, shape (9, T, N)."""
        day, shape = self._day, self._day.renewable.shape
        buying, selling = day.own_import_price, day.own_export_price
        kinks = [
            least[:, None],
            greatest[:, None],
            day.utility_slope - day.utility_curvature * day.demand_max,
            day.utility_slope - day.utility_curvature * day.demand_min,
            buying,
            buying + day.grid_friction * day.import_limit,
            selling,
            selling - day.grid_friction * day.export_limit,
            np.zeros((1, 1)),
        ]
        inside = [np.clip(np.broadcast_to(kink, shape), least[:, None], greatest[:, None]) for kink in kinks]
        return np.sort(np.stack(inside), axis=0)

    def _net_demand(self, price: Array) -> tuple[Array, Array]:
        """Return D(μ) and m(μ)."""
        day = self._day
        imported = np.clip((price - day.own_import_price) / day.grid_friction, 0.0, day.import_limit)
        exported = np.clip((day.own_export_price - price) / day.grid_friction, 0.0, day.export_limit)
        return _demand(day, price) + exported - imported - np.where(price > 0, day.renewable, 0.0), imported

    def hours(self, prices: Array) -> _Hours:
        """Maximise over every prosumer's nodal price and storage use, hour by hour."""
        day, hours = self._day, self._day.period_hours
        base = prices[:, 0][:, None]
        worth = np.zeros((day.n_periods, day.n_prosumers))
        worth[:, self.owner] = prices[:, 1:]
        best = np.full(worth.shape, -np.inf)
        bought, gained = np.zeros(worth.shape), np.zeros(worth.shape)
        for charge, discharge in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
            moved = (charge - discharge) * self._power
            energy = hours * (charge * self._eta - discharge / self._eta) * self._power
            # (μ − π)·(level + bend·μ + moved) + ν·(fee level + fee bend·μ) on each piece, at its ends and its vertex
            slope = self._level + moved - base * self._bend + day.import_fee * self._fee_bend
            with np.errstate(divide="ignore", invalid="ignore"):
                vertex = np.where(self._bend < 0, -0.5 * slope / self._bend, self._low)
            for price in (self._low, self._high, np.clip(vertex, self._low, self._high)):
                net = self._level + self._bend * price + moved
                value = hours * ((price - base) * net + day.import_fee * (self._fee_level + self._fee_bend * price)) - worth * energy
                require_finite(value, "the bound on an hour", day.label)
                piece = value.argmax(axis=0)[None]
                top = np.take_along_axis(value, piece, axis=0)[0]
                better = top > best
                best = np.where(better, top, best)
                bought = np.where(better, np.take_along_axis(net, piece, axis=0)[0], bought)
                gained = np.where(better, np.broadcast_to(energy, best.shape), gained)
        return _Hours(best.sum(axis=1), -np.column_stack([hours * bought.sum(axis=1), gained[:, self.owner]]))

    def total(self, hours: _Hours, prices: Array) -> float:
        """Return the bound, without the base injection's allowance."""
        worth = prices[:, 1:]
        fall = worth - np.vstack([worth[1:], np.zeros((1, worth.shape[1]))])
        held = np.sum(np.maximum(self._least * fall, self._capacity * fall))
        return float(hours.value.sum() + held - worth[0] @ self._start)

    def master(self, cuts: list[tuple[Array, _Hours]], centre: Array, radius: float) -> tuple[Array, float]:
        """Return the prices near a centre that minimise what the cuts know of the bound, and that minimum."""
        t, k = centre.shape
        j = k - 1
        n, held = t * k, t * j
        cost = np.concatenate([np.zeros(n), np.ones(t + held)])  # prices, the hours' maxima, what holding is worth
        cost[1:k] -= self._start
        rows, right = [], []
        for prices, hours in cuts:
            block = np.zeros((t, n + t + held))
            for hour in range(t):
                block[hour, hour * k : (hour + 1) * k], block[hour, n + hour] = hours.slope[hour], -1.0
            rows.append(block)
            right.append(np.sum(hours.slope * prices, axis=1) - hours.value)
        worth = np.delete(np.eye(n), np.s_[::k], axis=0)  # picks α out of the prices
        fall = worth - np.vstack([worth[j:], np.zeros((j, n))])
        for level in (self._least, np.broadcast_to(self._capacity, (t, j))):
            rows.append(np.hstack([level.reshape(-1, 1) * fall, np.zeros((held, t)), -np.eye(held)]))
            right.append(np.zeros(held))
        greatest = np.full(centre.shape, np.inf)
        greatest[:, 0] = self._top  # π must not exceed it for the bound to hold
        around = [(value - radius, min(value + radius, most)) for value, most in zip(centre.ravel(), greatest.ravel(), strict=True)]
        from scipy.optimize import linprog  # noqa: PLC0415 - 0.1 s, which only those wait for who need it

        answer = linprog(
            cost, A_ub=np.vstack(rows), b_ub=np.concatenate(right), bounds=around + [(None, None)] * (t + held), method="highs"
        )
        if answer.x is None or answer.fun is None:  # nothing to go by: stay, which ends the search
            return centre, float("inf")
        return answer.x[:n].reshape(t, k), float(answer.fun)
