"""The single-level program in SCIP, through PySCIPOpt.

SCIP wants a linear objective, so each period's quadratic cost is a variable bounded from below by it. Complementarity is SOS1, on which
SCIP branches. Tried and left out: pairs that follow from the others (imports against exports, trades to and fro, both multipliers of one
variable) made it up to five times slower, and bounds on the multipliers no faster. A start does help: without one SCIP often spent its
time without finding any feasible point, with one 40 s and no proof became a proof in 5 s.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from ....envs.community.day import Array
from .answer import MiqpAnswer, MiqpError, Status, optional_package, quadratic_parts
from .program import MixedIntegerProgram

_NOTICE = b"to small value"
"""In the line by which the linear solver says that it keeps 1e-10 where SCIP, solving again, asks for a thousandth of its tolerance."""

FEASIBILITY = 1e-9
"""SCIP's tolerance for rows, bounds and pairs, in a program whose numbers are near 1. At its default of 1e-6 the objective is off by as
much as the gap asked for; at 1e-7 it was off by 2e-7 EUR of 0.2."""


def solve_with_scip(
    program: MixedIntegerProgram, *, time_limit_s: float, relative_gap: float, absolute_gap: float, start: Array
) -> MiqpAnswer:
    """Maximise the program.

    Args:
        program: What to solve.
        time_limit_s: When to stop with what there is, in seconds of wall time.
        relative_gap: Relative gap at which to stop.
        absolute_gap: Gap in the program's own units at which to stop.
        start: A feasible point, shape (n,).

    Raises:
        ImportError: If PySCIPOpt is not installed.
        MiqpError: If SCIP ends otherwise than with a proof or at its time limit.
    """
    scip = optional_package("pyscipopt")
    model = scip.Model()
    model.hideOutput()
    columns = _columns(model, program)
    _rows(model, scip, columns, program.rows, program.right, equal=True)
    _rows(model, scip, columns, program.inequalities, program.limit, equal=False)
    for one, other in program.pairs:
        model.addConsSOS1([columns[one], columns[other]])
    costs = _objective(model, scip, columns, program)
    _offer(model, columns, costs, program, start)
    settings = {
        "limits/time": time_limit_s,
        "limits/gap": relative_gap,
        "limits/absgap": absolute_gap,
        "numerics/feastol": FEASIBILITY,
        "numerics/dualfeastol": FEASIBILITY,  # at its default, 1e-7, objectives were off by 3e-8 EUR of 1
    }
    for name, value in settings.items():
        model.setParam(name, value)
    with _without_notices():
        model.optimize()
    status = _status(model.getStatus())
    if model.getNSols() == 0:
        raise MiqpError("SCIP must keep the clearing it was started from, and ended without any point; please report this day.")
    best = model.getBestSol()
    return MiqpAnswer(
        status=status,
        x=np.array([model.getSolVal(best, column) for column in columns]),
        value=float(model.getPrimalbound()),
        bound=float(model.getDualbound()),
        nodes=int(model.getNTotalNodes()),
        solver=f"SCIP {model.version():.1f} through PySCIPOpt {scip.__version__}",
    )


def _columns(model: Any, program: MixedIntegerProgram) -> list[Any]:
    bounds = zip(program.lower, program.upper, strict=True)
    return [model.addVar(lb=_finite(lower), ub=_finite(upper)) for lower, upper in bounds]


def _finite(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _rows(model: Any, scip: Any, columns: list[Any], matrix: csr_array, right: Array, *, equal: bool) -> None:
    for row, limit in enumerate(right):
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = zip(matrix.indices[entries], matrix.data[entries], strict=True)
        left = scip.quicksum(float(weight) * columns[column] for column, weight in terms)
        model.addCons(left == float(limit) if equal else left <= float(limit))


def _objective(model: Any, scip: Any, columns: list[Any], program: MixedIntegerProgram) -> list[Any]:
    """Set the objective and return the variables that stand for the quadratic cost of each part."""
    linear = np.flatnonzero(program.linear)
    gain = scip.quicksum(float(program.linear[column]) * columns[column] for column in linear) + float(program.constant)
    costs = []
    for part in quadratic_parts(program):
        cost = model.addVar(lb=0.0, ub=None)
        model.addCons(scip.quicksum(float(program.quadratic[column]) * columns[column] * columns[column] for column in part) <= cost)
        costs.append(cost)
    model.setObjective(gain - scip.quicksum(costs), "maximize")
    return costs


def _offer(model: Any, columns: list[Any], costs: list[Any], program: MixedIntegerProgram, start: Array) -> None:
    """Give SCIP a feasible point, so that it never ends without one."""
    solution = model.createSol()
    for column, value in zip(columns, start, strict=True):
        model.setSolVal(solution, column, float(value))
    for cost, part in zip(costs, quadratic_parts(program), strict=True):
        model.setSolVal(solution, cost, float(program.quadratic[part] @ start[part] ** 2))
    model.addSol(solution)


def _status(name: str) -> Status:
    if name in ("optimal", "gaplimit"):
        return "optimal"
    if name == "timelimit":
        return "time limit"
    raise MiqpError(f"SCIP must end with a proof or at its time limit, and ended with status {name!r}.")


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """Keep the linear solver's notices, thousands at times, from the standard error it writes to itself; pass on every other line."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            written.seek(0)
            for line in written:
                if _NOTICE not in line:
                    os.write(2, line)
