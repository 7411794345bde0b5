"""Network pricing from hour to hour as a Gymnasium environment: a thin adapter over :mod:`..games.hourly`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from ..community.calendar import Scenario
from ..games.hourly import Hour, HourlyGame, whole_day
from ..games.transition import Outcome
from .pricing import PricingEnv


class HourlyEnv(PricingEnv):
    """Set the network charge of a peer-to-peer electricity market anew every hour.

    ## Description

    A grid operator (the leader) posts a charge on the trades between prosumers, hour by hour. At each hour the prosumers (the followers)
    plan the rest of the day exactly, from what their stores hold, and carry out the first hour of the plan. The operator keeps the charges
    of that hour and pays for its losses and overloads. Then the next hour comes. Stores make this a sequential problem: what is charged now
    decides what they hold later, and what prosumers believe of later charges decides what they do now.

    T is the number of periods of a day: 24 as a rule. Where the data have shorter periods, a step is one of them: a day of quarter-hours
    has T = 96 steps, and "hour" means a period on this page.

    | `belief`      | what prosumers believe                                               |
    |---------------|----------------------------------------------------------------------|
    | `"standing"`  | the charge posted stands for all later hours, until it is changed    |
    | `"announced"` | later hours will be charged as announced                             |
    | `"learned"`   | later hours will be charged the mean of what they were on the last days |

    Under `"standing"` a leader can profit from surprise. A charge that never changes reproduces the day-ahead clearing hour by hour, and so
    does, with hourly charges, a schedule that is announced and kept; one that is announced and revised surprises too. Under `"learned"`
    prosumers remember the last seven days (:mod:`gridtoll.envs.games.memory`): who repeats its charges is believed exactly.

    ## Action Space

    `"standing"` and `"learned"`: `Box(0, charge_cap, (K,), float32)`, the tariff's coefficients for this hour in EUR/kWh, as in
    `gridtoll/DayAhead-v0`.

    `"announced"`: `Box(0, charge_cap, (T·K,), float32)`, a schedule for all T hours of the day, coefficients of an hour side by side, as
    in `gridtoll/DayAhead-v0` with `charges_per="hour"`. The entries of this hour are charged, those of later hours announced, those of
    past hours ignored (they must be charges nevertheless). The size stays the same all day, so that any learner can be used, and posting
    the same schedule T times keeps every announcement.

    Rounding at the edges is forgiven, anything else outside is refused.

    ## Observation Space

    `Box(-5, 5, (size,), float32)`: the fields of `gridtoll/DayAhead-v0` as they were before the day began, then those of the hour, listed
    in :mod:`gridtoll.envs.games.observation.hourly`. `env.unwrapped.observer.layout` says where a field lies, and `.read(observation)`
    returns values in units.

    | `information` | what it holds                                                                                | size            |
    |---------------|----------------------------------------------------------------------------------------------|-----------------|
    | `"public"`    | forecasts, totals of the hour at hand, energy stored in total, trade of the hour before      | 308 (T = 24)    |
    | `"full"`      | the truth of all hours, every private parameter, what prosumers expect, every store's energy | the community's |

    A `"full"` observation is a state: what follows depends on it and on the actions, and on nothing else.

    ## Rewards

    The operator's profit of the hour carried out in EUR, or with `objective="welfare"` the surplus of prosumers and operator together.
    Profits of the hours of a day add up to that of the day. `info` holds what it holds in `gridtoll/DayAhead-v0`, of the hour; besides
    `hours_played` and `stored_kwh`, and `days_remembered` under `"learned"`. The certificate is that of the whole plan.

    ## Starting State

    `reset` draws the first day as `gridtoll/DayAhead-v0` does, from those whose whole episode lies in the split; the same options pick it.
    Stores begin with the community's `storage_start`. Under `"learned"` prosumers remember the whole days of the episodes before, until
    `reset` is given a seed. Of a day that was broken off they remember nothing.

    ## Episode End

    After `T · days` steps the episode terminates; none is truncated. A further step raises `gymnasium.error.ResetNeeded`.

    ## Arguments

    | argument         | default            | meaning                                                                                    |
    |------------------|--------------------|--------------------------------------------------------------------------------------------|
    | `community`      | `"simbench-rural"` | a name, a folder of CSV files, or a `Community`                                            |
    | `tariff`         | `"distance"`       | `"unique"`, `"distance"`, `"zonal"` or `"line"`                                            |
    | `belief`         | `"standing"`       | `"standing"`, `"announced"` or `"learned"`                                                 |
    | `split`          | `"train"`          | what `reset` draws days from: `"train"`, `"validation"` or `"test"`                        |
    | `objective`      | `"profit"`         | `"profit"` or `"welfare"`                                                                  |
    | `information`    | `"public"`         | `"public"` or `"full"`                                                                     |
    | `flows`          | `"trades"`         | flows the operator answers for: those of `"trades"`, or of all `"injections"`              |
    | `charge_cap`     | the community's    | greatest coefficient in EUR/kWh                                                            |
    | `import_fee`     | the community's    | what the operator earns per kWh that prosumers import, in EUR/kWh                          |
    | `forecast_error` | `0.0`              | standard deviation of prosumers' relative errors about later hours, seeded by the day      |
    | `days`           | `1`                | days of an episode, 1 to 7; stores carry on, and each ends with at least `storage_start`   |
    | `solver`         | `"structured"`     | what clears: the compiled kernel, or `"cvxpy"`, which compiles each of T lengths once      |
    | `mechanism`      | `"exact"`          | what clears: a name (`gridtoll.envs.market.mechanism`), or anything with `clear_many`      |
    | `power_flow`     | `"dc"`             | what flows in the wires: `"dc"`, `"ac"` (`gridtoll.envs.grid.power_flows`)                 |
    | `voltage_price`  | `None`             | price of a voltage outside the band, EUR per p.u. and hour; `None`: no matter              |
    | `voltage_band`   | `0.1`              | how far voltages may be from 1 p.u., where they have a price                               |
    | `scenarios`      | `None`             | what `reset` deals: days, or pairs of a day and a price path; `None` for all of the split  |
    | `order`          | `"random"`         | or `"cycle"`: one after the other; as many episodes as there are play each once            |
    | `render_mode`    | `None`             | `"rgb_array"`: the day so far, and the rest as it is planned                               |

    ```python
    import gymnasium

    env = gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community="simbench-rural")
    observation, info = env.reset(options={"day": 170})
    observation, reward, terminated, truncated, info = env.step([0.4])
    ```

    Many episodes at once: `gymnasium.make_vec` makes a :class:`~gridtoll.envs.adapters.vector.PricingVectorEnv`.

    ## Version History

    * v0: first version. The version rises when behaviour changes, not when code does.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 - Gymnasium declares it so

    game_name = "hourly"
    default_solver = "structured"
    game: HourlyGame

    @property
    def played(self) -> list[Hour]:
        """The hours of the episode carried out so far."""
        return [Hour(plays.days[0], plays.cleared[0], plays.outcome(0), plays.states[0]) for plays in self._plays]

    def hours_of_day(self) -> list[Hour]:
        """Return the hours carried out of the day the last one belongs to."""
        played, n_periods = self.played, self.community.n_periods
        return played[(len(played) - 1) // n_periods * n_periods :] if played else []

    def day_outcome(self) -> Outcome[Any]:
        """Return that day as one outcome: hours carried out, and the rest as it is planned.

        Raises:
            ResetNeeded: Before the first step.
        """
        hours = self.hours_of_day()
        if not hours:
            raise ResetNeeded("there is an outcome only after a step. Call `step` first.")
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
