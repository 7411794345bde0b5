"""A game as a Gymnasium environment: what the day-ahead and the hourly environment share, which is all but their pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike

from ..community.calendar import Scenario, Split
from ..community.community import Community
from ..community.day import Day
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import ClearingError, unknown_name
from ..games.dealing import Dealer, Order, Scenarios
from ..games.game import Game, Observation
from ..games.observation.observer import BOUND
from ..games.spec import GameName
from ..games.transition import Outcome, Plays
from ..market.mechanism import EXACT, Allocation, Mechanism
from ..market.solvers import Solver, choose_mechanism
from .arguments import game_of, signature_of


class PricingEnv(gymnasium.Env[Observation, ArrayLike]):
    """A leader's game: post charges, see what comes of them. See ``DayAheadEnv`` and ``HourlyEnv`` for the two games.

    ``game_name`` says which game a class plays, and ``default_solver`` what clears the exact market where no solver is named.
    """

    game_name: ClassVar[GameName]
    default_solver: ClassVar[Solver]

    def __init_subclass__(cls) -> None:
        """Show the fields of the game among the arguments."""
        super().__init_subclass__()
        cls.__signature__ = signature_of(PricingEnv.__init__, cls.game_name)  # type: ignore[attr-defined]

    def __init__(
        self,
        community: str | Path | Community = DEFAULT_COMMUNITY,
        *,
        split: Split = "train",
        solver: Solver | None = None,
        mechanism: str | Mechanism[Allocation] = EXACT,
        scenarios: Scenarios | None = None,
        order: Order = "random",
        render_mode: str | None = None,
        **game: Any,
    ) -> None:
        """Build the environment.

        Args:
            community: A name, a folder of CSV files, or a :class:`.Community`.
            split: The days that ``reset`` draws from.
            solver: What clears the exact market, ``"cvxpy"`` or ``"structured"``.
            mechanism: The market, by name or an object that clears.
            scenarios: What ``reset`` deals: days, or pairs of a day and a price path; all of the split where absent.
            order: ``"random"``, or ``"cycle"`` for one after the other.
            render_mode: How it is drawn, one of ``metadata["render_modes"]``.
            **game: The other fields of :class:`.GameSpec`.

        Raises:
            ValueError: If a name is unknown, a number out of range, a community's data not valid, or both a solver and a mechanism given.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise unknown_name("`render_mode`", render_mode, self.metadata["render_modes"])
        self.game = game_of(self.game_name, community, split=split, mechanism=mechanism, arguments=game)
        self.mechanism: Any = choose_mechanism(mechanism, solver, default=self.default_solver)
        self.setting, self.observer = self.game.setting, self.game.observer
        self.community, self.tariff, self.charge_cap = self.setting.community, self.setting.tariff, self.setting.charge_cap
        self.dealer = Dealer(self.setting, split, scenarios, order)
        self.render_mode = render_mode
        self.action_space: spaces.Space[Any] = action_space(self.game)
        self.observation_space: spaces.Space[Any] = observation_space(self.game)
        self._state: Any = None
        self._plays: list[Plays[Any, Any]] = []  # the steps of the episode so far

    @property
    def state(self) -> Any:
        """Where the episode stands.

        Raises:
            ResetNeeded: Before the first reset.
        """
        if self._state is None:
            raise ResetNeeded("an episode begins with `reset`; call it first.")
        return self._state

    @property
    def outcome(self) -> Outcome[Any] | None:
        """What the last step led to, with all arrays; None before the first of an episode."""
        return self._plays[-1].outcome(0) if self._plays else None

    @property
    def scenario(self) -> Scenario:
        """The day index and price path of the day at hand.

        Raises:
            ResetNeeded: Before the first reset.
        """
        scenario: Scenario = self.state.scenario
        return scenario

    @property
    def day(self) -> Day:
        """The data of the day at hand as it comes, with the import fee the environment was given.

        Raises:
            ResetNeeded: Before the first reset.
        """
        day: Day = self.state.day
        return day

    def day_of(self, scenario: Scenario) -> Day:
        """Return the data of any scenario as this environment would play it.

        Raises:
            ValueError: If there is no such day or price path.
        """
        return self.setting.day_of(scenario)

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode with a day drawn from the split, the next of a cycle, or the one picked.

        Args:
            seed: Seeds the draws of this and later resets, and begins a cycle anew; what prosumers remember is forgotten.
            options: ``day`` and ``price_path`` to pick; see the class.

        Returns:
            The first observation, shape (size,), and `info`.

        Raises:
            ValueError: If an option is unknown, there is no such day or price path, or the data end before the episode would.
        """
        super().reset(seed=seed)
        if self._plays:  # an episode that was begun and not played is dealt again
            self.dealer.played()
        if seed is not None:
            self.dealer.restart()
        self._state = self.game.begin(self.dealer.pick(self.np_random, options or {}), before=self._state if seed is None else None)
        self._plays = []
        if self.render_mode == "human":
            self.render()
        return self.game.observe(self._state), self.game.info(self._state)

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Post a charge, clear the market and settle it.

        Args:
            action: γ in EUR/kWh, shape (coefficients,), in single or double precision.

        Returns:
            The observation, shape (size,), the reward in EUR, terminated, truncated, and `info`; see the class.

        Raises:
            ValueError: If the charge has the wrong shape, is not a number, negative or above the cap.
            ResetNeeded: If the episode has not begun, or is over.
            ClearingError: If the clearing cannot be certified; the message says how to replay it.
        """
        before = self.state
        if before.over:
            raise ResetNeeded("the episode is over; call `reset` for the next.")
        coefficients = self.setting.read(action)
        try:
            plays = self.game.play(self.mechanism, [before], [coefficients])
        except ClearingError as error:
            raise ClearingError(f"{error} {self.game.replay(before, coefficients)}; seed {self.np_random_seed}.") from error
        [after] = plays.states
        self._state = after
        self._plays.append(plays)
        if self.render_mode == "human":
            self.render()
        info, observation = self.game.info(before, after), self.game.observe(after)
        return observation, plays.carried_out.rewards_eur.item(0), after.over, False, info | plays.info(0)


def action_space(game: Game[Any]) -> spaces.Box:
    """Return a new space of what a leader posts, EUR/kWh."""
    return spaces.Box(0.0, game.setting.charge_cap, (game.setting.n_charges,), np.float32)


def observation_space(game: Game[Any]) -> spaces.Box:
    """Return a new space of observations."""
    return spaces.Box(-BOUND, BOUND, (game.observer.size,), np.float32)
