"""The game that a learned leader was trained on, read from its run folder or ONNX file."""

from __future__ import annotations

from pathlib import Path

from ...agents.learned.onnx_policy import OnnxPolicy
from ...envs.games.spec import GameSpec
from ..ground.config import TrainConfig
from ..ground.runs import RunFolder
from .onnx_files import task_of


def trained_game(path: Path | None) -> GameSpec | None:
    """Return the game a run folder or an ONNX file was trained on, None for leaders that are not trained, or do not say.

    Raises:
        ValueError: If a folder holds no run, or a file cannot be read.
    """
    if path is None:
        return None
    if path.suffix.lower() == ".onnx" and path.is_file():
        return task_of(OnnxPolicy(path))
    return TrainConfig.of(RunFolder.open(path)).task if path.is_dir() else None
