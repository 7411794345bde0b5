"""What the batched environments share: how seeds, options, masks and charges reach rows, and how `info` of rows is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from ..account.tariff import Tariff
from ..community.day import Array
from ..errors import unknown_name

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
    """Return which rows an option ``reset_mask`` names, all of them where it is None.

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


def read_rows(
    tariff: Tariff, actions: ArrayLike, num_envs: int, n_periods: int, cap: float, *, rows: Iterable[int] | None = None
) -> list[Array]:
    """Return actions as validated coefficients, an array of shape (T, K) for each row, naming every row that cannot be read.

    Args:
        tariff: What is priced.
        actions: Of all rows, shape (num_envs, …).
        num_envs: Number of rows.
        n_periods: T.
        cap: Greatest charge.
        rows: Those that are read; the others' actions are ignored. All where absent.

    Raises:
        ValueError: If the actions have the wrong shape, or a row is not a number, negative or above the cap.
    """
    wanted = (num_envs, tariff.n_coefficients(n_periods))
    try:
        values = np.asarray(actions, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"charges must be an array of numbers in EUR/kWh of shape {wanted}, got {actions!r}.") from None
    if values.shape != wanted:
        raise ValueError(f"charges must have shape {wanted}, a row for each day, got {values.shape}.")
    coefficients, faults = [], []
    for row in range(num_envs) if rows is None else rows:
        try:
            coefficients.append(tariff.read(values[row], n_periods, cap))
        except ValueError as error:
            faults.append(f"  - row {row}: {error}")
    if faults:
        raise ValueError("charges of every row must be postable:\n" + "\n".join(faults))
    return coefficients


def by_key(values: Mapping[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return `info` in the vector format: each value with an entry for every row, and beside it which rows have one.

    Args:
        values: Arrays with an axis of the rows in the mask in front, or dictionaries in the vector format already.
        mask: Which rows have values; others are left 0 or None.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        result[name], result[f"_{name}"] = value if mask.all() else _with_gaps(value, mask), mask.copy()
    return result


def as_objects(rows: NDArray[Any]) -> NDArray[np.object_]:
    """Return rows as objects, the form of ``final_obs``."""
    objects = np.empty(len(rows), dtype=object)
    for row, values in enumerate(rows):
        objects[row] = values
    return objects


def as_array(values: Sequence[Any]) -> NDArray[Any]:
    """Return values of one type as an array: numbers as numbers, words as objects."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)


def _with_gaps(value: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    shape = (len(mask), *value.shape[1:])
    full = np.full(shape, None) if value.dtype == object else np.zeros(shape, value.dtype)
    full[mask] = value
    return full
