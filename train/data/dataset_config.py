"""What a dataset for offline learning is made of, and what it is called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...envs.errors import unknown_name
from ...envs.games.spec import GameSpec

DATASET_SPLITS: Final = ("train", "validation")


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """What a dataset is made of.

    Attributes:
        task: The game.
        behaviours: Leaders, as ``gridtoll evaluate`` names them; where there are several, each day is played by one of them, drawn.
        name: How the dataset calls them in its id; their own name where absent, ``mixture`` for several.
        split: Whose days, ``"train"`` or ``"validation"``.
        episodes: How many days, drawn in shuffled passes over the split; one pass where absent.
        noise: Standard deviation in EUR/kWh of what is added to each charge, which then is cut off at 0 and the cap.
        seed: Of the order of days, of which behaviour plays, of noise, and of random charges.
    """

    task: GameSpec
    behaviours: tuple[str, ...] = ("random",)
    name: str | None = None
    split: str = "train"
    episodes: int | None = None
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If one cannot be.
        """
        if self.split not in DATASET_SPLITS:
            raise unknown_name("the split of a dataset to learn from", self.split, DATASET_SPLITS)
        if self.task.days != 1:
            raise ValueError(f"an episode of a dataset must be one day, got `days` {self.task.days}.")
        if not self.behaviours or not self.noise >= 0 or (self.episodes is not None and self.episodes < 1):
            raise ValueError(
                "a dataset needs at least one behaviour, `noise` of at least 0 and `episodes` of at least 1, got "
                f"{len(self.behaviours)}, {self.noise} and {self.episodes}."
            )

    @property
    def namespace(self) -> str:
        """Where Minari lists datasets of the game, ``gridtoll/day-ahead`` or ``gridtoll/hourly``."""
        return f"gridtoll/{self.task.env}"

    @property
    def dataset_id(self) -> str:
        """Minari's name of the dataset, such as ``gridtoll/day-ahead/simbench-rural-public-random-v0``."""
        single = _behaviour_name(self.behaviours[0]) if len(self.behaviours) == 1 else "mixture"
        parts = [Path(self.task.community).name, self.task.information, self.name or single]
        parts += [] if self.split == "train" else [self.split]
        return f"{self.namespace}/{re.sub(r'[^-_0-9A-Za-z]+', '-', '-'.join(parts)).strip('-')}-v0"


def _behaviour_name(text: str) -> str:
    """Return what a leader is called without its folder, and without the ending where it is a file; ``constant:0.3`` has none."""
    path = Path(text)
    return path.stem if path.suffix.lower() in {".onnx", ".zip"} else path.name
