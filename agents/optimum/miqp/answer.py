"""What a solver of the single-level program gives back, whichever solver it was."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal

import numpy as np

from ....envs.community.day import Array
from ....envs.market.exact.market_data import IntArray
from .program import MixedIntegerProgram

Status = Literal["optimal", "time limit"]


class MiqpError(RuntimeError):
    """The single-level program could not be solved, or what the solver found is contradicted by the clearing at its charges."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MiqpAnswer:
    """A solver's answer, in the program's own units.

    Attributes:
        status: ``"optimal"`` where the solver closed its gap.
        x: The best point found, shape (n,).
        value: Its objective by the solver's account.
        bound: No feasible point has a greater objective, up to the solver's tolerances.
        nodes: Nodes of the search tree.
        solver: Name and version.
    """

    status: Status
    x: Array
    value: float
    bound: float
    nodes: int
    solver: str


def optional_package(name: str) -> ModuleType:
    """Import a solver's package.

    Raises:
        ImportError: If it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        extra = ".[miqp]" if name == "pyscipopt" else name
        raise ImportError(
            f"the single-level program needs the package `{name}`, which cannot be imported here ({error}). "
            f'In your clone of gridtoll, run `pip install "{extra}"`.',
            name=name,
        ) from error


def quadratic_parts(program: MixedIntegerProgram) -> list[IntArray]:
    """Return the columns of the quadratic terms, period by period, for solvers whose objective must be linear.

    Each array holds the indices of one period's columns, shape (columns,); periods without a quadratic term are left out.

    One bound for each period keeps the hours of a day without storage separable. One for all periods, and one for each term, were
    measured too: neither was faster.
    """
    columns = np.flatnonzero(program.quadratic)
    return [columns[program.part[columns] == part] for part in np.unique(program.part[columns])]
