"""Many days of the day-ahead game side by side, cleared in one call: the batched form of :mod:`.day_ahead`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from ..account.objective import Objective
from ..account.settlement import Flows
from ..account.tariff import Period
from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Array, Day
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import ClearingError
from ..games.day_ahead import Episode, Episodes, Observation, make_game
from ..games.observation.observer import Information
from ..games.outcome import Outcome, infos
from ..games.transition import Transitions, transitions
from ..market.exact import Market
from ..market.solvers import Solver, choose_market
from .vector_format import RowGenerators, as_array, as_objects, by_key, read_autoreset_mode, read_rows

Infos = dict[str, Any]
_DRAWS_NOTHING: Final = "A batched environment draws nothing; play a row's scenario in `DayAheadEnv` and draw that."


class Batch(NamedTuple):
    """What the last step did."""

    rows: list[int]  # those whose days it priced; the others began theirs
    charge: Array  # γ, (rows, coefficients)
    played: Transitions


class DayAheadVectorEnv(VectorEnv[Observation, ArrayLike, NDArray[Any]]):
    """Set the network charge of many days of the peer-to-peer electricity market at once.

    ## Description

    `num_envs` rows, each of them a :class:`~gridtoll.envs.adapters.day_ahead.DayAheadEnv` with a generator of its own; see there for the
    game, spaces, rewards and what `info` holds. A step clears the days of all rows in one call, which the compiled kernel shares out over
    the cores. With the same solver, row k of `reset(seed=s)` and of every step after it equals the single environment seeded with s + k, to
    the last bit, just as under Gymnasium's `SyncVectorEnv`.

    ```python
    import gymnasium

    envs = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=64)
    observations, infos = envs.reset(seed=0)
    observations, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
    ```

    ## Autoreset

    `metadata["autoreset_mode"]` is `AutoresetMode.SAME_STEP`: every episode ends with its first step, and that step draws the next day. It
    returns the next days' observations; those of the days just priced are `infos["final_obs"]`, and their `info` is
    `infos["final_info"]`, both in Gymnasium's format. With `NEXT_STEP`, which some of Gymnasium's wrappers need (`NormalizeObservation`), a
    step returns the observations and `info` of the days it priced, and the step after that ignores its actions and begins the next days:
    every second step plays nothing. With `DISABLED` `reset` must come before the next step.

    ## Starting State

    `reset(seed=s)` seeds row k with s + k, `reset(seed=[…])` each row with its own; no seed leaves a row's generator as it is. `options`
    are those of the single environment: `day` and `price_path` are one number for all rows or one for each, and `reset_mask`, a boolean
    array of shape `(num_envs,)`, says which rows are reset; `infos` then hold only theirs.

    ## Errors

    A bad charge is refused with the number of its row, before anything is cleared; a clearing that fails names its row and how to replay it
    in the single environment. Either leaves all rows as they were, still to be priced.

    ## Arguments

    `num_envs`, then those of :class:`~gridtoll.envs.adapters.day_ahead.DayAheadEnv`, but

    | argument         | default                    | meaning                                                                        |
    |------------------|----------------------------|--------------------------------------------------------------------------------|
    | `num_envs`       | `1`                        | number of rows                                                                 |
    | `solver`         | `"structured"`             | the compiled kernel, or `"cvxpy"`                                              |
    | `market`         | the solver's               | instead of a solver; days are cleared one by one where it has no `clear_many`  |
    | `autoreset_mode` | `AutoresetMode.SAME_STEP`  | or `NEXT_STEP` or `DISABLED`, or the value of any of them                      |
    | `render_mode`    | `None`                     | nothing else: to see a row, play its scenario in the single environment        |

    `envs.outcome(row)` keeps the arrays of the last step, and `envs.fallbacks` counts the clearings that another solver than the one asked
    for had to finish (`infos["final_info"]["fallback"]` says which). Observations and validated days are kept for when their scenario comes
    up again, up to 256 MiB.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
        num_envs: int = 1,
        community: str | Path | Community = DEFAULT_COMMUNITY,
        *,
        tariff: str = "distance",
        charges_per: Period = "day",
        split: Split = "train",
        objective: Objective = "profit",
        information: Information = "public",
        flows: Flows = "trades",
        charge_cap: float | None = None,
        import_fee: float | None = None,
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
        self.game = make_game(
            community,
            tariff=tariff,
            charges_per=charges_per,
            split=split,
            objective=objective,
            information=information,
            flows=flows,
            charge_cap=charge_cap,
            import_fee=import_fee,
        )
        self.market = choose_market(solver, market, default="structured")
        self.num_envs = num_envs
        self.autoreset_mode = read_autoreset_mode(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.single_action_space, self.single_observation_space = self.game.action_space(), self.game.observation_space()
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.fallbacks = 0
        self._episodes = Episodes(self.game)
        self._random = RowGenerators(num_envs)
        self._rows: list[Episode | None] = [None] * num_envs  # None where there is no day to price
        self._waiting = np.zeros(num_envs, dtype=np.bool_)  # for the next step, which begins their next day
        self._observations = np.zeros((num_envs, self.game.observer.size), dtype=np.float32)
        self._batch: Batch | None = None

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
        begun = self._begin(list(told), [self.game.pick(self._random[row], options) for row, options in told.items()])
        return self._observations.copy(), by_key(_scenario_infos(begun), np.isin(np.arange(self.num_envs), list(told)))

    def step(self, actions: ArrayLike) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Post charges in every row, clear the days together and end their episodes.

        Args:
            actions: γ in EUR/kWh, shape (num_envs, K), in single or double precision.

        Returns:
            Observations, shape (num_envs, size), rewards in EUR, terminated and truncated, shape (num_envs,), and `info`; see the class.

        Raises:
            ValueError: If a charge has the wrong shape, is not a number, negative or above the cap; every such row is named.
            ResetNeeded: If a row's episode has not begun, or has ended and autoreset is disabled.
            ClearingError: If a clearing cannot be certified; the message says how to replay it.
        """
        game, every, none = self.game, np.ones(self.num_envs, dtype=np.bool_), np.zeros(self.num_envs, dtype=np.bool_)
        ended, waiting = ~self._waiting, np.flatnonzero(self._waiting).tolist()
        rows = np.flatnonzero(ended).tolist()
        episodes = self._ready(rows)
        coefficients = read_rows(game.tariff, actions, self.num_envs, game.community.n_periods, game.charge_cap, rows=rows)
        earned, priced = self._price(rows, episodes, coefficients)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            last = {"final_obs": as_objects(self._observations), "final_info": by_key(_scenario_infos(episodes) | priced, every)}
            begun = self._begin(rows, [game.draw(random) for random in self._random.generators])
            return self._observations.copy(), earned, ended, none, by_key(last | _scenario_infos(begun), every)
        begun = self._begin(waiting, [game.draw(self._random[row]) for row in waiting])
        for row in rows:
            self._rows[row], self._waiting[row] = None, self.autoreset_mode is AutoresetMode.NEXT_STEP
        shown = dict(zip([*rows, *waiting], [*episodes, *begun], strict=True))
        told = by_key(_scenario_infos([shown[row] for row in range(self.num_envs)]), every) | by_key(priced, ended)
        return self._observations.copy(), earned, ended, none, told

    def _price(self, rows: list[int], episodes: list[Episode], coefficients: list[Array]) -> tuple[Array, Infos]:
        """Price the days of rows; return rewards of all, shape (num_envs,), 0 elsewhere, and what `info` says of these rows."""
        earned = np.zeros(self.num_envs)
        if not rows:
            self._batch = None
            return earned, {}
        charges = np.stack([self.game.tariff.charges(each) for each in coefficients])
        played = self._play(rows, episodes, charges, coefficients)
        charge = np.stack([self.game.tariff.action(each) for each in coefficients])
        self._batch = Batch(rows, charge, played)
        self.fallbacks += sum(clearing.fallback for clearing in played.clearings)
        earned[rows] = played.rewards_eur
        return earned, infos(charge, played.clearings, played.settlements)

    @property
    def scenarios(self) -> list[Scenario]:
        """The day index and price path each row is about to price.

        Raises:
            ResetNeeded: If a row has none.
        """
        return [episode.scenario for episode in self._ready()]

    @property
    def days(self) -> list[Day]:
        """The data of the day each row is about to price.

        Raises:
            ResetNeeded: If a row has none.
        """
        return [episode.day for episode in self._ready()]

    def outcome(self, row: int) -> Outcome:
        """Return what the last step led to in a row: charges, clearing and settlement with all arrays.

        Raises:
            ResetNeeded: Before the first step, and where the last began the row's day.
        """
        if self._batch is None or row not in self._batch.rows:
            raise ResetNeeded("there is an outcome only after a step that priced the row's day.")
        rows, charge, played = self._batch
        k = rows.index(row)
        return Outcome(charge=charge[k], charges=played.charges[k], clearing=played.clearings[k], settlement=played.settlements.row(k))

    def render(self) -> None:
        """Refuse: a batched environment draws nothing.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_DRAWS_NOTHING)

    def _begin(self, rows: Sequence[int], scenarios: Sequence[Scenario]) -> list[Episode]:
        """Give rows their next episodes and return these; observations handed out before stay what they were."""
        begun = [self._episodes.of(scenario) for scenario in scenarios]
        self._observations = self._observations.copy()
        for row, episode in zip(rows, begun, strict=True):
            self._rows[row], self._waiting[row] = episode, False
            self._observations[row] = episode.observation
        return begun

    def _ready(self, rows: Sequence[int] | None = None) -> list[Episode]:
        """Return the episodes of rows, of all where absent, each of which must have begun."""
        asked = range(self.num_envs) if rows is None else rows
        episodes = [episode for row in asked if (episode := self._rows[row]) is not None]
        if len(episodes) < len(asked):
            missing = [row for row in asked if self._rows[row] is None]
            raise ResetNeeded(f"every row must have a day to price, but rows {missing} have none; call `reset` for them.")
        return episodes

    def _play(self, rows: list[int], episodes: list[Episode], charges: Array, coefficients: list[Array]) -> Transitions:
        try:
            return transitions(self.game.rules, self.market, [episode.day for episode in episodes], charges)
        except ClearingError as error:
            # The call does not say which day failed, so find out.
            for row, episode, posted, read in zip(rows, episodes, charges, coefficients, strict=True):
                try:
                    self.market.clear(episode.day, posted)
                except ClearingError as own:
                    told = self.game.replay(episode.scenario, read, self._random.seeds[row])
                    raise ClearingError(f"row {row}: {own} {told}") from error
            raise


def _scenario_infos(episodes: Sequence[Episode]) -> Infos:
    """Return what `info` says of scenarios, as arrays."""
    return {name: as_array([episode.info[name] for episode in episodes]) for name in episodes[0].info}
