"""Upper bounds for hourly charges with storage: storage is priced, and every hour becomes a small problem of its own.

Let y_t be what each store gains in hour t, e_t the energy it then holds and σ_t its price. Hours are coupled only by e_t = e_{t−1} + y_t,
l ≤ e ≤ u, and by σ_t − σ_{t+1} = z⁻ − z⁺ with z ≥ 0 complementary to the bounds of e (σ_{T+1} = 0). Complementarity makes
Σ_t σ_t·y_t = Σ_t (l·z⁻ − u·z⁺) − σ_1·e_0. Let Ψ_t = γ_t·q_t − σ_t·y_t be what strong duality gives in the hour (:mod:`.relaxation`) and R_t
the rest of the leader's account. The profit of the day is Σ_t (Ψ_t + R_t) plus that sum. Pricing both couplings, the first by α_t, the
second by ê_t, leaves for any α and any ê with l ≤ ê ≤ u, ê_0 = e_0,

    Π ≤ Σ_t max { Ψ_t + R_t − α_t·y_t + (ê_t − ê_{t−1})·σ_t : an equilibrium of hour t at some γ_t, σ_t }
        + Σ_t max { e·(α_t − α_{t+1}) : l ≤ e ≤ u } − α_1·e_0,

because z⁻ and z⁺ have the factors l − ê ≤ 0 and ê − u ≤ 0. α is what stored energy is worth to the leader, ê a schedule of the stores that
the charges are held against. Forgetting complementarity in every hour too, the least of this over α and ê is K0, and the multipliers of K0
attain it. Keeping it in the hours is what tightens the bound: each is solved by branch-and-bound over boxes of (γ_t, σ_t), with the
convex relaxation in each box, and boxes are unbounded where σ is. Every box also bounds what its parameters multiply, by the relaxation.

α and ê stay at the multipliers of K0: moving them by cutting planes within a trust region, between splits, took as many programs as
the splits and lowered the bound by less than 1e-4 of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....envs.community.day import Array
from ....envs.errors import ClearingError
from ....envs.market.exact.market_data import Structure, read_charges, scale
from .game import Play, TariffGame
from .relaxation import ParameterBox, Relaxation, Relaxed
from .relaxation_day import DayRelaxation
from .relaxation_program import RelaxationProgram, hour_program

_AGREED = 1e-7  # how far an hour's bound may exceed what is known to be reached, relative to the bound, without being split further
_SOLVED = 1e-7  # complementarity gap below which a box holds nothing but equilibria
_EDGE = 0.1  # a box is never split closer to its end than this share of its width
_TAIL = 0.3  # dimensionless width of the first box cut off an unbounded one


@dataclass(frozen=True, eq=False)
class _Prices:
    """α and ê, dimensionless, shape (T, J)."""

    worth: Array
    schedule: Array


def decoupled_bound(game: TariffGame, best: Play, relaxed: DayRelaxation, *, max_nodes: int) -> float:
    """Bound the profit of charges by hour on a day with storage, in EUR.

    Args:
        game: The game, its tariff charged per hour.
        best: The best charges known: it tells which hours still need work.
        relaxed: K0 of the day, whose multipliers are the first prices.
        max_nodes: Convex programs that may be solved.
    """
    search = _DualSearch(game, relaxed, best, max_nodes)
    search.run()
    return search.bound * relaxed.program.unit_eur


class _Hour:
    """One hour's boxes, each with the relaxation's answer at the latest prices."""

    def __init__(self, program: RelaxationProgram, n_basis: int, ceiling: Array, cap: float) -> None:
        self.program, self._n_basis = program, n_basis
        self._relaxation = Relaxation(program, objective="profit", ceiling=ceiling)
        k = len(ceiling)
        self.solved = 0
        self._extra = np.zeros(program.n_variables + k)
        lower, upper = np.full(k, -np.inf), np.full(k, np.inf)
        lower[:n_basis], upper[:n_basis] = 0.0, cap
        # What the parameters multiply is bounded by the variables' bounds, the charged energy by the relaxation itself.
        negative, positive = program.basis.minimum(0.0), program.basis.maximum(0.0)
        least = negative.T @ program.upper + positive.T @ program.lower
        greatest = positive.T @ program.upper + negative.T @ program.lower
        root = ParameterBox(lower=lower, upper=upper, least=least, greatest=greatest)
        for i in range(n_basis):
            column = program.basis[:, [i]].toarray()[:, 0]
            most = self._relaxation.solve(root, extra=np.concatenate([column, np.zeros(k)]), tight=False, only_extra=True)
            greatest[i] = min(greatest[i], max(most.bound, 0.0))
        self.boxes: list[tuple[ParameterBox, Relaxed]] = [(root, self._solve(root))]

    def price(self, worth: Array, gained: Array) -> None:
        """Bound the hour at prices α_t, shape (J,), and a schedule's gain ê_t − ê_{t−1}."""
        stores = self.program.basis[:, self._n_basis :]
        self._extra = np.concatenate([stores @ worth, np.zeros(self._n_basis), gained])
        self.boxes = [(box, self._solve(box)) for box, _ in self.boxes]

    @property
    def bound(self) -> float:
        """The greatest bound of a box."""
        return max(answer.bound for _, answer in self.boxes)

    @property
    def gap(self) -> float:
        """How much complementarity the greatest box violates."""
        return max(self.boxes, key=lambda pair: pair[1].bound)[1].gap

    def split(self) -> None:
        """Split the box with the greatest bound where its products are furthest from their bounds."""
        at = max(range(len(self.boxes)), key=lambda i: self.boxes[i][1].bound)
        box, answer = self.boxes.pop(at)
        g, v = answer.parameters, self.program.basis.T @ answer.variables
        with np.errstate(invalid="ignore"):
            below = box.lower * v + g * box.least - box.lower * box.least
            above = box.upper * v + g * box.greatest - box.upper * box.greatest
        known = np.fmax(np.where(np.isfinite(below), below, -np.inf), np.where(np.isfinite(above), above, -np.inf))
        k = int(np.argmax(g * v - known))
        a, b = float(box.lower[k]), float(box.upper[k])
        if np.isfinite(a) and np.isfinite(b):
            cut = float(np.clip(0.5 * (g[k] + 0.5 * (a + b)), a + _EDGE * (b - a), b - _EDGE * (b - a)))
        else:
            cut = float(np.clip(g[k], a + _TAIL if np.isfinite(a) else -np.inf, b - _TAIL if np.isfinite(b) else np.inf))
        for part in (replace(box, upper=_with(box.upper, k, cut)), replace(box, lower=_with(box.lower, k, cut))):
            try:
                tightened = self._tighten(part, k)
                child = None if tightened is None else self._solve(tightened)
            except ClearingError:  # a program that cannot be solved leaves the box with what is known of the whole
                tightened, child = part, answer
            if tightened is not None and child is not None and child.bound > -np.inf:
                self.boxes.append((tightened, replace(child, bound=min(child.bound, answer.bound))))

    def _tighten(self, box: ParameterBox, k: int) -> ParameterBox | None:
        """Bound what a parameter multiplies by the relaxation itself; None where the box holds no equilibrium."""
        column = self.program.basis[:, [k]].toarray()[:, 0]
        none = np.zeros(self.program.basis.shape[1])
        ends = []
        for sign in (-1.0, 1.0):
            self.solved += 1
            ends.append(self._relaxation.solve(box, extra=np.concatenate([sign * column, none]), only_extra=True).bound)
            if ends[-1] == -np.inf:
                return None
        least, greatest = max(-ends[0], float(box.least[k])), min(ends[1], float(box.greatest[k]))
        return replace(box, least=_with(box.least, k, least), greatest=_with(box.greatest, k, max(least, greatest)))

    def _solve(self, box: ParameterBox) -> Relaxed:
        self.solved += 1
        return self._relaxation.solve(box, extra=self._extra)


class _DualSearch:
    def __init__(self, game: TariffGame, relaxed: DayRelaxation, best: Play, max_nodes: int) -> None:
        day, tariff, program = game.day, game.tariff, relaxed.program
        self._max_nodes = max_nodes
        self._known = _by_hour(game, best) / program.unit_eur
        owner = Structure.of(day).owner
        self._known_prices = best.clearing.storage_price[:, owner] / program.price_unit
        self._data = scale(day, read_charges(day, np.zeros((day.n_prosumers, day.n_prosumers))), Structure.of(day))
        shape = self._data.stored_min.shape
        limits = relaxed.greatest_prices[program.storage_rows].reshape(shape)
        cap = game.cap / program.price_unit
        self._known_gains = np.diff(best.clearing.stored_energy[:, owner], axis=0) / (self._data.power_unit * day.period_hours)
        self.hours = [
            _Hour(
                hour_program(day, game.network, tariff, t, flows=game.flows),
                tariff.n_basis,
                np.concatenate([np.full(tariff.n_basis, cap), limits[t]]),
                cap,
            )
            for t in range(day.n_periods)
        ]
        reference = np.append(-relaxed.relaxed.reference, 0.0)[program.stored_columns]
        schedule = np.where(program.stored_columns < 0, self._data.stored_min, reference)
        self.prices = _Prices(
            -relaxed.relaxed.equation_multipliers[program.storage_rows].reshape(shape),
            np.clip(schedule, self._data.stored_min, self._data.stored_max),
        )
        for hour, worth, gained in zip(self.hours, self.prices.worth, self._gains(self.prices), strict=True):
            hour.price(worth, gained)
        self.bound = self._total(self.prices)

    def run(self) -> None:
        """Split boxes until the programs are spent or no hour can be shown to exceed what is known to be reached."""
        known = self._known_by_hour()
        while self._spent() < self._max_nodes:
            over = np.array([hour.bound if hour.gap > _SOLVED else -np.inf for hour in self.hours]) - known
            if over.max() <= _AGREED * abs(self.bound):
                break
            share = over / np.sqrt([len(hour.boxes) for hour in self.hours])  # the first splits of an hour bring most
            self.hours[int(share.argmax())].split()
        self.bound = min(self.bound, self._total(self.prices))

    def _known_by_hour(self) -> Array:
        """Return what the best charges known reach in each hour's problem: more than this is still to be disproved."""
        off = self._known_gains - self._gains(self.prices)
        known: Array = self._known - np.sum(self._known_prices * off + self.prices.worth * self._known_gains, axis=1)
        return known

    def _spent(self) -> int:
        return sum(hour.solved for hour in self.hours)

    def _gains(self, prices: _Prices) -> Array:
        return np.diff(np.vstack([self._data.storage_start, prices.schedule]), axis=0)

    def _total(self, prices: _Prices) -> float:
        fall = prices.worth - np.vstack([prices.worth[1:], np.zeros((1, prices.worth.shape[1]))])
        held = np.sum(np.maximum(self._data.stored_min * fall, self._data.stored_max * fall))
        return sum(hour.bound for hour in self.hours) + float(held - prices.worth[0] @ self._data.storage_start)


def _by_hour(game: TariffGame, play: Play) -> Array:
    """Return the leader's profit of each hour in EUR."""
    day, clearing, flow = game.day, play.clearing, play.settlement.flow_kw
    hours = day.period_hours
    revenue = hours * np.sum(game.charges(play.action) * clearing.trade, axis=(1, 2))
    fee = day.import_fee * hours * clearing.grid_import.sum(axis=1)
    loss = np.sum(game.loss_weight * (flow**2 - game.base_flow_kw**2), axis=1)
    over = day.overload_price * hours * np.maximum(np.abs(flow) - game.network.grid.branch_limit_kw, 0.0).sum(axis=1)
    profit: Array = revenue + fee - loss - over
    return profit


def _with(values: Array, at: int, value: float) -> Array:
    changed = values.copy()
    changed[at] = value
    return changed
