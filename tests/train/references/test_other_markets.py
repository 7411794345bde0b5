"""The best charges under markets other than the exact one: proved where all breakpoints are known, else the best that was played."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from outside import plugged_in

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.fixed.hourly import SchedulePolicy
from gridtoll.agents.optimum.played import GRID, best_played
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import Belief, GameSpec
from gridtoll.train.cli import main
from gridtoll.train.ground.playing import play_days, same_for_all
from gridtoll.train.references.ends import references
from gridtoll.train.references.optima import find_optimum, require_one_charge
from gridtoll.train.references.solve import resolved
from gridtoll.train.references.solved import Settings
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

DAY = Scenario(120, 0)
CALL = GameSpec(community="two-prosumers", mechanism="call-auction")
CONTINUOUS = GameSpec(community="two-prosumers", mechanism="continuous-auction")


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (CALL, "breakpoints"),
        (CALL.changed(tariff="zonal"), "played"),
        (CALL.changed(charges_per="hour"), "breakpoints"),
        (CALL.changed(charges_per="hour", import_fee=0.02), "breakpoints"),
        (CALL.changed(community="simbench-rural", charges_per="hour"), "breakpoints"),
        (CALL.changed(community="simbench-rural", charges_per="hour", import_fee=0.02), "played"),
        (CALL.changed(charges_per="hour", tariff="zonal"), "played"),
        (CONTINUOUS, "played"),
        (GameSpec(community="two-prosumers", mechanism="admm"), "replayed"),
        (GameSpec(community="two-prosumers", mechanism="bilateral:rounds=9"), "replayed"),
        (GameSpec(community="two-prosumers"), "exact"),
        (GameSpec(community="two-prosumers", tariff="zonal"), "search"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.told().values())),
)
def test_each_market_has_its_method(task: GameSpec, method: str) -> None:
    assert resolved(task, Settings()).method == method


@pytest.mark.parametrize(
    "task", [CALL, CALL.changed(charges_per="hour"), CONTINUOUS, CALL.changed(tariff="zonal")], ids=["day", "hours", "played", "several"]
)
def test_the_best_charges_earn_what_is_said_and_are_kept(task: GameSpec, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    first, stored = find_optimum(task, DAY, Settings())
    assert not stored
    game = environment_of(task)
    game.reset(options=DAY._asdict())
    assert game.step(np.array(first.charges))[1] == first.best_eur
    again, stored = find_optimum(task, DAY, Settings())
    assert stored
    assert again == first
    other, stored = find_optimum(task.changed(mechanism=f"{task.mechanism}:steps=3"), DAY, Settings())
    assert not stored, "the same auction with other parameters is another market"
    assert other.best_eur != first.best_eur
    assert first.best_eur >= first.zero_eur


def test_only_what_is_proved_is_called_certified() -> None:
    with Workers(1, quiet=True) as workers:
        [proved] = references(CALL, [DAY], workers)
        [found] = references(CONTINUOUS, [DAY], workers)
    assert proved.certified
    assert proved.upper_bound_eur == pytest.approx(proved.best_eur, rel=1e-6)
    assert not found.certified
    assert found.upper_bound_eur == math.inf


def test_methods_that_do_not_apply_are_refused() -> None:
    with pytest.raises(ValueError, match="need `mechanism` 'exact', whose response is known exactly, got 'call-auction'"):
        resolved(CALL, Settings(method="exact"))
    with pytest.raises(ValueError, match=r"breakpoints are those of mechanism 'call-auction' with one coefficient .* Use --method played"):
        resolved(CONTINUOUS, Settings(method="breakpoints"))
    assert resolved(CALL, Settings(method="played")).method == "played"


def test_the_command_says_a_bound_only_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    told = {}
    for name in ("call-auction", "continuous-auction"):
        assert main(["optimum", "--community", "two-prosumers", "--day", "120", "--mechanism", name, "--json"]) == 0
        told[name] = json.loads(capsys.readouterr().out)
    assert told["call-auction"]["method"] == "breakpoints"
    assert told["call-auction"]["upper_bound_eur"] >= told["call-auction"]["recleared_profit_eur"]
    assert told["continuous-auction"]["method"] == "played"
    assert "upper_bound_eur" not in told["continuous-auction"]


MARKETS = ["call-auction", "continuous-auction", "admm:rounds=60", "bilateral:rounds=5", "mid-price:share=0.4"]


@pytest.mark.parametrize("name", MARKETS)
def test_leaders_are_scored_under_other_markets(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--community", "two-prosumers", "--days", "2", "--mechanism", name, "--jobs", "1", "--quiet", "--json"]
    with plugged_in():
        assert main(["evaluate", "constant:0.1", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["days"] == 2
    proved = name == "call-auction"
    assert ("certified_days" in told) != proved, "only what is proved is scored by regret to an optimum"
    regret = told["mean_regret_eur" if proved else "regret_to_best_found"]
    assert 0.0 <= regret < math.inf, "the best that was played is played by nobody better here"
    assert proved or told["certified_days"] == 0


def test_a_market_that_says_no_residuals_leaves_them_open() -> None:
    with plugged_in():
        task = GameSpec(community="two-prosumers", mechanism="mid-price")
        [bare] = play_days(task, same_for_all(ConstantPolicy([0.05])), [DAY])
    assert math.isnan(bare.worst_residual)
    assert bare.solver == "mid-price"
    [talked] = play_days(task.changed(mechanism="admm"), same_for_all(ConstantPolicy([0.05])), [DAY])
    assert 0.0 < talked.worst_residual <= 5e-6
    assert math.isnan(talked.gap)


@pytest.mark.parametrize(("name", "belief"), [("call-auction", "standing"), ("bilateral:rounds=3", "announced")])
def test_the_hourly_game_has_a_best_played_and_no_bound(name: str, belief: Belief, capsys: pytest.CaptureFixture[str]) -> None:
    game = ["--community", "two-prosumers", "--env", "hourly", "--belief", belief, "--mechanism", name, "--json"]
    assert main(["optimum", "--day", "120", "--plans", "24", *game]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["certified"]) == ("played", False)
    assert "upper_bound_eur" not in told
    assert told["best_eur"] >= told["zero_eur"]
    assert len(told["charges"]) == 24
    task = GameSpec(community="two-prosumers", env="hourly", belief=belief, mechanism=name)
    leader = SchedulePolicy(
        np.array(told["charges"])[:, None], environment_of(task).observer.layout["hour"], announced=belief == "announced"
    )
    [played] = play_days(task, same_for_all(leader), [DAY])
    assert played.objective_eur == pytest.approx(told["best_eur"], rel=1e-9)


def test_an_optimum_to_learn_from_is_refused_where_nothing_is_proved() -> None:
    require_one_charge(CALL, "the optimum")
    said = r"the optimum must be that of a market in which it is proved, .* got `mechanism` 'continuous-auction'.*Ask for best-found"
    with pytest.raises(ValueError, match=said):
        require_one_charge(CONTINUOUS, "the optimum")


def test_playing_finds_the_peak_between_the_points_of_the_grid_and_at_a_jump() -> None:
    def jumping(charges: Array) -> Array:
        return np.where(charges[:, 0] <= 0.4567, charges[:, 0], 0.1 * charges[:, 0])

    found = best_played(jumping, 1, cap=1.0)
    assert found.best_eur == pytest.approx(0.4567, abs=1e-5)
    assert found.clearings < GRID + 100

    def hill(charges: Array) -> Array:
        below: Array = -((charges - np.array([0.2, 0.7])) ** 2).sum(axis=1)
        return below

    several = best_played(hill, 2, cap=1.0)
    np.testing.assert_allclose(several.charges, [0.2, 0.7], atol=0.01)
    assert several.charges.shape == (2,)


def test_where_a_negotiation_converges_its_optimum_is_the_exact_markets_replayed() -> None:
    task = GameSpec(community="two-prosumers", mechanism="admm:tolerance=1e-8")
    found = find_optimum(task, DAY, Settings())[0]
    exact = find_optimum(task.changed(mechanism="exact"), DAY, Settings())[0]
    assert (found.method, found.charges) == ("replayed", exact.charges)
    assert found.profit_eur == pytest.approx(exact.profit_eur, rel=1e-5)
    assert not found.closed
    assert math.isinf(found.upper_bound_eur)
    assert "this one converges to it" in found.proof


def test_where_a_negotiation_is_cut_short_the_best_that_was_played_is_its_answer() -> None:
    task = GameSpec(community="two-prosumers", mechanism="bilateral:rounds=3")
    found = find_optimum(task, DAY, Settings())[0]
    assert found.method == "played"
    assert "the best of the charges that were played" in found.proof


def test_replaying_is_refused_where_nothing_converges() -> None:
    with pytest.raises(
        ValueError, match="is replayed under mechanism 'admm' or 'bilateral' with the linear power flow, got 'call-auction'"
    ):
        resolved(CALL, Settings(method="replayed"))
