"""The page without Bokeh: what is shown is what the environments and the command line say, to the last bit or word."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from bokeh.document import Document
from pages import AtOnce, Waiting, begun_with, let_go_on, problem_of

from gridtoll.envs import Community, DayAheadEnv, HourlyEnv, Scenario, export_community, load_community, make_community
from gridtoll.train.cli import main
from gridtoll.train.explore.model.by_hand import begin, score
from gridtoll.train.explore.model.played import play
from gridtoll.train.explore.model.problem import Problem
from gridtoll.train.explore.model.reading import in_words, opening, read_charge, read_fee, read_scenario
from gridtoll.train.explore.model.tables import branches, busiest, clock, gains, prosumers_on_the_grid, stack, trades
from gridtoll.train.explore.page.day_page import DayPage
from gridtoll.train.explore.page.hour_page import HourPage

RURAL = "simbench-rural"


@pytest.mark.parametrize(("mechanism", "tariff"), [("exact", "distance"), ("exact", "zonal"), ("call-auction", "unique")])
def test_a_charge_earns_what_it_earns_in_the_environment(mechanism: str, tariff: str) -> None:
    problem = problem_of(RURAL, mechanism=mechanism, tariff=tariff, import_fee=0.02, flows="injections")
    played = play(problem, np.array([0.2]))
    env = DayAheadEnv(RURAL, mechanism=mechanism, tariff=tariff, import_fee=0.02, flows="injections")
    env.reset(options={"day": 180})
    reward = env.step(np.full(problem.setting.n_charges, 0.2))[1]
    assert played.outcome.reward_eur == pytest.approx(reward, abs=1e-9)
    assert played.is_level
    assert played.level == pytest.approx(0.2)


def test_what_prosumers_gain_is_their_surplus_less_that_of_a_day_on_which_nobody_may_trade() -> None:
    played = play(problem_of(RURAL), np.array([0.2]))
    day = replace(played.problem.day, trade_limit=np.zeros_like(played.problem.day.trade_limit))
    alone = played.problem.setting.transition(played.problem.mechanism, day, [0.0]).settlement.surplus_eur
    np.testing.assert_allclose(played.gain_eur, played.outcome.settlement.surplus_eur - alone, atol=1e-9)
    assert play(problem_of(RURAL), np.array([1.0])).gain_eur.sum() < played.gain_eur.sum()


def test_storage_can_be_taken_away_and_doubled() -> None:
    problem = problem_of(RURAL)
    without, twice = (replace(problem, storage=share) for share in (0.0, 2.0))
    assert not without.day.has_storage.any()
    np.testing.assert_array_equal(twice.day.storage_capacity, 2.0 * problem.day.storage_capacity)
    assert play(without, np.array([0.2])).outcome.clearing.storage_charge.max() == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match=r"`storage` must be from 0 to 3 times the batteries there are, got 4\.0"):
        replace(problem, storage=4.0)


def test_the_stack_balances_in_every_period() -> None:
    played = play(problem_of(RURAL), np.array([0.2]))
    table = stack(played.problem.day, played.outcome.clearing)
    inflow = table["sun"] + table["from_batteries"] + table["bought"]
    np.testing.assert_allclose(inflow, table["load"] - table["into_batteries"] - table["sold"], atol=1e-6)
    assert table["time"][:2] == ["00:00", "01:00"]
    assert table["hour"][0] == 0.5


def test_the_grid_shows_the_flows_and_the_trades_of_the_period() -> None:
    played = play(problem_of(RURAL), np.array([0.2]))
    period = busiest(played)
    paid, trade = played.outcome.settlement, played.outcome.clearing.trade[period]
    assert branches(played, period)["loading"].max() == pytest.approx(100.0 * paid.peak_loading)
    np.testing.assert_allclose(prosumers_on_the_grid(played, period)["sold"], trade.sum(axis=1) - trade.sum(axis=0))
    drawn = trades(played, period)
    assert drawn["power"][0] == trade.max()
    seller, buyer = np.unravel_index(trade.argmax(), trade.shape)
    names = played.problem.community.prosumer_names
    assert (drawn["seller"][0], drawn["buyer"][0]) == (names[seller], names[buyer])


def test_gains_and_losses_are_told_apart_and_what_is_not_known_is_no_number() -> None:
    played = play(problem_of(RURAL), np.array([0.2]))
    table = gains(replace(played, alone_eur=played.outcome.settlement.surplus_eur + np.resize([1.0, -1.0], 13)), None)
    np.testing.assert_allclose(table["gain"] + table["loss"], np.resize([-1.0, 1.0], 13))
    assert (table["gain"] >= 0).all()
    assert (table["loss"] <= 0).all()
    assert np.isnan(table["free"]).all()


def told_by(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `gridtoll clear` says of what it cannot use, without the name of the command."""
    with suppress(SystemExit):  # what argparse cannot read
        assert main(["clear", *words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1].partition("error: ")[2]


@pytest.mark.parametrize("charge", ["1.5", "-0.1", "0,2", "abc", "nan", "0.1,0.2,0.3", ""])
def test_a_charge_that_cannot_be_is_refused_in_the_words_of_the_command_line(charge: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"must be|must have") as refused:
        read_charge(charge, problem_of(RURAL).setting)
    assert in_words(refused.value) == told_by("--day", "180", f"--charge={charge}", capsys=capsys)


@pytest.mark.parametrize(("day", "path"), [("366", "0"), ("-1", "0"), ("1.5", "0"), ("abc", "0"), ("0", "9")])
def test_a_day_that_does_not_exist_is_refused_in_the_words_of_the_command_line(
    day: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"must be|must have") as refused:
        read_scenario(day, path, problem_of(RURAL).setting)
    assert in_words(refused.value) == told_by(f"--day={day}", f"--price-path={path}", "--charge", "0.1", capsys=capsys)


@pytest.mark.parametrize("fee", ["-0.1", "abc", "1e400"])
def test_an_import_fee_that_cannot_be_is_refused_in_the_words_of_the_command_line(fee: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"must be|must have") as refused:
        problem_of(RURAL).spec.changed(import_fee=read_fee(fee))
    assert in_words(refused.value) == told_by("--day", "180", "--charge", "0.1", f"--import-fee={fee}", capsys=capsys)


def test_a_page_begins_with_a_fifth_of_the_cap_or_with_the_charge_given() -> None:
    spec = problem_of(RURAL).spec
    assert opening(spec, Scenario(3, 1), None) == (Problem(spec=spec, scenario=Scenario(3, 1)), 0.2)
    assert opening(spec, Scenario(3, 1), 0.7)[1] == 0.7
    with pytest.raises(ValueError, match="cap of 1 EUR/kWh"):
        opening(spec, Scenario(3, 1), 1.7)
    with pytest.raises(ValueError, match="whole number from 0 to 365"):
        opening(spec, Scenario(400, 0), None)


def test_the_hourly_game_by_hand_is_the_environment_s() -> None:
    env: Any = gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community=RURAL, solver="structured").unwrapped
    assert isinstance(env, HourlyEnv)
    env.reset(options={"day": 180})
    hand, charges = begin(problem_of(RURAL)), np.linspace(0.1, 0.5, 24)
    for charge in charges:
        reward = env.step([charge])[1]
        hand = hand.post(np.array([charge]))
        assert hand.earned_eur[-1] == pytest.approx(reward, abs=1e-9)
    assert hand.over
    np.testing.assert_allclose(np.concatenate(hand.charges), charges)
    day = hand.day_so_far()
    assert day is not None
    assert day.demand.shape == (24, 13)
    with pytest.raises(ValueError, match="before the day is over, got one after its 24 hours"):
        hand.post(np.array([0.1]))


def test_an_hour_can_be_taken_back_and_the_rest_played_at_once() -> None:
    start = begin(problem_of(RURAL))
    assert start.day_so_far() is None
    assert start.back() is start
    one = start.post(np.array([0.3]))
    again = one.post(np.array([0.1])).back()
    assert again.played == 1
    assert again.earned_eur.tolist() == one.earned_eur.tolist()
    at_once = one.post_to_the_end(np.array([0.2]))
    assert at_once.over
    assert [charge.item() for charge in at_once.charges] == [0.3] + 23 * [0.2]
    assert at_once.stored_kwh.shape == (25,)


def test_the_score_is_0_for_no_charge_and_100_for_the_best_known() -> None:
    assert score(2.0, zero_eur=2.0, best_eur=6.0) == 0.0
    assert score(6.0, zero_eur=2.0, best_eur=6.0) == 100.0
    assert score(0.0, zero_eur=2.0, best_eur=6.0) == -50.0
    assert score(1.0, zero_eur=2.0, best_eur=2.0) is None


def small(n_days: int = 2, *, minutes: int = 60) -> Community:
    """A community of one's own with a few days of periods of so many minutes."""
    base, periods = load_community("ieee9"), n_days * 24 * 60 // minutes
    hours = np.arange(periods) * minutes / 60 % 24
    load = 1.0 + 0.5 * np.sin(hours / 24 * 2 * np.pi)[:, None] * np.linspace(0.5, 1.5, 9)
    sun = np.clip(np.sin((hours - 6) / 12 * np.pi), 0, None)[:, None] * np.linspace(0, 8, 9)
    paths = np.ones((1, periods))
    return make_community(
        "mine",
        base.network,
        first_date=date(2024, 6, 3),
        load_kw=load,
        renewable_kw=sun,
        import_price=np.full(periods, 0.32),
        export_price=0.08 * paths,
        loss_price=0.1 * paths,
        period_minutes=minutes,
    )


@pytest.mark.parametrize("minutes", [60, 30, 15])
def test_an_own_folder_of_two_days_is_played_whatever_its_period(minutes: int, tmp_path: Path) -> None:
    export_community(small(minutes=minutes), tmp_path / "mine")
    problem = Problem(spec=problem_of(str(tmp_path / "mine")).spec, scenario=Scenario(1, 0))
    played = play(problem, np.array([0.02]))
    assert played.outcome.settlement.traded_kwh > 1.0
    n_periods = 24 * 60 // minutes
    assert clock(problem.day, n_periods - 1) == f"23:{60 - minutes:02d}"
    assert len(stack(problem.day, played.outcome.clearing)["load"]) == n_periods
    document = Document()
    page = DayPage(document, begun_with(problem, charge=0.02, leader="constant:0.01"), AtOnce())
    let_go_on(document)
    assert "Certified optimum: " in page.about.text
    assert page.period.end == n_periods - 1
    hours = HourPage(Document(), begun_with(problem, charge=0.02, leader="zero"), Waiting())
    hours.post_hour()
    assert f"1 of {n_periods}" in hours.facts.text
    assert hours.post.label == f"Post the charge for {clock(problem.day, 1)}"
