"""What the batched environments share: how seeds, options, masks and charges reach rows, and how `info` of rows is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from ..community.day import Array
from ..errors import unknown_name
from ..games.game import Game, GameState
from ..games.setting import Setting
from ..games.transition import as_array

Infos = dict[str, Any]
InfosOfRows = tuple[Sequence[int], Infos]
"""Rows, and what `info` says of them: arrays with an axis of these rows in front."""
S = TypeVar("S", bound=GameState)

AUTORESET_MODES: Final = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED)


def read_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """Return the mode that was named.

    Raises:
        ValueError: If it is none of ``AUTORESET_MODES``.
    """
    for known in AUTORESET_MODES:
        if mode in (known, known.value):
            return known
    raise unknown_name("`autoreset_mode`", str(getattr(mode, "value", mode)), [known.value for known in AUTORESET_MODES])


class RowGenerators:
    """The random generator of each row, seeded by ``reset``.

    Args:
        num_envs: Number of rows; each begins with a seed of its own.
    """

    def __init__(self, num_envs: int) -> None:
        drawn = [seeding.np_random() for _ in range(num_envs)]
        self._generators, self._seeds = [generator for generator, _ in drawn], [seed for _, seed in drawn]

    def __getitem__(self, row: int) -> np.random.Generator:
        return self._generators[row]

    @property
    def generators(self) -> tuple[np.random.Generator, ...]:
        """Those of all rows."""
        return tuple(self._generators)

    @property
    def seeds(self) -> tuple[int, ...]:
        """What they were last seeded with."""
        return tuple(self._seeds)

    def reset(self, seed: int | Sequence[int | None] | None, options: Mapping[str, Any] | None) -> dict[int, dict[str, Any]]:
        """Seed the rows that are to be reset.

        Args:
            seed: As :func:`seeds_of` takes it.
            options: Of ``reset``, with or without a ``reset_mask``.

        Returns:
            The other options of each row that is reset.

        Raises:
            ValueError: If a seed, the mask or an option has the wrong shape; no generator is changed then.
        """
        told, num_envs = dict(options or {}), len(self._seeds)
        mask = mask_of(told.pop("reset_mask", None), num_envs)
        seeds, every = seeds_of(seed, num_envs), options_of(told, num_envs)
        rows = np.flatnonzero(mask).tolist()
        for row in rows:
            if seeds[row] is not None:
                self._generators[row], self._seeds[row] = seeding.np_random(seeds[row])
        return {row: every[row] for row in rows}


def seeds_of(seed: int | Sequence[int | None] | None, num_envs: int) -> list[int | None]:
    """Return the seed of each row: ``seed + k`` for row k, or the k-th of a sequence; None where a generator stays as it is.

    Raises:
        ValueError: If a sequence has not one seed for each row.
    """
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, int | np.integer):
        return [int(seed) + row for row in range(num_envs)]
    seeds = list(seed)
    if len(seeds) != num_envs:
        raise ValueError(f"`seed` must be one number or one for each of the {num_envs} rows, got {len(seeds)}.")
    return seeds


def mask_of(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    """Return which rows an option ``reset_mask`` names, shape (num_envs,), all of them where it is None.

    Raises:
        ValueError: If it is no boolean array with an entry for each row, one of them True.
    """
    if mask is None:
        return np.ones(num_envs, dtype=np.bool_)
    given = np.asarray(mask)
    if given.shape != (num_envs,) or given.dtype != np.bool_ or not given.any():
        raise ValueError(f"option `reset_mask` must be a boolean array of shape ({num_envs},) with at least one True, got {mask!r}.")
    return given


def options_of(told: Mapping[str, Any], num_envs: int) -> list[dict[str, Any]]:
    """Return the options of each row: single values are everybody's, arrays hold one value for each row.

    Raises:
        ValueError: If an array has not one value for each row.
    """
    for name, value in told.items():
        if np.shape(value) not in ((), (num_envs,)):
            raise ValueError(f"option `{name}` of `reset` must be one number or one for each of the {num_envs} rows, got {value!r}.")
    return [{name: value[row] if np.ndim(value) else value for name, value in told.items()} for row in range(num_envs)]


def read_rows(setting: Setting, actions: ArrayLike, num_envs: int, *, rows: Iterable[int]) -> list[Array]:
    """Return actions as validated coefficients, an array of shape (T, K) for each of some rows, naming every one that cannot be read.

    Args:
        setting: What is priced.
        actions: Of all rows, shape (num_envs, coefficients).
        num_envs: Number of rows.
        rows: Those that are read; the others' actions are ignored.

    Raises:
        ValueError: If the actions have the wrong shape, or a row is not a number, negative or above the cap.
    """
    wanted = (num_envs, setting.n_charges)
    try:
        values = np.asarray(actions, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"charges must be an array of numbers in EUR/kWh of shape {wanted}, got {actions!r}.") from None
    if values.shape != wanted:
        raise ValueError(f"charges must have shape {wanted}, a row for each day, got {values.shape}.")
    coefficients, faults = [], []
    for row in rows:
        try:
            coefficients.append(setting.read(values[row]))
        except ValueError as error:
            faults.append(f"  - row {row}: {error}")
    if faults:
        raise ValueError("every row must be given charges that can be posted:\n" + "\n".join(faults))
    return coefficients


def of_states(game: Game[S], states: Sequence[S], after: Sequence[S]) -> Infos:
    """Return what `info` says of steps from states to those after, as arrays with an axis of the states in front."""
    infos = [game.info(*each) for each in zip(states, after, strict=True)]
    return {name: as_array([info[name] for info in infos]) for name in infos[0]}


def in_rows(parts: Iterable[InfosOfRows], num_envs: int) -> Infos:
    """Return `info` in the vector format: each value with an entry for every row, and beside it which rows have one.

    Args:
        parts: What is said of which rows: arrays with an axis of these rows in front. Other rows are left 0 or None.
        num_envs: Number of rows.
    """
    result: Infos = {}
    for rows, values in parts:
        mask = np.isin(np.arange(num_envs), rows)
        for name, value in values.items():
            if mask.all():
                result[name], result[f"_{name}"] = value, mask.copy()
                continue
            empty = (
                np.full((num_envs, *value.shape[1:]), None)
                if value.dtype == object
                else np.zeros((num_envs, *value.shape[1:]), value.dtype)
            )
            full = result.setdefault(name, empty)
            full[rows] = value
            result[f"_{name}"] = result.get(f"_{name}", False) | mask
    return result


def parted(part: InfosOfRows, chosen: Sequence[int]) -> tuple[InfosOfRows, list[InfosOfRows]]:
    """Return what is said of chosen rows, and of the others if there are any."""
    rows, values = part
    if len(chosen) == len(rows):
        return part, []
    inside = np.isin(rows, chosen)
    others = [row for row in rows if row not in chosen]
    return (list(chosen), {name: value[inside] for name, value in values.items()}), [
        (others, {name: value[~inside] for name, value in values.items()})
    ]


def final_infos(observations: NDArray[Any], final: InfosOfRows, num_envs: int) -> Infos:
    """Return ``final_obs`` and ``final_info``: the last observation and `info` of rows that begin anew in the step that ended them.

    Args:
        observations: The last observation of every row, shape (num_envs, size).
        final: Which rows begin anew, and the `info` of their last step.
        num_envs: Number of rows.
    """
    rows, _ = final
    infos = in_rows([(rows, {"final_obs": as_objects(observations[rows])})], num_envs)
    return infos | {"final_info": in_rows([final], num_envs), "_final_info": infos["_final_obs"].copy()}


def as_objects(rows: NDArray[Any]) -> NDArray[np.object_]:
    """Return rows of a table, shape (R, size), as R objects, shape (R,): the form of ``final_obs``."""
    objects = np.empty(len(rows), dtype=object)
    for row, values in enumerate(rows):
        objects[row] = values
    return objects
