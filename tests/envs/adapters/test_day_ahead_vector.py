"""The batched environment: each row is the single environment, to the last bit, in Gymnasium's own format."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from builders import market
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import ArrayLike
from sameness import assert_same

from gridtoll.envs import DAY_AHEAD_ID, ClearingError, DayAheadEnv, PricingVectorEnv, Scenario, load_community, make_market
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.games.day_ahead import Episodes, make_day_ahead
from gridtoll.envs.games.setting import make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact import Clearing

TINY = "two-prosumers"
GAMES: list[dict[str, Any]] = [
    {},
    {"tariff": "unique", "charges_per": "hour", "flows": "injections", "objective": "welfare", "information": "full"},
    {"tariff": "zonal", "split": "test", "import_fee": 0.08, "charge_cap": 0.7},
    {"tariff": "line", "charges_per": "hour"},
]


def batch(num_envs: int = 3, **arguments: Any) -> PricingVectorEnv:
    values: dict[str, Any] = {"community": TINY}
    return PricingVectorEnv(num_envs, **(values | arguments))


def singles(num_envs: int = 3, mode: AutoresetMode = AutoresetMode.SAME_STEP, **arguments: Any) -> SyncVectorEnv[Any, Any]:
    """Gymnasium's own batch of single environments, the oracle."""
    values: dict[str, Any] = {"community": TINY, "solver": "structured"}
    return SyncVectorEnv([lambda: DayAheadEnv(**(values | arguments))] * num_envs, autoreset_mode=mode)


def actions(envs: Any, seed: int) -> Array:
    """Charges somewhere in the lower half of the action space, in double precision."""
    space = cast(Box, envs.action_space)
    return np.random.default_rng(seed).uniform(0.0, 0.5, space.shape) * space.high


@pytest.mark.parametrize("arguments", GAMES)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_every_row_is_the_single_environment_to_the_last_bit(arguments: dict[str, Any], mode: AutoresetMode) -> None:
    envs, oracle = batch(autoreset_mode=mode, **arguments), singles(mode=mode, **arguments)
    assert_same(envs.reset(seed=7), oracle.reset(seed=7))
    for step in range(4):
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted))
        if mode is AutoresetMode.DISABLED:
            assert_same(envs.reset(), oracle.reset())


def test_rows_of_the_default_community_are_single_environments_whatever_their_number() -> None:
    posted = actions(batch(20, community="simbench-rural"), 0)
    oracle = singles(20, community="simbench-rural")
    oracle.reset(seed=0)
    expected = oracle.step(posted)
    for num_envs in (1, 20):  # the second settles in more than one go
        envs = batch(num_envs, community="simbench-rural")
        envs.reset(seed=0)
        found = envs.step(posted[:num_envs])
        for rows, singly in zip(found[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(rows, singly[:num_envs], strict=True)


@pytest.mark.parametrize("seed", [5, [5, 5, None], [9, None, 2]])
def test_seeds_reach_rows_as_under_gymnasiums_own_batch(seed: Any) -> None:
    envs, oracle = batch(), singles()
    for each in (envs, oracle):
        each.reset(seed=100)
        each.step(actions(envs, 0))
    assert_same(envs.reset(seed=seed), oracle.reset(seed=seed))
    assert envs.np_random_seed == oracle.np_random_seed
    assert [random.bit_generator.state for random in envs.np_random] == [random.bit_generator.state for random in oracle.np_random]
    posted = actions(envs, 1)
    assert_same(envs.step(posted), oracle.step(posted))


def test_unseeded_rows_draw_days_of_their_own() -> None:
    envs = batch(20)
    days = envs.reset()[1]["day"]
    assert len(set(days.tolist())) > 5
    assert len(set(envs.np_random_seed)) == 20


@pytest.mark.parametrize("options", [{"day": 170}, {"day": 170, "price_path": 2}, {"price_path": 1}, {}, None])
def test_options_are_for_all_rows(options: dict[str, Any] | None) -> None:
    envs, oracle = batch(), singles()
    assert_same(envs.reset(seed=3, options=options), oracle.reset(seed=3, options=options))
    posted = actions(envs, 2)
    assert_same(envs.step(posted), oracle.step(posted))


def test_options_may_be_given_row_by_row() -> None:
    envs, single = batch(), DayAheadEnv(TINY)
    days, paths = [3, 170, 365], np.array([0, 3, 1])
    observations, infos = envs.reset(options={"day": days, "price_path": paths})
    assert infos["day"].tolist() == days
    for row in range(3):
        np.testing.assert_array_equal(observations[row], single.reset(options={"day": days[row], "price_path": int(paths[row])})[0])


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_mask_resets_its_rows_alone(mode: AutoresetMode) -> None:
    envs, oracle = batch(autoreset_mode=mode), singles(mode=mode)
    mask = np.array([True, False, True])
    options = {"day": 11, "price_path": 1, "reset_mask": mask}
    for each in (envs, oracle):
        each.reset(seed=0)
    assert_same(envs.reset(options=options), oracle.reset(options=dict(options)))
    seeds = [None, 8, None]
    assert_same(envs.reset(seed=seeds, options={"reset_mask": ~mask}), oracle.reset(seed=seeds, options={"reset_mask": ~mask}))
    posted = actions(envs, 3)
    assert_same(envs.step(posted), oracle.step(posted))


def test_rows_that_end_in_different_steps_begin_anew_in_different_steps() -> None:
    envs, oracle = batch(autoreset_mode="NextStep"), singles(mode=AutoresetMode.NEXT_STEP)
    mask = np.array([True, False, True])
    assert_same(envs.reset(seed=5), oracle.reset(seed=5))
    for step in range(7):
        if step in (1, 4):
            assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))
            mask = np.array([False, False, True])
        posted = actions(envs, step)
        assert_same(envs.step(posted), oracle.step(posted), f"step {step}")
        assert envs.np_random_seed == oracle.np_random_seed


def test_a_step_that_begins_days_ignores_its_actions_and_has_no_outcome() -> None:
    envs = batch(autoreset_mode="NextStep")
    envs.reset(seed=0)
    priced = envs.step(actions(envs, 0))
    assert priced[2].all()
    assert envs.outcome(1).settlement.profit_eur == priced[1][1]
    observations, rewards, terminated, _, infos = envs.step(np.full((3, 1), np.nan))
    assert rewards.tolist() == [0.0] * 3
    assert not terminated.any()
    assert "profit_eur" not in infos
    assert [scenario.day for scenario in envs.scenarios] == infos["day"].tolist()
    assert not np.array_equal(observations, priced[0])
    with pytest.raises(ResetNeeded, match="only after a step that priced"):
        envs.outcome(1)
    with pytest.raises(ValueError, match="row 0"):
        envs.step(np.full((3, 1), np.nan))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"day": 366}}, "option `day` of `reset` must be a whole number from 0 to 365, got 366"),
        ({"options": {"day": [1, 2, 400]}}, "from 0 to 365, got 400"),
        ({"options": {"day": [1, 2]}}, r"one for each of the 3 rows, got \[1, 2\]"),
        ({"options": {"days": 1}}, "Did you mean 'day'"),
        ({"options": {"day": [1.5, 2.0, 3.0]}}, "whole number"),
        ({"options": {"reset_mask": np.array([True, False])}}, r"boolean array of shape \(3,\)"),
        ({"options": {"reset_mask": np.array([1, 0, 1])}}, "boolean array"),
        ({"options": {"reset_mask": np.zeros(3, dtype=bool)}}, "at least one True"),
        ({"seed": [1, 2]}, "one for each of the 3 rows, got 2"),
    ],
)
def test_reset_refuses_what_means_nothing(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch().reset(**arguments)


def test_bad_charges_are_refused_with_their_rows_and_every_row_can_still_be_priced() -> None:
    envs, twin = batch(), batch()
    for each in (envs, twin):
        each.reset(seed=0)
    with pytest.raises(ValueError, match=r"(?s)row 0: charges must be between 0 and the cap.*got -0.1.*row 2: .*got nan"):
        envs.step([[-0.1], [0.2], [np.nan]])
    for bad in ([[0.1], [0.2]], [0.1, 0.1, 0.1], [[0.1, 0.1]] * 3):
        with pytest.raises(ValueError, match=r"charges must have shape \(3, 1\)"):
            envs.step(bad)
    with pytest.raises(ValueError, match=r"array of numbers in EUR/kWh of shape \(3, 1\)"):
        envs.step(cast(Any, [["much"], [0.1], [0.1]]))
    posted = actions(envs, 0)
    assert_same(envs.step(posted), twin.step(posted))


def test_charges_of_the_action_space_are_taken_edges_included() -> None:
    for cap in (0.1, 0.7, 3.3):
        envs = batch(charge_cap=cap)
        space = cast(Box, envs.action_space)
        envs.reset(seed=0)
        for posted in (space.low, space.high, space.sample()):
            charge = envs.step(posted)[-1]["final_info"]["charge"]
            assert ((charge >= 0) & (charge <= cap)).all()


def test_an_episode_must_have_begun_and_without_autoreset_must_begin_again() -> None:
    envs = batch(autoreset_mode="Disabled")
    posted = actions(envs, 0)
    with pytest.raises(ResetNeeded, match=r"rows \[0, 1, 2\] have nothing"):
        envs.step(posted)
    envs.reset(seed=0)
    envs.step(posted)
    with pytest.raises(ResetNeeded):
        envs.step(posted)
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeeded, match=r"rows \[1\] have nothing"):
        envs.step(posted)


def test_what_was_handed_out_may_be_written_into() -> None:
    envs, twin = batch(), batch()
    observations, infos = envs.reset(seed=0)
    twin.reset(seed=0)
    posted = actions(envs, 0)
    for _ in range(2):
        observations[:] = 0.0
        for array in infos.values():
            if isinstance(array, np.ndarray) and array.dtype != object:
                array[:] = 0
        found, expected = envs.step(posted), twin.step(posted)
        assert_same(found, expected)
        earned = found[1].copy()
        observations, infos = found[0], found[-1]["final_info"]
        for array in (found[1], infos["profit_eur"], infos["charge"], found[-1]["final_obs"][0]):
            array[:] = 0.0
        assert [envs.outcome(row).settlement.profit_eur for row in range(3)] == earned.tolist()
        np.testing.assert_array_equal(envs.outcome(1).charge, posted[1])


def test_gymnasium_makes_it_by_its_id() -> None:
    envs = gymnasium.make_vec(f"gridtoll.envs:{DAY_AHEAD_ID}", num_envs=4, community=TINY, tariff="unique", split="test")
    assert isinstance(envs.unwrapped, PricingVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.spec is not None
    assert "DayAhead-v0" in str(envs)
    observations, infos = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert set(infos["day"]) <= set(DayAheadEnv(TINY, split="test").setting.days.tolist())
    _, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
    assert rewards.dtype == np.float64
    assert terminated.all()
    assert not truncated.any()
    envs.close()
    assert envs.closed


def test_gymnasiums_wrappers_take_it() -> None:
    envs = batch()
    counted = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    wrapped = gymnasium.wrappers.vector.RescaleAction(counted, np.full(1, -1.0, np.float32), np.full(1, 1.0, np.float32))
    wrapped.reset(seed=0)
    _, rewards, *_, infos = wrapped.step(np.full((3, 1), -0.5, np.float32))
    np.testing.assert_allclose(infos["final_info"]["charge"], 0.25 * envs.game.setting.charge_cap, rtol=1e-6)
    np.testing.assert_allclose(infos["episode"]["r"], rewards)
    assert infos["episode"]["l"].tolist() == [1, 1, 1]


def test_one_seed_gives_one_rollout_and_another_seed_another() -> None:
    def rollout(seed: int) -> list[Any]:
        envs = batch()
        envs.reset(seed=seed)
        return [envs.step(actions(envs, step)) for step in range(3)]

    for pair in zip(rollout(1), rollout(1), strict=True):
        assert_same(*pair)
    assert not np.array_equal(rollout(1)[0][0], rollout(2)[0][0])


@pytest.mark.parametrize("way", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))])
def test_copies_go_on_as_the_original_does(way: Any) -> None:
    envs = batch()
    envs.reset(seed=0)
    envs.step(actions(envs, 0))
    twin = way(envs)
    for step in range(2):
        posted = actions(envs, step)
        assert_same(envs.step(posted), twin.step(posted))


class _Failing:
    """A market that cannot clear one day."""

    def __init__(self, label: str) -> None:
        self.label = label

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        if day.label == self.label:
            raise ClearingError(f"no answer on {day.label}.")
        return market().clear(day, charges)

    def clear_many(self, days: Sequence[Day], charges: Array) -> list[Clearing]:
        return [self.clear(day, each) for day, each in zip(days, charges, strict=True)]


def test_a_clearing_that_fails_names_its_row_and_how_to_replay_it() -> None:
    envs = batch(mechanism=_Failing(f"{TINY}/day 60/prices 1"))
    envs.reset(seed=40, options={"day": [50, 60, 70], "price_path": 1})
    with pytest.raises(ClearingError) as caught:
        envs.step([[0.1], [0.2], [0.3]])
    message = str(caught.value)
    for part in ("row 1: no answer on", "'day': 60", "'price_path': 1", "step([0.2])", "seed 41", TINY):
        assert part in message
    envs.mechanism = market()
    assert envs.step([[0.1], [0.2], [0.3]])[-1]["final_info"]["day"].tolist() == [50, 60, 70]


def test_days_are_cleared_in_one_call() -> None:
    calls: list[tuple[int, tuple[int, ...]]] = []

    class AtOnce:
        def clear_many(self, days: Sequence[Day], charges: Array) -> list[Clearing]:
            calls.append((len(days), charges.shape))
            return [replace(market().clear(day, each), fallback=k == 1) for k, (day, each) in enumerate(zip(days, charges, strict=True))]

    envs = batch(mechanism=AtOnce())
    envs.reset(seed=0)
    *_, infos = envs.step(actions(envs, 0))
    assert calls == [(3, (3, 24, 2, 2))]
    assert infos["final_info"]["fallback"].tolist() == [False, True, False]
    envs.step(actions(envs, 1))
    assert envs.fallbacks == 2


def test_the_kernel_clears_many_days_as_each_alone_to_the_last_bit() -> None:
    community, solver = load_community("simbench-rural"), make_market("structured")
    days = [community.day(day, price_path=path) for day, path in ((5, 0), (170, 1), (200, 3))]
    charges = np.stack([np.broadcast_to(share * community.network.distance, (24, 13, 13)) for share in (0.0, 0.2, 0.7)])
    for day, charge, found in zip(days, charges, solver.clear_many(days, charges), strict=True):
        alone = solver.clear(day, charge)
        for name in ("demand", "trade", "nodal_price", "stored_energy", "storage_price"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), strict=True)
        assert found.certificate == alone.certificate


def test_outcomes_keep_the_arrays_of_each_row() -> None:
    envs, single = batch(), DayAheadEnv(TINY, solver="structured")
    with pytest.raises(ResetNeeded):
        envs.outcome(0)
    envs.reset(seed=0)
    scenarios, days = envs.scenarios, envs.days
    *_, infos = envs.step([[0.1], [0.2], [0.3]])
    assert infos["final_info"]["day"].tolist() == [scenario.day for scenario in scenarios]
    assert [day.label for day in days] == [envs.game.setting.day_of(scenario).label for scenario in scenarios]
    for row, charge in enumerate((0.1, 0.2, 0.3)):
        single.reset(options={name: int(infos["final_info"][name][row]) for name in ("day", "price_path")})
        single.step([charge])
        assert single.outcome is not None
        found = envs.outcome(row)
        assert found.settlement.profit_eur == single.outcome.settlement.profit_eur
        np.testing.assert_array_equal(found.clearing.trade, single.outcome.clearing.trade)
        np.testing.assert_array_equal(found.charges, single.outcome.charges)
        assert_same(found.info(), single.outcome.info())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "`num_envs` must be at least 1, got 0"),
        ({"autoreset_mode": "LastStep"}, "`autoreset_mode` must be one of Disabled, NextStep, SameStep; got 'LastStep'"),
        ({"autoreset_mode": "samestep"}, "Did you mean 'SameStep'"),
        ({"render_mode": "rgb_array"}, "`render_mode` must be None, got 'rgb_array'. A batched environment draws nothing"),
        ({"solver": "structured", "mechanism": market()}, "must be left out where `mechanism` says what clears"),
        ({"tariff": "distanse"}, "Did you mean 'distance'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**({"num_envs": 2} | arguments))


def test_it_refuses_to_draw() -> None:
    with pytest.raises(ValueError, match="draws nothing"):
        batch().render()


def test_it_takes_the_arguments_of_the_single_environment_and_the_manual_names_the_rest() -> None:
    single, many = (inspect.signature(kind).parameters for kind in (DayAheadEnv, PricingVectorEnv))
    assert set(many) >= {"num_envs", "env", "belief", "autoreset_mode", *single}
    for name, parameter in single.items():
        assert many[name].default == parameter.default
    manual = PricingVectorEnv.__doc__ or ""
    rows = re.findall(r"^ *\| `(\w+)` *\|", manual[manual.index("## Arguments") :], flags=re.MULTILINE)
    assert rows == ["num_envs", "order", "env", "solver", "autoreset_mode", "render_mode"]


def test_episodes_are_kept_within_their_memory_and_come_back_the_same() -> None:
    game = make_day_ahead(make_setting(GameSpec(import_fee=0.05), split="train"))
    kept = Episodes(game.setting, game.observer, most_bytes=60_000)
    plain = [game.begin(Scenario(day, day % 4)).episode for day in range(12)]
    for _ in range(2):
        for expected in plain:
            found = kept.of(expected.scenario)
            assert found.info == expected.info
            np.testing.assert_array_equal(found.observation, expected.observation)
            assert_same(found.day.arrays(), expected.day.arrays())
            assert kept.of(expected.scenario) is found
            assert 0 < kept.bytes_kept <= 60_000
    assert 2 <= len(kept) < 12
    assert kept.of(Scenario(11, 3)).day.trade_limit is kept.of(Scenario(10, 2)).day.trade_limit
