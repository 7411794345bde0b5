"""Day-ahead network pricing as a Gymnasium environment: a thin adapter over the economics of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from .pricing import PricingEnv

if TYPE_CHECKING:  # Matplotlib takes half a second, and only pictures need it
    from .pictures.day_ahead import Window


class DayAheadEnv(PricingEnv):
    """Set the network charge of tomorrow's peer-to-peer electricity market.

    ## Description

    A grid operator (the leader) posts a charge on the trades between prosumers, for a day. The prosumers (the followers) then plan demand,
    storage, trades and use of the retail backstop, and their market clears: a convex program with one solution, which is solved to a
    certified 1e-9 or not at all. The operator keeps the charges and pays for the losses and overloads that trades cause. Too low a charge
    earns nothing; too high a one leaves nothing to charge. By default CVXPY solves the program, because it can be read there as it is
    written. `solver="structured"` gives the same answers with 17 times the steps per second: train with it.

    One step is one day. This is a **contextual bandit**: the observation is the context, no action changes a later day, and the first step
    ends the episode. The model is that of Yang, Chen, Hu and Spanos, "Optimal Network Charge for Peer-to-Peer Energy Trading: A Grid
    Perspective" (IEEE Trans. Power Systems, 2023). Load, solar and wind profiles come from SimBench; the export price is synthetic.

    ## Action Space

    `Box(0, charge_cap, (K,), float32)`: the coefficients γ of the tariff in EUR/kWh; with `charges_per="hour"` those of all T periods one
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
    `env.unwrapped.observer.layout` says where a field lies and `.read(observation)` returns values in the units below. T is the number
    of periods of a day (24 hours, or 96 quarter-hours), N the number of prosumers, P̄ the mean load of a prosumer over the year.

    `information="public"` is what an operator sees before the day, a size of 9·T + 54 for every community: 270 for hours. Forecasts carry a
    seeded error of 10% in every period.

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
    | `charges_per` | `"day"`            | `"day"`: coefficients stand all day; `"hour"`: each period has its own                    |
    | `split`       | `"train"`          | what `reset` draws days from: `"train"`, `"validation"` or `"test"`                       |
    | `objective`   | `"profit"`         | `"profit"` or `"welfare"`                                                                 |
    | `information` | `"public"`         | `"public"` or `"full"`                                                                    |
    | `forecast`    | `"noisy"`          | of public observations: or `"persistence"`, `"last-week"`, `"boosted"`                    |
    | `flows`       | `"trades"`         | flows the operator answers for: those of `"trades"`, or of all `"injections"`             |
    | `charge_cap`  | the community's    | greatest coefficient in EUR/kWh                                                           |
    | `import_fee`  | the community's    | what the operator earns per kWh that prosumers import, in EUR/kWh                         |
    | `solver`      | `"cvxpy"`          | what clears: `"cvxpy"`, or `"structured"`, the compiled kernel, 17 times as fast          |
    | `mechanism`   | `"exact"`          | what clears: a name (`gridtoll.envs.market.mechanism`), or anything with `clear_many`     |
    | `power_flow`  | `"dc"`             | what flows in the wires: `"dc"`, `"ac"` (`gridtoll.envs.grid.power_flows`)                |
    | `voltage_price`| `None`             | price of a voltage outside the band, EUR per p.u. and hour; `None`: no matter             |
    | `voltage_band`| `0.1`              | how far voltages may be from 1 p.u., where they have a price                              |
    | `scenarios`   | `None`             | what `reset` deals: days, or pairs of a day and a price path; `None` for all of the split |
    | `order`       | `"random"`         | or `"cycle"`: one after the other; as many episodes as there are play each once           |
    | `render_mode` | `None`             | `"rgb_array"` or `"human"`: the grid with line loading and net trades, the day by hour    |

    ```python
    import gymnasium

    env = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="simbench-rural")
    observation, info = env.reset(options={"day": 170})
    observation, reward, terminated, truncated, info = env.step([0.4])
    ```

    Many days at once, cleared in one call by the compiled kernel: `gymnasium.make_vec` makes a
    :class:`~gridtoll.envs.adapters.vector.PricingVectorEnv`, whose rows are these environments.

    ## Version History

    * v0: first version. The version rises when behaviour changes, not when code does.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 1}  # noqa: RUF012 - Gymnasium declares it so

    game_name = "day-ahead"
    default_solver = "cvxpy"
    _window: Window | None = None

    def render(self) -> NDArray[np.uint8] | None:
        """Return the day's picture as an RGB array, shape (height, width, 3), or show it in a window, by the render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn('to render, make the environment with render_mode="rgb_array" or "human".')
            return None
        from .pictures.day_ahead import Window, picture  # noqa: PLC0415 - see the top of the module

        title = f"{self.community.name} on {self.community.date(self.scenario.day)}, price path {self.scenario.price_path}"
        if self.render_mode == "rgb_array":
            return picture(self.community.network, self.day, title, self.outcome, time_zone=self.community.time_zone)
        self._window = self._window or Window()
        self._window.show(self.community.network, self.day, title, self.outcome, time_zone=self.community.time_zone)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
        self._window = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the window behind: copies and other processes open their own."""
        return self.__dict__ | {"_window": None}
