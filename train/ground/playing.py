"""Playing the days of a game with a leader, whichever game it is: many days side by side, step by step.

Episodes are single days, so that every day of the hourly game starts from the community's own stored energy and scores are per day. The
day-ahead game is the case of one step.

Where prosumers learn (``belief="learned"``), the leader of a day first leads the days before it in the data, as many as prosumers remember,
each as an episode of its own under the day's price path. They are not scored. So what a day earns depends neither on the other days asked
for nor on their order. A leader that knows the day does there what it does on the day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...agents.policy import Policy, State
from ...envs.adapters.vector_format import read_rows
from ...envs.community.calendar import Scenario
from ...envs.errors import ClearingError
from ...envs.games.game import Game
from ...envs.games.memory import REMEMBERED_DAYS
from ...envs.games.spec import GameSpec
from ...envs.games.transition import Plays
from ...envs.market.mechanism import Mechanism, read_mechanism
from ..task import environment_of, market_of
from .progress import progress

_SIDE_BY_SIDE: Final = 32
"""Days played in one batch; more gain nothing once every core is busy."""
_RESIDUALS: Final = ("primal_residual", "dual_residual", "gap")

Leaders = Callable[[Scenario], Policy]
"""The leader of a scenario: the same for all where it looks at what it observes, one each where it knows the day."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PlayedDay:
    """A day as a leader played it.

    Attributes:
        charges: γ posted in EUR/kWh: of the one step, shape (1, coefficients), or for each hour, shape (T, K).
        objective_eur: Sum of the rewards.
        profit_eur: The operator's profit.
        welfare_eur: Prosumers and operator together.
        primal_residual: Greatest of its clearings, scaled; NaN where the market says of none, likewise the next two.
        dual_residual: Greatest of its clearings, scaled.
        gap: That of its clearings which is farthest from 0, scaled.
        solver: What cleared it; several are named together. The market's name where it says of none.
    """

    charges: NDArray[np.float64]
    objective_eur: float
    profit_eur: float
    welfare_eur: float
    primal_residual: float
    dual_residual: float
    gap: float
    solver: str

    @property
    def worst_residual(self) -> float:
        """Greatest residual or gap of its clearings that the market says, scaled; NaN where it says none."""
        return float(np.fmax.reduce([self.primal_residual, self.dual_residual, abs(self.gap)]))


def same_for_all(policy: Policy) -> Leaders:
    """Return a leader that is the same on all days."""
    return lambda _: policy


def play_days(
    task: GameSpec, leaders: Leaders, scenarios: Sequence[Scenario], *, threads: int | None = None, label: str | None = None
) -> list[PlayedDay]:
    """Play every scenario from its first step to its last with the leader's deterministic charges.

    Leaders are asked one by one, in the order of the scenarios within a step. What comes of a day does not depend on the others, nor on how
    many are cleared at once. Days that were played before are kept with the game.

    Args:
        task: The game.
        leaders: Who plays.
        scenarios: What to play.
        threads: Days, or plans, cleared at once; as many as there are cores where absent.
        label: Of a progress bar, None for no bar.

    Raises:
        ValueError: If a leader posts charges that cannot be posted.
        ClearingError: If a day could not be cleared.
    """
    game, market = environment_of(task).game, market_of(task, threads=threads)
    played: list[PlayedDay] = []
    with progress(label or "", len(scenarios), quiet=label is None, leave=False) as bar:
        for first in range(0, len(scenarios), _SIDE_BY_SIDE):
            some = scenarios[first : first + _SIDE_BY_SIDE]
            asked = [leaders(each) for each in some]
            played += _play_together(game, market, asked, some, _led_before(game, market, asked, some))
            bar.update(len(some))
    return played


def days_led(task: GameSpec, scenarios: Sequence[Scenario]) -> int:
    """Return how many days :func:`play_days` plays to score scenarios, with those that prosumers learn from."""
    return len(scenarios) + sum(_days_before(task, each) for each in scenarios)


def days_up_to(task: GameSpec, scenario: Scenario) -> list[Scenario]:
    """Return the days that a leader leads so that the last of them can be scored: those that prosumers learn from, and the scenario."""
    return [scenario._replace(day=scenario.day - back) for back in range(_days_before(task, scenario), -1, -1)]


def _days_before(task: GameSpec, scenario: Scenario) -> int:
    """Return how many days a leader leads before the day that is scored."""
    return min(REMEMBERED_DAYS, scenario.day) if task.belief == "learned" else 0


def _led_before(game: Game[Any], market: Mechanism[Any], leaders: Sequence[Policy], scenarios: Sequence[Scenario]) -> list[Any]:
    """Return where the episodes before those of scenarios ended, None where there were none."""
    states: list[Any] = [None] * len(scenarios)
    many = [_days_before(game.setting.spec, each) for each in scenarios]
    for back in range(max(many), 0, -1):
        rows = [row for row, days in enumerate(many) if days >= back]
        begun = [game.begin(scenarios[row]._replace(day=scenarios[row].day - back), before=states[row]) for row in rows]
        for _, plays in steps_of(game, market, [leaders[row] for row in rows], begun):
            begun = list(plays.states)
        for row, state in zip(rows, begun, strict=True):
            states[row] = state
    return states


def steps_of(
    game: Game[Any], market: Mechanism[Any], leaders: Sequence[Policy], states: Sequence[Any], *, deterministic: bool = True
) -> Iterator[tuple[NDArray[Any], Plays[Any, Any]]]:
    """Play episodes side by side from where they stand to their end, and give what was observed before each step and what it led to.

    Args:
        game: The game.
        market: What clears.
        leaders: Who leads, one for each row.
        states: Where the episodes stand.
        deterministic: Whether leaders are asked for what they post without noise.

    Yields:
        Observations, shape (R, observed), and the step.

    Raises:
        ValueError: If a leader posts charges that cannot be posted.
        ClearingError: If a day could not be cleared.
    """
    memories: list[State | None] = [None] * len(leaders)
    start, over = np.ones(1, dtype=np.bool_), False
    while not over:
        observed, actions = np.array([game.observe(state) for state in states]), []
        for row, leader in enumerate(leaders):
            action, memories[row] = leader.predict(observed[row], memories[row], start, deterministic=deterministic)
            actions.append(action)
        plays = _step(game, market, states, np.array(actions))
        yield observed, plays
        states, start = plays.states, np.zeros(1, dtype=np.bool_)
        over = all(state.over for state in states)


def _play_together(
    game: Game[Any], market: Mechanism[Any], leaders: Sequence[Policy], scenarios: Sequence[Scenario], before: Sequence[Any]
) -> list[PlayedDay]:
    """Play one day in each row, after what was played before."""
    rows = range(len(scenarios))
    states: Sequence[Any] = [game.begin(scenario, before=each) for scenario, each in zip(scenarios, before, strict=True)]
    posted: list[list[NDArray[np.float64]]] = [[] for _ in rows]
    sums = {name: np.zeros(len(rows)) for name in ("objective", "profit", "welfare")}
    residuals, solvers = {name: np.zeros(len(rows)) for name in _RESIDUALS}, [set[str]() for _ in rows]
    for _, plays in steps_of(game, market, leaders, states):
        infos = plays.infos()
        sums["objective"] += plays.carried_out.rewards_eur
        sums["profit"] += infos["profit_eur"]
        sums["welfare"] += infos["welfare_eur"]
        for name, worst in residuals.items():  # not every market has these
            told = infos.get(name, np.full(len(rows), np.nan))
            residuals[name] = np.where(np.abs(told) <= np.abs(worst), worst, told)
        cleared_by = infos.get("solver", [read_mechanism(game.setting.spec.mechanism)[0]] * len(rows))
        for row in rows:
            posted[row].append(plays.charge[row])
            solvers[row].add(str(cleared_by[row]))
    return [
        PlayedDay(
            charges=_carried_out(posted[row], game.setting.tariff.n_basis),
            objective_eur=float(sums["objective"][row]),
            profit_eur=float(sums["profit"][row]),
            welfare_eur=float(sums["welfare"][row]),
            **{name: float(worst[row]) for name, worst in residuals.items()},
            solver=" ".join(sorted(solvers[row])),
        )
        for row in rows
    ]


def _step(game: Game[Any], market: Mechanism[Any], states: Sequence[Any], actions: NDArray[Any]) -> Plays[Any, Any]:
    """Play a step of every day; a clearing that fails says how to replay it."""
    coefficients = read_rows(game.setting, actions, len(states), rows=range(len(states)))
    try:
        return game.play(market, states, coefficients)
    except ClearingError as error:
        if error.number is None:
            raise
        raise ClearingError(f"{error} {game.replay(states[error.number], coefficients[error.number])}.") from error


def _carried_out(posted: Sequence[NDArray[np.float64]], n_basis: int) -> Any:
    """Return γ of every step; an action that holds those of all hours, as under ``announced``, counts for the hour it is posted in."""
    if len(posted) == 1:
        return np.stack(posted)
    of_hours = [charge.reshape(-1, n_basis) for charge in posted]
    return np.stack([charge[hour % len(charge)] for hour, charge in enumerate(of_hours)])
