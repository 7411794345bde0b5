"""Learners of our own: they find what there is to find, say what it cost, and the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gridtoll.agents.curves.day_features import LEVELS, DayFeatures
from gridtoll.agents.curves.first_order import FirstOrder, PlayedCharges
from gridtoll.agents.curves.network import Ensemble, NetworkPolicy, PostingNetwork, Radial, ResponseNetwork, seeded
from gridtoll.agents.curves.response import ResponseLearner
from gridtoll.agents.curves.supervised import MULTIPLES, Supervised
from gridtoll.agents.fixed.constant_search import ConstantSearch
from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.policy import Policy
from gridtoll.agents.practice import Practice
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.observation.observer import layout_of
from gridtoll.envs.games.observation.public import public_fields
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.workers import Workers

Array = NDArray[np.float64]
LAYOUT = layout_of(public_fields(24))
N_PUBLIC = 270
CAP = 1.0

LEARNERS: dict[str, Any] = {
    "supervised": Supervised(hidden=(16,), members=2, epochs=8, validations=2),
    "first-order": FirstOrder(clearings=60, rounds=4),
    "response": ResponseLearner(hidden=16, warmup_days=60, round_days=30, updates=40, learning_rate=1e-2, validate_every=40),
    "constant-search": ConstantSearch(trials=8, days=6, validations=2),
}


@dataclass
class Made:
    """Practice at a game with a known answer: the best charge is the spread times 1.2, or 2.4 on days with a high past load.

    Profit falls off with the square of the logarithm of the charge over the best, down to no less than nothing.
    """

    seed: int = 0
    steps: int = 5000
    folder: Path = Path()
    charge_cap: float = CAP
    price_level: float = 1.0
    n_charges: int = 1
    n_observed: int = N_PUBLIC
    n_periods: int = 24
    calls: dict[str, int] = field(default_factory=lambda: {"rewards": 0, "slopes": 0, "optima": 0, "validations": 0})

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def scenarios(self, split: str) -> Sequence[Scenario]:
        return [Scenario(day, 0) for day in (range(100) if split == "train" else range(100, 140))]

    def observations(self, scenarios: Sequence[Scenario]) -> NDArray[np.float32]:
        rows = []
        for scenario in scenarios:
            random = np.random.default_rng(scenario.day)
            row = np.zeros(self.n_observed, np.float32)
            row[LAYOUT["day_spread"]] = random.uniform(-1.2, 0.8)
            row[LAYOUT["past_load"]] = random.choice([-3.0, 3.0])
            rows.append(row)
        return np.array(rows)

    def optimal_charges(self, scenarios: Sequence[Scenario]) -> Array:
        self.calls["optima"] += len(scenarios)
        return self.best(self.observations(scenarios))[:, None]

    def best(self, observations: NDArray[np.float32]) -> Array:
        spread = observations[:, LAYOUT["day_spread"].start].astype(float) * 0.1 + 0.2
        return spread * np.where(observations[:, LAYOUT["past_load"].start] > 0, 2.4, 1.2)

    def _curve(self, scenarios: Sequence[Scenario], charges: Array) -> tuple[Array, Array]:
        away = np.log(np.maximum(charges, 1e-6) / self.optimal_of(scenarios))
        inside = np.abs(away) < 1.0
        return np.where(inside, 1 - away**2, 0.0), np.where(inside, -2 * away / np.maximum(charges, 1e-6), 0.0)

    def optimal_of(self, scenarios: Sequence[Scenario]) -> Array:
        return self.best(self.observations(scenarios))[:, None]

    def rewards(self, scenarios: Sequence[Scenario], charges: Array) -> Array:
        self.calls["rewards"] += len(scenarios)
        return self._curve(scenarios, charges)[0][:, 0]

    def slopes(self, scenarios: Sequence[Scenario], charges: Array) -> tuple[Array, Array]:
        self.calls["slopes"] += len(scenarios)
        values, slopes = self._curve(scenarios, charges)
        return values[:, 0], slopes

    def validate(self, policy: Policy) -> float:
        self.calls["validations"] += 1
        scenarios = self.scenarios("validation")
        charges = np.array([policy.predict(row, deterministic=True)[0] for row in self.observations(scenarios)])
        return float(self._curve(scenarios, charges)[0].mean())


def made(**changes: Any) -> tuple[Made, Practice]:
    game = Made(**changes)
    return game, cast(Practice, game)


def earned(policy: Policy) -> float:
    """Return the mean share of the best on validation days, of a fresh game."""
    return Made().validate(policy)


@pytest.fixture(scope="module")
def best_multiple() -> float:
    """Return what the best constant charge earns."""
    return max(earned(ConstantPolicy([charge])) for charge in np.linspace(0.05, 1.0, 96))


@pytest.mark.parametrize(
    "learner",
    [
        Supervised(hidden=(32,), members=1, epochs=100, noise=0.05),
        FirstOrder(clearings=200, rounds=8),
        ResponseLearner(hidden=32, warmup_days=300, round_days=100, updates=80, learning_rate=5e-3, noise=0.02),
    ],
    ids=["supervised", "first-order", "response"],
)
def test_a_learner_finds_the_charge_that_depends_on_one_observed_thing(learner: Any, best_multiple: float) -> None:
    _, practice = made(steps=1500)
    policy = learner.learn(practice)
    assert best_multiple < 0.85
    assert earned(policy) > 0.95
    observed = Made().observations(Made().scenarios("validation"))
    off = np.abs(np.log(policy.charges(observed)[:, 0] / Made().best(observed)))
    assert np.median(off) < 0.15


def test_the_search_for_a_constant_finds_the_best_one(best_multiple: float) -> None:
    _, practice = made()
    assert earned(ConstantSearch(trials=15, days=60).learn(practice)) > best_multiple - 0.03


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_seed_gives_the_same_charges_and_another_seed_others(name: str) -> None:
    observed = Made().observations(Made().scenarios("validation"))
    runs = []
    for seed in (3, 3, 4):
        torch.rand(seed + 1)  # what happened before must not matter
        policy = LEARNERS[name].learn(made(seed=seed, steps=160)[1])
        runs.append(np.array([policy.predict(row)[0] for row in observed]).tobytes())
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_plays_no_more_days_than_it_may(name: str) -> None:
    game, practice = made(steps=47)
    LEARNERS[name].learn(practice)
    played = game.calls["rewards"] + game.calls["slopes"]
    assert 0 < played <= 47
    assert game.calls["validations"] >= 1
    asked = {"supervised": ("slopes", "optima"), "first-order": ("slopes",), "response": ("rewards",), "constant-search": ("rewards",)}[
        name
    ]
    assert {key for key in ("rewards", "slopes", "optima") if game.calls[key]} == set(asked)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("information", ["public", "full"])
def test_a_learner_beats_charges_at_random_on_a_small_community(name: str, information: str, tmp_path: Path) -> None:
    task = GameSpec(community="two-prosumers", information=information)  # type: ignore[arg-type]
    practice = TaskPractice(task, seed=1, folder=tmp_path, steps=150, validation_days=12, workers=Workers(1))
    policy = LEARNERS[name].learn(practice)
    curve = list(practice.curve)
    reached = practice.validate(policy)
    random = np.mean([practice.validate(ConstantPolicy([charge * practice.charge_cap])) for charge in np.linspace(0.1, 0.9, 5)])
    assert reached > random
    last = name in ("constant-search", "first-order")
    assert reached == (curve[-1].validation_eur if last else max(point.validation_eur for point in curve))
    assert practice.effort.clearings >= practice.effort.steps > 0
    assert len({point.effort.seconds for point in curve}) >= 2


def test_a_supervised_leader_without_a_day_to_play_is_refused() -> None:
    with pytest.raises(ValueError, match=f"`steps` must be at least {len(MULTIPLES)}.*got 3"):
        LEARNERS["supervised"].learn(made(steps=3)[1])


@pytest.mark.parametrize("name", ["supervised", "first-order", "response"])
def test_games_with_several_charges_and_other_observations_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must post one charge for a day, got a game with 24"):
        LEARNERS[name].learn(made(n_charges=24)[1])
    with pytest.raises(ValueError, match="must begin with the 270 public fields of a day, got 12 numbers"):
        DayFeatures(12)


def test_settings_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"first-order leader must be > 0, got `clearings` 0, `reach` -1"):
        FirstOrder(clearings=0, reach=-1)
    with pytest.raises(ValueError, match=r"supervised leader must be > 0, got `epochs` 0, `hidden\[1\]` 0"):
        Supervised(hidden=(8, 0), epochs=0)
    with pytest.raises(ValueError, match=r"`weight_decay` and `noise` must be at least 0, got 0.1 and -1"):
        Supervised(noise=-1)
    with pytest.raises(ValueError, match="response learner must be > 0, got `updates` 0"):
        ResponseLearner(updates=0)
    with pytest.raises(ValueError, match=r"`weight_decay` and `noise` must be at least 0, got -1 and 0.2"):
        ResponseLearner(weight_decay=-1)
    with pytest.raises(ValueError, match="search for constant charges must be > 0, got `days` 0"):
        ConstantSearch(days=0)


@pytest.mark.parametrize("kind", ["ensemble", "response", "radial"])
def test_a_policy_read_from_its_file_posts_the_same_charges(kind: str, tmp_path: Path) -> None:
    features = DayFeatures(N_PUBLIC)
    observed = Made().observations(Made().scenarios("train"))
    with seeded(5):
        curve: Ensemble | ResponseNetwork | Radial
        match kind:
            case "ensemble":
                curve = Ensemble(features.size, (8,), 2)
            case "response":
                curve = ResponseNetwork(features.size, 8)
            case _:
                curve = Radial(features(torch.as_tensor(observed[:9])), torch.randn(9, len(LEVELS)).double(), width=5.0, common=0.5)
    policy = NetworkPolicy(PostingNetwork(N_PUBLIC, curve, 1.0))
    policy.save(tmp_path / "policy.pt")
    loaded = NetworkPolicy.load(tmp_path / "policy.pt", {"n_observed": N_PUBLIC, "charge_cap": 1.0, "price_level": 1.0})
    charges = policy.charges(observed)
    assert charges.tobytes() == loaded.charges(observed).tobytes()
    assert charges.shape == (100, 1)
    assert charges.dtype == np.float64
    assert len(np.unique(charges)) > 5
    assert (charges > 0).all()
    assert (charges <= 1.0).all()
    np.testing.assert_array_equal(policy.predict(observed[4])[0], charges[4])


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 0}, tmp_path / "policy.pt")
    with pytest.raises(ValueError, match=r"must be of format 1, got .* of format 0"):
        NetworkPolicy.load(tmp_path / "policy.pt", {})


def test_charges_are_cut_to_the_cap_only_where_the_best_lies_beyond_it() -> None:
    curves = torch.tensor(np.log(LEVELS))[None]  # the more the better
    observed = np.zeros((1, N_PUBLIC), np.float32)
    features = DayFeatures(N_PUBLIC)(torch.as_tensor(observed))
    rising, falling = (
        NetworkPolicy(PostingNetwork(N_PUBLIC, Radial(features, sign * curves, width=1.0, common=0.1), 0.1)) for sign in (1, -1)
    )
    assert rising.charges(observed)[0, 0] == 0.1
    assert falling.charges(observed)[0, 0] == pytest.approx(0.2 * LEVELS[0], rel=1e-6)


def test_the_surrogate_passes_through_values_and_slopes_where_noise_is_small() -> None:
    learner = FirstOrder(value_noise=1e-8, slope_noise=1e-8, own=1e-9, reach=0.5)
    generator = np.random.default_rng(2)
    features = torch.as_tensor(generator.normal(scale=5, size=(6, 10)))
    places = np.array([20, 60, 90, 110, 130, 150])
    played = PlayedCharges()
    values, slopes = generator.uniform(0.2, 1, 6), generator.uniform(-1, 1, 6)
    played.add(np.arange(6), LEVELS[places], values, slopes)
    curves = learner.surrogate(features, played)(features).numpy() * np.quantile(np.abs(values), 0.9)
    step = np.log(LEVELS[1] / LEVELS[0])
    found = (curves[np.arange(6), places + 1] - curves[np.arange(6), places - 1]) / (2 * step)
    np.testing.assert_allclose(curves[np.arange(6), places], values, atol=1e-5)
    np.testing.assert_allclose(found, slopes, atol=0.02)


def test_features_do_not_depend_on_what_is_private_nor_on_the_batch() -> None:
    observed = torch.as_tensor(np.random.default_rng(1).uniform(-1, 1, (5, 400)).astype(np.float32))
    longer = DayFeatures(400)
    np.testing.assert_array_equal(longer(observed), DayFeatures(N_PUBLIC)(observed[:, :N_PUBLIC]))
    np.testing.assert_allclose(longer(observed)[2:3], longer(observed[2:3]), rtol=1e-12)
    assert longer(observed).shape == (5, longer.size)


def test_threads_and_random_state_are_put_back() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with seeded(1):
        torch.rand(3)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
