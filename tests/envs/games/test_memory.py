"""What prosumers remember of a leader under ``belief="learned"``, beside an independent computation of the rule."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sameness import assert_same

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.fixed.hourly import SchedulePolicy
from gridtoll.envs import HourlyEnv, PricingVectorEnv, Scenario
from gridtoll.envs.games.memory import EMPTY, REMEMBERED_DAYS, mean_of
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.playing import days_led, play_days

STORES, TINY, SUMMER = "ieee9", "two-prosumers", 170
Array = NDArray[np.float64]


def schedules(days: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.0, 0.3, (days, 24))


def play(env: HourlyEnv, schedule: Array, *, day: int = SUMMER, seed: int | None = None) -> list[float]:
    """Return what each hour of one day earns; the day is drawn by nobody, and the memory goes on unless there is a seed."""
    env.reset(seed=seed, options={"day": day})
    return [env.step([charge])[1] for charge in schedule]


def test_later_hours_are_expected_to_be_charged_the_mean_of_the_last_seven_days_and_the_hour_at_hand_what_is_posted() -> None:
    env, posted = HourlyEnv(TINY, belief="learned"), schedules(10)
    for day, schedule in enumerate(posted):
        env.reset(seed=1 if day == 0 else None, options={"day": SUMMER})
        for hour, charge in enumerate(schedule):
            [*past] = posted[max(0, day - 7) : day]
            expected = [charge] + [sum(each[later] for each in past) / len(past) if past else charge for later in range(hour + 1, 24)]
            state = env.state
            believed = state.memory.believed(env.setting.read([charge])[hour:])
            np.testing.assert_allclose(believed[:, 0], expected, rtol=1e-12)
            _, _, _, _, info = env.step([charge])
            np.testing.assert_allclose(env.outcome.charges, env.tariff.basis[0][None] * charge)  # type: ignore[union-attr]
            assert info["days_remembered"] == min(day + (hour == 23), REMEMBERED_DAYS)


def test_the_plan_is_that_of_a_leader_who_announces_what_is_expected() -> None:
    learned, announced = HourlyEnv(STORES, belief="learned"), HourlyEnv(STORES, belief="announced")
    first, second, third = schedules(3)
    play(learned, first, seed=0), play(learned, second)
    earned = play(learned, third)
    announced.reset(options={"day": SUMMER})
    for hour, charge in enumerate(third):
        told = 0.5 * (first + second)
        told[hour] = charge
        assert announced.step(told)[1] == pytest.approx(earned[hour], rel=1e-9)


def test_a_leader_that_repeats_its_charges_is_believed_exactly_from_the_second_day_on() -> None:
    learned, announced, standing = (HourlyEnv(STORES, belief=belief) for belief in ("learned", "announced", "standing"))
    [schedule] = schedules(1, seed=3)
    days = [play(learned, schedule, seed=0 if day == 0 else None) for day in range(9)]
    announced.reset(options={"day": SUMMER})
    kept = [announced.step(schedule)[1] for _ in range(24)]
    assert days[0] == play(standing, schedule)
    assert days[1:] == [kept] * 8
    assert days[0] != kept


def test_equal_days_have_exactly_their_value_as_mean_and_no_mean_lies_outside_what_was_charged() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, REMEMBERED_DAYS + 1):
        day = rng.uniform(0, 1, (24, 3))
        assert np.array_equal(mean_of((day,) * n), day)
        days = tuple(rng.uniform(0, 1, (24, 3)) for _ in range(n))
        np.testing.assert_allclose(mean_of(days), np.mean(days, axis=0), rtol=1e-12)
    tiny = (np.full((1, 1), 0.1), np.zeros((1, 1)), np.zeros((1, 1)))
    assert 0.0 <= mean_of(tiny)[0, 0] <= 0.1


def test_a_seed_empties_the_memory_and_the_same_seed_gives_the_same_bytes() -> None:
    env, (one, other) = HourlyEnv(STORES, belief="learned", information="full"), schedules(2)

    def rollout() -> tuple[Any, ...]:
        env.reset(seed=5)
        told = [env.step([charge]) for charge in one]
        env.reset()
        return (*told, *(env.step([charge]) for charge in other))

    first = rollout()
    assert len(env.state.memory.days) == 2
    assert_same(first, rollout())
    env.reset(seed=5)
    assert env.state.memory.days == ()


def test_a_day_that_is_broken_off_is_not_remembered() -> None:
    env, (one, other) = HourlyEnv(TINY, belief="learned"), schedules(2)
    play(env, one, seed=0)
    env.reset()
    env.step([0.3])
    env.reset()
    assert [len(env.state.memory.days), len(env.state.memory.today)] == [1, 0]
    np.testing.assert_array_equal(env.state.memory.expected[:, 0], one)
    assert len(play(env, other)) == 24


def test_days_of_one_episode_follow_each_other_like_episodes() -> None:
    long, short, posted = HourlyEnv(TINY, belief="learned", days=3), HourlyEnv(TINY, belief="learned"), schedules(3)
    long.reset(seed=0, options={"day": SUMMER})
    earned = [long.step([charge])[1] for charge in posted.ravel()]
    apart = [play(short, each, day=SUMMER + day, seed=0 if day == 0 else None) for day, each in enumerate(posted)]
    np.testing.assert_allclose(earned, np.ravel(apart), rtol=1e-9, atol=1e-12)  # two prosumers store nothing
    assert len(long.state.memory.days) == 3


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
def test_rows_remember_their_own_leader_and_no_other(mode: str) -> None:
    envs = PricingVectorEnv(2, TINY, env="hourly", belief="learned", autoreset_mode=mode)
    dear, cheap = HourlyEnv(TINY, belief="learned"), HourlyEnv(TINY, belief="learned")
    envs.reset(seed=[4, 9]), dear.reset(seed=4), cheap.reset(seed=9)
    for step in range(40):
        if mode == "Disabled" and step == 24:
            envs.reset()
        over = [env.state.over for env in (dear, cheap)]
        if mode == "NextStep" and step == 24:
            envs.step(np.full((2, 1), 0.1))  # begins the next episodes, and plays nothing
        _, rewards, *_ = envs.step(np.array([[0.3], [0.0]]))
        for env, charge, reward, ended in zip((dear, cheap), (0.3, 0.0), rewards, over, strict=True):
            if ended:
                env.reset()
            assert env.step([charge])[1] == reward
    assert [float(state.memory.expected.max()) for state in envs.states] == [0.3, 0.0]
    envs.reset(seed=[None, 3])
    assert [len(state.memory.days) for state in envs.states] == [1, 0]


def test_a_full_observation_holds_the_memory_and_a_public_one_what_is_expected() -> None:
    full, public, posted = (
        HourlyEnv(TINY, belief="learned", information="full"),
        HourlyEnv(TINY, belief="learned"),
        schedules(3).astype(np.float32).astype(np.float64),
    )
    for env in (full, public):
        play(env, posted[0], seed=0), play(env, posted[1])
        env.reset()
        for charge in posted[2, :5]:
            observation = env.step([charge])[0]
        told = env.observer.read(observation)
        np.testing.assert_allclose(told["expected"], 0.5 * (posted[0] + posted[1]), atol=1e-6)
        assert told["days_remembered"] == pytest.approx(2.0)
        assert ("remembered" in told) == (env is full)
    told = full.observer.read(full.game.observe(full.state))
    np.testing.assert_allclose(told["remembered"].reshape(7, 24), [posted[1], posted[0], *np.zeros((5, 24))], atol=1e-6)
    np.testing.assert_allclose(told["posted"], [*posted[2, :5], *np.zeros(19)], atol=1e-6)


def test_a_copy_and_a_pickle_remember_what_the_original_does() -> None:
    env, (one, other) = HourlyEnv(STORES, belief="learned"), schedules(2)
    play(env, one, seed=0)
    env.reset(options={"day": SUMMER})
    twins = copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    expected = [env.step([charge])[1] for charge in other]
    for twin in twins:
        assert [twin.step([charge])[1] for charge in other] == expected


def test_other_beliefs_remember_nothing() -> None:
    env, [schedule] = HourlyEnv(TINY), schedules(1)
    play(env, schedule)
    env.reset()
    assert env.state.memory is EMPTY
    assert "days_remembered" not in env.step([0.1])[4]
    assert {"expected", "remembered", "posted"}.isdisjoint(env.observer.layout)


def test_a_day_is_scored_after_the_leader_has_led_the_days_before_it_whatever_else_is_scored() -> None:
    task, env = GameSpec(env="hourly", community=STORES, belief="learned"), HourlyEnv(STORES, belief="learned")
    scenarios, posted = [Scenario(SUMMER, 1), Scenario(2, 0)], schedules(1, seed=5)[0]
    leader = SchedulePolicy(posted[:, None], env.observer.layout["hour"])
    together = play_days(task, lambda _: leader, scenarios, threads=1)
    backwards = play_days(task, lambda _: leader, scenarios[::-1], threads=1)[::-1]
    [alone] = play_days(task, lambda _: leader, scenarios[:1], threads=1)
    assert_same(tuple(map(vars, together)), tuple(map(vars, backwards)))
    assert_same(vars(alone), vars(together[0]))
    kept = HourlyEnv(STORES, belief="announced")
    for scenario, played in zip(scenarios, together, strict=True):
        kept.reset(options=scenario._asdict())
        assert sum(kept.step(posted)[1] for _ in range(24)) == pytest.approx(played.objective_eur, rel=1e-9)
    assert days_led(task, scenarios) == 2 + 7 + 2
    assert days_led(task.changed(belief="standing"), scenarios) == 2


def test_a_charge_that_stands_surprises_nobody_whatever_prosumers_believe() -> None:
    day, leader = [Scenario(SUMMER, 0)], ConstantPolicy([0.2])
    earned = [
        play_days(GameSpec(env="hourly", community=STORES, belief=belief), lambda _: leader, day, threads=1)[0].objective_eur
        for belief in ("standing", "learned")
    ]
    assert earned[0] == pytest.approx(earned[1], rel=1e-9)


def test_an_error_says_what_was_expected() -> None:
    env, [schedule] = HourlyEnv(TINY, belief="learned"), schedules(1)
    play(env, schedule, seed=0)
    env.reset()
    told = env.game.replay(env.state, env.setting.read([0.1]))
    assert f"expected charges [[{schedule[0]}]" in told


def test_a_belief_that_is_misspelt_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"`belief`.*learned"):
        HourlyEnv(TINY, belief="learnt")
