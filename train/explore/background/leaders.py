"""What leaders post on a day, and the best found for the hourly game."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from ....agents.fixed.day_ahead import ConstantPolicy
from ....agents.optimum import solve_hours
from ....agents.optimum.hourly_game.search import HourlyDay, day_ahead_hints, search_hourly
from ....agents.optimum.one_store.solve import applies
from ....envs.account.objective import require_exact
from ....envs.arrays import Array
from ....envs.errors import unknown_name
from ....envs.games.observation.observer import make_observer
from ....envs.games.spec import GameSpec
from ...data.trained_game import trained_game
from ...references.one_store import PROOFS, proof_key
from ...scoring.chosen import find_grid_constant
from ...scoring.evaluate import Leader
from ...scoring.leader_words import leader_place
from ...scoring.leaders import CLAIRVOYANTS, LEADER_NAMES, make_leader
from ...task import n_charges
from ...workers import Workers
from ..model.by_hand import begin
from ..model.problem import Problem
from .proofs import Check, Watched, best

GRID_CONSTANT: Final = "grid-constant"
SHOWN: Final = tuple(name for name in LEADER_NAMES if name not in CLAIRVOYANTS)
"""Leaders known by name that a page may be asked for; the clairvoyants' charges are drawn anyway."""
_OPTIONS: Final = {"day-ahead": "--leader", "hourly": "--hourly-leader"}
"""Which option takes a leader of a game."""
_PLANS: Final = ((20, 4000), (60, 1000))
"""Up to how many prosumers so many plans are tried in the search for the best sequence; 400 where there are more."""


@dataclass(frozen=True, kw_only=True)
class Led:
    """What a leader posts on a day.

    Attributes:
        name: What it is called.
        charge: γ in EUR/kWh.
        goal_eur: What it earns.
    """

    name: str
    charge: tuple[float, ...]
    goal_eur: float

    @property
    def level(self) -> float:
        """The mean coefficient, EUR/kWh."""
        return float(np.mean(self.charge))


@dataclass(frozen=True, eq=False, kw_only=True)
class Walked:
    """A day of the hourly game as somebody played it.

    Attributes:
        name: Who.
        charges: γ in EUR/kWh, shape (T, K).
        earned_eur: What each hour earned, shape (T,).
        is_final: Whether nothing better is still being searched for.
        upper_bound_eur: What no leader earns more than, infinite where nothing is proved.
    """

    name: str
    charges: Array
    earned_eur: Array
    is_final: bool = True
    upper_bound_eur: float = math.inf

    @property
    def total_eur(self) -> float:
        """What the day earned."""
        return float(self.earned_eur.sum())


def check_leader(text: str, spec: GameSpec) -> None:
    """See whether a leader can be had that plays a game.

    Args:
        text: A run folder, an ONNX file or a name in :data:`SHOWN`.
        spec: The game.

    Raises:
        ValueError: If it cannot.
    """
    if text in CLAIRVOYANTS:
        raise unknown_name("a leader (or a run folder or file)", text, SHOWN)
    trained = trained_game(leader_place(text, LEADER_NAMES))
    if trained is not None and trained.env != spec.env:
        option, other = _OPTIONS[spec.env], _OPTIONS[trained.env]
        raise ValueError(f"{option} must have learned the {spec.env} game, got {text}, which learned the {trained.env} game. Use {other}.")
    if text != GRID_CONSTANT:
        _leader(text, spec)


def led(text: str, learned_at: GameSpec, problem: Problem, check: Check) -> Led:
    """Return what a leader posts on a day.

    Args:
        text: Which one.
        learned_at: The game the page began with: what is chosen on training days is chosen at its import fee.
        problem: The day.
        check: Raises where nobody waits any more.

    Raises:
        ValueError: If the leader was trained for another game.
    """
    spec = problem.spec.changed(import_fee=learned_at.import_fee)
    name, charge = _posted(text, spec, problem)
    check()
    goal = problem.setting.transition(problem.mechanism, problem.day, charge).reward_eur
    return Led(name=name, charge=tuple(charge.tolist()), goal_eur=goal)


def _posted(text: str, spec: GameSpec, problem: Problem) -> tuple[str, Array]:
    if text == GRID_CONSTANT:
        return "grid constant", np.array(_grid_constant(spec))
    leader, task = _leader(text, spec)
    observation = make_observer(task.information, problem.community, forecast=task.forecast).observe(problem.scenario, problem.day)
    charge, _ = leader.on(problem.scenario).predict(observation, None, np.ones(1, dtype=np.bool_), deterministic=True)
    return leader.name, np.clip(np.asarray(charge, dtype=np.float64), 0.0, problem.setting.charge_cap)


@lru_cache(maxsize=16)
def _grid_constant(spec: GameSpec) -> tuple[float, ...]:
    return tuple(find_grid_constant(spec, Workers(1), seed=0).charges.tolist())


@lru_cache(maxsize=8)
def _leader(text: str, spec: GameSpec) -> tuple[Leader, GameSpec]:
    """Return a leader, and the game as it sees it."""
    trained = trained_game(leader_place(text, LEADER_NAMES))
    task = spec if trained is None else spec.changed(information=trained.information)
    if text == GRID_CONSTANT:  # of the hourly game
        charge = np.array(_grid_constant(spec.day_ahead))
        return Leader.of("grid constant", ConstantPolicy(np.resize(charge, n_charges(task))), 0), task
    return make_leader(text, task, [], Workers(1), seed=0), task


def walked_by_leader(text: str, problem: Problem, check: Check) -> Walked:
    """Return the day of the hourly game as a leader plays it; arguments and errors as :func:`led`."""
    leader, task = _leader(text, problem.spec.changed(env="hourly"))
    policy, memory, start = leader.on(problem.scenario), None, np.ones(1, dtype=np.bool_)
    hand = begin(problem)
    game = replace(problem, spec=problem.spec.changed(information=task.information)).hourly
    while not hand.over:
        check()
        charge, memory = policy.predict(game.observe(hand.states[-1]), memory, start, deterministic=True)
        hand, start = hand.post(np.clip(np.asarray(charge), 0.0, problem.setting.charge_cap)), np.zeros(1, dtype=np.bool_)
    return Walked(name=leader.name, charges=np.stack(hand.charges), earned_eur=hand.earned_eur)


def walked_level(problem: Problem, charge: float, name: str, check: Check) -> Walked:
    """Return the day of the hourly game at one charge in EUR/kWh, the same in every hour and for every coefficient."""
    day = _hourly_day(problem, check)
    walk = day.walk(np.full(day.shape, charge))
    return Walked(name=name, charges=walk.sequence, earned_eur=walk.goals_eur)


def walked_at_optimum(problem: Problem, check: Check) -> Walked:
    """Return the day of the hourly game at the optimum of the day, posted in every hour: the best known until a search is done.

    Raises:
        ClearingError: If the optimum cannot be proved, or a plan not cleared.
    """
    return replace(walked_level(problem, best(problem, check).charge, "optimum of the day, repeated", check), is_final=False)


def walked_best(problem: Problem, check: Check) -> Walked:
    """Return the best sequence found for the hourly game: proved where nobody stores, else by a search as hard as the size allows.

    With one store, what ``gridtoll optimum --env hourly`` has proved of the day is taken where it is kept: a proof takes minutes.

    Raises:
        ValueError: If something else than the exact market clears.
        ClearingError: If a plan cannot be cleared.
    """
    day, rules = _hourly_day(problem, check), problem.hourly.setting.rules
    setting = problem.hourly.setting
    if setting.tariff.n_basis == 1 and not problem.day.has_storage.any():
        hours = solve_hours(
            problem.day,
            problem.community.network,
            setting.tariff,
            cap=setting.charge_cap,
            flows=rules.flows,
            objective=require_exact(rules.objective),
            market=day.market,
        )
        walk = day.walk(hours.charges[:, None])
        return Walked(name="optimum", charges=walk.sequence, earned_eur=walk.goals_eur, upper_bound_eur=hours.upper_bound_eur)
    if applies(day):
        key = proof_key(problem.day, problem.community.network, setting.tariff, cap=setting.charge_cap, flows=rules.flows)
        if (proved := PROOFS.kept(key)) is not None:
            walk = day.walk(np.array(proved.charges)[:, None])
            bound = proved.upper_bound_eur
            return Walked(name="best proved", charges=walk.sequence, earned_eur=walk.goals_eur, upper_bound_eur=bound)
    _, hints = day_ahead_hints(day, max_clearings=300)
    walk = day.walk(search_hourly(day, hints=hints, n_starts=2, max_plans=plans_for(problem)).sequence)
    return Walked(name="best found", charges=walk.sequence, earned_eur=walk.goals_eur)


def plans_for(problem: Problem) -> int:
    """Return how many plans the search for the best sequence may clear."""
    return next((plans for most, plans in _PLANS if problem.community.n_prosumers <= most), 400)


def _hourly_day(problem: Problem, check: Check) -> HourlyDay:
    return HourlyDay(problem.hourly, problem.scenario, Watched(check=check))
