"""What any member of a plug point must do, as one function for each protocol: hand it a member, and it fails where a promise is broken.

Whoever adds a mechanism, a power flow, a game or a leader calls the function of its protocol in a test of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray
from sameness import assert_same

from gridtoll.agents.policy import Policy
from gridtoll.envs import DAY_AHEAD_ID, HOURLY_ID
from gridtoll.envs.account.objective import Objective
from gridtoll.envs.account.settlement import Settlements
from gridtoll.envs.account.settlement_cotangent import QUANTITIES
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.game import Game, GameState
from gridtoll.envs.games.make import make_game
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.power_flow import Flow, PowerFlow
from gridtoll.envs.market.mechanism import Allocation, ExactResponse, Mechanism
from gridtoll.train.ground.playing import play_days
from gridtoll.train.references.ends import references
from gridtoll.train.references.hours import SearchEffort
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.workers import Workers

Array = NDArray[np.float64]

QUANTITIES_OF_PROSUMERS = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge")
_BALANCED_KW = 1e-7


def require_mechanism(mechanism: Mechanism[Allocation], days: Sequence[Day], charges: Sequence[Array]) -> None:
    """A mechanism clears every day into something that prosumers could carry out, whatever days stand beside it, and shows its evidence.

    Args:
        mechanism: Any.
        days: At least two different ones.
        charges: τ of each in EUR/kWh, arrays of shape (T, N, N).
    """
    before = pickle.dumps([day.arrays() for day in days])
    together = mechanism.clear_many(days, charges)
    assert len(together) == len(days)
    for day, allocation in zip(days, together, strict=True):
        _require_feasible(day, allocation)
    assert len({tuple(allocation.evidence.info()) for allocation in together}) == 1, "evidence has the same names for every day"
    for allocation in together:
        assert all(isinstance(value, bool | int | float | str) for value in allocation.evidence.info().values())
    for number, (day, posted) in enumerate(zip(days, charges, strict=True)):
        [alone] = mechanism.clear_many([day], [posted])
        _require_same(alone, together[number])
    backwards = mechanism.clear_many(list(days)[::-1], list(charges)[::-1])
    for one, other in zip(together, backwards[::-1], strict=True):
        _require_same(one, other)
    assert pickle.dumps([day.arrays() for day in days]) == before, "nothing may be written into a day"
    with pytest.raises(ValueError, match="charge"):
        mechanism.clear_many(list(days), [-1.0 - each for each in charges])


def require_rows_like_the_single_environment(mechanism: str, names: Sequence[str]) -> None:
    """Rows of a batch under a mechanism equal the single environment to the last bit, in rewards and in these names of `info`."""
    named: dict[str, Any] = {"community": "two-prosumers", "mechanism": mechanism}
    single = gymnasium.make(f"gridtoll.envs:{DAY_AHEAD_ID}", **named)
    envs: Any = gymnasium.make_vec(f"gridtoll.envs:{DAY_AHEAD_ID}", num_envs=3, **named)
    envs.reset(seed=5)
    actions = np.stack([envs.single_action_space.sample() for _ in range(3)])
    _, rewards, _, _, infos = envs.step(actions)
    for row in range(3):
        single.reset(seed=5 + row)
        _, reward, _, _, info = single.step(actions[row])
        assert reward == rewards[row]
        final = infos.get("final_info", infos)
        for name in names:
            assert info[name] == final[name][row]


def require_an_hour_each_time(mechanism: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """The hourly environment under a mechanism plays 24 hours, and what `info` says of each holds."""
    env = gymnasium.make(f"gridtoll.envs:{HOURLY_ID}", community="two-prosumers", mechanism=mechanism)
    env.reset(seed=1)
    over, hours = False, 0
    while not over:
        _, _, terminated, truncated, info = env.step(np.full(env.action_space.shape, 0.02, dtype=env.action_space.dtype))
        over, hours = terminated or truncated, hours + 1
        assert holds(info)
    assert hours == 24


def require_exact_response(market: ExactResponse, day: Day, charges: Array) -> None:
    """An exact response is a mechanism whose answer is proved, from wherever it starts, and never rises with the charge."""
    alone = market.clear(day, charges)
    [together] = market.clear_many([day], [charges])
    assert np.array_equal(alone.trade, together.trade)
    assert alone.certificate.holds()
    dearer = market.clear(day, 1.1 * charges, start=alone)
    again = market.clear(day, 1.1 * charges)
    np.testing.assert_allclose(dearer.trade, again.trade, atol=1e-7)
    assert float((charges * again.trade).sum()) <= float((charges * alone.trade).sum()) + 1e-9


def require_power_flow(power_flow: PowerFlow, net_kw: Array, base_kw: Array) -> None:
    """A power flow says what flows on each day, whatever days stand beside it.

    Args:
        power_flow: Any.
        net_kw: Injections of prosumers, shape (R, T, N) with R of at least 2.
        base_kw: Base injections, shape (R, T, B).
    """
    n_days, n_periods, _ = net_kw.shape
    n_branches = power_flow.network.grid.n_branches
    together = power_flow.of(net_kw, base_kw)
    for name in ("branch_kw", "overload_kw", "loading"):
        assert getattr(together, name).shape == (n_days, n_periods, n_branches)
    assert together.loss_kw.shape == (n_days, n_periods)
    assert together.secure.shape == (n_days,)
    assert together.secure.dtype == np.bool_
    assert (together.overload_kw >= 0).all()
    for row in range(n_days):
        _require_same_flow(power_flow.of(net_kw[row : row + 1], base_kw[row : row + 1]), together, row)
    same = power_flow.of(net_kw, base_kw[:1])
    for row in range(n_days):
        _require_same_flow(power_flow.of(net_kw[row : row + 1], base_kw[:1]), same, row)
    idle = power_flow.of(np.zeros_like(net_kw), base_kw)
    np.testing.assert_allclose(idle.loss_kw, 0.0, atol=1e-12, err_msg="prosumers who put in nothing cause no losses")
    if power_flow.linear is not None:
        moved = (net_kw @ power_flow.linear.ptdf.T) + idle.branch_kw
        np.testing.assert_allclose(together.branch_kw, moved, atol=1e-9)


def require_game(game: Game[Any], mechanism: Mechanism[Allocation], scenarios: Sequence[Scenario], actions: Sequence[Array]) -> None:
    """A game plays episodes side by side as it plays each alone, to the last bit, and its states are values that nobody writes into."""
    begun = [game.begin(scenario) for scenario in scenarios]
    coefficients = [game.setting.read(action) for action in actions]
    for state, scenario in zip(begun, scenarios, strict=True):
        _require_state(game, state)
        assert state.scenario == scenario
        assert not state.over
    seen = [game.observe(state) for state in begun]
    plays = game.play(mechanism, begun, coefficients)
    assert len(plays.states) == len(plays.days) == len(plays.cleared) == len(begun)
    for row, (state, posted) in enumerate(zip(begun, coefficients, strict=True)):
        alone = game.play(mechanism, [state], [posted])
        assert alone.carried_out.rewards_eur[0] == plays.carried_out.rewards_eur[row]
        assert_same(alone.outcome(0).info(), plays.outcome(row).info())
        _require_state(game, plays.states[row])
        np.testing.assert_array_equal(game.observe(alone.states[0]), game.observe(plays.states[row]))
        assert game.info(state, alone.states[0]) == game.info(state, plays.states[row])
        assert game.info(state).keys() == game.info(state, plays.states[row]).keys()
        np.testing.assert_array_equal(game.observe(state), seen[row], err_msg="playing a state may not change it")
        assert str(posted.ravel()[0]) in game.replay(state, posted)
    copy = pickle.loads(pickle.dumps(game))
    np.testing.assert_array_equal(copy.observe(copy.begin(scenarios[0])), seen[0])


def require_policy(policy: Policy, observations: Sequence[NDArray[Any]], *, n_charges: int, charge_cap: float) -> None:
    """A leader answers any observation with charges that can be posted, the same whenever it is asked for its most likely ones."""
    for observation in observations:
        shown = observation.copy()
        charges, memory = policy.predict(shown, None, np.array([True]), deterministic=True)
        assert charges.shape == (n_charges,)
        assert (charges >= 0).all()
        assert (charges <= charge_cap * (1 + 1e-6)).all()
        np.testing.assert_array_equal(shown, observation, err_msg="an observation may not be written into")
        again, _ = policy.predict(shown, None, np.array([True]), deterministic=True)
        np.testing.assert_array_equal(charges, again)
        policy.predict(shown, memory, np.array([False]), deterministic=False)


def require_references(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None = None) -> None:
    """What is known of days is one answer for each, which any leader can check: the best charges earn what is said, and nobody earns more
    than the bound.

    Args:
        task: Any game whose market is the exact one.
        scenarios: Several.
        workers: Compute what is not in the store.
        effort: How hard hourly sequences are searched for.
    """
    found = references(task, scenarios, workers, effort)
    assert len(found) == len(scenarios)
    again = references(task, scenarios, workers, effort)
    assert str(again) == str(found), "an answer from the store is the answer that was kept"
    leaders = {name: make_leader(name, task, scenarios, workers, seed=0, effort=effort) for name in ("best-found", "zero", "random")}
    earned = {name: [day.objective_eur for day in play_days(task, leader.on, scenarios)] for name, leader in leaders.items()}
    cap = make_game(task).setting.charge_cap
    for row, ends in enumerate(found):
        off = 1e-9 + 1e-6 * abs(ends.best_eur)
        assert all(0.0 <= charge <= cap for charge in ends.charges)
        assert earned["best-found"][row] == pytest.approx(ends.best_eur, rel=1e-6, abs=1e-9), "what is said to be earned was earned"
        assert earned["zero"][row] == pytest.approx(ends.zero_eur, rel=1e-9, abs=1e-9)
        assert ends.zero_eur <= ends.best_eur + off, "no charge is among those looked at"
        assert max(earned["random"][row], ends.best_eur) <= ends.upper_bound_eur + off
        assert ends.relative_gap >= 0.0
        assert not ends.certified or ends.upper_bound_eur - ends.best_eur <= 1e-3 * max(abs(ends.best_eur), 1e-3)
        assert ends.method
        assert ends.clearings >= 1
        assert ends.seconds >= 0.0


def require_objective(objective: Objective, days: Sequence[Day], settlements: Settlements) -> None:
    """An objective is worth the same of one day and of many, is the sum of settlement quantities that its weights say, and has a yardstick.

    Args:
        objective: Any.
        days: Several.
        settlements: Of these.
    """
    before = {name: values.copy() for name, values in settlements.values.items()}
    together, weights = np.array(objective.value(settlements.values), dtype=np.float64), objective.weights
    assert together.shape == (len(days),)
    for row, day in enumerate(days):
        settlement = settlements.row(row)
        assert float(objective.value(vars(settlement))) == together[row], "what comes of a day may not depend on others"
        if weights is not None:
            assert set(weights) <= set(QUANTITIES)
            weighted = sum(weight * np.sum(getattr(settlement, name)) for name, weight in weights.items())
            assert together[row] == pytest.approx(weighted, rel=1e-12, abs=1e-9)
        for account in (None, settlement):
            assert 0.0 < objective.yardstick_eur(day, account) < np.inf
    for name, values in settlements.values.items():
        np.testing.assert_array_equal(values, before[name], err_msg="nothing may be written into a settlement")
    assert pickle.loads(pickle.dumps(objective)).weights == weights


def _require_feasible(day: Day, found: Allocation) -> None:
    shape, n = (day.n_periods, day.n_prosumers), day.n_prosumers
    for name in QUANTITIES_OF_PROSUMERS:
        assert getattr(found, name).shape == shape, name
        assert (getattr(found, name) >= -_BALANCED_KW).all(), name
    assert found.trade.shape == (day.n_periods, n, n)
    assert found.stored_energy.shape == (day.n_periods + 1, n)
    assert found.trade_price.shape == found.trade.shape
    assert found.nodal_price is None or found.nodal_price.shape == shape
    assert (found.trade >= -_BALANCED_KW).all()
    assert (found.trade <= day.trade_limit + _BALANCED_KW).all()
    bought_less_sold = found.trade.sum(axis=1) - found.trade.sum(axis=2)
    stored = found.storage_discharge - found.storage_charge
    balance = found.renewable_used + found.grid_import - found.grid_export + stored - found.demand + bought_less_sold
    np.testing.assert_allclose(balance, 0.0, atol=_BALANCED_KW)
    efficiency = day.storage_efficiency
    kept = day.period_hours * (efficiency * found.storage_charge - found.storage_discharge / efficiency)
    np.testing.assert_allclose(np.diff(found.stored_energy, axis=0), kept, atol=_BALANCED_KW)
    limits = (
        (found.demand, day.demand_max),
        (day.demand_min, found.demand),
        (found.renewable_used, day.renewable),
        (found.grid_import, day.import_limit),
        (found.grid_export, day.export_limit),
        (found.stored_energy, day.storage_capacity),
    )
    assert all((low <= high + _BALANCED_KW).all() for low, high in limits)
    first = found.first_period()
    assert (len(first.demand), len(first.trade), len(first.trade_price), len(first.stored_energy)) == (1, 1, 1, 2)


def _require_same(one: Allocation, other: Allocation) -> None:
    """Require equality to the last bit."""
    for name in (*QUANTITIES_OF_PROSUMERS, "stored_energy", "trade", "trade_price"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), f"{name} may not depend on other days"
    assert one.evidence.info() == other.evidence.info()


def _require_same_flow(alone: Flow, together: Flow, row: int) -> None:
    for name in ("branch_kw", "loss_kw", "overload_kw", "loading", "secure"):
        assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[row]), f"{name} may not depend on other days"


def _require_state(game: Game[Any], state: GameState) -> None:
    seen = game.observe(state)
    assert seen.shape == (game.observer.size,)
    assert seen.dtype == np.float32
    seen[:] = np.nan
    assert np.isfinite(game.observe(state)).all(), "an observation must be an array of its own"
    assert sum(field.stop - field.start for field in game.observer.layout.values()) == game.observer.size
