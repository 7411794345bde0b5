"""The single-level program in Gurobi, where its package and a licence are present.

Gurobi takes the concave quadratic objective as it is. The licence that comes with the package allows 200 variables where
there are quadratic terms: five prosumers for an hour, or three for two hours with a storage.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import diags_array

from ....envs.community.day import Array
from .answer import MiqpAnswer, MiqpError, Status, optional_package
from .program import MixedIntegerProgram

FEASIBILITY = 1e-9
"""The least tolerance Gurobi accepts."""


def solve_with_gurobi(
    program: MixedIntegerProgram, *, time_limit_s: float, relative_gap: float, absolute_gap: float, start: Array
) -> MiqpAnswer:
    """Maximise the program; for the arguments see :func:`.scip.solve_with_scip`.

    Raises:
        ImportError: If gurobipy is not installed.
        MiqpError: If there is no licence, it does not allow a program of this size, or Gurobi ends otherwise than with a proof or at its
            time limit.
    """
    gurobi = optional_package("gurobipy")
    try:
        with gurobi.Env(params={"OutputFlag": 0}) as environment, gurobi.Model(env=environment) as model:
            columns = _build(gurobi, model, program)
            columns.Start = start
            settings = {
                "TimeLimit": time_limit_s,
                "MIPGap": relative_gap,
                "MIPGapAbs": absolute_gap,
                "FeasibilityTol": FEASIBILITY,
                "OptimalityTol": FEASIBILITY,
                "IntFeasTol": FEASIBILITY,
            }
            for name, value in settings.items():
                model.setParam(name, value)
            model.optimize()
            status = _status(gurobi, int(model.Status))
            if model.SolCount == 0:
                raise MiqpError("Gurobi must keep the clearing it was started from, and ended without any point; please report this day.")
            return MiqpAnswer(
                status=status,
                x=np.array(columns.X),
                value=float(model.ObjVal),
                bound=float(model.ObjBound),
                nodes=int(model.NodeCount),
                solver="Gurobi {}.{}.{}".format(*gurobi.gurobi.version()),
            )
    except gurobi.GurobiError as error:
        raise MiqpError(
            f"Gurobi needs a licence that allows {len(program.linear)} variables with a quadratic objective; it says: "
            f"{error}. Install a licence, take a smaller community, or pass solver='scip'."
        ) from error


def _build(gurobi: Any, model: Any, program: MixedIntegerProgram) -> Any:
    """Write the program down and return its variables."""
    columns = model.addMVar(len(program.linear), lb=program.lower, ub=program.upper)
    model.addConstr(program.rows @ columns == program.right)
    if len(program.limit):
        model.addConstr(program.inequalities @ columns <= program.limit)
    for one, other in program.pairs:
        model.addSOS(gurobi.GRB.SOS_TYPE1, [columns[one].item(), columns[other].item()])
    cost = columns @ diags_array(program.quadratic, format="csr") @ columns
    model.setObjective(program.linear @ columns - cost + program.constant, gurobi.GRB.MAXIMIZE)
    return columns


def _status(gurobi: Any, code: int) -> Status:
    if code == gurobi.GRB.OPTIMAL:
        return "optimal"
    if code == gurobi.GRB.TIME_LIMIT:
        return "time limit"
    raise MiqpError(f"Gurobi must end with a proof or at its time limit, and ended with status {code}.")
