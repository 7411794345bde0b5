"""The days a leader did worst on, cleared again: profit against the charge, and what its charge and the optimal one did to the market.

Nothing is drawn from stored numbers only: the day is made from the community again, and what clears must be what the rows say. Where it is
not, or the community is not there, the report says so in place of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.clock import NOT_STATED, hour_axis
from ...envs.community.day import Day
from ...envs.games.spec import GameSpec
from ...envs.market.price_levels import price_levels
from ..ground.plots import draw_profit_against_charge, style
from ..references.optima import scenario_hash
from ..task import environment_of
from .results import Results
from .scores import Group, Scored

_N_CHARGES: Final = 49
_AGREE: Final = 1e-6  # relative to the profit of the day: clearings repeat to rounding, not to the last bit


@dataclass(frozen=True, eq=False)
class Market:
    """A day cleared at one charge; T periods.

    Attributes:
        charge: EUR/kWh.
        objective_eur: What the leader is rewarded with.
        price_of: What the price is of: ``"nodal"`` or ``"trade"``.
        price: Mean of prosumers' nodal prices in EUR/kWh, or of the trades', NaN where there were none, shape (T,).
        traded_kw: Power traded, shape (T,).
        profit_eur: The operator's profit.
        traded_kwh: Energy traded.
        loss_kwh: Losses caused.
    """

    charge: float
    objective_eur: float
    price_of: str
    price: Array
    traded_kw: Array
    profit_eur: float
    traded_kwh: float
    loss_kwh: float


@dataclass(frozen=True, eq=False)
class WorstDay:
    """One day of one leader, cleared again.

    Attributes:
        algorithm: The leader.
        seed: That of its seeds which did worst there.
        date: Of the day.
        day: Of the data year.
        price_path: Under which prices.
        normalised_regret: Of that seed.
        objective: What the leader is rewarded with.
        chosen: At its charge.
        optimum: At the best charge.
        charges: EUR/kWh, shape (n,).
        profits: Objective at each in EUR, shape (n,).
        upper_bound_eur: No charge takes it higher.
        data: The day itself.
        time_zone: What the clock of its hours is called.
    """

    algorithm: str
    seed: int
    date: str
    day: int
    price_path: int
    normalised_regret: float
    objective: str
    chosen: Market
    optimum: Market
    charges: Array
    profits: Array
    upper_bound_eur: float
    data: Day
    time_zone: str = NOT_STATED

    @property
    def label(self) -> str:
        """What texts call it."""
        return f"{self.date}, {self.algorithm} (seed {self.seed})"


def clear_again(results: Results, group: Group, scored: Scored, place: int) -> WorstDay:
    """Clear a day of a leader again at its charge, at the optimal one and over the range of charges.

    Args:
        results: Whose rows are meant.
        group: Of the leader.
        scored: The leader.
        place: Of the day in ``group.days``.

    Raises:
        ValueError: If the community cannot be loaded, or the day is not what it was.
    """
    row = _worst_row(results, group, scored, place)
    task = task_of(row, next((cell.task for cell in scored.cells if cell.task is not None), None))
    scenario = Scenario(int(row["day"]), int(row["price_path"]))
    environment = environment_of(task)
    charge, best = float(row["charge"]), float(row["optimum_charge"])
    most = min(environment.charge_cap, 1.4 * max(charge, best, 0.05))
    charges = np.linspace(0.0, most, _N_CHARGES)
    chosen, optimum = market_at(task, scenario, charge), market_at(task, scenario, best)
    off = abs(chosen.objective_eur - float(row["objective_eur"]))
    if scenario_hash(task, scenario) != row["scenario_hash"] or off > _AGREE * max(1.0, abs(chosen.objective_eur)):
        raise ValueError(f"the data of {group.community} are not those of the rows: day {scenario.day} clears at {off:.2g} EUR from them.")
    return WorstDay(
        algorithm=scored.name,
        seed=int(row["seed"]),
        date=str(row["date"]),
        day=scenario.day,
        price_path=scenario.price_path,
        normalised_regret=float(row["normalised_regret"]),
        objective=task.objective,
        chosen=chosen,
        optimum=optimum,
        charges=charges,
        profits=np.array([market_at(task, scenario, float(each)).objective_eur for each in charges]),
        upper_bound_eur=float(row["upper_bound_eur"]),
        data=environment.day_of(scenario),
        time_zone=environment.community.time_zone,
    )


def task_of(row: Mapping[str, Any], recorded: GameSpec | None) -> GameSpec:
    """Return the game of a row: that its cell recorded, or what the row says, with the community's own cap and fee."""
    if recorded is not None:
        return recorded
    names = ("tariff", "charges_per", "objective", "information", "flows")
    return GameSpec(community=str(row["place"]), **{name: row[name] for name in names})


def charge_figure(worst: WorstDay) -> Figure:
    """Draw profit against the charge, with the leader's and the optimal one."""
    figure = Figure(figsize=(4.9, 3.4), layout="constrained")
    chosen = {
        "optimum": (worst.optimum.charge, worst.optimum.objective_eur),
        worst.algorithm: (worst.chosen.charge, worst.chosen.objective_eur),
    }
    draw_profit_against_charge(
        figure.subplots(),
        worst.charges,
        worst.profits,
        chosen=chosen,
        upper_bound_eur=worst.upper_bound_eur,
        title=worst.label,
        objective=worst.objective,
    )
    figure.axes[0].title.set_fontsize(9)
    return figure


def market_figure(worst: WorstDay) -> Figure:
    """Draw prices and trades by hour at both charges."""
    figure = Figure(figsize=(4.9, 4.2), layout="constrained")
    prices, trades = figure.subplots(2, 1, sharex=True)
    hours = np.arange(worst.data.n_periods + 1) * worst.data.period_hours
    prices.fill_between(
        hours, *(_steps(each) for each in (worst.data.mean_export_price, worst.data.mean_import_price)),
        step="post", color="#999999", alpha=0.18, linewidth=0, label="between export and import price",
    )  # fmt: skip
    for place, (name, market) in enumerate((("optimum", worst.optimum), (worst.algorithm, worst.chosen))):
        look = {"color": style(name, place)[0], "linestyle": ("-", "--")[place], "linewidth": 1.4}
        prices.step(hours, _steps(market.price), where="post", label=f"{name}, {market.charge:.3f} EUR/kWh", **look)
        trades.step(hours, 1e3 * _steps(market.traded_kw), where="post", **look)
    prices.set_ylabel(f"mean {worst.chosen.price_of} price\n(EUR/kWh)", fontsize=8)
    trades.set_ylabel("traded", fontsize=8)
    trades.yaxis.set_major_formatter(EngFormatter(unit="W"))  # households trade kW, transmission grids GW
    trades.set_xlabel(hour_axis(worst.time_zone), fontsize=8)
    most = 1e3 * max(float(worst.optimum.traded_kw.max()), float(worst.chosen.traded_kw.max()), 1e-3)
    trades.set_ylim(-0.05 * most, 1.08 * most)  # a market without trades is a line above the axis, not on it
    for axes in (prices, trades):
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.set_xlim(0, hours[-1])
    figure.legend(*prices.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7.5, frameon=False)
    return figure


def _steps(values: Array) -> Array:
    return np.append(values, values[-1])


def _worst_row(results: Results, group: Group, scored: Scored, place: int) -> Mapping[str, Any]:
    """Return the row of that seed which did worst on a day."""
    rows, day = results.rows, group.days.iloc[place]
    mine = rows[
        (rows["community"] == group.community)
        & (rows["information"] == group.information)
        & (rows["algorithm"] == scored.name)
        & (rows["day"] == day["day"])
        & (rows["price_path"] == day["price_path"])
    ]
    if mine.empty:
        raise ValueError(f"all cells of {scored.name} failed, so that there is nothing to clear.")
    return {str(name): value for name, value in mine.loc[mine["normalised_regret"].idxmax()].items()}


def market_at(task: GameSpec, scenario: Scenario, charge: float) -> Market:
    """Return a day cleared at one charge in EUR/kWh, by whatever clears the game."""
    setting = environment_of(task).setting
    played = setting.transition(environment_of(task).mechanism, setting.day_of(scenario), [charge])
    clearing, settled = played.clearing, played.settlement
    price = price_levels(clearing)
    return Market(
        charge=charge,
        objective_eur=played.reward_eur,
        price_of=price.of,
        price=price.mean,
        traded_kw=clearing.trade.sum(axis=(1, 2)),
        profit_eur=settled.profit_eur,
        traded_kwh=settled.traded_kwh,
        loss_kwh=settled.loss_kwh,
    )
