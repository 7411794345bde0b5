"""Many days in lockstep against the compiled kernel: the same answers and certificate, on the CPU and, where there is one, a GPU."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from kkt import PRIMAL, residuals
from structured_days import GROUPS, Array, drawn_charges, drawn_day

from gridtoll.envs.community.day import Day
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact import Clearing, verify
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.lockstep import LockstepMarket
from gridtoll.envs.market.lockstep.interior_point import TOLERANCE, approach
from gridtoll.envs.market.lockstep.stack import Stack
from gridtoll.train.task import environment_of

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here"))
KERNEL = StructuredMarket(threads=1)
DRAWN = 12


def drawn(group: str) -> tuple[list[Day], list[Array]]:
    days = [drawn_day(GROUPS[group], seed) for seed in range(DRAWN)]
    return days, [drawn_charges(day, seed) for seed, day in enumerate(days)]


def ordinary(community: str, n_days: int) -> tuple[list[Day], list[Array]]:
    """Training days of a community with charges spread from none to the cap."""
    env = environment_of(GameSpec(community=community))
    days = [env.day_of(scenario) for scenario in env.community.scenarios("train", n_days)]
    return days, [env.tariff.charges(np.array([share * env.charge_cap])) for share in np.linspace(0.0, 1.0, n_days)]


def assert_same(day: Day, charges: Array, ours: Clearing, kernel: Clearing) -> None:
    assert verify(day, charges, ours).holds()
    power = max(float(day.demand_max.max()), float(day.renewable.max()), 1e-9)
    for name in PRIMAL:
        np.testing.assert_allclose(getattr(ours, name), getattr(kernel, name), atol=1e-9 * power, err_msg=name)


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("group", GROUPS)
def test_degenerate_days_are_cleared_as_by_the_kernel(group: str, device: str) -> None:
    days, charges = drawn(group)
    market = LockstepMarket(device, threads=1, fallback=KERNEL)
    for day, each, ours, kernel in zip(days, charges, market.clear_many(days, charges), KERNEL.clear_many(days, charges), strict=True):
        assert_same(day, each, ours, kernel)
    assert market.clearings == DRAWN
    assert market.fallbacks <= DRAWN // 2


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("community", ["simbench-rural", "ieee9", "ieee39"])
def test_no_day_of_a_named_community_needs_the_fallback(community: str, device: str) -> None:
    days, charges = ordinary(community, 8)
    market = LockstepMarket(device, threads=1)
    for day, each, ours in zip(days, charges, market.clear_many(days, charges), strict=True):
        assert not ours.fallback
        assert residuals(day, each, ours).worst < 1e-8
    assert market.fallbacks == 0


def test_days_of_several_shapes_come_back_in_their_order() -> None:
    some, posted = drawn("some storage")
    others, prices = drawn("an hour of five")
    days, charges = [*some[:3], *others[:3], *some[3:5]], [*posted[:3], *prices[:3], *posted[3:5]]
    market = LockstepMarket("cpu", at_once=2, threads=2)
    for day, each, ours in zip(days, charges, market.clear_many(days, charges), strict=True):
        assert_same(day, each, ours, KERNEL.clear(day, each))
    assert LockstepMarket("cpu").clear_many([], []) == []


def test_a_day_that_ends_early_stands_still_while_the_others_go_on() -> None:
    days, charges = ordinary("ieee9", 6)
    full = [np.broadcast_to(each, (24, 9, 9)) for each in charges]
    programs, device = [program_of(day) for day in days], torch.device("cpu")
    together = approach(Stack.of(programs, full, device))
    assert bool(together.arrived.all())
    assert len(set(together.steps.tolist())) > 1  # or this would say nothing
    for number, (program, each) in enumerate(zip(programs, full, strict=True)):
        alone = approach(Stack.of([program], [each], device))
        assert int(alone.steps[0]) == int(together.steps[number])
        torch.testing.assert_close(alone.mu[0], together.mu[number], rtol=0.0, atol=1e3 * TOLERANCE)


def test_a_market_in_lockstep_plays_an_environment() -> None:
    named: dict[str, Any] = {"community": "two-prosumers", "num_envs": 3}
    ours = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", **named, mechanism=LockstepMarket("cpu"))
    kernel = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", **named)
    actions = np.full((3, 1), 0.1, dtype=np.float32)
    rewards = []
    for envs in (ours, kernel):
        envs.reset(seed=3)
        rewards.append(envs.step(actions)[1])
    np.testing.assert_allclose(rewards[0], rewards[1], rtol=1e-9)


def test_it_goes_on_from_a_clearing_nearby_and_can_be_copied_to_another_process() -> None:
    [day, *_], [charges, *_] = ordinary("ieee9", 2)
    market = pickle.loads(pickle.dumps(LockstepMarket("cpu")))
    near = market.clear(day, charges + 0.01)
    assert_same(day, charges, market.clear(day, charges, start=near), KERNEL.clear(day, charges))


def test_what_cannot_be_is_refused() -> None:
    days, charges = ordinary("ieee9", 2)
    with pytest.raises(ValueError, match="`at_once` must be at least 1, got 0"):
        LockstepMarket("cpu", at_once=0)
    with pytest.raises(ValueError, match="`device` must be a device of PyTorch that has double precision"):
        LockstepMarket("abacus")
    with pytest.raises(ValueError, match="each day must have its charges"):
        LockstepMarket("cpu").clear_many(days, charges[:1])
    with pytest.raises(ValueError, match="`charges` must be at least 0"):
        LockstepMarket("cpu").clear(days[0], charges[0] - 1.0)
