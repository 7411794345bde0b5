"""Plug points: the package's own members keep what their protocols promise, and ten lines outside the package plug in by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from builders import market, random_network
from numpy.typing import NDArray
from outside import MidPrice, RetailOnly, TwiceTheLosses, plugged_in
from promises import (
    require_exact_response,
    require_game,
    require_mechanism,
    require_objective,
    require_policy,
    require_power_flow,
    require_references,
)
from sameness import assert_same

from gridtoll.agents.fixed.day_ahead import ConstantPolicy, RandomPolicy, ZeroPolicy
from gridtoll.envs.account.objective import OBJECTIVES
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.adapters.day_ahead import DayAheadEnv
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.games import transition as transition_module
from gridtoll.envs.games.make import make_game
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.transition import Rules, transitions
from gridtoll.envs.grid.network import Network
from gridtoll.envs.grid.power_flow import DcPowerFlow, LinearPowerFlow, require_linear
from gridtoll.envs.grid.power_flows import make_power_flow, register_power_flow
from gridtoll.envs.market.mechanism import MECHANISMS as REGISTERED
from gridtoll.envs.market.mechanism import Allocation, Mechanism, make_mechanism, register_mechanism
from gridtoll.envs.market.solvers import make_market
from gridtoll.train.cli import main
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.references.hours import SearchEffort
from gridtoll.train.references.solve import resolved, solve
from gridtoll.train.references.solved import Settings
from gridtoll.train.workers import Workers

TINY = "two-prosumers"
GAMES = {
    "day-ahead": GameSpec(community=TINY),
    "day-ahead per hour": GameSpec(community=TINY, charges_per="hour", information="full"),
    "hourly": GameSpec(community=TINY, env="hourly"),
    "hourly, announced, with errors": GameSpec(community=TINY, env="hourly", belief="announced", forecast_error=0.2, days=2),
    "hourly, learned": GameSpec(community=TINY, env="hourly", belief="learned", information="full", tariff="zonal"),
}
MECHANISMS: dict[str, Any] = {
    "exact by CVXPY": market,
    "exact by loops": make_market,
    "retail-only": RetailOnly,
    "mid-price": MidPrice,
}


@pytest.fixture
def _plugged_in() -> Iterator[None]:
    with plugged_in():
        yield


def days_and_charges() -> tuple[list[Any], list[NDArray[np.float64]]]:
    community = load_community("ieee9")
    basis = make_tariff("distance", community.network).basis[0]
    days = [community.day(3), community.day(180)]
    return days, [np.array(np.broadcast_to(charge * basis, (24, 9, 9))) for charge in (0.1, 0.3)]


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_mechanism_keeps_its_promises(name: str) -> None:
    require_mechanism(MECHANISMS[name](), *days_and_charges())


@pytest.mark.parametrize("name", ["exact by CVXPY", "exact by loops"])
def test_the_exact_market_is_an_exact_response(name: str) -> None:
    days, charges = days_and_charges()
    require_exact_response(MECHANISMS[name](), days[1], charges[1])


@pytest.mark.parametrize("make", [DcPowerFlow, TwiceTheLosses])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_power_flow_keeps_its_promises(make: Any, seed: int) -> None:
    network, random = random_network(seed, meshed=bool(seed)), np.random.default_rng(seed)
    require_power_flow(make(network), random.normal(0, 4, (3, 6, 5)), random.normal(0, 4, (3, 6, 6)))


@pytest.mark.parametrize("mechanism", [make_market, RetailOnly, MidPrice])
@pytest.mark.parametrize("name", GAMES)
def test_every_game_keeps_its_promises_under_every_mechanism(name: str, mechanism: Any) -> None:
    game = make_game(GAMES[name])
    last = game.setting.community.n_price_paths - 1
    scenarios = [Scenario(60, 0), Scenario(170, last), Scenario(60, last)]
    charges = [np.full(game.setting.n_charges, share * game.setting.charge_cap) for share in (0.1, 0.5, 0.0)]
    require_game(game, mechanism(), scenarios, charges)


@pytest.mark.parametrize("name", ["profit", "welfare", "even", "lean"])
@pytest.mark.usefixtures("_plugged_in")
def test_every_objective_keeps_its_promises(name: str) -> None:
    days, charges = days_and_charges()
    network = load_community("ieee9").network
    rules = Rules(network=network, basis=network.distance, flows="trades", objective=name)
    played = transitions(rules, make_market(), days, np.stack(charges))
    require_objective(OBJECTIVES[name], days, played.settlements)
    assert played.rewards_eur.tolist() == OBJECTIVES[name].value(played.settlements.values).tolist()


KNOWN_OF = {
    "one charge": GameSpec(community=TINY),
    "one charge, welfare": GameSpec(community=TINY, objective="welfare"),
    "several charges": GameSpec(community=TINY, tariff="zonal"),
    "charges per hour": GameSpec(community=TINY, charges_per="hour"),
    "hourly": GameSpec(community=TINY, env="hourly"),
    "hourly, announced, with errors": GameSpec(community=TINY, env="hourly", belief="announced", forecast_error=0.1),
    "hourly, learned": GameSpec(community=TINY, env="hourly", belief="learned"),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] if name == "several charges" else []) for name in KNOWN_OF])
def test_what_is_known_of_days_keeps_its_promises_in_every_game(name: str) -> None:
    days = [Scenario(60, 0), Scenario(170, 1)][: 1 if name == "several charges" else 2]  # the second takes ten seconds there
    with Workers(1, quiet=True) as workers:
        require_references(KNOWN_OF[name], days, workers, SearchEffort(starts=0, plans=200, clearings=20))


def test_every_leader_that_does_not_learn_keeps_its_promises() -> None:
    env = DayAheadEnv(TINY, solver="structured")
    seen = [env.reset(seed=seed)[0] for seed in range(3)]
    leaders = (ConstantPolicy([0.02]), ZeroPolicy(1))
    for leader in leaders:
        require_policy(leader, seen, n_charges=1, charge_cap=env.charge_cap)
    charges, _ = RandomPolicy(env.charge_cap, 1, seed=0).predict(seen[0])
    assert charges.shape == (1,)
    assert 0 <= charges[0] <= env.charge_cap


@pytest.mark.usefixtures("_plugged_in")
@pytest.mark.parametrize("game", ["DayAhead", "Hourly"])
@pytest.mark.parametrize("name", ["retail-only", "mid-price:share=0.25"])
def test_a_mechanism_registered_outside_plays_in_environments_by_its_name(game: str, name: str) -> None:
    steps = 1 if game == "DayAhead" else 3
    single = gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", community=TINY, mechanism=name)
    rows = gymnasium.make_vec(f"gridtoll.envs:gridtoll/{game}-v0", num_envs=3, community=TINY, mechanism=name, autoreset_mode="Disabled")
    rows.reset(seed=5)
    played = [rows.step(np.array([[0.01], [0.02], [0.03]])) for _ in range(steps)]
    for row in range(3):
        single.reset(seed=5 + row)
        for _, earned, _, _, infos in played:
            _, reward_eur, _, _, info = single.step(np.array([0.01 * (row + 1)]))
            assert reward_eur == earned[row]
            assert_same(
                {key: info[key] for key in ("profit_eur", "traded_kwh")},
                {key: infos[key][row].item() for key in ("profit_eur", "traded_kwh")},
            )
            if name == "retail-only":
                assert info["traded_kwh"] < 1e-6
            else:
                assert (info["rule"], infos["rule"][row], info["mean_price"]) == ("mid-price", "mid-price", infos["mean_price"][row])
    rows.close()


def test_trades_at_the_retailers_import_price_bring_the_sellers_more_than_at_its_export_price() -> None:
    days, charges = days_and_charges()
    network = load_community("ieee9").network
    rules = Rules(network=network, basis=network.distance, flows="trades", objective="profit")
    dear, cheap = (transitions(rules, MidPrice(share), days, np.stack(charges)) for share in (1.0, 0.0))
    traded = [each.trade.sum(axis=(0, 2)) - each.trade.sum(axis=(0, 1)) for each in cheap.clearings]
    gained = dear.settlements.values["payment_eur"] - cheap.settlements.values["payment_eur"]
    for row, net in enumerate(traded):
        assert gained[row][net.argmax()] > 0 > gained[row][net.argmin()]
        assert gained[row].sum() == pytest.approx(0, abs=1e-9)
    assert np.array_equal(dear.rewards_eur, cheap.rewards_eur), "who is paid what is nothing to the operator"


@pytest.mark.usefixtures("_plugged_in")
def test_a_mechanism_registered_outside_clears_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    def cleared(*options: str) -> dict[str, Any]:
        assert main(["clear", "--community", "ieee9", "--day", "180", "--charge", "0.2", "--json", *options]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    exact, retail, mid = cleared(), cleared("--mechanism", "retail-only"), cleared("--mechanism", "mid-price:share=0.75")
    assert retail["traded_kwh"] < 1e-6 < exact["traded_kwh"]
    assert retail["welfare_eur"] < exact["welfare_eur"]
    assert mid["rule"] == "mid-price"
    assert "gap" not in mid
    assert mid["profit_eur"] == exact["profit_eur"]
    lossy = cleared("--power-flow", "twice-the-losses")
    assert lossy["loss_cost_eur"] == pytest.approx(2 * exact["loss_cost_eur"], rel=1e-12)


@pytest.mark.usefixtures("_plugged_in")
@pytest.mark.parametrize("game", ["DayAhead", "Hourly"])
def test_a_power_flow_registered_outside_changes_the_losses_of_a_step(game: str) -> None:
    def step(power_flow: str) -> dict[str, Any]:
        env = gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", community="ieee9", solver="structured", power_flow=power_flow)
        env.reset(options={"day": 180})
        info: dict[str, Any] = env.step(np.array([0.2]))[4]
        return info

    dc, other = step("dc"), step("twice-the-losses")
    assert other["loss_kwh"] == pytest.approx(2 * dc["loss_kwh"], rel=1e-12)
    assert other["profit_eur"] == pytest.approx(dc["profit_eur"] - dc["loss_cost_eur"], rel=1e-12)


@pytest.mark.usefixtures("_plugged_in")
@pytest.mark.parametrize("game", ["DayAhead", "Hourly"])
def test_an_objective_registered_outside_rewards_in_environments_by_its_name(game: str) -> None:
    single = gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", community="ieee9", objective="even", solver="structured").unwrapped
    rows = gymnasium.make_vec(
        f"gridtoll.envs:gridtoll/{game}-v0", num_envs=2, community="ieee9", objective="even", autoreset_mode="Disabled"
    )
    rows.reset(options={"day": 180})
    earned = rows.step(np.array([[0.1], [0.3]]))[1]
    for row, charge in enumerate((0.1, 0.3)):
        single.reset(options={"day": 180})
        _, reward_eur, _, _, info = single.step(np.array([charge]))
        settlement = single.outcome.settlement  # type: ignore[attr-defined]
        assert reward_eur == earned[row] == info["profit_eur"] + settlement.surplus_eur.min()
    rows.close()


@pytest.mark.usefixtures("_plugged_in")
def test_the_gradient_of_an_objective_outside_is_that_of_its_weights(tmp_path: Any) -> None:
    practice = practice_of(GameSpec(community="ieee9", objective="lean"), tmp_path)
    scenarios, step = [Scenario(180, 0)], 1e-5
    _, [[slope]] = practice.slopes(scenarios, np.array([[0.2]]))
    [below], [above] = (practice.rewards(scenarios, np.array([[0.2 + side]])) for side in (-step, step))
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-5)
    with pytest.raises(ValueError, match=r"gradients need an objective that is a weighted sum .* and 'even' has no `weights`"):
        practice_of(GameSpec(community="ieee9", objective="even"), tmp_path).slopes(scenarios, np.array([[0.2]]))


@pytest.mark.usefixtures("_plugged_in")
def test_no_leader_is_scored_against_an_optimum_of_an_objective_outside(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "zero", "--days", "1", "--community", TINY, "--objective", "lean"]) == 2
    assert "exact optima and bounds are made for the objectives 'profit' and 'welfare', got 'lean'" in capsys.readouterr().err


@pytest.mark.usefixtures("_plugged_in")
def test_a_leader_outside_plays_under_a_mechanism_outside() -> None:
    """The plug points meet: a leader of three lines, a mechanism of ten, the package's game between them."""

    class Half:
        def predict(self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False) -> Any:
            return np.array([min(0.04, float(np.abs(observation).mean()))]), state

    env = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community=TINY, mechanism="mid-price")
    seen, _ = env.reset(seed=1)
    require_policy(Half(), [seen], n_charges=1, charge_cap=0.04)
    assert float(env.step(Half().predict(seen)[0])[1]) > -np.inf


@pytest.mark.usefixtures("_plugged_in")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mechanism": "mid-price:share=0.1"}, "exact optima and gradients need `mechanism` 'exact'.*got 'mid-price:share=0.1'"),
        ({"power_flow": "twice-the-losses"}, "exact optima and gradients need a power flow that is the linear one.*got TwiceTheLosses"),
        ({"objective": "even"}, "exact optima and bounds are made for the objectives 'profit' and 'welfare', got 'even'|has no `weights`"),
    ],
)
@pytest.mark.parametrize("kind", ["exact", "search", "miqp", "per hour", "slopes"])
def test_exact_optima_and_gradients_refuse_what_they_know_nothing_of(
    changes: dict[str, Any], message: str, kind: str, tmp_path: Any
) -> None:
    task = GameSpec(community=TINY, charges_per="hour" if kind == "per hour" else "day", **changes)
    method: Any = "exact" if kind == "per hour" else kind

    def ask() -> None:
        if kind == "slopes":
            practice_of(task, tmp_path).slopes([Scenario(60, 0)], np.array([[0.01]]))
        else:
            solve(task, Scenario(60, 0), resolved(task, Settings(method=method)))

    with pytest.raises(ValueError, match=message):
        ask()


def practice_of(task: GameSpec, folder: Any) -> Any:
    return TaskPractice(task, seed=0, folder=folder, steps=1, validation_days=1, workers=Workers(1, quiet=True))


def test_the_gradient_of_a_reward_refuses_flows_that_are_not_linear() -> None:
    days, charges = days_and_charges()
    network = load_community("ieee9").network
    rules = Rules(network=network, basis=network.distance, flows="trades", objective="profit", power_flow=TwiceTheLosses(network))
    clearing = make_market().clear(days[0], charges[0])
    with pytest.raises(ValueError, match="exact optima and gradients need a power flow that is the linear one"):
        rules.reward_gradient(days[0], charges[0], clearing)


def test_a_power_flow_is_compared_with_that_of_its_network_once_and_not_at_every_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    days, charges = days_and_charges()
    network, asked = load_community("ieee9").network, []

    def counted(power_flow: Any) -> LinearPowerFlow:
        asked.append(power_flow)
        return require_linear(power_flow)

    monkeypatch.setattr(transition_module, "require_linear", counted)
    rules = Rules(network=network, basis=network.distance, flows="trades", objective="profit", power_flow=DcPowerFlow(network))
    clearing = make_market().clear(days[1], charges[1])
    first, again = (rules.reward_gradient(days[1], charges[1], clearing) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert asked == [rules.power_flow]


def test_a_linear_power_flow_with_losses_of_its_own_is_not_that_of_the_network() -> None:
    class Own(DcPowerFlow):
        def __post_init__(self) -> None:
            super().__post_init__()
            object.__setattr__(self, "loss_coefficient", 2 * self.loss_coefficient)

    network = random_network()
    with pytest.raises(ValueError, match="got Own"):
        require_linear(Own(network))
    dc: LinearPowerFlow = require_linear(DcPowerFlow(network))
    assert dc.network is network


def test_names_are_given_once_and_unknown_ones_are_refused_with_those_there_are() -> None:
    def another(network: Network) -> DcPowerFlow:
        return DcPowerFlow(network)

    before = REGISTERED.names()
    with plugged_in():
        assert REGISTERED.names() == (*before, "retail-only", "mid-price")
    assert REGISTERED.names() == before, "what a test registers goes with it"
    with pytest.raises(ValueError, match="each power flow must have a name of its own, got 'dc'"):
        register_power_flow("dc", another)
    with pytest.raises(ValueError, match="each mechanism must have a name of its own, got 'exact'"):
        register_mechanism("exact", RetailOnly)
    with pytest.raises(ValueError, match="of letters, digits and hyphens, got 'a:b'"):
        register_mechanism("a:b", RetailOnly)
    with pytest.raises(ValueError, match=r"`mechanism`.*exact.*'auction'"):
        make_mechanism("auction")
    with pytest.raises(ValueError, match=r"`power_flow`.*'ax'.*'ac'"):
        make_power_flow("ax", random_network())


def test_a_mechanism_may_be_given_as_an_object_that_nobody_registered() -> None:
    mechanism: Mechanism[Allocation] = MidPrice(0.3)
    env = DayAheadEnv(TINY, mechanism=mechanism)
    env.reset(options={"day": 60})
    assert env.step([0.01])[4]["rule"] == "mid-price"
