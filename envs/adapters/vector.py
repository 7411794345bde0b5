"""Many episodes of a game side by side, cleared in one call: the batched form of the day-ahead and of the hourly environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Array, Day
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import ClearingError
from ..games.dealing import Dealer, Order, Scenarios
from ..games.game import Observation
from ..games.spec import GameName
from ..games.transition import Outcome, Plays
from ..market.mechanism import EXACT, Allocation, Mechanism
from ..market.solvers import Solver, choose_mechanism
from .arguments import game_of, signature_of
from .pricing import action_space, observation_space
from .vector_format import (
    Infos,
    InfosOfRows,
    RowGenerators,
    final_infos,
    in_rows,
    of_states,
    parted,
    read_autoreset_mode,
    read_rows,
    seeds_of,
)

_DRAWS_NOTHING: Final = "A batched environment draws nothing; play a row's scenario in the single environment and draw that."


class PricingVectorEnv(VectorEnv[Observation, ArrayLike, NDArray[Any]]):
    """Set the network charge of many episodes of the peer-to-peer electricity market at once.

    ## Description

    `num_envs` rows, each of them a :class:`~gridtoll.envs.adapters.day_ahead.DayAheadEnv` or, with `env="hourly"`, a
    :class:`~gridtoll.envs.adapters.hourly.HourlyEnv`, with a generator of its own; see there for the game, spaces, rewards and what `info`
    holds. A step clears the days, or the plans, of all rows in one call, which the compiled kernel shares out over the cores. With the same
    solver, row k of `reset(seed=s)` and of every step after it equals the single environment seeded with s + k, to the last bit, just as
    under Gymnasium's `SyncVectorEnv`.

    All rows step together. In the hourly game they may stand at different hours, after a reset of some of them.

    ```python
    import gymnasium

    envs = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=64)
    observations, infos = envs.reset(seed=0)
    observations, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
    ```

    ## Autoreset

    `metadata["autoreset_mode"]` is `AutoresetMode.SAME_STEP`: the step that ends an episode begins the next. It returns the next episode's
    first observation; the last one of the episode that ended is in `infos["final_obs"]` and its `info` in `infos["final_info"]`, both in
    Gymnasium's format. With `NEXT_STEP`, which some of Gymnasium's wrappers need (`NormalizeObservation`), a step returns the last
    observation and `info`, and the step after that ignores the row's action and begins its next episode: of the day-ahead game every second
    step plays nothing, of the hourly game one in T + 1. With `DISABLED` `reset` must come before the next step.

    ## Starting State

    `reset(seed=s)` seeds row k with s + k, `reset(seed=[…])` each row with its own; no seed leaves a row's generator as it is, and what
    prosumers remember under `belief="learned"`, which is each row's own. `options`
    are those of the single environment: `day` and `price_path` are one number for all rows or one for each, and `reset_mask`, a boolean
    array of shape `(num_envs,)`, says which rows are reset; `infos` then hold only theirs.

    ## Errors

    A bad charge is refused with the number of its row, before anything is cleared; a clearing that fails names its row and how to replay it
    in the single environment. Either leaves all rows as they were, still to be priced.

    ## Arguments

    `num_envs`, then those of the single environment, but

    | argument         | default                    | meaning                                                                        |
    |------------------|----------------------------|--------------------------------------------------------------------------------|
    | `num_envs`       | `1`                        | number of rows                                                                 |
    | `order`          | `"random"`                 | `"cycle"`: rows together play each scenario once, then all again               |
    | `env`            | `"day-ahead"`              | or `"hourly"`; `gymnasium.make_vec` says it by itself                          |
    | `solver`         | `"structured"`             | the compiled kernel, or `"cvxpy"`                                              |
    | `autoreset_mode` | `AutoresetMode.SAME_STEP`  | or `NEXT_STEP` or `DISABLED`, or the value of any of them                      |
    | `render_mode`    | `None`                     | nothing else: to see a row, play its scenario in the single environment        |

    `envs.outcome(row)` keeps the arrays of the last step, `envs.states` says where the rows stand, and `envs.fallbacks` counts the
    clearings that another solver than the one asked for had to finish. Observations and validated days are kept for when their scenario
    comes up again, up to 256 MiB.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
        num_envs: int = 1,
        community: str | Path | Community = DEFAULT_COMMUNITY,
        *,
        env: GameName = "day-ahead",
        split: Split = "train",
        solver: Solver | None = None,
        mechanism: str | Mechanism[Allocation] = EXACT,
        scenarios: Scenarios | None = None,
        order: Order = "random",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: None = None,
        **game: Any,
    ) -> None:
        """Build the environment; see the class for the arguments.

        Raises:
            ValueError: If a name is unknown, a number out of range, a community's data not valid, or both a solver and a mechanism given.
        """
        if num_envs < 1:
            raise ValueError(f"`num_envs` must be at least 1, got {num_envs}.")
        if render_mode is not None:
            raise ValueError(f"`render_mode` must be None, got {render_mode!r}. {_DRAWS_NOTHING}")
        self.game = game_of(env, community, split=split, mechanism=mechanism, arguments=game)
        self.setting = self.game.setting
        self.mechanism: Any = choose_mechanism(mechanism, solver, default="structured")
        self.num_envs = num_envs
        self._dealers = [Dealer(self.setting, split, scenarios, order, row=(row, num_envs)) for row in range(num_envs)]
        self.autoreset_mode = read_autoreset_mode(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.single_action_space, self.single_observation_space = action_space(self.game), observation_space(self.game)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.fallbacks = 0
        self._random = RowGenerators(num_envs)
        self._rows: list[Any] = [None] * num_envs  # None before the first reset
        self._observations = np.zeros((num_envs, self.game.observer.size), dtype=np.float32)
        self._played: tuple[list[int], Plays[Any, Any]] | None = None

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generator of each row."""
        return self._random.generators

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each row's generator."""
        return self._random.seeds

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Infos]:
        """Begin an episode in every row, or in those of a mask.

        Args:
            seed: Row k is seeded with ``seed + k``, or with the k-th of a sequence; None leaves generators as they are.
            options: ``day``, ``price_path`` and ``reset_mask``; see the class.

        Returns:
            The observations of all rows, shape (num_envs, size), and `info` of those reset.

        Raises:
            ValueError: If an option is unknown or has the wrong shape, or there is no such day or price path.
        """
        told = self._random.reset(seed, options)
        seeds = seeds_of(seed, self.num_envs)
        for row in told:
            if seeds[row] is not None:
                self._dealers[row].restart()
        scenarios = [self._dealers[row].pick(self._random[row], options) for row, options in told.items()]
        self._observations = self._observations.copy()
        begun = self._begin(list(told), scenarios, [self._rows[row] if seeds[row] is None else None for row in told])
        return self._observations.copy(), in_rows([(list(told), begun)], self.num_envs)

    def step(self, actions: ArrayLike) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Post charges in every row, clear together and settle.

        Args:
            actions: γ in EUR/kWh, shape (num_envs, coefficients), in single or double precision.

        Returns:
            Observations, shape (num_envs, size), rewards in EUR, terminated and truncated, shape (num_envs,), and `info`; see the class.

        Raises:
            ValueError: If a charge has the wrong shape, is not a number, negative or above the cap; every such row is named.
            ResetNeeded: If a row's episode has not begun, or is over and autoreset is disabled.
            ClearingError: If a clearing cannot be certified; the message says how to replay it.
        """
        waiting = self._waiting()
        rows = [row for row in range(self.num_envs) if row not in waiting]
        states = self._ready(rows)
        plays = self._play(rows, states, read_rows(self.setting, actions, self.num_envs, rows=rows)) if rows else None
        earned, ended = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=np.bool_)
        self._played, self._observations = None, self._observations.copy()  # those handed out before stay what they were
        infos: Infos = {}
        told: list[InfosOfRows] = []
        if plays is not None:
            self._played = rows, plays
            for row in rows:
                self._dealers[row].played()
            earned[rows], ended[rows] = plays.carried_out.rewards_eur, [state.over for state in plays.states]
            self._show(rows, plays.states)
            said = plays.infos()
            self.fallbacks += int(np.count_nonzero(said.get("fallback", ())))
            told = [(rows, of_states(self.game, states, plays.states) | said)]
            if self.autoreset_mode is AutoresetMode.SAME_STEP and ended.any():
                waiting = np.flatnonzero(ended).tolist()
                final, told = parted(told[0], waiting)
                infos = final_infos(self._observations, final, self.num_envs)
        if waiting:
            dealt, before = [self._dealers[row].deal(self._random[row]) for row in waiting], [self._rows[row] for row in waiting]
            told.append((waiting, self._begin(waiting, dealt, before)))
        return self._observations.copy(), earned, ended, np.zeros_like(ended), infos | in_rows(told, self.num_envs)

    @property
    def states(self) -> list[Any]:
        """Where each row's episode stands.

        Raises:
            ResetNeeded: If a row has nothing to price.
        """
        return self._ready(range(self.num_envs))

    @property
    def scenarios(self) -> list[Scenario]:
        """The day index and price path of the day each row is about to price.

        Raises:
            ResetNeeded: If a row has none.
        """
        return [state.scenario for state in self.states]

    @property
    def days(self) -> list[Day]:
        """The data of the day each row is about to price.

        Raises:
            ResetNeeded: If a row has none.
        """
        return [state.day for state in self.states]

    def outcome(self, row: int) -> Outcome[Any]:
        """Return what the last step led to in a row: charges, clearing and settlement with all arrays.

        Raises:
            ResetNeeded: Before the first step, and where the last began the row's episode.
        """
        if self._played is None or row not in self._played[0]:
            raise ResetNeeded("a row has an outcome only after a step that priced something in it. Call `step` first.")
        rows, plays = self._played
        return plays.outcome(rows.index(row))

    def render(self) -> None:
        """Refuse: a batched environment draws nothing.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_DRAWS_NOTHING)

    def _begin(self, rows: Sequence[int], scenarios: Sequence[Scenario], before: Sequence[Any]) -> Infos:
        """Give rows their next episodes, after those that ended where prosumers remember, and return what `info` says of these."""
        begun = [self.game.begin(scenario, before=each) for scenario, each in zip(scenarios, before, strict=True)]
        self._show(rows, begun)
        return of_states(self.game, begun, begun)

    def _show(self, rows: Sequence[int], states: Sequence[Any]) -> None:
        """Put rows into states, and what is seen of these among the observations."""
        for row, state in zip(rows, states, strict=True):
            self._rows[row], self._observations[row] = state, self.game.observe(state)

    def _waiting(self) -> list[int]:
        """Return the rows whose next episode begins in the next step."""
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            return []
        return [row for row, state in enumerate(self._rows) if state is not None and state.over]

    def _ready(self, rows: Sequence[int]) -> list[Any]:
        """Return where the episodes of rows stand, each of which must have something to price."""
        missing = [row for row in rows if self._rows[row] is None or self._rows[row].over]
        if missing:
            raise ResetNeeded(f"every row must have something to price, but rows {missing} have nothing; call `reset` for them.")
        return [self._rows[row] for row in rows]

    def _play(self, rows: Sequence[int], states: Sequence[Any], coefficients: Sequence[Array]) -> Plays[Any, Any]:
        try:
            return self.game.play(self.mechanism, states, coefficients)
        except ClearingError as error:
            if error.number is None:
                raise
            k = error.number
            told = f"{self.game.replay(states[k], coefficients[k])}; seed {self._random.seeds[rows[k]]}."
            raise ClearingError(f"row {rows[k]}: {error} {told}") from error


PricingVectorEnv.__signature__ = signature_of(PricingVectorEnv.__init__, "day-ahead", "hourly")  # type: ignore[attr-defined]


def day_ahead_rows(num_envs: int = 1, *arguments: Any, **named: Any) -> PricingVectorEnv:
    """Return many episodes of the day-ahead game, for ``gymnasium.make_vec``."""
    return PricingVectorEnv(num_envs, *arguments, env="day-ahead", **named)


def hourly_rows(num_envs: int = 1, *arguments: Any, **named: Any) -> PricingVectorEnv:
    """Return many episodes of the hourly game, for ``gymnasium.make_vec``."""
    return PricingVectorEnv(num_envs, *arguments, env="hourly", **named)
