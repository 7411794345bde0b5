"""What works beside the page: leaders that were trained, what nobody waits for any more, and the words of the command before it serves."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pages import problem_of
from trainings import tiny

from gridtoll.agents.learned.stable_baselines import LearnedPolicy
from gridtoll.agents.optimum.one_store.solve import StoreOptimum
from gridtoll.envs import DayAheadEnv
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.explore.background import leaders
from gridtoll.train.explore.background.leaders import check_leader, led, walked_best, walked_by_leader, walked_level
from gridtoll.train.explore.background.processes import Background, SupersededError
from gridtoll.train.explore.background.proofs import sampled
from gridtoll.train.explore.page.words import about_others
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import train
from gridtoll.train.references.one_store import proof_key
from gridtoll.train.scoring.leaders import learned_policy
from gridtoll.train.workers import Workers


def nobody() -> None:
    """Somebody waits all the time."""


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    opened = Background()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "sac"
    with Workers(1) as workers:
        train(tiny(), folder, workers)
    return folder


def test_a_process_works_out_what_this_one_would(background: Background) -> None:
    problem = problem_of("two-prosumers")
    theirs, ours = background.ask("curves", background.page(), sampled, problem).result(timeout=120), sampled(problem, nobody)
    np.testing.assert_array_equal(theirs.goal_eur, ours.goal_eur)
    np.testing.assert_array_equal(theirs.free_eur, ours.free_eur)


def test_what_a_page_asked_for_before_something_newer_is_given_up_and_that_of_others_is_not(background: Background) -> None:
    problem, one, other = problem_of("two-prosumers"), background.page(), background.page()
    first = background.ask("curves", one, sampled, problem)
    stale = [background.ask("curves", one, sampled, problem) for _ in range(3)]
    kept = background.ask("curves", other, sampled, problem)
    background.newer("curves", one)
    for each in stale:
        with pytest.raises(SupersededError):
            each.result(timeout=120)
    assert first.exception(timeout=120) is None or isinstance(first.exception(), SupersededError)
    assert kept.result(timeout=120).charges[0] == 0.0


def test_a_trained_leader_posts_on_the_page_what_it_posts_in_the_environment(run: Path) -> None:
    problem = problem_of("two-prosumers")
    check_leader(str(run), problem.spec)
    shown = led(str(run), problem.spec, problem, nobody)
    task = GameSpec(community="two-prosumers")
    env = DayAheadEnv("two-prosumers", solver="structured")
    observation, _ = env.reset(options={"day": 180})
    policy: LearnedPolicy = learned_policy(RunFolder.open(run), task)
    charge, _ = policy.predict(observation, deterministic=True)
    assert shown.level == pytest.approx(float(charge[0]))
    assert shown.goal_eur == pytest.approx(env.step(charge)[1], abs=1e-9)
    assert shown.name.startswith("sac ")


def test_a_leader_trained_for_another_tariff_is_refused_with_what_it_was_trained_for(run: Path) -> None:
    problem = problem_of("two-prosumers", tariff="unique")
    with pytest.raises(ValueError, match="the distance tariff, got the unique tariff"):
        led(str(run), problem.spec, problem, nobody)


def test_a_leader_of_the_other_game_is_refused_with_the_option_that_takes_it(run: Path) -> None:
    hourly = problem_of("two-prosumers").spec.changed(env="hourly")
    with pytest.raises(ValueError, match=r"--hourly-leader must have learned the hourly game, got .*the day-ahead game. Use --leader\."):
        check_leader(str(run), hourly)


def test_a_leader_plays_the_hourly_game_from_hour_to_hour() -> None:
    problem = problem_of("two-prosumers")
    constant = walked_by_leader("constant:0.3", problem, nobody)
    level = walked_level(problem, 0.3, "level", nobody)
    np.testing.assert_allclose(constant.earned_eur, level.earned_eur, atol=1e-9)
    assert constant.charges.shape == (24, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--day 400", "--day must be a whole number from 0 to 365, got 400."),
        ("--charge 1.7", "charges must be between 0 and the cap of 1 EUR/kWh, got 1.7"),
        ("--leader optimum", "a leader (or a run folder or file) must be one of"),
        ("--leader no/such.onnx", "no/such.onnx"),
        ("--hourly-leader no/run", "no/run"),
        ("--tariff far", "must be one of distance, line, unique, zonal; got 'far'."),
        ("--mechanism haggling", "--mechanism must be one of "),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_starts(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "two-prosumers", *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gridtoll explore: error: ")
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_port_that_is_taken_is_an_error_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["explore", "two-prosumers", "--leader", "zero", "--port", str(port)]) == 2
    said = f"--port must be free, got {port}, on which another program listens. Pass another, or 0 for any that is free."
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_a_port_that_cannot_be_is_an_error_that_says_so(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "two-prosumers", "--leader", "zero", f"--port={port}"]) == 2
    assert f"--port must be from 0 to 65535, got {port}." in capsys.readouterr().err


def test_without_bokeh_the_command_says_what_brings_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    assert main(["explore", "two-prosumers"]) == 2
    assert 'run `pip install ".[explore]"`.' in capsys.readouterr().err


def test_the_best_of_the_hourly_game_comes_with_what_is_proved_of_it() -> None:
    shown = walked_best(problem_of("two-prosumers"), nobody)
    assert shown.upper_bound_eur == pytest.approx(shown.total_eur, rel=1e-5)
    assert walked_level(problem_of("two-prosumers"), 0.2, "level", nobody).upper_bound_eur == np.inf


def test_with_one_store_the_page_shows_what_was_proved_before(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of("ieee9-pooled")
    setting, day = problem.hourly.setting, problem.day
    key = proof_key(day, problem.community.network, setting.tariff, cap=setting.charge_cap, flows=setting.rules.flows)
    none: tuple[float, ...] = ()
    charges = tuple(np.linspace(0.1, 0.2, 24).tolist())
    proved = StoreOptimum(charges=charges, best_eur=1.0, upper_bound_eur=4e5, price=none, slabs=(none,), near=none, rounds=0, seconds=1.0)
    monkeypatch.setattr(leaders, "PROOFS", SimpleNamespace(kept=lambda asked: proved if asked == key else None))
    shown = walked_best(problem, nobody)
    assert tuple(shown.charges.ravel().tolist()) == charges
    assert shown.upper_bound_eur == 4e5
    assert shown.name == "best proved"
    [line] = [each for each in about_others({"best": shown}, {"leader": "nobody"}) if "Best proved" in each]
    assert "Proved: no leader earns more than 400,000.00 EUR." in line
