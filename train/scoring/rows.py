"""One leader on one day as a row: what is written into files, gathered from comparisons and reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from ...envs.games.spec import GameSpec
from ..ground.runs import write_csv


@dataclass(frozen=True, kw_only=True)
class Row:
    """One leader on one day, as written to ``--rows``.

    Attributes:
        algorithm: The leader.
        seed: Of its training where it was trained, else of its evaluation.
        community: Name or folder.
        split: Which split the day belongs to.
        day: Day of the data year.
        date: Its date.
        price_path: Which price path.
        tariff: Kind of tariff.
        charges_per: How long a charge stands.
        flows: Which account of flows.
        objective: What the leader was rewarded with, in which regret is measured.
        information: What the leader observed.
        charge: What it posted in EUR/kWh, several separated by spaces, those of hours in order.
        profit_eur: The operator's profit.
        welfare_eur: That of prosumers and operator together.
        objective_eur: J, one of these two.
        optimum_eur: J*, that of the optimal charge; of the best charges found, where ``certified`` says that nothing is proved of them.
        upper_bound_eur: No leader takes J higher; infinite where nothing is proved.
        zero_eur: J_ref, that of no charge.
        regret_eur: J* − J.
        normalised_regret: (J* − J) / (J* − J_ref); NaN on excluded days.
        excluded: Whether the day is left out of normalised means.
        optimum_charge: Of the optimum, EUR/kWh; NaN where that has several.
        optimum_relative_gap: How tightly it is proved.
        primal_residual: Of the leader's clearing, the greatest of several.
        dual_residual: Of the leader's clearing, the greatest of several.
        gap: Of the leader's clearing, the greatest of several.
        solver: What cleared it.
        scenario_hash: Equal where two rows are about the same data.
        gridtoll: Version.
        commit: Of the checkout, empty where installed.
        env: Which game.
        belief: What prosumers believed of later charges, in the hourly game.
        forecast_error: Of theirs.
        mechanism: What cleared the market.
        power_flow: What flowed in the wires.
        certified: Whether J* is proved to be optimal.
        forecast: What the leader observed of the day, with public information.
    """

    algorithm: str
    seed: int
    community: str
    split: str
    day: int
    date: str
    price_path: int
    tariff: str
    charges_per: str
    flows: str
    objective: str
    information: str
    charge: str
    profit_eur: float
    welfare_eur: float
    objective_eur: float
    optimum_eur: float
    upper_bound_eur: float
    zero_eur: float
    regret_eur: float
    normalised_regret: float
    excluded: bool
    optimum_charge: float
    optimum_relative_gap: float
    primal_residual: float
    dual_residual: float
    gap: float
    solver: str
    scenario_hash: str
    gridtoll: str
    commit: str
    env: str = GameSpec.env
    belief: str = GameSpec.belief
    forecast_error: float = GameSpec.forecast_error
    mechanism: str = GameSpec.mechanism
    power_flow: str = GameSpec.power_flow
    certified: bool = True
    forecast: str = GameSpec.forecast

    @property
    def always_proved(self) -> bool:
        """Whether the row is of a game whose every optimum is proved: the day-ahead game with one coefficient, and a bound."""
        return self.env == "day-ahead" and " " not in self.charge and math.isfinite(self.upper_bound_eur)


COLUMNS: Final = tuple(entry.name for entry in fields(Row))
"""Of a file of rows, in order."""
ADDED: Final[dict[str, Any]] = {entry.name: entry.default for entry in fields(Row) if entry.default is not MISSING}
"""Columns that files of before do not have, with what holds of their rows."""


def have_columns(names: Sequence[str], more: Sequence[str] = ()) -> bool:
    """Return whether a file has the columns of rows in their order; of those added later, any from the first on.

    Args:
        names: Its columns.
        more: Columns that follow.
    """
    before = tuple(name for name in COLUMNS if name not in ADDED)
    return tuple(names) in {(*before, *tuple(ADDED)[:count], *more) for count in range(len(ADDED) + 1)}


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as one CSV file, whole or not at all."""
    write_csv(path, COLUMNS, (asdict(row) for row in rows))
