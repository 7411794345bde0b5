"""Every kind of saved leader says what it was trained for, and what does not fit is refused or carried over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gridtoll.agents.curves.day_features import LEVELS, N_PUBLIC, DayFeatures
from gridtoll.agents.curves.network import NetworkPolicy, PostingNetwork, Radial
from gridtoll.agents.learned.onnx_policy import OnnxPolicy, write_onnx
from gridtoll.agents.learned.settings import DEFAULTS, Sees
from gridtoll.agents.made_for import require_fit
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.data.onnx_files import save_onnx
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import train
from gridtoll.train.scoring.leaders import learned_policy, onnx_leader
from gridtoll.train.task import observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
MONEY = 7.46
SCENARIO = Scenario(3, 0)


class Fixed(torch.nn.Module):
    """Posts 0.2 EUR/kWh."""

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return (0.0 * observations[:, :1] + 0.2).double()


class FixedPolicy:
    network = Fixed()


def in_kroner(community: Community, *, cap: float = MONEY) -> Community:
    """The same community with all its money in another currency."""
    numbers = community.parameters
    money = {name: MONEY * getattr(numbers, name) for name in ("flexibility_value", "overload_price", "import_fee")}
    year = {name: MONEY * getattr(community, name) for name in ("import_price", "export_price", "loss_price")}
    bends = {name: MONEY * getattr(community, name) for name in ("grid_friction", "storage_wear", "trade_friction")}
    return replace(community, name="kroner", charge_cap=cap, parameters=replace(numbers, **money), **year, **bends)


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> GameSpec:
    folder = export_community(in_kroner(load_community("two-prosumers")), tmp_path_factory.mktemp("abroad") / "kroner")
    return GameSpec(community=str(folder))


def test_all_that_does_not_fit_is_named_at_once_with_what_to_pass() -> None:
    made = {"n_observed": 6, "charge_cap": 1.0, "price_level": 2.0, "information": "full", "tariff": "unique", "charges_per": None}
    here = {"n_observed": 7, "charge_cap": 0.5, "price_level": 1.0, "information": "public", "tariff": "unique", "charges_per": "day"}
    with pytest.raises(
        ValueError,
        match=r"the leader in x must play the game it was trained for: 6 observed numbers, got 7 observed numbers; the charge cap 1\.0 "
        r"EUR/kWh, got the charge cap 0\.5 EUR/kWh; a community of price level 2\.0, got a community of price level 1\.0; 'full' "
        r"information, got 'public' information\. Pass --charge-cap 1\.0 --information full\. .* 0\.5 times as high",
    ):
        require_fit("the leader in x", made, here)
    require_fit("the leader in x", made, {**made, "charges_per": "hour", "price_level": 2.0 * (1 + 1e-12)})


def saved_network(path: Path) -> tuple[NetworkPolicy, np.ndarray]:
    observed = np.zeros((1, N_PUBLIC), np.float32)
    curves = -((torch.tensor(np.log(LEVELS)) - 0.1) ** 2)[None]
    features = DayFeatures(N_PUBLIC)(torch.as_tensor(observed))
    policy = NetworkPolicy(PostingNetwork(N_PUBLIC, Radial(features, curves, width=1.0, common=0.1), 1.0, 1.0))
    policy.save(path)
    return policy, observed


def test_a_saved_network_posts_in_the_money_of_the_community_it_plays_in(tmp_path: Path) -> None:
    policy, observed = saved_network(tmp_path / "policy.pt")
    here = {"n_observed": N_PUBLIC, "charge_cap": MONEY, "price_level": MONEY}
    charged = policy.charges(observed)
    assert 0 < charged[0, 0] < 1
    assert NetworkPolicy.load(tmp_path / "policy.pt", here).charges(observed) == pytest.approx(MONEY * charged, rel=1e-12)
    dear = {"n_observed": N_PUBLIC, "charge_cap": 1.0, "price_level": 1.3}  # another country, the same cap
    assert NetworkPolicy.load(tmp_path / "policy.pt", dear).charges(observed) == pytest.approx(1.3 * charged, rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"charge_cap": 0.5}, r"the charge cap 1\.0 EUR/kWh, got the charge cap 0\.5 EUR/kWh. Pass --charge-cap 1\.0"),
        ({"charge_cap": 3.0, "price_level": MONEY}, r"the charge cap 1\.0 EUR/kWh, got the charge cap 3\.0"),
        ({"n_observed": N_PUBLIC + 5}, f"{N_PUBLIC} observed numbers, got {N_PUBLIC + 5} observed numbers"),
        ({"n_charges": 24}, "1 charges, got 24 charges"),
    ],
)
def test_a_saved_network_is_refused_where_it_does_not_fit(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    saved_network(tmp_path / "policy.pt")
    with pytest.raises(ValueError, match=words):
        NetworkPolicy.load(tmp_path / "policy.pt", {"n_observed": N_PUBLIC, "charge_cap": 1.0, "price_level": 1.0, **changed})


def test_an_onnx_leader_is_refused_in_a_community_of_another_price_level(tmp_path: Path, abroad: GameSpec) -> None:
    save_onnx(tmp_path / "policy.onnx", FixedPolicy(), TASK, name="fixed", seed=0)
    assert OnnxPolicy(tmp_path / "policy.onnx").facts["price_level"] == 1.0
    assert onnx_leader(tmp_path / "policy.onnx", TASK, seed=0).name == "fixed"
    with pytest.raises(
        ValueError, match=r"price level 1\.0, got a community of price level 7\.46\..* whose prices are 7\.46 times as high"
    ):
        onnx_leader(tmp_path / "policy.onnx", replace(abroad, charge_cap=1.0), seed=0)


def test_an_onnx_file_of_before_tells_its_price_level_by_the_scales_of_its_observations(tmp_path: Path, abroad: GameSpec) -> None:
    save_onnx(tmp_path / "policy.onnx", FixedPolicy(), TASK, name="fixed", seed=0)
    facts = {name: value for name, value in OnnxPolicy(tmp_path / "policy.onnx").facts.items() if name not in ("price_level", "schema")}
    with (tmp_path / "old.onnx").open("wb") as file:
        write_onnx(file, Fixed(), facts)
    assert onnx_leader(tmp_path / "old.onnx", TASK, seed=0).name == "fixed"
    with pytest.raises(ValueError, match=r"price level 1\.0\d*, got a community of price level 7\.46"):
        onnx_leader(tmp_path / "old.onnx", replace(abroad, charge_cap=1.0), seed=0)


def trained(folder: Path, sees: Sees) -> RunFolder:
    learner = replace(DEFAULTS["td3"], hidden=(8,), batch_size=8, updates=2, warmup_days=8, sees=sees)
    config = TrainConfig(task=TASK, learner=learner, seed=2, steps=12, parallel_days=4, validate_every=12, validation_days=2)
    with Workers(1) as workers:
        return train(config, folder, workers)


def test_a_run_that_sees_the_day_plays_in_another_currency_as_at_home(tmp_path: Path, abroad: GameSpec) -> None:
    run = trained(tmp_path / "run", "day")
    seen = observe(TASK, SCENARIO)
    home, there = (learned_policy(run, task).predict(seen, deterministic=True)[0] for task in (TASK, abroad))
    assert there == pytest.approx(MONEY * home, rel=1e-12)
    with pytest.raises(ValueError, match=r"the charge cap 1\.0 EUR/kWh, got the charge cap 5\.0 EUR/kWh"):
        learned_policy(run, replace(abroad, charge_cap=5.0))
    with pytest.raises(ValueError, match=r"the distance tariff, got the unique tariff\. Pass --tariff distance"):
        learned_policy(run, replace(TASK, tariff="unique"))


def test_a_run_that_sees_everything_is_refused_in_another_currency(tmp_path: Path, abroad: GameSpec) -> None:
    run = trained(tmp_path / "run", "everything")
    best = run.load("best")
    assert best is not None
    assert best.facts["price_level"] == 1.0
    learned_policy(run, TASK)
    with pytest.raises(ValueError, match=r"a community of price level 1\.0, got a community of price level 7\.46"):
        learned_policy(run, replace(abroad, charge_cap=1.0))
