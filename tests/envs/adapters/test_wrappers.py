"""Every wrapper of Gymnasium and of stable-baselines3 around every environment: what works, and why some cannot.

Each table names all wrappers its library exports, so that a new one fails the test until somebody has tried it.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final, get_args

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium import wrappers as single
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector
from stable_baselines3.common import vec_env as sb3
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from gridtoll.agents.learned.vec_env import GymnasiumVecEnv
from gridtoll.envs import DayAheadEnv, HourlyEnv, PricingVectorEnv
from gridtoll.envs.games.spec import GameName

TINY = "two-prosumers"
LOW, HIGH = np.full(1, -1.0, np.float32), np.full(1, 1.0, np.float32)
Make = Callable[[Any], Any]

PICTURES = "observations are no pictures"
NO_RENDERING = "a batched environment draws nothing"

SINGLE: Final[dict[str, Make | str]] = {
    "AtariPreprocessing": "needs an Atari game",
    "DelayObservation": lambda env: single.DelayObservation(env, 1),
    "DtypeObservation": lambda env: single.DtypeObservation(env, np.float16),
    "DiscretizeObservation": lambda env: single.DiscretizeObservation(env, 3, multidiscrete=True),
    "FilterObservation": "needs observations with names, a Dict or Tuple",
    "FlattenObservation": single.FlattenObservation,
    "FrameStackObservation": lambda env: single.FrameStackObservation(env, 2),
    "GrayscaleObservation": PICTURES,
    "TransformObservation": lambda env: single.TransformObservation(env, lambda seen: seen / 5, spaces.Box(-1, 1, seen_by(env))),
    "MaxAndSkipObservation": lambda env: single.MaxAndSkipObservation(env, 2),
    "NormalizeObservation": single.NormalizeObservation,
    "AddRenderObservation": lambda env: single.AddRenderObservation(single.TimeLimit(env, 3), render_only=True),  # a picture a step
    "ResizeObservation": PICTURES,
    "ReshapeObservation": lambda env: single.ReshapeObservation(env, (2, seen_by(env)[0] // 2)),
    "RescaleObservation": lambda env: single.RescaleObservation(env, np.float32(-1), np.float32(1)),
    "TimeAwareObservation": lambda env: single.TimeAwareObservation(single.TimeLimit(env, 30)),
    "ClipAction": single.ClipAction,
    "DiscretizeAction": lambda env: single.DiscretizeAction(env, 5),
    "TransformAction": lambda env: single.TransformAction(env, lambda charge: charge / 2, env.action_space),
    "RescaleAction": lambda env: single.RescaleAction(env, LOW, HIGH),
    "RepeatAction": lambda env: single.RepeatAction(env, 2),
    "StickyAction": lambda env: single.StickyAction(env, 0.25),
    "ClipReward": lambda env: single.ClipReward(env, -1.0, 1.0),
    "TransformReward": lambda env: single.TransformReward(env, lambda reward: 0.1 * float(reward)),
    "NormalizeReward": single.NormalizeReward,
    "RecordEpisodeStatistics": single.RecordEpisodeStatistics,
    "AddWhiteNoise": lambda env: single.AddWhiteNoise(env, 0.1),
    "ObstructView": lambda env: single.ObstructView(env, 0.25, 8),
    "RenderCollection": lambda env: single.RenderCollection(single.TimeLimit(env, 3)),
    "RecordVideo": "needs moviepy",
    "HumanRendering": "opens a window",
    "TimeLimit": lambda env: single.TimeLimit(env, 5),
    "Autoreset": single.Autoreset,
    "PassiveEnvChecker": single.PassiveEnvChecker,
    "OrderEnforcing": single.OrderEnforcing,
    "ArrayConversion": "needs an environment in another array library",
    "JaxToNumpy": "needs an environment in JAX",
    "JaxToTorch": "needs an environment in JAX",
    "NumpyToTorch": "needs array-api-compat",
}
VECTOR: Final[dict[str, Make | str]] = {
    "VectorizeTransformObservation": lambda envs: vector.VectorizeTransformObservation(
        envs, single.RescaleObservation, min_obs=np.float32(-1), max_obs=np.float32(1)
    ),
    "VectorizeTransformAction": lambda envs: vector.VectorizeTransformAction(envs, single.RescaleAction, min_action=LOW, max_action=HIGH),
    "VectorizeTransformReward": lambda envs: vector.VectorizeTransformReward(envs, single.ClipReward, min_reward=-1, max_reward=1),
    "DictInfoToList": vector.DictInfoToList,
    "TransformObservation": lambda envs: vector.TransformObservation(envs, lambda seen: seen / 5),
    "FilterObservation": "needs observations with names, a Dict or Tuple",
    "FlattenObservation": vector.FlattenObservation,
    "GrayscaleObservation": PICTURES,
    "ResizeObservation": PICTURES,
    "ReshapeObservation": lambda envs: vector.ReshapeObservation(envs, (2, envs.single_observation_space.shape[0] // 2)),
    "RescaleObservation": lambda envs: vector.RescaleObservation(envs, np.float32(-1), np.float32(1)),
    "DtypeObservation": lambda envs: vector.DtypeObservation(envs, np.float16),
    "NormalizeObservation": vector.NormalizeObservation,
    "TransformAction": lambda envs: vector.TransformAction(envs, lambda charges: charges / 2),
    "ClipAction": vector.ClipAction,
    "RescaleAction": lambda envs: vector.RescaleAction(envs, LOW, HIGH),
    "TransformReward": lambda envs: vector.TransformReward(envs, lambda rewards: rewards / 10),
    "ClipReward": lambda envs: vector.ClipReward(envs, -1.0, 1.0),
    "NormalizeReward": vector.NormalizeReward,
    "RecordEpisodeStatistics": vector.RecordEpisodeStatistics,
    "RecordVideo": NO_RENDERING,
    "HumanRendering": NO_RENDERING,
    "ArrayConversion": "needs an environment in another array library",
    "JaxToNumpy": "needs an environment in JAX",
    "JaxToTorch": "needs an environment in JAX",
    "NumpyToTorch": "needs array-api-compat",
}
NOT_SAME_STEP: Final = {AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED}
MODES: Final = {
    "NormalizeObservation": {AutoresetMode.NEXT_STEP},
    "TransformObservation": NOT_SAME_STEP,
    "VectorizeTransformObservation": NOT_SAME_STEP,
    "FlattenObservation": NOT_SAME_STEP,
    "ReshapeObservation": NOT_SAME_STEP,
    "RescaleObservation": NOT_SAME_STEP,
    "DtypeObservation": NOT_SAME_STEP,
}
"""The modes that Gymnasium's wrapper takes, where it refuses others itself."""
SB3: Final[dict[str, Make | str]] = {
    "VecCheckNan": lambda envs: sb3.VecCheckNan(envs, raise_exception=True),
    "VecExtractDictObs": "needs observations with names, a Dict",
    "VecFrameStack": lambda envs: sb3.VecFrameStack(envs, 2),
    "VecMonitor": sb3.VecMonitor,
    "VecNormalize": sb3.VecNormalize,
    "VecTransposeImage": PICTURES,
    "VecVideoRecorder": NO_RENDERING,
}
SINGLE_GAMES = {"day-ahead": DayAheadEnv, "hourly": HourlyEnv}
VECTOR_GAMES = {name: partial(PricingVectorEnv, env=name) for name in get_args(GameName)}


def seen_by(env: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = env.observation_space.shape
    return shape


def working(table: dict[str, Make | str]) -> list[Any]:
    return [pytest.param(make, id=name) for name, make in table.items() if not isinstance(make, str)]


def charge_in(space: Any) -> Any:
    """A fifth of the way up whatever the wrapper made of the action space."""
    if isinstance(space, spaces.Discrete):
        return 1
    low, high = np.nan_to_num(space.low, neginf=0.0), np.nan_to_num(space.high, posinf=1.0)  # ClipAction takes any number
    return (low + 0.2 * (high - low)).astype(space.dtype)


@pytest.mark.parametrize(("exported", "table"), [(single, SINGLE), (vector, VECTOR)])
def test_every_wrapper_that_gymnasium_exports_is_in_the_table(exported: Any, table: dict[str, Any]) -> None:
    assert set(table) == set(exported.__all__) - {"vector"}


def test_every_wrapper_that_stable_baselines3_exports_is_in_the_table() -> None:
    names = {name for name in sb3.__all__ if isinstance(getattr(sb3, name), type) and issubclass(getattr(sb3, name), sb3.VecEnvWrapper)}
    assert set(SB3) == names - {"VecEnvWrapper"}


@pytest.mark.filterwarnings("ignore:.*precision lowered by casting to float16")  # of DtypeObservation, as it was asked to
@pytest.mark.parametrize("game", SINGLE_GAMES)
@pytest.mark.parametrize("make", working(SINGLE))
def test_single_environments_play_two_episodes_within_the_wrapper(make: Make, game: str) -> None:
    env = make(SINGLE_GAMES[game](TINY, solver="structured", render_mode="rgb_array"))
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(24):
            _, reward, terminated, truncated, _ = env.step(charge_in(env.action_space))
            assert np.isfinite(np.asarray(reward, dtype=float))
            if terminated or truncated:
                break
        assert terminated or truncated
    if make is SINGLE["RenderCollection"] or make is SINGLE["AddWhiteNoise"]:
        assert np.asarray(env.render()).ndim >= 3
    env.close()


@pytest.mark.filterwarnings("ignore:.*precision lowered by casting to float16")
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("game", VECTOR_GAMES)
@pytest.mark.parametrize("name", [name for name, make in VECTOR.items() if not isinstance(make, str)])
def test_vector_environments_play_two_episodes_within_the_wrapper(name: str, game: str, mode: AutoresetMode) -> None:
    make: Any = VECTOR[name]
    if mode not in MODES.get(name, AutoresetMode):
        with pytest.raises(ValueError, match=r"Expected .*autoreset_mode.* to be .*NEXT_STEP"):
            make(VECTOR_GAMES[game](3, TINY, autoreset_mode=mode))
        return
    envs = make(VECTOR_GAMES[game](3, TINY, autoreset_mode=mode))
    envs.reset(seed=0)
    ends = 0
    for _ in range(51 if game == "hourly" else 4):
        seen, rewards, terminated, truncated, _ = envs.step(charge_in(envs.action_space))
        assert np.isfinite(np.asarray(rewards)).all()
        assert len(seen) == 3
        over = np.asarray(terminated) | np.asarray(truncated)
        ends += int(over.any())
        if over.any() and mode is AutoresetMode.DISABLED:
            envs.reset()
    assert ends >= 2
    envs.close()


@pytest.mark.parametrize("game", VECTOR_GAMES)
def test_normalised_observations_and_counted_episodes_are_those_of_gymnasiums_own_batch(game: str) -> None:
    def wrapped(envs: Any) -> Any:
        return vector.RecordEpisodeStatistics(vector.NormalizeReward(vector.NormalizeObservation(envs)))

    kind = SINGLE_GAMES[game]
    oracle = gymnasium.vector.SyncVectorEnv([lambda: kind(TINY, solver="structured")] * 3, autoreset_mode="NextStep")
    mine, theirs = wrapped(VECTOR_GAMES[game](3, TINY, autoreset_mode="NextStep")), wrapped(oracle)
    np.testing.assert_array_equal(mine.reset(seed=2)[0], theirs.reset(seed=2)[0])
    for step in range(52 if game == "hourly" else 6):
        charges = np.random.default_rng(step).uniform(0.0, 0.5, (3, 1))
        one, other = mine.step(charges), theirs.step(charges)
        for found, expected in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(found, expected)
        if "episode" in other[-1]:
            np.testing.assert_array_equal(one[-1]["episode"]["r"], other[-1]["episode"]["r"])


@pytest.mark.parametrize("base", ["rows", "singles"])
@pytest.mark.parametrize("game", VECTOR_GAMES)
@pytest.mark.parametrize("make", working(SB3))
def test_stable_baselines_wrappers_play_two_episodes(make: Make, game: str, base: str) -> None:
    def rows() -> VecEnv:
        if base == "rows":
            return GymnasiumVecEnv(VECTOR_GAMES[game](2, TINY), action_bounds=(0.0, 1.0))
        kind = SINGLE_GAMES[game]
        return DummyVecEnv([lambda: Monitor(single.RescaleAction(kind(TINY, solver="structured"), LOW, HIGH))] * 2)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*statistics will be")  # of VecMonitor around what tells them already
        envs = make(rows())
    envs.seed(0)
    envs.reset()
    episodes = []
    for _ in range(48 if game == "hourly" else 2):
        seen, rewards, dones, infos = envs.step(np.full((2, 1), -0.5, np.float32))
        assert np.isfinite(rewards).all()
        assert np.isfinite(seen).all()
        episodes += [info["episode"]["l"] for info, done in zip(infos, dones, strict=True) if done]
    assert episodes == [24 if game == "hourly" else 1] * 4
    envs.close()


@pytest.mark.parametrize("package", ["moviepy", "jax", "array_api_compat"])
def test_what_is_left_out_for_a_package_is_missing_here(package: str) -> None:
    assert importlib.util.find_spec(package) is None
