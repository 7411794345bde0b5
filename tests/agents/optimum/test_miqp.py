"""Mixed-integer programming against the one-parameter search, against closed forms, and against the settlement."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, kernel, pair_day, pair_network, random_day, random_network
from numpy.typing import NDArray
from oracles import pair_of, plain_profit

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.miqp import PAIR_LIMIT, MiqpError, MiqpResult, complementarity_pairs, solve_miqp
from gridtoll.agents.optimum.miqp import answer as answer_module
from gridtoll.agents.optimum.miqp import solve as solve_module
from gridtoll.agents.optimum.miqp.answer import MiqpAnswer
from gridtoll.agents.optimum.miqp.follower import Follower, make_follower
from gridtoll.agents.optimum.miqp.program import MixedIntegerProgram, point_of_clearing, single_level_program
from gridtoll.agents.optimum.miqp.scip import _without_notices
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.market_data import MarketData, Structure, scale

Array = NDArray[np.float64]


@pytest.fixture(params=["scip", "gurobi"])
def solver(request: pytest.FixtureRequest) -> str:
    """Every solver that is installed here."""
    name = str(request.param)
    pytest.importorskip({"scip": "pyscipopt", "gurobi": "gurobipy"}[name])
    return name


@pytest.fixture
def scip() -> None:
    pytest.importorskip("pyscipopt")


def solve(day: Day, network: Network, tariff: Tariff | None = None, **options: Any) -> MiqpResult:
    wanted: dict[str, Any] = {"cap": 0.6, "market": kernel()}
    return solve_miqp(day, network, make_tariff("distance", network) if tariff is None else tariff, **(wanted | options))


def assert_honest(result: MiqpResult) -> None:
    """What every result promises, whether the solver finished or not."""
    assert abs(result.difference_eur) <= result.accuracy_eur
    assert result.upper_bound_eur >= result.recleared_eur
    assert result.difference_eur == pytest.approx(result.solver_objective_eur - result.recleared_eur, abs=1e-15)
    assert ((result.action >= 0) & (result.action <= result.charge_cap)).all()


# --- the program ----------------------------------------------------------------------------------------------------------------------


def program_of(day: Day, network: Network, tariff: Tariff, **options: Any) -> tuple[MarketData, Follower, MixedIntegerProgram]:
    data = scale(day, np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers)), Structure.of(day))
    follower = make_follower(data, tariff.basis, per_hour=tariff.per == "hour")
    return data, follower, single_level_program(day, network, data, follower, cap=1.0, **options)


DAYS: dict[str, Callable[[], Day]] = {
    "ordinary": lambda: random_day(0),
    "half hours with a fee": lambda: random_day(1, hours=0.5, import_fee=0.05),
    "others on the wires": lambda: random_day(2, base_injection=np.random.default_rng(2).normal(0.0, 1.0, (6, 6))),
    **{name: DEGENERATE[name] for name in ("idle batteries", "prices of both signs", "fixed demand", "trades at their cap", "no sun")},
}


@pytest.mark.parametrize("objective", ["profit", "welfare"])
@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("name", DAYS)
def test_every_clearing_is_a_point_of_the_program_and_its_objective_is_the_settlement(name: str, flows: Any, objective: Any) -> None:
    """Strong duality executed: at any charges the objective, in which no charge times a trade stands, is what the settlement says."""
    day, network = DAYS[name](), random_network(1, limit_kw=0.5, meshed=True)
    tariff = make_tariff("line", network, per="hour")
    data, follower, program = program_of(day, network, tariff, flows=flows, objective=objective)
    action = np.random.default_rng(0).uniform(0.0, 0.05, tariff.n_coefficients(day.n_periods))
    charges = tariff.charges(tariff.read(action, day.n_periods, 1.0))
    clearing = kernel().clear(day, charges)
    settlement = settle(day, network, charges, clearing, flows=flows)
    x = point_of_clearing(program, follower, point_of(data, clearing), action / data.price_unit)

    expected = settlement.profit_eur if objective == "profit" else settlement.welfare_eur
    scale_eur = float(day.period_hours * np.abs(day.import_price).max() * day.demand_max.sum()) + abs(expected)
    assert program.value(x) * data.objective_unit == pytest.approx(expected, abs=1e-11 * scale_eur)
    assert np.abs(program.rows @ x - program.right).max() < 1e-10
    assert (program.inequalities @ x - program.limit).max(initial=0.0) < 1e-10
    assert max((program.lower - x).max(), (x - program.upper).max()) < 1e-10
    assert np.minimum(x[program.pairs[:, 0]], x[program.pairs[:, 1]]).max() < 1e-10


def test_the_number_of_pairs_is_what_the_documentation_says() -> None:
    n, periods, stores = 4, 3, 2
    sunny = random_day(0, n=n, periods=periods, stores=stores, renewable=1.0)
    assert complementarity_pairs(sunny) == periods * (8 * n + 2 * n * (n - 1) + 6 * stores)
    dark = random_day(0, n=n, periods=periods, stores=stores, renewable=0.0)
    assert complementarity_pairs(dark) == complementarity_pairs(sunny) - 2 * n * periods
    alone = random_day(0, n=n, periods=periods, stores=stores, renewable=0.0, trade_limit=0.0)
    assert complementarity_pairs(alone) == complementarity_pairs(dark) - 2 * n * (n - 1) * periods


# --- closed forms and the search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exports", [True, False])
def test_the_optimum_of_a_pair_is_the_closed_form(solver: Any, exports: bool) -> None:
    form = pair_of(pair_day(exports=exports), exports=exports)
    loss = 0.1 * 1.0 / 100.0  # EUR/kW²: the loss price times the resistance over the base power
    best = form.best_charge(loss)
    result = solve(pair_day(exports=exports), pair_network(), cap=2.0, solver=solver)
    assert_honest(result)
    assert result.status == "optimal"
    # Profit is flat at its peak, so the charge is known to the root of what the profit is known to.
    assert result.action[0] == pytest.approx(best, rel=1e-3)
    assert result.recleared_profit_eur == pytest.approx(best * form.trade(best) - loss * form.trade(best) ** 2, rel=1e-6)


CASES: dict[str, tuple[Callable[[], Day], float, dict[str, Any]]] = {
    "three prosumers for an hour": (lambda: random_day(1, n=3, periods=1, stores=0), 50.0, {}),
    "five prosumers for an hour": (lambda: random_day(2, n=5, periods=1, stores=0), 1.0, {}),
    "with storage": (lambda: random_day(3, n=3, periods=2, stores=1), 50.0, {}),
    "overloaded": (lambda: random_day(4, n=3, periods=2, stores=0), 0.3, {"flows": "injections"}),
    "an import fee": (lambda: random_day(5, n=3, periods=2, stores=1, import_fee=0.08), 1.0, {}),
    "welfare": (lambda: random_day(6, n=3, periods=1, stores=0, loss_price=0.5), 1.0, {"objective": "welfare"}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_solver_finishes_agrees_with_the_search_within_its_own_gap(solver: Any, name: str) -> None:
    make, limit_kw, options = CASES[name]
    day, network = make(), random_network(1, n=make().n_prosumers, limit_kw=limit_kw)
    exact = solve_optimum(day, network, make_tariff("distance", network), cap=0.6, market=kernel(), **options)
    result = solve(day, network, solver=solver, **options)
    assert_honest(result)
    assert result.status == "optimal"
    assert result.relative_gap <= 2e-6
    accuracy = result.accuracy_eur
    assert exact.recleared_eur <= result.upper_bound_eur + accuracy
    assert result.recleared_eur <= exact.upper_bound_eur + accuracy
    assert exact.recleared_eur - result.recleared_eur <= result.upper_bound_eur - result.recleared_eur + accuracy
    charges = result.action[0] * network.distance
    if options.get("objective") != "welfare":
        plain = plain_profit(day, network, charges, kernel().clear(day, charges), flows=options.get("flows", "trades"))
        assert result.recleared_profit_eur == pytest.approx(plain, abs=1e-10)


@pytest.mark.parametrize(("n", "periods", "stores"), [(5, 4, 0), (9, 1, 0), (3, 4, 2)])
def test_the_sizes_of_the_model_page_are_finished_and_agree(scip: None, n: int, periods: int, stores: int) -> None:
    day, network = random_day(1, n=n, periods=periods, stores=stores), random_network(1, n=n, limit_kw=1.0)
    exact = solve_optimum(day, network, make_tariff("distance", network), cap=1.0, market=kernel())
    result = solve(day, network, cap=1.0)
    assert_honest(result)
    assert result.status == "optimal"
    assert result.recleared_eur == pytest.approx(exact.recleared_eur, abs=result.accuracy_eur)


def test_hourly_charges_without_storage_are_the_sum_of_the_hours(scip: None) -> None:
    """Several coefficients: without storage each hour is a problem of its own, which the search solves exactly."""
    day, network = random_day(7, n=3, periods=2, stores=0), random_network(7, n=3, limit_kw=50.0)
    result = solve(day, network, make_tariff("distance", network, per="hour"))
    names = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable", "import_price", "export_price", "loss_price")
    hours = []
    for period in range(2):
        rows: dict[str, Any] = {name: getattr(day, name)[period : period + 1] for name in (*names, "base_injection")}
        hour = replace(day, **rows)
        hours.append(solve_optimum(hour, network, make_tariff("distance", network), cap=0.6, market=kernel(), tolerance=1e-9))
    assert_honest(result)
    assert result.status == "optimal"
    assert result.recleared_profit_eur == pytest.approx(sum(hour.recleared_profit_eur for hour in hours), rel=2e-6)


def test_no_random_charges_earn_more_than_the_best_of_two_coefficients(scip: None) -> None:
    day, network = random_day(8, n=4, periods=1, stores=0), random_network(8, n=4, limit_kw=50.0)
    zonal = make_tariff("zonal", network)
    result = solve(day, network, zonal)
    assert_honest(result)
    assert result.status == "optimal"
    assert result.action.shape == (2,)
    for action in np.random.default_rng(0).uniform(0.0, 0.6, (100, 2)):
        charges = zonal.charges(zonal.read(action, 1, 0.6))
        earned = settle(day, network, charges, kernel().clear(day, charges)).profit_eur
        assert earned <= result.recleared_profit_eur + 2e-6 * result.revenue_eur


@pytest.mark.parametrize("name", ["zero prices", "no demand", "nothing at all", "nobody may trade", "one period", "two prosumers"])
def test_days_on_which_little_happens_are_bracketed(scip: None, name: str) -> None:
    """Without a bill or revenue there is little to measure a gap by; some are finished at once, some are too large."""
    day = DEGENERATE[name]()
    network = random_network(3, n=day.n_prosumers, limit_kw=2.0)
    exact = solve_optimum(day, network, make_tariff("distance", network), cap=0.6, market=kernel())
    result = solve(day, network, force=True, time_limit_s=2.0)
    assert_honest(result)
    assert np.isfinite(result.relative_gap)
    assert result.accuracy_eur > 0
    assert exact.recleared_eur <= result.upper_bound_eur + result.accuracy_eur
    assert result.recleared_eur <= exact.upper_bound_eur + result.accuracy_eur


def test_a_solver_that_is_out_of_time_leaves_a_bracket(scip: None) -> None:
    day, network = random_day(2, n=5, periods=4, stores=2), random_network(2, n=5, limit_kw=1.0)
    exact = solve_optimum(day, network, make_tariff("distance", network), cap=0.6, market=kernel())
    result = solve(day, network, time_limit_s=0.2)
    assert_honest(result)
    assert result.status == "time limit"
    assert result.recleared_eur <= exact.upper_bound_eur
    assert exact.recleared_eur < result.upper_bound_eur
    assert result.relative_gap > 1e-6


# --- what may be asked ----------------------------------------------------------------------------------------------------------------


def test_a_program_too_large_to_finish_is_refused_with_what_to_do_instead() -> None:
    day, network = random_day(0, n=9, periods=6), random_network(0, n=9)
    pairs = complementarity_pairs(day)
    assert pairs > PAIR_LIMIT
    with pytest.raises(ValueError, match=rf"at most {PAIR_LIMIT} .*9 prosumers and 6 periods .* make {pairs}\..*`solve_optimum`.*`force"):
        solve(day, network)
    with pytest.raises(ValueError, match=r"a tariff of one coefficient can be solved by `solve_optimum`"):
        solve(day, network, make_tariff("zonal", network))


def test_a_refused_program_can_be_forced(scip: None) -> None:
    day, network = random_day(1, n=3, periods=1, stores=0), random_network(1, n=3)
    with pytest.raises(ValueError, match="at most 10 "):
        solve(day, network, pair_limit=10)
    assert solve(day, network, pair_limit=10, force=True).status == "optimal"


@pytest.mark.parametrize(("solver", "package", "install"), [("scip", "pyscipopt", r"\.\[miqp\]"), ("gurobi", "gurobipy", "gurobipy")])
def test_a_missing_package_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, solver: Any, package: str, install: str
) -> None:
    def absent(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(answer_module, "import_module", absent)
    with pytest.raises(ImportError, match=rf'`{package}`.*pip install "{install}"'):
        solve(pair_day(), pair_network(), solver=solver)


def test_a_licence_that_is_too_small_is_an_error_that_says_so() -> None:
    gurobi = pytest.importorskip("gurobipy")
    day, network = random_day(1, n=5, periods=4, stores=0), random_network(1, n=5)
    try:
        result = solve(day, network, solver="gurobi")
    except MiqpError as error:
        assert "Gurobi needs a licence that allows" in str(error)  # noqa: PT017 - with a full licence there is nothing to refuse
        assert "solver='scip'" in str(error)  # noqa: PT017
    else:
        assert result.solver.startswith(f"Gurobi {gurobi.gurobi.version()[0]}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cap": 0.0}, "the charge cap must be finite and > 0"),
        ({"cap": np.inf}, "the charge cap must be finite and > 0"),
        ({"time_limit_s": 0.0}, "the time limit"),
        ({"relative_gap": np.nan}, "relative gap"),
        ({"solver": "scipp"}, "Did you mean 'scip'"),
        ({"flows": "trade"}, "trades"),
        ({"objective": "wellfare"}, "welfare"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(pair_day(), pair_network(), **options)


def test_an_answer_that_the_clearing_contradicts_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that claims a thousandth of a cent more than the clearing gives is not believed."""

    def boasting(program: MixedIntegerProgram, *, start: Array, **limits: float) -> MiqpAnswer:
        value = program.value(start) + 1e-5
        return MiqpAnswer(status="optimal", x=start, value=value, bound=value, nodes=1, solver="a boaster")

    monkeypatch.setitem(solve_module.SOLVERS, "scip", boasting)
    with pytest.raises(MiqpError, match=r"what a boaster found on day 'a pair' must clear to the same objective"):
        solve(pair_day(), pair_network())


def test_only_the_linear_solvers_own_notices_are_kept_from_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_notices():
        os.write(2, b"Cannot set feasibility tolerance to small value 1e-12 without GMP - using 1e-10.\nsomething else\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "something else\nafterwards\n"
