"""Who pays and who gains on some days of a game at given charges, as a table and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...envs.account.prosumers import COLUMNS, prosumer_account, prosumer_frame, summed
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ...envs.games.transition import transition
from ...envs.market.mechanism import ExactResponse
from ...envs.market.no_trade import no_trade
from ...envs.market.solvers import make_market
from ..task import environment_of
from ..workers import Workers
from .tables import write_table

if TYPE_CHECKING:
    from pandas import DataFrame


class Posted(NamedTuple):
    """Charges posted for one day of the day-ahead game, in EUR/kWh, in the order of an action."""

    task: GameSpec
    scenario: Scenario
    charges: tuple[float, ...]


def write_prosumers(path: Path, posted: Sequence[Posted], workers: Workers | None = None) -> None:
    """Write the table of :func:`prosumers_of` as CSV, Excel or Parquet, by the end of the file's name.

    Raises:
        ValueError: As :func:`prosumers_of` does; if the file's name ends otherwise, or a package is missing.
        ClearingError: If a day cannot be cleared.
        OSError: If the file cannot be written.
    """
    write_table(path, prosumers_of(posted, workers), COLUMNS)


def prosumers_of(posted: Sequence[Posted], workers: Workers | None = None) -> DataFrame:
    """Return a row for each prosumer: the sums over the days of the columns of :mod:`gridtoll.envs.account.prosumers`.

    Args:
        posted: The days, of one community, with the charges of each.
        workers: Who clears them; this process where absent.

    Raises:
        ValueError: If there is no day, or charges cannot be posted.
        ClearingError: If a day cannot be cleared.
    """
    accounts = (Workers(1) if workers is None else workers).map(_account, posted, label="prosumers")
    community = environment_of(posted[0].task).community if posted else None
    return prosumer_frame(summed(accounts), None if community is None else community.prosumer_names)


def _account(posted: Posted) -> dict[str, Array]:
    """Clear a day at its charges and without trade."""
    environment = environment_of(posted.task)
    setting, day = environment.setting, environment.day_of(posted.scenario)
    played = setting.transition(environment.mechanism, day, posted.charges)
    apart = no_trade(day)
    alone = transition(setting.rules, _exact_market(), apart, 0.0 * played.charges)
    return prosumer_account(day, played.clearing, played.settlement, alone.clearing, alone.settlement)


@cache
def _exact_market() -> ExactResponse:
    """Return what clears days without trade, whatever mechanism clears trades: it keeps what it has set up for the next day."""
    return make_market("structured")
