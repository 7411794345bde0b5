"""The hourly game with one store: hours traced exactly, and a bound that nothing played exceeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from one_battery import COARSE, one_battery

from gridtoll.agents.optimum.hourly_game.search import HourlyDay
from gridtoll.agents.optimum.one_store.bound import BoxBound, BoxProgram, ChargeBoxes
from gridtoll.agents.optimum.one_store.boxes import across_flows, step_back
from gridtoll.agents.optimum.one_store.check import check_optimum, replayed
from gridtoll.agents.optimum.one_store.hours import StoreHours
from gridtoll.agents.optimum.one_store.refine import TracedPrices, cells_near, first_boxes, split
from gridtoll.agents.optimum.one_store.solve import StoreOptimum, applies, solve_hourly
from gridtoll.envs import HourlyEnv, Scenario, load_community
from gridtoll.envs.account.settlement import Flows
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.games.hourly import HourlyGame
from gridtoll.envs.games.tail import hour_of, tail_of
from gridtoll.envs.games.transition import Rules
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.task import environment_of

COMMUNITY = load_community("simbench-rural-pooled")
TARIFF = make_tariff("distance", COMMUNITY.network)
MARKET = StructuredMarket(threads=1)


def evening(hour: int, share: float = 0.48) -> Day:
    """Return the rest of day 180 from an hour on, its store filled to a share."""
    day = COMMUNITY.day(180)
    return tail_of(day, hour, share * day.storage_capacity)


def hours_of(day: Day, flows: Flows = "trades") -> StoreHours:
    return StoreHours(day, COMMUNITY.network, TARIFF.basis[0], cap=1.0, flows=flows)


def rules(flows: Flows = "trades") -> Rules:
    return Rules(network=COMMUNITY.network, basis=TARIFF.basis, flows=flows, objective="profit")


def played(day: Day, sequence: np.ndarray) -> float:
    """Return what a sequence of charges earns, each posted as one that stands."""
    total, stored = 0.0, day.storage_start
    for hour, charge in enumerate(sequence):
        charges = charge * TARIFF.basis[0]
        plan = MARKET.clear(tail_of(day, hour, stored), charges)
        total += rules().settled(hour_of(day, hour), charges[None], plan.first_period()).reward_eur
        stored = plan.stored_energy[1]
    return total


@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_an_hour_traced_along_the_charges_is_the_first_hour_of_the_exact_plan(flows: Flows) -> None:
    rng = np.random.default_rng(0)
    for hour in range(0, 24, 4):
        day = evening(hour, rng.uniform(0.4, 0.6))
        hours, charge = hours_of(day, flows), rng.uniform(0.0, 0.6)
        charges = charge * TARIFF.basis[0]
        plan = MARKET.clear(day, charges)
        line = hours.lines(0, plan.storage_price[:1, hours.owner])
        at, stored, charged, other = (np.interp(charge, line.rows[:, 0], line.rows[:, k]) for k in range(4))
        settled = rules(flows).settled(hour_of(day, 0), charges[None], plan.first_period())
        assert stored == pytest.approx(plan.stored_energy[1, hours.owner] - day.storage_start[hours.owner], abs=1e-6)
        assert at * charged + other == pytest.approx(settled.reward_eur, abs=1e-3 + line.rows[:, 4].max())
        assert line.gap < 1e-7


@pytest.mark.parametrize(
    ("community", "scenario", "hour", "price"),
    [
        ("simbench-rural-pooled", (200, 0), 11, 0.0038669456066945697),
        ("simbench-rural-pooled", (200, 0), 12, 0.14363380753138077),
        ("simbench-rural-pooled", (13, 2), 22, 0.662907178377733),  # two prices are equal to the last digit
        ("ieee9-pooled", (209, 0), 1, 0.07251150570844905),
        ("ieee9-pooled", (122, 0), 4, 0.025180463905209675),
    ],
)
def test_prices_come_to_rest_where_the_sun_is_curtailed_and_where_full_steps_would_go_in_circles(
    community: str, scenario: tuple[int, int], hour: int, price: float
) -> None:
    env = HourlyEnv(community)
    hours = StoreHours(
        env.day_of(Scenario(*scenario)), env.community.network, env.tariff.basis[0], cap=env.charge_cap, flows=env.setting.rules.flows
    )
    line, beside = (hours.lines(hour, np.array([each])).rows for each in (price, price + 1e-7))
    charges = np.linspace(0.0, env.charge_cap, 1001)
    for quantity in (1, 2, 3):
        near = np.interp(charges, beside[:, 0], beside[:, quantity])
        assert np.interp(charges, line[:, 0], line[:, quantity]) == pytest.approx(near, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("community", ["simbench-rural-pooled", "ieee9-pooled"])
def test_what_an_hour_is_traced_by_lies_in_rows_or_loops_would_be_compiled_once_more(community: str) -> None:
    env = HourlyEnv(community)
    day = env.day_of(Scenario(180, 0))
    hours = StoreHours(day, env.community.network, env.tariff.basis[0], cap=1.0, flows="trades")
    rows = (hours._weight, hours._base, hours._charge, hours._low, hours._high, hours._sums, hours._still, hours._loss)
    assert all(of_hours[0].flags.c_contiguous for of_hours in rows)


def test_the_bound_falls_as_boxes_are_split_and_no_sequence_played_exceeds_it() -> None:
    day = evening(20, 0.56)
    hours = hours_of(day)
    traced = TracedPrices(hours, n=120, run=lambda work, items: [work(item) for item in items])
    program, path = BoxProgram(hours), np.full(5, day.storage_start[hours.owner])
    boxes, bounds = first_boxes(hours, traced.price, path, program.capacity), []
    for _ in range(4):
        found = program.run(boxes, traced.lines, path)
        bounds.append(found.bound_eur)
        boxes, between = split(boxes, found, 0.2, np.ones(4))
        traced.add(between)
        path = found.energy
        boxes = replace(boxes, price=traced.price, cells=cells_near(path, program.capacity))
    rng = np.random.default_rng(1)
    sequences = [rng.uniform(0.0, top, 4) for top in (0.2, 0.5, 1.0) for _ in range(30)]
    sequences += [np.append(rng.uniform(0.0, 0.3, 3), last) for last in np.linspace(0.3, 1.0, 30)]  # who has to fill up is held up

    best = max(played(day, sequence) for sequence in sequences)
    assert bounds[-1] < bounds[0]
    assert best <= bounds[-1]
    assert best >= 0.3 * bounds[-1]  # a bound that is far away shows little


def test_what_is_kept_proves_the_bound_that_is_stated_though_a_round_came_to_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in COARSE:
        monkeypatch.setattr(module, name, value)
    day, kept = HourlyDay(cast(HourlyGame, environment_of(one_battery(tmp_path)).game), Scenario(170, 0), MARKET), list[StoreOptimum]()
    honest = BoxProgram.run

    def run(*args: Any) -> BoxBound:
        found = honest(*args)
        return replace(found, bound_eur=found.bound_eur + (1e3 if len(kept) == 2 else 0.0))  # cells moved to where they say less

    def keep(known: StoreOptimum) -> None:
        kept.append(known)
        if len(kept) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(BoxProgram, "run", run)
    with pytest.raises(KeyboardInterrupt):
        solve_hourly(day, tolerance=1e-6, keep=keep)
    monkeypatch.setattr(BoxProgram, "run", honest)
    assert [each.rounds for each in kept] == [0, 1, 1, 3]
    assert kept[2].upper_bound_eur == kept[1].upper_bound_eur > kept[3].upper_bound_eur
    assert [replayed(day, each)[0].bound_eur for each in kept[1:]] == [each.upper_bound_eur for each in kept[1:]]


def test_an_answer_at_any_price_between_two_lines_earns_no_more_than_their_points_allow() -> None:
    day, rng = evening(18), np.random.default_rng(3)
    hours = hours_of(day)
    program, price = BoxProgram(hours, threads=1), np.linspace(0.0, 0.3, 61)
    ends = np.concatenate([[-0.2], price, [20.0]])
    lines = hours.lines(0, ends)
    boxes = first_boxes(hours, ends, np.full(7, program.start), program.capacity)
    strip = np.stack([np.arange(len(ends) - 1), np.arange(1, len(ends))], axis=1)
    answers = program.answer(boxes, lines, strip, 0, np.ones(len(boxes.low), dtype=np.bool_))
    straight = 0
    for one in answers:
        for s, j in zip(rng.integers(1, len(strip) - 1, 12), rng.integers(len(one.low), size=12), strict=True):
            share = rng.uniform()
            between = hours.lines(0, np.array([(1.0 - share) * ends[s] + share * ends[s + 1]])).rows
            place = rng.uniform(size=9)
            charges = one.low[j] + place * (one.high[j] - one.low[j])
            stored, charged, other = (np.interp(charges, between[:, 0], between[:, k]) for k in (1, 2, 3))
            cut = [slice(*one.start[line * len(one.low) + j :][:2]) for line in strip[s]]
            points = np.concatenate([one.points[each] for each in cut])
            for tilt in (-0.3, 0.0, 0.3):
                most = (points[:, 2] + tilt * points[:, 1]).max() + one.extra[0, s, j] + abs(tilt) * one.extra[1, s, j]
                assert np.all(charges * charged + other + tilt * stored <= most + 1e-9)
            corner = one.corner[:, s, j]
            plane = corner.mean() + (share - 0.5) * (corner[2:] - corner[:2]).mean() + (place - 0.5) * (corner[1::2] - corner[::2]).mean()
            assert np.all(stored - plane <= one.stray[1, s, j] + 1e-9)
            assert np.all(plane - stored <= one.stray[0, s, j] + 1e-9)
            straight += one.extra[1, s, j] == 0.0
    assert straight > 30  # of 96: most boxes have the same limits on both lines


def test_a_fee_on_imports_hides_as_much_of_the_losses_as_can_be_imported() -> None:
    day = replace(evening(22), import_fee=0.25)
    assert hours_of(evening(22)).most_fee_eur == pytest.approx(0.0)
    assert hours_of(day).most_fee_eur == pytest.approx(0.25 * day.period_hours * day.import_limit.sum() * np.ones(2))


def test_flows_between_two_lines_are_compared_at_the_ends_furthest_from_each_other() -> None:
    """Limits that are reached at other charges on the other line make a trapezoid that is wider than it is on either line."""
    points = np.zeros((4, 7))
    points[:2, 0], points[2:, 0] = [0.1, 0.2], [0.6, 0.9]
    points[:, 4], points[:, 6] = 4.0, 9.0
    assert across_flows(points, 0, 2, 0.5) == pytest.approx(0.8 * 2.0 + 0.5 * 3.0)


def test_the_path_of_a_bound_goes_to_the_energy_of_which_most_is_expected_and_not_to_the_middle_of_those_that_can_be_reached() -> None:
    edges, one = np.linspace(0.0, 2.0, 5), np.zeros((2, 1, 1))
    worth, reach = np.array([0.0, 0.0, 10.0, 0.0]), np.array([0.0, 0.0, -1.0, 1.0]).reshape(4, 1, 1)  # stored: −1 to 1
    points, start = np.zeros((4, 7)), np.array([0, 2, 4])
    points[1::2, 0] = 1.0
    end, span = np.array([2.0, 2.0, 0.0, 0.0]).reshape(4, 1, 1), np.array([0.0, 2.0]).reshape(2, 1, 1)
    value, chosen, none = np.full(4, -np.inf), np.zeros((4, 3), np.intp), np.zeros(4)
    step_back(
        *(edges, edges, np.array([0]), np.array([[0, 1]]), start, points, np.zeros((4, 1, 1)), one, reach, end, one, span),
        *(np.zeros(1), np.ones(1), worth, none, none, 0.0, value, chosen, np.zeros((4, 4))),
        *(np.array([0, 4]), np.full((1, 4), -np.inf), np.full((1, 4), -np.inf)),
    )
    assert value == pytest.approx(10.0)
    assert list(chosen[:, 2]) == [2, 2, 2, 2]


def begun() -> tuple[TracedPrices, BoxProgram, Array, ChargeBoxes]:
    """The first boxes of an evening, with what traces prices and bounds, and a path along which nothing is stored."""
    day = evening(22)
    hours = hours_of(day)
    traced = TracedPrices(hours, n=40, run=lambda work, items: [work(item) for item in items])
    program, path = BoxProgram(hours), np.full(3, day.storage_start[hours.owner])
    return traced, program, path, first_boxes(hours, traced.price, path, program.capacity)


def test_every_hour_goes_on_being_covered_by_its_slabs_however_often_they_are_split() -> None:
    traced, program, path, boxes = begun()
    for _ in range(2):
        boxes, between = split(boxes, program.run(boxes, traced.lines, path), 1.0, np.ones(2))
        traced.add(between)
        boxes = replace(boxes, price=traced.price)
    for used in boxes.used:
        low, high = boxes.low[used], boxes.high[used]
        assert low[0] == 0.0
        assert high[-1] == 1.0
        assert np.array_equal(low[1:], high[:-1])


def test_nothing_is_split_in_an_hour_in_which_the_bound_loses_nothing() -> None:
    traced, program, path, boxes = begun()
    found = program.run(boxes, traced.lines, path)
    before = boxes.used.sum(axis=1)
    for lost, more in (((1.0, 0.0), (True, False)), ((0.0, 1.0), (False, True))):
        after = split(boxes, found, 1.0, np.array(lost))[0].used.sum(axis=1)
        assert tuple(after > before) == more


@pytest.mark.long
def test_no_sequence_played_contradicts_the_bound_of_a_day_in_any_hour() -> None:
    env = HourlyEnv("simbench-rural-pooled")
    day = HourlyDay(env.game, Scenario(180, 0), MARKET)
    kept: list[StoreOptimum] = []
    known = solve_hourly(day, tolerance=0.5, seconds=0.0, keep=kept.append)
    assert kept[-1] is known
    checked = check_optimum(day, known, sequences=64)
    assert checked.holds
    assert checked.replayed_eur == known.best_eur
    assert checked.bound_eur == pytest.approx(known.upper_bound_eur, rel=1e-9)
    assert solve_hourly(day, tolerance=10.0, begin=known) is known  # what is known suffices
    later = solve_hourly(day, tolerance=0.0, seconds=0.0, begin=known)
    assert later.upper_bound_eur <= known.upper_bound_eur
    assert later.best_eur >= known.best_eur


@pytest.mark.parametrize("energy", [0.0, 206.0, 411.9, 412.0])
def test_cells_cover_the_store_and_are_the_closer_the_nearer_to_the_path(energy: float) -> None:
    [edges] = cells_near(np.array([energy]), 412.0)
    width = np.diff(edges)
    assert edges[0] == 0.0
    assert edges[-1] == 412.0
    assert np.all(width > 0.0)
    assert np.abs(edges - energy).min() == 0.0
    about = np.abs(0.5 * (edges[:-1] + edges[1:]) - energy)
    assert width[about < 0.1].max() < 0.03
    assert width[about < 16.0].max() < 0.13
    assert width.max() < 0.21


def test_several_stores_are_refused() -> None:
    env = HourlyEnv("simbench-rural")
    day = HourlyDay(env.game, Scenario(180, 0), MARKET)
    assert not applies(day)
    with pytest.raises(ValueError, match="must have one store"):
        solve_hourly(day)
    with pytest.raises(ValueError, match="must have one store, got 5"):
        StoreHours(env.day_of(Scenario(180, 0)), env.community.network, TARIFF.basis[0], cap=1.0, flows="trades")
