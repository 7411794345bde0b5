"""K0 of a whole day: the upper bound every bracket begins with, and charges to start a search from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.community.day import Array
from .game import TariffGame
from .relaxation import ParameterBox, Relaxation, Relaxed
from .relaxation_program import RelaxationProgram, day_program


@dataclass(frozen=True, eq=False, kw_only=True)
class DayRelaxation:
    """K0 of a day.

    Attributes:
        bound_eur: No charges in [0, cap] take the objective higher.
        action: The charges of the relaxation's solution, EUR/kWh, a hint and nothing more.
        program: The matrices.
        relaxed: The solution, dimensionless.
        greatest_prices: Bounds of the prices at every equilibrium, dimensionless.
    """

    bound_eur: float
    action: Array
    program: RelaxationProgram
    relaxed: Relaxed
    greatest_prices: Array


def day_relaxation(game: TariffGame) -> DayRelaxation:
    """Solve K0 of a day and certify its bound.

    For welfare it is Social P2P with more conditions, so that it is at most what Social P2P reaches.
    """
    program = day_program(game.day, game.network, game.tariff, flows=game.flows)
    k, cap = game.n_coefficients, game.cap / program.price_unit
    no_charge = game.play(np.zeros(k)).clearing  # V is least without charges
    least_value = no_charge.objective_eur / program.unit_eur
    relaxation = Relaxation(
        program, objective=game.objective, ceiling=np.full(k, cap), least_value=least_value - _ROUNDING * abs(least_value)
    )
    none = np.zeros(k)
    relaxed = relaxation.solve(ParameterBox(lower=none, upper=np.full(k, cap), least=none, greatest=none), tight=False)
    return DayRelaxation(
        bound_eur=relaxed.bound * program.unit_eur,
        action=np.clip(relaxed.parameters * program.price_unit, 0.0, game.cap),
        program=program,
        relaxed=relaxed,
        greatest_prices=relaxation.greatest_prices,
    )


_ROUNDING = 1e-9  # relative, of the value without charges; it enters a bound on multipliers only
