"""Which scenarios `reset` deals: drawn from a list, or one after the other, so that evaluation is of the same days each time."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RescaleAction
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from gridtoll.agents.learned.vec_env import GymnasiumVecEnv

SOME = [(3, 0), (40, 1), (9, 2)]
NAMED: dict[str, Any] = {"community": "two-prosumers", "solver": "structured"}


def made(game: str = "DayAhead", **arguments: Any) -> Any:
    return gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", **NAMED | arguments)


def begun(env: Any, **options: Any) -> tuple[int, int]:
    info = env.reset(**options)[1]
    return info["day"], info["price_path"]


def play(env: Any) -> float:
    over, total = False, 0.0
    while not over:
        _, reward, terminated, truncated, _ = env.step(np.full(env.action_space.shape, 0.1, dtype=np.float32))
        over, total = terminated or truncated, total + reward
    return total


@pytest.mark.parametrize("game", ["DayAhead", "Hourly"])
def test_a_cycle_deals_the_scenarios_in_their_order_again_and_again(game: str) -> None:
    env = made(game, scenarios=SOME, order="cycle")
    dealt = []
    for _ in range(5):
        dealt.append(begun(env))
        play(env)
    assert dealt == [*SOME, *SOME[:2]]


def test_a_scenario_that_was_not_played_is_dealt_again() -> None:
    env = made(scenarios=SOME, order="cycle")
    assert [begun(env) for _ in range(3)] == [SOME[0]] * 3
    play(env)
    assert begun(env) == SOME[1]
    assert begun(env, options={"day": 7}) == (7, 0)
    play(env)
    assert begun(env) == SOME[1], "a day that was picked is none of the cycle"


def test_a_seed_begins_the_cycle_anew() -> None:
    env = made(scenarios=SOME, order="cycle")
    for _ in range(2):
        begun(env)
        play(env)
    assert begun(env, seed=3) == SOME[0]


def test_days_alone_are_under_the_first_price_path_and_drawing_is_from_the_list() -> None:
    env = made(scenarios=[5, (6, 1)])
    env.reset(seed=0)
    drawn = Counter(begun(env) for _ in range(60))
    assert set(drawn) == {(5, 0), (6, 1)}
    assert min(drawn.values()) > 15


def test_without_a_list_a_cycle_is_that_of_the_split() -> None:
    env = made(order="cycle", split="test")
    expected = env.unwrapped.community.scenarios("test")
    for scenario in expected[:4]:
        assert begun(env) == scenario
        play(env)
    assert env.unwrapped.dealer.one_round == len(expected)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("count", [2, 3])
def test_rows_of_a_batch_together_play_each_scenario_once_in_a_round(mode: str, count: int) -> None:
    scenarios = [(day, day % 3) for day in range(10, 17)]
    envs: Any = gymnasium.make_vec(
        "gridtoll.envs:gridtoll/DayAhead-v0",
        num_envs=count,
        community="two-prosumers",
        scenarios=scenarios,
        order="cycle",
        autoreset_mode=mode,
    )
    envs.reset(seed=1)
    shares = [(len(scenarios) + row) // count for row in range(count)]
    played: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    while any(len(each) < share for each, share in zip(played, shares, strict=True)):
        _, _, ended, _, infos = envs.step(np.full((count, 1), 0.1))
        told = infos.get("final_info", infos)
        for row in np.flatnonzero(ended):
            played[row].append((int(told["day"][row]), int(told["price_path"][row])))
    first_round = [each for row in range(count) for each in played[row][: shares[row]]]
    assert sorted(first_round) == scenarios


def test_stable_baselines_evaluation_gives_the_same_mean_each_time() -> None:
    single = rescaled(made(scenarios=SOME, order="cycle"))
    learner = PPO("MlpPolicy", single, n_steps=8, batch_size=8, seed=1)
    means = {evaluate_policy(learner, single, n_eval_episodes=3, warn=False)[0] for _ in range(3)}
    assert len(means) == 1
    rewards = [play_as(learner, SOME[place]) for place in range(3)]
    assert means == {np.mean(rewards)}
    envs: Any = gymnasium.make_vec(
        "gridtoll.envs:gridtoll/DayAhead-v0", num_envs=2, community="two-prosumers", scenarios=SOME, order="cycle"
    )
    rows = GymnasiumVecEnv(envs, action_bounds=(envs.single_action_space.low, envs.single_action_space.high))
    means = {evaluate_policy(learner, rows, n_eval_episodes=3, warn=False)[0] for _ in range(3)}
    assert len(means) == 1
    assert means.pop() == pytest.approx(np.mean(rewards), rel=1e-6)


def rescaled(env: Any) -> Any:
    return RescaleAction(env, np.float32(-1.0), np.float32(1.0))


def play_as(learner: PPO, scenario: tuple[int, int]) -> float:
    env = rescaled(made())
    observation, _ = env.reset(options=dict(zip(("day", "price_path"), scenario, strict=True)))
    return float(env.step(learner.predict(observation, deterministic=True)[0])[1])


def test_the_environment_checks_pass_and_copies_go_on_where_they_were() -> None:
    check_env(made(scenarios=SOME, order="cycle").unwrapped, skip_render_check=True)
    env = made(scenarios=SOME, order="cycle")
    begun(env)
    play(env)
    for copied in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert begun(copied) == SOME[1]
    make_vec_env(lambda: made(scenarios=SOME), n_envs=2).reset()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "cycel"}, "`order` must be one of cycle, random; got 'cycel'. Did you mean 'cycle'"),
        ({"scenarios": []}, "`scenarios` must name at least one day, got none"),
        ({"scenarios": [999]}, r"`scenarios` must be days from 0 to \d+, or pairs of a day and a price path from 0 to \d+, got 999"),
        ({"scenarios": [(3, 99)]}, r"`scenarios` must be days .*, got \(3, 99\)"),
        ({"scenarios": [(3, 0, 1)]}, r"`scenarios` must be days .*, got \(3, 0, 1\)"),
        ({"scenarios": [True]}, "`scenarios` must be days .*, got True"),
        ({"scenarios": ["3"]}, "`scenarios` must be days .*, got '3'"),
    ],
)
def test_what_cannot_be_dealt_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(**arguments)


def test_a_price_path_alone_needs_the_whole_split_and_rows_need_scenarios() -> None:
    env = made(scenarios=SOME)
    with pytest.raises(ValueError, match="`price_path` of `reset` must come with a `day`"):
        env.reset(options={"price_path": 1})
    with pytest.raises(ValueError, match="at least as many scenarios as there are rows, got 3 for 4"):
        gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=4, community="two-prosumers", scenarios=SOME, order="cycle")
