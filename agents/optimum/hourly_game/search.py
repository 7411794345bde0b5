"""Good charge sequences of the hourly game: searches through the game itself along exact gradients (:mod:`.gradient`), from many starts.

A sequence of charges γ_0, …, γ_T−1 is played as the environment plays it under ``belief="standing"``: at every hour the tail of the day is
cleared at the hour's charge, and its first hour carried out. What is found is therefore a profit that a leader who knows the day can earn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....envs.account.objective import require_exact, reward
from ....envs.community.calendar import Scenario
from ....envs.community.day import Array
from ....envs.games.hourly import Hour, HourlyGame, HourState, whole_day
from ....envs.games.transition import Outcome
from ....envs.market.mechanism import ExactResponse
from ..many_charges.several import Bracket, solve_several
from ..one_charge.search import solve_optimum
from .gradient import sequence_gradient

_LEVELS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8)  # constant charges tried first, as shares of the cap
_SHORT = 0.7  # share of the plans for the climbs from all starts
_CLIMB = 24  # gradient steps each should be worth, or fewer starts are followed: 10 steps end far below where 30 do
_RISE, _MEMORY, _SQUARES = 0.04, 0.9, 0.99  # Adam's (Kingma and Ba, 2015) greatest step as a share of the cap, and its averages
_FIRST, _LAST = 0.1, 1e-5  # step sizes of the pattern search, as shares of the cap
_FINALISTS = 2
_ELSEWHERE = 3  # sequences of other days that are climbed from


@dataclass(frozen=True, eq=False, kw_only=True)
class Walk:
    """One sequence of charges as it was played.

    Attributes:
        sequence: γ in EUR/kWh, shape (T, K).
        states: States before each hour, T of them.
        hours: What each hour led to.
        goals_eur: What the leader earned, by hour, shape (T,).
    """

    sequence: Array
    states: tuple[HourState, ...]
    hours: tuple[Hour, ...]
    goals_eur: Array

    @property
    def goal_eur(self) -> float:
        """What the leader earned."""
        return float(self.goals_eur.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyReference:
    """The best sequence found for a day.

    Attributes:
        sequence: γ in EUR/kWh, shape (T, K).
        goal_eur: What it earns, played again from the start.
        day: The day as it was carried out.
        reached_eur: What each start reached.
        plans: Tails cleared.
    """

    sequence: Array
    goal_eur: float
    day: Outcome[Any]
    reached_eur: tuple[float, ...]
    plans: int


class HourlyDay:
    """One day of an hourly game in its sequence of charges; counts the tails it clears.

    Args:
        game: The game, with ``belief="standing"`` and episodes of one day.
        scenario: Which day.
        market: What clears.

    Raises:
        ValueError: If the game is of another kind.
    """

    def __init__(self, game: HourlyGame, scenario: Scenario, market: ExactResponse) -> None:
        if game.spec.belief != "standing" or game.spec.days != 1:
            raise ValueError(f"the search needs `belief` 'standing' and `days` 1, got {game.spec.belief!r} and {game.spec.days}.")
        self.game, self.market = game, market
        self.start = game.begin(scenario)
        self.plans = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(T, K)."""
        return self.start.loaded.day.n_periods, self.game.setting.tariff.n_basis

    def walk(self, sequence: Array, *, after: Walk | None = None, hour: int = 0) -> Walk:
        """Play a sequence; with ``after`` only from ``hour`` on, its charges before being the same.

        Args:
            sequence: γ in EUR/kWh, shape (T, K).
            after: A walk that was played already.
            hour: The first hour that differs from it.

        Raises:
            ClearingError: If what is left of the day cannot be cleared at an hour.
        """
        states = list(after.states[: hour + 1]) if after is not None else [self.start]
        hours = list(after.hours[:hour]) if after is not None else []
        for t in range(len(hours), len(sequence)):
            plays = self.game.play(self.market, [states[t]], [np.broadcast_to(sequence[t], sequence.shape)])
            self.plans += 1
            hours.append(Hour(plays.days[0], plays.cleared[0], plays.outcome(0), plays.states[0]))
            states.append(plays.states[0])
        goals = np.array([reward(each.outcome.settlement, self.game.spec.objective) for each in hours])
        return Walk(sequence=sequence, states=tuple(states[: len(sequence)]), hours=tuple(hours), goals_eur=goals)

    def gradient(self, walk: Walk) -> Array:
        """Return the derivatives of what a walk earns in its charges, shape (T, K), in EUR per EUR/kWh."""
        return sequence_gradient(self.game.setting, walk.hours, walk.sequence)


def search_hourly(
    day: HourlyDay, *, hints: Sequence[Array] = (), n_starts: int = 4, seed: int = 0, max_plans: int = 20_000
) -> HourlyReference:
    """Search for a good sequence of charges from many starts.

    Args:
        day: The day.
        hints: Sequences worth starting from, shape (T, K) or (K,), such as those of :func:`day_ahead_hints`; the best of a few constant
            charges is tried as well.
        n_starts: Random starts, around the level of the best start known.
        seed: Draws them; the same seed finds the same sequence.
        max_plans: About how many tails may be cleared.

    Raises:
        ValueError: If `n_starts` is below 0 or `max_plans` below 1.
    """
    if n_starts < 0 or max_plans < 1:
        raise ValueError(f"`n_starts` must be at least 0 and `max_plans` at least 1, got {n_starts} and {max_plans}.")
    cap, limit, rng = day.game.setting.charge_cap, day.plans + max_plans, np.random.default_rng(seed)
    levels = [day.walk(np.full(day.shape, share * cap)) for share in _LEVELS]
    starts = [day.walk(np.clip(np.broadcast_to(hint, day.shape), 0.0, cap)) for hint in hints]
    starts.append(max(levels, key=_earned))
    scale = float(max(starts, key=_earned).sequence.mean()) or _LEVELS[1] * cap
    starts += [day.walk(np.clip(rng.uniform(0.0, 2.0 * scale, day.shape), 0.0, cap)) for _ in range(n_starts)]
    spendable = _SHORT * (limit - day.plans)
    starts = sorted(starts, key=_earned, reverse=True)[: max(int(spendable / (_CLIMB * day.shape[0])), 1)]
    each = max(int(spendable / len(starts)), 1)
    found = []
    for start in starts:
        until = day.plans + each
        walk = _follow(day, start, steps=3 * each // 4 // day.shape[0])
        found.append(_pattern(day, walk, rng, until=until))
    order = sorted(range(len(found)), key=lambda i: -found[i].goal_eur)[:_FINALISTS]
    for place, i in enumerate(order):
        found[i] = _pattern(day, found[i], rng, until=day.plans + (limit - day.plans) // (len(order) - place))
    best = day.walk(max(found, key=_earned).sequence)
    return HourlyReference(
        sequence=best.sequence,
        goal_eur=best.goal_eur,
        day=whole_day(day.game, day.start.loaded, [hour.outcome for hour in best.hours]),
        reached_eur=tuple(walk.goal_eur for walk in found),
        plans=day.plans,
    )


def search_longer(day: HourlyDay, best: Array, *, elsewhere: Sequence[Array], seed: int = 0, max_plans: int = 20_000) -> HourlyReference:
    """Search on from the best sequence known of a day, and from those three of other days that earn most on it.

    A climb ends at a hill near its start. What was found elsewhere leads to other hills, and most often to higher ones than random starts.

    Args:
        day: The day.
        best: The best sequence known, shape (T, K).
        elsewhere: Sequences that are good on other days, each of shape (T, K); all of them are played.
        seed: Of the directions; the same seed finds the same sequence.
        max_plans: About how many tails may be cleared, those of playing included.
    """
    until = day.plans + max_plans
    played = sorted((day.walk(each) for each in elsewhere), key=_earned, reverse=True)
    hints = [best, *(walk.sequence for walk in played[:_ELSEWHERE])]
    return search_hourly(day, hints=hints, n_starts=0, seed=seed, max_plans=max(until - day.plans, 1))


def day_ahead_hints(day: HourlyDay, *, seed: int = 0, max_clearings: int = 1500) -> tuple[Bracket, list[Array]]:
    """Return the bracket of hourly charges announced day-ahead, and sequences it suggests: its best, and the best constant charge.

    The first end of the bracket is what a leader earns who announces a schedule and keeps it; its upper bound holds for such leaders.

    Args:
        day: The day.
        seed: Seeds the search.
        max_clearings: About how many day-ahead clearings it may use.

    Returns:
        The bracket, and sequences of γ in EUR/kWh, each of shape (T, K).

    Raises:
        ClearingError: If the day cannot be cleared.
    """
    base = day.game.setting
    loaded, network = day.start.loaded, base.community.network
    objective = require_exact(base.rules.objective)
    bracket = solve_several(
        loaded.day,
        network,
        replace(base.tariff, per="hour"),
        cap=base.charge_cap,
        flows=base.rules.flows,
        objective=objective,
        market=day.market,
        n_starts=3,
        seed=seed,
        max_clearings=max_clearings,
        max_nodes=0,
    )
    hints = [bracket.coefficients]
    if base.tariff.n_basis == 1:
        optimum = solve_optimum(
            loaded.day, network, base.tariff, cap=base.charge_cap, flows=base.rules.flows, objective=objective, market=day.market
        )
        hints.append(np.full(day.shape, optimum.charge))
    return bracket, hints


def climb_together(days: Sequence[HourlyDay], start: Array, *, steps: int) -> list[Walk]:
    """Follow the mean of several days' gradients from one sequence for all, smoothed over steps (Adam).

    Args:
        days: Days of one game.
        start: γ in EUR/kWh, shape (T, K).
        steps: How often every day is played, beside the first time.

    Returns:
        The walks of the sequence with the greatest mean, one a day.
    """
    cap = days[0].game.setting.charge_cap
    walks = best = [day.walk(start) for day in days]
    mean, square = np.zeros(start.shape), np.zeros(start.shape)
    for step in range(1, steps + 1):
        slope = np.mean([day.gradient(walk) for day, walk in zip(days, walks, strict=True)], axis=0)
        mean = _MEMORY * mean + (1.0 - _MEMORY) * slope
        square = _SQUARES * square + (1.0 - _SQUARES) * slope**2
        move = (mean / (1.0 - _MEMORY**step)) / (np.sqrt(square / (1.0 - _SQUARES**step)) + 1e-12)
        sequence = np.clip(walks[0].sequence + _RISE * cap * (1.0 - step / (steps + 1.0)) * move, 0.0, cap)
        walks = [day.walk(sequence) for day in days]
        if sum(walk.goal_eur for walk in walks) > sum(walk.goal_eur for walk in best):
            best = walks
    return best


def improved(day: HourlyDay, walk: Walk, *, seed: int = 0, max_plans: int) -> Walk:
    """Return a walk with its charges moved one at a time as long as that earns more, clearing about so many plans."""
    return _pattern(day, walk, np.random.default_rng(seed), until=day.plans + max_plans)


def _earned(walk: Walk) -> float:
    return walk.goal_eur


def _follow(day: HourlyDay, start: Walk, *, steps: int) -> Walk:
    return climb_together([day], start.sequence, steps=steps)[0]


def _pattern(day: HourlyDay, walk: Walk, rng: np.random.Generator, *, until: int) -> Walk:
    """Move one charge at a time by a step of its own, which grows with success and shrinks without, until the plans are spent."""
    cap = day.game.setting.charge_cap
    steps = np.full(day.shape, _FIRST * cap)
    places = [(t, k) for t in range(day.shape[0]) for k in range(day.shape[1])]
    while day.plans < until and steps.max() > _LAST * cap:
        for t, k in (places[i] for i in rng.permutation(len(places))):
            if day.plans >= until:
                break
            if steps[t, k] <= _LAST * cap:
                continue
            walk, better = _moved(day, walk, t, k, steps[t, k])
            steps[t, k] *= 2.0 if better else 0.4
    return walk


def _moved(day: HourlyDay, walk: Walk, t: int, k: int, step: float) -> tuple[Walk, bool]:
    """Return the better of the walks with one charge a step higher or lower, and whether either is better than the one given."""
    for sign in (1.0, -1.0):
        level = float(np.clip(walk.sequence[t, k] + sign * step, 0.0, day.game.setting.charge_cap))
        if level == walk.sequence[t, k]:
            continue
        sequence = walk.sequence.copy()
        sequence[t, k] = level
        candidate = day.walk(sequence, after=walk, hour=t)
        if candidate.goal_eur > walk.goal_eur:
            return candidate, True
    return walk, False
