"""The certified optimum of the hourly game with one store: a bound by boxes, and sequences of charges that were played."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ....envs.community.day import Array
from ....envs.grid.power_flow import DC
from ..hourly_game.search import HourlyDay, Walk, improved
from .bound import BoxBound, BoxProgram, ChargeBoxes
from .hours import StoreHours
from .refine import TracedPrices, cells_near, first_boxes, split
from .suggest import StoreGrid, grid_of, suggested

_PRICES = 240  # lines to begin with
_SHARE = 6.0  # what comes this part of the gap to the bound is split
_PLANS = 600  # to improve what the path of a bound suggests


@dataclass(frozen=True, kw_only=True)
class StoreOptimum:
    """What is known of the best sequence of charges of a day with one store, in plain numbers. With the day, it is its own certificate.

    Attributes:
        charges: The best sequence played, EUR/kWh, T numbers.
        best_eur: What it earned.
        upper_bound_eur: No sequence earns more.
        price: Prices of stored energy whose lines prove that, EUR/kWh.
        slabs: The edges of each hour's slabs of charges, EUR/kWh, T tuples.
        near: Energy near which cells are close, kWh, T + 1 numbers.
        rounds: How often boxes were split until they proved that.
        seconds: What it took.
    """

    charges: tuple[float, ...]
    best_eur: float
    upper_bound_eur: float
    price: tuple[float, ...]
    slabs: tuple[tuple[float, ...], ...]
    near: tuple[float, ...]
    rounds: int
    seconds: float


def applies(day: HourlyDay) -> bool:
    """Say whether a day has one store and its game is for profit, with one coefficient, linear flows and no errors of forecasts."""
    spec, loaded = day.game.spec, day.start.loaded
    straight = spec.power_flow.partition(":")[0] == DC
    known = straight and spec.objective == "profit" and day.shape[1] == 1 and loaded.forecast is loaded.day
    return bool(known and np.count_nonzero(loaded.day.has_storage) == 1)


def solve_hourly(
    day: HourlyDay,
    *,
    hints: Sequence[Array] = (),
    grid: StoreGrid | None = None,
    tolerance: float = 0.01,
    seconds: float = 480.0,
    begin: StoreOptimum | None = None,
    keep: Callable[[StoreOptimum], None] | None = None,
    threads: int = 2,
) -> StoreOptimum:
    """Find a good sequence of charges of a day with one store, and prove how good it is.

    Args:
        day: The day, of a game that :func:`applies` accepts.
        hints: Sequences worth starting from, EUR/kWh, shape (T,) or (T, 1).
        grid: What :func:`.suggest.grid_of` made of the day, where hints come of what it suggests; where absent it is made and asked.
        tolerance: Ends once the bound is less than this share above what was earned.
        seconds: No round of splitting begins after this time.
        begin: What an earlier call kept: it is gone on from there.
        keep: Is given what is known after every round.
        threads: How many work side by side.

    Raises:
        ValueError: If the game is another.
        ClearingError: If an hour cannot be followed, or a plan not be cleared.
    """
    if not applies(day):
        raise ValueError(
            "the day must have one store, its game one coefficient, objective 'profit', linear flows and no errors of forecasts."
        )
    clock, before = time.perf_counter(), 0.0 if begin is None else begin.seconds
    if begin is not None and begin.upper_bound_eur - begin.best_eur <= tolerance * abs(begin.best_eur):
        return begin
    hours = hours_of(day)
    program, starts = BoxProgram(hours, threads=threads), [*hints, *_earlier(begin)]
    if grid is None:
        grid = grid_of(day, hours)
        starts.append(suggested(day, grid))
    best = max((day.walk(np.reshape(each, day.shape)) for each in starts), key=_earned)
    with ThreadPoolExecutor(threads) as pool:
        traced = TracedPrices(
            hours, n=_PRICES, run=lambda work, items: list(pool.map(work, items)), kept=None if begin is None else np.array(begin.price)
        )
        path = np.array([*(state.stored[hours.owner] for state in best.states), program.start]) if begin is None else np.array(begin.near)
        boxes = first_boxes(hours, traced.price, path, program.capacity) if begin is None else boxes_of(begin, program.capacity)
        bound, rounds = np.inf, 0 if begin is None else begin.rounds
        while True:
            found = program.run(boxes, traced.lines, path)
            best = _better(day, best, found)
            if found.bound_eur < bound:  # cells move with the path, so that a round may come to more than the one before
                bound, proof = found.bound_eur, (boxes, path, rounds)
            known = _known(best, *proof, bound=bound, seconds=before + time.perf_counter() - clock)
            if keep is not None:
                keep(known)
            gap = bound - best.goal_eur
            if gap <= tolerance * abs(best.goal_eur) or time.perf_counter() - clock > seconds:
                return known
            boxes, between = split(boxes, found, gap / _SHARE, grid.losses(found, boxes.cells))
            traced.add(between)
            path, rounds = found.energy, rounds + 1
            boxes = replace(boxes, price=traced.price, cells=cells_near(path, program.capacity))


def hours_of(day: HourlyDay) -> StoreHours:
    """Return the hours of a day of the game."""
    setting = day.game.setting
    return StoreHours(
        day.start.loaded.day, setting.community.network, setting.tariff.basis[0], cap=setting.charge_cap, flows=setting.rules.flows
    )


def boxes_of(known: StoreOptimum, capacity: float) -> ChargeBoxes:
    """Return the boxes that prove what is known."""
    each = [list(pairwise(edges)) for edges in known.slabs]
    slabs = sorted({slab for hour in each for slab in hour})
    number = {slab: i for i, slab in enumerate(slabs)}
    used = np.zeros((len(each), len(slabs)), dtype=np.bool_)
    for hour, own in enumerate(each):
        used[hour, [number[slab] for slab in own]] = True
    low, high = np.array(slabs).T
    return ChargeBoxes(
        price=np.array(known.price), low=low.copy(), high=high.copy(), used=used, cells=cells_near(np.array(known.near), capacity)
    )


def _earlier(begin: StoreOptimum | None) -> list[Array]:
    return [] if begin is None else [np.array(begin.charges)]


def _earned(walk: Walk) -> float:
    return walk.goal_eur


def _better(day: HourlyDay, best: Walk, found: BoxBound) -> Walk:
    """Return the better of a walk and what the path of a bound suggests, improved where that comes close."""
    walk = day.walk(found.charge[:, None])
    if walk.goal_eur > best.goal_eur - 0.5 * (found.bound_eur - best.goal_eur):
        walk = improved(day, walk, max_plans=_PLANS)
    return max(best, walk, key=_earned)


def _known(best: Walk, boxes: ChargeBoxes, path: Array, rounds: int, *, bound: float, seconds: float) -> StoreOptimum:
    slabs = tuple((*boxes.low[own].tolist(), float(boxes.high[own].max())) for own in boxes.used)
    return StoreOptimum(
        charges=tuple(best.sequence[:, 0].tolist()),
        best_eur=best.goal_eur,
        upper_bound_eur=float(bound),
        price=tuple(boxes.price.tolist()),
        slabs=slabs,
        near=tuple(path.tolist()),
        rounds=rounds,
        seconds=seconds,
    )
