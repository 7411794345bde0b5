"""What is typed into the page: read, or refused in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from ....envs.arrays import Array
from ....envs.community.calendar import Scenario
from ....envs.games.setting import Setting
from ....envs.games.spec import GameSpec
from ....envs.written import charges_from, number, whole_number
from ...ground.flags import with_flags
from .played import spread
from .problem import Problem

FLAGS: Final[Mapping[str, str]] = {name: f"--{name.replace('_', '-')}" for name in ("day", "price_path", "charge_cap", "import_fee")}
"""What `gridtoll clear` calls the parameters that errors of the page name."""


def read_charge(text: str, setting: Setting) -> Array:
    """Return the charge that a text is, γ in EUR/kWh, shape (K,): one number for all coefficients, or one each, separated by commas.

    Raises:
        ValueError: If it is none, or cannot be posted.
    """
    charge = spread(np.array(charges_from(text)), setting.n_charges)
    setting.read(charge)
    return charge


def read_scenario(day: str, price_path: str, setting: Setting) -> Scenario:
    """Return the day under its prices that two texts name.

    Raises:
        ValueError: If one is no whole number, or there is no such day or price path.
    """
    read = {}
    for name, text in (("day", day), ("price_path", price_path)):
        try:
            read[name] = whole_number(text)
        except ValueError as error:
            raise ValueError(f"argument {FLAGS[name]}: {error}") from None
    return setting.told_scenario(**read)


def read_fee(text: str) -> float:
    """Return the import fee that a text is, EUR/kWh.

    Raises:
        ValueError: If it is no number.
    """
    try:
        return number(text)
    except ValueError as error:
        raise ValueError(f"argument {FLAGS['import_fee']}: {error}") from None


def in_words(error: Exception) -> str:
    """Return an error as the command line words it."""
    return with_flags(str(error) or type(error).__name__, FLAGS)


def opening(spec: GameSpec, scenario: Scenario, charge: float | None) -> tuple[Problem, float]:
    """Return the day a page begins with, and its charge in EUR/kWh, a fifth of the cap where none is given.

    Raises:
        ValueError: If there is no such day, or the charge cannot be posted.
    """
    problem = Problem(spec=spec, scenario=scenario)
    setting = problem.setting
    setting.told_scenario(**scenario._asdict())
    level = 0.2 * setting.charge_cap if charge is None else charge
    setting.read(np.full(setting.n_charges, level))
    return problem, level
