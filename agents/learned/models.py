"""Whole models as stable-baselines3 saves them, read only where the user trusts who wrote them.

``model.save()`` writes a ZIP archive whose ``data`` entry is JSON with pickled objects in it, and unpickling runs whatever code the pickle
names. What kind of model it is can be read from the words beside the pickles, so nothing of a stranger's file is unpickled before the user
has agreed.
"""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from ...envs.packages import research_package
from .normalised import ModelPolicy, Statistics, read_statistics, statistics_beside
from .sbx import actor_of_model, sbx_class
from .settings import SBX, SBX_ALGORITHMS

_BUILT_IN: Final[dict[str, type[BaseAlgorithm]]] = {"sac": SAC, "td3": TD3, "ppo": PPO}
_CONTRIBUTED: Final = {"tqc": "TQC", "crossq": "CrossQ"}
MODEL_NAMES: Final = (*_BUILT_IN, *_CONTRIBUTED)
"""Algorithms of stable-baselines3 and sb3-contrib whose models can be loaded; those of SBX can be as well."""

_log = logging.getLogger(__name__)


def load_model(
    path: Path, n_observed: int, *, cap: float, n_coefficients: int, trust: bool, vecnormalize: Path | None = None
) -> tuple[ModelPolicy, str]:
    """Return the leader in a model of stable-baselines3, sb3-contrib or SBX, and the name of its algorithm. This reads pickles.

    Args:
        path: Written by ``model.save``. The model acts either between −1 and 1, which stands for 0 to the cap, or in EUR/kWh from 0 to the
            cap, as the environment has it.
        n_observed: How many numbers the environment it will act in shows.
        cap: Greatest charge in EUR/kWh.
        n_coefficients: Number of charges it posts.
        trust: Whether its pickles, and those of its statistics, may be read.
        vecnormalize: Statistics that its observations are normalised with, written by ``VecNormalize.save``; where absent, the file that
            lies beside the model (:func:`.normalised.statistics_beside`).

    Raises:
        ValueError: If it is not trusted, is no such model, does not fit the environment, or learned from normalised observations and the
            statistics are not there.
    """
    if not trust:
        raise ValueError(
            f"{path} holds pickled objects, and reading them runs whatever code its author put there. If you trust whoever wrote it, pass "
            "--trust; better, ask for the policy as ONNX (`gridtoll export policy`), which is read without running any code."
        )
    name = _algorithm(path)
    try:
        model = _class(name).load(path, device="cpu")
    except Exception as error:  # noqa: BLE001 - a damaged archive, or one of other versions, raises anything
        raise ValueError(f"{path} must be a model that stable-baselines3 can load here, but it says: {error}") from None
    network = actor_of_model(model.policy, name) if name in SBX_ALGORITHMS else model.policy
    network.set_training_mode(False)
    actions, observed = network.action_space, network.observation_space
    scaled = spaces.Box(-1.0, 1.0, (n_coefficients,), np.float32)
    if observed.shape != (n_observed,) or actions not in (scaled, spaces.Box(0.0, cap, (n_coefficients,), np.float32)):
        raise ValueError(
            f"a model must observe {n_observed} numbers and post {n_coefficients} charges from -1 to 1 or from 0 to {cap} EUR/kWh, got "
            f"{path} with {observed} and {actions}."
        )
    statistics = _statistics_of(path, model, n_observed, vecnormalize)
    return ModelPolicy(network, cap, scaled=actions == scaled, statistics=statistics), name


def _statistics_of(path: Path, model: BaseAlgorithm, n_observed: int, given: Path | None) -> Statistics | None:
    """Return what a model's observations were normalised with.

    A model keeps observations from before and after ``VecNormalize``, which tells whether it learned behind one. Where that normalised only
    rewards, SAC's are equal and PPO's may be of other steps; its file then says that observations stay as they are.
    """
    last, original = model._last_obs, model._last_original_obs  # noqa: SLF001 - the only trace that VecNormalize leaves in a model
    was_normalised = original is not None and not np.array_equal(np.asarray(last), np.asarray(original))
    file = given or statistics_beside(path)
    if given is None and file is not None and last is not None and original is None:
        _log.warning("%s is left alone: %s did not learn behind a VecNormalize. Pass --vecnormalize to use it all the same.", file, path)
        return None
    if file is not None:
        return read_statistics(file, n_observed)
    if was_normalised:
        raise ValueError(
            f"{path} learned behind a VecNormalize, so it must be shown observations normalised with the same statistics, and there is no "
            "vecnormalize.pkl beside it. Save them with `VecNormalize.save`, and pass --vecnormalize FILE or put the file beside the model."
        )
    return None


def _algorithm(path: Path) -> str:
    """Return which algorithm saved a model, from the module of its policy; nothing is unpickled.

    Raises:
        ValueError: If it is no model, or of an algorithm not known.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            data: dict[str, Any] = json.loads(archive.read("data"))
        module = str(data["policy_class"]["__module__"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a .zip file must be a model saved by stable-baselines3, got {path}, which cannot be read: {error}.") from None
    name = module.removesuffix(".policies").rpartition(".")[2]
    if name == "common" and "n_epochs" in data:  # A2C shares its policy with PPO, but has no epochs
        name = "ppo"
    if module.startswith("sbx."):
        name = SBX + name
    if name not in (known := (*MODEL_NAMES, *SBX_ALGORITHMS)):
        raise ValueError(f"a model must be of one of {', '.join(known)}, got {path} with a policy of {module}.")
    return name


def _class(name: str) -> type[BaseAlgorithm]:
    if name in SBX_ALGORITHMS:
        return sbx_class(name)
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    contributed = research_package("sb3_contrib", f"a model of {name}")
    return cast(type[BaseAlgorithm], getattr(contributed, _CONTRIBUTED[name]))
