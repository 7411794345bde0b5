"""Which settings of an algorithm are tried, read from a TOML file.

One table for each setting, with the ends of its range or a list of choices::

    [learning_rate]
    low = 1e-4
    high = 1e-2
    log = true

    [hidden]
    choices = [[64, 64], [128, 128]]

Whole-numbered ends make a whole-numbered setting. Settings without a table stay as they are.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from ...agents.learned.settings import SBX
from ...envs.errors import unknown_name
from ...envs.games.spec import GameName
from ...envs.written import not_finite, read_text

SPACES: Final = Path(__file__).parent / "spaces"
"""Where the spaces that come with the package are, one file for each algorithm; those of the hourly game in a folder of their own."""


class Trial(Protocol):
    """What of Optuna's trials is used here."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number to try."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number to try."""
        ...

    def suggest_categorical(self, name: str, choices: list[str]) -> Any:
        """Return a choice to try."""
        ...


@dataclass(frozen=True)
class Range:
    """Every number between two ends.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether equal ratios count alike, instead of equal differences.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Check the ends.

        Raises:
            ValueError: If they are not in order, or not positive where ratios count.
        """
        if not self.low < self.high or (self.log and not self.low > 0):
            raise ValueError(f"a range must have low < high, and low > 0 where log = true, got {self.low} to {self.high}.")

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that stand for all: if a trial can have these, it can have those between."""
        return (self.low, self.high)

    def at_most(self, limit: float) -> Range | None:
        """Return the part of the range up to a limit, None where that is not a range."""
        high = min(self.high, limit)
        return replace(self, high=high) if self.low < high else None

    def suggest(self, trial: Trial, name: str) -> float:
        """Return the number a trial is to try."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def stored(self, value: Any) -> Any:
        """Return a value in the form in which Optuna stores it.

        Raises:
            ValueError: If the range does not hold it.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(f"a value must be within {self.low} to {self.high}, got {value!r}.")
        return value


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        choices: The values; each can be written as JSON.
    """

    choices: tuple[Any, ...]

    def __post_init__(self) -> None:
        """Check that there is a choice.

        Raises:
            ValueError: If there are fewer than two values.
        """
        if len(self.choices) < 2:
            raise ValueError(f"a choice must be among at least two values, got {list(self.choices)}.")

    @property
    def ends(self) -> tuple[Any, ...]:
        """All values."""
        return self.choices

    def at_most(self, limit: float) -> Choice | None:
        """Return the choice among the numbers up to a limit, None where there are not two."""
        kept = tuple(value for value in self.choices if not isinstance(value, int | float) or value <= limit)
        return Choice(kept) if len(kept) > 1 else None

    def suggest(self, trial: Trial, name: str) -> Any:
        """Return the value a trial is to try; what Optuna stores is its JSON, since lists are no choices there."""
        return json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in self.choices]))

    def stored(self, value: Any) -> str:
        """Return a value in the form in which Optuna stores it.

        Raises:
            ValueError: If it is not among the choices.
        """
        text = json.dumps(value)
        if text not in [json.dumps(choice) for choice in self.choices]:
            raise ValueError(f"a value must be one of {list(self.choices)}, got {value!r}.")
        return text


@dataclass(frozen=True)
class Space:
    """The settings that are tried.

    Attributes:
        parameters: What each of them may be.
    """

    parameters: Mapping[str, Range | Choice]

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Return the settings a trial is to try."""
        return {name: parameter.suggest(trial, name) for name, parameter in self.parameters.items()}

    def stored(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings in the form in which Optuna stores them; those not of this space are left out.

        Raises:
            ValueError: If one of the space is missing, or the space does not hold it.
        """
        missing = [name for name in self.parameters if name not in settings]
        if missing:
            raise ValueError(f"settings of a space must have all its names, got none for {', '.join(missing)}.")
        return {name: parameter.stored(settings[name]) for name, parameter in self.parameters.items()}


def read_space(path: Path) -> Space:
    """Read a space.

    Raises:
        ValueError: If the file is not there, is no TOML, or holds a table that is neither a range nor a choice.
    """
    if not path.is_file():
        raise ValueError(f"a space of settings must be a TOML file, got {path}, which is not there.")
    try:
        tables = tomllib.loads(read_text(path))
    except ValueError as error:  # tomllib's own is one
        raise ValueError(f"a space of settings must be a TOML file, but {path} is not: {str(error).removesuffix('.')}.") from None
    if not_finite(tables):
        raise ValueError(f"numbers of a space must be finite, got {', '.join(not_finite(tables))} in {path}.")
    if not tables:
        raise ValueError(f"a space of settings must name at least one setting, got none in {path}.")
    return Space({name: _parameter(f"[{name}] in {path}", table) for name, table in tables.items()})


def shipped_space(algorithm: str, env: GameName = "day-ahead") -> Space:
    """Return the space that comes with the package for an algorithm in a game; SBX's are tuned in those of stable-baselines3.

    Raises:
        ValueError: If there is none.
    """
    folder = SPACES / "hourly" if env == "hourly" else SPACES
    known = sorted(file.stem for file in folder.glob("*.toml"))
    if (kind := algorithm.removeprefix(SBX)) not in known:
        raise ValueError(
            f"{unknown_name(f'an algorithm with a space of its own in the {env} game', algorithm, known)} Give one with --space FILE."
        )
    return read_space(folder / f"{kind}.toml")


def _parameter(where: str, table: Any) -> Range | Choice:
    keys = set(table) if isinstance(table, dict) else set()
    try:
        if keys == {"choices"}:
            return Choice(tuple(table["choices"]))
        if {"low", "high"} <= keys <= {"low", "high", "log"}:
            return Range(table["low"], table["high"], bool(table.get("log", False)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
    raise ValueError(f"{where} must hold either `low` and `high` (and perhaps `log`), or `choices`, got {table!r}.")
