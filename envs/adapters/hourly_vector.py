"""Many episodes of the hourly game side by side, their plans cleared in one call: the batched form of :mod:`.hourly`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from ..account.objective import Objective, reward
from ..account.settlement import Flows
from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Array
from ..community.sources import DEFAULT_COMMUNITY
from ..games.day_ahead import Observation
from ..games.hourly import Belief, Played, State, make_hourly_game, play
from ..games.observation.observer import BOUND, Information
from ..games.outcome import Outcome
from ..market.exact import Market
from ..market.solvers import Solver, choose_market
from .hourly import hour_info
from .vector_format import RowGenerators, read_autoreset_mode, read_rows

Infos = dict[str, Any]
_DRAWS_NOTHING: Final = "A batched environment draws nothing; play a row's scenario in `HourlyEnv` and draw that."


class HourlyVectorEnv(VectorEnv[Observation, ArrayLike, NDArray[Any]]):
    """Set the network charge of many episodes of the peer-to-peer electricity market hour by hour.

    ## Description

    `num_envs` rows, each a :class:`~gridtoll.envs.adapters.hourly.HourlyEnv` with a generator of its own; see there for the game, spaces,
    rewards and what `info` holds. A step clears the plans of all rows in one call, which the compiled kernel shares out over the cores.
    With the same solver, row k of `reset(seed=s)` and of every step after it equals the single environment seeded with s + k, to the last
    bit, just as under Gymnasium's `SyncVectorEnv`.

    All rows step together. They may stand at different hours, after a reset of some of them.

    ## Autoreset

    `metadata["autoreset_mode"]` is `AutoresetMode.SAME_STEP`: the step that ends an episode begins the next, and returns its first
    observation; the last observation and `info` of the one that ended are `infos["final_obs"]` and `infos["final_info"]`, in Gymnasium's
    format. With `NEXT_STEP` it returns the last observation, and the next step ignores the row's action and begins its next episode: one
    step in 25 plays nothing. With `DISABLED` a step must not come before rows that are over have been reset.

    ## Arguments

    `num_envs`, then those of :class:`~gridtoll.envs.adapters.hourly.HourlyEnv`, with `autoreset_mode` beside them and without a
    `render_mode`. `envs.outcome(row)` keeps the arrays of the last step, `envs.states` says where the rows stand, and `envs.fallbacks`
    counts the plans that another solver than the one asked for had to finish.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
        num_envs: int = 1,
        community: str | Path | Community = DEFAULT_COMMUNITY,
        *,
        tariff: str = "distance",
        belief: Belief = "standing",
        split: Split = "train",
        objective: Objective = "profit",
        information: Information = "public",
        flows: Flows = "trades",
        charge_cap: float | None = None,
        import_fee: float | None = None,
        forecast_error: float = 0.0,
        days: int = 1,
        solver: Solver | None = None,
        market: Market | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: None = None,
    ) -> None:
        """Build the environment; see the class for the arguments.

        Raises:
            ValueError: If a name is unknown, a number out of range, a community's data not valid, or both a solver and a market given.
        """
        if num_envs < 1:
            raise ValueError(f"`num_envs` must be at least 1, got {num_envs}.")
        if render_mode is not None:
            raise ValueError(f"`render_mode` must be None, got {render_mode!r}. {_DRAWS_NOTHING}")
        self.game = make_hourly_game(
            community,
            tariff=tariff,
            belief=belief,
            split=split,
            objective=objective,
            information=information,
            flows=flows,
            charge_cap=charge_cap,
            import_fee=import_fee,
            forecast_error=forecast_error,
            days=days,
        )
        self.market = choose_market(solver, market, default="structured")
        self.num_envs = num_envs
        self.autoreset_mode = read_autoreset_mode(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.single_action_space = self.game.base.action_space()
        self.single_observation_space = spaces.Box(-BOUND, BOUND, (self.game.observer.size,), np.float32)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.fallbacks = 0
        self._random = RowGenerators(num_envs)
        self._rows: list[State | None] = [None] * num_envs
        self._observations = np.zeros((num_envs, self.game.observer.size), dtype=np.float32)
        self._played: dict[int, Played] = {}

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
            options: ``day``, ``price_path`` and ``reset_mask``; see :class:`.day_ahead_vector.DayAheadVectorEnv`.

        Returns:
            The observations of all rows, shape (num_envs, size), and `info` of those reset.

        Raises:
            ValueError: If an option is unknown or has the wrong shape, or there is no such day or price path.
        """
        told = self._random.reset(seed, options)
        scenarios = {row: self.game.pick(self._random[row], options) for row, options in told.items()}
        infos: Infos = {}
        self._observations = self._observations.copy()
        for row, scenario in scenarios.items():
            infos = self._add_info(infos, self._begin(row, scenario), row)
        return self._observations.copy(), infos

    def step(self, actions: ArrayLike) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Post charges in every row, plan together and carry out an hour.

        Args:
            actions: γ in EUR/kWh, shape (num_envs, K) or (num_envs, T·K), in single or double precision.

        Returns:
            Observations, shape (num_envs, size), rewards in EUR, terminated and truncated, shape (num_envs,), and `info`; see the class.

        Raises:
            ValueError: If a charge has the wrong shape, is not a number, negative or above the cap; every such row is named.
            ResetNeeded: If a row's episode has not begun, or is over and autoreset is disabled.
            ClearingError: If a plan cannot be certified; the message says how to replay it.
        """
        base, waiting = self.game.base, self._waiting()
        states = self._ready([row for row in range(self.num_envs) if row not in waiting])
        coefficients = read_rows(base.tariff, actions, self.num_envs, base.community.n_periods, base.charge_cap, rows=states)
        self._played = dict(zip(states, play(self.game, self.market, list(states.values()), coefficients), strict=True)) if states else {}
        self.fallbacks += sum(played.plan.fallback for played in self._played.values())
        earned, ended = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=np.bool_)
        infos: Infos = {}
        self._observations = np.empty_like(self._observations)
        for row in range(self.num_envs):
            if row in waiting:
                infos = self._add_info(infos, self._begin(row, base.draw(self._random[row])), row)
                continue
            played = self._played[row]
            earned[row], ended[row] = reward(played.outcome.settlement, base.objective), played.state.over
            self._rows[row], info = played.state, hour_info(self.game.info(states[row]), played)
            self._observations[row] = self.game.observe(played.state)
            if ended[row] and self.autoreset_mode is AutoresetMode.SAME_STEP:
                final = {"final_obs": self._observations[row].copy(), "final_info": info}
                infos = self._add_info(infos, final, row)
                info = self._begin(row, base.draw(self._random[row]))
            infos = self._add_info(infos, info, row)
        return self._observations.copy(), earned, ended, np.zeros_like(ended), infos

    @property
    def states(self) -> list[State]:
        """Where each row's episode stands.

        Raises:
            ResetNeeded: If a row has no hour to price.
        """
        return list(self._ready(range(self.num_envs)).values())

    def outcome(self, row: int) -> Outcome:
        """Return what the last step led to in a row: charges, clearing and settlement of the hour with all arrays.

        Raises:
            ResetNeeded: Before the first step, and where the last began the row's episode.
        """
        if row not in self._played:
            raise ResetNeeded("there is an outcome only after a step that priced an hour of the row.")
        return self._played[row].outcome

    def render(self) -> None:
        """Refuse: a batched environment draws nothing.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_DRAWS_NOTHING)

    def _begin(self, row: int, scenario: Scenario) -> Infos:
        """Give a row its next episode and return its `info`."""
        state = self._rows[row] = self.game.begin(scenario)
        self._observations[row] = self.game.observe(state)
        return self.game.info(state)

    def _waiting(self) -> list[int]:
        """Return the rows whose next episode begins in the next step."""
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            return []
        return [row for row, state in enumerate(self._rows) if state is not None and state.over]

    def _ready(self, rows: Sequence[int]) -> dict[int, State]:
        """Return where the episodes of rows stand, each of which must have an hour to price."""
        states = {row: state for row in rows if (state := self._rows[row]) is not None and not state.over}
        missing = [row for row in rows if row not in states]
        if missing:
            raise ResetNeeded(f"every row must have an hour to price, but rows {missing} have none; call `reset` for them.")
        return states
