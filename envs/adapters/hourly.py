"""Network pricing from hour to hour as a Gymnasium environment: a thin adapter over :mod:`..games.hourly`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from ..account.objective import Objective, reward
from ..account.settlement import Flows
from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Day
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import unknown_name
from ..games.day_ahead import Observation
from ..games.hourly import Belief, Played, State, make_hourly_game, play, whole_day
from ..games.observation.observer import BOUND, Information
from ..games.outcome import Outcome
from ..market.exact import Market
from ..market.solvers import Solver, choose_market

RenderMode = Literal["rgb_array"]


class HourlyEnv(gymnasium.Env[Observation, ArrayLike]):
    """Set the network charge of a peer-to-peer electricity market anew every hour.

    ## Description

    A grid operator (the leader) posts a charge on the trades between prosumers, hour by hour. At each hour the prosumers (the followers)
    plan the rest of the day exactly, from what their stores hold, and carry out the first hour of the plan. The operator keeps the charges
    of that hour and pays for its losses and overloads. Then the next hour comes. Stores make this a sequential problem: what is charged now
    decides what they hold later, and what prosumers believe of later charges decides what they do now.

    | `belief`      | what prosumers believe                                               |
    |---------------|----------------------------------------------------------------------|
    | `"standing"`  | the charge posted stands for all later hours, until it is changed    |
    | `"announced"` | later hours will be charged as announced                             |

    Under `"standing"` a leader can profit from surprise. A charge that never changes reproduces the day-ahead clearing hour by hour, and so
    does, with hourly charges, a schedule that is announced and kept; one that is announced and revised surprises too.

    ## Action Space

    `"standing"`: `Box(0, charge_cap, (K,), float32)`, the tariff's coefficients for this hour in EUR/kWh, as in `gridtoll/DayAhead-v0`.

    `"announced"`: `Box(0, charge_cap, (T·K,), float32)`, a schedule for all T hours of the day, coefficients of an hour side by side, as
    in `gridtoll/DayAhead-v0` with `charges_per="hour"`. The entries of this hour are charged, those of later hours announced, those of
    past hours ignored (they must be charges nevertheless). The size stays the same all day, so that any learner can be used, and posting
    the same schedule 24 times keeps every announcement.

    Rounding at the edges is forgiven, anything else outside is refused.

    ## Observation Space

    `Box(-5, 5, (size,), float32)`: the fields of `gridtoll/DayAhead-v0` as they were before the day began, then those of the hour, listed
    in :mod:`gridtoll.envs.games.observation.hourly`. `env.unwrapped.observer.layout` says where a field lies, and `.read(observation)`
    returns values in units.

    | `information` | what it holds                                                                                | size            |
    |---------------|----------------------------------------------------------------------------------------------|-----------------|
    | `"public"`    | forecasts, totals of the hour at hand, energy stored in total, trade of the hour before      | 308             |
    | `"full"`      | the truth of all hours, every private parameter, what prosumers expect, every store's energy | the community's |

    A `"full"` observation is a state: what follows depends on it and on the actions, and on nothing else.

    ## Rewards

    The operator's profit of the hour carried out in EUR, or with `objective="welfare"` the surplus of prosumers and operator together.
    Profits of the hours of a day add up to that of the day. `info` holds what it holds in `gridtoll/DayAhead-v0`, of the hour; besides
    `hours_played` and `stored_kwh`. The certificate is that of the whole plan.

    ## Starting State

    `reset` draws the first day as `gridtoll/DayAhead-v0` does, from those whose whole episode lies in the split; the same options pick it.
    Stores begin with the community's `storage_start`.

    ## Episode End

    After `24 · days` steps the episode terminates; none is truncated. A further step raises `gymnasium.error.ResetNeeded`.

    ## Arguments

    | argument         | default            | meaning                                                                                    |
    |------------------|--------------------|--------------------------------------------------------------------------------------------|
    | `community`      | `"simbench-rural"` | a name, a folder of CSV files, or a `Community`                                            |
    | `tariff`         | `"distance"`       | `"unique"`, `"distance"`, `"zonal"` or `"line"`                                            |
    | `belief`         | `"standing"`       | `"standing"` or `"announced"`                                                              |
    | `split`          | `"train"`          | what `reset` draws days from: `"train"`, `"validation"` or `"test"`                        |
    | `objective`      | `"profit"`         | `"profit"` or `"welfare"`                                                                  |
    | `information`    | `"public"`         | `"public"` or `"full"`                                                                     |
    | `flows`          | `"trades"`         | flows the operator answers for: those of `"trades"`, or of all `"injections"`              |
    | `charge_cap`     | the community's    | greatest coefficient in EUR/kWh                                                            |
    | `import_fee`     | the community's    | what the operator earns per kWh that prosumers import, in EUR/kWh                          |
    | `forecast_error` | `0.0`              | standard deviation of prosumers' relative errors about later hours, seeded by the day      |
    | `days`           | `1`                | days of an episode, 1 to 7; stores carry on, and each ends with at least `storage_start`   |
    | `solver`         | `"structured"`     | what clears: the compiled kernel, or `"cvxpy"`, which compiles each of 24 lengths once     |
    | `market`         | the solver's       | another market mechanism, anything with `clear(day, charges)`; instead of a solver         |
    | `render_mode`    | `None`             | `"rgb_array"`: the day so far, and the rest as it is planned                               |

    ```python
    import gymnasium

    env = gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community="simbench-rural")
    observation, info = env.reset(options={"day": 170})
    observation, reward, terminated, truncated, info = env.step([0.4])
    ```

    Many episodes at once: `gymnasium.make_vec` makes a :class:`~gridtoll.envs.adapters.hourly_vector.HourlyVectorEnv`.

    ## Version History

    * v0: first version. The version rises when behaviour changes, not when code does.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
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
        render_mode: RenderMode | None = None,
    ) -> None:
        """Build the environment; see the class for the arguments.

        Raises:
            ValueError: If a name is unknown, a number out of range, a community's data not valid, or both a solver and a market given.
        """
        if render_mode is not None and render_mode not in get_args(RenderMode):
            raise unknown_name("`render_mode`", render_mode, get_args(RenderMode))
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
        base = self.game.base
        self.community, self.tariff, self.observer = base.community, base.tariff, self.game.observer
        self.days, self.charge_cap, self.import_fee = base.days, base.charge_cap, base.import_fee
        self.objective, self.flows = base.objective, base.flows
        self.market = choose_market(solver, market, default="structured")
        self.render_mode = render_mode
        self.action_space: spaces.Space[Any] = base.action_space()
        self.observation_space: spaces.Space[Any] = spaces.Box(-BOUND, BOUND, (self.observer.size,), np.float32)
        self.played: list[Played] = []
        self._state: State | None = None

    @property
    def state(self) -> State:
        """Where the episode stands.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self._state is None:
            raise ResetNeeded("an episode begins with `reset`; call it first.")
        return self._state

    @property
    def scenario(self) -> Scenario:
        """The day index and price path of the day at hand."""
        return self.state.loaded.scenario

    @property
    def day(self) -> Day:
        """The data of the day at hand as it comes, with the import fee the environment was given."""
        return self.state.loaded.day

    @property
    def outcome(self) -> Outcome | None:
        """What the last hour led to; None before the first."""
        return self.played[-1].outcome if self.played else None

    def day_of(self, scenario: Scenario) -> Day:
        """Return the data of any scenario as this environment would play it.

        Raises:
            ValueError: If there is no such day or price path.
        """
        return self.game.base.day_of(scenario)

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode with a day drawn from the split, or with the one picked.

        Args:
            seed: Seeds the draws of this and later resets.
            options: ``day`` and ``price_path`` to pick; see the class.

        Raises:
            ValueError: If an option is unknown, there is no such day or price path, or the data end before the episode would.
        """
        super().reset(seed=seed)
        self._state = self.game.begin(self.game.pick(self.np_random, options or {}))
        self.played = []
        return self.game.observe(self._state), self.game.info(self._state)

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Post a charge, let prosumers plan the rest of the day, and carry out the hour.

        Args:
            action: γ in EUR/kWh, in single or double precision; of the hour, or of the whole day under ``"announced"``.

        Raises:
            ValueError: If the charge has the wrong shape, is not a number, negative or above the cap.
            ResetNeeded: If the episode has not begun, or is over.
            ClearingError: If the plan cannot be certified; the message says how to replay it.
        """
        before = self.state
        if before.over:
            raise ResetNeeded("the last hour of the episode is priced; call `reset` for the next.")
        coefficients = self.tariff.read(action, before.loaded.day.n_periods, self.charge_cap)
        [played] = play(self.game, self.market, [before], [coefficients])
        self.played.append(played)
        self._state = played.state
        earned = reward(played.outcome.settlement, self.objective)
        info = hour_info(self.game.info(before), played)
        return self.game.observe(self._state), earned, self._state.over, False, info

    def hours_of_day(self) -> list[Played]:
        """Return the hours carried out of the day the last one belongs to."""
        n_periods = self.community.n_periods
        return self.played[(len(self.played) - 1) // n_periods * n_periods :] if self.played else []

    def day_outcome(self) -> Outcome:
        """Return that day as one outcome: hours carried out, and the rest as it is planned.

        Raises:
            ResetNeeded: Before the first step.
        """
        hours = self.hours_of_day()
        if not hours:
            raise ResetNeeded("there is an outcome only after a step.")
        loaded = self.game.load(self.scenario if len(hours) < self.community.n_periods or self.state.over else self._yesterday())
        return whole_day(self.game, loaded, [each.outcome for each in hours], hours[-1].plan)

    def render(self) -> NDArray[np.uint8] | None:
        """Return the day so far as an RGB array, shape (height, width, 3), or None without a render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn('to render, make the environment with render_mode="rgb_array".')
            return None
        from .pictures.hourly import hourly_picture  # noqa: PLC0415 - Matplotlib takes half a second, and only pictures need it

        return hourly_picture(self)

    def _yesterday(self) -> Scenario:
        return self.scenario._replace(day=self.scenario.day - 1)


def hour_info(of_state: dict[str, Any], played: Played) -> dict[str, Any]:
    """Return the `info` of an hour carried out: that of the state it began in, with hours and energy as it left them."""
    after = {"hours_played": played.state.hours_played, "stored_kwh": float(played.state.stored.sum())}
    return of_state | after | played.outcome.info()
