"""Whole models as stable-baselines3 saves them, read only where the user trusts who wrote them.

``model.save()`` writes a ZIP archive whose ``data`` entry is JSON with pickled objects in it, and unpickling runs whatever code the pickle
names. What kind of model it is can be read from the words beside the pickles, so nothing of a stranger's file is unpickled before the user
has agreed.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm

from .learned import LearnedPolicy
from .packages import research_package
from .policy import Policy

_BUILT_IN: Final[dict[str, type[BaseAlgorithm]]] = {"sac": SAC, "td3": TD3, "ppo": PPO}
_CONTRIBUTED: Final = {"tqc": "TQC", "crossq": "CrossQ"}
MODEL_NAMES: Final = (*_BUILT_IN, *_CONTRIBUTED)
"""Algorithms whose models can be loaded."""


def load_model(path: Path, n_observed: int, *, cap: float, n_coefficients: int, trust: bool) -> tuple[Policy, str]:
    """Return the leader in a model of stable-baselines3 or sb3-contrib, and the name of its algorithm. This reads pickles.

    Args:
        path: Written by ``model.save``. The model acts either between −1 and 1, which stands for 0 to the cap, or in EUR/kWh from 0 to the
            cap, as the environment has it.
        n_observed: How many numbers the environment it will act in shows.
        cap: Greatest charge in EUR/kWh.
        n_coefficients: Number of charges it posts.
        trust: Whether its pickles may be read.

    Raises:
        ValueError: If it is not trusted, is no such model, or does not fit the environment.
    """
    if not trust:
        raise ValueError(
            f"{path} holds pickled objects, and reading them runs whatever code its author put there. If you trust whoever wrote it, pass "
            "--trust; better, ask for the policy as ONNX (`gridtoll export policy`), which is read without running any code."
        )
    name = _algorithm(path)
    network = _class(name).load(path, device="cpu").policy
    network.set_training_mode(False)
    actions, observed = network.action_space, network.observation_space
    scaled = spaces.Box(-1.0, 1.0, (n_coefficients,), np.float32)
    if observed.shape != (n_observed,) or actions not in (scaled, spaces.Box(0.0, cap, (n_coefficients,), np.float32)):
        raise ValueError(
            f"a model must observe {n_observed} numbers and post {n_coefficients} charges from -1 to 1 or from 0 to {cap} EUR/kWh, got "
            f"{path} with {observed} and {actions}."
        )
    return (LearnedPolicy(network, cap) if actions == scaled else cast(Policy, network)), name


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
    if name not in MODEL_NAMES:
        raise ValueError(f"a model must be of one of {', '.join(MODEL_NAMES)}, got {path} with a policy of {module}.")
    return name


def _class(name: str) -> type[BaseAlgorithm]:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    contributed = research_package("sb3_contrib", f"a model of {name}")
    return cast(type[BaseAlgorithm], getattr(contributed, _CONTRIBUTED[name]))
