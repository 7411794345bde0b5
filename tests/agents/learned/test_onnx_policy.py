"""Policies leave as ONNX files that post the same charges anywhere, and no file of a stranger is unpickled unasked."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import RescaleAction
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.policies import BasePolicy

from gridtoll.agents.learned.models import MODEL_NAMES, load_model
from gridtoll.agents.learned.onnx_policy import METADATA_KEY, SCHEMA, OnnxPolicy, write_onnx
from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.agents.learned.stable_baselines import LearnedPolicy
from gridtoll.envs import DayAheadEnv, Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.data.onnx_files import save_onnx, task_of
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import train
from gridtoll.train.scoring.evaluate import evaluate_leader
from gridtoll.train.scoring.leaders import learned_leader, learned_policy, make_leader
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

CAP = 0.8
TASK = GameSpec(community="two-prosumers")
SCENARIOS = [Scenario(day, day % 4) for day in (3, 50, 180, 200, 300)]
CLASSES: dict[str, Any] = {"sac": SAC, "td3": TD3, "ppo": PPO, "tqc": TQC, "crossq": CrossQ}
FACTS = {"charge_cap": CAP, "n_charges": 1, "n_observed": 6}


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as one:
        yield one


def network_of(algorithm: str, n_observed: int = 6, n_charges: int = 1) -> BasePolicy:
    """A policy network with every weight and running mean drawn anew, so that none of them is zero or one."""
    build: Any = CLASSES[algorithm].policy_aliases["MlpPolicy"]
    observed = spaces.Box(-5.0, 5.0, (n_observed,), np.float32)
    network: BasePolicy = build(observed, spaces.Box(-1.0, 1.0, (n_charges,), np.float32), lambda _: 1e-3, net_arch=[16, 16])
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.3)
        for running in network.buffers():  # means and variances of CrossQ
            running.copy_(torch.rand(running.shape, generator=generator) + 0.5)
    network.set_training_mode(False)
    return network


def written(network: torch.nn.Module, **facts: Any) -> bytes:
    file = io.BytesIO()
    write_onnx(file, network, FACTS | facts)
    return file.getvalue()


def loaded(content: bytes, folder: Path) -> OnnxPolicy:
    (folder / "policy.onnx").write_bytes(content)
    return OnnxPolicy(folder / "policy.onnx")


class Linear(torch.nn.Module):
    """What any leader that is a network of charges looks like; it may leave the interval, and the file brings it back."""

    def __init__(self, n_charges: int = 1) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(6, n_charges)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linspace(-1, 1, 6 * n_charges).reshape(n_charges, 6))
            self.layer.bias.fill_(0.4)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        charges: torch.Tensor = self.layer(observations)
        return charges


@cache
def plain() -> bytes:
    """A file of the plainest network, exported once."""
    return written(Linear())


def stating(**facts: Any) -> bytes:
    """The same with other facts of its game."""
    model = onnx.load_model_from_string(plain())
    model.metadata_props[0].value = json.dumps({"schema": SCHEMA, **FACTS, **facts})
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(("algorithm", "n_charges"), [*((name, 2) for name in CLASSES), ("sac", 1)])
def test_an_exported_policy_posts_the_charges_of_the_original(algorithm: str, n_charges: int, tmp_path: Path) -> None:
    policy = LearnedPolicy(network_of(algorithm, n_charges=n_charges), CAP)
    exported = loaded(written(policy.network, n_charges=n_charges), tmp_path)
    observations = np.random.default_rng(1).normal(scale=2, size=(300, 6)).astype(np.float32)
    before = np.array([policy.predict(observation, deterministic=True)[0] for observation in observations])
    after = np.array([exported.predict(observation)[0] for observation in observations])
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)
    np.testing.assert_allclose(exported.charges(observations), before, rtol=0, atol=1e-6)
    assert before.std(axis=0).min() > 1e-3  # it is not one charge for all that agrees
    assert after.dtype == np.float64


def test_any_network_of_charges_is_exported_and_kept_between_zero_and_the_cap(tmp_path: Path) -> None:
    network = Linear(2)
    exported = loaded(written(network, n_charges=2), tmp_path)
    observations = np.random.default_rng(2).normal(size=(200, 6)).astype(np.float32)
    wanted = network(torch.as_tensor(observations)).detach().numpy()
    assert (wanted < 0).any()
    assert (wanted > CAP).any()
    np.testing.assert_allclose(exported.charges(observations), np.clip(wanted, 0, CAP), rtol=0, atol=1e-6)


def test_the_same_weights_give_the_same_bytes_and_nothing_of_the_machine_is_in_them() -> None:
    policy = LearnedPolicy(network_of("sac"), CAP)
    content = written(policy.network)
    assert content == written(policy.network)
    assert str(Path(torch.__file__).parent).encode() not in content
    assert str(Path.cwd()).encode() not in content
    assert b"stack_trace" not in content
    assert len(content) < 4 * sum(weights.numel() for weights in policy.network.parameters()) + 4000


def test_a_policy_is_run_the_same_however_often_and_leaves_checks_of_distributions_as_they_were(tmp_path: Path) -> None:
    exported = loaded(written(LearnedPolicy(network_of("ppo"), CAP).network), tmp_path)
    observation = np.full(6, 0.3, np.float32)
    first, state = exported.predict(observation, None, np.array([True]), deterministic=False)
    assert state is None
    assert all(np.array_equal(exported.predict(observation)[0], first) for _ in range(20))
    with pytest.raises(ValueError, match="to satisfy the constraint"):
        torch.distributions.Normal(0.0, -1.0)


def test_networks_that_do_not_fit_are_not_written() -> None:
    with pytest.raises(ValueError, match="must give 2 charges for each observation"):
        written(Linear(1), n_charges=2)

    class Counting(Linear):
        def forward(self, observations: torch.Tensor) -> torch.Tensor:
            return super().forward(observations) + torch.arange(len(observations))[:, None] * 0.0

    with pytest.raises(ValueError, match=r"write `tensor\.shape\[0\]`"):
        written(Counting())


def test_files_that_are_no_policies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be an ONNX file"):
        loaded(b"not a model", tmp_path)
    model = onnx.load_model_from_string(plain())
    facts = model.metadata_props[0]
    assert facts.key == METADATA_KEY

    def changed(value: str) -> bytes:
        facts.value = value
        return bytes(model.SerializeToString())

    with pytest.raises(ValueError, match="without readable metadata 'gridtoll'"):
        loaded(changed("{"), tmp_path)
    with pytest.raises(ValueError, match="with schema 9, which lacks nothing"):
        loaded(changed(json.dumps({**FACTS, "schema": 9})), tmp_path)
    with pytest.raises(ValueError, match="which lacks n_charges"):
        loaded(changed(json.dumps({"schema": 1, "charge_cap": 1.0, "n_observed": 6})), tmp_path)
    with pytest.raises(ValueError, match="must map"):
        loaded(changed(json.dumps({**FACTS, "schema": 1, "n_observed": 7})), tmp_path)


def test_a_file_that_takes_weights_from_elsewhere_is_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(plain())
    onnx.save_model(model, tmp_path / "policy.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert (tmp_path / "weights").is_file()
    with pytest.raises(ValueError, match="must be in the file itself"):
        OnnxPolicy(tmp_path / "policy.onnx")


def trained(folder: Path) -> TrainConfig:
    learner = replace(DEFAULTS["sac"], hidden=(8,), batch_size=8, updates=2, warmup_days=8)
    config = TrainConfig(task=TASK, learner=learner, seed=5, steps=24, parallel_days=4, validate_every=12, validation_days=3)
    with Workers(1) as workers:
        train(config, folder, workers)
    return config


def test_a_run_exported_scores_as_the_run_does(tmp_path: Path, workers: Workers) -> None:
    config = trained(tmp_path / "run")
    run, file = RunFolder.open(tmp_path / "run"), tmp_path / "policy.onnx"
    save_onnx(file, learned_policy(run, TASK), TASK, name="sac", seed=5, config=config.to_json())
    leaders = [learned_leader(run, TASK), make_leader(str(file), TASK, SCENARIOS, workers, seed=0)]
    own, exported = (evaluate_leader(leader, TASK, SCENARIOS, workers, split="test") for leader in leaders)
    np.testing.assert_allclose(exported.profit_eur, own.profit_eur, rtol=1e-6, atol=1e-6)
    assert (leaders[1].name, leaders[1].seed) == ("sac", 5)
    facts = OnnxPolicy(file).facts
    assert task_of(OnnxPolicy(file)) == TASK.changed(charge_cap=environment_of(TASK).charge_cap)
    assert TrainConfig.from_json(facts["config"]) == config
    assert facts["charge_cap"] == environment_of(TASK).charge_cap
    assert sum(field["size"] for field in facts["observation"]) == facts["n_observed"] == 270
    assert {"versions", "commit", "community_hash", "split_hash"} <= set(facts)


def test_an_onnx_policy_names_every_difference_to_the_game_it_is_to_play(tmp_path: Path, workers: Workers) -> None:
    save_onnx(tmp_path / "policy.onnx", LearnedPolicy(network_of("td3", 270), 1.0), TASK, name="td3", seed=1)

    def lead(task: GameSpec) -> object:
        return make_leader(str(tmp_path / "policy.onnx"), task, [], workers, seed=0)

    assert lead(TASK.changed(community="ieee9")) is not None  # public observations have one size everywhere
    with pytest.raises(ValueError, match=r"cap 1\.0 EUR/kWh, got the charge cap 0\.5 EUR/kWh; the distance tariff, got the unique tariff"):
        lead(TASK.changed(charge_cap=0.5, tariff="unique"))
    with pytest.raises(ValueError, match=r"270 observed numbers, got \d+ observed numbers; 'public' information, got 'full'"):
        lead(TASK.changed(information="full"))


def model_of(algorithm: str, folder: Path, *, low: float = -1.0) -> Path:
    environment = DayAheadEnv(community="two-prosumers", solver="structured")
    acting = RescaleAction(environment, np.float32(-1), np.float32(1)) if low < 0 else environment
    CLASSES[algorithm]("MlpPolicy", acting, seed=4, policy_kwargs={"net_arch": [8]}, device="cpu").save(folder / f"{algorithm}.zip")
    return folder / f"{algorithm}.zip"


@pytest.mark.parametrize("algorithm", MODEL_NAMES)
def test_a_model_is_read_only_when_it_is_trusted(algorithm: str, tmp_path: Path, workers: Workers) -> None:
    file = model_of(algorithm, tmp_path)
    with pytest.raises(ValueError, match=r"pass --trust; better, ask for the policy as ONNX"):
        make_leader(str(file), TASK, [], workers, seed=0)
    leader = make_leader(str(file), TASK, [], workers, seed=0, trust=True)
    original = CLASSES[algorithm].load(file, device="cpu")
    observation = observe(TASK, SCENARIOS[0])
    acted, _ = original.predict(observation, deterministic=True)
    assert leader.on(SCENARIOS[0]).predict(observation, deterministic=True)[0] == pytest.approx((acted + 1) / 2, abs=1e-7)
    assert leader.name == f"{algorithm} {file}"


def test_a_model_that_acts_in_eur_per_kwh_posts_what_it_acts(tmp_path: Path) -> None:
    file = model_of("sac", tmp_path, low=0.0)
    policy, _ = load_model(file, 270, cap=1.0, n_coefficients=1, trust=True)
    observation = observe(TASK, SCENARIOS[0])
    assert policy.predict(observation, deterministic=True)[0] == SAC.load(file).predict(observation, deterministic=True)[0]
    with pytest.raises(ValueError, match="must observe 270 numbers"):
        load_model(file, 270, cap=0.5, n_coefficients=1, trust=True)


class Bomb:
    """What a stranger might pickle."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("exploded",)


def test_nothing_in_a_model_is_unpickled_before_it_is_trusted_or_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, words in {"one.zip": {"__module__": "elsewhere.policies"}, "two.zip": None}.items():
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("data", json.dumps({"policy_class": words, "bomb": {":serialized:": pickle.dumps(Bomb()).hex()}}))
            archive.writestr("policy.pth", pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="pass --trust"):
        load_model(Path("one.zip"), 270, cap=1.0, n_coefficients=1, trust=False)
    with pytest.raises(
        ValueError,
        match=r"must be of one of sac, td3, ppo, tqc, crossq, .*sbx-crossq, got one\.zip with a policy of elsewhere",
    ):
        load_model(Path("one.zip"), 270, cap=1.0, n_coefficients=1, trust=True)
    with pytest.raises(ValueError, match="must be a model saved by stable-baselines3"):
        load_model(Path("two.zip"), 270, cap=1.0, n_coefficients=1, trust=True)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("kind", [A2C, DDPG])
def test_a_model_of_another_algorithm_is_told_apart(kind: Any, tmp_path: Path) -> None:
    kind("MlpPolicy", DayAheadEnv(community="two-prosumers"), device="cpu").save(tmp_path / "model.zip")
    if kind is A2C:
        with pytest.raises(ValueError, match="must be of one of"):
            load_model(tmp_path / "model.zip", 270, cap=1.0, n_coefficients=1, trust=True)
    else:  # DDPG is TD3 with one critic and no delay, and has its policy
        assert load_model(tmp_path / "model.zip", 270, cap=1.0, n_coefficients=1, trust=True)[1] == "td3"


def test_a_task_in_metadata_is_the_task(tmp_path: Path) -> None:
    task = GameSpec(community="ieee9", tariff="unique", import_fee=0.08)
    facts = {**asdict(task), "charge_cap": 0.7}
    (tmp_path / "policy.onnx").write_bytes(stating(**facts))
    assert task_of(OnnxPolicy(tmp_path / "policy.onnx")) == task.changed(charge_cap=0.7)
    with pytest.raises(ValueError, match="must name its game, but community"):
        task_of(loaded(plain(), tmp_path))


def test_a_file_of_before_the_game_had_other_fields_is_of_the_game_as_it_was(tmp_path: Path, workers: Workers) -> None:
    """Fields come with defaults, which are what was played before: an exchange format must go on being read."""
    later = ("env", "belief", "forecast_error", "days", "mechanism", "power_flow", "voltage_price", "voltage_band", "forecast")
    facts = {name: value for name, value in asdict(TASK).items() if name not in later} | {"charge_cap": 1.0}
    assert len(facts) + len(later) == len(asdict(TASK))
    (tmp_path / "policy.onnx").write_bytes(stating(**facts))
    assert task_of(OnnxPolicy(tmp_path / "policy.onnx")) == TASK.changed(charge_cap=1.0)
    for name in facts:
        some = {known: value for known, value in facts.items() if known != name}
        if name != "charge_cap":  # without which it is no policy at all
            with pytest.raises(ValueError, match=f"must name its game, but {name} are missing"):
                task_of(loaded(stating(**some), tmp_path))
