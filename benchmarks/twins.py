"""What no leader can know: days that are observed alike and want different charges.

    python benchmarks/twins.py --community simbench-rural --out twins.csv

The forecast of a day is its truth times errors f around 1. The *twin* of a day has the truth times f/(2 − f) and the errors 2 − f: the very
same forecast, the same observation, and errors as likely. Whatever a leader posts for that observation, it posts for both. So the mean of
its regret over a day and its twin is at least

    min over γ of ½·Σ_k (J_k* − J_k(γ))/(J_k* − J_k(0)),

and that is known from the two days' curves, with a bound of what they leave out. Curves need no cache; a run takes two minutes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np

from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.planning.curves import ProfitCurves
from gridtoll.agents.planning.day_curve import day_curve
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.observation.observer import Observer
from gridtoll.envs.games.observation.public import forecast_factors, public_values
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.text import with_interval
from gridtoll.train.references.curves import games_of
from gridtoll.train.statistics.intervals import interquartile_mean, over_weeks
from gridtoll.train.task import environment_of, exact_market_of

SAME: Final = 1e-9
"""Observations that differ by less, in the units of their fields, are the same. Others are left out: where the twin would be paid more for
a kilowatt-hour than it pays, its price is cut off."""
SHARE_OF_MEDIAN: Final = 0.01
"""Pairs of which a day offers less than this share of the median are left out: there is nothing to win."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A day and its twin.

    Attributes:
        scenario: The day.
        apart: Greatest difference of the two observations, in their units.
        optima: Best charges of both, EUR/kWh.
        worth: What both offer over no charge, EUR.
        floor: Least mean normalised regret of any one charge, by the curves.
        proved: What it is at least, with what the curves leave out.
    """

    scenario: Scenario
    apart: float
    optima: tuple[float, float]
    worth: tuple[float, float]
    floor: float
    proved: float


def main() -> None:
    """Print what the pairs leave, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--community", default=GameSpec.community, help="a name or a folder (default: %(default)s)")
    parser.add_argument("--days", type=int, default=112, help="test days (default: %(default)s)")
    parser.add_argument("--clearings", type=int, default=60, help="of each day and each twin (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the pairs (.csv)")
    options = parser.parse_args()
    task = GameSpec(community=options.community)
    scenarios = environment_of(task).community.scenarios("test", options.days)
    pairs = [
        pair_of(task, scenario, game, clearings=options.clearings)
        for scenario, game in zip(scenarios, games_of(task, scenarios), strict=True)
    ]
    for line in told(task, pairs):
        sys.stdout.write(line + "\n")
    if options.out is not None:
        _write(options.out, pairs)


def twin_of(day: Day, factors: Array) -> Day:
    """Return the day whose truth times the opposite errors is the same forecast.

    Args:
        day: The day.
        factors: What its load, sun and export price are multiplied by in the forecast, shape (3, T).
    """
    load, sun, price = factors / (2.0 - factors)
    export = day.export_price * (price if day.export_price.ndim == 1 else price[:, None])
    return replace(
        day,
        label=f"{day.label}, its twin",
        demand_min=day.demand_min * load[:, None],
        demand_max=day.demand_max * load[:, None],
        utility_curvature=day.utility_curvature / load[:, None],
        renewable=day.renewable * sun[:, None],
        export_price=np.minimum(export, day.import_price),
    )


def pair_of(task: GameSpec, scenario: Scenario, game: StandingGame, *, clearings: int) -> Pair:
    """Return a day and its twin, both with their curves."""
    observer = cast(Observer, environment_of(task).observer)
    factors = forecast_factors(observer.community, scenario, game.day.n_periods)
    twin = replace(game, day=twin_of(game.day, factors))
    seen = [_seen(observer, scenario, game.day, factors), _seen(observer, scenario, twin.day, 2.0 - factors)]
    market = exact_market_of(task)
    curves = [day_curve(each, market, clearings=clearings) for each in (game, twin)]
    alone = ProfitCurves(curves, unit=np.ones(2), worth=np.ones(2))
    best = [alone.best(row, most=game.cap) for row in np.eye(2)]
    nothing = alone.at(np.zeros(1))[:, 0]
    worth = np.maximum([each.value for each in best] - nothing, 1e-9)
    both = ProfitCurves(curves, unit=np.ones(2), worth=worth).best(np.full(2, 0.5), most=game.cap)
    most = float(np.mean([each.value for each in best] / worth))
    return Pair(
        scenario=scenario,
        apart=float(np.abs(seen[0] - seen[1]).max()),
        optima=(best[0].multiple, best[1].multiple),
        worth=(float(worth[0]), float(worth[1])),
        floor=max(most - both.value, 0.0),
        proved=max(most - both.bound, 0.0),
    )


def told(task: GameSpec, pairs: Sequence[Pair]) -> list[str]:
    """Return what came of it, in lines."""
    least = SHARE_OF_MEDIAN * float(np.median([pair.worth for pair in pairs]))
    counted = [pair for pair in pairs if min(pair.worth) > least and pair.apart < SAME]
    weeks = np.array([environment_of(task).community.date(pair.scenario.day).isocalendar().week for pair in counted])
    lines = [
        f"{len(counted)} of {len(pairs)} pairs count: both days offer something, and their observations are the same",
        f"best charges differ by {100 * float(np.median([abs(np.log(p.optima[0] / p.optima[1])) for p in counted])):.1f}% (median)",
    ]
    for name in ("floor", "proved"):
        left = np.array([getattr(pair, name) for pair in counted])
        mean = with_interval(over_weeks(100 * left, np.random.default_rng(0), weeks), 2)
        worst = float(np.sort(left)[-max(len(left) // 10, 1) :].mean())
        lines.append(f"{name}: mean {mean}%, IQM {100 * interquartile_mean(left):.2f}%, worst tenth {100 * worst:.1f}%")
    return lines


def _seen(observer: Observer, scenario: Scenario, day: Day, factors: Array) -> Array:
    """Return what is observed of a day whose forecast has these errors, in the fields' own units, shape (numbers,)."""
    values = public_values(observer.community, observer.geometry, scenario, day, factors=factors)
    return np.concatenate([np.ravel(values[field.name]) for field in observer.fields])


def _write(path: Path, pairs: Sequence[Pair]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "price_path", "optimum", "optimum_of_twin", "worth_eur", "worth_of_twin_eur", "floor", "proved"])
        rows.writerows([*pair.scenario, *pair.optima, *pair.worth, pair.floor, pair.proved] for pair in pairs)


if __name__ == "__main__":
    main()
