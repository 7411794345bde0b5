"""SBX learns what stable-baselines3 learns, by the same protocol, and its leaders are played without it."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from learner_settings import is_used
from numpy.typing import NDArray
from trainings import TASK, tiny

from gridtoll.agents.learned.models import load_model
from gridtoll.agents.learned.sbx import PlainActor, actor_of, actor_of_model, largest_weight
from gridtoll.agents.learned.settings import ALGORITHM_NAMES, DEFAULTS, SBX_ALGORITHMS, LearnerSettings, default_settings
from gridtoll.agents.learned.stable_baselines import arguments_of, load_policy, write_weights
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.algorithms import make_algorithm, packages_of, settings_of
from gridtoll.train.learning.learn import resume, train
from gridtoll.train.scoring.leaders import learned_policy
from gridtoll.train.task import observe
from gridtoll.train.tuning.space import shipped_space
from gridtoll.train.workers import Workers

needs_sbx = pytest.mark.skipif(find_spec("sbx") is None, reason='SBX is not installed: pip install ".[jax]"')
SEEN, ACTED = spaces.Box(-np.inf, np.inf, (3,), np.float32), spaces.Box(-1.0, 1.0, (2,), np.float32)
HIDDEN = (5, 4)


def layers(*, normalised: bool, ends: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random weights as SBX's actors hold them, and their running statistics."""
    draw = np.random.default_rng(1)
    sizes = [SEEN.shape[0], *HIDDEN]
    held: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for number, (before, after) in enumerate(zip([*sizes, *[HIDDEN[-1]] * (ends - 1)], [*HIDDEN, *[ACTED.shape[0]] * ends], strict=True)):
        held[f"Dense_{number}"] = {"kernel": draw.normal(size=(before, after)), "bias": draw.normal(size=after)}
        if normalised and number < len(sizes):
            held[f"BatchRenorm_{number}"] = {"scale": draw.uniform(0.5, 2, before), "bias": draw.normal(size=before)}
            statistics[f"BatchRenorm_{number}"] = {"mean": draw.normal(size=before), "var": draw.uniform(0.5, 2, before)}
    return held, statistics


def policy_of(held: dict[str, Any], statistics: dict[str, Any]) -> Any:
    """What this package reads of a policy of SBX."""
    state = SimpleNamespace(params=held, **({"batch_stats": statistics} if statistics else {}))
    return SimpleNamespace(actor_state=state, observation_space=SEEN, action_space=ACTED)


def expected(held: dict[str, Any], statistics: dict[str, Any], shown: NDArray[Any]) -> NDArray[Any]:
    """The mean action of such an actor, by its definition."""
    values: NDArray[Any] = shown
    for number in range(len(HIDDEN) + 1):
        if statistics:
            norm, running = held[f"BatchRenorm_{number}"], statistics[f"BatchRenorm_{number}"]
            values = (values - running["mean"]) / np.sqrt(running["var"] + 1e-3) * norm["scale"] + norm["bias"]
        values = values @ held[f"Dense_{number}"]["kernel"] + held[f"Dense_{number}"]["bias"]
        values = np.maximum(values, 0) if number < len(HIDDEN) else np.tanh(values)
    return values


@pytest.mark.parametrize("normalised", [False, True])
def test_a_plain_network_acts_as_the_layers_that_it_was_made_from(normalised: bool) -> None:
    held, statistics = layers(normalised=normalised)
    actor = actor_of(policy_of(held, statistics), LearnerSettings(algorithm="sbx-crossq" if normalised else "sbx-sac", hidden=HIDDEN))
    shown = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
    acted, _ = actor.predict(shown, deterministic=True)
    np.testing.assert_allclose(acted, expected(held, statistics, shown), atol=1e-5)


def test_ppo_is_cut_off_where_the_others_are_squashed() -> None:
    held, _ = layers(normalised=False, ends=1)
    actor = actor_of(policy_of(held, {}), LearnerSettings(algorithm="sbx-ppo", hidden=HIDDEN))
    raw = actor._predict(torch.full((1, 3), 2.0)).detach().numpy()
    assert np.abs(raw).max() > 1
    np.testing.assert_allclose(actor.predict(np.full((1, 3), 2.0, np.float32))[0], np.clip(raw, -1, 1), atol=1e-6)


def test_a_model_of_other_layers_than_the_plain_ones_is_refused() -> None:
    held, _ = layers(normalised=False)
    policy = policy_of(held, {})
    policy.predict = lambda shown, deterministic: (expected(held, {}, shown), None)
    assert actor_of_model(policy, "sbx-sac").predict(np.zeros(3, np.float32))[0] == pytest.approx(expected(held, {}, np.zeros(3)), abs=1e-5)
    policy.predict = lambda shown, deterministic: (0.9 * expected(held, {}, shown), None)
    with pytest.raises(ValueError, match="must have a policy of plain layers"):
        actor_of_model(policy, "sbx-sac")
    policy.predict = lambda shown, deterministic: (np.zeros((len(shown), 2)), None)
    del held["Dense_1"]
    with pytest.raises(ValueError, match="Train it with `MlpPolicy`"):
        actor_of_model(policy, "sbx-sac")


def test_the_largest_weight_of_all_networks_tells_whether_a_training_diverged() -> None:
    held, _ = layers(normalised=False)
    policy = policy_of(held, {})
    policy.qf_state = SimpleNamespace(params={"Dense_0": {"kernel": np.array([[-7.0]])}})
    assert largest_weight(policy) == 7.0
    held["Dense_0"]["bias"][0] = np.nan
    assert np.isnan(largest_weight(policy))


def test_weights_of_sbx_are_read_back_without_sbx(tmp_path: Path) -> None:
    settings = LearnerSettings(algorithm="sbx-td3", hidden=HIDDEN, sees="everything")
    actor = PlainActor(SEEN, ACTED, settings)
    with (tmp_path / "policy.pt").open("wb") as file:
        write_weights(actor, file)
    policy = load_policy(tmp_path / "policy.pt", settings, 3, cap=0.4, n_coefficients=2)
    shown = np.array([0.1, -0.2, 0.3], np.float32)
    assert policy.predict(shown)[0] == pytest.approx((actor.predict(shown)[0] + 1) / 2 * 0.4)


@pytest.mark.parametrize("algorithm", SBX_ALGORITHMS)
def test_an_algorithm_in_jax_has_the_settings_arguments_and_space_of_its_like(algorithm: str) -> None:
    kind = algorithm.removeprefix("sbx-")
    settings = default_settings(algorithm, "day-ahead")
    assert settings == replace(DEFAULTS[kind], algorithm=algorithm)
    assert settings_of(make_algorithm(algorithm, {})) == settings_of(make_algorithm(kind, {}))
    numbers: dict[str, Any] = {"n_envs": 4, "n_charges": 1, "days": 100}
    noise = {"action_noise"} if kind == "td3" else set()
    own, other = (arguments_of(each, **numbers) for each in (settings, DEFAULTS[kind]))
    assert {name: value for name, value in own.items() if name not in noise} == {
        name: value for name, value in other.items() if name not in noise
    }
    assert shipped_space(algorithm) == shipped_space(kind)
    assert packages_of(algorithm) == ("sbx",)
    assert is_used("exploration", settings, "day-ahead") == (kind in ("td3", "ppo"))


def test_without_sbx_a_training_says_what_to_install_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sbx", None)
    with pytest.raises(ValueError, match=r"'sbx-sac' needs the package `sbx`.*pip install \"\.\[jax\]\""):
        train(in_jax("sbx-sac"), tmp_path / "run", Workers(1))
    assert not (tmp_path / "run").exists()


def test_a_model_of_sbx_is_known_by_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sbx", None)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("data", json.dumps({"policy_class": {"__module__": "sbx.tqc.policies"}}))
    with pytest.raises(ValueError, match="`sbx`"):
        load_model(tmp_path / "model.zip", 3, cap=1.0, n_coefficients=1, trust=True)


def in_jax(algorithm: str) -> Any:
    """A training of seconds."""
    config = tiny(algorithm.removeprefix("sbx-"))
    return replace(config, learner=replace(config.learner, algorithm=algorithm))


@needs_sbx
@pytest.mark.long
@pytest.mark.parametrize("algorithm", SBX_ALGORITHMS)
def test_a_training_in_jax_killed_and_resumed_ends_as_one_that_was_not(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, one = in_jax(algorithm), Workers(1)
    whole = train(config, tmp_path / "whole", one)
    recorded = RunFolder.record

    def killed(run: RunFolder, row: dict[str, float]) -> None:
        if row["step"] > 16:
            raise KeyboardInterrupt
        recorded(run, row)

    monkeypatch.setattr(RunFolder, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", one)
    monkeypatch.undo()
    resumed = resume(tmp_path / "killed", one)
    assert [row["rewards_eur"] for row in whole.progress()] == [row["rewards_eur"] for row in resumed.progress()]
    shown = observe(TASK, one_scenario())
    acted = [learned_policy(run, TASK).predict(shown, deterministic=True)[0] for run in (whole, resumed)]
    assert np.array_equal(acted[0], acted[1])


@needs_sbx
@pytest.mark.long
@pytest.mark.parametrize("algorithm", SBX_ALGORITHMS)
def test_a_whole_model_of_sbx_is_played_as_it_acts(algorithm: str, tmp_path: Path) -> None:
    from gymnasium.wrappers import RescaleAction

    from gridtoll.agents.learned.sbx import sbx_class
    from gridtoll.envs.adapters.day_ahead import DayAheadEnv

    acting = RescaleAction(DayAheadEnv(community="two-prosumers", solver="structured"), np.float32(-1), np.float32(1))
    made: Any = sbx_class(algorithm)
    model = made("MlpPolicy", acting, seed=4, policy_kwargs={"net_arch": [8, 8]}, device="cpu")
    model.save(tmp_path / "model.zip")
    size = acting.observation_space.shape[0]  # type: ignore[index]
    policy, name = load_model(tmp_path / "model.zip", size, cap=1.0, n_coefficients=1, trust=True)
    assert name == algorithm
    shown = acting.reset(seed=1)[0]
    assert policy.predict(shown)[0] == pytest.approx((model.predict(shown, deterministic=True)[0] + 1) / 2, abs=1e-5)


def one_scenario() -> Any:
    """A validation day."""
    from gridtoll.train.task import environment_of

    return environment_of(TASK).community.scenarios("validation", 1)[0]


def test_the_names_of_sbx_are_those_of_stable_baselines() -> None:
    assert tuple(f"sbx-{name}" for name in ALGORITHM_NAMES) == SBX_ALGORITHMS
