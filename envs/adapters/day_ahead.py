"""Day-ahead network pricing as a Gymnasium environment: a thin adapter over the economics of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from ..account.objective import Objective
from ..account.settlement import Flows
from ..account.tariff import Period
from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Day
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import ClearingError, unknown_name
from ..games.day_ahead import Episode, Observation, make_game
from ..games.observation.observer import Information
from ..games.outcome import Outcome
from ..games.transition import transition
from ..market.exact import Market
from ..market.solvers import Solver, choose_market

if TYPE_CHECKING:  # Matplotlib takes half a second, and only pictures need it
    from .pictures.day_ahead import Window

RenderMode = Literal["human", "rgb_array"]


class DayAheadEnv(gymnasium.Env[Observation, ArrayLike]):
    """Set the network charge of tomorrow's peer-to-peer electricity market.

    ## Description

    A grid operator (the leader) posts a charge on the trades between prosumers, for a day. The prosumers (the followers) then plan demand,
    storage, trades and use of the retail backstop, and their market clears: a convex program with one solution, which is solved to a
    certified 1e-9 or not at all. The operator keeps the charges and pays for the losses and overloads that trades cause. Too low a charge
    earns nothing; too high a one leaves nothing to charge.

    One step is one day. This is a **contextual bandit**: the observation is the context, no action changes a later day, and the first step
    ends the episode. The model is that of Yang, Chen, Hu and Spanos, "Optimal Network Charge for Peer-to-Peer Energy Trading: A Grid
    Perspective" (IEEE Trans. Power Systems, 2023). Load, solar and wind profiles come from SimBench; the export price is synthetic.

    ## Action Space

    `Box(0, charge_cap, (K,), float32)`: the coefficients γ of the tariff in EUR/kWh; with `charges_per="hour"` those of all T hours one
    after the other, `(T·K,)`.

    | tariff     | K        | what a kWh sold by i to j is charged                                                |
    |------------|----------|-------------------------------------------------------------------------------------|
    | `unique`   | 1        | γ                                                                                   |
    | `distance` | 1        | γ times the electrical distance of i and j, whose mean over pairs is 1              |
    | `zonal`    | 2        | γ_0 within a zone, γ_1 for each zone border crossed                                 |
    | `line`     | branches | the sum over branches of γ_l times the part of the electrical distance on branch l  |

    The space is in single precision, as learning libraries ask, but `step` takes double precision as it is. Rounding at the edges, a
    relative 1e-6 of the cap, is forgiven; whatever else lies outside is refused, never moved inside. For learners that want actions between
    −1 and 1 there is `gymnasium.wrappers.RescaleAction`.

    ## Observation Space

    `Box(-5, 5, (size,), float32)`. Each number is (value − centre) / scale, cut off at ±5, so that no running normalisation is needed.
    `env.unwrapped.observer.layout` says where a field lies and `.read(observation)` returns values in the units below. T is 24, N the
    number of prosumers, P̄ the mean load of a prosumer over the year.

    `information="public"` is what an operator sees before the day, a size of 270 for every community. Forecasts carry a seeded error of
    10% in every hour.

    | field             | size | unit         | centre | scale | meaning |
    |-------------------|------|--------------|--------|-------|-----|
    | `season`          | 2    | 1            | 0      | 1     | sine and cosine of the day of the year |
    | `weekend`         | 1    | 1            | 0.5    | 0.5   | 1 on Saturday and Sunday, else 0 |
    | `import_price`    | 1    | EUR/kWh      | 0.3    | 0.1   | mean import price of the day, as published |
    | `spread`          | T    | EUR/kWh      | 0.2    | 0.1   | import price less forecast export price (as at least 0) |
    | `load`            | T    | P̄·N         | 1      | 0.5   | forecast total demand at the import price |
    | `renewable`       | T    | P̄·N         | 1.5    | 2     | forecast total renewable power |
    | `surplus`         | T    | P̄·N         | 1      | 1.5   | forecast total surplus, own demand served |
    | `deficit`         | T    | P̄·N         | 0.5    | 0.5   | forecast total deficit, own renewables used |
    | `matched`         | T·4  | P̄·N         | 0.1    | 0.15  | matched, by hour and then distance (bins end at 0.375, 0.875, 1.375) |
    | `revenue`         | 15   | EUR/h/(P̄·N) | 0.25   | 0.25  | guessed revenue at charges of 0.067 to 1 EUR/kWh |
    | `storage_revenue` | 15   | EUR/h/(P̄·N) | 0.5    | 0.5   | the same from what storage owners could buy |
    | `day_energy`      | 5    | h·P̄·N       | 10     | 10    | surplus, deficit, matched, storage need, storage capacity |
    | `day_spread`      | 4    | EUR/kWh      | 0.2    | 0.1   | mean spread, that over the surplus, over the deficit, greatest |
    | `past_load`       | 2    | P̄·N         | 1      | 0.5   | mean total load of the day before, of the week before |
    | `past_renewable`  | 2    | P̄·N         | 1      | 1     | mean total renewable power, likewise |
    | `past_price`      | 2    | EUR/kWh      | 0.1    | 0.1   | mean export price, likewise |
    | `size`            | 1    | 1            | 3      | 1     | natural logarithm of N |
    | `shares`          | 3    | 1            | 0.5    | 0.5   | shares: with renewables, with storage, of pairs that may trade |
    | `distance_spread` | 1    | 1            | 0.5    | 0.25  | standard deviation of the distance of pairs (its mean is 1) |

    `information="full"` has the same fields without forecast errors, then every private parameter of the day by hour and prosumer; the
    table of these fields stands in `gridtoll.envs.games.observation.full`. Its size depends on the community.

    ## Rewards

    The operator's profit of the day in EUR: charge revenue and import fee less the cost of losses and of overload; with
    `objective="welfare"` the surplus of prosumers and operator together.

    `info` holds every term in EUR (`profit_eur`, `revenue_eur`, `import_fee_eur`, `loss_cost_eur`, `overload_cost_eur`, `welfare_eur`),
    energies (`traded_kwh`, `charged_kwh`, `import_kwh`, `export_kwh`, `loss_kwh`, `overload_kwh`), `peak_loading` and `network_secure`,
    the `charge` as read, the clearing's certificate (`primal_residual`, `dual_residual`, `gap`), its `solver` and whether that was the
    `fallback` of the one asked for, and, from `reset` on, the scenario: `day`, `price_path`, `date`. `env.unwrapped.outcome` keeps the
    arrays.

    ## Starting State

    `reset` draws a day of the split and a price path, each uniformly, by the environment's own generator. `reset(options={"day": k})` takes
    day k of the data year, in the split or not, under price path 0; `{"day": k, "price_path": p}` picks both, and `{"price_path": p}`
    draws only the day. Forecast errors belong to the scenario: the same day and price path always look the same.

    ## Episode End

    Every step terminates the episode; none is truncated. The last observation is that of the day just priced. A further step without a
    reset raises `gymnasium.error.ResetNeeded`.

    ## Arguments

    | argument      | default            | meaning                                                                                   |
    |---------------|--------------------|-------------------------------------------------------------------------------------------|
    | `community`   | `"simbench-rural"` | a name, a folder of CSV files, or a `Community`                                           |
    | `tariff`      | `"distance"`       | `"unique"`, `"distance"`, `"zonal"` or `"line"`                                           |
    | `charges_per` | `"day"`            | `"day"`: coefficients stand all day; `"hour"`: each hour has its own                      |
    | `split`       | `"train"`          | what `reset` draws days from: `"train"`, `"validation"` or `"test"`                       |
    | `objective`   | `"profit"`         | `"profit"` or `"welfare"`                                                                 |
    | `information` | `"public"`         | `"public"` or `"full"`                                                                    |
    | `flows`       | `"trades"`         | flows the operator answers for: those of `"trades"`, or of all `"injections"`             |
    | `charge_cap`  | the community's    | greatest coefficient in EUR/kWh                                                           |
    | `import_fee`  | the community's    | what the operator earns per kWh that prosumers import, in EUR/kWh                         |
    | `solver`      | `"cvxpy"`          | what clears: `"cvxpy"`, or `"structured"`, the compiled kernel, with the same answers     |
    | `market`      | the solver's       | another market mechanism, anything with `clear(day, charges)`; instead of a solver        |
    | `render_mode` | `None`             | `"rgb_array"` or `"human"`: the grid with line loading and net trades, the day by hour    |

    ```python
    import gymnasium

    env = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="simbench-rural")
    observation, info = env.reset(options={"day": 170})
    observation, reward, terminated, truncated, info = env.step([0.4])
    ```

    Many days at once, cleared in one call by the compiled kernel: `gymnasium.make_vec` makes a
    :class:`~gridtoll.envs.adapters.day_ahead_vector.DayAheadVectorEnv`, whose rows are these environments.

    ## Version History

    * v0: first version. The version rises when behaviour changes, not when code does.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 1}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self,
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
        render_mode: RenderMode | None = None,
    ) -> None:
        """Build the environment; see the class for the arguments.

        Raises:
            ValueError: If a name is unknown, a number out of range, a community's data not valid, or both a solver and a market given.
        """
        if render_mode is not None and render_mode not in get_args(RenderMode):
            raise unknown_name("`render_mode`", render_mode, get_args(RenderMode))
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
        self.community, self.tariff, self.observer = self.game.community, self.game.tariff, self.game.observer
        self.days, self.charge_cap, self.import_fee = self.game.days, self.game.charge_cap, self.game.import_fee
        self.objective, self.flows = self.game.objective, self.game.flows
        self.market = choose_market(solver, market, default="cvxpy")
        self.render_mode = render_mode
        self.action_space: spaces.Space[Any] = self.game.action_space()
        self.observation_space: spaces.Space[Any] = self.game.observation_space()
        self.outcome: Outcome | None = None
        self._episode: Episode | None = None
        self._window: Window | None = None

    @property
    def scenario(self) -> Scenario:
        """The day index and price path of this episode.

        Raises:
            ResetNeeded: Before the first reset.
        """
        return self._current().scenario

    @property
    def day(self) -> Day:
        """The data of this episode's day, with the import fee the environment was given.

        Raises:
            ResetNeeded: Before the first reset.
        """
        return self._current().day

    def day_of(self, scenario: Scenario) -> Day:
        """Return the data of any scenario as this environment would play it.

        Raises:
            ValueError: If there is no such day or price path.
        """
        return self.game.day_of(scenario)

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode with a day drawn from the split, or with the one picked.

        Args:
            seed: Seeds the draws of this and later resets.
            options: ``day`` and ``price_path`` to pick; see the class.

        Raises:
            ValueError: If an option is unknown, or there is no such day or price path.
        """
        super().reset(seed=seed)
        self._episode = self.game.episode(self.game.pick(self.np_random, options or {}))
        self.outcome = None
        if self.render_mode == "human":
            self.render()
        return self._observation(), self._info()

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Post a charge for the day, clear the market and end the episode.

        Args:
            action: γ in EUR/kWh, in single or double precision.

        Raises:
            ValueError: If the charge has the wrong shape, is not a number, negative or above the cap.
            ResetNeeded: If the episode has not begun, or ended with the last step.
            ClearingError: If the clearing cannot be certified; the message says how to replay it.
        """
        if self.outcome is not None:
            raise ResetNeeded("an episode is one day, and this day is priced; call `reset` for the next.")
        day, scenario = self.day, self.scenario
        coefficients = self.tariff.read(action, day.n_periods, self.charge_cap)
        try:
            played = transition(self.game.rules, self.market, day, self.tariff.charges(coefficients))
        except ClearingError as error:
            raise ClearingError(f"{error} {self.game.replay(scenario, coefficients, self.np_random_seed)}") from error
        self.outcome = Outcome.of(self.tariff.action(coefficients), played)
        if self.render_mode == "human":
            self.render()
        return self._observation(), played.reward_eur, True, False, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """Return the day's picture as an RGB array, shape (height, width, 3), or show it in a window, by the render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn('to render, make the environment with render_mode="rgb_array" or "human".')
            return None
        from .pictures.day_ahead import Window, picture  # noqa: PLC0415 - see the top of the module

        title = f"{self.community.name} on {self.community.date(self.scenario.day)}, price path {self.scenario.price_path}"
        if self.render_mode == "rgb_array":
            return picture(self.community.network, self.day, title, self.outcome)
        self._window = self._window or Window()
        self._window.show(self.community.network, self.day, title, self.outcome)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
        self._window = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the window behind: copies and other processes open their own."""
        return self.__dict__ | {"_window": None}

    def _current(self) -> Episode:
        if self._episode is None:
            raise ResetNeeded("an episode begins with `reset`; call it first.")
        return self._episode

    def _observation(self) -> Observation:
        return self._current().observation.copy()  # whoever gets it may write into it

    def _info(self) -> dict[str, Any]:
        info = dict(self._current().info)
        return info if self.outcome is None else info | self.outcome.info()
