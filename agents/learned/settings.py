"""How leaders learn: the settings of every algorithm, and what they are in each game unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from ...envs.errors import known_name
from ...envs.games.spec import GameName

ALGORITHM_NAMES: Final = ("sac", "ppo", "td3", "tqc", "crossq")
"""Every algorithm of both games."""
HOURLY_ALGORITHMS: Final = (*ALGORITHM_NAMES, "recurrent-ppo")
"""Every algorithm of the hourly game."""
SBX: Final = "sbx-"
"""What the names of SBX's algorithms begin with: stable-baselines3's in JAX."""
SBX_ALGORITHMS: Final = tuple(SBX + name for name in ALGORITHM_NAMES)
"""Every algorithm of SBX, in both games."""
LEARNER_NAMES: Final = (*HOURLY_ALGORITHMS, *SBX_ALGORITHMS)
"""Every algorithm that :func:`make_learner` knows."""

Sees = Literal["day", "everything"]


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """How a leader learns.

    Attributes:
        algorithm: ``"sac"``, ``"ppo"`` or ``"td3"``; ``"tqc"``, ``"crossq"`` or the hourly game's ``"recurrent-ppo"``, which need
            sb3-contrib; or one of both games in JAX, such as ``"sbx-sac"``, which needs SBX.
        sees: ``"day"`` for features of the day, charges in its unit on a logarithmic scale and rewards over its guessed worth; where more
            than one charge is posted, over the day or in it, or no public fields are observed, it stands for ``"everything"``: observations
            as they are, charges in EUR/kWh on a linear scale.
        hidden: Units of each hidden layer, of actor and critics alike; with a memory those after the LSTM, whose state has as many numbers
            as the first.
        learning_rate: Of Adam.
        batch_size: Days, or hours, in one gradient step.
        updates: Gradient steps after each step of the days played side by side (all but PPO); epochs over each rollout (PPO).
        warmup_days: Days played with random charges before learning begins (all but PPO); days in a rollout (PPO).
        exploration: Standard deviation of the noise added to the acting policy's charges (TD3), or initial standard deviation of the policy
            (PPO), in the learner's unit: half a cap, or 2.9 of the charge's logarithm; the others find their own.
        discount: Of the next hour's value, in the hourly game; a day of one step has none.
    """

    algorithm: str = "sac"
    sees: Sees = "day"
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 2e-3
    batch_size: int = 256
    updates: int = 6
    warmup_days: int = 600
    exploration: float = 0.1
    discount: float = 1.0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If the algorithm or what it sees is unknown or a number is not positive; all such numbers are named.
        """
        known_name("algorithm", self.algorithm, LEARNER_NAMES)
        known_name("`sees`", self.sees, get_args(Sees))
        numbers = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "updates", "warmup_days", "exploration")}
        numbers |= {f"hidden[{place}]": units for place, units in enumerate(self.hidden)}
        bad = [f"`{name}` {value}" for name, value in numbers.items() if not value > 0]
        if bad:
            raise ValueError(f"settings of a learner must be > 0, got {', '.join(bad)}.")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"`discount` must lie between 0 and 1, got {self.discount}.")
        if self.has_memory and not self.hidden:
            raise ValueError("`hidden` must name at least one layer, since the memory is as large as the first, got none.")

    @property
    def kind(self) -> str:
        """The algorithm's name without its family's: ``"sac"`` for ``"sbx-sac"`` too."""
        return self.algorithm.removeprefix(SBX)

    @property
    def is_sbx(self) -> bool:
        """Whether it learns in JAX."""
        return self.algorithm.startswith(SBX)

    @property
    def is_off_policy(self) -> bool:
        """Whether it learns from what it remembers of all days, and not only from the latest."""
        return self.kind not in ("ppo", "recurrent-ppo")

    @property
    def has_memory(self) -> bool:
        """Whether what it charges depends on what it saw before."""
        return self.algorithm == "recurrent-ppo"


DEFAULTS: Final[dict[str, LearnerSettings]] = {
    "sac": LearnerSettings(algorithm="sac"),
    "td3": LearnerSettings(algorithm="td3", learning_rate=1e-3, batch_size=128),
    "tqc": LearnerSettings(algorithm="tqc", updates=4),
    "crossq": LearnerSettings(algorithm="crossq", learning_rate=1e-3, updates=4),
    "ppo": LearnerSettings(algorithm="ppo", learning_rate=1e-3, batch_size=25, updates=20, warmup_days=200, exploration=0.3),
}
"""Settings of each algorithm in the day-ahead game unless told otherwise."""
_OF_HOURS: Final = LearnerSettings(sees="everything", hidden=(128, 128), learning_rate=1e-3, updates=4, warmup_days=100, exploration=0.4)
_PPO_OF_HOURS: Final = replace(_OF_HOURS, algorithm="ppo", hidden=(64, 64), batch_size=192, updates=10, warmup_days=32)
HOURLY_DEFAULTS: Final[dict[str, LearnerSettings]] = {
    "sac": _OF_HOURS,
    "ppo": _PPO_OF_HOURS,
    "td3": replace(_OF_HOURS, algorithm="td3", exploration=0.1),
    "tqc": replace(_OF_HOURS, algorithm="tqc"),
    "crossq": replace(_OF_HOURS, algorithm="crossq"),
    "recurrent-ppo": replace(_PPO_OF_HOURS, algorithm="recurrent-ppo", hidden=(64,), updates=8),
}
"""Settings of each algorithm in the hourly game unless told otherwise; TD3, TQC and CrossQ have SAC's, which nobody tuned for them."""
DEFAULTS_OF: Final[dict[GameName, dict[str, LearnerSettings]]] = {"day-ahead": DEFAULTS, "hourly": HOURLY_DEFAULTS}
"""Settings of each algorithm by game."""


def default_settings(algorithm: str, env: GameName) -> LearnerSettings:
    """Return the settings of an algorithm unless told otherwise; those of SBX have the ones of stable-baselines3.

    Raises:
        ValueError: If a game has no such algorithm.
    """
    if algorithm == "recurrent-ppo" and env == "day-ahead":
        raise ValueError("`algorithm` recurrent-ppo must go with `env` hourly: a day of one step leaves nothing to remember.")
    known = DEFAULTS_OF[env]
    known_name("algorithm", algorithm, [*known, *SBX_ALGORITHMS])
    return replace(known[algorithm.removeprefix(SBX)], algorithm=algorithm)
