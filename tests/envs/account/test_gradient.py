"""Gradients: the adjoint against the response, every quantity against finite differences, and at kinks a derivative from one side.

On one affine piece of the response each quantity of the settlement is a quadratic of the step (flows are linear, what is paid for them is
quadratic), so a central difference is exact whatever its step, and one-sided differences of second order are too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from builders import DEGENERATE, kernel, pair_day, pair_network, random_basis, random_day, random_network
from numpy.typing import ArrayLike
from oracles import pair_of

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.gradient import action_gradient, clearing_gradient, coefficient_gradient, settlement_gradient, value_gradient
from gridtoll.envs.account.settlement import Flows, Settlement, settle
from gridtoll.envs.account.settlement_cotangent import QUANTITIES, Weights
from gridtoll.envs.account.tariff import TARIFF_NAMES, Tariff, make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.derivatives import one_sided
from gridtoll.envs.market.exact.derivatives.adjoint import vector_jacobian
from gridtoll.envs.market.exact.derivatives.cotangent import Cotangent
from gridtoll.envs.market.exact.derivatives.sensitivity import Response, respond_along
from gridtoll.envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from gridtoll.envs.market.exact.point import Point

ORDINARY: dict[str, Callable[[], Day]] = {f"random day {seed}": lambda seed=seed: random_day(seed, n=6, stores=3) for seed in range(4)}  # type: ignore[misc]
DAYS = ORDINARY | {name: make for name, make in DEGENERATE.items() if name != "one prosumer"}
PER_EUR = 1e-6  # what finite differences are asked to agree to, relative; they do to about 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Game:
    """A day with an import fee, on wires so narrow that some flows are above their limit."""

    day: Day
    network: Network
    basis: Array
    flows: Flows = "trades"

    @classmethod
    def of(cls, day: Day, *, flows: Flows = "trades", limit_kw: float = 0.7) -> Game:
        n = day.n_prosumers
        network = random_network(2, n=n, meshed=n > 3, limit_kw=limit_kw)
        return cls(
            day=replace(day, import_fee=0.08), network=network, basis=np.stack([random_basis(seed, n) for seed in (1, 2)]), flows=flows
        )

    def charges(self, level: float) -> Array:
        """Charges that differ by hour and pair."""
        n = self.day.n_prosumers
        return level * np.random.default_rng(5).uniform(0.5, 1.5, (self.day.n_periods, n, n)) * (1 - np.eye(n))

    def clear(self, charges: Array) -> Clearing:
        return kernel().clear(self.day, charges)

    def settle(self, charges: Array) -> Settlement:
        return settle(self.day, self.network, charges, self.clear(charges), flows=self.flows, charge_base=self.basis)

    def gradient(self, charges: Array, weights: Weights, *, toward: ArrayLike | None = None) -> Array:
        clearing = self.clear(charges)
        base, flows = self.basis, self.flows
        return settlement_gradient(self.day, self.network, charges, clearing, weights=weights, flows=flows, charge_base=base, toward=toward)

    def market_data(self, charges: Array) -> tuple[MarketData, Point]:
        data = scale(self.day, read_charges(self.day, charges), Structure.of(self.day))
        return data, point_of(data, self.clear(charges))

    def response(self, charges: Array, direction: Array, reach: tuple[float, float]) -> Response:
        data, point = self.market_data(charges)
        whole = np.broadcast_to(direction, (self.day.n_periods, *direction.shape[-2:]))
        moved = whole[:, data.structure.seller, data.structure.buyer] / data.price_unit
        return respond_along(data, point, moved, reach=reach)

    def same_side(self, low: Settlement, high: Settlement) -> bool:
        """Whether no flow reaches its limit, and the peak stays at one branch and hour, between two settlements of one piece."""
        limit = self.network.grid.branch_limit_kw
        over = [np.sign(side.flow_kw) * (np.abs(side.flow_kw) > limit) for side in (low, high)]
        peak = [int(np.argmax(np.abs(side.flow_kw) / limit)) for side in (low, high)]
        return np.array_equal(over[0], over[1]) and peak[0] == peak[1]


def some_weights(settlement: Settlement, name: str) -> Array:
    return np.asarray(np.random.default_rng(len(name)).normal(size=np.shape(getattr(settlement, name))))


def weighted(settlement: Settlement, weights: Weights) -> float:
    return float(sum(np.sum(np.asarray(weight) * getattr(settlement, name)) for name, weight in weights.items()))


@pytest.mark.parametrize("level", [0.0, 0.03, 0.2])
@pytest.mark.parametrize("name", DAYS)
def test_the_adjoint_is_the_transpose_of_the_response(name: str, level: float) -> None:
    game = Game.of(DAYS[name]())
    charges = game.charges(level)
    random = np.random.default_rng(7)
    data, point = game.market_data(charges)
    direction = random.normal(size=data.charge.shape)
    slope = respond_along(data, replace(point), direction, reach=(-1.0, 1.0)).slope
    cotangent = zeros_like(point)
    for field in fields(Point):  # prices that nothing determines have a weight too, and must not spoil the rest
        setattr(cotangent, field.name, random.normal(size=getattr(cotangent, field.name).shape))
    terms = [getattr(cotangent, field.name) * getattr(slope, field.name) for field in fields(Point)]
    forward, size = sum(float(term.sum()) for term in terms), sum(float(np.abs(term).sum()) for term in terms)
    backward = float(np.sum(vector_jacobian(data, point, cotangent) * direction))
    # Both are refined to 1e-14 of their right-hand sides, of which a free store makes 1e-11.
    assert abs(forward - backward) <= 5e-11 * max(size, 1e-6)


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("name", DAYS)
def test_every_quantity_agrees_with_finite_differences_on_its_piece(name: str, flows: Flows) -> None:
    game = Game.of(DAYS[name](), flows=flows)
    charges = game.charges(0.06)
    direction = 0.06 * np.random.default_rng(3).uniform(-1.0, 1.0, charges.shape) * (charges > 0)
    response = game.response(charges, direction, (-0.4, 0.4))
    step = 0.9 * min(response.step_max, -response.step_min)
    while True:
        low, high = game.settle(charges - step * direction), game.settle(charges + step * direction)
        if game.same_side(low, high):
            break
        step /= 2
    assert step > 1e-5
    for quantity in QUANTITIES:
        weights = {quantity: some_weights(low, quantity)}
        terms = game.gradient(charges, weights) * direction
        difference = (weighted(high, weights) - weighted(low, weights)) / (2 * step)
        assert abs(terms.sum() - difference) <= PER_EUR * max(np.abs(terms).sum(), 1e-3), quantity


def test_the_days_compared_have_everything_that_bends_the_response() -> None:
    over, capped, curtailed, stored, idle = False, False, False, False, False
    for make in DAYS.values():
        game = Game.of(make())
        clearing = game.clear(game.charges(0.06))
        day, settlement = game.day, game.settle(game.charges(0.06))
        owns = day.has_storage
        over |= settlement.overload_kwh > 0
        capped |= bool(np.any((clearing.trade == day.trade_limit) & day.can_trade))
        curtailed |= bool(np.any((clearing.renewable_used > 1e-6) & (clearing.renewable_used < day.renewable - 1e-6)))
        inside = clearing.stored_energy[1:-1, owns]
        stored |= bool(np.any((inside > 1e-6) & (inside < day.storage_capacity[owns] - 1e-6)))
        idle |= bool(np.any(owns) and not clearing.storage_charge.any() and not clearing.storage_discharge.any())
    assert over
    assert capped
    assert curtailed
    assert stored
    assert idle


@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_surpluses_fall_by_the_energy_traded_and_welfare_by_that_less_profit(flows: Flows) -> None:
    game = Game.of(random_day(1, n=6, stores=3), flows=flows)
    charges = game.charges(0.05)
    traded = value_gradient(game.day, game.clear(charges))
    surplus = game.gradient(charges, {"surplus_eur": 1.0})
    np.testing.assert_allclose(surplus, -traded, atol=1e-10)
    profit, welfare = (game.gradient(charges, {name: 1.0}) for name in ("profit_eur", "welfare_eur"))
    np.testing.assert_allclose(welfare, profit - traded, atol=1e-10)
    np.testing.assert_allclose(game.gradient(charges, {"payment_eur": 1.0}), 0.0, atol=1e-10)
    revenue = game.gradient(charges, {"revenue_eur": 1.0})
    np.testing.assert_allclose(game.gradient(charges, {"charge_eur": 1.0}), revenue, atol=1e-12)


def test_the_value_gradient_agrees_with_finite_differences() -> None:
    game = Game.of(random_day(2, n=6, stores=3))
    charges = game.charges(0.05)
    direction = 0.05 * np.random.default_rng(3).uniform(-1.0, 1.0, charges.shape) * (charges > 0)
    response = game.response(charges, direction, (-0.4, 0.4))
    step = 0.9 * min(response.step_max, -response.step_min)
    low, high = (game.clear(charges + side * step * direction).objective_eur for side in (-1, 1))
    expected = float(np.sum(value_gradient(game.day, game.clear(charges)) * direction))
    assert (high - low) / (2 * step) == pytest.approx(expected, rel=PER_EUR)


def test_the_gradient_of_a_sum_is_the_sum_of_the_gradients() -> None:
    game = Game.of(random_day(3, n=6, stores=3))
    charges = game.charges(0.05)
    weights: dict[str, ArrayLike] = {"profit_eur": 2.0, "loss_kwh": -0.3, "export_kwh": 0.5, "surplus_eur": np.arange(6.0)}
    parts = [game.gradient(charges, {name: weight}) for name, weight in weights.items()]
    np.testing.assert_allclose(game.gradient(charges, weights), sum(parts), atol=1e-10)


def test_both_statements_of_injections_have_the_same_gradient() -> None:
    game = Game.of(DEGENERATE["prices of both signs"](), flows="injections")  # exports cost, so that some sun is curtailed
    charges, random = game.charges(0.05), np.random.default_rng(0)
    clearing = game.clear(charges)
    assert np.any((clearing.renewable_used > 1e-6) & (clearing.renewable_used < game.day.renewable - 1e-6))
    weight = random.normal(size=(game.day.n_periods, game.network.grid.n_branches))
    per_kw = weight @ game.network.prosumer_ptdf
    zeros = Cotangent.zeros(game.day)
    stated = replace(zeros, renewable_used=per_kw, storage_discharge=per_kw, storage_charge=-per_kw, demand=-per_kw)
    expected = clearing_gradient(game.day, charges, clearing, stated)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(game.gradient(charges, {"flow_kw": weight}), expected, atol=1e-9 * np.abs(expected).max())


def test_the_stored_energy_can_be_differentiated_too() -> None:
    game = Game.of(random_day(0, n=6, stores=3, hours=0.5))
    charges = game.charges(0.05)
    direction = 0.05 * np.random.default_rng(4).uniform(-1.0, 1.0, charges.shape) * (charges > 0)
    response = game.response(charges, direction, (-0.4, 0.4))
    step = 0.9 * min(response.step_max, -response.step_min)
    weight = np.random.default_rng(0).normal(size=(game.day.n_periods + 1, 6))
    price_weight = weight[1:]
    low, high = (game.clear(charges + side * step * direction) for side in (-1, 1))
    for name, factor in (("stored_energy", weight), ("nodal_price", price_weight), ("demand", price_weight)):
        cotangent = replace(Cotangent.zeros(game.day), **{name: factor})
        terms = clearing_gradient(game.day, charges, game.clear(charges), cotangent) * direction
        difference = np.sum(factor * (getattr(high, name) - getattr(low, name))) / (2 * step)
        assert abs(terms.sum() - difference) <= PER_EUR * max(np.abs(terms).sum(), 1e-3), name


def test_prices_that_nothing_determines_leave_the_rest_exact() -> None:
    game = Game.of(DEGENERATE["just enough connection"]())
    charges = np.zeros((6, 5, 5))
    payments = game.gradient(charges, {"payment_eur": np.arange(5.0)})
    assert np.isfinite(payments).all()
    assert np.abs(game.gradient(charges, {"payment_eur": 1.0})).max() <= 1e-10
    np.testing.assert_allclose(game.gradient(charges, {"surplus_eur": 1.0}), -value_gradient(game.day, game.clear(charges)), atol=1e-10)


@pytest.mark.parametrize("exports", [True, False])
def test_a_pair_has_the_gradient_of_its_closed_form(exports: bool) -> None:
    day, network = pair_day(exports=exports), pair_network()
    pair = pair_of(day, exports=exports)
    charge = 0.4 * pair.choke_charge
    charges = charge * (1 - np.eye(2))
    gradient = settlement_gradient(day, network, charges, kernel().clear(day, charges), weights={"revenue_eur": 1.0})
    expected = pair.trade(charge) - charge / pair.stiffness  # d(τ·p)/dτ
    np.testing.assert_allclose(gradient[0], [[0.0, expected], [0.0, 0.0]], rtol=1e-9, atol=1e-12)
    beyond = 1.1 * pair.choke_charge * (1 - np.eye(2))
    assert not settlement_gradient(day, network, beyond, kernel().clear(day, beyond), weights={"revenue_eur": 1.0}).any()


@pytest.mark.parametrize("per", ["day", "hour"])
@pytest.mark.parametrize("kind", TARIFF_NAMES)
def test_coefficients_follow_by_the_chain_rule(kind: str, per: str) -> None:
    game = Game.of(random_day(2, n=6, stores=3))
    tariff = make_tariff(kind, game.network, "day" if per == "day" else "hour")
    random = np.random.default_rng(1)
    action = 0.05 * random.uniform(0.5, 1.0, tariff.n_coefficients(6)) / tariff.n_basis
    move = random.uniform(-1.0, 1.0, action.shape) * action

    def at(step: float) -> Array:
        return tariff.charges(tariff.read(action + step * move, 6, 1.0))

    response = game.response(at(0.0), at(1.0) - at(0.0), (-0.4, 0.4))
    step = 0.5 * min(response.step_max, -response.step_min)
    while not game.same_side(low := game.settle(at(-step)), high := game.settle(at(step))):
        step /= 2
    gradient = game.gradient(at(0.0), {"profit_eur": 1.0})
    by_period = coefficient_gradient(tariff, gradient)
    assert by_period.shape == (6, tariff.n_basis)
    by_action = action_gradient(tariff, gradient)
    assert by_action.shape == action.shape
    terms = by_action * move
    assert terms.sum() == pytest.approx((high.profit_eur - low.profit_eur) / (2 * step), abs=PER_EUR * np.abs(terms).sum())


def test_the_value_falls_by_the_charged_energy() -> None:
    game = Game.of(random_day(2, n=6, stores=3))
    tariff = make_tariff("zonal", game.network)
    charges = tariff.charges(np.full((6, 2), 0.02))
    clearing = game.clear(charges)
    charged = settle(game.day, game.network, charges, clearing, charge_base=tariff.basis).charged_kwh_by_coefficient
    np.testing.assert_allclose(action_gradient(tariff, value_gradient(game.day, clearing)), charged, rtol=1e-12)


def one_sided_difference(game: Game, charges: Array, direction: Array, weights: Weights, step: float) -> float:
    here, near, far = (weighted(game.settle(charges + k * step * direction), weights) for k in (0, 1, 2))
    return (4 * near - 3 * here - far) / (2 * step)


def kink_of(game: Game, start: float) -> tuple[Array, Array]:
    """Charges at the next kink above a level of the first basis, and the basis."""
    basis = game.basis[0]
    response = game.response(np.broadcast_to(start * basis, (game.day.n_periods, *basis.shape)), basis, (0.0, 0.5))
    assert response.step_max < 0.4
    return (start + response.step_max) * basis, basis


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("seed", range(6))
def test_at_a_kink_each_side_has_its_own_derivative(seed: int, flows: Flows) -> None:
    game = Game.of(random_day(seed, n=6, stores=3), flows=flows)
    charges, basis = kink_of(game, 0.08)
    weights: dict[str, ArrayLike] = {"profit_eur": 1.0, "surplus_eur": np.arange(6.0)}
    sides = []
    for side in (1.0, -1.0):
        terms = game.gradient(charges, weights, toward=side * basis) * basis
        width = abs(game.response(np.broadcast_to(charges + side * 1e-6 * basis, (6, 6, 6)), side * basis, (0.0, 1.0)).step_max)
        expected = side * one_sided_difference(game, charges, side * basis, weights, min(0.4 * width, 1e-4))
        assert abs(terms.sum() - expected) <= PER_EUR * np.abs(terms).sum()
        sides.append(float(terms.sum()))
    assert abs(sides[0] - sides[1]) > 1e-4 * abs(sides[0])  # otherwise this was no kink


def test_where_many_variables_reach_a_bound_at_once_the_derivative_is_still_one_along_the_direction() -> None:
    game = Game.of(DEGENERATE["ties between sellers and between buyers"]())
    basis, weights = game.basis[0], {"profit_eur": 1.0}
    charges = np.zeros((6, 5, 5))
    for direction in (basis, 1 - np.eye(5)):
        expected = one_sided_difference(game, charges, direction, weights, 1e-5)
        proved = float(np.sum(game.gradient(charges, weights, toward=direction) * direction))
        assert proved == pytest.approx(expected, rel=PER_EUR)
    unproved = clearing_gradient_as_read(game, charges)
    np.testing.assert_allclose(
        game.gradient(charges, {"traded_kwh": 1.0}), game.gradient(charges, {"traded_kwh": 1.0}, toward=1 - np.eye(5))
    )
    change = one_sided_difference(game, charges, basis, {"traded_kwh": 1.0}, 1e-5)
    assert abs(np.sum(unproved * basis) - change) > 0.1 * abs(change)  # the active set read from the point alone is none of any direction


def zeros_like(point: Point) -> Point:
    """A cotangent of zeros."""
    return Point(**{field.name: np.zeros_like(getattr(point, field.name)) for field in fields(Point)})


def clearing_gradient_as_read(game: Game, charges: Array) -> Array:
    """The gradient of the traded energy on the active set that the point itself suggests."""
    data, point = game.market_data(charges)
    cotangent = zeros_like(point)
    cotangent.trade[:] = data.power_unit * data.period_hours
    whole = np.zeros((6, 5, 5))
    whole[:, data.structure.seller, data.structure.buyer] = vector_jacobian(data, point, cotangent) / data.price_unit
    return whole


def test_a_flow_at_its_limit_has_a_derivative_on_each_side() -> None:
    game = Game.of(random_day(1, n=6, stores=3))
    charges, rising = game.charges(0.05), 1 - np.eye(6)
    flow = game.settle(charges).flow_kw
    hour, branch = np.unravel_index(np.argmax(np.abs(flow)), flow.shape)
    limit = np.full(game.network.grid.n_branches, 100.0)
    limit[branch] = abs(flow[hour, branch])
    grid = replace(game.network.grid, branch_limit_kw=limit)
    game = replace(game, network=make_network(grid, game.network.prosumer_bus))
    sides = []
    for side in (1.0, -1.0):
        derivative = float(np.sum(game.gradient(charges, {"overload_kwh": 1.0}, toward=side * rising) * rising))
        expected = side * one_sided_difference(game, charges, side * rising, {"overload_kwh": 1.0}, 1e-5)
        assert derivative == pytest.approx(expected, rel=PER_EUR, abs=1e-9)
        sides.append(derivative)
    assert min(np.abs(sides)) == 0.0
    assert max(np.abs(sides)) > 1e-3


def test_branches_that_share_the_peak_loading_have_a_derivative_on_each_side() -> None:
    game = Game.of(random_day(1, n=6, stores=3))
    charges, rising = game.charges(0.05), 1 - np.eye(6)
    worst = np.abs(game.settle(charges).flow_kw).max(axis=0)  # with these limits every branch is loaded to 100% at its worst
    grid = replace(game.network.grid, branch_limit_kw=worst)
    game = replace(game, network=make_network(grid, game.network.prosumer_bus))
    sides = []
    for side in (1.0, -1.0):
        derivative = float(np.sum(game.gradient(charges, {"peak_loading": 1.0}, toward=side * rising) * rising))
        expected = side * one_sided_difference(game, charges, side * rising, {"peak_loading": 1.0}, 1e-5)
        assert derivative == pytest.approx(expected, rel=PER_EUR)
        sides.append(derivative)
    assert sides[0] > sides[1]  # the greatest of several is convex where they are linear


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_side_of_the_optimum_climbs(seed: int) -> None:
    game = Game.of(random_day(seed, n=6, stores=3), limit_kw=5.0)
    game = replace(game, day=replace(game.day, import_fee=0.0))  # with it the best charge is one at which nobody trades
    tariff = Tariff(kind="test", basis=game.basis[:1], names=("each kWh",))
    best = solve_optimum(game.day, game.network, tariff, cap=0.5, market=kernel())
    assert 0.01 < best.charge < 0.49
    charges = tariff.charges(np.full((6, 1), best.charge))
    right, left = (np.sum(game.gradient(charges, {"profit_eur": 1.0}, toward=side * game.basis[0]) * game.basis[0]) for side in (1, -1))
    scale_eur = best.revenue_eur / best.charge
    assert right <= 1e-6 * scale_eur
    assert left >= -1e-6 * scale_eur


def test_a_direction_nobody_trades_along_changes_nothing() -> None:
    game = Game.of(DEGENERATE["ties between sellers and between buyers"]())
    charges = np.zeros((6, 5, 5))
    gradient = game.gradient(charges, {"profit_eur": 1.0}, toward=np.zeros((5, 5)))
    assert np.isfinite(gradient).all()
    nobody = Game.of(DEGENERATE["nobody may trade"]())
    assert not nobody.gradient(charges, {"profit_eur": 1.0}).any()


def test_a_derivative_that_cannot_be_proved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    game = Game.of(DEGENERATE["ties between sellers and between buyers"]())
    monkeypatch.setattr(one_sided, "_STEPS", (0.9,))  # so far ahead that other kinks lie on the way
    with pytest.raises(ClearingError, match="must rest on a piece of the response that begins at the charges given"):
        game.gradient(np.zeros((6, 5, 5)), {"profit_eur": 1.0})


def test_clearings_without_kink_are_differentiated_without_looking_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    game = Game.of(random_day(0, n=6, stores=3))
    monkeypatch.setattr(one_sided, "_STEPS", ())
    assert game.gradient(game.charges(0.05), {"profit_eur": 1.0}).any()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"profits_eur": 1.0}, r"a quantity to differentiate must be one of .*; got 'profits_eur'. Did you mean 'profit_eur'\?"),
        ({"network_secure": 1.0}, "`network_secure` is true or false and has no derivative; `peak_loading` has one"),
        ({"surplus_eur": np.ones(3)}, r"`surplus_eur` must have a weight of shape \(5,\) or a scalar, got \(3,\)"),
        ({"profit_eur": np.nan}, "`profit_eur` must have a finite weight, got nan"),
    ],
)
def test_weights_that_are_not_valid_are_refused(weights: Weights, message: str) -> None:
    game = Game.of(random_day(0))
    with pytest.raises(ValueError, match=message):
        game.gradient(game.charges(0.05), weights)


def test_all_faults_of_the_weights_are_named_at_once() -> None:
    game = Game.of(random_day(0))
    with pytest.raises(ValueError, match=r"network_secure.*; `charge_eur`.*; `loss_kwh`"):
        game.gradient(game.charges(0.05), {"network_secure": 1.0, "charge_eur": np.ones(2), "loss_kwh": np.inf})


@pytest.mark.parametrize(
    ("toward", "message"),
    [(np.ones(5), r"`toward` must have shape \(6, 5, 5\) or \(5, 5\), got \(5,\)"), (np.full((5, 5), np.nan), "`toward` must be finite")],
)
def test_directions_that_are_not_valid_are_refused(toward: Array, message: str) -> None:
    game = Game.of(random_day(0))
    with pytest.raises(ValueError, match=message):
        game.gradient(game.charges(0.05), {"profit_eur": 1.0}, toward=toward)


def test_an_unknown_account_of_flows_is_refused() -> None:
    game = Game.of(random_day(0))
    charges = game.charges(0.05)
    with pytest.raises(ValueError, match="the account of `flows` must be one of injections, trades; got 'trade'"):
        settlement_gradient(game.day, game.network, charges, game.clear(charges), weights={"profit_eur": 1.0}, flows="trade")  # type: ignore[arg-type]
