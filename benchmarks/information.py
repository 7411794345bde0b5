"""What information is worth to an operator, in EUR a day, and how leaders rank under forecasts that anybody could make.

    python benchmarks/information.py --community simbench-rural --out information.csv

Everything is chosen on training days and played on test days. Intervals are 95% bootstrap intervals over whole weeks. Curves and optima
are kept in the cache: a run that was killed goes on, and a second one takes a minute.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final, cast

import numpy as np

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.optimum import solve_scenarios
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.planning.prescriptive import Prescriptive
from gridtoll.agents.policy import Policy
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario, season
from gridtoll.envs.games.observation.forecasts import FORECASTS
from gridtoll.envs.games.observation.observer import FORETOLD, Observer
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.playing import play_days
from gridtoll.train.ground.rounds import training_scenarios
from gridtoll.train.ground.text import with_interval
from gridtoll.train.references.curves import games_of, proved_constant
from gridtoll.train.references.ends import references
from gridtoll.train.scoring.planned import TaskDays
from gridtoll.train.scoring.regret import normalised_regret
from gridtoll.train.statistics.intervals import interquartile_mean, over_weeks
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

SEASONS: Final = ("year", "winter", "spring", "summer", "autumn")
CHEAP: Final = ("neighbours", "forest", "kernel")
MEANED: Final = ("demand_min", "demand_max", "utility_curvature", "renewable", "import_price", "export_price", "loss_price")


class Seen(TaskDays):
    """Training days observed with some forecasts exact."""

    def __init__(self, task: GameSpec, *, workers: Workers, seed: int, exact: tuple[str, ...]) -> None:
        super().__init__(task, workers=workers, seed=seed)
        self.exact = exact

    def observations(self, scenarios: Sequence[Scenario]) -> Array:
        """Return what is observed, shape (D, n_observed)."""
        environment = environment_of(self.task)
        observer = replace(cast(Observer, environment.observer), exact=self.exact)
        return np.array([observer.observe(each, environment.day_of(each)) for each in scenarios])


def main() -> None:
    """Print both tables, and write what they are made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--community", default=GameSpec.community, help="a name or a folder (default: %(default)s)")
    parser.add_argument("--days", type=int, default=112, help="test days (default: %(default)s)")
    parser.add_argument("--clearings", type=int, default=34, help="of each training day (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file for the goals of every test day in EUR (.csv)")
    options = parser.parse_args()
    task = GameSpec(community=options.community)
    scenarios = environment_of(task).community.scenarios("test", options.days)
    with Workers(options.jobs) as workers:
        earned = worth_of(task, scenarios, workers, clearings=options.clearings)
        ranked = ranking(task, scenarios, workers, clearings=options.clearings)
    for line in [*worth_table(task, scenarios, earned), "", *ranking_table(ranked)]:
        sys.stdout.write(line + "\n")
    if options.out is not None:
        _write(options.out, scenarios, earned)


def worth_of(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, clearings: int) -> dict[str, Array]:
    """Return what leaders of more and more information earn on each day, EUR, shape (days,)."""
    train = training_scenarios(task)
    earned = {"clairvoyant": np.array([ends.best_eur for ends in references(task, scenarios, workers)])}
    constants = {
        "mean day": solve_scenarios([mean_day(games_of(task, train))]).charge,
        "best constant": proved_constant(task, train, workers).charge,
    }
    earned |= {name: _played(task, ConstantPolicy([charge]), scenarios, workers) for name, charge in constants.items()}
    sets = {"forecasts": (), **{f"{name} known": (name,) for name in FORETOLD}, "all known": FORETOLD}
    for name, exact in sets.items():
        days = Seen(task, workers=workers, seed=1, exact=exact)
        leader = Prescriptive(weights="kernel", clearings=clearings).plan(days)
        charges = [leader.predict(row)[0] for row in days.observations(scenarios)]
        earned[name] = _played_each(task, charges, scenarios, workers)
    return earned


def mean_day(games: Sequence[StandingGame]) -> StandingGame:
    """Return the training days' mean day: the mean-value problem of stochastic programming."""
    means = {name: np.mean([getattr(game.day, name) for game in games], axis=0) for name in MEANED}
    return replace(games[0], day=replace(games[0].day, label="the mean day", **means))


def ranking(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, clearings: int) -> dict[tuple[str, str], Array]:
    """Return the normalised regret of cheap leaders under each forecast, shape (days,), NaN where there is nothing to win."""
    known, found = references(task, scenarios, workers), {}
    for forecast in FORECASTS:
        told = task.changed(forecast=forecast)
        for weights in CHEAP:
            leader = Prescriptive(weights=weights, clearings=clearings).plan(TaskDays(told, workers=workers, seed=1))
            goals = _played(told, leader, scenarios, workers)
            found[weights, forecast] = normalised_regret(environment_of(task).community, known, goals)
    return found


def worth_table(task: GameSpec, scenarios: Sequence[Scenario], earned: dict[str, Array]) -> list[str]:
    """Return the table of what information is worth, in EUR a day, as Markdown."""
    dates = [environment_of(task).community.date(each.day) for each in scenarios]
    rows: dict[str, Callable[[dict[str, Array]], Array]] = {
        "stochastic solution: best constant less mean day": lambda e: e["best constant"] - e["mean day"],
        "all information: clairvoyant less best constant": lambda e: e["clairvoyant"] - e["best constant"],
        "forecasts with errors: kernel less best constant": lambda e: e["forecasts"] - e["best constant"],
        **{f"{name} foretold without error": lambda e, name=name: e[f"{name} known"] - e["forecasts"] for name in FORETOLD},  # type: ignore[misc]
        "all three foretold without error": lambda e: e["all known"] - e["forecasts"],
        "what is left: clairvoyant less that": lambda e: e["clairvoyant"] - e["all known"],
    }
    lines = [f"| EUR a day, {task.community} | {' | '.join(SEASONS)} |", "|---|" + "---|" * len(SEASONS)]
    for label, worth in rows.items():
        cells = [_interval(worth(earned), dates, each) for each in SEASONS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def ranking_table(ranked: dict[tuple[str, str], Array]) -> list[str]:
    """Return the table of normalised regret, IQM and mean in %, as Markdown."""
    lines = [f"| weights | {' | '.join(FORECASTS)} |", "|---|" + "---|" * len(FORECASTS)]
    for weights in CHEAP:
        left = [ranked[weights, forecast][~np.isnan(ranked[weights, forecast])] for forecast in FORECASTS]
        lines.append(f"| {weights} | {' | '.join(f'{100 * interquartile_mean(each):.1f}, {100 * each.mean():.1f}' for each in left)} |")
    return lines


def _interval(values: Array, dates: Sequence[date], named: str) -> str:
    chosen = np.array([named in ("year", season(each)) for each in dates])
    if not chosen.any():
        return ""
    weeks = np.array([each.isocalendar().week for each in dates])[chosen]
    return with_interval(over_weeks(values[chosen], np.random.default_rng(0), weeks), 2)


def _played(task: GameSpec, policy: Policy, scenarios: Sequence[Scenario], workers: Workers) -> Array:
    played = play_days(task, lambda _: policy, scenarios, threads=workers.jobs)
    return np.array([day.objective_eur for day in played])


def _played_each(task: GameSpec, charges: Sequence[Array], scenarios: Sequence[Scenario], workers: Workers) -> Array:
    posted = dict(zip(scenarios, map(ConstantPolicy, charges), strict=True))
    return np.array([day.objective_eur for day in play_days(task, posted.__getitem__, scenarios, threads=workers.jobs)])


def _write(path: Path, scenarios: Sequence[Scenario], earned: dict[str, Array]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "price_path", *earned])
        rows.writerows([*each, *(repr(float(values[row])) for values in earned.values())] for row, each in enumerate(scenarios))


if __name__ == "__main__":
    main()
