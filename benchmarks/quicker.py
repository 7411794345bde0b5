"""How much sooner a training may end at equal regret: settings of SAC by what they take and what they leave.

    python benchmarks/quicker.py --community simbench-rural --settings default,quick
    python benchmarks/quicker.py --community simbench-rural --settings quick --seeds 1,2,3,4,5,6,7,8,9,10 --split test

Every setting is trained with every seed and scored on the same days. Prints the processor seconds of one training, all threads, and the
normalised regret in %: interquartile mean, mean, and the interquartile mean of each seed. Settings are chosen on validation days, each
under two price paths, with seeds from 1000 on. On the test split the rows of `sac` that ship with the package stand beside them, with 95%
intervals over seeds and weeks. Results are written as they come, so that the command can be killed and started again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.calendar import Scenario, week_of
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.compare.tuned import tuned_settings
from gridtoll.train.ground.playing import play_days
from gridtoll.train.ground.runs import write_text
from gridtoll.train.ground.text import table, with_interval
from gridtoll.train.learning.algorithms import make_algorithm
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.references.ends import references
from gridtoll.train.reports.results import REFERENCE, read_results
from gridtoll.train.scoring.regret import normalised_regret
from gridtoll.train.statistics.intervals import Statistic, difference, hierarchical_bootstrap, interquartile_mean, mean, paired_difference
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

_128: Final = {"batch_size": 128, "validate_every": 200}
_FEW: Final = _128 | {"steps": 1200, "parallel_days": 16, "updates": 24, "warmup_days": 200}
_HALF: Final = _128 | {"steps": 2000, "parallel_days": 16, "updates": 12, "warmup_days": 300}
_ALL: Final = _128 | {"steps": 4000, "parallel_days": 32, "updates": 12, "validate_every": 400}
_RANDOM: Final = _128 | {"parallel_days": 16, "updates": 50}
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "default": {"steps": 4000},
    "quick": {"steps": 3000, "tuned": "quick-sac"},
    "800": _FEW | {"steps": 800, "updates": 48, "warmup_days": 160, "validate_every": 160},
    "1200": _FEW,
    "1200-batch-256": _FEW | {"batch_size": 256},
    "2000": _HALF,
    "2000-rate-4e-3": _HALF | {"learning_rate": 4e-3},
    "4000-half-the-updates": _ALL,
    "4000-half-the-updates-rate-4e-3": _ALL | {"learning_rate": 4e-3},
    "1200-random-800": _RANDOM | {"steps": 1200, "updates": 40, "warmup_days": 800},
    "1200-random-800-hidden-128": _RANDOM | {"steps": 1200, "updates": 40, "warmup_days": 800, "hidden": [128, 128]},
    "1200-random-800-rate-4e-3": _RANDOM | {"steps": 1200, "updates": 40, "warmup_days": 800, "learning_rate": 4e-3},
    "1600-random-800": _RANDOM | {"steps": 1600, "updates": 24, "warmup_days": 800},
    "1600-random-1200": _RANDOM | {"steps": 1600, "warmup_days": 1200},
    "2000-random-1000": _RANDOM | {"steps": 2000, "updates": 20, "warmup_days": 1000},
    "2000-random-1600": _RANDOM | {"steps": 2000, "warmup_days": 1600},
    "2400-random-1200": _RANDOM | {"steps": 2400, "parallel_days": 32, "updates": 80, "warmup_days": 1200},
    "2400-random-1600": _RANDOM | {"steps": 2400, "updates": 40, "warmup_days": 1600},
    "2400-random-1600-rounds-of-8": _RANDOM | {"steps": 2400, "parallel_days": 8, "updates": 12, "warmup_days": 1600},
    "2400-random-1600-rounds-of-32": _RANDOM | {"steps": 2400, "parallel_days": 32, "warmup_days": 1600, "validate_every": 400},
    "3000-random-2000-rounds-of-16": _RANDOM | {"steps": 3000, "updates": 25, "warmup_days": 2000, "validate_every": 400},
    "3000-random-2000-rounds-of-64": _RANDOM
    | {"steps": 3000, "parallel_days": 64, "updates": 100, "warmup_days": 2000, "validate_every": 400},
}
"""What was tried: settings of a plan, and the budget of days under ``steps``."""
_PATHS: Final = 2
"""Price paths under which each validation day is scored."""

Cell = dict[str, Any]
"""What is known of a training: ``seconds`` of processor time, and ``earned_eur`` on each scenario."""


def main() -> None:
    """Train every setting with every seed where that is not known yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--community", default="simbench-rural")
    parser.add_argument("--settings", default="default,quick", help=f"some of {', '.join(SETTINGS)} (default: %(default)s)")
    parser.add_argument("--seeds", default="1000,1001,1002", help="(default: %(default)s)")
    parser.add_argument("--split", default="validation", choices=("validation", "test"))
    parser.add_argument("--out", type=Path, default=Path("results/quicker.json"), metavar="FILE")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    task, names = GameSpec(community=options.community), options.settings.split(",")
    scenarios, best, least = scored_days(task, options.split)
    found: dict[str, list[Cell]] = {name: [] for name in names}
    known: dict[str, Cell] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for seed in map(int, options.seeds.split(",")):
        for name in names:
            settings = resolved(SETTINGS[name])
            key = json.dumps([options.community, options.split, settings, seed])
            if key not in known:
                known[key] = trained(task, settings, seed, scenarios)
                write_text(options.out, json.dumps(known, indent=1))
            found[name].append(known[key])
    regret = {name: 100.0 * (best - np.array([cell["earned_eur"] for cell in cells])) / (best - least) for name, cells in found.items()}
    counted = np.isfinite(best)
    print_table(found, {name: values[:, counted] for name, values in regret.items()})
    if options.split == "test":
        weeks = week_of([scenario.day for scenario in scenarios])[counted]
        beside = shipped(options.community)[1][:, counted]
        for name, values in regret.items():
            print(f"{name} beside sac: {compared(values[:, counted], beside, weeks)}")


def scored_days(task: GameSpec, split: str) -> tuple[list[Scenario], NDArray[np.float64], NDArray[np.float64]]:
    """Return the scenarios that leaders are scored on, and what the optimum and no charge earn on each in EUR.

    All 112 test days, as the shipped rows have them, or all validation days under several price paths each. Days with next to nothing to
    win have NaN for an optimum.
    """
    community = environment_of(task).community
    if split == "test":
        rows = shipped(task.community)[0]
        best = np.where(rows["excluded"], np.nan, rows["optimum_eur"])
        return (
            [Scenario(int(day), int(path)) for day, path in zip(rows["day"], rows["price_path"], strict=True)],
            best,
            rows["zero_eur"].to_numpy(),
        )
    paths = community.n_price_paths
    days = community.scenarios("validation")
    scenarios = [Scenario(day, (path + shift) % paths) for shift in range(min(_PATHS, paths)) for day, path in days]
    with Workers(1, quiet=True) as workers:
        ends = references(task, scenarios, workers)
    counts = ~np.isnan(normalised_regret(community, ends, np.zeros(len(ends))))
    best = np.where(counts, [each.best_eur for each in ends], np.nan)
    return scenarios, best, np.array([each.zero_eur for each in ends])


def shipped(community: str) -> tuple[Any, NDArray[np.float64]]:
    """Return the rows of one seed of `sac` that ship with the package, and the normalised regret in % of all, shape (seeds, days)."""
    rows = read_results(REFERENCE).rows
    rows = rows[(rows["community"] == community) & (rows["information"] == "public") & (rows["algorithm"] == "sac")]
    rows = rows.sort_values(["seed", "day", "price_path"])
    of_seeds = [own for _, own in rows.groupby("seed")]
    return of_seeds[0], 100.0 * np.array([own["normalised_regret"].to_numpy() for own in of_seeds])


def resolved(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with those of a tuned file in its place."""
    own = {name: value for name, value in settings.items() if name != "tuned"}
    return (tuned_settings(settings["tuned"], "sac") if "tuned" in settings else {}) | own


def trained(task: GameSpec, settings: Mapping[str, Any], seed: int, scenarios: Sequence[Scenario]) -> Cell:
    """Train a leader and play the scenarios."""
    own = {name: value for name, value in settings.items() if name != "steps"}
    with TemporaryDirectory() as folder, Workers(1, quiet=True) as workers:
        began = time.process_time()
        practice = TaskPractice(task, seed=seed, folder=Path(folder), steps=settings["steps"], validation_days=28, workers=workers)
        leader = make_algorithm("sac", own).learn(practice)
        seconds = time.process_time() - began
    played = play_days(task, lambda _: leader, scenarios, threads=1)
    return {"seconds": seconds, "earned_eur": [day.objective_eur for day in played]}


def print_table(found: Mapping[str, list[Cell]], regret: Mapping[str, NDArray[np.float64]]) -> None:
    """Print what each setting takes and leaves."""
    rows = [
        [
            name,
            f"{np.median([cell['seconds'] for cell in found[name]]):.1f}",
            f"{interquartile_mean(values.ravel()):.2f}",
            f"{mean(values.ravel()):.2f}",
            " ".join(f"{interquartile_mean(each):.1f}" for each in values),
        ]
        for name, values in regret.items()
    ]
    print(table(["setting", "seconds, median", "IQM", "mean", "IQM by seed"], rows))


def compared(values: NDArray[np.float64], beside: NDArray[np.float64], weeks: NDArray[np.int64]) -> str:
    """Return both statistics with intervals, their differences with seeds drawn apart, and the mean difference seed by seed."""
    words = []
    statistics: dict[str, Statistic] = {"IQM": interquartile_mean, "mean": mean}
    for name, statistic in statistics.items():
        own, other = (
            hierarchical_bootstrap(each, np.random.default_rng(0), statistic=statistic, blocks=weeks).of_regret()
            for each in (values, beside)
        )
        apart = difference(values, beside, np.random.default_rng(0), statistic=statistic, blocks=weeks).interval(0.95)
        words.append(f"{name} {with_interval(own, 2)} and {with_interval(other, 2)}, difference {with_interval(apart, 2)}")
    if len(values) == len(beside):
        paired = paired_difference(values, beside, np.random.default_rng(0), blocks=weeks)
        words.append(f"paired mean difference {with_interval(paired, 2)}")
    return "; ".join(words)


if __name__ == "__main__":
    main()
