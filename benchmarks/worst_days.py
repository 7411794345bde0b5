"""What the worst tenth of a leader's test days have in common, from the reference results, and a picture of them.

    python benchmarks/worst_days.py --leader blended --out worst.png

Each panel is a day: what the day earns at every charge, what the day as it was told would have earned, the charge posted, and the best one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.planning.curves import ProfitCurves
from gridtoll.agents.planning.day_curve import day_curve
from gridtoll.agents.planning.foretold import Templates
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.mechanism import ExactResponse
from gridtoll.train.references.curves import games_of
from gridtoll.train.reports.results import REFERENCE, read_results
from gridtoll.train.scoring.planned import TaskDays
from gridtoll.train.task import exact_market_of, observe
from gridtoll.train.workers import Workers

COLUMNS: Final = 4
CLEARINGS: Final = 60
"""Of each day that is drawn."""
NEAR: Final = 0.95
"""Charges that earn this share of the best are near the top."""


def main() -> None:
    """Print what the worst days have in common, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=REFERENCE, help="folder of a comparison (default: the reference results)")
    parser.add_argument("--community", default=GameSpec.community, help="(default: %(default)s)")
    parser.add_argument("--leader", default="blended", help="its name in the comparison (default: %(default)s)")
    parser.add_argument("--beside", default="prescriptive-kernel", help="a leader of full information (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the picture (.png)")
    options = parser.parse_args()
    rows = read_results(options.results).rows
    days = by_day(rows, options.community, "public", options.leader)
    days = days.join(by_day(rows, options.community, "full", options.beside)[["regret"]], rsuffix="_full")
    worst = days.sort_values("regret", ascending=False).head(max(len(days) // 10, 1))
    task = GameSpec(community=options.community)
    curves = drawn_days(task, [Scenario(*place) for place in days.index])
    days["near"] = [near_top(true) for true, _ in curves.values()]
    days["apart"] = [abs(float(np.log(true[0][true[1].argmax()] / told[0][told[1].argmax()]))) for true, told in curves.values()]
    for line in common(days, worst.index):
        sys.stdout.write(line + "\n")
    if options.out is not None:
        picture(worst, {place: curves[place] for place in worst.index}).savefig(options.out, dpi=110)


def by_day(rows: pd.DataFrame, community: str, information: str, leader: str) -> pd.DataFrame:
    """Return the means over seeds of a leader's test days that count, by day and price path."""
    own = rows[(rows["community"] == community) & (rows["information"] == information) & (rows["algorithm"] == leader) & ~rows["excluded"]]
    if own.empty:
        raise SystemExit(f"there must be rows of {leader} on {community} with {information} information, and there are none.")
    own = own.assign(
        worth=own["optimum_eur"] - own["zero_eur"],
        ratio=own["charge"].astype(float) / own["optimum_charge"].astype(float),
        posted=own["charge"].astype(float),
        regret=own["normalised_regret"],
        best=own["optimum_charge"].astype(float),
    )
    return own.groupby(["day", "price_path"])[["regret", "regret_eur", "worth", "ratio", "posted", "best"]].mean()


def drawn_days(task: GameSpec, scenarios: Sequence[Scenario]) -> dict[tuple[int, int], tuple[tuple[Array, Array], tuple[Array, Array]]]:
    """Return charges and what they earn, in shares of the best, of each day and of the day as it is told."""
    market = exact_market_of(task)
    with Workers(1, quiet=True) as workers:
        templates = Templates(TaskDays(task, workers=workers, seed=0))
    found = {}
    for scenario, game in zip(scenarios, games_of(task, scenarios), strict=True):
        seen = observe(task, scenario)
        told = templates.game(seen, templates.nearest(seen, 1)[0])
        found[scenario.day, scenario.price_path] = _shares(game, market), _shares(told, market)
    return found


def _shares(game: StandingGame, market: ExactResponse) -> tuple[Array, Array]:
    """Return 800 charges in EUR/kWh and what they earn in shares of the best."""
    curve = day_curve(game, market, clearings=CLEARINGS)
    charges = np.linspace(1e-3, game.cap, 800)
    earned = ProfitCurves([curve], unit=np.ones(1), worth=np.ones(1)).at(charges)[0]
    return charges, np.asarray(earned / max(float(earned.max()), 1e-9))


def near_top(curve: tuple[Array, Array]) -> float:
    """Return how wide the charges near the top are: the logarithm of the greatest over the least of them."""
    near = curve[0][curve[1] >= NEAR]
    return float(np.log(near[-1] / near[0]))


def common(days: pd.DataFrame, worst: pd.Index) -> list[str]:
    """Return what the worst days have in common, beside the others, in lines."""
    bad, others = days.loc[worst], days.drop(worst)
    wanted = {
        "regret, %": 100 * days["regret"],
        "regret with full information, %": 100 * days["regret_full"],
        "worth, EUR": days["worth"],
        "regret, EUR": days["regret_eur"],
        "charge posted over the best one, off by a factor of": np.exp(np.abs(np.log(days["ratio"]))),
        "best charge of the day as told, off by a factor of": np.exp(days["apart"]),
        f"width of what earns {NEAR:.0%} of the best, a factor of": np.exp(days["near"]),
    }
    lines = [
        f"{len(bad)} worst of {len(days)} days hold {100 * bad['regret_eur'].sum() / days['regret_eur'].sum():.0f}% of the regret in EUR"
    ]
    lines += [
        f"median of {name}: {value.loc[bad.index].median():.2f}; of the others {value.loc[others.index].median():.2f}"
        for name, value in wanted.items()
    ]
    lines.append(f"charges posted: too high on {(bad['ratio'] > 1).sum()}, too low on {(bad['ratio'] < 1).sum()}")
    return lines


def picture(worst: pd.DataFrame, curves: dict[tuple[int, int], tuple[tuple[Array, Array], tuple[Array, Array]]]) -> Figure:
    """Return a panel for each of the worst days."""
    lines = -(-(len(worst) + 1) // COLUMNS)
    figure = Figure(figsize=(3.0 * COLUMNS, 2.5 * lines), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, sharey=True).ravel()
    for axes, (place, row) in zip(panels, worst.iterrows(), strict=False):
        _panel(axes, *curves[place], row)
    handles, labels = panels[0].get_legend_handles_labels()
    for axes in panels[len(worst) :]:
        axes.set_axis_off()
    panels[-1].legend(handles, labels, loc="center", fontsize=11, frameon=False)
    figure.supxlabel("charge (EUR/kWh)")
    figure.supylabel("profit, share of the best")
    return figure


def _panel(axes: Axes, true: tuple[Array, Array], told: tuple[Array, Array], row: pd.Series) -> None:
    axes.plot(*true, color="#000000", label="the day")
    axes.plot(*told, color="#0072B2", linestyle="--", label="as it was told")
    posted, best = float(row["posted"]), float(row["best"])
    axes.plot([posted], [np.interp(posted, *true)], "o", color="#D55E00", markersize=8, label="posted")
    axes.plot([best], [1.0], "*", color="#000000", markersize=12, label="best")
    far = max(posted, best, true[0][true[1] > 0.05].max(), 0.1)
    axes.set(xlim=(0, min(1.15 * far, true[0][-1])), ylim=(0, 1.1))
    axes.set_title(f"{row['worth']:.1f} EUR to win, {100 * row['regret']:.0f}% lost", fontsize=10)
    axes.grid(alpha=0.25)


if __name__ == "__main__":
    main()
