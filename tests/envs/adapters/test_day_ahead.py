"""The day-ahead environment: Gymnasium's rules, the order of its rooms, and what it says of itself."""

from __future__ import annotations

import copy
import hashlib
import inspect
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import pytest
import stable_baselines3.common.env_checker as sb3_checker
from builders import kernel, market
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from numpy.typing import ArrayLike

import gridtoll
from gridtoll.envs import (
    DAY_AHEAD_ID,
    ClearingError,
    DayAheadEnv,
    Scenario,
    export_community,
    load_community,
    make_market,
    make_tariff,
    settle,
)
from gridtoll.envs.account.objective import reward
from gridtoll.envs.community.calendar import split_days
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.exact import Clearing

TINY = "two-prosumers"
GOLDEN = "a1f2e2d2558e202eb3ce8c050c6581e7b958b3d5065a3245a18defa63056aeb8"
"""How ``gridtoll/DayAhead-v0`` behaves. Results from before a change of this are not comparable with later ones: raise the version."""


def tiny_env(**arguments: Any) -> DayAheadEnv:
    """A quick environment that shares the market of this process's tests."""
    values: dict[str, Any] = {"community": TINY, "mechanism": kernel()}
    return DayAheadEnv(**(values | arguments))


@cache
def sunny_day() -> int:
    """A day on which the two prosumers trade."""
    return int(load_community(TINY).renewable_kw.reshape(-1, 24, 2).sum(axis=(1, 2)).argmax())


def play(env: DayAheadEnv, *charges: ArrayLike, seed: int = 3) -> list[Any]:
    """What a seeded rollout returned, in plain numbers."""
    env.reset(seed=seed)
    returned: list[Any] = []
    for charge in charges:
        observation, info = env.reset()
        returned += [observation.tolist(), info]
        _, earned, *_, info = env.step(charge)
        returned += [earned, {**info, "charge": info["charge"].tolist()}]
    return returned


def test_it_passes_gymnasiums_checker_without_a_warning() -> None:
    env = gymnasium.make(f"gridtoll.envs:{DAY_AHEAD_ID}", community=TINY, charge_cap=1.0)
    check_env(env.unwrapped)  # warnings are errors here; it renders in both modes as well
    assert not plt.get_fignums()


def test_the_default_environment_passes_gymnasiums_checker_without_a_warning() -> None:
    check_env(gymnasium.make(f"gridtoll.envs:{DAY_AHEAD_ID}", mechanism=kernel()).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("information", ["public", "full"])
def test_stable_baselines_advises_normalised_actions_and_nothing_else(information: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sb3_checker.check_env(tiny_env(information=information))
    assert ["normalized Box action space" in str(warning.message) for warning in caught] == [True]


def test_normalised_actions_mean_no_charge_and_the_cap() -> None:
    wrapped = gymnasium.wrappers.RescaleAction(tiny_env(), np.float32(-1.0), np.float32(1.0))
    for action, charge in ((-1.0, 0.0), (1.0, 1.0), (0.0, 0.5)):
        wrapped.reset(options={"day": sunny_day()})
        info = wrapped.step(np.array([action], dtype=np.float32))[-1]
        assert info["charge"] == pytest.approx(charge * wrapped.unwrapped.charge_cap, abs=1e-6)  # type: ignore[attr-defined]


@pytest.mark.parametrize("objective", ["profit", "welfare"])
@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize(("tariff", "per"), [("distance", "day"), ("unique", "hour"), ("zonal", "day"), ("line", "hour")])
def test_a_step_is_day_tariff_clearing_settlement_reward(objective: Any, flows: Any, tariff: str, per: Any) -> None:
    env = tiny_env(objective=objective, flows=flows, tariff=tariff, charges_per=per, charge_cap=0.5)
    env.reset(options={"day": sunny_day(), "price_path": 2})
    action = np.random.default_rng(0).uniform(0.0, 0.2, env.action_space.shape)
    _, earned, terminated, truncated, info = env.step(action)
    community = load_community(TINY)
    day = community.day(sunny_day(), price_path=2)
    chosen = make_tariff(tariff, community.network, per)
    charges = chosen.charges(chosen.read(action, 24, 0.5))
    settlement = settle(day, community.network, charges, kernel().clear(day, charges), flows=flows, charge_base=chosen.basis)
    assert earned == reward(settlement, objective)
    assert (terminated, truncated) == (True, False)
    assert info["profit_eur"] == settlement.profit_eur
    assert info["charged_kwh"] == settlement.charged_kwh > 0
    np.testing.assert_array_equal(info["charge"], action)
    assert max(abs(info[name]) for name in ("primal_residual", "dual_residual", "gap")) <= 1e-9


def test_a_charge_in_double_precision_is_used_as_it_is() -> None:
    env = tiny_env()
    charge = 0.1 + 1e-13
    env.reset(options={"day": sunny_day()})
    _, _, _, _, info = env.step([charge])
    assert info["charge"][0] == charge
    assert info["charge"][0] != float(np.float32(charge))


def test_every_charge_of_the_action_space_is_taken_edges_included() -> None:
    for cap in (0.1, 0.7, 1.0, 1.2, 3.3):
        env = tiny_env(charge_cap=cap)
        space = cast(gymnasium.spaces.Box, env.action_space)
        for action in (space.low, space.high, space.sample()):
            env.reset(options={"day": sunny_day()})
            assert 0.0 <= env.step(action)[-1]["charge"][0] <= cap


@pytest.mark.parametrize("bad", [[-0.1], [np.nan], [99.0], [0.1, 0.1], 0.1, "much"])
def test_a_bad_charge_is_refused_and_the_day_can_still_be_priced(bad: Any) -> None:
    env = tiny_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="charges"):
        env.step(bad)
    env.step([0.1])


def test_the_last_observation_is_the_days_own_and_nobody_elses() -> None:
    env = tiny_env()
    first, info = env.reset(seed=4)
    seen = first.copy()
    first[:] = 0.0  # whoever gets an observation may write into it
    last, _, _, _, later = env.step([0.2])
    np.testing.assert_array_equal(last, seen)
    assert info.items() <= later.items()
    assert later is not info


def test_reset_draws_every_day_of_its_split_and_every_price_path_and_no_other() -> None:
    community = load_community(TINY)
    for split in ("train", "validation", "test"):
        env = tiny_env(split=split)
        env.reset(seed=0)
        drawn = {env.reset()[1]["day"] for _ in range(1500)}
        assert drawn == set(split_days(split, community.n_days).tolist())
    assert {env.reset()[1]["price_path"] for _ in range(60)} == set(range(community.n_price_paths))


def test_reset_picks_the_day_and_price_path_it_is_told() -> None:
    env = tiny_env(split="train")
    test_day = int(split_days("test", env.community.n_days)[3])
    assert env.reset(options={"day": test_day})[1]["price_path"] == 0
    assert env.scenario == Scenario(test_day, 0)
    assert env.reset(options={"day": np.int64(5), "price_path": 3})[1] == {
        "day": 5,
        "price_path": 3,
        "date": env.community.date(5).isoformat(),
    }
    assert env.day.label.endswith("day 5/prices 3")
    drawn = {env.reset(options={"price_path": 1})[1]["day"] for _ in range(30)}
    assert len(drawn) > 10
    assert env.scenario.price_path == 1
    assert env.reset(options={})[1]["day"] in env.setting.days


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"day": 366}, r"option `day` of `reset` must be a whole number from 0 to 365, got 366"),
        ({"day": -1}, "from 0 to 365, got -1"),
        ({"day": 2.5}, "whole number from 0 to 365, got 2.5"),
        ({"day": True}, "whole number"),
        ({"day": "5"}, "whole number from 0 to 365, got '5'"),
        ({"day": 3, "price_path": 4}, "option `price_path` of `reset` must be a whole number from 0 to 3, got 4"),
        ({"days": 3}, r"an option of `reset` must be one of day, price_path; got 'days'\. Did you mean 'day'\?"),
    ],
)
def test_reset_refuses_options_that_mean_nothing(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_env().reset(options=options)


def test_an_episode_must_begin_and_ends_with_its_first_step() -> None:
    env = tiny_env()
    for use in (lambda: env.step([0.1]), lambda: env.day, lambda: env.scenario):
        with pytest.raises(ResetNeeded, match="begins with `reset`"):
            use()
    env.reset(seed=0)
    env.step([0.1])
    with pytest.raises(ResetNeeded, match="the episode is over"):
        env.step([0.1])
    env.reset()
    env.step([0.1])


def test_one_seed_gives_one_rollout_and_another_seed_another() -> None:
    charges = ([0.1], [0.3], [0.05])
    one, same, other = (play(tiny_env(), *charges, seed=seed) for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_what_was_played_before_leaves_no_trace() -> None:
    """Compiled problems are kept from day to day; their answers must not depend on it."""
    fresh, used = tiny_env(mechanism="exact"), tiny_env(mechanism="exact")
    play(used, [0.9], [0.0], [0.4], seed=9)
    assert play(fresh, [0.2]) == play(used, [0.2])


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    play(tiny_env(), [0.2])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("way", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("moment", ["new", "reset", "stepped"])
def test_copies_go_on_as_the_original_does(way: Any, moment: str) -> None:
    env = tiny_env(mechanism="exact")
    if moment != "new":
        env.reset(seed=8)
    if moment == "stepped":
        env.step([0.1])
    twin = way(env)
    if moment == "reset":
        assert env.step([0.2])[1] == twin.step([0.2])[1]
    if moment == "new":
        env.reset(seed=1)
        twin.reset(seed=1)
    assert play(env, [0.2], [0.3]) == play(twin, [0.2], [0.3])


def _play_elsewhere(pickled: bytes) -> list[Any]:
    return play(pickle.loads(pickled), [0.2], [0.3])


def test_a_spawned_process_plays_the_same() -> None:
    env = tiny_env(mechanism="exact")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(_play_elsewhere, (pickle.dumps(env),))
    assert elsewhere == play(env, [0.2], [0.3])


class _Failing:
    """A market whose solver gives up."""

    def clear_many(self, days: Sequence[Day], charges: Sequence[Array]) -> list[Clearing]:
        raise ClearingError(f"no answer on {days[0].label}.")


@pytest.mark.parametrize("per", ["day", "hour"])
def test_a_clearing_that_fails_says_how_to_replay_it(per: Any) -> None:
    env = tiny_env(mechanism=_Failing(), charges_per=per)
    env.reset(seed=17)
    day, path = env.scenario
    action = np.linspace(0.1, 0.3, env.action_space.shape[0])  # type: ignore[index]
    with pytest.raises(ClearingError) as caught:
        env.step(action)
    message = str(caught.value)
    for part in (f"'day': {day}", f"'price_path': {path}", str(action.tolist()), "seed 17", TINY, "distance", "no answer on"):
        assert part in message


def test_the_market_can_be_another() -> None:
    class Double:
        """Clears at twice the charges."""

        def clear_many(self, days: Sequence[Day], charges: Sequence[Array]) -> list[Clearing]:
            return market().clear_many(days, [2.0 * each for each in charges])

    traded = []
    for chosen, charge in ((Double(), 0.05), (market(), 0.1)):
        env = tiny_env(mechanism=chosen)
        env.reset(options={"day": sunny_day()})
        traded.append(env.step([charge])[-1]["traded_kwh"])
    assert traded[0] == traded[1]


def test_both_solvers_clear_alike_and_say_who_they_are() -> None:
    infos = []
    for solver in ("cvxpy", "structured"):
        env = DayAheadEnv(TINY, solver=solver)
        env.reset(options={"day": sunny_day()})
        infos.append(env.step([0.05])[-1])
    assert infos[0]["profit_eur"] == pytest.approx(infos[1]["profit_eur"], rel=1e-9)
    assert "CVXPY" in infos[0]["solver"]
    assert "structured" in infos[1]["solver"]
    assert [info["fallback"] for info in infos] == [False, False]


def test_a_solver_and_a_mechanism_together_are_refused() -> None:
    with pytest.raises(ValueError, match="`solver` must be left out where `mechanism` says what clears, got 'cvxpy'"):
        tiny_env(solver="cvxpy")
    with pytest.raises(ValueError, match=r"`solver` must be one of cvxpy, structured; got 'clarabel'"):
        make_market("clarabel")


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("exat", "`mechanism` must be one of .*exact.*; got 'exat'. Did you mean 'exact'"),
        ("exact:solvr=cvxpy", "a parameter of mechanism 'exact' must be one of solver; got 'solvr'"),
        ("exact:solver=clarabel", "`solver` must be one of cvxpy, structured; got 'clarabel'"),
        ("exact:solver", "parameters of a mechanism must be written once each"),
        (object(), "must be a name, or an object that clears days with `clear_many`"),
    ],
)
def test_a_mechanism_that_is_none_is_refused(mechanism: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_env(mechanism=mechanism)


def test_a_mechanism_takes_its_parameters_after_its_name() -> None:
    env = tiny_env(mechanism="exact:solver=structured")
    env.reset(options={"day": sunny_day()})
    assert "structured" in env.step([0.05])[-1]["solver"]


def test_info_says_when_another_solver_had_to_finish() -> None:
    class Fallen:
        def clear_many(self, days: Sequence[Day], charges: Sequence[Array]) -> list[Clearing]:
            return [replace(each, fallback=True) for each in market().clear_many(days, charges)]

    env = tiny_env(mechanism=Fallen())
    env.reset(seed=0)
    assert env.step([0.1])[-1]["fallback"] is True


def test_the_import_fee_can_be_set_and_is_earned() -> None:
    free, paid = tiny_env(), tiny_env(import_fee=0.08)
    fees = []
    for env in (free, paid):
        env.reset(options={"day": sunny_day()})
        info = env.step([0.1])[-1]
        fees.append(info["import_fee_eur"])
        assert info["import_fee_eur"] == pytest.approx(env.day.import_fee * info["import_kwh"], rel=1e-12)
    assert fees[0] == 0.0 < fees[1]
    assert paid.day_of(Scenario(3, 1)).import_fee == 0.08


def test_a_community_may_be_a_name_a_folder_or_itself(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    export_community(load_community(TINY), folder)
    profits = []
    for community in (TINY, folder, str(folder), load_community(TINY)):
        env = tiny_env(community=community)
        env.reset(options={"day": sunny_day()})
        profits.append(env.step([0.1])[1])
    assert profits == pytest.approx([profits[0]] * 4, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"community": "two-prosumer"}, "Did you mean 'two-prosumers'"),
        ({"tariff": "distanse"}, "Did you mean 'distance'"),
        ({"charges_per": "hours"}, "Did you mean 'hour'"),
        ({"split": "training"}, "Did you mean 'train'"),
        ({"objective": "profits"}, "Did you mean 'profit'"),
        ({"information": "publik"}, "Did you mean 'public'"),
        ({"flows": "trade"}, "Did you mean 'trades'"),
        ({"render_mode": "rgb"}, "Did you mean 'rgb_array'"),
        ({"solver": "structure"}, "Did you mean 'structured'"),
        ({"charge_cap": 0.0}, "`charge_cap` must be a finite number > 0 in EUR/kWh, got 0.0"),
        ({"charge_cap": np.inf}, "`charge_cap` must be a finite number > 0"),
        ({"import_fee": -0.1}, "`import_fee` must be a finite number of at least 0 in EUR/kWh, got -0.1"),
        ({"import_fee": np.nan}, "`import_fee` must be a finite number"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DayAheadEnv(**({"community": TINY} | arguments))


def test_info_holds_what_the_manual_says_and_no_more() -> None:
    manual = DayAheadEnv.__doc__ or ""
    described = manual[manual.index("`info` holds") : manual.index("`env.unwrapped.outcome`")]
    named = set(re.findall(r"`(\w+)`", described)) - {"info", "reset"}
    env = tiny_env()
    env.reset(seed=0)
    assert set(env.step([0.1])[-1]) == named


def test_the_manual_names_every_argument_with_its_default() -> None:
    manual = DayAheadEnv.__doc__ or ""
    rows = dict(re.findall(r"^ *\| `(\w+)` *\| ([^|]*?) *\|", manual[manual.index("## Arguments") :], flags=re.MULTILINE))
    parameters = inspect.signature(DayAheadEnv).parameters
    assert set(rows) == set(parameters)
    for name, parameter in parameters.items():
        if parameter.default is not None:
            word = f'"{parameter.default}"' if isinstance(parameter.default, str) else repr(parameter.default)
            assert rows[name] == f"`{word}`"
    for heading in (
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Arguments",
        "Version History",
    ):
        assert f"## {heading}\n" in manual


def test_pictures_come_before_and_after_the_step_and_without_a_mode_a_warning_does() -> None:
    env = tiny_env(render_mode="rgb_array")
    env.reset(options={"day": sunny_day()})
    before = env.render()
    env.step([0.05])
    after = env.render()
    assert before is not None
    assert after is not None
    assert before.shape == after.shape == (640, 1200, 3)
    assert not np.array_equal(before, after)
    blind = tiny_env()
    blind.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert blind.render() is None


def test_a_person_sees_each_day_in_a_window_that_copies_do_not_take_along() -> None:
    env = tiny_env(render_mode="human")
    env.reset(options={"day": sunny_day()})
    env.step([0.05])
    assert len(plt.get_fignums()) == 1
    twin = copy.deepcopy(env)
    twin.close()
    assert len(plt.get_fignums()) == 1
    env.close()
    env.close()
    assert not plt.get_fignums()


def test_importing_the_environments_loads_neither_data_tools_nor_learners_nor_pictures() -> None:
    code = (
        "import gridtoll.envs, sys\n"
        "print([name for name in ('pandapower', 'simbench', 'pandas', 'matplotlib', 'torch', 'numba') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(gridtoll.__file__).parent.parent)}
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
    assert printed.strip() == "[]"


def test_the_default_environment_plays_as_its_version_says() -> None:
    """A hash of a seeded rollout, of numbers rounded far above the rounding of solvers and processors and far below what matters.

    Other machines therefore get the same hash, unless a number lies within 1e-12 of where its rounding turns: one chance in a million.
    """
    env = DayAheadEnv(mechanism=kernel())
    env.reset(seed=2023)
    digest = hashlib.sha256()
    for charge in (0.05, 0.2, 0.5, 0.9):
        observation, info = env.reset()
        _, earned, *_, outcome = env.step([charge])
        numbers = [earned, *(outcome[name] for name in ("welfare_eur", "traded_kwh", "charged_kwh", "loss_kwh"))]
        digest.update(repr((info, [f"{float(f'{number:.6g}') + 0.0:g}" for number in numbers])).encode())
        digest.update((np.round(observation.astype(np.float64), 4) + 0.0).tobytes())
    assert digest.hexdigest() == GOLDEN
